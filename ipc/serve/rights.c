/*
 * rights.c - lists of names to numbers, and a client's numbers to rights.
 *
 * Loaded by serve.c (main thread), asked by native.c (front thread); a set is freed by whoever
 * replaced it, after the front has taken the new one. Failure: a name that nobody has refuses the
 * whole set. Weakness: of a client with more than LIMIT_PEER_GROUPS groups none but its primary one
 * counts.
 */
#include "ipc/serve/rights.h"

#include "engine/base/limits.h"
#include "ipc/socket/system_names.h"
#include "ipc/wire/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13; older libc headers lack it */
#endif

enum who { WHO_ALL, WHO_USER, WHO_GROUP };

struct entry {
    enum who who;
    uint32_t id; /* uid or gid */
    uint32_t right;
};

struct rights {
    uid_t own;
    size_t count;
    struct entry entries[4 * LIMIT_RIGHTS];
};

static int entry_read(struct entry *entry, const char *text)
{
    entry->who = strcmp(text, "*") == 0 ? WHO_ALL : text[0] == '@' ? WHO_GROUP : WHO_USER;
    if (entry->who == WHO_ALL)
        return 0;
    return entry->who == WHO_GROUP ? system_find_group(text + 1, &entry->id)
                                   : system_find_user(text, &entry->id);
}

static int list_read(struct rights *rights, const struct option_list *list, uint32_t right,
                     const char *name, char *why, size_t why_size)
{
    if (list->count > LIMIT_RIGHTS) {
        snprintf(why, why_size, "listen.%s: more than %d entries; name a group instead", name,
                 LIMIT_RIGHTS);
        return -EINVAL;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct entry *entry = &rights->entries[rights->count];
        const char *what = list->texts[i][0] == '@' ? "group" : "user";
        int error = entry_read(entry, list->texts[i]);

        if (error == -ENOENT) {
            snprintf(why, why_size, "listen.%s: there is no %s '%s'", name, what, list->texts[i]);
            return -EINVAL;
        }
        if (error) {
            snprintf(why, why_size, "listen.%s: the %s '%s' cannot be looked up now", name, what,
                     list->texts[i]);
            return error;
        }
        entry->right = right;
        rights->count++;
    }
    return 0;
}

int rights_load(struct rights **out, const struct listen_settings *settings, char *why,
                size_t why_size)
{
    struct rights *rights = calloc(1, sizeof *rights);
    int error;

    if (!rights) {
        snprintf(why, why_size, "no memory for the lists of users");
        return -ENOMEM;
    }
    rights->own = geteuid();
    error = list_read(rights, &settings->query_users, RIGHT_QUERY, "query_users", why, why_size);
    if (!error)
        error = list_read(rights, &settings->switch_users, RIGHT_SWITCH | RIGHT_QUERY,
                          "switch_users", why, why_size);
    if (!error)
        error = list_read(rights, &settings->observe_users, RIGHT_OBSERVE | RIGHT_QUERY,
                          "observe_users", why, why_size);
    if (!error)
        error = list_read(rights, &settings->admin_users,
                          RIGHT_ADMIN | RIGHT_SWITCH | RIGHT_OBSERVE | RIGHT_QUERY, "admin_users",
                          why, why_size);
    if (error) {
        free(rights);
        return error;
    }
    *out = rights;
    return 0;
}

void rights_free(struct rights *rights)
{
    free(rights);
}

static bool is_in_group(uint32_t id, gid_t gid, const gid_t *groups, size_t group_count)
{
    for (size_t i = 0; i < group_count; i++)
        if (groups[i] == id)
            return true;
    return gid == id;
}

uint32_t rights_of(const struct rights *rights, uid_t uid, gid_t gid, const gid_t *groups,
                   size_t group_count)
{
    uint32_t may = 0;

    if (uid == 0 || uid == rights->own)
        return RIGHT_QUERY | RIGHT_SWITCH | RIGHT_OBSERVE | RIGHT_ADMIN;
    for (size_t i = 0; i < rights->count; i++) {
        const struct entry *entry = &rights->entries[i];
        bool meant = entry->who == WHO_ALL || (entry->who == WHO_USER && entry->id == uid) ||
                     (entry->who == WHO_GROUP && is_in_group(entry->id, gid, groups, group_count));

        if (meant)
            may |= entry->right;
    }
    return may;
}

int rights_of_peer(const struct rights *rights, int descriptor, struct peer *peer)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    gid_t groups[LIMIT_PEER_GROUPS];
    socklen_t groups_size = sizeof groups;

    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return -errno;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) != 0)
        groups_size = 0;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    peer->pid = credentials.pid;
    peer->rights = rights_of(rights, peer->uid, peer->gid, groups, groups_size / sizeof groups[0]);
    return 0;
}
