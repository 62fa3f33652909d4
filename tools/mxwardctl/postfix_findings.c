/*
 * postfix_findings.c - the rules of postfix-check: a table of rows, one function each (see
 * postfix_findings.h). What Postfix does, and since which version, is from its own manual
 * (postconf(5), postfix 3.7 and 3.11) and sources; where a version matters, the rule says which.
 */
#include "tools/mxwardctl/postfix_findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SENDER_MAPS "sender_dependent_default_transport_maps"
#define SOCKET_NAME "unix:mxward/gate.sock" /* as in tools/postfix/main.cf */
#define PREFIX      "guarantee-"            /* what mxward-gate calls the profiles' transports */
#define MAIN        "main.cf"

struct look {
    const struct postfix_site *site;
    const struct postfix_settings *settings;
    struct findings *findings;
    const struct rule *rule;
};

struct rule {
    const char *name;
    void (*look)(const struct look *look);
    const char *why;
    const char *fine;
};

/* --- what rules say --- */

/* Never NULL: what there is no room for is marked as cut, which counts as something found. */
__attribute__((format(printf, 4, 5))) static struct finding *
found(const struct look *look, enum severity severity, const char *service, const char *format, ...)
{
    struct findings *findings = look->findings;
    struct finding *row;
    va_list arguments;

    findings->cut = findings->cut || findings->count == POSTFIX_FINDINGS_MOST;
    row = &findings->rows[findings->cut ? POSTFIX_FINDINGS_MOST - 1 : findings->count++];
    *row = (struct finding){.severity = severity, .rule = look->rule->name, .why = look->rule->why};
    snprintf(row->service, sizeof row->service, "%s", service);
    va_start(arguments, format);
    vsnprintf(row->wrong, sizeof row->wrong, format, arguments);
    va_end(arguments);
    return row;
}

/* The command for main.cf or for one service, with -c where the folder was named. */
__attribute__((format(printf, 4, 5))) static void change(const struct look *look,
                                                         struct finding *row,
                                                         const struct postfix_service *service,
                                                         const char *format, ...)
{
    const char *folder = look->site->config_directory;
    char setting[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(setting, sizeof setting, format, arguments);
    va_end(arguments);
    snprintf(row->change, sizeof row->change, "postconf %s%s%s%s '%s%s%s'", folder ? "-c " : "",
             folder ? folder : "", folder ? " " : "", service ? "-P" : "-e",
             service ? service->key : "", service ? "/" : "", setting);
}

/* In words, where there is no single line. */
static void advise(struct finding *row, const char *text)
{
    snprintf(row->change, sizeof row->change, "%s", text);
}

/* --- which services --- */

static bool is_guarantee(const struct postfix_service *service)
{
    return strcmp(service->type, "unix") == 0 &&
           strncmp(service->name, PREFIX, sizeof PREFIX - 1) == 0;
}

static bool has_guarantee(const struct postfix_settings *settings)
{
    for (size_t i = 0; i < settings->service_count; i++)
        if (is_guarantee(&settings->services[i]))
            return true;
    return false;
}

static const char *profile_of(const struct postfix_service *service)
{
    return service->name + sizeof PREFIX - 1;
}

/* "smtp:[host]" is the service smtp. */
static const struct postfix_service *transport(const struct postfix_settings *settings,
                                               const char *value)
{
    char name[POSTFIX_NAME_MOST];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(value, ":"), value);
    return postfix_service(settings, name, "unix");
}

/* The default transport, if smtp(8) runs it; NULL. */
static const struct postfix_service *ordinary(const struct postfix_settings *settings)
{
    const struct postfix_service *service =
        transport(settings, postfix_global(settings, "default_transport"));

    return service && postfix_runs(service, "smtp") ? service : NULL;
}

typedef void each_service(const struct look *look, const struct postfix_service *service);

static void each_guarantee(const struct look *look, each_service *check)
{
    for (size_t i = 0; i < look->settings->service_count; i++)
        if (is_guarantee(&look->settings->services[i]))
            check(look, &look->settings->services[i]);
}

/* That of mail to relay_domains, if there are any, and smtp(8) runs it; NULL. */
static const struct postfix_service *relaying(const struct postfix_settings *settings)
{
    const struct postfix_service *service =
        transport(settings, postfix_global(settings, "relay_transport"));

    return postfix_global(settings, "relay_domains")[0] && service && postfix_runs(service, "smtp")
               ? service
               : NULL;
}

/* Ways out of mail without a guarantee. */
static void each_ordinary(const struct look *look, each_service *check)
{
    const struct postfix_service *service = ordinary(look->settings);
    const struct postfix_service *relay = relaying(look->settings);

    if (service)
        check(look, service);
    if (relay && relay != service)
        check(look, relay);
}

/* Those, and those of the guarantee. */
static void each_way_out(const struct look *look, each_service *check)
{
    each_ordinary(look, check);
    each_guarantee(look, check);
}

static const char *value_of(const struct look *look, const struct postfix_service *service,
                            const char *name)
{
    return postfix_value(look->settings, service, name);
}

/* A change where the value stands: in the service if it sets its own, else in main.cf. */
static const struct postfix_service *place(const struct look *look,
                                           const struct postfix_service *service, const char *name)
{
    return postfix_own(look->settings, service, name) ? service : NULL;
}

/* Where only the daemon could tell. */
static const char ask_daemon[] = "start mxward (mxwardctl status says whether it runs), and run "
                                 "this as root";

/* --- transports of the guarantee --- */

static void lacks_transport(const struct look *look, const char *profile)
{
    struct finding *row =
        found(look, SEVERITY_BREAKS, "master.cf",
              "there is no transport " PREFIX "%s for the profile %s", profile, profile);

    snprintf(row->change, sizeof row->change,
             "append " PREFIX "%s to master.cf: from mxward's postfix/master.cf, or a copy of "
             "guarantee-posteo there with its name written three times",
             profile);
}

static void look_transports(const struct look *look)
{
    const struct postfix_site *site = look->site;
    char name[sizeof PREFIX + 32];

    if (!site->profiles_known) {
        advise(found(look, SEVERITY_UNSEEN, "mxward",
                     "the daemon does not tell its profiles (not running, or not an "
                     "administrator): whether each has a transport was not looked at, nor whether "
                     "its own settings agree with these"),
               ask_daemon);
        if (!has_guarantee(look->settings))
            lacks_transport(look, "posteo");
        return;
    }
    for (size_t i = 0; i < site->profile_count; i++) {
        snprintf(name, sizeof name, PREFIX "%s", site->profiles[i].name);
        if (site->profiles[i].demands && !postfix_service(look->settings, name, "unix"))
            lacks_transport(look, site->profiles[i].name);
    }
}

static bool is_encrypting(const char *level)
{
    static const char *const levels[] = {"encrypt", "dane-only", "fingerprint", "verify", "secure"};

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(level, levels[i]) == 0)
            return true;
    return false;
}

