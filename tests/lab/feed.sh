# feed.sh - real deliveries by a real Postfix, and what the daemon learns of its log (mxwardctl feed).
# Sourced by tests/lab/check.sh inside the lab, after policies.sh, whose sender it uses.
# shellcheck shell=sh disable=SC2154,SC2034,SC2086

# Looked at together, then left alone for longer than the window of profile quick (hosts.sh): DANE, a certificate
# that proves nothing, one that is trusted; and one that nothing is delivered to.
renewed='dane-ee.lab self-signed.secure.lab tls13.secure.lab'
not_renewed=p384.secure.lab
never_seen=d150.storm.lab never_seen_host=h150.storm.lab # before the storms nobody asks for it
quick_window=30

evidence_is_made() {
    answered ctl check --live $renewed $not_renewed >"$live/feed-looked" || return 1
    looked_at=$(date +%s)
}

# --- delivering ---

# Each under the policy that the daemon gives, as mxward-gate would; no policy: Postfix's own level, `may`.
feed_policies() {
    for domain in $renewed; do
        ctl decide --json --profile posteo x@here.lab y@$domain |
            sed -n 's/.*"policy":"\([^"]*\)".*/'$domain' \1/p'
    done >"$live/sender/policies/feed"
    [ "$(wc -l <"$live/sender/policies/feed")" = 3 ] || { echo "  no policies to deliver under"; return 1; }
}

log_size() { wc -c <"$live/sender/log"; }

# One message to each; what Postfix then writes becomes log.NAME, whether it was sent or bounced.
delivered() { # NAME RECIPIENT…
    name=$1
    shift
    size=$(log_size)
    for recipient; do
        timeout 20 smtp-source -f sender@sender.mta.lab -t $recipient 127.27.0.1:25 || return 1
    done
    for recipient; do
        until_ready 20 grep -q "to=<$recipient>.* status=" "$live/sender/log" ||
            { echo "  $recipient: no word of it in Postfix's log"; return 1; }
    done
    tail -c +$((size + 1)) "$live/sender/log" | grep -a '/smtp\[' >"$live/log.$name"
}

was_sent() { # NAME RECIPIENT…
    name=$1
    shift
    for recipient; do
        grep -q "to=<$recipient>.* status=sent" "$live/log.$name" ||
            { echo "  $recipient was not delivered:"; grep "$recipient" "$live/log.$name"; return 1; }
    done
}

# --- asking ---

counted() { # COUNTER: of the whole daemon
    ctl status --json | sed -n 's/.*"'$1'":\([0-9]*\).*/\1/p'
}

fed() { # NAME REPORTED
    ctl feed "$live/log.$1" 2>"$live/fed.$1" || { cat "$live/fed.$1"; return 1; }
    grep -q "^deliveries $2, reported $2," "$live/fed.$1" ||
        { echo "  $1: $(cat "$live/fed.$1"), not $2"; cat "$live/log.$1"; return 1; }
}

needs_a_look() { # DOMAIN: whether deciding under profile quick connects to the farm
    connections=$(farm_connections)
    decided send --profile quick x@here.lab y@$1 || return 2
    [ "$(farm_connections)" != "$connections" ]
}

# --- claims ---

deliveries_save_probes() {
    feed_policies || return 1
    while [ $(($(date +%s) - looked_at)) -le $quick_window ]; do sleep 0.5; done
    # With the key in its log (smtp_tls_loglevel 2), because "Trusted" names nobody.
    delivered renews y@dane-ee.lab y@self-signed.secure.lab keyed@tls13.secure.lab &&
        was_sent renews y@dane-ee.lab y@self-signed.secure.lab keyed@tls13.secure.lab || return 1
    taken=$(counted deliveries) renewals=$(counted renewed)
    fed renews 3 || return 1
    [ "$(counted deliveries)" = $((taken + 3)) ] || { echo "  the daemon did not take three deliveries"; return 1; }
    [ "$(counted renewed)" = $((renewals + 3)) ] ||
        { echo "  renewed $(($(counted renewed) - renewals)), not 3"; cat "$live/log.renews"; return 1; }
    for domain in $renewed; do
        needs_a_look $domain
        case $? in 0) echo "  $domain is looked at anew after a delivery"; return 1 ;; 2) return 1 ;; esac
    done
    # Or nothing above means anything.
    needs_a_look $not_renewed || { echo "  $not_renewed was not delivered to, and is not looked at"; return 1; }
}

