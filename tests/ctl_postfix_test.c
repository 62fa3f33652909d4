/*
 * ctl_postfix_test.c - the real mxwardctl postfix-check with the real postconf, on configuration
 * folders made of tools/postfix: nothing is found in them as they are, each thing that weakens them
 * is found, and the line that is told repairs it.
 *
 * mxward-gate and the resolver are two threads that answer as told.
 */
#include "tests/ctl_run.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* --- the world --- */

enum mood { ANSWERS, SILENT, STRANGE };

static struct world {
    char folder[64];
    int gate, resolver;
    _Atomic int gate_mood, resolver_mood;
    pthread_t thread;
    _Atomic bool over;
} world;
static struct ran ran;

static const char *path_of(const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", world.folder, name);
    return path;
}

static void gate_serves_one(void)
{
    char question[64] = "";
    int fd = accept(world.gate, NULL, NULL);

    if (fd < 0)
        return;
    if (atomic_load(&world.gate_mood) != SILENT && recv(fd, question, sizeof question - 1, 0) > 0) {
        bool known = strcmp(question, "14:policy .mxward,") == 0;
        const char *answer = atomic_load(&world.gate_mood) == STRANGE ? "500 what?\r\n"
                             : known                                  ? "9:NOTFOUND ,"
                                                                      : "5:PERM ,";

        send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    } else {
        char rest[64];

        while (recv(fd, rest, sizeof rest, 0) > 0)
            ;
    }
    close(fd);
}

static void resolver_serves_one(void)
{
    unsigned char message[512];
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    ssize_t length =
        recvfrom(world.resolver, message, sizeof message, 0, (struct sockaddr *)&from, &size);

    if (length < 12 || atomic_load(&world.resolver_mood) == SILENT)
        return;
    message[2] |= 0x80;
    message[3] = atomic_load(&world.resolver_mood) == ANSWERS && message[3] & 0x20 ? 0xa0 : 0x80;
    sendto(world.resolver, message, (size_t)length, 0, (struct sockaddr *)&from, size);
}

static void *serve(void *unused)
{
    struct pollfd fds[] = {{.fd = world.gate, .events = POLLIN},
                           {.fd = world.resolver, .events = POLLIN}};

    while (!atomic_load(&world.over)) {
        if (poll(fds, 2, 50) <= 0)
            continue;
        if (fds[0].revents)
            gate_serves_one();
        if (fds[1].revents)
            resolver_serves_one();
    }
    return unused;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void add(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "a");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* The first `from` becomes `to`. */
static void edit(const char *name, const char *from, const char *to)
{
    char *text = ctl_slurp(path_of(name)), *at = strstr(text, from), *all;

    ck_assert_msg(at, "'%s' is not in %s", from, name);
    ck_assert_int_gt(asprintf(&all, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)), 0);
    put(name, all);
    free(all);
    free(text);
}

/* What a site has of its own, as tools/postfix/README asks for it. */
static void put_configuration(void)
{
    char *lines = ctl_slurp("tools/postfix/main.cf"),
         *services = ctl_slurp("tools/postfix/master.cf");
    char text[1024];

    snprintf(text, sizeof text,
             "compatibility_level = 3.6\n"
             "queue_directory = %s/queue\n"
             "myhostname = mail.example.org\n"
             "delay_warning_time = 1h\n"
             "smtpd_sender_login_maps = static:nobody\n"
             "smtpd_recipient_restrictions = reject_unauth_destination, $mxward_inbound\n",
             world.folder);
    put("main.cf", text);
    add("main.cf", lines);
    put("master.cf",
        "smtp inet n - y - - smtpd\n"
        "submission inet n - y - - smtpd\n"
        "    -o smtpd_sasl_auth_enable=yes\n"
        "    -o smtpd_sender_restrictions=reject_sender_login_mismatch\n"
        "    -o smtpd_recipient_restrictions=$mxward_submission,permit_sasl_authenticated,reject\n"
        "cleanup unix n - y - 0 cleanup\n"
        "rewrite unix - - y - - trivial-rewrite\n"
        "smtp unix - - y - - smtp\n"
        "relay unix - - y - - smtp\n"
        "elsewhere unix - n n - - pipe\n");
    add("master.cf", services);
    free(lines);
    free(services);
}

