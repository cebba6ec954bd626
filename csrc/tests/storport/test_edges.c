/* The edges of the Storport room: machines without it, host callbacks that fail, states that cannot come about,
 * addresses at the ends. */
#include "kit.h"

#include "storport/room.h"

/* --- a machine without a port ------------------------------------------------------------------------------------- */

static void test_without_a_port(void) {
    const storsim_range_t ranges[] = {{0x1000, 0x100000, 0}};
    const storsim_machine_config_t machine = {.ranges = ranges, .range_count = 1};
    storsim_adapter_config_t config;
    storsim_srb_info_t srb;
    storsim_dump_mark_t mark;
    storsim_sg_element_t element;
    storsim_machine_t *m;
    uint32_t number = 77, count = 1;
    uint64_t result = 5, va;
    size_t first, leaks;
    storsim_adapter_config_init(&config);
    for (int booted = 0; booted < 2; booted++) {
        number = 77;
        CHECK_EQ(storsim_machine_create(&machine, &m), STORSIM_OK);
        if (booted) {
            CHECK_EQ(storsim_nt_boot(m, NULL), STORSIM_OK);
        } else {
            CHECK_EQ(storsim_storport_attach(m), STORSIM_INVALID);
        }
        CHECK_EQ(storsim_adapter_add(m, &config, &number), STORSIM_INVALID);
        CHECK_EQ(number, 77);
        CHECK(storsim_adapter_count(m) == 0 && storsim_adapter_at(m, 5) == 0 && !storsim_adapter_live(m, 1));
        CHECK(storsim_adapter_extension(m, 1) == 0 && storsim_adapter_device(m, 1) == 0 && storsim_adapter_get_config(m, 1) == NULL);
        CHECK(!storsim_srb_get(m, 0x1000, &srb) && !storsim_adapter_dump_mark(m, 1, 0, &mark));
        CHECK_EQ(storsim_callback_current(m, &number), STORSIM_CONTEXT_NONE);
        CHECK_EQ(storsim_callback_current(m, NULL), STORSIM_CONTEXT_NONE);
        CHECK(storsim_callback_leave(m) != STORSIM_OK);
        CHECK_EQ(storsim_sg_elements(m, 0x1000, &element, &count), STORSIM_STALE);
        CHECK(storsim_adapter_remove(m, 1, &first, &leaks) != STORSIM_OK);
        CHECK(storsim_srb_create(m, 1, &(storsim_srb_config_t){.length = 4}, &va) != STORSIM_OK);
        storsim_arg_t args[STORSIM_MAX_PARAMS] = {{0}};
        CHECK_EQ(storsim_storport_call(m, storsim_ddi_routine(STORSIM_ID_StorPortGetCurrentIrql), args, &result), STORSIM_INVALID);
        CHECK_EQ(storsim_storport_extended(m, 0, args, &result), STORSIM_INVALID);
        storsim_machine_destroy(m);
    }
}

/* --- calls that are none ------------------------------------------------------------------------------------------ */

static void test_calls_that_are_none(void) {
    bench_t b = boot_default();
    uint64_t result = 5;
    storsim_arg_t args[STORSIM_MAX_PARAMS] = {{0}};
    const storsim_routine_t *pool_row = storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool);
    const storsim_routine_t copy = *pool_row, nameless = {.id = 0};
    size_t rows;
    const storsim_routine_t *table = storsim_ddi_table(&rows);
    CHECK_EQ(storsim_storport_call(b.m, NULL, args, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_storport_call(b.m, &copy, args, &result), STORSIM_INVALID); /* not the table's own row */
    CHECK_EQ(storsim_storport_call(b.m, &nameless, args, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_storport_call(b.m, &table[rows - 1], args, &result), STORSIM_INVALID); /* HD Audio's */
    CHECK_EQ(storsim_storport_call(b.m, pool_row, NULL, &result), STORSIM_INVALID);
    CHECK_EQ(storsim_storport_extended(b.m, -5, args, &result), STORSIM_OK); /* a code no routine has is answered as documented */
    CHECK_EQ(storsim_context_find(NULL), STORSIM_CONTEXT_NONE);
    CHECK(strcmp(storsim_context_name(STORSIM_CONTEXT_NONE), "") == 0 && strcmp(storsim_context_name(STORSIM_CONTEXT_COUNT), "") == 0);
    uint64_t value;
    CHECK_EQ(storsim_port_config_get(b.m, b.adapter, (storsim_port_config_field_t)-1, &value), STORSIM_INVALID);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, (storsim_port_config_field_t)-1, 1), STORSIM_INVALID);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_COUNT, 1), STORSIM_INVALID);
    CHECK_EQ(storsim_port_config_set(b.m, 77, STORSIM_PC_Length, 1), STORSIM_STALE);
    CHECK_EQ(storsim_mdl_get(b.m, 0x1000, &(storsim_mdl_info_t){0}), STORSIM_STALE);
    CHECK_EQ(storsim_mdl_page(b.m, 0x1000, 0, &value), STORSIM_STALE);
    uint32_t number;
    storsim_adapter_config_t config;
    storsim_adapter_config_init(&config);
    CHECK_EQ(storsim_adapter_add(b.m, NULL, &number), STORSIM_INVALID);
    config.name = NULL;
    CHECK_EQ(storsim_adapter_add(b.m, &config, &number), STORSIM_OK);
    CHECK(strcmp(storsim_adapter_get_config(b.m, number)->name, "") == 0);
    config.ucx_alignment = 17;
    CHECK_EQ(storsim_adapter_add(b.m, &config, &number), STORSIM_INVALID);
    config.ucx_alignment = 16;
    config.sg_delivery = (storsim_sg_delivery_t)-1;
    CHECK_EQ(storsim_adapter_add(b.m, &config, &number), STORSIM_INVALID);
    done(&b);
}

