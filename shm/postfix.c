/*
 * postfix.c - the table of policy texts (see postfix.h). The first row that fits decides; the last
 * holds the mail, so that no verdict is without an answer.
 *
 * Why there is no `protocols` beside `dane`, and no promise: it leaves a host without TLSA records
 * to the MTA's own opportunistic level, also one that had some when we looked (DEC-10), and there
 * `protocols` would turn TLS 1.0 into clear text, which is less than without us. Why `servername`:
 * Postfix sends no SNI otherwise, and our probe did; where DANE is in use Postfix sends the TLSA
 * base domain whatever this says.
 *
 * Which text for hosts that differ, and for signed hosts behind an unsigned MX record? Four were
 * compared (Postfix 3.7.11, smtp_tls_policy.c and tls_dane.c; tests/lab/policies tries each):
 *
 *   dane         DANE at hosts with usable TLSA records, as of the delivery. Others get TLS if they
 *                offer it, else clear text. Behind an unsigned MX record it is DANE only if
 *                smtp_tls_dane_insecure_mx_policy says so, which up to 3.7.12 follows the *global*
 *                level: with `may` there, it is nothing (DEC-10). Loses nobody, promises nothing.
 *   dane-only    the same, and others get nothing. Behind an unsigned MX record nobody gets
 *                anything. Loses the hosts without TLSA records.
 *   encrypt      TLS at every host, whoever answers. Loses nobody who does TLS, and passes DANE
 *                over where it is published.
 *   fingerprint  every host must show one of the listed keys: those of its TLSA records, or the one
 *                that we saw. No host gets clear text, or less than its TLSA records ask. Loses a
 *                host without TLSA records whose key is another than was seen (a new one, or one of
 *                several behind its address), until it is looked at again; hosts with TLSA records
 *                are lost only by a roll-over faster than the TTL (DANE-41).
 *
 * So the list of keys is the one text that loses neither DANE at the hosts that have it nor
 * encryption at the others. Where it is used, and where not:
 *
 *   - Where every host has usable TLSA records, all keys come from the DNS, signed: the list is
 * DANE as of the verdict. It stands in for `dane` where Postfix would not do it (unsigned MX) or
 *     would abort (a record without data), for every sender: it costs nobody a host.
 *   - Where some hosts have none, part of the keys is only what a probe saw, and a host with
 * another key is passed over. Who demands encryption accepts that. Who demands nothing gets the
 * list only if all was seen, every host does TLS, and none fails its TLSA records: then those with
 *     TLSA records take the mail meanwhile, and no probe vetoes a delivery (law 1).
 *   - Not where DANE itself can do it (`dane-only` follows the DNS at the delivery), and not for
 * more than encryption where a key was only seen.
 *
 * What the list guarantees. Its keys stand for the whole domain: any of them at any host. Behind a
 * signed MX record, all keys from TLSA records: authenticated. With a key that was only seen:
 * whoever stood between us and that host may own it, and could show it at the other hosts, too; he
 * could also have had the mail at that host under every other text that lets it go there. So it
 * guarantees encryption, and no more. Behind an unsigned MX record the names may be an attacker's,
 * with TLSA records and keys of his own (PIT-05): never above `dane-insecure-mx`, or `encrypt`. The
 * list ends with the verdict it came from (MEM-03): nothing is pinned for longer than the DNS said.
 *
 * Where a TLSA record without data rules DANE out, the list stands in for every set of hosts that
 * has one, also for who demands nothing, and also if a host fails its TLSA records: a host with a
 * new key waits until it is looked at again, but no other text keeps DANE there. Without a list
 * nothing is said behind a signed MX record, or of a host that fails: `encrypt` would be less than
 * what a Postfix that does DANE by itself, and survives the record, enforces. Who demands
 * encryption waits (DANE-11).
 *
 * Known weakness: who demands nothing gets `encrypt` behind an unsigned MX record where there is no
 * list (`2 1 1`, a host not wholly seen), which passes DANE over: all of the mail is protected from
 * listening, where `dane` would protect some of it from more. Behind a signed one they get `dane`
 * there, and other hosts no promise.
 */
