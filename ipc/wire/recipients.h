/*
 * recipients.h - the recipients of one message, in one field of a frame (FRAME_DECIDE_MANY). Pure.
 *
 * One behind the other, each: u16 size of the address, the address, u16 size of the next hop (0:
 * the recipient's domain), the next hop. Their places count from 1.
 */
#ifndef MXWARD_WIRE_RECIPIENTS_H
#define MXWARD_WIRE_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECIPIENTS_MAX       500   /* in one frame */
#define RECIPIENTS_BYTES_MAX 26000 /* of all of them together */

/* Without NUL, in the bytes they were taken from. */
struct recipient {
    const char *address, *next_hop;
    uint16_t address_size, next_hop_size;
};

/* Takes the one at `*at` and moves behind it; false: there is none. Of what recipients_count has
 * found to be good. */
bool recipients_take(struct recipient *recipient, const void *bytes, size_t size, size_t *at);
/* How many there are, at most RECIPIENTS_MAX; 0: none, too many, or they cannot be read: an address
 * or next hop is empty, longer than the `most` bytes that count, has a NUL or is cut off. */
unsigned recipients_count(const void *bytes, size_t size, size_t most);
/* Appends one to `out`; false: there is no room for it, and nothing has changed. `next_hop` NULL or
 * "": the recipient's domain. */
bool recipients_put(void *out, size_t size, size_t *used, const char *address,
                    const char *next_hop);

#endif
