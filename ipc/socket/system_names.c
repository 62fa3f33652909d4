/*
 * system_names.c - see system_names.h.
 */
#include "ipc/socket/system_names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static bool number_read(const char *text, uint32_t *id)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno || end == text || *end || number >= UINT32_MAX)
        return false;
    *id = (uint32_t)number;
    return true;
}

/* After getpwnam or getgrnam said NULL: is nobody called so, or is who knows out of reach? Only the
 * first is wrong in the settings. The errnos are those of getpwnam(3). */
static int not_found(const char *text, uint32_t *id)
{
    int error = errno;

    if (number_read(text, id))
        return 0;
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM
               ? -ENOENT
               : -EAGAIN;
}

int system_find_group(const char *name, uint32_t *gid)
{
    errno = 0;
    const struct group *group = getgrnam(name);

    if (!group)
        return not_found(name, gid);
    *gid = group->gr_gid;
    return 0;
}

int system_find_user(const char *name, uint32_t *uid)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);

    if (!user)
        return not_found(name, uid);
    *uid = user->pw_uid;
    return 0;
}
