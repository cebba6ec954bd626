/* Streams are moved when somebody looks; what they would have written or played by then has to be as if each frame had
 * been lived through. Lists that another stream records, the order of streams within a frame, a host that refuses
 * memory meanwhile, and how seldom a stream is visited. Source: hda-controller §5, §6; model choice: within a frame
 * streams go by their number. */
#include "kit.h"

#include "hda/hda_i.h"

static kit_t awake(void) {
    const storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    return kit;
}

static void list_at(kit_t *kit, uint32_t stream, uint64_t at, const entry_t *entries, uint32_t count) {
    write_bdl(kit, at, entries, count);
    wr(kit, sd(stream, 0x18), 4, (uint32_t)at);
    wr(kit, sd(stream, 0x1C), 4, (uint32_t)(at >> 32));
}

/* A capture whose entry lasts long writes the list of a render stream, which is not visited for it: the entry played
 * next is the new one. */
static void captured_list(void) {
    const uint64_t area = DATA + 0x8000, list = area + 128;
    const entry_t recording[] = {{area, 0x4000, 0}, {area + 0x4000, 0x4000, 0}};
    const entry_t before[] = {{DATA, 960, 0}, {DATA, 960, 0}}, after[] = {{DATA, 960, 0}, {DATA + 0x1000, 960, 0}};
    uint8_t first[960], second[960], fed[160] = {0};
    kit_t kit = awake();
    pattern(first, sizeof first, 17);
    pattern(second, sizeof second, 18);
    poke(&kit, DATA, first, sizeof first);
    poke(&kit, DATA + 0x1000, second, sizeof second);
    setup(&kit, 0, 1, 0x11, recording, 2);
    setup(&kit, 4, 1, 0x11, before, 2);
    write_bdl(&kit, list, after, 2);
    peek(&kit, list, fed + 128, 32);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, fed, sizeof fed), STORSIM_OK);
    list_at(&kit, 4, list, before, 2);
    tune(&kit, 0, 0x10, 1, 0x11);
    tune(&kit, 0, 0x20, 1, 0x11);
    run(&kit, 0, 0);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(480));
    heard_both(&kit, 1, first, 960, second, 960);
    kit_end(&kit);
}

/* Stream 1 starts `lead` frames after stream 0 and in its frame 229 writes the address of stream 0's second entry,
 * which stream 0 loads in its frame 241: in that very frame it is too late, because stream 0 has its turn before stream
 * 1. With or without a stream that plays what stream 1 records. */
static void turns(uint32_t lead, bool seen, bool played) {
    const uint64_t area = DATA + 0x8000, list = area + 896, early = DATA + 0x1000, late = DATA + 0x2000;
    const entry_t reader[] = {{DATA, 960, 0}, {early, 960, 0}}, writer[] = {{area, 0x4000, 0}, {area + 0x4000, 0x4000, 0}};
    const entry_t player[] = {{area + 0x2000, 0x2000, 0}, {area + 0x2000, 0x2000, 0}};
    const entry_t redirected = {late, 960, 0};
    uint8_t voice[1920], fed[928] = {0}, found[960], untouched[960];
    kit_t kit = awake();
    pattern(voice, sizeof voice, 19);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 1, voice, sizeof voice), STORSIM_OK);
    write_bdl(&kit, list, &redirected, 1);
    peek(&kit, list, fed + 912, 16);
    memset(untouched, 0xEE, sizeof untouched);
    poke(&kit, early, untouched, sizeof untouched);
    poke(&kit, late, untouched, sizeof untouched);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 2, fed, sizeof fed), STORSIM_OK);
    setup(&kit, 0, 1, 0x11, reader, 2);
    setup(&kit, 1, 2, 0x11, writer, 2);
    setup(&kit, 4, 3, 0x11, player, 2);
    list_at(&kit, 0, list, reader, 2);
    tune(&kit, 0, 0x20, 1, 0x11);
    tune(&kit, 0, 0x21, 2, 0x11);
    tune(&kit, 0, 0x10, 3, 0x11);
    if (played) {
        run(&kit, 4, 0);
    }
    run(&kit, 0, 0);
    advance(&kit, FRAMES(lead));
    run(&kit, 1, 0);
    advance(&kit, FRAMES(480));
    peek(&kit, seen ? late : early, found, sizeof found);
    CHECK_EQ(memcmp(found, voice + 960, sizeof found - 8), 0); /* the last frame or two are on their way */
    peek(&kit, seen ? early : late, found, sizeof found);
    CHECK_EQ(memcmp(found, untouched, sizeof found), 0);
    kit_end(&kit);
}

/* A register is not stored when what comes before the store has no memory: the host hears of it, and the second try
 * does everything. */
