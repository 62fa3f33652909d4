/*
 * ring.c - the ring of plays, in place of engine/loop/ring.c: operations wait in a list, hosts
 * (host.c) decide how they end, and turning the ring moves the clock.
 *
 * The code under test sees exactly the contract of ring.h, and is held to its own part of it: see
 * check_* below. One ring at a time. Direct files are the world's; plain descriptors are real ones,
 * of sockets whose other end a party of the play has. Multishot receives and poll are not needed by
 * any play yet and end it.
 */
#include "tests/plays/world/world.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX      64
#define HOSTS_MAX      1024 /* connections of one play */
#define OPERATIONS_MAX 256  /* waiting at once */
#define SLOW_CANCEL_MS 500
#define TURNS_MAX      200000 /* of one play, where it says nothing else */

enum kind { OPEN, CONNECT, RECEIVE, SEND, ACCEPT };

struct operation {
    enum kind kind;
    struct ring_token token;
    ring_file file;
    const void *memory; /* of the caller; must not change */
    uint8_t *copy;
    size_t size;
    uint64_t ready_ms; /* not before */
    enum world_trouble trouble;
    bool cancelled;
    uint64_t cancelled_ms;
};

struct file {
    bool open, connecting, connected;
    struct host *host;
};

struct ring {
    struct ring_limits limits;
    struct ring_counts counts;
};

static struct {
    struct world_options options;
    uint64_t began_ms;
    struct ring *ring;
    struct file files[FILES_MAX];
    struct operation waiting[OPERATIONS_MAX]; /* in the order of submission */
    unsigned waiting_count, submitted, connections, turns;
    struct host *hosts[HOSTS_MAX];    /* in the order of connecting */
    unsigned visits[WORLD_ADDRESSES]; /* connections to each of options.addresses */
    struct world_party party;
    bool woken;
    char why_failed[512];
    char transcript[65536];
    size_t transcript_size;
} world;

static const char *const trouble_names[TROUBLE_COUNT] = {
    "none", "refused", "cancelled", "no memory", "late", "race", "slow cancel", "no buffer"};

const char *world_trouble_name(enum world_trouble trouble)
{
    return trouble_names[trouble];
}

/* --- the play's side --- */