remembers() { # HOST
    ctl memory show --json "[$1]" >"$live/feed-memory" 2>&1
}

remembers_as() { # HOST LEVEL
    remembers $1 && grep -q '"level":"'$2'"' "$live/feed-memory"
}

# A host that nobody looked at is looked at because of the delivery, and what the look sees is remembered. Once it was
# seen, a delivery is a sighting by itself.
deliveries_are_remembered() {
    if remembers $never_seen_host; then echo "  $never_seen_host is known before"; return 1; fi
    delivered looks y@$never_seen && was_sent looks y@$never_seen || return 1
    connections=$(farm_connections)
    fed looks 1 || return 1
    until_ready 10 remembers_as $never_seen_host encrypt || { echo "  $never_seen_host is not remembered: $(cat "$live/feed-memory")"; return 1; }
    [ "$(farm_connections)" -gt "$connections" ] || { echo "  $never_seen_host is remembered, and nobody looked"; return 1; }
    ctl memory set "[$never_seen_host]" none --reason "the lab forgets" >/dev/null && remembers_as $never_seen_host none ||
        { echo "  it cannot be forgotten"; return 1; }
    delivered teaches z@$never_seen && was_sent teaches z@$never_seen || return 1
    connections=$(farm_connections)
    fed teaches 1 || return 1
    until_ready 5 remembers_as $never_seen_host encrypt || { echo "  no sighting of $never_seen_host: $(cat "$live/feed-memory")"; return 1; }
    [ "$(farm_connections)" = "$connections" ] || { echo "  $never_seen_host was looked at again"; return 1; }
}

# Who writes to the log has no host remembered that mxward cannot see itself: this one greets too late for the lab's.
forged_log_teaches_nothing() {
    forged_host=greets-20s.farm.lab forged_domain=greets-20s.secure.lab
    address=$(dig +short $forged_host A | head -n 1)
    sed "s/${never_seen_host}\[[^]]*\]/${forged_host}[$address]/; s/@$never_seen/@$forged_domain/" "$live/log.looks" >"$live/log.forgery"
    grep -q "TLS connection established to $forged_host\[127" "$live/log.forgery" || { echo "  nothing was forged"; cat "$live/log.forgery"; return 1; }
    connections=$(farm_connections)
    fed forgery 1 || return 1
    until_ready 15 looked_since "$connections" || { echo "  $forged_host is not looked at"; return 1; }
    sleep 6 # longer than the look
    if remembers_as "$forged_host" encrypt; then echo "  a line in the log is enough: $(cat "$live/feed-memory")"; return 1; fi
}
looked_since() { [ "$(farm_connections)" -gt "$1" ]; }

# In clear; in clear with a reply that looks like Postfix's own words; refused inside TLS with such a reply.
what_proves_nothing_teaches_nothing() {
    taken=$(counted deliveries)
    delivered clear y@no-starttls.plain.lab && was_sent clear y@no-starttls.plain.lab && fed clear 0 &&
        delivered forged forged-sent@no-starttls.plain.lab && was_sent forged forged-sent@no-starttls.plain.lab &&
        fed forged 0 && delivered refused forged-refused@tls13.secure.lab && fed refused 0 || return 1
    for name in forged refused; do
        grep -q 'status=[a-z]* (.*Verified TLS connection established to .*status=sent (250' "$live/log.$name" ||
            { echo "  nothing was forged:"; cat "$live/log.$name"; return 1; }
    done
    grep -q '[a-z]* TLS connection established to tls13' "$live/log.refused" || { echo "  not refused inside TLS"; return 1; }
    [ "$(counted deliveries)" = "$taken" ] || { echo "  something was reported"; return 1; }
}

