/*
 * letters.h - what is in a short text, sixteen bytes at a time. Pure; any thread.
 *
 * For the names and addresses that nearly every message has: what a rule says of a byte and its
 * neighbours becomes a few operations on words of which each bit stands for a byte. Nothing is
 * refused here: a text that is too long for that, or breaks a rule, is looked at byte by byte by
 * who knows the rules (engine/names/name, shm/account).
 */
#ifndef MXWARD_SHM_LETTERS_H
#define MXWARD_SHM_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LETTERS_MAX 64 /* bytes of a text: one bit each */

/* Bit i is set: byte i is … */
struct letters {
    uint64_t ats, quotes, dots, hyphens;
    uint64_t names;    /* a letter, digit, hyphen, low line or dot */
    uint64_t controls; /* below 0x20, or 0x7f */
};

/* Those of the first `count` bytes, 1 to LETTERS_MAX. */
static inline uint64_t letters_first(size_t count)
{
    return count < LETTERS_MAX ? (1ULL << count) - 1 : ~0ULL;
}

typedef uint8_t letters_bytes __attribute__((vector_size(16)));

static inline letters_bytes letters_load(const char *text)
{
    letters_bytes bytes;

    memcpy(&bytes, text, sizeof bytes);
    return bytes;
}

/* Where the next sixteen of at least as many begin: the last overlap those before them. */
static inline size_t letters_next(size_t at, size_t length)
{
    const size_t next = at + sizeof(letters_bytes), last = length - sizeof(letters_bytes);

    return next < last ? next : last;
}

/* A text of 4 to 15 bytes by two loads that overlap; zeros behind it. */
static inline letters_bytes letters_load_few(const char *text, size_t length)
{
    uint64_t first = 0, last = 0;

    if (length >= 8) {
        memcpy(&first, text, 8);
        memcpy(&last, text + length - 8, 8);
        last = last >> 8 * (15 - length) >> 8;
    } else {
        memcpy(&first, text, 4);
        memcpy(&last, text + length - 4, 4);
        first |= last << 8 * (length - 4);
        last = 0;
    }
    return (letters_bytes)(uint64_t __attribute__((vector_size(16)))){first, last};
}

/* A bit for each byte that is 0xff, of bytes that are that or 0. */
static inline uint64_t letters_bits(letters_bytes bytes)
{
#if defined(__SSE2__)
    return (uint64_t)__builtin_ia32_pmovmskb128((char __attribute__((vector_size(16))))bytes);
#else
    uint64_t bits = 0;

    for (unsigned i = 0; i < sizeof bytes; i++)
        bits |= (uint64_t)(bytes[i] & 1) << i;
    return bits;
#endif
}

/* A terminated text, by sixteen bytes at once and without a call: both have room for `size`, a
 * multiple of 16; what is behind the end means nothing. Cut where it does not end. */
static inline void letters_copy(char *to, const char *from, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(letters_bytes)) {
        const letters_bytes bytes = letters_load(from + at);
        memcpy(to + at, &bytes, sizeof bytes);
        if (letters_bits((letters_bytes)(bytes == 0)) != 0)
            return;
    }
    to[size - 1] = '\0';
}

/* What the 16 bytes at `at` are, and `bytes` with small letters. */
static inline letters_bytes letters_add(struct letters *letters, letters_bytes bytes, size_t at)
{
    const letters_bytes capital = (letters_bytes)((uint8_t)('Z' - 'A') >= bytes - 'A');
    const letters_bytes low = bytes | (capital & 0x20);
    const letters_bytes dot = (letters_bytes)(bytes == '.'), hyphen = (letters_bytes)(bytes == '-');

    letters->ats |= letters_bits((letters_bytes)(bytes == '@')) << at;
    letters->quotes |= letters_bits((letters_bytes)(bytes == '"')) << at;
    letters->dots |= letters_bits(dot) << at;
    letters->hyphens |= letters_bits(hyphen) << at;
    letters->names |= letters_bits((letters_bytes)((uint8_t)('z' - 'a') >= low - 'a') |
                                   (letters_bytes)((uint8_t)9 >= bytes - '0') | dot | hyphen |
                                   (letters_bytes)(bytes == '_'))
                      << at;
    letters->controls |=
        letters_bits((letters_bytes)(bytes < 0x20) | (letters_bytes)(bytes == 0x7f)) << at;
    return low;
}

/* Where the domain of a mail address begins: behind its last '@'; 0: there is none. SIZE_MAX: it is
 * too short or too long for that, or there is a quote in it. */
static inline size_t letters_domain(const char *text, size_t length)
{
    uint64_t ats = 0, quotes = 0;

    if (length < sizeof(letters_bytes) || length > LETTERS_MAX)
        return SIZE_MAX;
    for (size_t at = 0;; at = letters_next(at, length)) {
        const letters_bytes bytes = letters_load(text + at);
        ats |= letters_bits((letters_bytes)(bytes == '@')) << at;
        quotes |= letters_bits((letters_bytes)(bytes == '"'));
        if (at + sizeof bytes == length)
            break;
    }
    if (quotes != 0)
        return SIZE_MAX;
    return ats != 0 ? LETTERS_MAX - (size_t)__builtin_clzll(ats) : 0;
}

/* Looks at a text, and copies it with small letters: `low` has room for LETTERS_MAX bytes, of which
 * those behind the text mean nothing. False: it is too short or too long for that. */
static inline bool letters_look(struct letters *letters, char *low, const char *text, size_t length)
{
    letters_bytes bytes;

    *letters = (struct letters){0};
    if (length < 4 || length > LETTERS_MAX || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return false;
    if (length < sizeof bytes) {
        bytes = letters_add(letters, letters_load_few(text, length), 0);
        memcpy(low, &bytes, sizeof bytes);
        letters->controls &= letters_first(length);
        return true;
    }
    for (size_t at = 0;; at = letters_next(at, length)) {
        bytes = letters_add(letters, letters_load(text + at), at);
        memcpy(low + at, &bytes, sizeof bytes);
        if (at + sizeof bytes == length)
            return true;
    }
}

#endif