static int gate_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of("queue/mxward/gate.sock"));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(chmod(address.sun_path, 0666), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

static void put_resolver(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    char text[64];

    world.resolver = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(world.resolver, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(world.resolver, (struct sockaddr *)&address, &size), 0);
    snprintf(text, sizeof text, "nameserver [127.0.0.1]:%u\n", ntohs(address.sin_port));
    put("resolv.conf", text);
    put("queue/etc/resolv.conf", text);
}

static void set_up(void)
{
    static const char *const folders[] = {"queue", "queue/mxward", "queue/etc"};

    unsetenv("NO_COLOR");
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("MXWARD_SOCKET", "/nonexistent/mxward.sock", 1);
    snprintf(world.folder, sizeof world.folder, "/tmp/mxward-postfix-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world.folder));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ck_assert_int_eq(mkdir(path_of(folders[i]), 0755), 0);
    put_configuration();
    put_resolver();
    world.gate = gate_socket();
    ck_assert_int_eq(pthread_create(&world.thread, NULL, serve, NULL), 0);
}

static void tear_down(void)
{
    char command[128];

    ran_free(&ran);
    atomic_store(&world.over, true);
    pthread_join(world.thread, NULL);
    close(world.gate);
    close(world.resolver);
    snprintf(command, sizeof command, "rm -rf '%s'", world.folder);
    ck_assert_int_eq(system(command), 0);
}

/* Postfix reads a file again and again until it is a second old: so it is an hour. */
static void age_files(void)
{
    const struct timespec times[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};

    utimensat(AT_FDCWD, path_of("main.cf"), times, 0);
    utimensat(AT_FDCWD, path_of("master.cf"), times, 0);
}

static void look_with(const char *program)
{
    age_files();
    ran_free(&ran);
    ran = ctl(world.folder, "postfix-check", "--json", "--config-directory", world.folder,
              "--resolv-conf", path_of("resolv.conf"), "--postconf", program);
}

static void look(void)
{
    look_with("postconf");
}

/* The gravest stand first; all of it would be more than Check can report. */
static void expect_exit(int code)
{
    ck_assert_msg(ran.code == code, "exit code %d, not %d\n%.1500s\n%.500s", ran.code, code,
                  ran.out, ran.err);
}

/* The line with all of it; NULL. The caller frees it. */
static char *line_with(const char *severity, const char *rule, const char *service,
                       const char *words)
{
    char begin[256];

    snprintf(begin, sizeof begin, "{\"severity\":\"%s\",\"rule\":\"%s\",\"service\":\"%s\"",
             severity, rule, service);
    for (const char *line = ran.out; line && *line; line = strchr(line, '\n')) {
        char *copy;

        line += *line == '\n';
        copy = strndup(line, strcspn(line, "\n"));
        if (strncmp(copy, begin, strlen(begin)) == 0 && strstr(copy, words))
            return copy;
        free(copy);
    }
    return NULL;
}

static char *expect_finding(const char *severity, const char *rule, const char *service,
                            const char *words)
{
    char *line = line_with(severity, rule, service, words);

    ck_assert_msg(line, "%s by %s of %s with '%s' is not in:\n%.1500s\n%.500s", severity, rule,
                  service, words, ran.out, ran.err);
    return line;
}

/* --- what is found --- */

START_TEST(our_own_snippets_break_and_weaken_nothing)
{
    char *line;

    look();
    expect_exit(0);
    expect_not_in(ran.out, "\"breaks\"");
    expect_not_in(ran.out, "\"weakens\"");
    expect_not_in(ran.out, "\"advice\"");
    line = expect_finding("unseen", "transports", "mxward", "does not tell its profiles");
    expect_not_in(line, "\"change\":\"\"");
    free(line);
    ck_assert_uint_ge(count_of(ran.out, "\"severity\":\"fine\""), 25);
}
END_TEST

#define POSTEO_MAP "    -o smtp_tls_policy_maps=socketmap:$mxward_gate:guarantee/posteo\n"
#define FAILURES   "pipemap:{regexp:{{/^([45]\\..*)/ $$1}}, "
#define POSTEO_DSN \
    "    -o { smtp_delivery_status_filter = " FAILURES "socketmap:$mxward_gate:dsn/posteo} }\n"
#define POSTEO  "guarantee-posteo/unix"
#define ENCRYPT "    -o smtp_tls_security_level=encrypt\n"

static const struct weakness {
    const char *main;      /* appended to main.cf */
    const char *from, *to; /* in master.cf */
    const char *severity, *rule, *service, *words;
} weaknesses[] = {
    /* the transports of the guarantee */
    {NULL, ENCRYPT, "    -o smtp_tls_security_level=may\n", "breaks", "guarantee-level", POSTEO,
     "= may, below encrypt"},
    {NULL, ENCRYPT, "", "breaks", "guarantee-level", POSTEO, "= dane, below encrypt"},
    {NULL, "guarantee-posteo unix - - y - - smtp", "guarantee-posteo unix - n n - - pipe", "breaks",
     "guarantee-level", POSTEO, "it runs pipe"},
    {NULL, POSTEO_MAP, "", "breaks", "guarantee-map", POSTEO, "is that of main.cf"},
    {NULL, POSTEO_MAP, "    -o smtp_tls_policy_maps=\n", "breaks", "guarantee-map", POSTEO,
     "is empty"},
    {NULL, "guarantee/posteo", "guarantee/strict", "breaks", "guarantee-map", POSTEO,
     "not guarantee/posteo"},
    {NULL, "$mxward_gate:guarantee/posteo", "$mxward_gate:policy", "breaks", "guarantee-map",
     POSTEO, "asks socketmap:unix:mxward/gate.sock:policy first"},
    {NULL, "=socketmap:$mxward_gate:guarantee/posteo",
     "=static:may,socketmap:$mxward_gate:guarantee/posteo", "breaks", "guarantee-map", POSTEO,
     "asks static:may first"},
    {NULL, "guarantee/posteo", "guarantee/posteo,static:may", "weakens", "guarantee-map", POSTEO,
     "static:may behind"},
    {NULL, "=socketmap:$mxward_gate:guarantee/posteo",
     "=proxy:socketmap:$mxward_gate:guarantee/posteo", "breaks", "proxymap", POSTEO,
     "smtp_tls_policy_maps asks proxy:socketmap:"},
    {NULL, " socketmap:$mxward_gate:dsn/posteo", " proxy:socketmap:$mxward_gate:dsn/posteo",
     "breaks", "proxymap", POSTEO, "smtp_delivery_status_filter asks proxy:socketmap:"},
    {"smtp_tls_policy_maps = proxy:socketmap:$mxward_gate:policy\n", NULL, NULL, "weakens",
     "proxymap", "smtp/unix", "asks proxy:socketmap:"},
    {NULL, POSTEO_DSN, "", "weakens", "status-filter", POSTEO, "does not ask dsn/posteo"},
    {NULL, "dsn/posteo", "dsn/strict", "weakens", "status-filter", POSTEO, "dsn/posteo"},
    {"smtp_delivery_status_filter =\n", NULL, NULL, "weakens", "status-filter", "smtp/unix",
     "does not ask dsn first"},
    {"smtp_delivery_status_filter = socketmap:$mxward_gate:dsn/posteo\n", NULL, NULL, "weakens",
     "status-filter", "smtp/unix", "does not ask dsn first"},
    {"smtp_delivery_status_filter = static:{4.0.0 no}, socketmap:$mxward_gate:dsn\n", NULL, NULL,
     "weakens", "status-filter", "smtp/unix", "does not ask dsn first"},
    {NULL, "smtp unix - - y - - smtp\n",
     "smtp unix - - y - - smtp\n    -o smtp_delivery_status_filter=\n", "weakens", "status-filter",
     "smtp/unix", "does not ask dsn first"},
    {NULL, POSTEO_DSN, "    -o smtp_delivery_status_filter=socketmap:$mxward_gate:dsn\n", "weakens",
     "status-filter", POSTEO, "does not ask dsn/posteo first"},
    /* A pattern that lets other failures through than ours does is another filter. */
    {NULL, "/^([45]\\..*)/", "/^(5\\.7\\..*)/", "weakens", "status-filter", POSTEO,
     "does not ask dsn/posteo first"},
    {NULL, "    -o smtp_connection_cache_on_demand=no\n", "", "weakens", "connections", POSTEO,
     "smtp_connection_cache_on_demand = yes"},
    {NULL, "smtp_tls_connection_reuse=no", "smtp_tls_connection_reuse=yes", "weakens",
     "connections", POSTEO, "reuse = yes"},
    {"smtp_connection_cache_destinations = example.net\n",
     "    -o smtp_connection_cache_destinations=\n", "", "weakens", "connections", POSTEO,
     "= example.net"},
    {"smtp_fallback_relay = [relay.example.net]\n", "    -o smtp_fallback_relay=\n", "", "weakens",
     "fallback-relay", POSTEO, "relay.example.net"},
    {"smtp_fallback_relay = [relay.example.net]\n", NULL, NULL, "advice", "fallback-relay",
     "smtp/unix", "relay.example.net"},
    /* who gets it */
    {"sender_dependent_default_transport_maps =\n", NULL, NULL, "breaks", "sender-map", "main.cf",
     "is empty"},
    {"sender_dependent_default_transport_maps = static:relay, socketmap:$mxward_gate:sender\n",
     NULL, NULL, "weakens", "sender-map", "main.cf", "another map before"},
    {"sender_dependent_default_transport_maps = socketmap:$mxward_gate:sender/only, static:relay\n",
     NULL, NULL, "advice", "sender-map", "main.cf", "behind sender/only"},
    {"sender_dependent_default_transport_maps = static:relay\n", NULL, NULL, "advice", "sender-map",
     "main.cf", "does not ask mxward"},
    {"transport_maps = static:relay\n", NULL, NULL, "weakens", "transport-maps", "main.cf",
     "static:relay"},
    {"relay_domains = example.net\n", NULL, NULL, "weakens", "relay-domains", "main.cf",
     "relay_domains = example.net: mail there goes by relay_transport = relay"},
    {"relay_domains = example.net\nrelay_transport = smtp:[relay.example.net]\n", NULL, NULL,
     "weakens", "relay-domains", "main.cf", "goes by relay_transport = smtp:[relay.example.net]"},
    /* the standard value: mydestination, and with it its subdomains */
    {"compatibility_level = 1\n", NULL, NULL, "weakens", "relay-domains", "main.cf",
     "relay_domains = mail.example.org"},
    {"transport_maps = inline:{ { example.net = smtp:[a.example], [b.example] } }\n", NULL, NULL,
     "weakens", "next-hops", "main.cf", "several next hops"},
    {"sender_dependent_relayhost_maps = static:{[a.example], [b.example]}\n", NULL, NULL, "weakens",
     "next-hops", "main.cf", "sender_dependent_relayhost_maps: static:"},
    {"relayhost = [relay.example.net]\n", NULL, NULL, "weakens", "relay-host", "main.cf",
     "relay.example.net"},
    {"sender_dependent_relayhost_maps = static:relay\n", NULL, NULL, "weakens", "relay-host",
     "main.cf", "sender_dependent_relayhost_maps"},
    {"default_transport = elsewhere\n", NULL, NULL, "weakens", "relay-host", "main.cf",
     "not run by smtp(8)"},
    {"default_transport = smtp:[relay.example.net]\n", NULL, NULL, "weakens", "relay-host",
     "main.cf", "names a relay host"},
    {"content_filter = smtp:[filter.example.net]\n", NULL, NULL, "weakens", "content-filter",
     "main.cf", "filter.example.net"},
    {NULL, "    -o smtpd_sasl_auth_enable=yes\n",
     "    -o smtpd_sasl_auth_enable=yes\n    -o content_filter=smtp:\n", "advice", "content-filter",
     "submission/inet", "without the sender's guarantee"},
    {"smtpd_sender_login_maps =\n", NULL, NULL, "weakens", "sender-login", "submission/inet",
     "smtpd_sender_login_maps is empty"},
    {NULL, "    -o smtpd_sender_restrictions=reject_sender_login_mismatch\n", "", "weakens",
     "sender-login", "submission/inet", "no reject_sender_login_mismatch"},
    {NULL, "=reject_sender_login_mismatch",
     "=permit_sasl_authenticated,reject_sender_login_mismatch", "weakens", "sender-login",
     "submission/inet", "before permit_sasl_authenticated"},
    {NULL, "=$mxward_submission,permit_sasl_authenticated", "=permit_sasl_authenticated", "weakens",
     "submission", "submission/inet", "does not ask mxward"},
    {NULL, "=$mxward_submission,permit_sasl_authenticated",
     "=permit_sasl_authenticated,$mxward_submission", "weakens", "submission", "submission/inet",
     "before permit_sasl_authenticated"},
    {NULL, "=$mxward_submission,permit_sasl", "=$mxward_inbound,permit_sasl", "weakens",
     "submission", "submission/inet", "does not ask mxward"},
    {NULL,
     "    -o smtpd_sasl_auth_enable=yes\n    -o "
     "smtpd_sender_restrictions=reject_sender_login_mismatch\n"
     "    -o smtpd_recipient_restrictions=$mxward_submission,",
     "    -o smtpd_recipient_restrictions=", "weakens", "submission", "submission/inet",
     "does not ask mxward"},
    {"canonical_maps = static:x@example.org\n", NULL, NULL, "weakens", "rewriting", "cleanup/unix",
     "as it is: canonical_classes = envelope_recipient, header_sender, header_recipient"},
    {"sender_canonical_maps = static:x@example.org\nsender_canonical_classes = envelope_sender\n",
     NULL, NULL, "weakens", "rewriting", "cleanup/unix",
     "sender_canonical_maps = static:x@example.org rewrites senders"},
    {NULL, "- 0 cleanup\n", "- 0 cleanup\n    -o masquerade_domains=example.org\n", "weakens",
     "rewriting", "cleanup/unix", "masquerade_domains = example.org rewrites senders"},
    {"smtpd_recipient_restrictions = reject_unauth_destination\n", NULL, NULL, "advice", "inbound",
     "smtp/inet", "does not ask mxward"},
    {"smtpd_recipient_restrictions = $mxward_inbound, reject_unauth_destination\n", NULL, NULL,
     "advice", "inbound", "smtp/inet", "before reject_unauth_destination"},
    /* the ordinary transport */
    {"smtp_tls_policy_maps =\n", NULL, NULL, "weakens", "default-map", "smtp/unix",
     "does not ask mxward"},
    {"smtp_tls_policy_maps = static:may, socketmap:$mxward_gate:policy\n", NULL, NULL, "weakens",
     "default-map", "smtp/unix", "asks static:may before mxward"},
    {"smtp_tls_policy_maps = socketmap:$mxward_gate:QUERYwithTLSRPT\n", NULL, NULL, "breaks",
     "default-map", "smtp/unix", "before 3.10"},
    {"smtp_tls_security_level = may\n", NULL, NULL, "advice", "default-level", "smtp/unix",
     "DANE is not done"},
    {"smtp_tls_security_level =\n", NULL, NULL, "weakens", "default-level", "smtp/unix",
     "TLS is not used"},
    {"smtp_tls_security_level = encrypt\n", NULL, NULL, "weakens", "default-level", "smtp/unix",
     "may be less, and replaces it"},
    /* what policies need */
    {"smtp_tls_mandatory_protocols = >=TLSv1\n", NULL, NULL, "weakens", "protocols", POSTEO,
     "lets TLS below 1.2 pass"},
    {"smtp_tls_mandatory_protocols = !SSLv2, !SSLv3\n", NULL, NULL, "weakens", "protocols",
     "smtp/unix", "!SSLv2, !SSLv3 lets"},
    {"smtp_tls_mandatory_protocols = !SSLv2:!SSLv3:!TLSv1\n", NULL, NULL, "weakens", "protocols",
     POSTEO, "lets TLS below"},
    {"smtp_tls_mandatory_protocols = TLSv1.1 TLSv1.2\n", NULL, NULL, "weakens", "protocols", POSTEO,
     "lets TLS below"},
    {"smtp_tls_mandatory_protocols =\n", NULL, NULL, "weakens", "protocols", POSTEO,
     "lets TLS below"},
    {"smtp_tls_mandatory_protocols = <=TLSv1.2\n", NULL, NULL, "weakens", "protocols", POSTEO,
     "lets TLS below"},
    {"smtp_tls_dane_insecure_mx_policy = encrypt\n", NULL, NULL, "weakens", "insecure-mx", POSTEO,
     "= encrypt"},
    {"smtp_dns_support_level = enabled\n", NULL, NULL, "breaks", "dnssec", POSTEO, "= enabled"},
    {"smtp_dns_support_level =\n", NULL, NULL, "weakens", "dnssec", "smtp/unix", "(empty)"},
    {"smtp_host_lookup = dns, native\n", NULL, NULL, "weakens", "dnssec", POSTEO, "dns, native"},
    {"smtp_tls_fingerprint_digest = md5\n", NULL, NULL, "breaks", "digest", POSTEO, "= md5"},
    {"smtp_tls_CAfile =\n", NULL, NULL, "weakens", "authorities", POSTEO,
     "no certificate authorities"},
    {"smtp_tls_CAfile = /nonexistent/ca.pem\n", NULL, NULL, "breaks", "authorities", POSTEO,
     "cannot be read"},
    {"smtp_tls_CAfile =\nsmtp_tls_CApath = /etc/ssl/certs\n", NULL, NULL, "weakens", "authorities",
     POSTEO, "not there inside the chroot"},
    /* exceptions */
    {"by-recipient_destination_recipient_limit = 50\n", NULL, NULL, "breaks", "by-recipient",
     "main.cf", "= 50"},
    {"default_filter_nexthop = $myhostname\n", NULL, NULL, "breaks", "by-recipient", "main.cf",
     "= mail.example.org"},
    {NULL, "by-recipient unix", "by-receiver unix", "breaks", "by-recipient", "master.cf",
     "no transport by-recipient"},
    {NULL, "127.0.0.1:10026 inet", "10026 inet", "breaks", "by-recipient", "10026/inet",
     "open to other machines"},
    {NULL, "=$mxward_route,permit_mynetworks", "=permit_mynetworks", "breaks", "by-recipient",
     "master.cf", "policy_context=route"},
    {NULL, "    -o content_filter=\n", "    -o content_filter=scan:[127.0.0.1]:10024\n", "breaks",
     "by-recipient", "127.0.0.1:10026/inet", "overrules the transport"},
    /* comfort */
    {"delay_warning_time = 0h\n", NULL, NULL, "advice", "queue-lifetime", "main.cf", "= 0h"},
    {"soft_bounce = yes\n", NULL, NULL, "advice", "soft-bounce", POSTEO, "soft_bounce = yes"},
    {NULL, ENCRYPT, ENCRYPT "    -o soft_bounce=yes\n", "advice", "soft-bounce", POSTEO,
     "soft_bounce = yes"},
    {"smtp_tls_loglevel = 0\n", NULL, NULL, "advice", "log-level", POSTEO, "= 0"},
    /* sockets */
    {"mxward_gate = unix:mxward/other.sock\n", NULL, NULL, "breaks", "sockets", "smtp/inet",
     "there is no socket"},
    {"mxward_gate = unix:/run/mxward-gate/none.sock\n", NULL, NULL, "breaks", "sockets",
     "smtp/inet", "(it is chrooted)"},
};
#define WEAKNESSES ((int)(sizeof weaknesses / sizeof *weaknesses))

/* Runs the command that was told; false: there is none for this. */
static bool repair(const char *line)
{
    const char *from = strstr(line, "\"change\":\"postconf ");
    char command[1024];

    if (!from)
        return false;
    from += strlen("\"change\":\"");
    snprintf(command, sizeof command, "%.*s 2>/dev/null", (int)strcspn(from, "\""), from);
    age_files();
    ck_assert_msg(system(command) == 0, "%s", command);
    return true;
}

START_TEST(each_weakness_is_found_and_the_line_that_is_told_repairs_it)
{
    const struct weakness *row = &weaknesses[_i];
    const bool grave = strcmp(row->severity, "advice") != 0;
    char *line;

    if (row->main)
        add("main.cf", row->main);
    if (row->from)
        edit("master.cf", row->from, row->to);
    look();
    expect_exit(grave ? 1 : 0);
    line = expect_finding(row->severity, row->rule, row->service, row->words);
    expect_not_in(line, "\"change\":\"\"");
    expect_not_in(line, "\"why\":\"\"");
    if (repair(line)) {
        free(line);
        look();
        line = line_with(row->severity, row->rule, row->service, row->words);
        ck_assert_msg(!line, "it does not help: %s", line);
    }
    free(line);
}
END_TEST

/* Neither is found where it is right. */
START_TEST(what_is_good_enough_is_not_complained_of)
{
    static const char *const lines[] = {
        "smtp_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1\n",
        "smtp_tls_mandatory_protocols = >=0303\n",
        "smtp_tls_mandatory_protocols = TLSv1.2:TLSv1.3\n",
        "smtp_tls_mandatory_protocols = >=TLSv1.3, <=TLSv1.3\n",
        ("smtp_tls_security_level = encrypt\n"
         "smtp_tls_policy_maps = socketmap:$mxward_gate:guarantee/posteo\n"),
        "smtp_tls_policy_maps = socketmap:$mxward_gate:QUERY, static:encrypt\n",
        "our_policy = dane\nsmtp_tls_dane_insecure_mx_policy = $our_policy\n",
        "content_filter = scan:[127.0.0.1]:10024\n",
        ("canonical_maps = static:x@example.org\ncanonical_classes = header_sender\n"
         "sender_canonical_maps = static:x@example.org\nsender_canonical_classes = header_sender\n"
         "masquerade_domains = example.org\nmasquerade_classes = header_sender\n"
         "recipient_canonical_maps = static:x@example.org\n"),
        ("smtpd_recipient_restrictions = reject_unauth_destination,"
         " check_policy_service unix:mxward/gate.sock\n"),
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        put_configuration();
        add("main.cf", lines[i]);
        look();
        ck_assert_msg(ran.code == 0 && !strstr(ran.out, "\"advice\""), "%s: %.1500s%.500s",
                      lines[i], ran.out, ran.err);
    }
}
END_TEST

/* 3.7.11's standard value is an expression: dane in main.cf, and may where a service encrypts. */
START_TEST(the_standard_value_before_3_7_13_counts_by_service)
{
    edit("main.cf", "\nsmtp_tls_dane_insecure_mx_policy = dane\n", "\n");
    look();
    expect_exit(1);
    free(expect_finding("weakens", "insecure-mx", POSTEO, "the standard value of this version"));
}
END_TEST

/* What is checked of smtp is checked of it. */
START_TEST(the_transport_of_relay_domains_is_a_way_out)
{
    static const struct {
        const char *own, *severity, *rule, *words;
    } rows[] = {
        {"smtp_tls_policy_maps=static:may", "weakens", "default-map", "does not ask mxward"},
        {"smtp_tls_security_level=may", "advice", "default-level", "DANE is not done"},
        {"smtp_tls_mandatory_protocols=>=TLSv1", "weakens", "protocols", "lets TLS below 1.2"},
        {"smtp_dns_support_level=enabled", "weakens", "dnssec", "= enabled"},
        {"smtp_delivery_status_filter=", "weakens", "status-filter", "does not ask dsn first"},
        {"smtp_fallback_relay=[relay.example.net]", "advice", "fallback-relay", "relay.example"},
        {"smtp_tls_fingerprint_digest=md5", "breaks", "digest", "= md5"},
    };
    char line[160];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_configuration();
        snprintf(line, sizeof line, "relay unix - - y - - smtp\n    -o %s\n", rows[i].own);
        edit("master.cf", "relay unix - - y - - smtp\n", line);
        look();
        expect_exit(0); /* nothing is sent there */
        add("main.cf", "relay_domains = example.net\n");
        look();
        char *found = expect_finding(rows[i].severity, rows[i].rule, "relay/unix", rows[i].words);
        ck_assert_ptr_nonnull(strstr(found, " -P 'relay/unix/"));
        free(found);
    }
}
END_TEST

START_TEST(relay_domains_that_smtp_does_not_deliver_are_not_complained_of)
{
    add("main.cf", "relay_domains = example.net\nrelay_transport = elsewhere\n");
    look();
    expect_exit(0);
}
END_TEST

START_TEST(a_filter_that_makes_4_7_5_final_breaks_it)
{
    static const char *const bad[] = {"/^4\\.7\\.5(.*)/ 5.7.5$1\n", "/^4(\\.7\\.[45])/ 5$1\n",
                                      "/^4.7.5(.*)/ 5.7.5$1\n"};
    static const char *const good[] = {
        "/^4(\\.\\d+\\.\\d+ TLS is required, but was not offered by host .+)/ 5$1\n",
        "# /^4\\.7\\.5(.*)/ 5.7.5$1\n", "/^4\\.7\\.5 (.*)/ 4.7.0 $1\n"};
    char line[256];

    snprintf(line, sizeof line,
             "smtp_delivery_status_filter = socketmap:$mxward_gate:dsn, regexp:%s\n",
             path_of("filter"));
    add("main.cf", line);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put("filter", bad[i]);
        look();
        expect_exit(1);
        free(expect_finding("breaks", "bounces", "smtp/unix", "makes 4.7.5 final"));
        put("filter", good[i]);
        look();
        expect_exit(0);
    }
}
END_TEST

