# attacks.sh - attacks that begin at the delivery, after mxward has looked: what becomes of each message of
# attacks.tsv, and what of it is seen on the wire. Sourced by tests/lab/check.sh after mta.sh. The farm
# shows deliveries another face than probes; it knows them by their address, FARM_DELIVERS_FROM.
# shellcheck shell=sh disable=SC2154,SC2034,SC2086

# --- the messages ---

attack_from() { # WORD TOKEN: the sender, whose address carries the token too
    case $1 in
    posteo) echo "ada+$2@here.lab" ;;
    strict) echo "stella+$2@here.lab" ;;
    excepted) echo "eva+$2@here.lab" ;;
    alias) echo "me+$2@secure.here.lab" ;;
    ordinary) echo "otto+$2@here.lab" ;;
    outside) echo "stranger+$2@elsewhere.lab" ;;
    esac
}

# Each message has a token of its own in sender, recipient, header and text: attack-NN.
attack_messages() { # token, sender, header, domain, outcome, why
    awk -F'\t' -v OFS='\t' -v requiretls="$(knows_requiretls && echo yes)" '/^#/ || NF == 0 { next }
        NF != 5 { print "  attacks.tsv: not five columns: " $0 >"/dev/stderr"; exit 1 }
        requiretls || $2 !~ /requiretls/ { print sprintf("attack-%02d", ++count), $0 }' "$here/attacks.tsv"
}

knows_requiretls() { postfix_is 3.11; }
can_require_tls() {
    knows_requiretls && return
    beyond="$beyond
  REQUIRETLS: Postfix $postfix_version does not know it (LAB_POSTFIX)"
    return 1
}
# Their messages are sent all the same: they must fare like any other.
say_what_headers_do() {
    postfix_is 3.10 || beyond="$beyond
  TLS-Required: no, in messages that Postfix would heed: $postfix_version does not know it (LAB_POSTFIX)"
}

# By the header a message asks for REQUIRETLS that comes back from a content filter, too.
attack_headers() { # WORD
    case $1 in *no*) echo "TLS-Required: no" ;; esac
    case $1 in *requiretls*) echo "Require-TLS-ESMTP: yes" ;; esac
}

# --- the attacker's name server ---

# What he answers instead of the real one, to the sending Postfix's resolver alone, as if he sat on the path:
# the resolver validates it. His host has a certificate that everybody trusts, for its own name.
forged_zone() { # ZONE RECORD…
    zone=$1
    shift
    {
        printf '%s. 60 IN SOA ns.attacker.lab. attacker.lab. 1 60 60 60 60\n%s. 60 IN NS ns.attacker.lab.\n' $zone $zone
        for record; do echo "$record"; done
    } >"$live/attacker/$zone"
    cat <<END
auth-zone:
  name: "$zone"
  zonefile: "$live/attacker/$zone"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
END
}

forge_records() {
    mkdir -p "$live/attacker"
    {
        for zone in forged forged-keys forged-named forged-dane; do
            forged_zone $zone.lab "$zone.lab. 60 IN MX 10 p384.open.lab."
        done
        forged_zone forged-host.lab "mx.forged-host.lab. 60 IN A 127.64.48.3"
    } >>"$live/unbound.conf"
    kill -HUP "$resolver"
    until_ready 5 sh -c 'dig +time=1 +tries=1 +short @127.0.0.1 forged.lab MX | grep -q p384.open.lab' &&
        dig +time=1 +tries=1 @127.0.0.1 forged-dane.lab MX | grep -q SERVFAIL
}

# --- the eavesdropper ---

start_capture() {
    mkdir -p "$live/wire"
    "$farm" --capture "$live/wire" >"$live/wire.ready" 2>"$live/wire.log" &
    eavesdropper=$!
    started="$started $eavesdropper"
    until_ready 5 grep -q ready "$live/wire.ready"
}

end_capture() {
    kill $eavesdropper
    wait $eavesdropper || { cat "$live/wire.log"; return 1; }
}

