/* States of the kernel room that one byte, one view or one page more or less makes: an event's signal state, a block
 * under a single view, special pool's limit, the knob irql_table across a restore, an address at the arena's base. */
#include "fuzz/sealed.h"
#include "world.h"

#include "machine/core.h"

enum { SIGNAL_STATE = 4 }; /* offset in a KEVENT: DISPATCHER_HEADER, x64 */

/* SignalState is a LONG: the driver's own store of any byte of it counts. */
static void event_bytes(void) {
    world_t w;
    uint64_t event;
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(storsim_event_create(w.machine, &event), STORSIM_OK);
    for (uint64_t i = 0; i < 4; i++) {
        const uint8_t one = 1, zero = 0;
        CHECK(!storsim_event_signaled(w.machine, event));
        CHECK_EQ(storsim_write_va(w.machine, event + SIGNAL_STATE + i, &one, 1), STORSIM_OK);
        CHECK(storsim_event_signaled(w.machine, event));
        CHECK_EQ(storsim_write_va(w.machine, event + SIGNAL_STATE + i, &zero, 1), STORSIM_OK);
    }
    world_end(&w);
}

static void one_view(void) {
    world_t w;
    uint8_t *data;
    uint64_t size, token;
    storsim_allocation_t record;
    world_start(&w, STORSIM_RELEASE);
    for (int views = 0; views < 2; views++) {
        ss_block_id_t id = pool_get(&w, 200, TAG, STORSIM_OK);
        CHECK(storsim_allocation_at(w.machine, va_of(&w, id), &record));
        if (views == 1) {
            CHECK_EQ(storsim_block_export(w.machine, record.block, true, &data, &size, &token), STORSIM_OK);
        }
        ss_block_free(w.machine, id);
        if (views == 1) {
            data[3] = 1;
            CHECK_EQ(storsim_block_unexport(w.machine, token), STORSIM_OK);
        }
        CHECK_EQ(storsim_finding_count(w.machine), (size_t)views);
    }
    CHECK_LAST(&w, "USE_AFTER_FREE");
    world_end(&w);
}

/* Requests under a page come from special pool; a whole page is an ordinary one. */
static void special_limit(void) {
    for (uint64_t bytes = 4095; bytes <= 4096; bytes++) {
        world_t w;
        uint8_t byte;
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.verifier = STORSIM_V_POOL_TRACKING | STORSIM_V_SPECIAL_POOL;
        world_boot(&w);
        uint64_t va = va_of(&w, pool_get(&w, bytes, TAG, STORSIM_OK));
        pool_put(&w, va, STORSIM_OK);
        CHECK_EQ(storsim_read_va(w.machine, va, &byte, 1), bytes == 4095 ? STORSIM_BUGCHECK : STORSIM_OK);
        CHECK_LAST(&w, "USE_AFTER_FREE");
        CHECK_EQ(last_finding(&w)->code, bytes == 4095 ? 0xD5 : 0);
        world_end(&w);
    }
}

/* An access of the page below a block of special pool, or of the one above, is that block's overrun. */
static void beside_special(void) {
    for (int above = 0; above < 2; above++) {
        world_t w;
        uint8_t byte;
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.verifier = STORSIM_V_POOL_TRACKING | STORSIM_V_SPECIAL_POOL;
        world_boot(&w);
        uint64_t page = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)) & ~UINT64_C(4095), at = above ? page + 4096 : page - 1;
        CHECK_EQ(storsim_read_va(w.machine, at, &byte, 1), STORSIM_BUGCHECK);
        CHECK_STOP(&w, 0xD6, at, 0, 0, 0);
        world_end(&w);
    }
}

static void levels_stay(void) {
    world_t w;
    frame_t frame;
    uint8_t *bytes;
    size_t length;
    world_start(&w, STORSIM_RELEASE);
    uint16_t id = routine("StorPortAllocatePool")->id;
    CHECK_EQ(storsim_override_irql(w.machine, id, 1, 1), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    for (int restored = 0; restored < 2; restored++) {
        for (uint8_t irql = 0; irql <= 2; irql++) {
            CHECK_EQ(storsim_set_irql(w.machine, irql, NULL), STORSIM_OK);
            CHECK_EQ(ss_call_irql_ok(begin(&w, &frame, "StorPortAllocatePool", 1)), irql == 1);
            CHECK_EQ(ss_call_end(&frame.call), STORSIM_OK);
        }
        CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
        CHECK_EQ(storsim_restore(w.machine, bytes, length, NULL), STORSIM_OK);
    }
    storsim_snapshot_free(w.machine, bytes);
    world_end(&w);
}

/* The arena's first page belongs to nobody: a snapshot that puts a block there is damaged. */
static void arena_base(void) {
    world_t w;
    uint8_t *bytes, va[8], base[8];
    size_t length, where, found = 0;
    world_start(&w, STORSIM_RELEASE);
    uint64_t at = va_of(&w, contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(9000), STORSIM_OK));
    for (unsigned i = 0; i < 8; i++) {
        va[i] = (uint8_t)(at >> 8 * i);
        base[i] = (uint8_t)(STORSIM_ARENA_BASE >> 8 * i);
    }
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    for (size_t i = 0; i + 16 <= length; i++) {
        if (memcmp(bytes + i, va, 8) == 0) {
            memcpy(bytes + i, base, 8);
            found++;
        }
    }
    CHECK(found >= 1);
    sealed(bytes, length);
    CHECK_EQ(storsim_restore(w.machine, bytes, length, &where), STORSIM_FORMAT);
    storsim_snapshot_free(w.machine, bytes);
    world_end(&w);
}

/* Lateness of a deferred call is nobody's device: a rule for one device does not mean it. */
static void late_for_a_device(void) {
    for (uint32_t device = 0; device < 3; device++) {
        world_t w;
        uint32_t id, ran = 9;
        const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_LATE_DPC, .first = 1, .device = device};
        world_start(&w, STORSIM_RELEASE);
        CHECK_EQ(storsim_fault_add(w.machine, &rule, &id), STORSIM_OK);
        CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
        CHECK_EQ(ss_dpc_queue(w.machine, SS_ROOM_NT, 1, 2, 3), STORSIM_OK);
        storsim_trace_entry_t entry;
        CHECK(storsim_trace_get(w.machine, storsim_trace_count(w.machine) - 1, &entry));
        CHECK_EQ(entry.kind, STORSIM_TRACE_QUEUED);
        CHECK_EQ(entry.values[3] > storsim_now(w.machine), device == 0); /* the earliest time it may run */
        CHECK_EQ(storsim_run_dpcs(w.machine, &ran), STORSIM_OK);
        world_end(&w);
    }
}

/* A level that stays is no entry in the trace, one that changes is. */
static void traced_levels(void) {
    static const uint8_t levels[] = {0, 2, 2, 5, 5, 2, 0, 0};
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint8_t before = 0;
    for (size_t i = 0; i < sizeof levels; i++) {
        uint64_t total = storsim_trace_total(w.machine);
        CHECK_EQ(storsim_set_irql(w.machine, levels[i], NULL), STORSIM_OK);
        CHECK_EQ(storsim_trace_total(w.machine), total + (levels[i] != before));
        before = levels[i];
    }
    world_end(&w);
}

int main(void) {
    traced_levels();
    late_for_a_device();
    event_bytes();
    one_view();
    special_limit();
    beside_special();
    levels_stay();
    arena_base();
    return CHECK_PINNED(nt_test_states);
}
