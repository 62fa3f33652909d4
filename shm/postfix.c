/*
 * postfix.c - the table of policy texts (see postfix.h). The first row that fits decides; the last
 * holds the mail, so that no verdict is without an answer.
 *
 * Why there is no `protocols` where `dane` leaves some host to the MTA's own opportunistic level:
 * it would turn TLS 1.0 there into clear text, which is less than without us. Why `servername`:
 * Postfix sends no SNI otherwise, and our probe did; where DANE is in use Postfix sends the TLSA
 * base domain whatever this says.
 */
#include "shm/postfix.h"

#include "shm/must.h"

#include <stdio.h>
#include <string.h>

/* What a row may ask of a verdict. */
enum {
    TEMPORARY = 1 << 0,
    UNDELIVERABLE = 1 << 1,
    UNSAFE = 1 << 2, /* a TLSA record without data */
    MX_SECURE = 1 << 3,
    MX_INSECURE = 1 << 4,
    ALL_DANE = 1 << 5,
    SOME_DANE = 1 << 6, /* or all */
    ALL_TLSA = 1 << 7,  /* unusable records included: no host may get clear text */
    FAILS_DANE = 1 << 8,
    TLSA_UNKNOWN = 1 << 9,
    ENCRYPTS = 1 << 10, /* class: every host that may get mail encrypts */
    MATCH = 1 << 11,    /* there are names for `secure` */
};

#define TLS12 "protocols=>=TLSv1.2"
#define SNI   "servername=hostname"

#define NO_DEMAND  LEVEL_NONE, LEVEL_OPPORTUNISTIC
#define ENCRYPTION LEVEL_ENCRYPT, LEVEL_ENCRYPT
#define THE_HOST   LEVEL_DANE_INSECURE_MX, LEVEL_VERIFIED
#define THE_DOMAIN LEVEL_AUTHENTICATED, LEVEL_AUTHENTICATED
#define ANYTHING   LEVEL_NONE, LEVEL_AUTHENTICATED
#define A_DEMAND   LEVEL_ENCRYPT, LEVEL_AUTHENTICATED

