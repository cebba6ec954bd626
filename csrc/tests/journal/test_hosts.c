/* tests/journal/test_hosts.c: hosts that refuse at the edge of a block of records, at every request of a replay, a link
 * and a shrink; a machine that was replayed has no host; who looks on, and what nobody counts; findings that are only
 * worth knowing. */
#include "kit.h"

#include "machine/core.h"
#include "machine/tap.h"
#include "storsim/behaviour.h"

static uint64_t asked;
static uint8_t *view; /* bytes that the host writes while it is asked, NULL: none */
static storsim_status_t answers(void *context, storsim_callback_t *callback) {
    (void)context;
    asked++;
    if (view != NULL) {
        view[asked % 1000 * 4]++;
    }
    callback->result = 0;
    return STORSIM_OK;
}

/* --- the edge of a block ------------------------------------------------------------------------------------------ */

/* The journal's host gives no more: wherever in a call, a callback in it, a store through a view or a seal the last
 * block ends, that says NO_MEMORY or CALLBACK, and what is in the journal can be read and replayed. */
static void test_no_room(void) {
    static uint8_t filling[300];
    unsigned refused[3] = {0}, in_callback = 0;
    for (size_t filler = 0; filler < sizeof filling; filler++) {
        unsigned kind = (unsigned)(filler % 3); /* calls with a callback in which the host writes; stores and calls; seals */
        failing_host_t state = {0};
        const storsim_host_t hook = FAILING_HOOK(&state);
        const storsim_journal_options_t options = {.host = &hook};
        kit_t kit = kit_make(&options, STORSIM_RELEASE);
        uint64_t token = 0, size;
        uint32_t rule;
        uint8_t *data;
        storsim_allocation_t block;
        const storsim_fault_rule_t asks = {.kind = STORSIM_FAULT_PREDICATE, .routine = STORSIM_ID_StorPortAllocatePool, .predicate = 5};
        storsim_status_t status = STORSIM_OK;
        storsim_machine_set_callback(kit.machine, answers, NULL);
        CHECK_EQ(storsim_fault_add(kit.machine, &asks, &rule), STORSIM_OK);
        CHECK(storsim_allocation_at(kit.machine, kit_dma(&kit, 4096, &size), &block));
        CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_OK);
        CHECK_EQ(storsim_journal_note(kit.journal, "k", filling, filler), STORSIM_OK);
        asked = 0;
        view = kind == 0 ? data : NULL;
        state.persistent = 1;
        state.fail_at = 1;
        for (unsigned call = 0; status == STORSIM_OK; call++) {
            CHECK(call < 1000);
            storsim_arg_t args[] = {{.value = kit.extension, .present = true}, {.value = 100}, {.value = 0x74736554}, {.present = true}};
            uint64_t result;
            switch (kind) {
            case 0:
                status = storsim_storport_call(kit.machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool), args, &result);
                CHECK(status == STORSIM_OK || !args[3].written);
                break;
            case 1:
                data[call * 3] = (uint8_t)(call + 1);
                status = storsim_write_va(kit.machine, block.va + 4000, "x", 1);
                break;
            default: status = storsim_journal_seal(kit.journal); break;
            }
            CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY || (kind == 0 && status == STORSIM_CALLBACK));
            refused[kind] += status != STORSIM_OK;
            in_callback += status == STORSIM_CALLBACK;
        }
        view = NULL;
        state.fail_at = 0;
        CHECK_EQ(storsim_block_unexport(kit.machine, token), STORSIM_OK);
        storsim_replay_report_t report;
        CHECK_EQ(storsim_journal_replay(kit.journal, NULL, NULL, &report), STORSIM_OK);
        kit_end(&kit);
        CHECK_EQ(state.live, 0);
    }
    CHECK(refused[0] == 100 && refused[1] == 100 && refused[2] == 100 && in_callback != 0);
}

/* --- every request ------------------------------------------------------------------------------------------------ */

static kit_t short_life(const storsim_journal_options_t *options) {
    kit_t kit = kit_make(options, STORSIM_VERIFIER);
    uint8_t *bytes;
    size_t length;
    storsim_machine_set_callback(kit.machine, answers, NULL);
    uint64_t block = kit_pool(&kit, 100);
    CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(kit.machine, 5, 6), STORSIM_OK);
    CHECK_EQ(storsim_restore(kit.machine, bytes, length, NULL), STORSIM_OK);
    storsim_snapshot_free(kit.machine, bytes);
    CHECK_EQ(storsim_journal_seal(kit.journal), STORSIM_OK);
    CHECK_EQ(kit_free(&kit, block), STORSIM_OK);
    (void)kit_free(&kit, block);
    return kit;
}