#include "shm/postfix.h"

#include "shm/must.h"
#include "shm/phrase.h"

#include <assert.h>
#include <string.h>

/* --- the texts --- */

#define TLS12 "protocols=>=TLSv1.2"
#define SNI   "servername=hostname"

enum text {
    NO_TEXT,
    MAY,
    ENCRYPT,
    DANE,
    DANE_ONLY,
    SECURE,      /* the names stand between the halves */
    FINGERPRINT, /* the keys do */
};

static const struct text_row {
    const char *text, *rest, *with_tlsa, *without_tlsa, *price;
} texts[] = {
    [NO_TEXT] = {"", "", "", "", ""},
    [MAY] = {"may", "", "TLS if offered, else clear text", "TLS if offered, else clear text",
             "none"},
    [ENCRYPT] = {"encrypt " TLS12 " " SNI, "", "TLS 1.2 or later, whoever answers",
                 "TLS 1.2 or later, whoever answers", "hosts without TLS 1.2 get nothing"},
    [DANE] = {"dane " SNI, "", "DANE",
              "TLS if offered, else clear text; no clear text if it has TLSA records that are"
              " unusable",
              "hosts that fail their TLSA records get nothing; behind an unsigned MX record it is"
              " DANE only with smtp_tls_dane_insecure_mx_policy = dane"},
    [DANE_ONLY] = {"dane-only " TLS12, "", "DANE", "nothing goes there",
                   "hosts without usable TLSA records get nothing"},
    [SECURE] =
        {"secure match=", " " TLS12 " " SNI, "a trusted certificate with one of the names",
         "a trusted certificate with one of the names",
         "hosts with another certificate get nothing, and all wait if the hosts are renamed"},
    [FINGERPRINT] = {"fingerprint match=", " " TLS12 " " SNI, "one of the listed keys",
                     "one of the listed keys",
                     "a host with a new key waits until it is looked at again; needs"
                     " smtp_tls_fingerprint_digest = sha256"},
};

/* --- the rows --- */

/* What a row may ask of a verdict. */
enum {
    TEMPORARY = 1 << 0,
    UNDELIVERABLE = 1 << 1,
    UNSAFE = 1 << 2, /* a TLSA record without data */
    SAFE = 1 << 3,   /* none */
    MX_SECURE = 1 << 4,
    MX_INSECURE = 1 << 5,
    ALL_DANE = 1 << 6,
    SOME_DANE = 1 << 7, /* or all */
    ALL_TLSA = 1 << 8,  /* unusable records included: no host may get clear text */
    FAILS_DANE = 1 << 9,
    TLSA_UNKNOWN = 1 << 10,
    ENCRYPTS = 1 << 11,        /* class: every host that may get mail encrypts */
    MATCH = 1 << 12,           /* there are names for `secure` */
    PINS = 1 << 13,            /* there are keys for `fingerprint` */
    REMEMBERED_DANE = 1 << 14, /* the domain is remembered as authenticated by DANE */
    SEEN = 1 << 15,            /* nothing that matters stayed unseen */
    RELEASED = 1 << 16,        /* not of the verdict: the mail must arrive */
    SOME_TLSA = 1 << 17,       /* as SOME_DANE, unusable records included */
    MEMORY_UNKNOWN = 1 << 18,  /* nobody could tell in time what is remembered */
    HOSTS_UNKNOWN = 1 << 19,   /* which hosts get its mail was not looked up, or not in time */
};

/* What is demanded: a bit for each level. */
#define UP_TO(level) ((2u << (level)) - 1)
#define NO_DEMAND    UP_TO(LEVEL_OPPORTUNISTIC)
#define ENCRYPTION   (UP_TO(LEVEL_ENCRYPT) & ~UP_TO(LEVEL_ENCRYPT - 1))
#define THE_HOST     (UP_TO(LEVEL_VERIFIED) & ~UP_TO(LEVEL_ENCRYPT))
#define THE_DOMAIN   (UP_TO(LEVEL_AUTHENTICATED) & ~UP_TO(LEVEL_VERIFIED))
#define ANYTHING     UP_TO(LEVEL_AUTHENTICATED)
#define A_DEMAND     (ANYTHING & ~NO_DEMAND)
#define UP_TO_HALF   UP_TO(LEVEL_DANE_INSECURE_MX)

