/*
 * answer_internal.h - between the files of the answer: what is decided about, and what was decided.
 * Only answer.c and answer_text.c include it.
 */
#ifndef MXWARD_SHM_ANSWER_INTERNAL_H
#define MXWARD_SHM_ANSWER_INTERNAL_H

#include "shm/answer.h"

struct matter {
    const struct answer_question *question;
    const struct verdict *verdict; /* never NULL */
    bool fresh;                    /* it may stop a mail, if it is conclusive */
    bool expired;                  /* what the DNS said has run out */
    struct verdict remains;        /* of the verdict, when it has expired; else not set */
};

/* What the decision rests on, and so the text. */
enum why {
    WHY_SENT,
    WHY_REFUSED,       /* an administrator's rule */
    WHY_VERDICT,       /* the verdict's own end: a look-up failed, or the domain gets no mail */
    WHY_FAILED,        /* a demand that is seen not to be met */
    WHY_REQUIRETLS,    /* the same, of REQUIRETLS */
    WHY_INEXPRESSIBLE, /* no text can express what is demanded */
};

struct decision {
    enum action action;
    enum why why;
    const struct demand *demand; /* the one that decided, of the answer's; NULL: none */
};

/* The verdict is temporary trouble whose time has passed: nothing is known but what is remembered.
 */
bool answer_trouble_is_over(const struct answer_question *question);
/* Fills code and text. `answer` has its demands, policy and `would`. */
void answer_words(struct answer *answer, const struct matter *matter,
                  const struct decision *decision);

#endif
