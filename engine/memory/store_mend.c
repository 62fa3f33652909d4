/*
 * store_mend.c - is the database whole, and if not: a new one from all that is.
 *
 * A file is taken as it is only if its newest snapshot is sound in every page (store_pages), and
 * both meta pages say of themselves what the batch that they belong to wrote: its number. (LMDB
 * goes by the meta page with the higher one; a damaged number would bring back an older state in
 * silence.)
 *
 * Otherwise a new file is made, database by database, in the order of keys. Each range comes from
 * the first of these that has it whole:
 *
 *   the newest snapshot of the damaged file      as it was
 *   the snapshot before it                       one batch old
 *   the newest good copy                         as old as that
 *
 * and only then takes the place of the damaged one, which stays as broken.N. A range that nobody
 * has is an error, unless the administrator accepts the loss: then it is left out.
 */
#include "engine/memory/store_internal.h"

#include "engine/base/check.h"
#include "engine/memory/store_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What one snapshot of a file says of itself. */
struct said {
    bool readable, numbered;
    uint64_t transaction; /* by its meta page */
    uint64_t number;      /* by its own batch */
};

struct judged {
    struct pages *pages; /* NULL: there is no file */
    bool whole;          /* LMDB may have it as it is */
    bool later;          /* of a later mxward */
    int newest, before;  /* snapshots to take values from; -1: none */
    bool newest_whole, before_whole;
    char why[160];
};

/* Where values come from, in this order. */
enum source { SOURCE_NEWEST, SOURCE_BEFORE, SOURCE_COPY, SOURCE_COUNT };

struct mending {
    struct store *store;
    struct store_opened *opened;
    struct judged file, copy;
    char copy_name[64];
    char broken_name[32]; /* what the damaged file is called now; "": there was none */
    bool copy_looked_for;
    enum store_database database;
    bool doubted[SOURCE_COUNT]; /* the next one was asked for all of this database already */
    unsigned pending;           /* changes of the batch under way */
};

/* One source, being read. */
struct filling {
    struct mending *mending;
    enum source source;
};

/* --- judging a file --- */

int store_pages_check(struct pages *pages, unsigned slot, char *why, size_t why_size)
{
    const char *names[DATABASE_COUNT];
    unsigned count = 0;

    for (enum store_database database = DATABASE_STATE + 1; database < DATABASE_COUNT; database++)
        names[count++] = store_database_name(database);
    return pages_check(pages, slot, names, count, why, why_size);
}

struct asking {
    struct judged *judged;
    struct said *said;
};

static int read_state(void *context, struct store_bytes key, struct store_bytes value)
{
    static const struct store_bytes name = {(const uint8_t *)STORE_STATE_KEY,
                                            sizeof STORE_STATE_KEY - 1};
    const struct asking *asking = context;
    struct said *said = asking->said;
    struct store_value_view view;

    if (!store_bytes_equal(key, name))
        return 0;
    const enum store_value_state state = store_value_check(&view, DATABASE_STATE, value);
    asking->judged->later |= state == VALUE_LATER;
    said->numbered = state == VALUE_SOUND && store_bytes_equal(view.key, name) &&
                     store_value_to_number(view.payload, &said->number) == VALUE_SOUND;
    return 0;
}

static int skip_gap(void *context, struct store_bytes low, struct store_bytes high)
{
    (void)context, (void)low, (void)high;
    return 0;
}

static int ask(struct judged *judged, unsigned slot, struct said *said)
{
    const struct pages_snapshot *snapshot = pages_snapshot(judged->pages, slot);
    struct asking asking = {judged, said};
    const struct pages_visitor visitor = {read_state, skip_gap, &asking};

    *said = (struct said){.readable = snapshot->readable, .transaction = snapshot->transaction};
    return pages_walk(judged->pages, slot, NULL, (struct store_bytes){0}, (struct store_bytes){0},
                      &visitor);
}

/* Do the meta pages say what the batches say? `newest` as LMDB chooses it. */
static bool metas_agree(const struct judged *judged, const struct said said[2], unsigned newest)
{
    const struct said *now = &said[newest], *before = &said[!newest];

    if (!now->readable || !before->readable || !now->numbered || now->number != now->transaction ||
        (now->transaction & 1) != newest || before->transaction + 1 != now->transaction)
        return false;
    if (pages_snapshot(judged->pages, !newest)->empty)
        return before->transaction == 0;
    return before->numbered && before->number == before->transaction;
}