/* Where a member of PORT_CONFIGURATION_INFORMATION may be set: in HwStorFindAdapter of this adapter, nowhere else. */
static void test_port_config_moments(void) {
    bench_t b = boot_default();
    storsim_adapter_config_t config;
    uint32_t other;
    storsim_adapter_config_init(&config);
    config.name = "other";
    CHECK_EQ(storsim_adapter_add(b.m, &config, &other), STORSIM_OK);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_SrbExtensionSize, 8), STORSIM_OK);
    CHECK_EQ(found(&b, "BAD_CONTEXT"), 1);
    CHECK_EQ(storsim_callback_enter(b.m, other, STORSIM_CONTEXT_FIND_ADAPTER, NULL), STORSIM_OK);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_SrbExtensionSize, 8), STORSIM_OK);
    CHECK_EQ(found(&b, "BAD_CONTEXT"), 2);
    leave(&b);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_INITIALIZE, NULL), STORSIM_OK);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_SrbExtensionSize, 8), STORSIM_OK);
    CHECK_EQ(found(&b, "BAD_CONTEXT"), 3);
    leave(&b);
    done(&b);
}

/* --- the host program fails inside a fault plan's question -------------------------------------------------------- */

static storsim_status_t refuse(void *host, storsim_callback_t *callback) {
    (void)host;
    return callback->kind == STORSIM_CB_FAULT_PREDICATE ? STORSIM_INVALID : STORSIM_OK;
}

static void test_predicate_fails(void) {
    setup_t setup = defaults();
    setup.callback = refuse;
    bench_t b = boot(&setup);
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 7};
    uint64_t big = pool(&b, 9000), mdl = PARAM(CALL(&b, AllocateMdl, big, 9000), 3), list = pool(&b, 400);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    const storsim_srb_config_t request = {.length = 20000, .fragments = 3};
    uint64_t srb;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &srb), STORSIM_OK);
    find_adapter(&b, 300);
    uint32_t id;
    uint64_t before = free_bytes(&b);
    CHECK_EQ(storsim_fault_add(b.m, &rule, &id), STORSIM_OK);
    CHECK_EQ(CALL(&b, AllocatePool, 100, TAG).status, STORSIM_CALLBACK);
    CHECK_EQ(dma(&b, 4096, 0, ALL, 0, CACHED, ANY).status, STORSIM_CALLBACK);
    CHECK_EQ(contig(&b, 4096, 0, ALL, 0, CACHED, ANY).status, STORSIM_CALLBACK);
    CHECK_EQ(CALL(&b, AllocateMdl, big, 9000).status, STORSIM_CALLBACK);
    CHECK_EQ(CALL(&b, AllocateRegistryBuffer, 4096).status, STORSIM_CALLBACK);
    CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 8}).status, STORSIM_CALLBACK);
    CHECK_EQ(CALL(&b, GetUncachedExtension, storsim_adapter_config_address(b.m, b.adapter), 9000).status, STORSIM_CALLBACK);
    leave(&b);
    CHECK_EQ(CALL(&b, GetSystemAddress, srb).status, STORSIM_CALLBACK);
    CHECK_EQ(storsim_fault_remove(b.m, id), STORSIM_OK);
    level(&b, 2);
    CHECK_EQ(storsim_fault_add(b.m, &rule, &id), STORSIM_OK);
    CHECK_EQ(CALL(&b, BuildScatterGatherList, mdl, big, 9000, 1, 2, 1, list, 400).status, STORSIM_CALLBACK);
    CHECK_EQ(storsim_fault_remove(b.m, id), STORSIM_OK);
    level(&b, 0);
    CHECK_EQ(free_bytes(&b), before);
    EXPECT(CALL(&b, AllocatePool, 100, TAG), S(SUCCESS));
    done(&b);
}

