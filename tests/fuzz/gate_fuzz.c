/*
 * gate_fuzz.c - any bytes from a client, in any protocol: what a gate without a daemon makes of
 * them. Streams and the daemon's link are stood in for; tables, rules and words are the real ones.
 *
 * Properties: each request that is taken has one answer, in the words of its protocol, at the
 * latest by its deadline; a map of a profile is answered with nothing below encryption, and with no
 * "not found"; without a profile no failure is made final; nothing waits when the client is gone.
 */
#include "ipc/gate/gate_internal.h"

#include "engine/base/clock.h"
#include "ipc/wire/netstring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Table support without Check. */
#define SUPPORT_MUST(condition, ...) \
    do {                             \
        if (!(condition))            \
            abort();                 \
    } while (0)
#include "tests/table_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***texts);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* --- a stream that keeps what is put --- */

struct stream {
    struct client client;
    size_t used;
    bool closed;
    char output[GATE_OUTSTANDING * GATE_ANSWER];
};

static struct stream stream;
static struct stream_counts no_counts;

void *stream_state(struct stream *one)
{
    return &one->client;
}
pid_t stream_process(const struct stream *one)
{
    return one->closed ? 0 : 7;
}
size_t stream_room(const struct stream *one)
{
    return sizeof one->output - one->used;
}
void stream_put(struct streams *streams, struct stream *one, const void *bytes, size_t size)
{
    (void)streams;
    must(size > 0 && size <= GATE_ANSWER && size <= stream_room(one));
    memcpy(one->output + one->used, bytes, size);
    one->used += size;
}
/* One at a time, whose answer is looked at; at the end all that are there. */
static bool all_at_once;
bool stream_may_take(const struct stream *one)
{
    return all_at_once && stream_room(one) >= GATE_ANSWER;
}
void stream_waits(struct streams *streams, struct stream *one, int change)
{
    (void)streams, (void)one, (void)change;
}
void stream_go_on(struct streams *streams, struct stream *one)
{
    (void)streams, (void)one;
}
void stream_close_when_sent(struct stream *one)
{
    one->closed = true;
}
const struct stream_counts *streams_counts(const struct streams *streams)
{
    (void)streams;
    return &no_counts;
}

/* --- no daemon --- */

bool link_is_up(const struct link *link)
{
    (void)link;
    return false;
}
void link_is_silent(struct link *link)
{
    (void)link;
}
bool link_ask(struct link *link, const struct mxw_message *message, uint64_t *id)
{
    (void)link, (void)message, (void)id;
    return false;
}
int link_observe(struct link *link, const struct mxw_observation *observation)
{
    (void)link, (void)observation;
    return MXW_UNREACHABLE;
}
const struct link_counts *link_counts(const struct link *link)
{
    static const struct link_counts none;

    (void)link;
    return &none;
}

/* --- a gate on tables with a little of everything --- */

static struct gate gate;
static const struct gate_options options = {.deadline_ms = 500,
                                            .transport_prefix = "guarantee-",
                                            .ordinary_transport = "smtp:",
                                            .split_transport = "by-recipient:",
                                            .help = "See there."};

void gate_transport(const struct gate *one, const char *profile, char *out, size_t size)
{
    (void)one;
    snprintf(out, size, "guarantee-%s:", profile);
}

static void fill_users(struct table_writer *writer, uint64_t now_ms)
{
    const struct account_settings settings = {.aliases_known = true, .alias_profile = "p"};
    const struct account account = {.flags = ACCOUNT_ON, .profile = "p"};
    const struct account_alias alias = {.sends = true, .receives = true};
    const struct profile profile = {
        .name = "p", .minimum = LEVEL_ENCRYPT, .unmet = UNMET_STOP, .refuse_at_rcpt = true};
    union record record;
    struct table_key key;

    must(account_settings_pack(&record, &key, &settings, now_ms) &&
         table_writer_put_record(writer, &key, &record) == 0);
    must(account_pack(&record, &key, "a@b.c", &account, now_ms) &&
         table_writer_put_record(writer, &key, &record) == 0);
    must(account_alias_pack(&record, &key, "s@b.c", &alias, now_ms) &&
         table_writer_put_record(writer, &key, &record) == 0);
    must(account_profile_pack(&record, &key, &profile, now_ms) &&
         table_writer_put_record(writer, &key, &record) == 0);
}

static void fill_verdicts(struct table_writer *writer, uint64_t now_ms)
{
    const struct verdict none = {.cause = CAUSE_NO_STARTTLS,
                                 .hosts = 1,
                                 .began_ms = now_ms,
                                 .valid_until_ms = UINT64_MAX,
                                 .config_epoch = 7,
                                 .host = "mx.n.example"};
    struct table_key key;

    table_writer_set_settings(writer, 7);
    must(table_key_make(&key, "n.example", 9) && table_writer_put(writer, &key, &none) == 0);
}