# Tokens that were seen in clear. What was handed in to the sending Postfix, and went round inside it, is no
# message on its way.
seen_in_clear() {
    find "$live/wire" -type f ! -name "*-$mta_address:587" ! -name '*-127.0.0.1:10026' -exec \
        grep -aoh 'attack-[0-9][0-9]' {} + | sort -u
}

# --- who demands what ---

attack_demands() {
    ctl user on ada@here.lab --profile posteo && ctl user on stella@here.lab --profile strict &&
        ctl user on eva@here.lab --profile posteo &&
        ctl user off eva@here.lab --domain no-starttls.secure.lab --until 1h &&
        ctl rule pin delivery-strips.plain.lab encrypt --reason attacks &&
        ctl rule pin delivery-stranger.secure.lab verified --reason attacks &&
        ctl rule pin forged-named.lab verified --reason attacks &&
        ctl rule pin requiretls.secure.lab verified --reason attacks || return 1
    # Looked at before the attack: all is in order, and remembered.
    cut -f4 "$live/attacks" | sort -u >"$live/attacks.domains"
    answered ctl scan --json "$live/attacks.domains" >"$live/attacks.jsonl" 2>/dev/null
}

send_attacks() {
    while IFS="$tab" read -r token who header domain _; do
        {
            attack_headers "$header"
            printf 'Subject: %s\n\n%s\n' "$token" "$token"
        } >"$live/attack.eml"
        timeout 20 smtp-source -F "$live/attack.eml" -f "$(attack_from $who $token)" -t "$token@$domain" \
            "$mta_address:587" || return 1
    done <"$live/attacks"
}

# token, status, status code and reason, seconds: the last word on each. What is handed on inside the machine
# is none.
attack_log() {
    sed -n '/by-recipient/d; s/.* to=<\(attack-[0-9]*\)@[^>]*>.* delay=\([0-9.]*\),.* dsn=\([0-9.]*\), status=\([a-z]*\) (\(.*\))$/\1\t\4\t\3 \5\t\2/p' \
        "$mta_log"
}

attacks_are_settled() {
    [ "$(attack_log | cut -f1 | sort -u | wc -l)" = "$(wc -l <"$live/attacks")" ]
}

# By the sender's log, by what the farm took, and by what was on the wire.
attacks_end_as_they_should() { # FILES: messages, log, arrivals, seen in clear
    awk -F'\t' -v log_file="$2" -v arrivals="$3" -v wire="$4" '
        BEGIN {
            while ((getline line < log_file) > 0) { split(line, f, "\t"); status[f[1]] = f[2]; reason[f[1]] = f[3] }
            while ((getline line < arrivals) > 0) {
                split(line, f, "\t")
                sub(/@.*/, "", f[1])
                came[f[1]] = came[f[1]] "sent " f[2] " " (f[3] == "clear" ? "clear" : "TLS") (f[4] ? " " f[4] : "")
            }
            while ((getline line < wire) > 0) seen[line] = 1
            ends["sent"] = "sent"; ends["deferred"] = "deferred"; ends["bounced"] = "returned"
        }
        {
            end = ends[status[$1]]
            text = $5
            sub(/^[a-z]* */, "", text)
            good = end == substr($5, 1, length(end)) && end != "" &&
                (end == "sent" ? came[$1] == $5 : index(reason[$1], text) && !($1 in came))
            clear = $5 ~ / clear$/
            if (good && clear == ($1 in seen)) next
            printf "  %s: %s to %s (%s): expected %s; %s, arrived: %s, %s; %s\n", $1, $2, $4, $6, $5, status[$1], \
                ($1 in came) ? came[$1] : "nowhere", ($1 in seen) ? "SEEN IN CLEAR" : "not seen in clear", reason[$1]
            wrong++
        }
        END { exit wrong > 0 }' "$1"
}

