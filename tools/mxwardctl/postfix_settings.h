/*
 * postfix_settings.h - what postconf prints, as tables: parameters, services, and what single
 * services set for themselves. Pure: texts in, tables out; nobody runs anything here.
 *
 * The texts belong to the caller, are cut up in place, and must live as long as the tables. Values
 * are those in effect, with $names expanded (`postconf -x`). What has no value is "", never NULL.
 */
#ifndef MXWARDCTL_POSTFIX_SETTINGS_H
#define MXWARDCTL_POSTFIX_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define POSTFIX_TEXT_MOST       (1 << 20) /* bytes that one run of postconf may print */
#define POSTFIX_PARAMETERS_MOST 4096      /* Postfix 3.7 has 1,100 */
#define POSTFIX_SERVICES_MOST   512
#define POSTFIX_OVERRIDES_MOST  4096
#define POSTFIX_NAME_MOST       128 /* bytes with NUL, of a service: "smtp/unix" */
#define POSTFIX_ITEM_MOST       512 /* bytes with NUL, of one item of a list */

struct postfix_parameter {
    const char *name, *value;
};

struct postfix_service {
    char key[POSTFIX_NAME_MOST]; /* as postconf -P wants it: "smtp/unix" */
    const char *name, *type;
    const char *program; /* "smtp", "smtpd", ... */
    bool chroot;
};

struct postfix_override {
    const char *service; /* a key */
    const char *name, *value;
};

struct postfix_settings {
    unsigned version[3]; /* 3.7.11 */
    /* As it stands in main.cf or in the standard value, not expanded: an expression means that it
     * depends on the level, which each service may set. */
    const char *insecure_mx_policy;
    size_t parameter_count, service_count, override_count;
    struct postfix_parameter parameters[POSTFIX_PARAMETERS_MOST];
    struct postfix_service services[POSTFIX_SERVICES_MOST];
    struct postfix_override overrides[POSTFIX_OVERRIDES_MOST];
};

/* Each: false if the text is none of postconf's, or holds more than there is room for.
 * Parameters come before services, which need the compatibility level. */
bool postfix_read_version(struct postfix_settings *settings, const char *text);
bool postfix_read_parameters(struct postfix_settings *settings, char *text); /* postconf -x */
bool postfix_read_services(struct postfix_settings *settings, char *text);   /* postconf -M */
bool postfix_read_overrides(struct postfix_settings *settings, char *text);  /* postconf -Px */

bool postfix_is_at_least(const struct postfix_settings *settings, unsigned major, unsigned minor,
                         unsigned patch);
/* In main.cf, or the standard value. */
const char *postfix_global(const struct postfix_settings *settings, const char *name);
/* For a service; `service` NULL: as postfix_global. */
const char *postfix_value(const struct postfix_settings *settings,
                          const struct postfix_service *service, const char *name);
/* What the service sets for itself; NULL: nothing. */
const char *postfix_own(const struct postfix_settings *settings,
                        const struct postfix_service *service, const char *name);
/* NULL. */
const struct postfix_service *postfix_service(const struct postfix_settings *settings,
                                              const char *name, const char *type);
/* The program's last part, "/usr/lib/postfix/sbin/smtp" is smtp. */
bool postfix_runs(const struct postfix_service *service, const char *program);

/* Items of a list: separated by blanks or commas, but for what stands in braces. Begin with *at at
 * the list; false: no more. An item longer than there is room for is cut. */
bool postfix_item(const char **at, char item[POSTFIX_ITEM_MOST]);
/* The same of a list of status filters: for an item that asks another map for failures alone, as
 * main.cf and master.cf of tools/postfix have it, that map. */
bool postfix_filter_item(const char **at, char item[POSTFIX_ITEM_MOST]);
/* Is `word` an item of the list? */
bool postfix_has_item(const char *list, const char *word);

/* "socketmap:unix:PATH:NAME", asked by who wants to know or, behind "proxy:", by proxymap(8) for
 * many. False: it is something else. */
struct postfix_socketmap {
    char path[POSTFIX_ITEM_MOST], name[POSTFIX_NAME_MOST];
    bool proxied;
};
bool postfix_socketmap(const char *item, struct postfix_socketmap *map);

/* Parameters whose tables say where mail goes: "transport:next hop", or a relay host. */
#define POSTFIX_ROUTES 3
extern const char *const postfix_routes[POSTFIX_ROUTES];
/* The text that a table is made of ("hash:/etc/postfix/transport"); NULL: it has none that could be
 * read as it is. */
const char *postfix_table_file(const char *item);

#endif
