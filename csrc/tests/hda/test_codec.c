/* tests/hda/test_codec.c: what codecs answer, from their description on. */
#include "kit.h"

static uint32_t ask(kit_t *kit, uint32_t codec, uint32_t nid, uint32_t verb) {
    uint32_t response = 0xDEADBEEF;
    CHECK_EQ(storsim_codec_command(kit->machine, kit->hda, codec, codec << 28 | nid << 20 | verb, &response), STORSIM_OK);
    return response;
}

static const storsim_codec_parameter_t ROOT[] = {{0x00, 0x10EC0269}, {0x02, 0x00100203}, {0x04, 0x00010001}};
static const storsim_codec_parameter_t GROUP[] = {{0x04, 0x00020005}, {0x05, 0x101}, {0x0A, 0x000E0560}, {0x0B, 1}, {0x11, 0x40000002}};
static const storsim_codec_parameter_t DAC[] = {{0x09, 0x41D}, {0x12, 0x80025757}, {0x0A, 0x000E0560}, {0x0B, 1}};
static const storsim_codec_parameter_t ADC[] = {{0x09, 0x10055B}, {0x0D, 0x80023F17}, {0x10, 0x0100}};
static const storsim_codec_parameter_t MIXER[] = {{0x09, 0x20010B}, {0x0D, 0x80051F17}};
static const storsim_codec_parameter_t PIN[] = {{0x09, 0x40058D}, {0x0C, 0x0001003C}};
static const uint8_t MANY[] = {2, 3, 4, 5, 6, 20, 21}, FAR_AWAY[] = {2, 200, 201}, ONE[] = {3};

static kit_t described(void) {
    static const storsim_codec_node_t nodes[] = {
        {0, ROOT, 3, NULL, 0}, {1, GROUP, 5, NULL, 0}, {5, PIN, 2, MANY, 7}, {2, DAC, 4, NULL, 0}, {3, ADC, 3, ONE, 1}, {4, MIXER, 2, MANY, 7},
        {6, PIN, 2, FAR_AWAY, 3}};
    static const storsim_codec_verb_t initial[] = {{5, 0x71C10}, {5, 0x71D40}, {5, 0x71E01}, {5, 0x71F01}, {5, 0x70740}, {2, 0x3B04B},
                                                   {1, 0x72034}, {1, 0x72112}, {1, 0x70503}};
    static const storsim_codec_verb_t answers[] = {{5, 0xF2F03}};
    static const uint32_t values[] = {0x8000005A};
    const storsim_codec_config_t config = {.nodes = nodes, .node_count = 7, .initial = initial, .initial_count = 9, .answers = answers,
                                           .answer_values = values, .answer_count = 1};
    storsim_hda_config_t chip = kit_config();
    kit_t kit = kit_make(&chip);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 2, &config), STORSIM_OK);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 2, &config), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 15, &config), STORSIM_INVALID);
    static const storsim_codec_node_t twice[] = {{0, ROOT, 3, NULL, 0}, {0, ROOT, 3, NULL, 0}};
    const storsim_codec_config_t bad = {.nodes = twice, .node_count = 2};
    CHECK_EQ(storsim_codec_add(kit.machine, kit.hda, 3, &bad), STORSIM_INVALID);
    return kit;
}

static void parameters(void) {
    kit_t kit = described();
    CHECK_EQ(ask(&kit, 2, 0, 0xF0000), 0x10EC0269);
    CHECK_EQ(ask(&kit, 2, 0, 0xF0004), 0x00010001);
    CHECK_EQ(ask(&kit, 2, 1, 0xF0005), 0x101);
    CHECK_EQ(ask(&kit, 2, 2, 0xF0012), 0x80025757);
    CHECK_EQ(ask(&kit, 2, 2, 0xF000E), 0);
    CHECK_EQ(ask(&kit, 2, 5, 0xF000E), 7);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0200), 0x05040302);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0204), 0x00151406);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0208), 0);
    CHECK_EQ(ask(&kit, 2, 6, 0xF000E), 0x83);
    CHECK_EQ(ask(&kit, 2, 6, 0xF0200), 0x00C80002);
    CHECK_EQ(ask(&kit, 2, 6, 0xF0202), 0x000000C9);
    CHECK_EQ(ask(&kit, 2, 99, 0xF0000), 0);
    CHECK_EQ(ask(&kit, 2, 5, 0xF2F03), 0x8000005A);
    CHECK_EQ(ask(&kit, 2, 5, 0xF2F04), 0);
    kit_end(&kit);
}

