# check.sh - everything the lab asserts, one phase after the other. Sourced by tests/lab/run inside the
# namespaces, daemon running.
# shellcheck shell=sh disable=SC2154,SC1091

. "$here/phases.sh"

failed=''
phase() { # FUNCTION WORDS…
    function=$1
    shift
    begun=$(date +%s)
    if $function; then
        printf 'lab: ok      %s (%s s)\n' "$*" $(($(date +%s) - begun))
    else
        printf 'lab: FAILED  %s (%s s)\n' "$*" $(($(date +%s) - begun))
        failed="$failed $function"
    fi
}

phase table_agrees "every domain as expected.tsv says"
phase farm_was_treated_politely "the farm saw no early talk, no missing QUIT, no mail command"
phase live_sees_what_changed "a live look sees that STARTTLS is gone (PIT-01)"
phase details_are_right "versions, keywords, alerts and names are told apart"
phase rate_limits_are_respected "a host that limits our rate is left in peace"
phase killed_in_a_storm "kill -9 in a storm, restart with another number of shards: no torn record"
phase stopped_in_a_storm "ten seconds of SIGSTOP in a storm: no finding about a peer (law 3)"
phase the_lab_notices "a wrong table and a rude client are noticed"
phase reserved_addresses_are_refused "without allow_reserved nobody here is connected to"
phase one_message_at_a_time "with room for one message between threads everything still comes home"
phase reload_takes_good_files_only "reload takes good files, and keeps the old settings for bad ones"
phase ends_in_order "SIGTERM ends it in order"
[ -z "$failed" ]
