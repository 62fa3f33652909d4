# phases.sh - what tests/lab/check.sh runs and demo.sh shows. Each function is one claim; it says what is
# wrong on standard output and returns 1. Sourced inside the lab.
# shellcheck shell=sh disable=SC2154,SC2086,SC2119,SC2120

ctl() {
    "$BUILD/mxwardctl" -s "$live/run/mxward.sock" "$@"
}

# Hosts that greet so late that nobody waits for them with the lab's budgets. A daemon with its own ones
# looks at them while all else goes on: late_greetings_are_waited_for.
late_hosts='^(spamd|greets-15s|greets-20s)'
grep -Ev "$late_hosts" "$here/expected.tsv" >"$live/expected.tsv"
grep -E "$late_hosts" "$here/expected.tsv" >"$live/late.tsv"

# Domains that cannot be tested here, as a pattern for compare.awk.
skip_pattern() {
    pattern=
    case $skipped in *postfix:*) pattern="^postfix-" ;; esac
    case $skipped in *exim:*) pattern="${pattern:+$pattern|}^exim\\." ;; esac
    printf '%s' "$pattern"
}

domains_to_test() {
    pattern=$(skip_pattern)
    awk -F'\t' -v skip="$pattern" '!/^#/ && NF > 1 && (skip == "" || $1 !~ skip) { print $1 }' "$live/expected.tsv"
}

# mxwardctl's codes are about the domains (1, 75) or about itself (all others).
answered() {
    "$@"
    case $? in 0 | 1 | 75) return 0 ;; *) return 1 ;; esac
}

# All at once first, so that the domains are looked at side by side; then the details of each.
explain_all() {
    domains_to_test >"$live/domains"
    answered ctl scan --json "$live/domains" >"$live/scan.jsonl" 2>"$live/scan.txt" || return 1
    while read -r domain; do
        answered ctl explain --json "$domain" || return 1
    done <"$live/domains" >"$live/explained.jsonl"
}

compare() { # [the farm's rows, to show everything]
    awk -f "$here/compare.awk" -v skip="$(skip_pattern)" -v rows="${1:-}" "$live/expected.tsv" \
        "$live/explained.jsonl"
}

table_agrees() {
    explain_all || return 1
    compare
}

# --- what the farm saw ---

farm_report() {
    rm -f "$live/farm.tsv"
    kill -USR1 "$farm_process"
    until_ready 5 test -f "$live/farm.tsv"
}

# The farm's report columns that must be zero, whatever the host did. 4: connections at once to an
# address, as the lab's mxward.conf allows.
farm_was_treated_politely() {
    farm_report || return 1
    awk -F'\t' '
        /^#/ { next }
        NR == 1 { for (i = 1; i <= NF; i++) name[i] = $i; next }
        {
            for (i = 6; i <= 11; i++)
                if ($i > 0) { printf "  %s: %s %d\n", $1, name[i], $i; wrong = 1 }
            if ($12 > 4) { printf "  %s: %d connections at once to one address\n", $1, $12; wrong = 1 }
            connections += $2
        }
        END {
            if (connections < 100) { print "  the farm was hardly visited: " connections + 0; wrong = 1 }
            exit wrong
        }' "$live/farm.tsv"
}

farm_connections() {
    farm_report && awk -F'\t' '!/^#/ && NR > 1 { n += $2 } END { print n + 0 }' "$live/farm.tsv"
}

# --- freshness ---

class_of() { # OPTIONS DOMAIN
    ctl check --json "$@" | sed -n 's/.*"class":"\([^"]*\)".*/\1/p'
}

live_sees_what_changed() {
    before=$(farm_connections)
    [ "$(class_of offers-first.secure.lab)" = verified ] || { echo "  what was learned is not used"; return 1; }
    [ "$(farm_connections)" = "$before" ] || { echo "  fresh evidence did not save a probe"; return 1; }
    [ "$(class_of --live offers-first.secure.lab)" = none ] || { echo "  live: still not stripped"; return 1; }
    [ "$(class_of --live offers-second.secure.lab)" = verified ] || { echo "  live: still stripped"; return 1; }
}

# --- what was seen, in detail ---

explained() { # DOMAIN PATTERN
    ctl explain --json "$1" | grep -q "$2" || { echo "  $1: not explained with $2"; return 1; }
}

