/*
 * settings.c - the rows of the sections about demands and memory (see settings.h).
 *
 * Constant tables, and what ties their values together. Ready-made profiles are presets: they are
 * there without a file, and a file may change them.
 */
#include "engine/memory/settings.h"

#include "engine/names/mail_address.h"
#include "engine/names/places.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ROWS(array) (array), sizeof(array) / sizeof((array)[0])

static const struct option_row guarantee_rows[] = {
    {.name = "observe",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct guarantee_settings, observe),
     .standard = "no",
     .help = "Decide and record what would have been stopped or held, and enforce nothing. See it "
             "with mxwardctl report.",
     .live = true},
    {.name = "profile",
     .type = OPTION_TEXT,
     .offset = offsetof(struct guarantee_settings, standard),
     .maximum = PROFILE_NAME_MAX - 1,
     .help = "Profile of senders who have no switch of their own. Without one they demand nothing; "
             "memory, DANE and rules still hold.",
     .live = true},
    {.name = "recipient_delimiter",
     .type = OPTION_TEXT,
     .offset = offsetof(struct guarantee_settings, delimiter),
     .maximum = 7,
     .standard = "+",
     .help = "Characters between a user and a sub-address, as in Postfix. A sub-address belongs to "
             "its user.",
     .live = true},
    {.name = "aliases",
     .type = OPTION_LIST,
     .offset = offsetof(struct guarantee_settings, aliases),
     .maximum = LIMIT_ALIAS_PATTERNS,
     .help =
         "Secure aliases: whole domains as \"@secure.example.org\", or addresses; the closest "
         "counts. They send only under alias_profile, and take mail only over TLS. A word behind "
         "the name says how it works: on is as said; off makes of it an address like any other, as "
         "in \"me@secure.example.org off\"; expert sets each way by itself, with send=PROFILE or "
         "send=nothing and receive=encrypted or receive=any, as in \"@secure.example.org expert "
         "send=strict receive=any\".",
     .live = true},
    {.name = "alias_profile",
     .type = OPTION_TEXT,
     .offset = offsetof(struct guarantee_settings, alias_profile),
     .minimum = 1,
     .maximum = PROFILE_NAME_MAX - 1,
     .standard = "strict",
     .help = "Profile of secure aliases as senders.",
     .live = true},
    {.name = "trusted_hops",
     .type = OPTION_LIST,
     .offset = offsetof(struct guarantee_settings, trusted_hops),
     .maximum = LIMIT_TRUSTED_HOPS,
     .help =
         "Addresses and prefixes of own hosts (filters, proxies) that hand mail on inside. From "
         "them secure aliases take mail over any connection: they saw to TLS at the edge.",
     .live = true},
    {.name = "users_group",
     .type = OPTION_TEXT,
     .offset = offsetof(struct guarantee_settings, users_group),
     .help = "Group that may read the table of users. Without one it is the daemon's own."},
};

static const char *const minimums[] = {"none", "encrypt", "verified", "authenticated", NULL};
static const enum level minimum_levels[] = {LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_VERIFIED,
                                            LEVEL_AUTHENTICATED};
/* In the order of enum unmet. */
static const char *const unmets[] = {"hold", "stop", NULL};
/* In the order of enum trouble. */
static const char *const troubles[] = {"temporary", "pass", NULL};

static const struct option_row profile_rows[] = {
    {.name = "minimum",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct profile_settings, minimum),
     .standard = "encrypt",
     .help = "The least that mail of these senders leaves under. encrypt is TLS 1.2 or later and "
             "protects against listening only; verified asks for a trusted certificate with a name "
             "that is vouched for; authenticated for DANE, MTA-STS or an administrator's pin.",
     .choices = minimums,
     .live = true},
    {.name = "unmet",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct profile_settings, unmet),
     .standard = "stop",
     .help = "What becomes of mail when it was seen that the minimum is not met: stop tells the "
             "sender at once, hold keeps it in the queue.",
     .choices = unmets,
     .live = true},
    {.name = "window",
     .type = OPTION_DURATION,
     .offset = offsetof(struct profile_settings, window_ms),
     .maximum = 86400000,
     .standard = "60s",
     .help = "Evidence may be so old when a message is decided; of what failed, five minutes at "
             "most. 0s asks for a live look each time.",
     .live = true},
    {.name = "observe",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct profile_settings, observe),
     .standard = "no",
     .help = "Only record what this profile would have done.",
     .live = true},
    {.name = "exempt_auto_replies",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct profile_settings, exempt_auto_replies),
     .standard = "no",
     .help = "Automatic replies that this system makes for the user are exempt. What is remembered "
             "of the recipient's domain still holds.",
     .live = true},
    {.name = "exempt_forwards",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct profile_settings, exempt_forwards),
     .standard = "no",
     .help = "The user's own standing forwards are exempt, where the mail server says that it "
             "forwards.",
     .live = true},
    {.name = "allow_tls_required_no",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct profile_settings, allow_tls_required_no),
     .standard = "no",
     .help = "Whether these senders may put the recipient's published policies aside with the "
             "header TLS-Required: No. It never goes below the minimum.",
     .live = true},
    {.name = "refuse_at_rcpt",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct profile_settings, refuse_at_rcpt),
     .standard = "no",
     .help = "Say no already while the message is handed in. Most mail programs then drop the "
             "whole message, for all its recipients.",
     .live = true},
    {.name = "trouble",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct profile_settings, trouble),
     .standard = "temporary",
     .help = "What the mail server is told at RCPT when mxward cannot tell: temporary makes the "
             "client try again later; pass lets the message in, and the delivery decides.",
     .choices = troubles,
     .live = true},
};

