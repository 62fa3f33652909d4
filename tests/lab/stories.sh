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
        arrived_as clear reply@$clear_domain && arrived_as clear bob@$clear_domain && vacation_has_a_way_in
}

# For programs that write the user's own address. Mail of hers by any other way comes back; by this one DANE holds
# nevertheless. Nobody reaches it but from 127.0.0.1, to which it listens.
vacation_has_a_way_in() {
    ctl user on anna@here.lab --profile posteo >/dev/null || return 1
    for domain in $clear_domain dane-mismatch.lab; do
        timeout 20 smtp-source -f anna@here.lab -t vacation@$domain 127.0.0.1:10027 || return 1
    done
    mta_send vacation anna@here.lab no-vacation@$clear_domain && mta_settles 20 && arrived_as clear vacation@$clear_domain &&
        arrived_as '' vacation@dane-mismatch.lab && arrived_as '' no-vacation@$clear_domain &&
        mta_deliveries | grep -q '	vacation@dane-mismatch.lab	smtp	deferred	Server certificate not verified' ||
        { mta_deliveries | grep vacation@; return 1; }
    stranger='print scalar readline(IO::Socket::INET->new(PeerAddr => "127.0.0.1:10027", LocalAddr => shift))'
    perl -MIO::Socket::INET -e "$stranger" 127.0.0.2 | grep -q '^554' || { echo "  another address is let in"; return 1; }
    ! listens $mta_address 10027
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

# --- what smtpd(8) says ---

smtp_dialogue() { # ADDRESS PORT LINE…: the last line of each reply
    timeout 30 bash -c '
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        shift 2
        reply() { while IFS= read -r line <&3; do case $line in [0-9][0-9][0-9]-*) ;; *) return ;; esac; done; }
        reply
        for command; do
            printf "%s\r\n" "$command" >&3
            reply
            printf "%s\n" "$line"
        done' dialogue "$@" | tr -d '\r'
}

# The reply to RCPT. Who has logged in Postfix is told by the lab (XCLIENT), and believes it as if by AUTH.
rcpt_as() { # LOGIN SENDER RECIPIENT
    smtp_dialogue $mta_address 588 'EHLO client.lab' "XCLIENT LOGIN=$1" 'EHLO client.lab' "MAIL FROM:<$2>" "RCPT TO:<$3>" | tail -n 1
}
login_hears() { # WANTED LOGIN SENDER RECIPIENT
    found=$(rcpt_as "$2" "$3" "$4")
    case $found in "$1"*) ;; *) echo "  $2 as <$3> to $4: $found, expected $1"; return 1 ;; esac
}

# Nobody sheds the guarantee of his login by an address that has none, his own or none at all: what would leave
# without it is not taken (law 2).
login_keeps_its_guarantee() {
    ctl user on anna@here.lab --profile posteo >/dev/null || return 1
    for sender in '' dora@here.lab; do # dora's address is anna's, too
        case $(rcpt_as anna@here.lab "$sender" x@$clear_domain) in
        '550 5.7.1 '*'This account has the sending guarantee'*) ;;
        *) echo "  <$sender>: $(rcpt_as anna@here.lab "$sender" x@$clear_domain)"; return 1 ;;
        esac
    done
    # Somebody else's address is Postfix's to refuse; who has no guarantee is not turned away.
    login_hears '553 5.7.1' hasty@here.lab anna@here.lab x@$clear_domain && login_hears 250 carol@here.lab '' x@$clear_domain &&
        hand_in_logged_in anna@here.lab logged-in@$secure_domain logged-in@$clear_domain && mta_settles 20 &&
        arrived_as TLS logged-in@$secure_domain && arrived_as '' logged-in@$clear_domain &&
        [ -n "$(notice_about logged-in@$clear_domain)" ]
}

hand_in_logged_in() { # LOGIN RECIPIENT RECIPIENT: from the login's own address
    smtp_dialogue $mta_address 588 'EHLO client.lab' "XCLIENT LOGIN=$1" 'EHLO client.lab' "MAIL FROM:<$1>" "RCPT TO:<$2>" "RCPT TO:<$3>" \
        DATA 'Subject: lab

lab
.' >"$live/logged-in"
    tail -n 1 "$live/logged-in" | grep -q '^250 2.0.0' || { cat "$live/logged-in"; return 1; }
}

