# hosts.sh - starts what lives in the lab: name servers, farm, Postfix, Exim. Sourced by tests/lab/run
# inside the namespaces, with $lab (kept files), $live (a tmpfs, gone afterwards), $farm and $ids set.
# start_X starts one thing and puts its process into $started (77: it cannot be had here); ready_X waits
# until it serves. Everything is started first, so that all get ready together.
# shellcheck shell=sh disable=SC2154,SC2034

started=''

# --- Postfix: the machine's, or the one that LAB_POSTFIX names (tests/lab/run) ---

PATH=${LAB_POSTFIX:+$LAB_POSTFIX/usr/sbin:}$PATH
postfix_commands=${LAB_POSTFIX:-}/usr/sbin
postfix_daemons=${LAB_POSTFIX:-}$(postconf -dh daemon_directory 2>/dev/null)
postfix_version=$(postconf -dh mail_version 2>/dev/null)

postfix_is() { # VERSION: or later
    [ "$(printf '%s\n' "$1" "$postfix_version" | sort -V | head -n 1)" = "$1" ]
}

# The first lines of main.cf of each Postfix here.
postfix_base() { # FOLDER
    cat <<END
compatibility_level = 3.6
queue_directory = $1/queue
data_directory = $1/data
command_directory = $postfix_commands
daemon_directory = $postfix_daemons
mail_owner = postfix
setgid_group = postdrop
maillog_file = $1/log
maillog_file_prefixes = $live
END
}

postfix_master() { # FOLDER-OF-MAIN.CF STDERR
    MAIL_CONFIG=$1 "$postfix_daemons/master" -c "$1" -d 2>>"$2" &
    started="$started $!"
}

# --- what is started ---

# until_ready SECONDS COMMAND…: tries twenty times a second
until_ready() {
    tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.05
    done
}

listens() { # tcp ADDRESS PORT
    ss -Hltn "src $1:$2" | grep -q .
}

start_name_servers() {
    for level in 0 1 2; do
        rm -f "$lab/nsd-$level.log"
        nsd -d -c "$lab/nsd-$level.conf" 2>>"$live/nsd.log" &
        started="$started $!"
    done
    "$farm" --dns 127.0.0.55 >"$live/relay.ready" &
    started="$started $!"
}
ready_name_servers() {
    until_ready 5 dig +time=1 +tries=1 +short @127.0.0.53 . NS &&
        until_ready 5 sh -c 'dig +time=1 +tries=1 +short @127.0.0.55 dane-ee.lab MX | grep -q mx' &&
        until_ready 5 grep -q ready "$live/relay.ready"
}

start_farm() {
    "$farm" --certificates "$lab/certificates" --report "$live/farm.tsv" --more 200 --lifetime 60 \
        --arrivals "$live/arrivals" >"$live/farm.ready" &
    farm_process=$!
    started="$started $!"
}
ready_farm() {
    until_ready 10 grep -q ready "$live/farm.ready"
}

# postfix_service NUMBER CERTIFICATE [OPTION…]: one smtpd on 127.25.0.NUMBER
postfix_service() {
    echo "127.25.0.$1:smtp inet n - n - - smtpd"
    certificate=$2
    shift 2
    if [ "$certificate" = - ]; then
        echo "  -o smtpd_tls_security_level=none"
        return
    fi
    echo "  -o smtpd_tls_cert_file=$lab/certificates/$certificate.pem"
    echo "  -o smtpd_tls_key_file=$lab/certificates/$certificate.key"
    for option; do echo "  -o $option"; done
}

postfix_configuration() {
    postfix_base "$live/postfix" >"$live/postfix/main.cf"
    cat >>"$live/postfix/main.cf" <<END
myhostname = mx.mta.lab
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_recipient_restrictions = reject
END
    {
        postfix_service 1 postfix-ee
        postfix_service 2 postfix-ta
        postfix_service 3 postfix-verified
        postfix_service 4 postfix-self-signed
        postfix_service 5 postfix-expired
        postfix_service 6 postfix-wrong-name
        postfix_service 7 postfix-tls12 "smtpd_tls_protocols=TLSv1.2"
        postfix_service 8 -
        cat <<'END'
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
postlog unix-dgram n - n - 1 postlogd
END
    } >"$live/postfix/master.cf"
}

