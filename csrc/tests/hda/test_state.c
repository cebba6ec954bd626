/* tests/hda/test_state.c: snapshots, digests, host memory that runs out at every single request, guards, IOMMU, sinks
 * and sources. */
#include "kit.h"

static const entry_t TWO[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
static const entry_t THREE[] = {{DATA + 0x4000, 700, 1}, {DATA + 0x5000, 300, 0}, {DATA + 0x6000, 500, 1}};

static uint64_t digest(kit_t *kit) {
    uint64_t value = 0;
    CHECK_EQ(storsim_digest(kit->machine, &value), STORSIM_OK);
    return value;
}

/* Everything at once: a render, a capture, verbs, unsolicited news, a position buffer. */
static kit_t busy(void) {
    uint8_t data[4096];
    storsim_hda_config_t config = kit_config();
    config.bdl_prefetch = true;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x08, 4, 0x101);
    tune(&kit, 0, 0x10, 1, 0x11);
    tune(&kit, 0, 0x20, 1, 0x4011);
    pattern(data, sizeof data, 8);
    poke(&kit, DATA, data, sizeof data);
    poke(&kit, DATA + 0x1000, data, sizeof data);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    setup(&kit, 0, 1, 0x4011, THREE, 3);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, data, sizeof data), STORSIM_OK);
    wr(&kit, 0x70, 4, (uint32_t)POSITIONS | 1);
    wr(&kit, 0x40, 4, (uint32_t)CORB);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    wr(&kit, 0x5C, 1, 2);
    wr(&kit, 0x4C, 1, 2);
    for (uint32_t i = 0; i < 256; i++) {
        poke32(&kit, CORB + 4 * i, 0xF0000);
    }
    wr(&kit, 0x20, 4, 0xC00000FF);
    run(&kit, 4, IOCE);
    run(&kit, 0, IOCE);
    wr(&kit, 0x48, 2, 200);
    CHECK_EQ(storsim_codec_unsolicited(kit.machine, kit.hda, 0, 3, 4), STORSIM_OK);
    advance(&kit, FRAMES(90) + 17);
    return kit;
}

static void go_on(kit_t *kit) {
    for (uint32_t i = 0; i < 30; i++) {
        advance(kit, FRAMES(29) + 3);
        wr(kit, sd(i % 2 * 4, 3), 1, BCIS);
        if (i == 10) {
            wr(kit, 0x38, 4, 0x10);
        } else if (i == 15) {
            wr(kit, 0x38, 4, 0);
            wr(kit, sd(0, 0), 1, 0);
        }
    }
}

static void snapshots(void) {
    kit_t kit = busy();
    uint8_t *bytes, *again;
    size_t length, length_again;
    uint64_t before = digest(&kit), played, dropped;
    CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
    go_on(&kit);
    uint64_t after = digest(&kit);
    CHECK(after != before);
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 1, NULL, &played, &dropped), STORSIM_OK);
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(storsim_restore(kit.machine, bytes, length, NULL), STORSIM_OK);
        CHECK_EQ(digest(&kit), before);
        CHECK_EQ(storsim_snapshot(kit.machine, &again, &length_again), STORSIM_OK);
        CHECK_EQ(length_again, length);
        CHECK_EQ(memcmp(again, bytes, length), 0);
        storsim_snapshot_free(kit.machine, again);
        go_on(&kit);
        CHECK_EQ(digest(&kit), after);
        uint64_t now;
        CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 1, NULL, &now, &dropped), STORSIM_OK);
        CHECK_EQ(now, played);
    }
    /* A controller that was added later goes, one that was removed comes back. */
    storsim_hda_config_t config = kit_config();
    uint32_t second;
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &second), STORSIM_OK);
    CHECK_EQ(storsim_hda_remove(kit.machine, kit.hda), STORSIM_OK);
    CHECK_EQ(storsim_restore(kit.machine, bytes, length, NULL), STORSIM_OK);
    CHECK(!storsim_hda_live(kit.machine, second));
    go_on(&kit);
    CHECK_EQ(digest(&kit), after);
    storsim_snapshot_free(kit.machine, bytes);
    kit_end(&kit);
}

