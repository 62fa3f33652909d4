/*
 * domain_play.c - a domain goes in, a verdict comes out: scenes on a real shard, and each of them
 * again with its n-th operation, DNS answer or allocation in trouble, with its loop stopped or
 * drained at the n-th turn, and with pools and mailboxes that hold one.
 *
 * Whatever happens: every request comes home once, nothing is left in flight, and what is said is
 * either what is said without the trouble, or openly not definite. Then it claims no better class
 * and no higher level, and nothing against the peer (laws 2 and 3): not that it is open, weak, or
 * that mail cannot be delivered. What is put into the table keeps the same rules, and is never our
 * own failure. And once the trouble is over, all is as if it had not been.
 */
#include "shm/sentence.h"
#include "tests/plays/world/servers.h"
#include "tests/plays/world/stage.h"

#include "engine/base/log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- scenes --- */

#define SECURE_HOST(name, address)   name " A secure " address "\n" name " AAAA secure-nodata\n"
#define INSECURE_HOST(name, address) name " A insecure " address "\n" name " AAAA insecure-nodata\n"
#define NO_TLSA(name)                "_25._tcp." name " TLSA secure-nodata\n"
#define TLSA(name, records)          "_25._tcp." name " TLSA secure " records "\n"
#define MX_SECURE(domain)            domain " MX secure 10 mx.mail.example\n"
#define MX_INSECURE(domain)          domain " MX insecure 10 mx.mail.example\n"
#define MANY_HOST(name, number)                                \
    name ".mail.example A insecure 198.18." number ".1\n" name \
         ".mail.example AAAA insecure-nodata\n"
#define STRANGER UNTIL_TLS "TLS stranger\n" INSIDE BYE "goodbye\nclose\n"

