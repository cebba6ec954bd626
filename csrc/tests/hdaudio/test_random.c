/* Random function drivers: three clients call anything in any order, at any level, with time passing and faults in
 * between. After every call all invariants hold, a refused call has changed nothing, and each engine is in the state
 * the pure table says. */
#include "tests/hdaudio/world.h"

enum { HANDLES = 10, STEPS = 2000, SEEDS = 6 };

typedef struct chaos {
    world_t *w;
    uint64_t rng, contexts[3], handles[HANDLES], event;
    unsigned calls, refused, succeeded[STORSIM_ENGINE_STATE_COUNT];
} chaos_t;

static uint32_t draw(chaos_t *x, uint32_t bound) {
    x->rng = x->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(x->rng >> 33) % bound;
}

static storsim_stream_format_t some_format(chaos_t *x) {
    static const uint16_t bits[] = {8, 16, 20, 24, 32}, boxes[] = {8, 16, 32, 32, 32};
    size_t count;
    const uint32_t *rates = storsim_hdaudio_rates(&count);
    uint32_t i = draw(x, 5);
    uint32_t rate = rates[draw(x, (uint32_t)count)], channels = 1 + draw(x, 8);
    storsim_stream_format_t f = fmt(rate, bits[i], boxes[i], (uint16_t)channels);
    if (draw(x, 12) == 0) {
        f.NumberOfChannels = (uint16_t)draw(x, 40);
    }
    return f;
}

/* The state the table predicts, when the call answers `status`. */
static void expect(chaos_t *x, uint64_t handle, storsim_engine_state_t from, storsim_engine_event_t event,
                   uint32_t status) {
    storsim_engine_step_t step = storsim_engine_transition(event, from, NULL);
    if (status == 0) {
        CHECK_EQ(step.status, 0);
        CHECK_EQ(state(x->w, handle), step.next);
        x->succeeded[step.next]++;
    } else {
        CHECK_EQ(state(x->w, handle), from);
    }
    /* what the table refuses is refused, whatever else is wrong with the call */
    CHECK(step.status == 0 || status != 0);
}

static void write_list(chaos_t *x, uint64_t handle) {
    storsim_engine_info_t info = engine(x->w, handle);
    if (info.state == STORSIM_ENGINE_RC || info.state == STORSIM_ENGINE_RB) {
        buffer_t b = {.data = info.buffer_va, .bdl = info.bdl_va};
        entry(x->w, &b, 0, 0, 4096, draw(x, 2));
        entry(x->w, &b, 1, 4096, 4096, 1);
    }
}

/* A call that moves one engine. */
static uint32_t one_engine(chaos_t *x, uint64_t c, uint64_t h, bool own) {
    world_t *w = x->w;
    storsim_engine_state_t from = own ? state(w, h) : STORSIM_ENGINE_NONE;
    storsim_engine_info_t info = {0};
    (void)storsim_hdaudio_engine(w->machine, h, &info);
    storsim_engine_event_t event = (storsim_engine_event_t)(1 + draw(x, STORSIM_EVENT_GET_POSITION - 1));
    for (int tries = 0; own && tries < 3; tries++) { /* mostly something that leads on */
        storsim_engine_step_t step = storsim_engine_transition(event, from, NULL);
        if (step.next != from && step.next != STORSIM_ENGINE_NONE) {
            break;
        }
        event = (storsim_engine_event_t)(1 + draw(x, STORSIM_EVENT_GET_POSITION - 1));
    }
    buffer_t b;
    uint32_t status = 0, few = draw(x, 4), many = draw(x, 40000); /* drawn in order: arguments are evaluated in any */
    switch (event) {
    case STORSIM_EVENT_CHANGE_BANDWIDTH:
        status = change(w, c, h, some_format(x), NULL);
        break;
    case STORSIM_EVENT_ALLOCATE_BUFFER:
        status = allocate_d(w, c, h, many, &b);
        break;
    case STORSIM_EVENT_FREE_BUFFER:
        status = free_d(w, c, h);
        break;
    case STORSIM_EVENT_ALLOCATE_NOTIFY:
        status = allocate_n(w, c, h, few, many, &b);
        break;
    case STORSIM_EVENT_FREE_NOTIFY:
        status = free_n(w, c, h, info.mdl ? info.mdl : 1, info.buffer_bytes);
        break;
    case STORSIM_EVENT_FREE_NOTIFY_OTHER:
        status = free_n(w, c, h, info.mdl ? info.mdl : 1, info.buffer_bytes + 128);
        break;
    case STORSIM_EVENT_ALLOCATE_CONTIGUOUS:
        status = allocate_c(w, c, h, draw(x, 3) ? 8192 : 0, &b);
        break;
    case STORSIM_EVENT_SETUP_BDL:
        if (own && from != STORSIM_ENGINE_NONE && storsim_irql(w->machine) == 0) {
            write_list(x, h);
        }
        status = setup(w, c, h, 8192, 1, draw(x, 4), &b);
        break;
    case STORSIM_EVENT_FREE_CONTIGUOUS:
        status = free_c(w, c, h);
        break;
    case STORSIM_EVENT_FREE_ENGINE:
        status = free_engine(w, c, h);
        break;
    case STORSIM_EVENT_SET_RESET:
        status = set_state(w, c, RESET, h);
        break;
    case STORSIM_EVENT_SET_PAUSE:
        status = set_state(w, c, PAUSE, h);
        break;
    default:
        event = STORSIM_EVENT_SET_RUN;
        status = set_state(w, c, RUN, h);
        break;
    }
    if (own) {
        /* a stream whose first descriptor failed is stopped again before the call returns */
        bool stopped = event == STORSIM_EVENT_SET_RUN && status == 0 && state(w, h) != STORSIM_ENGINE_XD &&
                       state(w, h) != STORSIM_ENGINE_XN && state(w, h) != STORSIM_ENGINE_XB;
        if (!stopped) {
            expect(x, h, from, event, status);
        }
    } else {
        CHECK(status == ST(IH) || status == ST(UNS) || status == ST(IP));
    }
    return status;
}

