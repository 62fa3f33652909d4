/*
 * listener.h - the file of a Unix socket: made, given its owner, group and mode, and taken away.
 *
 * Main thread, at start and stop. A stale file is removed only if it is a socket and nobody answers
 * a connection to it, so a second program never takes the first one's place.
 */
#ifndef MXWARD_SOCKET_LISTENER_H
#define MXWARD_SOCKET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct listener {
    int descriptor;
    char path[108];
    dev_t device; /* of the file we made: nobody else's is removed */
    ino_t inode;
};

/* What is asked for. */
struct listener_wish {
    const char *path;
    const char *path_setting, *owner_setting, *group_setting; /* for sentences: "listen.socket" */
    mode_t mode;
    const char *owner, *group; /* NULL: as the program's */
    int backlog;
};

/* What listener_open would find wrong with the settings: 0, or -EINVAL with a sentence that begins
 * with the setting, or our trouble. `directory_comes`: by then the socket's folder will have been
 * made. */
int listener_judge(const struct listener_wish *wish, bool directory_comes, char *why,
                   size_t why_size);
/* 0, or negative errno with a sentence in `why`. */
int listener_open(struct listener *listener, const struct listener_wish *wish, char *why,
                  size_t why_size);
void listener_close(struct listener *listener);

#endif
