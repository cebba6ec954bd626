/* tests/journal/test_described_codec.c: a codec's description goes through a journal's words and comes out as it was:
 * every parameter, connection, initial verb and answer is asked for, of the codec that was recorded and of the one that
 * is replayed. Source: DESIGN, "journal". */
#include "kit.h"

static uint32_t ask(const kit_t *kit, uint32_t controller, uint32_t nid, uint32_t verb) {
    uint32_t response = 0;
    CHECK_EQ(storsim_codec_command(kit->machine, controller, 2, nid << 20 | verb, &response), STORSIM_OK);
    return response;
}

int main(void) {
    static const storsim_codec_parameter_t root[] = {{0x00, 0x10EC0888}, {0x02, 0x00100302}, {0x04, 0x00010001}},
                                           group[] = {{0x05, 1}, {0x04, 0x00020003}, {0x08, 0x00010C0C}, {0x0A, 0x000E07FF}, {0x0B, 1}},
                                           output[] = {{0x09, 0x00000411}, {0x0A, 0x000E0060}}, pin[] = {{0x09, 0x00400581}, {0x0C, 0x00010014}};
    static const uint8_t from_output[] = {2}, from_all[] = {2, 3, 4};
    static const storsim_codec_node_t nodes[] = {
        {.nid = 0, .parameters = root, .parameter_count = 3},
        {.nid = 1, .parameters = group, .parameter_count = 5},
        {.nid = 2, .parameters = output, .parameter_count = 2},
        {.nid = 3, .parameters = pin, .parameter_count = 2, .connections = from_output, .connection_count = 1},
        {.nid = 4, .connections = from_all, .connection_count = 3},
    };
    static const storsim_codec_verb_t initial[] = {{3, 0x71C10}, {3, 0x71D40}, {2, 0x70630}, {3, 0x70740}}, answers[] = {{1, 0xF2000}, {3, 0xF0900}};
    static const uint32_t values[] = {0x12345678, 0x80000001};
    const storsim_codec_config_t described = {.nodes = nodes, .node_count = 5, .initial = initial, .initial_count = 4, .answers = answers,
                                              .answer_values = values, .answer_count = 2, .response_frames = 3, .any_format = true};
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_hda_config_t config;
    uint32_t controller;
    storsim_hda_config_init(&config);
    CHECK_EQ(storsim_hda_add(kit.machine, &config, &controller), STORSIM_OK);
    CHECK_EQ(storsim_codec_add(kit.machine, controller, 2, &described), STORSIM_OK);
    for (uint32_t n = 0; n < 5; n++) {
        for (uint32_t i = 0; i < nodes[n].parameter_count; i++) {
            CHECK_EQ(ask(&kit, controller, n, 0xF0000 | nodes[n].parameters[i].id), nodes[n].parameters[i].value);
        }
    }
    CHECK_EQ(ask(&kit, controller, 3, 0xF000E), 1);
    CHECK_EQ(ask(&kit, controller, 3, 0xF0200), 2);
    CHECK_EQ(ask(&kit, controller, 4, 0xF000E), 3);
    CHECK_EQ(ask(&kit, controller, 4, 0xF0200), 0x00040302);
    CHECK_EQ(ask(&kit, controller, 2, 0xF0600), 0x30);
    CHECK_EQ(ask(&kit, controller, 3, 0xF0700), 0x40);
    CHECK_EQ(ask(&kit, controller, 1, 0xF2000), 0x12345678);
    CHECK_EQ(ask(&kit, controller, 3, 0xF0900), 0x80000001);
    bool takes = false;
    CHECK_EQ(storsim_codec_takes(kit.machine, controller, 2, 2, 0x0011, &takes), STORSIM_OK);
    CHECK(takes); /* any format */
    kit_replays_twice(kit.journal);
    kit_end(&kit);
    return CHECK_DONE();
}