const struct option_preset profile_presets[] = {
    {"posteo", "minimum", "encrypt"},
    {"posteo", "unmet", "stop"},
    {"posteo", "exempt_auto_replies", "yes"},
    {"posteo", "exempt_forwards", "yes"},
    {"mailbox", "minimum", "none"},
    {"mailbox", "unmet", "hold"},
    {"strict", "minimum", "encrypt"},
    {"strict", "unmet", "stop"},
    {"strict", "window", "0s"},
    {NULL, NULL, NULL},
};

static const struct option_row memory_rows[] = {
    {.name = "sightings_apart",
     .type = OPTION_DURATION,
     .offset = offsetof(struct memory_settings, apart_ms),
     .minimum = 60000,
     .maximum = UINT64_C(365) * 86400000,
     .standard = "1d",
     .help = "A domain without signed policies is remembered as encrypting after two sightings so "
             "far apart.",
     .live = true},
    {.name = "cool_down",
     .type = OPTION_DURATION,
     .offset = offsetof(struct memory_settings, cool_down_ms),
     .minimum = 60000,
     .maximum = UINT64_C(365) * 86400000,
     .standard = "1d",
     .help = "How long a zone must be proved unsigned before what DANE taught gives way.",
     .live = true},
    {.name = "disuse",
     .type = OPTION_DURATION,
     .offset = offsetof(struct memory_settings, disuse_ms),
     .minimum = UINT64_C(30) * 86400000,
     .maximum = UINT64_C(3650) * 86400000,
     .standard = "365d",
     .help = "What was neither used nor contradicted for so long is forgotten.",
     .live = true},
    {.name = "entries",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct memory_settings, entries),
     .minimum = 100,
     .maximum = 100000000,
     .standard = "2000000",
     .help =
         "Mail domains remembered at most, and mail hosts. When there are so many, what demands "
         "nothing gives way to new names, then plain encryption that nobody used for `spare`; "
         "if nothing does, no more is learned.",
     .live = true},
    {.name = "spare",
     .type = OPTION_DURATION,
     .offset = offsetof(struct memory_settings, spare_ms),
     .minimum = 86400000,
     .maximum = UINT64_C(3650) * 86400000,
     .standard = "30d",
     .help = "Where there is no room for new names, plain encryption that nobody used for so long "
             "gives way. What DANE, MTA-STS or an administrator said never does.",
     .live = true},
    {.name = "give_way",
     .type = OPTION_DURATION,
     .offset = offsetof(struct memory_settings, give_way_ms),
     .maximum = UINT64_C(365) * 86400000,
     .standard = "0s",
     .help = "Forget plain encryption of a domain by itself after so long of consistent absence. "
             "0s, the default, leaves it to an administrator: an attacker can be patient.",
     .live = true},
    {.name = "per_domain",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct memory_settings, per_registrable),
     .minimum = 1,
     .maximum = 1000000,
     .standard = "256",
     .help = "Names learned below one registrable domain, so that nobody fills the memory with "
             "subdomains of his own.",
     .live = true},
    {.name = "per_suffix",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct memory_settings, per_suffix),
     .minimum = 1,
     .maximum = 100000000,
     .standard = "100000",
     .help = "The same below a suffix like co.uk, and for mail hosts below one registrable domain: "
             "a large provider has one for each customer.",
     .live = true},
    {.name = "copies",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct memory_settings, copies),
     .minimum = 1,
     .maximum = 366,
     .standard = "7",
     .help = "Nightly copies kept beside the memory.",
     .live = true},
    {.name = "map_size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct memory_settings, map_bytes),
     .minimum = UINT64_C(16) << 20,
     .maximum = UINT64_C(1) << 40,
     .standard = "16g",
     .help = "Virtual size of the memory's file; it takes what it needs."},
    {.name = "accept_loss",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct memory_settings, accept_loss),
     .standard = "no",
     .help = "Go on without what is lost for good, when the memory is damaged and cannot be mended "
             "from its copies. What is lost demands nothing then; without this the daemon does not "
             "start. For one start."},
};

