/* bench/replay.c: sends a workload to an allocator and times it.
 *
 *   replay ADAPTER WORKLOAD|FILE [live] [ops] [seed]
 *
 * ADAPTER: a shared object (trace_abi.h), "null" (hands out rising numbers: what the replayer itself costs), or "malloc" (the process's own,
 * which another allocator can be loaded in front of). Prints one JSON line: nanoseconds per measured operation, refusals, the longest single
 * allocation, ranges per host memory buffer. Where an answer goes is the replayer's table of slots; it is fetched ahead of time, so that its
 * cache misses are not the allocator's. */
#define _POSIX_C_SOURCE 200809L

#include "bench/workload.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AHEAD = 12, SAMPLE = 64 };

typedef struct slot {
    bench_result_t result;
    uint64_t size, padding; /* 32 bytes: one cache line for an operation */
} slot_t;

typedef struct run {
    const bench_adapter_t *adapter;
    void *state;
    slot_t *slots;
    bench_result_t *ranges;
    uint64_t *range_sizes;
    int range_count, most_ranges;
    uint64_t allocations, refused, frees, buffers, range_total;
} run_t;

/* --- adapters that need no file ------------------------------------------------------------------------------------ */

static uint64_t next_number;

static void *null_create(const bench_region_t *regions, unsigned count, uint32_t page_bytes, uint32_t slots) {
    (void)count;
    (void)page_bytes;
    (void)slots;
    next_number = regions[0].base;
    return &next_number;
}
static int null_allocate(void *state, const bench_op_t *op, bench_result_t *result) {
    uint64_t *next = state;
    result->address = *next;
    *next += op->size;
    return 0;
}
static void null_release(void *state, const bench_result_t *result, uint64_t size) {
    (void)state;
    (void)result;
    (void)size;
}
static int null_hmb(void *state, const bench_op_t *op, bench_result_t *results, uint64_t *sizes, int most) {
    (void)most;
    sizes[0] = op->size;
    return null_allocate(state, op, results) == 0 ? 1 : -1;
}

static int malloc_allocate(void *state, const bench_op_t *op, bench_result_t *result) {
    (void)state;
    result->address = (uint64_t)(uintptr_t)malloc((size_t)op->size);
    return result->address == 0;
}
static void malloc_release(void *state, const bench_result_t *result, uint64_t size) {
    (void)state;
    (void)size;
    free((void *)(uintptr_t)result->address);
}

static const bench_adapter_t null_adapter = {"null", 63, null_create, null_allocate, null_release, null_hmb, NULL};
static const bench_adapter_t malloc_adapter = {"malloc", BENCH_CAN_BYTES, null_create, malloc_allocate, malloc_release, NULL, NULL};

static const bench_adapter_t *adapter_of(const char *name) {
    if (strcmp(name, "null") == 0 || strcmp(name, "malloc") == 0) {
        return name[0] == 'n' ? &null_adapter : &malloc_adapter;
    }
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    union {
        void *object;
        const bench_adapter_t *(*function)(void);
    } found = {library != NULL ? dlsym(library, "st_get_adapter") : NULL};
    if (found.object == NULL) {
        fprintf(stderr, "replay: %s\n", dlerror());
        return NULL;
    }
    return found.function();
}

/* --- the loop ------------------------------------------------------------------------------------------------------- */

static void step(run_t *run, const bench_op_t *op) {
    slot_t *slot = &run->slots[op->slot];
    switch (op->kind) {
    case BENCH_ALLOC:
        run->allocations++;
        slot->size = op->size;
        if (run->adapter->allocate(run->state, op, &slot->result) != 0) {
            run->refused++;
            slot->size = 0;
        }
        break;
    case BENCH_FREE:
        if (slot->size != 0) {
            run->frees++;
            run->adapter->release(run->state, &slot->result, slot->size);
            slot->size = 0;
        }
        break;
    case BENCH_HMB:
        run->allocations++;
        run->range_count = run->adapter->hmb(run->state, op, run->ranges, run->range_sizes, run->most_ranges);
        run->refused += run->range_count < 0;
        run->buffers += run->range_count > 0;
        run->range_total += run->range_count > 0 ? (uint64_t)run->range_count : 0;
        break;
    default:
        run->frees++;
        for (int i = 0; i < run->range_count; i++) {
            run->adapter->release(run->state, &run->ranges[i], run->range_sizes[i]);
        }
        run->range_count = 0;
        break;
    }
}

