# stories.sh - what users are promised, with real mail through a real Postfix (mta.sh): Posteo's story, mailbox.org's,
# and a thousand messages while the daemon dies. Sourced by tests/lab/check.sh and demo.sh. Each function is one claim.
# shellcheck shell=sh disable=SC2154,SC2034,SC2086

secure_domain=dane-ee.lab encrypting_domain=tls13.secure.lab clear_domain=no-starttls.secure.lab

# One message to three recipients, whose names carry the word.
send_to_three() { # WORD SENDER
    mta_send "$1" "$2" "$1@$secure_domain" "$1@$encrypting_domain" "$1@$clear_domain" && mta_settles 20
}

# S1, S2, S7: two arrive, the third comes back, and its sender is told why.
guaranteed_mail_comes_back() {
    mta_start && ctl user on anna@here.lab --profile posteo >/dev/null && send_to_three first anna@here.lab &&
        arrived_as TLS first@$secure_domain && arrived_as TLS first@$encrypting_domain && arrived_as '' first@$clear_domain || return 1
    notice_about first@$clear_domain >"$live/notice"
    for text in 'Subject: Undelivered Mail Returned to Sender' 'To: anna@here.lab' 'Status: 5.7.4' \
        'TLS is required, but was not offered by' 'listening only' 'https://here.lab/guarantee'; do
        tr '\n' ' ' <"$live/notice" | tr -s ' ' | grep -q "$text" || { echo "  the notice does not say: $text"; cat "$live/notice"; return 1; }
    done
    [ "$(grep -c '^Final-Recipient' "$live/notice")" = 1 ] || { echo "  the notice is about others, too"; return 1; }
    [ -z "$(notice_about first@$secure_domain)" ]
}

# S5: off for one domain for a time, the others keep the guarantee; on again by itself.
exception_lets_one_domain_through() {
    ctl user off anna@here.lab --domain $clear_domain --until 8s >/dev/null && send_to_three excepted anna@here.lab &&
        arrived_as TLS excepted@$secure_domain && arrived_as clear excepted@$clear_domain || return 1
    mta_deliveries | grep -q "	excepted@$secure_domain	guarantee-posteo	sent" ||
        { echo "  the other recipients lost the guarantee"; mta_deliveries | grep excepted; return 1; }
    sleep 9
    send_to_three again anna@here.lab && arrived_as TLS again@$secure_domain && arrived_as '' again@$clear_domain &&
        [ -n "$(notice_about again@$clear_domain)" ] || { echo "  it is not on again"; return 1; }
}

# S8: what the user's account sends by itself, and mail that only passes through it, leave while the guarantee is on.
replies_and_forwards_leave() {
    ctl user on forward@here.lab --profile posteo >/dev/null && mta_send reply '<>' reply@$clear_domain && mta_send passed stranger@elsewhere.lab forward@here.lab && mta_settles 20 &&
        arrived_as clear reply@$clear_domain && arrived_as clear bob@$clear_domain
}

without_guarantee_all_arrive() {
    ctl user off anna@here.lab >/dev/null && send_to_three without anna@here.lab && arrived_as TLS without@$secure_domain &&
        arrived_as TLS without@$encrypting_domain && arrived_as clear without@$clear_domain
}

reported_held() { # DOMAIN
    ctl report --json | grep -q "\"domain\":\"$1\",\"action\":\"defer\",\"observed\":false"
}

# S10: who did TLS and does it no more. Held, not sent in clear; an administrator sees it, and decides.
lost_tls_is_held() {
    forgets=offers-first.open.lab # the first look was encrypted
    ctl memory show "[$forgets]" | grep -q encrypt || { echo "  it is not remembered"; return 1; }
    mta_send held carol@here.lab held@$forgets && mta_settles 20 && arrived_as '' held@$forgets &&
        mta_deliveries | grep -q "	held@$forgets	smtp	deferred	TLS is required, but was not offered by host" ||
        { echo "  it is not held for want of TLS"; mta_deliveries | grep held@; return 1; }
    [ "$(class_of --live $forgets)" = none ] || { echo "  it still does TLS"; return 1; } # the daemon's next look
    ctl memory pending | grep -q "$forgets" || { echo "  nobody is shown it"; return 1; }
    ctl status --json | grep -q '"kind":"contradicted"' || { echo "  no alarm"; return 1; }
    mta_run_queue && mta_settles 20 && arrived_as '' held@$forgets && until_ready 3 reported_held $forgets ||
        { echo "  it is not held, or not in the report"; ctl report; return 1; }
    ctl memory set $forgets none --reason "the operator says so" >/dev/null
    ctl memory pending | sed -n 's/^\(\[[^]]*offers-first[^]]*\]\).*/\1/p' | while read -r host; do
        ctl memory set "$host" none --reason "the operator says so" >/dev/null
    done
    sleep 6 # for some seconds an answer may only become stricter
    mta_run_queue && until_ready 20 sh -c "grep -q '^held@' '$live/arrivals'"
    arrived_as clear held@$forgets
}