static const struct option_row alarm_rows[] = {
    {.name = "command",
     .type = OPTION_TEXT,
     .offset = offsetof(struct alarm_settings, command),
     .maximum = 4000,
     .help = "Program to run when mail is held, a memory is contradicted, a self-test fails, the "
             "memory cannot be written or a profile is missing. It gets the kind, the domain and a "
             "sentence as arguments.",
     .live = true},
    {.name = "pause",
     .type = OPTION_DURATION,
     .offset = offsetof(struct alarm_settings, pause_ms),
     .minimum = 1000,
     .maximum = 86400000,
     .standard = "1m",
     .help = "At least so long between two runs of the command. Alarms are logged each time.",
     .live = true},
};

const struct option_module guarantee_option_module = {
    "guarantee", "Who demands what: the TLS sending guarantee and secure aliases.",
    ROWS(guarantee_rows)};
const struct option_module profile_option_module = {
    "profile", "What senders of one profile demand.", ROWS(profile_rows)};
const struct option_module memory_option_module = {
    "memory", "What is remembered of domains and mail hosts that did TLS.", ROWS(memory_rows)};
const struct option_module alarm_option_module = {
    "alarm", "How an administrator is told that something must be looked at.", ROWS(alarm_rows)};

/* --- judging --- */

static bool is_profile_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < PROFILE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == length;
}

static bool profile_exists(const struct profiles_settings *profiles, const char *name)
{
    for (size_t i = 0; i < profiles->count; i++)
        if (strcmp(profiles->all[i].name, name) == 0)
            return true;
    return false;
}

static enum name_status alias_name(char name[ACCOUNT_NAME_MAX], const char *text)
{
    char ascii[ACCOUNT_NAME_MAX];
    const enum name_status status = mail_address_to_ascii(ascii, sizeof ascii, text);

    if (status == NAME_NO_MEMORY)
        return status;
    return strchr(text, '@') != NULL && status == NAME_OK &&
                   account_name(name, ascii, strlen(ascii)) > 1 /* "@" would be everybody */
               ? NAME_OK
               : NAME_CHARACTER;
}

/* `*send`, `*receive`: whether that was said already. */
static bool alias_read_way(struct account_alias *alias, const char *word, bool *send, bool *receive)
{
    if (strncmp(word, "send=", 5) == 0 && !*send) {
        const char *profile = word + 5;

        *send = true;
        alias->sends = strcmp(profile, "nothing") != 0;
        if (alias->sends)
            snprintf(alias->profile, sizeof alias->profile, "%s", profile);
        return profile[0] != '\0' && strlen(profile) < sizeof alias->profile;
    }
    if (strncmp(word, "receive=", 8) == 0 && !*receive) {
        *receive = true;
        alias->receives = strcmp(word + 8, "any") != 0;
        return !alias->receives || strcmp(word + 8, "encrypted") == 0;
    }
    return false;
}

static bool alias_read_ways(struct account_alias *alias, const char *mode, char **rest)
{
    bool expert = strcmp(mode, "expert") == 0, send = false, receive = false;
    const char *word;

    if (!expert && strcmp(mode, "on") != 0 && strcmp(mode, "off") != 0)
        return false;
    alias->sends = alias->receives = strcmp(mode, "off") != 0;
    while ((word = strsep(rest, " \t")) != NULL)
        if (word[0] != '\0' && (!expert || !alias_read_way(alias, word, &send, &receive)))
            return false;
    return true;
}

enum name_status alias_read(char name[ACCOUNT_NAME_MAX], struct account_alias *alias,
                            const char *text)
{
    char copy[2 * ACCOUNT_NAME_MAX], *rest = copy;
    const char *word, *mode = "on";
    enum name_status status;

    *alias = (struct account_alias){0};
    text += strspn(text, " \t");
    if (strlen(text) >= sizeof copy)
        return NAME_CHARACTER;
    memcpy(copy, text, strlen(text) + 1);
    status = alias_name(name, strsep(&rest, " \t"));
    if (status != NAME_OK)
        return status;
    while ((word = strsep(&rest, " \t")) != NULL)
        if (word[0] != '\0') {
            mode = word;
            break;
        }
    return alias_read_ways(alias, mode, &rest) ? NAME_OK : NAME_CHARACTER;
}

