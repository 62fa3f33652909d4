/*
 * table_file.c - see table_file.h; layout.h has the rules.
 */
#include "shm/table_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; older kernels answer EINVAL */
#endif
#define TABLE_MODE     0640
#define GENERATION_END 1000000000000000LL /* names beyond are not ours */

void table_why(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (why_size > 0)
        vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
}

int table_clock_read(struct table_clock *clock)
{
    struct timespec boot, wall;
    char text[37] = "";
    const int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (descriptor < 0)
        return -errno;
    const ssize_t got = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (got != sizeof text - 1)
        return -EIO;
    const char *digit = text;
    for (size_t i = 0; i < sizeof clock->boot_id; i++) {
        unsigned byte;
        digit += *digit == '-';
        if (sscanf(digit, "%2x", &byte) != 1)
            return -EIO;
        clock->boot_id[i] = (uint8_t)byte;
        digit += 2;
    }
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &wall);
    clock->boot_ms = (uint64_t)boot.tv_sec * 1000 + (uint64_t)boot.tv_nsec / 1000000;
    clock->wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    return 0;
}

struct table_geometry table_geometry_fit(uint64_t bytes)
{
    /* A segment of every partition, with its words and lines; rounding takes a few more. */
    const uint64_t unit = (TABLE_SEGMENT_BYTES + sizeof(uint32_t) +
                           TABLE_SEGMENT_SLOTS / 4 * sizeof(struct table_line)) *
                          TABLE_PARTITIONS;
    uint64_t quota = bytes / unit;

    if (quota > TABLE_QUOTA_MAX)
        quota = TABLE_QUOTA_MAX;
    while (quota >= TABLE_QUOTA_MIN && table_geometry_of(quota).file_bytes > bytes)
        quota--;
    return quota >= TABLE_QUOTA_MIN ? table_geometry_of(quota) : (struct table_geometry){0};
}

/* --- names --- */

/* "table." and a number without leading zero; 0: another file. */
static int64_t generation_of(const char *name)
{
    static const char prefix[] = "table.";
    char *end;

    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return 0;
    name += sizeof prefix - 1;
    if (*name < '1' || *name > '9')
        return 0;
    errno = 0;
    const long long generation = strtoll(name, &end, 10);
    return errno == 0 && *end == '\0' && generation < GENERATION_END ? generation : 0;
}

int64_t table_file_newest(const char *directory)
{
    DIR *files = opendir(directory);
    int64_t newest = 0;

    if (files == NULL)
        return -errno;
    for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
        const int64_t generation = generation_of(entry->d_name);
        if (generation > newest)
            newest = generation;
    }
    closedir(files);
    return newest;
}

int table_file_path(char *path, size_t size, const char *directory, uint64_t generation)
{
    const int length =
        snprintf(path, size, "%s/table.%llu", directory, (unsigned long long)generation);
    return length > 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

/* --- locks --- */

int table_file_lock(int descriptor)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(descriptor, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

int table_file_lock_directory(const char *directory, char *why, size_t why_size)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/table.lock", directory);

    if (length < 0 || (size_t)length >= sizeof path)
        return -ENAMETOOLONG;
    const int descriptor =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, TABLE_MODE);
    if (descriptor < 0) {
        const int error = errno;
        table_why(why, why_size, "%s: %s", path, strerror(error));
        return -error;
    }
    const int status = table_file_lock(descriptor);
    if (status == 0)
        return descriptor;
    table_why(why, why_size, "%s: %s", path,
              status == -EBUSY ? "another daemon has this table" : strerror(-status));
    close(descriptor);
    return status;
}

/* --- the header --- */

static uint64_t header_checksum(const struct table_header *header)
{
    const char *bytes = (const char *)header;
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, bytes, offsetof(struct table_header, successor));
    XXH3_64bits_update(&state, bytes + offsetof(struct table_header, format),
                       offsetof(struct table_header, checksum) -
                           offsetof(struct table_header, format));
    return XXH3_64bits_digest(&state);
}

