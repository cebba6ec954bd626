/* tests/journal/test_moments.c: what happens inside a callback, and hosts of journals that refuse there; views of
 * memory without an address of the kernel's; what is looked for before there is anything to find. */
#include "kit.h"

#include "journal/journal_i.h"

typedef struct inside {
    kit_t *kit;
    failing_host_t *state;
    uint8_t *view;
    size_t bytes;
    bool too_large, writes, refuses;
    unsigned calls;
} inside_t;

static storsim_status_t acts(void *context, storsim_callback_t *callback) {
    inside_t *inside = context;
    uint8_t byte = 0;
    inside->calls++;
    callback->result = 0;
    if (inside->too_large) {
        CHECK_EQ(storsim_memory_write(inside->kit->machine, 0x1000, &byte, (size_t)(UINT64_C(1) << 28) + 1), STORSIM_NOT_RAM);
    }
    if (inside->writes) {
        memset(inside->view, (int)inside->calls, inside->bytes);
    }
    if (inside->refuses) {
        inside->state->persistent = 1;
        inside->state->fail_at = 1;
    }
    return STORSIM_OK;
}

/* A call too large for any record, made from inside a callback, ends the recording there; the calls around it end as
 * they would. What the host wrote into a view meanwhile and cannot be kept ends it as well. */
static void test_inside(void) {
    for (int way = 0; way < 2; way++) {
        failing_host_t state = {0};
        const storsim_host_t hook = FAILING_HOOK(&state);
        const storsim_journal_options_t options = {.host = &hook};
        kit_t kit = kit_make(&options, STORSIM_RELEASE);
        inside_t inside = {.kit = &kit, .state = &state, .too_large = way == 0, .writes = way == 1, .refuses = way == 1};
        uint64_t physical, size, token, va = kit_dma(&kit, 1 << 20, &physical);
        storsim_allocation_t block;
        uint32_t rule;
        const storsim_fault_rule_t asks = {.kind = STORSIM_FAULT_PREDICATE, .routine = STORSIM_ID_StorPortAllocatePool, .predicate = 5};
        CHECK(storsim_allocation_at(kit.machine, va, &block));
        CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &inside.view, &size, &token), STORSIM_OK);
        inside.bytes = (size_t)size;
        storsim_machine_set_callback(kit.machine, acts, &inside);
        CHECK_EQ(storsim_fault_add(kit.machine, &asks, &rule), STORSIM_OK);
        CHECK(kit_pool(&kit, 100) != 0);
        CHECK_EQ(inside.calls, 1);
        state.fail_at = 0;
        CHECK(storsim_journal_full(kit.journal));
        size_t count = storsim_journal_count(kit.journal);
        CHECK(kit_pool(&kit, 100) != 0);
        CHECK_EQ(storsim_journal_count(kit.journal), count);
        storsim_replay_report_t report;
        CHECK_EQ(storsim_journal_replay(kit.journal, NULL, NULL, &report), STORSIM_OK);
        kit_end(&kit);
        CHECK_EQ(state.live, 0);
    }
}

/* A host's stores through a view that cannot be kept before a call: the call says so and does nothing, and then does. A
 * view whose copy the host refuses is not made. */
static void test_stores_refused(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_journal_options_t options = {.host = &hook};
    kit_t kit = kit_make(&options, STORSIM_RELEASE);
    uint64_t physical, size = 0, token = 0, va = kit_dma(&kit, 1 << 20, &physical);
    storsim_allocation_t block;
    uint8_t *data = NULL, byte = 0;
    CHECK(storsim_allocation_at(kit.machine, va, &block));
    state.persistent = 1;
    state.fail_at = state.requests + 2; /* the list of views, and then the copy */
    CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_NO_MEMORY);
    CHECK(data == NULL && token == 0);
    state.fail_at = 0;
    CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_OK);
    memset(data, 0x3C, (size_t)size);
    state.fail_at = 1;
    CHECK_EQ(storsim_read_va(kit.machine, va, &byte, 1), STORSIM_NO_MEMORY);
    CHECK_EQ(byte, 0);
    state.fail_at = 0;
    CHECK_EQ(storsim_read_va(kit.machine, va + size - 1, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 0x3C);
    CHECK(!storsim_journal_full(kit.journal));
    kit_replays(kit.journal);
    kit_end(&kit);
    CHECK_EQ(state.live, 0);
}