# Needs more than one user id: master and its daemons run as root, postfix and postdrop.
start_postfix() {
    [ -x "$postfix_daemons/master" ] || return 77
    [ "$ids" = many ] || return 77
    mkdir -p "$live/postfix/queue" "$live/postfix/data"
    chown postfix "$live/postfix/data"
    postfix_configuration
    (cd "$live/postfix/queue" && mkdir pid public private active incoming maildrop &&
        chown postfix public private active incoming maildrop && chgrp postdrop public maildrop)
    postfix_master "$live/postfix" "$live/postfix/stderr"
}
ready_postfix() {
    until_ready 10 listens 127.25.0.8 25
}

exim_configuration() {
    cat >"$live/exim/exim.conf" <<END
primary_hostname = exim.mta.lab
spool_directory = $live/exim/spool
log_file_path = $live/exim/%slog
pid_file_path = $live/exim/pid
local_interfaces = 127.26.0.1
daemon_smtp_ports = 25
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = $live/exim/exim.pem
tls_privatekey = $live/exim/exim.key
smtp_enforce_sync = true
acl_smtp_rcpt = deny
begin acl
deny:
  deny
END
}

# Exim insists on a user of its own, and not uid 0. With one user id in the namespace, it gets a
# namespace inside in which that id is another number.
start_exim() {
    [ -x "$lab/exim/usr/sbin/exim4" ] || return 77
    mkdir -p "$live/exim/spool"
    cp "$lab/certificates/exim.pem" "$lab/certificates/exim.key" "$live/exim/"
    chmod 644 "$live/exim/exim.key" "$live/exim/exim.pem"
    exim_configuration
    within=''
    if [ "$ids" = many ]; then
        chown Debian-exim "$live/exim" "$live/exim/spool" # the configuration must stay root's
    else
        within="unshare --user --map-user=$exim_id --map-group=$exim_id"
    fi
    # shellcheck disable=SC2086
    LD_LIBRARY_PATH=$lab/exim/usr/lib/$(uname -m)-linux-gnu $within "$lab/exim/usr/sbin/exim4" \
        -bdf -C "$live/exim/exim.conf" 2>"$live/exim.stderr" &
    started="$started $!"
}
ready_exim() {
    until_ready 10 listens 127.26.0.1 25
}

# $1: number of shards
daemon_configuration() {
    cat >"$live/mxward.conf" <<END
# The lab: loopback addresses are the whole world, and nobody waits for minutes.
daemon {
    shards = $1
    run_directory = $live/run
    state_directory = $live/state
}
dns {
    root_hints = $lab/root.hints
    trust_anchor = $lab/root.key
    bogus_name = wrong-ds.lab
    deadline = 4s
}
probe {
    ehlo_name = probe.mxward.lab
    allow_reserved = yes
    ca_file = $lab/certificates/root.crt
    connect = 2s
    greeting = 4s
    command = 3s
    handshake = 3s
    goodbye = 1s
    whole = 12s
}
politeness {
    per_address = 4
    per_prefix = 1000
    rate_address = 60000
    rate_prefix = 60000
    burst_address = 1000
    burst_prefix = 1000
    back_off = 1s
    back_off_max = 2s
}
guarantee {
    aliases = { "@secure.here.lab", "off@secure.here.lab off",
        "out@secure.here.lab expert send=strict receive=any",
        "in@secure.here.lab expert send=nothing" }
    trusted_hops = { 10.9.8.0/24, 127.29.8.0/24 }
}
profile "quick" {
    window = 30s
}
profile "hasty" {
    minimum = encrypt
    refuse_at_rcpt = yes
}
profile "easy" {
    minimum = encrypt
    refuse_at_rcpt = yes
    trouble = pass
}
END
}

# start_daemon SHARDS
start_daemon() {
    mkdir -p "$live/run" "$live/state"
    daemon_configuration "$1"
    # Fewer files than it needs, as a shell would give: it helps itself.
    prlimit --nofile=64: "$BUILD/mxward" -c "$live/mxward.conf" 2>>"$live/mxward.log" &
    daemon=$!
    started="$started $!"
    until_ready 20 test -S "$live/run/mxward.sock"
}

stop_everything() {
    for process in $started; do kill "$process" 2>/dev/null; done
    for process in $started; do wait "$process" 2>/dev/null; done
    started=''
}
