/* Every byte of the kernel room's part of a snapshot changed, in four ways, and neighbouring words exchanged, under a
 * correct checksum. What is refused leaves the machine as it was; what is taken is a state in which looking, freeing
 * and taking go on. Which is which is pinned. */
#include "scenario.h"

#include "machine/core.h"

static size_t place_of(const uint8_t *bytes, size_t from, size_t length, const uint8_t mark[4]) {
    while (from + 4 <= length && memcmp(bytes + from, mark, 4) != 0) {
        from++;
    }
    CHECK(from + 4 <= length);
    return from;
}

typedef struct tally {
    unsigned long tried, taken;
} tally_t;

/* Restores the changed bytes, folds the answer and what the machine then is. */
static void judge(storsim_machine_t *m, const uint8_t *whole, uint8_t *copy, size_t length, uint64_t digest, tally_t *tally) {
    uint64_t sum = ss_snapshot_checksum(copy, length - 8), came_to = 0;
    size_t where = 0;
    for (unsigned i = 0; i < 8; i++) {
        copy[length - 8 + i] = (uint8_t)(sum >> (8 * i));
    }
    storsim_status_t status = storsim_restore(m, copy, length, &where);
    check_fold((uint64_t)status);
    tally->tried++;
    if (status != STORSIM_OK) {
        CHECK_EQ(status, STORSIM_FORMAT);
        CHECK(where <= length);
        return;
    }
    tally->taken++;
    CHECK_EQ(storsim_digest(m, &came_to), STORSIM_OK);
    check_fold(came_to);
    CHECK_EQ(storsim_check(m, NULL, 0), 0);
    if (came_to != digest) {
        ss_block_id_t id;
        check_fold((uint64_t)ss_pool_take(m, STORSIM_BLOCK_POOL, 100, TAG, 1, &id));
    }
    CHECK_EQ(storsim_restore(m, whole, length, NULL), STORSIM_OK);
}

static void every_byte(storsim_machine_t *m) {
    static const uint8_t begins[4] = {0x01, 0x00, 0x54, 0x4E}, ends[4] = {0x01, 0x4F, 0x4F, 0x52};
    uint8_t *bytes, swapped[8];
    size_t length;
    uint64_t digest;
    tally_t tally = {0};
    CHECK_EQ(storsim_digest(m, &digest), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(m, &bytes, &length), STORSIM_OK);
    uint8_t *copy = malloc(length);
    CHECK(copy != NULL);
    size_t first = place_of(bytes, 0, length, begins), end = place_of(bytes, first, length, ends);
    for (size_t at = first; at < end; at++) {
        const uint8_t old = bytes[at], values[] = {old ^ 0x80, old ^ 0xFF, (uint8_t)(old + 1), (uint8_t)(old - 1)};
        for (size_t k = 0; k < sizeof values; k++) {
            memcpy(copy, bytes, length);
            copy[at] = values[k];
            judge(m, bytes, copy, length, digest, &tally);
        }
        if (at + 8 <= end) {
            memcpy(swapped, bytes + at + 4, 4);
            memcpy(swapped + 4, bytes + at, 4);
            memcpy(copy, bytes, length);
            memcpy(copy + at, swapped, 8);
            judge(m, bytes, copy, length, digest, &tally);
        }
    }
    uint64_t after;
    CHECK_EQ(storsim_digest(m, &after), STORSIM_OK);
    CHECK_EQ(after, digest);
    printf("  %lu changes, %lu of them taken\n", tally.tried, tally.taken);
    CHECK(tally.taken > tally.tried / 20 && tally.taken < tally.tried);
    free(copy);
    storsim_snapshot_free(m, bytes);
}

static void test_scenario(void) {
    scenario_t s;
    memset(&s, 0, sizeof s);
    world_init(&s.w);
    s.w.config.quarantine = 40000; /* so that some of it has come and gone */
    world_boot(&s.w);
    for (int step = 0; step < SCENARIO_STEPS; step++) {
        CHECK_EQ(scenario_step(&s, step), STORSIM_OK);
    }
    every_byte(s.w.machine);
    world_end(&s.w);
}

/* Blocks of special pool, live and waiting, beside whole pages and MDLs, which are ordinary. */
static void test_special(void) {
    world_t w;
    uint64_t va[8];
    ss_block_id_t id;
    world_init(&w);
    w.config.level = STORSIM_VERIFIER;
    w.config.verifier = STORSIM_V_POOL_TRACKING | STORSIM_V_SPECIAL_POOL;
    world_boot(&w);
    for (size_t i = 0; i < 8; i++) {
        va[i] = va_of(&w, pool_get(&w, 1000 + 600 * i, TAG, STORSIM_OK));
        CHECK_EQ(ss_mdl_make(w.machine, va[i], 500, 1, &id), STORSIM_OK);
        if (i == 2) {
            ss_mdl_free(w.machine, id);
        }
    }
    pool_put(&w, va[0], STORSIM_OK);
    pool_put(&w, va[2], STORSIM_OK);
    pool_put(&w, va[6], STORSIM_OK);
    every_byte(w.machine);
    world_end(&w);
}

int main(void) {
    test_scenario();
    test_special();
    return CHECK_PINNED(nt_test_loaded);
}