static void refused_store(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    const storsim_hda_config_t config = kit_config();
    const entry_t entries[] = {{DATA, 0x40000, 0}, {DATA + 0x40000, 0x40000, 0}};
    static uint8_t data[200000];
    kit_t kit = {kit_machine(&host), 0};
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &kit.hda), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    pattern(data, sizeof data, 20);
    poke(&kit, DATA, data, sizeof data);
    setup(&kit, 4, 1, 0x11, entries, 2);
    tune(&kit, 0, 0x10, 1, 0x11);
    run(&kit, 4, 0);
    const uint64_t start = storsim_now(kit.machine);
    state.persistent = 1;
    state.fail_at = state.requests + 1;
    CHECK_EQ(storsim_advance(kit.machine, FRAMES(sizeof data / 4)), STORSIM_NO_MEMORY); /* what was heard has no room */
    CHECK_EQ(storsim_hda_mmio_write(kit.machine, kit.hda, 0x70, 4, POSITIONS | 1), STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(rd(&kit, 0x70, 4), 0);
    CHECK_EQ(storsim_now(kit.machine), start + FRAMES(sizeof data / 4));
    wr(&kit, 0x70, 4, POSITIONS | 1);
    CHECK_EQ(rd(&kit, 0x70, 4), POSITIONS | 1);
    heard_is(&kit, 1, data, sizeof data);
    CHECK_EQ(storsim_check(kit.machine, NULL, 0), 0);
    storsim_machine_destroy(kit.machine);
    CHECK_EQ(state.live, 0);
}

static storsim_status_t listens(void *context, storsim_callback_t *callback) {
    (void)context;
    (void)callback;
    return STORSIM_OK;
}

/* Only a stream that a routine listens to is visited between its entries' ends. */
static void seldom_visited(void) {
    const entry_t entries[] = {{DATA, 0x10000, 1}, {DATA + 0x10000, 0x10000, 1}};
    kit_t kit = awake();
    const ss_hda_t *hda = ss_hda_at(kit.machine, kit.hda);
    storsim_machine_set_callback(kit.machine, listens, NULL);
    CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 0, 2, 7, 8), STORSIM_OK);
    for (uint32_t i = 0; i < 2; i++) {
        setup(&kit, 4 + i, 1 + i, 0x11, entries, 2);
        tune(&kit, 0, 0x10 + i, 1 + i, 0x11);
        run(&kit, 4 + i, 0);
    }
    advance(&kit, FRAMES(3));
    CHECK(hda->streams[4].due > storsim_now(kit.machine) + FRAMES(0x10000 / 4 - 100));
    CHECK(hda->streams[5].due <= storsim_now(kit.machine) + FRAMES(SS_HDA_PULSE));
    kit_end(&kit);
}

/* There are sixteen addresses, whatever else is known of the controller. */
static void no_seventeenth(void) {
    storsim_hda_config_t config = kit_config();
    config.sdi_lines = 3;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 2), STORSIM_OK);
    for (uint32_t address = 0; address < 20; address++) {
        CHECK_EQ(storsim_codec_present(kit.machine, kit.hda, address), address == 2);
    }
    kit_end(&kit);
}

/* The function group may have any number: converters that say nothing of their own inherit from it, and sleep with it,
 * not from node 1. */
static void group_elsewhere(void) {
    static const storsim_codec_parameter_t root[] = {{0x04, 0x00020001}}, group[] = {{0x05, 1}, {0x04, 0x00030001}, {0x0A, 0x000E07FF}, {0x0B, 1}},
                                           silent[] = {{0x09, 0x00000001}}, other[] = {{0x09, 0x00400000}, {0x0A, 0}, {0x0B, 0}};
    static const storsim_codec_node_t nodes[] = {{.nid = 0, .parameters = root, .parameter_count = 1},
                                                 {.nid = 1, .parameters = other, .parameter_count = 3},
                                                 {.nid = 2, .parameters = group, .parameter_count = 4},
                                                 {.nid = 3, .parameters = silent, .parameter_count = 1}};
    const storsim_codec_config_t described = {.nodes = nodes, .node_count = 4};
    const storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    bool takes = false;
    uint32_t response = 0;
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &described), STORSIM_OK);
    CHECK_EQ(storsim_codec_takes(kit.machine, kit.hda, 1, 3, 0x0011, &takes), STORSIM_OK);
    CHECK(takes);
    for (uint32_t state = 0; state < 4; state++) {
        CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 1u << 20 | 0x70500 | (3 - state), &response), STORSIM_OK);
        CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 3u << 20 | 0x70500, &response), STORSIM_OK);
        CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 2u << 20 | 0x70500 | state, &response), STORSIM_OK);
        CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 3u << 20 | 0xF0500, &response), STORSIM_OK);
        CHECK_EQ(response, state << 4);
    }
    kit_end(&kit);
}

