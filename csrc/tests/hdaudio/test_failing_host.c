/* A whole life of a function driver, with each host allocation failing in turn: the call says NO_MEMORY, every
 * invariant still holds, the same call then succeeds, and at the end nothing is left. */
#include "tests/hdaudio/world.h"

typedef struct life {
    world_t w;
    failing_host_t host;
    unsigned failures;
    bool stop;
} life_t;

/* Repeats a step until the host gave memory; in persistent mode the first failure ends the life. */
#define STEP(expression)                                                                                               \
    do {                                                                                                               \
        storsim_status_t step_ = (expression);                                                                         \
        while (step_ == STORSIM_NO_MEMORY) {                                                                           \
            life->failures++;                                                                                          \
            if (life->host.persistent) {                                                                               \
                life->stop = true;                                                                                     \
                return;                                                                                                \
            }                                                                                                          \
            CHECK(life->failures < 10);                                                                                \
            consistent(life);                                                                                          \
            step_ = (expression);                                                                                      \
        }                                                                                                              \
        CHECK_EQ(step_, STORSIM_OK);                                                                                   \
    } while (0)
#define CALL(expression, wanted) STEP((got = (expression), got_status(w, got, wanted)))

static void consistent(life_t *life) {
    unsigned long at = life->host.fail_at;
    life->host.fail_at = 0;
    world_check(&life->w);
    life->host.fail_at = at;
}

static storsim_status_t got_status(const world_t *w, uint32_t got, uint32_t wanted) {
    if (w->status == STORSIM_OK) {
        CHECK_EQ(got, wanted);
    }
    return w->status;
}

static void engine_life(life_t *life, unsigned kind) {
    world_t *w = &life->w;
    uint64_t c = w->context, h = 0, event = 0;
    buffer_t b = {0};
    uint32_t got;
    CALL(kind == 3 ? capture(w, c, 0, stereo(), &h) : render(w, c, stereo(), 0, &h, NULL), 0);
    CALL(change(w, c, h, fmt(96000, 24, 32, 2), NULL), 0);
    CALL(change(w, c, h, stereo(), NULL), 0);
    STEP(storsim_event_create(w->machine, &event));
    CALL(event_on(w, c, h, event), 0);
    CALL(callback_on(w, c, h, 1, 2, 3), 0);
    CALL(position(w, c, h, NULL), 0);
    if (kind == 0) {
        CALL(allocate_d(w, c, h, 20000, &b), 0);
    } else if (kind == 2) {
        CALL(allocate_c(w, c, h, 8192, &b), 0);
        for (uint32_t i = 0; i < 2; i++) {
            uint64_t address = storsim_physical(w->machine, b.data) + 4096 * i;
            uint8_t bytes[16] = {0};
            put32(bytes, (uint32_t)address);
            put32(bytes + 8, 4096);
            put32(bytes + 12, 1);
            STEP(storsim_write_va(w->machine, b.bdl + 16 * i, bytes, sizeof bytes));
        }
        CALL(setup(w, c, h, 8192, 1, 0x150, &b), 0);
    } else {
        CALL(allocate_n(w, c, h, 2, 3840, &b), 0);
    }
    CALL(set_state(w, c, PAUSE, h), 0);
    CALL(set_state(w, c, RUN, h), 0);
    STEP(storsim_advance(w->machine, 5000 * FRAME));
    CALL(set_state(w, c, PAUSE, h), 0);
    CALL(set_state(w, c, RESET, h), 0);
    if (kind == 0) {
        CALL(free_d(w, c, h), 0);
    } else if (kind == 2) {
        CALL(free_c(w, c, h), 0);
    } else {
        CALL(free_n(w, c, h, b.mdl, b.size), 0);
    }
    CALL(event_off(w, c, h, event), 0);
    CALL(callback_off(w, c, h, 2, 3), 0);
    CALL(free_engine(w, c, h), 0);
    STEP(storsim_event_destroy(w->machine, event));
}

static void talk(life_t *life) {
    world_t *w = &life->w;
    uint64_t c = w->context;
    uint32_t got;
    uint8_t tag = 0;
    storsim_codec_transfer_t items[2] = {{0x000F0000, 0}, {0x000F0004, 0}};
    CALL(verbs(w, c, items, 2, 0, 0), 0);
    CALL(verbs(w, c, items, 2, 0x111, 0), 0);
    CALL(tag_on(w, c, 0x5, 0, &tag), 0);
    STEP(storsim_codec_unsolicited(w->machine, w->controller, 0, tag, 1));
    STEP(storsim_advance(w->machine, 1000 * FRAME));
    CALL(tag_off(w, c, tag), 0);
}

static void query_until(life_t *life) {
    world_t *w = &life->w;
    uint32_t ntstatus = 0;
    STEP(world_query_status(w, STORSIM_TABLE_V3, 0, &w->context, &ntstatus));
    CHECK_EQ(ntstatus, 0);
}

static void live(life_t *life) {
    world_t *w = &life->w;
    query_until(life);
    if (!life->stop) {
        talk(life);
    }
    for (unsigned kind = 0; kind < 4 && !life->stop; kind++) {
        engine_life(life, kind);
    }
    if (!life->stop) {
        storsim_arg_t none[1];
        uint64_t result;
        storsim_status_t status = storsim_hdaudio_call(
            w->machine, w->context, storsim_ddi_routine(STORSIM_ID_InterfaceDereference), none, &result);
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        life->failures += status == STORSIM_NO_MEMORY;
        life->host.fail_at = 0;
        CHECK_EQ(storsim_hdaudio_references(w->machine, w->context), 0);
        CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, NULL, NULL), STORSIM_OK);
        world_check(w);
    }
}

/* False when the life went through without the allocation having failed. */
static bool one(unsigned long fail_at, int persistent) {
    life_t *life = calloc(1, sizeof *life);
    CHECK(life != NULL);
    life->host = (failing_host_t){.fail_at = fail_at, .persistent = persistent};
    storsim_host_t hook = FAILING_HOOK(&life->host);
    world_config_t config = world_defaults();
    config.host = &hook;
    storsim_status_t status = world_try(&life->w, &config);
    CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
    life->w.tolerate = true;
    bool failed = status == STORSIM_NO_MEMORY;
    if (!failed) {
        live(life);
        failed = life->failures != 0;
    }
    bool reached = life->host.requests >= fail_at;
    storsim_machine_destroy(life->w.machine);
    CHECK_EQ(life->host.live, 0);
    free(life);
    return failed || reached;
}

int main(void) {
    for (int persistent = 0; persistent <= 1; persistent++) {
        unsigned long n = 1;
        while (one(n, persistent)) {
            n++;
        }
        CHECK(n > 100);
        printf("  %lu allocations failed in turn\n", n - 1);
    }
    return CHECK_DONE();
}
