# mta.sh - a mail server with mxward beside it, as an administrator sets it up: mxward-gate with a socket
# in Postfix's queue directory, and a Postfix whose main.cf and master.cf end with the very files of
# tools/postfix. Sourced by tests/lab/check.sh and demo.sh inside the lab, after policies.sh.
#
#   mta_start, mta_stop          all of it: resolver, gate, Postfix
#   gate_start, gate_stop [-9]   only the gate
#   mta_send SENDER RECIPIENT…   one message, handed in like by a mail program (port 587 of $mta_address)
#   mta_take CLIENT none|tls SENDER RECIPIENT…   one message from outside, from the address CLIENT (port 25);
#                                both keep the server's replies in $mta/dialogue, and say whether it was taken
#   mta_settled COUNT            COUNT recipients have a first outcome in the log since mta_mark
#   mta_log, mta_mark            what was logged since mta_mark; from now on
#   mta_outcomes                 of that: RECIPIENT, SERVICE, STATUS, REASON, separated by tabs, as it came
#   mta_empty                    nothing is left in the queue
#   mta_flush                    everything that waits is tried now
#   mailbox_of USER [DOMAIN]     the file with his mail (mbox); may not be there yet
#
# Own addresses: the $mta_users, and as many @secure.here.lab; forward@here.lab goes to bob@no-starttls.plain.lab.
# shellcheck shell=sh disable=SC2154,SC2034,SC2120

mta=$live/mta mta_address=127.28.0.1
mta_users='anna ben carol dora me ada eva stella otto'

can_run_mta() {
    can_send || return 1
    command -v curl >/dev/null && return 0
    skipped="$skipped
  the mail server: needs curl (tools/bootstrap check installs it)"
    return 1
}

# --- mxward-gate ---

gate_start() {
    {
        cat "$live/mxward.conf"
        echo "gate { sockets = { \"$mta/queue/mxward/gate.sock\" } }"
    } >"$mta/mxward.conf"
    "$BUILD/mxward-gate" -c "$mta/mxward.conf" 2>>"$mta/gate.log" &
    gate=$!
    started="$started $gate"
    until_ready 10 test -S "$mta/queue/mxward/gate.sock"
}

gate_stop() { # [SIGNAL]
    kill "${1:--TERM}" "$gate" && wait "$gate"
}

# --- Postfix: what an administrator has before mxward comes ---

# Debian's master.cf, chrooted as there. From outside on port 25; users hand in on 587, all of them from
# this machine: who logs in needs a program more, and what mxward answers does not depend on it.
mta_services() {
    cat <<END
$mta_address:smtp inet n - y - - smtpd
$mta_address:submission inet n - y - - smtpd
    -o syslog_name=postfix/submission
    -o smtpd_recipient_restrictions=\$mxward_submission,permit_mynetworks,reject
cleanup unix n - y - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - y 1000? 1 tlsmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
defer unix - - y - 0 bounce
trace unix - - y - 0 bounce
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - y - - smtp
error unix - - y - - error
retry unix - - y - - error
virtual unix - n n - - virtual
anvil unix - - y - 1 anvil
scache unix - - y - 1 scache
showq unix n - y - - showq
flush unix n - y 1000? 0 flush
postlog unix-dgram n - n - 1 postlogd
END
}

mta_base() {
    cat <<END
compatibility_level = 3.6
queue_directory = $mta/queue
data_directory = $mta/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = $mta/log
maillog_file_prefixes = $live
myhostname = mail.here.lab
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.1/32
alias_maps =
local_recipient_maps =
recipient_delimiter = +
virtual_mailbox_domains = here.lab, secure.here.lab
virtual_mailbox_base = $mta/mail
virtual_mailbox_maps = texthash:$mta/mailboxes
virtual_alias_maps = texthash:$mta/aliases
virtual_minimum_uid = 1
virtual_uid_maps = static:$(id -u postfix)
virtual_gid_maps = static:$(id -g postfix)
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = reject_unauth_destination, \$mxward_inbound
smtpd_tls_security_level = may
smtpd_tls_cert_file = $lab/certificates/postfix-verified.pem
smtpd_tls_key_file = $lab/certificates/postfix-verified.key
END
}

# The only lines behind those of tools/postfix. The authorities of the lab; nobody waits for minutes, and
# what is deferred waits until a phase says so (mta_flush); the farm does not take commands ahead of time,
# and knows deliveries from probes by their address.
mta_overrides() {
    cat <<END
smtp_tls_CAfile = $lab/certificates/root.crt
smtp_bind_address = $mta_address
minimal_backoff_time = 1h
maximal_backoff_time = 2h
queue_run_delay = 1h
smtp_connect_timeout = 3s
smtp_helo_timeout = 5s
smtp_starttls_timeout = 5s
smtp_discard_ehlo_keywords = pipelining
END
}

