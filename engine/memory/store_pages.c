/*
 * store_pages.c - see store_pages.h.
 */
#include "engine/memory/store_pages.h"

#include "engine/base/check.h"
#include "engine/base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(size_t) == 8,
               "the format of the file is that of the machine");

/* --- the format --- */

#define META_MAGIC      0xBEEFC0DEu
#define META_VERSION    1u
#define META_PAGES      2u
#define NO_PAGE         UINT64_MAX
#define PAGE_BYTES_MIN  512u
#define PAGE_BYTES_MAX  32768u
#define PAGE_BRANCH     0x01u
#define PAGE_LEAF       0x02u
#define PAGE_OVERFLOW   0x04u
#define PAGE_META       0x08u
#define NODE_BIG        0x01u   /* the value stands in pages of its own */
#define NODE_DATABASE   0x02u   /* the value is a struct tree */
#define FREE_FLAGS      0x08u   /* MDB_INTEGERKEY … */
#define FREE_FLAGS_FILE 0x4000u /* … and perhaps MDB_NOSUBDIR, which LMDB keeps there */
#define FREE_KEY_BYTES  8u
#define DATABASES_MAX   16u

struct page_head {
    uint64_t number;
    uint16_t pad, flags;
    union {
        struct {
            uint16_t lower, upper; /* free space of the page */
        };
        uint32_t pages; /* of an overflow */
    };
};
struct node_head {
    uint16_t low, high; /* leaf: bytes of the value; branch: the page below, with `flags` */
    uint16_t flags;
    uint16_t key_bytes;
};
struct tree {
    uint32_t page_bytes; /* only in the tree of free pages */
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};
struct meta {
    uint32_t magic, version;
    uint64_t address, map_bytes;
    struct tree free, main;
    uint64_t last_page, transaction;
};

_Static_assert(sizeof(struct page_head) == 16 && sizeof(struct node_head) == 8 &&
                   sizeof(struct tree) == 48 && sizeof(struct meta) == 136,
               "as LMDB writes them");

struct pages {
    int descriptor;
    uint32_t page_bytes;
    uint64_t file_pages;
    struct meta metas[META_PAGES];
    struct pages_snapshot snapshots[META_PAGES];
};

/* What the keys of a tree, and the nodes of its leaves, may be. */
enum tree_kind { TREE_FREE, TREE_MAIN, TREE_NAMED };

struct node {
    struct store_bytes key, value;
    unsigned flags;
    uint64_t page; /* of a branch: the one below */
    uint64_t value_bytes;
};

/* One walk down a tree. */
struct walk {
    struct pages *pages;
    enum tree_kind kind;
    unsigned depth;
    uint64_t last_page;
    uint8_t *buffers;             /* one page for each step down a tree */
    uint8_t *seen;                /* a bit for each page */
    struct store_bytes low, high; /* what was asked for */
    int (*item)(void *context, const struct node *node);
    int (*gap)(void *context, struct store_bytes low, struct store_bytes high);
    void *context;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, gaps;
    const char *fault; /* the first, in page `fault_page` */
    uint64_t fault_page;
};

/* --- meta pages --- */

static bool tree_possible(const struct tree *tree, uint64_t last_page)
{
    if (tree->root == NO_PAGE)
        return tree->entries == 0 && tree->depth == 0;
    return tree->root >= META_PAGES && tree->root <= last_page && tree->depth > 0 &&
           tree->depth <= LIMIT_STORE_DEPTH;
}

static bool meta_read(const struct pages *pages, unsigned slot, uint32_t page_bytes,
                      struct meta *meta)
{
    uint8_t bytes[sizeof(struct page_head) + sizeof(struct meta)];
    struct page_head head;

    if (pread(pages->descriptor, bytes, sizeof bytes, (off_t)slot * page_bytes) !=
        (ssize_t)sizeof bytes)
        return false;
    memcpy(&head, bytes, sizeof head);
    memcpy(meta, bytes + sizeof head, sizeof *meta);
    return head.number == slot && head.flags == PAGE_META && meta->magic == META_MAGIC &&
           meta->version == META_VERSION && meta->free.page_bytes == page_bytes &&
           (meta->free.flags | FREE_FLAGS_FILE) == (FREE_FLAGS | FREE_FLAGS_FILE) &&
           meta->main.flags == 0 && meta->last_page >= META_PAGES - 1 &&
           meta->last_page < LIMIT_STORE_FILE_BYTES / page_bytes &&
           tree_possible(&meta->free, meta->last_page) &&
           tree_possible(&meta->main, meta->last_page);
}

