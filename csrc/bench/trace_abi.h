/* bench/trace_abi.h: how a trace replayer calls an allocator. A replayer loads a shared object, asks it for its adapter
 * and sends it the operations of a trace. All numbers are bytes and physical addresses; a trace is the same for every
 * allocator, because what an allocation answered is kept by the replayer in a slot. */
#ifndef BENCH_TRACE_ABI_H
#define BENCH_TRACE_ABI_H

#include <stdint.h>

enum { BENCH_ALLOC = 1, BENCH_FREE = 2, BENCH_HMB = 3, BENCH_HMB_FREE = 4 };
enum {
    BENCH_CAN_ALIGN = 1,
    BENCH_CAN_RANGE = 2,
    BENCH_CAN_BOUNDARY = 4,
    BENCH_CAN_NODE = 8,
    BENCH_CAN_HMB = 16,
    BENCH_CAN_BYTES = 32
};
#define BENCH_NODE_ANY 0xFFu

typedef struct bench_region {
    uint64_t base, size;
    uint32_t node, cache;
} bench_region_t;

typedef struct bench_op {
    uint8_t kind, node, cache, flags;
    uint32_t slot;
    uint64_t size, align;
    uint64_t lowest, highest; /* highest: last byte, inclusive */
    uint64_t boundary;        /* 0 = none */
} bench_op_t;

typedef struct bench_result {
    uint64_t address, handle;
} bench_result_t;

typedef struct bench_adapter {
    const char *name;
    unsigned can; /* BENCH_CAN_* */
    void *(*create)(const bench_region_t *regions, unsigned count, uint32_t page_bytes, uint32_t slots);
    int (*allocate)(void *state, const bench_op_t *op, bench_result_t *result); /* 0 = done */
    void (*release)(void *state, const bench_result_t *result, uint64_t size);
    int (*hmb)(void *state, const bench_op_t *op, bench_result_t *results, uint64_t *sizes,
               int most);             /* ranges, or -1 */
    uint64_t (*largest)(void *state); /* may be NULL */
} bench_adapter_t;

/* The library is built with hidden symbols; this one has to be found. */
#if defined(__GNUC__)
#define BENCH_EXPORT __attribute__((visibility("default")))
#elif defined(_MSC_VER)
#define BENCH_EXPORT __declspec(dllexport)
#else
#define BENCH_EXPORT
#endif
BENCH_EXPORT const bench_adapter_t *st_get_adapter(void); /* the name the replayer looks up */

#endif