static void check_guarantee_level(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_security_level";
    const char *level = value_of(look, service, name);

    if (!postfix_runs(service, "smtp")) {
        advise(
            found(look, SEVERITY_BREAKS, service->key, "it runs %s, not smtp(8)", service->program),
            "take its lines from mxward's postfix/master.cf");
        return;
    }
    if (!is_encrypting(level))
        change(look,
               found(look, SEVERITY_BREAKS, service->key, "%s = %s, below encrypt", name, level),
               service, "%s=encrypt", name);
}

static void look_guarantee_level(const struct look *look)
{
    each_guarantee(look, check_guarantee_level);
}

/* The first map must be ours, and of this profile: an answer of another one replaces the level. */
static void check_guarantee_map(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_policy_maps";
    const char *own = postfix_own(look->settings, service, name), *at = own;
    char item[POSTFIX_ITEM_MOST], wanted[POSTFIX_NAME_MOST];
    struct postfix_socketmap map;
    struct finding *row;

    snprintf(wanted, sizeof wanted, "guarantee/%s", profile_of(service));
    if (!own)
        row = found(look, SEVERITY_BREAKS, service->key,
                    "%s is that of main.cf, whose answers (dane, may) replace encrypt", name);
    else if (!postfix_item(&at, item))
        row =
            found(look, SEVERITY_BREAKS, service->key,
                  "%s is empty: what the profile demands beyond encryption is not asked for", name);
    else if (!postfix_socketmap(item, &map) || strcmp(map.name, wanted) != 0)
        row = found(look, SEVERITY_BREAKS, service->key, "%s asks %s first, not %s", name, item,
                    wanted);
    else if (postfix_item(&at, item))
        row = found(look, SEVERITY_WEAKENS, service->key,
                    "%s has %s behind %s: it may answer what the profile does not", name, item,
                    wanted);
    else
        return;
    change(look, row, service, "%s=socketmap:" SOCKET_NAME ":%s", name, wanted);
}

static void look_guarantee_map(const struct look *look)
{
    each_guarantee(look, check_guarantee_map);
}

/* First, because the first answer counts. */
static void check_status_filter(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_delivery_status_filter";
    const char *at = value_of(look, service, name);
    char item[POSTFIX_ITEM_MOST], wanted[POSTFIX_NAME_MOST] = "dsn";
    struct postfix_socketmap map;

    if (is_guarantee(service))
        snprintf(wanted, sizeof wanted, "dsn/%s", profile_of(service));
    if (!postfix_filter_item(&at, item) || !postfix_socketmap(item, &map) ||
        strcmp(map.name, wanted) != 0)
        change(
            look,
            found(look, SEVERITY_WEAKENS, service->key, "%s does not ask %s first", name, wanted),
            is_guarantee(service) ? service : place(look, service, name),
            "%s=socketmap:" SOCKET_NAME ":%s", name, wanted);
}

/* mxward-gate knows by the process that asks whose failure it is told of. */
static void check_proxied(const struct look *look, const struct postfix_service *service)
{
    static const char *const names[] = {"smtp_tls_policy_maps", "smtp_delivery_status_filter"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = value_of(look, service, names[i]);
        char item[POSTFIX_ITEM_MOST];
        struct postfix_socketmap map;

        while (postfix_filter_item(&at, item))
            if (postfix_socketmap(item, &map) && map.proxied)
                change(look,
                       found(look, is_guarantee(service) ? SEVERITY_BREAKS : SEVERITY_WEAKENS,
                             service->key, "%s asks %s", names[i], item),
                       place(look, service, names[i]), "%s=%s", names[i],
                       item + sizeof "proxy:" - 1);
    }
}

static void look_proxied(const struct look *look)
{
    each_way_out(look, check_proxied);
}

static void look_status_filter(const struct look *look)
{
    each_way_out(look, check_status_filter);
}

/* Does a table of patterns take 4.7.5 for final? A line with such a pattern and a result of 5. */
static bool turns_final(const char *text)
{
    static const char *const patterns[] = {"4\\.7\\.5", "4.7.5",     "4\\.7\\.[",
                                           "4.7.[",     "4(\\.7\\.", "4(.7."};

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        size_t length = strcspn(line += *line == '\n', "\n");
        char copy[1024];
        const char *result;

        snprintf(copy, sizeof copy, "%.*s", (int)length, line);
        result = strrchr(copy, '/');
        if (copy[0] == '#' || !result || !strchr(result, '5'))
            continue;
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
            if (strstr(copy, patterns[i]))
                return true;
    }
    return false;
}

static void check_bounces(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_delivery_status_filter";
    const char *at = value_of(look, service, name);
    char item[POSTFIX_ITEM_MOST];

    while (postfix_item(&at, item)) {
        const char *colon = strchr(item, ':');
        const struct postfix_file *file = colon ? postfix_site_file(look->site, colon + 1) : NULL;

        if (file && file->text && turns_final(file->text))
            advise(found(look, SEVERITY_BREAKS, service->key,
                         "%s: %s makes 4.7.5 final, which is also what Postfix says while mxward "
                         "cannot answer",
                         name, file->path),
                   "delete that line of the file; dsn/PROFILE does it by the text, and only if the "
                   "other side is to blame");
    }
}

static void look_bounces(const struct look *look)
{
    each_way_out(look, check_bounces);
}

/* A delivery could go out over a connection that was opened under a weaker policy (Postfix's
 * HISTORY, 20250619). Separate services keep senders apart, but one service has many policies. */
static void check_cache(const struct look *look, const struct postfix_service *service)
{
    static const struct {
        const char *name, *off;
    } rows[] = {{"smtp_tls_connection_reuse", "no"},
                {"smtp_connection_cache_on_demand", "no"},
                {"smtp_connection_cache_destinations", ""}};

    if (postfix_is_at_least(look->settings, 3, 11, 0))
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *value = value_of(look, service, rows[i].name);

        if (strcmp(value, rows[i].off) != 0)
            change(look,
                   found(look, SEVERITY_WEAKENS, service->key, "%s = %s", rows[i].name, value),
                   service, "%s=%s", rows[i].name, rows[i].off);
    }
}

static void look_cache(const struct look *look)
{
    each_guarantee(look, check_cache);
}

/* --- who gets a guarantee --- */

/* Asked before ours, or behind one that lets no other be asked. */
static void check_sender_map(const struct look *look, const char *maps, bool first, bool last,
                             bool only)
{
    if (!first)
        advise(found(look, SEVERITY_WEAKENS, MAIN,
                     SENDER_MAPS " asks another map before sender: %s", maps),
               "name socketmap:" SOCKET_NAME ":sender first, unless the other one holds "
               "only senders without a guarantee");
    if (only && !last)
        advise(found(look, SEVERITY_ADVICE, MAIN,
                     SENDER_MAPS " never asks what stands behind sender/only: %s", maps),
               "name socketmap:" SOCKET_NAME ":sender instead, which answers not found");
}

