# mta.sh - a mail server of the lab's own: a Postfix that hands mail in, out and to mailboxes, set up with the
# very lines of tools/postfix, chrooted as Debian does it, and mxward-gate in its queue directory. Sourced by
# tests/lab/check.sh and demo.sh after policies.sh (its resolver).
# shellcheck shell=sh disable=SC2154,SC2034,SC2086

mta=$live/mta
mta_address=127.28.0.1 # mail comes in at 25 and is handed in at 587 and 588; all mail leaves from here
mta_edge=127.28.0.3    # where the trusted hop hands mail on
mta_hop=127.28.0.7     # guarantee.trusted_hops
mta_log=$mta/log

can_run_mta() {
    case $skipped in *postfix:*) return 1 ;; esac
    for program in unbound smtp-source; do
        command -v $program >/dev/null || {
            skipped="$skipped
  mail by Postfix: needs $program (tools/bootstrap check installs it)"
            return 1
        }
    done
}

# Postfix takes no login, not even one that it is told of, without Cyrus' mechanisms.
can_log_in() {
    can_run_mta || return 1
    [ -n "$(find /usr/lib -path '*/sasl2/libplain.so' -print -quit 2>/dev/null)" ] || {
        skipped="$skipped
  logins at Postfix: need libsasl2-modules (tools/bootstrap check installs it)"
        return 1
    }
}

# What a site has before: nothing of it is about TLS.
mta_base() {
    postfix_base "$mta"
    cat <<END
myhostname = here.lab
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = here.lab, secure.here.lab
virtual_mailbox_base = $mta/mail
virtual_mailbox_maps = static:box
virtual_uid_maps = static:$(id -u postfix)
virtual_gid_maps = static:$(id -g postfix)
virtual_alias_maps = inline:{ { forward@here.lab = bob@no-starttls.secure.lab } }
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
default_process_limit = 50
max_idle = ${mta_idle:-5s}
minimal_backoff_time = 1h
maximal_backoff_time = 2h
queue_run_delay = 1h
smtp_connect_timeout = 3s
smtp_helo_timeout = 5s
smtp_starttls_timeout = 5s
smtp_discard_ehlo_keywords = pipelining
smtp_bind_address = $mta_address
smtpd_tls_security_level = may
smtpd_tls_cert_file = $lab/certificates/postfix-ee.pem
smtpd_tls_key_file = $lab/certificates/postfix-ee.key
smtpd_authorized_xclient_hosts = 127.0.0.0/8
END
}

# What README of tools/postfix says to do by hand, and the lab's own certificate authority.
mta_own_lines() {
    cat <<END
smtp_tls_CAfile = $lab/certificates/root.crt
smtpd_recipient_restrictions = reject_unauth_destination, \$mxward_inbound
END
}

# Lines of README that begin so, as they stand there.
readme_lines() { # BEGINNING
    sed -n "s/^ *\($1.*\)/    \1/p" "$here/../../tools/postfix/README"
}

mta_services() {
    cat <<END
$mta_address:smtp inet n - y - - smtpd
$mta_edge:smtp inet n - y - - smtpd
$mta_address:587 inet n - y - - smtpd
    -o smtpd_recipient_restrictions=\$mxward_submission,permit_mynetworks,reject
$mta_address:588 inet n - y - - smtpd
    -o syslog_name=postfix/submission
    -o smtpd_sasl_auth_enable=yes
    -o smtpd_sender_login_maps=inline:{{anna@here.lab=anna@here.lab},{hasty@here.lab=hasty@here.lab},{easy@here.lab=easy@here.lab},{dora@here.lab=anna@here.lab}}
    -o smtpd_sender_restrictions=reject_sender_login_mismatch
$(readme_lines '-o smtpd_recipient_restrictions=')
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 3600 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
smtp unix - - y - - smtp
virtual unix - n n - - virtual
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
END
}

mta_configuration() {
    snippets=$here/../../tools/postfix
    newer=''
    ! postfix_is 3.10 || newer=$snippets/main-3.10.cf
    { mta_base && cat "$snippets/main.cf" $newer && mta_own_lines; } >"$mta/conf/main.cf" &&
        { mta_services && cat "$snippets/master.cf" "$snippets/master-replies.cf"; } >"$mta/conf/master.cf" &&
        touch -d '-10 seconds' "$mta/conf/main.cf" # Postfix waits until it is a second old
}

# mxward.conf with a section for the gate; the daemon itself goes on with its own file.
gate_configuration() {
    sed "s|trusted_hops = {|trusted_hops = { $mta_hop, |" "$live/mxward.conf"
    echo "gate { sockets = { \"$mta/queue/mxward/gate.sock\" } deadline = 3s help = \"See https://here.lab/guarantee\" }"
}

