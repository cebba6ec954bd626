/* Addresses at the end of user space, and what the trace says of a call with two outputs. Source: spec §6 V17,
 * storsim/machine.h. */
#include "kit.h"

static void user_space(void) {
    for (uint64_t at = STORSIM_USER_END; at <= STORSIM_USER_END + 1; at++) {
        bench_t b = boot_default();
        find_adapter(&b, 0);
        outcome_t out = CALL(&b, MarkDumpMemory, at, 16, 0);
        if (at == STORSIM_USER_END) {
            CHECK_EQ(out.status, STORSIM_BUGCHECK);
            CHECK_STOPPED2(&b, 0xC4, 0xE0, at);
        } else {
            EXPECT(out, S(SUCCESS));
            CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 1);
            leave(&b);
        }
        done(&b);
    }
}

static void two_outputs(void) {
    bench_t b = boot_default();
    storsim_trace_entry_t call, outputs;
    outcome_t out = dma(&b, 8192, 0, ALL, 0, CACHED, ANY);
    size_t count = storsim_trace_count(b.m);
    CHECK(storsim_trace_get(b.m, count - 1, &call) && storsim_trace_get(b.m, count - 2, &outputs));
    CHECK(call.kind == STORSIM_TRACE_CALL && outputs.kind == STORSIM_TRACE_OUTPUTS);
    CHECK(outputs.values[0] == PARAM(out, 7) && outputs.values[1] == PARAM(out, 8) && outputs.values[2] == 0);
    CHECK(call.values[0] == S(SUCCESS) && call.values[1] == 8192 && call.values[3] == PARAM(out, 7));
    uint64_t one = pool(&b, 100); /* a single output stands in the call's own entry */
    count = storsim_trace_count(b.m);
    CHECK(storsim_trace_get(b.m, count - 1, &call) && storsim_trace_get(b.m, count - 2, &outputs));
    CHECK(call.kind == STORSIM_TRACE_CALL && outputs.kind != STORSIM_TRACE_OUTPUTS);
    CHECK(call.values[1] == 100 && call.values[2] == TAG && call.values[3] == one);
    done(&b);
}

/* What was written behind a block that was never freed is found when its adapter goes. */
static void overrun_at_the_end(void) {
    for (int way = 0; way < 2; way++) {
        bench_t b = boot_level(STORSIM_RELEASE);
        const uint8_t byte = 1;
        uint64_t va = way == 0 ? dma_va(&b, 5000) : pool(&b, 40);
        CHECK_EQ(storsim_write_va(b.m, va + (way == 0 ? 5000 : 40), &byte, 1), STORSIM_OK);
        forget(&b);
        size_t first, leaks;
        CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), STORSIM_OK);
        CHECK_EQ(found(&b, "OVERRUN"), 1);
        done(&b);
    }
}

/* The port frees the common buffer itself, so that what was written behind it stops the machine then. */
static void overrun_of_the_common_buffer(void) {
    for (int damaged = 0; damaged < 2; damaged++) {
        bench_t b = boot_default();
        const uint8_t byte = 1;
        size_t first, leaks;
        find_adapter(&b, 64);
        uint64_t va = uncached(&b, 5000);
        CHECK(va != 0);
        leave(&b);
        CHECK_EQ(storsim_write_va(b.m, va + 5000 - (damaged ? 0 : 1), &byte, 1), STORSIM_OK);
        CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), damaged ? STORSIM_BUGCHECK : STORSIM_OK);
        if (damaged) {
            CHECK_STOPPED(&b, 0xE6, 0x0F);
        }
        done(&b);
    }
}

/* Callbacks on several CPUs end in any order. */
static void callbacks_end(void) {
    setup_t setup = defaults();
    setup.nt.cpus = 3;
    static const storsim_context_t contexts[3] = {STORSIM_CONTEXT_FIND_ADAPTER, STORSIM_CONTEXT_INITIALIZE, STORSIM_CONTEXT_PASSIVE_INITIALIZE};
    for (uint32_t leaves = 0; leaves < 3; leaves++) {
        bench_t b = boot(&setup);
        for (uint32_t cpu = 0; cpu < 3; cpu++) {
            CHECK_EQ(storsim_set_cpu(b.m, cpu), STORSIM_OK);
            CHECK_EQ(storsim_callback_enter(b.m, b.adapter, contexts[cpu], NULL), STORSIM_OK);
        }
        CHECK_EQ(storsim_set_cpu(b.m, leaves), STORSIM_OK);
        leave(&b);
        for (uint32_t cpu = 0; cpu < 3; cpu++) {
            uint32_t adapter = 0;
            CHECK_EQ(storsim_set_cpu(b.m, cpu), STORSIM_OK);
            CHECK_EQ(storsim_callback_current(b.m, &adapter), cpu == leaves ? STORSIM_CONTEXT_NONE : contexts[cpu]);
            if (cpu != leaves) {
                leave(&b);
            }
        }
        done(&b);
    }
}

int main(void) {
    overrun_of_the_common_buffer();
    callbacks_end();
    overrun_at_the_end();
    user_space();
    two_outputs();
    return CHECK_PINNED(storport_test_bounds);
}
