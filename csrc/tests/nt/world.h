/* tests/nt/world.h: a booted machine for the tests of the kernel room. */
#ifndef WORLD_H
#define WORLD_H

#include "../check.h"
#include "tests/machine_pin.h"
#include "nt/kernel.h"

#include <string.h>

typedef struct world {
    storsim_machine_t *machine;
    storsim_nt_config_t config;
    storsim_machine_config_t hardware;
    storsim_range_t ranges[4];
} world_t;

/* 64 MiB in two nodes with a hole, level release unless the test changes world.config before world_boot. */
static inline void world_init(world_t *world) {
    memset(world, 0, sizeof *world);
    world->ranges[0] = (storsim_range_t){0x1000, 0x9F000, 0};
    world->ranges[1] = (storsim_range_t){0x100000, 0x1F00000, 0};
    world->ranges[2] = (storsim_range_t){UINT64_C(0x100000000), 0x2000000, 1};
    world->hardware = (storsim_machine_config_t){.ranges = world->ranges, .range_count = 3, .seed = 42};
    storsim_nt_config_init(&world->config);
    world->config.level = STORSIM_RELEASE;
}

static inline void world_boot(world_t *world) {
    CHECK_EQ(storsim_machine_create(&world->hardware, &world->machine), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(world->machine, &world->config), STORSIM_OK);
}

static inline void world_start(world_t *world, storsim_level_t level) {
    world_init(world);
    world->config.level = level;
    world_boot(world);
}

static inline void world_check(world_t *world) {
    char text[200] = "";
    size_t broken = storsim_check(world->machine, text, sizeof text);
    if (broken != 0) {
        fprintf(stderr, "%s\n", text);
    }
    CHECK_EQ(broken, 0);
}

static inline void world_end(world_t *world) {
    world_check(world);
    machine_pin(world->machine);
    storsim_machine_destroy(world->machine);
}

static inline uint64_t world_digest(const world_t *world) {
    uint64_t digest = 0;
    CHECK_EQ(storsim_digest(world->machine, &digest), STORSIM_OK);
    return digest;
}

static inline uint64_t world_free(const world_t *world) {
    return storsim_memory_free_bytes(world->machine, STORSIM_NODE_ANY, 0, UINT64_MAX);
}

static inline const storsim_finding_t *last_finding(const world_t *world) {
    size_t count = storsim_finding_count(world->machine);
    return count != 0 ? storsim_finding_get(world->machine, count - 1) : NULL;
}

#define CHECK_LAST(world, expected)                                                                                    \
    do {                                                                                                               \
        const storsim_finding_t *check_last = last_finding(world);                                                     \
        CHECK(check_last != NULL);                                                                                     \
        if (strcmp(check_last->name, (expected)) != 0) {                                                               \
            fprintf(stderr, "last finding: %s\n", check_last->name);                                                   \
        }                                                                                                              \
        CHECK(strcmp(check_last->name, (expected)) == 0);                                                              \
    } while (0)

#define CHECK_STOP(world, code_, p1, p2, p3, p4)                                                                       \
    do {                                                                                                               \
        const storsim_finding_t *check_stop = storsim_stopped((world)->machine);                                       \
        CHECK(check_stop != NULL);                                                                                     \
        CHECK_EQ(check_stop->code, (code_));                                                                           \
        CHECK_EQ(check_stop->parameters[0], (p1));                                                                     \
        CHECK_EQ(check_stop->parameters[1], (p2));                                                                     \
        CHECK_EQ(check_stop->parameters[2], (p3));                                                                     \
        CHECK_EQ(check_stop->parameters[3], (p4));                                                                     \
    } while (0)

static inline const storsim_routine_t *routine(const char *name) {
    const storsim_routine_t *row = storsim_ddi_find(STORSIM_F_STORPORT, name);
    CHECK(row != NULL);
    return row;
}

/* A frame around one kernel function, as the Storport room makes it. */
typedef struct frame {
    ss_call_t call;
    storsim_arg_t args[STORSIM_MAX_PARAMS];
} frame_t;

static inline ss_call_t *begin(world_t *world, frame_t *frame, const char *name, uint32_t owner) {
    memset(frame, 0, sizeof *frame);
    CHECK_EQ(ss_call_begin(&frame->call, world->machine, routine(name), frame->args), STORSIM_OK);
    frame->call.owner = owner;
    return &frame->call;
}

/* Allocations and frees through a frame. */
static inline ss_block_id_t pool_get(world_t *world, uint64_t bytes, uint32_t tag, storsim_status_t expected) {
    frame_t frame;
    ss_block_id_t id = 0;
    ss_contig_outcome_t outcome = ss_pool_request(begin(world, &frame, "StorPortAllocatePool", 1), bytes, tag, &id);
    CHECK_EQ(ss_call_end(&frame.call), expected);
    return outcome == SS_CONTIG_OK ? id : 0;
}

static inline void pool_put(world_t *world, uint64_t va, storsim_status_t expected) {
    frame_t frame;
    (void)ss_pool_return(begin(world, &frame, "StorPortFreePool", 1), STORSIM_BLOCK_POOL, va);
    CHECK_EQ(ss_call_end(&frame.call), expected);
}

static inline ss_block_id_t contig_get(world_t *world, storsim_block_kind_t kind, const ss_contig_args_t *args,
                                       storsim_status_t expected) {
    frame_t frame;
    ss_block_id_t id = 0;
    ss_contig_outcome_t outcome =
        ss_contig_take(begin(world, &frame, "StorPortAllocateContiguousMemorySpecifyCacheNode", 1), kind, args, &id);
    CHECK_EQ(ss_call_end(&frame.call), expected);
    return outcome == SS_CONTIG_OK ? id : 0;
}

static inline void contig_put(world_t *world, storsim_block_kind_t kind, uint64_t va, uint64_t bytes, int32_t cache,
                              uint64_t pa, storsim_status_t expected) {
    frame_t frame;
    (void)ss_contig_return(begin(world, &frame, "StorPortFreeContiguousMemorySpecifyCache", 1), kind, va, bytes, cache,
                           pa);
    CHECK_EQ(ss_call_end(&frame.call), expected);
}

static inline uint64_t va_of(const world_t *world, ss_block_id_t id) {
    const ss_block_t *block = ss_block(world->machine, id);
    CHECK(block != NULL);
    return block->va;
}

static inline uint64_t pa_of(const world_t *world, ss_block_id_t id) {
    return ss_block_physical(world->machine, ss_block(world->machine, id), 0);
}

#define TAG UINT32_C(0x74736554) /* 'Test' */
#define CONTIG(bytes_)                                                                                                 \
    (&(ss_contig_args_t){.bytes = (bytes_), .highest = UINT64_MAX, .cache = 1, .node = STORSIM_NODE_ANY})

#endif