static void test_every_request(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_journal_options_t options = {.host = &hook};
    kit_t kit = short_life(&options);
    for (int work = 0; work < 3; work++) {
        unsigned long refused = 0;
        storsim_status_t status = STORSIM_NO_MEMORY;
        for (unsigned long at = 1; status != STORSIM_OK && at < 3000; at++) {
            storsim_replay_report_t replay;
            storsim_shrink_report_t shrink;
            storsim_journal_links_t *links = NULL;
            storsim_journal_t *shrunk = NULL;
            const storsim_shrink_options_t few = {.budget = 1};
            long live = state.live;
            state.fail_at = state.requests + at;
            switch (work) {
            case 0: status = storsim_journal_replay(kit.journal, &hook, NULL, &replay); break;
            case 1: status = storsim_journal_link(kit.journal, &links); break;
            default: status = storsim_journal_shrink(kit.journal, &few, &shrunk, &shrink); break;
            }
            bool met = state.requests >= state.fail_at;
            state.fail_at = 0;
            CHECK(status == STORSIM_OK || (met && status == STORSIM_NO_MEMORY));
            storsim_links_destroy(links);
            storsim_journal_destroy(shrunk);
            CHECK_EQ(state.live, live);
            refused += status == STORSIM_NO_MEMORY;
            status = met ? STORSIM_NO_MEMORY : status; /* done without: on to the next */
        }
        CHECK(refused > 20);
    }
    kit_end(&kit);
    CHECK_EQ(state.live, 0);
}

/* --- a machine without a host ------------------------------------------------------------------------------------- */

static void test_nobody_answers(void) {
    kit_t kit = short_life(NULL);
    storsim_replay_report_t report;
    storsim_machine_t *machine = NULL;
    CHECK(storsim_stopped(kit.machine) != NULL);
    CHECK_EQ(storsim_journal_replay(kit.journal, NULL, &machine, &report), STORSIM_OK);
    CHECK(!report.different && machine != NULL);
    storsim_machine_destroy(machine);
    kit_end(&kit);
    kit = kit_make(NULL, STORSIM_RELEASE);
    CHECK_EQ(storsim_journal_replay(kit.journal, NULL, &machine, &report), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(machine, 5, 6), STORSIM_CALLBACK);
    storsim_machine_destroy(machine);
    kit_end(&kit);
}

/* --- who looks on ------------------------------------------------------------------------------------------------- */

static void sees(void *state, const ss_seen_call_t *seen) {
    (void)state, (void)seen;
}

static void test_looking_on(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    CHECK_EQ(storsim_behaviours_watch(kit.machine), STORSIM_OK);
    ss_observer_t *observer = ss_machine_observer(kit.machine);
    uint8_t *before = malloc(storsim_behaviour_bytes()), *after = malloc(storsim_behaviour_bytes());
    CHECK(before != NULL && after != NULL);
    CHECK_EQ(storsim_behaviours_save(kit.machine, before, storsim_behaviour_bytes()), STORSIM_OK);
    const ss_seen_call_t unknown = {.routine = 9999};
    observer->call(observer->state, &unknown); /* a routine of no table */
    observer->finding(observer->state, 0, SS_ROOM_NVME, 0); /* a room without rules of its own */
    observer->finding(observer->state, 0, SS_ROOM_NT, 60000); /* a rule nobody knows */
    CHECK_EQ(storsim_behaviours_save(kit.machine, after, storsim_behaviour_bytes()), STORSIM_OK);
    CHECK(memcmp(before, after, storsim_behaviour_bytes()) == 0);
    free(before);
    free(after);
    kit_end(&kit);
    kit = kit_make(NULL, STORSIM_RELEASE);
    ss_machine_observer(kit.machine)->call = sees; /* somebody else looks already */
    CHECK_EQ(storsim_behaviours_watch(kit.machine), STORSIM_INVALID);
    ss_machine_observer(kit.machine)->call = NULL;
    kit_end(&kit);
}

/* --- findings that break nothing ---------------------------------------------------------------------------------- */

/* A run in which only something worth knowing was found is made shorter by that; bytes that say a record has no length
 * are none. */
static void test_only_a_note(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_hda_config_t hda;
    uint32_t controller;
    uint64_t value;
    storsim_hda_config_init(&hda);
    CHECK_EQ(storsim_hda_attach(kit.machine), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(kit.machine, &hda, &controller), STORSIM_OK);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(storsim_advance(kit.machine, 100), STORSIM_OK);
    }
    CHECK_EQ(storsim_hda_mmio_read(kit.machine, controller, 3, 4, &value), STORSIM_OK); /* not aligned */
    CHECK(storsim_finding_count(kit.machine) == 1 && storsim_finding_get(kit.machine, 0)->kind == STORSIM_NOTE);
    storsim_journal_t *shrunk;
    storsim_shrink_report_t report;
    CHECK_EQ(storsim_journal_shrink(kit.journal, NULL, &shrunk, &report), STORSIM_OK);
    CHECK_EQ(report.key.kind, STORSIM_NOTE);
    CHECK(report.calls_after <= 3);
    kit_replays(shrunk);
    storsim_journal_destroy(shrunk);
    uint8_t *bytes;
    size_t length, where = 0;
    storsim_journal_t *back = NULL;
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    memset(bytes + 12, 0, 4);
    CHECK_EQ(storsim_journal_decode(NULL, bytes, length, &back, &where), STORSIM_FORMAT);
    CHECK(back == NULL && where == 12);
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

int main(void) {
    test_no_room();
    test_every_request();
    test_nobody_answers();
    test_looking_on();
    test_only_a_note();
    return CHECK_DONE();
}
