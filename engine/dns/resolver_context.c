/*
 * resolver_context.c - the options of libunbound, each with its reason.
 *
 * Called once by each resolver thread at its start and its end. The trust anchor file is looked
 * into before libunbound sees it, because an empty one would make every answer of the world
 * insecure without any error (DNS-06).
 */
#include "engine/dns/resolver_context.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <unbound.h>
#include <unbound-event.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_OF(number)  #number
#define VALUE_OF(number) TEXT_OF(number)

#define STANDARD_ANCHOR    "/usr/share/dns/root.key"
#define STANDARD_CACHE_MIB 64

static pthread_mutex_t process = PTHREAD_MUTEX_INITIALIZER; /* libunbound's process-wide state */

static const struct {
    const char *name, *value;
} settings[] = {
    /* The library's default of 16 sockets holds 30 ms questions to some 800 a second. */
    {"outgoing-range:", VALUE_OF(LIMIT_DNS_UDP_SOCKETS)},
    {"outgoing-num-tcp:", VALUE_OF(LIMIT_DNS_TCP_SOCKETS)},
    {"num-queries-per-thread:", "4096"},
    {"infra-cache-numhosts:", "50000"},

    /* A dead server is given up after about 5 s instead of 17 to 84, and tried again after a
     * minute instead of a quarter of an hour. Our own deadline stands above it. */
    {"infra-cache-max-rtt:", "3000"},
    {"outbound-msg-retry:", "3"},
    {"infra-host-ttl:", VALUE_OF(LIMIT_DNS_INFRA_TTL_S)},
    {"infra-keep-probing:", "yes"},

    /* A bogus answer is fetched from another server twice; our own memory of failures does the
     * rest. */
    {"val-max-restart:", "2"},
    {"val-bogus-ttl:", VALUE_OF(LIMIT_DNS_BOGUS_TTL_S)},
    {"cache-max-negative-ttl:", "900"},

    {"serve-expired:", "no"}, /* DNS-12 */
    {"module-config:", "validator iterator"},
    {"harden-below-nxdomain:", "yes"},
    {"harden-glue:", "yes"},
    {"harden-dnssec-stripped:", "yes"},
    {"aggressive-nsec:", "yes"},
    {"qname-minimisation:", "yes"},
    {"prefetch-key:", "yes"},
    {"minimal-responses:", "yes"},
    {"unwanted-reply-threshold:", "10000000"},
    {"do-not-query-localhost:", "no"}, /* a forwarder may be here */
};

__attribute__((format(printf, 3, 4))) static void say(char *why, size_t size, const char *format,
                                                      ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, size, format, arguments);
    va_end(arguments);
}

static int set(struct ub_ctx *context, const char *name, const char *value, char *why,
               size_t why_size)
{
    int error = ub_ctx_set_option(context, name, value);

    if (error == UB_NOERROR)
        return 0;
    say(why, why_size, "libunbound refuses option %s %s: %s", name, value, ub_strerror(error));
    return error == UB_NOMEM ? -ENOMEM : -EINVAL;
}

static int set_cache(struct ub_ctx *context, const char *name, uint32_t kib, char *why,
                     size_t why_size)
{
    char value[32];

    (void)snprintf(value, sizeof value, "%uk", kib);
    return set(context, name, value, why, why_size);
}

/* Shares of the whole by what fills first: records, then messages, then keys. */
static int set_caches(struct ub_ctx *context, uint32_t mib, char *why, size_t why_size)
{
    uint32_t kib = (mib ? mib : STANDARD_CACHE_MIB) * 1024;
    int error = set_cache(context, "rrset-cache-size:", kib / 16 * 9, why, why_size);

    if (error == 0)
        error = set_cache(context, "msg-cache-size:", kib / 4, why, why_size);
    if (error == 0)
        error = set_cache(context, "key-cache-size:", kib / 8, why, why_size);
    if (error == 0)
        error = set_cache(context, "neg-cache-size:", kib / 16, why, why_size);
    return error;
}

/* Whether a word of a zone file is this type, in capitals or not. ASCII, whatever the locale. */
static bool is_type(const char *word, const char *type)
{
    while (*word && (*word == *type || *word == *type + ('a' - 'A'))) {
        word++;
        type++;
    }
    return *word == *type;
}

/* Whether the file has at least one DS or DNSKEY record. */
static int anchor_check(const char *path, char *why, size_t why_size)
{
    char line[4096], *rest = NULL;
    bool found = false;
    FILE *file = fopen(path, "re");

    if (!file) {
        say(why, why_size, "dns.trust_anchor: cannot read %s: %s", path, strerror(errno));
        return -ENOKEY;
    }
    while (!found && fgets(line, sizeof line, file)) {
        line[strcspn(line, ";\r\n")] = '\0';
        for (char *word = strtok_r(line, " \t", &rest); word && !found;
             word = strtok_r(NULL, " \t", &rest))
            found = is_type(word, "DS") || is_type(word, "DNSKEY");
    }
    (void)fclose(file);
    if (!found)
        say(why, why_size, "dns.trust_anchor: %s has no DS or DNSKEY record", path);
    return found ? 0 : -ENOKEY;
}

