/*
 * outcome.c - see outcome.h.
 */
#include "ipc/serve/outcome.h"

#include "engine/policy/mail_key.h"

#include <assert.h>
#include <stdio.h>

static_assert(DECISION_DIGEST_BYTES == MAIL_KEY_DIGEST_BYTES, "the same digest");

void decide_digest(struct decision *decision, const char *recipient)
{
    const enum name_status status = mail_key_digest(decision->digest, recipient);

    decision->has_digest = status == NAME_OK && decision->domain[0] != '\0';
    if (status == NAME_NO_MEMORY)
        decision->openpgp = decision->smime = MAIL_KEY_UNKNOWN;
}

bool decide_report(struct store_report *report, const struct decision *decision,
                   const struct answer *answer, const struct verdict *verdict)
{
    if (answer->would == ACTION_SEND)
        return false;
    *report = (struct store_report){
        .day = (uint32_t)(decision->now_s / 86400),
        .action = (uint8_t)answer->would,
        .observed = answer->observed,
        .cause = (uint8_t)(verdict != NULL ? verdict->cause : CAUSE_NONE),
        .source = (uint8_t)answer->decided_by, /* not the strictest: who is looked for */
        .count = 1,
    };
    snprintf(report->domain, sizeof report->domain, "%s",
             decision->domain[0] != '\0' ? decision->domain : "[address]");
    return true;
}
