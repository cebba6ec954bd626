/* tests/hda/test_inside_verbs.c: registers, verbs, events and snapshots at their edges, looked at from inside: FIFO
 * sizes a part has not, answers that are nobody's, an event queue that the host fills, records that contradict one
 * another. */
#include "kit.h"

#include "hda/hda_i.h"
#include "machine/machine_i.h"

static ss_hda_t *inside(kit_t *kit) { return ss_hda_at(kit->machine, kit->hda); }

static const entry_t TWO[] = {{DATA, 8192, 0}, {DATA + 0x2000, 8192, 0}};

/* --- registers, verbs --------------------------------------------------------------------------------------------- */

/* ICH: a FIFO is never longer than the part has. */
static void test_fifo_sizes(void) {
    storsim_hda_config_t config = kit_config();
    config.personality = STORSIM_HDA_ICH;
    config.fifo_render = 32;
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    static const uint32_t written[][2] = {{0x0F, 0x0F}, {0x3F, 0x1F}, {0x0F, 0x0F}, {0x7F, 0x1F}, {0x0F, 0x0F}, {0x33, 0x1F}, {0x1F, 0x1F}};
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        wr(&kit, sd(4, 0x10), 2, written[i][0]);
        CHECK_EQ(rd(&kit, sd(4, 0x10), 2), written[i][1]);
    }
    kit_end(&kit);
}

/* An immediate command is given up before its answer comes: the answer is nobody's. Another one tunes a converter at
 * once. */
static void test_immediate(void) {
    storsim_hda_config_t config = kit_config();
    const storsim_codec_config_t slow = {.response_frames = 10};
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &slow), STORSIM_OK);
    kit_up(&kit);
    wr(&kit, 0x60, 4, 0x100F0000);
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(3));
    CHECK_EQ(rd(&kit, 0x68, 2) & 3, 1);
    wr(&kit, 0x68, 2, 0);
    advance(&kit, FRAMES(20));
    CHECK_EQ(rd(&kit, 0x68, 2) & 3, 0);
    setup(&kit, 4, 1, 0x0011, TWO, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(20));
    wr(&kit, 0x60, 4, 0x01070610);
    wr(&kit, 0x68, 2, 1);
    advance(&kit, FRAMES(20) + 1);
    uint64_t bytes = 0;
    free(heard(&kit, 0, 1, &bytes));
    CHECK(bytes > 0 && bytes < 4 * 21); /* from then on */
    kit_end(&kit);
}

/* A codec owes no more than 32 answers; the rest is lost. */
static void test_owed(void) {
    storsim_hda_config_t config = kit_config();
    const storsim_codec_config_t slow = {.response_frames = 100};
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 0, &slow), STORSIM_OK);
    kit_up(&kit);
    for (uint32_t i = 0; i < 256; i++) {
        poke32(&kit, CORB + 4 * i, 0x000F0000);
    }
    wr(&kit, 0x40, 4, (uint32_t)CORB);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    wr(&kit, 0x5C, 1, 2);
    wr(&kit, 0x4C, 1, 2);
    wr(&kit, 0x48, 2, 40);
    advance(&kit, FRAMES(50));
    CHECK_EQ(rd(&kit, 0x4A, 2), 40);
    CHECK_EQ(rd(&kit, 0x58, 2), 0);
    CHECK_EQ(inside(&kit)->codecs[0]->pending_count, 32);
    advance(&kit, FRAMES(500));
    CHECK_EQ(rd(&kit, 0x58, 2), 32);
    kit_end(&kit);
}

