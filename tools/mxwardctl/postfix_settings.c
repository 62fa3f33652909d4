/*
 * postfix_settings.c - reading what postconf printed (see postfix_settings.h). Pure.
 *
 * postconf prints one setting a line, "name = value", however long it is; a service's own as
 * "name/type/parameter = value"; a service as the eight columns of master.cf.
 */
#include "tools/mxwardctl/postfix_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS     " \t\r\n"
#define SEPARATORS BLANKS ","

/* --- reading --- */

/* The next line, ended in place; NULL: no more. */
static char *next_line(char **text)
{
    char *line = *text, *end;

    if (!line || !*line)
        return NULL;
    end = strchr(line, '\n');
    if (end)
        *end++ = 0;
    *text = end;
    return line;
}

/* Cuts "name = value" in two. */
static bool cut_at_equals(char *line, const char **name, const char **value)
{
    char *equals = strstr(line, " =");

    if (!equals || equals == line)
        return false;
    *equals = 0;
    *name = line;
    equals += 2;
    *value = equals + strspn(equals, " ");
    return true;
}

bool postfix_read_version(struct postfix_settings *settings, const char *text)
{
    const char *at = strstr(text, "mail_version = ");

    if (!at)
        return false;
    return sscanf(at, "mail_version = %4u.%4u.%4u", &settings->version[0], &settings->version[1],
                  &settings->version[2]) >= 2;
}

bool postfix_read_parameters(struct postfix_settings *settings, char *text)
{
    for (char *line; (line = next_line(&text));) {
        struct postfix_parameter *parameter = &settings->parameters[settings->parameter_count];

        if (settings->parameter_count == POSTFIX_PARAMETERS_MOST ||
            !cut_at_equals(line, &parameter->name, &parameter->value))
            return false;
        settings->parameter_count++;
    }
    return settings->parameter_count > 0;
}

/* "-" in the column of the chroot: no, but yes with the compatibility level 0 of long ago. */
static bool is_chrooted(const struct postfix_settings *settings, const char *column)
{
    if (strcmp(column, "-") == 0)
        return strtol(postfix_global(settings, "compatibility_level"), NULL, 10) < 1;
    return strcmp(column, "y") == 0;
}

static char *next_word(char **at)
{
    char *word = *at + strspn(*at, BLANKS);

    *at = word + strcspn(word, BLANKS);
    if (**at)
        *(*at)++ = 0;
    return word;
}

bool postfix_read_services(struct postfix_settings *settings, char *text)
{
    for (char *line; (line = next_line(&text));) {
        struct postfix_service *service = &settings->services[settings->service_count];
        const char *words[8];

        if (line[0] == 0 || strchr(BLANKS, line[0]))
            continue; /* the line before goes on: what it sets comes with -P */
        for (size_t i = 0; i < 8; i++)
            words[i] = next_word(&line);
        if (settings->service_count == POSTFIX_SERVICES_MOST || words[7][0] == 0)
            return false;
        service->name = words[0];
        service->type = words[1];
        service->chroot = is_chrooted(settings, words[4]);
        service->program = words[7];
        snprintf(service->key, sizeof service->key, "%s/%s", words[0], words[1]);
        settings->service_count++;
    }
    return true;
}

bool postfix_read_overrides(struct postfix_settings *settings, char *text)
{
    for (char *line; (line = next_line(&text));) {
        struct postfix_override *override = &settings->overrides[settings->override_count];
        const char *name;
        char *slash;

        if (line[0] == 0)
            continue;
        if (settings->override_count == POSTFIX_OVERRIDES_MOST ||
            !cut_at_equals(line, &name, &override->value))
            return false;
        slash = strrchr(line, '/');
        if (!slash)
            return false;
        *slash = 0;
        override->service = name;
        override->name = slash + 1;
        settings->override_count++;
    }
    return true;
}

/* --- asking --- */

bool postfix_is_at_least(const struct postfix_settings *settings, unsigned major, unsigned minor,
                         unsigned patch)
{
    const unsigned *is = settings->version, wanted[] = {major, minor, patch};

    for (size_t i = 0; i < 3; i++)
        if (is[i] != wanted[i])
            return is[i] > wanted[i];
    return true;
}

