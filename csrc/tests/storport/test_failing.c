/* Each host allocation fails in turn, over a life that calls every routine: the call answers NO_MEMORY, the digest
 * stays as it was, no out-parameter is written, the same call then works, and in the end nothing is leaked. Source:
 * DESIGN §2, §3. */
#include "kit.h"

static failing_host_t host;

/* How many requests had been made when each step of the life in which nothing fails was over: so a later life knows in
 * which step its failure strikes, and looks at the machine before that one alone. */
static unsigned long ends[256];

typedef struct life {
    bench_t b;
    uint64_t config, pool, big, contiguous, dma, dma_pa, mdl, list_buffer, srb, registry, uncached, device;
    storsim_access_range_t ranges[8];
    uint32_t hmb_count;
    uint8_t called[STORSIM_ID_STORPORT_END];
    bool failed;        /* the planned failure happened */
    size_t steps;       /* begun so far */
} life_t;

/* Host allocation outside the plan: looking must not use it up. */
static uint64_t digest_of(storsim_machine_t *m) {
    unsigned long requests = host.requests, at = host.fail_at;
    uint64_t digest = 0;
    host.fail_at = 0;
    CHECK_EQ(storsim_digest(m, &digest), STORSIM_OK);
    CHECK_EQ(storsim_check(m, NULL, 0), 0);
    host.requests = requests;
    host.fail_at = at;
    return digest;
}

static storsim_status_t listen(void *context, storsim_callback_t *callback) {
    (void)context;
    (void)callback;
    return STORSIM_OK;
}

/* The digest before a step in which the planned failure can strike. */
static uint64_t begin(life_t *life) {
    size_t step = life->steps++;
    CHECK(step < sizeof ends / sizeof *ends);
    return host.fail_at == 0 || (host.requests < host.fail_at && host.fail_at <= ends[step]) ? digest_of(life->b.m) : 0;
}

static void finish(const life_t *life) {
    if (host.fail_at == 0) {
        ends[life->steps - 1] = host.requests;
    }
}

/* Runs one action; when the planned failure strikes in it, checks that nothing happened and runs it again. */
#define STEP(life, expression)                                            \
    do {                                                                  \
        uint64_t before_ = begin(life);                                   \
        storsim_status_t status_ = (expression);                          \
        if (status_ == STORSIM_NO_MEMORY) {                               \
            CHECK(!(life)->failed);                                       \
            (life)->failed = true;                                        \
            CHECK_EQ(digest_of((life)->b.m), before_);                    \
            status_ = (expression);                                       \
        }                                                                 \
        CHECK_EQ(status_, STORSIM_OK);                                    \
        finish(life);                                                     \
    } while (0)

static outcome_t step_call(life_t *life, uint16_t id, const outcome_t *prepared) {
    uint64_t before = begin(life);
    outcome_t out = *prepared;
    perform(&life->b, id, &out);
    if (out.status == STORSIM_NO_MEMORY) {
        CHECK(!life->failed);
        life->failed = true;
        CHECK_EQ(digest_of(life->b.m), before);
        CHECK_EQ(out.result, 0);
        for (int p = 0; p < storsim_ddi_routine(id)->param_count; p++) {
            CHECK(!out.a[p].written && out.a[p].value == prepared->a[p].value);
        }
        out = *prepared;
        perform(&life->b, id, &out);
    }
    CHECK_EQ(out.status, STORSIM_OK);
    finish(life);
    const storsim_routine_t *row = storsim_ddi_routine(id);
    CHECK(row->returns != STORSIM_R_STATUS || out.result == S(SUCCESS));
    life->called[id] = 1;
    return out;
}

static outcome_t step(life_t *life, uint16_t id, const uint64_t *values, size_t count) {
    outcome_t out = prepare(&life->b, id, values, count);
    return step_call(life, id, &out);
}

#define DO(life, name, ...) step((life), STORSIM_ID_StorPort##name, VALUES(__VA_ARGS__))

