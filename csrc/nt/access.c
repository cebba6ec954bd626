/* nt/access.c: the driver's own loads and stores. Source: rulings R50–R55.
 *
 * An access is cut into steps: a page, a pool slot, or a register range at a time. The first pass decides every step
 * and makes sure that the second, which moves bytes, cannot fail; so an access that stops the machine or finds no host
 * memory has moved nothing. */
#include "nt/nt_i.h"
#include "nt/operations.h"

#include <string.h>

typedef enum place {
    PLACE_RAM,
    PLACE_REGISTERS,
    PLACE_FREED, /* quarantined */
    PLACE_NOWHERE
} place_t;

typedef struct step {
    place_t place;
    uint64_t bytes;    /* from the address on */
    uint64_t physical; /* RAM */
    ss_block_id_t id;  /* the record concerned, 0 for RAM between pool blocks */
} step_t;

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Inside a pool page. `running`: the access came from the page itself, so it is an overrun, which the hardware lets
 * pass; one that begins where no block is was never given that address. */
static step_t resolve_pool(const ss_nt_t *nt, const ss_block_t *span, uint64_t va, bool running) {
    const nt_pool_page_t *page = nt_pool_page(nt, span->pool_page);
    uint64_t offset = va % PAGE, width = (uint64_t)page->granules * GRANULE;
    uint32_t slot = nt_pool_slot(page, offset);
    bool tail = slot >= page->slots;
    step_t step = {.place = PLACE_NOWHERE, .bytes = tail ? PAGE - offset : (slot + 1) * width - offset};
    step.id = tail ? 0 : page->ids[slot];
    if (step.id != 0 && block_at(nt, step.id)->state == SS_STATE_QUARANTINED) {
        step.place = PLACE_FREED;
    } else if (!page->gone && (step.id != 0 || running)) {
        step.place = PLACE_RAM;
        step.physical = span->pfn * PAGE + offset;
    }
    return step;
}

static step_t resolve(storsim_machine_t *machine, uint64_t va, bool running) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = nt_span_at(nt, va);
    step_t step = {.place = PLACE_NOWHERE, .bytes = PAGE - va % PAGE, .id = id};
    if (id == 0) {
        return step;
    }
    const ss_block_t *span = block_at(nt, id);
    if (span->kind == KIND_POOL_PAGE) {
        return resolve_pool(nt, span, va, running);
    }
    if (span->state != SS_STATE_LIVE) {
        step.place = PLACE_FREED;
    } else if ((span->flags & BLOCK_REGISTERS) != 0) {
        step.place = PLACE_REGISTERS;
        step.bytes = span->va + span->size - va;
    } else {
        step.place = PLACE_RAM;
        step.physical = ss_block_physical(machine, span, va - span->va);
    }
    return step;
}

uint64_t storsim_physical(const storsim_machine_t *machine, uint64_t address) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = nt != NULL ? nt_span_at(nt, address) : 0;
    if (id == 0 || block_at(nt, id)->state != SS_STATE_LIVE || (block_at(nt, id)->flags & BLOCK_REGISTERS) != 0) {
        return 0;
    }
    const ss_block_t *span = block_at(nt, id);
    if (span->extents == 0) {
        return span->pfn * PAGE + (address - nt_span_start(span));
    }
    const nt_extents_t *list = &nt->lists[span->extents - 1];
    uint64_t page = (address - span->va) / PAGE;
    uint32_t low = 0, high = list->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (list->items[middle].start <= page) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return (list->items[low].first_pfn + (page - list->items[low].start)) * PAGE + address % PAGE;
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

uint64_t nt_fault_reason(const ss_nt_t *nt, uint64_t va) {
    if (va <= STORSIM_USER_END) {
        return 0xF;
    }
    if (va < STORSIM_SYSTEM_START) {
        return 0x4;
    }
    if (va < STORSIM_ARENA_BASE) {
        return 0x2;
    }
    uint64_t page = (va - STORSIM_ARENA_BASE) / PAGE;
    if (ss_pagemap_get(&nt->by_va, page) != 0) {
        return 0x0; /* a pool page: a slot that was free for long */
    }
    bool beside = (page != 0 && ss_pagemap_get(&nt->by_va, page - 1) != 0) || ss_pagemap_get(&nt->by_va, page + 1) != 0;
    return page >= nt->high_water || page == 0 || beside ? 0x2 : 0x0; /* beside a block lies its guard page */
}

storsim_status_t nt_page_fault(ss_call_t *call, uint64_t va, bool write) {
    const ss_nt_t *nt = nt_of(call->machine);
    uint8_t irql = storsim_irql(call->machine);
    uint64_t reason = nt_fault_reason(nt, va);
    ss_rule_id_t rule = reason == 0xF ? SS_USER_PAGE_FAULT : SS_PAGE_FAULT;
    const ss_detail_t detail = {.address = va};
    if (irql >= DISPATCH_LEVEL) {
        return ss_bugcheck(call, rule, 0xD1, va, irql, write ? 1 : 0, 0, &detail);
    }
    uint64_t action =
        write ? (nt->config.os >= 0x0A000001 ? 2 : 1) : 0; /* Source: bug-check-0x50, writes read 1 before 1511 */
    return ss_bugcheck(call, rule, 0x50, va, action, 0, reason, &detail);
}