/* Which snapshot is the newer, when the meta pages are not to be believed. */
static void order_snapshots(struct judged *judged, const struct said said[2])
{
    const uint64_t numbers[2] = {said[0].numbered ? said[0].number : said[0].transaction,
                                 said[1].numbered ? said[1].number : said[1].transaction};
    const bool second = said[1].readable && (!said[0].readable || numbers[1] > numbers[0]);

    judged->newest = second ? 1 : said[0].readable ? 0 : -1;
    judged->before = judged->newest >= 0 && said[!second].readable ? !second : -1;
}

/* As LMDB makes one: numbered anew, without a snapshot before. */
static bool is_compact_copy(const struct said said[2])
{
    return said[0].transaction == 0 && !said[0].numbered && said[1].transaction == 1 &&
           said[1].numbered;
}

/* Opens and judges the file at `path`; with a `doubt` it is not whole in any case. 0, -ENOMEM, or
 * why it cannot be looked at. */
static int judge(struct judged *judged, const char *path, const char *doubt)
{
    struct said said[2];
    char why[sizeof judged->why];

    *judged = (struct judged){.newest = -1, .before = -1};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
        return errno == ENOENT ? 0 : -errno;
    int status = pages_open(&judged->pages, descriptor);
    for (unsigned slot = 0; slot < 2 && status == 0; slot++)
        status = ask(judged, slot, &said[slot]);
    if (status != 0)
        return status;
    order_snapshots(judged, said);
    if (judged->newest < 0) {
        snprintf(judged->why, sizeof judged->why, "neither meta page can be true");
        return 0;
    }
    const unsigned newest = said[1].transaction > said[0].transaction;
    const bool agree = metas_agree(judged, said, newest);
    status =
        store_pages_check(judged->pages, (unsigned)judged->newest, judged->why, sizeof judged->why);
    judged->newest_whole = status == 0;
    judged->whole = status == 0 && agree && doubt == NULL;
    if (status == 0 && doubt != NULL)
        snprintf(judged->why, sizeof judged->why, "%s", doubt);
    if (status == 0 && !agree)
        snprintf(judged->why, sizeof judged->why, "%s",
                 is_compact_copy(said) ? "is a copy that was put in its place"
                                       : "the meta pages contradict what is in them");
    if ((status == -EBADMSG || doubt != NULL) && judged->before >= 0) {
        status = store_pages_check(judged->pages, (unsigned)judged->before, why, sizeof why);
        judged->before_whole = status == 0;
    }
    return status == -EBADMSG ? 0 : status;
}

/* Is the newest snapshot of a copy whole? LMDB numbers a compact copy anew, so that its meta pages
 * say nothing. */
static bool copy_is_good(const struct judged *copy)
{
    return copy->pages != NULL && copy->newest_whole && !copy->later;
}

static int find_copy(struct mending *mending)
{
    struct store_files files;
    char path[PATH_MAX];
    int status = store_files_list(mending->store, "copy", &files);

    mending->copy_looked_for = true;
    for (unsigned i = 0; i < files.count && status == 0; i++) {
        status = judge(&mending->copy, store_path(mending->store, path, files.files[i].name), NULL);
        if (status == 0 && copy_is_good(&mending->copy)) {
            snprintf(mending->copy_name, sizeof mending->copy_name, "%s", files.files[i].name);
            return 0;
        }
        pages_close(mending->copy.pages);
        mending->copy.pages = NULL;
        if (status != -ENOMEM)
            status = 0;
    }
    return status;
}

/* --- making a new one --- */

/* Batches of moderate size: each is synced. */
static int turn_over(struct mending *mending)
{
    struct store *store = mending->store;

    if (++mending->pending <= LIMIT_STORE_CHANGES)
        return 0;
    mending->pending = 1;
    store->changes = 1;
    const int status = store_commit(store);
    return status == 0 ? store_begin(store) : status;
}

/* What is missing may be anywhere in the database: the next source is asked for all of it, after
 * this one has given what it has. */
static int doubt_all(const struct filling *filling)
{
    struct mending *mending = filling->mending;

    mending->opened->gaps += filling->source == SOURCE_NEWEST && !mending->doubted[SOURCE_NEWEST];
    mending->doubted[filling->source] = true;
    return 0;
}

/* The newest takes the place of what a gap was filled with; what is older goes only where there is
 * nothing yet. */