/* --- sockets --- */

START_TEST(who_does_not_answer_as_mxward_gate_is_found)
{
    atomic_store(&world.gate_mood, SILENT);
    look();
    expect_exit(1);
    free(expect_finding("breaks", "sockets", "smtp/inet", "nobody answers within two seconds"));
    atomic_store(&world.gate_mood, STRANGE);
    look();
    expect_exit(1);
    free(expect_finding("breaks", "sockets", "smtp/inet", "who is not mxward-gate"));
}
END_TEST

START_TEST(a_socket_that_was_left_behind_is_found)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of("queue/mxward/stale.sock"));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    add("main.cf", "mxward_gate = unix:mxward/stale.sock\n");
    look();
    expect_exit(1);
    free(expect_finding("breaks", "sockets", "smtp/inet", "nobody listens"));
    close(fd);
}
END_TEST

START_TEST(a_socket_that_postfix_may_not_use_is_found)
{
    ck_assert_int_eq(chmod(path_of("queue/mxward/gate.sock"), 0600), 0);
    look();
    expect_exit(1);
    free(expect_finding("breaks", "sockets", "smtp/inet", "Postfix's user may not connect"));
    ck_assert_int_eq(chmod(path_of("queue/mxward/gate.sock"), 0666), 0);
    ck_assert_int_eq(chmod(path_of("queue/mxward"), 0700), 0);
    look();
    expect_exit(1);
    free(expect_finding("breaks", "sockets", "smtp/inet", "Postfix's user may not connect"));
}
END_TEST