/* The machine's checksum guards whole snapshots; the room's own walk must stand damaged bytes as well. */
static void damaged(void) {
    kit_t kit = busy();
    ss_host_t *host = ss_machine_host(kit.machine);
    void *state = ss_room_state(kit.machine, SS_ROOM_HDA);
    extern const ss_room_ops_t ss_hda_ops;
    ss_codec_t save = {.mode = SS_SAVE, .host = host};
    ss_hda_ops.walk(kit.machine, state, &save);
    CHECK_EQ(save.status, STORSIM_OK);
    uint32_t refused = 0, seed = 77;
    for (uint32_t round = 0; round < 4000; round++) {
        seed = seed * 1664525u + 1013904223u;
        size_t at = (size_t)((uint64_t)seed * save.length >> 32), length = round % 5 == 0 ? at : save.length;
        uint8_t old = save.bytes[at];
        seed = seed * 1664525u + 1013904223u;
        save.bytes[at] = (uint8_t)(round % 3 == 0 ? 0xFF : seed >> 24);
        ss_codec_t load = {.mode = SS_LOAD, .host = host, .bytes = save.bytes, .length = length};
        void *fresh = ss_hda_ops.fresh(kit.machine, state);
        ss_hda_ops.walk(kit.machine, fresh, &load);
        refused += load.status != STORSIM_OK;
        ss_hda_ops.destroy(kit.machine, fresh);
        save.bytes[at] = old;
    }
    CHECK(refused > 800);
    ss_release(host, save.bytes);
    kit_end(&kit);
}

/* --- host memory -------------------------------------------------------------------------------------------------- */

static unsigned long failures;

#define RETRY(call)                                         \
    do {                                                    \
        storsim_status_t retry_ = (call);                   \
        while (retry_ == STORSIM_NO_MEMORY) {               \
            failures++;                                     \
            retry_ = (call);                                \
        }                                                   \
        CHECK_EQ(retry_, STORSIM_OK);                       \
    } while (0)

/* A call that answers NO_MEMORY has changed nothing a driver can observe. */
#define UNCHANGED(call)                                     \
    do {                                                    \
        uint64_t before_ = 0, after_ = 0;                   \
        RETRY(storsim_digest(machine, &before_));           \
        storsim_status_t first_ = (call);                   \
        if (first_ == STORSIM_NO_MEMORY) {                  \
            failures++;                                     \
            RETRY(storsim_digest(machine, &after_));        \
            CHECK_EQ(after_, before_);                      \
            first_ = (call);                                \
        }                                                   \
        CHECK_EQ(first_, STORSIM_OK);                       \
    } while (0)

static void until(storsim_machine_t *machine, uint64_t time) {
    while (storsim_now(machine) < time) {
        storsim_status_t status = storsim_advance(machine, time - storsim_now(machine));
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
    }
    RETRY(storsim_advance(machine, 0));
}

