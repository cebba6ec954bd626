/* The pure parts: the engine's total table, formats and costs, buffer sizes and descriptor lists. */
#include <string.h>

#include "../check.h"
#include "storsim/hdaudio.h"
#include "tests/hdaudio/total_table.h"

static uint32_t status_of(const char *cell) {
    return strncmp(cell, "OK", 2) == 0 ? 0
           : strcmp(cell, "IH") == 0   ? 0xC0000008u
           : strcmp(cell, "IP") == 0   ? 0xC000000Du
           : strcmp(cell, "IDR") == 0  ? 0xC0000010u
                                       : 0xFFFFFFFFu;
}

/* "R*" in state SN is RN. */
static storsim_engine_state_t next_of(const char *cell, storsim_engine_state_t state) {
    const char *arrow = strchr(cell, '>');
    char name[8];
    if (!arrow) {
        return state;
    }
    snprintf(name, sizeof name, "%s", arrow + 1);
    if (name[1] == '*') {
        name[1] = storsim_engine_state_name(state)[1];
    }
    for (int i = 0; i < STORSIM_ENGINE_STATE_COUNT; i++) {
        if (strcmp(storsim_engine_state_name((storsim_engine_state_t)i), name) == 0) {
            return (storsim_engine_state_t)i;
        }
    }
    CHECK(strlen(name) == 0); /* no such state in the data file */
    return state;
}

static void test_total_table(void) {
    storsim_hdaudio_policy_t policy = {0};
    for (size_t r = 0; r < ROWS; r++) {
        for (int s = 0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
            storsim_engine_state_t state = (storsim_engine_state_t)s;
            const char *cell = rows[r].cells[column_of(state)];
            storsim_engine_step_t step = storsim_engine_transition(rows[r].event, state, &policy);
            CHECK_EQ(step.status, status_of(cell));
            CHECK_EQ(step.next, next_of(cell, state));
            storsim_engine_step_t again = storsim_engine_transition(rows[r].event, state, NULL);
            CHECK_EQ(again.status, step.status);
            CHECK_EQ(again.next, step.next);
        }
    }
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_DESCRIPTOR_ERROR, STORSIM_ENGINE_XN, NULL).next,
             STORSIM_ENGINE_SN);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_DESCRIPTOR_ERROR, STORSIM_ENGINE_SN, NULL).next,
             STORSIM_ENGINE_SN);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FIFO_ERROR, STORSIM_ENGINE_XB, NULL).next, STORSIM_ENGINE_XB);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_LAST_DEREFERENCE, STORSIM_ENGINE_XB, NULL).next,
             STORSIM_ENGINE_NONE);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_COUNT, STORSIM_ENGINE_R0, NULL).status, 0xC0000008u);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_SET_RUN, STORSIM_ENGINE_STATE_COUNT, NULL).status, 0xC0000008u);
}

/* Invariants 3 and 4 of §9 hold in every cell, for every combination of the policies that touch the table. */
static void test_table_invariants(void) {
    for (unsigned mask = 0; mask < 8; mask++) {
        storsim_hdaudio_policy_t policy = {
            .direct_transition = mask & 1, .dn_pairing = mask >> 1 & 1, .free_args = mask >> 2 & 1};
        for (int e = 0; e < STORSIM_EVENT_COUNT; e++) {
            for (int s = 0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
                storsim_engine_step_t step =
                    storsim_engine_transition((storsim_engine_event_t)e, (storsim_engine_state_t)s, &policy);
                const char *from = storsim_engine_state_name((storsim_engine_state_t)s),
                           *to = storsim_engine_state_name(step.next);
                CHECK(strlen(to) > 0);
                CHECK(step.status == 0 || (int)step.next == s);
                if (s == STORSIM_ENGINE_NONE || step.next == STORSIM_ENGINE_NONE) {
                    CHECK(s != STORSIM_ENGINE_NONE || step.next == STORSIM_ENGINE_NONE);
                    CHECK(step.next != STORSIM_ENGINE_NONE || s == STORSIM_ENGINE_NONE || s == STORSIM_ENGINE_R0 ||
                          e == STORSIM_EVENT_LAST_DEREFERENCE);
                    continue;
                }
                CHECK(from[1] == to[1] || (from[0] == 'R' && to[0] == 'R'));
                CHECK(from[0] == to[0] || from[0] == 'S' || to[0] == 'S' || (mask & 1));
                CHECK(!(from[0] == 'X' && to[0] == 'R'));
            }
        }
    }
}

