/* nt/quarantine.c: freed address ranges stay recognisable until so many bytes were freed after them. Only addresses
 * wait; the pages behind them are free at once (DESIGN §5). */
#include "nt/nt_i.h"

/* Bytes a record counts for: its slot, or its pages. */
static uint64_t weight(const ss_nt_t *nt, const ss_block_t *block) {
    if (block->pool_page != 0) {
        return nt_slot_bytes(nt, block);
    }
    return (block->flags & BLOCK_REGISTERS) != 0 ? nt_span_pages(block) * PAGE : block->pages * PAGE;
}

static void expire(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    const ss_block_t *block = block_at(nt, id);
    nt->held_first++;
    nt->held_count--;
    nt->held_bytes -= weight(nt, block);
    if (block->pool_page != 0) {
        nt_pool_slot_expire(machine, id);
        return;
    }
    if (block->va != 0) {
        nt_arena_remove(nt, id);
    }
    if ((block->flags & BLOCK_REGISTERS) == 0) {
        nt_frames_replace(nt, block, id, 0);
        nt_extents_drop(nt, block->extents);
    }
    nt_record_drop(nt, id);
}

/* A block whose bytes the host still holds blocks the queue: its slot must not be handed out under that view. */
static bool stays(const ss_nt_t *nt, ss_block_id_t oldest) {
    return oldest == 0 || nt_rare(nt, block_at(nt, oldest))->exports != 0 ||
           nt->held_bytes - weight(nt, block_at(nt, oldest)) < nt->config.quarantine;
}

void nt_hold(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    if (id != 0) {
        nt_held_append(nt, id, storsim_now(machine), ss_machine_where(machine)->site);
        nt->held_bytes += weight(nt, block_at(nt, id));
    }
    /* The first condition follows from the last, and is told without looking at a record. */
    while (nt->held_bytes >= nt->config.quarantine && !stays(nt, nt_oldest(nt))) {
        expire(machine, nt_oldest(nt));
    }
}
