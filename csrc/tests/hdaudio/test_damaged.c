/* tests/hdaudio/test_damaged.c: a bus driver whose records name what is not there, as a damaged snapshot can leave
 * them: calls answer, the check names it, nothing is followed that leads nowhere. And conversations with a chip that is
 * dead, or for which the host has no memory. */
#include "fuzz/sealed.h"
#include "tests/hdaudio/world.h"

#include "hdaudio/bus.h"
#include "machine/machine_i.h"

enum { NOBODY = 60000 }; /* no block has this number */

static ss_busdriver_t *bus_of(const world_t *w) {
    return ss_bus_of_controller(w->machine, w->controller);
}

static ss_engine_t *record_of(const world_t *w, uint64_t handle) {
    uint32_t n = 0;
    CHECK(ss_bus_of_handle(w->machine, handle, &n) != NULL);
    return &bus_of(w)->engines[n];
}

/* --- blocks that are not there ------------------------------------------------------------------------------------ */

static void test_missing_blocks(void) {
    world_t *w = world_make(NULL);
    prepared_t own = prepare(w, w->context, STORSIM_ENGINE_SB), plain = prepare(w, w->context, STORSIM_ENGINE_RD);
    ss_engine_t *engine = record_of(w, own.handle);
    storsim_hdaudio_entry_t entry;
    ss_block_id_t bdl = engine->bdl;
    w->tolerate = true;
    engine->bdl = NOBODY;
    world_told(w->machine, 0, "buffer and list follow the state");
    CHECK_EQ(storsim_hdaudio_bdl(w->machine, own.handle, 0, &entry), STORSIM_INVALID);
    CHECK_EQ(set_state(w, w->context, RUN, own.handle), 0); /* a list of which nothing can be read is one that changed */
    CHECK_EQ(findings(w, "BDL_CHANGED"), 1);
    CHECK_EQ(set_state(w, w->context, PAUSE, own.handle), 0);
    engine->bdl = bdl;
    /* A buffer whose list is gone is freed without it; one that is gone itself is a leak at no address. */
    engine = record_of(w, plain.handle);
    engine->bdl = NOBODY;
    CHECK_EQ(free_d(w, w->context, plain.handle), 0);
    CHECK_EQ(state(w, plain.handle), STORSIM_ENGINE_R0);
    engine->data = NOBODY;
    engine->state = STORSIM_ENGINE_RC;
    bus_of(w)->clock = 0;
    CHECK_EQ(wall_clock(w, w->context), 0);
    dereference(w, w->context);
    CHECK_EQ(findings(w, "BUFFER_LEAK"), 2);
    storsim_machine_destroy(w->machine);
    free(w);
}

/* A block that was freed is none either. */
static void test_freed_block(void) {
    world_t *w = world_make(NULL);
    prepared_t made = prepare(w, w->context, STORSIM_ENGINE_RC);
    ss_engine_t *engine = record_of(w, made.handle);
    ss_block_free(w->machine, engine->data);
    world_told(w->machine, 0, "buffer and list follow the state");
    storsim_machine_destroy(w->machine);
    free(w);
}

/* A response to a transfer that nobody remembers. */
static void test_missing_transfer(void) {
    world_t *w = world_make(NULL);
    bus_of(w)->flight = 77;
    CHECK_EQ(ss_flight_done(w->machine, bus_of(w), 5, false), STORSIM_OK);
    CHECK_EQ(bus_of(w)->flight, 0);
    world_check(w);
    world_end(w);
}

/* Transfers that say they are further than they are long make no machine; neither does a snapshot that ends in the
 * middle of one. */
