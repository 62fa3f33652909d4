/*
 * configuration.c - the table of all settings: which modules there are, and the rows of the three
 * sections that belong to no module of their own (daemon, dns, listen).
 *
 * Read by option_load at start, at reload and by `mxward -t`; printed as sample, manual and help.
 * Constant data only. Every default lets the daemon start on a bare machine without a file.
 */
#include "engine/engine.h"

#include "engine/base/limits.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define ROWS(array) (array), sizeof(array) / sizeof((array)[0])
#define MEBIBYTE    ((uint64_t)1 << 20)

/* In the order of enum log_level. */
static const char *const log_levels[] = {"error", "warning", "notice", "info", "trace", NULL};

static const struct option_row daemon_rows[] = {
    {.name = "shards",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct daemon_settings, shards),
     .maximum = LIMIT_SHARDS,
     .standard = "0",
     .help = "Threads that probe mail hosts. 0 means one for each processor."},
    {.name = "resolvers",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct daemon_settings, resolvers),
     .maximum = LIMIT_RESOLVERS,
     .standard = "0",
     .help =
         "Threads that look up and validate DNS. 0 means as many as shards, because a validated "
         "look-up costs about as much as a probe."},
    {.name = "run_directory",
     .type = OPTION_TEXT,
     .offset = offsetof(struct daemon_settings, run_directory),
     .minimum = 1,
     .maximum = LIMIT_RUN_DIRECTORY,
     .standard = "/run/mxward",
     .help = "Folder of the socket and of the verdict table. It should be on a tmpfs: on a disk "
             "readers may wait for it, and the daemon warns at start."},
    {.name = "state_directory",
     .type = OPTION_TEXT,
     .offset = offsetof(struct daemon_settings, state_directory),
     .minimum = 1,
     .maximum = 4000,
     .standard = "/var/lib/mxward",
     .help = "Folder of what must survive a restart of the machine."},
    {.name = "log_level",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct daemon_settings, log_level),
     .standard = "notice",
     .help = "What is logged: this level and everything more important.",
     .choices = log_levels,
     .live = true},
    {.name = "log_target",
     .type = OPTION_TEXT,
     .offset = offsetof(struct daemon_settings, log_target),
     .minimum = 1,
     .maximum = 100,
     .standard = "stderr",
     .help =
         "Where log lines go: stderr, journal or syslog. A path may follow after a colon if the "
         "socket is elsewhere, as in syslog:/dev/log."},
    {.name = "table_size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct daemon_settings, table_bytes),
     .minimum = 16 * MEBIBYTE,
     .maximum = 65536 * MEBIBYTE,
     .standard = "256m",
     .help = "Largest size of the verdict table in shared memory. It takes what it needs, up to "
             "this; a domain costs about one kilobyte."},
    {.name = "jobs",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct daemon_settings, jobs),
     .minimum = 1,
     .maximum = 1000000,
     .standard = "10000",
     .help = "Domains in work at once. A request beyond that is answered at once, as temporary."},
    {.name = "mailbox",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct daemon_settings, mailbox),
     .minimum = 1,
     .maximum = 65536,
     .standard = "1024",
     .help = "Messages on their way from one thread to another; the rest waits with its sender. "
             "Nothing is lost with any value: 1 is for tests."},
    {.name = "own",
     .type = OPTION_LIST,
     .offset = offsetof(struct daemon_settings, own),
     .maximum = LIMIT_OWN,
     .help =
         "Names and addresses of this cluster's own mail hosts. Mail to a domain whose best mail "
         "host is one of them is refused, as it would come back; hosts no better than an own one "
         "are left out.",
     .live = true},
};

static const struct option_row dns_rows[] = {
    {.name = "forwarder",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dns_settings, forwarder),
     .help =
         "Resolver to ask, as ADDRESS or ADDRESS@PORT. Without one, mxward asks the name servers "
         "of the world itself. It validates in both cases."},
    {.name = "root_hints",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dns_settings, root_hints),
     .help = "File with the names and addresses of the root servers. Without one, those built into "
             "libunbound are used."},
    {.name = "trust_anchor",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dns_settings, trust_anchor),
     .minimum = 1,
     .maximum = 4000,
     .standard = "/usr/share/dns/root.key",
     .help = "File with the trust anchor of the root, as the package dns-root-data brings it. "
             "Without a usable one the daemon does not start."},
    {.name = "bogus_name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dns_settings, bogus_name),
     .help = "A name with broken signatures. If given, the self-test demands that it validates as "
             "bogus."},
    {.name = "outstanding",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct dns_settings, outstanding),
     .minimum = 16,
     .maximum = 262144,
     .standard = "8192",
     .help = "Questions held at once by all resolvers together. A question beyond that fails at "
             "once, as our own trouble."},
    {.name = "cache_size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct dns_settings, cache_bytes),
     .minimum = 4 * MEBIBYTE,
     .maximum = 65536 * MEBIBYTE,
     .standard = "128m",
     .help = "Memory for the DNS caches of all resolvers together."},
    {.name = "deadline",
     .type = OPTION_DURATION,
     .offset = offsetof(struct dns_settings, look_up_ms),
     .minimum = 500,
     .maximum = 60000,
     .standard = "10s",
     .help = "A look-up that takes longer has failed. That is an error, never an absence.",
     .live = true},
    {.name = "ipv6",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct dns_settings, ipv6),
     .standard = "yes",
     .help = "Whether name servers are asked over IPv6 too."},
};