/* --- the host program allocates inside a fault plan's question ---------------------------------------------------- */

typedef struct asking {
    bench_t *bench;
    unsigned failures; /* injected before the question is answered */
} asking_t;

static storsim_status_t allocate_first(void *host, storsim_callback_t *callback) {
    asking_t *asking = host;
    for (unsigned i = 0; callback->kind == STORSIM_CB_FAULT_PREDICATE && i < asking->failures; i++) {
        CHECK_EQ(CALL(asking->bench, AllocatePool, 100, TAG + 1).result, S(INSUFFICIENT_RESOURCES));
    }
    callback->result = 1;
    return STORSIM_OK;
}

/* Each injected failure has its record, also when those of the question's own calls came first and took all room there
 * was. */
static void test_predicate_allocates(void) {
    for (unsigned failures = 0; failures < 40; failures++) {
        bench_t b = boot_default();
        asking_t asking = {&b, failures};
        storsim_machine_set_callback(b.m, allocate_first, &asking);
        const storsim_fault_rule_t ask = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 7, .match_tag = true, .tag = TAG};
        const storsim_fault_rule_t every = {.kind = STORSIM_FAULT_RANGE, .first = 1, .last = 100, .match_tag = true, .tag = TAG + 1};
        uint32_t asks, fails;
        CHECK_EQ(storsim_fault_add(b.m, &ask, &asks), STORSIM_OK);
        CHECK_EQ(storsim_fault_add(b.m, &every, &fails), STORSIM_OK);
        EXPECT(CALL(&b, AllocatePool, 100, TAG), S(INSUFFICIENT_RESOURCES));
        CHECK_EQ(storsim_injected_count(b.m), failures + 1);
        for (unsigned i = 0; i <= failures; i++) {
            const storsim_injected_t *injected = storsim_injected_get(b.m, i);
            CHECK_EQ(injected->id, i + 1);
            CHECK_EQ(injected->rule, i < failures ? fails : asks);
            CHECK_EQ(injected->ordinal, i < failures ? i + 1 : 1);
        }
        done(&b);
    }
}

/* Found by fuzzing: what a routine looked up before the question is looked up again behind it. The question does the same call first, or
 * completes the request that the routine is about. */
typedef struct meddling {
    bench_t *bench;
    uint64_t request; /* to be completed, 0: none */
    uint64_t bytes;   /* of an uncached extension to be taken, 0: a registry buffer */
    uint64_t got;
    bool done;
} meddling_t;

static storsim_status_t meddle(void *host, storsim_callback_t *callback) {
    meddling_t *m = host;
    if (callback->kind == STORSIM_CB_FAULT_PREDICATE && !m->done) {
        const uint64_t config = storsim_adapter_config_address(m->bench->m, m->bench->adapter);
        m->done = true;
        if (m->request != 0) {
            CHECK_EQ(storsim_srb_complete(m->bench->m, m->request), STORSIM_OK);
        } else if (m->bytes != 0) {
            m->got = CALL(m->bench, GetUncachedExtension, config, m->bytes).result;
        } else {
            m->got = CALL(m->bench, AllocateRegistryBuffer, 300).result;
        }
    }
    return STORSIM_OK;
}

static void test_predicate_meddles(void) {
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 7};
    bench_t b = boot_default();
    meddling_t m = {.bench = &b};
    uint32_t id;
    const storsim_srb_config_t request = {.length = 20000, .fragments = 3};
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &m.request), STORSIM_OK);
    storsim_machine_set_callback(b.m, meddle, &m);
    CHECK_EQ(storsim_fault_add(b.m, &rule, &id), STORSIM_OK);
    EXPECT(CALL(&b, GetSystemAddress, m.request), S(INVALID_PARAMETER));
    CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 1);
    m = (meddling_t){.bench = &b};
    CHECK_EQ(CALL(&b, AllocateRegistryBuffer, 100).result, 0); /* one at a time */
    CHECK(m.done && m.got != 0);
    CALL(&b, FreeRegistryBuffer, m.got);
    find_adapter(&b, 300);
    const uint64_t config = storsim_adapter_config_address(b.m, b.adapter);
    m = (meddling_t){.bench = &b, .bytes = 5000};
    CHECK_EQ(CALL(&b, GetUncachedExtension, config, 4000).result, m.got);
    CHECK(m.done && m.got != 0);
    CHECK_EQ(found(&b, "UNCACHED_SHORT"), 0);
    leave(&b);
    CHECK_EQ(storsim_fault_remove(b.m, id), STORSIM_OK);
    done(&b);
}

