/* The bytes behind pages, written down and read back damaged: every field with another value, every length too short,
 * and a host that refuses. And texts, sites and counts at their edges. */
#include "../check.h"

#include <string.h>

#include "machine/machine_i.h"

enum { PAGE = 4096 };

static ss_ram_t *make(ss_host_t *host, ss_store_t *store) {
    ss_ram_t *ram;
    CHECK_EQ(ss_ram_create(host, NULL, &ram), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 3, SS_FILL_PATTERN, 9, store), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, *store, 0, 100, 1), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, *store, 1, 50, 2), STORSIM_OK);
    CHECK_EQ(ss_store_write(ram, *store, PAGE + 5, "bytes", 5), STORSIM_OK);
    CHECK_EQ(ss_ram_write(ram, 7 * PAGE, "loose", 5), STORSIM_OK);
    return ram;
}

static storsim_status_t load(ss_host_t *host, uint8_t *bytes, size_t length) {
    ss_ram_t *ram;
    storsim_status_t made = ss_ram_create(host, NULL, &ram);
    if (made != STORSIM_OK) {
        return made;
    }
    ss_codec_t codec = {.mode = SS_LOAD, .host = host, .bytes = bytes, .length = length};
    ss_ram_walk(ram, &codec);
    if (ss_codec_ok(&codec)) {
        (void)ss_ram_check(ram); /* two stores may claim a frame, which it says */
    }
    ss_ram_destroy(ram);
    return codec.status;
}

static void test_bytes_loaded(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    ss_host_t host;
    ss_store_t store;
    ss_host_init(&host, &hook);
    ss_ram_t *ram = make(&host, &store);
    ss_codec_t saved = {.mode = SS_SAVE, .host = &host};
    ss_ram_walk(ram, &saved);
    CHECK(ss_codec_ok(&saved));
    ss_ram_destroy(ram);
    uint8_t *work = malloc(saved.length);
    CHECK(work != NULL);
    static const uint8_t values[] = {0, 1, 2, 0x7F, 0xFF};
    unsigned refused = 0, taken = 0;
    for (size_t at = 0; at < saved.length; at += at > 150 && at + 150 < saved.length && at % 4200 > 200 ? 97 : 1) {
        for (size_t v = 0; v < 2 * sizeof values; v++) { /* a byte, or eight of them */
            memcpy(work, saved.bytes, saved.length);
            for (size_t i = 0; i < (v < sizeof values ? 1 : 8) && at + i < saved.length; i++) {
                work[at + i] = values[v % sizeof values];
            }
            storsim_status_t status = load(&host, work, saved.length);
            CHECK(status == STORSIM_OK || status == STORSIM_FORMAT || status == STORSIM_NO_MEMORY || status == STORSIM_INVALID);
            refused += status != STORSIM_OK;
            taken += status == STORSIM_OK;
        }
        CHECK_EQ(load(&host, saved.bytes, at), STORSIM_FORMAT);
    }
    CHECK(refused > 100 && taken > 100);
    storsim_status_t status = STORSIM_NO_MEMORY;
    for (unsigned long at = 1; status != STORSIM_OK; at++) {
        state.fail_at = state.requests + at;
        status = load(&host, saved.bytes, saved.length);
        state.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
    }
    free(work);
    ss_release(&host, saved.bytes);
    CHECK_EQ(state.live, 0);
}

/* A count of things that take no bytes is bounded by its limit alone. */
static void test_counts(void) {
    uint8_t bytes[8] = {9};
    for (uint64_t limit = 8; limit <= 9; limit++) {
        ss_codec_t codec = {.mode = SS_LOAD, .bytes = bytes, .length = sizeof bytes};
        uint64_t count = 0;
        ss_codec_count(&codec, &count, 0, limit);
        CHECK_EQ(ss_codec_ok(&codec), limit == 9);
        CHECK_EQ(count, limit == 9 ? 9 : 0);
    }
}

/* Sites that differ in their second number only; a bugcheck on a machine that nobody told the names of codes. */
static void test_sites_and_texts(void) {
    static const storsim_range_t ranges[] = {{0x100000, 0x400000, 0}};
    static const ss_rule_t rules[] = {{"RULE", "one may not", "do not", "model choice"}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 1, .seed = 3};
    storsim_machine_t *m;
    uint32_t site, again;
    char text[400];
    CHECK_EQ(storsim_machine_create(&config, &m), STORSIM_OK);
    for (uint64_t i = 0; i < 300; i++) {
        CHECK_EQ(storsim_site_intern(m, 5, i, &site), STORSIM_OK);
        CHECK_EQ(site, i + 1);
    }
    CHECK_EQ(storsim_site_intern(m, 5, 77, &again), STORSIM_OK);
    CHECK_EQ(again, 78);
    const storsim_finding_t stop = {.code = 0xC4, .parameters = {1, 2, 3, 4}};
    CHECK_EQ(ss_rules_register(m, SS_ROOM_NT, rules, 1), STORSIM_OK);
    CHECK_EQ(ss_stop(m, SS_ROOM_NT, 0, &stop), STORSIM_BUGCHECK);
    (void)storsim_finding_text(m, storsim_stopped(m), text, sizeof text);
    CHECK(strstr(text, "BugCheck 0xC4 (0x1, 0x2, 0x3, 0x4): RULE") != NULL);
    storsim_machine_destroy(m);
}

int main(void) {
    test_bytes_loaded();
    test_counts();
    test_sites_and_texts();
    return CHECK_DONE();
}
