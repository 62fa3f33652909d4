/*
 * stage.h - one scene on a real shard (engine/shard.c, its own thread and all it owns): a domain
 * goes in, a verdict comes out. Around the shard everything is of the world: ring, clock, mail
 * hosts, resolver, table, and the front that asks.
 *
 * A scene is played, perhaps in trouble; then two hours pass, the trouble is over, and the same is
 * asked again: what one trouble leaves behind harms the next who asks.
 */
#ifndef MXWARD_TESTS_PLAYS_WORLD_STAGE_H
#define MXWARD_TESTS_PLAYS_WORLD_STAGE_H

#include "engine/engine.h"
#include "tests/plays/world/names.h"
#include "tests/plays/world/world.h"

enum {
    STAGE_ASKS = 4,
    STAGE_DNS_MS = 5000,   /* of one look-up */
    STAGE_LATE_MS = 10000, /* for how long a stopped loop is stopped */
};

struct stage_ask {
    const char *next_hop; /* NULL: none */
    uint64_t at_ms;       /* after the beginning */
    uint64_t patience_ms; /* 0: 60 s */
    enum priority priority;
    bool live; /* probes begin after it was asked */
};

struct scene {
    const char *name, *zone;
    struct world_address addresses[WORLD_ADDRESSES];
    struct stage_ask asks[STAGE_ASKS];
    /* 0: as in the daemon */
    uint64_t per_prefix, rate_address, burst_address, rate_prefix, burst_prefix;
    const char *own;  /* a mail host of our own (MX-15) */
    unsigned limited; /* the answer that is not as fresh as asked; 0: none */
    enum level floor; /* remembered of the domain */
    unsigned resumed; /* the answer that rests on a session of an earlier look; 0: none */
    bool differ;      /* the addresses of a host, in what they do */
};

struct stage_answer {
    unsigned home; /* how often it came home */
    uint64_t took_ms;
    struct verdict verdict;
    bool limited;
    struct route route;
    struct finding finding; /* of the first host, for messages */
    char detail[160];       /* of its first endpoint */
};

/* The scene's first question many times instead, for as long as it takes; nobody asks again after.
 */
struct stage_series {
    unsigned count;
    uint64_t apart_ms; /* from one question to the next, or, if that takes longer, to its answer */
    void (*heard)(unsigned n, uint64_t at_ms, const struct stage_answer *answer);
};

struct stage_run {
    const struct scene *scene;
    const struct stage_series *series; /* NULL: the scene's questions, once */
    enum world_trouble trouble;
    unsigned trouble_at; /* n of the ring's operation */
    enum dns_deed deed;
    unsigned deed_at; /* n of the question */
    enum world_memory memory;
    uint64_t fail_allocation;             /* 0: none */
    bool lasting;                         /* … and all after it */
    bool fails_at_start;                  /* … of starting the shard, instead of the scene */
    unsigned stop_at_turn, drain_at_turn; /* 0: never */
    const char *small_pool;               /* as world_pool_of_one */
    uint32_t mailbox;                     /* its capacity; 0: 64 */
    uint32_t parallel;                    /* probes and jobs at once; 0: 16 */
};

struct stage_result {
    int error; /* of shard_start */
    char why[256];
    struct stage_answer answers[STAGE_ASKS], again[STAGE_ASKS];
    bool asked_again;
    unsigned operations, questions, turns, connections, puts; /* of the first time */
    uint64_t allocations;
    bool allocation_failed;
};

/* Whatever is wrong with the world (something in flight, not home, …) is in world_failed(). */
void stage_play(const struct stage_run *run, struct stage_result *result);

#endif