# The attacks took place: a delivery met each host that has another face for it, and was seen there.
attacks_took_place() {
    awk -F'\t' '$1 ~ /^(delivery|probe)-/ { print $1, $2 }' "$lab/rows" | while read -r label number; do
        find "$live/wire" -name "127.28.0.1:*-127.64.$number.*:25" | grep -q . ||
            { echo "  no delivery met $label"; return 1; }
    done
}

# All in the mailbox, each with the words for its sender.
returned_are_back() {
    awk -v wanted="$(grep -c '	posteo	.*	returned 5' "$live/attacks")" '
        /^Subject: Undelivered Mail Returned to Sender/ { count++ }
        count { sub(/^ +/, " "); notice[count] = notice[count] $0 }
        END {
            for (i = 1; i <= count; i++)
                if (notice[i] ~ /To: ada.attack-/) {
                    ours++
                    if (notice[i] ~ /the sender.s guarantee \(posteo\) demands encryption, which prevents listening only/) said++
                }
            exit ours != wanted || said != wanted
        }' "$mta/mail/box"
}

# Encryption prevents listening only (law 4): whoever asks is told so before, and who gets his mail back, then.
what_encryption_prevents_is_said() {
    while IFS="$tab" read -r token who _ domain _ why; do
        [ "$why" != 'law 4' ] || says 'listening only' "$(attack_from "$who" "$token")" "bob@$domain" || return 1
    done <"$live/attacks"
    until_ready 5 returned_are_back || { echo "  a notice is missing, or does not say that only listening is prevented"; return 1; }
}

# No probe sees anything of these hosts, and mail to them waits for one at most.
mail_flows_without_probes() {
    awk -F'\t' -v settled="$live/attacks.settled" '
        BEGIN { while ((getline line < settled) > 0) { split(line, f, "\t"); seconds[f[1]] = f[4] } }
        $4 ~ /^probe-/ && !(seconds[$1] < 8) { print "  " $1 " to " $4 " took " seconds[$1] " seconds"; wrong = 1 }
        $4 ~ /^probe-/ && $5 ~ /^sent/ { sent++ }
        END { exit wrong || sent < 6 }' "$live/attacks"
}

limited_connections() {
    farm_report && awk -F'\t' '$1 == "probe-limited" { print $2 }' "$live/farm.tsv"
}