static const struct play {
    struct scene scene;
    struct {
        enum tls_class class;
        enum level level;
        enum conclusion conclusion;
        enum cause cause; /* CAUSE_NONE: this question is answered like the first */
    } expected[STAGE_ASKS];
} plays[] = {
    {{.name = "DANE",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "DANE-TA",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 other 2 0 1 root"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "DANE behind an unsigned MX record (MX-13)",
      .zone = MX_INSECURE("other.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"other.example"}}},
     {{CLASS_ENCRYPTED, LEVEL_DANE_INSECURE_MX, CONCLUSION_DEFINITE, CAUSE_DANE_INSECURE_MX}}},
    {{.name = "a certificate that matches no TLSA record",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 other"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_FAILING, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE_FAILS}}},
    {{.name = "TLSA records, and no TLS",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {PLAIN}}},
      .asks = {{"signed.example"}}},
     {{CLASS_FAILING, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE_NO_TLS}}},
    {{.name = "TLSA records that nobody can use (DANE-12)",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "1 0 1 other"),
      .addresses = {{"192.0.2.1", {STRANGER}}},
      .asks = {{"signed.example"}}},
     {{CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED_TLSA_UNUSABLE}}},
    {{.name = "the TLSA look-up has no answer (DANE-15)",
      .zone = MX_SECURE("signed.example")
          SECURE_HOST("mx.mail.example", "192.0.2.1") "_25._tcp.mx.mail.example TLSA timeout\n",
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_TEMPORARY, CAUSE_TLSA_TROUBLE}}},
    {{.name = "an alias, signed throughout (DANE-07)",
      .zone = MX_SECURE(
          "signed.example") "mx.mail.example A secure alias=real.mail.example 192.0.2.1\n"
                            "mx.mail.example AAAA secure-nodata\n" NO_TLSA("real.mail.example")
                                TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "an alias whose first link alone is signed (DANE-08)",
      .zone = MX_SECURE(
          "signed.example") "mx.mail.example A insecure alias=real.mail.example 192.0.2.1\n"
                            "mx.mail.example AAAA insecure-nodata\n"
                            "mx.mail.example CNAME secure real.mail.example\n" TLSA(
                                "mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "a trusted certificate for the host of a signed MX record",
      .zone = MX_SECURE("signed.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_VERIFIED, LEVEL_VERIFIED, CONCLUSION_DEFINITE, CAUSE_VERIFIED}}},
    {{.name = "a trusted certificate for the domain itself (TLS-21)",
      .zone = MX_INSECURE("signed.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_VERIFIED, LEVEL_VERIFIED, CONCLUSION_DEFINITE, CAUSE_VERIFIED}}},
    {{.name = "a certificate of a stranger",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {STRANGER}}},
      .asks = {{"open.example"}}},
     {{CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED}}},
    {{.name = "no TLS",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {PLAIN}}},
      .asks = {{"open.example"}}},
     {{CLASS_NONE, LEVEL_NONE, CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS}}},
    {{.name = "STARTTLS refused for now",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1",
                     {GREETS OFFERS "C: STARTTLS\nS: 454 4.7.0 TLS not available\n" BYE}}},
      .asks = {{"open.example"}}},
     {{CLASS_NONE, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_STARTTLS_REFUSED}}},
    {{.name = "only TLS 1.0",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {UNTIL_TLS "TLS old\nclose\n"}}},
      .asks = {{"open.example"}}},
     {{CLASS_WEAK, LEVEL_OPPORTUNISTIC, CONCLUSION_DEFINITE, CAUSE_WEAK_TLS}}},
    {{.name = "a handshake that is refused",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {UNTIL_TLS "eat\n" ALERT "close\n"}}},
      .asks = {{"open.example"}}},
     {{CLASS_NONE, LEVEL_NONE, CONCLUSION_DEFINITE, CAUSE_TLS_BROKEN}}},
    {{.name = "a host that has too many visitors",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {"S: 421 4.7.0 too many connections\nclose\n"}}},
      .asks = {{"open.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_RATE_LIMITED}}},
    {{.name = "a host that is silent",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {"wait 1000000"}}},
      .asks = {{"open.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_UNREACHABLE}}},
    {{.name = "null MX (MX-08)",
      .zone = "null.example MX secure 0 .\n",
      .asks = {{"null.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_UNDELIVERABLE, CAUSE_NULL_MX}}},
    {{.name = "no such domain",
      .zone = "gone.example MX secure-nxdomain\n",
      .asks = {{"gone.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_UNDELIVERABLE, CAUSE_NO_DOMAIN}}},
    {{.name = "no MX record: the domain itself (MX-05)",
      .zone = "mx.mail.example MX secure-nodata\n" SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"mx.mail.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "the MX look-up fails (MX-11)",
      .zone = "open.example MX servfail\n",
      .asks = {{"open.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_TEMPORARY, CAUSE_MX_TROUBLE}}},
    {{.name = "the MX answer is bogus (MX-12)",
      .zone = "open.example MX bogus\n",
      .asks = {{"open.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_TEMPORARY, CAUSE_MX_BOGUS}}},
    {{.name = "a mail host without an address",
      .zone = MX_SECURE("signed.example") "mx.mail.example A secure-nxdomain\nmx.mail.example AAAA "
                                          "secure-nxdomain\n",
      .asks = {{"signed.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_UNDELIVERABLE, CAUSE_NO_HOST}}},
    {{.name = "the best mail host is our own (MX-15)",
      .zone = MX_SECURE("signed.example"),
      .own = "mx.mail.example",
      .asks = {{"signed.example"}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_UNDELIVERABLE, CAUSE_LOOP}}},
    {{.name = "an address literal (NAME-07)",
      .zone = "",
      .addresses = {{"192.0.2.1", {STRANGER}}},
      .asks = {{"[192.0.2.1]"}}},
     {{CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED}}},
    {{.name = "a host in brackets (MX-16)",
      .zone = SECURE_HOST("mx.mail.example", "192.0.2.1") "_587._tcp.mx.mail.example TLSA secure "
                                                          "3 1 1 leaf\n",
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"[mx.mail.example]:587"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "two families, one host in both",
      .zone =
          MX_SECURE("signed.example") "mx.mail.example A secure 192.0.2.1\nmx.mail.example AAAA "
                                      "secure 2001:db8::1\n" TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}, {"2001:db8::1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "two families, and the host is open in one",
      .zone = MX_INSECURE("open.example") "mx.mail.example A insecure 192.0.2.1\nmx.mail.example "
                                          "AAAA insecure 2001:db8::1\n",
      .addresses = {{"192.0.2.1", {PLAIN}}, {"2001:db8::1", {STRANGER}}},
      .differ = true,
      .asks = {{"open.example"}}},
     {{CLASS_NONE, LEVEL_NONE, CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS}}},
    {{.name = "two families, and the TLSA records are met in one",
      .zone =
          MX_SECURE("signed.example") "mx.mail.example A secure 192.0.2.1\nmx.mail.example AAAA "
                                      "secure 2001:db8::1\n" TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {STRANGER}}, {"2001:db8::1", {WHOLE}}},
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "two hosts, one of them open",
      .zone = "open.example MX insecure 10 mx.mail.example 20 second.mail.example\n" INSECURE_HOST(
          "mx.mail.example", "192.0.2.1") INSECURE_HOST("second.mail.example", "198.51.100.1"),
      .addresses = {{"192.0.2.1", {STRANGER}}, {"198.51.100.1", {PLAIN}}},
      .asks = {{"open.example"}}},
     {{CLASS_NONE, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS}}},
    {{.name = "weak, and no budget to say how",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {UNTIL_TLS "TLS old\nclose\n"}}},
      .rate_address = 1,
      .burst_address = 1,
      .asks = {{"open.example"}}},
     {{CLASS_NONE, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_TLS_BROKEN}}},
    {{.name = "a live question when the budget is spent (FRESH-03)",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {STRANGER}}},
      .rate_address = 1,
      .burst_address = 1,
      .asks = {{"open.example"}, {"open.example", .at_ms = 100, .patience_ms = 5000, .live = true}},
      .limited = 1},
     {{CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED},
      {CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED}}},
    {{.name = "the budget is enough for one of two addresses",
      .zone = MX_INSECURE("open.example") "mx.mail.example A insecure 192.0.2.1 192.0.2.2\n"
                                          "mx.mail.example AAAA insecure-nodata\n",
      .addresses = {{"192.0.2.1", {STRANGER}}, {"192.0.2.2", {STRANGER}}},
      .rate_prefix = 1,
      .burst_prefix = 1,
      .asks = {{"open.example", .patience_ms = 5000}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_OURS}}},
    {{.name = "one connection at a time to three addresses",
      .zone = MX_SECURE("signed.example") "mx.mail.example A secure 192.0.2.1 192.0.2.2 192.0.2.3\n"
                                          "mx.mail.example AAAA secure-nodata\n" TLSA(
                                              "mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}, {"192.0.2.2", {WHOLE}}, {"192.0.2.3", {WHOLE}}},
      .per_prefix = 1,
      .asks = {{"signed.example"}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "two who ask together share a round, and later ones the next (FRESH-03)",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example", .live = true},
               {"signed.example", .priority = PRIORITY_SCAN},
               {"signed.example", .at_ms = 4, .live = true},
               {"signed.example", .at_ms = 5, .live = true}}},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "a look soon after another resumes its session (TLS-24)",
      .zone = MX_SECURE("signed.example") SECURE_HOST("mx.mail.example", "192.0.2.1")
          TLSA("mx.mail.example", "3 1 1 leaf"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"signed.example"}, {"signed.example", .at_ms = 60000, .live = true}},
      .resumed = 1},
     {{CLASS_DANE, LEVEL_AUTHENTICATED, CONCLUSION_DEFINITE, CAUSE_DANE}}},
    {{.name = "a session is not to the taste of the host, and the same without one is",
      .zone = MX_SECURE("signed.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {WHOLE, UNTIL_TLS "TLS\nclose\n", WHOLE}}},
      .asks = {{"signed.example"}, {"signed.example", .at_ms = 60000, .live = true}}},
     {{CLASS_VERIFIED, LEVEL_VERIFIED, CONCLUSION_DEFINITE, CAUSE_VERIFIED}}},
    {{.name = "a session may not speak against what is remembered, and an open host beside it may",
      .zone = "signed.example MX secure 10 mx.mail.example 20 second.mail.example\n" INSECURE_HOST(
          "mx.mail.example", "192.0.2.1") INSECURE_HOST("second.mail.example", "198.51.100.1"),
      .addresses = {{"192.0.2.1", {WHOLE}}, {"198.51.100.1", {PLAIN, PLAIN, "close"}}},
      .asks = {{"signed.example"}, {"signed.example", .at_ms = 60000, .live = true}},
      .floor = LEVEL_AUTHENTICATED},
     {{CLASS_NONE, LEVEL_VERIFIED, CONCLUSION_DEFINITE, CAUSE_NO_STARTTLS}}},
    {{.name = "three domains with one mail host",
      .zone = MX_INSECURE("signed.example") MX_INSECURE("open.example") MX_INSECURE("third.example")
          INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {WHOLE}}},
      .asks = {{"open.example"}, {"third.example", .at_ms = 2}, {"signed.example", .at_ms = 4}}},
     {{CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED},
      {CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED},
      {CLASS_VERIFIED, LEVEL_VERIFIED, CONCLUSION_DEFINITE, CAUSE_VERIFIED}}},
    {{.name = "the patience of one ends while the host is silent",
      .zone = MX_INSECURE("open.example") INSECURE_HOST("mx.mail.example", "192.0.2.1"),
      .addresses = {{"192.0.2.1", {"wait 8000\n" STRANGER}}},
      .asks = {{"open.example", .patience_ms = 3000},
               {"open.example", .at_ms = 1000, .live = true, .patience_ms = 30000}}},
     {{CLASS_UNKNOWN, LEVEL_NONE, CONCLUSION_INCONCLUSIVE, CAUSE_OURS},
      {CLASS_ENCRYPTED, LEVEL_ENCRYPT, CONCLUSION_DEFINITE, CAUSE_ENCRYPTED}}},
    {{.name = "more hosts than are evaluated (MX-18)",
      .zone =
          "many.example MX secure 1 h1.mail.example 2 h2.mail.example 3 h3.mail.example "
          "4 h4.mail.example 5 h5.mail.example 6 h6.mail.example 7 h7.mail.example "
          "8 h8.mail.example 9 h9.mail.example 10 h10.mail.example 11 h11.mail.example\n" MANY_HOST(
              "h1", "1") MANY_HOST("h2", "2") MANY_HOST("h3", "3") MANY_HOST("h4", "4")
              MANY_HOST("h5", "5") MANY_HOST("h6", "6") MANY_HOST("h7", "7") MANY_HOST("h8", "8")
                  MANY_HOST("h9", "9") MANY_HOST("h10", "10"),
      .addresses = {{"198.18.1.1", {STRANGER}},
                    {"198.18.2.1", {STRANGER}},
                    {"198.18.3.1", {"connect refused"}},
                    {"198.18.4.1", {"connect refused"}},
                    {"198.18.5.1", {PLAIN}},
                    {"198.18.6.1", {PLAIN}},
                    {"198.18.7.1", {"S: 554 no\n" BYE}},
                    {"198.18.8.1", {"connect unreachable"}},
                    {"198.18.9.1", {"close"}},
                    {"198.18.10.1", {PLAIN}}},
      .asks = {{"many.example"}}},
     {{CLASS_NONE, LEVEL_ENCRYPT, CONCLUSION_INCONCLUSIVE, CAUSE_NO_STARTTLS}}},
};
#define PLAYS (sizeof plays / sizeof *plays)

/* --- what holds whatever happens --- */

static struct stage_result reference; /* of the scene without trouble */

static void say_run(const struct stage_run *run, const struct stage_answer *answer,
                    const struct verdict *v, const char *claim)
{
    fprintf(stderr, "%s", world_transcript());
    ck_abort_msg(
        "scene \"%s\" (operation %u %s, question %u %s, allocation %llu of %d, stopped at %u, "
        "drained at %u, pool %s, mailbox %u): %s\n  %s %s conclusion %u %s enforce %u, home "
        "%u after %llu ms; %s; %s; %s",
        run->scene->name, run->trouble_at, world_trouble_name(run->trouble), run->deed_at,
        dns_deed_name(run->deed), (unsigned long long)run->fail_allocation, run->memory,
        run->stop_at_turn, run->drain_at_turn, run->small_pool == NULL ? "-" : run->small_pool,
        run->mailbox, claim, class_name(v->class), level_name(v->level), v->conclusion,
        cause_name(v->cause), v->enforce, answer->home, (unsigned long long)answer->took_ms,
        answer->finding.why, answer->detail,
        world_failed() != NULL ? world_failed() : "the world is well");
}

static bool is_same(const struct verdict *a, const struct verdict *b)
{
    return a->class == b->class && a->level == b->level && a->conclusion == b->conclusion &&
           a->cause == b->cause && a->enforce == b->enforce;
}

/* Trouble that looks as if a peer, or a name server, were silent: then one address of several may
 * be hidden from us, and the known weakness of policy/finding.c is there. */
static bool hides_an_address(const struct stage_run *run)
{
    return run->trouble == TROUBLE_LATE || run->trouble == TROUBLE_RACE ||
           run->trouble == TROUBLE_SLOW_CANCEL || run->deed == DNS_DEED_SERVFAIL ||
           run->deed == DNS_DEED_BOGUS || run->deed == DNS_DEED_TIMEOUT;
}

/* A peer that refuses our TLS is weak or worse: which, may be left open (probe/tls_hello). */
static bool is_left_open(const struct verdict *v, const struct verdict *untroubled)
{
    return untroubled->class == CLASS_WEAK && v->class == CLASS_NONE;
}

/* NULL, or what a verdict in trouble must not say. */
static const char *breach(const struct stage_run *run, const struct verdict *v,
                          const struct verdict *untroubled)
{
    if (is_same(v, untroubled))
        return NULL;
    if (v->conclusion == CONCLUSION_DEFINITE || v->conclusion == CONCLUSION_UNDELIVERABLE)
        return "it is definite, and not what it is without the trouble";
    if (run->scene->differ && hides_an_address(run))
        return NULL;
    if (v->class > CLASS_UNKNOWN && v->class > untroubled->class)
        return "it claims a better class";
    if (v->level > untroubled->level)
        return "it claims a higher level";
    if (v->class != CLASS_UNKNOWN && v->class != untroubled->class && !is_left_open(v, untroubled))
        return "it holds something against the peer";
    return NULL;
}

static unsigned asks_of(const struct scene *scene)
{
    unsigned count = 0;

    while (count < STAGE_ASKS && scene->asks[count].next_hop != NULL)
        count++;
    return count;
}

/* What the scene says of this next hop without trouble, to any of those who ask: one may be told
 * more than another who has less patience. NULL, or what is wrong with all of them. */
static const char *breach_of_all(const struct stage_run *run, const char *next_hop,
                                 const struct verdict *v)
{
    const char *why = "nobody asked for it";

    for (unsigned i = 0; i < asks_of(run->scene); i++) {
        if (strcmp(run->scene->asks[i].next_hop, next_hop) != 0)
            continue;
        why = breach(run, v, &reference.answers[i].verdict);
        if (why == NULL)
            break;
    }
    return why;
}

static void check_answers(const struct stage_run *run, const struct stage_answer *answers,
                          bool untroubled)
{
    for (unsigned i = 0; i < asks_of(run->scene); i++) {
        const struct stage_answer *answer = &answers[i];
        const char *why = breach_of_all(run, run->scene->asks[i].next_hop, &answer->verdict);

        if (answer->home != 1)
            why = "it did not come home once";
        else if (untroubled && !is_same(&answer->verdict, &reference.answers[i].verdict))
            why = "the trouble is over, and it still shows";
        if (why != NULL)
            say_run(run, answer, &answer->verdict, why);
    }
}

static void check_table(const struct stage_run *run)
{
    const struct table_put *put;

    for (unsigned n = 0; (put = table_put_at(n)) != NULL; n++) {
        char next_hop[NEXT_HOP_TEXT_MAX];

        next_hop_text(&put->next_hop, next_hop);
        const char *why = breach_of_all(run, next_hop, &put->verdict);
        if (put->verdict.cause == CAUSE_OURS)
            why = "our failure is published";
        if (why != NULL)
            say_run(run, &reference.answers[0], &put->verdict, why);
    }
}

static void check_run(const struct stage_run *run, const struct stage_result *result)
{
    if (world_failed() != NULL)
        say_run(run, &result->answers[0], &result->answers[0].verdict, "the world says why");
    check_answers(run, result->answers, false);
    if (result->asked_again)
        check_answers(run, result->again, run->small_pool == NULL);
    check_table(run);
}

static struct stage_result play(const struct stage_run *run)
{
    struct stage_result result;

    stage_play(run, &result);
    check_run(run, &result);
    return result;
}

/* The scene without trouble is what all others are compared with. */
static void play_untroubled(const struct scene *scene)
{
    struct stage_run run = {.scene = scene};
    struct stage_result result;

    stage_play(&run, &reference);
    result = reference;
    check_run(&run, &result);
}

/* --- plays --- */

START_TEST(each_scene_gets_its_verdict)
{
    const struct play *of = &plays[_i];
    play_untroubled(&of->scene);
    for (unsigned i = 0; i < asks_of(&of->scene); i++) {
        const struct stage_answer *answer = &reference.answers[i];
        const struct verdict *v = &answer->verdict;
        struct stage_run run = {.scene = &of->scene};
        unsigned as = of->expected[i].cause == CAUSE_NONE ? 0 : i;
        bool resumed = (v->flags & VERDICT_RESUMED) != 0;
        if (v->class != of->expected[as].class || v->level != of->expected[as].level ||
            v->conclusion != of->expected[as].conclusion || v->cause != of->expected[as].cause ||
            answer->limited != (of->scene.limited == i && i > 0) ||
            (of->scene.resumed == i && i > 0 && !resumed) ||
            (of->scene.floor != LEVEL_NONE && resumed))
            say_run(&run, answer, v, "it is not what was expected");
    }
}
END_TEST

/* Each loop ends with the first n that is not reached. Under a sanitizer a play takes eight times
 * as long; there each kind of trouble, and each scene, has its ninth of the n: what is looked for
 * is a wrong access, and the neighbours go the same way. */
#if defined(__SANITIZE_ADDRESS__)
enum { STEP_SANITIZED = 9 };
#else
enum { STEP_SANITIZED = 1 };
#endif

static unsigned every(void)
{
    return world_plays_whole() ? 1 : STEP_SANITIZED;
}

static unsigned first(int loop)
{
    return 1 + (unsigned)loop % every();
}

START_TEST(an_operation_in_trouble_claims_nothing_law_2_and_3)
{
    play_untroubled(&plays[_i].scene);
    for (int trouble = TROUBLE_REFUSED; trouble < TROUBLE_COUNT; trouble++) {
        struct stage_run run = {.scene = &plays[_i].scene,
                                .trouble = (enum world_trouble)trouble,
                                .trouble_at = first(_i + trouble)};
        while (play(&run).operations >= run.trouble_at)
            run.trouble_at += every();
    }
}
END_TEST

START_TEST(a_dns_answer_in_trouble_claims_nothing_law_2_and_3)
{
    play_untroubled(&plays[_i].scene);
    for (int deed = DNS_DEED_SERVFAIL; deed < DNS_DEED_COUNT; deed++) {
        struct stage_run run = {
            .scene = &plays[_i].scene, .deed = (enum dns_deed)deed, .deed_at = first(_i + deed)};
        while (play(&run).questions >= run.deed_at)
            run.deed_at += every();
    }
}
END_TEST

/* All allocations of our own code; of OpenSSL's, which are thousands, some: endpoint_play has all
 * of a dialogue, and with MXWARD_PLAYS=whole it is all of them here, too. */
static uint64_t stride(enum world_memory memory, uint64_t allocations)
{
    return memory == WORLD_MEMORY_OWN || world_plays_whole() ? 1 : allocations / 20 + 1;
}

static void fail_allocations(const struct scene *scene, enum world_memory memory, bool lasting)
{
    struct stage_run run = {.scene = scene, .memory = memory, .lasting = lasting};
    struct stage_result result;

    stage_play(&run, &result);
    uint64_t step = stride(memory, result.allocations);
    result.allocation_failed = true;
    for (uint64_t n = 1 + (uint64_t)scene->name[0] % step; result.allocation_failed; n += step) {
        run.fail_allocation = n;
        result = play(&run);
    }
}

START_TEST(an_allocation_that_fails_claims_nothing_law_2_and_3)
{
    play_untroubled(&plays[_i].scene);
    fail_allocations(&plays[_i].scene, WORLD_MEMORY_OWN, false);
    fail_allocations(&plays[_i].scene, WORLD_MEMORY_OPENSSL, false);
    fail_allocations(&plays[_i].scene, WORLD_MEMORY_ALL, true);
}
END_TEST

START_TEST(a_loop_that_stood_still_blames_nobody_law_3)
{
    struct stage_run run = {.scene = &plays[_i].scene};
    play_untroubled(&plays[_i].scene);
    for (run.stop_at_turn = first(_i); play(&run).turns >= run.stop_at_turn;)
        run.stop_at_turn += every();
}
END_TEST

START_TEST(a_shard_can_be_drained_at_any_turn)
{
    struct stage_run run = {.scene = &plays[_i].scene};
    play_untroubled(&plays[_i].scene);
    for (run.drain_at_turn = first(_i); play(&run).turns >= run.drain_at_turn;)
        run.drain_at_turn += every();
}
END_TEST

START_TEST(room_for_one_is_enough_for_an_answer)
{
    static const char *const pools[] = {
        "domain jobs",   "domain rounds", "host jobs",  "host rounds",
        "endpoint jobs", "probes",        "politeness", ""};
    play_untroubled(&plays[_i].scene);
    (void)play(&(struct stage_run){.scene = &plays[_i].scene, .mailbox = 1});
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        (void)play(&(struct stage_run){.scene = &plays[_i].scene, .small_pool = pools[i]});
        (void)play(&(struct stage_run){
            .scene = &plays[_i].scene, .small_pool = pools[i], .mailbox = 1, .parallel = 1});
    }
}
END_TEST

/* OpenSSL itself leaks where it cannot make a context: not under the sanitizer, which would see. */
#if defined(__SANITIZE_ADDRESS__)
#define STARTS_LAST WORLD_MEMORY_OWN
#else
#define STARTS_LAST WORLD_MEMORY_OPENSSL
#endif

/* Also what OpenSSL needs is there from the start, or there is no start. */
START_TEST(a_shard_starts_with_all_it_needs_or_not_at_all)
{
    struct stage_run run = {
        .scene = &plays[0].scene, .fails_at_start = true, .memory = (enum world_memory)_i};
    struct stage_result result = {.allocation_failed = true};
    unsigned refused = 0;
    play_untroubled(run.scene);
    for (uint64_t n = 1; result.allocation_failed; n += world_plays_whole() ? 1 : 1 + n / 30) {
        run.fail_allocation = n;
        stage_play(&run, &result);
        refused += result.error < 0;
        if (result.error == 0)
            check_run(&run, &result);
    }
    ck_assert_int_eq(result.error, 0);
    ck_assert_uint_ge(refused, 10);
}
END_TEST

static void set_up(void)
{
    log_set_level(LOG_ERROR_LEVEL);
    servers_make();
}

static void tear_down(void)
{
    host_tls_servers_free();
}

int main(void)
{
    Suite *suite = suite_create("plays/domain");
    TCase *tests = tcase_create("domain"), *start = tcase_create("start");
    tcase_add_checked_fixture(start, set_up, tear_down);
    tcase_set_timeout(start, world_plays_whole() ? 7200 : 200);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, world_plays_whole() ? 7200 : 200);
    tcase_add_loop_test(tests, each_scene_gets_its_verdict, 0, PLAYS);
    tcase_add_loop_test(tests, an_operation_in_trouble_claims_nothing_law_2_and_3, 0, PLAYS);
    tcase_add_loop_test(tests, a_dns_answer_in_trouble_claims_nothing_law_2_and_3, 0, PLAYS);
    tcase_add_loop_test(tests, an_allocation_that_fails_claims_nothing_law_2_and_3, 0, PLAYS);
    tcase_add_loop_test(tests, a_loop_that_stood_still_blames_nobody_law_3, 0, PLAYS);
    tcase_add_loop_test(tests, a_shard_can_be_drained_at_any_turn, 0, PLAYS);
    tcase_add_loop_test(tests, room_for_one_is_enough_for_an_answer, 0, PLAYS);
    tcase_add_loop_test(start, a_shard_starts_with_all_it_needs_or_not_at_all, WORLD_MEMORY_OWN,
                        STARTS_LAST + 1);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, start);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
