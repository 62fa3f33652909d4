/*
 * recipients.c - see recipients.h. Called by ipc/serve, by clients, and the tests; owns nothing.
 */
#include "ipc/wire/recipients.h"

#include <string.h>

static uint16_t size_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* One text with its size before it; false: it is cut off. */
static bool text_take(const char **text, uint16_t *length, const uint8_t *bytes, size_t size,
                      size_t *at)
{
    if (size - *at < 2)
        return false;
    *length = size_at(bytes + *at);
    if (size - *at - 2 < *length)
        return false;
    *text = (const char *)bytes + *at + 2;
    *at += 2u + *length;
    return true;
}

bool recipients_take(struct recipient *recipient, const void *bytes, size_t size, size_t *at)
{
    return text_take(&recipient->address, &recipient->address_size, bytes, size, at) &&
           text_take(&recipient->next_hop, &recipient->next_hop_size, bytes, size, at);
}

static bool is_text(const char *text, size_t size, size_t most)
{
    return size <= most && memchr(text, 0, size) == NULL;
}

unsigned recipients_count(const void *bytes, size_t size, size_t most)
{
    struct recipient recipient;
    unsigned count = 0;
    size_t at = 0;

    while (at < size) {
        if (count == RECIPIENTS_MAX || !recipients_take(&recipient, bytes, size, &at) ||
            recipient.address_size == 0 ||
            !is_text(recipient.address, recipient.address_size, most) ||
            !is_text(recipient.next_hop, recipient.next_hop_size, most))
            return 0;
        count++;
    }
    return count;
}

static void text_put(uint8_t *out, size_t *used, const char *text, size_t length)
{
    out[*used] = (uint8_t)length;
    out[*used + 1] = (uint8_t)(length >> 8);
    memcpy(out + *used + 2, text, length);
    *used += 2 + length;
}

bool recipients_put(void *out, size_t size, size_t *used, const char *address, const char *next_hop)
{
    const size_t address_size = strlen(address),
                 next_hop_size = next_hop != NULL ? strlen(next_hop) : 0;

    if (address_size > UINT16_MAX || next_hop_size > UINT16_MAX ||
        size - *used < 4 + address_size + next_hop_size)
        return false;
    text_put(out, used, address, address_size);
    text_put(out, used, next_hop_size > 0 ? next_hop : "", next_hop_size);
    return true;
}
