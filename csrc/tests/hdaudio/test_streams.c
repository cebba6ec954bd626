/* Streams in motion: interrupts, notifications, errors, several engines, both directions, bytes. */
#include "tests/hdaudio/cases.h"

static uint64_t event_make(world_t *w) {
    uint64_t event;
    CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
    return event;
}

/* Every IOC: all callbacks first, then all events, each in order of registration; one registered twice is called twice.
 */
static void test_order_of_notifications(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SN);
    uint64_t event = event_make(w);
    CHECK_EQ(event_on(w, c, e.handle, event), 0);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xB, 2), 0);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 480);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_NOTIFICATION), 3);
    CHECK_EQ(w->heard[0].routine, 0xA);
    CHECK_EQ(w->heard[1].routine, 0xB);
    CHECK_EQ(w->heard[2].routine, 0xA);
    CHECK(storsim_event_signaled(w->machine, event));
    CHECK_EQ(callback_off(w, c, e.handle, 0xA, 1), 0); /* one of the two */
    advance(w, 480);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_NOTIFICATION), 5);
    CHECK_EQ(w->heard[3].routine, 0xB);
    CHECK_EQ(w->heard[4].routine, 0xA);
    END;
}

/* An interrupt that waited for the level to fall, DPCs that wait for it too; both come once the level allows. */
static void test_levels(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SN);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    at_irql(w, 2);
    advance(w, 480);
    CHECK_EQ(engine(w, e.handle).interrupts, 1); /* the ISR ran, its DPC did not */
    CHECK_EQ(w->heard_count, 0);
    at_irql(w, 5);
    advance(w, 480);
    CHECK_EQ(engine(w, e.handle).interrupts, 1);
    at_irql(w, 0);
    CHECK_EQ(engine(w, e.handle).interrupts, 2);
    CHECK_EQ(w->heard_count, 2);
    CHECK(w->heard[0].values[1] < w->heard[1].values[1]);
    END;
}

static unsigned coalesced(uint8_t policy, uint64_t *time) {
    world_config_t config = world_defaults();
    config.bus.policy.coalesce = policy;
    world_t *w = world_make(&config);
    uint64_t c = w->context;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SN);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    at_irql(w, 2);
    advance(w, 480 * 3);
    CHECK_EQ(engine(w, e.handle).interrupts, 3);
    at_irql(w, 0);
    unsigned count = w->heard_count;
    *time = w->heard[0].values[1];
    advance(w, 480);
    CHECK_EQ(w->heard_count, count + 1);
    END;
    return count;
}

static void test_coalesce(void) {
    uint64_t first, latest;
    CHECK_EQ(coalesced(STORSIM_COALESCE_OFF, &first), 3);
    CHECK_EQ(coalesced(STORSIM_COALESCE_ON, &latest), 1);
    CHECK_EQ(latest, first + 2 * 480 * FRAME);
}

static void test_late_dpc(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SN);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    inject(w, STORSIM_HW_LATE_DPC);
    advance(w, 480);
    CHECK_EQ(w->heard_count, 0);
    advance(w, 2000);
    CHECK_EQ(w->heard_count, 5);
    unsigned late = 0;
    for (unsigned i = 0; i < 5; i++) {
        late += w->heard[i].time == w->heard[i].values[1] + 240000;
    }
    CHECK_EQ(late, 1);
    END;
}

/* X to S with an interrupt already taken: delivered once. Freed engine: nothing comes any more. */
static void test_pending_dpc(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_SN);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    at_irql(w, 2);
    advance(w, 480);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(w->heard_count, 0);
    at_irql(w, 0);
    CHECK_EQ(w->heard_count, 1);
    advance(w, 5000);
    CHECK_EQ(w->heard_count, 1);
    END;
}

static void test_pause_keeps_position(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XN);
    uint64_t va;
    CHECK_EQ(position(w, c, e.handle, &va), 0);
    advance(w, 100);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    uint32_t paused = read32(w, va);
    CHECK(paused >= 400 && paused <= 408);
    advance(w, 1000);
    CHECK_EQ(read32(w, va), paused);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 10);
    CHECK_EQ(read32(w, va), paused + 40);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK_EQ(read32(w, va), 0);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0); /* and from the start again */
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 10);
    CHECK_EQ(read32(w, va), 40);
    END;
}

