/* tests/hda/test_inside.c: what can only be seen by looking inside, or by setting up inside what would take years of
 * time or a very odd machine: ends of time and of addresses, hosts that refuse one certain piece of memory, streams as
 * no register can make them. */
#include "guard.h"

#include "hda/hda_i.h"
#include "machine/machine_i.h"

static ss_hda_t *inside(kit_t *kit) { return ss_hda_at(kit->machine, kit->hda); }

static const entry_t TWO[] = {{DATA, 8192, 0}, {DATA + 0x2000, 8192, 0}};

/* --- time --------------------------------------------------------------------------------------------------------- */

static void test_ends_of_time(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    const ss_hda_t *hda = inside(&kit);
    const uint64_t last = UINT64_MAX / STORSIM_TICKS_PER_FRAME;
    CHECK_EQ(ss_hda_boundary(hda, 3), hda->epoch + FRAMES(3));
    CHECK_EQ(ss_hda_boundary(hda, last - 1), hda->epoch + FRAMES(last - 1));
    CHECK_EQ(ss_hda_boundary(hda, last), SS_NEVER); /* the epoch is above what is left */
    CHECK_EQ(ss_hda_boundary(hda, last + 1), SS_NEVER);
    CHECK_EQ(storsim_advance(kit.machine, UINT64_MAX - storsim_now(kit.machine) - 300), STORSIM_OK);
    CHECK_EQ(ss_hda_due(kit.machine, hda, 299), UINT64_MAX - 1);
    CHECK_EQ(ss_hda_due(kit.machine, hda, 301), SS_NEVER);
    kit_end(&kit);
}

/* Two controllers with something to tell: the first is told, and neither is told twice. */
static void test_both_tell(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint32_t other = 0;
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &other), STORSIM_OK);
    inside(&kit)->raised = STORSIM_VIOLATION;
    ss_hda_at(kit.machine, other)->raised = STORSIM_BUSY;
    CHECK_EQ(ss_settle(kit.machine), STORSIM_VIOLATION);
    CHECK_EQ(ss_settle(kit.machine), STORSIM_OK);
    kit_end(&kit);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

#define TOP UINT64_C(0xFFFFFFFFFFFFF000)

static uint64_t map(kit_t *kit, uint64_t physical, uint64_t pages, uint64_t lowest) {
    const ss_bus_limits_t limits = {.lowest = lowest, .highest = UINT64_MAX};
    uint64_t logical = 0;
    CHECK_EQ(ss_bus_map_within(kit->machine, inside(kit)->device, physical / STORSIM_PAGE_SIZE, pages, &limits, &logical), STORSIM_OK);
    return logical;
}

/* Behind an IOMMU that maps the last page there is: buffers, lists and positions do not go on at address 0. */
static void test_last_page(void) {
    storsim_hda_config_t config = kit_config();
    config.dma_remapping = true;
    config.capture = config.render = 15;
    config.bidirectional = 0;
    config.timing = STORSIM_HDA_IDEAL;
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    CHECK_EQ(map(&kit, DATA, 1, TOP), TOP);
    uint64_t list = map(&kit, BDL, 64, 0);
    for (uint32_t stream = 14; stream <= 16; stream++) {
        const entry_t entries[] = {{stream != 15 ? list : TOP, 8192, 0}, {list, 8192, 0}};
        setup(&kit, stream, stream - 10, 0x0011, entries, 2);
        wr(&kit, sd(stream, 0x18), 4, (uint32_t)(list + 0x1000 * stream));
        wr(&kit, sd(stream, 0x1C), 4, (uint32_t)((list + 0x1000 * stream) >> 32));
    }
    wr(&kit, 0x74, 4, UINT32_MAX);
    wr(&kit, 0x70, 4, 0xFFFFFF81); /* sixteen positions fit */
    for (uint32_t stream = 14; stream <= 16; stream++) {
        run(&kit, stream, 0);
    }
    advance(&kit, FRAMES(2));
    CHECK_EQ(inside(&kit)->streams[15].usable, 4096);
    CHECK_EQ(notes(&kit, "POSITION_BUFFER"), 1); /* the seventeenth */
    CHECK_EQ(peek32(&kit, DATA + 0xF80 + 8 * 15), position(&kit, 15).dma_bytes);
    advance(&kit, FRAMES(3000));
    CHECK((status_of(&kit, 15) & DESE) != 0);
    CHECK_EQ(position(&kit, 15).dma_bytes, 4096);
    CHECK_EQ(status_of(&kit, 16) & DESE, 0);
    /* No page there at all. */
    ss_bus_unmap(kit.machine, inside(&kit)->device, TOP, 1);
    reset_stream(&kit, 14);
    setup(&kit, 14, 4, 0x0011, TWO, 2);
    wr(&kit, sd(14, 0x18), 4, (uint32_t)(list + 0x1000 * 14));
    wr(&kit, sd(14, 0x1C), 4, (uint32_t)((list + 0x1000 * 14) >> 32));
    size_t before = notes(&kit, "POSITION_BUFFER");
    run(&kit, 14, 0);
    advance(&kit, FRAMES(2));
    CHECK(notes(&kit, "POSITION_BUFFER") > before);
    kit_end(&kit);
}

