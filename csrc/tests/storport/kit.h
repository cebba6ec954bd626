/* tests/storport/kit.h: a machine with one adapter, and calls by name. */
#ifndef KIT_H
#define KIT_H

#include "../check.h"
#include "tests/machine_pin.h"

#include "storsim/nvme.h"
#include "storsim/storport.h"

#include <stdbool.h>
#include <string.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TAG UINT32_C(0x74736554) /* "Test" */
#define ANY STORSIM_NODE_ANY
#define ALL UINT64_MAX
#define S(name) ((uint32_t)STOR_STATUS_##name)
enum { NONCACHED = 0, CACHED = 1, COMBINED = 2 };

typedef struct bench {
    storsim_machine_t *m;
    uint32_t adapter;
    uint64_t ext;
    size_t seen; /* findings looked at */
} bench_t;

typedef struct setup {
    const storsim_range_t *ranges;
    size_t range_count;
    storsim_nt_config_t nt;
    storsim_adapter_config_t adapter;
    const storsim_host_t *host;
    storsim_placement_t placement;
    uint64_t seed;
    storsim_callback_fn callback;
    void *callback_host;
    bool cross;
} setup_t;

static const storsim_range_t pc_ranges[] = {
    {0x1000, 0x9F000, 0}, {0x100000, GIB(3) - MIB(1), 0}, {GIB(4), GIB(5), 0}, {GIB(9), GIB(8), 1}};

static inline setup_t defaults(void) {
    setup_t setup = {.ranges = pc_ranges, .range_count = 4, .seed = 7};
    storsim_nt_config_init(&setup.nt);
    storsim_adapter_config_init(&setup.adapter);
    setup.adapter.name = "hba";
    return setup;
}

/* 7.6 MiB below 4 GiB: little to digest, soon used up. */
static inline void make_small(setup_t *setup) {
    static const storsim_range_t small[] = {{0x1000, 0x9F000, 0}, {0x100000, MIB(7), 0}};
    setup->ranges = small;
    setup->range_count = 2;
}

static inline storsim_status_t try_boot(const setup_t *setup, bench_t *b) {
    const storsim_machine_config_t config = {.host = setup->host, .ranges = setup->ranges, .range_count = setup->range_count,
                                             .placement = setup->placement, .seed = setup->seed, .allow_cross_node = setup->cross};
    *b = (bench_t){0};
    storsim_status_t status = storsim_machine_create(&config, &b->m);
    if (status != STORSIM_OK) {
        b->m = NULL;
        return status;
    }
    status = storsim_nt_boot(b->m, &setup->nt);
    if (status == STORSIM_OK) {
        status = storsim_storport_attach(b->m);
    }
    storsim_machine_set_callback(b->m, setup->callback, setup->callback_host);
    if (status == STORSIM_OK) {
        status = storsim_adapter_add(b->m, &setup->adapter, &b->adapter);
    }
    if (status == STORSIM_OK) {
        b->ext = storsim_adapter_extension(b->m, b->adapter);
    }
    return status;
}

static inline bench_t boot(const setup_t *setup) {
    bench_t b;
    CHECK_EQ(try_boot(setup, &b), STORSIM_OK);
    return b;
}

static inline bench_t boot_level(storsim_level_t level) {
    setup_t setup = defaults();
    setup.nt.level = level;
    return boot(&setup);
}

static inline bench_t boot_default(void) {
    setup_t setup = defaults();
    return boot(&setup);
}

/* Another adapter of the same machine, with every default; calls through it are its calls. */
static inline bench_t second_adapter(const bench_t *b) {
    bench_t other = {.m = b->m};
    storsim_adapter_config_t config;
    storsim_adapter_config_init(&config);
    CHECK_EQ(storsim_adapter_add(other.m, &config, &other.adapter), STORSIM_OK);
    other.ext = storsim_adapter_extension(other.m, other.adapter);
    return other;
}

