/* tests/hda/test_ends.c: the controller at the end of time, of addresses and of sizes; events that are nobody's; codecs
 * whose descriptions are odd; flushes that are asked for twice. */
#include "kit.h"

#include "machine/machine_i.h"

/* --- the end of time ---------------------------------------------------------------------------------------------- */

/* What would be due after the last tick never is; time runs to its last tick all the same. */
static void test_end_of_time(void) {
    storsim_hda_config_t config = kit_config();
    config.stop_latency = 5000;
    config.codec_frames = 0;
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 3), STORSIM_OK); /* at once, that is with the next frame */
    advance(&kit, FRAMES(3));
    CHECK((rd(&kit, 0x0E, 2) & 8) != 0);
    CHECK_EQ(storsim_advance(kit.machine, UINT64_MAX - storsim_now(kit.machine) - 300), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 2), STORSIM_OK);
    wr(&kit, 0x08, 4, 0); /* CRST, which takes until the next frame */
    CHECK_EQ(storsim_advance(kit.machine, 300), STORSIM_OK);
    CHECK_EQ(storsim_now(kit.machine), UINT64_MAX);
    CHECK_EQ(storsim_advance(kit.machine, 1), STORSIM_OVERFLOW);
    CHECK_EQ(storsim_check(kit.machine, NULL, 0), 0);
    kit_end(&kit);
}

/* Events of the room that name no controller, or another event of one. */
static void test_strange_events(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    const uint64_t named[] = {UINT64_MAX, 99, 0, kit.hda};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        CHECK_EQ(ss_event_at(kit.machine, storsim_now(kit.machine) + 10, SS_ROOM_HDA, 1, named[i], 0, NULL), STORSIM_OK);
    }
    uint32_t control = rd(&kit, 0x08, 4);
    advance(&kit, 100);
    CHECK_EQ(rd(&kit, 0x08, 4), control);
    kit_end(&kit);
}

/* --- flushes ------------------------------------------------------------------------------------------------------ */

static void test_flushes(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    kit_up(&kit);
    wr(&kit, 0x08, 4, 3);
    CHECK_EQ(notes(&kit, "FLUSH_WHILE_RUNNING"), 0);
    wr(&kit, 0x08, 4, 3); /* under way already */
    advance(&kit, FRAMES(2));
    CHECK_EQ(rd(&kit, 0x10, 2) & 2, 2);
    wr(&kit, 0x08, 4, 3); /* its status was not cleared */
    CHECK_EQ(notes(&kit, "FLUSH_WHILE_RUNNING"), 1);
    kit_end(&kit);
}

/* --- sizes -------------------------------------------------------------------------------------------------------- */

/* More bytes than a host has are refused before anything is read. */
static void test_feeding_too_much(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    uint64_t pending = 0;
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 3, "some", 4), STORSIM_OK);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 3, "some", UINT64_MAX / 2), STORSIM_NO_MEMORY);
    CHECK_EQ(storsim_codec_feed(kit.machine, kit.hda, 0, 3, "some", SIZE_MAX / 4), STORSIM_NO_MEMORY);
    CHECK_EQ(storsim_codec_feed_pending(kit.machine, kit.hda, 0, 3, &pending), STORSIM_OK);
    CHECK_EQ(pending, 4);
    kit_end(&kit);
}

/* --- codecs ------------------------------------------------------------------------------------------------------- */

static void test_odd_codecs(void) {
    static const storsim_codec_parameter_t root[] = {{0x04, 0x00010001}}, group[] = {{0x05, 1}, {0x04, 0x00020002}},
                                           output[] = {{0x09, 0x00000011}, {0x0A, 0x001E07FF}, {0x0B, 2}};
    static const storsim_codec_node_t nodes[] = {{.nid = 0, .parameters = root, .parameter_count = 1},
                                                 {.nid = 1, .parameters = group, .parameter_count = 2},
                                                 {.nid = 3, .parameters = output, .parameter_count = 3},
                                                 {.nid = 2, .parameters = output, .parameter_count = 3}};
    static const storsim_codec_verb_t initial[] = {{1, 0x7FF00}, {2, 0x70640}, {3, 0x70640}};
    const storsim_codec_config_t described = {.nodes = nodes, .node_count = 4, .initial = initial, .initial_count = 3};
    storsim_hda_config_t config = kit_config();
    config.sdi_lines = 2;
    kit_t kit = kit_make(&config);
    bool takes = true;
    uint32_t response = 0;
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 2, &described), STORSIM_INVALID); /* the part has two lines */
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 1, &described), STORSIM_OK);
    /* A reset among what is to be the state after reset resets nothing. */
    CHECK_EQ(storsim_codec_command(kit.machine, kit.hda, 1, 2u << 20 | 0xF0600, &response), STORSIM_OK);
    CHECK_EQ(response, 0x40);
    /* Rates and widths fit, but its stream formats are not PCM. */
    CHECK_EQ(storsim_codec_takes(kit.machine, kit.hda, 1, 2, 0x0011, &takes), STORSIM_OK);
    CHECK(!takes);
    /* Two converters listen to one tag; whoever is recorded goes with its codec. */
    CHECK_EQ(storsim_codec_record(kit.machine, kit.hda, 1, 4, 7, 8), STORSIM_OK);
    kit_up(&kit);
    const entry_t entries[] = {{DATA, 4096, 0}, {DATA + 4096, 4096, 0}};
    setup(&kit, 4, 4, 0x0011, entries, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(100));
    CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda, 1), STORSIM_OK);
    advance(&kit, FRAMES(100));
    CHECK_EQ(storsim_check(kit.machine, NULL, 0), 0);
    kit_end(&kit);
}

/* --- the last SDI line -------------------------------------------------------------------------------------------- */

/* STATESTS has a bit for each of 15 lines, 14:0; a part with more cannot be described. Source: hda-controller §2. */
static void test_sdi_lines(void) {
    storsim_hda_config_t config = kit_config();
    config.sdi_lines = STORSIM_HDA_MAX_CODECS;
    kit_t kit = kit_make(&config);
    uint32_t refused = 77;
    CHECK_EQ(storsim_hda_get_config(kit.machine, kit.hda)->sdi_lines, 15);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 14), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 15), STORSIM_INVALID);
    kit_up(&kit);
    CHECK_EQ(rd(&kit, 0x0E, 2), 0x4000);
    wr(&kit, 0x0C, 2, 0xFFFF);
    CHECK_EQ(rd(&kit, 0x0C, 2), 0x7FFF); /* WAKEEN has no sixteenth line either */
    config.sdi_lines = STORSIM_HDA_MAX_CODECS + 1;
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &refused), STORSIM_INVALID);
    CHECK_EQ(refused, 77);
    kit_end(&kit);
}

int main(void) {
    test_sdi_lines();
    test_end_of_time();
    test_strange_events();
    test_flushes();
    test_feeding_too_much();
    test_odd_codecs();
    return CHECK_DONE();
}
