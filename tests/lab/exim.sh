# exim.sh - a sending Exim with the very files of tools/exim, and mxward-gate beside it: what leaves, what comes
# back, what waits. Sourced by tests/lab/check.sh inside the lab, after phases.sh and policies.sh.
# shellcheck shell=sh disable=SC2154,SC2034,SC2086

out=$live/outgoing # all of the sending Exim

exim_can_send() {
    case $skipped in *exim:*) return 1 ;; esac
    if [ "$ids" != many ] || ! command -v unbound >/dev/null; then
        skipped="$skipped
  sending Exim: needs unbound, and root or newuidmap with a line in /etc/subuid"
        return 1
    fi
}

# --- the gate, and a resolver whose word is passed on ---

# The daemon's settings, and a socket for this Exim.
start_exim_gate() {
    {
        cat "$live/mxward.conf"
        echo "gate { sockets = { $out/gate.sock } }"
    } >"$live/mxward-gate-exim.conf"
    "$BUILD/mxward-gate" -c "$live/mxward-gate-exim.conf" 2>>"$live/mxward-gate-exim.log" &
    exim_gate=$!
    started="$started $exim_gate"
    until_ready 10 test -S "$out/gate.sock"
}

stop_exim_gate() {
    kill $exim_gate && wait $exim_gate
}

start_exim_resolver() {
    if ! dig +time=1 +tries=1 @127.0.0.1 lab SOA >/dev/null 2>&1; then start_resolver || return 1; fi
    grep -q trust-ad "$live/resolv.conf" || echo 'options trust-ad' >>"$live/resolv.conf"
}

# --- the sending Exim ---

# What is not of tools/exim: where things are, that the world is 127.0.0.0/8 and the farm offers pipelining but takes no mail so, a mailbox for what comes back, and a way past
# mxward, for what the transports enforce by themselves: WORD+NUMBER+NAMES@DOMAIN from transports@here.lab.
outgoing_configuration() {
    cat >"$out/exim.conf" <<END
MXWARD_GATE = $out/gate.sock
MXWARD_DIRECTORY = $out/mxward
MXWARD_IGNORE_TARGET_HOSTS =
MXWARD_AUTHORITIES = $out/root.crt
MXWARD_AVOID_PIPELINING = *
exim_path = $out/usr/sbin/exim4
keep_environment = LD_LIBRARY_PATH
primary_hostname = out.here.lab
spool_directory = $out/spool
log_file_path = $out/%slog
domainlist local_domains = here.lab : secure.here.lab
domainlist relay_to_domains =
qualify_domain = here.lab
host_lookup =
rfc1413_query_timeout = 0s
local_interfaces = 127.28.0.5
daemon_smtp_ports = 25
pid_file_path = $out/pid
tls_advertise_hosts = *
tls_certificate = $out/exim.pem
tls_privatekey = $out/exim.key
acl_smtp_rcpt = lab_rcpt
queue_only = true
dns_dnssec_ok = 1
.include $out/mxward/main
begin acl
lab_rcpt:
  require acl = acl_mxward_rcpt
  accept
.include $out/mxward/acl
begin routers
lab_mailbox:
  driver = accept
  domains = +local_domains
  transport = lab_mailbox
lab_way_past:
  driver = dnslookup
  senders = transports@here.lab
  address_data = delivery=\${extract{1}{+}{\$local_part}} names=\${tr{\${extract{3}{+}{\$local_part}}}{_}{:}}
  transport = MXWARD_TRANSPORT
  no_more
.include $out/mxward/routers
begin transports
lab_mailbox:
  driver = appendfile
  file = $out/mailbox
  user = Debian-exim
remote_smtp:
  driver = smtp
  hosts_avoid_pipelining = *
.include $out/mxward/transports
begin retry
* * F,2h,1s
END
}

outgoing() { # OPTION…
    LD_LIBRARY_PATH=$out/usr/lib/$(uname -m)-linux-gnu "$out/usr/sbin/exim4" -C "$out/exim.conf" "$@"
}

