/* tests/nt/test_places.c: addresses, handles and cursors that name nothing: empty slots, ends of pages, other
 * generations, pool pages. */
#include "world.h"

#include "nt/nt_i.h"

static void empty_slots(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t event, other;
    storsim_allocation_t block;
    CHECK_EQ(storsim_event_create(w.machine, &event), STORSIM_OK);
    CHECK_EQ(storsim_event_create(w.machine, &other), STORSIM_OK);
    uint64_t page = event / 4096 * 4096;
    for (uint64_t at = page; at < page + 4096; at++) { /* the page's header, its blocks, its empty slots, what is left at its end */
        ss_block_id_t id = ss_block_around(w.machine, at);
        bool inside = id != 0 && at >= va_of(&w, id);
        CHECK(inside || !storsim_allocation_at(w.machine, at, &block)); /* what follows a block in its slot is not it */
        CHECK_EQ(storsim_event_destroy(w.machine, at == event || at == other ? at + 1 : at), STORSIM_STALE);
        CHECK(!storsim_event_signaled(w.machine, at));
    }
    CHECK_EQ(storsim_event_destroy(w.machine, other), STORSIM_OK);
    CHECK_EQ(storsim_event_destroy(w.machine, other), STORSIM_STALE);
    CHECK_EQ(storsim_event_destroy(w.machine, event), STORSIM_OK);
    world_end(&w);
}

static void handles(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_nt_t *nt = nt_of(w.machine);
    uint64_t va[3], size, token[2], cursor = 0;
    ss_block_id_t ids[3];
    storsim_allocation_t block;
    uint8_t *data;
    for (int i = 0; i < 3; i++) {
        ids[i] = pool_get(&w, 100, TAG, STORSIM_OK);
        va[i] = va_of(&w, ids[i]);
    }
    CHECK(storsim_allocation_at(w.machine, va[0], &block));
    uint64_t handle = block.block;
    CHECK_EQ(storsim_block_export(w.machine, handle + (UINT64_C(1) << 32), false, &data, &size, &token[0]), STORSIM_STALE);
    ss_block_id_t page = nt_span_at(nt, va[0]);
    CHECK_EQ(block_at(nt, page)->kind, KIND_POOL_PAGE);
    uint64_t of_page = (uint64_t)block_at(nt, page)->generation << 32 | page;
    CHECK_EQ(storsim_block_export(w.machine, of_page, false, &data, &size, &token[0]), STORSIM_STALE);
    ss_block_free(w.machine, page); /* a pool page is not anybody's to free */
    ss_block_undo(w.machine, page);
    ss_block_undo(w.machine, 0);
    CHECK_EQ(block_at(nt, page)->state, SS_STATE_LIVE);
    CHECK_EQ(ss_block_of_frame(w.machine, block_at(nt, page)->pfn), 0);
    CHECK(!storsim_allocation_extent(w.machine, of_page, 0, &size, &size));
    /* Two views of two blocks; one block goes. */
    CHECK_EQ(storsim_block_export(w.machine, handle, false, &data, &size, &token[0]), STORSIM_OK);
    CHECK(storsim_allocation_at(w.machine, va[1], &block));
    CHECK_EQ(storsim_block_export(w.machine, block.block, false, &data, &size, &token[1]), STORSIM_OK);
    pool_put(&w, va[1], STORSIM_OK);
    CHECK_EQ(data[0], SS_POISON);
    CHECK_EQ(storsim_block_unexport(w.machine, token[1]), STORSIM_OK);
    CHECK_EQ(storsim_block_unexport(w.machine, token[0]), STORSIM_OK);
    /* A cursor on a block that goes ends the walk. */
    CHECK(storsim_allocation_next(w.machine, &cursor, &block));
    CHECK_EQ(block.block, handle);
    pool_put(&w, va[0], STORSIM_OK);
    CHECK(!storsim_allocation_next(w.machine, &cursor, &block));
    pool_put(&w, va[2], STORSIM_OK);
    world_end(&w);
}

/* Routines that the documents do not name never fail for want of resources. */
static void not_scarce(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(nt_scarce(w.machine, STORSIM_ID_StorPortGetPhysicalAddress, TAG, 100), 0);
    CHECK_EQ(nt_scarce(w.machine, STORSIM_ID_StorPortGetDataInBufferSystemAddress, TAG, 100), 0);
    world_end(&w);
}

static void names(void) {
    CHECK(strcmp(storsim_block_kind_text(STORSIM_BLOCK_NONE), "none") == 0);
    CHECK(strcmp(storsim_block_kind_text(STORSIM_BLOCK_KIND_COUNT), "none") == 0);
    for (uint32_t kind = 0; kind < STORSIM_BLOCK_KIND_COUNT; kind++) {
        CHECK(storsim_block_kind_text((storsim_block_kind_t)kind)[0] != '\0');
    }
}

int main(void) {
    empty_slots();
    handles();
    not_scarce();
    names();
    return CHECK_DONE();
}
