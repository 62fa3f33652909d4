/*
 * delegation.c - requests and answers of Postfix's policy delegation protocol.
 *
 * Which attributes we use is a table of rows; one reader fills them all. Used by whoever answers
 * check_policy_service; owns nothing, any thread. Failure is a return value or a mark in the
 * request, whatever the bytes are.
 */
#include "ipc/wire/delegation.h"

#include "ipc/wire/printable.h"

#include <stdint.h>
#include <string.h>

struct attribute {
    const char *name;
    uint16_t offset, bytes; /* of a text in the struct; 0 bytes: not a text there */
    unsigned too_long;      /* DELEGATION_LONG_…; 0: nobody decides by it */
};

#define TEXT(member, too_long)                                            \
    {                                                                     \
#member, (uint16_t)offsetof(struct delegation_request, member),   \
            sizeof(((struct delegation_request *)NULL)->member), too_long \
    }

enum { ATTRIBUTE_REQUEST = 0, ATTRIBUTE_RECIPIENT_COUNT = 1 };
static const struct attribute attributes[] = {
    [ATTRIBUTE_REQUEST] = {"request", 0, 0, 0},
    [ATTRIBUTE_RECIPIENT_COUNT] = {"recipient_count", 0, 0, 0},
    TEXT(protocol_state, DELEGATION_LONG_OTHER),
    TEXT(sender, DELEGATION_LONG_SENDER),
    TEXT(recipient, DELEGATION_LONG_RECIPIENT),
    TEXT(sasl_username, DELEGATION_LONG_ACCOUNT),
    TEXT(client_address, DELEGATION_LONG_OTHER),
    TEXT(encryption_protocol, DELEGATION_LONG_OTHER),
    TEXT(policy_context, DELEGATION_LONG_OTHER),
    TEXT(instance, 0),
    TEXT(queue_id, 0),
};
#define ATTRIBUTES (sizeof attributes / sizeof attributes[0])

struct piece {
    const char *bytes;
    size_t size;
};

static bool is(struct piece piece, const char *word)
{
    return strlen(word) == piece.size && memcmp(piece.bytes, word, piece.size) == 0;
}

static bool has_control(struct piece piece)
{
    for (size_t i = 0; i < piece.size; i++)
        if ((unsigned char)piece.bytes[i] < ' ' || piece.bytes[i] == 0x7f)
            return true;
    return false;
}

/* Cuts the line at *at without its end and steps over it; false: its end is not there. */
static bool next_line(struct piece *line, size_t *at, const char *bytes, size_t size)
{
    const char *begin = bytes + *at;
    const char *end = *at < size ? memchr(begin, '\n', size - *at) : NULL;

    if (!end)
        return false;
    *line = (struct piece){begin, (size_t)(end - begin)};
    *at += line->size + 1;
    if (line->size > 0 && line->bytes[line->size - 1] == '\r')
        line->size--;
    return true;
}

/* An empty one is 0. False: not a number, or too great. */
static bool read_count(unsigned *count, struct piece value)
{
    unsigned number = 0;

    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9' || number > UINT32_MAX / 10 - 1)
            return false;
        number = number * 10 + (unsigned)(value.bytes[i] - '0');
    }
    *count = number;
    return true;
}

static void read_value(struct delegation_request *request, size_t row, struct piece value)
{
    const struct attribute *attribute = &attributes[row];

    if (has_control(value)) {
        request->bad = true;
    } else if (row == ATTRIBUTE_REQUEST) {
        request->understood = is(value, "smtpd_access_policy");
    } else if (row == ATTRIBUTE_RECIPIENT_COUNT) {
        if (!read_count(&request->recipient_count, value))
            request->bad = true;
    } else if (value.size >= attribute->bytes) {
        request->too_long |= attribute->too_long;
    } else { /* the NUL behind it is there: the whole struct was cleared */
        memcpy((char *)request + attribute->offset, value.bytes, value.size);
    }
}

static void read_line(struct delegation_request *request, unsigned *seen, struct piece line)
{
    const char *sign = memchr(line.bytes, '=', line.size);

    if (!sign || sign == line.bytes) {
        request->bad = true;
        return;
    }
    struct piece name = {line.bytes, (size_t)(sign - line.bytes)};
    struct piece value = {sign + 1, line.size - name.size - 1};
    for (size_t row = 0; row < ATTRIBUTES; row++) {
        if (!is(name, attributes[row].name))
            continue;
        if (*seen >> row & 1)
            request->repeated = true;
        else
            read_value(request, row, value);
        *seen |= 1u << row;
        return;
    }
}

enum take_status delegation_take(struct delegation_request *request, const char *bytes, size_t size,
                                 size_t *used)
{
    size_t most = size < DELEGATION_REQUEST_MAX ? size : DELEGATION_REQUEST_MAX;
    size_t end = 0, at = 0;
    unsigned seen = 0;
    struct piece line;

    *used = 0;
    do { /* the end first: the request is read once, however it comes in */
        if (!next_line(&line, &end, bytes, most))
            return size < DELEGATION_REQUEST_MAX ? TAKE_MORE : TAKE_LOST;
    } while (line.size > 0);
    memset(request, 0, sizeof *request);
    while (next_line(&line, &at, bytes, end) && line.size > 0)
        read_line(request, &seen, line);
    *used = end;
    return TAKE_WHOLE;
}

unsigned delegation_tls(const struct delegation_request *request)
{
    static const char prefix[] = "TLSv1";
    const char *name = request->encryption_protocol;

    if (name[0] == '\0')
        return 0;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return 0x0300;
    const char *minor = name + sizeof prefix - 1;
    if (minor[0] == '\0') /* OpenSSL's name of TLS 1.0 */
        return 0x0301;
    if (minor[0] != '.' || minor[1] < '1' || minor[1] > '9')
        return 0x0300;
    if (minor[2] == '\0')
        return 0x0301 + (unsigned)(minor[1] - '0');
    if (minor[2] < '0' || minor[2] > '9' || minor[3] != '\0')
        return 0x0300;
    return 0x0301 + (unsigned)(minor[1] - '0') * 10 + (unsigned)(minor[2] - '0');
}

size_t delegation_put(char *out, size_t size, const char *action)
{
    static const char head[] = "action=", tail[] = "\n\n";
    size_t length = action ? strlen(action) : 0, used = sizeof head - 1;

    if (length == 0 || size < sizeof head - 1 + sizeof tail - 1 ||
        size - (sizeof head - 1) - (sizeof tail - 1) < length)
        return 0;
    memcpy(out, head, used);
    for (size_t i = 0; i < length; i++)
        out[used++] = printable(action[i]);
    memcpy(out + used, tail, sizeof tail - 1);
    return used + sizeof tail - 1;
}
