/* Numbers of pool pages that are free again: a restored machine gives them out in the order in which the machine itself
 * would have. */
#include "world.h"

enum { PAGES = 9 };

static void fill(world_t *w, ss_block_id_t ids[PAGES]) {
    for (size_t i = 0; i < PAGES; i++) { /* of as many size classes: a page each */
        ids[i] = pool_get(w, 100 + 150 * i, TAG, STORSIM_OK);
        CHECK(ids[i] != 0);
    }
}

static void one(unsigned freed) {
    world_t left, stayed;
    world_t *const worlds[2] = {&left, &stayed};
    ss_block_id_t ids[PAGES], again[2][PAGES];
    uint8_t *cut;
    size_t length;
    for (int i = 0; i < 2; i++) {
        world_init(worlds[i]);
        worlds[i]->config.quarantine = 0;
        world_boot(worlds[i]);
        fill(worlds[i], ids);
        for (size_t k = 0; k < PAGES; k++) {
            if ((freed >> k & 1u) != 0) {
                pool_put(worlds[i], va_of(worlds[i], ids[k]), STORSIM_OK);
            }
        }
    }
    CHECK_EQ(storsim_snapshot(left.machine, &cut, &length), STORSIM_OK);
    fill(&left, ids);
    CHECK_EQ(storsim_restore(left.machine, cut, length, NULL), STORSIM_OK);
    storsim_snapshot_free(left.machine, cut);
    for (int i = 0; i < 2; i++) {
        fill(worlds[i], again[i]);
    }
    for (size_t k = 0; k < PAGES; k++) {
        CHECK_EQ(again[0][k], again[1][k]);
        CHECK_EQ(ss_block(left.machine, again[0][k])->pool_page, ss_block(stayed.machine, again[1][k])->pool_page);
        CHECK_EQ(va_of(&left, again[0][k]), va_of(&stayed, again[1][k]));
    }
    CHECK_EQ(world_digest(&left), world_digest(&stayed));
    world_end(&left);
    world_end(&stayed);
}

int main(void) {
    for (unsigned freed = 0; freed < 1u << PAGES; freed += 7) {
        one(freed);
    }
    return CHECK_PINNED(nt_test_spare);
}
