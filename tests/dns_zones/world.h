/*
 * world.h - a private name service for one program: network namespace, zones, NSD, and four odd
 * servers of our own.
 *
 * Included by tests/dns_resolver_test.c and benchmarks, which run from the tree's root. world_open
 * makes a namespace (as root, or as anybody with user namespaces), the zones of
 * tests/dns_zones/make in a folder under /tmp, and the servers, each a child process that ends with
 * this one; world_close ends them and removes the folder. Failure: world_open returns a sentence
 * and the caller says it and exits 77.
 *
 *   127.0.0.61  silent: takes questions, never answers     .62  answers SERVFAIL
 *   127.0.0.63  relays to the domains' server              .64  the same, until told to be silent
 * All four count the UDP questions they get.
 */
#ifndef MXWARD_TESTS_DNS_ZONES_WORLD_H
#define MXWARD_TESTS_DNS_ZONES_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum world_server { WORLD_SILENT, WORLD_FAILING, WORLD_RELAY, WORLD_FICKLE, WORLD_SERVERS };

struct world_shared { /* with the process of the odd servers */
    _Atomic unsigned asked[WORLD_SERVERS];
    _Atomic bool fickle_is_silent;
};

#define WORLD_CHILDREN 5

struct world {
    char folder[64], anchor[128], other_anchor[128], hints[128];
    struct world_shared *shared;
    pid_t owner, children[WORLD_CHILDREN];
    int child_count;
};

static struct sockaddr_in world_address(unsigned last)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
    address.sin_addr.s_addr = htonl(0x7f000000u + last);
    return address;
}

static int world_socket(unsigned last)
{
    struct sockaddr_in address = world_address(last);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Asks the domains' server and gives back its answer's size, or -1. */
static ssize_t world_relay(const uint8_t *query, size_t size, uint8_t *reply, size_t room)
{
    struct sockaddr_in leaf = world_address(55);
    struct timeval patience = {.tv_usec = 500000};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t got = -1;
    if (sendto(fd, query, size, 0, (struct sockaddr *)&leaf, sizeof leaf) == (ssize_t)size)
        got = recv(fd, reply, room, 0);
    close(fd);
    return got;
}

static void world_serve_one(struct world_shared *shared, enum world_server server, int fd)
{
    uint8_t query[4096], reply[65536];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t size = recvfrom(fd, query, sizeof query, 0, (struct sockaddr *)&from, &from_size);

    if (size < 12)
        return;
    atomic_fetch_add(&shared->asked[server], 1);
    if (server == WORLD_SILENT ||
        (server == WORLD_FICKLE && atomic_load(&shared->fickle_is_silent)))
        return;
    if (server == WORLD_FAILING) {
        memcpy(reply, query, (size_t)size);
        reply[2] |= 0x80;
        reply[3] = (uint8_t)((reply[3] & 0xf0) | 2);
    } else {
        size = world_relay(query, (size_t)size, reply, sizeof reply);
    }
    if (size > 0)
        (void)!sendto(fd, reply, (size_t)size, 0, (struct sockaddr *)&from, from_size);
}

static void world_serve(struct world_shared *shared)
{
    struct pollfd sockets[WORLD_SERVERS];

    for (unsigned i = 0; i < WORLD_SERVERS; i++) {
        sockets[i] = (struct pollfd){.fd = world_socket(61 + i), .events = POLLIN};
        if (sockets[i].fd < 0)
            _exit(1);
    }
    for (;;) {
        if (poll(sockets, WORLD_SERVERS, -1) < 0)
            continue;
        for (unsigned i = 0; i < WORLD_SERVERS; i++)
            if (sockets[i].revents)
                world_serve_one(shared, (enum world_server)i, sockets[i].fd);
    }
}

/* A child that ends when we do. 0 in the child. */
static pid_t world_fork(struct world *world)
{
    pid_t parent = getpid(), child = fork();

    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(1);
        return 0;
    }
    if (child > 0)
        world->children[world->child_count++] = child;
    return child;
}