static void fetch(const run_t *run, const bench_op_t *op) {
#if defined(__GNUC__)
    __builtin_prefetch(&run->slots[op->slot], 1);
#else
    (void)run;
    (void)op;
#endif
}

/* Two names for one loop, so that callgrind --toggle-collect=measured leaves the preparation out. */
#if defined(__GNUC__)
#define APART __attribute__((noinline, noclone))
#else
#define APART
#endif
void measured(run_t *run, const bench_op_t *ops, size_t count);
void prepared(run_t *run, const bench_op_t *ops, size_t count);
APART void measured(run_t *run, const bench_op_t *ops, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fetch(run, &ops[i + AHEAD < count ? i + AHEAD : i]);
        step(run, &ops[i]);
    }
}
APART void prepared(run_t *run, const bench_op_t *ops, size_t count) {
    for (size_t i = count; i > 0; i--) {
        step(run, &ops[count - i]);
    }
}

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double replay(run_t *run, const bench_workload_t *workload, double *longest) {
    size_t from = workload->measured_from;
    run->state = run->adapter->create(workload->regions, workload->region_count, workload->page_bytes, workload->slots);
    prepared(run, workload->ops, from);
    *longest = 0;
    for (size_t end = from + SAMPLE; from < end && from < workload->count; from++) { /* the first ones, cold, each by itself */
        double begin = seconds(), one;
        step(run, &workload->ops[from]);
        one = seconds() - begin;
        *longest = one > *longest ? one : *longest;
    }
    run->allocations = run->refused = run->frees = run->buffers = run->range_total = 0;
    double start = seconds();
    measured(run, workload->ops + from, workload->count - from);
    return seconds() - start;
}

int main(int argc, char **argv) {
    bench_workload_t workload;
    run_t run = {.adapter = argc > 2 ? adapter_of(argv[1]) : NULL};
    if (argc < 3) {
        fprintf(stderr, "usage: replay ADAPTER WORKLOAD|FILE [live] [ops] [seed]\n");
        return 2;
    }
    size_t live = argc > 3 ? strtoull(argv[3], NULL, 0) : 10000, ops = argc > 4 ? strtoull(argv[4], NULL, 0) : 1000000;
    uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 0) : 1;
    if (run.adapter == NULL || (!bench_make(&workload, argv[2], live, ops, seed) && !bench_read(&workload, argv[2], ops))) {
        fprintf(stderr, "replay: no such adapter, workload or file\n");
        return 1;
    }
    if ((workload.needs & ~(run.adapter->can | BENCH_CAN_HMB)) != 0 || (workload.most_ranges != 0 && run.adapter->hmb == NULL)) {
        printf("{\"adapter\": \"%s\", \"unsupported\": %u}\n", run.adapter->name, workload.needs & ~run.adapter->can);
        return 0;
    }
    run.most_ranges = (int)workload.most_ranges;
    run.slots = calloc((size_t)workload.slots + 1, sizeof *run.slots);
    run.ranges = calloc((size_t)workload.most_ranges + 1, sizeof *run.ranges);
    run.range_sizes = calloc((size_t)workload.most_ranges + 1, sizeof *run.range_sizes);
    if (run.slots == NULL || run.ranges == NULL || run.range_sizes == NULL) {
        fprintf(stderr, "replay: no memory\n");
        return 1;
    }
    double longest, spent = replay(&run, &workload, &longest);
    uint64_t done = run.allocations + run.frees;
    printf("{\"adapter\": \"%s\", \"ns\": %.3f, \"ops\": %llu, \"allocations\": %llu, \"refused\": %llu, \"longest_ns\": %.0f, \"ranges\": %.2f}\n",
           run.adapter->name, spent * 1e9 / (double)(done != 0 ? done : 1), (unsigned long long)done, (unsigned long long)run.allocations,
           (unsigned long long)run.refused, longest * 1e9, run.buffers != 0 ? (double)run.range_total / (double)run.buffers : 0.0);
    free(run.slots);
    free(run.ranges);
    free(run.range_sizes);
    free(workload.ops);
    return 0;
}
