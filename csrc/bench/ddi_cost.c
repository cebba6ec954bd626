/* bench/ddi_cost.c: what a DDI routine costs in the core, as pairs of an allocation and its free. One machine (5 GiB, the verifier on, which
 * is the default), one adapter, one call site known to it; nothing of Python.
 *
 *   ddi_cost                     every pair, one line each: name, live blocks, nanoseconds per pair
 *   ddi_cost NAME [PAIRS [LIVE]] this pair PAIRS times beside LIVE blocks of its kind
 *
 * Instructions of a pair: valgrind --tool=callgrind --toggle-collect=measured ddi_cost NAME 10000 [LIVE], divided by 10000. The row `pages` is the
 * page allocator alone with the request of the row `dma`: what remains of `dma` is what the routine adds. */
#define _POSIX_C_SOURCE 200809L

#include "machine/host.h"
#include "machine/pages.h"

#include "storsim/storport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAG UINT32_C(0x74736554) /* "Test" */
#define LIVE_MOST 1000000u

typedef struct state {
    storsim_machine_t *machine;
    uint64_t extension;
    ss_host_t host;
    ss_pages_t *pages;
} state_t;

/* A block: what the free needs. */
typedef struct block {
    uint64_t va, pa, count;
} block_t;

typedef struct pair {
    const char *name;
    void (*allocate)(state_t *state, block_t *block);
    void (*release)(state_t *state, const block_t *block);
    uint32_t live_most; /* 0: any number */
} pair_t;

static void check(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "ddi_cost: %s failed\n", what);
        exit(1);
    }
}

static storsim_arg_t in(uint64_t value) {
    return (storsim_arg_t){.value = value, .present = true};
}

static void call(state_t *state, uint16_t id, storsim_arg_t *args) {
    uint64_t result = 1;
    storsim_status_t status = storsim_storport_call(state->machine, storsim_ddi_routine(id), args, &result);
    check(status == STORSIM_OK && result == 0, storsim_ddi_routine(id)->name);
}

static void pages_take(state_t *state, block_t *block) {
    const ss_page_request_t request = {.pages = 4, .first_max = (UINT64_C(1) << 20) - 4, .align_pages = 1};
    check(ss_pages_take(state->pages, &request, &block->pa) == STORSIM_OK, "pages");
}

static void pages_give(state_t *state, const block_t *block) {
    ss_pages_give(state->pages, block->pa, 4);
}

static void pool_allocate(state_t *state, block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(200), in(TAG), in(0)};
    call(state, STORSIM_ID_StorPortAllocatePool, args);
    block->va = args[3].value;
}

static void pool_release(state_t *state, const block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(block->va)};
    call(state, STORSIM_ID_StorPortFreePool, args);
}

static void contiguous_allocate(state_t *state, block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(16384), in(0), in(UINT32_MAX), in(0), in(1), in(STORSIM_NODE_ANY), in(0)};
    call(state, STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode, args);
    block->va = args[7].value;
}

static void contiguous_release(state_t *state, const block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(block->va), in(16384), in(1)};
    call(state, STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache, args);
}

static void dma_allocate(state_t *state, block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(16384), in(0), in(UINT32_MAX), in(0), in(1), in(STORSIM_NODE_ANY), in(0), in(0)};
    call(state, STORSIM_ID_StorPortAllocateDmaMemory, args);
    block->va = args[7].value;
    block->pa = args[8].value;
}

static void dma_release(state_t *state, const block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(block->va), in(16384), in(1), in(block->pa)};
    call(state, STORSIM_ID_StorPortFreeDmaMemory, args);
}

static void large_allocate(state_t *state, block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(UINT64_C(1) << 30), in(0), in(UINT64_MAX), in(0), in(1), in(STORSIM_NODE_ANY), in(0), in(0)};
    call(state, STORSIM_ID_StorPortAllocateDmaMemory, args);
    block->va = args[7].value;
    block->pa = args[8].value;
}