static bool metas_take(struct pages *pages, unsigned wanted, uint32_t page_bytes)
{
    struct meta metas[META_PAGES];
    bool readable[META_PAGES];

    for (unsigned slot = 0; slot < META_PAGES; slot++)
        readable[slot] = meta_read(pages, slot, page_bytes, &metas[slot]);
    if (!readable[wanted])
        return false;
    pages->page_bytes = page_bytes;
    for (unsigned slot = 0; slot < META_PAGES; slot++) {
        const struct meta *meta = &metas[slot];
        pages->metas[slot] = *meta;
        if (readable[slot])
            pages->snapshots[slot] = (struct pages_snapshot){
                true, meta->main.root == NO_PAGE && meta->free.root == NO_PAGE, meta->transaction};
    }
    return true;
}

/* The size of a page stands in the meta pages. The second is where the size says, so that one is
 * believed first. */
static void metas_find(struct pages *pages)
{
    for (unsigned slot = META_PAGES; slot-- > 0;)
        for (uint32_t bytes = PAGE_BYTES_MIN; bytes <= PAGE_BYTES_MAX; bytes *= 2)
            if (metas_take(pages, slot, bytes))
                return;
}

int pages_open(struct pages **out, int descriptor)
{
    struct stat status;
    struct pages *pages = calloc(1, sizeof *pages);

    if (pages == NULL || fstat(descriptor, &status) != 0) {
        const int error = pages == NULL ? -ENOMEM : -errno;
        free(pages);
        close(descriptor);
        return error;
    }
    pages->descriptor = descriptor;
    metas_find(pages);
    if (pages->page_bytes != 0)
        pages->file_pages = (uint64_t)status.st_size / pages->page_bytes;
    *out = pages;
    return 0;
}

void pages_close(struct pages *pages)
{
    if (pages == NULL)
        return;
    close(pages->descriptor);
    free(pages);
}

const struct pages_snapshot *pages_snapshot(const struct pages *pages, unsigned slot)
{
    return &pages->snapshots[slot];
}

/* --- one page --- */

static bool mark(uint8_t *bits, uint64_t number)
{
    uint8_t *const byte = &bits[number / 8];
    const uint8_t bit = (uint8_t)(1u << number % 8);
    const bool was = (*byte & bit) != 0;

    *byte |= bit;
    return !was;
}

static void unmark(uint8_t *bits, uint64_t number)
{
    bits[number / 8] &= (uint8_t) ~(1u << number % 8);
}

static int compare(const struct walk *walk, struct store_bytes a, struct store_bytes b)
{
    uint64_t first, second;

    if (walk->kind != TREE_FREE)
        return store_bytes_compare(a, b);
    memcpy(&first, a.bytes, sizeof first);
    memcpy(&second, b.bytes, sizeof second);
    return first == second ? 0 : first < second ? -1 : 1;
}

/* A page's bytes, checked to be the page `number` of a tree; NULL: `fault` says why not. */
static const uint8_t *page_read(struct walk *walk, uint64_t number, unsigned level,
                                struct page_head *head, const char **fault)
{
    struct pages *pages = walk->pages;
    const uint32_t size = pages->page_bytes;
    uint8_t *bytes = walk->buffers + (size_t)level * size;

    *fault = "is outside of the file";
    if (number < META_PAGES || number > walk->last_page || number >= pages->file_pages)
        return NULL;
    *fault = "is used twice";
    if (!mark(walk->seen, number))
        return NULL;
    *fault = "cannot be read";
    if (pread(pages->descriptor, bytes, size, (off_t)(number * size)) != (ssize_t)size)
        return NULL;
    memcpy(head, bytes, sizeof *head);
    *fault = "is another page";
    if (head->number != number)
        return NULL;
    *fault = "is of another kind";
    if (head->flags != (level + 1 == walk->depth ? PAGE_LEAF : PAGE_BRANCH))
        return NULL;
    *fault = "has impossible bounds";
    if (head->lower <= sizeof *head || head->lower % 2 != 0 || head->upper % 2 != 0 ||
        head->lower > head->upper || head->upper > size)
        return NULL;
    *fault = NULL;
    return bytes;
}

static unsigned node_count(const struct page_head *head)
{
    return (head->lower - (unsigned)sizeof *head) / 2;
}