/* clang-format off */
static const struct row {
    const char *name;
    uint32_t demands, when;
    enum postfix_answer answer;
    enum text text;
    enum level guarantees;
    const char *rule;
} rows[] = {
    {"released", ANYTHING, RELEASED, POSTFIX_POLICY, MAY, LEVEL_OPPORTUNISTIC,
     "the mail must arrive, whatever the TLS (RPT-15, RTLS-07)"},
    {"look-up-failed", ANYTHING, TEMPORARY, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a look-up failed: temporary error (DANE-15, MX-11)"},
    {"nowhere", NO_DEMAND, UNDELIVERABLE, POSTFIX_DEFAULT, NO_TEXT, LEVEL_NONE,
     "there is nowhere to send to: the MTA says so itself"},
    {"nowhere-demanded", A_DEMAND, UNDELIVERABLE, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "there is nowhere to send to"},

    {"keys-for-dane", ANYTHING, UNSAFE | MX_SECURE | ALL_DANE | PINS, POSTFIX_POLICY, FINGERPRINT,
     LEVEL_AUTHENTICATED,
     "a TLSA record without data: DANE would end Postfix 3.7, so the keys of the other records are listed"},
    {"keys-unsigned-mx", UP_TO_HALF, MX_INSECURE | ALL_DANE | PINS, POSTFIX_POLICY, FINGERPRINT,
     LEVEL_DANE_INSECURE_MX,
     "an unsigned MX record: the keys of the hosts' TLSA records are listed (MX-13, DEC-10)"},

    {"unsafe-keys", NO_DEMAND, UNSAFE | SOME_DANE | PINS, POSTFIX_POLICY, FINGERPRINT, LEVEL_ENCRYPT,
     "a TLSA record without data: DANE would end Postfix 3.7, so the keys of the other records are listed, and those seen"},
    {"unsafe-dane", NO_DEMAND, UNSAFE | MX_SECURE | SOME_DANE, POSTFIX_DEFAULT, NO_TEXT, LEVEL_NONE,
     "a TLSA record without data: DANE would end Postfix 3.7, and encrypt would pass it over (DANE-11)"},
    {"unsafe-fails", NO_DEMAND, UNSAFE | FAILS_DANE, POSTFIX_DEFAULT, NO_TEXT, LEVEL_NONE,
     "a host fails its TLSA records: encrypt would pass them over, and DANE would end Postfix 3.7"},
    {"unsafe-encrypts", NO_DEMAND, UNSAFE | ENCRYPTS, POSTFIX_POLICY, ENCRYPT, LEVEL_ENCRYPT,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {"unsafe", NO_DEMAND, UNSAFE, POSTFIX_DEFAULT, NO_TEXT, LEVEL_NONE,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {"all-dane", NO_DEMAND, MX_SECURE | ALL_DANE, POSTFIX_POLICY, DANE_ONLY, LEVEL_AUTHENTICATED,
     "every host has usable TLSA records: DANE is mandatory anyway (DANE-11)"},
    {"some-dane-fails", NO_DEMAND, SOME_DANE | FAILS_DANE, POSTFIX_POLICY, DANE, LEVEL_OPPORTUNISTIC,
     "a host fails its TLSA records: it must get nothing, and the others what they ever got (DANE-11)"},
    {"some-dane-keys", NO_DEMAND, SEEN | SOME_DANE | ENCRYPTS | PINS, POSTFIX_POLICY, FINGERPRINT,
     LEVEL_ENCRYPT,
     "DANE where it is published, encryption elsewhere: by the keys of the TLSA records, and those seen (DANE-11, MX-13)"},
    {"some-dane", NO_DEMAND, MX_SECURE | SOME_DANE, POSTFIX_POLICY, DANE, LEVEL_OPPORTUNISTIC,
     "some hosts have usable TLSA records: DANE there, TLS where there are unusable ones, and the others as ever (DANE-12, DANE-17)"},
    {"unsigned-mx-encrypts", NO_DEMAND, MX_INSECURE | SOME_DANE | ENCRYPTS, POSTFIX_POLICY, ENCRYPT,
     LEVEL_ENCRYPT,
     "an unsigned MX record: dane-only would stop all mail, dane would promise nothing (MX-13, DEC-10)"},
    {"unsigned-mx", NO_DEMAND, MX_INSECURE | SOME_DANE, POSTFIX_POLICY, DANE, LEVEL_OPPORTUNISTIC,
     "an unsigned MX record, and hosts without TLS: DANE where there are TLSA records"},
    {"encrypts", NO_DEMAND, ENCRYPTS, POSTFIX_POLICY, ENCRYPT, LEVEL_ENCRYPT,
     "every host that may get mail encrypts"},
    {"all-tlsa", NO_DEMAND, ALL_TLSA, POSTFIX_POLICY, ENCRYPT, LEVEL_ENCRYPT,
     "every host has TLSA records, none usable: TLS is mandatory anyway (DANE-12)"},
    {"some-tlsa", NO_DEMAND, SOME_TLSA, POSTFIX_POLICY, DANE, LEVEL_OPPORTUNISTIC,
     "a host has TLSA records, none usable: TLS is mandatory there, and the others get what they ever got (DANE-12)"},
    {"nothing", NO_DEMAND, 0, POSTFIX_DEFAULT, NO_TEXT, LEVEL_NONE,
     "nothing is demanded, and not every host encrypts"},

    {"encryption-all-dane", ENCRYPTION, SAFE | MX_SECURE | ALL_DANE, POSTFIX_POLICY, DANE_ONLY,
     LEVEL_AUTHENTICATED,
     "every host has usable TLSA records: DANE is mandatory anyway (DANE-11)"},
    {"encryption-keys", ENCRYPTION, SOME_DANE | PINS, POSTFIX_POLICY, FINGERPRINT, LEVEL_ENCRYPT,
     "DANE where it is published, encryption elsewhere: by the keys of the TLSA records, and those seen (DANE-11, DANE-17)"},
    {"encryption-unsafe-fails", ENCRYPTION, UNSAFE | FAILS_DANE, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a host fails its TLSA records, and DANE would end Postfix 3.7"},
    {"encryption-unsafe-dane", ENCRYPTION, UNSAFE | MX_SECURE | SOME_DANE, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a TLSA record without data: DANE would end Postfix 3.7, and encrypt would pass it over (DANE-11)"},
    {"encryption-some-dane", ENCRYPTION, MX_SECURE | SOME_DANE, POSTFIX_POLICY, DANE_ONLY,
     LEVEL_AUTHENTICATED,
     "encryption, and never less than DANE where it is published: other hosts are left out (DANE-17)"},
    {"encryption-hosts-unknown", ENCRYPTION, HOSTS_UNKNOWN, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "the domain's mail hosts are not known yet: encrypt would pass TLSA records over (DANE-15, law 2)"},
    {"encryption-tlsa-unknown", ENCRYPTION, MX_SECURE | TLSA_UNKNOWN, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a host's TLSA records are not known: encrypt would pass them over (DANE-15)"},
    {"encryption-fails", ENCRYPTION, FAILS_DANE, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a host fails its TLSA records: encrypt would pass them over (DANE-11)"},
    {"encryption-unsafe", ENCRYPTION, UNSAFE, POSTFIX_POLICY, ENCRYPT, LEVEL_ENCRYPT,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {"encryption", ENCRYPTION, 0, POSTFIX_POLICY, ENCRYPT, LEVEL_ENCRYPT,
     "TLS 1.2 or later at every host or no mail"},

    {"host-unsafe", THE_HOST, MX_SECURE | SOME_DANE | UNSAFE, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {"host-dane", THE_HOST, MX_SECURE | SOME_DANE, POSTFIX_POLICY, DANE_ONLY, LEVEL_AUTHENTICATED,
     "hosts with usable TLSA records, and no others (DANE-17)"},
    {"host-names", THE_HOST, MATCH, POSTFIX_POLICY, SECURE, LEVEL_VERIFIED,
     "hosts with a trusted certificate that bears one of the names (TLS-21, DEC-08)"},

    {"domain-unsafe", THE_DOMAIN, UNSAFE, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {"domain-dane", THE_DOMAIN, MX_SECURE | SOME_DANE, POSTFIX_POLICY, DANE_ONLY, LEVEL_AUTHENTICATED,
     "hosts with usable TLSA records, and no others (DANE-17)"},
    {"domain-remembered", THE_DOMAIN, REMEMBERED_DANE, POSTFIX_POLICY, DANE_ONLY, LEVEL_AUTHENTICATED,
     "the domain is remembered as authenticated by DANE: that, or no mail (MEM-05, law 2)"},
    {"memory-unknown", THE_DOMAIN, MEMORY_UNKNOWN, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "what is remembered of the domain could not be read in time, and may demand more (MEM-08, law 2)"},
    {"inexpressible", ANYTHING, 0, POSTFIX_HOLD, NO_TEXT, LEVEL_NONE,
     "no policy text can express the demand for this domain"},
};
/* clang-format on */
#define ROWS (sizeof rows / sizeof *rows)

static uint32_t conditions_of_flags(const struct verdict *verdict)
{
    static const struct {
        uint32_t flag, set, clear;
    } of_flags[] = {
        {VERDICT_POSTFIX_UNSAFE_TLSA, UNSAFE, SAFE},  {VERDICT_MX_SECURE, MX_SECURE, MX_INSECURE},
        {VERDICT_ALL_HOSTS_DANE, ALL_DANE, 0},        {VERDICT_SOME_HOSTS_DANE, SOME_DANE, 0},
        {VERDICT_ALL_HOSTS_TLSA, ALL_TLSA, 0},        {VERDICT_SOME_HOSTS_FAIL_DANE, FAILS_DANE, 0},
        {VERDICT_TLSA_UNKNOWN_SOME, TLSA_UNKNOWN, 0}, {VERDICT_SOME_HOSTS_TLSA, SOME_TLSA, 0},
    };
    uint32_t all = 0;

    for (size_t i = 0; i < sizeof of_flags / sizeof *of_flags; i++)
        all |= (verdict->flags & of_flags[i].flag) != 0 ? of_flags[i].set : of_flags[i].clear;
    return all;
}

/* Where there was an answer, a host that was not looked at is one whose TLSA records are unknown.
 */
bool postfix_hosts_are_unknown(const struct verdict *verdict)
{
    return verdict->conclusion == CONCLUSION_INCONCLUSIVE && verdict->hosts == 0 &&
           (verdict->flags & (VERDICT_TLSA_UNKNOWN_SOME | VERDICT_HOSTS_CUT)) == 0 &&
           (verdict->floor.flags & FLOOR_UNKNOWN) == 0; /* then see memory_may_ask_more */
}

static uint32_t conditions(const struct verdict *verdict)
{
    uint32_t all = conditions_of_flags(verdict);

    if (postfix_hosts_are_unknown(verdict))
        all |= HOSTS_UNKNOWN;
    if (verdict->conclusion == CONCLUSION_TEMPORARY)
        all |= TEMPORARY;
    if (verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        all |= UNDELIVERABLE;
    if (verdict->conclusion == CONCLUSION_DEFINITE)
        all |= SEEN;
    if (verdict->class >= CLASS_ENCRYPTED)
        all |= ENCRYPTS;
    if (verdict->match[0] != '\0')
        all |= MATCH;
    if (verdict->pins.count > 0 && verdict->pins.count <= VERDICT_PINS_MAX)
        all |= PINS;
    if ((verdict->floor.flags & FLOOR_UNKNOWN) != 0)
        all |= MEMORY_UNKNOWN;
    if (verdict->floor.level >= LEVEL_AUTHENTICATED && verdict->floor.proof == PROOF_DANE)
        all |= REMEMBERED_DANE;
    return all;
}

static const struct row *row_for(uint32_t all, enum level demand)
{
    const uint32_t demanded = 1u << demand;

    for (size_t i = 0; i < ROWS; i++)
        if ((rows[i].demands & demanded) != 0 && (rows[i].when & ~all) == 0)
            return &rows[i];
    must_failed(__FILE__, __LINE__, "the last row fits everything");
}

/* --- filling in --- */

static void policy_from_row(struct postfix_policy *policy, const struct row *row)
{
    const struct text_row *text = &texts[row->text];

    policy->answer = row->answer;
    policy->guarantees = row->guarantees;
    policy->row = row->name;
    policy->rule = row->rule;
    policy->with_tlsa = text->with_tlsa;
    policy->without_tlsa = text->without_tlsa;
    policy->price = text->price;
    policy->names_hosts = row->text == SECURE || row->text == FINGERPRINT;
}

static void text_fill(struct postfix_policy *policy, const char *text, const char *between,
                      const char *rest)
{
    size_t used = text_add(policy->text, sizeof policy->text, 0, text, strlen(text));

    if (between[0] != '\0')
        used = text_add(policy->text, sizeof policy->text, used, between, strlen(between));
    if (rest[0] != '\0')
        text_add(policy->text, sizeof policy->text, used, rest, strlen(rest));
}

/* "AB:CD:…|EF:…", as `openssl x509 -fingerprint` prints digests, joined as Postfix splits them. */
#define DIGEST_TEXT (32 * 3) /* bytes, with what comes after it */
static void pins_text(char text[VERDICT_PINS_MAX * DIGEST_TEXT + 1], const struct pins *pins)
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = text;

    *at = '\0';
    for (unsigned i = 0; i < pins->count; i++)
        for (unsigned byte = 0; byte < 32; byte++) {
            *at++ = digits[pins->sha256[i][byte] >> 4];
            *at++ = digits[pins->sha256[i][byte] & 15];
            *at++ = byte < 31 ? ':' : '|';
        }
    at[-1] = '\0';
}

static_assert(sizeof "fingerprint match=" + VERDICT_PINS_MAX * DIGEST_TEXT + sizeof TLS12 +
                      sizeof SNI <=
                  POSTFIX_TEXT_MAX,
              "all keys fit");
static_assert(sizeof "secure match=" + VERDICT_MATCH_MAX + sizeof TLS12 + sizeof SNI <=
                  POSTFIX_TEXT_MAX,
              "all names fit");

void postfix_policy(struct postfix_policy *policy, const struct verdict *verdict, enum level demand)
{
    const struct row *row = row_for(conditions(verdict), demand);
    const struct text_row *text = &texts[row->text];
    char keys[VERDICT_PINS_MAX * DIGEST_TEXT + 1];
    const char *between = "";

    policy_from_row(policy, row);
    if (row->text == SECURE)
        between = verdict->match;
    if (row->text == FINGERPRINT) {
        pins_text(keys, &verdict->pins);
        between = keys;
    }
    text_fill(policy, text->text, between, text->rest);
}

void postfix_policy_released(struct postfix_policy *policy)
{
    const struct row *row = row_for(RELEASED, LEVEL_NONE);

    policy_from_row(policy, row);
    text_fill(policy, texts[row->text].text, "", "");
}

void postfix_policy_none(struct postfix_policy *policy, const char *row, const char *rule)
{
    const struct row none = {.name = row,
                             .answer = POSTFIX_DEFAULT,
                             .text = NO_TEXT,
                             .guarantees = LEVEL_NONE,
                             .rule = rule};

    policy_from_row(policy, &none);
    policy->text[0] = '\0';
}

bool postfix_policy_row(struct postfix_policy *policy, unsigned index)
{
    if (index >= ROWS)
        return false;
    policy_from_row(policy, &rows[index]);
    text_fill(policy, texts[rows[index].text].text, "", texts[rows[index].text].rest);
    return true;
}

const char *postfix_answer_name(enum postfix_answer answer)
{
    static const char *const names[] = {
        [POSTFIX_DEFAULT] = "default", [POSTFIX_POLICY] = "policy", [POSTFIX_HOLD] = "hold"};

    MUST((size_t)answer < sizeof names / sizeof *names);
    return names[answer];
}