static void memory_calls(life_t *life) {
    life->pool = PARAM(DO(life, AllocatePool, 100, TAG), 3);
    life->big = PARAM(DO(life, AllocatePool, 20000, TAG), 3);
    life->contiguous = PARAM(DO(life, AllocateContiguousMemorySpecifyCacheNode, 9000, 0, ALL, 0, CACHED, ANY), 7);
    outcome_t out = DO(life, AllocateDmaMemory, 8192, 0, ALL, 0, COMBINED, ANY);
    life->dma = PARAM(out, 7);
    life->dma_pa = PARAM(out, 8);
    out = prepare(&life->b, STORSIM_ID_StorPortAllocateHostMemoryBuffer, VALUES(0, MIB(2), 0, 0, 0, ALL, 0, 8));
    out.a[8].data = life->ranges;
    out.a[8].count = 8;
    life->hmb_count = (uint32_t)PARAM(step_call(life, STORSIM_ID_StorPortAllocateHostMemoryBuffer, &out), 9);
    life->registry = DO(life, AllocateRegistryBuffer, 5000).result;
    CHECK(life->registry != 0);
    uint64_t address = DO(life, GetPhysicalAddress, 0, life->uncached).result;
    CHECK_EQ(DO(life, GetVirtualAddress, address).result, life->uncached);
    (void)DO(life, MoveMemory, life->big, life->pool, 100);
    (void)DO(life, SecureCopyMemory, life->dma, 100, life->pool, 100);
    (void)DO(life, ConvertUlongToPhysicalAddress, 5);
    (void)DO(life, ValidateRange, 5, 0, 0, 1, 0);
}

static void list_calls(life_t *life) {
    life->mdl = PARAM(DO(life, AllocateMdl, life->big, 20000), 3);
    (void)DO(life, BuildMdlForNonPagedPool, life->mdl);
    level(&life->b, 2);
    (void)DO(life, BuildScatterGatherList, life->mdl, life->big + 5, 15000, 1, 2, 1, life->list_buffer, 400);
    (void)DO(life, PutScatterGatherList, life->list_buffer, 1);
    level(&life->b, 0);
    const storsim_srb_config_t config = {.length = 20000, .fragments = 3, .data_in_length = 5000, .lu_extension_bytes = 10};
    STEP(life, storsim_srb_create(life->b.m, life->b.adapter, &config, &life->srb));
    (void)DO(life, GetScatterGatherList, life->srb);
    (void)DO(life, GetDataInBufferScatterGatherList, life->srb);
    (void)DO(life, GetSystemAddress, life->srb);
    (void)DO(life, GetDataInBufferSystemAddress, life->srb);
    uint64_t mdl = PARAM(DO(life, GetOriginalMdl, life->srb), 2);
    (void)DO(life, GetDataInBufferMdl, life->srb);
    (void)DO(life, GetPfns, life->srb, mdl);
}

static void query_calls(life_t *life) {
    storsim_group_affinity_t affinity[2];
    (void)step(life, STORSIM_ID_StorPortGetHighestNodeNumber, NULL, 0);
    (void)step(life, STORSIM_ID_StorPortGetActiveNodeCount, NULL, 0);
    (void)step(life, STORSIM_ID_StorPortGetCurrentIrql, NULL, 0);
    outcome_t out = prepare(&life->b, STORSIM_ID_StorPortGetNodeAffinity, VALUES(0));
    out.a[2].data = affinity;
    out.a[2].count = 1;
    (void)step_call(life, STORSIM_ID_StorPortGetNodeAffinity, &out);
    out = prepare(&life->b, STORSIM_ID_StorPortGetNodeAffinity2, VALUES(0, 2));
    out.a[2].data = affinity;
    out.a[2].count = 2;
    (void)step_call(life, STORSIM_ID_StorPortGetNodeAffinity2, &out);
}

/* The device's side: controller, list of descriptors, use, and the way back. */
static void device_steps(life_t *life) {
    storsim_machine_t *m = life->b.m;
    uint32_t device = storsim_adapter_device(m, life->b.adapter), status = 99;
    const storsim_nvme_identify_t identify = {.hmpre = 1024, .hmmin = 16};
    STEP(life, storsim_nvme_attach(m, device, &identify));
    uint8_t entry[16] = {0};
    for (int i = 0; i < 8; i++) {
        entry[i] = (uint8_t)(life->ranges[0].RangeStart >> (8 * i));
        entry[8 + i] = (uint8_t)(i < 4 ? (life->ranges[0].RangeLength / 4096) >> (8 * i) : 0);
    }
    STEP(life, storsim_write_va(m, life->dma, entry, sizeof entry));
    STEP(life, storsim_store_fence(m));
    const uint32_t on[5] = {1, life->ranges[0].RangeLength / 4096, (uint32_t)life->dma_pa, (uint32_t)(life->dma_pa >> 32), 1}, off[5] = {0};
    STEP(life, storsim_nvme_set_features(m, device, 0x0D, on, &status));
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    uint8_t bytes[64] = {1, 2, 3};
    STEP(life, storsim_nvme_hmb_write(m, device, 4090, bytes, sizeof bytes));
    STEP(life, storsim_nvme_hmb_read(m, device, 4090, bytes, sizeof bytes));
    STEP(life, storsim_adapter_dma_write(m, life->b.adapter, life->dma_pa + 4096, bytes, sizeof bytes));
    STEP(life, storsim_adapter_dma_read(m, life->b.adapter, life->dma_pa + 4096, bytes, sizeof bytes));
    STEP(life, storsim_adapter_flush(m, life->b.adapter, life->dma, 8192, true));
    STEP(life, storsim_nvme_set_features(m, device, 0x0D, off, &status));
}