/* A list that no register can name, as a snapshot may: its entry would end above the last address. */
static void test_odd_list(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    setup(&kit, 4, 1, 0x0011, TWO, 2);
    inside(&kit)->streams[4].fresh = false; /* it has run before, so its list is known */
    inside(&kit)->streams[4].bdl = UINT64_MAX - 3;
    run(&kit, 4, 0);
    advance(&kit, FRAMES(1));
    CHECK((status_of(&kit, 4) & DESE) != 0);
    CHECK_EQ(position(&kit, 4).dma_bytes, 0);
    kit_end(&kit);
}

/* A part of 32 address bits whose window happens to go on above them. */
static void test_below_4_gib(void) {
    static const storsim_range_t ranges[] = {{LOW, 4u << 20, 0}, {UINT64_C(0xFFFE0000), 0x40000, 0}};
    const storsim_machine_config_t machine = {.ranges = ranges, .range_count = 2, .seed = 5};
    storsim_hda_config_t config = kit_config();
    kit_t kit = {0};
    bool bad = true;
    config.ok64 = false;
    CHECK_EQ(storsim_machine_create(&machine, &kit.machine), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &kit.hda), STORSIM_OK);
    kit_up(&kit);
    const entry_t entries[] = {{UINT64_C(0xFFFFF000), 0x2000, 0}, {UINT64_C(0xFFFE0000), 0x1000, 0}};
    setup(&kit, 4, 1, 0x0011, entries, 2);
    ss_hda_stream_t *stream = &inside(&kit)->streams[4];
    stream->bdl = BDL + 0x4000;
    for (uint32_t i = 0; i < 2; i++) {
        stream->index = i;
        stream->data = (ss_bus_window_t){.moment = ss_machine_head(kit.machine)->moment + 1, .first = 0xFFFE0000, .end = UINT64_C(0x100002000)};
        CHECK_EQ(ss_hda_entry_load(kit.machine, inside(&kit), 4, &bad), STORSIM_OK);
        CHECK(!bad);
        CHECK_EQ(stream->usable, 0x1000);
    }
    stream->data = (ss_bus_window_t){0};
    stream->loaded = false;
    stream->index = 0;
    CHECK_EQ(storsim_check(kit.machine, NULL, 0), 0);
    storsim_machine_destroy(kit.machine);
}

/* --- the memory side ---------------------------------------------------------------------------------------------- */

static void set_level(ss_hda_t *hda, uint32_t stream) {
    ss_hda_poke(hda, ss_sd(stream, SS_SDSTS), 1, SS_BCIS);
    ss_hda_poke(hda, ss_sd(stream, SS_SDCTL), 1, ss_hda_peek(hda, ss_sd(stream, SS_SDCTL), 1) | SS_IOCE);
}

static void clear_level(ss_hda_t *hda, uint32_t stream) { ss_hda_poke(hda, ss_sd(stream, SS_SDSTS), 1, 0); }

static kit_t playing(const storsim_host_t *host, uint64_t keep, const storsim_hda_config_t *config) {
    kit_t kit = {kit_machine(host), 0};
    uint8_t data[16384];
    CHECK_EQ(storsim_hda_add(kit.machine, config, &kit.hda), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    tune(&kit, 0, 0x10, 1, 0x0011);
    CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 0, 1, keep), STORSIM_OK);
    pattern(data, sizeof data, 9);
    poke(&kit, DATA, data, sizeof data);
    setup(&kit, 4, 1, 0x0011, TWO, 2);
    return kit;
}