static void look_sender_map(const struct look *look)
{
    const char *maps = postfix_global(look->settings, SENDER_MAPS), *at = maps;
    char item[POSTFIX_ITEM_MOST];
    struct postfix_socketmap map;
    struct finding *row;
    size_t before = 0;

    while (postfix_item(&at, item)) {
        if (postfix_socketmap(item, &map) &&
            (strcmp(map.name, "sender") == 0 || strcmp(map.name, "sender/only") == 0)) {
            const bool only = strcmp(map.name, "sender/only") == 0;

            check_sender_map(look, maps, before == 0, !postfix_item(&at, item), only);
            return;
        }
        before++;
    }
    if (before > 0) {
        advise(found(look, SEVERITY_ADVICE, MAIN, SENDER_MAPS " does not ask mxward: %s", maps),
               "if these maps answer guarantee-PROFILE: themselves, that is fine; mxwardctl user "
               "then switches nothing");
        return;
    }
    row = found(look, SEVERITY_BREAKS, MAIN, SENDER_MAPS " is empty: no sender has a guarantee");
    change(look, row, NULL, SENDER_MAPS "=socketmap:" SOCKET_NAME ":sender/only");
}

static void look_transport_maps(const struct look *look)
{
    const char *maps = postfix_global(look->settings, "transport_maps");

    if (maps[0])
        advise(found(look, SEVERITY_WEAKENS, MAIN,
                     "transport_maps = %s: for what it names, it overrules the sender's transport",
                     maps),
               "keep in it only domains that are delivered on this machine; or: postconf -e "
               "transport_maps=");
}

/* Postfix asks the sender's map for the default class alone (resolve_addr.c, all versions): of
 * relay_domains and their subdomains relay_transport is all. Before compatibility level 2 they are
 * those of mydestination, whose subdomains go that way. */
static void look_relay_domains(const struct look *look)
{
    const struct postfix_service *service = relaying(look->settings);

    if (service)
        change(look,
               found(look, SEVERITY_WEAKENS, MAIN,
                     "relay_domains = %s: mail there goes by relay_transport = %s, whoever sends",
                     postfix_global(look->settings, "relay_domains"),
                     postfix_global(look->settings, "relay_transport")),
               NULL, "relay_domains=");
}

static void look_relay_host(const struct look *look)
{
    static const char *const names[] = {"relayhost", "sender_dependent_relayhost_maps"};
    const char *value;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        value = postfix_global(look->settings, names[i]);
        if (value[0])
            change(look,
                   found(look, SEVERITY_WEAKENS, MAIN,
                         "%s = %s: mail goes there, and the guarantee covers only this way",
                         names[i], value),
                   NULL, "%s=", names[i]);
    }
    value = postfix_global(look->settings, "default_transport");
    if (!ordinary(look->settings))
        change(look,
               found(look, SEVERITY_WEAKENS, MAIN,
                     "default_transport = %s, which is not run by smtp(8): no policy is asked for",
                     value),
               NULL, "default_transport=smtp");
    else if (strchr(value, ':') && strchr(value, ':')[1])
        change(
            look,
            found(look, SEVERITY_WEAKENS, MAIN, "default_transport = %s names a relay host", value),
            NULL, "default_transport=smtp");
}

/* The classes without that of the envelope's sender; "" if there is no other. */
static void other_classes(const char *classes, char out[POSTFIX_ITEM_MOST])
{
    char item[POSTFIX_ITEM_MOST];
    size_t used = 0;

    out[0] = '\0';
    while (postfix_item(&classes, item) && used < POSTFIX_ITEM_MOST)
        if (strcmp(item, "envelope_sender") != 0)
            used += (size_t)snprintf(out + used, POSTFIX_ITEM_MOST - used, "%s%s",
                                     used > 0 ? ", " : "", item);
}

/* cleanup(8) rewrites the sender before the queue manager asks whose transport it is. */
static void check_rewriting(const struct look *look, const struct postfix_service *service)
{
    static const char *const names[][2] = {{"canonical_maps", "canonical_classes"},
                                           {"sender_canonical_maps", "sender_canonical_classes"},
                                           {"masquerade_domains", "masquerade_classes"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = value_of(look, service, names[i][0]);
        const char *classes = value_of(look, service, names[i][1]);
        char others[POSTFIX_ITEM_MOST];
        struct finding *row;

        if (!value[0] || !postfix_has_item(classes, "envelope_sender"))
            continue;
        other_classes(classes, others);
        row = found(look, SEVERITY_WEAKENS, service->key, "%s = %s rewrites senders (%s = %s)",
                    names[i][0], value, names[i][1], classes);
        snprintf(row->change, sizeof row->change,
                 "switch guarantees on for what an address is rewritten to; or leave the envelope "
                 "as it is: %s = %s",
                 others[0] ? names[i][1] : names[i][0], others);
    }
}

static void look_rewriting(const struct look *look)
{
    for (size_t i = 0; i < look->settings->service_count; i++)
        if (postfix_runs(&look->settings->services[i], "cleanup"))
            check_rewriting(look, &look->settings->services[i]);
}

/* Is there a comma inside of this many braces, before the end of the text or of its line? */
static bool has_comma(const char *text, int depth)
{
    int now = 0;

    for (const char *at = text; *at && *at != '\n'; at++) {
        now += (*at == '{') - (*at == '}');
        if (*at == ',' && now >= depth)
            return true;
    }
    return false;
}

/* "KEY VALUE" in a line, and what goes on in lines that begin with a blank. */
static bool table_has_list(const char *text)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (line[0] != '#' && has_comma(line, 0))
            return true;
    }
    return false;
}

/* Before 3.5 there are none (RELEASE_NOTES): the comma is then part of a name that does not exist.
 */
static void look_next_hops(const struct look *look)
{
    char item[POSTFIX_ITEM_MOST];

    for (size_t i = 0; i < POSTFIX_ROUTES; i++) {
        const char *list = postfix_global(look->settings, postfix_routes[i]);

        while (postfix_item(&list, item)) {
            const char *path = postfix_table_file(item);
            const struct postfix_file *file = path ? postfix_site_file(look->site, path) : NULL;

            if ((file && file->text && table_has_list(file->text)) ||
                (strncmp(item, "inline:", 7) == 0 && has_comma(item, 2)) ||
                (strncmp(item, "static:{", 8) == 0 && has_comma(item, 1)))
                advise(found(look, SEVERITY_WEAKENS, MAIN, "%s: %s names several next hops at once",
                             postfix_routes[i], item),
                       "name one next hop: a domain, or a host in brackets");
        }
    }
}

static void check_fallback(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_fallback_relay";
    const char *value = value_of(look, service, name);

    if (value[0])
        change(look,
               found(look, is_guarantee(service) ? SEVERITY_WEAKENS : SEVERITY_ADVICE, service->key,
                     "%s = %s", name, value),
               is_guarantee(service) ? service : place(look, service, name), "%s=", name);
}

static void look_fallback(const struct look *look)
{
    each_way_out(look, check_fallback);
}

/* The first hop of a filter, before the sender's transport is looked up again. */
static bool stays_here(const char *filter)
{
    return strstr(filter, "127.") || strstr(filter, "localhost") || strstr(filter, "[::1]") ||
           strstr(filter, "unix:") || strchr(filter, '/');
}

