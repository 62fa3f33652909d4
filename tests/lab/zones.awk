# Turns tests/lab/zones into zone files (see there for the language).
#
#   awk -f zones.awk -v out=DIR -v digests=FILE -v rows=FILE -v relays=FILE zones
#
# rows, relays: what `farm --list` and `farm --list-dns` print. Writes DIR/ZONE.zone ("root" for the
# root), and on standard output one line a zone: name, kind, addresses of its name servers. NS records
# and glue are written into a zone and its parent; DS records are added by tests/lab/build.
BEGIN {
    while ((getline line < digests) > 0) {
        split(line, f, " ")
        digest[f[1], f[2], f[3]] = f[4]
    }
    while ((getline line < rows) > 0) {
        split(line, f, "\t")
        row_count++
        label[row_count] = f[1]
        number[f[1]] = f[2]
        certificate[f[1]] = f[3]
    }
    while ((getline line < relays) > 0) {
        split(line, f, "\t")
        relay[f[1]] = f[2]
    }
}

function fail(text) {
    print FILENAME ":" FNR ": " text > "/dev/stderr"
    failed = 1
    exit 1
}

function file_of(name) {
    return out "/" (name == "." ? "root" : name) ".zone"
}

# The closest zone above, which is already known: parents come first or anywhere, so at the end.
function parent_of(name,    rest) {
    rest = name
    while (index(rest, ".")) {
        rest = substr(rest, index(rest, ".") + 1)
        if (rest in kind)
            return rest
    }
    return "."
}

function absolute(name) {
    return name == "." ? "." : name "."
}

# An address of a row: variant 1 to 4, IPv4 or IPv6.
function address(name, variant, six) {
    if (!(name in number))
        fail("the farm has no row " name)
    if (six)
        return sprintf("fd00:64:%x::%x", number[name], variant)
    return sprintf("127.64.%d.%d", number[name], variant)
}

function put(text) {
    print text > file_of(zone)
}

# Replaces @LABEL and %CERTIFICATE, and writes the record.
function record(text,    f, n, i, name, type, key) {
    n = split(text, f, " ")
    for (i = 2; i <= n; i++) {
        if (f[i] ~ /^(A|AAAA|TLSA)$/)
            type = f[i]
        name = substr(f[i], 2)
        if (f[i] ~ /^@./ && (type == "A" || type == "AAAA"))
            f[i] = address(name, 4, type == "AAAA")
        if (f[i] ~ /^%/) {
            key = name SUBSEP f[i - 2] SUBSEP f[i - 1]
            if (!(key in digest))
                fail("no digest of " name " for selector " f[i - 2] ", matching type " f[i - 1])
            f[i] = digest[key]
        }
    }
    text = f[1]
    for (i = 2; i <= n; i++)
        text = text " " f[i]
    put(text)
}

function each(text,    r, i, line) {
    for (r = 1; r <= row_count; r++) {
        line = text
        gsub(/LABEL/, label[r], line)
        gsub(/CERTIFICATE/, certificate[label[r]], line)
        for (i = 1; i <= 4; i++)
            gsub("ADDRESS" i, address(label[r], i, 0), line)
        record(line)
    }
}

function start_zone(    i, address_list) {
    zone = $2
    kind[zone] = $3
    zones[++zone_count] = zone
    if ($4 == "at" && !($5 in relay))
        fail("no relay " $5)
    depth = zone == "." ? 0 : split(zone, unused, ".")
    honest = depth == 0 ? "127.0.0.53" : depth == 1 ? "127.0.0.54" : "127.0.0.55"
    address_list = $4 == "at" ? relay[$5] : honest
    if ($6 == "also")
        address_list = address_list " " honest
    servers[zone] = address_list
    put("$ORIGIN " absolute(zone))
    put("$TTL 300")
    put("@ SOA ns.lab. hostmaster.lab. 1 3600 600 86400 " ($4 == "denies" ? $5 : 60))
}

/^#/ || NF == 0 { next }
$1 == "zone" { start_zone(); next }
$1 == "each" { sub(/^each /, ""); each($0); next }
$1 == "repeat" {
    times = $2
    sub(/^repeat [0-9]+ /, "")
    for (i = 0; i < times; i++) {
        line = $0
        gsub(/##/, i + 5, line)
        gsub(/#/, sprintf("%03d", i), line)
        record(line)
    }
    next
}
$1 == "chain" {
    for (i = 0; i < $2; i++)
        put(sprintf("%s%03d CNAME %s", $3, i, i + 1 < $2 ? sprintf("%s%03d", $3, i + 1) : $4))
    next
}
{ record($0) }

# NS records and glue, in the zone and above it.
function delegate(name, where,    n, list, i, server) {
    zone = where
    n = split(servers[name], list, " ")
    for (i = 1; i <= n; i++) {
        server = name == "." ? "ns" i ".root-servers.lab." : "ns" i "." absolute(name)
        put(absolute(name) " NS " server)
        if (name != "." || where == "lab")
            put(server " A " list[i])
    }
}

END {
    if (failed)
        exit 1
    for (z = 1; z <= zone_count; z++) {
        name = zones[z]
        delegate(name, name)
        if (name != ".")
            delegate(name, parent_of(name))
        print name, kind[name], servers[name]
    }
    zone = "lab"
    put("ns1.root-servers A 127.0.0.53")
}