start_outgoing() {
    mkdir -p "$out/spool" "$out/mxward"
    cp "$here"/../../tools/exim/* "$out/mxward/"
    cp -r "$lab/exim/usr" "$out/"
    cp "$lab/certificates/root.crt" "$lab/certificates/exim.pem" "$lab/certificates/exim.key" "$out/"
    outgoing_configuration
    chmod 644 "$out"/exim.* "$out"/mxward/* "$out/root.crt"
    chown Debian-exim "$out" "$out/spool"
    outgoing -bV >"$out/version" 2>&1 || { cat "$out/version"; return 1; }
    outgoing -bdf 2>>"$out/stderr" &
    started="$started $!"
    until_ready 10 listens 127.28.0.5 25
}

# As if it came over the network. HEADERS may be empty.
hand_in() { # SENDER HEADERS RECIPIENT…
    sender=$1 headers=$2
    shift 2
    printf '%s\nSubject: lab\n\nlab\n' "$headers" | sed '/./,$!d' |
        outgoing -odq -oi -oMa 192.0.2.9 -f "$sender" -- "$@" >>"$out/stderr" 2>&1 || echo "  not taken: $*"
}

run_queue() {
    outgoing -qff 2>>"$out/stderr"
    outgoing -bp >"$out/waiting"
}

# Everything in the queue, and then the notices about it.
deliver() {
    run_queue
    run_queue
}

empty_queue() {
    ids=$(cd "$out/spool/input" && find . -name '*-D' | sed 's/^.*\///; s/-D$//')
    [ -z "$ids" ] || outgoing -Mrm $ids >>"$out/stderr" 2>&1
}

arrived() { # RECIPIENT: "LABEL/VARIANT TLS", as the farm took it; or "nothing"
    awk -F'\t' -v to="$1" '$1 == to { came = came (came == "" ? "" : ", ") $2 " " ($3 == "clear" ? "clear" : "TLS") }
        END { print came == "" ? "nothing" : came }' "$live/arrivals"
}

did_arrive() { # RECIPIENT WANTED
    [ "$(arrived "$1")" = "$2" ] || { echo "  $1: arrived: $(arrived "$1"), expected: $2"; return 1; }
}

came_back() { # RECIPIENT TEXT: a notice has the one, and right behind it the other
    tr '\n' ' ' <"$out/mailbox" 2>/dev/null | sed 's/  */ /g' | grep -qF -- "$1 $2" ||
        { echo "  $1: no notice says $2"; return 1; }
}

waits() { # RECIPIENT: since the queue was run
    grep -qF -- "$1" "$out/waiting" || { echo "  $1: does not wait in the queue"; return 1; }
}

# --- what the transports enforce, whatever was decided ---

# Word, names, domain, outcome; the domain stands for what another one has become at the delivery (PIT-01).
exim_policies() {
    cat <<'END'
default - no-starttls.secure.lab no-starttls/1 clear
default - tls13.secure.lab tls13/1 TLS
may - no-starttls.secure.lab no-starttls/1 clear
may - dane-mismatch.lab tls13/4 TLS
try-dane - no-starttls.secure.lab no-starttls/1 clear
try-dane - self-signed.secure.lab self-signed/1 TLS
try-dane - dane-ee.lab tls13/4 TLS
try-dane - dane-mismatch.lab nothing
try-dane - unusable-clear.lab nothing
encrypt - no-starttls.secure.lab nothing
encrypt - 454.secure.lab nothing
encrypt - tls10.secure.lab nothing
encrypt - tls11.secure.lab nothing
encrypt - tls12.secure.lab tls12/1 TLS
encrypt - self-signed.secure.lab self-signed/1 TLS
encrypt - unsafe-mixed.lab tls13/4 TLS
encrypt-try-dane - dane-ee.lab tls13/4 TLS
encrypt-try-dane - dane-mismatch.lab nothing
dane - dane-ee.lab tls13/4 TLS
dane - unsafe-dane.lab tls13/4 TLS
dane - dane-mismatch.lab nothing
dane - tls13.secure.lab nothing
dane - insecure-mx.lab nothing
dane - unusable-usage.lab nothing
dane - no-starttls.dane.lab nothing
dane - mixed-clear.lab tls13/2 TLS
verified tls13.farm.lab tls13.secure.lab tls13/1 TLS
verified other.farm.lab_tls13.open.lab tls13.plain.lab tls13/3 TLS
verified tls12.farm.lab tls13.secure.lab nothing
verified self-signed.farm.lab self-signed.secure.lab nothing
verified wrong-name.farm.lab wrong-name.secure.lab nothing
verified no-starttls.farm.lab no-starttls.secure.lab nothing
hold - tls13.secure.lab nothing
no-such-word - tls13.secure.lab nothing
END
}