/* --- whose callback, which processor ------------------------------------------------------------------------------ */

static void test_frames(void) {
    setup_t setup = defaults();
    setup.nt.cpus = 2;
    setup.adapter.full_duplex = false;
    bench_t b = boot(&setup);
    storsim_adapter_config_t config;
    uint32_t other, virtual_one, number = 0;
    storsim_adapter_config_init(&config);
    config.full_duplex = false;
    config.name = "other";
    CHECK_EQ(storsim_adapter_add(b.m, &config, &other), STORSIM_OK);
    config.virtual_miniport = true;
    config.name = "virtual";
    CHECK_EQ(storsim_adapter_add(b.m, &config, &virtual_one), STORSIM_OK);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_FIND_ADAPTER, "sideways"), STORSIM_INVALID);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_BUILD_IO, NULL), STORSIM_OK);
    CHECK_EQ(storsim_set_cpu(b.m, 1), STORSIM_OK);
    CHECK_EQ(storsim_callback_enter(b.m, other, STORSIM_CONTEXT_BUILD_IO, NULL), STORSIM_OK);
    CHECK_EQ(storsim_set_cpu(b.m, 0), STORSIM_OK);
    CHECK_EQ(storsim_callback_current(b.m, &number), STORSIM_CONTEXT_BUILD_IO);
    CHECK_EQ(number, b.adapter);
    leave(&b);
    CHECK_EQ(storsim_callback_current(b.m, &number), STORSIM_CONTEXT_NONE);
    CHECK_EQ(storsim_set_cpu(b.m, 1), STORSIM_OK);
    leave(&b);
    /* StartIo of a half-duplex miniport holds the interrupt lock: pool of this adapter may not be asked for there. */
    forget(&b);
    CHECK_EQ(storsim_callback_enter(b.m, other, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    (void)CALL(&b, AllocatePool, 100, TAG);
    CHECK_EQ(found(&b, "SpNoWait"), 0); /* another adapter's callback */
    leave(&b);
    CHECK_EQ(storsim_callback_enter(b.m, virtual_one, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    b.ext = storsim_adapter_extension(b.m, virtual_one);
    EXPECT(CALL(&b, AllocatePool, 100, TAG), S(SUCCESS));
    CHECK_EQ(found(&b, "SpNoWait"), 0); /* a virtual miniport runs at DISPATCH_LEVEL */
    leave(&b);
    done(&b);
}

/* Knob not_implemented_writes: outputs are cleared by a routine the version does not have. */
static void test_not_implemented(void) {
    for (int writes = 0; writes < 2; writes++) {
        setup_t setup = defaults();
        setup.nt.os = 0x06010000;
        setup.nt.not_implemented_writes = writes != 0;
        bench_t b = boot(&setup);
        outcome_t out = dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
        CHECK_EQ(out.status, STORSIM_OK);
        CHECK_EQ(out.result, S(NOT_IMPLEMENTED));
        CHECK_EQ(PARAM(out, 7), writes ? 0 : UNTOUCHED);
        done(&b);
    }
    setup_t setup = defaults();
    storsim_group_affinity_t mask = {.Mask = 5};
    bench_t b = boot(&setup);
    outcome_t out = prepare(&b, STORSIM_ID_StorPortGetNodeAffinity, VALUES(9));
    out.a[2].data = &mask;
    out.a[2].count = 0; /* there is no room behind the pointer */
    perform(&b, STORSIM_ID_StorPortGetNodeAffinity, &out);
    CHECK(out.result != S(SUCCESS));
    CHECK_EQ(mask.Mask, 5);
    done(&b);
}

/* Without a quarantine a removed adapter's extension is another's soon: the newest is meant. */
static void test_extension_used_again(void) {
    setup_t setup = defaults();
    setup.nt.quarantine = 0;
    bench_t b = boot(&setup);
    size_t first, leaks;
    uint32_t last = b.adapter;
    CHECK_EQ(storsim_adapter_at(b.m, 0), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(storsim_adapter_remove(b.m, last, &first, &leaks), STORSIM_OK);
        CHECK_EQ(storsim_adapter_at(b.m, b.ext), last);
        CHECK_EQ(storsim_adapter_add(b.m, &setup.adapter, &last), STORSIM_OK);
        b.ext = storsim_adapter_extension(b.m, last);
        CHECK_EQ(storsim_adapter_at(b.m, b.ext), last);
    }
    done(&b);
}

static void test_stopped(void) {
    bench_t b = boot_default();
    uint64_t va = pool(&b, 100), result = 9;
    uint8_t byte;
    storsim_arg_t args[STORSIM_MAX_PARAMS] = {{0}};
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    CHECK_EQ(CALL(&b, FreePool, va).status, STORSIM_BUGCHECK);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_Length, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_storport_extended(b.m, -5, args, &result), STORSIM_STOPPED);
    CHECK_EQ(result, 0);
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, 0x1000, &byte, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_adapter_add(b.m, &(storsim_adapter_config_t){0}, &(uint32_t){0}), STORSIM_INVALID);
    size_t first, leaks;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), STORSIM_STOPPED);
    CHECK_EQ(storsim_srb_complete(b.m, 5), STORSIM_STOPPED);
    storsim_machine_destroy(b.m);
}