/* The bytes that the node takes; 0: it does not lie inside of the page. */
static unsigned node_read(const uint8_t *page, uint32_t page_bytes, const struct page_head *head,
                          unsigned index, struct node *node)
{
    struct node_head read;
    uint16_t at;

    memcpy(&at, page + sizeof *head + (size_t)index * 2, sizeof at);
    if (at < head->upper || at % 2 != 0 || at + sizeof read > page_bytes)
        return 0;
    memcpy(&read, page + at, sizeof read);
    const bool leaf = head->flags == PAGE_LEAF;
    node->flags = leaf ? read.flags : 0;
    node->value_bytes = leaf ? read.low | (uint64_t)read.high << 16 : 0;
    node->page = leaf ? 0 : read.low | (uint64_t)read.high << 16 | (uint64_t)read.flags << 32;
    const uint64_t inside = node->flags & NODE_BIG ? sizeof(uint64_t) : node->value_bytes;
    const uint64_t bytes = sizeof read + read.key_bytes + inside;
    if (at + bytes > page_bytes)
        return 0;
    node->key = (struct store_bytes){page + at + sizeof read, read.key_bytes};
    node->value = (struct store_bytes){page + at + sizeof read + read.key_bytes, (size_t)inside};
    return (unsigned)(bytes + bytes % 2);
}

static bool node_possible(const struct walk *walk, const struct node *node)
{
    const bool leaf = node->page == 0;

    if (walk->kind == TREE_FREE)
        return node->key.length == FREE_KEY_BYTES && (node->flags & ~NODE_BIG) == 0;
    if (node->key.length == 0 || node->key.length > STORE_KEY_SHORT)
        return false;
    if (leaf && walk->kind == TREE_MAIN && node->flags == NODE_DATABASE)
        return node->value.length == sizeof(struct tree);
    return node->flags == 0;
}

/* Also: not within the bounds that the page above gives. One of both is damaged. */
static const char out_of_order[] = "has keys out of order";

/* All nodes of a page: inside of it, not one upon the other, in order, and within [low, high). The
 * first key of a branch is never looked at, by LMDB neither. */
static const char *page_fault(const struct walk *walk, const uint8_t *page,
                              const struct page_head *head, struct store_bytes low,
                              struct store_bytes high)
{
    const unsigned count = node_count(head);
    struct store_bytes last = low;
    uint64_t taken = 0;

    for (unsigned i = 0; i < count; i++) {
        struct node node = {0};
        const unsigned bytes = node_read(page, walk->pages->page_bytes, head, i, &node);
        if (bytes == 0)
            return "has a node outside of it";
        taken += bytes;
        if (head->flags == PAGE_BRANCH && i == 0)
            continue;
        if (!node_possible(walk, &node))
            return "has a node of another kind";
        const int order = last.bytes == NULL ? 1 : compare(walk, node.key, last);
        if (order < 0 || (order == 0 && last.bytes != low.bytes) ||
            (order == 0 && head->flags == PAGE_BRANCH) ||
            (high.bytes != NULL && compare(walk, node.key, high) >= 0))
            return out_of_order;
        last = node.key;
    }
    return taken == walk->pages->page_bytes - head->upper ? NULL : "has nodes upon nodes";
}

/* --- a tree --- */

static int report_gap(struct walk *walk, struct store_bytes low, struct store_bytes high)
{
    walk->gaps++;
    if (low.bytes == NULL || (walk->low.bytes != NULL && store_bytes_compare(low, walk->low) < 0))
        low = walk->low;
    if (high.bytes == NULL ||
        (walk->high.bytes != NULL && store_bytes_compare(high, walk->high) > 0))
        high = walk->high;
    return walk->gap != NULL ? walk->gap(walk->context, low, high) : 0;
}

static void note_fault(struct walk *walk, uint64_t page, const char *fault)
{
    if (walk->fault != NULL)
        return;
    walk->fault = fault;
    walk->fault_page = page;
}

static int visit_leaf(struct walk *walk, const uint8_t *page, const struct page_head *head)
{
    int status = 0;

    walk->leaf_pages++;
    for (unsigned i = 0; i < node_count(head) && status == 0; i++) {
        struct node node = {0};
        node_read(page, walk->pages->page_bytes, head, i, &node);
        walk->entries++;
        if (walk->low.bytes != NULL && store_bytes_compare(node.key, walk->low) < 0)
            continue;
        if (walk->high.bytes != NULL && store_bytes_compare(node.key, walk->high) >= 0)
            break;
        if (walk->item != NULL)
            status = walk->item(walk->context, &node);
    }
    return status;
}

