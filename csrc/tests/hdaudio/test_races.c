/* What a callback may do while a call waits for hardware, and hardware that does not answer. A notification of a
 * running stream is made to fall into every waiting call in turn. */
#include "tests/hdaudio/world.h"

typedef enum deed { FREE_TARGET, SET_TARGET, LEAVE, BUGCHECK, DEED_COUNT } deed_t;
typedef enum op { ALLOCATE, FREE, ALLOCATE_N, SETUP, START, STOP, CLEAR, TALK, OP_COUNT } op_t;

static struct race {
    deed_t deed;
    uint64_t target, context;
    bool inside; /* the call is under way */
    bool happened;
    uint32_t answer;
} race;

static void meddle(world_t *w, storsim_callback_t *callback) {
    if (!race.inside || callback->kind != STORSIM_CB_HDA_NOTIFICATION) {
        return;
    }
    race.inside = false;
    race.happened = true;
    uint8_t byte;
    switch (race.deed) {
    case FREE_TARGET:
        race.answer = free_engine(w, race.context, race.target);
        break;
    case SET_TARGET:
        race.answer = set_state(w, race.context, PAUSE, race.target);
        break;
    case LEAVE:
        dereference(w, race.context);
        break;
    default: /* a wild pointer at DISPATCH_LEVEL */
        CHECK_EQ(storsim_read_va(w->machine, 0xFFFF900000000000, &byte, 1), STORSIM_BUGCHECK);
        break;
    }
}

static storsim_engine_state_t from_of(op_t op) {
    static const storsim_engine_state_t from[OP_COUNT] = {STORSIM_ENGINE_R0, STORSIM_ENGINE_RD, STORSIM_ENGINE_R0,
                                                          STORSIM_ENGINE_RC, STORSIM_ENGINE_SN, STORSIM_ENGINE_XN,
                                                          STORSIM_ENGINE_SN, STORSIM_ENGINE_R0};
    return from[op];
}

static uint32_t perform(world_t *w, uint64_t c, op_t op, prepared_t *e) {
    storsim_codec_transfer_t items[2] = {{0x000F0000, 0}, {0x000F0004, 0}};
    switch (op) {
    case ALLOCATE:
        return allocate_d(w, c, e->handle, 4096, NULL);
    case FREE:
        return free_d(w, c, e->handle);
    case ALLOCATE_N:
        return allocate_n(w, c, e->handle, 2, 4096, NULL);
    case SETUP:
        return setup(w, c, e->handle, 8192, 1, 0x150, &e->buffer);
    case START:
        return set_state(w, c, RUN, e->handle);
    case STOP:
        return set_state(w, c, PAUSE, e->handle);
    case CLEAR:
        return set_state(w, c, RESET, e->handle);
    default:
        return verbs(w, c, items, 2, 0, 0);
    }
}

