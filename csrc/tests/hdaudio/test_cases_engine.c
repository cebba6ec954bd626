/* Conformance cases 1 to 50 of spec hdaudio-dma §10, by number. Engine allocation, buffers, stream states, bandwidth.
 */
#include "tests/hdaudio/cases.h"

static world_t *controller(uint8_t in, uint8_t out, uint8_t both, uint8_t lines, unsigned codecs) {
    world_config_t config = world_defaults();
    config.hda.capture = in;
    config.hda.render = out;
    config.hda.bidirectional = both;
    config.hda.sdo_lines = lines;
    config.codecs = codecs;
    return world_make(&config);
}

static uint32_t used(const world_t *w, uint32_t codec) {
    uint32_t bits = 0, capacity = 0;
    CHECK(storsim_hdaudio_bandwidth(w->machine, w->controller, codec, &bits, &capacity));
    CHECK(bits <= capacity);
    return bits;
}

CASE(01) {
    START;
    uint64_t h = 0;
    uint16_t converter = 0;
    CHECK_EQ(render(w, c, stereo(), 0, &h, &converter), 0);
    CHECK(h != 0);
    CHECK_EQ(converter, 0x0011);
    CHECK_EQ(state(w, h), STORSIM_ENGINE_R0);
    END;
}

CASE(02) {
    START;
    uint64_t h = 0;
    CHECK_EQ(capture(w, c, 0, stereo(), &h), 0);
    CHECK_EQ(state(w, h), STORSIM_ENGINE_R0);
    CHECK(engine(w, h).capture);
    END;
}

CASE(03) {
    START;
    uint64_t h[4];
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(render(w, c, stereo(), 0, &h[i], NULL), 0);
    }
    uint64_t before = world_digest(w);
    CHECK_EQ(render(w, c, stereo(), 0, NULL, NULL), ST(IR));
    CHECK_EQ(world_digest(w), before);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(state(w, h[i]), STORSIM_ENGINE_R0);
    }
    END;
}

CASE(04) {
    world_t *w = controller(0, 1, 1, 1, 1);
    uint64_t h;
    CHECK_EQ(render(w, w->context, stereo(), 0, &h, NULL), 0);
    CHECK(!engine(w, h).bidirectional);
    CHECK_EQ(render(w, w->context, stereo(), 0, &h, NULL), 0);
    CHECK(engine(w, h).bidirectional);
    CHECK_EQ(engine(w, h).stream_id, 15);
    END;
}

CASE(05) {
    world_t *w = controller(0, 1, 1, 1, 1);
    CHECK_EQ(render(w, w->context, stereo(), 0, NULL, NULL), 0);
    CHECK_EQ(render(w, w->context, stereo(), 0, NULL, NULL), 0);
    CHECK_EQ(capture(w, w->context, 0, stereo(), NULL), ST(IR));
    END;
}

CASE(06) {
    START;
    CHECK_EQ(capture(w, c, 4, stereo(), NULL), ST(IP));
    CHECK_EQ(capture(w, c, 3, stereo(), NULL), 0); /* in range, no codec there: only the line is reserved */
    END;
}

CASE(07) {
    START;
    uint64_t before = world_digest(w);
    CHECK_EQ(render(w, c, fmt(47999, 16, 16, 2), 0, NULL, NULL), ST(IP));
    CHECK_EQ(world_digest(w), before);
    END;
}

CASE(08) {
    START;
    CHECK_EQ(render(w, c, fmt(48000, 16, 16, 0), 0, NULL, NULL), ST(IP));
    CHECK_EQ(render(w, c, fmt(48000, 16, 16, 17), 0, NULL, NULL), ST(IP));
    CHECK_EQ(render(w, c, fmt(48000, 16, 16, 16), 0, NULL, NULL), 0);
    END;
}

CASE(09) {
    START;
    storsim_stream_format_t f = stereo();
    storsim_arg_t args[] = {{.data = &f, .count = 1, .present = true}, IN_(0), NULL_, OUT_};
    uint64_t before = world_digest(w);
    CHECK_EQ(call(w, c, STORSIM_ID_AllocateRenderDmaEngine, args), ST(IP));
    CHECK(!args[3].written);
    CHECK_EQ(world_digest(w), before);
    CHECK_EQ(used(w, UINT32_MAX), 0);
    END;
}

CASE(10) {
    START;
    CHECK_EQ(render(w, c, fmt(192000, 32, 32, 8), 0, NULL, NULL), ST(BTS));
    END;
}

