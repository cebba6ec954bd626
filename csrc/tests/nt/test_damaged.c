/* tests/nt/test_damaged.c: pool pages and spans whose records contradict each other: the check names it, and a snapshot
 * of them is refused as damaged and leaves the machine as it was. Every field is put back, and then the machine is
 * sound. */
#include "world.h"

#include "machine/machine_i.h"
#include "nt/nt_i.h"

static world_t w;

static storsim_status_t again(void) {
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    storsim_status_t status = storsim_restore(w.machine, bytes, length, NULL);
    storsim_snapshot_free(w.machine, bytes);
    return status;
}

static void told(const char *wanted) {
    char text[200] = "";
    CHECK(storsim_check(w.machine, text, sizeof text) != 0);
    if (strstr(text, wanted) == NULL) {
        fprintf(stderr, "%s, not %s\n", text, wanted);
    }
    CHECK(strstr(text, wanted) != NULL);
}

/* One field as it must not be, and back. */
#define DAMAGED(type, field, value)                                                                                    \
    do {                                                                                                               \
        const type was = (field);                                                                                      \
        (field) = (type)(value);                                                                                       \
        CHECK_EQ(again(), STORSIM_FORMAT);                                                                             \
        (field) = was;                                                                                                 \
    } while (0)
#define TOLD(type, field, value, wanted)                                                                               \
    do {                                                                                                               \
        const type was = (field);                                                                                      \
        (field) = (type)(value);                                                                                       \
        told(wanted);                                                                                                  \
        (field) = was;                                                                                                 \
    } while (0)

/* A Host Memory Buffer has no address that would tell: one of no pages and no bytes is none. */
static void nothing_held(void) {
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_HMB, .size = 2 * PAGE, .cache = 1, .owner = 1};
    ss_page_extent_t extent;
    uint32_t count;
    uint64_t total;
    ss_block_id_t id;
    CHECK_EQ(ss_pages_take_longest(ss_machine_pages(w.machine), 2, 2, 1, UINT64_MAX / PAGE, 1, UINT64_MAX, &extent, 1, &count, &total), STORSIM_OK);
    CHECK_EQ(ss_block_adopt(w.machine, &request, &extent, count, &id), STORSIM_OK);
    CHECK_EQ(again(), STORSIM_OK);
    ss_block_t *block = block_at(nt_of(w.machine), id);
    block->size = 0;
    DAMAGED(uint64_t, block->pages, 0);
    DAMAGED(uint64_t, block->pages, UINT64_MAX / PAGE);
    DAMAGED(uint64_t, block->pages, STORSIM_MEMORY_LIMIT / PAGE + 1);
    block->size = 2 * PAGE;
    CHECK_EQ(again(), STORSIM_OK);
}

/* The list of what was freed names blocks, not the page they lay in. */
static void page_that_is_held(void) {
    uint64_t va = va_of(&w, pool_get(&w, 2000, TAG, STORSIM_OK));
    ss_block_id_t id = ss_block_around(w.machine, va);
    pool_put(&w, va, STORSIM_OK);
    CHECK_EQ(again(), STORSIM_OK);
    ss_nt_t *nt = nt_of(w.machine);
    const ss_block_t *slot = block_at(nt, id);
    ss_block_id_t span = nt_pool_page(nt, slot->pool_page)->block;
    CHECK(nt_held_at(nt, slot->next)->block == id && slot->next + 1 == nt->held_first + nt->held_count && slot->state == SS_STATE_QUARANTINED && block_at(nt, span)->state == SS_STATE_QUARANTINED);
    size_t where[2]; /* the same place as that of a block that lives */
    const ss_block_id_t wrong[] = {span, nt->first_live};
    for (int i = 0; i < 2; i++) {
        uint8_t *bytes;
        size_t length;
        nt_held_at(nt, slot->next + 1)->block = wrong[i];
        nt->held_count++;
        CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
        nt->held_count--;
        CHECK_EQ(storsim_restore(w.machine, bytes, length, &where[i]), STORSIM_FORMAT);
        storsim_snapshot_free(w.machine, bytes);
    }
    CHECK_EQ(where[0], where[1]);
    ss_block_t *held = block_at(nt_of(w.machine), id);
    TOLD(uint32_t, held->next, was + 1, "quarantine list"); /* another's place */
    TOLD(uint8_t, held->state, SS_STATE_FREE, "quarantine list");
    world_check(&w);
    CHECK_EQ(again(), STORSIM_OK);
}