/* What is wrong with a header for a file of `bytes`; NULL if nothing is. */
static const char *header_fault(const struct table_header *header, uint64_t bytes)
{
    if (header->magic != TABLE_MAGIC)
        return "is not a table";
    if (header->major != TABLE_MAJOR || header->format != TABLE_FORMAT)
        return "has another layout";
    if (header->checksum != header_checksum(header))
        return "has a damaged header";
    if (header->quota < TABLE_QUOTA_MIN || header->quota > TABLE_QUOTA_MAX ||
        header->file_bytes != table_geometry_of(header->quota).file_bytes)
        return "has a damaged header";
    if (header->file_bytes != bytes)
        return "is truncated";
    return NULL;
}

/* Pointers into a mapping whose geometry is known. */
static void map_place(struct table_map *map, void *base, const struct table_geometry *geometry)
{
    char *bytes = base;

    *map = (struct table_map){
        .base = base,
        .header = base,
        .partitions = (void *)(bytes + sizeof(struct table_header)),
        .segments = (void *)(bytes + geometry->segments_offset),
        .lines = (void *)(bytes + geometry->index_offset),
        .geometry = *geometry,
    };
}

/* Aligned to a huge page in memory as in the file, so that one page-table entry can cover it. No
 * page is promised here (a hugetlbfs would, for all of a sparse file): that is what allocating is
 * for. */
