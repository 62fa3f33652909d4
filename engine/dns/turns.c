/*
 * turns.c - the domains in turn, as the head of turns.h tells.
 *
 * Called by a resolver's thread, from look_ups.c. Owns the domains (a fixed pool), their index and
 * the queue of those that have look-ups waiting. Looking for the next passes by the domains that
 * have their share already: each has a look-up under way, so they are fewer than the places.
 */
#include "engine/dns/turns.h"

#include "engine/base/check.h"
#include "engine/loop/pool.h"

#include <errno.h>
#include <stdlib.h>

struct turns {
    struct pool *pool;
    struct keymap domains;
    TAILQ_HEAD(turns_queue, turns_domain) queue;
};

int turns_create(struct turns **out, uint32_t look_ups)
{
    struct turns *turns = calloc(1, sizeof *turns);
    if (!turns)
        return -ENOMEM;
    TAILQ_INIT(&turns->queue);
    int error = pool_create(&turns->pool, "dns domains", sizeof(struct turns_domain), look_ups);
    if (error == 0)
        error = keymap_create(&turns->domains, look_ups);
    if (error < 0) {
        turns_destroy(turns);
        return error;
    }
    *out = turns;
    return 0;
}

void turns_destroy(struct turns *turns)
{
    if (!turns)
        return;
    CHECK(TAILQ_EMPTY(&turns->queue));
    if (turns->domains.buckets)
        keymap_destroy(&turns->domains);
    if (turns->pool)
        pool_destroy(turns->pool);
    free(turns);
}

static struct turns_domain *domain_find(struct turns *turns, const struct name *name)
{
    struct keymap_link *link = keymap_first(&turns->domains, name_hash(name));

    for (; link; link = keymap_next(link)) {
        struct turns_domain *domain = container_of(link, struct turns_domain, link);
        if (name_equal(&domain->name, name))
            return domain;
    }
    return NULL;
}

static struct turns_domain *domain_make(struct turns *turns, const struct name *name)
{
    struct turns_domain *domain = pool_take(turns->pool);

    CHECK(domain); /* there are no more domains than look-ups */
    domain->name = *name;
    TAILQ_INIT(&domain->waiting);
    keymap_add(&turns->domains, &domain->link, name_hash(name));
    return domain;
}

void turns_join(struct turns *turns, struct look_up *look_up)
{
    struct name name = name_registrable(&look_up->name);
    struct turns_domain *domain = domain_find(turns, &name);

    if (!domain)
        domain = domain_make(turns, &name);
    if (TAILQ_EMPTY(&domain->waiting))
        TAILQ_INSERT_TAIL(&turns->queue, domain, entry);
    TAILQ_INSERT_TAIL(&domain->waiting, look_up, entry);
    domain->look_ups++;
    look_up->domain = domain;
}

void turns_cancel(struct turns *turns, struct look_up *look_up)
{
    struct turns_domain *domain = look_up->domain;

    TAILQ_REMOVE(&domain->waiting, look_up, entry);
    if (TAILQ_EMPTY(&domain->waiting))
        TAILQ_REMOVE(&turns->queue, domain, entry);
}

static struct look_up *domain_serve(struct turns *turns, struct turns_domain *domain)
{
    struct look_up *look_up = TAILQ_FIRST(&domain->waiting);

    TAILQ_REMOVE(&turns->queue, domain, entry);
    TAILQ_REMOVE(&domain->waiting, look_up, entry);
    if (!TAILQ_EMPTY(&domain->waiting))
        TAILQ_INSERT_TAIL(&turns->queue, domain, entry);
    return look_up;
}

struct look_up *turns_next(struct turns *turns, uint32_t free_inside, uint32_t free_all)
{
    struct turns_domain *domain;

    TAILQ_FOREACH(domain, &turns->queue, entry)
    if (domain->inside < free_inside && domain->inside + domain->abandoned < free_all)
        return domain_serve(turns, domain);
    return NULL;
}

void turns_leave(struct turns *turns, struct look_up *look_up)
{
    struct turns_domain *domain = look_up->domain;

    look_up->domain = NULL;
    if (--domain->look_ups > 0)
        return;
    CHECK(TAILQ_EMPTY(&domain->waiting) && domain->inside == 0 && domain->abandoned == 0);
    keymap_remove(&turns->domains, &domain->link);
    pool_give(turns->pool, domain);
}