# Versions have their names, also those that do not count; only what is said inside TLS counts (TLS-09).
details_are_right() {
    explained tls13.secure.lab '"version":"TLSv1.3"' && explained tls12.secure.lab '"version":"TLSv1.2"' &&
        explained tls11.secure.lab '"version":"TLSv1.1"' && explained tls10.secure.lab '"version":"TLSv1"' &&
        explained ssl3.secure.lab '"version":"SSLv3"' && explained requiretls.secure.lab '"requiretls":true' &&
        explained requiretls-before.secure.lab '"requiretls":false' && explained bücher.lab '"xn--bcher-kva.lab"' &&
        explained eight-bit.secure.lab 'Gott' && explained mx-398.lab '"hosts-cut"' &&
        explained unusable-empty.lab '"postfix-unsafe-tlsa"' && explained ipv6-only.lab '"address":"fd00:64:1::4"' &&
        explained 421-fastmail.secure.lab 'Expected removal in 3.2 days' && explained 220-alert.secure.lab '"alert":40'
}

# A host that answers with 421 from the third connection on: never "no TLS", and left in peace.
rate_limits_are_respected() {
    for _ in 1 2 3 4; do class_of --live rate-limit.secure.lab; done >"$live/rate"
    if grep -v '^verified$\|^unknown$' "$live/rate" || ! grep -q unknown "$live/rate"; then
        echo "  that is not what a rate limit means: $(tr '\n' ' ' <"$live/rate")"
        return 1
    fi
    farm_report || return 1
    awk -F'\t' '$1 == "rate-limit" && $2 > 3 + 4 { print "  " $2 " connections"; exit 1 }' "$live/farm.tsv"
}

# --- storms ---

storm_names() { # ZONE…
    for zone; do awk -v zone="$zone" 'BEGIN { for (i = 0; i < 200; i++) printf "d%03d.%s\n", i, zone }'; done
}

# Live scans one after the other until the file `storm` is gone; what is answered goes to storm.jsonl.
storm() {
    while [ -e "$live/storm" ]; do
        ctl scan --json --live "$live/storm" >>"$live/storm.jsonl" 2>>"$live/storm.log" || sleep 0.1
    done
}

watched() { # NAME: a count of the watcher
    awk -v name="$1" '$1 == name { print $2 }' "$live/watch"
}

killed_in_a_storm() {
    storm_names storm.lab >"$live/storm"
    : >"$live/storm.jsonl"
    "$farm" --watch "$live/run" --more 200 >"$live/watch" 2>"$live/watch.log" &
    watcher=$!
    storm &
    storming=$!
    for shards in 3 1 2; do
        sleep 3
        kill -9 $daemon
        wait $daemon 2>/dev/null
        timeout -s TERM 1 "$farm" --watch "$live/run" --more 200 >"$live/watch.dead" 2>&1
        start_daemon $shards || { echo "  does not start again with $shards shards"; break; }
    done
    sleep 3
    cp "$live/storm" "$live/again"
    rm "$live/storm"
    wait $storming
    kill $watcher
    wait $watcher
    torn=$?
    answered ctl scan --json "$live/again" >"$live/again.jsonl" 2>>"$live/storm.log"
    good=$(grep -c '"class":"dane"' "$live/again.jsonl")
    wrong=0
    [ $torn = 0 ] || { echo "  readers saw a wrong record:"; cat "$live/watch.log"; wrong=1; }
    [ "$(watched hits)" -gt 1000 ] || { echo "  readers hardly saw a record"; wrong=1; }
    grep -q '^hits [1-9]' "$live/watch.dead" || { echo "  nothing can be read while the daemon is dead"; wrong=1; }
    [ "$(watched renewals)" -ge 3 ] || { echo "  records were not renewed after the restarts"; wrong=1; }
    [ "$good" = 200 ] || { echo "  only $good of 200 domains are served after the last restart"; wrong=1; }
    return $wrong
}

# Whatever came out of it: "dane", or nothing found, and that by our own fault.
stopped_in_a_storm() {
    storm_names storm.lab slow.lab >"$live/storm"
    : >"$live/storm.jsonl"
    storm &
    storming=$!
    sleep 3
    kill -STOP $daemon
    sleep 10
    kill -CONT $daemon
    sleep 4
    rm "$live/storm"
    wait $storming
    awk '
        { answers++ }
        /"class":"dane"/ { next }
        /"class":"unknown"/ && /"cause":"(ours|not-looked)"/ { ours++; next }
        { print "  " substr($0, 1, 300); wrong++ }
        END {
            if (answers < 400) { print "  only " answers + 0 " answers"; wrong++ }
            printf "  %d answers, %d of them: not now, and that is our own fault\n", answers, ours
            exit wrong > 0
        }' "$live/storm.jsonl"
}

