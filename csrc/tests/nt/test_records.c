/* What stands beside the records: the ring of the quarantine, which grows while it is in use and keeps every free's
 * place; what few blocks have, which is handed out again; and the structures of pool pages, which are cut from larger
 * pieces. */
#include "nt/nt_i.h"
#include "world.h"

enum { ROUNDS = 600, IDS = 1500 };

/* Every block in quarantine stands where its record says, with the site and time of its free. */
static void ring_holds(const world_t *w, const uint32_t freed_at[IDS]) {
    const ss_nt_t *nt = nt_of(w->machine);
    uint64_t time = 0;
    for (uint32_t i = 0; i < nt->held_count; i++) {
        const nt_held_t *held = nt_held_at(nt, nt->held_first + i);
        const ss_block_t *block = block_at(nt, held->block);
        CHECK_EQ(block->next, nt->held_first + i);
        CHECK(held->block < IDS && held->site == freed_at[held->block] && held->time >= time);
        CHECK_EQ(ss_block_freed_at(w->machine, block), held->site);
        time = held->time;
    }
}

static void test_ring(void) {
    world_t w;
    uint32_t freed_at[IDS] = {0}, moved = 0;
    world_init(&w);
    w.config.quarantine = 24 * PAGE;
    world_boot(&w);
    const ss_nt_t *nt = nt_of(w.machine);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        const uint32_t capacity = nt->held_capacity, count = nt->held_count;
        storsim_set_site(w.machine, round);
        ss_block_id_t id = pool_get(&w, PAGE, TAG, STORSIM_OK);
        CHECK(id < IDS);
        if (round % 5 != 0) { /* the rest stays, so that there are ever more records */
            storsim_set_site(w.machine, round + ROUNDS);
            pool_put(&w, va_of(&w, id), STORSIM_OK);
            freed_at[id] = round + ROUNDS;
            CHECK_EQ(storsim_advance(w.machine, 3), STORSIM_OK);
        }
        moved += nt->held_capacity != capacity && count != 0;
        ring_holds(&w, freed_at);
    }
    CHECK(moved >= 3 && nt->held_first > 400 && nt->held_capacity >= nt->block_count);
    /* A snapshot says it in the order of the records, and it comes back in the order of the frees. */
    uint8_t *bytes, *again;
    size_t length, other;
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(w.machine, bytes, length, NULL), STORSIM_OK);
    ring_holds(&w, freed_at);
    CHECK_EQ(storsim_snapshot(w.machine, &again, &other), STORSIM_OK);
    CHECK(other == length && memcmp(bytes, again, length) == 0);
    storsim_snapshot_free(w.machine, bytes);
    storsim_snapshot_free(w.machine, again);
    world_end(&w);
}

/* An address of its own for its device: only blocks that have one, and it ends with them. */
static void test_rare(void) {
    world_t w;
    world_init(&w);
    w.config.quarantine = 0;
    world_boot(&w);
    ss_nt_t *nt = nt_of(w.machine);
    const ss_contig_args_t args = {.bytes = 5000, .highest = UINT64_MAX, .cache = 1, .node = STORSIM_NODE_ANY};
    uint32_t taken = 0;
    for (uint64_t round = 0; round < 100; round++) {
        ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_DMA, &args, STORSIM_OK), other = contig_get(&w, STORSIM_BLOCK_DMA, &args, STORSIM_OK);
        const ss_block_t *block = ss_block(w.machine, id);
        CHECK(block->rare == 0 && ss_block_device_address(w.machine, block) == block->pfn * PAGE);
        CHECK_EQ(ss_block_set_device_address(w.machine, id, block->pfn * PAGE), STORSIM_OK);
        CHECK_EQ(block->rare, 0);
        CHECK_EQ(ss_block_set_device_address(w.machine, id, 0x1234000 + round), STORSIM_OK);
        CHECK(block->rare != 0 && ss_block_device_address(w.machine, block) == 0x1234000 + round);
        CHECK(ss_block(w.machine, other)->rare == 0);
        CHECK_EQ(ss_block_set_device_address(w.machine, id, 0x8000), STORSIM_OK);
        CHECK_EQ(ss_block_device_address(w.machine, block), 0x8000);
        taken = taken < nt->rare_count ? nt->rare_count : taken;
        storsim_allocation_t seen;
        CHECK(storsim_allocation_at(w.machine, block->va, &seen) && seen.device_address == 0x8000 && seen.pa == block->pfn * PAGE);
        contig_put(&w, STORSIM_BLOCK_DMA, va_of(&w, id), 5000, 1, 0, STORSIM_OK);
        contig_put(&w, STORSIM_BLOCK_DMA, va_of(&w, other), 5000, 1, 0, STORSIM_OK);
    }
    CHECK_EQ(taken, 1);
    world_end(&w);
}

