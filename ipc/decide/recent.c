/*
 * recent.c - see recent.h.
 */
#include "ipc/decide/recent.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#define WAYS        4
#define SHORT_BYTES 128 /* of key and reply together: they stand in the entry itself */
#define HUGE_BYTES  ((size_t)2 << 20)

/* A line of the cache. An entry is looked at only if it may be the one, and then its record's
 * cell is needed, too: both can be fetched as soon as this is here. */
struct set {
    _Alignas(64) uint64_t hashes[WAYS]; /* 0: free */
    const _Atomic uint64_t *cells[WAYS];
};

/* Keys come in no order, so what is looked at for each is kept close together. */
struct entry {
    _Alignas(64) uint64_t cell_value; /* as long as the cell has it, it is the same record */
    uint64_t served_until_ms;         /* 0: it is not served */
    uint64_t strict_until_ms;         /* until then nothing milder is said */
    struct recent_answer answer;      /* its bytes stand behind the key */
    uint32_t moved, epoch;
    uint32_t used_ms; /* its low bits: only to tell what was used longest ago */
    uint16_t key_size;
    _Alignas(64) char bytes[SHORT_BYTES]; /* the key, then the reply, if there is room for both */
};
static_assert(sizeof(struct entry) == 192, "three lines, of which short ones need two");
static_assert(offsetof(struct entry, bytes) == 64, "and long ones the first");

/* The key and the reply of an entry that are longer. */
struct large {
    char bytes[RECENT_KEY_MAX + RECENT_REPLY_MAX];
};

struct recent {
    uint64_t steady_ms;
    uint32_t sets; /* a power of two */
    size_t bytes;
    void *mapping;
    struct set *index;
    struct entry *entries; /* WAYS for each set */
    struct large *large;   /* as many */
};

/* Untouched entries cost nothing. In huge pages where the system gives them, for keys come in no
 * order. */
