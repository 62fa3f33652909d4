/* mail_address.c - see mail_address.h. */
#include "engine/names/mail_address.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Eight bytes at a time, for this is asked of every message. */
static bool is_ascii(const char *text, size_t length)
{
    uint64_t all = 0, word;
    size_t at = 0;

    for (; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        all |= word;
    }
    for (; at < length; at++)
        all |= (unsigned char)text[at];
    return (all & 0x8080808080808080) == 0;
}

bool mail_address_is_ascii(const char *address)
{
    const size_t length = strlen(address);

    if (is_ascii(address, length)) /* nearly every one; of another only the domain matters */
        return true;
    const char *domain = memrchr(address, '@', length);
    return domain == NULL || is_ascii(domain, (size_t)(address + length - domain));
}

enum name_status mail_address_to_ascii(char *ascii, size_t size, const char *address)
{
    const char *at = strrchr(address, '@');
    enum name_status status = NAME_OK;
    struct name domain;
    int length;

    if (at == NULL || mail_address_is_ascii(at)) {
        const size_t bytes = strlen(address);
        if (bytes < size)
            memcpy(ascii, address, bytes + 1);
        length = bytes < size ? (int)bytes : -1;
    } else {
        status = name_parse(&domain, at + 1, strlen(at + 1));
        length = snprintf(ascii, size, "%.*s@%s", (int)(at - address), address,
                          status == NAME_OK ? domain.text : "");
    }
    if (status == NAME_OK && (length < 0 || (size_t)length >= size))
        status = NAME_LONG;
    if (status != NAME_OK)
        ascii[0] = '\0';
    return status;
}
