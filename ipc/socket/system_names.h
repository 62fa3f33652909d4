/*
 * system_names.h - users and groups of this system by name or number. Main thread: looking up a
 * name may block.
 */
#ifndef MXWARD_SOCKET_SYSTEM_NAMES_H
#define MXWARD_SOCKET_SYSTEM_NAMES_H

#include <stdint.h>

/* 0; -ENOENT: there is none; -EAGAIN: nobody can tell now. */
int system_find_group(const char *name, uint32_t *gid);
int system_find_user(const char *name, uint32_t *uid);

#endif