static int take(void *context, struct store_bytes key, struct store_bytes value)
{
    const struct filling *filling = context;
    struct mending *mending = filling->mending;
    struct store_key whole;
    struct store_value copy;
    uint8_t room[STORE_KEY_SHORT];

    whole.length = key.length;
    memcpy(whole.bytes, key.bytes, key.length);
    store_value_copy(&copy, value);
    if (store_value_pair(mending->database, &whole, &copy) == PAIR_UNKNOWN)
        return doubt_all(filling);
    int status = turn_over(mending);
    if (status != 0)
        return status;
    status =
        store_put(mending->store, mending->database, store_key_short(store_key_bytes(&whole), room),
                  store_value_bytes(&copy), filling->source == SOURCE_NEWEST ? 0 : MDB_NOOVERWRITE);
    mending->opened->from_copy += status == 0 && filling->source == SOURCE_COPY;
    return status == -EEXIST ? 0 : status;
}

static int fill(struct mending *mending, enum source source, struct store_bytes low,
                struct store_bytes high);

static int take_gap(void *context, struct store_bytes low, struct store_bytes high)
{
    const struct filling *filling = context;

    if (low.bytes == NULL && high.bytes == NULL)
        return doubt_all(filling);
    filling->mending->opened->gaps += filling->source == SOURCE_NEWEST;
    return fill(filling->mending, filling->source + 1, low, high);
}

/* A range of a database, from this source on; at most SOURCE_COUNT calls deep. */
static int fill(struct mending *mending, enum source source, struct store_bytes low,
                struct store_bytes high)
{
    struct filling filling = {mending, source};
    const struct pages_visitor visitor = {take, take_gap, &filling};
    const struct judged *judged = source == SOURCE_COPY ? &mending->copy : &mending->file;
    int status = 0;

    if (source == SOURCE_COUNT) {
        mending->opened->lost++;
        return 0;
    }
    if (source == SOURCE_COPY && !mending->copy_looked_for)
        status = find_copy(mending);
    if (status != 0)
        return status;
    const int slot = source == SOURCE_BEFORE ? judged->before : judged->newest;
    if (judged->pages == NULL || slot < 0 || (source == SOURCE_BEFORE && !judged->before_whole))
        return take_gap(&filling, low, high);
    return pages_walk(judged->pages, (unsigned)slot, store_database_name(mending->database), low,
                      high, &visitor);
}

static int fill_database(struct mending *mending)
{
    const struct store_bytes all = {0};
    int status = fill(mending, SOURCE_NEWEST, all, all);

    for (enum source source = SOURCE_NEWEST; source < SOURCE_COUNT && status == 0; source++)
        if (mending->doubted[source])
            status = fill(mending, source + 1, all, all);
    memset(mending->doubted, 0, sizeof mending->doubted);
    return status;
}

/* memory.new, with everything that there is. */
static int make_new(struct mending *mending)
{
    struct store *store = mending->store;
    char path[PATH_MAX];

    unlink(store_path(store, path, STORE_NEW));
    int status = store_environment_open(store, STORE_NEW, true);
    if (status == 0)
        status = store_begin(store);
    for (mending->database = DATABASE_STATE + 1; mending->database < DATABASE_COUNT && status == 0;
         mending->database++)
        status = fill_database(mending);
    if (status == 0) {
        store->changes = 1;
        status = store_commit(store);
    }
    store_environment_close(store);
    return status;
}

/* A second name for the damaged file. */
static int keep_aside(struct mending *mending)
{
    struct store *store = mending->store;
    char from[PATH_MAX], to[PATH_MAX];
    struct store_files files;
    const int status = store_files_list(store, "broken", &files);

    if (status != 0)
        return status;
    snprintf(mending->broken_name, sizeof mending->broken_name, "broken.%llu",
             files.count > 0 ? (unsigned long long)files.files[0].number + 1 : 1);
    store_path(store, from, STORE_FILE);
    return link(from, store_path(store, to, mending->broken_name)) == 0 ? 0 : -errno;
}

