/* tests/journal/test_long.c: a program that is longer than one piece of the memory it is read into, and a machine of
 * many ranges: each piece may be the one that the host refuses, whatever was to be put there. */
#include "kit.h"

enum { RANGES = 2000, CALLS = 4000 };

static void test_refused_pieces(void) {
    static storsim_range_t ranges[RANGES];
    for (unsigned i = 0; i < RANGES; i++) {
        ranges[i] = (storsim_range_t){UINT64_C(0x100000) + UINT64_C(0x4000) * i, 0x2000, 0};
    }
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_journal_options_t options = {.host = &hook};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = RANGES, .seed = 7};
    storsim_machine_t *machine, *replayed = NULL;
    storsim_journal_t *journal;
    storsim_replay_report_t report;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    CHECK_EQ(storsim_journal_create(&options, &journal), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(journal, machine), STORSIM_OK);
    for (uint64_t i = 0; i < CALLS; i++) {
        uint8_t byte[40] = {(uint8_t)i};
        size_t count = (size_t)(i * 7 % 40);
        CHECK_EQ(i % 3 == 0 ? storsim_memory_write(machine, 0x100000 + i, byte, count) : storsim_advance(machine, i), STORSIM_OK);
    }
    CHECK_EQ(storsim_journal_seal(journal), STORSIM_OK);
    unsigned refused = 0;
    for (unsigned long at = 1; at < 60; at++) {
        long live = state.live;
        state.fail_at = state.requests + at;
        storsim_status_t status = storsim_journal_replay(journal, &hook, NULL, &report);
        bool met = state.requests >= state.fail_at;
        state.fail_at = 0;
        CHECK_EQ(status, met ? STORSIM_NO_MEMORY : STORSIM_OK);
        CHECK_EQ(state.live, live);
        refused += met;
    }
    CHECK(refused > 20);
    CHECK_EQ(storsim_journal_replay(journal, NULL, &replayed, &report), STORSIM_OK);
    CHECK(!report.different);
    uint64_t one = 0, two = 0;
    CHECK_EQ(storsim_digest(machine, &one), STORSIM_OK);
    CHECK_EQ(storsim_digest(replayed, &two), STORSIM_OK);
    CHECK_EQ(one, two);
    storsim_machine_destroy(replayed);
    storsim_machine_destroy(machine);
    storsim_journal_destroy(journal);
    CHECK_EQ(state.live, 0);
}

int main(void) {
    test_refused_pieces();
    return CHECK_DONE();
}
