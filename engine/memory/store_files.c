/*
 * store_files.c - numbered files beside the database: copies, and damaged ones kept aside. See
 * store_internal.h.
 */
#include "engine/memory/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER_DIGITS 18 /* more is no number of ours */

/* PREFIX.NUMBER or PREFIX.NUMBER.…; 0: another file. */
static uint64_t number_of(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, length) != 0 || name[length] != '.')
        return 0;
    const char *const digits = name + length + 1;
    if (*digits < '1' || *digits > '9')
        return 0;
    const unsigned long long number = strtoull(digits, &end, 10);
    return end - digits <= NUMBER_DIGITS && (*end == '\0' || *end == '.') ? number : 0;
}

/* The newest stay: an insertion into a short, sorted list. */
static void insert(struct store_files *files, uint64_t number, const char *name)
{
    unsigned place = files->count;

    while (place > 0 && files->files[place - 1].number < number)
        place--;
    if (place == LIMIT_STORE_COPIES)
        return;
    if (files->count < LIMIT_STORE_COPIES)
        files->count++;
    memmove(&files->files[place + 1], &files->files[place],
            (files->count - 1 - place) * sizeof files->files[0]);
    files->files[place].number = number;
    snprintf(files->files[place].name, sizeof files->files[place].name, "%s", name);
}

int store_files_list(const struct store *store, const char *prefix, struct store_files *files)
{
    DIR *directory = opendir(store->settings.directory);

    files->count = 0;
    if (directory == NULL)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const uint64_t number = number_of(entry->d_name, prefix);
        if (number > 0 && strlen(entry->d_name) < sizeof files->files[0].name)
            insert(files, number, entry->d_name);
    }
    closedir(directory);
    return 0;
}

void store_files_trim(const struct store *store, const char *prefix, unsigned keep)
{
    struct store_files files;
    char path[PATH_MAX];

    if (store_files_list(store, prefix, &files) != 0 || files.count <= keep)
        return;
    for (unsigned i = keep; i < files.count; i++)
        unlink(store_path(store, path, files.files[i].name));
}

int store_directory_sync(const struct store *store, const char *name)
{
    char path[PATH_MAX];
    const int descriptor = open(store_path(store, path, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0)
        return -errno;
    const int status = fsync(descriptor) == 0 ? 0 : -errno;
    close(descriptor);
    return status;
}