mta_configuration() {
    { mta_base; cat "$here/../../tools/postfix/main.cf"; mta_overrides; } >"$mta/main.cf"
    { mta_services; cat "$here/../../tools/postfix/master.cf"; } >"$mta/master.cf"
    for user in $mta_users; do
        printf '%s@%s %s/%s\n' "$user" here.lab here.lab "$user" "$user" secure.here.lab secure.here.lab "$user"
    done >"$mta/mailboxes"
    echo 'forward@here.lab bob@no-starttls.plain.lab' >"$mta/aliases"
}

# The folders that Debian's package makes, the gate's, and what is read inside the chroot.
mta_folders() {
    mkdir -p "$mta/queue" "$mta/data" "$mta/mail/here.lab" "$mta/mail/secure.here.lab"
    chown -R postfix "$mta/data" "$mta/mail"
    (cd "$mta/queue" && mkdir -p pid public private active incoming maildrop deferred defer bounce corrupt \
        hold flush saved trace && chown postfix ./* && chown root pid && chgrp postdrop public maildrop &&
        mkdir -p etc mxward && cp /etc/resolv.conf /etc/services etc/ && chown root:postfix mxward && chmod 2750 mxward)
}

mta_start() {
    mta_folders
    mta_configuration
    : >"$mta/log"
    mta_mark
    dig +time=1 +tries=1 @127.0.0.1 . NS >/dev/null 2>&1 || start_resolver ||
        { echo "  unbound does not start"; return 1; }
    gate_start || { echo "  mxward-gate does not start"; cat "$mta/gate.log"; return 1; }
    # A session of its own, whose processes all end with it.
    MAIL_CONFIG=$mta setsid /usr/lib/postfix/sbin/master -c "$mta" -d 2>>"$mta/stderr" &
    mta_process=$!
    started="$started $mta_process"
    until_ready 10 listens $mta_address 587 || { echo "  the mail server does not start"; cat "$mta/stderr"; return 1; }
}

mta_stop() {
    kill $mta_process
    wait $mta_process 2>/dev/null
    gate_stop
}

# --- mail ---

# hand_in CURL-OPTION… -- PORT SENDER RECIPIENT…; an empty sender is the null sender
hand_in() {
    options=
    while [ "$1" != -- ]; do
        options="$options $1"
        shift
    done
    port=$2 from=$3
    shift 3
    to=
    for recipient; do to="$to --mail-rcpt $recipient"; done
    # shellcheck disable=SC2086
    printf 'From: <%s>\r\nTo: %s\r\nSubject: a test\r\n\r\nIt works.\r\n' "$from" "$(echo "$*" | sed 's/ /, /g')" |
        curl -sv --max-time 30 $options --mail-from "${from:-<>}" $to -T - "smtp://$mta_address:$port/client.lab" 2>&1 |
        sed -n 's/\r$//; s/^< //p; s/^curl: .*/&/p' >"$mta/dialogue"
    grep -q '^250 .* queued as ' "$mta/dialogue"
}

mta_send() {
    hand_in -- 587 "$@"
}

mta_take() { # CLIENT none|tls SENDER RECIPIENT…
    client=$1 security=
    [ "$2" = none ] || security="--ssl-reqd --insecure"
    shift 2
    # shellcheck disable=SC2086
    hand_in --interface "$client" $security -- 25 "$@"
}

mailbox_of() {
    echo "$mta/mail/${2:-here.lab}/$1"
}

# --- the log and the queue ---

mta_mark() {
    mta_from=$(($(wc -c <"$mta/log") + 1))
}

mta_log() {
    tail -c +"$mta_from" "$mta/log"
}

mta_outcomes() {
    mta_log | sed -n 's/^.* postfix\/\([^[]*\)\[[0-9]*\]: [0-9A-F]*: to=<\([^>]*\)>.* status=\([a-z]*\) (\(.*\))$/\2\t\1\t\3\t\4/p'
}

# What is handed on inside the machine is no outcome yet.
mta_recipients_settled() {
    [ "$(mta_outcomes | grep -vc '	by-recipient/smtp	sent	')" -ge "$1" ]
}

mta_settled() {
    until_ready "${2:-20}" mta_recipients_settled "$1"
}

mta_empty() {
    [ -z "$(find "$mta/queue/incoming" "$mta/queue/active" "$mta/queue/deferred" "$mta/queue/maildrop" -type f)" ]
}

mta_flush() {
    MAIL_CONFIG=$mta /usr/sbin/postqueue -c "$mta" -f
}
