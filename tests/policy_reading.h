/*
 * policy_reading.h - the grammar of smtp_tls_policy_maps in Postfix 3.7, for tests: written from
 * postconf(5), not from what we print. Header only; what is read can be played on scenes.h.
 */
#ifndef MXWARD_TESTS_POLICY_READING_H
#define MXWARD_TESTS_POLICY_READING_H

#include "shm/postfix.h"

#include "tests/scenes.h"

struct reading {
    enum enforce policy; /* `fingerprint`: PLAY_KEYS */
    bool may, tls12, sni;
    char match[VERDICT_MATCH_MAX];
    unsigned keys;
    uint8_t key[16][32];
};

static inline bool is_name_list(const char *text)
{
    size_t label = 0;

    for (; *text != '\0'; text++) {
        if (*text == '.' || *text == ':') {
            if (label == 0)
                return false;
            label = 0;
        } else if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", *text) == NULL) {
            return false;
        } else {
            label++;
        }
    }
    return label > 0;
}

static inline int hexadecimal(char digit)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *found = strchr(digits, digit);

    return digit == '\0' || found == NULL ? -1 : (int)(found - digits);
}

/* "AB:CD:…", 32 bytes: what `openssl x509 -fingerprint -sha256` prints. */
static inline bool read_key(struct reading *reading, const char *text)
{
    if (strlen(text) != 32 * 3 - 1 || reading->keys == sizeof reading->key / sizeof *reading->key)
        return false;
    for (unsigned i = 0; i < 32; i++, text += 3) {
        int high = hexadecimal(text[0]), low = hexadecimal(text[1]);

        if (high < 0 || low < 0 || (i < 31 && text[2] != ':'))
            return false;
        reading->key[reading->keys][i] = (uint8_t)(high * 16 + low);
    }
    reading->keys++;
    return true;
}

/* Joined by '|', because ':' stands between the digits. */
static inline bool read_keys(struct reading *reading, char *text)
{
    char *word;

    while ((word = strsep(&text, "|")) != NULL)
        if (!read_key(reading, word))
            return false;
    return true;
}

static inline bool read_attribute(struct reading *reading, char *word)
{
    char *value = strchr(word, '=');

    if (value == NULL)
        return false;
    *value++ = '\0';
    if (strcmp(word, "protocols") == 0 && !reading->tls12) {
        reading->tls12 = strcmp(value, ">=TLSv1.2") == 0;
        return reading->tls12;
    }
    if (strcmp(word, "servername") == 0 && !reading->sni) {
        reading->sni = strcmp(value, "hostname") == 0;
        return reading->sni;
    }
    if (strcmp(word, "match") == 0 && reading->policy == ENFORCE_SECURE_MATCH) {
        snprintf(reading->match, sizeof reading->match, "%s", value);
        return is_name_list(value); /* an empty one is an error, too */
    }
    if (strcmp(word, "match") == 0 && reading->policy == PLAY_KEYS)
        return read_keys(reading, value); /* Postfix drops what it cannot read: it must not */
    return false;                         /* policy_type and its kin came with 3.10 (DEC-09) */
}

/* False: Postfix would call it invalid, and hold the mail. */
static inline bool read_policy(struct reading *reading, const char *text)
{
    static const struct {
        const char *word;
        enum enforce policy;
    } words[] = {{"may", ENFORCE_NOTHING},         {"encrypt", ENFORCE_ENCRYPT},
                 {"fingerprint", PLAY_KEYS},       {"dane", ENFORCE_DANE},
                 {"dane-only", ENFORCE_DANE_ONLY}, {"secure", ENFORCE_SECURE_MATCH}};
    char copy[POSTFIX_TEXT_MAX], *rest = copy, *word;
    bool known = false;

    *reading = (struct reading){.policy = ENFORCE_NOTHING};
    snprintf(copy, sizeof copy, "%s", text);
    word = strsep(&rest, " ");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0) {
            reading->policy = words[i].policy;
            known = true;
        }
    if (!known)
        return false;
    reading->may = reading->policy == ENFORCE_NOTHING;
    while ((word = strsep(&rest, " ")) != NULL)
        if (!read_attribute(reading, word))
            return false;
    if (reading->policy == PLAY_KEYS && reading->keys == 0)
        return false;
    return reading->policy != ENFORCE_SECURE_MATCH || reading->match[0] != '\0';
}

#endif