exim_enforces_each_policy() {
    start_exim_resolver || { echo "  no resolver"; return 1; }
    start_outgoing || { echo "  the sending Exim does not start"; tail -5 "$out/stderr"; return 1; }
    exim_policies >"$out/policies"
    number=0
    while read -r word names domain _; do
        number=$((number + 1))
        hand_in transports@here.lab '' "$word+$number+$names@$domain"
    done <"$out/policies"
    run_queue
    number=0 wrong=0
    while read -r word names domain wanted; do
        number=$((number + 1))
        recipient="$word+$number+$names@$domain"
        did_arrive "$recipient" "$wanted" || wrong=1
        # Held, not returned: what fails at a delivery may be an attack.
        if [ "$wanted" = nothing ]; then waits "$recipient" || wrong=1; fi
    done <"$out/policies"
    empty_queue
    return $wrong
}

# --- what is decided ---

# Three recipients of one message, three outcomes; the same for a user without the guarantee, and for a notice (S1, S2).
exim_gives_the_guarantee() {
    start_exim_gate || { echo "  mxward-gate does not start"; tail -5 "$live/mxward-gate-exim.log"; return 1; }
    ctl user on emma@here.lab --profile posteo >/dev/null || { echo "  cannot switch on"; return 1; }
    hand_in emma@here.lab '' emma-1@dane-ee.lab emma-2@tls13.secure.lab emma-3@no-starttls.secure.lab emma-4@no-starttls.secure.lab
    hand_in carol@here.lab '' carol-1@dane-ee.lab carol-2@tls13.secure.lab carol-3@no-starttls.secure.lab
    hand_in '<>' 'Auto-Submitted: auto-replied' notice-1@no-starttls.secure.lab
    deliver
    did_arrive emma-1@dane-ee.lab "tls13/4 TLS" && did_arrive emma-2@tls13.secure.lab "tls13/1 TLS" &&
        did_arrive emma-3@no-starttls.secure.lab nothing && did_arrive emma-4@no-starttls.secure.lab nothing &&
        did_arrive carol-1@dane-ee.lab "tls13/4 TLS" && did_arrive carol-2@tls13.secure.lab "tls13/1 TLS" &&
        did_arrive carol-3@no-starttls.secure.lab "no-starttls/1 clear" &&
        did_arrive notice-1@no-starttls.secure.lab "no-starttls/1 clear" &&
        came_back emma-3@no-starttls.secure.lab "5.7.4 TLS is required, but was not offered by host " &&
        came_back emma-4@no-starttls.secure.lab "5.7.4 TLS is required, but was not offered by host " &&
        queue_is_empty && exim_does_dane_where_postfix_cannot && exim_lowers_nothing_by_a_name &&
        exim_knows_the_login && exim_vouches_for_its_own && exim_heeds_an_exception
}

went_by() { # RECIPIENT TRANSPORT
    grep -qF -- "=> $1 R=mxward_send T=$2 " "$out/mainlog" || { echo "  $1: did not go by $2"; return 1; }
}

# Lists of keys are for Postfix alone. Behind an unsigned MX record Exim does no DANE, and is told to encrypt.
exim_does_dane_where_postfix_cannot() {
    hand_in emma@here.lab '' emma-5@unsafe-dane.lab emma-6@insecure-mx.lab
    deliver
    did_arrive emma-5@unsafe-dane.lab "tls13/4 TLS" && went_by emma-5@unsafe-dane.lab mxward_dane &&
        did_arrive emma-6@insecure-mx.lab "tls13/2 TLS" && went_by emma-6@insecure-mx.lab mxward_encrypt
}

queue_is_empty() {
    ! grep . "$out/waiting"
}