/* A converter that sends gets another format twice within one frame: the second is the one it sends in. */
static void test_formats_in_one_frame(void) {
    static const uint16_t formats[] = {0x0011, 0x0010, 0x0017, 0x0013, 0x0813, 0x0913, 0x4913, 0x4913, 0x0013};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    kit_up(&kit);
    tune(&kit, 0, 0x20, 1, 0x0011);
    setup(&kit, 0, 1, 0x0011, TWO, 2);
    run(&kit, 0, 0);
    advance(&kit, FRAMES(10));
    uint64_t before = position(&kit, 0).link_bytes;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        ss_hda_rate_t rate;
        command(&kit, 0, 0x20, 0x20000u | formats[i]);
        ss_hda_rate_of(formats[i], &rate);
        CHECK_EQ(memcmp(&rate, &inside(&kit)->streams[0].rate, sizeof rate.block), 0);
        CHECK_EQ(position(&kit, 0).link_bytes, before);
        CHECK_EQ(position(&kit, 0).block_bytes, rate.block);
    }
    advance(&kit, FRAMES(10));
    CHECK_EQ(position(&kit, 0).link_bytes, before + 80); /* 8 bytes, 48 kHz */
    kit_end(&kit);
}

/* A codec without a function group has nothing to inherit from. */
static void test_no_group(void) {
    static const storsim_codec_parameter_t output[] = {{0x09, 0x00000011}, {0x0A, 0}, {0x0B, 0}};
    static const storsim_codec_node_t nodes[] = {{.nid = 3, .parameters = output, .parameter_count = 3}};
    const storsim_codec_config_t described = {.nodes = nodes, .node_count = 1};
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    bool takes = true;
    uint32_t response = 0;
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &described), STORSIM_OK);
    CHECK_EQ(storsim_codec_takes(kit.machine, kit.hda, 1, 3, 0x0011, &takes), STORSIM_OK);
    CHECK(!takes);
    CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 3u << 20 | 0x70502, &response), STORSIM_OK);
    CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 3u << 20 | 0xF0500, &response), STORSIM_OK);
    CHECK_EQ(response, 0x22); /* as it was set: nothing above it sleeps */
    kit_end(&kit);
}

/* --- the queue ---------------------------------------------------------------------------------------------------- */

typedef struct greedy {
    failing_host_t host;
    kit_t *kit;
    uint32_t taken, answered;
} greedy_t;

/* Takes every place that the queue of events has left, and then the host has no memory. */
static storsim_status_t takes_all(void *context, storsim_callback_t *callback) {
    greedy_t *greedy = context;
    ss_clock_t *clock = &greedy->kit->machine->hardware.clock;
    for (; clock->count < clock->capacity; greedy->taken++) {
        CHECK_EQ(ss_event_at(greedy->kit->machine, SS_NEVER, SS_ROOM_HDA, 9, 99, 0, NULL), STORSIM_OK);
    }
    greedy->host.persistent = 1;
    greedy->host.fail_at = 1;
    greedy->answered++;
    callback->result = 0x600D;
    return STORSIM_OK;
}

/* The host answers a verb from inside the controller's own event: the controller still has its place among the events
 * afterwards. */
static void test_full_queue(void) {
    greedy_t greedy = {.host = {0}};
    const storsim_host_t host = FAILING_HOOK(&greedy.host);
    const storsim_codec_config_t asks = {.host_verb = 0xABCD};
    storsim_hda_config_t config = kit_config();
    kit_t kit = {kit_machine(&host), 0};
    greedy.kit = &kit;
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &kit.hda), STORSIM_OK);
    storsim_machine_set_callback(kit.machine, takes_all, &greedy);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 0, &asks), STORSIM_OK);
    kit_up(&kit);
    for (uint32_t i = 1; i < 4; i++) {
        poke32(&kit, CORB + 4 * i, 0x000F0000);
        poke32(&kit, RIRB + 8 * i, 0);
    }
    wr(&kit, 0x40, 4, (uint32_t)CORB);
    wr(&kit, 0x50, 4, (uint32_t)RIRB);
    wr(&kit, 0x5C, 1, 2);
    wr(&kit, 0x4C, 1, 2);
    wr(&kit, 0x60, 4, 0x000F0000); /* and one at once, in the same frame as the first */
    wr(&kit, 0x68, 2, 1);
    wr(&kit, 0x48, 2, 3);
    advance(&kit, FRAMES(10));
    CHECK_EQ(greedy.answered, 4);
    CHECK(greedy.taken > 0);
    CHECK_EQ(rd(&kit, 0x58, 2), 3);
    CHECK_EQ(peek32(&kit, RIRB + 24), 0x600D);
    greedy.host.fail_at = 0;
    kit_end(&kit);
    CHECK_EQ(greedy.host.live, 0);
}