# Refused at RCPT is what is seen not to be secure, where a profile asks for it. While the daemon is away the profile
# says what becomes of a recipient of whom nothing is known: come again (the standard), or let in.
refused_at_rcpt_where_asked() {
    ctl user on hasty@here.lab --profile hasty >/dev/null && ctl user on easy@here.lab --profile easy >/dev/null &&
        login_hears '550 5.7.4' hasty@here.lab hasty@here.lab x@$clear_domain &&
        login_hears 250 hasty@here.lab hasty@here.lab x@$secure_domain &&
        login_hears '550 5.7.4' easy@here.lab easy@here.lab x@$clear_domain &&
        login_hears 250 anna@here.lab anna@here.lab x@$clear_domain || return 1
    kill -STOP $daemon
    login_hears '450 4.3.0' hasty@here.lab hasty@here.lab x@d161.storm.lab && login_hears 250 easy@here.lab easy@here.lab x@d162.storm.lab &&
        login_hears 250 anna@here.lab anna@here.lab x@d163.storm.lab
    code=$?
    kill -CONT $daemon
    [ $code = 0 ] || return 1
    kill -9 $daemon
    wait $daemon 2>/dev/null
    login_hears '450 4.3.0' hasty@here.lab hasty@here.lab x@d161.storm.lab && login_hears 250 easy@here.lab easy@here.lab x@d162.storm.lab
    code=$?
    start_daemon 2 || return 1
    [ $code = 0 ] && until_ready 20 login_hears 250 hasty@here.lab hasty@here.lab x@d161.storm.lab ||
        { login_hears 250 hasty@here.lab hasty@here.lab x@d161.storm.lab; return 1; }
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

# --- hosts and name servers that never answer ---

gate_deadline_ms=3000 # mta.sh
slow_domains='silent.lab mx-silent.lab never-greets.secure.lab silent-at-ehlo.secure.lab'

# What a map replies. Later than the deadline, and what a busy machine takes beside, is wrong.
gate_says() { # MAP KEY
    timeout 30 perl -MIO::Socket::UNIX -MTime::HiRes=time -e '
        my ($path, $most_ms, $request) = @ARGV;
        my $gate = IO::Socket::UNIX->new(Peer => $path) or die "nobody listens";
        my $begun = time;
        print $gate length($request), ":", $request, ",";
        $gate->flush;
        { local $/ = ":"; $size = <$gate>; chop $size; }
        read $gate, $reply, $size;
        my $took_ms = int((time() - $begun) * 1000);
        print $reply, "\n";
        print "$request: after $took_ms ms\n" if $took_ms > $most_ms;' \
        "$mta/queue/mxward/gate.sock" $((gate_deadline_ms + 1500)) "$1 $2" 2>&1
}

# A look at these ends by its own budgets, which are longer than the gate's deadline. What cannot be known in time is no
# silence of the daemon, and no trouble of ours: what is demanded is enforced at the delivery (law 1), or the
# name server's fault is told as that.
slow_hosts_delay_nobody() {
    # At the first contact not even its hosts may be known by the deadline, or their TLSA records.
    sees_only='^OK encrypt protocols\|^NOTFOUND\|^TEMP MX lookup error\|^TEMP .*mail hosts are not known\|^TEMP .*TLSA records are not known'
    before=$(wc -c <"$mta/gate.log")
    asking=''
    for domain in $slow_domains; do
        for map in guarantee/strict guarantee/strict policy; do
            gate_says $map $domain
        done | grep -v "$sees_only" >"$live/slow.$domain" &
        asking="$asking $!"
        mta_send slow me+slow@secure.here.lab slow@$domain || return 1
    done
    wait $asking
    cat "$live"/slow.* >"$live/slow.wrong"
    [ ! -s "$live/slow.wrong" ] || { cat "$live/slow.wrong"; return 1; }
    until_ready 40 slow_mail_waits || { echo "  not all of it was tried"; slow_mail; return 1; }
    if slow_mail | grep -E 'mxward|	(bounced|sent)	'; then return 1; fi
    if tail -c +$((before + 1)) "$mta/gate.log" | grep 'daemon-'; then return 1; fi
    # When the look has ended without a greeting, who its hosts are is known, and stays so (law 1).
    for domain in never-greets.secure.lab silent-at-ehlo.secure.lab; do
        until_ready 60 gate_enforces $domain || { echo "  mail to $domain is held for good"; gate_says guarantee/strict $domain; return 1; }
    done
    postsuper -c "$mta/conf" -d ALL 2>>"$mta/stderr"
}
gate_enforces() { # DOMAIN
    gate_says guarantee/strict "$1" | grep -q '^OK encrypt protocols'
}
slow_mail() {
    mta_deliveries | grep '	slow@'
}
slow_mail_waits() {
    [ "$(slow_mail | cut -f2 | sort -u | wc -l)" = "$(echo $slow_domains | wc -w)" ]
}

# --- a thousand messages while the daemon dies ---

# Each storm has a sender address of its own, NAME+sNUMBER@DOMAIN, so that Postfix's log tells its messages from
# others; it demands what the address without that does. The secure alias looks for every message anew (strict),
# anna every minute.
storms="1 anna@here.lab 250 $secure_domain
2 anna@here.lab 200 $encrypting_domain
3 me@secure.here.lab 50 $encrypting_domain
4 anna@here.lab 70 $clear_domain
5 me@secure.here.lab 30 $clear_domain
6 carol@here.lab 200 $clear_domain
7 carol@here.lab 200 $encrypting_domain"

# Ends where it is told to come again, as it may be while the daemon starts.
storm_of_mail() { # NUMBER SENDER COUNT DOMAIN
    timeout 120 smtp-source -s 4 -m "$3" -N -f "${2%@*}+s$1@${2#*@}" -t "storm@$4" $mta_address:587 2>>"$live/storm.refused"
}
# What was not taken comes once more, and then everything is taken.
storm_missing() { # NUMBER COUNT
    echo $(($2 - $(storm_log | sed -n "s/.*: \([0-9A-F]*\): from=<[^>]*+s$1@.*, size=.*/\1/p" | sort -u | wc -l)))
}
storm_again() { # NUMBER SENDER COUNT DOMAIN
    missing=$(storm_missing "$1" "$3")
    [ "$missing" -gt 0 ] || return 0
    storm_of_mail "$1" "$2" "$missing" "$4"
    missing=$(storm_missing "$1" "$3")
    [ "$missing" = 0 ] || { echo "  $missing messages of storm $1 were not taken: clients were refused more than once"; return 1; }
}
# Not at once, as clients do: a process of smtpd(8) that was told that nobody can tell says so again as long as it lives
# (mta.sh, max_idle).
storms_again() {
    ! grep -q 'rejected: 45[01] ' "$live/storm.refused" || sleep 6
    while read -r storm; do storm_again $storm || return 1; done <"$live/storms"
}

# A fifth of each storm, or what is left of it, from all senders at once.
wave() { # 1 to 5
    waves=''
    while read -r number sender count domain; do
        share=$((count / 5))
        [ "$1" != 5 ] || share=$((count - 4 * share))
        storm_of_mail $number $sender $share $domain &
        waves="$waves $!"
    done <"$live/storms"
    wait $waves
}

# What Postfix has logged since the storms began; of it, what it wrote between two marks (storm_mark).
storm_log() {
    tail -n +"$storm_began" "$mta_log"
}
storm_mark() { # NAME
    wc -l <"$mta_log" >"$live/mark.$1"
}
storm_between() { # NAME NAME
    sed -n "$(cat "$live/mark.$1"),$(cat "$live/mark.$2")p" "$mta_log"
}

# One wave while it lives, one while it is dead, one while it does not answer, one while it ends in order, and one that
# begins when it has. What Postfix did before and had not logged yet does not count as done meanwhile.
daemon_dies() {
    wave 1 &
    clouds=$!
    sleep 1
    kill -9 $daemon
    wait $daemon 2>/dev/null
    wave 2 &
    clouds="$clouds $!"
    sleep 0.3
    storm_mark dead
    until_ready 20 mail_flows dead
    sleep 1
    storm_mark reborn
    start_daemon 2
    sleep 1
    kill -STOP $daemon
    wave 3 &
    clouds="$clouds $!"
    sleep 0.3
    storm_mark stopped
    until_ready 20 mail_flows stopped
    sleep 2
    storm_mark on
    kill -CONT $daemon
    wave 4 &
    clouds="$clouds $!"
    sleep 0.3
    kill -TERM $daemon
    wait $daemon || { echo "  the daemon does not end in order"; return 1; }
    wave 5 &
    clouds="$clouds $!"
    sleep 0.3
    storm_mark ended
    until_ready 20 mail_flows ended
    storm_mark begun
    start_daemon 2 || { echo "  the daemon does not start again"; return 1; }
    wait $clouds
    return 0 # a client that was refused comes again
}

# None lost, none weaker than demanded, none returned for our fault, none later than one run of the queue more; and
# mail flowed when nobody could be asked.
thousand_messages_survive() {
    ctl user on anna@here.lab --profile posteo >/dev/null || return 1
    echo "$storms" >"$live/storms"
    storm_began=$(($(wc -l <"$mta_log") + 1))
    daemon_dies || return 1
    until_ready 60 mta_is_quiet || { echo "  mail is still on its way"; return 1; }
    storms_again || return 1
    grep -v 'rejected: 45[01] ' "$live/storm.refused" && { echo "  a client was refused for good"; return 1; }
    until_ready 60 mta_is_quiet || { echo "  mail is still on its way"; return 1; }
    # The gate looks for the daemon every two seconds (ipc/gate/limits.h). That is no run of the queue.
    until_ready 10 gate_has_daemon || { echo "  the gate does not find the daemon again"; return 1; }
    mta_run_queue
    until_ready 60 storms_are_over || { echo "  mail waits for more than one run of the queue"
        mta_deliveries | grep 'storm@' | awk -F'\t' '$4 == "deferred" { print $3, $5 }' | sort | uniq -c | sort -rn | head -5; }
    storm_balance && storm_was_verified && mail_flowed dead reborn && mail_flowed stopped on && mail_flowed ended begun
}

gate_has_daemon() {
    perl -MIO::Socket::UNIX -e 'alarm 2; $gate = IO::Socket::UNIX->new(Peer => shift) or exit 1;
        print $gate "ping\n"; $gate->flush; exit(readline($gate) !~ / daemon=yes /)' "$mta/queue/mxward/gate.sock"
}

storms_are_over() {
    [ "$(mta_deliveries | awk -F'\t' '$2 ~ /^[0-9]+storm@/ && $4 != "deferred" { print $1 }' | sort -u | wc -l)" -ge 1000 ]
}

# Mail under a guarantee, and other mail.
mail_flows() { # FROM-MARK: until now
    storm_mark now
    mail_flowed "$1" now
}
mail_flowed() { # FROM-MARK TO-MARK
    storm_between "$1" "$2" >"$live/log.$1"
    for transport in guarantee-posteo smtp; do
        count=$(mta_deliveries "$live/log.$1" | awk -F'\t' -v by=$transport '$2 ~ /^[0-9]+storm@/ && $3 == by && $4 == "sent"' | wc -l)
        printf '  %s: sent by %s while %s\n' "$count" $transport "$1" >>"$live/storm.flowed"
        [ "$count" -gt 0 ] || { echo "  nothing was sent by $transport while the daemon was $1"; return 1; }
    done
}

# What Postfix said that it took, by its log: ids with a client and a whole message.
storm_accepted() {
    storm_log | sed -n 's/.* postfix\/smtpd\[[0-9]*\]: \([0-9A-F]*\): client=.*/\1/p' | sort -u >"$live/storm.clients"
    storm_log | sed -n 's/.* postfix\/cleanup\[[0-9]*\]: \([0-9A-F]*\): message-id=.*/\1/p' | sort -u |
        comm -12 - "$live/storm.clients" >"$live/storm.accepted"
}

# By queue id: each of the thousand that were taken has one end, and the right one.
storm_balance() {
    storm_accepted
    storm_log | sed -n 's/.*: \([0-9A-F]*\): from=<\([^>]*\)>, size=.*/\1\t\2/p' | sort -u >"$live/storm.senders"
    mta_deliveries | grep 'storm@' | awk -F'\t' -v senders="$live/storm.senders" -v taken="$live/storm.accepted" -v arrivals="$live/arrivals" -v clear="$clear_domain" '
        BEGIN {
            while ((getline line < taken) > 0) { accepted[line]; all++ }
            while ((getline line < senders) > 0) { split(line, f, "\t"); from[f[1]] = f[2] }
            while ((getline line < arrivals) > 0) { split(line, f, "\t"); if (f[1] ~ /storm@/ && f[3] == "clear") in_clear[f[1]]++ }
        }
        $4 != "deferred" { ends[$1]++; end[$1] = $4; to[$1] = $2; text[$1] = $5 }
        $4 == "deferred" { deferred++ }
        END {
            for (id in accepted) {
                if (ends[id] != 1) { print "  " id ": was taken, and has " ends[id] + 0 " ends"; wrong = 1; continue }
                guaranteed = from[id] !~ /^carol\+/
                to_clear = to[id] ~ ("@" clear "$")
                count[guaranteed " " (to_clear ? "clear" : "TLS") " " end[id]]++
                if (end[id] == "bounced" && !(guaranteed && to_clear)) { print "  returned for our fault: " to[id] ": " text[id]; wrong = 1 }
                if (end[id] != "sent" && end[id] != "bounced") { print "  " id ": " end[id]; wrong = 1 }
                if (end[id] == "sent" && guaranteed && to_clear) { print "  sent in clear in spite of the guarantee: " to[id]; wrong = 1 }
            }
            for (id in ends) if (!(id in accepted)) { print "  " id ": has an end, and was not taken"; wrong = 1 }
            for (what in count) printf "  %s: %d\n", what, count[what] >"/dev/stderr"
            if (all != 1000) { print "  " all + 0 " of 1000 messages were taken"; wrong = 1 }
            if (count["1 clear bounced"] != 100) { print "  " count["1 clear bounced"] + 0 " of 100 came back"; wrong = 1 }
            for (who in in_clear) if (who !~ ("@" clear "$")) { print "  arrived in clear: " who; wrong = 1 }
            printf "  %d deferrals on the way\n", deferred >"/dev/stderr"
            exit wrong
        }' 2>"$live/storm.counts"
}

# What goes to a domain with DANE, by the log of the process that sent it: its last connection before was to the host that
# took the message, and verified. An smtp(8) process makes one delivery at a time, and no TLS connection serves two.
storm_was_verified() {
    storm_log | sed -n '
        s/.* postfix\/[a-z/-]*smtp\[\([0-9]*\)\]: \([A-Z][a-z]*\) TLS connection established to \([^ ]*\): .*/\1\t\3\t\2/p
        s/.* postfix\/[a-z/-]*smtp\[\([0-9]*\)\]: [0-9A-F]*: to=<\([^>]*\)>, relay=\([^,]*\), .* status=\([a-z]*\) (.*/\1\t\3\t\2\t\4/p' >"$live/storm.ways"
    awk -F'\t' -v domain="$secure_domain" '
        FILENAME != ARGV[2] { split($0, storm, " "); if (storm[4] == domain) wanted += storm[3]; next }
        NF == 3 { host[$1] = $2; how[$1] = $3; next }
        $4 == "sent" && $3 ~ ("storm@" domain "$") {
            if (host[$1] == $2 && how[$1] == "Verified") verified++
            else { print "  sent without a verified host: " $3 " to " $2 ", TLS to " (host[$1] ? host[$1] : "nobody") ": " how[$1]; wrong = 1 }
        }
        { delete host[$1]; delete how[$1] }
        END {
            if (!wanted || verified != wanted) { print "  " verified + 0 " of " wanted + 0 " messages went to a verified host of " domain; wrong = 1 }
            exit wrong
        }' "$live/storms" "$live/storm.ways" >"$live/storm.unverified" || { head -n 5 "$live/storm.unverified"; tail -n 1 "$live/storm.unverified"; return 1; }
}

both_arrived() {
    [ -n "$(how_it_arrived anna-waits@$secure_domain)" ] && [ -n "$(notice_about anna-waits@$clear_domain)" ] &&
        [ -n "$(how_it_arrived carol-waits@$secure_domain)" ] && [ -n "$(how_it_arrived carol-waits@$clear_domain)" ]
}

# The folders above let everybody through, so what turns somebody away is the socket.
gate_answers_to() { # USER
    timeout 5 perl -MIO::Socket::UNIX -MPOSIX -e '
        my ($user, $path) = @ARGV;
        my ($uid, $gid) = (getpwnam $user)[2, 3];
        $) = "$gid $gid";
        POSIX::setgid($gid) && POSIX::setuid($uid) && $> == $uid or die "$user: cannot be he\n";
        my $gate = IO::Socket::UNIX->new(Peer => $path) or die "$user: $!\n";
        print $gate "ping\n";
        $gate->flush;
        exit(readline($gate) !~ /^status=ok/)' "$1" "$mta/queue/mxward/gate.sock" 2>&1
}
gate_is_for_postfix_alone() {
    gate_answers_to postfix || { echo "  Postfix's own user is turned away"; return 1; }
    for user in daemon bin; do
        found=$(gate_answers_to $user)
        [ "$found" = "$user: Permission denied" ] || { echo "  the socket is open to $user: ${found:-answered}"; return 1; }
    done
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
    # On the stale file. From now on the socket is one user's alone, and he is the one who delivers.
    echo 'gate { owner = postfix mode = 0600 }' >>"$mta/mxward.conf"
    start_gate || return 1
    gate_is_for_postfix_alone || return 1
    [ "$(stat -c '%U %a' "$mta/queue/mxward/gate.sock")" = 'postfix 600' ] || { echo "  the socket is not postfix's alone"; return 1; }
    sleep 1
    mta_run_queue
    until_ready 30 both_arrived
    arrived_as TLS anna-waits@$secure_domain && arrived_as '' anna-waits@$clear_domain &&
        [ -n "$(notice_about anna-waits@$clear_domain)" ] && arrived_as TLS carol-waits@$secure_domain &&
        arrived_as clear carol-waits@$clear_domain
}

# What a Postfix that came from postfix-tlspol asks, by Postfix's own client of socketmaps.
map_finds() { # KEY WANTED…: what postmap prints, or nothing
    for map in QUERY QUERYwithTLSRPT; do
        found=$(postmap -c "$mta/conf" -q "$1" "socketmap:unix:$mta/queue/mxward/gate.sock:$map" 2>>"$mta/stderr")
        [ "$found" = "$2" ] || { echo "  $map $1: $found, expected $2"; return 1; }
    done
}
tlspol_maps_answer() {
    map_finds dane-ee.lab 'dane-only protocols=>=TLSv1.2' && map_finds DANE-EE.lab 'dane-only protocols=>=TLSv1.2' &&
        map_finds tls13.secure.lab 'encrypt protocols=>=TLSv1.2 servername=hostname' &&
        map_finds .dane-ee.lab '' && map_finds no-starttls.secure.lab '' && map_finds '[127.0.0.1]' ''
}

# The settings that all this ran with are what mxwardctl finds nothing in, but for what the lab does otherwise.
settings_are_found_good() {
    ctl postfix-check --json --config-directory "$mta/conf" --resolv-conf "$mta/queue/etc/resolv.conf" >"$live/postfix-check" 2>&1
    # easy, hasty and quick are profiles for other phases.
    grep -E '"severity":"(breaks|weakens)"' "$live/postfix-check" | grep -vE 'guarantee-(easy|hasty|quick)' >"$live/postfix-wrong"
    [ ! -s "$live/postfix-wrong" ] && grep -q '"severity":"fine"' "$live/postfix-check" || { cat "$live/postfix-check"; return 1; }
}