static inline void done(bench_t *b) {
    char text[200] = "";
    if (storsim_stopped(b->m) == NULL) {
        size_t broken = storsim_check(b->m, text, sizeof text);
        if (broken != 0) {
            fprintf(stderr, "broken: %s\n", text);
        }
        CHECK_EQ(broken, 0);
    }
    machine_pin(b->m);
    storsim_machine_destroy(b->m);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

#define UNTOUCHED UINT64_C(0xDEAD)

typedef struct outcome {
    storsim_status_t status;
    uint64_t result;
    storsim_arg_t a[STORSIM_MAX_PARAMS];
} outcome_t;

/* Values for the in-parameters in order, HwDeviceExtension left out; out-parameters hold UNTOUCHED before. */
static inline outcome_t prepare(const bench_t *b, uint16_t id, const uint64_t *values, size_t count) {
    const storsim_routine_t *routine = storsim_ddi_routine(id);
    outcome_t out = {0};
    size_t next = 0;
    for (uint8_t i = 0; i < routine->param_count; i++) {
        const storsim_param_t *param = &routine->params[i];
        out.a[i].present = true;
        if (param->type == STORSIM_T_DEVEXT) {
            out.a[i].value = b->ext;
        } else if ((param->flags & STORSIM_P_IN) && param->type != STORSIM_T_RANGES) {
            CHECK(next < count);
            out.a[i].value = values[next++];
        } else {
            out.a[i].value = UNTOUCHED;
        }
    }
    return out;
}

static inline void perform(bench_t *b, uint16_t id, outcome_t *out) {
    const storsim_routine_t *routine = storsim_ddi_routine(id);
    out->status = storsim_storport_call(b->m, routine, out->a, &out->result);
    check_fold((uint64_t)out->status ^ out->result << 8);
    for (uint8_t i = 0; i < routine->param_count; i++) {
        check_fold(out->a[i].written ? out->a[i].value : 0);
    }
}

static inline outcome_t invoke(bench_t *b, uint16_t id, const uint64_t *values, size_t count) {
    outcome_t out = prepare(b, id, values, count);
    perform(b, id, &out);
    return out;
}

#define VALUES(...) (const uint64_t[]){__VA_ARGS__, 0}, sizeof((const uint64_t[]){__VA_ARGS__, 0}) / 8 - 1
#define CALL(b, name, ...) invoke((b), STORSIM_ID_StorPort##name, VALUES(__VA_ARGS__))
#define CALL0(b, name) invoke((b), STORSIM_ID_StorPort##name, NULL, 0)

/* A call that ends normally with this status. */
#define EXPECT(outcome, expected)              \
    do {                                       \
        outcome_t expect_ = (outcome);         \
        CHECK_EQ(expect_.status, STORSIM_OK);  \
        CHECK_EQ(expect_.result, expected);    \
    } while (0)

#define PARAM(outcome, index) ((outcome).a[index].value)

/* --- short forms -------------------------------------------------------------------------------------------------- */

static inline uint64_t pool(bench_t *b, uint64_t bytes) {
    outcome_t out = CALL(b, AllocatePool, bytes, TAG);
    CHECK_EQ(out.status, STORSIM_OK);
    CHECK_EQ(out.result, S(SUCCESS));
    return PARAM(out, 3);
}

static inline outcome_t contig(bench_t *b, uint64_t bytes, uint64_t low, uint64_t high, uint64_t boundary, uint64_t cache, uint64_t node) {
    return CALL(b, AllocateContiguousMemorySpecifyCacheNode, bytes, low, high, boundary, cache, node);
}

static inline outcome_t dma(bench_t *b, uint64_t bytes, uint64_t low, uint64_t high, uint64_t boundary, uint64_t cache, uint64_t node) {
    return CALL(b, AllocateDmaMemory, bytes, low, high, boundary, cache, node);
}

static inline uint64_t contig_va(bench_t *b, uint64_t bytes) {
    outcome_t out = contig(b, bytes, 0, ALL, 0, CACHED, ANY);
    CHECK_EQ(out.result, S(SUCCESS));
    return PARAM(out, 7);
}

static inline uint64_t dma_va(bench_t *b, uint64_t bytes) {
    outcome_t out = dma(b, bytes, 0, ALL, 0, CACHED, ANY);
    CHECK_EQ(out.result, S(SUCCESS));
    return PARAM(out, 7);
}

typedef struct hmb {
    storsim_status_t status;
    uint64_t result, count;
    storsim_access_range_t ranges[64];
} hmb_t;

typedef struct hmb_args {
    uint64_t minimum, preferred, utilization, alignment, low, high, boundary;
    uint32_t count;
} hmb_args_t;

static inline hmb_t hmb_take(bench_t *b, const hmb_args_t *args) {
    hmb_t hmb = {0};
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocateHostMemoryBuffer,
                            VALUES(args->minimum, args->preferred, args->utilization, args->alignment, args->low,
                                   args->high != 0 ? args->high : ALL, args->boundary, args->count));
    out.a[8].data = hmb.ranges;
    out.a[8].count = 64;
    perform(b, STORSIM_ID_StorPortAllocateHostMemoryBuffer, &out);
    hmb.status = out.status;
    hmb.result = out.result;
    hmb.count = PARAM(out, 9);
    return hmb;
}