/* clang-format off */
static const struct row {
    enum level demand_from, demand_to;
    uint32_t when;
    enum postfix_answer answer;
    enum level guarantees;
    const char *text; /* "secure": the names follow */
    const char *rule;
} rows[] = {
    {ANYTHING, TEMPORARY, POSTFIX_HOLD, LEVEL_NONE, "",
     "a look-up failed: temporary error (DANE-15, MX-11)"},
    {NO_DEMAND, UNDELIVERABLE, POSTFIX_DEFAULT, LEVEL_NONE, "",
     "there is nowhere to send to: the MTA says so itself"},
    {A_DEMAND, UNDELIVERABLE, POSTFIX_HOLD, LEVEL_NONE, "",
     "there is nowhere to send to"},

    {NO_DEMAND, UNSAFE | ENCRYPTS, POSTFIX_POLICY, LEVEL_ENCRYPT, "encrypt " TLS12 " " SNI,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {NO_DEMAND, UNSAFE, POSTFIX_DEFAULT, LEVEL_NONE, "",
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {NO_DEMAND, MX_SECURE | ALL_DANE, POSTFIX_POLICY, LEVEL_AUTHENTICATED, "dane-only " TLS12,
     "every host has usable TLSA records: DANE is mandatory anyway (DANE-11)"},
    {NO_DEMAND, MX_SECURE | SOME_DANE | ALL_TLSA, POSTFIX_POLICY, LEVEL_ENCRYPT, "dane " TLS12,
     "every host has TLSA records, not all usable: TLS is mandatory anyway (DANE-12)"},
    {NO_DEMAND, MX_SECURE | SOME_DANE, POSTFIX_POLICY, LEVEL_OPPORTUNISTIC, "dane " SNI,
     "some hosts have usable TLSA records: DANE there, and the others as ever (DANE-17)"},
    {NO_DEMAND, MX_INSECURE | SOME_DANE | FAILS_DANE, POSTFIX_POLICY, LEVEL_OPPORTUNISTIC, "dane " SNI,
     "a host fails its TLSA records: it must get nothing (DANE-11)"},
    {NO_DEMAND, MX_INSECURE | SOME_DANE | ENCRYPTS, POSTFIX_POLICY, LEVEL_ENCRYPT,
     "encrypt " TLS12 " " SNI,
     "an unsigned MX record: dane-only would stop all mail, dane would promise nothing (MX-13, DEC-10)"},
    {NO_DEMAND, MX_INSECURE | SOME_DANE, POSTFIX_POLICY, LEVEL_OPPORTUNISTIC, "dane " SNI,
     "an unsigned MX record, and hosts without TLS: DANE where there are TLSA records"},
    {NO_DEMAND, ENCRYPTS, POSTFIX_POLICY, LEVEL_ENCRYPT, "encrypt " TLS12 " " SNI,
     "every host that may get mail encrypts"},
    {NO_DEMAND, ALL_TLSA, POSTFIX_POLICY, LEVEL_ENCRYPT, "encrypt " TLS12 " " SNI,
     "every host has TLSA records, none usable: TLS is mandatory anyway (DANE-12)"},
    {NO_DEMAND, 0, POSTFIX_DEFAULT, LEVEL_NONE, "",
     "nothing is demanded, and not every host encrypts"},

    {ENCRYPTION, UNSAFE | FAILS_DANE, POSTFIX_HOLD, LEVEL_NONE, "",
     "a host fails its TLSA records, and DANE would end Postfix 3.7"},
    {ENCRYPTION, UNSAFE, POSTFIX_POLICY, LEVEL_ENCRYPT, "encrypt " TLS12 " " SNI,
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {ENCRYPTION, MX_SECURE | SOME_DANE, POSTFIX_POLICY, LEVEL_AUTHENTICATED, "dane-only " TLS12,
     "encryption, and never less than DANE where it is published: other hosts are left out (DANE-17)"},
    {ENCRYPTION, MX_SECURE | TLSA_UNKNOWN, POSTFIX_HOLD, LEVEL_NONE, "",
     "a host's TLSA records are not known: encrypt would pass them over (DANE-15)"},
    {ENCRYPTION, FAILS_DANE, POSTFIX_HOLD, LEVEL_NONE, "",
     "a host fails its TLSA records: encrypt would pass them over (DANE-11)"},
    {ENCRYPTION, 0, POSTFIX_POLICY, LEVEL_ENCRYPT, "encrypt " TLS12 " " SNI,
     "TLS 1.2 or later at every host or no mail"},

    {THE_HOST, MX_SECURE | SOME_DANE | UNSAFE, POSTFIX_HOLD, LEVEL_NONE, "",
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {THE_HOST, MX_SECURE | SOME_DANE, POSTFIX_POLICY, LEVEL_AUTHENTICATED, "dane-only " TLS12,
     "hosts with usable TLSA records, and no others (DANE-17)"},
    {THE_HOST, MATCH, POSTFIX_POLICY, LEVEL_VERIFIED, "secure",
     "hosts with a trusted certificate that bears one of the names (TLS-21, DEC-08)"},

    {THE_DOMAIN, MX_SECURE | SOME_DANE | UNSAFE, POSTFIX_HOLD, LEVEL_NONE, "",
     "a TLSA record without data: DANE would end Postfix 3.7"},
    {THE_DOMAIN, MX_SECURE | SOME_DANE, POSTFIX_POLICY, LEVEL_AUTHENTICATED, "dane-only " TLS12,
     "hosts with usable TLSA records, and no others (DANE-17)"},
    {ANYTHING, 0, POSTFIX_HOLD, LEVEL_NONE, "",
     "no policy text can express the demand for this domain"},
};
/* clang-format on */

static uint32_t conditions(const struct verdict *verdict)
{
    static const struct {
        uint32_t flag, condition;
    } of_flags[] = {
        {VERDICT_POSTFIX_UNSAFE_TLSA, UNSAFE},     {VERDICT_MX_SECURE, MX_SECURE},
        {VERDICT_ALL_HOSTS_DANE, ALL_DANE},        {VERDICT_SOME_HOSTS_DANE, SOME_DANE},
        {VERDICT_ALL_HOSTS_TLSA, ALL_TLSA},        {VERDICT_SOME_HOSTS_FAIL_DANE, FAILS_DANE},
        {VERDICT_TLSA_UNKNOWN_SOME, TLSA_UNKNOWN},
    };
    uint32_t all = 0;

    for (size_t i = 0; i < sizeof of_flags / sizeof *of_flags; i++)
        if ((verdict->flags & of_flags[i].flag) != 0)
            all |= of_flags[i].condition;
    if ((verdict->flags & VERDICT_MX_SECURE) == 0)
        all |= MX_INSECURE;
    if (verdict->conclusion == CONCLUSION_TEMPORARY)
        all |= TEMPORARY;
    if (verdict->conclusion == CONCLUSION_UNDELIVERABLE)
        all |= UNDELIVERABLE;
    if (verdict->class >= CLASS_ENCRYPTED)
        all |= ENCRYPTS;
    if (verdict->match[0] != '\0')
        all |= MATCH;
    return all;
}

static const struct row *row_for(const struct verdict *verdict, enum level demand)
{
    uint32_t all = conditions(verdict);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (demand >= rows[i].demand_from && demand <= rows[i].demand_to &&
            (rows[i].when & ~all) == 0)
            return &rows[i];
    must_failed(__FILE__, __LINE__, "the last row fits everything");
}

void postfix_policy(struct postfix_policy *policy, const struct verdict *verdict, enum level demand)
{
    const struct row *row = row_for(verdict, demand);
    bool secure = strcmp(row->text, "secure") == 0;

    *policy = (struct postfix_policy){
        .answer = row->answer, .guarantees = row->guarantees, .rule = row->rule};
    snprintf(policy->text, sizeof policy->text, "%s%s%s%s", row->text, secure ? " match=" : "",
             secure ? verdict->match : "", secure ? " " TLS12 " " SNI : "");
}

const char *postfix_answer_name(enum postfix_answer answer)
{
    static const char *const names[] = {
        [POSTFIX_DEFAULT] = "default", [POSTFIX_POLICY] = "policy", [POSTFIX_HOLD] = "hold"};

    MUST((size_t)answer < sizeof names / sizeof *names);
    return names[answer];
}
