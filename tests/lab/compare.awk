# Compares what the daemon found with what must come.
#
#   awk -f compare.awk -v skip=PATTERN [-v show=1] expected.tsv explained.jsonl
#
# explained.jsonl has one line of `mxwardctl explain --json` for each row of expected.tsv, in the same
# order. Domains that match `skip` are left out, and counted. Prints every difference (with show, every
# domain), and at the end one line of sums; exit code 1 if anything differs.
BEGIN { FS = "\t" }

# The first "key":"text" or "key":null after position `from`; sets `after`.
function text_of(line, key, from,    rest, start, n) {
    rest = substr(line, from)
    n = index(rest, "\"" key "\":")
    if (n == 0)
        return "?"
    start = n + length(key) + 3
    after = from + start
    rest = substr(rest, start)
    if (substr(rest, 1, 4) == "null")
        return "-"
    rest = substr(rest, 2)
    return substr(rest, 1, index(rest, "\"") - 1)
}

# One word for each host, in order.
function of_hosts(line, key,    list, from, n, rest) {
    list = ""
    from = index(line, "\"hosts\":[")
    while (from > 0) {
        rest = substr(line, from)
        n = index(rest, "\"finding\":{")
        if (n == 0)
            break
        list = list (list == "" ? "" : ",") text_of(line, key, from + n)
        from = from + n + 11
    }
    return list == "" ? "-" : list
}

# Word by word; "*" in what is expected fits anything.
function fits(expected, actual,    e, a, n, m, i) {
    if (expected == "*" || expected == actual)
        return 1
    n = split(expected, e, ",")
    m = split(actual, a, ",")
    if (n != m)
        return 0
    for (i = 1; i <= n; i++)
        if (e[i] != "*" && e[i] != a[i])
            return 0
    return 1
}

function difference(what, expected, actual) {
    if (!fits(expected, actual))
        differences = differences sprintf("  %s %s, expected %s;", what, actual, expected)
}

FNR == NR {
    if ($0 !~ /^#/ && NF > 1) {
        row[++rows] = $0
        if ($1 != "")
            next
    }
    next
}

{
    while (++at <= rows) {
        split(row[at], e, "\t")
        if (skip == "" || e[1] !~ skip)
            break
        skipped++
    }
    if (at > rows) {
        print "more answers than rows: " substr($0, 1, 100)
        failed++
        next
    }
    differences = ""
    class = text_of($0, "class", 1)
    difference("class", e[2], class)
    difference("level", e[3], text_of($0, "level", 1))
    difference("conclusion", e[4], text_of($0, "conclusion", 1))
    difference("cause", e[5], text_of($0, "cause", 1))
    difference("outcome", e[6], of_hosts($0, "outcome"))
    difference("report", e[7], of_hosts($0, "tls_report"))
    if (show)
        printf "  %-34s %-10s %-10s %s\n", e[1], e[2], class, differences == "" ? "ok" : "DIFFERS"
    if (differences != "") {
        failed++
        if (!show)
            printf "%s:%s\n", e[1], differences
        else
            printf "      %s\n", differences
    }
    compared++
    of_class[class]++
}

END {
    while (++at <= rows) {
        split(row[at], e, "\t")
        if (skip != "" && e[1] ~ skip) {
            skipped++
        } else {
            print e[1] ": no answer"
            failed++
        }
    }
    printf "%d domains as expected, %d not%s:", compared - failed, failed, \
        skipped ? sprintf(", %d not tested here", skipped) : ""
    for (class in of_class)
        printf " %d %s", of_class[class], class
    printf "\n"
    exit failed > 0
}
