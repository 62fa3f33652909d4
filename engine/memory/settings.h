/*
 * settings.h - what an operator can set about demands and memory: the sections `guarantee`,
 * `profile "NAME"`, `memory` and `alarm`. Plain data, filled by engine/base/option.
 */
#ifndef MXWARD_MEMORY_SETTINGS_H
#define MXWARD_MEMORY_SETTINGS_H

#include "engine/base/limits.h"
#include "engine/base/option.h"
#include "engine/memory/ledger.h"
#include "shm/account.h"

struct guarantee_settings {
    bool observe;               /* everything is decided and recorded, nothing enforced */
    char *standard;             /* profile of senders who are in no record; NULL: none */
    char *delimiter;            /* characters before a sub-address */
    struct option_list aliases; /* secure aliases, each as alias_read has it */
    char *alias_profile;
    struct option_list trusted_hops; /* of our own, which hand mail on inside */
    char *users_group;               /* of the users' table */
};

/* One section `profile "NAME"`; the title comes first (engine/base/option.h). */
struct profile_settings {
    char *name;
    uint64_t minimum; /* index of `minimums` in settings.c */
    uint64_t unmet;   /* enum unmet */
    uint64_t window_ms;
    bool observe, exempt_auto_replies, exempt_forwards, allow_tls_required_no, refuse_at_rcpt;
    uint64_t trouble; /* enum trouble */
};
struct profiles_settings {
    struct profile_settings all[LIMIT_PROFILES];
    size_t count;
};

struct memory_settings {
    uint64_t apart_ms, cool_down_ms, disuse_ms, give_way_ms, spare_ms;
    uint64_t entries, per_registrable, per_suffix;
    uint64_t copies;
    uint64_t map_bytes;
    bool accept_loss;
};

struct alarm_settings {
    char *command;     /* NULL: none */
    uint64_t pause_ms; /* between two runs of it */
};

extern const struct option_module guarantee_option_module, profile_option_module,
    memory_option_module, alarm_option_module;
extern const struct option_preset profile_presets[];

/* Whether the values fit together: names are names, profiles that are named exist. 0;
 * -EINVAL or -ENOMEM with a sentence that names the option. */
int memory_settings_judge(const struct guarantee_settings *guarantee,
                          const struct profiles_settings *profiles, char *why, size_t why_size);

/*
 * An entry of `aliases`: "@secure.example.org" or a whole address, then nothing or `on`, `off`, or
 * `expert` with "send=PROFILE" or "send=nothing" and "receive=encrypted" or "receive=any". False:
 * it is none, and memory_settings_judge says so.
 */
enum name_status alias_read(char name[ACCOUNT_NAME_MAX], struct account_alias *alias,
                            const char *text);
/* As they are published and used. */
void profile_of_settings(struct profile *profile, const struct profile_settings *settings);
void ledger_of_settings(struct ledger_settings *ledger, const struct memory_settings *settings);

#endif
