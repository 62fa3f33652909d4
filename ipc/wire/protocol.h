/*
 * protocol.h - which of the MTAs' protocols a connection speaks, by its first bytes. Pure.
 *
 * One socket can serve all three: a socketmap request begins with the digit of a netstring's
 * length, a policy delegation request with a name and '=', a line with a command.
 */
#ifndef MXWARD_WIRE_PROTOCOL_H
#define MXWARD_WIRE_PROTOCOL_H

#include <stddef.h>

#define PROTOCOL_WORD_MAX 64 /* bytes: what has no end of its first word by then is a line */

enum protocol {
    PROTOCOL_SOCKETMAP,
    PROTOCOL_DELEGATION,
    PROTOCOL_LINE, /* also everything that is none of them: the line protocol refuses it in words */
    PROTOCOL_MORE, /* not to be told yet; if the peer has closed its side, it is a line */
};
enum protocol protocol_of(const char *bytes, size_t size);

#endif
