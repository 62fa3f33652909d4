/*
 * counters.c - see counters.h. The report is tab-separated with a heading, one line a row that was
 * visited, so that a shell script can assert on it.
 */
#include "tests/farm/counters.h"

#include <sys/mman.h>

struct counters *counters_create(void)
{
    void *p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static struct address_counts *at_address(struct counters *counters, bool ipv6, unsigned number,
                                         unsigned variant)
{
    return variant < 256 ? &counters->address[ipv6][number][variant] : &counters->good;
}

unsigned counters_open(struct counters *counters, bool ipv6, unsigned number, unsigned variant)
{
    struct address_counts *a = at_address(counters, ipv6, number, variant);
    unsigned open = atomic_fetch_add_explicit(&a->open, 1, memory_order_relaxed) + 1;
    unsigned most = atomic_load_explicit(&a->open_max, memory_order_relaxed);
    while (most < open &&
           !atomic_compare_exchange_weak_explicit(&a->open_max, &most, open, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    unsigned long all = atomic_fetch_add_explicit(&counters->open, 1, memory_order_relaxed) + 1;
    unsigned long all_most = atomic_load_explicit(&counters->open_max, memory_order_relaxed);
    while (all_most < all &&
           !atomic_compare_exchange_weak_explicit(&counters->open_max, &all_most, all,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    count(&counters->behaviour[number].connections);
    return atomic_fetch_add_explicit(&a->connections, 1, memory_order_relaxed) + 1;
}

void counters_close(struct counters *counters, bool ipv6, unsigned number, unsigned variant)
{
    struct address_counts *a = at_address(counters, ipv6, number, variant);
    atomic_fetch_sub_explicit(&a->open, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&counters->open, 1, memory_order_relaxed);
}

static unsigned busiest(const struct counters *counters, unsigned number)
{
    unsigned most = 0;
    for (unsigned family = 0; family < 2; family++) {
        for (unsigned v = 0; v < 256; v++) {
            unsigned m = atomic_load_explicit(&counters->address[family][number][v].open_max,
                                              memory_order_relaxed);
            most = m > most ? m : most;
        }
    }
    return most;
}

void counters_write(const struct counters *counters, FILE *out)
{
    fprintf(out, "label\tconnections\thandshakes\tfailed\tquits\tearly_talk\tmissing_quit\t"
                 "mail_commands\tbad_ehlo\tclear_after_fail\tsecond_starttls\tmost_at_once\n");
    for (unsigned n = 0; n < BEHAVIOUR_COUNT; n++) {
        const struct behaviour_counts *b = &counters->behaviour[n];
        if (!behaviour_row(n) || atomic_load(&b->connections) == 0)
            continue;
        fprintf(out, "%s\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%u\n",
                behaviour_row(n)->label, atomic_load(&b->connections), atomic_load(&b->handshakes),
                atomic_load(&b->handshakes_failed), atomic_load(&b->quits),
                atomic_load(&b->early_talk), atomic_load(&b->missing_quit),
                atomic_load(&b->mail_commands), atomic_load(&b->bad_ehlo),
                atomic_load(&b->clear_after_fail), atomic_load(&b->second_starttls),
                busiest(counters, n));
    }
    fprintf(out, "# most connections at once: %lu\n", atomic_load(&counters->open_max));
}
