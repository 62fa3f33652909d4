/*
 * names.c - see names.h. Answers are made as engine/dns/message.c makes them: one allocation each,
 * given back by the last who drops it. Memory is asked for with the allocations paused.
 */
#include "tests/plays/world/names.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/container.h"
#include "engine/base/limits.h"
#include "engine/loop/mailbox.h"
#include "engine/publish.h"
#include "tests/plays/world/world.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_MAX = 256, WORDS_MAX = 80, BLOBS_MAX = 8, PUTS_MAX = 64, TTL_S = 3600 };

static struct {
    struct names_options options;
    struct {
        struct dns_question *question;
        uint64_t at_ms;
        enum dns_deed deed;
    } held[HELD_MAX];
    unsigned held_count, asked;
    struct table_put puts[PUTS_MAX];
    unsigned put_count;
} names;

static struct {
    char name[16];
    uint8_t bytes[64];
    size_t size;
} blobs[BLOBS_MAX];

static const char *const deed_names[DNS_DEED_COUNT] = {
    "none",      "server failure", "bogus", "resolver full", "resolver without memory",
    "timed out", "resolver late",  "slow"};

const char *dns_deed_name(enum dns_deed deed)
{
    return deed_names[deed];
}

void world_blob(const char *name, const uint8_t *bytes, size_t size)
{
    unsigned i = 0;

    while (blobs[i].size > 0 && strcmp(blobs[i].name, name) != 0)
        CHECK(++i < BLOBS_MAX);
    CHECK(size > 0 && size <= sizeof blobs[i].bytes);
    snprintf(blobs[i].name, sizeof blobs[i].name, "%s", name);
    memcpy(blobs[i].bytes, bytes, size);
    blobs[i].size = size;
}

void names_begin(const struct names_options *options)
{
    memset(&names, 0, sizeof names);
    names.options = *options;
}

void names_calm(void)
{
    names.options.deed_at = 0;
}

unsigned names_asked(void)
{
    return names.asked;
}

unsigned names_held(void)
{
    return names.held_count;
}

/* --- reading the zone --- */

struct words {
    char line[1024];
    char *at[WORDS_MAX];
    unsigned count;
};

static void split(struct words *words, const char *line)
{
    size_t length = strcspn(line, "\n");
    char *at = words->line;

    CHECK(length < sizeof words->line);
    memcpy(words->line, line, length);
    words->line[length] = '\0';
    words->count = 0;
    for (char *word; (word = strsep(&at, " ")) != NULL;)
        if (*word != '\0') {
            CHECK(words->count < WORDS_MAX);
            words->at[words->count++] = word;
        }
}

/* The line of this name and type; false: there is none. */
static bool find_line(struct words *words, const struct dns_question *question)
{
    for (const char *line = names.options.zone; *line != '\0';) {
        split(words, line);
        if (words->count >= 3 && strcmp(words->at[0], question->name.text) == 0 &&
            strcmp(words->at[1], dns_type_name(question->type)) == 0)
            return true;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return false;
}

static enum dns_kind kind_of(const char *word)
{
    static const struct {
        const char *word;
        enum dns_kind kind;
    } kinds[] = {{"secure", DNS_SECURE_DATA},
                 {"insecure", DNS_INSECURE_DATA},
                 {"secure-nodata", DNS_SECURE_NODATA},
                 {"insecure-nodata", DNS_INSECURE_NODATA},
                 {"secure-nxdomain", DNS_SECURE_NXDOMAIN},
                 {"insecure-nxdomain", DNS_INSECURE_NXDOMAIN}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].word, word) == 0)
            return kinds[i].kind;
    world_fail("the zone says \"%s\"", word);
    return DNS_ERROR;
}

static struct name name_of(const char *text)
{
    struct name name = {0};

    if (strcmp(text, ".") != 0 && name_parse(&name, text, strlen(text)) != NAME_OK)
        world_fail("the zone has a name \"%s\"", text);
    return name;
}

/* --- answers --- */

/* One allocation for the answer and LIMIT_ADDRESS_RECORDS records of any kind. */
struct answer {
    struct dns_answer answer; /* first: it is freed as one */
    union {
        struct dns_mx mx[WORDS_MAX / 2];
        struct address addresses[WORDS_MAX];
        struct {
            struct dns_tlsa tlsa[WORDS_MAX / 4];
            uint8_t data[WORDS_MAX / 4][64];
        };
    };
};

static void read_mx(struct answer *answer, struct words *words, unsigned first)
{
    answer->answer.mx = answer->mx;
    for (unsigned i = first; i + 1 < words->count; i += 2) {
        struct dns_mx *mx = &answer->mx[answer->answer.count++];

        mx->preference = (uint16_t)strtoul(words->at[i], NULL, 10);
        mx->exchange = name_of(words->at[i + 1]);
        mx->usable = mx->exchange.length > 0;
    }
}