static const struct option_row listen_rows[] = {
    {.name = "socket",
     .type = OPTION_TEXT,
     .offset = offsetof(struct listen_settings, socket),
     .maximum = 107, /* sun_path */
     .help = "Path of the native socket. Without one it is mxward.sock in the run_directory."},
    {.name = "mode",
     .type = OPTION_MODE,
     .offset = offsetof(struct listen_settings, mode),
     .maximum = 0777,
     .standard = "0660",
     .help = "File mode of the socket. Who cannot write to it cannot connect."},
    {.name = "group",
     .type = OPTION_TEXT,
     .offset = offsetof(struct listen_settings, group),
     .help = "Group of the socket. Without one it is the daemon's own."},
    {.name = "query_users",
     .type = OPTION_LIST,
     .offset = offsetof(struct listen_settings, query_users),
     .maximum = LIMIT_RIGHTS,
     .standard = "{ \"*\" }",
     .help =
         "Who may ask for verdicts: user names, groups as @group, numbers, or \"*\" for everyone "
         "who can connect. Root and the daemon's own user may do everything.",
     .live = true},
    {.name = "switch_users",
     .type = OPTION_LIST,
     .offset = offsetof(struct listen_settings, switch_users),
     .maximum = LIMIT_RIGHTS,
     .help = "Who may also turn the sending guarantee of mail accounts on and off.",
     .live = true},
    {.name = "observe_users",
     .type = OPTION_LIST,
     .offset = offsetof(struct listen_settings, observe_users),
     .maximum = LIMIT_RIGHTS,
     .help = "Who may also report what the mail program delivered (mxwardctl feed): what that "
             "teaches, beside what mxward sees itself, can stop mail later.",
     .live = true},
    {.name = "admin_users",
     .type = OPTION_LIST,
     .offset = offsetof(struct listen_settings, admin_users),
     .maximum = LIMIT_RIGHTS,
     .help = "Who may also administer: reload, memory, exceptions.",
     .live = true},
    {.name = "connections",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct listen_settings, connections),
     .minimum = 1,
     .maximum = LIMIT_CLIENTS,
     .standard = "1024",
     .help = "Clients connected at once. The next one is turned away. One in sixteen is kept for "
             "administrators."},
    {.name = "connections_per_user",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct listen_settings, connections_per_user),
     .minimum = 1,
     .maximum = LIMIT_CLIENTS,
     .standard = "512",
     .help = "Clients of one user connected at once."},
    {.name = "requests_per_connection",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct listen_settings, requests_per_connection),
     .minimum = 1,
     .maximum = LIMIT_CLIENT_REQUESTS,
     .standard = "1024",
     .help = "Requests of one connection that may be without an answer. Further ones are read when "
             "some have been answered."},
    {.name = "idle",
     .type = OPTION_DURATION,
     .offset = offsetof(struct listen_settings, idle_ms),
     .minimum = 1000,
     .maximum = 86400000,
     .standard = "10m",
     .help = "A client that has nothing to say for this long is disconnected."},
};