CASE(11) {
    START;
    uint64_t h;
    CHECK_EQ(render(w, c, fmt(192000, 24, 32, 8), 0, &h, NULL), 0);
    CHECK_EQ(used(w, UINT32_MAX), 768);
    CHECK_EQ(render(w, c, fmt(192000, 24, 32, 8), 0, NULL, NULL), ST(IR));
    CHECK_EQ(state(w, h), STORSIM_ENGINE_R0);
    CHECK_EQ(used(w, UINT32_MAX), 768);
    END;
}

CASE(12) {
    world_t *w = controller(4, 4, 0, 2, 1);
    storsim_stream_format_t f = fmt(192000, 24, 32, 8);
    uint64_t h;
    CHECK_EQ(render(w, w->context, f, 1, &h, NULL), 0);
    CHECK(engine(w, h).striped);
    CHECK_EQ(used(w, UINT32_MAX), 384);
    CHECK_EQ(render(w, w->context, f, 1, NULL, NULL), 0);
    CHECK_EQ(render(w, w->context, f, 1, NULL, NULL), ST(IR));
    END;
}

CASE(13) {
    START;
    CHECK_EQ(render(w, c, stereo(), 1, NULL, NULL), ST(IP));
    CHECK_EQ(render(w, c, stereo(), 255, NULL, NULL), ST(IP)); /* any nonzero value is TRUE */
    END;
}

CASE(14) {
    world_t *w = controller(4, 4, 0, 1, 3);
    CHECK_EQ(capture(w, w->context, 0, fmt(96000, 24, 32, 8), NULL), 0);
    CHECK_EQ(used(w, 0), 394);
    CHECK_EQ(capture(w, w->context, 1, fmt(96000, 24, 32, 8), NULL), 0);
    CHECK_EQ(capture(w, w->context, 0, fmt(48000, 24, 32, 2), NULL), 0);
    CHECK_EQ(used(w, 0), 452);
    CHECK_EQ(capture(w, w->context, 0, stereo(), NULL), ST(IR)); /* case 15 */
    END;
}
#define test_case_15 test_case_14

CASE(16) {
    START;
    at_irql(w, 2);
    uint64_t before = world_digest(w);
    CHECK_EQ(render(w, c, stereo(), 0, NULL, NULL), ST(UNS));
    CHECK_EQ(world_digest(w), before);
    CHECK_EQ(findings(w, "BAD_IRQL"), 1);
    at_irql(w, 0);
    END;
}

CASE(17) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    buffer_t b;
    CHECK_EQ(allocate_d(w, c, e.handle, 10000, &b), 0);
    CHECK_EQ(b.size, 10000);
    CHECK_EQ(b.stream, 1);
    CHECK_EQ(b.fifo, 192);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RD);
    storsim_allocation_t allocation;
    CHECK(storsim_allocation_at(w->machine, engine(w, e.handle).buffer_va, &allocation));
    CHECK_EQ(allocation.pages, 3);
    storsim_hdaudio_entry_t last;
    CHECK_EQ(storsim_hdaudio_bdl(w->machine, e.handle, 2, &last), STORSIM_OK);
    CHECK_EQ(last.length, 1808);
    CHECK_EQ(last.ioc, 0);
    END;
}

/* The buffer and its list are as they were. */
static void intact(world_t *w, uint64_t handle, const buffer_t *b) {
    storsim_engine_info_t info = engine(w, handle);
    CHECK_EQ(info.mdl, b->mdl);
    CHECK_EQ(info.buffer_bytes, b->size);
    CHECK(info.buffer_va != 0);
}

CASE(18) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(allocate_d(w, c, e.handle, 4096, NULL), ST(IDR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RD);
    intact(w, e.handle, &e.buffer);
    END;
}

CASE(19) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(free_d(w, c, e.handle), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_R0);
    CHECK_EQ(free_d(w, c, e.handle), ST(IDR)); /* case 21 */
    END;
}
#define test_case_21 test_case_19

CASE(20) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(free_d(w, c, e.handle), ST(IDR));
    END;
}

CASE(22) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SD);
    CHECK_EQ(free_d(w, c, e.handle), ST(IDR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SD);
    END;
}

CASE(23) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XD);
    uint64_t va;
    CHECK_EQ(position(w, c, e.handle, &va), 0);
    CHECK_EQ(free_d(w, c, e.handle), ST(IDR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_XD);
    uint32_t before = read32(w, va);
    advance(w, 10);
    CHECK_EQ(read32(w, va), before + 40);
    END;
}

CASE(24) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(free_engine(w, c, e.handle), 0);
    CHECK_EQ(free_d(w, c, e.handle), ST(IH));
    END;
}