static void initial_state_and_reset(void) {
    kit_t kit = described();
    CHECK_EQ(ask(&kit, 2, 5, 0xF1C00), 0x01014010);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0700), 0x40);
    CHECK_EQ(ask(&kit, 2, 2, 0xBA000), 0x4B);
    CHECK_EQ(ask(&kit, 2, 2, 0xB8000), 0x4B);
    CHECK_EQ(ask(&kit, 2, 1, 0xF2000), 0x1234);
    CHECK_EQ(ask(&kit, 2, 1, 0xF0500), 0x33);
    CHECK_EQ(ask(&kit, 2, 2, 0xF0500), 0x30);
    ask(&kit, 2, 1, 0x70500);
    CHECK_EQ(ask(&kit, 2, 1, 0xF0500), 0);
    ask(&kit, 2, 2, 0x70503);
    CHECK_EQ(ask(&kit, 2, 2, 0xF0500), 0x33);
    ask(&kit, 2, 5, 0x70700);
    ask(&kit, 2, 2, 0x70650);
    ask(&kit, 2, 1, 0x7FF00);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0700), 0x40);
    CHECK_EQ(ask(&kit, 2, 2, 0xF0600), 0);
    CHECK_EQ(ask(&kit, 2, 1, 0xF0500), 0x33);
    kit_end(&kit);
}

static void controls(void) {
    static const struct { uint32_t nid, set, get, value; } plain[] = {
        {5, 0x70105, 0xF0100, 5}, {3, 0x70302, 0xF0300, 2}, {3, 0x70403, 0xF0400, 3}, {2, 0x70613, 0xF0600, 0x13}, {5, 0x707C4, 0xF0700, 0xC4},
        {5, 0x70885, 0xF0800, 0x85}, {1, 0x70A42, 0xF0A00, 0x42}, {5, 0x70C02, 0xF0C00, 2}, {2, 0x70D81, 0xF0D00, 0x81},
        {2, 0x70E12, 0xF0D00, 0x1281}, {2, 0x73E34, 0xF0D00, 0x341281}, {2, 0x73F56, 0xF0E00, 0x56341281}, {1, 0x70F99, 0xF0F00, 0x99},
        {1, 0x71503, 0xF1500, 3}, {1, 0x71602, 0xF1600, 2}, {1, 0x71701, 0xF1700, 1}, {1, 0x71803, 0xF1800, 3}, {1, 0x71901, 0xF1900, 1},
        {1, 0x71A02, 0xF1A00, 2}, {1, 0x71102, 0xF1100, 2}, {1, 0x722AB, 0xF2000, 0x00AB1234}, {5, 0x71FFE, 0xF1F00, 0xFE014010},
        {2, 0x72401, 0xF2400, 1}, {2, 0x72D07, 0xF2D00, 7}, {2, 0x24011, 0xA0000, 0x4011}, {3, 0x51234, 0xD0000, 0x1234}};
    kit_t kit = described();
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        CHECK_EQ(ask(&kit, 2, plain[i].nid, plain[i].set), 0);
        CHECK_EQ(ask(&kit, 2, plain[i].nid, plain[i].get), plain[i].value);
    }
    ask(&kit, 2, 3, 0x50007);
    ask(&kit, 2, 3, 0x4BEEF);
    ask(&kit, 2, 3, 0x50008);
    CHECK_EQ(ask(&kit, 2, 3, 0xC0000), 0);
    ask(&kit, 2, 3, 0x50007);
    CHECK_EQ(ask(&kit, 2, 3, 0xC0000), 0xBEEF);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0900), 0x80000000);
    CHECK_EQ(storsim_codec_jack(kit.machine, kit.hda, 2, 5, false), STORSIM_OK);
    CHECK_EQ(ask(&kit, 2, 5, 0xF0900), 0);
    CHECK_EQ(storsim_codec_jack(kit.machine, kit.hda, 2, 2, false), STORSIM_INVALID);
    kit_end(&kit);
}