/* Absolute is right where it is the path inside the chroot, and without one. */
START_TEST(an_absolute_path_is_seen_from_where_the_service_stands)
{
    char line[256];

    add("main.cf", "mxward_gate = unix:/mxward/gate.sock\n");
    look();
    expect_exit(0);
    snprintf(line, sizeof line, "mxward_gate = unix:%s\n", path_of("queue/mxward/gate.sock"));
    add("main.cf", line);
    look();
    expect_exit(1);
    for (int i = 0; i < 3; i++) /* the two of the guarantee, and by-recipient */
        edit("master.cf", " unix - - y - - smtp\n    -o", " unix - - n - - smtp\n    -o");
    edit("master.cf", "127.0.0.1:10026 inet n - y", "127.0.0.1:10026 inet n - n");
    edit("master.cf", "smtp inet n - y", "smtp inet n - n");
    edit("master.cf", "submission inet n - y", "submission inet n - n");
    edit("master.cf", "rewrite unix - - y", "rewrite unix - - n");
    edit("master.cf", "smtp unix - - y", "smtp unix - - n");
    edit("master.cf", "relay unix - - y", "relay unix - - n");
    look();
    expect_not_in(ran.out, "(it is chrooted)");
    expect_not_in(ran.out, "there is no socket");
}
END_TEST

