/*
 * account.h - the users' table: who demands what. Records of the layout that verdicts have, in a
 * directory of their own (other readers, other group), written by the store thread alone.
 *
 * Five kinds of records (record.h), told apart by the first byte of the key, too:
 *
 *   "a" ACCOUNT              alice@example.org, a SASL name, @example.org (all of a domain), @
 *                            (everybody else)
 *   "x" ACCOUNT ">" DOMAIN   the account's exception for one recipient domain
 *   "l" ACCOUNT              a secure alias: me@secure.example.org, @secure.example.org
 *   "p" NAME                 a profile
 *   "s"                      settings
 *
 * Two accounts can be a message's: the sender's (its address, or the address without its
 * sub-address) and the submitter's (the SASL name). If both are in a record, the stricter guarantee
 * of the two holds: nobody sheds his by another sender address. If neither is, it is the same with
 * "@" and the domain of each, then the account is "@"; if none is there, it is one of the standard
 * profile.
 *
 * Whether the sender is a secure alias, and how it works, is asked besides: the first that is there
 * of address, address without its sub-address, "@" and its domain.
 *
 * Aliases are configured, few, and never make room for accounts, so the settings say that all are
 * there: else a table too full for all accounts would make every sender unknown.
 *
 * Nothing here lowers by not being known: a miss in a partition that is not complete, a record that
 * cannot be read, a profile that is not there, and missing settings all make the answer unknown,
 * never "no guarantee". An entry that is there and off is an answer.
 */
#ifndef MXWARD_SHM_ACCOUNT_H
#define MXWARD_SHM_ACCOUNT_H

#include "shm/profile.h"
#include "shm/reader.h"

#define ACCOUNT_NAME_MAX   320 /* bytes with NUL: local part, @, domain; canonical */
#define ACCOUNT_DOMAIN_MAX 254 /* bytes with NUL */

enum {
    ACCOUNT_ON = 1 << 0,        /* has the guarantee */
    ACCOUNT_ON_BEFORE = 1 << 1, /* had it before `changed_s` */
    /* 1 << 2 is not used */
    ACCOUNT_EXCEPTIONS = 1 << 3, /* has exceptions for domains: put before this, removed after it */
};

/* Times are wall clock seconds since 1970. */
struct account {
    char profile[PROFILE_NAME_MAX]; /* "": the standard one */
    uint32_t flags;
    int64_t changed_s;             /* when ACCOUNT_ON was last set or cleared */
    int64_t off_since_s;           /* off for all recipients, from when … */
    int64_t off_until_s;           /* … until when; 0: not off */
    char before[PROFILE_NAME_MAX]; /* the profile of what was accepted … */
    int64_t before_s;              /* … up to then; "": there is none to keep */
    /* With ACCOUNT_EXCEPTIONS: none of them ends later; INT64_MAX: not known. In the table only,
     * filled by who publishes: the ledger has the exceptions themselves. */
    int64_t exceptions_until_s;
};
struct account_exception {
    int64_t since_s, until_s;
};
struct account_alias {
    bool sends;                     /* demands a profile as sender */
    bool receives;                  /* takes mail over encrypted connections only */
    char profile[PROFILE_NAME_MAX]; /* "": the alias profile of the settings */
};
struct account_settings {
    bool observe;
    bool aliases_known;              /* all are in the table: one that is missed is none */
    bool no_aliases;                 /* there is none to look for */
    char delimiter[8];               /* characters between a user and a sub-address: "+-" */
    char standard[PROFILE_NAME_MAX]; /* profile of accounts that are in no record; "": none */
    char alias_profile[PROFILE_NAME_MAX];
};

/* --- names --- */

/*
 * Canonical name of an account into `name` (ACCOUNT_NAME_MAX); its length, or 0: no account can be
 * called that. Lower-cases ASCII, unquotes a quoted local part, drops one trailing dot of the
 * domain, and nothing else: a domain in other letters must be A-labels already (engine/names/name).
 * The canonical name of a canonical name is itself.
 */
size_t account_name(char name[ACCOUNT_NAME_MAX], const char *text, size_t length);

/* --- writing --- */

/* Fill `record` for table_writer_put_record, and `key` with its key, which lies in the record.
 * Names and domains canonical; `now_ms`: boot clock. False if a name is too long to be one. */
bool account_pack(union record *record, struct table_key *key, const char *name,
                  const struct account *account, uint64_t now_ms);
bool account_exception_pack(union record *record, struct table_key *key, const char *name,
                            const char *domain, const struct account_exception *exception,
                            uint64_t now_ms);
