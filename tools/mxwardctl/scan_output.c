/*
 * scan_output.c - where a scan's results go, and what is there already.
 *
 * Used by scan.c. The file itself is the state of a scan: --resume reads the names in it and goes
 * on behind them. Errors in it (kind "error") do not count, they are asked again. A last line that
 * was cut off is removed. A file that holds something is never overwritten.
 */
#include "tools/mxwardctl/scan.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int note_line(const char *line, size_t length, struct seen *seen, size_t *resumed)
{
    json_t *root = json_loadb(line, length, 0, NULL);
    const char *domain = json_string_value(json_object_get(root, "domain"));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    int added = 0;

    if (domain && kind && strcmp(kind, "error") != 0)
        added = seen_add(seen, domain);
    *resumed += added > 0;
    json_decref(root);
    return domain && kind && added >= 0 ? 0 : -1;
}

static int read_back(FILE *file, const char *path, struct seen *seen, size_t *resumed)
{
    char *line = NULL;
    size_t size = 0, number = 0;
    off_t whole = 0;
    ssize_t length;
    int result = 0;

    while (result == 0 && (length = getline(&line, &size, file)) > 0) {
        number++;
        if (line[length - 1] != '\n')
            break;
        whole += length;
        result = note_line(line, (size_t)length, seen, resumed);
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

FILE *scan_output_open(const char *path, bool resume, struct seen *seen, size_t *resumed)
{
    struct stat st;
    FILE *file;

    *resumed = 0;
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
    if (st.st_size > 0 && !resume && S_ISREG(st.st_mode)) {
        fprintf(stderr, "mxwardctl: %s holds results already; --resume goes on behind them\n",
                path);
        fclose(file);
        return NULL;
    }
    if (resume && read_back(file, path, seen, resumed) != 0) {
        fclose(file);
        return NULL;
    }
    return file;
}
