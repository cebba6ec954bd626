/* tests/nt/test_neighbours.c: stores that run from one page into the next on a host without memory, long loads of
 * registers, what a device's store beside a block leaves behind, and addresses and frames of blocks that were taken
 * back. Source: rulings R50 – R57, R16; DESIGN §5. */
#include "nt/nt_i.h"
#include "world.h"

/* A store that runs over the end of a pool page into the next one, which no host memory backs yet: all of it or
 * nothing. */
static void store_over_two_pages(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    world_t w;
    world_init(&w);
    w.hardware.host = &host;
    world_boot(&w);
    const ss_nt_t *nt = nt_of(w.machine);
    uint64_t low = 0, high = 0, previous = 0; /* the last block of a page, and a block of the page behind it */
    for (int i = 0; i < 200 && high == 0; i++) {
        uint64_t va = va_of(&w, pool_get(&w, 1000, TAG, STORSIM_OK));
        high = previous != 0 && va / PAGE == previous / PAGE + 1 ? va : 0;
        low = previous;
        previous = va;
    }
    CHECK(high != 0);
    uint8_t before[16], after[16], bytes[512];
    memset(bytes, 0x77, sizeof bytes);
    CHECK_EQ(storsim_write_va(w.machine, low, "0123456789abcdef", 16), STORSIM_OK);
    uint64_t from = (high & ~(PAGE - 1)) - 256;
    CHECK(from < low + 1000 + 256 && ss_block_around(w.machine, low) != 0);
    CHECK(!nt_pool_page(nt, block_at(nt, ss_block_around(w.machine, high))->pool_page)->made);
    CHECK_EQ(storsim_read_va(w.machine, from, before, 16), STORSIM_OK);
    state.persistent = 1;
    state.fail_at = state.requests + 1;
    CHECK_EQ(storsim_write_va(w.machine, from, bytes, sizeof bytes), STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(storsim_read_va(w.machine, from, after, 16), STORSIM_OK);
    CHECK_EQ(memcmp(before, after, 16), 0);
    CHECK_EQ(storsim_write_va(w.machine, from, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, from, after, 16), STORSIM_OK);
    CHECK_EQ(memcmp(bytes, after, 16), 0);
    storsim_machine_destroy(w.machine);
    CHECK_EQ(state.live, 0);
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static uint8_t register_bytes[4096];

static storsim_status_t registers(storsim_machine_t *machine, uint64_t context, uint64_t offset, void *buffer, size_t bytes, bool store) {
    (void)machine;
    CHECK_EQ(context, 7);
    CHECK(offset < sizeof register_bytes && bytes <= sizeof register_bytes - offset);
    memcpy(store ? register_bytes + offset : buffer, store ? buffer : register_bytes + offset, bytes);
    return STORSIM_OK;
}

/* READ_REGISTER_BUFFER_UCHAR and its like take more than a register at once: each byte is its own register's. */
static void long_register_access(void) {
    static const ss_kernel_ops_t ops = {.registers = registers};
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    ss_block_id_t id;
    uint8_t data[300], back[300];
    CHECK_EQ(ss_kernel_ops_register(w.machine, SS_ROOM_HDAUDIO, &ops), STORSIM_OK);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 7, sizeof register_bytes, 1, &id), STORSIM_OK);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 11 + 3);
    }
    CHECK_EQ(storsim_write_va(w.machine, va_of(&w, id) + 0x123, data, sizeof data), STORSIM_OK);
    CHECK_EQ(memcmp(register_bytes + 0x123, data, sizeof data), 0);
    CHECK_EQ(storsim_read_va(w.machine, va_of(&w, id) + 0x123, back, sizeof back), STORSIM_OK);
    CHECK_EQ(memcmp(back, data, sizeof data), 0);
    world_end(&w);
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

enum { TAGGED = 8 }; /* bytes beside a block that count as its tag */

/* A device begins in free memory and writes up to a driver's block: V20 names the address below it, near (1) or far
 * (4). */
static void store_below_a_block(void) {
    static const struct { uint64_t below, action; } cases[] = {{1, 1}, {TAGGED, 1}, {TAGGED + 1, 4}, {64, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static uint8_t bytes[256];
        world_t w;
        ss_device_t device;
        ss_bus_result_t result;
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.verifier = STORSIM_V_DMA;
        world_boot(&w);
        CHECK_EQ(ss_bus_add_device(w.machine, false, true, &device), STORSIM_OK);
        CHECK_EQ(ss_device_owner(w.machine, device, 1), STORSIM_OK);
        const ss_contig_args_t args = {.bytes = 8192, .lowest = 0x400000, .highest = UINT64_MAX, .cache = 1, .node = STORSIM_NODE_ANY};
        ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_CONTIGUOUS, &args, STORSIM_OK);
        uint64_t va = va_of(&w, id), pa = pa_of(&w, id);
        CHECK(ss_pages_is_free(ss_machine_pages(w.machine), pa / PAGE - 1));
        CHECK_EQ(ss_bus_write(w.machine, device, pa - sizeof bytes - cases[i].below + 1, bytes, sizeof bytes, &result), STORSIM_OK);
        CHECK_LAST(&w, "DEVICE_DMA_FOREIGN");
        CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_BUGCHECK);
        CHECK_STOP(&w, 0xE6, 0x0F, cases[i].action, cases[i].action == 1 ? 8192 : va, cases[i].action == 1 ? va : va - cases[i].below);
        world_end(&w);
    }
}