# --- more daemons, with settings of their own ---

start_another() { # NUMBER SED…: changes to the lab's settings. Sets `another`
    number=$1
    shift
    mkdir -p "$live/run$number" "$live/state$number"
    sed -e "s#$live/run#&$number#; s#$live/state#&$number#" "$@" "$live/mxward.conf" >"$live/mxward$number.conf"
    "$BUILD/mxward" -c "$live/mxward$number.conf" 2>>"$live/mxward$number.log" &
    another=$!
    started="$started $another"
    until_ready 20 test -S "$live/run$number/mxward.sock" || { echo "  does not start"; return 1; }
}

start_second() { # SED…
    start_another 2 "$@"
    code=$?
    second=$another
    return $code
}

ctl_second() {
    "$BUILD/mxwardctl" -s "$live/run2/mxward.sock" "$@"
}

# Begins at once what the other phases are the time for.
look_at_late_hosts() {
    start_another 3 -e '/^ *greeting = /d; /^ *whole = /d' || return 1
    patient=$another
    cut -f 1 "$live/late.tsv" >"$live/late"
    {
        answered "$BUILD/mxwardctl" -s "$live/run3/mxward.sock" scan --json "$live/late"
        while read -r domain; do
            answered "$BUILD/mxwardctl" -s "$live/run3/mxward.sock" explain --json "$domain" || break
        done <"$live/late" >"$live/late.jsonl"
    } >"$live/late.log" 2>&1 &
    looking=$!
}

# A client should wait five minutes for a greeting (RFC 5321 section 4.5.3.2.1); who is late is not down.
late_greetings_are_waited_for() {
    wait $looking
    kill $patient
    wait $patient || { echo "  the third daemon does not end in order"; return 1; }
    awk -f "$here/compare.awk" "$live/late.tsv" "$live/late.jsonl"
}

# Without allow_reserved: every address of the lab is reserved, so it connects nowhere.
reserved_addresses_are_refused() {
    before=$(farm_connections)
    start_second -e 's/allow_reserved = yes/allow_reserved = no/' || return 1
    ctl_second check --json dane-ee.lab tls13.plain.lab no-starttls.secure.lab >"$live/reserved.jsonl"
    kill $second
    wait $second
    if grep -v '"class":"unknown"' "$live/reserved.jsonl" || [ "$(wc -l <"$live/reserved.jsonl")" != 3 ]; then
        echo "  is not what is known of an address one may not look at"
        return 1
    fi
    [ "$(farm_connections)" = "$before" ] || { echo "  the farm was connected to"; return 1; }
}

second_ends() {
    kill $second
    wait $second || { echo "  the second daemon does not end in order"; return 1; }
}

# By the MX host's name, by the one at the end of its aliases (another name is sent then), and by one
# between. The first shares its endpoint with the last: each is asked for itself.
opted_out_by_any_name() {
    start_second -e 's/^politeness *{/&\n    opt_out = { mx.mx-alias-both.lab, no-tlsa.names.lab, between.names.lab }/' ||
        return 1
    for domain in mx-alias-both.lab mx-alias-original.lab mx-alias-chain.lab mx-alias-expanded.lab mx-alias-both.lab; do
        answered ctl_second explain --json $domain
    done | sed 's/.*"outcome":"\([^"]*\)".*/\1/' | tr '\n' ' ' >"$live/opted-out"
    second_ends || return 1
    [ "$(cat "$live/opted-out")" = "opted-out opted-out opted-out tls-ok opted-out " ] ||
        { echo "  the outcomes are $(cat "$live/opted-out")"; return 1; }
}