const char *postfix_global(const struct postfix_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->parameter_count; i++)
        if (strcmp(settings->parameters[i].name, name) == 0)
            return settings->parameters[i].value;
    return "";
}

const char *postfix_own(const struct postfix_settings *settings,
                        const struct postfix_service *service, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < settings->override_count; i++) /* of several, the last counts */
        if (strcmp(settings->overrides[i].service, service->key) == 0 &&
            strcmp(settings->overrides[i].name, name) == 0)
            value = settings->overrides[i].value;
    return value;
}

const char *postfix_value(const struct postfix_settings *settings,
                          const struct postfix_service *service, const char *name)
{
    const char *own = service ? postfix_own(settings, service, name) : NULL;

    return own ? own : postfix_global(settings, name);
}

const struct postfix_service *postfix_service(const struct postfix_settings *settings,
                                              const char *name, const char *type)
{
    for (size_t i = 0; i < settings->service_count; i++)
        if (strcmp(settings->services[i].name, name) == 0 &&
            strcmp(settings->services[i].type, type) == 0)
            return &settings->services[i];
    return NULL;
}

bool postfix_runs(const struct postfix_service *service, const char *program)
{
    const char *slash = strrchr(service->program, '/');

    return strcmp(slash ? slash + 1 : service->program, program) == 0;
}

/* --- lists --- */

bool postfix_item(const char **at, char item[POSTFIX_ITEM_MOST])
{
    const char *from = *at + strspn(*at, SEPARATORS), *to = from;

    for (int depth = 0; *to && (depth > 0 || !strchr(SEPARATORS, *to)); to++)
        depth += (*to == '{') - (*to == '}');
    snprintf(item, POSTFIX_ITEM_MOST, "%.*s", (int)(to - from), from);
    *at = to;
    return to > from;
}

bool postfix_filter_item(const char **at, char item[POSTFIX_ITEM_MOST])
{
    static const char *const failures[] = {"pipemap:{regexp:{{/^([45]\\..*)/ $$1}}, ",
                                           "pipemap:{regexp:{{/^([45]\\..*)/ $1}}, "};

    if (!postfix_item(at, item))
        return false;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        const size_t length = strlen(failures[i]), whole = strlen(item);

        if (strncmp(item, failures[i], length) == 0 && item[whole - 1] == '}') {
            item[whole - 1] = '\0';
            memmove(item, item + length, whole - length);
        }
    }
    return true;
}

bool postfix_has_item(const char *list, const char *word)
{
    char item[POSTFIX_ITEM_MOST];

    while (postfix_item(&list, item))
        if (strcmp(item, word) == 0)
            return true;
    return false;
}

bool postfix_socketmap(const char *item, struct postfix_socketmap *map)
{
    static const char begin[] = "socketmap:unix:", proxy[] = "proxy:";
    const char *path, *name;

    map->proxied = strncmp(item, proxy, sizeof proxy - 1) == 0;
    item += map->proxied ? sizeof proxy - 1 : 0;
    if (strncmp(item, begin, sizeof begin - 1) != 0)
        return false;
    path = item + sizeof begin - 1;
    name = strrchr(path, ':');
    if (!name || strlen(name + 1) >= sizeof map->name)
        return false;
    snprintf(map->path, sizeof map->path, "%.*s", (int)(name - path), path);
    snprintf(map->name, sizeof map->name, "%s", name + 1);
    return true;
}

const char *const postfix_routes[POSTFIX_ROUTES] = {
    "transport_maps", "sender_dependent_default_transport_maps", "sender_dependent_relayhost_maps"};

const char *postfix_table_file(const char *item)
{
    static const char *const types[] = {"hash:/",  "texthash:/", "lmdb:/",
                                        "btree:/", "cdb:/",      "dbm:/"};

    if (strncmp(item, "proxy:", 6) == 0)
        item += 6;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strncmp(item, types[i], strlen(types[i])) == 0)
            return item + strlen(types[i]) - 1;
    return NULL;
}
