/* tests/journal/test_unbooted.c: every public function that needs a booted machine, called on one that was never
 * booted: it says so, and nothing has changed. The same for the rooms above a kernel that is there, where they were
 * never attached. Recorded and replayed too. */
#include "kit.h"

#include "storsim/behaviour.h"

#define NOWHERE (STORSIM_ARENA_BASE + 0x5000)

static void levels(storsim_machine_t *machine) {
    uint8_t old = 0x5A;
    uint32_t ran = 0x5A;
    storsim_verifier_counters_t counters;
    memset(&counters, 0x5A, sizeof counters);
    CHECK(storsim_nt_config(machine) == NULL);
    CHECK_EQ(storsim_override_irql(machine, STORSIM_ID_StorPortAllocatePool, 0, 2), STORSIM_INVALID);
    CHECK_EQ(storsim_override_first_os(machine, STORSIM_ID_StorPortAllocatePool, 0x06000000), STORSIM_INVALID);
    CHECK_EQ(storsim_verify_guards(machine), STORSIM_INVALID);
    storsim_verifier_counters(machine, &counters);
    CHECK_EQ(counters.special_pool_live | counters.special_pool_fallbacks | counters.low_resources_failed, 0);
    CHECK_EQ(counters.systematic_paths | counters.systematic_failed, 0);
    CHECK_EQ(storsim_irql(machine), 0);
    CHECK_EQ(storsim_cpu(machine), 0);
    CHECK_EQ(storsim_set_cpu(machine, 0), STORSIM_INVALID);
    CHECK_EQ(storsim_set_irql(machine, 2, &old), STORSIM_INVALID);
    CHECK_EQ(storsim_run_dpcs(machine, &ran), STORSIM_INVALID);
    CHECK_EQ(storsim_connect_interrupt(machine, 1, 5, 1, 1), STORSIM_INVALID);
    CHECK_EQ(storsim_queue_dpc(machine, 1, 1), STORSIM_INVALID);
    CHECK_EQ(old, 0x5A);
}

static void kernel_memory(storsim_machine_t *machine) {
    uint64_t address = 0x5A, cursor = 0, size = 0x5A;
    uint8_t bytes[8] = {0x5A}, *data = bytes;
    storsim_allocation_t allocation;
    CHECK_EQ(storsim_event_create(machine, &address), STORSIM_INVALID);
    CHECK_EQ(storsim_event_destroy(machine, NOWHERE), STORSIM_INVALID);
    CHECK_EQ(storsim_event_set(machine, NOWHERE), STORSIM_INVALID);
    CHECK_EQ(storsim_event_clear(machine, NOWHERE), STORSIM_INVALID);
    CHECK(!storsim_event_signaled(machine, NOWHERE));
    CHECK_EQ(storsim_read_va(machine, NOWHERE, bytes, sizeof bytes), STORSIM_INVALID);
    CHECK_EQ(storsim_write_va(machine, NOWHERE, bytes, sizeof bytes), STORSIM_INVALID);
    CHECK_EQ(storsim_read_va(machine, 0, bytes, 0), STORSIM_INVALID);
    CHECK_EQ(storsim_physical(machine, NOWHERE), 0);
    CHECK(!storsim_allocation_next(machine, &cursor, &allocation));
    cursor = 1;
    CHECK(!storsim_allocation_next(machine, &cursor, &allocation));
    CHECK(!storsim_allocation_at(machine, NOWHERE, &allocation));
    CHECK(!storsim_allocation_extent(machine, UINT64_C(0x100000001), 0, &address, &size));
    CHECK_EQ(storsim_block_export(machine, UINT64_C(0x100000001), true, &data, &size, &address), STORSIM_INVALID);
    CHECK_EQ(storsim_block_export(machine, UINT64_C(0x100000001), false, &data, &size, &address), STORSIM_INVALID);
    CHECK_EQ(storsim_block_unexport(machine, 1), STORSIM_INVALID);
    CHECK_EQ(storsim_kernel_memory_create(machine, STORSIM_BLOCK_PAGEABLE, 4096, &address), STORSIM_INVALID);
    CHECK_EQ(storsim_kernel_memory_destroy(machine, NOWHERE), STORSIM_INVALID);
    CHECK(address == 0x5A && size == 0x5A && data == bytes && bytes[0] == 0x5A);
}

