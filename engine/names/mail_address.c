/* mail_address.c - see mail_address.h. */
#include "engine/names/mail_address.h"

#include <stdio.h>
#include <string.h>

bool mail_address_is_ascii(const char *address)
{
    const char *domain = strrchr(address, '@');
    const size_t length = domain != NULL ? strlen(domain) : 0;
    unsigned char all = 0;

    for (size_t i = 0; i < length; i++)
        all |= (unsigned char)domain[i];
    return all < 0x80;
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
