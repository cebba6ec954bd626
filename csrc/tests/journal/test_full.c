/* tests/journal/test_full.c: a journal that is full: before a call with a callback, in the callback, and behind it. The
 * machine goes on as if nobody recorded, and what was kept until then is replayed. */
#include "kit.h"

static kit_t kit;
static unsigned calls_inside, callbacks;

static storsim_status_t busy(void *context, storsim_callback_t *callback) {
    (void)context;
    callbacks++;
    for (unsigned i = 0; i < calls_inside; i++) {
        CHECK_EQ(storsim_write_va(kit.machine, *(uint64_t *)context + i, "x", 1), STORSIM_OK);
    }
    callback->result = 0;
    return STORSIM_OK;
}

static void test_full(unsigned before, unsigned inside) {
    const storsim_journal_options_t options = {.memory_limit = 3000};
    const storsim_fault_rule_t asks = {.kind = STORSIM_FAULT_PREDICATE, .routine = STORSIM_ID_StorPortAllocatePool, .predicate = 5};
    uint32_t rule;
    uint64_t size, va;
    kit = kit_make(&options, STORSIM_RELEASE);
    va = kit_dma(&kit, 4096, &size);
    storsim_machine_set_callback(kit.machine, busy, &va);
    CHECK_EQ(storsim_fault_add(kit.machine, &asks, &rule), STORSIM_OK);
    for (unsigned i = 0; i < before; i++) {
        CHECK_EQ(storsim_write_va(kit.machine, va + i, "y", 1), STORSIM_OK);
    }
    calls_inside = inside;
    callbacks = 0;
    uint64_t one = kit_pool(&kit, 64), two = kit_pool(&kit, 64);
    CHECK(callbacks == 2 && one != 0 && two != 0);
    CHECK_EQ(kit_free(&kit, one), STORSIM_OK);
    CHECK_EQ(kit_free(&kit, two), STORSIM_OK);
    CHECK_EQ(storsim_journal_full(kit.journal), before + inside > 200);
    storsim_replay_report_t report;
    CHECK_EQ(storsim_journal_replay(kit.journal, NULL, NULL, &report), STORSIM_OK);
    CHECK(!report.different);
    kit_end(&kit);
}

int main(void) {
    test_full(0, 0);
    test_full(0, 1);
    test_full(300, 0);
    test_full(300, 2);
    test_full(0, 300);
    return CHECK_DONE();
}