int main(void) {
    world_init(&w);
    w.config.level = STORSIM_VERIFIER;
    w.config.verifier = 0; /* nothing is verified: blocks lie in pool pages */
    world_boot(&w);
    ss_nt_t *nt = nt_of(w.machine);
    ss_block_id_t slot_id = pool_get(&w, 200, TAG, STORSIM_OK), whole_id = pool_get(&w, PAGE, TAG, STORSIM_OK);
    ss_block_id_t contig = contig_get(&w, STORSIM_BLOCK_CONTIGUOUS, CONTIG(PAGE), STORSIM_OK);
    ss_block_t *slot = block_at(nt, slot_id), *whole = block_at(nt, whole_id);
    uint32_t index = slot->pool_page;
    CHECK(index != 0 && whole->pool_page == 0);
    nt_pool_page_t *page = nt_pool_page(nt, index);
    ss_block_id_t span_id = page->block;
    ss_block_t *span = block_at(nt, span_id);
    CHECK_EQ(page->live, 1);

    TOLD(uint64_t, page->pfn, was + 1, "a pool page's span");
    TOLD(uint64_t, page->va, was + PAGE, "a pool page's span");
    TOLD(ss_store_t, page->store, was + 1, "a pool page's span");
    TOLD(uint8_t, slot->state, SS_STATE_QUARANTINED, "live list");
    TOLD(uint32_t, slot->pool_page, was + 1, "a slot's address");
    TOLD(uint64_t, slot->va, was + 16, "a slot's address");

    /* The first page has room and is not in the list of those that have. */
    CHECK(index == 1 && page->listed);
    nt_pool_unlist(nt, index);
    CHECK_EQ(again(), STORSIM_FORMAT);
    nt_pool_list(nt, index);

    /* A span that says it is a slot, of a page that knows no span. */
    const uint8_t kind = span->kind;
    span->kind = STORSIM_BLOCK_POOL;
    DAMAGED(uint32_t, page->block, 0);
    DAMAGED(uint32_t, page->block, nt->block_count + 1);
    DAMAGED(uint32_t, page->block, slot_id);
    span->kind = kind;
    DAMAGED(uint64_t, slot->va, (was & ~(PAGE - 1)) + PAGE - 16); /* behind the last slot */
    DAMAGED(uint32_t, slot->pool_page, nt->pool_page_count + 1);
    DAMAGED(uint64_t, slot->pfn, span->pfn + 1);
    /* Pages nobody has. */
    slot->state = span->state = SS_STATE_FREE;
    DAMAGED(uint32_t, page->block, 0);
    DAMAGED(uint32_t, page->block, nt->block_count + 1);
    DAMAGED(uint32_t, page->block, whole_id);
    DAMAGED(uint32_t, page->block, slot_id);
    DAMAGED(bool, page->gone, true);
    CHECK_EQ(again(), STORSIM_FORMAT);
    span->state = SS_STATE_LIVE;
    CHECK_EQ(again(), STORSIM_FORMAT); /* a page without slots */
    slot->state = SS_STATE_LIVE;
    /* A block of which the page allocator says that it is free: each by itself is sound. */
    const uint64_t digest = world_digest(&w);
    ss_pages_give(ss_machine_pages(w.machine), whole->pfn, 1);
    CHECK_EQ(again(), STORSIM_FORMAT);
    CHECK_EQ(ss_pages_take_at(ss_machine_pages(w.machine), whole->pfn, 1), STORSIM_OK);
    CHECK_EQ(world_digest(&w), digest);
    CHECK(nt == nt_of(w.machine));
    /* Bytes that there are not. */
    DAMAGED(ss_store_t, whole->store, 60000);
    /* Special pool is smaller than a page. */
    DAMAGED(uint8_t, whole->flags, was | BLOCK_SPECIAL);
    /* A span in the list that is no block. */
    DAMAGED(uint8_t, block_at(nt, contig)->state, SS_STATE_FREE);

    /* The arena began again from its start: the span ahead is the first one. */
    const uint64_t cursor = nt->cursor;
    const uint32_t ahead = nt->ahead, first = nt->first_span;
    nt->cursor = 1;
    nt->ahead = first;
    CHECK_EQ(again(), STORSIM_OK);
    nt = nt_of(w.machine);
    CHECK_EQ(nt->ahead, first);
    nt->cursor = cursor;
    nt->ahead = ahead;
    world_check(&w);
    CHECK_EQ(again(), STORSIM_OK);
    nothing_held();
    page_that_is_held();
    world_end(&w);
    return CHECK_DONE();
}