static void amplifiers(void) {
    kit_t kit = described();
    ask(&kit, 2, 4, 0x37000 | 3 << 8 | 0x11); /* input 3, both sides */
    ask(&kit, 2, 4, 0x35000 | 6 << 8 | 0x92); /* input 6, right */
    CHECK_EQ(ask(&kit, 2, 4, 0xB2003), 0x11);
    CHECK_EQ(ask(&kit, 2, 4, 0xB0003), 0x11);
    CHECK_EQ(ask(&kit, 2, 4, 0xB0006), 0x92);
    CHECK_EQ(ask(&kit, 2, 4, 0xB2006), 0);
    ask(&kit, 2, 4, 0x37000 | 7 << 8 | 0x55); /* there is no input 7 */
    CHECK_EQ(ask(&kit, 2, 4, 0xB2007), 0);
    ask(&kit, 2, 4, 0x3B033); /* no output amplifier */
    CHECK_EQ(ask(&kit, 2, 4, 0xBA000), 0);
    ask(&kit, 2, 2, 0x3A080);
    CHECK_EQ(ask(&kit, 2, 2, 0xBA000), 0x80);
    CHECK_EQ(ask(&kit, 2, 2, 0xB8000), 0x4B);
    kit_end(&kit);
}

static bool takes(kit_t *kit, uint32_t codec, uint8_t nid, uint16_t format) {
    bool result = false;
    CHECK_EQ(storsim_codec_takes(kit->machine, kit->hda, codec, nid, format, &result), STORSIM_OK);
    return result;
}

static void formats(void) {
    kit_t kit = described();
    bool unused;
    CHECK(takes(&kit, 2, 2, 0x0011));
    CHECK(takes(&kit, 2, 2, 0x4011));
    CHECK(takes(&kit, 2, 2, 0x1831));
    CHECK(!takes(&kit, 2, 2, 0x0041)); /* 32 bits */
    CHECK(!takes(&kit, 2, 2, 0x0511)); /* 8 kHz */
    CHECK(!takes(&kit, 2, 2, 0x0013)); /* four channels */
    CHECK(takes(&kit, 2, 3, 0x0011));  /* the function group's formats */
    CHECK_EQ(storsim_codec_takes(kit.machine, kit.hda, 2, 5, 0x11, &unused), STORSIM_INVALID);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    uint32_t taken = 0;
    for (uint32_t format = 0; format < 0x10000; format++) {
        taken += takes(&kit, 0, 0x1F, (uint16_t)format);
    }
    CHECK_EQ(taken, 2u * 4 * 8 * 5 * 16);
    kit_end(&kit);
}

/* The default codec as a function driver finds it. */
static void ideal(void) {
    storsim_hda_config_t config = kit_config();
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    uint32_t group = ask(&kit, 0, 0, 0xF0004) >> 16, range = ask(&kit, 0, group, 0xF0004), kinds[16] = {0};
    for (uint32_t nid = range >> 16; nid < (range >> 16) + (range & 0xFF); nid++) {
        uint32_t caps = ask(&kit, 0, nid, 0xF0009), kind = caps >> 20 & 15;
        kinds[kind]++;
        CHECK_EQ((caps >> 13 & 7) << 1 | (caps & 1), 15);
        bool list = (caps & 0x100) != 0;
        CHECK_EQ(ask(&kit, 0, nid, 0xF000E), list);
        if (list) {
            uint32_t to = ask(&kit, 0, nid, 0xF0200), other = ask(&kit, 0, to, 0xF0009) >> 20 & 15;
            CHECK_EQ(other, (kind == 4 ? 0u : 4u));
        }
        if (kind == 4) {
            CHECK(ask(&kit, 0, nid, 0xF1C00) >> 30 == 0);
            CHECK(ask(&kit, 0, nid, 0xF0700) == (list ? 0x40u : 0x20u));
        }
    }
    CHECK_EQ(kinds[0], 16);
    CHECK_EQ(kinds[1], 16);
    CHECK_EQ(kinds[4], 32);
    kit_end(&kit);
}

