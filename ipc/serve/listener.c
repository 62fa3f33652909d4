/*
 * listener.c - the socket's file. Called by serve.c; owns the descriptor and the file.
 *
 * The file is never more open than it will be: fchmod before bind gives the new inode mode 0600,
 * then come the group and at last the mode wanted (no umask, which is the whole process's).
 * Weakness: between the failed connection and the removal another daemon could bind; the lock on
 * the table, taken before, keeps two daemons from getting here.
 */
#include "ipc/serve/listener.h"

#include "ipc/serve/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

/* What can be wrong with path and group is found here, and nowhere else. *gid -1: none is named. */
static int read_place(struct sockaddr_un *address, gid_t *gid, const char *path, const char *group,
                      char *why, size_t size)
{
    size_t length = strlen(path);
    int error;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *gid = (gid_t)-1;
    if (length == 0 || length >= sizeof address->sun_path) {
        snprintf(why, size, "listen.socket: '%s' is empty or longer than %zu bytes", path,
                 sizeof address->sun_path - 1);
        return -EINVAL;
    }
    memcpy(address->sun_path, path, length + 1);
    error = group ? rights_find_group(group, gid) : 0;
    if (error == -ENOENT)
        snprintf(why, size, "listen.group: there is no group '%s'", group);
    else if (error)
        snprintf(why, size, "listen.group: the group '%s' cannot be looked up now", group);
    return error == -ENOENT ? -EINVAL : error;
}

/* 1: a socket is there, perhaps a stale one; 0: nothing; negative: what must not be removed. */
static int look_at_file(const char *path, char *why, size_t size)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0
                               : refuse(errno, why, size, path, "cannot look at the socket's file");
    if (S_ISSOCK(st.st_mode))
        return 1;
    snprintf(why, size, "listen.socket: %s is there and is no socket; move it away", path);
    return -EINVAL;
}

int listener_judge(const char *path, const char *group, bool directory_comes, char *why,
                   size_t why_size)
{
    struct sockaddr_un address;
    struct stat st;
    gid_t gid;
    int error = read_place(&address, &gid, path, group, why, why_size);

    if (error)
        return error;
    error = look_at_file(path, why, why_size);
    if (error == -EINVAL || error == 1)
        return error < 0 ? error : 0;
    if (directory_comes || error == -EACCES) /* not ours to look into, perhaps the daemon's */
        return 0;
    if (stat(dirname(address.sun_path), &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    snprintf(why, why_size, "listen.socket: there is no directory to make %s in", path);
    return -EINVAL;
}

/* Removes what an earlier daemon left. 0: the path is free. */
static int remove_stale(const struct sockaddr_un *address, char *why, size_t size)
{
    int probe, error = look_at_file(address->sun_path, why, size);

    if (error <= 0)
        return error;
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

static int set_owner_and_mode(const struct listener *listener, mode_t mode, gid_t gid, char *why,
                              size_t size)
{
    if (gid != (gid_t)-1 && lchown(listener->path, (uid_t)-1, gid) != 0)
        return refuse(errno, why, size, listener->path,
                      "cannot give the socket to listen.group (is the daemon's user a member?)");
    /* Follows no link: who may write the folder may have put one there since bind. */
    if (fchmodat(AT_FDCWD, listener->path, mode, AT_SYMLINK_NOFOLLOW) != 0)
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
    struct sockaddr_un address;
    gid_t gid;
    int error = read_place(&address, &gid, path, group, why, why_size);

    *listener = (struct listener){.descriptor = -1};
    if (error)
        return error;
    memcpy(listener->path, address.sun_path, sizeof listener->path);
    error = remove_stale(&address, why, why_size);
    if (!error)
        error = bind_and_listen(listener, &address, backlog, why, why_size);
    if (!error)
        error = set_owner_and_mode(listener, mode, gid, why, why_size);
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