/* The pointer is stable over buffers, dies with its engine, and is read only. */
static void test_position_pointer(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_R0);
    uint64_t first, second;
    uint8_t bytes[4] = {1, 2, 3, 4};
    CHECK_EQ(position(w, c, e.handle, &first), 0);
    CHECK_EQ(allocate_d(w, c, e.handle, 4096, NULL), 0);
    CHECK_EQ(free_d(w, c, e.handle), 0);
    CHECK_EQ(position(w, c, e.handle, &second), 0);
    CHECK_EQ(first, second);
    CHECK_EQ(storsim_write_va(w->machine, first, bytes, 4), STORSIM_OK);
    CHECK_EQ(findings(w, "REGISTER_WRITTEN"), 1);
    CHECK_EQ(read32(w, first), 0);
    CHECK_EQ(free_engine(w, c, e.handle), 0);
    CHECK_EQ(storsim_read_va(w->machine, first, bytes, 4), STORSIM_OK);
    CHECK_EQ(findings(w, "USE_AFTER_FREE"), 1);
    uint64_t clock = wall_clock(w, c);
    uint32_t before = read32(w, clock);
    CHECK_EQ(storsim_advance(w->machine, 12345), STORSIM_OK);
    CHECK_EQ(read32(w, clock), before + 12345);
    CHECK_EQ(storsim_write_va(w->machine, clock, bytes, 4), STORSIM_OK);
    CHECK_EQ(findings(w, "REGISTER_WRITTEN"), 2);
    END;
}

static void test_descriptor_error(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XB);
    inject(w, STORSIM_HW_DESCRIPTOR_ERROR);
    advance(w, 2048);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_SB);
    CHECK_EQ(findings(w, "DESCRIPTOR_ERROR_LOGGED"), 1);
    bool told = false;
    for (unsigned i = 0; i < w->heard_count; i++) {
        told = told || (w->heard[i].kind == STORSIM_CB_HDA_BDL_ISR && (w->heard[i].values[1] & 0x10));
    }
    CHECK(told);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_XB);
    END;
}

/* FIFOE: a client with an ISR is told by bit 3, for the others it is only logged. The stream goes on. */
static void test_fifo_error(void) {
    START;
    prepared_t b = prepare(w, c, STORSIM_ENGINE_XB), n = prepare(w, c, STORSIM_ENGINE_SN);
    advance(w, 100);
    inject(w, STORSIM_HW_FIFO_ERROR);
    advance(w, 4096);
    CHECK_EQ(state(w, b.handle), STORSIM_ENGINE_XB);
    unsigned told = 0;
    for (unsigned i = 0; i < w->heard_count; i++) {
        told += w->heard[i].kind == STORSIM_CB_HDA_BDL_ISR && (w->heard[i].values[1] & 8);
    }
    CHECK_EQ(told, 1);
    CHECK_EQ(findings(w, "FIFO_ERROR_LOGGED"), 0);
    CHECK_EQ(set_state(w, c, PAUSE, b.handle), 0);
    CHECK_EQ(set_state(w, c, RUN, n.handle), 0);
    advance(w, 100);
    inject(w, STORSIM_HW_FIFO_ERROR);
    advance(w, 2000);
    CHECK_EQ(state(w, n.handle), STORSIM_ENGINE_XN);
    CHECK_EQ(findings(w, "FIFO_ERROR_LOGGED"), 1);
    END;
}

static void test_list_changed(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_RB);
    entry(w, &e.buffer, 0, 0, 4096, 0); /* in Reset it is the client's own business */
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
    advance(w, 5000);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 0);
    entry(w, &e.buffer, 0, 0, 4096, 1);
    advance(w, 5000);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 1);
    CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 1);
    entry(w, &e.buffer, 0, 0, 4096, 0);
    CHECK_EQ(set_state(w, c, RESET, e.handle), 0);
    CHECK_EQ(findings(w, "BDL_CHANGED"), 2);
    END;
}

