# demo.sh - the daemon at work, in words. Sourced by tests/lab/run inside the lab, daemon running.
# shellcheck shell=sh disable=SC2154,SC1091

. "$here/phases.sh"

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
return $result