/* Row R52; returns the status of a stop. */
static storsim_status_t freed_access(ss_call_t *call, uint64_t va, bool write, const ss_block_t *block) {
    const ss_detail_t detail = {.address = va, .allocated_at = block->site, .freed_at = nt_freed(nt_of(call->machine), block).site};
    bool special =
        ss_verifying(call->machine, STORSIM_V_SPECIAL_POOL) && (block->flags & BLOCK_POOL) != 0 && block->size < PAGE;
    if (special) {
        return ss_bugcheck(call, SS_USE_AFTER_FREE, 0xD5, va, write ? 1 : 0, 0, 0, &detail);
    }
    return STORSIM_OK;
}

static storsim_status_t judge(ss_call_t *call, uint64_t va, bool write, const step_t *step) {
    storsim_machine_t *machine = call->machine;
    const ss_block_t *block = step->id != 0 ? block_at(nt_of(machine), step->id) : NULL;
    if (step->place == PLACE_NOWHERE) {
        ss_block_id_t beside = nt_special_beside(nt_of(machine), va);
        if (beside != 0) { /* V1, V3 */
            const ss_block_t *special = block_at(nt_of(machine), beside);
            const ss_detail_t detail = {.address = va, .allocated_at = special->site, .owner = special->owner};
            return ss_bugcheck(call, SS_SPECIAL_POOL_OVERRUN, 0xD6, va, write ? 1 : 0, 0, 0, &detail);
        }
        return nt_page_fault(call, va, write);
    }
    if (step->place == PLACE_FREED) {
        return freed_access(call, va, write, block);
    }
    uint8_t irql = storsim_irql(machine);
    if (block != NULL && block->kind == STORSIM_BLOCK_PAGEABLE && irql >= DISPATCH_LEVEL &&
        ss_verifying(machine, STORSIM_V_FORCE_IRQL)) {
        const ss_detail_t detail = {.address = va, .allocated_at = block->site};
        return ss_bugcheck(call, SS_PAGEABLE_AT_DISPATCH, 0xD1, va, irql, write ? 1 : 0, 0, &detail);
    }
    if (write && step->place == PLACE_RAM) {
        uint8_t touched; /* a page that was read once has host memory, so the store cannot fail any more */
        return call->status = ss_bus_cpu_read(machine, step->physical, &touched, 1);
    }
    return STORSIM_OK;
}

/* --- moving ------------------------------------------------------------------------------------------------------- */

static storsim_status_t touch_registers(storsim_machine_t *machine, ss_block_id_t id, uint64_t va, void *buffer,
                                        size_t bytes, bool store) {
    const ss_nt_t *nt = nt_of(machine);
    const ss_block_t *block = block_at(nt, id);
    const ss_kernel_ops_t *ops = nt->ops[nt_rare(nt, block)->link];
    if (ops == NULL || ops->registers == NULL) {
        memset(buffer, 0xFF, store ? 0 : bytes); /* nothing answers on the bus: all ones */
        return STORSIM_OK;
    }
    return ops->registers(machine, nt_device_address(nt, block), va - block->va, buffer, bytes, store);
}

/* Memory of the port a driver may read but not write: lists from StorPortGetScatterGatherList, and the page array of an MDL the port
 * made (StorPortGetPfns). The store is done all the same; once per block and access it is recorded. */
static void store_into_port_memory(ss_call_t *call, uint64_t va, size_t bytes, const step_t *step, ss_block_id_t *reported) {
    const ss_block_t *block = step->id != 0 ? block_at(nt_of(call->machine), step->id) : NULL;
    if (block == NULL || *reported == step->id) {
        return;
    }
    bool list = block->kind == STORSIM_BLOCK_SG_LIST;
    bool pages = block->kind == STORSIM_BLOCK_MDL && (block->flags & BLOCK_COUNTED) == 0 && va + bytes > block->va + 48;
    if (list || pages) {
        const ss_detail_t detail = {.address = va, .allocated_at = block->site};
        ss_violate(call, list ? SS_SG_LIST_MODIFIED : SS_PFNS_MODIFIED, &detail);
        *reported = step->id;
    }
}

