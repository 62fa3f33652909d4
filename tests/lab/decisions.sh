# decisions.sh - what the lab asserts about decisions: the guarantee, exceptions, aliases, the memory.
# Sourced by tests/lab/check.sh like phases.sh. Each function is one claim.
# shellcheck shell=sh disable=SC2154,SC2086


decided() { # WANTED OPTIONS SENDER RECIPIENT
    wanted=$1
    shift
    answer=$(ctl decide --json "$@")
    case $answer in
    *'"action":"'"$wanted"'"'*) ;;
    *) echo "  $*: not $wanted: $answer" && return 1 ;;
    esac
}

says() { # PATTERN OPTIONS SENDER RECIPIENT
    pattern=$1
    shift
    answer=$(ctl decide --json "$@")
    echo "$answer" | grep -q -- "$pattern" || { echo "  $*: does not say $pattern: $answer"; return 1; }
}

# S1, S2: three recipients, three answers; each with its policy.
guarantee_stops_what_is_not_secure() {
    alice=alice@here.lab
    ctl user on $alice --profile posteo >/dev/null || { echo "  cannot switch on"; return 1; }
    decided send $alice bob@dane-ee.lab && says '"policy":"dane-only protocols=>=TLSv1.2"' $alice bob@dane-ee.lab &&
        decided send $alice bob@tls13.secure.lab && says '"policy":"encrypt protocols=>=TLSv1.2' $alice bob@tls13.secure.lab &&
        decided stop $alice bob@no-starttls.secure.lab &&
        says '"code":"5.7.4","text":"TLS is required, but was not offered by host ' $alice bob@no-starttls.secure.lab &&
        decided stop "alice+list@here.lab" bob@no-starttls.secure.lab &&
        decided stop $alice bob@ttl-zero-clear.lab && # good for the look in progress (DNS-11)
        decided send $alice bob@ttl-zero.lab && says '"policy":"dane-only protocols=>=TLSv1.2"' $alice bob@ttl-zero.lab &&
        decided send carol@here.lab bob@no-starttls.secure.lab
}

# S5: off for one recipient domain for a time, and on again by itself.
exception_ends_by_itself() {
    ctl user off $alice --domain no-starttls.secure.lab --until 4s >/dev/null || { echo "  no exception"; return 1; }
    decided send $alice bob@no-starttls.secure.lab && says '"left_out":"user"' $alice bob@no-starttls.secure.lab &&
        decided stop $alice bob@helo-only.secure.lab || return 1
    sleep 5
    decided stop $alice bob@no-starttls.secure.lab || return 1
    ctl user off $alice >/dev/null
    decided send $alice bob@no-starttls.secure.lab || return 1
    ctl user on $alice >/dev/null
    decided stop $alice bob@no-starttls.secure.lab
}

# S8, MSG-05: by what the mail server asserts, never by what a message says of itself.
exemptions_need_asserted_facts() {
    decided send --fact local,auto-submitted $alice bob@no-starttls.secure.lab &&
        decided stop --fact auto-submitted $alice bob@no-starttls.secure.lab &&
        decided send --fact forward $alice bob@no-starttls.secure.lab &&
        decided send --fact tls-report,local $alice bob@no-starttls.secure.lab &&
        decided stop --fact tls-required-no,authenticated $alice bob@no-starttls.secure.lab
}

# S13: a secure alias sends under the strict profile, and takes mail over TLS or from a trusted hop.
alias_is_secure_both_ways() {
    me=me@secure.here.lab
    decided stop $me bob@no-starttls.secure.lab && decided send $me bob@tls13.secure.lab &&
        decided stop --inbound --tls none --client 192.0.2.1 x@y.lab $me &&
        says '"code":"5.7.0"' --inbound --tls none --client 192.0.2.1 x@y.lab $me &&
        decided stop --inbound --tls 1.1 --client 192.0.2.1 x@y.lab $me &&
        decided send --inbound --tls 1.2 --client 192.0.2.1 x@y.lab $me &&
        decided send --inbound --tls none --client 10.9.8.7 x@y.lab $me &&
        decided send --inbound --tls none --client 192.0.2.1 x@y.lab bob@here.lab &&
        alias_works_as_it_is_set
}

# Off, and each way by itself (expert).
alias_works_as_it_is_set() {
    decided send off@secure.here.lab bob@no-starttls.secure.lab &&
        says "secure alias is off" off@secure.here.lab bob@no-starttls.secure.lab &&
        decided send --inbound --tls none --client 192.0.2.1 x@y.lab off@secure.here.lab &&
        decided stop out@secure.here.lab bob@no-starttls.secure.lab &&
        decided send --inbound --tls none --client 192.0.2.1 x@y.lab out@secure.here.lab &&
        decided send in@secure.here.lab bob@no-starttls.secure.lab &&
        decided stop --inbound --tls none --client 192.0.2.1 x@y.lab in@secure.here.lab
}

