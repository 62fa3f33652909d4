# check.sh - everything the lab asserts, one phase after the other. Sourced by tests/lab/run inside the
# namespaces, daemon running. With LAB_PHASES="FUNCTION…" only those (some need what earlier ones looked at).
# shellcheck shell=sh disable=SC2154,SC1091

. "$here/phases.sh"
. "$here/decisions.sh"
. "$here/policies.sh"
. "$here/feed.sh"
. "$here/mta.sh"
. "$here/stories.sh"
. "$here/exim.sh"
. "$here/attacks.sh"

failed=''
phase() { # FUNCTION WORDS…
    function=$1
    shift
    case " ${LAB_PHASES:-$function} " in *" $function "*) ;; *) return ;; esac
    begun=$(date +%s)
    $function >"$live/phase.txt" 2>&1
    code=$?
    [ $code = 0 ] && outcome='ok     ' || outcome='FAILED '
    printf 'lab: %s %s (%s s)\n' "$outcome" "$*" $(($(date +%s) - begun)) >>"$live/phase.txt"
    cat "$live/phase.txt"
    [ $code = 0 ] && return
    failed="$failed $function"
    cat "$live/phase.txt" >>"$live/failed.txt"
}

phase look_at_late_hosts "hosts that greet late are looked at meanwhile"
phase table_agrees "every domain as expected.tsv says"
phase farm_was_treated_politely "the farm saw no early talk, no missing QUIT, no mail command"
phase live_sees_what_changed "a live look sees that STARTTLS is gone (PIT-01)"
phase details_are_right "versions, keywords, alerts and names are told apart"
if can_send; then
    phase evidence_is_made "four domains are looked at, for deliveries later"
    phase every_policy_holds "each policy text delivers where it should, and fails closed, at a real Postfix (DEC-06, PIT-01)"
    phase policies_are_noticed "a wrong outcome of a policy is noticed"
    phase deliveries_save_probes "what Postfix delivered by TLS is fresh evidence, and saves the probe"
    phase deliveries_are_remembered "a delivery has its host looked at, and is a sighting once it was seen (MEM-01)"
    phase forged_log_teaches_nothing "who can write to the log teaches nothing that mxward does not see itself (law 2)"
    phase what_proves_nothing_teaches_nothing "clear text and forged replies in the log teach nothing (law 2)"
    phase log_is_followed "a log that is followed tells of deliveries as they happen, and behind a rotation"
fi
if can_run_mta; then
    phase attacks_fail "attacks at the delivery: nothing leaves in clear, nothing goes to a wrong host (S4, PIT-01, PIT-19)"
    if can_require_tls; then
        phase requiretls_is_passed_on "REQUIRETLS that a client asks for inside TLS is asked for again (RFC 8689)"
    fi
    phase first_contact_is_no_less_than_dane "mail to a domain never looked at, while the daemon is stopped: no less than DANE (S9, DANE-11)"
    phase mail_flows_without_probes "mail flows to who turns probes away, under enforcement (law 1)"
    phase hours_of_back_off_stop_nothing "a probe address that is limited for hours stops no mail (law 1)"
    phase attacks_are_noticed "an attack that succeeds is noticed, by the log and on the wire"
fi
phase guarantee_stops_what_is_not_secure "the guarantee: send, send, stop for three recipients (S1, S2)"
phase exception_ends_by_itself "off for one domain, on again by itself (S5)"
phase exemptions_need_asserted_facts "exemptions need what the mail server asserts (S8, MSG-05)"
phase alias_is_secure_both_ways "a secure alias sends and takes only encrypted (S13)"
phase loss_of_tls_is_held "who did TLS and does it no more is held, and an administrator told (S10)"
phase keys_are_told "a recipient's key in signed DNS is told, and sends nothing (S14, DANE-44)"
phase rules_hold "an administrator's rules hold for everybody"
phase derivations_are_whole "a derivation has demands, evidence, row, price, and what would change it"
if can_run_mta; then
    phase guaranteed_mail_comes_back "real mail to three: two arrive, the third comes back with the cause (S1, S2, S7)"
    phase exception_lets_one_domain_through "real mail: off for one domain, the others keep the guarantee, on again by itself (S5)"
    phase replies_and_forwards_leave "real mail: an automatic reply and a forward leave (S8)"
    phase without_guarantee_all_arrive "real mail: without the guarantee all arrive"
    phase lost_tls_is_held "real mail: who lost TLS gets nothing in clear, an administrator is shown it, and decides (S10)"
    if can_log_in; then
        phase login_keeps_its_guarantee "real mail: a login keeps its guarantee, whatever sender it writes (MSG-01)"
        phase refused_at_rcpt_where_asked "real mail: refused at RCPT where the profile asks, and what it says of trouble (law 3)"
    fi
    phase slow_hosts_delay_nobody "who never answers delays nobody beyond the gate's deadline, and is not called our trouble (law 3)"
    phase secure_alias_holds_both_ways "real mail: a secure alias sends and takes only encrypted, but for the trusted hop (S13)"
    phase tlspol_maps_answer "the maps of postfix-tlspol, asked by Postfix"
    phase settings_are_found_good "postfix-check finds nothing wrong with the lines of tools/postfix"
    phase thousand_messages_survive "a thousand messages while the daemon is killed, stopped and restarted (law 3)"
    phase gate_dies "mail waits while mxward-gate is dead, and goes on"
fi
phase blocked_look_stops_nothing "a look that is blocked stops no mail (law 1)"
if exim_can_send; then
    phase exim_enforces_each_policy "each transport for Exim delivers where it should, and fails closed (PIT-01, DANE-11)"
    phase exim_gives_the_guarantee "a real Exim: three recipients, two arrive, the third comes back with the cause (S1, S2, S8)"
    phase exim_asks_at_rcpt "a real Exim refuses at RCPT where the profile asks, and plain mail for secure aliases (S13)"
    phase exim_waits_for_the_gate "a real Exim without mxward-gate keeps all mail, and delivers it later (law 3)"
fi
phase decisions_survive_a_kill "what was acknowledged survives kill -9"
phase rate_limits_are_respected "a host that limits our rate is left in peace"
phase late_greetings_are_waited_for "who greets after 10, 15 or 20 seconds is as good as any (TLS-18)"
phase killed_in_a_storm "kill -9 in a storm, restart with another number of shards: no torn record"
phase stopped_in_a_storm "ten seconds of SIGSTOP in a storm: no finding about a peer (law 3)"
phase the_lab_notices "a wrong table and a rude client are noticed"
phase reserved_addresses_are_refused "without allow_reserved nobody here is connected to"
phase opted_out_by_any_name "who asked not to be probed is not, by whichever of its names"
phase one_message_at_a_time "with room for one message between threads everything still comes home"
phase reload_takes_good_files_only "reload takes good files, and keeps the old settings for bad ones"
phase ends_in_order "SIGTERM ends it in order"
[ -z "$failed" ] || {
    # Once more at the end: of a long log, the end is what people are shown.
    printf '\nlab: failed:%s\n' "$failed"
    cat "$live/failed.txt"
    false
}
