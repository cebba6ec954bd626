/* tests/hdaudio/test_stopped.c: a bus driver on a stopped machine, on one without a kernel, and a recorded one that is
 * removed without asking what it left behind. */
#include "tests/hdaudio/world.h"

#include "machine/core.h"
#include "storsim/journal.h"

static void stopped(void) {
    world_config_t config = world_defaults();
    static world_t world;
    CHECK_EQ(world_try(&world, &config), STORSIM_OK);
    const storsim_finding_t draft = {.kind = STORSIM_BUG_CHECK, .code = 0xC4};
    uint64_t context;
    uint32_t ntstatus = 0;
    size_t first = 5, leaks = 5;
    CHECK_EQ(ss_stop(world.machine, SS_ROOM_NT, 0, &draft), STORSIM_BUGCHECK);
    CHECK_EQ(storsim_hdaudio_attach(world.machine, world.controller, &config.bus), STORSIM_STOPPED);
    CHECK_EQ(storsim_hdaudio_surprise_remove(world.machine, world.controller), STORSIM_STOPPED);
    CHECK_EQ(world_query_status(&world, STORSIM_TABLE_V3, 0, &context, &ntstatus), STORSIM_STOPPED);
    CHECK_EQ(ntstatus, ST(NSD));
    CHECK_EQ(storsim_hdaudio_remove(world.machine, world.controller, &first, &leaks), STORSIM_STOPPED);
    storsim_machine_destroy(world.machine);
}

static void no_kernel(void) {
    static const storsim_range_t range = {UINT64_C(1) << 20, UINT64_C(64) << 20, 0};
    const storsim_machine_config_t shape = {.ranges = &range, .range_count = 1, .seed = 1};
    world_config_t config = world_defaults();
    storsim_machine_t *machine;
    uint32_t controller;
    CHECK_EQ(storsim_machine_create(&shape, &machine), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(machine, &config.hda, &controller), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_attach(machine, controller, &config.bus), STORSIM_INVALID);
    storsim_machine_destroy(machine);
}

static void removed_unasked(void) {
    static const storsim_range_t range = {UINT64_C(1) << 20, UINT64_C(64) << 20, 0};
    const storsim_machine_config_t shape = {.ranges = &range, .range_count = 1, .seed = 1};
    world_config_t config = world_defaults();
    storsim_machine_t *machine;
    storsim_journal_t *journal;
    storsim_replay_report_t report;
    uint32_t controller;
    CHECK_EQ(storsim_machine_create(&shape, &machine), STORSIM_OK);
    CHECK_EQ(storsim_journal_create(NULL, &journal), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(journal, machine), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(machine, &config.nt), STORSIM_OK);
    CHECK_EQ(storsim_hda_attach(machine), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(machine, &config.hda, &controller), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(machine, controller, 0), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_attach(machine, controller, &config.bus), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_remove(machine, controller, NULL, NULL), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_remove(machine, controller, NULL, NULL), STORSIM_STALE);
    CHECK_EQ(storsim_journal_replay(journal, NULL, NULL, &report), STORSIM_OK);
    CHECK(!report.different);
    storsim_machine_destroy(machine);
    storsim_journal_destroy(journal);
}

int main(void) {
    stopped();
    no_kernel();
    removed_unasked();
    return CHECK_DONE();
}
