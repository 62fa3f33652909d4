/*
 * table_file.h - the files of a table: finding, checking, mapping, making, locking. Inside shm/
 * only.
 *
 * Reader and writer use the same checks: a file is taken only if its header is one that this build
 * would have written for its size. What lies behind the header is checked by whoever looks at it.
 * Errors are negative errnos with a sentence in `why`.
 */
#ifndef MXWARD_SHM_TABLE_FILE_H
#define MXWARD_SHM_TABLE_FILE_H

#include "shm/record.h"

/* The highest generation in the directory, 0 if there is none, or a negative errno. Names that
 * are not quite a generation are not looked at. */
int64_t table_file_newest(const char *directory);
/* DIRECTORY/table.GENERATION; -ENAMETOOLONG. */
int table_file_path(char *path, size_t size, const char *directory, uint64_t generation);

/*
 * Opens and maps what is at `path`, the name of `generation`. For readers (`writable` false)
 * everything is read-only. Returns the descriptor, or -ENOENT, or -EPROTO if it is not a table of
 * this layout, or another error.
 */
int table_file_map(struct table_map *map, const char *path, uint64_t generation, bool writable,
                   char *why, size_t why_size);
void table_file_unmap(struct table_map *map);

/* Makes table.new with an empty table in it, mapped; all that readers may touch is allocated.
 * Returns the descriptor. -ENOSPC: the tmpfs is full. */
int table_file_create(struct table_map *map, const char *directory, uint64_t generation,
                      const struct table_geometry *geometry, const struct table_clock *clock,
                      char *why, size_t why_size);
/* Gives table.new its name: from here on readers find it. */
int table_file_name(const char *directory, uint64_t generation, char *why, size_t why_size);
/* Stores `successor` in the header of every older table whose beginning can be read at all, and
 * unlinks them. */
void table_file_retire(const char *directory, uint64_t successor);

/* OFD write lock, not waiting: 0, -EBUSY, or another error. */
int table_file_lock(int descriptor);
/* Opens and locks DIRECTORY/table.lock; returns the descriptor. */
int table_file_lock_directory(const char *directory, char *why, size_t why_size);

/* Makes [from, to) of the file safe to touch; -ENOSPC. */
int table_file_allocate(int descriptor, uint64_t from, uint64_t to);
/* Asks for huge pages in the mapping of [from, to) of the file, whole chunks, which are allocated;
 * returns how many there are. On a hugetlbfs there is nothing else. */
uint64_t table_file_huge(const struct table_map *map, int descriptor, uint64_t from, uint64_t to);

void table_why(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The header for the writer, whose mapping is writable. */
static inline struct table_header *table_header_of(const struct table_map *map)
{
    return map->base;
}
/* A slot's words. The offset was checked. */
static inline _Atomic uint64_t *table_slot(const struct table_map *map, uint64_t offset)
{
    return (_Atomic uint64_t *)(void *)((char *)map->base + offset);
}

/* How far the file may be touched; never beyond the mapping, whatever the header says. */
static inline uint64_t table_allocated(const struct table_map *map)
{
    const uint64_t allocated = table_load(&map->header->allocated);
    return allocated < map->geometry.file_bytes ? allocated : map->geometry.file_bytes;
}

/*
 * Copies what should be a record at `offset`: a whole number of words, never from beyond
 * `allocated` or the largest class. Returns false if the lengths cannot be a record's. The copy may
 * be torn: the caller looks at sequence and cell again before it believes any of it, checksum
 * included.
 */
static inline bool table_slot_copy(const struct table_map *map, uint64_t offset, uint64_t allocated,
                                   union record *record)
{
    if (offset < map->geometry.records_offset || offset + TABLE_SLOT_MIN > allocated)
        return false;
    const _Atomic uint64_t *slot = table_slot(map, offset);
#pragma GCC unroll 16
    for (size_t i = 0; i < TABLE_SLOT_MIN / 8; i++)
        record->words[i] = table_load(&slot[i]);
    const size_t words = record_words(&record->head);
    if (words == 0 || offset + words * 8 > allocated)
        return false;
    for (size_t i = TABLE_SLOT_MIN / 8; i < words; i++)
        record->words[i] = table_load(&slot[i]);
    return true;
}

#endif