static inline outcome_t hmb_free(bench_t *b, const storsim_access_range_t *ranges, uint32_t count) {
    storsim_access_range_t copy[64];
    outcome_t out = prepare(b, STORSIM_ID_StorPortFreeHostMemoryBuffer, VALUES(count));
    if (ranges != NULL) {
        memcpy(copy, ranges, (count < 64 ? count : 64) * sizeof *ranges);
        out.a[1].data = copy;
        out.a[1].count = count;
    }
    perform(b, STORSIM_ID_StorPortFreeHostMemoryBuffer, &out);
    return out;
}

static inline uint64_t hmb_total(const hmb_t *hmb) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < hmb->count; i++) {
        total += hmb->ranges[i].RangeLength;
    }
    return total;
}

static inline void level(bench_t *b, uint8_t irql) {
    CHECK_EQ(storsim_set_irql(b->m, irql, NULL), STORSIM_OK);
}

static inline uint64_t free_bytes(const bench_t *b) {
    return storsim_memory_free_bytes(b->m, ANY, 0, ALL);
}

/* --- findings ----------------------------------------------------------------------------------------------------- */

/* Forgets what was found so far. */
static inline void forget(bench_t *b) {
    b->seen = storsim_finding_count(b->m);
}

static inline size_t found(const bench_t *b, const char *name) {
    size_t hits = 0;
    for (size_t i = b->seen; i < storsim_finding_count(b->m); i++) {
        hits += strcmp(storsim_finding_get(b->m, i)->name, name) == 0;
    }
    return hits;
}

/* Violations and bugchecks since forget(); notes are left out. */
static inline size_t violations(const bench_t *b) {
    size_t hits = 0;
    for (size_t i = b->seen; i < storsim_finding_count(b->m); i++) {
        hits += storsim_finding_get(b->m, i)->kind != STORSIM_NOTE;
    }
    return hits;
}

#define CHECK_STOPPED(b, c, first)                              \
    do {                                                        \
        const storsim_finding_t *stop_ = storsim_stopped((b)->m); \
        CHECK(stop_ != NULL);                                   \
        CHECK_EQ(stop_->code, c);                               \
        CHECK_EQ(stop_->parameters[0], first);                  \
    } while (0)

#define CHECK_STOPPED2(b, c, first, second)                \
    do {                                                   \
        CHECK_STOPPED(b, c, first);                        \
        CHECK_EQ(storsim_stopped((b)->m)->parameters[1], second); \
    } while (0)

/* Enters HwStorFindAdapter with everything set that the uncached extension wants. */
static inline void find_adapter(bench_t *b, uint64_t srb_extension) {
    CHECK_EQ(storsim_callback_enter(b->m, b->adapter, STORSIM_CONTEXT_FIND_ADAPTER, NULL), STORSIM_OK);
    CHECK_EQ(storsim_port_config_set(b->m, b->adapter, STORSIM_PC_SrbExtensionSize, srb_extension), STORSIM_OK);
}

static inline void leave(bench_t *b) {
    CHECK_EQ(storsim_callback_leave(b->m), STORSIM_OK);
}

static inline uint64_t uncached(bench_t *b, uint64_t bytes) {
    outcome_t out = CALL(b, GetUncachedExtension, storsim_adapter_config_address(b->m, b->adapter), bytes);
    return out.result;
}

/* Memory of single free runs, bottom to top: lengths in MiB, one MiB of hole between them. */
static inline size_t runs_of(storsim_range_t *ranges, const uint64_t *mib, size_t count) {
    uint64_t at = GIB(1);
    ranges[0] = (storsim_range_t){0x100000, MIB(4), 0}; /* for what the port itself needs */
    for (size_t i = 0; i < count; i++) {
        ranges[i + 1] = (storsim_range_t){at, MIB(mib[i]), 0};
        at += MIB(mib[i] + 1);
    }
    return count + 1;
}

#endif
