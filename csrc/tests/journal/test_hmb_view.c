/* tests/journal/test_hmb_view.c: bytes a host stores into Host Memory Buffers, which have no kernel address: a journal
 * names each by where it lies, and replays the stores into the same one. Source: DESIGN, "journal"; spec
 * storport-memory §4.5. */
#include "kit.h"

enum { BUFFERS = 3, PAGES = 2, SIZE = PAGES * 4096 };

static void buffer_of_new_adapter(const kit_t *kit) {
    storsim_adapter_config_t config;
    storsim_access_range_t ranges[1];
    uint32_t adapter;
    uint64_t result;
    storsim_adapter_config_init(&config);
    config.name = "nvme";
    config.hmb_policy = 2; /* as much as is preferred */
    CHECK_EQ(storsim_adapter_add(kit->machine, &config, &adapter), STORSIM_OK);
    storsim_arg_t args[] = {{.value = storsim_adapter_extension(kit->machine, adapter), .present = true},
                            {.value = SIZE},
                            {.value = SIZE},
                            {.value = 0},
                            {.value = 0},
                            {.value = 0},
                            {.value = UINT64_MAX},
                            {.value = 0},
                            {.present = true, .data = ranges, .count = 1},
                            {.present = true, .value = 1}};
    CHECK_EQ(storsim_storport_call(kit->machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocateHostMemoryBuffer), args, &result), STORSIM_OK);
    CHECK_EQ(result, 0);
    CHECK_EQ(ranges[0].RangeLength, SIZE);
}

int main(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    uint64_t cursor = 0, block[BUFFERS], physical[BUFFERS], tokens[BUFFERS], size;
    uint8_t *views[BUFFERS];
    uint32_t found = 0;
    storsim_allocation_t allocation;
    for (uint32_t i = 0; i < BUFFERS; i++) {
        buffer_of_new_adapter(&kit);
    }
    while (storsim_allocation_next(kit.machine, &cursor, &allocation)) {
        if (allocation.kind == STORSIM_BLOCK_HMB) {
            CHECK(found < BUFFERS && allocation.va == 0);
            physical[found] = allocation.pa;
            block[found++] = allocation.block;
        }
    }
    CHECK_EQ(found, BUFFERS);
    for (uint32_t i = BUFFERS; i-- > 0;) {
        CHECK_EQ(storsim_block_export(kit.machine, block[i], true, &views[i], &size, &tokens[i]), STORSIM_OK);
        CHECK_EQ(size, SIZE);
    }
    views[0][100] = 0xA0;
    views[1][5000] = 0xA1;
    CHECK_EQ(storsim_advance(kit.machine, 1000), STORSIM_OK);
    views[2][8191] = 0xA2;
    views[1][0] = 0xA3;
    for (uint32_t i = 0; i < BUFFERS; i++) {
        CHECK_EQ(storsim_block_unexport(kit.machine, tokens[i]), STORSIM_OK);
    }
    static const struct { uint32_t buffer, at; uint8_t value; } stored[] = {{0, 100, 0xA0}, {1, 5000, 0xA1}, {1, 0, 0xA3}, {2, 8191, 0xA2}};
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++) {
        uint8_t byte;
        CHECK_EQ(storsim_memory_read(kit.machine, physical[stored[i].buffer] + stored[i].at, &byte, 1), STORSIM_OK);
        CHECK_EQ(byte, stored[i].value);
    }
    kit_replays_twice(kit.journal);
    kit_end(&kit);
    return CHECK_DONE();
}