# --- a log that is followed ---

reported_since() { # COUNT: the daemon has taken more deliveries than that
    [ "$(counted deliveries)" -gt "$1" ]
}

followed_delivery() { # NAME RECIPIENT
    taken=$(counted deliveries)
    delivered "$1" "$2" && was_sent "$1" "$2" || return 1
    until_ready 10 reported_since "$taken" || { echo "  $1: the daemon was not told of it"; return 1; }
}

# The look is older than what may serve; a delivery counts as one that began ten seconds before it was told of
# (engine/policy/delivery.h).
evidence_is_old() { # DOMAIN
    age_ms=$(ctl explain --json --max-age 1h "$1" | sed -n 's/.*"endpoints":\[{[^[]*"age_ms":\([0-9]*\).*/\1/p')
    [ "${age_ms:-0}" -gt 20000 ]
}
# Whoever asks to have it explained by something newer is shown the delivery, and nobody looks.
explained_by_delivery() { # DOMAIN
    connections=$(farm_connections)
    age_ms=$(ctl explain --json --max-age 16s "$1" | sed -n 's/.*"endpoints":\[{[^[]*"age_ms":\([0-9]*\).*/\1/p')
    [ "${age_ms:-99999}" -ge 9000 ] && [ "$age_ms" -le 16000 ] ||
        { echo "  $1: explained by evidence that is ${age_ms:-no} ms old"; return 1; }
    [ "$(farm_connections)" = "$connections" ] || { echo "  $1 is looked at anew"; return 1; }
}

sent_through() { # LOG…: how many of them
    zcat -f "$@" | grep -c 'to=<through@.* status=sent'
}

# Mail to twenty domains, while Postfix itself rotates its log: the file gets another name, is written to until Postfix
# has begun a new one, and is compressed.
through_rotation=20
deliver_through_rotation() {
    taken=$(counted deliveries)
    for number in $(seq 100 $((99 + through_rotation))); do
        timeout 20 smtp-source -f sender@sender.mta.lab -t through@d$number.storm.lab 127.27.0.1:25
        sleep 0.1
    done &
    sending=$!
    sleep 0.7
    MAIL_CONFIG=$live/sender postfix logrotate 2>>"$live/sender/stderr" || { echo "  it does not rotate its log"; tail -3 "$live/sender/stderr"; return 1; }
    wait $sending
    until_ready 15 reported_since $((taken + through_rotation - 1)) ||
        { echo "  the daemon was told of $(($(counted deliveries) - taken)) of $through_rotation deliveries"; return 1; }
    before=$(sent_through "$live"/sender/log.2*) behind=$(sent_through "$live/sender/log")
    [ "$before" -gt 0 ] && [ "$behind" -gt 0 ] && [ $((before + behind)) = $through_rotation ] ||
        { echo "  $before deliveries stand before the rotation, $behind behind it"; return 1; }
}

# Nobody hands the log over: what is delivered while it is followed is evidence at once, also while it is rotated.
log_is_followed() {
    until_ready 30 evidence_is_old dane-ee.lab || { echo "  the evidence does not get old"; return 1; }
    "$BUILD/mxwardctl" -s "$live/run/mxward.sock" feed --follow "$live/sender/log" >"$live/followed" 2>&1 &
    follower=$!
    sleep 1
    followed_delivery follows live-1@dane-ee.lab && explained_by_delivery dane-ee.lab && deliver_through_rotation &&
        followed_delivery goes-on live-2@self-signed.secure.lab
    code=$?
    kill $follower
    wait $follower || { echo "  it does not end in order: $(cat "$live/followed")"; return 1; }
    grep -q "^deliveries $((through_rotation + 2)), reported $((through_rotation + 2))," "$live/followed" || { cat "$live/followed"; return 1; }
    return $code
}
