/*
 * recent.c - see recent.h.
 */
#include "ipc/gate/recent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#define WAYS        4
#define REPLY_BYTES 1024 /* of a reply that is kept; longer ones are not */
#define HUGE_BYTES  ((size_t)2 << 20)

/* Of one place, in one line of the cache: an entry is looked at only if it may be the one. */
struct set {
    _Alignas(64) uint64_t hashes[WAYS]; /* 0: free */
    uint64_t used_ms[WAYS];
};

/* What a kept answer needs stands in its first two lines, where key and reply are short. */
struct entry {
    _Alignas(64) struct table_place place;
    uint64_t served_until_ms; /* 0: it is not served */
    uint32_t moved, epoch;
    struct recent_answer answer; /* its bytes stand behind the key */
    uint64_t strict_until_ms;    /* until then nothing milder is said */
    uint16_t key_size;
    char bytes[GATE_RECENT_KEY + REPLY_BYTES]; /* the key, then the reply */
};

struct recent {
    uint64_t steady_ms;
    uint32_t sets; /* a power of two */
    size_t bytes;
    void *mapping;
    struct set *index;
    struct entry *entries; /* WAYS for each set */
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
    recent->bytes = (size_t)recent->sets * (sizeof(struct set) + WAYS * sizeof(struct entry));
    if (!memory_take(recent)) {
        free(recent);
        return -ENOMEM;
    }
    recent->entries = (struct entry *)(recent->index + recent->sets);
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

/* Never 0. */
static uint64_t hash_of(const char *key, size_t size)
{
    return XXH3_64bits(key, size) | 1;
}

static size_t set_number(const struct recent *recent, uint64_t hash)
{
    return (size_t)(hash >> 32) & (recent->sets - 1);
}

/* NULL: not there. */
static struct entry *entry_find(struct recent *recent, const char *key, size_t size, uint64_t hash,
                                uint64_t now_ms)
{
    const size_t number = set_number(recent, hash);
    struct set *set = &recent->index[number];

    for (unsigned i = 0; i < WAYS; i++) {
        struct entry *entry = &recent->entries[number * WAYS + i];

        if (set->hashes[i] != hash || entry->key_size != size ||
            memcmp(entry->bytes, key, size) != 0)
            continue;
        set->used_ms[i] = now_ms;
        return entry;
    }
    return NULL;
}

/* A free one, or the one that was used longest ago, and becomes this key's. */
static struct entry *entry_make(struct recent *recent, const char *key, size_t size, uint64_t hash,
                                uint64_t now_ms)
{
    const size_t number = set_number(recent, hash);
    struct set *set = &recent->index[number];
    struct entry *entry;
    unsigned oldest = 0;

    for (unsigned i = 1; i < WAYS && set->hashes[oldest] != 0; i++)
        if (set->hashes[i] == 0 || set->used_ms[i] < set->used_ms[oldest])
            oldest = i;
    set->hashes[oldest] = hash;
    set->used_ms[oldest] = now_ms;
    entry = &recent->entries[number * WAYS + oldest];
    memset(entry, 0, offsetof(struct entry, bytes));
    entry->key_size = (uint16_t)size;
    memcpy(entry->bytes, key, size);
    return entry;
}

const struct recent_answer *recent_served(struct recent *recent, const char *key, size_t size,
                                          uint32_t moved, uint32_t epoch, uint64_t now_ms)
{
    struct entry *entry = entry_find(recent, key, size, hash_of(key, size), now_ms);

    if (entry == NULL || now_ms >= entry->served_until_ms || entry->moved != moved ||
        entry->epoch != epoch || !table_place_holds(&entry->place))
        return NULL;
    return &entry->answer;
}

const struct recent_answer *recent_stricter(struct recent *recent, const char *key, size_t size,
                                            const struct recent_answer *answer,
                                            const struct table_place *place, uint32_t moved,
                                            uint32_t epoch, uint64_t until_ms, uint64_t now_ms)
{
    const uint64_t hash = hash_of(key, size);
    struct entry *entry;

    if (size == 0 || size > GATE_RECENT_KEY || answer->size > REPLY_BYTES)
        return answer;
    entry = entry_find(recent, key, size, hash, now_ms);
    if (entry == NULL)
        entry = entry_make(recent, key, size, hash, now_ms);
    if (now_ms < entry->strict_until_ms && answer->strictness < entry->answer.strictness) {
        entry->served_until_ms = 0;
        return &entry->answer;
    }
    entry->strict_until_ms = now_ms + recent->steady_ms;
    memcpy(entry->bytes + size, answer->bytes, answer->size);
    entry->answer = (struct recent_answer){entry->bytes + size, answer->size, answer->strictness};
    entry->served_until_ms = 0;
    if (place != NULL) {
        entry->place = *place;
        entry->moved = moved;
        entry->epoch = epoch;
        entry->served_until_ms = until_ms;
    }
    return &entry->answer;
}