static void large_release(state_t *state, const block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(block->va), in(UINT64_C(1) << 30), in(1), in(block->pa)};
    call(state, STORSIM_ID_StorPortFreeDmaMemory, args);
}

static void mdl_allocate(state_t *state, block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(state->extension), in(512), in(0)};
    call(state, STORSIM_ID_StorPortAllocateMdl, args);
    block->va = args[3].value;
}

static void mdl_release(state_t *state, const block_t *block) {
    storsim_arg_t args[] = {in(state->extension), in(block->va)};
    call(state, STORSIM_ID_StorPortFreeMdl, args);
}

static const pair_t pairs[] = {
    {"pages", pages_take, pages_give, 0},
    {"pool", pool_allocate, pool_release, 0},
    {"contiguous", contiguous_allocate, contiguous_release, 0},
    {"dma", dma_allocate, dma_release, 0},
    {"dma_1gib", large_allocate, large_release, 2},
    {"mdl", mdl_allocate, mdl_release, 0},
};

#if defined(__GNUC__)
__attribute__((noinline))
#endif
static void measured(state_t *state, const pair_t *pair, uint32_t count) {
    block_t block;
    for (uint32_t i = 0; i < count; i++) {
        pair->allocate(state, &block);
        pair->release(state, &block);
    }
}

static void make(state_t *state) {
    static const storsim_range_t ranges[] = {
        {0x1000, 0x9F000, 0}, {0x100000, (UINT64_C(3) << 30) - 0x100000, 0}, {UINT64_C(4) << 30, UINT64_C(2) << 30, 0}};
    static const storsim_memory_run_t runs[] = {{1, 0x9F, 0}, {0x100, 0xBFF00, 0}, {0x100000, 0x80000, 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 3, .seed = 7};
    storsim_nt_config_t nt;
    storsim_adapter_config_t adapter_config;
    uint32_t adapter, site;
    storsim_nt_config_init(&nt);
    storsim_adapter_config_init(&adapter_config);
    adapter_config.name = "hba";
    ss_host_init(&state->host, NULL);
    check(storsim_machine_create(&config, &state->machine) == STORSIM_OK && storsim_nt_boot(state->machine, &nt) == STORSIM_OK &&
              storsim_storport_attach(state->machine) == STORSIM_OK &&
              storsim_adapter_add(state->machine, &adapter_config, &adapter) == STORSIM_OK &&
              storsim_site_intern(state->machine, 1, 1, &site) == STORSIM_OK &&
              ss_pages_create(&state->host, runs, 3, 1, STORSIM_TOP_DOWN, false, 7, &state->pages) == STORSIM_OK,
          "setup");
    storsim_set_site(state->machine, site);
    state->extension = storsim_adapter_extension(state->machine, adapter);
}

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time); /* of this process: what else the machine does is not counted */
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void run(const pair_t *pair, uint32_t count, uint32_t live) {
    state_t state = {0};
    block_t block;
    make(&state);
    for (uint32_t i = 0; i < live; i++) {
        pair->allocate(&state, &block);
    }
    for (uint32_t i = 0; i < 100; i++) { /* first uses */
        pair->allocate(&state, &block);
        pair->release(&state, &block);
    }
    double before = now();
    measured(&state, pair, count);
    printf("%-12s %8u live %9.1f ns per pair\n", pair->name, live, (now() - before) / count);
    storsim_machine_destroy(state.machine);
    ss_pages_destroy(state.pages);
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (argc > 1 && strcmp(argv[1], pairs[i].name) != 0) {
            continue;
        }
        unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000, live = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
        uint32_t most = pairs[i].live_most != 0 ? pairs[i].live_most : LIVE_MOST;
        run(&pairs[i], (uint32_t)(count > 0 && count < UINT32_MAX ? count : 1), (uint32_t)(live < most ? live : most - 1));
    }
    return 0;
}
