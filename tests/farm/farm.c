/*
 * farm.c - mail hosts and name servers that misbehave, for the lab and the benchmarks.
 *
 *   farm --certificates DIR [--port 25] [--wildcard | --more N] [--processes N] [--report FILE]
 *        [--lifetime SECONDS] [--arrivals FILE] [--new-leaves]
 *   farm --watch DIRECTORY --more N     reads N records of the table there until SIGTERM (watch.h)
 *   farm --capture DIRECTORY            writes down every TCP connection there until SIGTERM
 *                                       (capture.h)
 *   farm --dns ADDRESS [--port 53]      relay in front of the name server at ADDRESS (dns.h)
 *   farm --list | --list-dns            the rows, tab-separated
 *   farm --list-policies                the table of policy texts: row, answer, text
 *
 * Prints "ready" on standard output once everything listens. SIGUSR1 writes the report of counters,
 * SIGTERM writes it and ends. Without --wildcard it listens on the addresses of its rows only, so
 * that real mail servers can live beside it; with it on every address, and all that have no row are
 * good hosts. Mail is refused, unless --arrivals says where to write down what was taken:
 * recipient, LABEL/VARIANT of the host, "clear" or the version of TLS, and whether it was asked
 * for REQUIRETLS. --more N adds variants 5 to N + 4 of row 1 (good) and row 5 (slow), for
 * storms. With --new-leaves each session shows a certificate that nobody has seen before. The
 * parent opens the sockets, forks the processes, and only waits.
 */
#include "tests/farm/capture.h"
#include "tests/farm/counters.h"
#include "tests/farm/dns.h"
#include "tests/farm/mail.h"
#include "tests/farm/tls.h"
#include "tests/farm/watch.h"

#include "shm/postfix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define VARIANTS      4
#define MORE_MAX      250
#define LISTENERS_MAX (BEHAVIOUR_COUNT * VARIANTS * 2 + 2 * MORE_MAX)

struct arguments {
    const char *certificates, *report, *dns, *watch, *arrivals, *capture;
    unsigned port, processes, lifetime_s, more, answer_after_ms;
    bool wildcard, new_leaves, tickets;
};

static volatile sig_atomic_t stop, report_now;