static uint32_t many_engines(chaos_t *x, uint64_t c) {
    uint64_t list[5];
    uint32_t count = draw(x, 6);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = x->handles[draw(x, HANDLES)];
    }
    storsim_engine_state_t before[5];
    for (uint32_t i = 0; i < count; i++) {
        before[i] = state(x->w, list[i]);
    }
    int want = (int)draw(x, 3);
    uint32_t status = set_states(x->w, c, want, list, count);
    for (uint32_t i = 0; i < count && status != 0; i++) {
        CHECK_EQ(state(x->w, list[i]), before[i]);
    }
    return status;
}

static uint32_t other_call(chaos_t *x, uint64_t c, uint64_t h) {
    world_t *w = x->w;
    storsim_codec_transfer_t items[3] = {{0x000F0000, 0}, {draw(x, 2) ? 0x000F0004 : 0x700F0004, 0}, {0x000F0002, 0}};
    storsim_device_information_t info = {.Size = (uint16_t)draw(x, 20)};
    uint64_t *slot = &x->handles[draw(x, HANDLES)];
    uint64_t made = 0;
    uint32_t status = 0;
    storsim_stream_format_t format = some_format(x);
    uint32_t some = draw(x, 6), few = draw(x, 4);
    switch (draw(x, 12)) {
    case 0:
    case 1:
        status = render(w, c, format, some == 0 && few == 0, &made, NULL);
        break;
    case 2:
        status = capture(w, c, (uint8_t)some, format, &made);
        break;
    case 3:
        return event_on(w, c, h, x->event);
    case 4:
        return event_off(w, c, h, x->event);
    case 5:
        return callback_on(w, c, h, 1, 2 + draw(x, 2), 3);
    case 6:
        return callback_off(w, c, h, 2 + draw(x, 2), 3);
    case 7:
        return verbs(w, c, items, few, some % 3 ? 0x111 : 0, 7);
    case 8:
        return tag_on(w, c, draw(x, 3), 0, NULL);
    case 9:
        return tag_off(w, c, (uint8_t)draw(x, 8));
    case 10:
        return information(w, c, &info);
    default:
        return position(w, c, h, NULL);
    }
    if (status == 0) {
        *slot = made;
    }
    return status;
}

static void fault(chaos_t *x) {
    static const storsim_hardware_fault_t faults[] = {STORSIM_HW_TIMEOUT,      STORSIM_HW_CODEC_SILENT,
                                                      STORSIM_HW_RIRB_OVERRUN, STORSIM_HW_DESCRIPTOR_ERROR,
                                                      STORSIM_HW_FIFO_ERROR,   STORSIM_HW_LATE_DPC};
    if (draw(x, 2)) {
        inject(x->w, faults[draw(x, 6)]);
    } else {
        fail_next(x->w, (uint16_t)(STORSIM_HDAUDIO_FIRST_ID + draw(x, 25)));
    }
}