/* By the profiles there are; and which of two lines holds must be plain. */
static int judge_aliases(const struct guarantee_settings *guarantee,
                         const struct profiles_settings *profiles, char *why, size_t why_size)
{
    const struct option_list *list = &guarantee->aliases;
    char name[ACCOUNT_NAME_MAX], other[ACCOUNT_NAME_MAX];
    struct account_alias alias;

    for (size_t i = 0; i < list->count; i++) {
        const enum name_status status = alias_read(name, &alias, list->texts[i]);

        if (status == NAME_NO_MEMORY) {
            snprintf(why, why_size, "guarantee.aliases: no memory for the list");
            return -ENOMEM;
        }
        if (status != NAME_OK) {
            snprintf(
                why, why_size,
                "guarantee.aliases: '%.128s' is not an address or @domain, then nothing or on, "
                "off, or expert with send= and receive=",
                list->texts[i]);
            return -EINVAL;
        }
        if (alias.profile[0] != '\0' && !profile_exists(profiles, alias.profile)) {
            snprintf(why, why_size, "guarantee.aliases: '%.128s': there is no profile '%s'",
                     list->texts[i], alias.profile);
            return -EINVAL;
        }
        for (size_t j = 0; j < i; j++) {
            if (alias_read(other, &alias, list->texts[j]) != NAME_OK || strcmp(name, other) != 0)
                continue;
            snprintf(why, why_size, "guarantee.aliases: %.128s is there twice", name);
            return -EINVAL;
        }
    }
    return 0;
}

static int judge_hops(const struct guarantee_settings *guarantee, char *why, size_t why_size)
{
    struct places *hops;
    int error =
        places_create(&hops, &guarantee->trusted_hops, "guarantee.trusted_hops", why, why_size);

    if (error == 0)
        places_destroy(hops);
    return error;
}

int memory_settings_judge(const struct guarantee_settings *guarantee,
                          const struct profiles_settings *profiles, char *why, size_t why_size)
{
    int error;

    for (size_t i = 0; i < profiles->count; i++) {
        if (is_profile_name(profiles->all[i].name))
            continue;
        snprintf(why, why_size,
                 "profile \"%.64s\": a name has at most %d of the characters a-z, 0-9, - and _",
                 profiles->all[i].name, PROFILE_NAME_MAX - 1);
        return -EINVAL;
    }
    if (guarantee->standard != NULL && !profile_exists(profiles, guarantee->standard)) {
        snprintf(why, why_size, "guarantee.profile: there is no profile '%s'", guarantee->standard);
        return -EINVAL;
    }
    if (!profile_exists(profiles, guarantee->alias_profile)) {
        snprintf(why, why_size, "guarantee.alias_profile: there is no profile '%s'",
                 guarantee->alias_profile);
        return -EINVAL;
    }
    error = judge_aliases(guarantee, profiles, why, why_size);
    if (error != 0)
        return error;
    return judge_hops(guarantee, why, why_size);
}

/* --- as they are used --- */

void profile_of_settings(struct profile *profile, const struct profile_settings *settings)
{
    *profile = (struct profile){
        .minimum = minimum_levels[settings->minimum],
        .unmet = (enum unmet)settings->unmet,
        .window_ms = (uint32_t)settings->window_ms,
        .observe = settings->observe,
        .exempt_auto_replies = settings->exempt_auto_replies,
        .exempt_forwards = settings->exempt_forwards,
        .allow_tls_required_no = settings->allow_tls_required_no,
        .refuse_at_rcpt = settings->refuse_at_rcpt,
        .trouble = (enum trouble)settings->trouble,
    };
    snprintf(profile->name, sizeof profile->name, "%s", settings->name);
}

void ledger_of_settings(struct ledger_settings *ledger, const struct memory_settings *settings)
{
    *ledger = (struct ledger_settings){
        .sightings_apart_s = (int64_t)(settings->apart_ms / 1000),
        .cool_down_s = (int64_t)(settings->cool_down_ms / 1000),
        .disuse_s = (int64_t)(settings->disuse_ms / 1000),
        .give_way_s = (int64_t)(settings->give_way_ms / 1000),
        .spare_s = (int64_t)(settings->spare_ms / 1000),
        .entries = (uint32_t)settings->entries,
        .per_registrable = (uint32_t)settings->per_registrable,
        .per_suffix = (uint32_t)settings->per_suffix,
    };
}
