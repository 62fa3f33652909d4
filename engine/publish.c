/*
 * publish.c - see publish.h.
 */
#include "engine/publish.h"

#include "engine/base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct publisher {
    struct table_writer *writer;
    _Atomic uint32_t rulings;
};

int publisher_open(struct publisher **out, const char *directory, uint64_t table_bytes, char *why,
                   size_t why_size)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    struct table_clock clock;
    struct table_opened opened;
    int error = publisher == NULL ? -ENOMEM : table_clock_read(&clock);

    if (error != 0) {
        free(publisher);
        return error;
    }
    error = table_writer_open(&publisher->writer, directory, table_bytes, &clock, &opened, why,
                              why_size);
    if (error != 0) {
        free(publisher);
        return error;
    }
    log_notice("table-opened", "path=%s attached=%d kept=%llu dropped=%llu repeated=%llu",
               table_writer_path(publisher->writer), opened.attached,
               (unsigned long long)opened.kept, (unsigned long long)opened.dropped,
               (unsigned long long)opened.repeated);
    /* Those of a daemon before this one: until ours are known nothing in there is fresh. */
    table_writer_set_settings(publisher->writer, 0);
    table_writer_set_rulings(publisher->writer, 0);
    *out = publisher;
    return 0;
}

void publisher_close(struct publisher *publisher)
{
    table_writer_close(publisher->writer);
    free(publisher);
}

void publisher_put(struct publisher *publisher, const struct next_hop *next_hop,
                   const struct verdict *verdict)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;
    int error;

    if (!table_key_make(&key, text, next_hop_text(next_hop, text)))
        return;
    error = table_writer_put(publisher->writer, &key, verdict);
    if (error != 0)
        log_warning("table-full", "next_hop=%s error=%s", text, strerror(-error));
}

bool publisher_get(const struct publisher *publisher, const struct next_hop *next_hop,
                   struct verdict *verdict)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;

    return table_key_make(&key, text, next_hop_text(next_hop, text)) &&
           table_writer_get(publisher->writer, &key, verdict);
}

int publisher_put_floor(struct publisher *publisher, const struct next_hop *next_hop,
                        const struct floor *floor)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct floor fresh = *floor;
    struct table_key key;
    struct verdict known;

    if (!table_key_make(&key, text, next_hop_text(next_hop, text)))
        return 0;
    if (table_writer_get(publisher->writer, &key, &known))
        fresh.hosts_level = known.floor.hosts_level;
    return table_writer_put_floor(publisher->writer, &key, &fresh);
}

void publisher_settings(struct publisher *publisher, uint32_t config_epoch)
{
    table_writer_set_settings(publisher->writer, config_epoch);
}

/* Release: partner is the load in publisher_epoch. Who sees the sum, sees the floors. The same for
 * the table's readers. */
void publisher_rulings_add(struct publisher *publisher, uint32_t change)
{
    const uint32_t before =
        atomic_fetch_add_explicit(&publisher->rulings, change, memory_order_release);

    table_writer_set_rulings(publisher->writer, before + change);
}

uint32_t publisher_epoch(const struct publisher *publisher, uint32_t config_epoch)
{
    return table_epoch(config_epoch,
                       atomic_load_explicit(&publisher->rulings, memory_order_acquire));
}

void publisher_complete(struct publisher *publisher)
{
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(publisher->writer, (uint16_t)partition, true);
}

bool publisher_floor(const struct table_reader *reader, const struct next_hop *next_hop,
                     uint64_t now_ms, struct floor *floor)
{
    char text[NEXT_HOP_TEXT_MAX];
    struct table_key key;

    *floor = (struct floor){0};
    return reader != NULL && table_key_make(&key, text, next_hop_text(next_hop, text)) &&
           table_read_floor(reader, &key, now_ms, floor);
}

void publisher_heartbeat(struct publisher *publisher, uint16_t shard, uint16_t shards)
{
    struct table_clock clock;

    if (table_clock_read(&clock) != 0)
        return;
    for (unsigned partition = shard; partition < TABLE_PARTITIONS; partition += shards)
        table_writer_heartbeat(publisher->writer, (uint16_t)partition, &clock);
}

const struct table_writer *publisher_table(const struct publisher *publisher)
{
    return publisher->writer;
}
