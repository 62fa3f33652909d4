/*
 * account_fuzz.c - a sender that anybody may have chosen, looked up in a small users' table.
 *
 * The input is sender, SASL name and recipient domain, a line each. Properties: a canonical name is
 * its own canonical name, fits, and has no control characters; whoever is asked for, a guarantee
 * has a profile of the table, and a submitter whose account is on does not lose it by what he calls
 * himself, unless that is the name of an account; what the sender alone says of his way holds for
 * every domain, unless he goes by recipient.
 */
#include "shm/account.h"
#include "shm/writer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUST(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

#define NOW_S 1800000000

static char directory[] = "/dev/shm/mxward-fuzz-XXXXXX";
static struct table_clock now;
static struct table_writer *writer;
static struct table_reader *reader;

static void remove_all(void)
{
    DIR *files = opendir(directory);

    for (struct dirent *entry; files != NULL && (entry = readdir(files)) != NULL;) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
        unlink(name);
    }
    if (files != NULL)
        closedir(files);
    rmdir(directory);
}

static void put_account(const char *name, uint32_t flags)
{
    const struct account account = {
        .profile = "posteo", .flags = flags, .exceptions_until_s = NOW_S + 60};
    struct table_key key;
    union record record;

    MUST(account_pack(&record, &key, name, &account, 1));
    MUST(table_writer_put_record(writer, &key, &record) == 0);
}

static void put_exception(const char *name, const char *domain)
{
    const struct account_exception exception = {NOW_S - 60, NOW_S + 60};
    struct table_key key;
    union record record;

    MUST(account_exception_pack(&record, &key, name, domain, &exception, 1));
    MUST(table_writer_put_record(writer, &key, &record) == 0);
}

static void put_alias(const char *name)
{
    const struct account_alias alias = {.sends = true, .receives = true};
    struct table_key key;
    union record record;

    MUST(account_alias_pack(&record, &key, name, &alias, 1));
    MUST(table_writer_put_record(writer, &key, &record) == 0);
}

static void fill_table(void)
{
    const struct profile profile = {.name = "posteo", .minimum = LEVEL_ENCRYPT};
    const struct account_settings settings = {.delimiter = "+-", .alias_profile = "posteo"};
    struct table_key key;
    union record record;

    MUST(account_profile_pack(&record, &key, &profile, 1));
    MUST(table_writer_put_record(writer, &key, &record) == 0);
    MUST(account_settings_pack(&record, &key, &settings, 1));
    MUST(table_writer_put_record(writer, &key, &record) == 0);
    put_account("alice@example.org", ACCOUNT_ON | ACCOUNT_EXCEPTIONS);
    put_exception("alice@example.org", "example.net");
    put_account("on", ACCOUNT_ON);
    put_alias("@secure.example.org");
    put_account("@example.org", 0);
    put_account("@", 0);
    for (uint16_t partition = 0; partition < TABLE_PARTITIONS; partition++)
        table_writer_set_complete(writer, partition, true);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char why[200];

    (void)argc;
    (void)argv;
    MUST(mkdtemp(directory) != NULL);
    atexit(remove_all);
    MUST(table_clock_read(&now) == 0);
    MUST(table_writer_open(&writer, directory, 12u << 20, &now, NULL, why, sizeof why) == 0);
    fill_table();
    MUST(table_writer_reader(writer, &reader) == 0);
    return 0;
}

static void check_name(const char *text, size_t length)
{
    char name[ACCOUNT_NAME_MAX], again[ACCOUNT_NAME_MAX];
    const size_t bytes = account_name(name, text, length);

    MUST(bytes < ACCOUNT_NAME_MAX && strlen(name) == bytes);
    for (size_t i = 0; i < bytes; i++)
        MUST((unsigned char)name[i] >= 0x20 && name[i] != 0x7f);
    if (bytes > 0)
        MUST(account_name(again, name, bytes) == bytes && strcmp(name, again) == 0);
}

/* The sender's own account is one of those in the table, which come before the submitter's. */
static bool has_account(const char *sender)
{
    char text[2048], name[ACCOUNT_NAME_MAX];
    size_t length = strlen(sender);

    if (length >= 2 && sender[0] == '<' && sender[length - 1] == '>') {
        sender++;
        length -= 2;
    }
    snprintf(text, sizeof text, "%.*s", (int)(length < 2000 ? length : 2000), sender);
    if (account_name(name, text, strlen(text)) == 0)
        return false;
    return strncmp(name, "alice", 5) == 0 || strncmp(name, "on", 2) == 0;
}

static void check_demand(const char *sender, const char *sasl, const char *domain)
{
    struct account_demand demand;

    account_demand(&demand, reader, sender, sasl, domain, 0, now.boot_ms, NOW_S);
    MUST(!demand.guaranteed || (demand.known && strcmp(demand.profile.name, "posteo") == 0));
    MUST(!demand.alias || (demand.known && strcmp(demand.alias_profile.name, "posteo") == 0));
    MUST(!demand.observe && (!demand.switched_off || strcmp(domain, "example.net") == 0));
    account_demand(&demand, reader, sender, "on", domain, 0, now.boot_ms, NOW_S);
    MUST(!demand.known || demand.guaranteed || has_account(sender));
}

static void check_ways(const char *sender, const char *domain)
{
    struct account_demand demand;
    struct account_path alone, message;

    account_demand(&demand, reader, sender, NULL, domain, 0, now.boot_ms, NOW_S);
    account_way_of_message(&message, reader, sender, NULL, domain, 0, now.boot_ms, NOW_S);
    account_way_of_sender(&alone, reader, sender, now.boot_ms, NOW_S);
    MUST(message.known == demand.known && alone.known == demand.known);
    MUST(message.way != WAY_BY_RECIPIENT);
    MUST((message.way == WAY_PROFILE) ==
         ((demand.guaranteed && !demand.switched_off) || demand.alias_sends));
    MUST((message.way == WAY_ORDINARY) == (message.profile[0] == '\0'));
    MUST(alone.way == WAY_BY_RECIPIENT ||
         (alone.way == message.way && strcmp(alone.profile, message.profile) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[3][1024] = {"", "", ""};
    size_t line = 0, used = 0;

    check_name((const char *)data, size);
    for (size_t i = 0; i < size && line < 3; i++) {
        if (data[i] == '\n' || data[i] == '\0') {
            line++;
            used = 0;
        } else if (used < sizeof text[0] - 1) {
            text[line][used++] = (char)data[i];
        }
    }
    check_demand(text[0], text[1], text[2]);
    check_ways(text[0], text[2]);
    return 0;
}