/* A piece of a host memory buffer has no address of the kernel's: its views are known by where it lies. */
static void test_by_place(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_access_range_t ranges[4];
    uint64_t result = 0, cursor = 0, size, token, physical;
    memset(ranges, 0, sizeof ranges);
    (void)kit_dma(&kit, 4096, &physical);
    for (int i = 0; i < 2; i++) {
        storsim_arg_t args[] = {{.value = kit.extension, .present = true}, {.value = 4096}, {.value = 4096}, {.value = 4096}, {.value = 4096}, {0},
                                {.value = UINT64_MAX}, {0}, {.data = ranges, .count = 4, .present = true}, {.value = 4, .present = true}};
        CHECK_EQ(storsim_storport_call(kit.machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocateHostMemoryBuffer), args, &result), STORSIM_OK);
    }
    storsim_allocation_t block;
    unsigned views = 0;
    uint8_t *data, byte = 0;
    while (storsim_allocation_next(kit.machine, &cursor, &block)) {
        if (block.va == 0) {
            CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_OK);
            data[7] = (uint8_t)++views;
            CHECK_EQ(storsim_advance(kit.machine, 1), STORSIM_OK);
            CHECK_EQ(storsim_adapter_dma_read(kit.machine, kit.adapter, block.pa + 7, &byte, 1), STORSIM_OK);
            CHECK_EQ(byte, views);
            CHECK_EQ(storsim_block_unexport(kit.machine, token), STORSIM_OK);
        }
    }
    CHECK(views != 0);
    kit_replays_twice(kit.journal);
    kit_end(&kit);
}

/* Addresses used before there is a kernel, before anything was given out, and with more MDLs around than are looked
 * through. */
static void test_nothing_to_find(void) {
    static const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, UINT64_C(0x40000000), 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 2, .seed = 7};
    storsim_machine_t *machine;
    storsim_journal_t *journal;
    storsim_journal_links_t *links = NULL;
    storsim_nt_config_t nt;
    uint8_t byte = 1;
    storsim_nt_config_init(&nt);
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    CHECK_EQ(storsim_journal_create(NULL, &journal), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(journal, machine), STORSIM_OK);
    CHECK_EQ(storsim_memory_write(machine, 0x2000, &byte, 1), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(machine, &nt), STORSIM_OK);
    CHECK(storsim_read_va(machine, UINT64_C(0xFFFFA00000001000), &byte, 1) != STORSIM_OK);
    CHECK_EQ(storsim_journal_link(journal, &links), STORSIM_OK);
    for (uint32_t record = 0; record < storsim_journal_count(journal); record++) {
        CHECK_EQ(storsim_links_get(links, record, 0, 0, 0).record, STORSIM_NO_RECORD);
    }
    storsim_links_destroy(links);
    /* The same read moved to the beginning, where no kernel is. */
    ss_host_t host;
    ss_program_t program;
    ss_host_init(&host, NULL);
    CHECK_EQ(ss_program_load(&program, &host, journal), STORSIM_OK);
    uint32_t last = program.item_count - 1;
    CHECK(strcmp(program.items[last].operation.name, "read_va") == 0);
    program.items[last - 1].next = SS_NOTHING;
    program.items[last].next = program.first;
    program.first = last;
    CHECK_EQ(ss_program_link(&program, NULL), STORSIM_OK);
    CHECK_EQ(program.ref_count, 0);
    ss_program_destroy(&program);
    CHECK_EQ(host.live_blocks, 0);
    storsim_machine_destroy(machine);
    storsim_journal_destroy(journal);
}

static uint64_t kit_mdl(const kit_t *kit, uint64_t va, uint32_t bytes) {
    storsim_arg_t args[] = {{.value = kit->extension, .present = true}, {.value = va}, {.value = bytes}, {.present = true}};
    uint64_t result = 0;
    CHECK_EQ(storsim_storport_call(kit->machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocateMdl), args, &result), STORSIM_OK);
    return args[3].value;
}