/* Blocks with an address of their own for their device, until there is room for `left` more. */
static void crowd(world_t *w, uint32_t left) {
    const ss_nt_t *nt = nt_of(w->machine);
    while (nt->rare_count == 0 || nt->rare_capacity - nt->rare_count != left) {
        ss_block_id_t id = contig_get(w, STORSIM_BLOCK_DMA, CONTIG(PAGE), STORSIM_OK);
        CHECK_EQ(ss_block_set_device_address(w->machine, id, 0x8000), STORSIM_OK);
    }
}

static storsim_status_t build(world_t *w, uint64_t mdl) {
    frame_t frame;
    (void)ss_mdl_build(begin(w, &frame, "StorPortBuildMdlForNonPagedPool", 1), mdl);
    return ss_call_end(&frame.call);
}

/* An MDL's link needs two, of which neither, or only the other one, can be had; a device's store beside a block needs one. */
static void test_no_memory(void) {
    failing_host_t host = {.persistent = 1};
    const storsim_host_t hook = FAILING_HOOK(&host);
    static const uint8_t bytes[16];
    ss_device_t device;
    ss_bus_result_t result;
    world_t w;
    world_init(&w);
    w.config.level = STORSIM_VERIFIER;
    w.config.verifier = STORSIM_V_DMA;
    w.hardware.host = &hook;
    world_boot(&w);
    for (uint32_t left = 0; left < 2; left++) {
        ss_block_id_t mdl, buffer = pool_get(&w, 30000, TAG, STORSIM_OK);
        CHECK_EQ(ss_mdl_make(w.machine, va_of(&w, buffer), 30000, 1, &mdl), STORSIM_OK);
        crowd(&w, left);
        const uint64_t before = world_digest(&w);
        host.fail_at = host.requests + 1;
        CHECK_EQ(build(&w, va_of(&w, mdl)), STORSIM_NO_MEMORY);
        host.fail_at = 0;
        CHECK_EQ(world_digest(&w), before);
        world_check(&w);
        CHECK_EQ(build(&w, va_of(&w, mdl)), STORSIM_OK);
        CHECK_EQ(nt_rare(nt_of(w.machine), ss_block(w.machine, buffer))->mdl_count, 1);
    }
    CHECK_EQ(ss_bus_add_device(w.machine, false, true, &device), STORSIM_OK);
    CHECK_EQ(ss_device_owner(w.machine, device, 1), STORSIM_OK);
    crowd(&w, 0);
    ss_block_id_t high = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(PAGE), STORSIM_OK), low = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(PAGE), STORSIM_OK);
    const uint64_t behind = (ss_block(w.machine, low)->pfn + 1) * PAGE;
    CHECK_EQ(ss_block(w.machine, high)->pfn * PAGE, behind);
    CHECK_EQ(ss_bus_write(w.machine, device, behind - PAGE, bytes, sizeof bytes, &result), STORSIM_OK); /* the kernel knows the device */
    ss_block_free(w.machine, high);
    const uint64_t before = world_digest(&w);
    const size_t findings = storsim_finding_count(w.machine);
    host.fail_at = host.requests + 1;
    CHECK_EQ(ss_bus_write(w.machine, device, behind, bytes, sizeof bytes, &result), STORSIM_NO_MEMORY);
    host.fail_at = 0;
    CHECK_EQ(world_digest(&w), before);
    CHECK_EQ(storsim_finding_count(w.machine), findings);
    (void)ss_bus_write(w.machine, device, behind, bytes, sizeof bytes, &result);
    CHECK(storsim_finding_count(w.machine) > findings);
    CHECK_EQ(nt_rare(nt_of(w.machine), ss_block(w.machine, low))->trespass, ss_block(w.machine, low)->va + PAGE);
    storsim_machine_destroy(w.machine);
    CHECK_EQ(host.live, 0);
}