/* --- addresses there and back ------------------------------------------------------------------------------------- */

static void test_translation(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_RELEASE;
    bench_t b = boot(&setup);
    storsim_adapter_config_t config;
    uint32_t other;
    storsim_adapter_config_init(&config);
    config.name = "other";
    CHECK_EQ(storsim_adapter_add(b.m, &config, &other), STORSIM_OK);
    find_adapter(&b, 300);
    uint64_t area = uncached(&b, 9000), mine = b.ext;
    CHECK(area != 0);
    leave(&b);
    uint64_t physical = CALL(&b, GetPhysicalAddress, 0, area).result;
    CHECK_EQ(CALL(&b, GetVirtualAddress, physical + 5).result, area + 5);
    forget(&b);
    CHECK_EQ(CALL(&b, GetVirtualAddress, physical - 1).result, 0);
    CHECK_EQ(CALL(&b, GetVirtualAddress, physical + 9000).result, 0);
    CHECK_EQ(violations(&b), 2);
    /* Another adapter's: told, translated, and no way back through this one. */
    b.ext = storsim_adapter_extension(b.m, other);
    forget(&b);
    CHECK_EQ(CALL(&b, GetPhysicalAddress, 0, area).result, physical);
    CHECK_EQ(violations(&b), 1);
    CHECK_EQ(CALL(&b, GetVirtualAddress, physical).result, 0);
    b.ext = mine;
    /* Both buffers of a bidirectional request, and the bytes around them. */
    const storsim_srb_config_t request = {.length = 20000, .fragments = 3, .data_in_length = 5000};
    uint64_t srb, in;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &srb), STORSIM_OK);
    in = PARAM(CALL(&b, GetDataInBufferSystemAddress, srb), 2);
    forget(&b);
    CHECK(CALL(&b, GetPhysicalAddress, srb, in + 4999).result != 0);
    CHECK_EQ(violations(&b), 0);
    CHECK_EQ(CALL(&b, GetPhysicalAddress, srb, in + 5000).result, 0);
    CHECK_EQ(violations(&b), 1);
    done(&b);
}