START_TEST(settings_that_never_ask_mxward_are_found)
{
    put("main.cf", "");
    put("master.cf", "smtp inet n - y - - smtpd\nsmtp unix - - y - - smtp\n");
    look();
    expect_exit(1);
    free(expect_finding("breaks", "sockets", "main.cf", "nothing in these settings asks"));
    free(expect_finding("breaks", "transports", "master.cf", "guarantee-posteo"));
    expect_not_in(ran.out,
                  "the transports of the guarantee encrypt"); /* of none that is no praise */
    expect_not_in(ran.out, "deliveries of the guarantee share");
}
END_TEST

/* The one line that all maps hang on: nobody is sent to append everything again. */
START_TEST(the_name_of_the_gate_left_out_is_what_is_said)
{
    char *line;

    edit("main.cf", "\nmxward_gate = unix:mxward/gate.sock\n", "\n");
    look();
    expect_exit(1);
    line = expect_finding("breaks", "sockets", "main.cf", "mxward_gate, where maps are asked");
    ck_assert(repair(line));
    free(line);
    look();
    expect_exit(0);
}
END_TEST

/* --- the resolver --- */

START_TEST(a_resolver_elsewhere_or_without_validation_is_found)
{
    atomic_store(&world.resolver_mood, STRANGE);
    look();
    expect_exit(1);
    free(expect_finding("weakens", "resolver", "resolver", "does not say"));
    atomic_store(&world.resolver_mood, SILENT);
    look();
    free(expect_finding("weakens", "resolver", "resolver", "did not answer"));
    atomic_store(&world.resolver_mood, ANSWERS);
    add("resolv.conf", "nameserver 192.0.2.53\n");
    look();
    expect_exit(1);
    free(expect_finding("weakens", "resolver", "resolver", "192.0.2.53, which is not on this"));
    free(expect_finding("weakens", "chroot-resolver", "smtp/unix", "names other resolvers"));
    unlink(path_of("queue/etc/resolv.conf"));
    look();
    free(expect_finding("advice", "chroot-resolver", "smtp/unix", "there is no"));
    unlink(path_of("resolv.conf"));
    look();
    free(expect_finding("weakens", "resolver", "resolver", "cannot be read"));
}
END_TEST