/* libunbound takes any number for a port, and only its last 16 bits. */
static bool port_is_one(const char *forwarder)
{
    const char *port = strchr(forwarder, '@');
    char *end;

    if (!port)
        return true;
    unsigned long number = strtoul(port + 1, &end, 10);
    return port[1] >= '0' && port[1] <= '9' && *end == '\0' && number >= 1 && number <= 65535;
}

static const char *anchor_of(const struct resolver_options *options)
{
    return options->trust_anchor ? options->trust_anchor : STANDARD_ANCHOR;
}

static int set_all(struct ub_ctx *context, const struct resolver_options *options, char *why,
                   size_t why_size)
{
    const char *anchor = anchor_of(options);
    int error = anchor_check(anchor, why, why_size);

    for (size_t i = 0; error == 0 && i < sizeof settings / sizeof *settings; i++)
        error = set(context, settings[i].name, settings[i].value, why, why_size);
    if (error == 0)
        error = set_caches(context, options->cache_mib, why, why_size);
    if (error == 0)
        error = set(context, "do-ip6:", options->ipv6 ? "yes" : "no", why, why_size);
    if (error == 0 && options->root_hints)
        error = set(context, "root-hints:", options->root_hints, why, why_size);
    if (error == 0 && options->forwarder &&
        (!port_is_one(options->forwarder) || ub_ctx_set_fwd(context, options->forwarder))) {
        say(why, why_size, "dns.forwarder: \"%s\" is neither ADDRESS nor ADDRESS@PORT",
            options->forwarder);
        error = -EINVAL;
    }
    if (error == 0 && ub_ctx_add_ta_file(context, anchor)) {
        say(why, why_size, "dns.trust_anchor: libunbound does not take %s", anchor);
        error = -ENOKEY;
    }
    return error;
}

static void finalised(void *context, int rcode, void *packet, int size, int security,
                      char *why_bogus, int limited)
{
    (void)context, (void)rcode, (void)packet, (void)size, (void)security;
    (void)why_bogus, (void)limited;
}

/* The first question makes libunbound read its files and take its memory: one of those it answers
 * itself. */
static int finalise(struct ub_ctx *context, bool events)
{
    struct ub_result *result = NULL;
    int error = events ? ub_resolve_event(context, "localhost", 1, 1, NULL, finalised, NULL)
                       : ub_resolve(context, "localhost", 1, 1, &result);

    ub_resolve_free(result);
    return error;
}

static int begin(struct ub_ctx **context, const struct resolver_options *options,
                 struct ub_event_base *base, char *why, size_t why_size)
{
    *context = base ? ub_ctx_create_ub_event(base) : ub_ctx_create();
    if (!*context) {
        say(why, why_size, "libunbound has no memory for a context");
        return -ENOMEM;
    }
    (void)ub_ctx_debugout(*context, NULL); /* what it would print comes to us as why_bogus */
    if (!base)
        (void)ub_ctx_async(*context, 1);
    int error = set_all(*context, options, why, why_size);
    if (error < 0)
        ub_ctx_delete(*context);
    return error;
}

/* libunbound read its files and refused; it does not tell which. */
static void blame(const struct resolver_options *options, int refused, char *why, size_t why_size)
{
    struct resolver_options without = *options;
    struct ub_ctx *context;
    char unused[256];

    without.root_hints = NULL;
    if (options->root_hints && begin(&context, &without, NULL, unused, sizeof unused) == 0) {
        bool fine = finalise(context, false) == UB_NOERROR;

        ub_ctx_delete(context);
        if (fine) {
            say(why, why_size, "dns.root_hints: libunbound does not take %s (%s)",
                options->root_hints, ub_strerror(refused));
            return;
        }
    }
    say(why, why_size, "dns.trust_anchor: libunbound does not take %s (%s)", anchor_of(options),
        ub_strerror(refused));
}

static int create(struct ub_ctx **context, const struct resolver_options *options,
                  struct ub_event_base *base, char *why, size_t why_size)
{
    int error = begin(context, options, base, why, why_size), refused = UB_NOERROR;

    if (error == 0) {
        refused = finalise(*context, base != NULL);
        if (refused)
            ub_ctx_delete(*context);
    }
    if (refused == UB_NOMEM) {
        say(why, why_size, "libunbound has no memory for a context");
        error = -ENOMEM;
    } else if (refused) {
        blame(options, refused, why, why_size);
        error = -EINVAL;
    }
    if (error < 0)
        *context = NULL;
    return error;
}

int resolver_context_create(struct ub_ctx **context, const struct resolver_options *options,
                            struct ub_event_base *base, char *why, size_t why_size)
{
    CHECK(pthread_mutex_lock(&process) == 0);
    int error = create(context, options, base, why, why_size);
    CHECK(pthread_mutex_unlock(&process) == 0);
    return error;
}

void resolver_context_delete(struct ub_ctx *context)
{
    CHECK(pthread_mutex_lock(&process) == 0);
    ub_ctx_delete(context);
    CHECK(pthread_mutex_unlock(&process) == 0);
}