/* Which list, which adapter: the second of two is meant. */
static void test_the_other_one(void) {
    setup_t setup = defaults();
    setup.callback = refuse;
    setup.nt.level = STORSIM_RELEASE; /* whose memory a device may touch is not the question here */
    bench_t b = boot(&setup);
    storsim_adapter_config_t config;
    uint32_t other, status = 99;
    storsim_adapter_config_init(&config);
    config.name = "other";
    CHECK_EQ(storsim_adapter_add(b.m, &config, &other), STORSIM_OK);
    uint64_t big = pool(&b, 9000), mdl = PARAM(CALL(&b, AllocateMdl, big, 9000), 3), first = pool(&b, 400), second = pool(&b, 400);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    level(&b, 2);
    EXPECT(CALL(&b, BuildScatterGatherList, mdl, big, 9000, 1, 2, 1, first, 400), S(SUCCESS));
    EXPECT(CALL(&b, BuildScatterGatherList, mdl, big, 4000, 1, 2, 1, second, 400), S(SUCCESS));
    storsim_sg_element_t element;
    uint32_t count = 1;
    CHECK_EQ(storsim_sg_elements(b.m, second, &element, &count), STORSIM_OK);
    CHECK(count >= 1 && element.Length <= 4000);
    EXPECT(CALL(&b, PutScatterGatherList, second, 1), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, first, 1), S(SUCCESS));
    /* What a DPC was queued for is gone, or is none of this room's: nothing happens. */
    CHECK_EQ(ss_dpc_queue(b.m, SS_ROOM_STORPORT, SS_DPC_SG, 999, 0), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(b.m, SS_ROOM_STORPORT, 77, 1, 0), STORSIM_OK);
    level(&b, 0);
    CHECK_EQ(violations(&b), 0);
    /* A controller on the other adapter, and one on a device that no adapter has: only the first has an owner to
     * tell. */
    const storsim_nvme_identify_t identify = {.hmpre = 1024};
    const uint32_t no_entries[5] = {1, 256, 0x100000, 0, 0}, far[5] = {1, 256, 0x100000, 0, 1};
    ss_device_t lonely;
    uint8_t entry[16] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 1};
    CHECK_EQ(storsim_memory_write(b.m, 0x100000, entry, sizeof entry), STORSIM_OK);
    CHECK_EQ(ss_bus_add_device(b.m, false, true, &lonely), STORSIM_OK);
    CHECK_EQ(storsim_nvme_attach(b.m, storsim_adapter_device(b.m, other), &identify), STORSIM_OK);
    CHECK_EQ(storsim_nvme_attach(b.m, lonely, &identify), STORSIM_OK);
    CHECK_EQ(storsim_nvme_set_features(b.m, lonely, 0x0D, no_entries, &status), STORSIM_OK);
    CHECK_EQ(storsim_nvme_set_features(b.m, lonely, 0x0D, far, &status), STORSIM_OK);
    CHECK_EQ(violations(&b), 0);
    CHECK_EQ(storsim_nvme_set_features(b.m, storsim_adapter_device(b.m, other), 0x0D, no_entries, &status), STORSIM_OK);
    CHECK_EQ(found(&b, "HMB_ENTRIES"), 1);
    done(&b);
}

/* --- device space ------------------------------------------------------------------------------------------------- */

/* An IOMMU's address space below a limit is used up before memory is. */
static void test_device_space_ends(void) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    uint64_t got = 0, before = 0, result = 0;
    for (int i = 0; i < 64 && result == 0; i++) {
        before = free_bytes(&b);
        outcome_t out = dma(&b, 0x4000, 0, 0x3FFFF, 0, CACHED, ANY);
        CHECK_EQ(out.status, STORSIM_OK);
        result = out.result;
        got += result == 0;
        CHECK(result != 0 || PARAM(out, 8) + 0x4000 <= 0x40000);
    }
    CHECK(got >= 1 && result == S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(free_bytes(&b), before);
    done(&b);
}

/* The device's own loads and stores of its buffer: raised at strict, and nothing where there is no memory. */
static void test_device_moves(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_STRICT;
    bench_t b = boot(&setup);
    uint32_t device = storsim_adapter_device(b.m, b.adapter), status;
    const storsim_nvme_identify_t identify = {.hmpre = 1024};
    uint8_t entry[16] = {0}, byte = 1;
    CHECK_EQ(storsim_nvme_attach(b.m, device, &identify), STORSIM_OK);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 8});
    CHECK_EQ(hmb.result, S(SUCCESS));
    outcome_t out = dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
    for (int i = 0; i < 8; i++) {
        entry[i] = (uint8_t)(hmb.ranges[0].RangeStart >> (8 * i));
    }
    entry[9] = 1; /* 256 pages */
    CHECK_EQ(storsim_write_va(b.m, PARAM(out, 7), entry, sizeof entry), STORSIM_OK);
    const uint32_t on[5] = {1, 256, (uint32_t)PARAM(out, 8), (uint32_t)(PARAM(out, 8) >> 32), 1};
    CHECK_EQ(storsim_nvme_set_features(b.m, device, 0x0D, on, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, hmb.ranges[0].RangeStart, &byte, 1), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(b.m, hmb.ranges[0].RangeStart + 9, "x", 1), STORSIM_OK);
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, hmb.ranges[0].RangeStart, &byte, 1), STORSIM_VIOLATION); /* someone else wrote there */
    done(&b);
    /* A descriptor beyond memory: the controller's access finds nothing. */
    b = boot_default();
    device = storsim_adapter_device(b.m, b.adapter);
    CHECK_EQ(storsim_nvme_attach(b.m, device, &identify), STORSIM_OK);
    out = dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
    memset(entry, 0, sizeof entry);
    entry[5] = 1; /* 1 TiB */
    entry[9] = 1;
    CHECK_EQ(storsim_write_va(b.m, PARAM(out, 7), entry, sizeof entry), STORSIM_OK);
    const uint32_t far[5] = {1, 256, (uint32_t)PARAM(out, 8), (uint32_t)(PARAM(out, 8) >> 32), 1};
    CHECK_EQ(storsim_nvme_set_features(b.m, device, 0x0D, far, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, UINT64_C(1) << 40, &byte, 1), STORSIM_NOT_RAM);
    done(&b);
}