static void read_addresses(struct answer *answer, struct words *words, unsigned first)
{
    answer->answer.addresses = answer->addresses;
    for (unsigned i = first; i < words->count; i++)
        if (!address_parse(&answer->addresses[answer->answer.count++], words->at[i],
                           strlen(words->at[i])))
            world_fail("the zone has an address \"%s\"", words->at[i]);
}

static void read_tlsa(struct answer *answer, struct words *words, unsigned first)
{
    answer->answer.tlsa = answer->tlsa;
    for (unsigned i = first; i + 3 < words->count; i += 4) {
        unsigned n = answer->answer.count++, blob = 0;
        struct dns_tlsa *tlsa = &answer->tlsa[n];

        while (blob < BLOBS_MAX && strcmp(blobs[blob].name, words->at[i + 3]) != 0)
            blob++;
        CHECK(blob < BLOBS_MAX);
        tlsa->usage = (uint8_t)strtoul(words->at[i], NULL, 10);
        tlsa->selector = (uint8_t)strtoul(words->at[i + 1], NULL, 10);
        tlsa->matching_type = (uint8_t)strtoul(words->at[i + 2], NULL, 10);
        tlsa->size = (uint16_t)blobs[blob].size;
        memcpy(answer->data[n], blobs[blob].bytes, blobs[blob].size);
        tlsa->data = answer->data[n];
    }
}

static void read_records(struct answer *answer, struct words *words)
{
    unsigned first = 3;

    if (words->count > first && strncmp(words->at[first], "alias=", 6) == 0) {
        answer->answer.canonical = name_of(words->at[first++] + 6);
        answer->answer.aliases = 1;
    }
    switch (answer->answer.type) {
    case DNS_MX:
        read_mx(answer, words, first);
        return;
    case DNS_A:
    case DNS_AAAA:
        read_addresses(answer, words, first);
        return;
    case DNS_TLSA:
        read_tlsa(answer, words, first);
        return;
    case DNS_CNAME:
        answer->answer.canonical = name_of(words->at[first]);
        answer->answer.count = 1;
        return;
    case DNS_SOA:
    case DNS_TXT:
    case DNS_SMIMEA:
    case DNS_OPENPGPKEY:
        break;
    }
    world_fail("no play asks for %s", dns_type_name(answer->answer.type));
}

static const struct dns_answer *answer_from_zone(const struct dns_question *question)
{
    struct words words;
    struct answer *answer = calloc(1, sizeof *answer);

    CHECK(answer != NULL);
    atomic_init(&answer->answer.references, 1);
    answer->answer.type = question->type;
    answer->answer.owner = answer->answer.canonical = question->name;
    answer->answer.ttl_s = TTL_S;
    answer->answer.at_ms = clock_boot_ms();
    answer->answer.kind = DNS_ERROR;
    if (!find_line(&words, question)) {
        world_fail("the zone has no %s of %s", dns_type_name(question->type), question->name.text);
        return &answer->answer;
    }
    answer->answer.kind = kind_of(words.at[2]);
    if (dns_has_data(answer->answer.kind))
        read_records(answer, &words);
    return &answer->answer;
}

static const struct dns_answer *answer_of_deed(const struct dns_question *question,
                                               enum dns_deed deed)
{
    static const enum dns_trouble troubles[DNS_DEED_COUNT] = {
        [DNS_DEED_SERVFAIL] = DNS_TROUBLE_SERVFAIL, [DNS_DEED_BOGUS] = DNS_TROUBLE_NONE,
        [DNS_DEED_OURS] = DNS_TROUBLE_OURS,         [DNS_DEED_EXHAUSTED] = DNS_TROUBLE_OURS,
        [DNS_DEED_TIMEOUT] = DNS_TROUBLE_TIMEOUT,   [DNS_DEED_LATE] = DNS_TROUBLE_OURS};

    if (deed == DNS_DEED_NONE || deed == DNS_DEED_SLOW)
        return answer_from_zone(question);
    if (deed == DNS_DEED_EXHAUSTED)
        world_allocation_fails_next();
    return dns_answer_failure(&question->name, question->type, troubles[deed],
                              deed == DNS_DEED_SERVFAIL ? 2 : 0, clock_boot_ms(),
                              dns_deed_name(deed));
}

/* --- the resolver's end --- */

/* What the play does to a question; else what the zone says happens to it. */
static enum dns_deed deed_for(const struct dns_question *question)
{
    static const struct {
        const char *word;
        enum dns_deed deed;
    } deeds[] = {
        {"servfail", DNS_DEED_SERVFAIL}, {"bogus", DNS_DEED_BOGUS}, {"timeout", DNS_DEED_TIMEOUT}};
    struct words words;
    bool in_zone = find_line(&words, question);