# Room for one message from thread to thread, one part of a handshake a turn, three shards: everything
# parks, all of it comes home, and with the same classes. The hosts that answer differently the second time
# are left out.
one_message_at_a_time() {
    start_second -e 's/^daemon *{/&\n    mailbox = 1/' -e 's/shards = [0-9]*/shards = 3/' \
        -e 's/^probe *{/&\n    heavy_per_turn = 1/' || return 1
    # mx-late: behind everybody's queue its late answer may miss the deadline, which is temporary (law 3).
    grep -v '^offers-\|^rate-limit\|^mx-late' "$live/domains" >"$live/narrow"
    storm_names storm.lab >>"$live/narrow"
    answered ctl_second scan --json --live "$live/narrow" >"$live/narrow.jsonl" 2>>"$live/storm.log"
    ctl_second config | grep -q 'mailbox = 1\b' || { echo "  the setting did not arrive"; return 1; }
    second_ends || return 1
    sed 's/.*"domain":"\([^"]*\)".*"class":"\([^"]*\)".*/\1\t\2/' "$live/narrow.jsonl" |
        awk -F'\t' '
            FNR == NR { if (!/^#/) wanted[$1] = $2; next }
            /\.storm\.lab/ { wanted[$1] = "dane" }
            $1 in wanted && wanted[$1] != $2 { printf "  %s: %s instead of %s\n", $1, $2, wanted[$1]; wrong++ }
            $1 in wanted { same++ }
            END { if (same < 650) { print "  only " same + 0 " domains came home"; wrong++ } exit wrong > 0 }' \
            "$live/expected.tsv" -
}

# A file with a mistake changes nothing, and the answer says where the mistake is; a good one is taken.
reload_takes_good_files_only() {
    start_second -e 's/^probe *{/&/' || return 1
    cp "$live/mxward2.conf" "$live/good.conf"
    echo 'probe { conect = 1s }' >>"$live/mxward2.conf"
    if said=$(ctl_second reload 2>&1); then
        echo "  a bad file is taken"
        return 1
    fi
    case $said in *mxward2.conf:*conect*) ;; *) echo "  does not say what is wrong: $said"; return 1 ;; esac
    # Refused for one thing is refused whole: nothing of it may be in force.
    { cat "$live/good.conf"; echo 'listen { query_users = {"nosuchuser"} }'; } |
        sed 's/command = .*/command = 1700ms/' >"$live/mxward2.conf"
    if ctl_second reload >/dev/null 2>&1; then
        echo "  a user who does not exist is taken"
        return 1
    fi
    epoch=$(ctl_second status --json | sed 's/.*"config_epoch":\([0-9]*\).*/\1/')
    sed 's/command = .*/command = 1500ms/' "$live/good.conf" >"$live/mxward2.conf"
    ctl_second reload >"$live/reloaded" || { cat "$live/reloaded"; return 1; }
    ctl_second config | grep -q 'command = 1500ms' || { echo "  a good file has no effect"; return 1; }
    cp "$live/good.conf" "$live/mxward2.conf"
    ctl_second reload >/dev/null
    [ "$epoch" = "$(ctl_second status --json | sed 's/.*"config_epoch":\([0-9]*\).*/\1/')" ] ||
        { echo "  a refused file left something in force (epoch $epoch)"; return 1; }
    second_ends
}

# --- the lab can fail ---

# A table that is wrong in one word, an impolite client: both must be noticed, or nothing above means
# anything.
the_lab_notices() {
    for change in 's/^dane-ee.lab\tdane/dane-ee.lab\tencrypted/' 's/^\(null-mx.lab\t.*\)null-mx/\1no-host/' \
        's/^\(454.secure.lab\t.*\)starttls-not-supported/\1validation-failure/' '/^rollover.lab/d'; do
        sed "$change" "$live/expected.tsv" >"$live/wrong.tsv"
        if awk -f "$here/compare.awk" -v skip="$(skip_pattern)" "$live/wrong.tsv" "$live/explained.jsonl" >/dev/null; then
            echo "  a table changed by $change still agrees"
            return 1
        fi
    done
    # Talks before the greeting; then leaves without QUIT.
    timeout 3 openssl s_client -connect 127.64.16.2:25 </dev/null >/dev/null 2>&1
    timeout 3 openssl s_client -connect 127.64.2.2:25 -starttls smtp </dev/null >/dev/null 2>&1
    farm_report || return 1
    awk -F'\t' '$1 == "synchronization" && $6 > 0 { early = 1 } $1 == "tls12" && $7 > 0 { quit = 1 }
        END { exit !(early && quit) }' "$live/farm.tsv" || { echo "  the farm does not notice rudeness"; return 1; }
}

# --- the end ---

# SIGTERM, and it has stopped: as asked, in order, and with nothing to complain about on the way (a build
# with sanitizers complains here, too).
ends_in_order() {
    kill $daemon
    wait $daemon
    code=$?
    [ $code = 0 ] || { echo "  exit code $code"; tail -5 "$live/mxward.log"; return 1; }
    ! grep -av 'reload-refused' "$live"/mxward*.log | grep -aE ' error |Sanitizer|runtime error|check failed'
}