CASE(25) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    at_irql(w, 2);
    CHECK_EQ(free_d(w, c, e.handle), ST(UNS));
    CHECK_EQ(free_d(w, c, 0x1234), ST(UNS)); /* case 26: the level comes first */
    at_irql(w, 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RD);
    END;
}
#define test_case_26 test_case_25

CASE(27) {
    START;
    uint64_t other = world_query(w, STORSIM_TABLE_V1, 1);
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK(other != c);
    CHECK_EQ(free_d(w, other, e.handle), ST(IH));
    CHECK_EQ(world_query(w, STORSIM_TABLE_BDL, 0), c); /* one client, one context, whichever table */
    END;
}

CASE(28) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(free_d(w, c, e.handle), 0);
    buffer_t b;
    CHECK_EQ(allocate_d(w, c, e.handle, 1024, &b), 0);
    CHECK_EQ(b.size, 1024);
    END;
}

static buffer_t sized(uint64_t request) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    buffer_t b;
    CHECK_EQ(allocate_d(w, c, e.handle, request, &b), 0);
    storsim_engine_info_t info = engine(w, e.handle);
    b.offset = info.lvi + 1;
    END;
    return b;
}

CASE(29) {
    CHECK_EQ(sized(1001).size, 1000);
}
CASE(30) {
    CHECK_EQ(sized(0).size, 256);
}
CASE(31) {
    buffer_t b = sized(16 << 20);
    CHECK_EQ(b.size, 1048576);
    CHECK_EQ(b.offset, 256);
}

CASE(32) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    uint64_t free_bytes = storsim_memory_free_bytes(w->machine, STORSIM_NODE_ANY, 0, UINT64_MAX);
    uint64_t from = 0;
    storsim_memory_run_t run;
    while (storsim_memory_next_free(w->machine, from, &run)) {
        CHECK_EQ(storsim_memory_reserve(w->machine, run.first_pfn << 12, run.pages << 12), STORSIM_OK);
        from = run.first_pfn + run.pages;
    }
    CHECK(free_bytes > 0);
    uint64_t before = world_digest(w);
    CHECK_EQ(allocate_d(w, c, e.handle, 10000, NULL), ST(IR));
    CHECK_EQ(world_digest(w), before);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_R0);
    END;
}

CASE(33) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    uint64_t free_bytes = storsim_memory_free_bytes(w->machine, STORSIM_NODE_ANY, 0, UINT64_MAX);
    inject(w, STORSIM_HW_TIMEOUT);
    CHECK_EQ(allocate_d(w, c, e.handle, 10000, NULL), ST(DNR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_R0);
    CHECK(engine(w, e.handle).suspect);
    CHECK_EQ(storsim_memory_free_bytes(w->machine, STORSIM_NODE_ANY, 0, UINT64_MAX), free_bytes);
    CHECK_EQ(findings(w, "HARDWARE_TIMEOUT"), 1);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK(!engine(w, e.handle).suspect);
    CHECK_EQ(allocate_d(w, c, e.handle, 10000, NULL), 0);
    END;
}

CASE(34) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(free_engine(w, c, e.handle), ST(IDR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RD);
    END;
}

CASE(35) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    at_irql(w, 2);
    CHECK_EQ(free_engine(w, c, e.handle), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_NONE);
    CHECK_EQ(free_engine(w, c, e.handle), ST(IH)); /* case 36 */
    at_irql(w, 0);
    END;
}
#define test_case_36 test_case_35

CASE(37) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), ST(IDR));
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), ST(IDR));
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0); /* case 38 */
    END;
}
#define test_case_38 test_case_37

CASE(39) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(set_state(w, c, RUN, e.handle), ST(IDR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RD);
    END;
}

CASE(40) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    uint64_t va;
    CHECK_EQ(position(w, c, e.handle, &va), 0);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 100);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK(read32(w, va) >= 400);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RD);
    CHECK_EQ(read32(w, va), 0);
    END;
}

CASE(41) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XD);
    CHECK_EQ(set_state(w, c, RESET, e.handle), ST(IDR));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_XD);
    END;
}

CASE(42) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SD);
    uint64_t before = world_digest(w);
    CHECK_EQ(set_state(w, c, STORSIM_StopState, e.handle), 0);
    CHECK_EQ(set_state(w, c, STORSIM_PauseState, e.handle), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SD);
    CHECK_EQ(world_digest(w), before);
    END;
}

CASE(43) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SD);
    CHECK_EQ(set_state(w, c, 3, e.handle), ST(IP));
    CHECK_EQ(set_state(w, c, -1, e.handle), ST(IP));
    CHECK_EQ(set_states(w, c, RUN, &e.handle, 0), ST(IP));
    storsim_arg_t args[] = {IN_(RUN), NULL_, IN_(1)};
    CHECK_EQ(call(w, c, STORSIM_ID_SetDmaEngineState, args), ST(IP));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SD);
    END;
}