/* --- states that cannot come about -------------------------------------------------------------------------------- */

typedef struct whole {
    bench_t b;
    uint32_t other;
    uint64_t srb, mdl, list;
} whole_t;

static whole_t make_whole(void) {
    setup_t setup = defaults();
    setup.adapter.sg_delivery = STORSIM_SG_DEFERRED;
    setup.callback = refuse;
    whole_t w = {.b = boot(&setup)};
    storsim_adapter_config_t config;
    storsim_adapter_config_init(&config);
    config.name = "other";
    CHECK_EQ(storsim_adapter_add(w.b.m, &config, &w.other), STORSIM_OK);
    find_adapter(&w.b, 300);
    CHECK(uncached(&w.b, 9000) != 0);
    (void)CALL(&w.b, AllocateRegistryBuffer, 4096);
    CHECK_EQ(hmb_take(&w.b, &(hmb_args_t){.preferred = MIB(1), .count = 8}).result, S(SUCCESS));
    leave(&w.b);
    const storsim_srb_config_t request = {.length = 20000, .fragments = 3, .data_in_length = 5000};
    CHECK_EQ(storsim_srb_create(w.b.m, w.b.adapter, &request, &w.srb), STORSIM_OK);
    (void)CALL(&w.b, GetScatterGatherList, w.srb);
    uint64_t big = pool(&w.b, 9000);
    w.list = pool(&w.b, 400);
    w.mdl = PARAM(CALL(&w.b, AllocateMdl, big, 9000), 3);
    EXPECT(CALL(&w.b, BuildMdlForNonPagedPool, w.mdl), S(SUCCESS));
    level(&w.b, 2);
    EXPECT(CALL(&w.b, BuildScatterGatherList, w.mdl, big, 9000, 1, 2, 1, w.list, 400), S(SUCCESS));
    level(&w.b, 0);
    CHECK_EQ(storsim_callback_enter(w.b.m, w.other, STORSIM_CONTEXT_TIMER, NULL), STORSIM_OK);
    return w;
}

/* What is spoilt, whether the check names it, whether a snapshot of it is refused. */
static const struct { const char *text; bool refused; } ways[] = {
    {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true},
    {"storport: an adapter lost its device extension", true}, {"storport: an adapter lost its configuration", true},
    {"storport: an uncached extension is gone", true}, {"storport: a registry buffer is gone", true},
    {"storport: a host memory buffer is gone", true}, {"storport: the ranges of a host memory buffer do not add up", true},
    {"storport: map registers in use do not match the lists", true}, {"storport: a request lost its SRB", true},
    {"storport: a request lost its data buffer", true}, {"storport: a request lost its MDL", true},
    {"storport: an adapter lost its device extension", true}, {"storport: an adapter lost its device extension", true},
    {"storport: an adapter lost its device extension", true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}, {NULL, false}};

static void spoil(ss_port_t *port, size_t way) {
    ss_adapter_t *adapter = port->adapters[0];
    switch (way) {
    case 0: adapter->config.hmb_utilization_divisor = 0; break;
    case 1: adapter->config.dirql = 16; break;
    case 2: adapter->config.ucx_alignment = 17; break;
    case 3: port->adapters[1]->number = 0; break;
    case 4: port->adapters[1]->number = adapter->number; break;
    case 5: port->srbs[0]->adapter = 99; break;
    case 6: port->lists[0]->adapter = 99; break;
    case 7: port->frames[0].context = STORSIM_CONTEXT_COUNT; break;
    case 8: port->frames[0].irql = 16; break;
    case 9: adapter->extension_block = 60000; break;
    case 10: adapter->config_block = adapter->extension_block; break; /* another kind */
    case 11: adapter->uncached = adapter->registry; break;
    case 12: adapter->registry = 60000; break;
    case 13: adapter->hmb = adapter->registry; break;
    case 14: adapter->hmb_ranges[0].RangeLength += 4096; break;
    case 15: adapter->map_registers_used++; break;
    case 16: port->srbs[0]->block = 60000; break;
    case 17: port->srbs[0]->data.block = 60000; break;
    case 18: port->srbs[0]->data.mdl = 60000; break;
    case 19: adapter->extension_block = port->adapters[1]->extension_block; break; /* another's */
    case 20: adapter->extension_block = 0; break;
    case 21: adapter->extension_block = adapter->hmb; break;
    case 22: adapter->hmb = 0; break;
    case 23: port->lists[0]->runs.mapped = true; break;
    case 24: port->frames[0].context = 255; break;
    case 25: port->adapters[0]->number = 98; break;
    default: break;
    }
}