/* Down to the leaves; at most LIMIT_STORE_DEPTH calls deep. */
static int visit(struct walk *walk, uint64_t number, unsigned level, struct store_bytes low,
                 struct store_bytes high)
{
    struct page_head head;
    const char *fault;
    const uint8_t *page = page_read(walk, number, level, &head, &fault);
    int status = 0;

    if (page != NULL)
        fault = page_fault(walk, page, &head, low, high);
    if (fault == out_of_order) {
        /* It may be the bounds that are wrong: then what is missing is anywhere, and the page may
         * be another's, who has yet to come by. */
        low = high = (struct store_bytes){0};
        unmark(walk->seen, number);
    }
    if (fault != NULL) {
        note_fault(walk, number, fault);
        return report_gap(walk, low, high);
    }
    if (head.flags == PAGE_LEAF)
        return visit_leaf(walk, page, &head);
    walk->branch_pages++;
    for (unsigned i = 0; i < node_count(&head) && status == 0; i++) {
        struct node node = {0}, next = {.key = high};
        node_read(page, walk->pages->page_bytes, &head, i, &node);
        if (i + 1 < node_count(&head))
            node_read(page, walk->pages->page_bytes, &head, i + 1, &next);
        const struct store_bytes from = i == 0 ? low : node.key;
        if (walk->low.bytes != NULL && next.key.bytes != NULL &&
            store_bytes_compare(next.key, walk->low) <= 0)
            continue;
        if (walk->high.bytes != NULL && from.bytes != NULL &&
            store_bytes_compare(from, walk->high) >= 0)
            break;
        status = visit(walk, node.page, level + 1, from, next.key);
    }
    return status;
}

/* Of its own, so that one walk can begin inside of another. */
static int walk_allocate(struct walk *walk, struct pages *pages, unsigned slot)
{
    CHECK(pages->page_bytes > 0); /* of a snapshot that is readable */
    walk->pages = pages;
    walk->last_page = pages->metas[slot].last_page;
    walk->buffers = malloc((size_t)LIMIT_STORE_DEPTH * pages->page_bytes);
    walk->seen = calloc(1, walk->last_page / 8 + 1);
    return walk->buffers != NULL && walk->seen != NULL ? 0 : -ENOMEM;
}

static void walk_free(struct walk *walk)
{
    free(walk->buffers);
    free(walk->seen);
}

static int visit_tree(struct walk *walk, const struct tree *tree)
{
    walk->branch_pages = walk->leaf_pages = walk->overflow_pages = walk->entries = 0;
    if (tree->root == NO_PAGE)
        return 0;
    walk->depth = tree->depth;
    return visit(walk, tree->root, 0, (struct store_bytes){0}, (struct store_bytes){0});
}

/* What the tree says of itself, after all of it was walked. */
static void check_counts(struct walk *walk, const struct tree *tree)
{
    if (walk->branch_pages != tree->branch_pages || walk->leaf_pages != tree->leaf_pages ||
        walk->overflow_pages != tree->overflow_pages || walk->entries != tree->entries)
        note_fault(walk, tree->root, "is the root of a tree with another count");
}

/* --- the tree of free pages --- */

struct check {
    struct walk walk;
    uint8_t *free;        /* a bit for each page that is free */
    uint64_t transaction; /* of the snapshot */
    const char *const *names;
    unsigned name_count;
    unsigned databases;
    struct tree trees[DATABASES_MAX];
};

/* A list of page numbers, its length first, descending. */
static const char *list_fault(struct check *check, const uint8_t *bytes, uint64_t size)
{
    uint64_t count, last = UINT64_MAX;

    if (size < sizeof count)
        return "has a list of free pages that is none";
    memcpy(&count, bytes, sizeof count);
    if (count > size / sizeof count - 1)
        return "has a list of free pages that is none";
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number;
        memcpy(&number, bytes + i * sizeof number, sizeof number);
        if (number >= last || number < META_PAGES || number > check->walk.last_page)
            return "has a list of free pages that is out of order";
        if (!mark(check->free, number))
            return "has a free page twice";
        last = number;
    }
    return NULL;
}