    for (size_t i = 0; in_zone && i < sizeof deeds / sizeof *deeds; i++)
        if (strcmp(words.at[2], deeds[i].word) == 0 &&
            (names.asked != names.options.deed_at || names.options.deed == DNS_DEED_SLOW))
            return deeds[i].deed;
    return names.asked == names.options.deed_at ? names.options.deed : DNS_DEED_NONE;
}

static void take(struct dns_question *question)
{
    uint64_t now_ms = clock_boot_ms(), at_ms = now_ms + WORLD_LATENCY_MS;

    names.asked++;
    enum dns_deed deed = deed_for(question);
    if (deed == DNS_DEED_TIMEOUT || deed == DNS_DEED_LATE || deed == DNS_DEED_SLOW)
        at_ms = question->deadline_ms - (deed == DNS_DEED_SLOW);
    CHECK(names.held_count < HELD_MAX);
    names.held[names.held_count].question = question;
    names.held[names.held_count].at_ms = at_ms > now_ms ? at_ms : now_ms;
    names.held[names.held_count++].deed = deed;
}

void names_play(void)
{
    struct message *message;

    while ((message = mailbox_receive(names.options.mailbox)) != NULL)
        take(container_of(message, struct dns_question, message));
    for (unsigned i = 0; i < names.held_count;) {
        struct dns_question *question = names.held[i].question;

        if (names.held[i].at_ms > clock_boot_ms()) {
            i++;
            continue;
        }
        if (question->answer != NULL)
            world_fail("a question goes out with an answer");
        question->answer = answer_of_deed(question, names.held[i].deed);
        names.held_count--;
        memmove(&names.held[i], &names.held[i + 1], (names.held_count - i) * sizeof names.held[0]);
        mailbox_send(names.options.mailbox, question->message.from, &question->message);
    }
    (void)mailbox_flush(names.options.mailbox);
}

uint64_t names_next_ms(void)
{
    uint64_t next_ms = UINT64_MAX;

    for (unsigned i = 0; i < names.held_count; i++)
        if (names.held[i].at_ms < next_ms)
            next_ms = names.held[i].at_ms;
    return next_ms;
}

/* --- the table, in place of engine/publish.c --- */

void publisher_put(struct publisher *publisher, const struct next_hop *next_hop,
                   const struct verdict *verdict)
{
    (void)publisher;
    if (names.put_count == PUTS_MAX && names.options.forgets)
        memmove(names.puts, names.puts + 1, sizeof *names.puts * --names.put_count);
    if (names.put_count == PUTS_MAX)
        world_fail("more than %d verdicts are published", PUTS_MAX);
    else
        names.puts[names.put_count++] = (struct table_put){*next_hop, *verdict};
}

static bool is_same(const struct next_hop *a, const struct next_hop *b)
{
    char text_a[NEXT_HOP_TEXT_MAX], text_b[NEXT_HOP_TEXT_MAX];

    next_hop_text(a, text_a);
    next_hop_text(b, text_b);
    return strcmp(text_a, text_b) == 0;
}

bool publisher_get(const struct publisher *publisher, const struct next_hop *next_hop,
                   struct verdict *verdict)
{
    (void)publisher;
    for (unsigned i = names.put_count; i > 0; i--)
        if (is_same(&names.puts[i - 1].next_hop, next_hop)) {
            *verdict = names.puts[i - 1].verdict;
            return true;
        }
    return false;
}

/* No verdict can be read from the table. Weak, for the play that has a real one. */
__attribute__((weak)) int table_writer_reader(const struct table_writer *writer,
                                              struct table_reader **reader)
{
    (void)writer;
    *reader = NULL;
    return -ENOMEM;
}

/* Nobody orders anything about hosts. */
uint32_t publisher_epoch(const struct publisher *publisher, uint32_t config_epoch)
{
    (void)publisher;
    return config_epoch;
}

const struct table_writer *publisher_table(const struct publisher *publisher)
{
    (void)publisher;
    return NULL;
}

bool publisher_floor(const struct table_reader *reader, const struct next_hop *next_hop,
                     uint64_t now_ms, struct floor *floor)
{
    (void)reader, (void)now_ms;
    memset(floor, 0, sizeof *floor);
    if (next_hop->kind == NEXT_HOP_DOMAIN)
        floor->level = (uint8_t)names.options.floor;
    return names.options.holds_floors;
}

int publisher_put_floor(struct publisher *publisher, const struct next_hop *next_hop,
                        const struct floor *floor)
{
    (void)publisher, (void)next_hop, (void)floor;
    world_fail("a floor is published that nobody sent");
    return 0;
}

void publisher_heartbeat(struct publisher *publisher, uint16_t shard, uint16_t shards)
{
    (void)publisher, (void)shard, (void)shards;
}

const struct table_put *table_put_at(unsigned n)
{
    return n < names.put_count ? &names.puts[n] : NULL;
}