/* One attempt: the call begins `lead` ticks before the notification is due. True when the callback fell into it. */
static bool attempt(op_t op, deed_t deed, uint64_t lead) {
    world_config_t config = world_defaults();

    world_t *w = world_make(&config);
    /* the runner belongs to a client that stays */
    uint64_t runner_context = world_query(w, STORSIM_TABLE_V3, 1);
    prepared_t runner = prepare(w, runner_context, STORSIM_ENGINE_SN), e = prepare(w, w->context, from_of(op));
    CHECK_EQ(callback_on(w, runner_context, runner.handle, 1, 2, 3), 0);
    CHECK_EQ(set_state(w, runner_context, RUN, runner.handle), 0);
    advance(w, 470);
    while (engine(w, runner.handle).interrupts == 0) {
        advance(w, 1);
    }
    /* The next one is 480 frames after this boundary. */
    uint64_t clock = read32(w, wall_clock(w, w->context)) % FRAME;
    CHECK_EQ(storsim_advance(w->machine, 480 * FRAME - clock - lead), STORSIM_OK);
    race = (struct race){.deed = deed, .target = e.handle, .context = w->context, .inside = true};
    w->on_callback = meddle;
    w->tolerate = true;
    uint32_t status = perform(w, w->context, op, &e);
    race.inside = false;
    storsim_status_t outcome = w->status;
    storsim_engine_state_t from = from_of(op), now = state(w, e.handle);
    if (!race.happened) {
        CHECK_EQ(outcome, STORSIM_OK);
        CHECK_EQ(status, 0);
    } else if (deed == BUGCHECK) {
        CHECK(outcome == STORSIM_BUGCHECK || outcome == STORSIM_STOPPED);
        CHECK(storsim_stopped(w->machine) != NULL);
        CHECK_EQ(perform(w, w->context, op, &e), 0);
        CHECK_EQ(w->status, STORSIM_STOPPED);
    } else if (deed == LEAVE) {
        CHECK_EQ(outcome, STORSIM_OK);
        CHECK(status == 0 || status == ST(IH) || (op == TALK && status == ST(NSD)));
        CHECK_EQ(now, STORSIM_ENGINE_NONE);
        CHECK_EQ(storsim_hdaudio_references(w->machine, race.context), 0);
        world_check(w);
        w->tolerate = false;
        storsim_allocation_t allocation;
        unsigned buffers = 0;
        for (uint64_t cursor = 0; storsim_allocation_next(w->machine, &cursor, &allocation);) {
            buffers += allocation.kind == STORSIM_BLOCK_HDA_BUFFER;
        }
        CHECK_EQ(buffers, 1); /* the runner's */
        CHECK_EQ(engine(w, runner.handle).interrupts, 2);
    } else {
        CHECK_EQ(outcome, STORSIM_OK);
        CHECK_EQ(status, 0);
        /* what would have changed the engine in the middle of the call was refused, but for a call that has no engine
         */
        if (op == TALK && deed == FREE_TARGET) {
            CHECK_EQ(race.answer, 0);
        } else {
            if (race.answer != ST(IDR)) {
                fprintf(stderr, "call %d, deed %d\n", op, deed);
            }
            CHECK_EQ(race.answer, ST(IDR));
            CHECK(now != STORSIM_ENGINE_NONE && (now != from || op == TALK));
        }
        world_check(w);
    }
    bool happened = race.happened;
    world_end(w);
    return happened;
}

static void test_every_call_is_met(void) {
    for (int op = 0; op < OP_COUNT; op++) {
        for (int deed = 0; deed < DEED_COUNT; deed++) {
            if (op == START || (op == CLEAR && deed == SET_TARGET)) {
                continue; /* a start waits for nothing here; pausing what is paused changes nothing */
            }
            unsigned met = 0;
            for (uint64_t lead = 20; lead < 4 * FRAME && met < 3; lead += 97) {
                met += attempt((op_t)op, (deed_t)deed, lead);
            }
            if (!met) {
                fprintf(stderr, "call %d, deed %d\n", op, deed);
            }
            CHECK(met > 0);
        }
    }
}

/* --- hardware that does not answer ------------------------------------------------------------------------------- */

static void test_stalled_start(void) {
    world_config_t config = world_defaults();
    config.hda.timing = STORSIM_HDA_CONTROLLER;
    world_t *w = world_make(&config);
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_SN);
    CHECK_EQ(storsim_hda_stall(w->machine, w->controller, true), STORSIM_OK);
    CHECK_EQ(set_state(w, w->context, RUN, e.handle), 0); /* its FIFO is never ready */
    CHECK(engine(w, e.handle).suspect);
    CHECK_EQ(findings(w, "HARDWARE_TIMEOUT"), 1);
    CHECK_EQ(storsim_hda_stall(w->machine, w->controller, false), STORSIM_OK);
    CHECK_EQ(set_state(w, w->context, PAUSE, e.handle), 0);
    CHECK_EQ(set_state(w, w->context, RESET, e.handle), 0);
    CHECK(!engine(w, e.handle).suspect);
    world_check(w);
    world_end(w);
}