/* A list in pages of its own. */
static int check_overflow(struct check *check, const struct node *node)
{
    struct walk *walk = &check->walk;
    const uint32_t size = walk->pages->page_bytes;
    struct page_head head;
    uint64_t first;

    memcpy(&first, node->value.bytes, sizeof first);
    const uint64_t pages = (sizeof head - 1 + node->value_bytes) / size + 1;
    if (pages == 0 || first < META_PAGES || first > walk->last_page ||
        pages > walk->last_page - first + 1 || first + pages > walk->pages->file_pages) {
        note_fault(walk, first, "is outside of the file");
        return 0;
    }
    for (uint64_t i = 0; i < pages; i++)
        if (!mark(walk->seen, first + i))
            note_fault(walk, first + i, "is used twice");
    walk->overflow_pages += pages;
    uint8_t *bytes = malloc(pages * size);
    if (bytes == NULL)
        return -ENOMEM;
    const char *fault = "cannot be read";
    if (pread(walk->pages->descriptor, bytes, pages * size, (off_t)(first * size)) ==
        (ssize_t)(pages * size)) {
        memcpy(&head, bytes, sizeof head);
        fault = head.number != first || head.flags != PAGE_OVERFLOW || head.pages != pages
                    ? "is another page"
                    : list_fault(check, bytes + sizeof head, node->value_bytes);
    }
    if (fault != NULL)
        note_fault(walk, first, fault);
    free(bytes);
    return 0;
}

/* The key says which transaction made the pages free, and so from when on they may be used. LMDB
 * loses pages, or uses them twice, over one that has not been. */
static int check_free(void *context, const struct node *node)
{
    struct check *check = context;
    uint64_t transaction;

    memcpy(&transaction, node->key.bytes, sizeof transaction);
    if (transaction == 0 || transaction > check->transaction)
        note_fault(&check->walk, 0, "or another has free pages of a batch that has not been");
    if (node->flags & NODE_BIG)
        return check_overflow(check, node);
    const char *fault = list_fault(check, node->value.bytes, node->value.length);
    if (fault != NULL)
        note_fault(&check->walk, 0, fault);
    return 0;
}

static bool is_wanted(const struct check *check, struct store_bytes name)
{
    for (unsigned i = 0; i < check->name_count; i++)
        if (store_bytes_equal(name, (struct store_bytes){(const uint8_t *)check->names[i],
                                                         strlen(check->names[i])}))
            return true;
    return false;
}

static int check_main(void *context, const struct node *node)
{
    struct check *check = context;

    if (node->flags != NODE_DATABASE)
        return 0;
    if (check->databases == DATABASES_MAX || !is_wanted(check, node->key)) {
        note_fault(&check->walk, 0, "or another has a database of an unknown name");
        return 0;
    }
    struct tree *tree = &check->trees[check->databases];
    memcpy(tree, node->value.bytes, sizeof *tree);
    if (tree->flags == 0 && tree_possible(tree, check->walk.last_page))
        check->databases++;
    else
        note_fault(&check->walk, 0, "or another has a database that cannot be");
    return 0;
}

/* --- all of a snapshot --- */

static int check_trees(struct check *check, const struct meta *meta)
{
    struct walk *walk = &check->walk;

    walk->kind = TREE_FREE;
    walk->item = check_free;
    int status = visit_tree(walk, &meta->free);
    check_counts(walk, &meta->free);
    if (status != 0)
        return status;
    walk->kind = TREE_MAIN;
    walk->item = check_main;
    status = visit_tree(walk, &meta->main);
    check_counts(walk, &meta->main);
    walk->kind = TREE_NAMED;
    walk->item = NULL;
    for (unsigned i = 0; i < check->databases && status == 0; i++) {
        status = visit_tree(walk, &check->trees[i]);
        check_counts(walk, &check->trees[i]);
    }
    return status;
}

/* Each page up to the last is used, or free: so LMDB says, and so the last one cannot be another.
 */
static void check_partition(struct check *check)
{
    const struct walk *walk = &check->walk;

    for (uint64_t number = META_PAGES; number <= walk->last_page; number++) {
        const unsigned bit = 1u << number % 8;
        const bool used = (walk->seen[number / 8] & bit) != 0;
        if (used == ((check->free[number / 8] & bit) != 0))
            note_fault(&check->walk, number, used ? "is free, and used" : "is nobody's");
    }
    if (check->databases != check->name_count)
        note_fault(&check->walk, 0, "or another lacks a database");
}