# --- secure aliases (S13) ---

smtp_say() { # ADDRESS RECIPIENT: the reply to RCPT, in clear
    timeout 10 smtp-source -v -f stranger@elsewhere.lab -t "$2" "$1:25" 2>&1
}
smtp_say_encrypted() { # RECIPIENT
    { sleep 0.3; printf 'MAIL FROM:<stranger@elsewhere.lab>\r\n'; sleep 0.2; printf 'RCPT TO:<%s>\r\n' "$1"; sleep 0.5; printf 'QUIT\r\n'; sleep 0.2; } |
        timeout 10 openssl s_client -quiet -crlf -starttls smtp -connect $mta_address:25 2>/dev/null
}

secure_alias_holds_both_ways() {
    alias=me@secure.here.lab
    send_to_three alias $alias && arrived_as TLS alias@$secure_domain && arrived_as '' alias@$clear_domain &&
        mta_deliveries | grep -q "	alias@$secure_domain	guarantee-strict	sent" || return 1
    [ -n "$(notice_about alias@$clear_domain)" ] || { echo "  its sender is not told what was not sent"; return 1; }
    smtp_say $mta_address $alias | grep -q '530.*STARTTLS' || { echo "  plain mail is not refused"; smtp_say $mta_address $alias; return 1; }
    smtp_say $mta_address anna@here.lab | grep -q '^.*250 2.1.5' || { echo "  others are refused, too"; return 1; }
    smtp_say_encrypted $alias | grep -q '^250 2.1.5' || { echo "  mail over TLS is refused"; smtp_say_encrypted $alias; return 1; }
    smtp_say $mta_edge $alias | grep -q '530' && { echo "  the trusted hop is refused"; smtp_say $mta_edge $alias; return 1; }
    grep -q "client=unknown\[$mta_hop\]" "$mta_log" || { echo "  the trusted hop was not there"; return 1; }
}

# --- a thousand messages while the daemon dies ---

# Ends where it is told to come again, as it may be while the daemon starts.
storm_of_mail() { # SENDER COUNT DOMAIN
    timeout 120 smtp-source -s 4 -m "$2" -N -f "$1" -t "storm@$3" $mta_address:587 2>>"$live/storm.refused"
}
# What was not taken comes again.
storm_again() { # SENDER COUNT DOMAIN
    missing=$(($2 - $(mta_accepted "$1" "$3")))
    [ $missing -le 0 ] || storm_of_mail "$1" $missing "$3"
}

daemon_dies() {
    sleep 1.5
    kill -9 $daemon
    wait $daemon 2>/dev/null
    sleep 2
    start_daemon 2
    sleep 1
    kill -STOP $daemon
    sleep 4
    kill -CONT $daemon
}

# The secure alias looks for every message anew (strict), anna every minute.
storms="anna@here.lab 250 $secure_domain
anna@here.lab 200 $encrypting_domain
me@secure.here.lab 50 $encrypting_domain
anna@here.lab 70 $clear_domain
me@secure.here.lab 30 $clear_domain
carol@here.lab 200 $clear_domain
carol@here.lab 200 $encrypting_domain"

all_storms() {
    storming=''
    echo "$storms" >"$live/storms"
    while read -r storm; do
        storm_of_mail $storm &
        storming="$storming $!"
    done <"$live/storms"
    wait $storming
}

# None lost, none weaker than demanded, none returned for our fault, none later than one run of the queue more.
thousand_messages_survive() {
    ctl user on anna@here.lab --profile posteo >/dev/null || return 1
    all_storms &
    clouds=$!
    daemon_dies
    wait $clouds
    until_ready 60 mta_is_quiet || { echo "  mail is still on its way"; return 1; }
    while read -r storm; do storm_again $storm; done <"$live/storms"
    grep -v 'rejected: 45[01] ' "$live/storm.refused" && { echo "  a client was refused for good"; return 1; }
    until_ready 60 mta_is_quiet || { echo "  mail is still on its way"; return 1; }
    mta_run_queue
    until_ready 60 storms_are_over || { echo "  mail waits for more than one run of the queue"
        mta_deliveries | grep 'storm@' | awk -F'\t' '$4 == "deferred" { print $3, $5 }' | sort | uniq -c | sort -rn | head -5; }
    storm_balance
}