static storsim_status_t move(ss_call_t *call, uint64_t va, uint8_t *into, const uint8_t *from, size_t bytes,
                             const step_t *step, ss_block_id_t *reported) {
    storsim_machine_t *machine = call->machine;
    if (step->place == PLACE_FREED) {
        if (into != NULL) {
            memset(into, SS_POISON, bytes);
        }
        if (*reported != step->id) { /* once per block and access */
            const ss_block_t *block = block_at(nt_of(machine), step->id);
            const ss_detail_t detail = {.address = va, .allocated_at = block->site, .freed_at = nt_freed(nt_of(call->machine), block).site};
            ss_violate(call, SS_USE_AFTER_FREE, &detail);
            *reported = step->id;
        }
        return STORSIM_OK;
    }
    if (step->place == PLACE_REGISTERS) {
        uint8_t copy[64]; /* the op takes one buffer for both directions; registers are small */
        for (size_t done = 0; done < bytes;) {
            size_t piece = bytes - done < sizeof copy ? bytes - done : sizeof copy;
            if (from != NULL) {
                memcpy(copy, from + done, piece);
            }
            storsim_status_t status = touch_registers(machine, step->id, va + done, copy, piece, from != NULL);
            if (status != STORSIM_OK) {
                return status;
            }
            if (into != NULL) {
                memcpy(into + done, copy, piece);
            }
            done += piece;
        }
        return STORSIM_OK;
    }
    if (from != NULL) {
        store_into_port_memory(call, va, bytes, step, reported);
    }
    return into != NULL ? ss_bus_cpu_read(machine, step->physical, into, bytes)
                        : ss_bus_cpu_write(machine, step->physical, from, bytes);
}

/* Uncached memory and registers: the processor empties its write-combining buffers before it touches them. */
static bool drains(const storsim_machine_t *machine, const step_t *step) {
    const ss_block_t *block = step->id != 0 ? block_at(nt_of(machine), step->id) : NULL;
    bool device_memory = block != NULL && (block->kind == STORSIM_BLOCK_CONTIGUOUS ||
                                           block->kind == STORSIM_BLOCK_DMA || block->kind == STORSIM_BLOCK_UNCACHED);
    return step->place == PLACE_REGISTERS || (step->place == PLACE_RAM && device_memory && block->cache == 0);
}

static storsim_status_t access(ss_call_t *call, uint64_t address, uint8_t *into, const uint8_t *from, size_t bytes) {
    ss_block_id_t reported = 0;
    for (int moving = 0; moving < 2; moving++) {
        bool running = false;
        for (size_t done = 0; done < bytes;) {
            uint64_t va = address + done; /* wraps into the user half, which faults */
            step_t step = resolve(call->machine, va, running);
            size_t count = (size_t)least(step.bytes, bytes - done);
            storsim_status_t status = STORSIM_OK;
            if (!moving && drains(call->machine, &step)) {
                status = ss_bus_drain(call->machine);
            }
            if (status != STORSIM_OK) {
                return call->status = status;
            }
            status = moving ? move(call, va, into != NULL ? into + done : NULL, from != NULL ? from + done : NULL,
                                   count, &step, &reported)
                            : judge(call, va, from != NULL, &step);
            if (status != STORSIM_OK) {
                return call->status = status;
            }
            done += count;
            running = (va + count) % PAGE != 0; /* still in the same page */
        }
    }
    return STORSIM_OK;
}

/* A stopped machine shows what is there and judges nothing (ruling R19). */
static storsim_status_t peek(storsim_machine_t *machine, uint64_t address, uint8_t *buffer, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        step_t step = resolve(machine, address + done, true);
        size_t count = (size_t)least(step.bytes, bytes - done);
        if (step.place == PLACE_NOWHERE) {
            return STORSIM_STOPPED;
        }
        if (step.place == PLACE_RAM) {
            storsim_status_t status = ss_bus_cpu_read(machine, step.physical, buffer + done, count);
            if (status != STORSIM_OK) {
                return status;
            }
        } else {
            memset(buffer + done, step.place == PLACE_FREED ? SS_POISON : 0xFF, count);
        }
        done += count;
    }
    return STORSIM_OK;
}

static storsim_status_t entry(storsim_machine_t *machine, uint64_t address, uint8_t *into, const uint8_t *from,
                              size_t bytes) {
    ss_call_t call;
    storsim_status_t status = nt_of(machine) == NULL ? STORSIM_INVALID : ss_call_begin(&call, machine, NULL, NULL);
    if (status != STORSIM_OK) { /* it was never booted, or is stopped */
        return into != NULL && status == STORSIM_STOPPED ? peek(machine, address, into, bytes) : status;
    }
    (void)access(&call, address, into, from, bytes);
    status = ss_call_end(&call);
    /* A register may have moved an interrupt line; when the access itself failed, that is the answer. */
    storsim_status_t delivered = status == STORSIM_OK || status == STORSIM_VIOLATION ? ss_deliver(machine) : STORSIM_OK;
    return delivered != STORSIM_OK ? delivered : status;
}

storsim_status_t storsim_read_va(storsim_machine_t *machine, uint64_t address, void *buffer, size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(address), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_READ_VA], args, NULL);
    }
    return entry(machine, address, buffer, NULL, bytes);
}

storsim_status_t storsim_write_va(storsim_machine_t *machine, uint64_t address, const void *buffer, size_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(address), ss_arg_data(buffer, bytes)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_WRITE_VA], args, NULL);
    }
    return entry(machine, address, NULL, buffer, bytes);
}