int pages_check(struct pages *pages, unsigned slot, const char *const *names, unsigned name_count,
                char *why, size_t why_size)
{
    const struct meta *meta = &pages->metas[slot];
    struct check check = {
        .names = names, .name_count = name_count, .transaction = meta->transaction};

    if (!pages->snapshots[slot].readable) {
        snprintf(why, why_size, "meta page %u cannot be true", slot);
        return -EBADMSG;
    }
    check.walk.context = &check;
    int status = walk_allocate(&check.walk, pages, slot);
    check.free = calloc(1, meta->last_page / 8 + 1);
    if (check.free == NULL)
        status = -ENOMEM;
    if (status == 0)
        status = check_trees(&check, meta);
    if (status == 0)
        check_partition(&check);
    if (status == 0 && check.walk.fault != NULL) {
        snprintf(why, why_size, "page %llu %s", (unsigned long long)check.walk.fault_page,
                 check.walk.fault);
        status = -EBADMSG;
    }
    walk_free(&check.walk);
    free(check.free);
    return status;
}

/* --- reading what can be read --- */

struct reading {
    struct walk walk;
    const char *database;
    const struct pages_visitor *visitor;
    bool found;
    struct tree tree;
};

static int read_item(void *context, const struct node *node)
{
    const struct reading *reading = context;

    if (node->flags != 0) /* in the main database: another database */
        return 0;
    return reading->visitor->item(reading->visitor->context, node->key, node->value);
}

static int read_gap(void *context, struct store_bytes low, struct store_bytes high)
{
    const struct reading *reading = context;

    return reading->visitor->gap(reading->visitor->context, low, high);
}

static int find_database(void *context, const struct node *node)
{
    struct reading *reading = context;
    const struct store_bytes name = {(const uint8_t *)reading->database, strlen(reading->database)};

    if (node->flags != NODE_DATABASE || !store_bytes_equal(node->key, name))
        return 0;
    memcpy(&reading->tree, node->value.bytes, sizeof reading->tree);
    reading->found = tree_possible(&reading->tree, reading->walk.last_page);
    return 0;
}

/* The named database's tree, then its items. */
static int read_named(struct reading *reading, const struct meta *meta)
{
    struct walk *walk = &reading->walk;
    const struct store_bytes low = walk->low, high = walk->high;

    walk->kind = TREE_MAIN;
    walk->item = find_database;
    walk->low = walk->high = (struct store_bytes){0};
    int status = visit_tree(walk, &meta->main);
    walk->low = low;
    walk->high = high;
    if (status != 0)
        return status;
    if (!reading->found)
        return read_gap(reading, low, high);
    walk->kind = TREE_NAMED;
    walk->item = read_item;
    walk->gap = read_gap;
    walk->gaps = 0;
    status = visit_tree(walk, &reading->tree);
    /* A root that is sound, but another's. */
    if (status == 0 && walk->gaps == 0 && low.bytes == NULL && high.bytes == NULL &&
        walk->entries != reading->tree.entries)
        status = read_gap(reading, low, high);
    return status;
}

/* A page that is free holds something old, whoever points to it. Nothing is said of faults here. */
static int mark_free(struct pages *pages, unsigned slot, uint8_t *seen)
{
    struct check check = {.walk = {.kind = TREE_FREE, .item = check_free},
                          .transaction = pages->metas[slot].transaction};

    check.walk.context = &check;
    int status = walk_allocate(&check.walk, pages, slot);
    check.free = seen;
    if (status == 0)
        status = visit_tree(&check.walk, &pages->metas[slot].free);
    walk_free(&check.walk);
    return status;
}

int pages_walk(struct pages *pages, unsigned slot, const char *database, struct store_bytes low,
               struct store_bytes high, const struct pages_visitor *visitor)
{
    const struct meta *meta = &pages->metas[slot];
    struct reading reading = {
        .walk = {.low = low, .high = high}, .database = database, .visitor = visitor};
    struct walk *walk = &reading.walk;

    if (!pages->snapshots[slot].readable)
        return visitor->gap(visitor->context, low, high);
    walk->context = &reading;
    int status = walk_allocate(walk, pages, slot);
    if (status == 0)
        status = mark_free(pages, slot, walk->seen);
    if (status == 0 && database != NULL) {
        status = read_named(&reading, meta);
    } else if (status == 0) {
        walk->kind = TREE_MAIN;
        walk->item = read_item;
        walk->gap = read_gap;
        status = visit_tree(walk, &meta->main);
    }
    walk_free(walk);
    return status;
}