static uint64_t scenario(storsim_host_t *host) {
    static const storsim_range_t ranges[] = {{LOW, 64u << 20, 0}};
    const storsim_machine_config_t shape = {.host = host, .ranges = ranges, .range_count = 1, .seed = 5};
    storsim_hda_config_t config = kit_config();
    storsim_machine_t *machine = NULL;
    uint32_t hda = 0, response;
    uint64_t result = 0;
    uint8_t data[3000];
    config.bdl_prefetch = true;
    config.keep_bytes = 3000;
    pattern(data, sizeof data, 6);
    RETRY(storsim_machine_create(&shape, &machine));
    RETRY(storsim_hda_attach(machine));
    UNCHANGED(storsim_hda_add(machine, &config, &hda));
    UNCHANGED(storsim_codec_add_ideal(machine, hda, 0));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x08, 4, 1));
    until(machine, 500 * 40);
    UNCHANGED(storsim_codec_command(machine, hda, 0, 0x01070610, &response));
    UNCHANGED(storsim_codec_command(machine, hda, 0, 0x02070610, &response));
    UNCHANGED(storsim_codec_feed(machine, hda, 0, 1, data, sizeof data));
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t bdl[8] = {(uint32_t)DATA + 0x1000 * i, 960, 1, 0, (uint32_t)DATA + 0x9000 + 0x1000 * i, 960, 1, 0};
        const uint32_t order[8] = {bdl[0], 0, bdl[1], bdl[2], bdl[4], 0, bdl[5], bdl[6]};
        uint8_t list[32];
        for (uint32_t j = 0; j < 32; j++) {
            list[j] = (uint8_t)(order[j / 4] >> (8 * (j % 4)));
        }
        RETRY(storsim_memory_write(machine, BDL + 0x1000 * i, list, sizeof list));
        RETRY(storsim_memory_write(machine, DATA + 0x1000 * i, data, 960));
        uint32_t stream = 4 * i;
        UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(stream, 2), 1, 0x10));
        UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(stream, 0x12), 2, 0x11));
        UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(stream, 0x08), 4, 1920));
        UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(stream, 0x0C), 2, 1));
        UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(stream, 0x18), 4, (uint32_t)BDL + 0x1000 * i));
        UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(stream, 0), 1, RUN | IOCE));
    }
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x40, 4, CORB));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x50, 4, RIRB));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x70, 4, POSITIONS | 1));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x5C, 1, 2));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x4C, 1, 2));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, 0x48, 2, 5));
    for (uint32_t i = 1; i <= 20; i++) {
        until(machine, 500 * (40 + 40 * i) + i);
    }
    UNCHANGED(storsim_hda_stall(machine, hda, true));
    until(machine, 500 * 1000);
    UNCHANGED(storsim_hda_stall(machine, hda, false));
    UNCHANGED(storsim_hda_mmio_write(machine, hda, sd(4, 0), 1, 0));
    until(machine, 500 * 1002);
    uint8_t *bytes = NULL;
    size_t length;
    RETRY(storsim_snapshot(machine, &bytes, &length));
    RETRY(storsim_digest(machine, &result));
    UNCHANGED(storsim_restore(machine, bytes, length, NULL));
    uint64_t restored = 0;
    RETRY(storsim_digest(machine, &restored));
    CHECK_EQ(restored, result);
    storsim_snapshot_free(machine, bytes);
    char text[100];
    CHECK_EQ(storsim_check(machine, text, sizeof text), 0);
    storsim_machine_destroy(machine);
    return result;
}

static void failing_host(void) {
    failing_host_t state = {0};
    storsim_host_t hook = FAILING_HOOK(&state);
    uint64_t expected = scenario(&hook);
    unsigned long total = state.requests;
    CHECK_EQ(state.live, 0);
    for (unsigned long n = 1; n <= total; n++) {
        state = (failing_host_t){.fail_at = n};
        CHECK_EQ(scenario(&hook), expected);
        CHECK_EQ(state.live, 0);
    }
    CHECK(failures > total / 2);
}

/* --- sinks and sources -------------------------------------------------------------------------------------------- */

typedef struct ears {
    uint8_t heard[20000];
    size_t bytes;
    uint32_t calls, asked, fail_at;
    uint8_t next;
    storsim_machine_t *machine;
} ears_t;

static storsim_status_t host_call(void *host, storsim_callback_t *callback) {
    ears_t *ears = host;
    ears->calls++;
    if (ears->fail_at != 0 && ears->calls == ears->fail_at) {
        return STORSIM_CALLBACK;
    }
    CHECK_EQ(callback->routine, 0xABCD);
    CHECK_EQ(storsim_hda_remove(ears->machine, 1), STORSIM_REENTRY);
    uint32_t codec = (uint32_t)callback->values[callback->kind == STORSIM_CB_CODEC_VERB ? 1 : 0];
    CHECK_EQ(storsim_codec_remove(ears->machine, 1, codec), STORSIM_REENTRY);
    if (callback->kind == STORSIM_CB_CODEC_SINK) {
        CHECK(ears->bytes + callback->data_bytes <= sizeof ears->heard);
        memcpy(ears->heard + ears->bytes, callback->data, callback->data_bytes);
        ears->bytes += callback->data_bytes;
    } else if (callback->kind == STORSIM_CB_CODEC_SOURCE) {
        uint8_t *into = callback->data;
        CHECK_EQ(callback->data_bytes, callback->values[2]);
        for (size_t i = 0; i < callback->data_bytes; i++) {
            into[i] = ears->next++;
        }
        ears->asked += (uint32_t)callback->data_bytes;
        callback->result = callback->data_bytes;
    } else {
        CHECK_EQ(callback->kind, STORSIM_CB_CODEC_VERB);
        callback->result = callback->values[0] ^ 0x5A5A5A5A;
    }
    return STORSIM_OK;
}