/* --- versions, profiles, failures --- */

/* As if Postfix were 3.10, which knows TLS-Required. */
static const char *put_newer(const char *version, const char *lines)
{
    char text[512];

    snprintf(text, sizeof text,
             "#!/bin/sh\ncase \" $* \" in\n*\" mail_version \"*) echo 'mail_version = %s' ;;\n"
             "*\" -x \"*) postconf \"$@\" && printf '%s' ;;\n*) postconf \"$@\" ;;\nesac\n",
             version, lines);
    put("newer", text);
    ck_assert_int_eq(chmod(path_of("newer"), 0755), 0);
    return path_of("newer");
}

START_TEST(from_3_10_a_header_must_not_lower_anything)
{
    char program[160];
    char *line;

    snprintf(program, sizeof program, "%s", put_newer("3.10.1", "tls_required_enable = yes\\n"));
    look_with(program);
    expect_exit(1);
    free(expect_finding("weakens", "tls-required", "smtp/unix", "tls_required_enable = yes"));
    line = expect_finding("breaks", "tls-required", POSTEO, "tls_required_enable = yes");
    ck_assert(repair(line));
    free(line);
    look_with(program);
    ck_assert_ptr_null(line_with("breaks", "tls-required", POSTEO, ""));
    put_newer("3.10.1", "tls_required_enable = no\\n");
    look_with(program);
    expect_exit(0);
    put_newer("3.9.9", "tls_required_enable = yes\\n"); /* it means nothing there */
    look_with(program);
    expect_exit(0);
}
END_TEST