static void test_table_policies(void) {
    storsim_hdaudio_policy_t skl = {.direct_transition = STORSIM_DIRECT_SKL};
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_SET_RUN, STORSIM_ENGINE_RD, &skl).next, STORSIM_ENGINE_XD);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_SET_RESET, STORSIM_ENGINE_XD, &skl).status, 0);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_SET_RESET, STORSIM_ENGINE_XD, &skl).next, STORSIM_ENGINE_XD);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_SET_RUN, STORSIM_ENGINE_RC, &skl).status, 0xC0000010u);
    storsim_hdaudio_policy_t shared = {.dn_pairing = STORSIM_PAIRING_SHARED};
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FREE_BUFFER, STORSIM_ENGINE_RN, &shared).next, STORSIM_ENGINE_R0);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FREE_NOTIFY, STORSIM_ENGINE_RD, &shared).next, STORSIM_ENGINE_R0);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RD, &shared).status,
             0xC000000Du);
    storsim_hdaudio_policy_t lax = {.free_args = STORSIM_FREE_ARGS_IGNORE};
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RN, &lax).next,
             STORSIM_ENGINE_R0);
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RD, &lax).status, 0xC0000010u);
    lax.dn_pairing = STORSIM_PAIRING_SHARED;
    CHECK_EQ(storsim_engine_transition(STORSIM_EVENT_FREE_NOTIFY_OTHER, STORSIM_ENGINE_RD, &lax).next,
             STORSIM_ENGINE_R0);
}

/* --- formats ------------------------------------------------------------------------------------------------------ */

/* §6.2, rate -> code, transcribed. */
static const struct {
    uint32_t rate;
    uint16_t code;
    bool common;
} codes[] = {{6000, 0x0700, 0},  {8000, 0x0500, 1},   {9600, 0x0400, 1},   {12000, 0x0300, 0}, {16000, 0x0200, 1},
             {18000, 0x1700, 0}, {19200, 0x0C00, 0},  {24000, 0x0100, 0},  {28800, 0x1400, 0}, {32000, 0x0A00, 1},
             {36000, 0x1300, 0}, {38400, 0x1C00, 0},  {48000, 0x0000, 1},  {64000, 0x1A00, 0}, {72000, 0x1100, 0},
             {96000, 0x0800, 1}, {144000, 0x1000, 0}, {192000, 0x1800, 1}, {6300, 0x4600, 0},  {7350, 0x4500, 0},
             {8820, 0x4400, 0},  {11025, 0x4300, 1},  {12600, 0x4E00, 0},  {14700, 0x4200, 0}, {17640, 0x4C00, 0},
             {18900, 0x5600, 0}, {22050, 0x4100, 1},  {25200, 0x5E00, 0},  {26460, 0x5400, 0}, {29400, 0x4A00, 0},
             {33075, 0x5300, 0}, {35280, 0x5C00, 0},  {44100, 0x4000, 1},  {58800, 0x5A00, 0}, {66150, 0x5100, 0},
             {88200, 0x4800, 1}, {132300, 0x5000, 0}, {176400, 0x5800, 1}};
enum { RATES = sizeof codes / sizeof codes[0] };
static const uint16_t widths[5] = {8, 16, 20, 24, 32}, containers[5] = {8, 16, 32, 32, 32};

static bool same(const storsim_stream_format_t *a, const storsim_stream_format_t *b) {
    return a->SampleRate == b->SampleRate && a->ValidBitsPerSample == b->ValidBitsPerSample &&
           a->ContainerSize == b->ContainerSize && a->NumberOfChannels == b->NumberOfChannels;
}

static void test_formats_exhaustively(void) {
    static uint8_t seen[65536];
    storsim_hdaudio_policy_t doc = {0}, common = {.rates = STORSIM_RATES_COMMON};
    size_t count;
    const uint32_t *list = storsim_hdaudio_rates(&count);
    memset(seen, 0, sizeof seen);
    CHECK_EQ(count, RATES);
    for (size_t r = 0; r < RATES; r++) {
        CHECK_EQ(list[r], codes[r].rate);
        for (unsigned w = 0; w < 5; w++) {
            for (uint16_t ch = 1; ch <= 16; ch++) {
                storsim_stream_format_t format = {codes[r].rate, widths[w], containers[w], ch}, back;
                uint16_t code = storsim_hdaudio_format_encode(&format);
                CHECK_EQ(code, codes[r].code | w << 4 | (ch - 1u));
                CHECK(!seen[code]);
                seen[code] = 1;
                CHECK(storsim_hdaudio_format_valid(&format, &doc));
                CHECK(storsim_hdaudio_format_valid(&format, &common) == codes[r].common);
                CHECK(storsim_hdaudio_format_decode(code, &back));
                CHECK(same(&format, &back));
            }
        }
    }
    for (uint32_t code = 0; code < 65536; code++) { /* every other code is refused */
        storsim_stream_format_t back;
        CHECK(storsim_hdaudio_format_decode((uint16_t)code, &back) == (seen[code] != 0));
    }
}