/* Program a converter of the ideal codec: format and stream tag. */
static void converter(world_t *w, uint64_t c, uint8_t node, uint16_t format, uint32_t tag) {
    storsim_codec_transfer_t items[2] = {{(uint32_t)node << 20 | 0x20000u | format, 0},
                                         {(uint32_t)node << 20 | 0x70600u | tag << 4, 0}};
    CHECK_EQ(verbs(w, c, items, 2, 0, 0), 0);
    CHECK(items[0].Input >> 63 && items[1].Input >> 63);
}

/* What the client wrote is what the codec hears: every buffer kind. */
static void test_render_bytes(void) {
    static uint8_t sent[8192], got[16384];
    static const storsim_engine_state_t kinds[] = {STORSIM_ENGINE_RD, STORSIM_ENGINE_RN, STORSIM_ENGINE_RB};
    for (size_t k = 0; k < 3; k++) {
        START;
        prepared_t e = prepare(w, c, kinds[k]);
        storsim_engine_info_t info = engine(w, e.handle);
        for (size_t i = 0; i < sizeof sent; i++) {
            sent[i] = (uint8_t)(i * 7 + i / 251 + k);
        }
        CHECK_EQ(storsim_write_va(w->machine, info.buffer_va, sent, (size_t)info.buffer_bytes), STORSIM_OK);
        converter(w, c, 0x10, 0x0011, info.stream_id);
        CHECK_EQ(set_state(w, c, PAUSE, e.handle), 0);
        CHECK_EQ(set_state(w, c, RUN, e.handle), 0);
        advance(w, info.buffer_bytes / 4);
        uint64_t bytes = sizeof got, dropped = 0;
        CHECK_EQ(storsim_codec_played(w->machine, w->controller, 0, info.stream_id, got, &bytes, &dropped), STORSIM_OK);
        CHECK_EQ(bytes, info.buffer_bytes);
        CHECK_EQ(memcmp(got, sent, (size_t)bytes), 0);
        END;
    }
}

static void test_capture_bytes(void) {
    static uint8_t fed[3840], got[3840];
    START;
    uint64_t h = 0, event = event_make(w);
    buffer_t b = {0};
    CHECK_EQ(capture(w, c, 0, stereo(), &h), 0);
    CHECK_EQ(allocate_n(w, c, h, 1, 3840, &b), 0);
    CHECK_EQ(b.fifo, 120);
    for (size_t i = 0; i < sizeof fed; i++) {
        fed[i] = (uint8_t)(i * 13 + i / 255 + 1);
    }
    CHECK_EQ(event_on(w, c, h, event), 0);
    CHECK_EQ(set_state(w, c, PAUSE, h), 0);
    CHECK_EQ(set_state(w, c, RUN, h), 0);
    CHECK_EQ(storsim_codec_feed(w->machine, w->controller, 0, (uint8_t)b.stream, fed, sizeof fed), STORSIM_OK);
    converter(w, c, 0x20, 0x0011, b.stream);
    advance(w, 1100);
    CHECK(storsim_event_signaled(w->machine, event));
    CHECK_EQ(set_state(w, c, PAUSE, h), 0);
    CHECK_EQ(storsim_read_va(w->machine, engine(w, h).buffer_va, got, sizeof got), STORSIM_OK);
    size_t lead = 0; /* frames of silence before the feed was heard, and the lap's overwritten start */
    while (lead < sizeof got && got[sizeof got - 1 - lead] != 0) {
        lead++;
    }
    CHECK(memcmp(got + 1600, fed + 1600, 1000) == 0);
    END;
}

/* Render and capture of the same index share a stream id; ids are unique within a direction; bidirectional ones count
 * down. */