void world_fail(const char *format, ...)
{
    va_list arguments;

    if (world.why_failed[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(world.why_failed, sizeof world.why_failed, format, arguments);
    va_end(arguments);
}

const char *world_failed(void)
{
    return world.why_failed[0] != '\0' ? world.why_failed : NULL;
}

static void free_hosts(void)
{
    for (unsigned i = 0; i < world.connections; i++)
        host_free(world.hosts[i]);
}

void world_begin(const struct world_options *options)
{
    struct ring *ring = world.ring;

    free_hosts();
    memset(&world, 0, sizeof world);
    world.ring = ring;
    world.options = *options;
    world.began_ms = clock_boot_ms();
}

void world_end(void)
{
    if (world.waiting_count != 0)
        world_fail("%u operations are still in flight", world.waiting_count);
    if (world_files_open() != 0)
        world_fail("%u files are still open", world_files_open());
    free_hosts();
    world.connections = 0;
}

void world_invite(const struct world_party *party)
{
    world.party = *party;
}

void world_calm(void)
{
    world.options.trouble = TROUBLE_NONE;
    memset(world.visits, 0, sizeof world.visits);
}

void world_wake(void)
{
    world.woken = true;
}

unsigned world_in_flight(void)
{
    return world.waiting_count;
}

unsigned world_operations(void)
{
    return world.submitted;
}

unsigned world_connections(void)
{
    return world.connections;
}

unsigned world_files_open(void)
{
    unsigned open = 0;

    for (unsigned i = 0; i < FILES_MAX; i++)
        open += world.files[i].open;
    return open;
}

bool world_script_done(unsigned connection)
{
    return connection < world.connections && host_done(world.hosts[connection]);
}

const char *world_transcript(void)
{
    return world.transcript;
}

void world_note(const char *who, const void *bytes, size_t size)
{
    size_t room = sizeof world.transcript - world.transcript_size - 1;
    int wrote = snprintf(world.transcript + world.transcript_size, room, "%6llu %s: %.*s\n",
                         (unsigned long long)(clock_boot_ms() - world.began_ms), who,
                         (int)(size < 200 ? size : 200), (const char *)bytes);

    world.transcript_size += (size_t)wrote < room ? (size_t)wrote : 0;
}

/* --- create --- */

static bool is_plain(ring_file file)
{
    return file >= 0 && (file & RING_FILE_DIRECT) == 0;
}

int ring_create(struct ring **out, const struct ring_limits *limits)
{
    void *asked_for = malloc(1); /* as a real one asks for memory */

    CHECK(world.ring == NULL);
    if (asked_for == NULL)
        return -ENOMEM;
    free(asked_for);
    world_allocations_pause();
    world.ring = calloc(1, sizeof *world.ring);
    CHECK(world.ring != NULL);
    world.ring->limits = *limits;
    *out = world.ring;
    world_allocations_resume();
    return 0;
}

/* As the real one it lets go of what is in flight; of the world's own files nothing may be. */
void ring_destroy(struct ring *ring)
{
    unsigned kept = 0;

    CHECK(ring == world.ring);
    for (unsigned i = 0; i < world.waiting_count; i++)
        if (is_plain(world.waiting[i].file))
            free(world.waiting[i].copy);
        else
            world.waiting[kept++] = world.waiting[i];
    world.waiting_count = kept;
    free(ring);
    world.ring = NULL;
}

const char *ring_why_unavailable(int error)
{
    (void)error;
    return "a play needs no io_uring";
}

int ring_descriptor(const struct ring *ring)
{
    (void)ring;
    return 3;
}

const struct ring_counts *ring_counts(const struct ring *ring)
{
    return &ring->counts;
}

bool ring_uses_direct_files(const struct ring *ring)
{
    (void)ring;
    return true;
}

uint32_t ring_in_flight(const struct ring *ring)
{
    (void)ring;
    return world.waiting_count;
}

/* --- submitting --- */

static struct file *check_file(ring_file file, const char *doing)
{
    static struct file plain;
    unsigned index = (unsigned)file & ~(unsigned)RING_FILE_DIRECT;

    if (is_plain(file) && fcntl(file, F_GETFD) >= 0) {
        plain = (struct file){.open = true, .connected = true};
        return &plain;
    }
    if (is_plain(file) || file < 0 || index >= FILES_MAX || !world.files[index].open) {
        world_fail("%s a file that is not open (%d)", doing, file);
        return NULL;
    }
    return &world.files[index];
}

static unsigned in_flight_on(ring_file file)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world.waiting_count; i++)
        count += world.waiting[i].kind != OPEN && world.waiting[i].file == file;
    return count;
}

/* Counts the operation; true: its trouble is that it is refused. */
static bool refused(enum world_trouble *trouble)
{
    world.submitted++;
    *trouble = world.submitted == world.options.trouble_at ? world.options.trouble : TROUBLE_NONE;
    return *trouble == TROUBLE_REFUSED;
}

static int submit(struct operation operation)
{
    if (refused(&operation.trouble))
        return -EAGAIN;
    CHECK(world.waiting_count < OPERATIONS_MAX);
    operation.ready_ms = clock_boot_ms();
    if (operation.memory != NULL) {
        world_allocations_pause();
        operation.copy = malloc(operation.size);
        CHECK(operation.copy != NULL);
        memcpy(operation.copy, operation.memory, operation.size);
        world_allocations_resume();
    }
    world.waiting[world.waiting_count++] = operation;
    return 0;
}

static ring_file new_file(void)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (!world.files[i].open) {
            world.files[i] = (struct file){.open = true};
            return (ring_file)i | RING_FILE_DIRECT;
        }
    return -ENFILE;
}

int ring_open(struct ring *ring, struct ring_token token, int family)
{
    (void)ring;
    if (family != AF_INET && family != AF_INET6)
        world_fail("opened a socket of family %d", family);
    return submit((struct operation){.kind = OPEN, .token = token, .file = RING_FILE_NONE});
}

ring_file ring_open_bound(struct ring *ring, int family, const struct sockaddr *source,
                          socklen_t size)
{
    enum world_trouble trouble;

    (void)ring, (void)family, (void)size;
    if (source == NULL)
        world_fail("bound to nothing");
    if (refused(&trouble))
        return -EAGAIN;
    if (trouble == TROUBLE_NO_MEMORY || trouble == TROUBLE_CANCELLED)
        return -ENOMEM;
    return new_file();
}