static void table_begin(struct scratch *scratch, const char *directory,
                        void (*fill)(struct table_writer *writer, uint64_t now_ms))
{
    struct table_opened opened;

    snprintf(scratch->directory, sizeof scratch->directory, "%s", directory);
    must(table_clock_read(&scratch->clock) == 0);
    must(mkdir(directory, 0700) == 0);
    struct table_writer *writer = scratch_writer(scratch, TABLE_BYTES_SMALL, &opened);
    for (unsigned partition = 0; partition < TABLE_PARTITIONS; partition++) {
        table_writer_heartbeat(writer, (uint16_t)partition, &scratch->clock);
        table_writer_set_complete(writer, (uint16_t)partition, true);
    }
    fill(writer, scratch->clock.boot_ms);
    table_writer_close(writer);
}

int LLVMFuzzerInitialize(int *count, char ***texts)
{
    char folder[] = "/dev/shm/mxward-fuzz-XXXXXX", run[48], users[56], command[64];
    struct scratch scratch;

    (void)count, (void)texts;
    must(mkdtemp(folder) != NULL);
    snprintf(run, sizeof run, "%s/run", folder);
    snprintf(users, sizeof users, "%s/run/users", folder);
    table_begin(&scratch, run, fill_verdicts);
    table_begin(&scratch, users, fill_users);
    gate.options = &options;
    gate.now_ms = clock_boot_ms();
    gate.now_s = clock_wall_s();
    must(local_open(&gate.local, run) == 0 && recent_create(&gate.recent, 64, 1000) == 0 &&
         deliveries_create(&gate.deliveries) == 0 && wheel_create(&gate.wheel, gate.now_ms) == 0 &&
         pool_create(&gate.questions, "questions", sizeof(struct question), 64) == 0);
    must(local_users(gate.local) != NULL && local_verdicts(gate.local) != NULL);
    snprintf(command, sizeof command, "rm -r %s", folder);
    must(system(command) == 0); /* what is mapped stays */
    return 0;
}

/* --- what was answered --- */

static bool is_below_encryption(const char *payload, size_t length)
{
    static const char *const words[] = {"NOTFOUND", "OK may", "OK none", "OK dane "};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (length >= strlen(words[i]) && memcmp(payload, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* What it may say of any delivery. */
static bool is_not_final(const char *payload, size_t length)
{
    return (length == 9 && memcmp(payload, "NOTFOUND ", 9) == 0) ||
           (length > 4 && memcmp(payload, "OK 4", 4) == 0);
}

/* One answer, and the whole of it. */
static void answer_is_whole(enum protocol protocol, const char *request)
{
    const char *payload;
    size_t length, used = 0;

    must(stream.used > 0);
    switch (protocol) {
    case PROTOCOL_SOCKETMAP:
        must(netstring_take(&payload, &length, stream.output, stream.used, GATE_ANSWER, &used) ==
             TAKE_WHOLE);
        must(used == stream.used && memchr(payload, ' ', length) != NULL);
        must(strncmp(strchr(request, ':'), ":guarantee/", 11) != 0 ||
             !is_below_encryption(payload, length));
        must(strncmp(strchr(request, ':'), ":dsn ", 5) != 0 || is_not_final(payload, length));
        break;
    case PROTOCOL_DELEGATION:
        must(stream.used > 9 && memcmp(stream.output, "action=", 7) == 0 &&
             memcmp(stream.output + stream.used - 2, "\n\n", 2) == 0);
        break;
    case PROTOCOL_LINE:
    case PROTOCOL_MORE:
        must(memcmp(stream.output, "status=", 7) == 0 &&
             memchr(stream.output, '\n', stream.used) == stream.output + stream.used - 1);
        break;
    }
}

static struct stream_taken take(enum protocol protocol, const char *bytes, size_t size)
{
    switch (protocol) {
    case PROTOCOL_SOCKETMAP:
        return maps_take(&gate, &stream, bytes, size);
    case PROTOCOL_DELEGATION:
        return delegate_take(&gate, &stream, bytes, size);
    case PROTOCOL_LINE:
    case PROTOCOL_MORE:
        break;
    }
    return lines_take(&gate, &stream, bytes, size, true);
}

/* The deadlines of all that wait. The clock stands, so that the evidence stays fresh. */
static void deadlines_strike(void)
{
    for (uint32_t slot = 0; slot < pool_slots(gate.questions); slot++) {
        struct question *question = pool_at(gate.questions, slot);

        if (question != NULL)
            asking_due(&gate, &question->timer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = malloc(size + 1), *request;
    const enum protocol protocol = protocol_of((const char *)data, size);
    size_t at = 0;

    must(bytes != NULL);
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    memset(&stream, 0, offsetof(struct stream, output));
    for (unsigned n = 0; at < size && n < 32; n++) {
        const struct stream_taken taken = take(protocol, bytes + at, size - at);

        must(taken.used <= size - at);
        if (taken.used == 0)
            break;
        if (stream.used == 0)
            deadlines_strike();
        request = strndup(bytes + at, taken.used);
        must(request != NULL);
        answer_is_whole(protocol, request);
        free(request);
        stream.used = 0;
        at += taken.used;
    }
    must(stream.client.first == NULL && pool_used(gate.questions) == 0);
    /* Who leaves amid a question. */
    all_at_once = true;
    take(protocol, bytes, size);
    all_at_once = false;
    asking_gone(&gate, &stream);
    must(stream.client.first == NULL && pool_used(gate.questions) == 0);
    free(bytes);
    return 0;
}