static void test_stuck_stop(void) {
    world_config_t config = world_defaults();
    config.hda.stop_latency = STORSIM_HDA_STUCK;
    world_t *w = world_make(&config);
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_XD);
    CHECK_EQ(set_state(w, w->context, PAUSE, e.handle), 0);
    CHECK(engine(w, e.handle).suspect);
    world_check(w);
    world_end(w);
}

static void test_stuck_free(void) {
    world_t *w = world_make(NULL);
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_RD);
    inject(w, STORSIM_HW_TIMEOUT);
    CHECK_EQ(free_d(w, w->context, e.handle), 0); /* freeing never fails for the hardware's sake */
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_R0);
    CHECK(engine(w, e.handle).suspect);
    CHECK_EQ(set_state(w, w->context, RESET, e.handle), 0);
    CHECK(!engine(w, e.handle).suspect);
    world_check(w);
    world_end(w);
}

static void test_gone_at_start(void) {
    world_config_t config = world_defaults();
    config.no_query = true;
    world_t *w = world_make(&config);
    inject(w, STORSIM_HW_REMOVED);
    uint64_t context = 0;
    uint32_t ntstatus = 0;
    CHECK_EQ(world_query_status(w, STORSIM_TABLE_V3, 0, &context, &ntstatus), STORSIM_OK);
    CHECK_EQ(ntstatus, ST(NSD));
    CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, NULL, NULL), STORSIM_OK);
    world_check(w);
    world_end(w);
}

/* An event destroyed while it is still registered: the driver's mistake, not the interrupt's. */
static void test_dead_event(void) {
    world_t *w = world_make(NULL);
    uint64_t event, h;
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_SN);
    CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
    CHECK_EQ(event_on(w, w->context, e.handle, event), 0);
    CHECK_EQ(storsim_event_destroy(w->machine, event), STORSIM_OK);
    CHECK_EQ(set_state(w, w->context, RUN, e.handle), 0);
    advance(w, 1000);
    CHECK_EQ(engine(w, e.handle).interrupts, 2);
    uint32_t cursor = 0;
    CHECK(storsim_hdaudio_engine_next(w->machine, w->controller, &cursor, &h));
    CHECK_EQ(h, e.handle);
    CHECK(!storsim_hdaudio_engine_next(w->machine, w->controller, &cursor, &h));
    CHECK_EQ(storsim_hdaudio_get_config(w->machine, w->controller)->dirql, 5);
    CHECK(storsim_hdaudio_get_config(w->machine, 9) == NULL);
    world_end(w);
}

/* Responses nobody asked for that arrive while a synchronous call drains the ring itself. */
static void test_unsolicited_meets_synchronous(void) {
    world_config_t config = world_defaults();
    config.nt.dpc_manual = true;
    world_t *w = world_make(&config);
    storsim_codec_transfer_t items[2] = {{0x000F0000, 0}, {0x000F0004, 0}}, one = {0x000F0000, 0};
    uint8_t tag = 0;
    uint32_t ran;
    CHECK_EQ(tag_on(w, w->context, 5, 6, &tag), 0);
    CHECK_EQ(verbs(w, w->context, &one, 1, 0x111, 0), 0);
    CHECK_EQ(storsim_codec_unsolicited(w->machine, w->controller, 0, tag, 1), STORSIM_OK);
    CHECK_EQ(verbs(w, w->context, items, 2, 0, 0), 0);
    CHECK(items[0].Input >> 63 && items[1].Input >> 63);
    CHECK_EQ(w->heard_count, 0);
    CHECK_EQ(storsim_run_dpcs(w->machine, &ran), STORSIM_OK);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_UNSOLICITED), 1);
    CHECK_EQ(heard(w, STORSIM_CB_HDA_TRANSFER), 1);
    world_check(w);
    world_end(w);
}

int main(void) {
    test_every_call_is_met();
    test_stalled_start();
    test_stuck_stop();
    test_stuck_free();
    test_gone_at_start();
    test_dead_event();
    test_unsolicited_meets_synchronous();
    return CHECK_PINNED(hdaudio_test_races);
}