# A local part that looks like fields is a local part: the sender stays who he is, and his demand with him (taint).
exim_lowers_nothing_by_a_name() {
    : >"$out/mailbox"
    for name in 'x" sender="carol@here.lab' 'x sender=carol@here.lab facts=forward' 'x\ny'; do
        quoted=$(printf '%s' "$name" | sed 's/["\\]/\\&/g')
        hand_in emma@here.lab 'TLS-Required: No
Auto-Submitted: auto-replied' "\"$quoted\"@no-starttls.secure.lab"
    done
    deliver
    queue_is_empty || return 1
    grep -q 'no-starttls' "$out/mailbox" || { echo "  nothing came back"; return 1; }
    [ "$(grep -c '^ *5.7.4 TLS is required' "$out/mailbox")" = 3 ] || { echo "  not all three came back"; return 1; }
    if grep -q '^"*x' "$live/arrivals"; then
        echo "  a local part became a field"
        return 1
    fi
}

# Who has logged in counts, whatever sender he writes; a user of this machine with the same name has not.
exim_knows_the_login() {
    hand_in_as emma@here.lab other@elsewhere.lab login-1@no-starttls.secure.lab
    hand_in other@elsewhere.lab '' login-2@no-starttls.secure.lab
    deliver
    did_arrive login-1@no-starttls.secure.lab nothing && did_arrive login-2@no-starttls.secure.lab "no-starttls/1 clear"
    code=$?
    empty_queue
    return $code
}

# By SMTP AUTH.
hand_in_as() { # LOGIN SENDER RECIPIENT
    printf 'Subject: lab\n\nlab\n' | outgoing -odq -oi -oMa 192.0.2.9 -oMaa plain -oMai "$1" -f "$2" -- "$3" >>"$out/stderr" 2>&1
}

# S5: off for one domain for an hour. There it arrives; in another, of the same message, it is still returned.
exim_heeds_an_exception() {
    : >"$out/mailbox"
    ctl user off emma@here.lab --domain no-starttls.secure.lab --until 1h >/dev/null || return 1
    hand_in emma@here.lab '' emma-7@no-starttls.secure.lab emma-8@554.secure.lab
    deliver
    ctl user resume emma@here.lab --domain no-starttls.secure.lab >/dev/null || return 1
    hand_in emma@here.lab '' emma-9@no-starttls.secure.lab
    deliver
    did_arrive emma-7@no-starttls.secure.lab "no-starttls/1 clear" && did_arrive emma-8@554.secure.lab nothing &&
        came_back emma-8@554.secure.lab "5.7.4 TLS is required" && did_arrive emma-9@no-starttls.secure.lab nothing &&
        came_back emma-9@no-starttls.secure.lab "5.7.4 TLS is required" && queue_is_empty
}

# An automatic reply that is made on this machine may leave, one that comes over the network says so only (S8, MSG-05).
exim_vouches_for_its_own() {
    printf 'Auto-Submitted: auto-replied (vacation)\n\nlab\n' |
        outgoing -odq -oi -f emma@here.lab -- reply-1@no-starttls.secure.lab
    hand_in emma@here.lab 'Auto-Submitted: auto-replied' reply-2@no-starttls.secure.lab
    printf 'Auto-Submitted: no\n\nlab\n' | outgoing -odq -oi -f emma@here.lab -- reply-3@no-starttls.secure.lab
    deliver
    did_arrive reply-1@no-starttls.secure.lab "no-starttls/1 clear" &&
        did_arrive reply-2@no-starttls.secure.lab nothing && did_arrive reply-3@no-starttls.secure.lab nothing
}

# --- at RCPT ---

smtp_as() { # LOGIN SENDER RECIPIENT [CLIENT]: what RCPT is answered; without a login (-) a stranger's server
    login="-oMaa plain -oMai $1"
    [ "$1" = - ] && login=
    printf 'EHLO client.lab\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nQUIT\r\n' "$2" "$3" |
        outgoing -bs -oMa "${4-192.0.2.9}" $login 2>>"$out/stderr" | tr -d '\r' | sed -n '/^[2-5]/p' | sed '1,/^250 OK/d' | head -n 1
}