bool account_alias_pack(union record *record, struct table_key *key, const char *name,
                        const struct account_alias *alias, uint64_t now_ms);
bool account_profile_pack(union record *record, struct table_key *key,
                          const struct profile *profile, uint64_t now_ms);
bool account_settings_pack(union record *record, struct table_key *key,
                           const struct account_settings *settings, uint64_t now_ms);

/* The key alone, its text in `text`: to remove a record. */
bool account_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name);
bool account_exception_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name,
                           const char *domain);
bool account_alias_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name);
bool account_profile_key(struct table_key *key, char text[TABLE_KEY_MAX], const char *name);
bool account_settings_key(struct table_key *key, char text[TABLE_KEY_MAX]);

/* --- reading --- */

/* Of sound records. False: of another kind, or it says something that this build does not know. */
bool account_unpack(const union record *record, struct account *account);
bool account_exception_unpack(const union record *record, struct account_exception *exception);
bool account_alias_unpack(const union record *record, struct account_alias *alias);
bool account_profile_unpack(const union record *record, struct profile *profile);
bool account_settings_unpack(const union record *record, struct account_settings *settings);

enum alias_mode account_alias_mode(const struct account_alias *alias);

/* Whose record it is: the account's or profile's name ("" of settings), and the domain of an
 * exception (else ""). False: not a key of this table. */
bool account_record_names(const union record *record, char name[ACCOUNT_NAME_MAX],
                          char domain[ACCOUNT_DOMAIN_MAX]);

/* By which record a guarantee is on, or off. */
enum account_by {
    ACCOUNT_BY_NOBODY, /* nobody was asked about */
    ACCOUNT_BY_SENDER,
    ACCOUNT_BY_SUBMITTER,
    ACCOUNT_BY_BOTH,     /* both have it, and the profile is the stricter of theirs */
    ACCOUNT_BY_DOMAIN,   /* "@example.org", or "@" */
    ACCOUNT_BY_STANDARD, /* in no record */
    ACCOUNT_BY_NAME,     /* the mail server named the profile */
};

const char *account_by_name(enum account_by by);

/* What the table says of a sender and a recipient domain. */
struct account_demand {
    /* False: could not be read, or not everything is there. All the rest is zero then, but for: */
    bool known;
    bool profile_absent;   /* unknown because a profile that is needed is certainly not there */
    bool guaranteed;       /* the guarantee is on; `profile` is filled */
    enum alias_mode alias; /* of the sender; ALIAS_NONE: it is no secure alias */
    bool alias_sends;      /* it demands as sender; `alias_profile` is filled */
    bool alias_receives;   /* as recipient it takes mail over encrypted connections only */
    bool switched_off;     /* by the user: for all or for this domain, and for this message */
    bool observe;          /* everything is only observed */
    enum account_by by;
    /* From then on no exception of the account takes the guarantee away; 0: there is none. */
    int64_t exceptions_until_s;
    struct profile profile, alias_profile;
};

/*
 * `sender` and `sasl` as the MTA gives them (sasl may be NULL or empty, a sender in brackets is one
 * without), but with the domain as A-labels; a domain that is not ASCII makes it unknown. `domain`
 * canonical; "": it is none, and no exception is looked for. `users` NULL, or a table that has a
 * successor: unknown.
 *
 * The null sender ("" or "<>") is nobody's: known, and no guarantee. With a SASL name the message
 * has an account nevertheless, and the account's guarantee holds: nobody sheds it by sending as <>.
 *
 * Stricter of two profiles is the one in force if the other only observes, then the higher minimum,
 * then stop before hold. It gets the shorter of both windows, and what the other does not grant
 * (exemptions, if it demands anything; TLS-Required: No) it does not grant either. Of two accounts
 * of which one has the guarantee switched off here, the other's holds.
 *
 * `accepted_s`: when the message was accepted, 0: now. What was accepted under the guarantee keeps
 * it: an exception counts only if it was made before, and of a message from before the last switch
 * the guarantee is on if it was on then or is on now. Of one from before the last change to a
 * weaker profile, `profile` demands what either of both does. In the same second: the stricter.
 */
void account_demand(struct account_demand *demand, const struct table_reader *users,
                    const char *sender, const char *sasl, const char *domain, int64_t accepted_s,
                    uint64_t now_ms, int64_t now_s);

/*
 * Settings and profiles that were read a moment ago, for who asks about one message after the
 * other. Each holds as long as the cell that its record was found in is as it was, which is one
 * load, and for ACCOUNT_KEPT_MS at most. Belongs to one thread and one reader; to be cleared before
 * it is used, and whenever that reader is refreshed or closed: the cell may be gone then.
 */