static bool memory_take(struct recent *recent)
{
    const size_t whole = recent->bytes + HUGE_BYTES;
    char *base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return false;
    recent->mapping = base;
    recent->index =
        (struct set *)(void *)(((uintptr_t)base + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
    (void)madvise(recent->index, recent->bytes, MADV_HUGEPAGE);
    return true;
}

int recent_create(struct recent **out, uint32_t entries, uint64_t steady_ms)
{
    struct recent *recent = calloc(1, sizeof *recent);

    if (recent == NULL)
        return -ENOMEM;
    recent->steady_ms = steady_ms;
    for (recent->sets = 1; recent->sets * WAYS < entries;)
        recent->sets *= 2;
    recent->bytes = (size_t)recent->sets * (sizeof(struct set) + WAYS * sizeof(struct entry) +
                                            WAYS * sizeof(struct large));
    if (!memory_take(recent)) {
        free(recent);
        return -ENOMEM;
    }
    recent->entries = (struct entry *)(recent->index + recent->sets);
    recent->large = (struct large *)(recent->entries + (size_t)recent->sets * WAYS);
    *out = recent;
    return 0;
}

void recent_destroy(struct recent *recent)
{
    if (recent == NULL)
        return;
    munmap(recent->mapping, recent->bytes + HUGE_BYTES);
    free(recent);
}

void recent_set_steady(struct recent *recent, uint64_t steady_ms)
{
    recent->steady_ms = steady_ms;
}

static size_t set_number(const struct recent *recent, uint64_t hash)
{
    return (size_t)(hash >> 32) & (recent->sets - 1);
}

/* Never 0. */
uint64_t recent_hash(const struct recent *recent, const char *key, size_t size)
{
    const uint64_t hash = XXH3_64bits(key, size) | 1;

    __builtin_prefetch(&recent->index[set_number(recent, hash)]);
    return hash;
}

bool recent_fetch(const struct recent *recent, uint64_t hash, size_t bytes)
{
    const size_t number = set_number(recent, hash);
    const struct set *set = &recent->index[number];

    for (unsigned i = 0; i < WAYS; i++) {
        if (set->hashes[i] != hash)
            continue;
        __builtin_prefetch(&recent->entries[number * WAYS + i], 1);
        __builtin_prefetch((const void *)set->cells[i]);
        if (bytes <= SHORT_BYTES)
            __builtin_prefetch(recent->entries[number * WAYS + i].bytes);
        for (size_t at = 0; bytes > SHORT_BYTES && at < bytes; at += 64)
            __builtin_prefetch(recent->large[number * WAYS + i].bytes + at);
        return true;
    }
    return false;
}

static char *bytes_of(struct recent *recent, struct entry *entry, size_t size)
{
    return size <= SHORT_BYTES ? entry->bytes : recent->large[entry - recent->entries].bytes;
}

/* WAYS: not there. */
static unsigned way_find(struct recent *recent, const char *key, size_t size, uint64_t hash)
{
    const size_t number = set_number(recent, hash);
    const struct set *set = &recent->index[number];
    unsigned i = 0;

    for (; i < WAYS; i++) {
        struct entry *entry = &recent->entries[number * WAYS + i];

        if (set->hashes[i] == hash && entry->key_size == size &&
            memcmp(bytes_of(recent, entry, size + entry->answer.size), key, size) == 0)
            break;
    }
    return i;
}

/* A free one, or the one that was used longest ago. */
static unsigned way_make(struct recent *recent, uint64_t hash)
{
    const size_t number = set_number(recent, hash);
    struct set *set = &recent->index[number];
    struct entry *entries = &recent->entries[number * WAYS];
    unsigned oldest = 0;

    for (unsigned i = 1; i < WAYS && set->hashes[oldest] != 0; i++)
        if (set->hashes[i] == 0 || (int32_t)(entries[i].used_ms - entries[oldest].used_ms) < 0)
            oldest = i;
    set->hashes[oldest] = hash;
    set->cells[oldest] = NULL;
    memset(&entries[oldest], 0, offsetof(struct entry, bytes));
    return oldest;
}

const struct recent_answer *recent_served(struct recent *recent, uint64_t hash, const char *key,
                                          size_t size, uint32_t moved, uint32_t epoch,
                                          uint64_t now_ms)
{
    const unsigned way = way_find(recent, key, size, hash);
    const size_t number = set_number(recent, hash);
    struct entry *entry = &recent->entries[number * WAYS + way];

    if (way == WAYS || now_ms >= entry->served_until_ms || entry->moved != moved ||
        entry->epoch != epoch)
        return NULL;
    entry->used_ms = (uint32_t)now_ms;
    return table_place_holds(
               &(struct table_place){recent->index[number].cells[way], entry->cell_value})
               ? &entry->answer
               : NULL;
}

/* Key and answer, where there is room for both. */
static void entry_fill(struct recent *recent, struct entry *entry, const char *key, size_t size,
                       const struct recent_answer *answer)
{
    char *bytes = bytes_of(recent, entry, size + answer->size);

    memcpy(bytes, key, size);
    memcpy(bytes + size, answer->bytes, answer->size);
    entry->key_size = (uint16_t)size;
    entry->answer = (struct recent_answer){bytes + size, answer->size, answer->strictness};
}

const struct recent_answer *recent_stricter(struct recent *recent, const char *key, size_t size,
                                            const struct recent_answer *answer,
                                            const struct table_place *place, uint32_t moved,
                                            uint32_t epoch, uint64_t until_ms, uint64_t now_ms)
{
    uint64_t hash;
    unsigned way;
    struct entry *entry;

    if (size == 0 || size > RECENT_KEY_MAX || answer->size > RECENT_REPLY_MAX)
        return answer;
    hash = recent_hash(recent, key, size);
    way = way_find(recent, key, size, hash);
    if (way == WAYS)
        way = way_make(recent, hash);
    entry = &recent->entries[set_number(recent, hash) * WAYS + way];
    entry->used_ms = (uint32_t)now_ms;
    entry->served_until_ms = 0;
    if (now_ms < entry->strict_until_ms && answer->strictness < entry->answer.strictness)
        return &entry->answer;
    entry->strict_until_ms = now_ms + recent->steady_ms;
    entry_fill(recent, entry, key, size, answer);
    if (place != NULL) {
        recent->index[set_number(recent, hash)].cells[way] = place->cell;
        entry->cell_value = place->value;
        entry->moved = moved;
        entry->epoch = epoch;
        entry->served_until_ms = until_ms;
    }
    return &entry->answer;
}
