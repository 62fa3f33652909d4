/*
 * account_way.h - which way does a sender's mail take? For mail servers that choose a transport by
 * the envelope sender alone, before anything is known of a recipient. Pure over the users' table.
 */
#ifndef MXWARD_SHM_ACCOUNT_WAY_H
#define MXWARD_SHM_ACCOUNT_WAY_H

#include "shm/account.h"

enum account_way {
    WAY_ORDINARY,     /* no demand of his own, or none that needs a transport */
    WAY_PROFILE,      /* the transport of `profile` */
    WAY_BY_RECIPIENT, /* `profile`, but not for every recipient: the message is to be split first */
};

struct account_path {
    bool known; /* false: as account_demand's */
    enum account_way way;
    char profile[PROFILE_NAME_MAX]; /* "" if ordinary */
};

/*
 * The profile is that of the sender's guarantee, or of the secure alias that he sends as: of both
 * the one that demands more. Ordinary is who demands nothing himself or less than encryption
 * (memory, DANE and rules hold there, too), who has switched all of it off, the null sender, and of
 * whom is only observed: nothing of it is enforced.
 *
 * By recipient goes who has an exception for some domain. One that is over may still count for a
 * while, which costs the detour and nothing else.
 */
void account_way_of_sender(struct account_path *path, const struct table_reader *users,
                           const char *sender, uint64_t now_ms, int64_t now_s);
/* The same for one recipient domain; never by recipient. */
void account_way_of_message(struct account_path *path, const struct table_reader *users,
                            const char *sender, const char *sasl, const char *domain,
                            int64_t accepted_s, uint64_t now_ms, int64_t now_s);

#endif