/* A connection list entry's length has seven bits. */
static void longest_connection_list(void) {
    static uint8_t connections[128];
    for (uint32_t count = 126; count <= 128; count++) {
        const storsim_codec_node_t nodes[] = {{.nid = 0}, {.nid = 1}, {.nid = 2, .connections = connections, .connection_count = count}};
        const storsim_codec_config_t described = {.nodes = nodes, .node_count = 3};
        const storsim_hda_config_t config = kit_config();
        kit_t kit = kit_make(&config);
        uint32_t response = 0;
        memset(connections, 1, sizeof connections);
        CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &described), count < 128 ? STORSIM_OK : STORSIM_INVALID);
        CHECK_EQ(storsim_codec_present(kit.machine, kit.hda, 1), count < 128);
        if (count < 128) {
            CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 2u << 20 | 0xF000E, &response), STORSIM_OK);
            CHECK_EQ(response, count);
        }
        kit_end(&kit);
    }
}

/* A store that has been made is not taken back because an event that is due beside it has no memory: the event comes
 * again. */
static void store_beside_a_refused_event(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    const storsim_hda_config_t config = kit_config();
    const entry_t entries[] = {{DATA, 0x40000, 1}, {DATA + 0x40000, 0x40000, 1}};
    uint64_t bytes;
    kit_t kit = {kit_machine(&host), 0};
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &kit.hda), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    setup(&kit, 4, 1, 0x11, entries, 2);
    tune(&kit, 0, 0x10, 1, 0x11);
    run(&kit, 4, IOCE);
    state.persistent = 1;
    state.fail_at = state.requests + 1;
    CHECK_EQ(storsim_advance(kit.machine, FRAMES(0x40000 / 4 + 10)), STORSIM_NO_MEMORY); /* time stands where the entry's last byte is fetched */
    CHECK_EQ(storsim_hda_mmio_write(kit.machine, kit.hda, 0x40, 4, CORB), STORSIM_OK);
    state.fail_at = 0;
    CHECK_EQ(rd(&kit, 0x40, 4), CORB);
    advance(&kit, FRAMES(60));
    CHECK_EQ(status_of(&kit, 4) & BCIS, BCIS);
    uint8_t *played = heard(&kit, 0, 1, &bytes);
    CHECK(bytes >= 0x40000);
    free(played);
    CHECK_EQ(storsim_check(kit.machine, NULL, 0), 0);
    storsim_machine_destroy(kit.machine);
    CHECK_EQ(state.live, 0);
}

typedef struct source { uint64_t asked, given, claims; } source_t;

static storsim_status_t half_of_it(void *context, storsim_callback_t *callback) {
    source_t *source = context;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE) {
        uint64_t give = callback->values[2] / 2;
        CHECK_EQ(callback->data_bytes, callback->values[2]);
        memset(callback->data, 0x5A, callback->data_bytes);
        callback->result = source->claims != 0 ? source->claims : give;
        source->asked += callback->values[2];
        source->given += source->claims != 0 ? callback->values[2] : give;
    }
    return STORSIM_OK;
}

/* A source gives as many bytes as it says, and never more than it was asked for. */
static void what_a_source_gave(void) {
    for (int claims = 0; claims < 2; claims++) {
        source_t source = {.claims = claims != 0 ? UINT64_C(1) << 40 : 0};
        const entry_t entries[] = {{DATA, 0x10000, 0}, {DATA + 0x10000, 0x10000, 0}};
        kit_t kit = awake();
        uint64_t pending = 0;
        storsim_machine_set_callback(kit.machine, half_of_it, &source);
        CHECK_EQ(storsim_codec_source(kit.machine, kit.hda, 0, 1, 7, 8), STORSIM_OK);
        setup(&kit, 0, 1, 0x11, entries, 2);
        tune(&kit, 0, 0x20, 1, 0x11);
        run(&kit, 0, 0);
        advance(&kit, FRAMES(3));
        CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 1, &pending), STORSIM_OK);
        CHECK(source.asked > 100 && position(&kit, 0).dma_bytes < 50);
        CHECK_EQ(pending + position(&kit, 0).dma_bytes, source.given);
        kit_end(&kit);
    }
}

/* The two ways through a cadence agree: so many frames are enough for so many bytes, one less is not. */
static void cadences_both_ways(void) {
    for (uint32_t high = 0; high < 256; high++) { /* base, multiplier, divisor */
        ss_hda_rate_t rate;
        ss_hda_rate_of((uint16_t)(high << 7 | 0x11), &rate);
        for (uint64_t bytes = 1; bytes < 5000; bytes += bytes < 1400 ? 1 : 37) {
            uint64_t frames = ss_hda_rate_frames(&rate, bytes);
            CHECK(ss_hda_rate_bytes(&rate, frames) >= bytes && ss_hda_rate_bytes(&rate, frames - 1) < bytes);
        }
    }
}

int main(void) {
    captured_list();
    for (int played = 0; played < 2; played++) {
        for (uint32_t lead = 8; lead < 16; lead++) {
            turns(lead, lead + 229 < 241, played != 0);
        }
    }
    refused_store();
    seldom_visited();
    no_seventeenth();
    group_elsewhere();
    longest_connection_list();
    store_beside_a_refused_event();
    what_a_source_gave();
    cadences_both_ways();
    return CHECK_PINNED(hda_test_catching_up);
}