/* Read by mxward-gate, at its start and on reload; the daemon only judges them. */
static const struct option_row gate_rows[] = {
    {.name = "sockets",
     .type = OPTION_LIST,
     .offset = offsetof(struct gate_settings, sockets),
     .minimum = 0,
     .maximum = 16,
     .help = "Paths of the sockets for mail servers; each speaks socketmap, policy delegation and "
             "the line protocol. Empty: /run/mxward-gate/gate.sock. For a Postfix in its chroot "
             "add /var/spool/postfix/mxward/gate.sock, which it calls unix:mxward/gate.sock."},
    {.name = "mode",
     .type = OPTION_MODE,
     .offset = offsetof(struct gate_settings, mode),
     .maximum = 0777,
     .standard = "0666",
     .help = "File mode of the sockets. Who can connect learns what is known of mail domains and "
             "who has the guarantee; keep strangers out by the mode of the folder, too."},
    {.name = "owner",
     .type = OPTION_TEXT,
     .offset = offsetof(struct gate_settings, owner),
     .help = "Owner of the sockets. Without one it is the gate's own user."},
    {.name = "group",
     .type = OPTION_TEXT,
     .offset = offsetof(struct gate_settings, group),
     .help = "Group of the sockets. Without one it is the gate's own."},
    {.name = "deadline",
     .type = OPTION_DURATION,
     .offset = offsetof(struct gate_settings, deadline_ms),
     .minimum = 100,
     .maximum = 60000,
     .standard = "6s",
     .help = "Every question is answered within this time; by then with what is known, which is "
             "never less than is demanded.",
     .live = true},
    {.name = "steady",
     .type = OPTION_DURATION,
     .offset = offsetof(struct gate_settings, steady_ms),
     .maximum = 60000,
     .standard = "5s",
     .help = "For so long an answer for one next hop may only become stricter: one delivery asks "
             "once for each mail host.",
     .live = true},
    {.name = "idle",
     .type = OPTION_DURATION,
     .offset = offsetof(struct gate_settings, idle_ms),
     .minimum = 1000,
     .maximum = 86400000,
     .standard = "20m",
     .help = "A client that has asked nothing for so long is disconnected. Postfix itself closes "
             "earlier.",
     .live = true},
    {.name = "connections",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct gate_settings, connections),
     .minimum = 1,
     .maximum = 4096,
     .standard = "1024",
     .help = "Connections at once; each process of the mail server has one."},
    {.name = "transport_prefix",
     .type = OPTION_TEXT,
     .offset = offsetof(struct gate_settings, transport_prefix),
     .minimum = 1,
     .maximum = 64,
     .standard = "guarantee-",
     .help = "Beginning of the names of the guarantee's transports in Postfix; the name of the "
             "profile follows.",
     .live = true},
    {.name = "ordinary_transport",
     .type = OPTION_TEXT,
     .offset = offsetof(struct gate_settings, ordinary_transport),
     .minimum = 1,
     .maximum = 200,
     .standard = "smtp:",
     .help = "Postfix's transport for recipients that the sender has excepted.",
     .live = true},
    {.name = "split_transport",
     .type = OPTION_TEXT,
     .offset = offsetof(struct gate_settings, split_transport),
     .minimum = 1,
     .maximum = 200,
     .standard = "by-recipient:[127.0.0.1]:10026",
     .help = "Postfix's transport for senders who have an exception just now: it hands each "
             "recipient by itself to a listener that asks again.",
     .live = true},
    {.name = "observe",
     .type = OPTION_BOOLEAN,
     .offset = offsetof(struct gate_settings, observe),
     .standard = "no",
     .help = "Whether mail servers that ask here may also report what they delivered (the request "
             "observe): what that teaches, beside what mxward sees itself, can stop mail later.",
     .live = true},
    {.name = "help",
     .type = OPTION_TEXT,
     .offset = offsetof(struct gate_settings, help),
     .maximum = 200,
     .help = "What is added to a notice for the sender whose mail was not sent, such as 'See "
             "https://example.org/guarantee'.",
     .live = true},
};

static const struct option_module daemon_option_module = {
    "daemon", "The process itself: threads, folders, log, memory.", ROWS(daemon_rows)};
static const struct option_module dns_option_module = {
    "dns", "Look-ups of mail hosts, addresses and TLSA records. mxward always validates itself.",
    ROWS(dns_rows)};
static const struct option_module listen_option_module = {
    "listen", "The native socket, which mxwardctl and libmxward use.", ROWS(listen_rows)};

static const struct option_module gate_option_module = {
    "gate",
    "The sockets for mail servers, which the program mxward-gate serves, and reloads when it is "
    "sent SIGHUP.",
    ROWS(gate_rows)};

/* In the order of those that looking_table and the tables of the programs take. */
static const struct option_part parts[] = {
    {.module = &daemon_option_module, .offset = offsetof(struct configuration, daemon)},
    {.module = &dns_option_module, .offset = offsetof(struct configuration, dns)},
    {.module = &probe_option_module, .offset = offsetof(struct configuration, probe)},
    {.module = &politeness_option_module, .offset = offsetof(struct configuration, politeness)},
    {.module = &listen_option_module, .offset = offsetof(struct configuration, listen)},
    {.module = &guarantee_option_module, .offset = offsetof(struct configuration, guarantee)},
    {.module = &profile_option_module,
     .offset = offsetof(struct configuration, profiles.all),
     .most = LIMIT_PROFILES,
     .stride = sizeof(struct profile_settings),
     .count_offset = offsetof(struct configuration, profiles.count),
     .presets = profile_presets},
    {.module = &memory_option_module, .offset = offsetof(struct configuration, memory)},
    {.module = &alarm_option_module, .offset = offsetof(struct configuration, alarm)},
    {.module = &gate_option_module, .offset = offsetof(struct configuration, gate)},
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))
const struct option_table configuration_table = {parts, PARTS, sizeof(struct configuration)};
const struct option_table daemon_settings_table = {parts, PARTS - 1, sizeof(struct configuration)};
const struct option_table gate_settings_table = {parts + PARTS - 1, 1,
                                                 sizeof(struct configuration)};

/* Of the parts, those that say how is looked: up to `listen`. */
static const struct option_table looking_table = {parts, 5, sizeof(struct configuration)};

uint32_t configuration_epoch(const struct configuration *configuration)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    uint32_t epoch = 0;

    if (out == NULL)
        return 0;
    option_print_effective(&looking_table, configuration, NULL, out);
    if (fclose(out) == 0)
        epoch = (uint32_t)XXH3_64bits(text, size) | 1;
    free(text);
    return epoch;
}