/* The bus stops answering while a stream runs: silence, until it answers again. */
static void test_stalled_bus(void) {
    storsim_hda_config_t config = kit_config();
    config.timing = STORSIM_HDA_IDEAL;
    kit_t kit = playing(NULL, 1u << 20, &config);
    uint8_t expected[16384];
    uint64_t bytes = 0;
    pattern(expected, sizeof expected, 9);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(100));
    ss_bus_stall(kit.machine, inside(&kit)->device, true);
    advance(&kit, FRAMES(50));
    ss_bus_stall(kit.machine, inside(&kit)->device, false);
    advance(&kit, FRAMES(50));
    uint8_t *data = heard(&kit, 0, 1, &bytes);
    CHECK_EQ(bytes, 4 * 200);
    memset(expected + 400, 0, 200);
    CHECK_EQ(memcmp(data, expected, 800), 0);
    free(data);
    kit_end(&kit);
}

/* Whoever keeps nothing and hands nothing on is told how much there was, be it by its tag or by its controller. */
static void test_nobody_wants_it(void) {
    for (int way = 0; way < 2; way++) {
        storsim_hda_config_t config = kit_config();
        config.timing = STORSIM_HDA_IDEAL;
        config.keep_bytes = way == 0 ? config.keep_bytes : 0;
        kit_t kit = kit_make(&config);
        uint64_t bytes = 0, dropped = 0;
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
        kit_up(&kit);
        tune(&kit, 0, 0x10, 1, 0x0011);
        if (way == 0) {
            CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 0, 1, 0), STORSIM_OK);
        }
        setup(&kit, 4, 1, 0x0011, TWO, 2);
        run(&kit, 4, 0);
        advance(&kit, FRAMES(100));
        CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 1, NULL, &bytes, &dropped), STORSIM_OK);
        CHECK(bytes == 0 && dropped == 400);
        kit_end(&kit);
    }
}

typedef struct listener {
    failing_host_t host;
    uint64_t heard, asked;
    bool refuse;
} listener_t;

static storsim_status_t listens(void *context, storsim_callback_t *callback) {
    listener_t *listener = context;
    if (callback->kind == STORSIM_CB_CODEC_SINK) {
        listener->heard += callback->data_bytes;
    } else {
        memset(callback->data, 0x21, callback->data_bytes);
        callback->result = callback->data_bytes;
        listener->asked++;
        listener->host.fail_at = listener->refuse ? listener->host.requests + 1 : 0;
    }
    return STORSIM_OK;
}

/* A host without memory for what a sink is to get, or for what is kept beside it: nothing is lost. */
static void sink_refused(uint64_t keep) {
    listener_t listener = {0};
    const storsim_host_t host = FAILING_HOOK(&listener.host);
    storsim_hda_config_t config = kit_config();
    config.timing = STORSIM_HDA_IDEAL;
    kit_t kit = playing(&host, keep, &config);
    storsim_machine_set_callback(kit.machine, listens, &listener);
    CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 7, 8), STORSIM_OK);
    run(&kit, 4, 0);
    listener.host.persistent = 1;
    listener.host.fail_at = 1;
    CHECK_EQ(storsim_advance(kit.machine, FRAMES(480)), STORSIM_NO_MEMORY);
    listener.host.fail_at = 0;
    CHECK_EQ(listener.heard, 0);
    while (storsim_now(kit.machine) < inside(&kit)->epoch + FRAMES(25 + 960)) {
        advance(&kit, FRAMES(48));
    }
    advance(&kit, 0);
    CHECK(listener.heard >= 4 * 480 && listener.heard % 4 == 0);
    kit_end(&kit);
    CHECK_EQ(listener.host.live, 0);
}

static void test_sink_refused(void) {
    sink_refused(0);
    sink_refused(1u << 20);
}

