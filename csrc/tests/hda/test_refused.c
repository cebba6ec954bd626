/* tests/hda/test_refused.c: accesses of the controller that a guard refuses, and calls on a stopped machine. An access
 * refused for want of memory ends the call, and the next call makes up for it: in the end nobody can tell. One that
 * breaks a rule is told once, and the hardware goes on as if nothing were there. */
#include "guard.h"

#include "hda/hda_i.h"

static storsim_status_t host(void *context, storsim_callback_t *callback) {
    uint64_t *calls = context;
    ++*calls;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE) {
        memset(callback->data, 0x3C, callback->data_bytes);
        callback->result = callback->data_bytes;
    } else {
        callback->result = 0x1234;
    }
    return STORSIM_OK;
}

/* Once more when it was refused for want of memory. A verdict of VIOLATION is told, and what was asked is done. */
#define AGAIN(call)                                                                       \
    do {                                                                                  \
        storsim_status_t status_ = (call);                                                \
        if (status_ != STORSIM_OK) {                                                      \
            told++;                                                                       \
            CHECK_EQ(status_, verdict);                                                   \
            CHECK(asked >= refuse_at);                                                    \
            CHECK_EQ(storsim_check(kit.machine, NULL, 0), 0);                             \
            status_ = status_ == STORSIM_NO_MEMORY ? (call) : STORSIM_OK;                 \
        }                                                                                 \
        CHECK_EQ(status_, STORSIM_OK);                                                    \
    } while (0)

typedef struct outcome {
    uint64_t digest, asked, told;
} outcome_t;

/* A store that was refused has changed nothing. */
#define STORE(call)                                                          \
    do {                                                                     \
        uint64_t before_, after_, told_ = told;                              \
        storsim_machine_t *copy_ = kit.machine;                              \
        CHECK_EQ(storsim_digest(copy_, &before_), STORSIM_OK);               \
        storsim_status_t first_ = (call);                                    \
        if (first_ == STORSIM_NO_MEMORY) {                                   \
            told++;                                                          \
            CHECK_EQ(storsim_digest(copy_, &after_), STORSIM_OK);            \
            CHECK_EQ(after_, before_);                                       \
            first_ = (call);                                                 \
        } else if (first_ == STORSIM_VIOLATION) {                            \
            told++;                                                          \
            first_ = STORSIM_OK;                                             \
        }                                                                    \
        CHECK(told == told_ || asked >= refuse_at);                          \
        CHECK_EQ(first_, STORSIM_OK);                                        \
    } while (0)

/* Two streams, one each way, verbs through the rings to two codecs, positions in memory; the n-th access meets a
 * verdict. */
static outcome_t live(bool prefetch, bool through, uint64_t at, storsim_status_t wanted) {
    static const uint32_t verbs[] = {0x000F0000, 0x01020011, 0x01070610, 0x02020011, 0x02070610, 0x100F0004, 0x0017FF00, 0x01020011,
                                     0x01070610, 0x02070610};
    static const entry_t lists[2][3] = {{{DATA, 700, 1}, {DATA + 0x8000, 256, 0}, {DATA + 0x1FC0, 300, 1}},
                                        {{DATA + 0x100000, 960, 1}, {DATA + 0x10FFC0, 512, 0}, {DATA + 0x120000, 320, 1}}};
    storsim_hda_config_t config = kit_config();
    const storsim_codec_config_t described = {.host_verb = 0xABCD};
    uint8_t data[4096];
    uint64_t calls = 0, told = 0;
    config.bdl_prefetch = prefetch;
    kit_t kit = kit_make(&config);
    storsim_machine_set_callback(kit.machine, host, &calls);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &described), STORSIM_OK);
    kit_up(&kit);
    pattern(data, sizeof data, 6);
    poke(&kit, DATA, data, sizeof data);
    for (uint32_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        poke32(&kit, CORB + 4 * (i + 1), verbs[i]);
    }
    if (through) {
        CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 0xABCD, 7), STORSIM_OK);
        CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, 0, 1, 0xABCD, 7), STORSIM_OK);
    } else {
        CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, data, sizeof data), STORSIM_OK);
    }
    setup(&kit, 4, 1, 0x11, lists[0], 3);
    setup(&kit, 0, 1, 0x11, lists[1], 3);
    guarded(&kit, at, wanted);
    AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x40, 4, CORB));
    AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x50, 4, RIRB));
    AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x70, 4, POSITIONS | 1));
    AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x5C, 1, 2));
    AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x4C, 1, 2));
    AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x48, 2, 6));
    STORE(storsim_hda_mmio_write(kit.machine, kit.hda, sd(4, 0), 4, RUN | IOCE | 1u << 20 | (uint32_t)BCIS << 24));
    STORE(storsim_hda_mmio_write(kit.machine, kit.hda, sd(0, 0), 4, RUN | IOCE | 1u << 20));
    for (uint32_t step = 0; step < 30; step++) {
        uint64_t end = storsim_now(kit.machine) + FRAMES(11) + step;
        while (storsim_now(kit.machine) < end) {
            AGAIN(storsim_advance(kit.machine, end - storsim_now(kit.machine)));
        }
        AGAIN(storsim_advance(kit.machine, 0));
        if (step == 9) {
            AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, 0x48, 2, sizeof verbs / sizeof verbs[0]));
        }
        if (step == 15) {
            AGAIN(storsim_hda_register_write(kit.machine, kit.hda, "RIRBWP", 0x8000));
            uint64_t value;
            AGAIN(storsim_hda_register_read(kit.machine, kit.hda, "WALCLK", &value));
        }
        if (step == 22) {
            AGAIN(storsim_hda_mmio_write(kit.machine, kit.hda, sd(0, 0), 1, 0));
        }
    }
    outcome_t outcome = {.asked = asked, .told = told};
    refuse_at = 0;
    CHECK_EQ(storsim_digest(kit.machine, &outcome.digest), STORSIM_OK);
    kit_end(&kit);
    return outcome;
}