gate_answers() { # the file alone may be one that a dead gate has left
    perl -MIO::Socket::UNIX -e 'alarm 2; $gate = IO::Socket::UNIX->new(Peer => shift) or exit 1;
        print $gate "ping\n"; $gate->flush; exit(readline($gate) !~ /^status=ok/)' "$mta/queue/mxward/gate.sock"
}
start_gate() {
    "$BUILD/mxward-gate" -c "$mta/mxward.conf" 2>>"$mta/gate.log" &
    gate=$!
    started="$started $gate"
    until_ready 10 gate_answers 2>/dev/null
}

mta_queue() {
    cd "$mta/queue" && mkdir pid public private active incoming maildrop deferred defer bounce corrupt hold flush saved \
        trace etc mxward && chown postfix ./* && chown root pid etc mxward && chgrp postdrop public maildrop &&
        chmod 730 maildrop && chmod 710 public && cp /etc/resolv.conf /etc/services etc/
}

# Once; what is there already stays.
mta_start() {
    [ ! -e "$mta/conf/main.cf" ] || return 0
    mkdir -p "$mta/conf" "$mta/data" "$mta/mail" "$mta/queue" && chown postfix "$mta/data" "$mta/mail" || return 1
    [ -n "${resolver:-}" ] || start_resolver || { echo "  unbound does not start"; return 1; }
    mta_configuration && (mta_queue) && gate_configuration >"$mta/mxward.conf" || return 1
    ip route add local $mta_edge/32 dev lo src $mta_hop table local 2>/dev/null
    start_gate || { echo "  mxward-gate does not start:"; cat "$mta/gate.log"; return 1; }
    postfix_master "$mta/conf" "$mta/stderr"
    until_ready 10 listens $mta_address 587 || { cat "$mta/stderr" "$mta_log"; return 1; }
}

# --- mail ---

mta_send() { # SUBJECT SENDER RECIPIENT…: one message, by the user's mail program
    subject=$1 sender=$2
    shift 2
    printf 'From: %s\nSubject: %s\n\n%s\n' "$sender" "$subject" "$subject" |
        MAIL_CONFIG=$mta/conf sendmail -f "$sender" "$@" 2>>"$mta/stderr"
}

mta_run_queue() {
    MAIL_CONFIG=$mta/conf postqueue -f 2>>"$mta/stderr"
}

# Deliveries of the log so far, or of a part of it: queue id, recipient, transport, status, text
mta_deliveries() { # [LOG]
    sed -n 's/.* postfix\/\([a-z/-]*\)\/[a-z]*\[[0-9]*\]: \([0-9A-F]*\): to=<\([^>]*\)>.* status=\([a-z]*\) (\(.*\))$/\2\t\3\t\1\t\4\t\5/p;
            s/.* postfix\/\([a-z]*\)\[[0-9]*\]: \([0-9A-F]*\): to=<\([^>]*\)>.* status=\([a-z]*\) (\(.*\))$/\2\t\3\t\1\t\4\t\5/p' "${1:-$mta_log}"
}

# Nothing is being worked on: what is left waits for its next try. Twice, because a message may go from one
# folder to the next between two looks.
mta_is_quiet() {
    ! mta_works && sleep 0.1 && ! mta_works
}
mta_works() {
    find "$mta/queue/incoming" "$mta/queue/active" "$mta/queue/maildrop" -type f | grep -q .
}
mta_settles() { # SECONDS
    until_ready "$1" mta_is_quiet || { echo "  mail is still on its way"; return 1; }
}

# How it arrived: "clear", "TLS", or nothing. The recipient must be of one message alone.
how_it_arrived() { # RECIPIENT
    awk -F'\t' -v to="$1" '$1 == to { how = $3 == "clear" ? "clear" : "TLS" } END { print how }' "$live/arrivals"
}
arrived_as() { # WANTED RECIPIENT
    found=$(how_it_arrived "$2")
    [ "$found" = "$1" ] || { echo "  $2: arrived ${found:-nowhere}, not ${1:-nowhere}"; return 1; }
}

# The notice about this recipient in the sender's mailbox.
notice_about() { # RECIPIENT
    awk -v to="$1" '/^From / { if (wanted) printf "%s", text; text = ""; wanted = 0 }
        { text = text $0 "\n" } index($0, "Final-Recipient: rfc822; " to) { wanted = 1 }
        END { if (wanted) printf "%s", text }' "$mta/mail/box" 2>/dev/null
}