static void on_signal(int signal)
{
    if (signal == SIGUSR1)
        report_now = 1;
    else
        stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static socklen_t make_address(const char *text, unsigned port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    inet_pton(AF_INET6, text, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return sizeof *v6;
}

static int listen_on(const char *text, unsigned port, int backlog)
{
    struct sockaddr_storage address;
    socklen_t size = make_address(text, port, &address);
    int one = 1;
    int s = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (address.ss_family == AF_INET6) {
        setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        /* The lab routes fd00::/8 to itself without giving lo the addresses. */
        setsockopt(s, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof one);
    }
    if (bind(s, (struct sockaddr *)&address, size) != 0 || listen(s, backlog) != 0) {
        close(s);
        return -1;
    }
    return s;
}

/* A socket whose accept queue is full and stays so: the kernel drops further SYNs. */
static void listen_and_drop(const char *text, unsigned port)
{
    struct sockaddr_storage address;
    socklen_t size = make_address(text, port, &address);
    if (listen_on(text, port, 0) < 0)
        return;
    for (int i = 0; i < 2; i++) {
        int s = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(s, (struct sockaddr *)&address, size) != 0 && errno != EINPROGRESS)
            perror("farm: connect");
    }
}

static bool listen_at(const struct arguments *arguments, unsigned number, unsigned variant,
                      bool ipv6, int *listeners, size_t *count)
{
    char text[64];
    int s = listen_on(behaviour_address(number, variant, ipv6, text), arguments->port, 1024);
    if (s >= 0)
        listeners[(*count)++] = s;
    else if (!ipv6) /* which may be missing on this machine */
        fprintf(stderr, "farm: %s port %u: %s\n", text, arguments->port, strerror(errno));
    return s >= 0 || ipv6;
}

static size_t listen_on_rows(const struct arguments *arguments, bool first, int *listeners)
{
    size_t count = 0;
    for (unsigned n = 0; n < BEHAVIOUR_COUNT; n++) {
        const struct behaviour *row = behaviour_row(n);
        unsigned last = n == 1 || n == 5 ? VARIANTS + arguments->more : VARIANTS;
        for (unsigned v = 1; row && v <= last; v++) {
            char text[64];
            if (row->flags & FARM_DROPS_SYN) {
                if (first)
                    listen_and_drop(behaviour_address(n, v, false, text), arguments->port);
            } else if (!listen_at(arguments, n, v, false, listeners, &count) ||
                       (v <= VARIANTS && !listen_at(arguments, n, v, true, listeners, &count))) {
                return 0;
            }
        }
    }
    return count;
}

static size_t open_listeners(const struct arguments *arguments, bool first, int *listeners)
{
    if (!arguments->wildcard)
        return listen_on_rows(arguments, first, listeners);
    size_t count = 0;
    static const char *const any[] = {"0.0.0.0", "::"};
    for (size_t i = 0; i < 2; i++) {
        int s = listen_on(any[i], arguments->port, 4096);
        if (s >= 0)
            listeners[count++] = s;
    }
    if (count == 0)
        fprintf(stderr, "farm: port %u: %s\n", arguments->port, strerror(errno));
    return count;
}

static pid_t start_process(const struct arguments *arguments, struct counters *counters,
                           const int *listeners, size_t count, int arrivals)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    struct mail_options options = {.listeners = listeners,
                                   .listener_count = count,
                                   .counters = counters,
                                   .lifetime_s = arguments->lifetime_s,
                                   .answer_after_ms = arguments->answer_after_ms,
                                   .arrivals = arrivals,
                                   .stop = &stop};
    _exit(mail_run(&options) == 0 ? 0 : 1);
}

static void write_report(const struct arguments *arguments, const struct counters *counters)
{
    char path[512];
    if (!arguments->report)
        return;
    snprintf(path, sizeof path, "%s.new", arguments->report);
    FILE *out = fopen(path, "we");
    if (!out) {
        perror(path);
        return;
    }
    counters_write(counters, out);
    if (fclose(out) == 0 && rename(path, arguments->report) != 0)
        perror(arguments->report);
}

