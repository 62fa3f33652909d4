/*
 * listener.h - the file of the native socket: made, given its mode and group, and taken away.
 *
 * Main thread, at start and stop. A stale file is removed only if it is a socket and nobody answers
 * a connection to it, so a second daemon never takes the first one's place.
 */
#ifndef MXWARD_SERVE_LISTENER_H
#define MXWARD_SERVE_LISTENER_H

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

/* What listener_open would find wrong with the settings: 0, or -EINVAL with a sentence that begins
 * with the setting, or our trouble. `directory_comes`: by then the socket's folder will have been
 * made. */
int listener_judge(const char *path, const char *group, bool directory_comes, char *why,
                   size_t why_size);
/* `group` may be NULL. 0, or negative errno with a sentence in `why`. */
int listener_open(struct listener *listener, const char *path, mode_t mode, const char *group,
                  int backlog, char *why, size_t why_size);
void listener_close(struct listener *listener);

#endif