storms_are_over() {
    [ "$(mta_deliveries | awk -F'\t' '$2 ~ /^[0-9]+storm@/ && $4 != "deferred" { print $1 }' | sort -u | wc -l)" -ge 1000 ]
}

# By queue id: each of the thousand has one end, and the right one.
storm_balance() {
    sed -n 's/.*: \([0-9A-F]*\): from=<\([^>]*\)>, size=.*/\1\t\2/p' "$mta_log" | sort -u >"$live/storm.senders"
    mta_deliveries | grep 'storm@' | awk -F'\t' -v senders="$live/storm.senders" -v arrivals="$live/arrivals" -v clear="$clear_domain" '
        BEGIN {
            while ((getline line < senders) > 0) { split(line, f, "\t"); from[f[1]] = f[2] }
            while ((getline line < arrivals) > 0) { split(line, f, "\t"); if (f[1] ~ /storm@/ && f[3] == "clear") in_clear[f[1]]++ }
        }
        $4 != "deferred" { ended[$1 FS $2] = $4; text[$1 FS $2] = $5 }
        $4 == "deferred" { deferred++ }
        END {
            for (key in ended) {
                split(key, part, FS)
                guaranteed = from[part[1]] != "carol@here.lab"
                to_clear = part[2] ~ ("@" clear "$")
                count[guaranteed " " (to_clear ? "clear" : "TLS") " " ended[key]]++
                if (ended[key] == "bounced" && !(guaranteed && to_clear)) { print "  returned for our fault: " part[2] ": " text[key]; wrong = 1 }
                if (ended[key] == "sent" && guaranteed && to_clear) { print "  sent in clear in spite of the guarantee: " part[2]; wrong = 1 }
            }
            for (what in count) { printf "  %s: %d\n", what, count[what] >"/dev/stderr"; all += count[what] }
            if (all != 1000) { print "  " all + 0 " of 1000 messages ended"; wrong = 1 }
            if (count["1 clear bounced"] != 100) { print "  " count["1 clear bounced"] + 0 " of 100 came back"; wrong = 1 }
            for (to in in_clear) if (to !~ ("@" clear "$")) { print "  arrived in clear: " to; wrong = 1 }
            printf "  %d deferrals on the way\n", deferred >"/dev/stderr"
            exit wrong
        }' 2>"$live/storm.counts"
}

both_arrived() {
    [ -n "$(how_it_arrived anna-waits@$secure_domain)" ] && [ -n "$(notice_about anna-waits@$clear_domain)" ] &&
        [ -n "$(how_it_arrived carol-waits@$secure_domain)" ] && [ -n "$(how_it_arrived carol-waits@$clear_domain)" ]
}

# While nobody answers at the socket Postfix takes nothing for sure and returns nothing: a client is told to come
# again, what is in the queue waits.
gate_dies() {
    kill -9 $gate
    wait $gate 2>/dev/null
    smtp_say $mta_address anna@here.lab | grep -q '451' || { echo "  a client is not told to come again"; return 1; }
    for who in anna carol; do
        mta_send $who-waits $who@here.lab $who-waits@$secure_domain $who-waits@$clear_domain || return 1
    done
    sleep 3
    for who in anna carol; do
        arrived_as '' $who-waits@$secure_domain && arrived_as '' $who-waits@$clear_domain || return 1
    done
    start_gate || return 1 # on the stale file
    sleep 1
    mta_run_queue
    until_ready 30 both_arrived
    arrived_as TLS anna-waits@$secure_domain && arrived_as '' anna-waits@$clear_domain &&
        [ -n "$(notice_about anna-waits@$clear_domain)" ] && arrived_as TLS carol-waits@$secure_domain &&
        arrived_as clear carol-waits@$clear_domain
}

# The settings that all this ran with are what mxwardctl finds nothing in, but for what the lab does otherwise.
settings_are_found_good() {
    ctl postfix-check --json --config-directory "$mta/conf" --resolv-conf "$mta/queue/etc/resolv.conf" >"$live/postfix-check" 2>&1
    # hasty and quick are profiles for other phases.
    grep -E '"severity":"(breaks|weakens)"' "$live/postfix-check" | grep -vE 'guarantee-(hasty|quick)' >"$live/postfix-wrong"
    [ ! -s "$live/postfix-wrong" ] && grep -q '"severity":"fine"' "$live/postfix-check" || { cat "$live/postfix-check"; return 1; }
}
