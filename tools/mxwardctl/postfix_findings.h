/*
 * postfix_findings.h - what is missing in a Postfix's settings, or weakens the guarantee, and the
 * line to change. Pure: everything it judges by is in the site.
 *
 * A rule that finds nothing leaves one row that says what is fine. Severities: what breaks, means
 * that mail which demands security may leave without, is held for good, or bounces for our fault;
 * what weakens, that less is protected than could be, or that it hangs on something not seen here;
 * advice is neither. What could not be looked at is said, and is no reason to worry or to be glad.
 */
#ifndef MXWARDCTL_POSTFIX_FINDINGS_H
#define MXWARDCTL_POSTFIX_FINDINGS_H

#include "tools/mxwardctl/postfix_site.h"

#define POSTFIX_FINDINGS_MOST 256

enum severity {
    SEVERITY_BREAKS,
    SEVERITY_WEAKENS,
    SEVERITY_ADVICE,
    SEVERITY_UNSEEN,
    SEVERITY_FINE
};

struct finding {
    enum severity severity;
    const char *rule;                /* one word, stable */
    char service[POSTFIX_NAME_MOST]; /* "smtp/unix", "main.cf", or what else it concerns */
    char wrong[768];                 /* for what is fine: what is */
    const char *why;
    char change[768]; /* a command, or what to do; "": nothing */
};

struct findings {
    size_t count;
    bool cut; /* there were more */
    struct finding rows[POSTFIX_FINDINGS_MOST];
};

void postfix_findings(const struct postfix_site *site, struct findings *findings);
const char *postfix_severity_name(enum severity severity);

#endif