static int world_run(struct world *world, const char *const *arguments, bool wait)
{
    pid_t child = world_fork(world);
    int status = -1;

    if (child == 0) {
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    if (child < 0 || !wait)
        return child < 0 ? -1 : 0;
    world->child_count--;
    waitpid(child, &status, 0);
    return status == 0 ? 0 : -1;
}

static bool world_start_nsd(struct world *world, const char *name, unsigned last)
{
    static const uint8_t query[] = {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1};
    char configuration[160];
    snprintf(configuration, sizeof configuration, "%s/%s.conf", world->folder, name);
    const char *const arguments[] = {"nsd", "-d", "-c", configuration, NULL};
    if (world_run(world, arguments, false) != 0)
        return false;
    for (int attempt = 0; attempt < 200; attempt++) {
        struct sockaddr_in address = world_address(last);
        struct timeval patience = {.tv_usec = 50000};
        uint8_t reply[512];
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ssize_t got = -1;
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
            send(fd, query, sizeof query, 0) == (ssize_t)sizeof query)
            got = recv(fd, reply, sizeof reply, 0);
        close(fd);
        if (got > 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    }
    return false;
}

static void world_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, text, strlen(text));
        close(fd);
    }
}

static const char *world_enter_namespace(void)
{
    unsigned user = geteuid();

    if (user != 0 || unshare(CLONE_NEWNET) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            return "no network namespace can be made here";
        char map[32];
        snprintf(map, sizeof map, "0 %u 1", user);
        world_write("/proc/self/setgroups", "deny");
        world_write("/proc/self/uid_map", map);
    }
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed = ioctl(fd, SIOCSIFFLAGS, &loopback);
    close(fd);
    return failed ? "the loopback interface cannot be brought up" : NULL;
}

/* Debian's NSD is in a folder that an ordinary user's PATH does not name. */
static void world_look_in_sbin(void)
{
    const char *path = getenv("PATH");
    char longer[4096];

    snprintf(longer, sizeof longer, "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
    setenv("PATH", longer, 1);
}

static void world_close(struct world *world)
{
    if (getpid() != world->owner)
        return;
    for (int i = 0; i < world->child_count; i++)
        kill(world->children[i], SIGTERM);
    for (int i = 0; i < world->child_count; i++)
        waitpid(world->children[i], NULL, 0);
    world->child_count = 0;
    if (world->folder[0]) {
        const char *const remove[] = {"rm", "-rf", world->folder, NULL};
        (void)world_run(world, remove, true);
    }
}

/* `bench_domains`: of each kind, for benchmarks; 0: none. `digest`: what their TLSA records say;
 * NULL: anything. `together`: domains that share the hosts of these, with a digest only. NULL, or
 * why it cannot be done. */
static const char *world_open_together(struct world *world, unsigned bench_domains,
                                       const char *digest, unsigned together)
{
    static const char *const servers[] = {"root", "top", "leaf", "all"};

    *world = (struct world){.owner = getpid()};
    const char *why = world_enter_namespace();
    if (why)
        return why;
    world_look_in_sbin();
    snprintf(world->folder, sizeof world->folder, "/tmp/mxward-dns-XXXXXX");
    if (!mkdtemp(world->folder))
        return "no folder can be made under /tmp";
    snprintf(world->anchor, sizeof world->anchor, "%s/anchor", world->folder);
    snprintf(world->other_anchor, sizeof world->other_anchor, "%s/other-anchor", world->folder);
    snprintf(world->hints, sizeof world->hints, "%s/hints", world->folder);
    char domains[16], sharing[16];
    snprintf(domains, sizeof domains, "%u", bench_domains);
    snprintf(sharing, sizeof sharing, "%u", together);
    const char *const make[] = {"tests/dns_zones/make",
                                world->folder,
                                bench_domains ? "bench" : NULL,
                                domains,
                                digest,
                                sharing,
                                NULL};
    if (world_run(world, make, true) != 0) {
        world_close(world);
        return "the zones cannot be made (run from the tree's root; needs ldnsutils)";
    }
    world->shared = mmap(NULL, sizeof *world->shared, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world->shared == MAP_FAILED)
        return "no memory";
    if (world_fork(world) == 0)
        world_serve(world->shared);
    for (unsigned i = 0; i < sizeof servers / sizeof *servers; i++) {
        if (!world_start_nsd(world, servers[i], 53 + i)) {
            world_close(world);
            return "NSD does not start (needs nsd)";
        }
    }
    return NULL;
}

__attribute__((unused)) static const char *world_open(struct world *world, unsigned bench_domains,
                                                      const char *digest)
{
    return world_open_together(world, bench_domains, digest, 0);
}

#endif