static void adapters(storsim_machine_t *machine) {
    uint64_t value = 0x5A;
    uint32_t number = 0x5A;
    uint8_t bytes[8] = {0x5A};
    size_t first = 0x5A, leaks = 0x5A;
    storsim_dump_mark_t mark;
    const storsim_srb_config_t request = {.length = 4096};
    storsim_adapter_config_t config;
    storsim_adapter_config_init(&config);
    config.name = "hba";
    CHECK_EQ(storsim_adapter_add(machine, &config, &number), STORSIM_INVALID);
    CHECK_EQ(storsim_adapter_remove(machine, 1, &first, &leaks), STORSIM_STALE);
    CHECK_EQ(storsim_adapter_extension(machine, 1), 0);
    CHECK_EQ(storsim_adapter_config_address(machine, 1), 0);
    CHECK(!storsim_adapter_live(machine, 1));
    CHECK_EQ(storsim_adapter_device(machine, 1), 0);
    CHECK_EQ(storsim_adapter_count(machine), 0);
    CHECK_EQ(storsim_adapter_at(machine, NOWHERE), 0);
    CHECK(storsim_adapter_get_config(machine, 1) == NULL);
    CHECK_EQ(storsim_port_config_get(machine, 1, STORSIM_PC_Length, &value), STORSIM_STALE);
    CHECK_EQ(storsim_port_config_set(machine, 1, STORSIM_PC_Length, 1), STORSIM_STALE);
    CHECK_EQ(storsim_callback_enter(machine, 1, STORSIM_CONTEXT_FIND_ADAPTER, NULL), STORSIM_STALE);
    CHECK_EQ(storsim_callback_leave(machine), STORSIM_INVALID);
    CHECK_EQ(storsim_callback_current(machine, NULL), STORSIM_CONTEXT_NONE);
    CHECK_EQ(storsim_srb_create(machine, 1, &request, &value), STORSIM_STALE);
    CHECK(!storsim_adapter_dump_mark(machine, 1, 0, &mark));
    CHECK_EQ(storsim_adapter_dma_read(machine, 1, 0x1000, bytes, sizeof bytes), STORSIM_STALE);
    CHECK_EQ(storsim_adapter_dma_write(machine, 1, 0x1000, bytes, sizeof bytes), STORSIM_STALE);
    CHECK_EQ(storsim_adapter_flush(machine, 1, NOWHERE, 8, true), STORSIM_STALE);
    CHECK_EQ(storsim_store_fence(machine), STORSIM_OK);
    CHECK(value == 0x5A && number == 0x5A && first == 0x5A && leaks == 0x5A && bytes[0] == 0x5A);
}

static void requests(storsim_machine_t *machine) {
    uint64_t value = 0x5A;
    uint32_t count = 1;
    storsim_srb_info_t request;
    storsim_sg_element_t element;
    storsim_mdl_info_t mdl;
    CHECK_EQ(storsim_srb_complete(machine, NOWHERE), STORSIM_STALE);
    CHECK(!storsim_srb_get(machine, NOWHERE, &request));
    CHECK_EQ(storsim_sg_elements(machine, NOWHERE, &element, &count), STORSIM_STALE);
    CHECK_EQ(storsim_mdl_get(machine, NOWHERE, &mdl), STORSIM_STALE);
    CHECK_EQ(storsim_mdl_page(machine, NOWHERE, 0, &value), STORSIM_STALE);
    CHECK(value == 0x5A && count == 1);
}

/* Every routine of both families. */
static void routines(storsim_machine_t *machine) {
    size_t count;
    const storsim_routine_t *table = storsim_ddi_table(&count);
    for (size_t i = 0; i < count; i++) {
        storsim_arg_t args[STORSIM_MAX_ARGS] = {{.value = NOWHERE}};
        uint64_t result = 0x5A;
        if (table[i].family == STORSIM_F_STORPORT) {
            CHECK_EQ(storsim_storport_call(machine, &table[i], args, &result), STORSIM_INVALID);
            CHECK_EQ(storsim_storport_extended(machine, table[i].function_code, args, &result), STORSIM_INVALID);
        } else {
            CHECK_EQ(storsim_hdaudio_call(machine, NOWHERE, &table[i], args, &result), STORSIM_INVALID);
        }
    }
}

