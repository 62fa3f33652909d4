# Compares what the daemon found with what must come.
#
#   awk -f compare.awk -v skip=PATTERN [-v rows=FILE] expected.tsv explained.jsonl
#
# explained.jsonl has one line of `mxwardctl explain --json` for each row of expected.tsv, in the same
# order. Domains that match `skip` are left out, and counted. Prints every difference, and at the end one
# line of sums; exit code 1 if anything differs. With `rows`, what `farm --list` prints, it shows every
# domain: first the farm, one line a host with its three domains.
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

# Found, and what was expected if that is another class.
function class_shown(domain) {
    if (!(domain in found))
        return "not tested"
    return found[domain] == wanted[domain] ? found[domain] : found[domain] " (!" wanted[domain] ")"
}

function show(    line, f, i) {
    printf "  %-20s %-11s %-11s %-11s\n", "mail host", "signed", "with TLSA", "unsigned"
    while ((getline line < rows) > 0) {
        split(line, f, "\t")
        printf "  %-20s %-11s %-11s %-11s %s\n", f[1], class_shown(f[1] ".secure.lab"), \
            class_shown(f[1] ".dane.lab"), class_shown(f[1] ".plain.lab"), f[4]
    }
    printf "\n  %-32s %-11s %-11s %s\n", "domain", "expected", "found", "why"
    for (i = 1; i <= count; i++) {
        split(row[i], f, "\t")
        if (f[1] !~ /\.(secure|dane|plain)\.lab$/)
            printf "  %-32s %-11s %-11s %s\n", f[1], f[2], class_shown(f[1]), cause[f[1]]
    }
    print ""
}

FNR == NR {
    if ($0 !~ /^#/ && NF > 1)
        row[++count] = $0
    next
}

{
    while (++at <= count) {
        split(row[at], e, "\t")
        if (skip == "" || e[1] !~ skip)
            break
        skipped++
    }
    if (at > count) {
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
    if (differences != "") {
        failed++
        wrong = wrong e[1] ":" differences "\n"
    }
    wanted[e[1]] = e[2]
    found[e[1]] = class
    cause[e[1]] = text_of($0, "cause", 1)
    compared++
    of_class[class]++
}

END {
    while (++at <= count) {
        split(row[at], e, "\t")
        if (skip != "" && e[1] ~ skip) {
            skipped++
        } else {
            wrong = wrong e[1] ": no answer\n"
            failed++
        }
    }
    if (rows != "")
        show()
    printf "%s", wrong
    printf "%d domains as expected, %d not%s:", compared - failed, failed, \
        skipped ? sprintf(", %d not tested here", skipped) : ""
    for (class in of_class)
        printf " %d %s", of_class[class], class
    printf "\n"
    exit failed > 0
}