/* The new file takes the old one's place in one step, and is on the disk before. */
static int put_in_place(struct mending *mending)
{
    struct store *store = mending->store;
    char from[PATH_MAX], to[PATH_MAX];

    store_path(store, from, STORE_NEW);
    store_path(store, to, STORE_FILE);
    const int descriptor = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
        return -errno;
    int status = fsync(descriptor) == 0 ? 0 : -errno;
    close(descriptor);
    if (status == 0 && mending->file.pages != NULL)
        status = keep_aside(mending);
    if (status == 0 && rename(from, to) != 0)
        status = -errno;
    if (status == 0)
        status = store_directory_sync(store, ".");
    if (status == 0)
        store_files_trim(store, "broken", LIMIT_STORE_BROKEN_FILES);
    return status;
}

/* --- the decision --- */

static int make_fresh(struct mending *mending, char *why, size_t why_size)
{
    struct store *store = mending->store;
    int status = store_environment_open(store, STORE_NEW, true);

    store_environment_close(store);
    if (status == 0)
        status = put_in_place(mending);
    mending->opened->fresh = status == 0;
    if (status != 0)
        store_why(why, why_size, "%s: cannot make a database: %s", store->settings.directory,
                  strerror(-status));
    return status;
}

/* Said by whoever opens; the log has it in any case. */
static void say_mended(struct mending *mending, char *why, size_t why_size)
{
    const struct store_opened *opened = mending->opened;
    const char *directory = mending->store->settings.directory;
    char from[128] = "";

    if (mending->copy.pages != NULL)
        snprintf(from, sizeof from, ", %llu values from %s", (unsigned long long)opened->from_copy,
                 mending->copy_name);
    store_why(why, why_size,
              "%s/" STORE_FILE ": %s; made again, %u parts could not be read, %u are lost%s%s%s",
              directory, mending->file.pages != NULL ? mending->file.why : "was gone", opened->gaps,
              opened->lost, from,
              mending->broken_name[0] != '\0' ? "; what it was is kept as " : "",
              mending->broken_name);
}

static int refuse(struct mending *mending, char *why, size_t why_size)
{
    const struct store *store = mending->store;
    char path[PATH_MAX];

    unlink(store_path(store, path, STORE_NEW));
    store_why(why, why_size,
              "%s/" STORE_FILE ": %s, and no good copy of it is here. What is remembered would be "
              "lost, and mail leave weaker. Put a copy (copy.N.…, of this or another node) into "
              "the directory, or start once with the setting that accepts the loss",
              store->settings.directory,
              mending->file.pages != NULL ? mending->file.why : "is gone");
    return -EBADMSG;
}

static int make_again(struct mending *mending, char *why, size_t why_size)
{
    struct store *store = mending->store;
    int status = make_new(mending);

    if (status == 0 && mending->opened->lost > 0 && !store->settings.accept_loss)
        return refuse(mending, why, why_size);
    if (status == 0)
        status = put_in_place(mending);
    if (status == 0) {
        mending->opened->recovered = true;
        say_mended(mending, why, why_size);
        return 0;
    }
    char path[PATH_MAX];
    unlink(store_path(store, path, STORE_NEW));
    store_why(why, why_size, "%s/" STORE_FILE ": %s, and it could not be made again: %s",
              store->settings.directory,
              mending->file.pages != NULL ? mending->file.why : "is gone", strerror(-status));
    return status;
}

static int decide(struct mending *mending, char *why, size_t why_size)
{
    struct store *store = mending->store;
    struct store_files copies, broken;

    if (mending->file.later) {
        store_why(why, why_size, "%s/" STORE_FILE ": written by a later mxward; start that one",
                  store->settings.directory);
        return -EPROTO;
    }
    if (mending->file.whole)
        return 0;
    if (mending->file.pages != NULL)
        return make_again(mending, why, why_size);
    int status = store_files_list(store, "copy", &copies);
    if (status == 0)
        status = store_files_list(store, "broken", &broken);
    if (status != 0)
        return status;
    if (copies.count == 0 && broken.count == 0 && !store->was_open)
        return make_fresh(mending, why, why_size);
    return make_again(mending, why, why_size);
}

int store_mend(struct store *store, const char *doubt, struct store_opened *opened, char *why,
               size_t why_size)
{
    struct mending mending = {.store = store, .opened = opened};
    char path[PATH_MAX];

    CHECK(store->env == NULL);
    int status = judge(&mending.file, store_path(store, path, STORE_FILE), doubt);
    if (status == 0)
        status = decide(&mending, why, why_size);
    else
        store_why(why, why_size, "%s: %s", path, strerror(-status));
    pages_close(mending.file.pages);
    pages_close(mending.copy.pages);
    return status;
}
