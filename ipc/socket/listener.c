/*
 * listener.c - the socket's file. Owns the descriptor and the file.
 *
 * The file is never more open than it will be: fchmod before bind gives the new inode mode 0600,
 * then come the group and at last the mode wanted (no umask, which is the whole process's).
 * Weakness: between the failed connection and the removal another program could bind. The lock on
 * the table, taken before, keeps two daemons from getting here; of two gates started together on a
 * stale file one may be left without its file.
 */
#include "ipc/socket/listener.h"

#include "ipc/socket/system_names.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STALE_TRIES 100 /* 10 ms each */

static int refuse(int error, char *why, size_t size, const char *path, const char *what)
{
    snprintf(why, size, "%s: %s: %s", path, what, strerror(error));
    return -error;
}

struct place {
    struct sockaddr_un address;
    uid_t uid; /* -1: nobody is named */
    gid_t gid;
};

/* A name that nobody has is the settings' fault; one that cannot be looked up now is not. */
static int read_name(int error, const char *setting, const char *kind, const char *name, char *why,
                     size_t size)
{
    if (error == -ENOENT)
        snprintf(why, size, "%s: there is no %s '%s'", setting, kind, name);
    else if (error)
        snprintf(why, size, "%s: the %s '%s' cannot be looked up now", setting, kind, name);
    return error == -ENOENT ? -EINVAL : error;
}

/* What can be wrong with path, owner and group is found here, and nowhere else. */
static int read_place(struct place *place, const struct listener_wish *wish, char *why, size_t size)
{
    const size_t length = strlen(wish->path);
    int error = 0;

    *place = (struct place){.address.sun_family = AF_UNIX, .uid = (uid_t)-1, .gid = (gid_t)-1};
    if (length == 0 || length >= sizeof place->address.sun_path) {
        snprintf(why, size, "%s: '%s' is empty or longer than %zu bytes", wish->path_setting,
                 wish->path, sizeof place->address.sun_path - 1);
        return -EINVAL;
    }
    memcpy(place->address.sun_path, wish->path, length + 1);
    if (wish->owner)
        error = read_name(system_find_user(wish->owner, &place->uid), wish->owner_setting, "user",
                          wish->owner, why, size);
    if (!error && wish->group)
        error = read_name(system_find_group(wish->group, &place->gid), wish->group_setting, "group",
                          wish->group, why, size);
    return error;
}

/* 1: a socket is there, perhaps a stale one; 0: nothing; negative: what must not be removed. */
static int look_at_file(const struct listener_wish *wish, char *why, size_t size)
{
    struct stat st;

    if (lstat(wish->path, &st) != 0)
        return errno == ENOENT
                   ? 0
                   : refuse(errno, why, size, wish->path, "cannot look at the socket's file");
    if (S_ISSOCK(st.st_mode))
        return 1;
    snprintf(why, size, "%s: %s is there and is no socket; move it away", wish->path_setting,
             wish->path);
    return -EINVAL;
}

int listener_judge(const struct listener_wish *wish, bool directory_comes, char *why,
                   size_t why_size)
{
    struct place place;
    struct stat st;
    int error = read_place(&place, wish, why, why_size);

    if (error)
        return error;
    error = look_at_file(wish, why, why_size);
    if (error == -EINVAL || error == 1)
        return error < 0 ? error : 0;
    if (directory_comes || error == -EACCES) /* not ours to look into, perhaps the daemon's */
        return 0;
    if (stat(dirname(place.address.sun_path), &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    snprintf(why, why_size,
             "%s: there is no directory to make %s in; make it, for the user that runs this",
             wish->path_setting, wish->path);
    return -EINVAL;
}

/* 0: nobody listens; EADDRINUSE: a program that lives; EAGAIN: perhaps one that has ended just now,
 * or is too busy to tell. */
static int try_to_connect(const struct sockaddr_un *address)
{
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct ucred listening = {0};
    socklen_t size = sizeof listening;
    int error;

    if (probe < 0)
        return errno;
    error = connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    if (error == ECONNREFUSED || error == ENOENT)
        error = 0;
    else if (error == 0)
        error = getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &listening, &size) == 0 &&
                        listening.pid > 0 && kill(listening.pid, 0) != 0 && errno == ESRCH
                    ? EAGAIN
                    : EADDRINUSE;
    close(probe);
    return error;
}

/* Removes what an earlier program left. 0: the path is free. One that was killed just now is gone
 * before its socket is: what its io_uring held is let go by a thread of the kernel's. */
static int remove_stale(const struct sockaddr_un *address, const struct listener_wish *wish,
                        char *why, size_t size)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int listens, error = look_at_file(wish, why, size);

    if (error <= 0)
        return error;
    for (unsigned tries = 0; (listens = try_to_connect(address)) != 0; tries++) {
        if (listens != EAGAIN || tries == STALE_TRIES)
            return refuse(EADDRINUSE, why, size, address->sun_path,
                          "another program listens there; stop it first");
        nanosleep(&pause, NULL);
    }
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return refuse(errno, why, size, address->sun_path, "cannot remove the stale socket");
    return 0;
}

static int set_owner_and_mode(const struct listener *listener, const struct place *place,
                              const struct listener_wish *wish, char *why, size_t size)
{
    if ((place->gid != (gid_t)-1 || place->uid != (uid_t)-1) &&
        lchown(listener->path, place->uid, place->gid) != 0)
        return refuse(errno, why, size, listener->path,
                      "cannot give the socket to its owner and group (is the program's user a "
                      "member of the group? only root may give it to another user)");
    /* Follows no link: who may write the folder may have put one there since bind. */
    if (fchmodat(AT_FDCWD, listener->path, wish->mode, AT_SYMLINK_NOFOLLOW) != 0)
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

int listener_open(struct listener *listener, const struct listener_wish *wish, char *why,
                  size_t why_size)
{
    struct place place;
    int error = read_place(&place, wish, why, why_size);

    *listener = (struct listener){.descriptor = -1};
    if (error)
        return error;
    memcpy(listener->path, place.address.sun_path, sizeof listener->path);
    error = remove_stale(&place.address, wish, why, why_size);
    if (!error)
        error = bind_and_listen(listener, &place.address, wish->backlog, why, why_size);
    if (!error)
        error = set_owner_and_mode(listener, &place, wish, why, why_size);
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