static void look_content_filter(const struct look *look)
{
    const char *filter = postfix_global(look->settings, "content_filter");

    if (filter[0] && !stays_here(filter)) {
        const struct postfix_service *service = transport(look->settings, filter);

        if (!service || postfix_runs(service, "smtp"))
            change(look,
                   found(look, SEVERITY_WEAKENS, MAIN,
                         "content_filter = %s: mail goes there, whoever sends", filter),
                   NULL, "content_filter=");
    }
    for (size_t i = 0; i < look->settings->service_count; i++) {
        const struct postfix_service *service = &look->settings->services[i];
        const char *own = postfix_own(look->settings, service, "content_filter");

        if (own && own[0] && !stays_here(own))
            change(look,
                   found(look, SEVERITY_ADVICE, service->key,
                         "content_filter = %s: what comes in here leaves without the sender's "
                         "guarantee (right for automatic replies and forwards)",
                         own),
                   service, "content_filter=");
    }
}

/* --- submission --- */

/* In a list, before anything that lets those who logged in pass. */
static bool refuses_mismatch(const char *restrictions)
{
    char item[POSTFIX_ITEM_MOST];

    while (postfix_item(&restrictions, item)) {
        if (strcmp(item, "reject_sender_login_mismatch") == 0 ||
            strcmp(item, "reject_authenticated_sender_login_mismatch") == 0)
            return true;
        if (strcmp(item, "permit_sasl_authenticated") == 0 || strcmp(item, "permit") == 0)
            return false;
    }
    return false;
}

/* Asks mxward for who has logged in, before anything that lets him pass? */
static bool asks_mxward(const char *restrictions)
{
    char item[POSTFIX_ITEM_MOST], before[POSTFIX_ITEM_MOST] = "";

    while (postfix_item(&restrictions, item)) {
        const bool asks = strcmp(before, "check_policy_service") == 0 && strstr(item, "mxward");

        if (asks && (strstr(item, "policy_context=submission") || !strstr(item, "policy_context=")))
            return true;
        if (strcmp(item, "permit_sasl_authenticated") == 0 || strcmp(item, "permit") == 0)
            return false;
        snprintf(before, sizeof before, "%s", item);
    }
    return false;
}

static bool is_submission(const struct look *look, const struct postfix_service *service)
{
    return postfix_runs(service, "smtpd") &&
           (strcmp(value_of(look, service, "smtpd_sasl_auth_enable"), "yes") == 0 ||
            strncmp(service->name, "submission", sizeof "submission" - 1) == 0);
}

static void look_submission(const struct look *look)
{
    for (size_t i = 0; i < look->settings->service_count; i++) {
        const struct postfix_service *service = &look->settings->services[i];

        if (is_submission(look, service) &&
            !asks_mxward(value_of(look, service, "smtpd_recipient_restrictions")))
            advise(found(look, SEVERITY_WEAKENS, service->key,
                         "smtpd_recipient_restrictions does not ask mxward before "
                         "permit_sasl_authenticated: who logs in may send as <>, without his "
                         "guarantee"),
                   "put $mxward_submission first in its smtpd_recipient_restrictions in master.cf "
                   "(mxward's postfix/README)");
    }
}

static bool is_bound(const struct look *look, const struct postfix_service *service)
{
    static const char *const lists[] = {"smtpd_client_restrictions", "smtpd_helo_restrictions",
                                        "smtpd_sender_restrictions", "smtpd_relay_restrictions",
                                        "smtpd_recipient_restrictions"};

    if (value_of(look, service, "smtpd_sender_login_maps")[0] == 0)
        return false;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (refuses_mismatch(value_of(look, service, lists[i])))
            return true;
    return false;
}

static void look_login(const struct look *look)
{
    for (size_t i = 0; i < look->settings->service_count; i++) {
        const struct postfix_service *service = &look->settings->services[i];

        if (!postfix_runs(service, "smtpd") ||
            strcmp(value_of(look, service, "smtpd_sasl_auth_enable"), "yes") != 0 ||
            is_bound(look, service))
            continue;
        if (value_of(look, service, "smtpd_sender_login_maps")[0] == 0)
            change(look,
                   found(look, SEVERITY_WEAKENS, service->key,
                         "smtpd_sender_login_maps is empty: who logs in may send as anybody"),
                   NULL, "smtpd_sender_login_maps=hash:/etc/postfix/sender_logins");
        else
            change(look,
                   found(look, SEVERITY_WEAKENS, service->key,
                         "no reject_sender_login_mismatch before permit_sasl_authenticated: who "
                         "logs in may send as anybody"),
                   service, "smtpd_sender_restrictions=reject_sender_login_mismatch");
    }
}

/* From 3.10 on: the header takes the message to `may`, and no map is asked (RFC 8689 section 3). */
static void check_tls_required(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "tls_required_enable";

    if (strcmp(value_of(look, service, name), "yes") == 0)
        change(look,
               found(look, is_guarantee(service) ? SEVERITY_BREAKS : SEVERITY_WEAKENS, service->key,
                     "%s = yes: a header in the message puts every policy aside", name),
               is_guarantee(service) ? service : place(look, service, name), "%s=no", name);
}

static void look_tls_required(const struct look *look)
{
    if (postfix_is_at_least(look->settings, 3, 10, 0))
        each_way_out(look, check_tls_required);
}

/* From 3.11 on smtpd(8) takes messages with REQUIRETLS, unless it is told not to, and what smtp(8)
 * makes of that is the first word of the list that is no table, or enforce (postconf(5)). */
static void check_requiretls(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_requiretls_policy";
    const char *at = value_of(look, service, name);
    struct postfix_socketmap map;
    char item[POSTFIX_ITEM_MOST];
    bool asks = false;

    while (postfix_item(&at, item) && strchr(item, ':'))
        asks = asks || (postfix_socketmap(item, &map) && strcmp(map.name, "requiretls") == 0);
    if (item[0] && strcmp(item, "enforce") != 0)
        advise(found(look, SEVERITY_WEAKENS, service->key,
                     "%s says %s: a message that was taken with REQUIRETLS leaves without", name,
                     item),
               "take the line from mxward's postfix/main-3.10.cf, or set requiretls_enable = no");
    else if (!asks)
        advise(found(look, SEVERITY_ADVICE, service->key,
                     "%s does not ask mxward: what it cannot tell in time returns messages with "
                     "REQUIRETLS",
                     name),
               "take the line from mxward's postfix/main-3.10.cf");
}

static void look_requiretls(const struct look *look)
{
    if (postfix_is_at_least(look->settings, 3, 11, 0) &&
        strcmp(postfix_global(look->settings, "requiretls_enable"), "yes") == 0)
        each_way_out(look, check_requiretls);
}

/* Where the list asks mxward about mail that comes in; without a context it knows by the login. */
static const char *inbound_question(const char *list)
{
    const char *named = strstr(list, "policy_context=inbound");
    const char *bare = strstr(list, "check_policy_service unix:");

    if (named)
        return named;
    return bare && strstr(bare, "mxward") ? bare : NULL;
}