/* A source has answered, and the host has no memory to keep the answer: it is asked again later. */
static void test_source_refused(void) {
    listener_t listener = {.refuse = true};
    const storsim_host_t host = FAILING_HOOK(&listener.host);
    storsim_hda_config_t config = kit_config();
    kit_t kit = playing(&host, 0, &config);
    uint64_t pending = 99;
    storsim_machine_set_callback(kit.machine, listens, &listener);
    tune(&kit, 0, 0x20, 1, 0x0011);
    CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, 0, 1, 7, 8), STORSIM_OK);
    setup(&kit, 0, 1, 0x0011, TWO, 2);
    storsim_status_t status = storsim_hda_mmio_write(kit.machine, kit.hda, sd(0, 0), 1, RUN);
    status = status == STORSIM_OK ? storsim_advance(kit.machine, FRAMES(1)) : status;
    CHECK_EQ(status, STORSIM_NO_MEMORY);
    CHECK_EQ(listener.asked, 1);
    CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 1, &pending), STORSIM_OK);
    CHECK_EQ(pending, 0);
    listener.refuse = false;
    listener.host.fail_at = 0;
    advance(&kit, FRAMES(2000));
    CHECK(listener.asked > 1);
    CHECK_EQ(peek32(&kit, DATA + 0x1000), 0x21212121);
    kit_end(&kit);
    CHECK_EQ(listener.host.live, 0);
}

/* Each access of a stream refused once, for want of memory: time stops there and goes on, and nobody can tell. */
static void test_access_refused(void) {
    uint8_t expected[16384];
    uint64_t first = 0;
    for (uint64_t at = 0; at < 14; at++) {
        storsim_hda_config_t config = kit_config();
        config.timing = STORSIM_HDA_IDEAL;
        kit_t kit = playing(NULL, 1u << 20, &config);
        uint64_t refused = 0, end, digest = 0;
        pattern(expected, sizeof expected, 9);
        run(&kit, 4, 0);
        tune(&kit, 0, 0x20, 2, 0x0011);
        const entry_t behind[] = {{DATA + 0x1000, 0x1000, 0}, {DATA + 0x3000, 0x1000, 0}}; /* a capture behind what is played */
        setup(&kit, 0, 2, 0x0011, behind, 2);
        run(&kit, 0, 0);
        guarded(&kit, at, STORSIM_NO_MEMORY);
        end = storsim_now(kit.machine) + FRAMES(900);
        while (storsim_now(kit.machine) < end) {
            storsim_status_t status = storsim_advance(kit.machine, end - storsim_now(kit.machine));
            CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
            refused += status == STORSIM_NO_MEMORY;
        }
        refused += storsim_advance(kit.machine, 0) == STORSIM_NO_MEMORY;
        CHECK(refused == (at != 0 && at <= asked));
        ss_bus_set_guard(kit.machine, NULL, NULL);
        heard_is(&kit, 1, expected, 3600);
        CHECK_EQ(storsim_digest(kit.machine, &digest), STORSIM_OK);
        first = at == 0 ? digest : first;
        CHECK_EQ(digest, first);
        kit_end(&kit);
    }
}

/* The same with a sink, and with a list that a capture is about to write over. */
static void test_more_refused(void) {
    for (int way = 0; way < 2; way++) {
        uint64_t first = 0;
        unsigned refusals = 0;
        for (uint64_t at = 0; at < 24; at++) {
            listener_t listener = {0};
            storsim_hda_config_t config = kit_config();
            config.timing = STORSIM_HDA_IDEAL;
            kit_t kit = playing(NULL, 0, &config);
            uint64_t digest = 0, end;
            const entry_t pieces[] = {{DATA, 256, 0}, {DATA + 0x400, 256, 0}, {DATA + 0x1000, 256, 0}};
            const entry_t over[] = {{BDL + 0x3000, 0x8000, 0}, {DATA + 0x8000, 0x1000, 0}};
            setup(&kit, 4, 1, 0x0011, pieces, 3);
            if (way == 0) {
                storsim_machine_set_callback(kit.machine, listens, &listener);
                CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 1, 7, 8), STORSIM_OK);
            } else {
                tune(&kit, 0, 0x20, 2, 0x0011);
                setup(&kit, 0, 2, 0x0011, over, 2);
                run(&kit, 0, 0);
            }
            run(&kit, 4, 0);
            guarded(&kit, at, STORSIM_NO_MEMORY);
            end = storsim_now(kit.machine) + FRAMES(400);
            while (storsim_now(kit.machine) < end) {
                storsim_status_t status = storsim_advance(kit.machine, FRAMES(40));
                CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
                refusals += status == STORSIM_NO_MEMORY;
            }
            refuse_at = 0;
            advance(&kit, end + FRAMES(100) - storsim_now(kit.machine));
            ss_bus_set_guard(kit.machine, NULL, NULL);
            CHECK_EQ(storsim_digest(kit.machine, &digest), STORSIM_OK);
            first = at == 0 ? digest : first;
            CHECK_EQ(digest, first);
            kit_end(&kit);
        }
        CHECK(refusals > 10);
    }
}

