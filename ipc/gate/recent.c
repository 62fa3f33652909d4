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

struct entry {
    uint64_t hash;
    uint64_t used_ms;
    uint64_t strict_until_ms; /* until then nothing milder is said */
    uint64_t served_until_ms; /* 0: it is not served */
    struct table_place place;
    uint32_t moved, epoch;
    uint16_t key_size; /* 0: free */
    uint16_t size;     /* of the reply */
    struct recent_answer answer;
    char key[GATE_RECENT_KEY];
    char reply[REPLY_BYTES];
};

struct recent {
    uint64_t steady_ms;
    uint32_t sets; /* a power of two */
    size_t bytes;
    struct entry *entries;
};

int recent_create(struct recent **out, uint32_t entries, uint64_t steady_ms)
{
    struct recent *recent = calloc(1, sizeof *recent);

    if (recent == NULL)
        return -ENOMEM;
    recent->steady_ms = steady_ms;
    for (recent->sets = 1; recent->sets * WAYS < entries;)
        recent->sets *= 2;
    recent->bytes = (size_t)recent->sets * WAYS * sizeof(struct entry);
    /* Untouched entries cost nothing. */
    recent->entries =
        mmap(NULL, recent->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (recent->entries == MAP_FAILED) {
        free(recent);
        return -ENOMEM;
    }
    *out = recent;
    return 0;
}

void recent_destroy(struct recent *recent)
{
    if (recent == NULL)
        return;
    munmap(recent->entries, recent->bytes);
    free(recent);
}

static struct entry *set_of(struct recent *recent, uint64_t hash)
{
    return &recent->entries[(hash & (recent->sets - 1)) * WAYS];
}

/* NULL: not there. */
static struct entry *entry_find(struct recent *recent, const char *key, size_t size, uint64_t hash)
{
    struct entry *set = set_of(recent, hash);

    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].hash == hash && set[i].key_size == size && memcmp(set[i].key, key, size) == 0)
            return &set[i];
    return NULL;
}

/* A free one, or the one that was used longest ago, and becomes this key's. */
static struct entry *entry_make(struct recent *recent, const char *key, size_t size, uint64_t hash)
{
    struct entry *set = set_of(recent, hash), *oldest = &set[0];

    for (unsigned i = 0; i < WAYS && oldest->key_size != 0; i++)
        if (set[i].key_size == 0 || set[i].used_ms < oldest->used_ms)
            oldest = &set[i];
    memset(oldest, 0, offsetof(struct entry, key));
    oldest->hash = hash;
    oldest->key_size = (uint16_t)size;
    memcpy(oldest->key, key, size);
    return oldest;
}

const struct recent_answer *recent_served(struct recent *recent, const char *key, size_t size,
                                          uint32_t moved, uint32_t epoch, uint64_t now_ms)
{
    struct entry *entry = entry_find(recent, key, size, XXH3_64bits(key, size));

    if (entry == NULL || now_ms >= entry->served_until_ms || entry->moved != moved ||
        entry->epoch != epoch || !table_place_holds(&entry->place))
        return NULL;
    entry->used_ms = now_ms;
    return &entry->answer;
}

const struct recent_answer *recent_stricter(struct recent *recent, const char *key, size_t size,
                                            const struct recent_answer *answer,
                                            const struct table_place *place, uint32_t moved,
                                            uint32_t epoch, uint64_t until_ms, uint64_t now_ms)
{
    const uint64_t hash = XXH3_64bits(key, size);
    struct entry *entry;

    if (size == 0 || size > GATE_RECENT_KEY || answer->size > REPLY_BYTES)
        return answer;
    entry = entry_find(recent, key, size, hash);
    if (entry == NULL)
        entry = entry_make(recent, key, size, hash);
    entry->used_ms = now_ms;
    if (now_ms < entry->strict_until_ms && answer->strictness < entry->answer.strictness) {
        entry->served_until_ms = 0;
        return &entry->answer;
    }
    entry->strict_until_ms = now_ms + recent->steady_ms;
    memcpy(entry->reply, answer->bytes, answer->size);
    entry->answer = (struct recent_answer){entry->reply, answer->size, answer->strictness};
    entry->served_until_ms = 0;
    if (place != NULL) {
        entry->place = *place;
        entry->moved = moved;
        entry->epoch = epoch;
        entry->served_until_ms = until_ms;
    }
    return &entry->answer;
}