/* Where mail from outside comes in: secure aliases. */
static void look_inbound(const struct look *look)
{
    const struct postfix_service *service = postfix_service(look->settings, "smtp", "inet");
    const char *list, *ours, *relay;

    if (!service || !postfix_runs(service, "smtpd"))
        service = postfix_service(look->settings, "smtpd", "pass"); /* behind postscreen */
    if (!service)
        return;
    list = value_of(look, service, "smtpd_recipient_restrictions");
    ours = inbound_question(list);
    relay = strstr(list, "reject_unauth_destination");
    if (!ours)
        advise(found(look, SEVERITY_ADVICE, service->key,
                     "smtpd_recipient_restrictions does not ask mxward: secure aliases take mail "
                     "that came in clear text"),
               "add $mxward_inbound behind reject_unauth_destination (mxward's postfix/README)");
    else if (relay && relay > ours)
        advise(found(look, SEVERITY_ADVICE, service->key,
                     "smtpd_recipient_restrictions asks mxward before reject_unauth_destination: "
                     "strangers may have it asked about any recipient"),
               "put $mxward_inbound behind reject_unauth_destination");
}

/* A secure alias, or a guarantee, belongs to an address with any extension, as mxward parts it. */
static void look_delimiter(const struct look *look)
{
    const char *theirs = postfix_global(look->settings, "recipient_delimiter");
    const char *ours = look->site->delimiters;

    if (strspn(theirs, ours) == strlen(theirs))
        return;
    if (look->site->profiles_known)
        advise(found(look, SEVERITY_WEAKENS, MAIN,
                     "recipient_delimiter = %s, but mxward's guarantee.recipient_delimiter is '%s'",
                     theirs, ours),
               "set guarantee { recipient_delimiter = … } in mxward.conf to all characters of "
               "Postfix's");
    else
        advise(found(look, SEVERITY_UNSEEN, MAIN,
                     "recipient_delimiter = %s, and whether mxward's "
                     "guarantee.recipient_delimiter is the same is not told",
                     theirs),
               ask_daemon);
}

/* --- the ordinary transport --- */

static bool is_policy_map(const char *name)
{
    return strcmp(name, "policy") == 0 || strncmp(name, "QUERY", 5) == 0 ||
           strncmp(name, "guarantee/", 10) == 0;
}

static void check_default_map(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_policy_maps";
    const char *at = value_of(look, service, name);
    struct postfix_socketmap map;
    char item[POSTFIX_ITEM_MOST], first[POSTFIX_ITEM_MOST] = "";
    struct finding *row;

    while (postfix_item(&at, item)) {
        if (postfix_socketmap(item, &map) && is_policy_map(map.name))
            break;
        if (!first[0])
            snprintf(first, sizeof first, "%s", item);
        item[0] = 0;
    }
    if (item[0] && strcmp(map.name, "QUERYwithTLSRPT") == 0 &&
        !postfix_is_at_least(look->settings, 3, 10, 0))
        row = found(look, SEVERITY_BREAKS, service->key,
                    "%s asks QUERYwithTLSRPT, whose answers Postfix before 3.10 does not "
                    "understand: all such mail waits",
                    name);
    else if (!item[0])
        row = found(look, SEVERITY_WEAKENS, service->key, "%s does not ask mxward", name);
    else if (first[0])
        row = found(look, SEVERITY_WEAKENS, service->key,
                    "%s asks %s before mxward: its answers replace what is remembered, and rules",
                    name, first);
    else
        return;
    change(look, row, place(look, service, name), "%s=socketmap:" SOCKET_NAME ":policy", name);
}

/* Where there is none, relay-host says it. */
static void look_default_map(const struct look *look)
{
    each_ordinary(look, check_default_map);
}

static void check_default_level(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_security_level";
    const char *level = value_of(look, service, name);
    const char *maps = value_of(look, service, "smtp_tls_policy_maps");
    struct finding *row;

    if (is_encrypting(level) && !strstr(maps, ":guarantee/")) {
        row = found(look, SEVERITY_WEAKENS, service->key,
                    "%s = %s, but an answer of the map may be less, and replaces it", name, level);
        change(look, row, place(look, service, "smtp_tls_policy_maps"),
               "smtp_tls_policy_maps=socketmap:" SOCKET_NAME ":guarantee/%s",
               strcmp(level, "encrypt") == 0 ? "posteo" : "strict");
        return;
    }
    if (is_encrypting(level) || strcmp(level, "dane") == 0)
        return;
    row = found(look, strcmp(level, "may") == 0 ? SEVERITY_ADVICE : SEVERITY_WEAKENS, service->key,
                "%s = %s: where the map says nothing, %s", name, level,
                strcmp(level, "may") == 0 ? "DANE is not done" : "TLS is not used");
    change(look, row, place(look, service, name), "%s=dane", name);
}

static void look_default_level(const struct look *look)
{
    each_ordinary(look, check_default_level);
}

/* --- what policies need --- */

