/*
 * scan_output.c - where a scan's results go, and what is there already.
 *
 * Used by scan.c. The file itself is the state of a scan: --resume reads what is in it and goes on
 * behind that. Only what is final counts: a verdict that says "ask again", and an error, are asked
 * again, and their new line stands below the old one. A last line that was cut off (kill -9, a full
 * disk) is removed. A file that holds anything else is never touched.
 */
#include "tools/mxwardctl/document.h"
#include "tools/mxwardctl/scan.h"

#include "ipc/wire/frame.h"
#include "shm/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESULT_BEGIN "{\"domain\":\"" /* what every line of ours begins with */

static bool is_word(const json_t *object, const char *key, const char *word)
{
    const char *text = text_of(object, key);

    return text && strcmp(text, word) == 0;
}

/* RESULT_DECIDED or RESULT_INVALID, as result_kind has it. A word that we do not know is neither.
 */
static bool is_final(const json_t *result)
{
    return is_word(result, "kind", "invalid") ||
           (is_word(result, "kind", "verdict") &&
            (is_word(result, "conclusion", frame_conclusion_name(CONCLUSION_DEFINITE)) ||
             is_word(result, "conclusion", frame_conclusion_name(CONCLUSION_UNDELIVERABLE))));
}

/* 1: new; 0: was there; -1: no memory. As scan_input_next knows it. */
static int note_final(const json_t *result, const char *domain, struct seen *seen)
{
    const char *hash = text_of(result, "input_xxh128");
    struct input_line line = {.bytes = (uint64_t)number_of(result, "input_bytes")};
    char key[SCAN_KEY_MAX];

    if (!hash)
        return seen_add(seen, domain);
    snprintf(line.xxh128, sizeof line.xxh128, "%s", hash);
    scan_line_key(&line, key);
    return seen_add(seen, key);
}

/* As write_result counts what it writes. */
static void count_final(const json_t *result, int required_class, struct scan_resumed *resumed)
{
    resumed->count++;
    if (is_word(result, "kind", "invalid"))
        resumed->invalid++;
    else if (!is_word(result, "conclusion", frame_conclusion_name(CONCLUSION_DEFINITE)) ||
             class_parse(text_or(result, "class", "")) < required_class)
        resumed->not_met += required_class >= 0;
}

/* 0; or -1: not a line of ours, or no memory. */
static int note_line(const char *line, size_t length, int required_class, struct seen *seen,
                     struct scan_resumed *resumed)
{
    json_t *result = json_loadb(line, length, 0, NULL);
    const char *domain = text_of(result, "domain");
    int added = 0, status = domain && text_of(result, "kind") ? 0 : -1;

    if (status == 0 && is_final(result))
        added = note_final(result, domain, seen);
    if (added > 0)
        count_final(result, required_class, resumed);
    json_decref(result);
    return added < 0 ? -1 : status;
}

/* What stands behind the last newline: nothing but the beginning of a result may be thrown away. */
static int note_torn(const char *line, size_t length)
{
    size_t known = sizeof RESULT_BEGIN - 1;

    return memcmp(line, RESULT_BEGIN, length < known ? length : known) == 0 ? 0 : -1;
}

static int read_back(FILE *file, const struct invocation *invocation, struct seen *seen,
                     struct scan_resumed *resumed)
{
    const char *path = invocation->output;
    char *line = NULL;
    size_t size = 0, number = 0;
    off_t whole = 0;
    ssize_t length;
    int result = 0;

    while (result == 0 && (length = getline(&line, &size, file)) > 0) {
        number++;
        if (line[length - 1] != '\n') {
            result = note_torn(line, (size_t)length);
            break;
        }
        whole += length;
        result = note_line(line, (size_t)length, invocation->required_class, seen, resumed);
    }
    free(line);
    if (result != 0) {
        fprintf(stderr, "mxwardctl: %s:%zu is not a scan's result; not touched\n", path, number);
        return -1;
    }
    if (ftruncate(fileno(file), whole) != 0 || fseeko(file, whole, SEEK_SET) != 0) {
        fprintf(stderr, "mxwardctl: %s: %s\n", path, strerror(errno));
        return -1;
    }
    return 0;
}

FILE *scan_output_open(const struct invocation *invocation, struct seen *seen,
                       struct scan_resumed *resumed)
{
    const char *path = invocation->output;
    struct stat st;
    FILE *file;

    *resumed = (struct scan_resumed){0};
    if (!path)
        return stdout;
    file = fopen(path, "r+");
    if (!file && errno == ENOENT)
        file = fopen(path, "w+");
    if (!file || fstat(fileno(file), &st) != 0) {
        fprintf(stderr, "mxwardctl: cannot write %s: %s\n", path, strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    if (st.st_size > 0 && !invocation->resume && S_ISREG(st.st_mode)) {
        fprintf(stderr, "mxwardctl: %s holds results already; --resume goes on behind them\n",
                path);
        fclose(file);
        return NULL;
    }
    if (invocation->resume && read_back(file, invocation, seen, resumed) != 0) {
        fclose(file);
        return NULL;
    }
    return file;
}
