/* Addresses at the end of user space, and what the trace says of a call with two outputs. Source: spec §6 V17, storsim/machine.h. */
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

int main(void) {
    user_space();
    two_outputs();
    return CHECK_PINNED(storport_test_bounds);
}