static void test_formats_refused(void) {
    storsim_hdaudio_policy_t doc = {0}, any = {.container = STORSIM_CONTAINER_ANY};
    for (uint32_t rate = 0; rate <= 200000; rate++) {
        storsim_stream_format_t format = {rate, 16, 16, 2};
        bool known = false;
        for (size_t r = 0; r < RATES; r++) {
            known = known || codes[r].rate == rate;
        }
        CHECK(storsim_hdaudio_format_valid(&format, &doc) == known);
    }
    for (uint32_t valid = 0; valid <= 64; valid++) {
        for (uint32_t container = 0; container <= 64; container++) {
            storsim_stream_format_t format = {48000, (uint16_t)valid, (uint16_t)container, 2};
            bool width = valid == 8 || valid == 16 || valid == 20 || valid == 24 || valid == 32;
            bool hw = (valid == 8 && container == 8) || (valid == 16 && container == 16) ||
                      (valid == 20 && container == 32) || (valid == 24 && container == 32) ||
                      (valid == 32 && container == 32);
            bool bytes = container == 8 || container == 16 || container == 24 || container == 32;
            CHECK(storsim_hdaudio_format_valid(&format, &doc) == hw);
            CHECK(storsim_hdaudio_format_valid(&format, &any) == (width && bytes && valid <= container));
        }
    }
    for (uint32_t ch = 0; ch <= 65535; ch++) {
        storsim_stream_format_t format = {48000, 16, 16, (uint16_t)ch};
        CHECK(storsim_hdaudio_format_valid(&format, &doc) == (ch >= 1 && ch <= 16));
    }
}

static uint32_t render(uint32_t rate, uint16_t bits, uint16_t channels, uint32_t lines) {
    storsim_stream_format_t format = {rate, bits, 32, channels};
    return storsim_hdaudio_render_bits(&format, lines);
}

static uint32_t capture(uint32_t rate, uint16_t bits, uint16_t channels) {
    storsim_stream_format_t format = {rate, bits, 32, channels};
    return storsim_hdaudio_capture_bits(&format);
}

static uint32_t words(uint32_t rate, uint16_t bits, uint16_t channels) {
    storsim_stream_format_t format = {rate, bits, 32, channels};
    return storsim_hdaudio_fifo_words(&format);
}

/* Numbers of §6.3 and of cases 11, 12, 14, 15, 48. */
static void test_costs(void) {
    CHECK_EQ(render(48000, 16, 2, 1), 32);
    CHECK_EQ(render(96000, 24, 2, 1), 96);
    CHECK_EQ(render(192000, 24, 8, 1), 768);
    CHECK_EQ(render(192000, 24, 8, 2), 384);
    CHECK_EQ(render(48000, 8, 1, 4), 2);
    CHECK_EQ(render(48000, 20, 1, 3), 7); /* rounded up */
    CHECK_EQ(render(8000, 16, 2, 1), 32); /* the divisor does not lower it */
    CHECK_EQ(capture(48000, 16, 2), 42);
    CHECK_EQ(capture(96000, 24, 8), 394);
    CHECK_EQ(capture(48000, 24, 2), 58);
    CHECK_EQ(capture(48000, 20, 1), 34); /* 20 bits, padded to 24, tag 10 */
    CHECK_EQ(words(192000, 24, 8), 48);
    CHECK_EQ(words(192000, 32, 8), 64);
    CHECK_EQ(words(96000, 24, 8), 24);
    CHECK_EQ(words(192000, 16, 8), 32);
    CHECK_EQ(words(48000, 20, 1), 2); /* 20 bits take 24 in the FIFO */
    CHECK_EQ(words(48000, 8, 1), 1);
}

/* --- buffers ------------------------------------------------------------------------------------------------------ */

static uint32_t gcd(uint32_t a, uint32_t b) {
    return b ? gcd(b, a % b) : a;
}

/* §7, naively: walk up the allowed sizes and keep the nearest, the larger of two. */
static uint64_t nearest(uint32_t f, uint32_t n, uint64_t requested) {
    uint32_t unit = n == 2 ? 2 * (128 / gcd(128, f) * f) : f;
    uint64_t best = 0, distance = UINT64_MAX;
    for (uint64_t size = unit; size <= 1048576; size += unit) {
        uint64_t d = size > requested ? size - requested : requested - size;
        if (size >= 256 && d <= distance) {
            best = size;
            distance = d;
        }
    }
    return best;
}

