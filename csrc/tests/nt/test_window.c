/* A window of the bus reads what ss_bus_read reads, says what it says, and leaves the same trace, whatever happens
 * between two reads: twin machines take the same random steps, one reads through windows that it never closes itself,
 * the other asks each time. */
#include "world.h"

enum { DEVICES = 3, BLOCKS = 6, WINDOWS = 3, STEPS = 8000, PAGE = 4096 };

typedef struct side {
    world_t w;
    ss_device_t devices[DEVICES]; /* the last one behind an IOMMU */
    ss_block_id_t blocks[BLOCKS];
    uint64_t logical[BLOCKS];
    storsim_checkpoint_t *checkpoint;
    ss_block_id_t kept_blocks[BLOCKS];
    uint64_t kept_logical[BLOCKS];
    uint8_t *bytes; /* a snapshot of the same moment as the checkpoint */
    size_t length;
} side_t;

static uint64_t state, hits, sure_reads;
static uint64_t draw(uint64_t below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % below;
}

static void start(side_t *side) {
    memset(side, 0, sizeof *side);
    world_init(&side->w);
    side->w.config.level = STORSIM_VERIFIER;
    world_boot(&side->w);
    for (int i = 0; i < DEVICES; i++) {
        CHECK_EQ(ss_bus_add_device(side->w.machine, i == DEVICES - 1, true, &side->devices[i]), STORSIM_OK);
    }
    CHECK_EQ(ss_device_owner(side->w.machine, side->devices[0], 1), STORSIM_OK);
    CHECK_EQ(ss_device_owner(side->w.machine, side->devices[DEVICES - 1], 1), STORSIM_OK);
}

static void end(side_t *side) {
    storsim_checkpoint_free(side->w.machine, side->checkpoint);
    storsim_snapshot_free(side->w.machine, side->bytes);
    world_end(&side->w);
}

static void take(side_t *side, uint32_t slot, uint64_t pages, bool pool, bool mapped) {
    side->blocks[slot] = pool ? pool_get(&side->w, pages * 700, TAG, STORSIM_OK)
                              : contig_get(&side->w, STORSIM_BLOCK_DMA, CONTIG(pages * PAGE), STORSIM_OK);
    side->logical[slot] = 0;
    if (!pool && mapped) {
        CHECK_EQ(ss_bus_map(side->w.machine, side->devices[DEVICES - 1], pa_of(&side->w, side->blocks[slot]) / PAGE, pages, UINT64_MAX,
                            &side->logical[slot]),
                 STORSIM_OK);
    }
}

static void give(side_t *side, uint32_t slot, uint64_t pages) {
    if (side->logical[slot] != 0) {
        ss_bus_unmap(side->w.machine, side->devices[DEVICES - 1], side->logical[slot], pages);
    }
    ss_block_free(side->w.machine, side->blocks[slot]);
    side->blocks[slot] = 0;
}

static void keep(side_t *side) {
    storsim_checkpoint_free(side->w.machine, side->checkpoint);
    storsim_snapshot_free(side->w.machine, side->bytes);
    CHECK_EQ(storsim_checkpoint_take(side->w.machine, &side->checkpoint), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(side->w.machine, &side->bytes, &side->length), STORSIM_OK);
    memcpy(side->kept_blocks, side->blocks, sizeof side->blocks);
    memcpy(side->kept_logical, side->logical, sizeof side->logical);
}

static void back(side_t *side, bool from_bytes) {
    CHECK_EQ(from_bytes ? storsim_restore(side->w.machine, side->bytes, side->length, NULL)
                        : storsim_checkpoint_restore(side->w.machine, side->checkpoint),
             STORSIM_OK);
    memcpy(side->blocks, side->kept_blocks, sizeof side->blocks);
    memcpy(side->logical, side->kept_logical, sizeof side->logical);
}