/* --- blocks that were taken back ---------------------------------------------------------------------------------- */

static ss_block_id_t make(world_t *w, uint64_t size, bool scattered) {
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_UNCACHED, .size = size, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY,
                                        .cache = 1, .owner = 1, .scattered = scattered};
    ss_block_id_t id = 0;
    CHECK_EQ(ss_block_make(w->machine, &request, &id), STORSIM_OK);
    return id;
}

/* Nobody has the frames of a scattered block when it was taken back, or when it was freed and is remembered no more: a
 * device of its owner that writes there writes into free memory, not into freed memory. */
static void scattered_frames(void) {
    for (int undone = 0; undone < 2; undone++) {
        world_t w;
        ss_device_t device;
        ss_bus_result_t result;
        uint64_t frames[8];
        uint32_t count;
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.verifier = STORSIM_V_DMA;
        w.config.quarantine = 0;
        world_boot(&w);
        CHECK_EQ(ss_bus_add_device(w.machine, false, true, &device), STORSIM_OK);
        CHECK_EQ(ss_device_owner(w.machine, device, 1), STORSIM_OK);
        ss_block_id_t id = make(&w, 5 * PAGE, true);
        const ss_block_t *block = ss_block(w.machine, id);
        count = ss_block_extent_count(w.machine, block);
        CHECK(count > 1 && count <= 8);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t bytes;
            CHECK(ss_block_extent(w.machine, block, i, &frames[i], &bytes));
            CHECK_EQ(ss_block_of_frame(w.machine, frames[i] / PAGE), id);
        }
        if (undone != 0) {
            ss_block_undo(w.machine, id);
        } else {
            ss_block_free(w.machine, id);
        }
        for (uint32_t i = 0; i < count; i++) {
            CHECK_EQ(ss_block_of_frame(w.machine, frames[i] / PAGE), 0);
            CHECK_EQ(ss_bus_write(w.machine, device, frames[i], "x", 1, &result), STORSIM_OK);
            CHECK_LAST(&w, "DEVICE_DMA_FOREIGN");
        }
        world_end(&w);
    }
}

/* The arena begins again at its start, where blocks lie: a new one goes behind them, and when it is taken back they are
 * met again. */
static void met_again(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_nt_t *nt = nt_of(w.machine);
    for (int i = 0; i < 4; i++) {
        (void)make(&w, 2 * PAGE, false);
    }
    nt->cursor = 1;
    nt->ahead = nt->first_span;
    ss_block_id_t id = make(&w, 3 * PAGE, false);
    uint64_t va = va_of(&w, id);
    CHECK_EQ(nt->last_span, id);
    ss_block_undo(w.machine, id);
    CHECK_EQ(nt->cursor, 1);
    CHECK_EQ(nt->ahead, nt->first_span);
    CHECK_EQ(va_of(&w, make(&w, 3 * PAGE, false)), va);
    world_end(&w);
}

/* Where a small block lies, next to others in its page, and no second piece of it. */
static void pieces_of_small_blocks(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    for (uint64_t size = 16; size < 4096; size *= 3) {
        for (int i = 0; i < 3; i++) {
            uint64_t va = va_of(&w, pool_get(&w, size, TAG, STORSIM_OK)), pa = 0, bytes = 0;
            storsim_allocation_t allocation;
            CHECK(storsim_allocation_at(w.machine, va, &allocation));
            CHECK(storsim_allocation_extent(w.machine, allocation.block, 0, &pa, &bytes));
            CHECK_EQ(pa, storsim_physical(w.machine, va));
            CHECK_EQ(bytes, size);
            CHECK(!storsim_allocation_extent(w.machine, allocation.block, 1, &pa, &bytes));
        }
    }
    world_end(&w);
}

/* Blocks of every size that shares a page, those that fill their slot as well, are in a snapshot what they were. */
static void slots_filled_to_the_end(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    for (uint64_t size = 1; size <= 1100; size += size < 300 ? 1 : 16) {
        (void)pool_get(&w, size, TAG, STORSIM_OK);
    }
    uint64_t digest = world_digest(&w);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    (void)pool_get(&w, 100, TAG, STORSIM_OK);
    CHECK_EQ(storsim_restore(w.machine, bytes, length, NULL), STORSIM_OK);
    CHECK_EQ(world_digest(&w), digest);
    storsim_snapshot_free(w.machine, bytes);
    world_end(&w);
}

