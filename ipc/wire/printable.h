/*
 * printable.h - texts of ours that end in an MTA's log or in an SMTP reply. Pure.
 *
 * Whatever a text was made from, no line end, control byte or byte outside ASCII comes out of it:
 * RFC 5321 section 4.2 has only these in a reply, and a line end would begin a line of somebody
 * else's choice.
 */
#ifndef MXWARD_WIRE_PRINTABLE_H
#define MXWARD_WIRE_PRINTABLE_H

static inline char printable(char byte)
{
    return byte >= ' ' && byte <= '~' ? byte : '?';
}

#endif