smtp_over_tls() { # TLS-OPTIONS SENDER RECIPIENT
    (
        sleep 0.3
        printf 'EHLO client.lab\r\n'
        sleep 0.3
        printf 'MAIL FROM:<%s>\r\n' "$2"
        sleep 0.3
        printf 'RCPT TO:<%s>\r\n' "$3"
        sleep 0.3
        printf 'QUIT\r\n'
    ) | timeout 10 openssl s_client -connect 127.28.0.5:25 -starttls smtp -quiet -crlf $1 2>/dev/null |
        tr -d '\r' | sed -n '/^[2-5]/p' | sed '1,/^250 OK/d' | head -n 1
}

rcpt_says() { # WANTED FOUND WHAT
    case $2 in "$1"*) ;; *) echo "  $3: $2, expected $1"; return 1 ;; esac
}

# Refused at RCPT only where the profile asks for it; a secure alias takes mail over TLS only (S13).
exim_asks_at_rcpt() {
    me=me@secure.here.lab plain=bob@no-starttls.secure.lab
    ctl user on hasty@here.lab --profile hasty >/dev/null || { echo "  cannot switch on"; return 1; }
    rcpt_says "550-5.7.4 TLS is required, but was not offered" "$(smtp_as hasty@here.lab hasty@here.lab $plain)" "refuse_at_rcpt" &&
        rcpt_says 250 "$(smtp_as hasty@here.lab hasty@here.lab bob@tls13.secure.lab)" "refuse_at_rcpt, TLS" &&
        rcpt_says 250 "$(smtp_as emma@here.lab emma@here.lab $plain)" "no refuse_at_rcpt" &&
        rcpt_says "530-5.7.0 Must issue a STARTTLS" "$(smtp_as - x@y.lab $me)" "alias in clear" &&
        rcpt_says "530-5.7.0 Must issue a STARTTLS" "$(smtp_as emma@here.lab emma@here.lab $me)" "alias in clear, by a login" &&
        rcpt_says 250 "$(smtp_as emma@here.lab emma@here.lab $me 127.0.0.1)" "alias, by a login on this machine" &&
        rcpt_says 250 "$(smtp_as - x@y.lab bob@here.lab)" "no alias" &&
        rcpt_says 250 "$(smtp_over_tls '' x@y.lab $me)" "alias over TLS" &&
        rcpt_says 550-5.7.10 "$(smtp_over_tls '-tls1_1 -cipher DEFAULT@SECLEVEL=0' x@y.lab $me)" "alias over TLS 1.1"
}

# --- nobody answers ---

# The gate is away: nothing leaves, nothing comes back, and all is delivered once it is there again (law 3). A stranger's mail for
# a secure alias comes again.
exim_waits_for_the_gate() {
    stop_exim_gate || { echo "  mxward-gate does not end in order"; return 1; }
    : >"$out/mailbox"
    hand_in emma@here.lab '' away-1@tls13.secure.lab away-2@no-starttls.secure.lab
    hand_in carol@here.lab '' away-3@no-starttls.secure.lab
    deliver
    rcpt_says "451 4.3.0 mxward-gate does not answer" "$(smtp_as - x@y.lab me@secure.here.lab)" "alias, no gate" || return 1
    for recipient in away-1@tls13.secure.lab away-2@no-starttls.secure.lab away-3@no-starttls.secure.lab; do
        did_arrive $recipient nothing && waits $recipient || return 1
    done
    [ ! -s "$out/mailbox" ] || { echo "  something came back"; return 1; }
    start_exim_gate || { echo "  mxward-gate does not start again"; return 1; }
    deliver
    did_arrive away-1@tls13.secure.lab "tls13/1 TLS" && did_arrive away-2@no-starttls.secure.lab nothing &&
        did_arrive away-3@no-starttls.secure.lab "no-starttls/1 clear" &&
        came_back away-2@no-starttls.secure.lab "5.7.4 TLS is required" && queue_is_empty && exim_complains_of_nothing &&
        stop_exim_gate
}

# Exim says in its panic log what it cannot expand, or will not use (tainted). It may say that the lab uses -C.
exim_complains_of_nothing() {
    ! grep -sv 'lost privilege for using -C option' "$out/paniclog"
}