/* Every access refused: time stands still with what is to be done, and so a store that needs it done is refused, and so
 * is a look. */
static void test_stores_refused(void) {
    storsim_hda_config_t config = kit_config();
    config.timing = STORSIM_HDA_IDEAL;
    kit_t kit = playing(NULL, 1u << 20, &config);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(10));
    guarded(&kit, 1, STORSIM_NO_MEMORY);
    CHECK_EQ(storsim_advance(kit.machine, FRAMES(20)), STORSIM_NO_MEMORY);
    refuse_at = 2;
    CHECK_EQ(storsim_hda_mmio_write(kit.machine, kit.hda, sd(4, 0), 1, 0), STORSIM_NO_MEMORY);
    CHECK(inside(&kit)->streams[4].running);
    wr(&kit, sd(4, 0), 1, 0);
    CHECK(!inside(&kit)->streams[4].running);
    CHECK_EQ(position(&kit, 4).link_bytes, 4 * 30);
    kit_end(&kit);
}

/* The read that finds the controller gone is also the one that is told what was still to tell. */
static void test_told_when_gone(void) {
    const storsim_fault_rule_t gone = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_REMOVED, .first = 1};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint64_t value = 99;
    uint32_t rule;
    kit_up(&kit);
    CHECK_EQ(storsim_fault_add(kit.machine, &gone, &rule), STORSIM_OK);
    inside(&kit)->raised = STORSIM_VIOLATION;
    CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, "GCTL", &value), STORSIM_VIOLATION);
    CHECK_EQ(value, 99);
    CHECK_EQ(storsim_hda_register_read(kit.machine, kit.hda, "GCTL", &value), STORSIM_OK);
    CHECK_EQ(value, UINT32_MAX);
    kit_end(&kit);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

/* A capture whose memory side stands still is reset: what was fed and sent meanwhile is gone. One that shares the tag
 * of another is silent; what the codec would have sent in its place stays. */
static void test_captures(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    storsim_hda_config_t config = kit_config();
    kit_t kit = playing(&host, 0, &config);
    uint64_t pending = 0;
    tune(&kit, 0, 0x20, 1, 0x0011);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, "0123456789012345678901234567890123456789", 40), STORSIM_OK);
    setup(&kit, 0, 1, 0x0011, TWO, 2);
    setup(&kit, 1, 1, 0x0011, TWO, 2);
    wr(&kit, sd(1, 0x18), 4, (uint32_t)(BDL + 0x1000));
    run(&kit, 0, 0);
    advance(&kit, FRAMES(2));
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, true), STORSIM_OK);
    run(&kit, 1, 0); /* overshadowed by the first, which has the same tag */
    advance(&kit, FRAMES(3));
    CHECK(position(&kit, 0).link_bytes > position(&kit, 0).dma_bytes);
    CHECK(position(&kit, 1).link_bytes > position(&kit, 1).dma_bytes);
    CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 1, &pending), STORSIM_OK);
    CHECK_EQ(pending, 40 - 4 * 2);
    wr(&kit, sd(0, 0), 1, 0);
    wr(&kit, sd(1, 0), 1, 0);
    reset_stream(&kit, 0);
    CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 1, &pending), STORSIM_OK);
    CHECK(pending < 40 - 4 * 2);
    reset_stream(&kit, 1);
    CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, false), STORSIM_OK);
    /* Silence that is on its way when nothing was fed needs a place, and the host has none. */
    tune(&kit, 0, 0x21, 2, 0x0011);
    for (int way = 0; way < 2; way++) {
        setup(&kit, 2, 2, 0x0011, TWO, 2);
        run(&kit, 2, 0);
        advance(&kit, FRAMES(2));
        CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, true), STORSIM_OK);
        state.persistent = way == 0;
        state.fail_at = way == 0 ? 1 : state.requests + 2; /* the lane, or its bytes */
        CHECK_EQ(storsim_advance(kit.machine, FRAMES(3)), STORSIM_NO_MEMORY);
        state.fail_at = 0;
        CHECK_EQ(storsim_hda_stall(kit.machine, kit.hda, false), STORSIM_OK);
        advance(&kit, FRAMES(30));
        CHECK_EQ(position(&kit, 2).link_bytes, position(&kit, 2).dma_bytes);
        reset_stream(&kit, 2);
        CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda, 0), STORSIM_OK); /* and its lanes */
        CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
        advance(&kit, FRAMES(30));
        tune(&kit, 0, 0x21, 2, 0x0011);
    }
    kit_end(&kit);
    CHECK_EQ(state.live, 0);
}