int ring_connect(struct ring *ring, struct ring_token token, ring_file file,
                 const struct sockaddr *address, socklen_t size)
{
    struct file *on = check_file(file, "connects");

    (void)ring;
    if (on == NULL)
        return -EAGAIN;
    if (on->connecting || on->connected)
        world_fail("connects a file twice");
    on->connecting = true;
    return submit((struct operation){
        .kind = CONNECT, .token = token, .file = file, .memory = address, .size = size});
}

int ring_receive(struct ring *ring, struct ring_token token, ring_file file)
{
    struct file *on = check_file(file, "receives from");

    (void)ring;
    if (on == NULL)
        return -EAGAIN;
    if (!on->connected)
        world_fail("receives before it is connected");
    for (unsigned i = 0; i < world.waiting_count; i++)
        if (world.waiting[i].kind == RECEIVE && world.waiting[i].file == file &&
            !world.waiting[i].cancelled)
            world_fail("receives twice at once from one file");
    return submit((struct operation){.kind = RECEIVE, .token = token, .file = file});
}

int ring_send(struct ring *ring, struct ring_token token, ring_file file, const void *bytes,
              size_t size)
{
    struct file *on = check_file(file, "sends to");

    (void)ring;
    if (on == NULL)
        return -EAGAIN;
    if (!on->connected)
        world_fail("sends before it is connected");
    if (size == 0)
        world_fail("sends nothing");
    return submit((struct operation){
        .kind = SEND, .token = token, .file = file, .memory = bytes, .size = size});
}

int ring_receive_multishot(struct ring *ring, struct ring_token token, ring_file file)
{
    (void)ring, (void)token, (void)file;
    world_fail("no play has a multishot receive");
    return -EAGAIN;
}

int ring_accept_multishot(struct ring *ring, struct ring_token token, ring_file listener)
{
    (void)ring;
    if (check_file(listener, "accepts from") == NULL)
        return -EAGAIN;
    return submit((struct operation){.kind = ACCEPT, .token = token, .file = listener});
}

int ring_poll(struct ring *ring, struct ring_token token, ring_file file, short events)
{
    (void)ring, (void)token, (void)file, (void)events;
    world_fail("no play polls");
    return -EAGAIN;
}

static bool same_token(struct ring_token a, struct ring_token b)
{
    return a.operation == b.operation && a.slot == b.slot && a.generation == b.generation;
}

int ring_cancel(struct ring *ring, struct ring_token token)
{
    enum world_trouble trouble;

    (void)ring;
    if (refused(&trouble))
        return -EAGAIN;
    for (unsigned i = 0; i < world.waiting_count; i++) {
        struct operation *operation = &world.waiting[i];
        if (same_token(operation->token, token) && !operation->cancelled) {
            operation->cancelled = true;
            operation->cancelled_ms = clock_boot_ms();
        }
    }
    return 0;
}

void ring_close(struct ring *ring, ring_file file)
{
    struct file *on = check_file(file, "closes");

    (void)ring;
    if (on == NULL)
        return;
    if (in_flight_on(file) > 0)
        world_fail("closes a file with %u operations in flight", in_flight_on(file));
    if (is_plain(file))
        close(file);
    on->open = false;
}

int ring_wake(struct ring *mine, int other_descriptor)
{
    (void)mine, (void)other_descriptor;
    return 0;
}

/* --- how operations end --- */

static struct file *file_of(const struct operation *operation)
{
    return &world.files[(unsigned)operation->file & ~(unsigned)RING_FILE_DIRECT];
}

/* The n-th of them, or the last one. */
static const char *nth_script(const char *const *scripts, unsigned most, unsigned n)
{
    unsigned last = 0;

    while (last + 1 < most && scripts[last + 1] != NULL)
        last++;
    return scripts[n < last ? n : last];
}

