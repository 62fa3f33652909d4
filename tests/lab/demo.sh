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
if can_run_mta; then
    say "Real mail, by a Postfix with the lines of tools/postfix and mxward-gate. Anna has the TLS sending guarantee"
    say "(mxwardctl user on anna@here.lab) and writes one message to three recipients:"
    say ""
    if guaranteed_mail_comes_back; then
        for domain in $secure_domain $encrypting_domain $clear_domain; do
            say "  first@$domain $(how_it_arrived first@$domain | sed 's/^$/came back/;s/TLS/arrived, by TLS/')"
        done
        say ""
        say "What came back, as Anna reads it:"
        say ""
        sed -n '/^From: /p;/^Subject: /p;/^To: /p' "$live/notice" | head -n 3 | sed 's/^/  | /'
        sed -n '/^This is the mail system/,/^--/p' "$live/notice" | grep -v '^--' | sed 's/^/  | /'
        say "Off for this domain, for an hour: mxwardctl user off anna@here.lab --domain $clear_domain --until 1h"
        ctl user off anna@here.lab --domain $clear_domain --until 1h >/dev/null && send_to_three again anna@here.lab
        say "  again@$clear_domain $(how_it_arrived again@$clear_domain | sed 's/^$/came back/;s/clear/arrived, in clear/'), the others under the guarantee as before"
    else
        result=1
    fi
    say ""
fi
return $result