/* One read on both sides, compared. */
static void read_both(side_t sides[2], ss_bus_window_t *window, uint32_t device, uint64_t address, size_t bytes) {
    static uint8_t data[2][2 * PAGE];
    ss_bus_result_t results[2] = {SS_BUS_OK, SS_BUS_OK};
    memset(data, 0x11, sizeof data);
    hits += bytes != 0 && bytes <= ss_bus_sure(sides[0].w.machine, window, address);
    storsim_status_t one =
        ss_bus_read_window(sides[0].w.machine, sides[0].devices[device], window, address, data[0], bytes, &results[0]);
    storsim_status_t two = ss_bus_read(sides[1].w.machine, sides[1].devices[device], address, data[1], bytes, &results[1]);
    CHECK_EQ(one, two);
    CHECK_EQ(results[0], results[1]);
    CHECK(memcmp(data[0], data[1], sizeof data[0]) == 0);
    CHECK_EQ(storsim_finding_count(sides[0].w.machine), storsim_finding_count(sides[1].w.machine));
    CHECK_EQ(storsim_trace_count(sides[0].w.machine), storsim_trace_count(sides[1].w.machine));
}

/* What is sure is read as by one access for each page. */
static void sure_both(side_t sides[2], const ss_bus_window_t *window, uint32_t device, uint64_t base, uint64_t pages) {
    static uint8_t data[2][6 * PAGE];
    uint64_t at = draw(pages * PAGE), sure = ss_bus_sure(sides[0].w.machine, window, base + at);
    uint64_t rest = pages * PAGE - at, bytes = sure < rest ? sure : rest;
    if (base == 0 || bytes == 0) {
        return;
    }
    ss_bus_read_sure(sides[0].w.machine, sides[0].devices[device], window, base + at, data[0], (size_t)bytes);
    for (uint64_t done = 0; done < bytes;) {
        ss_bus_result_t result;
        uint64_t left = PAGE - (base + at + done) % PAGE, some = left < bytes - done ? left : bytes - done;
        CHECK_EQ(ss_bus_read(sides[1].w.machine, sides[1].devices[device], base + at + done, data[1] + done, (size_t)some, &result),
                 STORSIM_OK);
        CHECK_EQ(result, SS_BUS_OK);
        done += some;
    }
    CHECK(memcmp(data[0], data[1], (size_t)bytes) == 0);
    CHECK_EQ(storsim_finding_count(sides[0].w.machine), storsim_finding_count(sides[1].w.machine));
    CHECK_EQ(storsim_trace_count(sides[0].w.machine), storsim_trace_count(sides[1].w.machine));
    sure_reads++;
}

static void step(side_t sides[2], ss_bus_window_t windows[DEVICES][WINDOWS], uint64_t pages[BLOCKS], uint64_t kept[BLOCKS], bool *has_kept) {
    uint32_t slot = (uint32_t)draw(BLOCKS), device = (uint32_t)draw(DEVICES), what = (uint32_t)draw(60);
    bool live = sides[0].blocks[slot] != 0;
    uint64_t count = 1 + draw(6), old_pages = pages[slot];
    if (what == 0 && !live) {
        bool pool = draw(4) == 0, mapped = draw(2) != 0;
        pages[slot] = count;
        take(&sides[0], slot, count, pool, mapped);
        take(&sides[1], slot, count, pool, mapped);
    } else if (what == 1 && live) {
        give(&sides[0], slot, old_pages);
        give(&sides[1], slot, old_pages);
    } else if (what == 2 && live) {
        uint8_t byte = (uint8_t)draw(256);
        uint64_t at = draw(ss_block(sides[0].w.machine, sides[0].blocks[slot])->size);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(ss_block_write(sides[i].w.machine, ss_block(sides[i].w.machine, sides[i].blocks[slot]), at, &byte, 1), STORSIM_OK);
        }
    } else if (what == 3) {
        bool stalled = draw(8) == 0;
        ss_bus_stall(sides[0].w.machine, sides[0].devices[device], stalled);
        ss_bus_stall(sides[1].w.machine, sides[1].devices[device], stalled);
    } else if (what == 4 && device == 0) {
        uint32_t owner = 1 + (uint32_t)draw(2);
        CHECK_EQ(ss_device_owner(sides[0].w.machine, sides[0].devices[0], owner), STORSIM_OK);
        CHECK_EQ(ss_device_owner(sides[1].w.machine, sides[1].devices[0], owner), STORSIM_OK);
    } else if (what == 5 && draw(8) == 0) {
        keep(&sides[0]);
        keep(&sides[1]);
        memcpy(kept, pages, BLOCKS * sizeof *pages);
        *has_kept = true;
    } else if (what == 6 && *has_kept && draw(4) == 0) {
        bool from_bytes = draw(2) != 0;
        back(&sides[0], from_bytes);
        back(&sides[1], from_bytes);
        memcpy(pages, kept, BLOCKS * sizeof *pages);
    } else if (what > 6 && live) {
        const ss_block_t *block = ss_block(sides[0].w.machine, sides[0].blocks[slot]);
        bool behind = device == DEVICES - 1;
        uint64_t base = behind ? sides[0].logical[slot] : pa_of(&sides[0].w, sides[0].blocks[slot]);
        if (draw(8) == 0) {
            sure_both(sides, &windows[device][slot % WINDOWS], device, base, old_pages);
            return;
        }
        uint64_t at = draw(block->size), bytes = draw(4) != 0 ? 16 : draw(2 * PAGE);
        if (behind && (base == 0 || at + bytes > old_pages * PAGE)) {
            return; /* the IOMMU would stop the machine */
        }
        read_both(sides, &windows[device][slot % WINDOWS], device, base + at, (size_t)bytes);
    } else if (what > 50) { /* freed, or never anybody's */
        uint64_t window = draw(WINDOWS), page = draw(256); /* one after the other: the order of arguments is the compiler's */
        read_both(sides, &windows[0][window], 0, 0x1F00000 + page * PAGE, 64);
    }
}

