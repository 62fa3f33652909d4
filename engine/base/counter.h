/*
 * counter.h - counters and latency histograms: one writer thread each, read by anyone (relaxed).
 *
 * A histogram is log-linear: 8 sub-buckets to each power of two of microseconds, 1 us … 2^31 us, so
 * any quantile is known to 12.5 %.
 */
#ifndef MXWARD_BASE_COUNTER_H
#define MXWARD_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

/* Writer only: a plain load and store, no locked instruction. */
static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#define HISTOGRAM_BUCKETS 256
struct histogram {
    counter buckets[HISTOGRAM_BUCKETS];
    counter total_us;
};
void histogram_add(struct histogram *histogram, uint64_t us);
uint64_t histogram_count(const struct histogram *histogram);
uint64_t histogram_quantile_us(const struct histogram *histogram, double quantile);
void histogram_merge(struct histogram *into, const struct histogram *from); /* reader's copy */

#endif
