# The messages of policies.tsv, with the text that each is sent under.
#
#   awk -f policies.awk -v table=FILE -v explained=FILE policies.tsv
#
# table: what `farm --list-policies` prints. explained: lines of `mxwardctl explain --json`. Prints number,
# recipient's domain, text, outcome, row and reason, tab-separated. Exit code 1 if the daemon decided by
# another row than policies.tsv says, or if a row of the table that has a text is tried by no message: no row
# can be forgotten.
BEGIN {
    FS = OFS = "\t"
    while ((getline line < table) > 0) {
        split(line, f, "\t")
        if (f[2] == "policy") {
            must_try[f[1]] = 1
            fixed[f[1]] = f[3]
        }
    }
    while ((getline line < explained) > 0)
        read_policies(line)
}

# The first "key":"text" of `part`.
function text_of(part, key,    n) {
    n = index(part, "\"" key "\":\"")
    if (n == 0)
        return ""
    part = substr(part, n + length(key) + 4)
    return substr(part, 1, index(part, "\"") - 1)
}

function read_policies(line,    domain, n, i, parts, demand) {
    domain = text_of(line, "domain")
    line = substr(line, index(line, "\"postfix\":["))
    line = substr(line, 1, index(line, "]"))
    n = split(line, parts, "{\"demand\":")
    for (i = 2; i <= n; i++) {
        demand = substr(parts[i], 2, index(substr(parts[i], 2), "\"") - 1)
        text[domain, demand] = text_of(parts[i], "policy")
        row_of[domain, demand] = text_of(parts[i], "row")
    }
}

function complain(sentence) {
    print "  " $1 ", " $2 ": " sentence > "/dev/stderr"
    wrong = 1
}

/^#/ || NF == 0 { next }
{
    if (NF != 6)
        complain("not six columns")
    if ($2 == "-")
        policy = fixed[$1]
    else {
        policy = text[$2, $3]
        if (row_of[$2, $3] != $1)
            complain("the daemon decides by row " row_of[$2, $3])
    }
    if (policy == "")
        complain("there is no text")
    delete must_try[$1]
    print ++count, ($4 == "=" ? $2 : $4), policy, $5, $1, $6
}
END {
    for (row in must_try) {
        print "  row " row " is tried by no message" > "/dev/stderr"
        wrong = 1
    }
    exit wrong
}