static void test_spoilt(void) {
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        whole_t w = make_whole();
        uint8_t *good, *bad;
        size_t good_length, bad_length, where = 0;
        uint64_t before, after;
        char text[100] = "", brief[10] = "";
        ss_port_t *port = ss_port(w.b.m);
        CHECK_EQ(storsim_check(w.b.m, NULL, 0), 0);
        CHECK_EQ(storsim_snapshot(w.b.m, &good, &good_length), STORSIM_OK);
        ss_run_t *list = port->lists[0]->runs.list;
        uint32_t count = port->lists[0]->runs.count;
        if (way == 23) {
            port->lists[0]->runs.list = NULL; /* said to be mapped, and not there */
            port->lists[0]->runs.count = 0;
        }
        spoil(port, way);
        size_t broken = storsim_check(w.b.m, text, sizeof text);
        CHECK_EQ(storsim_check(w.b.m, NULL, 0), broken);
        CHECK_EQ(storsim_check(w.b.m, brief, sizeof brief), broken);
        CHECK(strncmp(brief, text, sizeof brief - 1) == 0);
        CHECK_EQ(storsim_check(w.b.m, brief, 0), broken);
        if (ways[way].text != NULL) {
            CHECK(broken != 0);
            if (strcmp(text, ways[way].text) != 0) {
                fprintf(stderr, "way %zu: %s\n", way, text);
            }
            CHECK(strcmp(text, ways[way].text) == 0);
        }
        CHECK_EQ(storsim_snapshot(w.b.m, &bad, &bad_length), STORSIM_OK);
        port->lists[0]->runs.list = list;
        port->lists[0]->runs.count = count;
        CHECK_EQ(storsim_restore(w.b.m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_digest(w.b.m, &before), STORSIM_OK);
        storsim_status_t status = storsim_restore(w.b.m, bad, bad_length, &where);
        if ((status == STORSIM_FORMAT) != ways[way].refused) {
            fprintf(stderr, "way %zu: %s\n", way, storsim_status_name(status));
        }
        CHECK_EQ(status, ways[way].refused ? STORSIM_FORMAT : STORSIM_OK);
        if (ways[way].refused) {
            CHECK_EQ(storsim_digest(w.b.m, &after), STORSIM_OK);
            CHECK_EQ(after, before);
        }
        CHECK_EQ(storsim_restore(w.b.m, good, good_length, NULL), STORSIM_OK);
        storsim_snapshot_free(w.b.m, good);
        storsim_snapshot_free(w.b.m, bad);
        done(&w.b);
    }
}

/* Restoring on a host that refuses, allocation by allocation. */
static void test_restore_refused(void) {
    static failing_host_t host;
    const storsim_host_t hook = FAILING_HOOK(&host);
    setup_t setup = defaults();
    setup.host = &hook;
    bench_t b = boot(&setup);
    const storsim_srb_config_t request = {.length = 20000, .fragments = 3};
    uint64_t srb, before, after;
    uint8_t *bytes;
    size_t length;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &srb), STORSIM_OK);
        (void)CALL(&b, GetScatterGatherList, srb);
    }
    CHECK_EQ(storsim_snapshot(b.m, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
    storsim_status_t status = STORSIM_NO_MEMORY;
    unsigned long at;
    for (at = 1; status == STORSIM_NO_MEMORY; at++) {
        host.requests = 0;
        host.fail_at = at;
        status = storsim_restore(b.m, bytes, length, NULL);
        host.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
        CHECK_EQ(after == before, status == STORSIM_NO_MEMORY);
    }
    CHECK(at > 20);
    storsim_snapshot_free(b.m, bytes);
    done(&b);
    CHECK_EQ(host.live, 0);
}

int main(void) {
    test_without_a_port();
    test_calls_that_are_none();
    test_port_config_moments();
    test_predicate_fails();
    test_predicate_allocates();
    test_predicate_meddles();
    test_frames();
    test_not_implemented();
    test_extension_used_again();
    test_stopped();
    test_translation();
    test_the_other_one();
    test_device_space_ends();
    test_device_moves();
    test_spoilt();
    test_restore_refused();
    return CHECK_DONE();
}
