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
    ss_block_t *block = block_at(nt, id);
    nt->first_held = block->next;
    if (block->next != 0) {
        block_at(nt, block->next)->previous = 0;
    } else {
        nt->last_held = 0;
    }
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

void nt_hold(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    if (id != 0) {
        nt_held_append(nt, id);
        nt->held_bytes += weight(nt, block_at(nt, id));
    }
    /* A block whose bytes the host still holds blocks the queue: its slot must not be handed out under that view. The first condition
     * follows from the last, and is told without looking at a record. */
    while (nt->held_bytes >= nt->config.quarantine && nt->first_held != 0 && block_at(nt, nt->first_held)->exports == 0 &&
           nt->held_bytes - weight(nt, block_at(nt, nt->first_held)) >= nt->config.quarantine) {
        expire(machine, nt->first_held);
    }
}