/* A stream that goes on with a shorter FIFO than it had has more in it than it would fetch now. */
static void test_shorter_fifo(void) {
    storsim_hda_config_t config = kit_config();
    config.personality = STORSIM_HDA_ICH;
    kit_t kit = playing(NULL, 1u << 20, &config);
    wr(&kit, sd(4, 0x10), 2, 0x7F);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(10));
    CHECK_EQ(position(&kit, 4).dma_bytes, 40 + 128);
    wr(&kit, sd(4, 0), 1, 0);
    advance(&kit, FRAMES(1));
    wr(&kit, sd(4, 0x10), 2, 0x0F);
    uint64_t before = position(&kit, 4).dma_bytes, link = position(&kit, 4).link_bytes;
    run(&kit, 4, 0);
    advance(&kit, FRAMES(5));
    CHECK_EQ(position(&kit, 4).dma_bytes, before);
    CHECK_EQ(position(&kit, 4).link_bytes, link + 20);
    advance(&kit, FRAMES(100));
    CHECK_EQ(position(&kit, 4).dma_bytes, position(&kit, 4).link_bytes + 16);
    kit_end(&kit);
}

/* The link has just come up: a capture and what plays behind it are looked at in turns, with no frame before. */
static void test_first_frame(void) {
    storsim_hda_config_t config = kit_config();
    config.codec_frames = 0;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    wr(&kit, 0x08, 4, 1);
    advance(&kit, FRAMES(1));
    CHECK_EQ(ss_hda_frame(kit.machine, inside(&kit)), 0);
    tune(&kit, 0, 0x20, 2, 0x0011);
    tune(&kit, 0, 0x10, 1, 0x0011);
    setup(&kit, 0, 2, 0x0011, TWO, 2);
    setup(&kit, 4, 1, 0x0011, TWO, 2);
    run(&kit, 0, 0);
    run(&kit, 4, 0);
    CHECK_EQ(ss_hda_frame(kit.machine, inside(&kit)), 0);
    CHECK_EQ(ss_hda_flow_until(kit.machine, inside(&kit), 0), STORSIM_OK);
    CHECK_EQ(position(&kit, 0).link_bytes, 0);
    advance(&kit, FRAMES(10));
    CHECK_EQ(position(&kit, 0).link_bytes, 40);
    kit_end(&kit);
}

/* Segments as only a snapshot could say them: the next visit is a frame later, never before. */
static void test_strange_segments(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = playing(NULL, 0, &config);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(50));
    ss_hda_t *hda = inside(&kit);
    ss_hda_stream_t *stream = &hda->streams[4], before = *stream;
    uint64_t next = ss_hda_boundary(hda, ss_hda_frame(kit.machine, hda) + 1);
    stream->segment_link = stream->dma + (1u << 30);
    ss_hda_schedule(kit.machine, hda, 4);
    CHECK_EQ(stream->due, next);
    *stream = before;
    stream->segment_frame = 0;
    stream->segment_link = stream->dma + stream->usable - stream->offset - stream->fifo - 40;
    ss_hda_schedule(kit.machine, hda, 4);
    CHECK_EQ(stream->due, next);
    *stream = before;
    stream->dma = 0;
    stream->loaded = false;
    ss_hda_schedule(kit.machine, hda, 4);
    CHECK_EQ(stream->due, next);
    *stream = before;
    wr(&kit, 0x20, 4, 0x80000000u | 1u << 4);
    set_level(hda, 4);
    CHECK(ss_hda_line_level(hda));
    hda->gone = true;
    CHECK(!ss_hda_line_level(hda)); /* nobody pulls a line that is not there */
    hda->gone = false;
    *stream = before;
    clear_level(hda, 4);
    kit_end(&kit);
}

int main(void) {
    test_ends_of_time();
    test_both_tell();
    test_last_page();
    test_odd_list();
    test_below_4_gib();
    test_stalled_bus();
    test_nobody_wants_it();
    test_sink_refused();
    test_source_refused();
    test_access_refused();
    test_more_refused();
    test_stores_refused();
    test_told_when_gone();
    test_captures();
    test_shorter_fifo();
    test_first_frame();
    test_strange_segments();
    return CHECK_DONE();
}
