/*
 * kept_entries.c - see kept_entries.h.
 */
#include "ipc/serve/kept_entries.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define LINES_MAX  (1 + (KEPT_QUESTION_MAX + KEPT_ANSWER_MAX) / KEPT_LINE)
#define RUN_LEAST  16 /* bytes that are worth one */
#define KIND_AT    4  /* in a frame, up to its id: version, kind, flags */
#define KIND_BYTES 4

/* Behind the last entry a step can be read. */
static size_t block_bytes(const struct kept_entries *entries)
{
    return (size_t)entries->lines * KEPT_LINE + KEPT_STEP;
}

/* What is not used costs nothing. In huge pages where the system gives them. */
static bool memory_take(struct kept_entries *entries)
{
    const size_t bytes = block_bytes(entries);
    char *base =
        mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return false;
    entries->mapping = base;
    entries->block = base + (HUGE_BYTES - (uintptr_t)base % HUGE_BYTES);
    (void)madvise(entries->block, bytes, MADV_HUGEPAGE);
    return true;
}

int kept_entries_create(struct kept_entries **out, uint32_t count)
{
    struct kept_entries *entries = calloc(1, sizeof *entries);

    if (entries == NULL)
        return -ENOMEM;
    for (entries->sets = 1; entries->sets * KEPT_WAYS < count;)
        entries->sets *= 2;
    entries->lines = count * KEPT_LINES;
    CHECK(entries->lines <= UINT16_MAX + 1);
    entries->index = aligned_alloc(KEPT_LINE, entries->sets * sizeof *entries->index);
    if (entries->index == NULL || !memory_take(entries)) {
        free(entries->index);
        free(entries);
        return -ENOMEM;
    }
    memset(entries->index, 0, entries->sets * sizeof *entries->index);
    *out = entries;
    return 0;
}

void kept_entries_destroy(struct kept_entries *entries)
{
    if (entries == NULL)
        return;
    munmap(entries->mapping, block_bytes(entries) + HUGE_BYTES);
    free(entries->index);
    free(entries);
}

void kept_entries_begin(struct kept_entries *entries, uint32_t moved)
{
    if (entries->moved == moved && !entries->full)
        return;
    entries->moved = moved;
    if (entries->used == 0)
        return;
    memset(entries->index, 0, entries->sets * sizeof *entries->index);
    for (unsigned i = 0; i < KEPT_PATTERNS; i++)
        entries->patterns[i].size = 0;
    entries->used = 0;
    entries->full = false;
}

uint64_t kept_hash(const void *question, size_t size)
{
    return XXH3_64bits(question, size) | 1;
}

/* --- what is its own --- */

/* Where the pattern has the field that stands at `field` in a frame, from `at` on; 0: nowhere.
 * Fields stand in one order in all frames of a kind. */
static size_t field_in(const struct kept_pattern *pattern, size_t at, const char *field)
{
    size_t bytes;

    for (; (bytes = frame_field_bytes(pattern->bytes, pattern->size, at)) > 0; at += bytes)
        if (memcmp(pattern->bytes + at, field, FRAME_TAG_BYTES) == 0)
            return at;
    return 0;
}

/* Its own bytes up to the run go to `own`, if the run is worth it; then they are done with. */
static void run_close(struct kept_entry *entry, const char *frame, size_t *done,
                      const struct kept_run *run, size_t begin, char **own)
{
    if (run->same < RUN_LEAST || entry->runs == KEPT_RUNS)
        return;
    entry->run[entry->runs++] = (struct kept_run){(uint16_t)(begin - *done), run->at, run->same};
    memcpy(*own, frame + *done, begin - *done);
    *own += begin - *done;
    *done = begin + run->same;
}

/* Returns how many bytes it takes behind the first line. */
static size_t fill(struct kept_entry *entry, const struct kept_pattern *pattern,
                   const struct kept_answer *answer)
{
    size_t done = FRAME_HEADER_BYTES, begin = done, there = done, bytes;
    char *own = entry->bytes + answer->question_size;
    struct kept_run run = {0};

    entry->runs = 0;
    for (size_t at = done; (bytes = frame_field_bytes(answer->frame, answer->frame_size, at)) > 0;
         at += bytes) {
        const size_t found = field_in(pattern, there, answer->frame + at);
        const bool same = found > 0 && pattern->size - found >= bytes &&
                          memcmp(pattern->bytes + found, answer->frame + at, bytes) == 0;

        if (found > 0)
            there = found + frame_field_bytes(pattern->bytes, pattern->size, found);
        if (same && run.same > 0 && (size_t)run.at + run.same == found) {
            run.same = (uint16_t)(run.same + bytes);
            continue;
        }
        run_close(entry, answer->frame, &done, &run, begin, &own);
        run = (struct kept_run){0, (uint16_t)found, same ? (uint16_t)bytes : 0};
        begin = at;
    }
    run_close(entry, answer->frame, &done, &run, begin, &own);
    memcpy(own, answer->frame + done, answer->frame_size - done);
    return (size_t)(own - entry->bytes) + answer->frame_size - done;
}