static void step(chaos_t *x) {
    world_t *w = x->w;
    uint32_t client = draw(x, 3);
    uint64_t c = x->contexts[client], h = x->handles[draw(x, HANDLES)];
    storsim_engine_info_t info = {0};
    bool own = storsim_hdaudio_engine(w->machine, h, &info) && info.context == c;
    if (!own && info.context && draw(x, 4)) { /* mostly its owner calls */
        c = info.context;
        own = true;
        client = c == x->contexts[0] ? 0 : c == x->contexts[1] ? 1 : 2;
    }
    if (storsim_irql(w->machine) ? draw(x, 2) : draw(x, 16) == 0) {
        at_irql(w, (uint8_t)(storsim_irql(w->machine) ? 0 : draw(x, 7)));
    }
    if (draw(x, 40) == 0) {
        fault(x);
    }
    if (draw(x, 3) == 0) {
        CHECK_EQ(storsim_advance(w->machine, draw(x, 4) ? draw(x, 3000) : draw(x, 2000000)), STORSIM_OK);
    }
    bool list_writes = storsim_irql(w->machine) == 0; /* SETUP_BDL writes the list before it calls */
    uint64_t before = world_digest(w), now = storsim_now(w->machine), injected = storsim_injected_count(w->machine);
    uint32_t kind = draw(x, 10);
    uint32_t status = kind < 6 ? one_engine(x, c, h, own) : kind < 7 ? many_engines(x, c) : other_call(x, c, h);
    x->calls++;
    if (status != 0) {
        x->refused++;
        bool same_plan =
            storsim_injected_count(w->machine) == injected; /* a consumed rule is state of the fault plan */
        if (status != ST(DNR) && same_plan &&
            !(kind < 6 && own && list_writes && info.buffer_bytes && info.state <= STORSIM_ENGINE_RB)) {
            if (world_digest(w) != before) {
                fprintf(stderr, "call %u, kind %u, status 0x%08x, irql %u\n", x->calls, kind, (unsigned)status,
                        storsim_irql(w->machine));
            }
            CHECK_EQ(world_digest(w), before);
            CHECK_EQ(storsim_now(w->machine), now);
        }
    }
    world_check(w);
    if (draw(x, 500) == 0) { /* a client leaves with everything it has, and comes back */
        at_irql(w, 0);
        dereference(w, c);
        x->contexts[client] = world_query(w, STORSIM_TABLE_V3, client);
    }
}

int main(void) {
    unsigned reached[STORSIM_ENGINE_STATE_COUNT] = {0}, calls = 0, refused = 0;
    uint64_t all = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t digests[2];
        for (int again = 0; again < 2; again++) { /* the same seed gives the same machine */
            world_config_t config = world_defaults();
            config.codecs = 3;
            config.seed = seed;
            config.hda.bidirectional = (uint8_t)(seed % 3);
            config.hda.sdo_lines = seed % 2 ? 1 : 2;
            config.hda.timing = seed % 2 ? STORSIM_HDA_IDEAL : STORSIM_HDA_CONTROLLER;
            chaos_t *x = calloc(1, sizeof *x);
            CHECK(x != NULL);
            x->w = world_make(&config);
            x->rng = seed;
            for (uint32_t i = 0; i < 3; i++) {
                x->contexts[i] = i ? world_query(x->w, STORSIM_TABLE_V3, i) : x->w->context;
            }
            CHECK_EQ(storsim_event_create(x->w->machine, &x->event), STORSIM_OK);
            for (unsigned i = 0; i < STEPS; i++) {
                step(x);
            }
            digests[again] = world_digest(x->w);
            calls += x->calls;
            refused += x->refused;
            for (int s = 0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
                reached[s] += x->succeeded[s];
            }
            world_end(x->w);
            free(x);
        }
        CHECK_EQ(digests[0], digests[1]);
        all = all * 31 + digests[0];
    }
    for (int s = 0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
        if (reached[s] <= 10) {
            fprintf(stderr, "%s reached %u times\n", storsim_engine_state_name((storsim_engine_state_t)s), reached[s]);
        }
        CHECK(reached[s] > 10);
    }
    printf("  %u calls, %u refused, digest %016" PRIx64 "\n", calls, refused, all); /* the same from every compiler */
    return CHECK_PINNED(hdaudio_test_random);
}
