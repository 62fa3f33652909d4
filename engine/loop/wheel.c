/*
 * wheel.c - timers of one thread, by the digits of their due time.
 *
 * Called by the owning thread's loop. Times are read as numbers in base 64. A timer stands at the
 * level of the highest digit in which its due time differs from the wheel's own time `at_ms`, in
 * the slot of that digit. So every slot in use lies ahead of `at_ms` within its level, a lower
 * level is always due before a higher one, and the next event is the first bit set of the first
 * level in use. When `at_ms` reaches the beginning of a higher slot, its timers are placed anew,
 * each at a lower level: at most LEVELS times in a timer's life. Nothing here can fail.
 *
 * Invariant: a timer's place can be computed again from (due_ms, at_ms) at any moment, because
 * at_ms never enters a slot without emptying it. wheel_disarm relies on it to clear the bit.
 */
#include "engine/loop/wheel.h"

#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>

#define DIGIT_BITS 6u
#define DIGITS     (1u << DIGIT_BITS)
#define LEVELS     11u /* 11 x 6 bits hold every 64-bit time */

struct wheel {
    uint64_t at_ms;          /* every timer due up to here is in `due`, or was taken */
    struct wheel_timer *due; /* expired, not yet taken */
    uint64_t in_use[LEVELS]; /* bit n: slots[level][n] is not empty */
    struct wheel_timer *slots[LEVELS][DIGITS];
};

struct place {
    unsigned level, digit;
};

int wheel_create(struct wheel **out, uint64_t now_ms)
{
    struct wheel *wheel = calloc(1, sizeof *wheel);

    if (wheel == NULL)
        return -ENOMEM;
    wheel->at_ms = now_ms;
    *out = wheel;
    return 0;
}

void wheel_destroy(struct wheel *wheel)
{
    free(wheel);
}

static unsigned digit_of(uint64_t ms, unsigned level)
{
    return (unsigned)(ms >> (level * DIGIT_BITS)) & (DIGITS - 1);
}

/* Only for due_ms > at_ms: then some digit differs. */
static struct place place_of(const struct wheel *wheel, uint64_t due_ms)
{
    unsigned highest = 63u - (unsigned)__builtin_clzll(due_ms ^ wheel->at_ms);
    unsigned level = highest / DIGIT_BITS;

    return (struct place){level, digit_of(due_ms, level)};
}

static void insert(struct wheel_timer **head, struct wheel_timer *timer)
{
    timer->next = *head;
    timer->link = head;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *head = timer;
}

static void place_timer(struct wheel *wheel, struct wheel_timer *timer)
{
    if (timer->due_ms <= wheel->at_ms) {
        insert(&wheel->due, timer);
        return;
    }
    struct place place = place_of(wheel, timer->due_ms);
    insert(&wheel->slots[place.level][place.digit], timer);
    wheel->in_use[place.level] |= UINT64_C(1) << place.digit;
}

bool wheel_armed(const struct wheel_timer *timer)
{
    return timer->link != NULL;
}

void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer)
{
    if (!wheel_armed(timer))
        return;
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->next = NULL;
    timer->link = NULL;
    if (timer->due_ms > wheel->at_ms) {
        struct place place = place_of(wheel, timer->due_ms);
        if (wheel->slots[place.level][place.digit] == NULL)
            wheel->in_use[place.level] &= ~(UINT64_C(1) << place.digit);
    }
}

void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    wheel_disarm(wheel, timer);
    timer->due_ms = due_ms;
    place_timer(wheel, timer);
}

/* The first slot in use and the time at which it begins; false: nothing is armed ahead. */
static bool first_slot(const struct wheel *wheel, struct place *place, uint64_t *begins_ms)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        if (wheel->in_use[level] == 0)
            continue;
        unsigned digit = (unsigned)__builtin_ctzll(wheel->in_use[level]);
        unsigned shift = level * DIGIT_BITS;
        uint64_t above = shift + DIGIT_BITS >= 64 ? 0 : wheel->at_ms >> (shift + DIGIT_BITS);
        uint64_t upper = shift + DIGIT_BITS >= 64 ? 0 : above << (shift + DIGIT_BITS);
        *place = (struct place){level, digit};
        *begins_ms = upper | (uint64_t)digit << shift;
        return true;
    }
    return false;
}

/* Goes on to the next slot that begins at or before now_ms and places its timers anew. Those of
 * level 0 are then due. False when there is none: the wheel's time is now_ms. */
static bool advance(struct wheel *wheel, uint64_t now_ms)
{
    struct place place;
    uint64_t begins_ms;

    if (!first_slot(wheel, &place, &begins_ms) || begins_ms > now_ms) {
        if (now_ms > wheel->at_ms)
            wheel->at_ms = now_ms;
        return false;
    }
    CHECK(begins_ms > wheel->at_ms);
    struct wheel_timer *timer = wheel->slots[place.level][place.digit];
    wheel->slots[place.level][place.digit] = NULL;
    wheel->in_use[place.level] &= ~(UINT64_C(1) << place.digit);
    wheel->at_ms = begins_ms;
    while (timer != NULL) {
        struct wheel_timer *next = timer->next;
        place_timer(wheel, timer);
        timer = next;
    }
    return true;
}

struct wheel_timer *wheel_take_due(struct wheel *wheel, uint64_t now_ms)
{
    while (wheel->due == NULL)
        if (!advance(wheel, now_ms))
            return NULL;
    struct wheel_timer *timer = wheel->due;
    wheel_disarm(wheel, timer);
    return timer;
}

uint64_t wheel_next_ms(const struct wheel *wheel)
{
    struct place place;
    uint64_t begins_ms;

    if (wheel->due != NULL)
        return wheel->at_ms;
    return first_slot(wheel, &place, &begins_ms) ? begins_ms : UINT64_MAX;
}