/* Answers with the same longest field are mostly alike. */
static uint8_t pattern_for(struct kept_entries *entries, const struct kept_answer *answer)
{
    size_t longest = FRAME_HEADER_BYTES, longest_bytes = 0, bytes;
    struct kept_pattern *pattern;
    uint8_t number;

    for (size_t at = longest;
         (bytes = frame_field_bytes(answer->frame, answer->frame_size, at)) > 0; at += bytes) {
        if (bytes <= longest_bytes)
            continue;
        longest = at;
        longest_bytes = bytes;
    }
    number = (uint8_t)(kept_hash(answer->frame + longest, longest_bytes) >> 32) % KEPT_PATTERNS;
    pattern = &entries->patterns[number];
    if (pattern->size > 0)
        return number;
    pattern->size = (uint16_t)answer->frame_size;
    memcpy(pattern->bytes, answer->frame, answer->frame_size);
    return number;
}

/* --- keeping --- */

/* The one with the same tag, which most likely is the same question's, or a free one, or another.
 */
static unsigned way_for(const struct kept_set *set, uint64_t hash)
{
    unsigned best = (unsigned)(hash >> 46) % KEPT_WAYS;

    for (unsigned way = 0; way < KEPT_WAYS; way++)
        if (set->tags[way] == kept_tag(hash))
            return way;
    for (unsigned way = 0; way < KEPT_WAYS; way++)
        if (set->tags[way] == 0)
            best = way;
    return best;
}

/* Times of which the low bits say all. */
static bool is_near(const struct kept_answer *answer)
{
    const uint64_t now_ms = answer->when.now_ms;

    return answer->until_ms > now_ms &&
           (answer->age_at == 0 ||
            (answer->began_ms <= now_ms && now_ms - answer->began_ms < KEPT_AGE_MAX_MS));
}

static void entry_make(struct kept_entries *entries, struct kept_entry *entry,
                       const struct kept_answer *answer)
{
    const uint64_t most_ms = answer->when.now_ms + KEPT_HOLDS_MS;
    size_t behind;

    entry->cell = answer->place.cell;
    entry->cell_value = answer->place.value;
    entry->published = answer->when.published;
    entry->began_ms = (uint32_t)answer->began_ms;
    entry->until_ms = (uint32_t)(answer->until_ms < most_ms ? answer->until_ms : most_ms);
    entry->moved = answer->when.moved;
    entry->epoch = answer->when.epoch;
    entry->question_size = (uint16_t)answer->question_size;
    entry->answer_size = (uint16_t)answer->frame_size;
    entry->now_at = answer->now_at;
    entry->age_at = answer->age_at;
    entry->pattern = pattern_for(entries, answer) & 15u;
    CHECK(memcmp(entries->patterns[entry->pattern].bytes + KIND_AT, answer->frame + KIND_AT,
                 KIND_BYTES) == 0);
    memcpy(entry->bytes, answer->question, answer->question_size);
    behind = fill(entry, &entries->patterns[entry->pattern], answer);
    entry->lines = (uint8_t)((behind + KEPT_LINE - 1) / KEPT_LINE);
}

void kept_entries_put(struct kept_entries *entries, uint64_t hash, const struct kept_answer *answer)
{
    struct kept_set *set = kept_set(entries, hash);
    const unsigned way = way_for(set, hash);
    struct kept_entry *entry = kept_at(entries, entries->used);

    if (answer->question_size > KEPT_QUESTION_MAX || answer->frame_size > KEPT_ANSWER_MAX ||
        answer->when.moved != entries->moved || !is_near(answer))
        return;
    if (entries->lines - entries->used < LINES_MAX) {
        entries->full = true;
        return;
    }
    entry_make(entries, entry, answer);
    set->tags[way] = kept_tag(hash);
    set->lines[way] = (uint16_t)entries->used;
    entries->used += 1 + entry->lines;
}
