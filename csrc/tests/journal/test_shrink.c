/* tests/journal/test_shrink.c: a long failing journal shrinks to its core. */
#include "kit.h"

#include <time.h>

static size_t removable_calls(storsim_journal_t *journal) {
    storsim_journal_cursor_t *cursor;
    storsim_record_t record;
    bool end = false;
    size_t calls = 0;
    CHECK_EQ(storsim_journal_open(journal, &cursor), STORSIM_OK);
    for (;;) {
        CHECK_EQ(storsim_journal_next(cursor, &record, &end), STORSIM_OK);
        if (end) {
            break;
        }
        calls += record.kind == STORSIM_RECORD_CALL && (record.operation.flags & STORSIM_OP_SETUP) == 0;
    }
    storsim_journal_close(cursor);
    return calls;
}

/* Pool and DMA memory in random order, levels, time; nothing wrong in it. */
static void noise(const kit_t *kit, uint32_t calls, uint64_t seed) {
    uint64_t held[32] = {0}, physical;
    for (uint32_t i = 0; i < calls; i++) {
        uint64_t draw = kit_random(&seed), slot = draw % 32;
        if (draw % 7 == 0) {
            CHECK_EQ(storsim_advance(kit->machine, draw % 1000), STORSIM_OK);
        } else if (draw % 11 == 0) {
            uint64_t va = kit_dma(kit, 4096, &physical);
            CHECK_EQ(storsim_write_va(kit->machine, va + 8, "noise", 5), STORSIM_OK);
        } else if (held[slot] == 0) {
            held[slot] = kit_pool(kit, (uint32_t)(draw % 5000 + 1));
        } else {
            CHECK_EQ(kit_free(kit, held[slot]), STORSIM_OK);
            held[slot] = 0;
        }
    }
}

/* Five calls that matter: the adapter, two blocks, a store through the second past its end, and its free. */
static void test_five_of_two_thousand(void) {
    kit_t kit = kit_make(NULL, STORSIM_VERIFIER);
    uint8_t bytes[600];
    memset(bytes, 0xA5, sizeof bytes);
    noise(&kit, 700, 1);
    uint64_t address = kit_pool(&kit, 500);
    noise(&kit, 600, 2);
    CHECK_EQ(storsim_advance(kit.machine, 77), STORSIM_OK);
    storsim_status_t status = storsim_write_va(kit.machine, address + 100, bytes, 300);
    CHECK_EQ(status, STORSIM_OK);
    noise(&kit, 680, 3);
    CHECK_EQ(kit_free(&kit, address), STORSIM_OK);
    status = kit_free(&kit, address); /* twice */
    CHECK(storsim_stopped(kit.machine) != NULL || status == STORSIM_VIOLATION || storsim_finding_count(kit.machine) != 0);
    CHECK(storsim_journal_calls(kit.journal) >= 1900);
    storsim_journal_t *shrunk;
    storsim_shrink_report_t report;
    clock_t start = clock();
    CHECK_EQ(storsim_journal_shrink(kit.journal, NULL, &shrunk, &report), STORSIM_OK);
    printf("  %lu calls to %lu with %lu candidates in %.3f s\n", (unsigned long)report.calls_before, (unsigned long)report.calls_after,
           (unsigned long)report.tried, (double)(clock() - start) / CLOCKS_PER_SEC);
    CHECK(report.minimal);
    CHECK_EQ(report.calls_after, 4); /* adapter, block, free, free */
    CHECK_EQ(removable_calls(shrunk), 4);
    kit_replays(shrunk);
    storsim_machine_t *machine;
    storsim_replay_report_t replay;
    CHECK_EQ(storsim_journal_replay(shrunk, NULL, &machine, &replay), STORSIM_OK);
    storsim_finding_key_t key = storsim_finding_key(storsim_finding_get(machine, storsim_finding_count(machine) - 1));
    CHECK(storsim_finding_key_equal(&key, &report.key));
    storsim_machine_destroy(machine);
    storsim_journal_destroy(shrunk);
    kit_end(&kit);
}

int main(void) {
    test_five_of_two_thousand();
    return CHECK_DONE();
}