static void sinks_and_sources(void) {
    for (int failing = 0; failing < 2; failing++) {
        kit_t kit = busy();
        ears_t ears = {.machine = kit.machine, .fail_at = failing ? 5 : 0};
        uint8_t got[1500];
        uint64_t pending;
        storsim_machine_set_callback(kit.machine, host_call, &ears);
        CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 0, 1, 0), STORSIM_OK);
        CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 0xABCD, 7), STORSIM_OK);
        CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, 0, 1, 0xABCD, 7), STORSIM_OK);
        uint64_t from = position(&kit, 4).link_bytes, end = storsim_now(kit.machine) + FRAMES(4000);
        uint32_t stops = 0;
        while (storsim_now(kit.machine) < end) {
            storsim_status_t status = storsim_advance(kit.machine, end - storsim_now(kit.machine));
            CHECK(status == STORSIM_OK || (failing && status == STORSIM_CALLBACK && stops == 0));
            stops += status != STORSIM_OK;
        }
        CHECK_EQ(stops, (uint32_t)failing);
        CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 0, 0), STORSIM_OK);
        uint64_t total = position(&kit, 4).link_bytes - from;
        CHECK(ears.bytes <= total && (failing || ears.bytes + 480 * 4 >= total));
        uint8_t data[4096];
        pattern(data, sizeof data, 8);
        for (size_t i = 0; i < ears.bytes && !failing; i++) {
            size_t at = (size_t)((from + i) % 1920);
            CHECK_EQ(ears.heard[i], at < 960 ? data[at] : data[at - 960]);
        }
        CHECK(ears.asked > 8000);
        CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 1, &pending), STORSIM_OK);
        CHECK(pending < 4096);
        storsim_hda_position_t at = position(&kit, 0);
        peek(&kit, THREE[0].address, got, 700);
        peek(&kit, THREE[1].address, got + 700, 300);
        peek(&kit, THREE[2].address, got + 1000, 500);
        for (uint64_t back = 2; back < 1400 && !failing; back++) { /* the source counts: so does memory */
            uint64_t a = at.dma_bytes - back;
            CHECK_EQ((uint8_t)(got[a % 1500] + 1), got[(a + 1) % 1500]);
        }
        kit_end(&kit);
    }
}

static void host_codec(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    ears_t ears = {.machine = kit.machine};
    const storsim_codec_config_t host = {.host_verb = 0xABCD};
    storsim_machine_set_callback(kit.machine, host_call, &ears);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &host), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x60, 4, 0x100F0004);
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(3));
    CHECK_EQ(rd(&kit, 0x68, 2), 2);
    CHECK_EQ(rd(&kit, 0x64, 4), 0x100F0004 ^ 0x5A5A5A5A);
    CHECK_EQ(ears.calls, 1);
    kit_end(&kit);
}

/* --- the bus ------------------------------------------------------------------------------------------------------ */

static storsim_status_t verdict;
static uint32_t asked;
static storsim_status_t guard(storsim_machine_t *machine, ss_device_t device, uint64_t address, uint64_t physical, size_t bytes, bool write,
                              ss_bus_result_t result) {
    (void)machine, (void)device, (void)address, (void)bytes, (void)write, (void)result;
    asked += physical >= DATA;
    return physical >= DATA && physical < DATA + 0x100000 ? verdict : STORSIM_OK;
}

static void guarded(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    setup(&kit, 4, 1, 0x11, TWO, 2);
    ss_bus_set_guard(kit.machine, guard, NULL);
    verdict = STORSIM_VIOLATION;
    CHECK_EQ(storsim_hda_mmio_write(kit.machine, kit.hda, sd(4, 0), 1, RUN), STORSIM_VIOLATION);
    CHECK_EQ(rd(&kit, sd(4, 0), 1), RUN);
    uint64_t end = storsim_now(kit.machine) + FRAMES(300), calls = 0;
    while (storsim_now(kit.machine) < end) {
        storsim_status_t status = storsim_advance(kit.machine, end - storsim_now(kit.machine));
        CHECK(status == STORSIM_OK || status == STORSIM_VIOLATION);
        CHECK(++calls < 10); /* each violation stops once and the hardware goes on */
    }
    verdict = STORSIM_OK;
    CHECK_EQ(lpib(&kit, 4), 1200);
    CHECK(asked != 0);
    kit_end(&kit);
}

