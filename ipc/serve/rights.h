/*
 * rights.h - who may ask what on the native socket: query, user switch, deliveries, admin.
 *
 * The lists of the configuration ("name", "@group", a number, "*") are turned into numbers once, by
 * the main thread, because looking up names may block. Then a set of rights is immutable. A client
 * is who the kernel says it is (SO_PEERCRED, SO_PEERGROUPS). Root and the daemon's own user may do
 * everything. Admin includes all, the others query.
 */
#ifndef MXWARD_SERVE_RIGHTS_H
#define MXWARD_SERVE_RIGHTS_H

#include "engine/engine.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rights;

struct peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    uint32_t rights; /* RIGHT_* of ipc/wire/frame.h */
};

/* 0, or negative errno (-EINVAL: nobody is called so) with a sentence that begins with the setting.
 */
int rights_load(struct rights **rights, const struct listen_settings *settings, char *why,
                size_t why_size);
void rights_free(struct rights *rights);
/* Who is at the other end of the socket, and what it may do. 0 or negative errno. Any thread. */
int rights_of_peer(const struct rights *rights, int descriptor, struct peer *peer);
/* The pure half: `groups` besides `gid`. */
uint32_t rights_of(const struct rights *rights, uid_t uid, gid_t gid, const gid_t *groups,
                   size_t group_count);

#endif