static void test_stream_ids(void) {
    world_config_t config = world_defaults();
    config.hda.bidirectional = 2;
    world_t *w = world_make(&config);
    uint64_t c = w->context, h = 0;
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(render(w, c, stereo(), 0, &h, NULL), 0);
        CHECK_EQ(engine(w, h).stream_id, i + 1);
        CHECK_EQ(engine(w, h).descriptor, 4 + i);
        CHECK_EQ(capture(w, c, 0, stereo(), &h), 0);
        CHECK_EQ(engine(w, h).stream_id, i + 1);
        CHECK_EQ(engine(w, h).descriptor, i);
    }
    CHECK_EQ(capture(w, c, 1, stereo(), &h), 0);
    CHECK_EQ(engine(w, h).stream_id, 15);
    CHECK_EQ(engine(w, h).descriptor, 8);
    uint64_t last;
    CHECK_EQ(render(w, c, stereo(), 0, &last, NULL), 0);
    CHECK_EQ(engine(w, last).stream_id, 14);
    /* the direction bit of a bidirectional engine is set for output, and its stream plays */
    uint64_t va, value;
    CHECK_EQ(allocate_d(w, c, last, 4096, NULL), 0);
    CHECK_EQ(storsim_hda_register_read(w->machine, w->controller, "SD9CTL", &value), STORSIM_OK);
    CHECK_EQ(value >> 19 & 1, 1);
    CHECK_EQ(value >> 20 & 15, 14);
    CHECK_EQ(position(w, c, last, &va), 0);
    CHECK_EQ(set_state(w, c, PAUSE, last), 0);
    CHECK_EQ(set_state(w, c, RUN, last), 0);
    advance(w, 5);
    CHECK_EQ(read32(w, va), 20);
    CHECK_EQ(render(w, c, stereo(), 0, NULL, NULL), ST(IR));
    CHECK_EQ(free_engine(w, c, h), 0);
    CHECK_EQ(render(w, c, stereo(), 0, &h, NULL), 0);
    CHECK_EQ(engine(w, h).descriptor, 8);
    END;
}

static void test_fifo_sizes(void) {
    static const struct {
        bool capture;
        uint16_t bits, container;
        uint32_t fifo;
    } rows[] = {{false, 8, 8, 192},   {false, 16, 16, 192}, {false, 32, 32, 192}, {false, 20, 32, 256},
                {false, 24, 32, 256}, {true, 8, 8, 120},    {true, 16, 16, 120},  {true, 32, 32, 120},
                {true, 20, 32, 160},  {true, 24, 32, 160}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        START;
        uint64_t h = 0;
        buffer_t b = {0};
        storsim_stream_format_t f = fmt(48000, rows[i].bits, rows[i].container, 2);
        CHECK_EQ(rows[i].capture ? capture(w, c, 0, f, &h) : render(w, c, f, 0, &h, NULL), 0);
        CHECK_EQ(allocate_d(w, c, h, 4096, &b), 0);
        CHECK_EQ(b.fifo, rows[i].fifo);
        END;
    }
}

/* Both start in one frame although one was paused half way and the other is new; mixed directions are allowed. */
static void test_mixed_start(void) {
    START;
    prepared_t a = prepare(w, c, STORSIM_ENGINE_XD), b = prepare(w, c, STORSIM_ENGINE_SN);
    uint64_t h = 0, va[2] = {0};
    CHECK_EQ(capture(w, c, 0, stereo(), &h), 0);
    CHECK_EQ(allocate_d(w, c, h, 4096, NULL), 0);
    CHECK_EQ(set_state(w, c, PAUSE, h), 0);
    advance(w, 7);
    CHECK_EQ(set_state(w, c, PAUSE, a.handle), 0);
    CHECK_EQ(position(w, c, a.handle, &va[0]), 0);
    CHECK_EQ(position(w, c, b.handle, &va[1]), 0);
    uint32_t base = read32(w, va[0]);
    uint64_t all[3] = {a.handle, b.handle, h};
    CHECK_EQ(set_states(w, c, RUN, all, 3), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(read32(w, va[0]) - base, read32(w, va[1]));
        CHECK_EQ(storsim_advance(w->machine, 271), STORSIM_OK);
    }
    CHECK_EQ(set_states(w, c, RUN, all, 3), 0); /* self edges */
    CHECK_EQ(set_states(w, c, PAUSE, all, 3), 0);
    CHECK_EQ(read32(w, va[0]) - base, read32(w, va[1]));
    CHECK_EQ(set_states(w, c, RESET, all, 3), 0);
    CHECK_EQ(read32(w, va[0]), 0);
    CHECK_EQ(state(w, h), STORSIM_ENGINE_RD);
    END;
}