static void twins(uint64_t seed) {
    side_t sides[2];
    ss_bus_window_t windows[DEVICES][WINDOWS] = {{{0}}};
    uint64_t pages[BLOCKS] = {0}, kept[BLOCKS] = {0};
    bool has_kept = false;
    state = seed;
    start(&sides[0]);
    start(&sides[1]);
    for (int i = 0; i < STEPS; i++) {
        step(sides, windows, pages, kept, &has_kept);
    }
    CHECK_EQ(world_digest(&sides[0].w), world_digest(&sides[1].w));
    end(&sides[0]);
    end(&sides[1]);
}

/* What a window is for: it opens at the first read, goes as far as the block, and closes with it. */
static void opens_and_closes(void) {
    side_t side;
    ss_bus_window_t window = {0};
    ss_bus_result_t result;
    uint8_t data[64];
    start(&side);
    take(&side, 0, 3, false, false);
    uint64_t pa = pa_of(&side.w, side.blocks[0]);
    CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa), 0);
    for (uint64_t page = 0; page < 3; page++) { /* touched in any order: pages that were not are no part of it */
        CHECK_EQ(ss_bus_read_window(side.w.machine, side.devices[0], &window, pa + (2 - page) * PAGE, data, 64, &result), STORSIM_OK);
        CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa + (2 - page) * PAGE), (page + 1) * PAGE);
    }
    CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa + 3 * PAGE), 0);
    CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa - 1), 0);
    keep(&side);
    CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa), 3 * PAGE);
    for (int from_bytes = 0; from_bytes < 2; from_bytes++) {
        back(&side, from_bytes != 0);
        CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa), 0);
        CHECK_EQ(ss_bus_read_window(side.w.machine, side.devices[0], &window, pa, data, 64, &result), STORSIM_OK);
        CHECK(ss_bus_sure(side.w.machine, &window, pa) != 0);
    }
    give(&side, 0, 3);
    CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa), 0);
    CHECK_EQ(ss_bus_read_window(side.w.machine, side.devices[0], &window, pa, data, 64, &result), STORSIM_OK);
    CHECK_LAST(&side.w, "DEVICE_DMA_TO_FREED");
    CHECK_EQ(ss_bus_sure(side.w.machine, &window, pa), 0);
    end(&side);
}

int main(void) {
    opens_and_closes();
    for (uint64_t seed = 1; seed <= 6; seed++) {
        twins(seed);
    }
    CHECK(hits > 500 && sure_reads > 20); /* or it tests nothing */
    return CHECK_PINNED(nt_test_window);
}