static void remapped(void) {
    storsim_hda_config_t config = kit_config();
    uint8_t data[960];
    uint64_t logical[3];
    config.dma_remapping = true;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    tune(&kit, 0, 0x10, 1, 0x11);
    pattern(data, sizeof data, 5);
    poke(&kit, DATA, data, sizeof data);
    poke(&kit, DATA + 0x7000, data, sizeof data);
    ss_device_t device = storsim_hda_device(kit.machine, kit.hda);
    CHECK_EQ(ss_bus_map(kit.machine, device, (BDL + 0x4000) / 4096, 1, UINT32_MAX, &logical[0]), STORSIM_OK);
    CHECK_EQ(ss_bus_map(kit.machine, device, DATA / 4096, 1, UINT32_MAX, &logical[1]), STORSIM_OK);
    CHECK_EQ(ss_bus_map(kit.machine, device, (DATA + 0x7000) / 4096, 1, UINT32_MAX, &logical[2]), STORSIM_OK);
    const entry_t entries[] = {{logical[1], 960, 1}, {logical[2], 960, 1}};
    setup(&kit, 4, 1, 0x11, entries, 2);
    wr(&kit, sd(4, 0x18), 4, (uint32_t)logical[0]);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(480));
    heard_both(&kit, 1, data, 960, data, 960);
    ss_bus_unmap(kit.machine, device, logical[2], 1);
    advance(&kit, FRAMES(480));
    CHECK_EQ(status_of(&kit, 4) & DESE, DESE);
    kit_end(&kit);
}

/* --- the line ----------------------------------------------------------------------------------------------------- */

typedef struct service { uint32_t hda, calls; bool deaf; } service_t;

/* The shortest ISR: clears what is set, at once, from inside the controller's own event. */
static storsim_status_t serve(storsim_machine_t *machine, void *state, uint32_t number) {
    service_t *service = state;
    uint64_t status;
    if (!ss_line_get(machine, number) || service->deaf) {
        return STORSIM_OK;
    }
    service->calls++;
    CHECK_EQ(storsim_hda_mmio_read(machine, service->hda, sd(4, 3), 1, &status), STORSIM_OK);
    CHECK_EQ(status & 0x1C, BCIS);
    return storsim_hda_mmio_write(machine, service->hda, sd(4, 3), 1, BCIS);
}

/* Fragments shorter than a packet: each completion is served before the next of the same frame (hdaudio-dma §8). */
static void fragments_in_one_frame(void) {
    static const ss_room_ops_t ops = {.name = "test", .interrupt = serve};
    static const entry_t tiny[] = {{DATA, 2, 1}, {DATA + 0x80, 2, 1}, {DATA + 0x100, 2, 0}, {DATA + 0x180, 2, 1}};
    for (int timing = STORSIM_HDA_CONTROLLER; timing <= STORSIM_HDA_EMULATOR; timing++) {
        storsim_hda_config_t config = kit_config();
        config.timing = (storsim_hda_timing_t)timing;
        kit_t kit = kit_make(&config);
        service_t service = {.hda = kit.hda};
        CHECK_EQ(ss_room_attach(kit.machine, SS_ROOM_HOST, &ops, &service), STORSIM_OK);
        ss_line_listen(kit.machine, SS_ROOM_HOST);
        kit_up(&kit);
        setup(&kit, 4, 1, 0x0841, tiny, 4); /* 16 bytes per frame, 8 fragments */
        wr(&kit, 0x20, 4, 0x80000010);
        run(&kit, 4, IOCE);
        advance(&kit, FRAMES(960));
        uint64_t dma = position(&kit, 4).dma_bytes;
        CHECK_EQ(dma, 960 * 16 + (timing == STORSIM_HDA_CONTROLLER ? 192 : 0));
        CHECK_EQ(service.calls, dma / 8 * 3);
        CHECK_EQ(storsim_finding_count(kit.machine), 0);
        service.deaf = true; /* the level stays, completions merge, DMA goes on */
        advance(&kit, FRAMES(960));
        CHECK(line(&kit));
        CHECK_EQ(position(&kit, 4).dma_bytes, dma + 960 * 16);
        char text[100];
        CHECK_EQ(storsim_check(kit.machine, text, sizeof text), 0);
        storsim_machine_destroy(kit.machine);
    }
}

int main(void) {
    snapshots();
    damaged();
    failing_host();
    sinks_and_sources();
    host_codec();
    guarded();
    remapped();
    fragments_in_one_frame();
    return CHECK_DONE();
}