/* A callback stops its own stream at DISPATCH_LEVEL, frees things, asks the codec: all legal there, none may shake the
 * bus driver. */
static uint64_t meddling;
static void meddle(world_t *w, storsim_callback_t *callback) {
    (void)callback;
    storsim_codec_transfer_t item = {0x000F0000, 0};
    w->on_callback = NULL;
    CHECK_EQ(set_state(w, w->context, PAUSE, meddling), 0);
    CHECK_EQ(set_state(w, w->context, RESET, meddling), 0);
    CHECK_EQ(verbs(w, w->context, &item, 1, 0x111, 0), 0);
    CHECK_EQ(render(w, w->context, stereo(), 0, NULL, NULL), ST(UNS));
    CHECK_EQ(free_d(w, w->context, meddling), ST(UNS));
    CHECK_EQ(storsim_advance(w->machine, 1), STORSIM_REENTRY);
    CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, NULL, NULL), STORSIM_REENTRY);
}

static void test_callback_meddles(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XN);
    meddling = e.handle;
    w->on_callback = meddle;
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xB, 1), 0);
    advance(w, 600);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_RN);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_NOTIFICATION), 2);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_TRANSFER), 1);
    END;
}

/* A host callback that fails ends the run with CALLBACK; the machine goes on. */
static void test_callback_fails(void) {
    START;
    prepared_t e = prepare(w, c, STORSIM_ENGINE_XN);
    CHECK_EQ(callback_on(w, c, e.handle, 1, 0xA, 1), 0);
    w->fail_callback = 1;
    CHECK_EQ(storsim_advance(w->machine, 1000 * FRAME), STORSIM_CALLBACK);
    world_check(w);
    advance(w, 1000);
    CHECK(heard(w, STORSIM_CB_HDA_NOTIFICATION) >= 2);
    /* inside a call that waits: it is taken back, and can be made again */
    prepared_t other = prepare(w, c, STORSIM_ENGINE_R0);
    storsim_codec_transfer_t items[3] = {{0x000F0000, 1}, {0x000F0004, 1}, {0x001F0005, 1}};
    w->tolerate = true;
    unsigned failed = 0;
    for (unsigned i = 0; i < 3000 && failed < 40; i++) {
        CHECK_EQ(storsim_advance(w->machine, 777), STORSIM_OK); /* so that the interrupt meets each of them in turn */
        w->fail_callback = 1;
        storsim_codec_transfer_t before = items[0];
        (void)verbs(w, c, items, 3, 0, 0);
        if (w->status != STORSIM_OK) {
            CHECK_EQ(w->status, STORSIM_CALLBACK);
            CHECK_EQ(items[0].Input, before.Input);
            failed++;
        }
        (void)allocate_d(w, c, other.handle, 4096, NULL);
        if (w->status == STORSIM_CALLBACK) {
            CHECK_EQ(state(w, other.handle), STORSIM_ENGINE_R0);
            failed++;
        } else {
            w->fail_callback = 0;
            CHECK_EQ(free_d(w, c, other.handle), 0);
        }
        world_check(w);
    }
    CHECK_EQ(failed, 40);
    END;
}

int main(void) {
    test_order_of_notifications();
    test_levels();
    test_coalesce();
    test_late_dpc();
    test_pending_dpc();
    test_pause_keeps_position();
    test_position_pointer();
    test_descriptor_error();
    test_fifo_error();
    test_list_changed();
    test_render_bytes();
    test_capture_bytes();
    test_stream_ids();
    test_fifo_sizes();
    test_mixed_start();
    test_callback_meddles();
    test_callback_fails();
    return CHECK_PINNED(hdaudio_test_streams);
}