static void test_sizes(void) {
    static const uint32_t blocks[] = {1, 2, 3, 4, 6, 8, 12, 16, 20, 28, 36, 44, 52, 60, 64};
    static const uint64_t asked[] = {0,         1,       255,     256,     257,
                                     383,       384,     385,     511,     1000,
                                     1001,      1002,    1003,    3528,    4095,
                                     4096,      4097,    10000,   65535,   65536,
                                     100001,    1048575, 1048576, 1048577, UINT64_C(1) << 24,
                                     UINT64_MAX};
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        for (uint32_t n = 0; n <= 2; n++) {
            for (size_t a = 0; a < sizeof asked / sizeof asked[0]; a++) {
                CHECK_EQ(storsim_hdaudio_buffer_size(blocks[b], n, asked[a], STORSIM_SIZE_NEAREST),
                         nearest(blocks[b], n, asked[a]));
                uint64_t up = storsim_hdaudio_buffer_size(blocks[b], n, asked[a], STORSIM_SIZE_ROUND_UP);
                CHECK(up >= asked[a] || up == nearest(blocks[b], n, UINT64_MAX));
                CHECK_EQ(up, nearest(blocks[b], n, up));
            }
        }
    }
    CHECK_EQ(storsim_hdaudio_buffer_size(4, 0, 1001, STORSIM_SIZE_EXACT), 1001);
    CHECK_EQ(storsim_hdaudio_buffer_size(4, 0, 0, STORSIM_SIZE_EXACT), 0);
    CHECK_EQ(storsim_hdaudio_buffer_size(4, 0, 1048577, STORSIM_SIZE_EXACT), 0);
    CHECK_EQ(storsim_hdaudio_buffer_size(4, 0, 1001, STORSIM_SIZE_NEAREST), 1000); /* case 29 */
    CHECK_EQ(storsim_hdaudio_buffer_size(4, 0, 0, STORSIM_SIZE_NEAREST), 256);     /* case 30 */
    CHECK_EQ(storsim_hdaudio_buffer_size(4, 2, 3528, STORSIM_SIZE_NEAREST), 3584); /* case 51 */
    CHECK_EQ(storsim_hdaudio_buffer_offset(3584, 2), 2304);
    CHECK_EQ(storsim_hdaudio_buffer_offset(8192, 2), 0);
    CHECK_EQ(storsim_hdaudio_buffer_offset(3584, 1), 0);
}

/* Invariant 6 of §9 for every size that can be handed out (with a coarse stride over requests). */
static void test_plans(void) {
    storsim_hdaudio_entry_t entries[256];
    for (uint32_t f = 1; f <= 64; f = f < 4 ? f + 1 : f + 4) {
        for (uint32_t n = 0; n <= 2; n++) {
            for (uint64_t asked = 0; asked <= 1048576 + 4096; asked += asked < 9000 ? 97 : 23456) {
                uint64_t size = storsim_hdaudio_buffer_size(f, n, asked, STORSIM_SIZE_NEAREST), sum = 0;
                uint32_t offset = storsim_hdaudio_buffer_offset(size, n),
                         count = storsim_hdaudio_plan(size, n, false, entries);
                uint64_t at = offset;
                CHECK(count >= 2 && count <= 256);
                CHECK_EQ(offset % 128, 0);
                for (uint32_t i = 0; i < count; i++) {
                    CHECK_EQ(entries[i].address, at);
                    CHECK_EQ(at % 128, 0);
                    CHECK(entries[i].length > 0 && at % 4096 + entries[i].length <= 4096);
                    sum += entries[i].length;
                    at += entries[i].length;
                    bool ioc = n >= 1 && sum == size;
                    ioc = ioc || (n == 2 && sum * 2 == size);
                    CHECK_EQ(entries[i].ioc, ioc);
                }
                CHECK_EQ(sum, size);
            }
        }
    }
    CHECK_EQ(storsim_hdaudio_plan(10000, 0, false, entries), 3);
    CHECK_EQ(entries[2].length, 1808);
    CHECK_EQ(storsim_hdaudio_plan(1000, 0, true, entries), 2);
    CHECK_EQ(entries[0].length, 384);
    CHECK_EQ(entries[1].length, 616);
    CHECK_EQ(entries[1].ioc, 1);
    CHECK_EQ(storsim_hdaudio_plan(3584, 2, false, entries), 2);
    CHECK_EQ(entries[0].address, 2304);
    CHECK_EQ(entries[0].length, 1792);
    CHECK_EQ(entries[1].address, 4096);
    CHECK_EQ(storsim_hdaudio_plan(100, 0, false, entries), 1); /* rule "exact" alone gives such sizes */
}

