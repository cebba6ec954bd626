/* tests/hda/test_failing_host.c: streams that are heard by one codec, by two, by the host, and streams that are fed by
 * it, on a host that refuses memory now and then: time stops there with NO_MEMORY and goes on, registers are stored or
 * not, nothing breaks. */
#include "kit.h"

static storsim_status_t listens(void *context, storsim_callback_t *callback) {
    uint64_t *heard_bytes = context;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE) {
        memset(callback->data, 0x5A, callback->data_bytes);
        callback->result = callback->data_bytes / 2; /* the rest is silence */
    } else if (callback->kind == STORSIM_CB_CODEC_SINK) {
        *heard_bytes += callback->data_bytes;
    }
    return STORSIM_OK;
}

enum { RENDER = 4, RENDER_ALONE = 5, RENDER_SUNK = 6, CAPTURE = 0, CAPTURE_FED = 1 };

static kit_t make(const storsim_host_t *host, bool prefetch, uint64_t *heard_bytes) {
    storsim_hda_config_t config = kit_config();
    config.bdl_prefetch = prefetch;
    kit_t kit = {kit_machine(host), 0};
    static const uint32_t streams[] = {CAPTURE, CAPTURE_FED, RENDER, RENDER_ALONE, RENDER_SUNK};
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &kit.hda), STORSIM_OK);
    storsim_machine_set_callback(kit.machine, listens, heard_bytes);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 1), STORSIM_OK);
    kit_up(&kit);
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        const uint64_t at = DATA + 0x100000 * streams[i];
        const entry_t entries[] = {{at, 6000, 1}, {at + 0x2000, 6000, 0}};
        setup(&kit, streams[i], streams[i] + 1, 0x0011, entries, 2);
    }
    tune(&kit, 0, 0x10, RENDER + 1, 0x0011);
    tune(&kit, 1, 0x10, RENDER + 1, 0x0011); /* two listen */
    tune(&kit, 0, 0x11, RENDER_ALONE + 1, 0x0011);
    tune(&kit, 1, 0x12, RENDER_SUNK + 1, 0x0011);
    tune(&kit, 0, 0x20, CAPTURE + 1, 0x0011);
    tune(&kit, 1, 0x21, CAPTURE_FED + 1, 0x0011);
    CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 1, RENDER_SUNK + 1, 7, 8), STORSIM_OK);
    CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, 0, CAPTURE + 1, 9, 10), STORSIM_OK);
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        run(&kit, streams[i], 0);
    }
    return kit;
}

static void consistent(kit_t *kit, storsim_status_t status) {
    CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
    CHECK_EQ(storsim_check(kit->machine, NULL, 0), 0);
}

static void test_time(void) {
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        failing_host_t state = {0};
        const storsim_host_t host = FAILING_HOOK(&state);
        uint64_t heard_bytes = 0;
        kit_t kit = make(&host, prefetch != 0, &heard_bytes);
        unsigned refused = 0;
        for (unsigned long step = 0; step < 600; step++) {
            static const uint32_t frames[] = {1, 7, 37, 500, 1600};
            for (uint8_t tag = RENDER + 1; tag <= RENDER_SUNK + 1; tag++) { /* what was heard goes, so that there has to be room for more */
                CHECK_EQ(storsim_codec_played_clear(kit.machine, kit.hda, 0, tag), STORSIM_OK);
                CHECK_EQ(storsim_codec_played_clear(kit.machine, kit.hda, 1, tag), STORSIM_OK);
            }
            state.persistent = step % 3 == 0;
            state.fail_at = state.persistent ? 1 : state.requests + 1 + step % 7;
            storsim_status_t fed = storsim_codec_feed(kit.machine, kit.hda, 1, CAPTURE_FED + 1, "some bytes", 10);
            storsim_status_t status = storsim_advance(kit.machine, FRAMES(frames[step % 5]));
            state.fail_at = 0;
            consistent(&kit, fed);
            consistent(&kit, status);
            refused += status == STORSIM_NO_MEMORY;
            CHECK_EQ(storsim_advance(kit.machine, FRAMES(3)), STORSIM_OK); /* it goes on */
        }
        printf("  %u advances refused, %llu bytes heard\n", refused, (unsigned long long)heard_bytes);
        CHECK(heard_bytes > 10000);
        kit_end(&kit);
        CHECK_EQ(state.live, 0);
    }
}

/* Stores into registers that make streams catch up, refused once and then done. */
static void test_registers(void) {
    unsigned refused = 0;
    for (unsigned long at = 0; at < 12; at++) {
        for (int way = 0; way < 4; way++) {
            failing_host_t state = {0};
            const storsim_host_t host = FAILING_HOOK(&state);
            uint64_t heard_bytes = 0, value;
            kit_t kit = make(&host, false, &heard_bytes);
            advance(&kit, FRAMES(300 + 17 * at));
            CHECK_EQ(storsim_codec_played_clear(kit.machine, kit.hda, 0, RENDER_ALONE + 1), STORSIM_OK);
            for (uint64_t i = 0; i < 40; i++) { /* memory that nobody has touched yet */
                poke32(&kit, CORB + 0x10000 + 0x1000 * i, 1);
            }
            CHECK_EQ(storsim_advance(kit.machine, FRAMES(1) - 1), STORSIM_OK);
            static const struct {
                uint32_t offset, bytes, value;
            } stores[] = {{0x80 + 0x20 * RENDER, 1, 0}, {0x38, 4, 0xFF}, {0x08, 4, 0}, {0x70, 4, (uint32_t)POSITIONS | 1}};
            state.persistent = at % 2 == 0;
            state.fail_at = state.persistent ? 1 : state.requests + 1 + at / 2;
            storsim_status_t status = storsim_hda_mmio_write(kit.machine, kit.hda, stores[way].offset, stores[way].bytes, stores[way].value);
            storsim_status_t read = storsim_hda_register_read(kit.machine, kit.hda, "LPIB", &value);
            state.fail_at = 0;
            consistent(&kit, status);
            CHECK(read == STORSIM_INVALID || read == STORSIM_OK || read == STORSIM_NO_MEMORY);
            refused += status == STORSIM_NO_MEMORY;
            CHECK_EQ(storsim_hda_mmio_write(kit.machine, kit.hda, stores[way].offset, stores[way].bytes, stores[way].value), STORSIM_OK);
            CHECK_EQ(storsim_advance(kit.machine, FRAMES(100)), STORSIM_OK);
            kit_end(&kit);
            CHECK_EQ(state.live, 0);
        }
    }
    printf("  %u stores refused\n", refused);
}

int main(void) {
    test_time();
    test_registers();
    return CHECK_DONE();
}