/* Who lives there is found by the address as text; without addresses all are the same. */
static const char *script_of(const struct operation *operation)
{
    const struct sockaddr *address = (const void *)operation->copy;
    char text[INET6_ADDRSTRLEN] = "";

    if (world.options.addresses[0].address == NULL)
        return nth_script(world.options.scripts, WORLD_SCRIPTS, world.connections);
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  sizeof text);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  sizeof text);
    for (unsigned i = 0; i < WORLD_ADDRESSES && world.options.addresses[i].address != NULL; i++)
        if (strcmp(world.options.addresses[i].address, text) == 0)
            return nth_script(world.options.addresses[i].scripts, WORLD_VISITS, world.visits[i]++);
    world_fail("nobody lives at %s", text);
    return "connect unreachable";
}

static void meet_host(struct file *file, const struct operation *operation)
{
    CHECK(world.connections < HOSTS_MAX);
    file->host = host_create(script_of(operation), world.options.may_quit);
    world.hosts[world.connections++] = file->host;
}

/* True: it ends now, with *result. */
static bool connect_ends(struct operation *operation, int *result)
{
    struct file *file = file_of(operation);

    if (file->host == NULL)
        meet_host(file, operation);
    switch (host_connects(file->host)) {
    case HOST_SILENT:
        return false;
    case HOST_REFUSES:
        *result = -ECONNREFUSED;
        return true;
    case HOST_UNREACHABLE:
        *result = -EHOSTUNREACH;
        return true;
    case HOST_ACCEPTS:
        break;
    }
    if (clock_boot_ms() < operation->ready_ms + WORLD_LATENCY_MS)
        return false;
    file->connected = true;
    host_accept(file->host, clock_boot_ms());
    *result = 0;
    return true;
}

static bool send_ends(struct operation *operation, int *result)
{
    size_t most = world.options.send_max != 0 ? world.options.send_max : operation->size;
    size_t taken = operation->size < most ? operation->size : most;

    host_take(file_of(operation)->host, operation->copy, taken, clock_boot_ms());
    *result = (int)taken;
    return true;
}

static bool receive_ends(struct operation *operation, int *result, uint8_t *bytes, size_t size)
{
    size_t most = world.options.receive_max != 0 ? world.options.receive_max : size;

    if (clock_boot_ms() < operation->ready_ms + WORLD_LATENCY_MS)
        return false;
    *result = host_give(file_of(operation)->host, bytes, size < most ? size : most);
    return *result != -EAGAIN;
}

