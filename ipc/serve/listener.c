/*
 * listener.c - the socket's file. Called by serve.c; owns the descriptor and the file.
 *
 * The file is never more open than it will be: fchmod before bind gives the new inode mode 0600,
 * then come the group and at last the mode wanted (no umask, which is the whole process's).
 * Weakness: between the failed connection and the removal another daemon could bind; the lock on
 * the table, taken before, keeps two daemons from getting here.
 */
#include "ipc/serve/listener.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int refuse(int error, char *why, size_t size, const char *path, const char *what)
{
    snprintf(why, size, "%s: %s: %s", path, what, strerror(error));
    return -error;
}

/* Removes what an earlier daemon left. 0: the path is free. */
static int remove_stale(const struct sockaddr_un *address, char *why, size_t size)
{
    struct stat st;
    int probe, error;

    if (lstat(address->sun_path, &st) != 0)
        return errno == ENOENT ? 0
                               : refuse(errno, why, size, address->sun_path,
                                        "cannot look at the socket's file");
    if (!S_ISSOCK(st.st_mode))
        return refuse(EEXIST, why, size, address->sun_path,
                      "is there and is no socket; move it away or set listen.socket");
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return refuse(errno, why, size, address->sun_path, "cannot make a socket");
    error = connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(probe);
    if (error != ECONNREFUSED)
        return refuse(EADDRINUSE, why, size, address->sun_path,
                      "another daemon listens there; stop it first");
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return refuse(errno, why, size, address->sun_path, "cannot remove the stale socket");
    return 0;
}

static int group_find(const char *name, gid_t *gid)
{
    const struct group *group = getgrnam(name);
    char *end;
    unsigned long number;

    if (group) {
        *gid = group->gr_gid;
        return 0;
    }
    errno = 0;
    number = strtoul(name, &end, 10);
    if (errno || *end || end == name || number >= (gid_t)-1)
        return -ENOENT;
    *gid = (gid_t)number;
    return 0;
}

static int set_owner_and_mode(const struct listener *listener, mode_t mode, const char *group,
                              char *why, size_t size)
{
    gid_t gid = (gid_t)-1;

    if (group && group_find(group, &gid) != 0) {
        snprintf(why, size, "listen.group: there is no group '%s'", group);
        return -ENOENT;
    }
    if (group && lchown(listener->path, (uid_t)-1, gid) != 0)
        return refuse(errno, why, size, listener->path,
                      "cannot give the socket to listen.group (is the daemon's user a member?)");
    if (chmod(listener->path, mode) != 0)
        return refuse(errno, why, size, listener->path, "cannot set the socket's mode");
    return 0;
}

static int bind_and_listen(struct listener *listener, const struct sockaddr_un *address,
                           int backlog, char *why, size_t size)
{
    struct stat st;

    listener->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener->descriptor < 0)
        return refuse(errno, why, size, listener->path, "cannot make a socket");
    if (fchmod(listener->descriptor, 0600) != 0 ||
        bind(listener->descriptor, (const struct sockaddr *)address, sizeof *address) != 0)
        return refuse(errno, why, size, listener->path,
                      "cannot make the socket's file (does the directory exist, and is it ours?)");
    if (lstat(listener->path, &st) != 0)
        return refuse(errno, why, size, listener->path, "cannot look at the socket's file");
    listener->device = st.st_dev;
    listener->inode = st.st_ino;
    if (listen(listener->descriptor, backlog) != 0)
        return refuse(errno, why, size, listener->path, "cannot listen");
    return 0;
}

int listener_open(struct listener *listener, const char *path, mode_t mode, const char *group,
                  int backlog, char *why, size_t why_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    int error;

    *listener = (struct listener){.descriptor = -1};
    if (length == 0 || length >= sizeof address.sun_path) {
        snprintf(why, why_size, "listen.socket: '%s' is empty or longer than %zu bytes", path,
                 sizeof address.sun_path - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, length + 1);
    memcpy(listener->path, path, length + 1);
    error = remove_stale(&address, why, why_size);
    if (!error)
        error = bind_and_listen(listener, &address, backlog, why, why_size);
    if (!error)
        error = set_owner_and_mode(listener, mode, group, why, why_size);
    if (error)
        listener_close(listener);
    return error;
}

void listener_close(struct listener *listener)
{
    struct stat st;

    if (listener->inode && lstat(listener->path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(listener->path);
    if (listener->descriptor >= 0)
        close(listener->descriptor);
    *listener = (struct listener){.descriptor = -1};
}