/* What was heard: a bounded tail that counts what it dropped; two codecs and two converters on one tag. */
static void tails(void) {
    static const entry_t two[] = {{DATA, 960, 1}, {DATA + 0x1000, 960, 1}};
    storsim_hda_config_t config = kit_config();
    config.keep_bytes = 1000;
    uint8_t data[1920], tail[1000];
    uint64_t bytes = sizeof tail, dropped;
    kit_t kit = kit_make(&config);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(kit.machine, kit.hda, 3), STORSIM_OK);
    kit_up(&kit);
    pattern(data, sizeof data, 1);
    poke_list(&kit, two, 2, data);
    tune(&kit, 0, 0x10, 1, 0x11);
    tune(&kit, 0, 0x11, 1, 0x11);
    tune(&kit, 3, 0x10, 1, 0x11);
    CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 3, 1, UINT64_MAX), STORSIM_OK);
    setup(&kit, 4, 1, 0x11, two, 2);
    run(&kit, 4, 0);
    advance(&kit, FRAMES(480));
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 1, tail, &bytes, &dropped), STORSIM_OK);
    CHECK_EQ(bytes, 1000);
    CHECK_EQ(dropped, 920);
    CHECK_EQ(memcmp(tail, data + 920, 1000), 0);
    uint8_t *all = heard(&kit, 3, 1, &bytes);
    CHECK_EQ(bytes, 1920);
    CHECK_EQ(memcmp(all, data, 1920), 0);
    free(all);
    CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 0, 1, 10), STORSIM_OK);
    CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 3, 1, 0), STORSIM_OK);
    advance(&kit, FRAMES(48000));
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 0, 1, NULL, &bytes, &dropped), STORSIM_OK);
    CHECK_EQ(bytes, 10);
    CHECK_EQ(bytes + dropped, 4 * 48480);
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 3, 1, NULL, &bytes, &dropped), STORSIM_OK);
    CHECK_EQ(bytes, 0);
    CHECK_EQ(dropped, 4 * 48480);
    /* Listening again in the middle: from here on every byte, none before. */
    CHECK_EQ(storsim_codec_keep(kit.machine, kit.hda, 3, 1, 4000), STORSIM_OK);
    CHECK_EQ(storsim_codec_remove(kit.machine, kit.hda, 0), STORSIM_OK);
    CHECK(!storsim_codec_present(kit.machine, kit.hda, 0));
    advance(&kit, FRAMES(480));
    uint8_t again[1920];
    bytes = sizeof again;
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 3, 1, again, &bytes, &dropped), STORSIM_OK);
    CHECK_EQ(bytes, 1920);
    CHECK_EQ(dropped, 4 * 48480);
    CHECK_EQ(memcmp(again, data, 1920), 0);
    command(&kit, 3, 0x10, 0x70600);
    advance(&kit, FRAMES(480));
    CHECK_EQ(storsim_codec_played(kit.machine, kit.hda, 3, 1, NULL, &bytes, &dropped), STORSIM_OK);
    CHECK_EQ(bytes, 1920);
    kit_end(&kit);
}

int main(void) {
    parameters();
    initial_state_and_reset();
    controls();
    amplifiers();
    formats();
    ideal();
    tails();
    return CHECK_PINNED(hda_test_codec);
}