static void test_transfers_loaded(void) {
    world_t *w = world_make(NULL);
    storsim_machine_t *m = w->machine;
    storsim_codec_transfer_t items[4] = {{.Output = 0xF0000}, {.Output = 0xF0002}, {.Output = 0xF0004}, {.Output = 0xF0005}};
    CHECK_EQ(verbs(w, w->context, items, 4, 7, 8), 0);
    ss_transfer_t *transfer = &bus_of(w)->transfers[0];
    uint8_t *good, *bad;
    size_t good_length, bad_length;
    CHECK_EQ(storsim_snapshot(m, &good, &good_length), STORSIM_OK);
    for (int way = 0; way < 2; way++) {
        *(way == 0 ? &transfer->next : &transfer->called) = 5;
        CHECK_EQ(storsim_snapshot(m, &bad, &bad_length), STORSIM_OK);
        CHECK_EQ(storsim_restore(m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_restore(m, bad, bad_length, NULL), STORSIM_FORMAT);
        storsim_snapshot_free(m, bad);
        transfer = &bus_of(w)->transfers[0];
    }
    uint64_t before = world_digest(w);
    for (size_t cut = 1; cut < 200; cut++) {
        size_t length = good_length - cut;
        uint8_t *less = malloc(length);
        CHECK(less != NULL);
        memcpy(less, good, length);
        sealed(less, length);
        CHECK_EQ(storsim_restore(m, less, length, NULL), STORSIM_FORMAT);
        free(less);
    }
    CHECK_EQ(world_digest(w), before);
    storsim_snapshot_free(m, good);
    world_end(w);
}

/* --- the chip ----------------------------------------------------------------------------------------------------- */

static storsim_status_t fails(storsim_machine_t *machine, void *state, const ss_event_t *event) {
    (void)machine, (void)state, (void)event;
    return STORSIM_CALLBACK;
}

static void test_conversations(void) {
    static const ss_room_ops_t ops = {.name = "fails", .event = fails};
    static const storsim_status_t ends[] = {STORSIM_BUGCHECK, STORSIM_STOPPED, STORSIM_REENTRY, STORSIM_INVALID};
    world_t *w = world_make(NULL);
    uint64_t now = storsim_now(w->machine);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        ss_chip_t chip = ss_chip_open(w->machine, w->controller);
        ss_chip_error(&chip, STORSIM_OK);
        CHECK(!chip.dead);
        ss_chip_error(&chip, ends[i]);
        CHECK(chip.dead && chip.status == ends[i]);
        CHECK_EQ(ss_chip_read(&chip, SS_GCAP, 2), 0xFFFF); /* as if it were gone */
        ss_chip_wait(&chip, 100);
        CHECK(!ss_chip_poll(&chip, SS_GCTL, 4, 1, 1, 10, 10));
        ss_verbs_pump(&chip, bus_of(w));
        CHECK(!ss_streams_start(&chip, 1));
        CHECK_EQ(storsim_now(w->machine), now);
    }
    /* What is true only when the last wait is over counts. */
    ss_chip_t chip = ss_chip_open(w->machine, w->controller);
    ss_chip_write(&chip, SS_SD + SS_SD_CTL, 1, 1);
    CHECK(ss_chip_poll(&chip, SS_SD + SS_SD_CTL, 1, 1, 1, 1, 2000));
    /* Something due now that fails: time does not pass, and waiting on would never end. */
    CHECK_EQ(ss_room_attach(w->machine, SS_ROOM_HOST, &ops, NULL), STORSIM_OK);
    CHECK_EQ(ss_event_at(w->machine, storsim_now(w->machine), SS_ROOM_HOST, 1, 0, 0, NULL), STORSIM_OK);
    now = storsim_now(w->machine);
    ss_chip_wait(&chip, 100);
    CHECK(chip.status == STORSIM_CALLBACK && storsim_now(w->machine) == now);
    world_end(w);
}

/* --- no memory ---------------------------------------------------------------------------------------------------- */

static void test_no_memory(void) {
    static failing_host_t host;
    storsim_host_t hook = FAILING_HOOK(&host);
    world_config_t config = world_defaults();
    config.host = &hook;
    world_t *w = world_make(&config);
    storsim_hdaudio_entry_t entry;
    uint64_t handle = 0, event, at;
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), 0);
    CHECK_EQ(allocate_c(w, w->context, handle, 8192, NULL), 0);
    w->tolerate = true;
    /* A list that nobody has looked at yet has no memory behind it. */
    host.persistent = 1;
    host.fail_at = 1;
    CHECK_EQ(storsim_hdaudio_bdl(w->machine, handle, 0, &entry), STORSIM_INVALID);
    (void)setup(w, w->context, handle, 8192, 1, 0x150, NULL);
    CHECK_EQ(state(w, handle), STORSIM_ENGINE_RC);
    host.fail_at = 0;
    /* A verb whose time-out finds no place in the queue of events is not sent. */
    ss_clock_t *clock = &w->machine->hardware.clock;
    while (clock->count < clock->capacity) {
        CHECK_EQ(ss_event_at(w->machine, UINT64_C(1) << 60, SS_ROOM_JOURNAL, 1, 0, 0, NULL), STORSIM_OK);
    }
    storsim_codec_transfer_t item = {.Output = 0xF0000};
    unsigned refused = 0;
    for (unsigned long n = 1; n < 6; n++) {
        host.persistent = 0;
        host.fail_at = host.requests + n;
        CHECK_EQ(verbs(w, w->context, &item, 1, 7, 8), 0);
        host.fail_at = 0;
        CHECK(w->status == STORSIM_OK || w->status == STORSIM_NO_MEMORY);
        refused += w->status == STORSIM_NO_MEMORY;
        if (w->status == STORSIM_OK) {
            break;
        }
        CHECK(bus_of(w)->transfer_count == 0 && bus_of(w)->flight == 0);
    }
    CHECK(refused != 0);
    /* The place of a position register, where the list of blocks has to grow for it. */
    refused = 0;
    host.persistent = 1;
    for (int i = 0; i < 600 && refused == 0; i++) {
        CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
        at = 0;
        host.fail_at = 1;
        (void)position(w, w->context, handle, &at);
        host.fail_at = 0;
        if (w->status == STORSIM_NO_MEMORY) {
            CHECK_EQ(at, 0);
            refused++;
            CHECK_EQ(position(w, w->context, handle, &at), 0);
            CHECK(w->status == STORSIM_OK && at != 0);
        } else { /* it had a place: another engine is asked next */
            CHECK_EQ(w->status, STORSIM_OK);
            ss_block_free(w->machine, record_of(w, handle)->position);
            record_of(w, handle)->position = 0;
        }
    }
    CHECK_EQ(refused, 1);
    world_check(w);
    world_end(w);
    CHECK_EQ(host.live, 0);
}

int main(void) {
    test_missing_blocks();
    test_freed_block();
    test_missing_transfer();
    test_transfers_loaded();
    test_conversations();
    test_no_memory();
    return CHECK_DONE();
}
