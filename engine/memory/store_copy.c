/*
 * store_copy.c - see store.h: the nightly copy.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/memory/store_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Compact; as it is where LMDB finds pages that nobody uses, which it then refuses to leave out. */
static int copy_to(struct store *store, int descriptor)
{
    int status = store_status(mdb_env_copyfd2(store->env, descriptor, MDB_CP_COMPACT));

    if (status == -EBADMSG && ftruncate(descriptor, 0) == 0 && lseek(descriptor, 0, SEEK_SET) == 0)
        status = store_status(mdb_env_copyfd2(store->env, descriptor, 0));
    if (status == 0 && fsync(descriptor) != 0)
        status = -errno;
    return status;
}

/* As whoever needs it will look at it. Takes `descriptor`. */
static int check_copy(int descriptor, char *why, size_t why_size)
{
    struct pages *pages;
    int status = pages_open(&pages, descriptor);

    if (status != 0)
        return status;
    const unsigned newest =
        pages_snapshot(pages, 1)->transaction > pages_snapshot(pages, 0)->transaction;
    status = store_pages_check(pages, newest, why, why_size);
    pages_close(pages);
    return status;
}

static int name_copy(struct store *store, const char *from, int64_t now_s, char to[PATH_MAX])
{
    const time_t now = (time_t)now_s;
    struct store_files files;
    struct tm utc = {0};
    char name[64];
    int status = store_files_list(store, "copy", &files);

    if (status != 0)
        return status;
    gmtime_r(&now, &utc);
    snprintf(name, sizeof name, "copy.%llu.%04u%02u%02uT%02u%02u%02uZ",
             files.count > 0 ? (unsigned long long)files.files[0].number + 1 : 1,
             (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)utc.tm_mon + 1,
             (unsigned)utc.tm_mday, (unsigned)utc.tm_hour, (unsigned)utc.tm_min,
             (unsigned)utc.tm_sec);
    if (rename(from, store_path(store, to, name)) != 0)
        return -errno;
    status = store_directory_sync(store, ".");
    if (status == 0)
        store_files_trim(store, "copy", store->settings.copies);
    return status;
}

static int make_copy(struct store *store, const char *path, char *why, size_t why_size)
{
    unlink(path);
    const int descriptor =
        open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, STORE_MODE);
    int status = descriptor < 0 ? -errno : copy_to(store, descriptor);

    if (status == 0)
        return check_copy(descriptor, why, why_size);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

int store_copy(struct store *store, int64_t now_s, char *why, size_t why_size)
{
    char from[PATH_MAX], to[PATH_MAX], fault[160] = "";

    CHECK(store->batch == NULL && store->reading == 0);
    store_path(store, from, STORE_COPY_NEW);
    int status = store->env != NULL ? make_copy(store, from, fault, sizeof fault) : -EBADMSG;
    if (status == 0)
        status = name_copy(store, from, now_s, to);
    if (status == 0) {
        store_why(why, why_size, "copied to %s", to);
        return 0;
    }
    unlink(from);
    store_say(store, "no copy was made: %s%s%s", strerror(-status), fault[0] != '\0' ? ": " : "",
              fault);
    store_why(why, why_size, "%s: %s", store->settings.directory, store->trouble);
    return status;
}
