/*
 * counter.c - log-linear latency histograms.
 *
 * Values below 8 us have a bucket each; above, each power of two is cut in eight. One thread adds,
 * any thread reads: everything is relaxed, so a reader may see a sum that is a few events apart
 * from the buckets, never a torn word. Quantiles give the upper edge of the bucket they fall in:
 * what is published may be up to 12.5 % too slow, never too fast.
 */
#include "engine/base/counter.h"

#include <stddef.h>

#define SUB_BITS    3 /* eight sub-buckets to each power of two */
#define SUB_BUCKETS (1u << SUB_BITS)

static size_t bucket_of(uint64_t us)
{
    if (us < SUB_BUCKETS)
        return (size_t)us;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(us);
    size_t bucket = (exponent - SUB_BITS + 1) * SUB_BUCKETS +
                    (size_t)((us >> (exponent - SUB_BITS)) & (SUB_BUCKETS - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The greatest value that falls into the bucket. */
static uint64_t upper_edge_us(size_t bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    unsigned shift = (unsigned)(bucket / SUB_BUCKETS) - 1;
    uint64_t first = (uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS) << shift;
    return first + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    counter_add(&histogram->buckets[bucket_of(us)], 1);
    counter_add(&histogram->total_us, us);
}

uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += counter_read(&histogram->buckets[i]);
    return count;
}

uint64_t histogram_quantile_us(const struct histogram *histogram, double quantile)
{
    uint64_t count = histogram_count(histogram), seen = 0;
    if (count == 0)
        return 0;
    uint64_t rank = (uint64_t)(quantile * (double)count);
    if (rank >= count)
        rank = count - 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += counter_read(&histogram->buckets[i]);
        if (seen > rank)
            return upper_edge_us(i);
    }
    return upper_edge_us(HISTOGRAM_BUCKETS - 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        counter_add(&into->buckets[i], counter_read(&from->buckets[i]));
    counter_add(&into->total_us, counter_read(&from->total_us));
}