/* Lines of less than a page, appended: processes do not cut each other's. */
static int open_arrivals(const struct arguments *arguments)
{
    if (!arguments->arrivals)
        return -1;
    int file = open(arguments->arrivals, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        perror(arguments->arrivals);
    return file;
}

static void print_policies(void)
{
    struct postfix_policy row;
    for (unsigned i = 0; postfix_policy_row(&row, i); i++)
        printf("%s\t%s\t%s\n", row.row, postfix_answer_name(row.answer), row.text);
}

static int serve_mail(const struct arguments *arguments)
{
    static int listeners[PROCESSES_MAX][LISTENERS_MAX];
    size_t count[PROCESSES_MAX];
    pid_t children[PROCESSES_MAX];
    struct counters *counters = counters_create();
    int arrivals = open_arrivals(arguments);
    if (arguments->tickets)
        farm_tls_keep_tickets();
    if (!counters || (arguments->arrivals && arrivals < 0) ||
        farm_tls_load(arguments->certificates) != 0 ||
        (arguments->new_leaves && farm_tls_new_leaves(arguments->certificates) != 0))
        return 1;
    for (unsigned i = 0; i < arguments->processes; i++) {
        count[i] = open_listeners(arguments, i == 0, listeners[i]);
        if (count[i] == 0)
            return 1;
    }
    for (unsigned i = 0; i < arguments->processes; i++)
        children[i] = start_process(arguments, counters, listeners[i], count[i], arrivals);
    for (unsigned i = 0; i < arguments->processes; i++) /* theirs now: nobody would accept here */
        for (size_t j = 0; j < count[i]; j++)
            close(listeners[i][j]);
    printf("ready\n");
    fflush(stdout);
    while (!stop) {
        sleep(1); /* a signal that slips by is seen a second later */
        if (report_now)
            write_report(arguments, counters);
        report_now = 0;
    }
    for (unsigned i = 0; i < arguments->processes; i++) {
        kill(children[i], SIGTERM);
        waitpid(children[i], NULL, 0);
    }
    write_report(arguments, counters);
    return 0;
}

static const struct option options[] = {
    {"certificates", required_argument, NULL, 'c'}, {"port", required_argument, NULL, 'p'},
    {"wildcard", no_argument, NULL, 'w'},           {"processes", required_argument, NULL, 'n'},
    {"report", required_argument, NULL, 'r'},       {"lifetime", required_argument, NULL, 't'},
    {"dns", required_argument, NULL, 'd'},          {"list", no_argument, NULL, 'l'},
    {"list-dns", no_argument, NULL, 'L'},           {"more", required_argument, NULL, 'm'},
    {"watch", required_argument, NULL, 'W'},        {"arrivals", required_argument, NULL, 'a'},
    {"list-policies", no_argument, NULL, 'P'},      {"new-leaves", no_argument, NULL, 'N'},
    {"capture", required_argument, NULL, 'C'},      {"tickets", no_argument, NULL, 'T'},
    {"answer-after", required_argument, NULL, 'A'}, {0}};

static int parse(int argc, char **argv, struct arguments *arguments)
{
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            arguments->certificates = optarg;
            break;
        case 'p':
            arguments->port = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            arguments->wildcard = true;
            break;
        case 'n':
            arguments->processes = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            arguments->report = optarg;
            break;
        case 't':
            arguments->lifetime_s = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'N':
            arguments->new_leaves = true;
            break;
        case 'T':
            arguments->tickets = true;
            break;
        case 'A':
            arguments->answer_after_ms = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            arguments->more = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'W':
            arguments->watch = optarg;
            break;
        case 'C':
            arguments->capture = optarg;
            break;
        case 'd':
            arguments->dns = optarg;
            break;
        case 'l':
            behaviours_print(stdout);
            exit(0);
        case 'a':
            arguments->arrivals = optarg;
            break;
        case 'P':
            print_policies();
            exit(0);
        case 'L':
            dns_print(stdout);
            exit(0);
        default:
            return -1;
        }
    }
    bool has_work =
        arguments->certificates || arguments->dns || arguments->watch || arguments->capture;
    return optind == argc && has_work ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.processes = 1, .lifetime_s = 120};
    struct rlimit files;
    if (parse(argc, argv, &arguments) != 0 || arguments.processes < 1 ||
        arguments.processes > PROCESSES_MAX || arguments.more > MORE_MAX) {
        fprintf(stderr, "usage: farm --certificates DIR [--port N] [--wildcard | --more N]\n"
                        "            [--processes N] [--report FILE] [--lifetime SECONDS]\n"
                        "            [--arrivals FILE] [--new-leaves] [--tickets]\n"
                        "            [--answer-after MS]\n"
                        "       farm --watch DIRECTORY --more N\n"
                        "       farm --capture DIRECTORY\n"
                        "       farm --dns ADDRESS [--port N]\n"
                        "       farm --list | --list-dns | --list-policies\n");
        return 64;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    catch_signals();
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* the lab is gone: so are we */
    if (arguments.watch)
        return watch_table(arguments.watch, arguments.more, &stop);
    if (arguments.capture)
        return capture_run(arguments.capture, &stop);
    if (arguments.dns)
        return dns_run(arguments.dns, arguments.port ? arguments.port : 53, &stop, stdout) ? 1 : 0;
    arguments.port = arguments.port ? arguments.port : 25;
    return serve_mail(&arguments);
}
