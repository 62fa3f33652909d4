/*
 * recent.h - answers given lately, by what was asked. One thread; pure but for the table's words.
 *
 * Two uses of one memory, by the gate alone (the daemon's front has ipc/serve/kept_entries):
 *
 * - One delivery of Postfix asks once for each MX host, with the same key, and applies what it is
 *   told to that host. So for some seconds an answer may only become stricter: who was told to
 *   encrypt at the first host is not told to send in clear at the second, because a look ended in
 *   between (recent_stricter).
 * - An answer that was made from a record is the same as long as the record is: it is kept, as
 *   bytes, for a second at most, and served as long as one load finds the record in its place
 *   (recent_served). So a hot key costs a hash and a comparison, and no allocation.
 *
 * A fixed number of entries, four to a set; what was used longest ago gives way. An entry that
 * gave way forgets: then the next answer is as it is, and the MTA enforces it at the delivery like
 * any other.
 */
#ifndef MXWARD_DECIDE_RECENT_H
#define MXWARD_DECIDE_RECENT_H

#include "shm/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_KEY_MAX   320  /* bytes of what was asked: the longest profile and next hop */
#define RECENT_REPLY_MAX 1024 /* bytes of a reply that is kept; longer ones are not */

struct recent;

/* How strict a socketmap answer is, for comparison alone. */
#define STRICTNESS_NONE 0   /* not found: the MTA's own default */
#define STRICTNESS_OK   1   /* + enum level that the text guarantees */
#define STRICTNESS_FAIL 255 /* an error: nothing is sent */

struct recent_answer {
    const char *bytes; /* a whole reply */
    size_t size;
    uint8_t strictness;
};

int recent_create(struct recent **recent, uint32_t entries, uint64_t steady_ms);
void recent_destroy(struct recent *recent);
/* Of answers that are given from now on. */
void recent_set_steady(struct recent *recent, uint64_t steady_ms);

/* For who has several keys at hand: what of each is needed comes from memory while the others are
 * dealt with. First recent_hash of all, then recent_fetch of all. They only hint. `bytes`: how many
 * key and reply have together, about. False: an answer to it is not kept. */
uint64_t recent_hash(const struct recent *recent, const char *key, size_t size);
bool recent_fetch(const struct recent *recent, uint64_t hash, size_t bytes);
/* An answer that still is what a new one would be; NULL: there is none. `hash` is the key's.
 * `moved`: changes whenever the table's reader was refreshed (places are then void) and whatever
 * else it was made of may be another; `epoch` is that of the table. */
const struct recent_answer *recent_served(struct recent *recent, uint64_t hash, const char *key,
                                          size_t size, uint32_t moved, uint32_t epoch,
                                          uint64_t now_ms);
/* What is to be answered instead of `answer`: itself, or the stricter one that was given less than
 * steady_ms ago. It is kept; with `place`, to be served until `until_ms`. */
const struct recent_answer *recent_stricter(struct recent *recent, const char *key, size_t size,
                                            const struct recent_answer *answer,
                                            const struct table_place *place, uint32_t moved,
                                            uint32_t epoch, uint64_t until_ms, uint64_t now_ms);

#endif
