/* bench/bench_adapter.c: the page allocator of the machine behind the trace ABI. TOP_DOWN placement. A request tries
 * its preferred node first, then the others from the highest number down, so that node 0, which owns the low memory,
 * comes last. */
#include "bench/trace_abi.h"

#include "machine/host.h"
#include "machine/pages.h"

#include <stdlib.h>

#define MAX_REGIONS 64

typedef struct state {
    ss_host_t host;
    ss_pages_t *pages;
    uint8_t orders[STORSIM_MAX_NODES + 1][STORSIM_MAX_NODES]; /* by preferred node; the last is "any" */
    uint64_t page_mask;
    uint32_t nodes, page_shift;
    ss_page_extent_t *extents;
    uint32_t extent_slots;
} state_t;

static void make_orders(state_t *state) {
    for (uint32_t preferred = 0; preferred <= STORSIM_MAX_NODES; preferred++) {
        uint32_t slot = 0;
        if (preferred < state->nodes) {
            state->orders[preferred][slot++] = (uint8_t)preferred;
        }
        for (uint32_t node = state->nodes; node-- > 0;) {
            if (node != preferred) {
                state->orders[preferred][slot++] = (uint8_t)node;
            }
        }
    }
}

static void *create(const bench_region_t *regions, unsigned count, uint32_t page_bytes, uint32_t slots) {
    storsim_memory_run_t runs[MAX_REGIONS];
    uint32_t used = 0;
    (void)slots;
    state_t *state = calloc(1, sizeof *state);
    if (state == NULL || count > MAX_REGIONS) {
        abort();
    }
    while (UINT32_C(1) << state->page_shift < page_bytes) {
        state->page_shift++;
    }
    state->page_mask = page_bytes - 1;
    for (unsigned i = 0; i < count; i++) {
        storsim_memory_run_t run = {regions[i].base >> state->page_shift, regions[i].size >> state->page_shift,
                                    regions[i].node};
        state->nodes = run.node >= state->nodes ? run.node + 1 : state->nodes;
        if (used > 0 && runs[used - 1].node == run.node &&
            runs[used - 1].first_pfn + runs[used - 1].pages == run.first_pfn) {
            runs[used - 1].pages += run.pages;
        } else {
            runs[used++] = run;
        }
    }
    make_orders(state);
    ss_host_init(&state->host, NULL);
    if (ss_pages_create(&state->host, runs, used, state->nodes, STORSIM_TOP_DOWN, false, 1, &state->pages) !=
        STORSIM_OK) {
        abort();
    }
    return state;
}

static uint64_t pages_of(const state_t *state, uint64_t bytes) {
    return (bytes + state->page_mask) >> state->page_shift;
}

static int allocate(void *context, const bench_op_t *op, bench_result_t *result) {
    state_t *state = context;
    uint64_t first;
    if (op->highest < op->size - 1) {
        return 1;
    }
    ss_page_request_t request = {
        .pages = pages_of(state, op->size),
        .first_min = pages_of(state, op->lowest),
        .first_max = (op->highest - (op->size - 1)) >> state->page_shift,
        .align_pages = op->align >> state->page_shift,
        .boundary_pages = op->boundary >> state->page_shift,
        .nodes = state->orders[op->node < STORSIM_MAX_NODES ? op->node : STORSIM_MAX_NODES],
        .node_count = state->nodes,
    };
    request.align_pages += request.align_pages == 0;
    if (ss_pages_take(state->pages, &request, &first) != STORSIM_OK) {
        return 1;
    }
    result->address = first << state->page_shift;
    return 0;
}

static void release(void *context, const bench_result_t *result, uint64_t size) {
    state_t *state = context;
    ss_pages_give(state->pages, result->address >> state->page_shift, pages_of(state, size));
}

static int hmb(void *context, const bench_op_t *op, bench_result_t *results, uint64_t *sizes, int most) {
    state_t *state = context;
    uint64_t target = pages_of(state, op->size), total;
    uint32_t count, slots = (uint32_t)most;
    if (state->extent_slots < slots) {
        free(state->extents);
        state->extents = calloc(slots, sizeof *state->extents);
        state->extent_slots = state->extents != NULL ? slots : 0;
    }
    if (state->extents == NULL || ss_pages_take_longest(state->pages, target, target, 0, UINT64_MAX, 1, UINT64_MAX,
                                                        state->extents, slots, &count, &total) != STORSIM_OK) {
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        results[i].address = state->extents[i].first_pfn << state->page_shift;
        sizes[i] = state->extents[i].pages << state->page_shift;
    }
    return (int)count;
}

BENCH_EXPORT const bench_adapter_t *st_get_adapter(void) {
    static const bench_adapter_t adapter = {
        "storsim", BENCH_CAN_ALIGN | BENCH_CAN_RANGE | BENCH_CAN_BOUNDARY | BENCH_CAN_NODE | BENCH_CAN_HMB,
        create,    allocate,
        release,   hmb,
        NULL,
    };
    return &adapter;
}