/* A plain descriptor: it is asked, and does not wait. */
static bool really_ends(const struct operation *operation, int *result, uint8_t *bytes, size_t size)
{
    struct pollfd look = {.fd = operation->file, .events = POLLIN};
    ssize_t done = -1;

    if (operation->kind == RECEIVE)
        done = recv(operation->file, bytes, size, MSG_DONTWAIT);
    else if (operation->kind == SEND)
        done = send(operation->file, operation->copy, operation->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (poll(&look, 1, 0) == 1)
        done = accept4(operation->file, NULL, NULL, SOCK_CLOEXEC);
    else
        return false;
    *result = done < 0 ? -errno : (int)done;
    return *result != -EAGAIN;
}

static bool ends_by_itself(struct operation *operation, int *result, uint8_t *bytes, size_t size)
{
    if (is_plain(operation->file))
        return really_ends(operation, result, bytes, size);
    switch (operation->kind) {
    case OPEN:
        *result = new_file();
        return true;
    case CONNECT:
        return connect_ends(operation, result);
    case SEND:
        return send_ends(operation, result);
    case RECEIVE:
        return receive_ends(operation, result, bytes, size);
    case ACCEPT:
        break;
    }
    return false;
}

/* True: the operation ends now. */
static bool ends(struct operation *operation, int *result, uint8_t *bytes, size_t size)
{
    bool late = operation->trouble == TROUBLE_LATE || operation->trouble == TROUBLE_RACE ||
                operation->trouble == TROUBLE_SLOW_CANCEL;

    if (operation->trouble == TROUBLE_CANCELLED || operation->trouble == TROUBLE_NO_MEMORY) {
        *result = operation->trouble == TROUBLE_CANCELLED ? -ECANCELED : -ENOMEM;
        return true;
    }
    if (operation->trouble == TROUBLE_NO_BUFFER && operation->kind == RECEIVE) {
        *result = -ENOBUFS;
        return true;
    }
    if (operation->trouble == TROUBLE_RACE && operation->cancelled &&
        ends_by_itself(operation, result, bytes, size))
        return true;
    if (operation->trouble == TROUBLE_SLOW_CANCEL && operation->cancelled &&
        clock_boot_ms() < operation->cancelled_ms + SLOW_CANCEL_MS)
        return false;
    if (operation->cancelled) {
        *result = -ECANCELED;
        return true;
    }
    return !late && ends_by_itself(operation, result, bytes, size);
}

static void check_memory(const struct operation *operation)
{
    if (operation->memory != NULL &&
        memcmp(operation->memory, operation->copy, operation->size) != 0)
        world_fail("memory in use by the kernel was changed");
}

/* Hands over the first operation that ends now; false: none does. */
static bool hand_over_one(struct ring *ring, ring_handler *handler, void *context)
{
    size_t size = ring->limits.receive_bytes != 0 ? ring->limits.receive_bytes : 4096;
    uint8_t *bytes = malloc(size); /* afresh each time: AddressSanitizer watches its end */
    int result = 0;
    unsigned i = 0;

    CHECK(bytes != NULL);
    while (i < world.waiting_count && !ends(&world.waiting[i], &result, bytes, size))
        i++;
    bool found = i < world.waiting_count;
    if (found) {
        struct operation operation = world.waiting[i];
        struct ring_completion completion = {.token = operation.token, .result = result};
        if (operation.kind == ACCEPT && result >= 0) {
            completion.flags = RING_MORE;
        } else {
            world.waiting_count--;
            memmove(&world.waiting[i], &world.waiting[i + 1],
                    (world.waiting_count - i) * sizeof operation);
            check_memory(&operation);
            free(operation.copy);
        }
        if (operation.kind == RECEIVE && result > 0)
            completion.data = bytes;
        world_allocations_resume();
        handler(context, &completion);
        world_allocations_pause();
        memset(bytes, 0xdb, size);
    }
    free(bytes);
    return found;
}

/* --- turning --- */

static void play_hosts(void)
{
    for (unsigned i = 0; i < world.connections; i++)
        host_play(world.hosts[i], clock_boot_ms());
}

static void play_party(void)
{
    if (world.party.play != NULL)
        world.party.play(world.party.context);
}

/* The next moment at which something can change by itself. */
static uint64_t next_event_ms(void)
{
    uint64_t next_ms = UINT64_MAX, now_ms = clock_boot_ms();

    if (world.party.next_ms != NULL)
        next_ms = world.party.next_ms(world.party.context);
    for (unsigned i = 0; i < world.connections; i++) {
        uint64_t at_ms = host_next_ms(world.hosts[i]);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    for (unsigned i = 0; i < world.waiting_count; i++) {
        const struct operation *operation = &world.waiting[i];
        uint64_t at_ms = operation->cancelled ? operation->cancelled_ms + SLOW_CANCEL_MS
                                              : operation->ready_ms + WORLD_LATENCY_MS;
        if (at_ms > now_ms && at_ms < next_ms)
            next_ms = at_ms;
    }
    return next_ms;
}

static int turn(struct ring *ring, uint64_t until_ms, ring_handler *handler, void *context)
{
    int handed = 0;

    for (;;) {
        play_party();
        play_hosts();
        while (handed < RING_BATCH && world.why_failed[0] == '\0' &&
               hand_over_one(ring, handler, context))
            handed++;
        if (handed > 0 || world.woken || world.why_failed[0] != '\0' || until_ms <= clock_boot_ms())
            return handed;
        uint64_t next_ms = next_event_ms();
        if (next_ms == UINT64_MAX && until_ms == UINT64_MAX) {
            world_fail("waits for nobody, for ever");
            return 0;
        }
        world_clock_set(next_ms < until_ms ? next_ms : until_ms);
    }
}

int ring_turn(struct ring *ring, uint64_t until_ms, ring_handler *handler, void *context)
{
    const unsigned most = world.options.turns_max != 0 ? world.options.turns_max : TURNS_MAX;

    CHECK(ring == world.ring);
    if (++world.turns > most)
        world_fail("more than %u turns", most);
    world_allocations_pause();
    world.woken = false;
    if (world.party.begin != NULL)
        world.party.begin(world.party.context);
    int handed = turn(ring, until_ms, handler, context);
    world_allocations_resume();
    return handed;
}