START_TEST(from_3_11_what_was_taken_with_requiretls_leaves_with_it)
{
#define LIST(end)                                                                              \
    "requiretls_enable = yes\\nsmtp_requiretls_policy = cidr:{ { 127.0.0.0/8 opportunistic } " \
    "} " end "\\n"
#define ASKING "socketmap:unix:mxward/gate.sock:requiretls "
    static const struct {
        const char *version, *lines, *severity, *finding;
    } rows[] = {
        {"3.11.0", LIST(ASKING "opportunistic"), "weakens", "opportunistic"},
        {"3.11.0", LIST("opportunistic+starttls"), "weakens", "opportunistic+starttls"},
        {"3.11.0", LIST("disable " ASKING "enforce"), "weakens", "disable"},
        {"3.11.0", LIST("enforce"), "advice", "does not ask mxward"},
        {"3.11.0", LIST("enforce " ASKING), "advice", "does not ask mxward"},
        {"3.11.0", LIST(""), "advice", "does not ask mxward"},
        {"3.11.0", LIST(ASKING "enforce"), "fine", ""},
        {"3.11.0", LIST(ASKING), "fine", ""},
        {"3.11.0", "requiretls_enable = no\\nsmtp_requiretls_policy = opportunistic\\n", "fine",
         ""},
        {"3.10.9", LIST("opportunistic"), "fine", ""},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        look_with(put_newer(rows[i].version, rows[i].lines));
        free(expect_finding(rows[i].severity, "requiretls", rows[i].finding[0] ? POSTEO : "",
                            rows[i].finding));
    }
}
END_TEST

START_TEST(from_3_11_connections_may_be_used_again)
{
    edit("master.cf", "    -o smtp_connection_cache_on_demand=no\n", "");
    look_with(put_newer("3.11.0", ""));
    expect_exit(0);
    look_with(put_newer("3.10.9", ""));
    expect_exit(1);
}
END_TEST

/* The length of the first item of a list, which ends at a blank that is in no braces. */
static size_t item_length(const char *list)
{
    size_t length = 0;
    int depth = 0;

    for (; list[length] && (depth > 0 || list[length] != ' '); length++)
        depth += (list[length] == '{') - (list[length] == '}');
    return length;
}

/* What the tables in a list say of a key, asked one after the other, but for mxward's own; "":
 * nothing. */
static const char *tables_say(const char *list, const char *key)
{
    static char answer[64];
    char command[1024];

    answer[0] = '\0';
    for (size_t length; *list && !answer[0]; list += length + strspn(list + length, " ")) {
        length = item_length(list);
        if (strncmp(list, "inline:", 7) != 0 && strncmp(list, "cidr:", 5) != 0)
            continue;
        snprintf(command, sizeof command, "postmap -c '%s' -q '%s' '%.*s'", world.folder, key,
                 (int)length, list);
        FILE *said = popen(command, "r");
        ck_assert_ptr_nonnull(said);
        if (fgets(answer, sizeof answer, said))
            answer[strcspn(answer, "\n")] = '\0';
        pclose(said);
    }
    return answer;
}

/* smtp(8) asks for the next hop without brackets and port (postconf(5), smtp_requiretls_policy). A
 * filter on this machine promises no REQUIRETLS, and enforced, the message would be returned. */
START_TEST(requiretls_is_not_enforced_inside_this_machine)
{
    static const char name[] = "\nsmtp_requiretls_policy = ";
    char *lines = ctl_slurp("tools/postfix/main-3.10.cf"), *list = strstr(lines, name);

    ck_assert_ptr_nonnull(list);
    list += strlen(name);
    list[strcspn(list, "\n")] = '\0';
    age_files();
    ck_assert_str_eq(tables_say(list, "localhost"), "opportunistic");
    ck_assert_str_eq(tables_say(list, "127.0.0.1"), "opportunistic");
    ck_assert_str_eq(tables_say(list, "::1"), "opportunistic");
    ck_assert_str_eq(tables_say(list, "example.org"), "");
    ck_assert_str_eq(tables_say(list, "192.0.2.1"), "");
    ck_assert_ptr_nonnull(strstr(list, " enforce"));
    free(lines);
}
END_TEST

/* The main thread of the daemon, that answers what is in force. */
static void look_beside_a_daemon(struct standin *standin, const char *settings)
{
    const char *const words[] = {
        "postfix-check",        "--json", "--config-directory", world.folder, "--resolv-conf",
        path_of("resolv.conf"), NULL};
    struct pollfd poll_fd = {.fd = serve_work_descriptor(standin->serve), .events = POLLIN};
    pid_t pid;

    age_files();
    pid = ctl_start(world.folder, NULL, words);
    do {
        ck_assert_int_gt(poll(&poll_fd, 1, 10000), 0);
    } while (serve_work_take(standin->serve) == SERVE_NOTHING);
    serve_work_done(standin->serve, true, settings, strlen(settings));
    ran_free(&ran);
    ran = ctl_wait(world.folder, pid);
}

START_TEST(each_profile_of_the_daemon_that_demands_something_needs_a_transport)
{
    static struct standin standin;

    standin_prepare(&standin);
    setenv("MXWARD_SOCKET", standin.socket, 1);
    standin_open(&standin, 64);
    look_beside_a_daemon(&standin, "daemon {\n}\n\nprofile \"posteo\" {\n"
                                   "    minimum = encrypt  # default\n}\n\nprofile \"mailbox\" {\n"
                                   "    minimum = none  # default\n}\n");
    expect_exit(0);
    expect_not_in(ran.out, "\"unseen\"");
    look_beside_a_daemon(&standin, "profile \"own\" {\n    minimum = verified  # x.conf:3\n}\n");
    expect_exit(1);
    free(expect_finding("breaks", "transports", "master.cf", "no transport guarantee-own"));
    standin_close(&standin);
}
END_TEST

/* A table that is made of a text is read as that. */
START_TEST(a_list_of_next_hops_in_a_table_is_found)
{
    char line[256];

    snprintf(line, sizeof line, "transport_maps = texthash:%s\n", path_of("transport"));
    add("main.cf", line);
    put("transport", "# one, two\nexample.net smtp:[a.example]\n");
    look();
    expect_not_in(ran.out, "several next hops at once");
    put("transport",
        "# one\nexample.net smtp:[a.example]\nexample.org smtp:[a.example], [b.example]\n");
    look();
    free(expect_finding("weakens", "next-hops", "main.cf", "several next hops at once"));
}
END_TEST