#define ACCOUNT_KEPT_MS       TABLE_REFRESH_MS
#define ACCOUNT_KEPT_PROFILES 4
struct account_kept {
    uint64_t since_ms; /* boot clock; of all that is kept */
    struct table_place settings_place, profile_places[ACCOUNT_KEPT_PROFILES]; /* cell NULL: none */
    struct account_settings settings;
    struct profile profiles[ACCOUNT_KEPT_PROFILES];
    unsigned next; /* profile to be replaced */
};
void account_kept_clear(struct account_kept *kept);

/*
 * account_demand in three steps, for who has something else to look up: the first makes the
 * sender's name and its keys, once, and asks memory for what will most likely be needed; the second
 * reads the settings while that comes, then waits for it and asks for the account's record; the
 * last is account_demand with all arguments but `sender`. `users` may be NULL, and is the same in
 * all; so may `kept`, and then nothing is.
 */
struct account_ahead {
    const char *sender; /* the caller's; without brackets */
    size_t sender_bytes;
    size_t name_bytes; /* 0: no person's account can be called that */
    size_t user_bytes; /* of the name: what is before a sub-address, if there is one */
    struct account_kept *kept;
    const struct account_settings *settings; /* kept, or the next; NULL: not known */
    struct account_settings settings_read;
    char account[1 + ACCOUNT_NAME_MAX], alias[1 + ACCOUNT_NAME_MAX]; /* keys: letter, then name */
    bool alias_asked; /* else there is nothing of the alias, which nobody will look for */
    struct table_key account_key, alias_key;
    struct table_ahead account_ahead, alias_ahead;
};
void account_ask(struct account_ahead *ahead, const char *sender, const struct table_reader *users,
                 struct account_kept *kept);
/* Does nothing and is false but for an address as nearly all are, which is ASCII. */
bool account_ask_usual(struct account_ahead *ahead, const char *sender,
                       const struct table_reader *users, struct account_kept *kept);
void account_fetch(struct account_ahead *ahead, const struct table_reader *users, uint64_t now_ms);
void account_demand_ahead(struct account_demand *demand, const struct table_reader *users,
                          struct account_ahead *sender, const char *sasl, const char *domain,
                          int64_t accepted_s, uint64_t now_ms, int64_t now_s);

/* Of a recipient here: whether he is a secure alias, and what of it is observed. Nobody's account
 * is looked for, so that a table without room for all of them turns no mail away (law 3). */
void account_demand_inbound(struct account_demand *demand, const struct table_reader *users,
                            const char *recipient, uint64_t now_ms);

/* Of two profiles, above 0: `a` is the stricter, as account_demand has it; 0: as strict. */
int account_profile_compare(const struct profile *a, const struct profile *b);

/* The same as account_demand for a profile that the MTA itself names, whoever sends. `*there`:
 * false if it is certain that there is none of this name. */
void account_demand_of_profile(struct account_demand *demand, const struct table_reader *users,
                               const char *name, uint64_t now_ms, bool *there);

/* --- ways (account_way.c) --- */

/* By which of the mail server's transports a message leaves. */
enum account_way {
    WAY_ORDINARY,     /* as everybody's: memory, DANE and rules hold there, too */
    WAY_PROFILE,      /* by that of `profile` */
    WAY_BY_RECIPIENT, /* recipients differ: the question is asked again for each domain alone */
};
struct account_path {
    bool known; /* false exactly where account_demand says so; all the rest is zero then */
    enum account_way way;
    char profile[PROFILE_NAME_MAX]; /* that of most recipients, if by recipient; "": ordinary */
};

/*
 * Of a sender alone, whoever receives, and of a message to one domain: never by recipient. Without
 * a system call. Arguments are those of account_demand.
 *
 * Enforced is the profile of the guarantee, unless it is switched off, and that of the secure alias
 * that demands as sender; of both the stricter. A profile that is only observed enforces nothing,
 * and one whose minimum is opportunistic or less needs no transport of its own. By recipient goes
 * who has exceptions that are not over, if they would make a difference: also when the clock was
 * set back, because it costs a detour and nothing else.
 *
 * A sender alone is asked about as of now. When a message was accepted only its own question says.
 */
void account_way_of_sender(struct account_path *path, const struct table_reader *users,
                           const char *sender, uint64_t now_ms, int64_t now_s);
void account_way_of_message(struct account_path *path, const struct table_reader *users,
                            const char *sender, const char *sasl, const char *domain,
                            int64_t accepted_s, uint64_t now_ms, int64_t now_s);

#endif