/* Places in the order of versions; a bit each. */
static unsigned protocol_of(const char *name)
{
    static const char *const names[] = {"SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    static const char *const numbers[] = {"0002", "0300", "0301", "0302", "0303", "0304"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0 || strcmp(name, numbers[i]) == 0)
            return i;
    return 6;
}

#define OLD_PROTOCOLS 0x0eU /* SSLv3, TLSv1, TLSv1.1; SSLv2 is in no OpenSSL of today */

/* postconf(5), smtp_tls_mandatory_protocols: bounds, exclusions, or the old list of what is good;
 * an empty value, or one that is not understood, lets everything pass. */
static bool allows_old(const char *value)
{
    unsigned without = 0, with = 0;
    char text[POSTFIX_ITEM_MOST], item[POSTFIX_ITEM_MOST];
    const char *at = text;

    snprintf(text, sizeof text, "%s", value);
    for (char *colon = text; (colon = strchr(colon, ':'));)
        *colon = ' ';
    while (postfix_item(&at, item)) {
        unsigned place;

        if (strncmp(item, ">=", 2) == 0) {
            place = protocol_of(item + 2);
            without |= place < 6 ? (1U << place) - 1 : 0;
        } else if (item[0] == '!') {
            place = protocol_of(item + 1);
            without |= 1U << place;
        } else if (strncmp(item, "<=", 2) != 0) {
            with |= 1U << protocol_of(item);
        }
    }
    if (with)
        without |= ~with;
    return (~without & OLD_PROTOCOLS) != 0;
}

static void check_protocols(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_mandatory_protocols";
    const char *value = value_of(look, service, name);

    if (allows_old(value))
        change(look,
               found(look, SEVERITY_WEAKENS, service->key, "%s = %s lets TLS below 1.2 pass", name,
                     value),
               place(look, service, name),
               postfix_is_at_least(look->settings, 3, 6, 0) ? "%s=>=TLSv1.2"
                                                            : "%s=!SSLv2,!SSLv3,!TLSv1,!TLSv1.1",
               name);
}

static void look_protocols(const struct look *look)
{
    each_way_out(look, check_protocols);
}

/* Since 3.6.17, 3.7.13, 3.8.8, 3.9.2 and 3.10.0 the standard value is dane; before, it is an
 * expression of the level, so that it is `may` in a service with encrypt. */
static void check_insecure_mx(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_dane_insecure_mx_policy";
    const char *own = postfix_own(look->settings, service, name);
    const char *value = own ? own : look->settings->insecure_mx_policy;
    const char *shown = postfix_global(look->settings, name);

    if (strcmp(value, "dane") == 0 || (!own && value[0] == '$' && !strchr(value, '?') &&
                                       strcmp(shown, "dane") == 0)) /* "$ours" */
        return;
    change(look,
           found(look, SEVERITY_WEAKENS, service->key, "%s = %s%s", name, value,
                 strchr(value, '?') ? " (the standard value of this version)" : ""),
           own ? service : NULL, "%s=dane", name);
}

static void look_insecure_mx(const struct look *look)
{
    each_way_out(look, check_insecure_mx);
}

static void check_dnssec(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_dns_support_level", host[] = "smtp_host_lookup";
    const char *level = value_of(look, service, name);

    if (strcmp(level, "dnssec") != 0)
        change(look,
               found(look, is_guarantee(service) ? SEVERITY_BREAKS : SEVERITY_WEAKENS, service->key,
                     "%s = %s", name, level[0] ? level : "(empty)"),
               place(look, service, name), "%s=dnssec", name);
    if (postfix_has_item(value_of(look, service, host), "native"))
        change(look,
               found(look, SEVERITY_WEAKENS, service->key, "%s = %s", host,
                     value_of(look, service, host)),
               place(look, service, host), "%s=dns", host);
}

static void look_dnssec(const struct look *look)
{
    each_way_out(look, check_dnssec);
}

static void check_digest(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_fingerprint_digest";
    const char *value = value_of(look, service, name);

    if (strcmp(value, "sha256") != 0)
        change(look, found(look, SEVERITY_BREAKS, service->key, "%s = %s", name, value),
               place(look, service, name), "%s=sha256", name);
}

static void look_digest(const struct look *look)
{
    each_way_out(look, check_digest);
}

static void check_authorities(const struct look *look, const struct postfix_service *service)
{
    static const char file_name[] = "smtp_tls_CAfile";
    const char *file = value_of(look, service, file_name);
    const char *folder = value_of(look, service, "smtp_tls_CApath");
    const struct postfix_file *seen = postfix_site_file(look->site, file);
    const bool jailed = service->chroot;
    struct finding *row = NULL;
    char path[2 * POSTFIX_PATH_MOST];

    snprintf(path, sizeof path, "%s%s", jailed ? look->site->queue_directory : "", folder);
    if (file[0] && seen && !seen->is_there) {
        row = found(look, SEVERITY_BREAKS, service->key,
                    "%s = %s, which cannot be read: Postfix then does no TLS at all", file_name,
                    file);
    } else if (!file[0] && !folder[0]) {
        row = found(look, SEVERITY_WEAKENS, service->key,
                    "no certificate authorities (%s is empty): what demands a trusted certificate "
                    "waits",
                    file_name);
    } else if (!file[0]) {
        seen = postfix_site_file(look->site, path);
        if (seen && !seen->is_there)
            row = found(look, SEVERITY_WEAKENS, service->key,
                        "smtp_tls_CApath = %s, which is not there%s (%s): what demands a trusted "
                        "certificate waits",
                        folder, jailed ? " inside the chroot" : "", path);
    }
    if (row)
        change(look, row, place(look, service, file_name), "%s=/etc/ssl/certs/ca-certificates.crt",
               file_name);
}

static void look_authorities(const struct look *look)
{
    each_way_out(look, check_authorities);
}

/* --- the resolver --- */

static void look_resolver(const struct look *look)
{
    const struct postfix_resolver *resolver = &look->site->resolver;
    bool away = false;

    if (!resolver->is_there) {
        advise(found(look, SEVERITY_WEAKENS, "resolver", "%s cannot be read", resolver->path),
               "name a resolver of this machine that validates: nameserver 127.0.0.1");
        return;
    }
    for (size_t i = 0; i < resolver->server_count; i++) {
        char address[64] = "";

        if (sscanf(resolver->servers[i], "[%63[^]]", address) != 1)
            snprintf(address, sizeof address, "%s", resolver->servers[i]);
        if (postfix_is_loopback(address))
            continue;
        away = true;
        advise(found(look, SEVERITY_WEAKENS, "resolver",
                     "%s names %s, which is not on this machine: whoever is on the way there may "
                     "say that an answer was validated",
                     resolver->path, resolver->servers[i]),
               "run a validating resolver here (unbound), and name only it: nameserver 127.0.0.1");
    }
    if (look->site->validation == VALIDATES_NOT)
        advise(found(look, SEVERITY_WEAKENS, "resolver",
                     "the first resolver of %s does not say of the root's name servers that they "
                     "are validated: to Postfix no name has DANE",
                     resolver->path),
               "switch DNSSEC validation on in it, or use one that validates (unbound)");
    else if (look->site->validation == VALIDATION_SILENT && !away)
        advise(found(look, SEVERITY_WEAKENS, "resolver",
                     "the first resolver of %s did not answer within two seconds", resolver->path),
               "start it, and test: delv @127.0.0.1 . NS");
}

static bool same_servers(const struct postfix_resolver *a, const struct postfix_resolver *b)
{
    if (a->server_count != b->server_count)
        return false;
    for (size_t i = 0; i < a->server_count; i++)
        if (strcmp(a->servers[i], b->servers[i]) != 0)
            return false;
    return true;
}

static void check_chroot_resolver(const struct look *look, const struct postfix_service *service)
{
    const struct postfix_resolver *inside = &look->site->chroot_resolver;

    if (!service->chroot)
        return;
    if (!inside->is_there)
        advise(found(look, SEVERITY_ADVICE, service->key,
                     "it is chrooted, and there is no %s: it asks 127.0.0.1 whatever the system's "
                     "says",
                     inside->path),
               "start Postfix by its own script, which copies it, or copy it");
    else if (look->site->resolver.is_there && !same_servers(inside, &look->site->resolver))
        advise(found(look, SEVERITY_WEAKENS, service->key,
                     "%s, which it reads in its chroot, names other resolvers than %s",
                     inside->path, look->site->resolver.path),
               "restart Postfix: its start copies the file into the chroot");
}

static void look_chroot_resolver(const struct look *look)
{
    each_ordinary(look, check_chroot_resolver);
}

/* --- sockets --- */

static void say_socket(const struct look *look, const struct postfix_socket *socket)
{
    static const char *const said[] = {
        [SOCKET_ABSENT] = "there is no socket",
        [SOCKET_REFUSES] = "nobody listens",
        [SOCKET_SILENT] = "nobody answers within two seconds",
        [SOCKET_STRANGE] = "somebody answers who is not mxward-gate",
        [SOCKET_CLOSED_TO_US] = "this user may not connect, so it was not asked",
        [SOCKET_CLOSED_TO_POSTFIX] = "mxward-gate answers, but Postfix's user may not connect",
    };
    const bool relative = socket->named[0] != '/';
    struct finding *row =
        found(look, socket->state == SOCKET_CLOSED_TO_US ? SEVERITY_UNSEEN : SEVERITY_BREAKS,
              socket->service, "unix:%s: %s at %s%s", socket->named, said[socket->state],
              socket->path, socket->chroot && !relative ? " (it is chrooted)" : "");

    if (socket->state == SOCKET_CLOSED_TO_POSTFIX)
        snprintf(
            row->change, sizeof row->change,
            "let the user %s pass its folders and write to it: chgrp %s and chmod 2750 of the "
            "folder (mxward's postfix/README, step 1), gate.mode and gate.group in mxward.conf",
            look->site->mail_owner, look->site->mail_owner);
    else if (socket->state == SOCKET_CLOSED_TO_US)
        advise(row, "run it as root");
    else if (socket->state == SOCKET_ABSENT && socket->chroot && !relative)
        change(look, row, NULL, "mxward_gate=" SOCKET_NAME);
    else
        snprintf(row->change, sizeof row->change,
                 "start mxward-gate with %s among gate.sockets in mxward.conf", socket->path);
}

static void look_sockets(const struct look *look)
{
    for (size_t i = 0; i < look->site->socket_count; i++)
        if (look->site->sockets[i].state != SOCKET_ANSWERS)
            say_socket(look, &look->site->sockets[i]);
    if (strstr(postfix_global(look->settings, SENDER_MAPS), "socketmap::") ||
        strstr(postfix_global(look->settings, "smtp_tls_policy_maps"), "socketmap::"))
        change(look,
               found(look, SEVERITY_BREAKS, MAIN,
                     "mxward_gate, where maps are asked, is not set in main.cf"),
               NULL, "mxward_gate=" SOCKET_NAME);
    else if (look->site->socket_count == 0)
        advise(found(look, SEVERITY_BREAKS, MAIN, "nothing in these settings asks mxward-gate"),
               "append the lines of mxward's postfix/main.cf and master.cf (README there)");
}

/* --- exceptions: one message for each recipient --- */

static const struct postfix_service *listener(const struct look *look)
{
    for (size_t i = 0; i < look->settings->service_count; i++) {
        const struct postfix_service *service = &look->settings->services[i];

        if (postfix_runs(service, "smtpd") && strcmp(service->type, "inet") == 0 &&
            strstr(value_of(look, service, "smtpd_recipient_restrictions"), "policy_context=route"))
            return service;
    }
    return NULL;
}

static void check_listener(const struct look *look, const struct postfix_service *service)
{
    static const char *const here[] = {"127.0.0.1:", "localhost:", "[::1]:"};
    const char *filter = value_of(look, service, "content_filter");
    bool loopback = false;

    for (size_t i = 0; i < 3; i++)
        loopback = loopback || strncmp(service->name, here[i], strlen(here[i])) == 0;
    if (!loopback)
        advise(found(look, SEVERITY_BREAKS, service->key,
                     "the listener of by-recipient is open to other machines"),
               "name it 127.0.0.1:10026 in master.cf");
    if (filter[0])
        change(look,
               found(look, SEVERITY_BREAKS, service->key,
                     "content_filter = %s: it overrules the transport that mxward answers", filter),
               service, "content_filter=");
}

/* gate.split_transport, "TRANSPORT:[HOST]:PORT", leads to the listener. */
static void check_split(const struct look *look, const struct postfix_service *service)
{
    const char *split = look->site->split_transport;
    const char *split_port = strrchr(split, ':'), *port = strrchr(service->name, ':');

    port = port ? port + 1 : service->name;
    if (split_port && strcmp(split_port + 1, port) == 0 && transport(look->settings, split))
        return;
    if (look->site->profiles_known)
        advise(found(look, SEVERITY_BREAKS, service->key,
                     "gate.split_transport = %s does not lead here: mail of senders with an "
                     "exception waits",
                     split),
               "set gate { split_transport = … } in mxward.conf to a transport of master.cf and "
               "this port: by-recipient:[127.0.0.1]:10026");
    else
        advise(found(look, SEVERITY_UNSEEN, service->key,
                     "whether gate.split_transport of mxward.conf leads here is not told"),
               ask_daemon);
}

static void look_by_recipient(const struct look *look)
{
    static const char limit[] = "by-recipient_destination_recipient_limit";
    const struct postfix_service *service = postfix_service(look->settings, "by-recipient", "unix");
    const char *value = postfix_global(look->settings, limit);

    if (!service || !postfix_runs(service, "smtp"))
        advise(found(look, SEVERITY_BREAKS, "master.cf",
                     "there is no transport by-recipient run by smtp(8)"),
               "append by-recipient to master.cf, from mxward's postfix/master.cf");
    if (service && strcmp(value, "1") != 0)
        change(look,
               found(look, SEVERITY_BREAKS, MAIN,
                     "%s = %s: several recipients would get the transport of one", limit, value),
               NULL, "%s=1", limit);
    value = postfix_global(look->settings, "default_filter_nexthop");
    if (value[0])
        change(look,
               found(look, SEVERITY_BREAKS, MAIN,
                     "default_filter_nexthop = %s: FILTER guarantee-PROFILE: would send all of it "
                     "there",
                     value),
               NULL, "default_filter_nexthop=");
    service = listener(look);
    if (service) {
        check_listener(look, service);
        check_split(look, service);
        return;
    }
    advise(
        found(look, SEVERITY_BREAKS, "master.cf",
              "no smtpd asks with policy_context=route: the listener of by-recipient is missing"),
        "append 127.0.0.1:10026 to master.cf, from mxward's postfix/master.cf; the name "
        "mxward_route is in main.cf of that folder");
}

/* --- comfort --- */

static long seconds_of(const char *value)
{
    char *unit;
    long number = strtol(value, &unit, 10);

    return number * (*unit == 'w'   ? 604800
                     : *unit == 'd' ? 86400
                     : *unit == 'h' ? 3600
                     : *unit == 'm' ? 60
                                    : 1);
}

static void look_lifetime(const struct look *look)
{
    const char *lifetime = postfix_global(look->settings, "maximal_queue_lifetime");
    const char *warning = postfix_global(look->settings, "delay_warning_time");

    if (seconds_of(lifetime) > 86400 && seconds_of(warning) == 0)
        change(look,
               found(look, SEVERITY_ADVICE, MAIN,
                     "maximal_queue_lifetime = %s, and delay_warning_time = %s: who sent mail that "
                     "is held hears nothing until then",
                     lifetime, warning),
               NULL, "delay_warning_time=1h");
}

static void check_loglevel(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "smtp_tls_loglevel";
    const char *value = value_of(look, service, name);

    if (strtol(value, NULL, 10) < 1)
        change(look, found(look, SEVERITY_ADVICE, service->key, "%s = %s", name, value),
               place(look, service, name), "%s=1", name);
}

static void look_loglevel(const struct look *look)
{
    each_way_out(look, check_loglevel);
}

/* Of smtp(8): a listener of our own has it, for clients that come again. */
static void check_soft_bounce(const struct look *look, const struct postfix_service *service)
{
    static const char name[] = "soft_bounce";

    if (strcmp(value_of(look, service, name), "yes") == 0)
        change(look, found(look, SEVERITY_ADVICE, service->key, "%s = yes", name),
               place(look, service, name), "%s=no", name);
}

static void look_soft_bounce(const struct look *look)
{
    each_guarantee(look, check_soft_bounce);
}

/* --- the table --- */

/* clang-format off */
static const struct rule rules[] = {
    {"sockets", look_sockets,
     "while mxward-gate cannot be asked, mail waits",
     "mxward-gate answers at every socket that Postfix's settings name"},
    {"sender-map", look_sender_map,
     "this map is what gives a sender the transport of his profile",
     "the sender's switch chooses the transport"},
    {"transports", look_transports,
     "mail of a profile without its transport cannot be delivered",
     "each profile that demands something has a transport"},
    {"guarantee-level", look_guarantee_level,
     "where no map answers, the level of the transport is all that keeps mail from leaving in clear text",
     "the transports of the guarantee encrypt, whatever else is set"},
    {"guarantee-map", look_guarantee_map,
     "the answer of a policy map replaces the level of the transport, downward too",
     "the transports of the guarantee ask what their profile demands, and nothing else"},
    {"proxymap", look_proxied,
     "proxymap(8) asks for many deliveries, so what failed at one would be told of another's next hop",
     "mxward is asked by the processes that deliver"},
    {"status-filter", look_status_filter,
     "without it one line that somebody on the way writes for the host returns mail, and who has a guarantee hears late of what was stopped",
     "mail comes back for what is known to be true, and then at once"},
    {"bounces", look_bounces,
     "mail would bounce whenever mxward is restarted or a look-up fails",
     "no filter makes a failure of our own final"},
    {"connections", look_cache,
     "this version could use a connection again that was opened under a weaker policy",
     "deliveries of the guarantee share no connections"},
    {"transport-maps", look_transport_maps,
     "mail that it names does not go through the guarantee, and is sent as the map says",
     "no transport map overrules the sender's transport"},
    {"relay-domains", look_relay_domains,
     "the sender's map is asked only for domains that are in no other class",
     "no relay domains lead around the sender's transport"},
    {"next-hops", look_next_hops,
     "each next hop of a list has a policy of its own, and what fails at one is told of the other",
     "no route that can be read here has several next hops"},
    {"relay-host", look_relay_host,
     "what happens behind a relay host nobody here can see or enforce",
     "mail goes to the recipients' own hosts"},
    {"fallback-relay", look_fallback,
     "mail that could not be delivered securely would go to another host instead",
     "there is no fallback relay"},
    {"content-filter", look_content_filter,
     "a filter's destination comes before the sender's transport",
     "no content filter leads past the guarantee"},
    {"sender-login", look_login,
     "the guarantee belongs to the sender address, and another's address has another's switch",
     "who logs in may only send as himself"},
    {"submission", look_submission,
     "the transport is chosen by the sender address, and <> or one that only passes has no guarantee",
     "nobody who logs in sheds his guarantee by another sender address"},
    {"rewriting", look_rewriting,
     "the transport is chosen by what the sender was rewritten to, which may be an address without a guarantee",
     "no sender is rewritten before his transport is chosen"},
    {"delimiter", look_delimiter,
     "an address with an extension that mxward does not part is none of a secure alias or a guarantee",
     "mxward parts addresses as Postfix does"},
    {"tls-required", look_tls_required,
     "whoever writes the header TLS-Required: no takes the message to clear text",
     "no header of a message can put a policy aside"},
    {"requiretls", look_requiretls,
     "whoever asks for REQUIRETLS is promised it as soon as the message is taken",
     "messages with REQUIRETLS leave with it, and come back only for what is known"},
    {"inbound", look_inbound,
     "a secure alias accepts only what came over TLS",
     "mail that comes in is checked for secure aliases"},
    {"default-map", look_default_map,
     "what is remembered, DANE and rules hold for senders without a guarantee by this map",
     "senders without a guarantee get what is remembered, DANE and rules"},
    {"default-level", look_default_level,
     "it holds where the map says nothing",
     "where the map says nothing, the level is as high as it can be"},
    {"protocols", look_protocols,
     "TLS 1.0 and 1.1 do not count as secure",
     "mandatory TLS is 1.2 at least"},
    {"insecure-mx", look_insecure_mx,
     "without it the answer dane means nothing behind an unsigned MX record",
     "TLSA records count behind unsigned MX records, too"},
    {"dnssec", look_dnssec,
     "without DNSSEC there is no DANE: dane becomes may, and dane-only holds all mail",
     "names are looked up with DNSSEC"},
    {"digest", look_digest,
     "mxward lists keys by SHA-256: with another digest none matches, and the mail waits",
     "keys are compared by SHA-256"},
    {"authorities", look_authorities,
     "policies that name a certificate need authorities that vouch for it",
     "certificate authorities are within reach"},
    {"resolver", look_resolver,
     "Postfix believes what the resolver says of validation, so it must validate, on this machine",
     "the resolver is on this machine, and validates"},
    {"chroot-resolver", look_chroot_resolver,
     "a chrooted service reads the file inside the chroot",
     "chrooted services ask the same resolver"},
    {"by-recipient", look_by_recipient,
     "an exception for one recipient domain needs a message for each recipient, and a listener that asks",
     "exceptions for single domains work"},
    {"queue-lifetime", look_lifetime,
     "held mail is as good as lost for who waits for an answer to it",
     "senders hear soon of mail that is held"},
    {"soft-bounce", look_soft_bounce,
     "what is final waits like the rest, and nobody with a guarantee is told at once",
     "mail that cannot be delivered comes back"},
    {"log-level", look_loglevel,
     "mxwardctl feed learns from these lines what deliveries really used",
     "the log tells of each TLS session"},
};
/* clang-format on */

/* That no transport of a guarantee does what it should not is nothing to be told of where there is
 * none. */
static bool is_about_guarantees(const struct rule *rule)
{
    return rule->look == look_guarantee_level || rule->look == look_guarantee_map ||
           rule->look == look_cache;
}

void postfix_findings(const struct postfix_site *site, struct findings *findings)
{
    struct look look = {.site = site, .settings = &site->settings, .findings = findings};
    const bool guarantees = has_guarantee(&site->settings);

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const size_t before = findings->count;

        look.rule = &rules[i];
        rules[i].look(&look);
        if (findings->count == before && (guarantees || !is_about_guarantees(&rules[i])))
            found(&look, SEVERITY_FINE, "", "%s", rules[i].fine);
    }
}

const char *postfix_severity_name(enum severity severity)
{
    static const char *const names[] = {"breaks", "weakens", "advice", "unseen", "fine"};

    return names[severity];
}
