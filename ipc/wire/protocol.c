/*
 * protocol.c - tells the protocols apart. Owns nothing, any thread; looks at PROTOCOL_WORD_MAX
 * bytes at most.
 */
#include "ipc/wire/protocol.h"

enum protocol protocol_of(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && i < PROTOCOL_WORD_MAX; i++) {
        if (i == 0 && bytes[i] >= '0' && bytes[i] <= '9')
            return PROTOCOL_SOCKETMAP;
        if (i > 0 && bytes[i] == '=')
            return PROTOCOL_DELEGATION;
        if (bytes[i] == ' ' || bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '=')
            return PROTOCOL_LINE;
    }
    return size < PROTOCOL_WORD_MAX ? PROTOCOL_MORE : PROTOCOL_LINE;
}