/* What lies beside a device's store. One into a pool page, over an unused slot into a freed one, is no affair of a block two pages below; one
 * that begins in that block and goes on behind it is remembered at the byte where it left. */
static void test_beside(void) {
    static const uint8_t bytes[64]; /* a slot and what it takes to be in the next */
    ss_device_t device;
    ss_bus_result_t result;
    storsim_allocation_t freed;
    uint64_t token, size;
    uint8_t *data;
    world_t w;
    world_init(&w);
    w.config.level = STORSIM_VERIFIER;
    w.config.verifier = STORSIM_V_DMA;
    w.config.quarantine = 0; /* what nobody looks at is unused at once */
    world_boot(&w);
    CHECK_EQ(ss_bus_add_device(w.machine, false, true, &device), STORSIM_OK);
    CHECK_EQ(ss_device_owner(w.machine, device, 1), STORSIM_OK);
    ss_block_id_t slot = pool_get(&w, 16, TAG, STORSIM_OK), looked_at = pool_get(&w, 16, TAG, STORSIM_OK);
    (void)pool_get(&w, 16, TAG, STORSIM_OK); /* keeps the page */
    const uint64_t page = ss_block(w.machine, slot)->pfn;
    ss_block_id_t near = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(PAGE), STORSIM_OK), far = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(PAGE), STORSIM_OK);
    CHECK(ss_block(w.machine, near)->pfn == page - 1 && ss_block(w.machine, far)->pfn == page - 2);
    CHECK(storsim_allocation_at(w.machine, va_of(&w, looked_at), &freed));
    CHECK_EQ(storsim_block_export(w.machine, freed.block, false, &data, &size, &token), STORSIM_OK);
    ss_block_free(w.machine, slot);
    ss_block_free(w.machine, looked_at);
    ss_block_free(w.machine, near);
    CHECK(ss_block(w.machine, slot) == NULL && ss_block(w.machine, looked_at) != NULL);
    CHECK_EQ(ss_bus_write(w.machine, device, page * PAGE, bytes, sizeof bytes, &result), STORSIM_OK);
    CHECK_EQ(nt_rare(nt_of(w.machine), ss_block(w.machine, far))->trespass, 0);
    CHECK_EQ(ss_bus_write(w.machine, device, (page - 1) * PAGE - 32, bytes, sizeof bytes, &result), STORSIM_OK);
    CHECK_EQ(nt_rare(nt_of(w.machine), ss_block(w.machine, far))->trespass, ss_block(w.machine, far)->va + PAGE);
    CHECK_EQ(storsim_block_unexport(w.machine, token), STORSIM_OK);
    storsim_machine_destroy(w.machine);
}

/* Pages of every class come and go; what one was does not show in the next. */
static void test_page_structures(void) {
    world_t w;
    ss_block_id_t ids[64];
    world_init(&w);
    w.config.quarantine = 0;
    world_boot(&w);
    ss_nt_t *nt = nt_of(w.machine);
    const nt_page_chunk_t *first = NULL;
    for (uint32_t round = 0; round < 8; round++) {
        for (size_t i = 0; i < 64; i++) {
            ids[i] = pool_get(&w, 1 + 63 * i, TAG, STORSIM_OK);
            const nt_pool_page_t *page = nt_pool_page(nt, ss_block(w.machine, ids[i])->pool_page);
            CHECK(page->held == 0 && page->live >= 1 && !page->gone && page->store == 0 && !page->made);
            for (uint32_t slot = 0; slot < page->slots; slot++) {
                CHECK((page->ids[slot] != 0) == ((page->free[slot / 64] >> slot % 64 & 1u) == 0));
            }
        }
        CHECK_EQ(storsim_check(w.machine, NULL, 0), 0);
        first = first == NULL ? nt->chunks : first;
        CHECK(nt->chunks == first); /* the structures of the first round serve the others */
        for (size_t i = 0; i < 64; i++) {
            pool_put(&w, va_of(&w, ids[(i * 29 + round) % 64]), STORSIM_OK);
        }
        CHECK_EQ(storsim_check(w.machine, NULL, 0), 0);
    }
    world_end(&w);
}

int main(void) {
    test_ring();
    test_rare();
    test_no_memory();
    test_beside();
    test_page_structures();
    return CHECK_DONE();
}