#define DAEMON_SAYS(delimiter, split)                                        \
    "guarantee {\n    recipient_delimiter = " delimiter "  # default\n}\n\n" \
    "profile \"mailbox\" {\n    minimum = none  # default\n}\n\n"            \
    "gate {\n    split_transport = " split "  # x.conf:9\n}\n"

/* What stands in both files must say the same. */
START_TEST(settings_of_mxward_agree_with_those_of_postfix)
{
    static struct standin standin;

    standin_prepare(&standin);
    setenv("MXWARD_SOCKET", standin.socket, 1);
    standin_open(&standin, 64);
    add("main.cf", "recipient_delimiter = -\n");
    look_beside_a_daemon(&standin, DAEMON_SAYS("'+-'", "by-recipient:[127.0.0.1]:10026"));
    expect_exit(0);
    look_beside_a_daemon(&standin, DAEMON_SAYS("'+'", "by-recipient:[127.0.0.1]:10026"));
    expect_exit(1);
    free(expect_finding("weakens", "delimiter", "main.cf", "recipient_delimiter = -, but"));
    look_beside_a_daemon(&standin, DAEMON_SAYS("-", "by-recipient:[127.0.0.1]:10027"));
    expect_exit(1);
    free(expect_finding("breaks", "by-recipient", "127.0.0.1:10026/inet", "does not lead here"));
    look_beside_a_daemon(&standin, DAEMON_SAYS("-", "split:[127.0.0.1]:10026"));
    free(expect_finding("breaks", "by-recipient", "127.0.0.1:10026/inet", "does not lead here"));
    standin_close(&standin);
    look(); /* nobody tells */
    expect_exit(0);
    free(expect_finding("unseen", "delimiter", "main.cf", "is not told"));
}
END_TEST

START_TEST(settings_that_cannot_be_read_are_78)
{
    const char *resolver = path_of("resolv.conf");

    ran = ctl(world.folder, "postfix-check", "--config-directory", "/nonexistent");
    expect_code(&ran, 78);
    expect_in(ran.err, "Postfix's configuration cannot be read");
    expect_in(ran.err, "/nonexistent/main.cf");
    ck_assert_str_eq(ran.out, "");
    look_with("/nonexistent/postconf");
    expect_exit(78);
    expect_in(ran.err, "name it with --postconf");
    look_with("/bin/true");
    expect_exit(78);
    expect_in(ran.err, "is not understood");
    put("newer", "#!/bin/sh\nwhile :; do echo 'mail_version = 3.7.11'; done\n");
    ck_assert_int_eq(chmod(path_of("newer"), 0755), 0);
    look_with(path_of("newer")); /* without end */
    expect_exit(78);
    ran_free(&ran);
    ran = ctl(world.folder, "postfix-check", "--resolv-conf", resolver, "word");
    expect_exit(64);
}
END_TEST

START_TEST(for_people_it_says_what_why_and_the_line)
{
    add("main.cf", "smtp_tls_fingerprint_digest = md5\n");
    age_files();
    ran = ctl(world.folder, "postfix-check", "--config-directory", world.folder, "--resolv-conf",
              path_of("resolv.conf"));
    expect_exit(1);
    expect_in(ran.out, "breaks   smtp/unix: smtp_tls_fingerprint_digest = md5\n         why:    ");
    expect_in(ran.out, "\n         change: postconf -c ");
    expect_in(ran.out, " -e 'smtp_tls_fingerprint_digest=sha256'\n");
    expect_in(ran.out, "agree with these\n         change: start mxward (");
    expect_in(ran.out, "\nfine     names are looked up with DNSSEC\n");
    expect_in(ran.out, "\n3 break the guarantee, 0 weaken it, ");
    ck_assert_ptr_eq(strstr(ran.out, "breaks"), ran.out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_postfix");
    TCase *tcase = tcase_create("postfix-check");
    SRunner *runner;
    int failed;

    ctl_find_program();
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, our_own_snippets_break_and_weaken_nothing);
    tcase_add_loop_test(tcase, each_weakness_is_found_and_the_line_that_is_told_repairs_it, 0,
                        WEAKNESSES);
    tcase_add_test(tcase, a_list_of_next_hops_in_a_table_is_found);
    tcase_add_test(tcase, settings_of_mxward_agree_with_those_of_postfix);
    tcase_add_test(tcase, what_is_good_enough_is_not_complained_of);
    tcase_add_test(tcase, the_standard_value_before_3_7_13_counts_by_service);
    tcase_add_test(tcase, the_transport_of_relay_domains_is_a_way_out);
    tcase_add_test(tcase, relay_domains_that_smtp_does_not_deliver_are_not_complained_of);
    tcase_add_test(tcase, a_filter_that_makes_4_7_5_final_breaks_it);
    tcase_add_test(tcase, who_does_not_answer_as_mxward_gate_is_found);
    tcase_add_test(tcase, a_socket_that_was_left_behind_is_found);
    tcase_add_test(tcase, a_socket_that_postfix_may_not_use_is_found);
    tcase_add_test(tcase, an_absolute_path_is_seen_from_where_the_service_stands);
    tcase_add_test(tcase, settings_that_never_ask_mxward_are_found);
    tcase_add_test(tcase, the_name_of_the_gate_left_out_is_what_is_said);
    tcase_add_test(tcase, a_resolver_elsewhere_or_without_validation_is_found);
    tcase_add_test(tcase, from_3_10_a_header_must_not_lower_anything);
    tcase_add_test(tcase, from_3_11_what_was_taken_with_requiretls_leaves_with_it);
    tcase_add_test(tcase, from_3_11_connections_may_be_used_again);
    tcase_add_test(tcase, requiretls_is_not_enforced_inside_this_machine);
    tcase_add_test(tcase, each_profile_of_the_daemon_that_demands_something_needs_a_transport);
    tcase_add_test(tcase, settings_that_cannot_be_read_are_78);
    tcase_add_test(tcase, for_people_it_says_what_why_and_the_line);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