CASE(44) {
    START;
    prepared_t e[2] = {prepare(w, c, STORSIM_ENGINE_SD), prepare(w, c, STORSIM_ENGINE_SD)};
    uint64_t h[2] = {e[0].handle, e[1].handle}, va[2];
    CHECK_EQ(position(w, c, h[0], &va[0]), 0);
    CHECK_EQ(position(w, c, h[1], &va[1]), 0);
    CHECK_EQ(set_states(w, c, RUN, h, 2), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(read32(w, va[0]), read32(w, va[1]));
        CHECK_EQ(storsim_advance(w->machine, 333), STORSIM_OK);
    }
    CHECK(read32(w, va[0]) > 0);
    CHECK_EQ(set_states(w, c, PAUSE, h, 2), 0);
    CHECK_EQ(read32(w, va[0]), read32(w, va[1]));
    END;
}

CASE(45) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SD);
    uint64_t h[2] = {e.handle, 0x1234};
    CHECK_EQ(set_states(w, c, RUN, h, 2), ST(IH));
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SD);
    END;
}

CASE(46) {
    START;
    prepared_t e[2] = {prepare(w, c, STORSIM_ENGINE_SD), prepare(w, c, STORSIM_ENGINE_R0)};
    uint64_t h[2] = {e[0].handle, e[1].handle};
    CHECK_EQ(set_states(w, c, RUN, h, 2), ST(IDR));
    CHECK_EQ(state(w, h[0]), STORSIM_ENGINE_SD);
    END;
}

CASE(47) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SD);
    uint64_t h[2] = {e.handle, e.handle};
    CHECK_EQ(set_states(w, c, RUN, h, 2), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_XD);
    END;
}

CASE(48) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    uint16_t converter = 0;
    CHECK_EQ(used(w, UINT32_MAX), 32);
    CHECK_EQ(change(w, c, e.handle, fmt(96000, 24, 32, 2), &converter), 0);
    CHECK_EQ(converter, 0x0831);
    CHECK_EQ(used(w, UINT32_MAX), 96);
    END;
}

CASE(49) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RD);
    CHECK_EQ(change(w, c, e.handle, fmt(96000, 24, 32, 2), NULL), ST(IDR));
    END;
}

CASE(50) {
    START;
    uint64_t big, small;
    CHECK_EQ(render(w, c, fmt(192000, 24, 32, 8), 0, &big, NULL), 0);
    CHECK_EQ(render(w, c, stereo(), 0, &small, NULL), 0);
    uint64_t before = world_digest(w);
    CHECK_EQ(change(w, c, small, fmt(96000, 24, 32, 6), NULL), ST(IR));
    CHECK_EQ(world_digest(w), before);
    CHECK_EQ(used(w, UINT32_MAX), 800);
    CHECK_EQ(change(w, c, small, stereo(), NULL), 0); /* its own reservation is not counted against it */
    CHECK_EQ(change(w, c, big, fmt(192000, 24, 32, 8), NULL), 0);
    CHECK_EQ(allocate_d(w, c, small, 4096, NULL), 0);
    END;
}

int main(void) {
#define RUN_CASE(n) test_case_##n();
    RUN_CASE(01)
    RUN_CASE(02) RUN_CASE(03) RUN_CASE(04) RUN_CASE(05) RUN_CASE(06) RUN_CASE(07) RUN_CASE(08) RUN_CASE(09) RUN_CASE(10)
        RUN_CASE(11) RUN_CASE(12) RUN_CASE(13) RUN_CASE(14) RUN_CASE(15) RUN_CASE(16) RUN_CASE(17) RUN_CASE(18)
            RUN_CASE(19) RUN_CASE(20) RUN_CASE(21) RUN_CASE(22) RUN_CASE(23) RUN_CASE(24) RUN_CASE(25) RUN_CASE(26)
                RUN_CASE(27) RUN_CASE(28) RUN_CASE(29) RUN_CASE(30) RUN_CASE(31) RUN_CASE(32) RUN_CASE(33) RUN_CASE(34)
                    RUN_CASE(35) RUN_CASE(36) RUN_CASE(37) RUN_CASE(38) RUN_CASE(39) RUN_CASE(40) RUN_CASE(41)
                        RUN_CASE(42) RUN_CASE(43) RUN_CASE(44) RUN_CASE(45) RUN_CASE(46) RUN_CASE(47) RUN_CASE(48)
                            RUN_CASE(49) RUN_CASE(50) return CHECK_PINNED(hdaudio_test_cases_engine);
}
