# demo.sh - the daemon at work, in words. Sourced by tests/lab/run inside the lab, daemon running.
# shellcheck shell=sh disable=SC2154,SC1091

. "$here/phases.sh"
. "$here/policies.sh"
. "$here/mta.sh"
. "$here/stories.sh"

say "  mxward          started, two shards, with real ports and its own recursion from the root"
say ""
say "It looks at every domain of the lab now: MX, addresses and TLSA with validation, every host, every"
say "address, STARTTLS, certificate. Some hosts take seconds to answer, some never do."
say ""
explain_all || return 1
sed 's/^/  /' "$live/scan.txt"
say ""
grep -Ev "$late_hosts" "$lab/rows" >"$live/rows"
compare "$live/rows"
result=$?
say ""
say "One of them explained: everything that decided, down to the dialogue."
say ""
case $skipped in *postfix:*) ctl explain dane-ee.lab ;; *) ctl explain postfix-ta.mail.lab ;; esac
say ""
say "What an attacker changes is seen: this host offers STARTTLS to its first visitor only."
ctl check offers-first.secure.lab
ctl check --live offers-first.secure.lab
say ""
# What became of it in words, from what arrived and what came back.
say_what_became() { # RECIPIENT
    case $(how_it_arrived "$1") in
    TLS) say "  $1 arrived, by TLS$(by_whose_transport "$1")" ;;
    clear) say "  $1 arrived, in clear$(by_whose_transport "$1")" ;;
    *)
        if [ -n "$(notice_about "$1")" ]; then say "  $1 came back"; else say "  $1 is not there yet"; fi
        ;;
    esac
}
by_whose_transport() { # RECIPIENT
    mta_deliveries | awk -F'\t' -v to="$1" '$2 == to && $4 == "sent" { by = $3 } END { if (sub(/^guarantee-/, "", by)) print ", under the guarantee (" by ")" }'
}

if can_run_mta; then
    say "Real mail, by a Postfix with the lines of tools/postfix and mxward-gate. Anna has the TLS sending guarantee"
    say "(mxwardctl user on anna@here.lab) and writes one message to three recipients:"
    say ""
    if guaranteed_mail_comes_back; then
        for domain in $secure_domain $encrypting_domain $clear_domain; do say_what_became first@$domain; done
        say ""
        say "What came back, as Anna reads it:"
        say ""
        sed -n '/^From: /p;/^Subject: /p;/^To: /p' "$live/notice" | head -n 3 | sed 's/^/  | /'
        sed -n '/^This is the mail system/,/^--/p' "$live/notice" | grep -v '^--' | sed 's/^/  | /'
        say "Off for this domain, for an hour: mxwardctl user off anna@here.lab --domain $clear_domain --until 1h"
        ctl user off anna@here.lab --domain $clear_domain --until 1h >/dev/null && send_to_three again anna@here.lab
        for domain in $secure_domain $encrypting_domain $clear_domain; do say_what_became again@$domain; done
        arrived_as clear again@$clear_domain && arrived_as TLS again@$secure_domain || result=1
    else
        result=1
    fi
    say ""
fi
return $result