/* A routine goes the short way at the levels it may be called at, the lowest and the highest as well. */
static void short_way_of_a_routine(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    size_t count;
    const storsim_routine_t *table = storsim_ddi_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (uint8_t level = 0; level <= 15; level++) {
            CHECK_EQ(storsim_set_irql(w.machine, level, NULL), STORSIM_OK);
            CHECK_EQ(ss_call_plain(w.machine, &table[i]),
                     level >= table[i].irql_min && level <= table[i].irql_max && w.config.os >= table[i].first_os);
        }
    }
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    CHECK_EQ(storsim_override_irql(w.machine, table[0].id, 0, 2), STORSIM_OK); /* limits of one's own are looked at on the long way */
    CHECK(!ss_call_plain(w.machine, &table[0]));
    world_end(&w);
}

/* Up to DISPATCH_LEVEL the free of a block that nothing is to be said of may go the short way; above it there is
 * something to say. */
static void short_way_by_level(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_id_t id = pool_get(&w, 200, TAG, STORSIM_OK);
    for (uint8_t level = 0; level < 6; level++) {
        uint8_t old;
        CHECK_EQ(storsim_set_irql(w.machine, level, &old), STORSIM_OK);
        CHECK_EQ(ss_pool_plain_free(w.machine, va_of(&w, id), 1), level <= 2 ? id : 0);
        CHECK_EQ(ss_pool_plain_free(w.machine, va_of(&w, id), 2), 0); /* another owner */
        CHECK_EQ(storsim_set_irql(w.machine, old, NULL), STORSIM_OK);
    }
    world_end(&w);
}

/* What nothing is to be said of may go the short way, and nothing else: one thing wrong at a time. */
static void short_way_of_contiguous_memory(void) {
    const ss_contig_args_t good = {.bytes = 8192, .highest = UINT64_MAX, .cache = 1, .node = STORSIM_NODE_ANY};
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    const uint64_t pages = storsim_memory_total_pages(w.machine, STORSIM_NODE_ANY);
    const struct { ss_contig_args_t args; bool plain; } rows[] = {
        {good, true},
        {{.bytes = 1, .highest = 0, .cache = 0, .node = 0}, true},
        {{.bytes = 1, .highest = UINT64_MAX, .cache = 2, .node = 1}, true},
        {{.bytes = 1, .highest = UINT64_MAX, .cache = 3}, false},
        {{.bytes = 1, .highest = UINT64_MAX, .cache = -1}, false},
        {{.bytes = 1, .highest = UINT64_MAX, .node = 2}, false}, /* there are two */
        {{.bytes = 0, .highest = UINT64_MAX}, false},
        {{.bytes = pages * PAGE, .highest = UINT64_MAX}, true},
        {{.bytes = pages * PAGE + 1, .highest = UINT64_MAX}, false},
        {{.bytes = 1, .lowest = 0x5000, .highest = 0x5000}, true},
        {{.bytes = 1, .lowest = 0x5001, .highest = 0x5000}, false},
        {{.bytes = 8192, .highest = UINT64_MAX, .boundary = 8192}, true},
        {{.bytes = 8193, .highest = UINT64_MAX, .boundary = 8192}, false},
        {{.bytes = 8192, .highest = UINT64_MAX, .boundary = 12288}, false}, /* no power of two */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_EQ(ss_contig_plain(w.machine, 1, &rows[i].args), rows[i].plain);
    }
    ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_CONTIGUOUS, &good, STORSIM_OK);
    const uint64_t va = va_of(&w, id), pa = pa_of(&w, id);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8192, 1, 0), id);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8192, 1, pa), id);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8192, 1, pa + 1), 0);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_DMA, 1, va, 8192, 1, 0), 0);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 2, va, 8192, 1, 0), 0);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va + PAGE, 8192, 1, 0), 0);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8191, 1, 0), 0);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8192, 2, 0), 0);
    CHECK_EQ(storsim_write_va(w.machine, va, "x", 1), STORSIM_OK); /* from now on its guards are looked at */
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8192, 1, 0), 0);
    contig_put(&w, STORSIM_BLOCK_CONTIGUOUS, va, 8192, 1, 0, STORSIM_OK);
    CHECK_EQ(ss_contig_plain_free(w.machine, STORSIM_BLOCK_CONTIGUOUS, 1, va, 8192, 1, 0), 0);
    world_end(&w);
}

int main(void) {
    store_over_two_pages();
    long_register_access();
    store_below_a_block();
    scattered_frames();
    met_again();
    pieces_of_small_blocks();
    slots_filled_to_the_end();
    short_way_of_a_routine();
    short_way_by_level();
    short_way_of_contiguous_memory();
    return CHECK_DONE();
}
