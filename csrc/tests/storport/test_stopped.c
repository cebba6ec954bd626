/* tests/storport/test_stopped.c: what can be asked of a machine that has stopped inside a callback, and of one without
 * the port. */
#include "kit.h"

#include "machine/core.h"

static void stopped_inside(void) {
    const setup_t setup = defaults();
    bench_t b;
    CHECK_EQ(try_boot(&setup, &b), STORSIM_OK);
    const storsim_srb_config_t request = {.length = 5000, .write = true};
    const storsim_finding_t draft = {.kind = STORSIM_BUG_CHECK, .code = 0xC4};
    storsim_allocation_t block;
    uint64_t srb, cursor = 0, size, token;
    uint8_t *data;
    size_t first, leaks;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &srb), STORSIM_OK);
    CHECK(storsim_allocation_next(b.m, &cursor, &block));
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_FIND_ADAPTER, NULL), STORSIM_OK);
    CHECK_EQ(ss_stop(b.m, SS_ROOM_NT, 0, &draft), STORSIM_BUGCHECK);
    CHECK_EQ(storsim_block_export(b.m, block.block, true, &data, &size, &token), STORSIM_STOPPED);
    CHECK_EQ(storsim_callback_leave(b.m), STORSIM_STOPPED); /* it is left all the same */
    CHECK_EQ(storsim_callback_leave(b.m), STORSIM_INVALID);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_STOPPED);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &srb), STORSIM_STOPPED);
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), STORSIM_STOPPED);
    storsim_machine_destroy(b.m);
}

static void no_port(void) {
    const storsim_machine_config_t config = {.ranges = pc_ranges, .range_count = 2, .seed = 7};
    storsim_machine_t *machine;
    storsim_arg_t args[4] = {{0}};
    uint64_t result = 9;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    CHECK_EQ(storsim_storport_extended(machine, 0x7FFFFFFF, args, &result), STORSIM_INVALID);
    CHECK_EQ(result, 0);
    storsim_machine_destroy(machine);
}

int main(void) {
    stopped_inside();
    no_port();
    return CHECK_DONE();
}