static void audio(storsim_machine_t *machine) {
    uint64_t handle = 0x5A;
    uint32_t cursor = 0, used = 0x5A, status = 0x5A;
    size_t count, first = 0x5A, leaks = 0x5A;
    const storsim_hdaudio_table_t *table = storsim_hdaudio_tables(&count);
    storsim_hdaudio_interface_t interface;
    storsim_engine_info_t engine;
    storsim_hdaudio_entry_t entry;
    storsim_hdaudio_config_t config;
    storsim_hdaudio_config_init(&config);
    CHECK_EQ(storsim_hdaudio_attach(machine, 1, &config), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_remove(machine, 1, &first, &leaks), STORSIM_STALE);
    CHECK_EQ(storsim_hdaudio_surprise_remove(machine, 1), STORSIM_STALE);
    CHECK(storsim_hdaudio_get_config(machine, 1) == NULL);
    CHECK_EQ(storsim_hdaudio_query(machine, 1, table->guid, table->size_x64, table->version, 0, &interface, &status), STORSIM_STALE);
    CHECK(!storsim_hdaudio_engine(machine, NOWHERE, &engine));
    CHECK(!storsim_hdaudio_engine_next(machine, 1, &cursor, &handle));
    CHECK_EQ(storsim_hdaudio_bdl(machine, NOWHERE, 0, &entry), STORSIM_STALE);
    CHECK(!storsim_hdaudio_bandwidth(machine, 1, UINT32_MAX, &used, &used));
    CHECK_EQ(storsim_hdaudio_references(machine, NOWHERE), 0);
    CHECK_EQ(storsim_hdaudio_fdo_references(machine, NOWHERE), 0);
    CHECK(!storsim_hdaudio_started(machine, 1, &used));
    CHECK_EQ(status, (uint32_t)STORSIM_HDAUDIO_NO_SUCH_DEVICE);
    CHECK(handle == 0x5A && first == 0x5A && leaks == 0x5A && used == 0x5A);
}

static storsim_machine_t *bare(void) {
    static const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, UINT64_C(0x1000000), 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 2, .seed = 7};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

static void walk(storsim_machine_t *machine, bool booted) {
    uint64_t before, after;
    CHECK_EQ(storsim_digest(machine, &before), STORSIM_OK);
    if (!booted) {
        levels(machine);
        kernel_memory(machine);
        CHECK_EQ(storsim_storport_attach(machine), STORSIM_INVALID);
        CHECK_EQ(storsim_hdaudio_prepare(machine), STORSIM_INVALID);
        CHECK_EQ(storsim_behaviours_watch(machine), STORSIM_INVALID);
    }
    adapters(machine);
    requests(machine);
    routines(machine);
    audio(machine);
    CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
    CHECK_EQ(before, after);
    CHECK_EQ(storsim_finding_count(machine), 0);
}

/* The functions of the hardware rooms need no kernel: a controller is there, and a bus driver is not. */
static void beside_a_controller(void) {
    uint32_t controller;
    storsim_machine_t *machine = bare();
    storsim_hda_config_t config;
    storsim_hda_config_init(&config);
    CHECK_EQ(storsim_hda_add(machine, &config, &controller), STORSIM_OK);
    CHECK_EQ(controller, 1);
    CHECK_EQ(storsim_codec_add_ideal(machine, controller, 0), STORSIM_OK);
    walk(machine, false);
    CHECK_EQ(storsim_hda_register_write(machine, controller, "GCTL", 1), STORSIM_OK);
    CHECK_EQ(storsim_advance(machine, 500 * 100), STORSIM_OK);
    storsim_machine_destroy(machine);
}

static void recorded(void) {
    uint64_t event;
    kit_t kit = kit_unbooted(NULL);
    walk(kit.machine, false);
    CHECK_EQ(storsim_nt_boot(kit.machine, NULL), STORSIM_OK);
    walk(kit.machine, true);
    CHECK_EQ(storsim_event_create(kit.machine, &event), STORSIM_OK);
    kit_replays_twice(kit.journal);
    kit_end(&kit);
}

static void plain(void) {
    uint64_t event;
    storsim_machine_t *machine = bare();
    walk(machine, false);
    CHECK_EQ(storsim_nt_boot(machine, NULL), STORSIM_OK);
    walk(machine, true);
    CHECK_EQ(storsim_event_create(machine, &event), STORSIM_OK);
    storsim_machine_destroy(machine);
}

int main(void) {
    plain();
    beside_a_controller();
    recorded();
    return CHECK_DONE();
}