/* --- records that contradict -------------------------------------------------------------------------------------- */

static void test_check(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint32_t other = 0;
    char text[100] = "";
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &other), STORSIM_OK);
    ss_hda_t *first = inside(&kit), *second = ss_hda_at(kit.machine, other);
    CHECK_EQ(ss_line_set(kit.machine, first->line, true), STORSIM_OK);
    CHECK_EQ(ss_hda_room_check(kit.machine, ss_room_state(kit.machine, SS_ROOM_HDA), text, sizeof text), 1);
    CHECK(strstr(text, "controller 1: an interrupt line") != NULL);
    second->streams[3].running = true;
    CHECK_EQ(ss_hda_room_check(kit.machine, ss_room_state(kit.machine, SS_ROOM_HDA), text, sizeof text), 2);
    CHECK(strstr(text, "controller 1: an interrupt line") != NULL); /* the first is told */
    CHECK_EQ(ss_line_set(kit.machine, first->line, false), STORSIM_OK);
    CHECK_EQ(ss_hda_room_check(kit.machine, ss_room_state(kit.machine, SS_ROOM_HDA), text, sizeof text), 1);
    CHECK(strstr(text, "controller 2: a stream runs") != NULL);
    CHECK_EQ(ss_hda_room_check(kit.machine, ss_room_state(kit.machine, SS_ROOM_HDA), NULL, 100), 1);
    text[0] = '?';
    CHECK_EQ(ss_hda_room_check(kit.machine, ss_room_state(kit.machine, SS_ROOM_HDA), text, 0), 1);
    CHECK_EQ(text[0], '?');
    second->streams[3].running = false;
    kit_end(&kit);
}

/* No stream has a tag above 15, and no queue more than its limit. */
static void test_strange_snapshots(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config), fresh = kit_make(&config);
    uint8_t *bytes = NULL;
    size_t length = 0;
    inside(&kit)->streams[2].tag = 16;
    CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(fresh.machine, bytes, length, NULL), STORSIM_FORMAT);
    storsim_snapshot_free(kit.machine, bytes);
    inside(&kit)->streams[2].tag = 15;
    inside(&kit)->streams[2].linked = true; /* at no rate */
    CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(fresh.machine, bytes, length, NULL), STORSIM_FORMAT);
    storsim_snapshot_free(kit.machine, bytes);
    inside(&kit)->streams[2].linked = false;
    inside(&kit)->streams[2].starved = true;
    CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(fresh.machine, bytes, length, NULL), STORSIM_FORMAT);
    storsim_snapshot_free(kit.machine, bytes);
    inside(&kit)->streams[2].starved = false;
    CHECK_EQ(storsim_snapshot(kit.machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(fresh.machine, bytes, length, NULL), STORSIM_OK);
    storsim_snapshot_free(kit.machine, bytes);
    CHECK_EQ(inside(&fresh)->streams[2].tag, 15);
    uint8_t saved[8 + 8 + 8 + 5] = {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
    ss_hda_bytes_t ring = {0};
    ss_codec_t codec = {.mode = SS_LOAD, .host = ss_machine_host(kit.machine), .bytes = saved, .length = sizeof saved};
    ss_hda_bytes_walk(&ring, &codec);
    CHECK_EQ(codec.status, STORSIM_FORMAT);
    CHECK(ring.count == 0 && ring.ring == NULL);
    kit_end(&fresh);
    kit_end(&kit);
}

int main(void) {
    test_fifo_sizes();
    test_immediate();
    test_owed();
    test_formats_in_one_frame();
    test_no_group();
    test_full_queue();
    test_check();
    test_strange_snapshots();
    return CHECK_DONE();
}
