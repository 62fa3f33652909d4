/*
 * small_disk.h - a tmpfs of a size that a test chooses: in a mount namespace of its own, as root or
 * inside a user namespace.
 */
#ifndef MXWARD_TESTS_SMALL_DISK_H
#define MXWARD_TESTS_SMALL_DISK_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static inline bool small_disk_text(const char *path, const char *text)
{
    const int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    const bool written =
        descriptor >= 0 && write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);

    if (descriptor >= 0)
        close(descriptor);
    return written;
}

/* A mount namespace in which we may mount; false: not allowed here. For the whole process. */
static inline bool small_disk_allow(void)
{
    char map[64];
    const unsigned user = geteuid(), group = getegid();

    if (unshare(CLONE_NEWNS) == 0)
        return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    snprintf(map, sizeof map, "0 %u 1", user);
    if (!small_disk_text("/proc/self/setgroups", "deny") ||
        !small_disk_text("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof map, "0 %u 1", group);
    return small_disk_text("/proc/self/gid_map", map) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static inline bool small_disk_mount(const char *place, const char *size)
{
    char options[64];

    snprintf(options, sizeof options, "size=%s,mode=0700", size);
    return mount("tmpfs", place, "tmpfs", 0, options) == 0;
}

static inline bool small_disk_unmount(const char *place)
{
    return umount2(place, MNT_DETACH) == 0;
}

#endif
