/*
 * container.h - from an embedded member back to what embeds it.
 */
#ifndef MXWARD_BASE_CONTAINER_H
#define MXWARD_BASE_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