static void *map_aligned(int descriptor, uint64_t bytes, int protection)
{
    char *const reserved = mmap(NULL, bytes + TABLE_CHUNK_BYTES, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return NULL;
    char *const base = (void *)table_round_up((uint64_t)(uintptr_t)reserved, TABLE_CHUNK_BYTES);
    const size_t before = (size_t)(base - reserved);
    void *const mapped =
        mmap(base, bytes, protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, descriptor, 0);
    if (mapped == MAP_FAILED) {
        munmap(reserved, bytes + TABLE_CHUNK_BYTES);
        return NULL;
    }
    if (before > 0)
        munmap(reserved, before);
    munmap(base + bytes, TABLE_CHUNK_BYTES - before);
    return mapped;
}

/* The header's copy in `header`; what reads short is truncated. */
static const char *header_read(int descriptor, struct table_header *header)
{
    struct stat status;

    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        return "is not a file";
    if (pread(descriptor, header, sizeof *header, 0) != (ssize_t)sizeof *header)
        return "is truncated";
    return header_fault(header, (uint64_t)status.st_size);
}

int table_file_map(struct table_map *map, const char *path, uint64_t generation, bool writable,
                   char *why, size_t why_size)
{
    struct table_header header;
    const int access = writable ? O_RDWR : O_RDONLY;
    const int descriptor = open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (descriptor < 0) {
        const int error = errno;
        table_why(why, why_size, "%s: %s", path, strerror(error));
        return -error;
    }
    const char *fault = header_read(descriptor, &header);
    if (fault == NULL && header.generation != generation)
        fault = "is a renamed table";
    if (fault != NULL) {
        table_why(why, why_size, "%s %s", path, fault);
        close(descriptor);
        return -EPROTO;
    }
    const struct table_geometry geometry = table_geometry_of(header.quota);
    void *const base =
        map_aligned(descriptor, geometry.file_bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ);
    if (base == NULL) {
        table_why(why, why_size, "%s: no address space for it", path);
        close(descriptor);
        return -ENOMEM;
    }
    map_place(map, base, &geometry);
    return descriptor;
}

void table_file_unmap(struct table_map *map)
{
    if (map->base != NULL)
        munmap(map->base, map->geometry.file_bytes);
    *map = (struct table_map){0};
}

/* --- making one --- */

int table_file_allocate(int descriptor, uint64_t from, uint64_t to)
{
    int status;

    do {
        status = fallocate(descriptor, 0, (off_t)from, (off_t)(to - from));
    } while (status != 0 && errno == EINTR);
    return status == 0 ? 0 : -errno;
}

static bool is_on_hugetlbfs(int descriptor)
{
    struct statfs status;

    return fstatfs(descriptor, &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
}

uint64_t table_file_huge(const struct table_map *map, int descriptor, uint64_t from, uint64_t to)
{
    uint64_t chunks = 0;

    if (is_on_hugetlbfs(descriptor))
        return (to - from) / TABLE_CHUNK_BYTES;
    for (uint64_t at = from; at < to; at += TABLE_CHUNK_BYTES)
        chunks += madvise((char *)map->base + at, TABLE_CHUNK_BYTES, MADV_COLLAPSE) == 0;
    return chunks;
}

static int header_write(struct table_map *map, uint64_t generation, uint64_t huge,
                        const struct table_clock *clock)
{
    struct table_header *header = table_header_of(map);
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return -errno;
    header->magic = TABLE_MAGIC;
    header->major = TABLE_MAJOR;
    header->minor = TABLE_MINOR;
    header->file_bytes = map->geometry.file_bytes;
    header->generation = generation;
    header->format = TABLE_FORMAT;
    header->seed = seed | 1;
    header->quota = map->geometry.quota;
    memcpy(header->boot_id, clock->boot_id, sizeof header->boot_id);
    header->checksum = header_checksum(header);
    table_store(&header->huge, huge);
    table_store(&header->allocated, map->geometry.records_offset);
    return 0;
}

/* Size, pages and header of a new file. Nobody else knows it yet. */
static int create_fill(struct table_map *map, int descriptor, uint64_t generation,
                       const struct table_geometry *geometry, const struct table_clock *clock)
{
    int status = fchmod(descriptor, TABLE_MODE) != 0 ||
                         ftruncate(descriptor, (off_t)geometry->file_bytes) != 0
                     ? -errno
                     : 0;
    if (status == 0)
        status = table_file_allocate(descriptor, 0, geometry->records_offset);
    if (status < 0)
        return status;
    void *const base = map_aligned(descriptor, geometry->file_bytes, PROT_READ | PROT_WRITE);
    if (base == NULL)
        return -ENOMEM;
    map_place(map, base, geometry);
    const uint64_t huge =
        table_file_huge(map, descriptor, geometry->index_offset, geometry->records_offset);
    status = header_write(map, generation, huge, clock);
    if (status < 0)
        table_file_unmap(map);
    return status;
}

static int path_new(char *path, size_t size, const char *directory)
{
    const int length = snprintf(path, size, "%s/table.new", directory);
    return length > 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

int table_file_create(struct table_map *map, const char *directory, uint64_t generation,
                      const struct table_geometry *geometry, const struct table_clock *clock,
                      char *why, size_t why_size)
{
    char path[PATH_MAX];
    int status = path_new(path, sizeof path, directory);

    if (status < 0)
        return status;
    unlink(path); /* what a writer that died here left */
    const int descriptor =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, TABLE_MODE);
    status = descriptor < 0 ? -errno : create_fill(map, descriptor, generation, geometry, clock);
    if (status == 0)
        return descriptor;
    table_why(why, why_size, "%s: %s (%llu bytes needed at once)", path, strerror(-status),
              (unsigned long long)geometry->records_offset);
    if (descriptor >= 0) {
        close(descriptor);
        unlink(path);
    }
    return status;
}

int table_file_name(const char *directory, uint64_t generation, char *why, size_t why_size)
{
    char from[PATH_MAX], to[PATH_MAX];
    int status = path_new(from, sizeof from, directory);

    if (status == 0)
        status = table_file_path(to, sizeof to, directory, generation);
    if (status == 0 && rename(from, to) != 0)
        status = -errno;
    if (status < 0)
        table_why(why, why_size, "%s: %s", to, strerror(-status));
    return status;
}

/* Only what stands in the part of the header that every version has. */
static void publish_successor(const char *path, uint64_t successor)
{
    struct stat status;
    const int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (descriptor < 0)
        return;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size >= (off_t)sizeof(struct table_header)) {
        struct table_header *header =
            map_aligned(descriptor, TABLE_CHUNK_BYTES, PROT_READ | PROT_WRITE);
        if (header != NULL) { /* the smallest piece that a hugetlbfs maps */
            if (header->magic == TABLE_MAGIC)
                table_store(&header->successor, successor);
            munmap(header, TABLE_CHUNK_BYTES);
        }
    }
    close(descriptor);
}

void table_file_retire(const char *directory, uint64_t successor)
{
    DIR *files = opendir(directory);

    if (files == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
        const int64_t generation = generation_of(entry->d_name);
        char path[PATH_MAX];
        if (generation == 0 || (uint64_t)generation >= successor ||
            table_file_path(path, sizeof path, directory, (uint64_t)generation) < 0)
            continue;
        publish_successor(path, successor);
        unlink(path);
    }
    closedir(files);
}
