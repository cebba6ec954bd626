/* bench/workload.h: sequences of allocations and frees, made from a seed or read from a file. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "bench/trace_abi.h"

#include <stdbool.h>
#include <stddef.h>

#define BENCH_MAX_REGIONS 64

typedef struct bench_workload {
    bench_region_t regions[BENCH_MAX_REGIONS];
    unsigned region_count, needs; /* needs: BENCH_CAN_* */
    uint32_t page_bytes, slots, most_ranges;
    bench_op_t *ops;
    size_t count, capacity, measured_from; /* operations before build the state and are not timed */
} bench_workload_t;

/* Makes a workload by name:
 *
 *   w1      1 … 16 pages, no constraint, 64 GiB: a random victim is freed, then one is allocated
 *   w1t     the same in a map that is 85 % full
 *   w2      a PC's map of 64 GiB on four nodes: 10 % below 16 MiB, 30 % below 4 GiB, 30 % inside a boundary of 64 KiB … 2 MiB, 20 %
 *           aligned to 8 KiB … 1 MiB, 90 % prefer a node; sizes around 3 pages
 *   w3      gaps of two pages that start on an odd page, 64 of them on an even one: aligned or bounded requests whose window holds one
 *   w4      a map of 16 GiB with 40 % of its blocks freed at random: 64 MiB … 1 GiB in as few ranges as possible, then given back
 *   w5      a pool: 16 bytes … 8 KiB, most of them small, four of five operations on the youngest fifth
 *   w6size, w6align, w6bound    the gaps of w3 without the even ones: requests that cannot fit
 *
 * live: blocks alive while measured. ops: measured operations. false: no such name, or no memory. */
bool bench_make(bench_workload_t *workload, const char *name, size_t live, size_t ops, uint64_t seed);
/* Reads a trace file (72 bytes of header, regions of 24 bytes, operations of 48, little endian). */
bool bench_read(bench_workload_t *workload, const char *path, size_t most_ops);

#endif
