# policies.sh - a sending Postfix that delivers one message under each policy text, and what became of them.
# Sourced by tests/lab/check.sh inside the lab, after phases.sh.
# shellcheck shell=sh disable=SC2154,SC2034

can_send() {
    case $skipped in *postfix:*) return 1 ;; esac
    for program in unbound smtp-source; do
        command -v $program >/dev/null || {
            skipped="$skipped
  policies: needs $program (tools/bootstrap check installs it)"
            return 1
        }
    done
}

# --- a resolver that validates: Postfix does DANE by the word of the one in resolv.conf ---

start_resolver() {
    [ -z "${resolver:-}" ] || return 0
    cat >"$live/unbound.conf" <<END
server:
  interface: 127.0.0.1
  do-daemonize: no
  use-syslog: no
  logfile: "$live/unbound.log"
  chroot: ""
  username: ""
  directory: "$live"
  pidfile: ""
  do-not-query-localhost: no
  root-hints: "$lab/root.hints"
  trust-anchor-file: "$lab/root.key"
remote-control:
  control-enable: no
END
    unbound -d -c "$live/unbound.conf" 2>>"$live/unbound.log" &
    resolver=$!
    started="$started $resolver"
    until_ready 10 sh -c 'dig +adflag +time=1 +tries=1 @127.0.0.1 _25._tcp.mx.dane-ee.lab TLSA | grep -q "flags:.* ad"'
}

# --- the sender ---

# Its global level is `may`, as most have it: what a text promises must not depend on it. The other settings
# that matter are those that the texts ask for (`mxwardctl explain`: price).
sender_configuration() {
    postfix_base "$live/sender" >"$live/sender/main.cf"
    cat >>"$live/sender/main.cf" <<END
myhostname = sender.mta.lab
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
transport_maps = texthash:$live/sender/transport
default_destination_recipient_limit = 1
minimal_backoff_time = 1h
maximal_backoff_time = 2h
queue_run_delay = 1h
smtp_connect_timeout = 3s
smtp_helo_timeout = 5s
smtp_starttls_timeout = 5s
smtp_discard_ehlo_keywords = pipelining
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_security_level = may
smtp_tls_dane_insecure_mx_policy = dane
smtp_tls_fingerprint_digest = sha256
smtp_tls_CAfile = $lab/certificates/root.crt
smtp_tls_loglevel = 1
smtp_tls_policy_maps = texthash:$live/sender/policies/feed
END
    cat >"$live/sender/master.cf" <<END
127.27.0.1:smtp inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 3600 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
keyed unix - - n - - smtp -o smtp_tls_loglevel=2
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END
}

# One transport a message: the same domain is sent to under several texts.
sender_transports() {
    while IFS="$tab" read -r number domain text _; do
        printf '%s %s\n' "$domain" "$text" >"$live/sender/policies/$number"
        echo "m$number@$domain t$number:" >>"$live/sender/transport"
        echo "t$number unix - - n - - smtp -o smtp_tls_policy_maps=texthash:$live/sender/policies/$number" \
            >>"$live/sender/master.cf"
    done <"$live/messages"
    echo "keyed@tls13.secure.lab keyed:" >>"$live/sender/transport" # feed.sh
}

start_sender() {
    mkdir -p "$live/sender/queue" "$live/sender/data" "$live/sender/policies"
    chown postfix "$live/sender/data"
    sender_configuration
    sender_transports
    (cd "$live/sender/queue" && mkdir pid public private active incoming maildrop deferred defer bounce corrupt \
        hold flush saved trace && chown postfix ./* && chown root pid && chgrp postdrop public maildrop)
    postfix_master "$live/sender" "$live/sender/stderr"
    until_ready 10 listens 127.27.0.1 25
}

send_messages() {
    while IFS="$tab" read -r number domain _; do
        timeout 20 smtp-source -f sender@sender.mta.lab -t "m$number@$domain" 127.27.0.1:25 || return 1
    done <"$live/messages"
}

# number, status, reason; the last word on each message counts
sender_log() {
    sed -n 's/.* to=<m\([0-9]*\)@[^>]*>.* status=\([a-z]*\) (\(.*\))$/\1\t\2\t\3/p' "$live/sender/log"
}

all_are_settled() {
    [ "$(sender_log | cut -f1 | sort -u | wc -l)" = "$(wc -l <"$live/messages")" ]
}

# --- what became of them ---

# Once by the sender's log, once by what the farm took: held means that nothing arrived anywhere.
messages_are_where_they_belong() {
    sender_log >"$live/settled"
    awk -F'\t' -v settled="$live/settled" -v arrivals="$live/arrivals" '
        BEGIN {
            while ((getline line < settled) > 0) {
                split(line, f, "\t")
                status[f[1]] = f[2]; reason[f[1]] = f[3]
            }
            while ((getline line < arrivals) > 0) {
                split(line, f, "\t")
                number = substr(f[1], 2) + 0
                came[number] = came[number] (f[2] " " (f[3] == "clear" ? "clear" : "TLS"))
            }
        }
        {
            held = $4 ~ /^held/
            wanted = held ? substr($4, 6) : $4
            if (held && status[$1] == "deferred" && (wanted == "" || index(reason[$1], wanted)) && !($1 in came)) next
            if (!held && status[$1] == "sent" && came[$1] == wanted) next
            printf "  %s to %s (%s), \"%s\": %s, expected %s; arrived: %s; %s\n", $5, $2, $6, $3, status[$1], $4, \
                ($1 in came) ? came[$1] : "nothing", reason[$1]
            wrong++
        }
        END { exit wrong > 0 }' "$live/messages"
}

make_messages() { # TABLE-OF-OUTCOMES
    awk -f "$here/policies.awk" -v table="$live/table" -v explained="$live/explained.jsonl" "$1"
}

every_policy_holds() {
    tab=$(printf '\t')
    "$farm" --list-policies >"$live/table"
    make_messages "$here/policies.tsv" >"$live/messages" || return 1
    start_resolver || { echo "  unbound does not start"; tail -5 "$live/unbound.log"; return 1; }
    start_sender || { echo "  the sending Postfix does not start"; return 1; }
    send_messages || { echo "  a message was not taken"; return 1; }
    until_ready 40 all_are_settled || echo "  not every message is settled"
    messages_are_where_they_belong || return 1
    # Postfix drops what it cannot read of a text with a warning, and may go on.
    ! grep -aE '/smtp\[.*(fatal|panic|invalid|malformed|ignoring)' "$live/sender/log"
}

# The table of outcomes can be wrong: a row left out or under a wrong name must be noticed, and with outcomes
# turned round not one message may be as expected.
policies_are_noticed() {
    [ -s "$live/settled" ] || return 1
    for change in '/^some-dane-keys\t/d' '/^released\t/d' 's/^all-dane\t/some-dane\t/'; do
        sed "$change" "$here/policies.tsv" >"$live/wrong.tsv"
        if make_messages "$live/wrong.tsv" >/dev/null 2>&1; then
            echo "  $change is not noticed"
            return 1
        fi
    done
    cp "$live/messages" "$live/messages.good"
    awk -F'\t' -v OFS='\t' '{ $4 = $4 ~ /^held/ ? "tls13/1 clear" : "held"; print }' "$live/messages.good" >"$live/messages"
    messages_are_where_they_belong >"$live/noticed"
    noticed=$?
    mv "$live/messages.good" "$live/messages"
    [ $noticed = 1 ] && [ "$(wc -l <"$live/noticed")" = "$(wc -l <"$live/messages")" ] ||
        { echo "  a wrong outcome is not noticed"; return 1; }
}
