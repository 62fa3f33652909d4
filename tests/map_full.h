/*
 * map_full.h - LMDB's map is full when a test says so: its functions are defined in the test
 * program itself, so the store calls these, and they call the library's. Any thread.
 */
#ifndef MXWARD_TESTS_MAP_FULL_H
#define MXWARD_TESTS_MAP_FULL_H

#include <dlfcn.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int map_puts_left = -1;   /* so many go well; then … */
static atomic_int map_full_puts;        /* … so many meet a full map */
static atomic_uint map_grown, map_full; /* how often it grew, and was full */

/* The `nth` value from now on (1: the next) meets a full map, and `count` in all. */
static void map_fill(int nth, int count)
{
    atomic_store(&map_full_puts, count);
    atomic_store(&map_puts_left, nth - 1);
}

int mdb_put(MDB_txn *transaction, MDB_dbi database, MDB_val *key, MDB_val *value,
            unsigned int flags)
{
    int (*real)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned int);

    if (atomic_load(&map_full_puts) > 0 && atomic_fetch_sub(&map_puts_left, 1) <= 0) {
        atomic_fetch_sub(&map_full_puts, 1);
        atomic_fetch_add(&map_full, 1);
        return MDB_MAP_FULL;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "mdb_put");
    if (real == NULL)
        abort();
    return real(transaction, database, key, value, flags);
}

int mdb_env_set_mapsize(MDB_env *environment, size_t bytes)
{
    int (*real)(MDB_env *, size_t);

    atomic_fetch_add(&map_grown, 1);
    *(void **)&real = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
    if (real == NULL)
        abort();
    return real(environment, bytes);
}

#endif