static void end_calls(life_t *life) {
    storsim_machine_t *m = life->b.m;
    STEP(life, storsim_srb_complete(m, life->srb));
    outcome_t out = prepare(&life->b, STORSIM_ID_StorPortFreeHostMemoryBuffer, VALUES(life->hmb_count));
    out.a[1].data = life->ranges;
    out.a[1].count = life->hmb_count;
    (void)step_call(life, STORSIM_ID_StorPortFreeHostMemoryBuffer, &out);
    (void)DO(life, FreeMdl, life->mdl);
    (void)DO(life, FreePool, life->pool);
    (void)DO(life, FreePool, life->big);
    (void)DO(life, FreePool, life->list_buffer);
    (void)DO(life, FreeContiguousMemorySpecifyCache, life->contiguous, 9000, CACHED);
    (void)DO(life, FreeDmaMemory, life->dma, 8192, COMBINED, life->dma_pa);
    (void)DO(life, FreeRegistryBuffer, life->registry);
    size_t first, count;
    STEP(life, storsim_adapter_remove(m, life->b.adapter, &first, &count));
    CHECK_EQ(count, 0);
}

/* One life; the plan is in `host`. False: the failure struck before there was a machine to look at. */
static bool live(const setup_t *setup) {
    life_t life = {0};
    const storsim_machine_config_t config = {.host = setup->host, .ranges = setup->ranges, .range_count = setup->range_count, .seed = 7};
    storsim_status_t status = storsim_machine_create(&config, &life.b.m);
    if (status == STORSIM_NO_MEMORY) {
        return false;
    }
    CHECK_EQ(status, STORSIM_OK);
    status = storsim_nt_boot(life.b.m, &setup->nt);
    if (status == STORSIM_OK) {
        status = storsim_storport_attach(life.b.m);
    }
    if (status != STORSIM_OK) { /* a machine half booted can only be given up */
        CHECK_EQ(status, STORSIM_NO_MEMORY);
        storsim_machine_destroy(life.b.m);
        return false;
    }
    storsim_machine_set_callback(life.b.m, listen, NULL);
    STEP(&life, storsim_adapter_add(life.b.m, &setup->adapter, &life.b.adapter));
    life.b.ext = storsim_adapter_extension(life.b.m, life.b.adapter);
    STEP(&life, storsim_callback_enter(life.b.m, life.b.adapter, STORSIM_CONTEXT_FIND_ADAPTER, NULL));
    STEP(&life, storsim_port_config_set(life.b.m, life.b.adapter, STORSIM_PC_SrbExtensionSize, 300));
    life.uncached = DO(&life, GetUncachedExtension, storsim_adapter_config_address(life.b.m, life.b.adapter), 9000).result;
    (void)DO(&life, MarkDumpMemory, life.uncached, 0, 0);
    STEP(&life, storsim_callback_leave(life.b.m));
    life.list_buffer = PARAM(DO(&life, AllocatePool, 500, TAG), 3);
    memory_calls(&life);
    list_calls(&life);
    query_calls(&life);
    device_steps(&life);
    end_calls(&life);
    for (int id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        CHECK(life.called[id]);
    }
    storsim_machine_destroy(life.b.m);
    return true;
}

static void run(bool remap, bool coherent, storsim_sg_delivery_t delivery) {
    static const storsim_range_t small[] = {{0x1000, 0x9F000, 0}, {0x100000, MIB(31), 0}}; /* a digest a step: little to go through */
    const storsim_host_t hook = FAILING_HOOK(&host);
    setup_t setup = defaults();
    setup.ranges = small;
    setup.range_count = 2;
    setup.host = &hook;
    setup.adapter.dma_remapping = remap;
    setup.adapter.coherent = coherent;
    setup.adapter.sg_delivery = delivery;
    host = (failing_host_t){0};
    CHECK(live(&setup));
    CHECK_EQ(host.live, 0);
    unsigned long total = host.requests;
    CHECK(total > 50);
    for (unsigned long at = 1; at <= total; at++) {
        host = (failing_host_t){.fail_at = at};
        (void)live(&setup);
        CHECK_EQ(host.live, 0);
    }
    printf("  %lu host allocations failed in turn\n", total);
}

int main(void) {
    run(false, true, STORSIM_SG_IMMEDIATE);
    run(true, false, STORSIM_SG_DEFERRED);
    return CHECK_DONE();
}