static void test_policy_names(void) {
    storsim_hdaudio_policy_t policy = {0};
    size_t count;
    const storsim_hdaudio_policy_row_t *table = storsim_hdaudio_policy_table(&count);
    CHECK_EQ(count, 17);
    for (size_t i = 0; i < count; i++) {
        const char *first = storsim_hdaudio_policy_get(&policy, table[i].name);
        CHECK(first == table[i].choices);
    }
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, "size_rule", "round_up"), STORSIM_OK);
    CHECK_EQ(policy.size_rule, STORSIM_SIZE_ROUND_UP);
    CHECK_EQ(strcmp(storsim_hdaudio_policy_get(&policy, "size_rule"), "round_up"), 0);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, "size_rule", "round"), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, "no_such", "on"), STORSIM_INVALID);
    CHECK_EQ(storsim_hdaudio_policy_set(&policy, NULL, "on"), STORSIM_INVALID);
    CHECK_EQ(policy.size_rule, STORSIM_SIZE_ROUND_UP);
    CHECK(storsim_hdaudio_policy_get(&policy, "no_such") == NULL);
    CHECK_EQ(storsim_hdaudio_policy_profile(&policy, "skl"), STORSIM_OK);
    CHECK_EQ(policy.direct_transition, STORSIM_DIRECT_SKL);
    CHECK_EQ(storsim_hdaudio_policy_profile(&policy, "doc"), STORSIM_OK);
    CHECK_EQ(policy.direct_transition, STORSIM_DIRECT_REJECT);
    CHECK_EQ(storsim_hdaudio_policy_profile(&policy, "other"), STORSIM_INVALID);
    CHECK_EQ(strcmp(storsim_hdaudio_status_name(0xC00000A3u), "STATUS_DEVICE_NOT_READY"), 0);
    CHECK_EQ(storsim_hdaudio_status_name(1)[0], 0);
}

/* Tables of §1 against the DDI rows: every member is a row that knows its tables, and the sizes follow from the member
 * counts. */
static void test_interface_tables(void) {
    size_t tables, rows_count;
    const storsim_hdaudio_table_t *table = storsim_hdaudio_tables(&tables);
    const storsim_routine_t *row = storsim_ddi_table(&rows_count);
    CHECK_EQ(tables, 4);
    for (size_t t = 0; t < tables; t++) {
        CHECK_EQ(table[t].version, 0x0100);
        CHECK_EQ(table[t].size_x64, 32 + 8 * table[t].member_count);
        CHECK_EQ(table[t].size_x86, 16 + 4 * table[t].member_count);
        unsigned members = 0;
        for (size_t r = 0; r < rows_count; r++) {
            bool listed = false;
            for (unsigned m = 0; m < table[t].member_count; m++) {
                listed = listed || table[t].members[m] == row[r].id;
            }
            bool head = row[r].id == STORSIM_ID_InterfaceReference || row[r].id == STORSIM_ID_InterfaceDereference;
            CHECK(listed == (!head && (row[r].tables & table[t].tables) != 0));
            members += listed;
        }
        CHECK_EQ(members, table[t].member_count);
    }
    static const char *const guids[] = {"D2EAF88B-AB18-41A8-B664-8D592167671B", "B52AF5FB-424B-4BB9-A160-5B38BE94E568",
                                        "DC25DA12-BCD1-4C7F-84E1-02ADB6DCDCBF", "B4D65397-5634-40B0-B068-F5B9F8B967A5"};
    for (size_t t = 0; t < tables; t++) {
        const uint8_t *g = table[t].guid;
        char text[40];
        snprintf(text, sizeof text, "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", g[3], g[2],
                 g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
        CHECK_EQ(strcmp(text, guids[t]), 0);
    }
    CHECK_EQ(table[0].size_x64, 144);
    CHECK_EQ(table[1].size_x64, 176);
    CHECK_EQ(table[2].size_x64, 192);
    CHECK_EQ(table[3].size_x64, 152);
    CHECK_EQ(strcmp(storsim_ddi_routine(table[3].members[5])->name, "SetupDmaEngineWithBdl"), 0);
}

int main(void) {
    test_total_table();
    test_table_invariants();
    test_table_policies();
    test_formats_exhaustively();
    test_formats_refused();
    test_costs();
    test_sizes();
    test_plans();
    test_policy_names();
    test_interface_tables();
    return CHECK_DONE();
}
