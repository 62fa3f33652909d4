/*
 * account.h - the users' table: who demands what. Records of the same table layout as verdicts, in
 * a file of its own (other readers, other group), written by the store thread alone.
 *
 * Four kinds of records, told apart by the first byte of the key:
 *
 *   "a" ACCOUNT              alice@example.org, a SASL name, @example.org (a domain), @ (everybody
 *                            else)
 *   "x" ACCOUNT ">" DOMAIN   the user's exception for one recipient domain
 *   "p" NAME                 a profile
 *   "s"                      settings
 *
 * An account is looked up by account_find: address, address without its sub-address, SASL name,
 * domain, everybody. A table that does not hold everything (not complete) makes the answer unknown,
 * never "no guarantee".
 */
#ifndef MXWARD_SHM_ACCOUNT_H
#define MXWARD_SHM_ACCOUNT_H

#include "shm/profile.h"
#include "shm/reader.h"

#define ACCOUNT_NAME_MAX 320 /* bytes with NUL: local part, @, domain; canonical */

enum {
    ACCOUNT_ON = 1 << 0,
    ACCOUNT_ON_BEFORE = 1 << 1,
    ACCOUNT_ALIAS = 1 << 2,
    ACCOUNT_EXCEPTIONS = 1 << 3
};

struct account {
    char profile[PROFILE_NAME_MAX]; /* when on */
    uint32_t flags;
    int64_t changed_s;   /* wall clock: when ACCOUNT_ON was last set or cleared */
    int64_t off_since_s; /* off for all recipients, from when … */
    int64_t off_until_s; /* … until when; 0: not off */
};
struct account_exception {
    int64_t since_s, until_s; /* wall clock */
};
struct account_settings {
    bool observe;
    char delimiter[8];               /* characters between a user and a sub-address: "+-" */
    char standard[PROFILE_NAME_MAX]; /* profile of accounts that are in no record; "": none */
    char alias_profile[PROFILE_NAME_MAX];
};

/* What the table says of a sender and a recipient domain. */
struct account_demand {
    bool known;        /* false: could not be read, or not everything is there: unknown */
    bool guaranteed;   /* `profile` is filled and on */
    bool alias;        /* the sender is a secure alias; `alias_profile` is filled */
    bool switched_off; /* an exception applies */
    bool observe;
    bool no_profile; /* account_demand_of_profile: there is none of this name */
    struct profile profile, alias_profile;
};

/*
 * `sender` and `sasl` as the MTA gives them (sasl may be NULL or empty), `domain` canonical.
 * `accepted_s`: when the message was accepted, 0: now. What was accepted under the guarantee keeps
 * it.
 */
void account_demand(struct account_demand *demand, const struct table_reader *users,
                    const char *sender, const char *sasl, const char *domain, int64_t accepted_s,
                    uint64_t now_ms, int64_t now_s);

/* The same for a profile named by the MTA itself, whoever sends. */
void account_demand_of_profile(struct account_demand *demand, const struct table_reader *users,
                               const char *name, uint64_t now_ms);

/* Canonical name of an account into `name` (ACCOUNT_NAME_MAX); 0: it is none. `domain` canonical
 * already. Lower-cases ASCII, unquotes a quoted local part, drops nothing else. */
size_t account_name(char *name, const char *text, size_t length);

#endif