static void test_many_mdls(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    uint64_t block = kit_pool(&kit, 4000), mdls[80], result;
    uint8_t byte = 0;
    storsim_journal_links_t *links = NULL;
    for (uint32_t i = 0; i < 80; i++) {
        mdls[i] = kit_mdl(&kit, block + i, 8);
    }
    for (uint32_t i = 0; i < 80; i += 3) {
        storsim_arg_t args[] = {{.value = kit.extension, .present = true}, {.value = mdls[i]}};
        CHECK_EQ(storsim_storport_call(kit.machine, storsim_ddi_routine(STORSIM_ID_StorPortFreeMdl), args, &result), STORSIM_OK);
    }
    CHECK(storsim_stopped(kit.machine) == NULL);
    CHECK_EQ(storsim_read_va(kit.machine, block + 5, &byte, 1), STORSIM_OK); /* inside the block */
    (void)storsim_read_va(kit.machine, UINT64_C(0xFFFFB00000001000), &byte, 1); /* inside nothing */
    CHECK_EQ(storsim_journal_link(kit.journal, &links), STORSIM_OK);
    uint32_t last = (uint32_t)storsim_journal_count(kit.journal) - 2;
    CHECK_EQ(storsim_links_get(links, last, 0, 0, 0).record, STORSIM_NO_RECORD);
    storsim_links_destroy(links);
    kit_end(&kit);
}

/* Each piece of memory of a link refused once. */
static void test_link_refused(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_journal_options_t options = {.host = &hook};
    kit_t kit = kit_make(&options, STORSIM_RELEASE);
    uint64_t physical, va = kit_dma(&kit, 4096, &physical);
    storsim_arg_t args[] = {{.value = kit.extension, .present = true}, {.value = va}, {.value = 4096}, {.value = 1}, {.value = physical}};
    uint64_t result;
    CHECK_EQ(storsim_storport_call(kit.machine, storsim_ddi_routine(STORSIM_ID_StorPortFreeDmaMemory), args, &result), STORSIM_OK);
    uint64_t blocks[20];
    for (int i = 0; i < 20; i++) {
        blocks[i] = kit_pool(&kit, 100);
    }
    for (int i = 0; i < 20; i++) { /* two references each: the list of them grows in between */
        CHECK_EQ(kit_free(&kit, blocks[i]), STORSIM_OK);
    }
    unsigned long refused = 0;
    storsim_status_t status = STORSIM_NO_MEMORY;
    for (unsigned long at = 1; status != STORSIM_OK; at++) {
        storsim_journal_links_t *links = NULL;
        long live = state.live;
        state.persistent = 1;
        state.fail_at = state.requests + at;
        status = storsim_journal_link(kit.journal, &links);
        state.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        storsim_links_destroy(links);
        CHECK_EQ(state.live, live);
        refused += status != STORSIM_OK;
    }
    CHECK(refused > 20);
    kit_end(&kit);
    CHECK_EQ(state.live, 0);
}

/* Adapters, controllers and bus drivers without a configuration, and an adapter with a name longer than names are: recorded, refused, and refused again. */
static void test_refused_hardware(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_adapter_config_t config;
    uint32_t number = 77;
    storsim_adapter_config_init(&config);
    CHECK_EQ(storsim_adapter_add(kit.machine, NULL, &number), STORSIM_INVALID);
    config.name = "an adapter with a name of sixty-four bytes, which is one too many";
    CHECK(strlen(config.name) >= 64);
    CHECK_EQ(storsim_adapter_add(kit.machine, &config, &number), STORSIM_INVALID);
    config.name = "";
    CHECK_EQ(storsim_adapter_add(kit.machine, &config, &number), STORSIM_OK);
    storsim_hda_config_t chip;
    storsim_hda_config_init(&chip);
    CHECK_EQ(storsim_hda_add(kit.machine, NULL, &number), STORSIM_INVALID);
    CHECK_EQ(storsim_hda_add(kit.machine, &chip, &number), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_attach(kit.machine, number, NULL), STORSIM_INVALID);
    CHECK_EQ(storsim_journal_seal(kit.journal), STORSIM_OK);
    kit_replays(kit.journal);
    kit_end(&kit);
}

int main(void) {
    test_inside();
    test_stores_refused();
    test_by_place();
    test_nothing_to_find();
    test_many_mdls();
    test_link_refused();
    test_refused_hardware();
    return CHECK_DONE();
}