# Once turned away, the daemon leaves the host alone for hours. Until then nothing is known, and every message
# leaves under a policy that is enforced without knowing.
hours_of_back_off_stop_nothing() {
    start_second -e 's/back_off = 1s/back_off = 4h/; s/back_off_max = 2s/back_off_max = 1d/' || return 1
    before=$(limited_connections)
    for _ in 1 2 3 4 5; do
        ctl_second decide --json --live --profile strict otto@here.lab bob@probe-limited.secure.lab
    done >"$live/backed-off"
    after=$(limited_connections)
    second_ends || return 1
    [ "$(grep -c '"action":"send".*"policy":"encrypt protocols=>=TLSv1.2' "$live/backed-off")" = 5 ] &&
        [ $((after - before)) = 1 ] || { echo "  $((after - before)) looks, and:"; cat "$live/backed-off"; return 1; }
}

# Turned round, not one outcome may be as expected; and each message is missed on the wire, or noticed there.
attacks_are_noticed() {
    [ -s "$live/attacks.settled" ] || return 1
    awk -F'\t' -v OFS='\t' '{ $5 = $5 ~ /^sent/ ? "deferred 4." : "sent tls13/1 TLS"; print }' "$live/attacks" >"$live/attacks.turned"
    noticed "$live/attacks.turned" "$live/attacks.seen" || return 1
    cut -f1 "$live/attacks" | grep -vxFf "$live/attacks.seen" >"$live/attacks.unseen"
    noticed "$live/attacks" "$live/attacks.unseen"
}
noticed() { # MESSAGES SEEN: all of them
    attacks_end_as_they_should "$1" "$live/attacks.settled" "$live/arrivals" "$2" >"$live/attacks.noticed"
    [ $? = 1 ] && [ "$(wc -l <"$live/attacks.noticed")" = "$(wc -l <"$live/attacks")" ] ||
        { echo "  a wrong outcome is not noticed"; return 1; }
}

attacks_fail() {
    say_what_headers_do
    tab=$(printf '\t')
    attack_messages >"$live/attacks" || return 1
    mta_start || { echo "  the sending Postfix does not start"; return 1; }
    forge_records || { echo "  the attacker's records are not believed, or too much"; return 1; }
    attack_demands >/dev/null || { echo "  the demands cannot be set"; return 1; }
    start_capture || { echo "  nothing can be captured"; cat "$live/wire.log"; return 1; }
    send_attacks || { echo "  a message was not taken"; return 1; }
    until_ready 60 attacks_are_settled || echo "  not every message is settled"
    end_capture || return 1
    # What is deferred has shown what it had to, and must not wait with the mail of other phases.
    postsuper -c "$mta/conf" -d ALL 2>>"$mta/stderr" || return 1
    attack_log >"$live/attacks.settled"
    seen_in_clear >"$live/attacks.seen"
    attacks_end_as_they_should "$live/attacks" "$live/attacks.settled" "$live/arrivals" "$live/attacks.seen" &&
        attacks_took_place && what_encryption_prevents_is_said
}

# --- REQUIRETLS, asked for by a client (RFC 8689) ---

# It is offered inside TLS alone, and a message that asks for it leaves with it; in clear it is no word.
requiretls_is_passed_on() {
    mta_start || return 1
    ask='MAIL FROM:<otto@here.lab> REQUIRETLS'
    said_encrypted 'EHLO client.lab' "$ask" 'RCPT TO:<asked@requiretls.dane.lab>' DATA 'Subject: asked' '' asked . QUIT >"$live/asked"
    grep -q '^250.REQUIRETLS' "$live/asked" && mta_settles 20 && grep -q '^asked@.*	REQUIRETLS$' "$live/arrivals" ||
        { cat "$live/asked"; grep '^asked@' "$live/arrivals"; return 1; }
    found=$(smtp_dialogue $mta_address 587 'EHLO client.lab' "$ask" | tail -n 1)
    case $found in 5*) ;; *) echo "  in clear: $found"; return 1 ;; esac
}
said_encrypted() { # LINE…: to what takes mail of users
    { for line; do sleep 0.2; echo "$line"; done; sleep 0.5; } |
        timeout 20 openssl s_client -quiet -crlf -starttls smtp -connect $mta_address:587 2>/dev/null
}

# --- mail to a domain that was never looked at, while the daemon cannot look ---

first_contacts='otto ada stella' # without a guarantee, with posteo, with strict
first_contacts_say() { # TEXT: each was deferred, with it in the last line about it
    for user in $first_contacts; do
        mta_deliveries | grep "	$user@first-contact.lab	" | tail -n 1 | grep -q "	deferred	.*$1" || return 1
    done
}

# Without us Postfix would look at the TLSA records: encryption alone would be less (S9, DANE-11).
first_contact_is_no_less_than_dane() {
    kill -STOP $daemon
    for user in $first_contacts; do
        mta_send "first $user" $user@here.lab $user@first-contact.lab
    done
    until_ready 30 first_contacts_say '' && mta_settles 20
    code=$?
    kill -CONT $daemon
    [ $code = 0 ] || { echo "  not every message is deferred"; mta_deliveries | grep first-contact; return 1; }
    until_ready 20 first_contact_is_known && mta_run_queue && until_ready 30 first_contacts_say 'Server certificate not verified' ||
        { mta_deliveries | grep first-contact; return 1; }
    for user in $first_contacts; do
        arrived_as '' $user@first-contact.lab || return 1
    done
    postsuper -c "$mta/conf" -d ALL 2>>"$mta/stderr"
}
first_contact_is_known() {
    ctl check first-contact.lab 2>/dev/null | grep -q dane
}