static void refused(bool prefetch, bool through) {
    outcome_t plain = live(prefetch, through, 0, STORSIM_OK);
    uint64_t told[2] = {0};
    CHECK_EQ(plain.told, 0);
    for (uint64_t at = 1; at <= plain.asked; at += at < 120 ? 1 : 3) {
        outcome_t outcome = live(prefetch, through, at, STORSIM_VIOLATION);
        CHECK(outcome.told <= 1);
        told[0] += outcome.told;
        outcome = live(prefetch, through, at, STORSIM_NO_MEMORY);
        CHECK(outcome.told <= 1);
        told[1] += outcome.told;
        if (!through) { /* a source may have been asked in other pieces */
            CHECK_EQ(outcome.digest, plain.digest);
        }
    }
    CHECK(told[0] != 0 && told[1] != 0);
    printf("  %llu accesses, %llu and %llu refusals told\n", (unsigned long long)plain.asked, (unsigned long long)told[0],
           (unsigned long long)told[1]);
}

/* A stopped machine refuses whatever would change it. */
static void stopped(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    const storsim_finding_t draft = {.kind = STORSIM_BUG_CHECK, .code = 0xC4};
    const storsim_codec_config_t codec = {.host_verb = 5};
    uint32_t other;
    uint8_t data[8] = {0};
    CHECK_EQ(ss_stop(kit.machine, SS_ROOM_NT, 0, &draft), STORSIM_BUGCHECK);
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &other), STORSIM_STOPPED);
    CHECK_EQ(storsim_hda_remove(kit.machine, kit.hda), STORSIM_STOPPED);
    CHECK_EQ(storsim_hda_set_wall_clock(kit.machine, kit.hda, 5), STORSIM_STOPPED);
    CHECK_EQ(storsim_hda_register_write(kit.machine, kit.hda, "GCTL", 0), STORSIM_STOPPED);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &codec), STORSIM_STOPPED);
    CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda, 0), STORSIM_STOPPED);
    CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 5, 6), STORSIM_STOPPED);
    CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, 0, 1, 5, 6), STORSIM_STOPPED);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, data, sizeof data), STORSIM_STOPPED);
    storsim_machine_destroy(kit.machine);
}

/* Descriptions, tags, addresses and lengths outside what there is. */
static void outside(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    const storsim_codec_node_t wide[] = {{.nid = 1, .connection_count = 128}}, long_one[] = {{.nid = 1, .parameter_count = 257}};
    const storsim_codec_config_t bad[] = {{.node_count = 257},        {.initial_count = 65537},           {.answer_count = 65537},
                                          {.response_frames = 48001}, {.nodes = wide, .node_count = 1}, {.nodes = long_one, .node_count = 1}};
    uint64_t bytes, dropped, value;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 0, &bad[i]), STORSIM_INVALID);
        CHECK(!storsim_codec_present(kit.machine, kit.hda, 0));
    }
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 0, NULL, &bytes, &dropped), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 16, NULL, &bytes, &dropped), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 3, 1, NULL, &bytes, &dropped), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda, 14), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda + 9, 0), STORSIM_INVALID);
    CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, "NONE", &value), STORSIM_INVALID);
    ss_hda_rate_t rate;
    for (uint32_t base = 0; base <= 0x4000; base += 0x4000) { /* frames for bytes is the first moment at which there are so many */
        ss_hda_rate_of((uint16_t)(base | 0x11), &rate);
        CHECK_EQ(ss_hda_rate_frames(&rate, 0), 0);
        for (bytes = 4; bytes < 4 * 400; bytes += 4) {
            uint64_t frames = ss_hda_rate_frames(&rate, bytes);
            CHECK(ss_hda_rate_bytes(&rate, frames) >= bytes && ss_hda_rate_bytes(&rate, frames - 1) < bytes);
        }
    }
    CHECK_EQ(storsim_hda_remove(kit.machine, kit.hda), STORSIM_OK);
    CHECK(storsim_hda_register_read(kit.machine, kit.hda, "GCTL", &value) != STORSIM_OK);
    kit_end(&kit);
}

int main(void) {
    stopped();
    outside();
    for (int way = 0; way < 4; way++) {
        refused((way & 1) != 0, (way & 2) != 0);
    }
    return CHECK_DONE();
}