# S10: a host that once did TLS and does it no more: held, an alarm, in the review queue; an administrator
# decides. In observe mode only said.
loss_of_tls_is_held() {
    forgetful=offers-first.secure.lab # the first look, some phases ago, was encrypted
    [ "$(class_of --live $forgetful)" = none ] || { echo "  it did not stop doing TLS"; return 1; }
    decided defer carol@here.lab bob@$forgetful &&
        says '"alarm":true' carol@here.lab bob@$forgetful && says '"source":"memory"' carol@here.lab bob@$forgetful || return 1
    until_ready 3 sh -c "'$BUILD/mxwardctl' -s '$live/run/mxward.sock' memory pending | grep -q 'offers-first'" ||
        { echo "  it is not in the review queue"; return 1; }
    ctl status --json | grep -q '"kind":"contradicted"' || { echo "  no alarm in the status"; return 1; }
    ctl rule observe $forgetful --reason test >/dev/null
    decided send carol@here.lab bob@$forgetful && says '"would":"defer"' carol@here.lab bob@$forgetful || return 1
    ctl rule remove $forgetful --reason test >/dev/null
    decided defer carol@here.lab bob@$forgetful || return 1
    ctl memory set "[$(ctl memory pending | sed -n 's/^\[\([^]]*offers-first[^]]*\)\].*/\1/p' | head -n 1)]" none --reason "the operator says so" >/dev/null
    decided send --live carol@here.lab bob@$forgetful || return 1
    ctl memory audit | grep -q 'the operator says so' || { echo "  the audit does not say why"; return 1; }
    ctl report --json | grep -q '"domain":"offers-first.secure.lab"' || { echo "  not in the report"; return 1; }
}

# S14, DANE-43/44: the key that a recipient publishes is told with what is not sent, if DNSSEC vouches for it.
keys_are_told() {
    stopped=no-starttls.secure.lab
    decided stop $alice hugh@$stopped &&
        says '"openpgp":"present","smime":"present"' $alice hugh@$stopped &&
        says 'an OpenPGP key and an S/MIME certificate in signed DNS' $alice hugh@$stopped &&
        says '"openpgp":"none","smime":"none"' $alice Hugh@$stopped &&
        says '"openpgp":"none","smime":"none"' $alice hugh@helo-only.secure.lab || return 1
    says '"openpgp":"none","smime":"none"' $alice hugh@no-starttls.plain.lab || return 1 # unsigned
    says '"openpgp":"not-asked","smime":"not-asked"' carol@here.lab hugh@$stopped &&
        says '"openpgp":"present","smime":"present"' --keys carol@here.lab hugh@$stopped &&
        says '"openpgp":"unknown","smime":"unknown"' --keys carol@here.lab hugh@expired.lab || return 1
    ctl decide --keys carol@here.lab hugh@$stopped | grep -q 'OpenPGP key: present, S/MIME certificate: present' ||
        { echo "  not said to people"; return 1; }
    decided stop $alice hugh@$stopped # and still not sent
}

# Rules: pin, refuse, exempt; what is refused is refused for everybody.
rules_hold() {
    ctl rule pin tls13.secure.lab authenticated --reason test >/dev/null &&
        decided defer carol@here.lab bob@tls13.secure.lab &&
        ctl rule refuse tls13.secure.lab --reason test >/dev/null &&
        decided stop carol@here.lab bob@tls13.secure.lab &&
        decided stop --next-hop p384.secure.lab carol@here.lab bob@tls13.secure.lab &&
        ctl rule remove tls13.secure.lab --reason test >/dev/null &&
        decided send carol@here.lab bob@tls13.secure.lab
}

derivation_has() { # SENDER RECIPIENT WORDS...
    found=$(ctl decide --explain "$1" "$2")
    for words in "$3" "$4" "$5"; do
        case $found in *"$words"*) ;; *) echo "  $1 $2: does not say $words"; return 1 ;; esac
    done
}

# Every demand and what became of it, who decided, the row and its price, what would change it.
derivations_are_whole() {
    derivation_has $alice bob@no-starttls.secure.lab "decided by    profile" "seen not to be met: stop  <- decides" \
        "encryption: TLS 1.2 or later at every host or no mail" &&
        derivation_has $alice bob@blocklisted.secure.lab "not known to be met; stop if it is seen not to be" \
            "hosts without TLS 1.2 get nothing" "posteo (by: sender)" &&
        derivation_has off@secure.here.lab bob@no-starttls.secure.lab "secure alias  off" "nobody demands anything" \
            "none: its own level holds" &&
        derivation_has $alice bob@dane-ee.lab "without TLSA  nothing goes there" "by dane, last seen" "good for"
}

# Law 1: a look that is blocked stops nothing that a policy can enforce.
blocked_look_stops_nothing() {
    decided send $alice bob@blocklisted.secure.lab && says '"policy":"encrypt protocols=>=TLSv1.2' $alice bob@blocklisted.secure.lab
}

ctl_status() {
    ctl status
}

# What was acknowledged is there after kill -9, and the memory too.
decisions_survive_a_kill() {
    ctl user on dave@here.lab --profile strict >/dev/null || return 1
    kill -9 $daemon
    wait $daemon 2>/dev/null
    start_daemon 2 && until_ready 20 ctl_status || { echo "  does not start again"; return 1; }
    decided stop dave@here.lab bob@no-starttls.secure.lab && decided stop $alice bob@no-starttls.secure.lab &&
        ctl memory list | grep -q dane-ee
}
