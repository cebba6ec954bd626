/* nt/export.c: the records as the host program sees them, and views of a block's bytes that may outlive it. */
#include "nt/nt_i.h"
#include "nt/operations.h"

const char *storsim_block_kind_text(storsim_block_kind_t kind) {
    static const char *const texts[STORSIM_BLOCK_KIND_COUNT] = {[STORSIM_BLOCK_NONE] = "none",
#define KIND_TEXT(name, text) [STORSIM_BLOCK_##name] = (text),
                                                                STORSIM_BLOCK_MAP(KIND_TEXT)
#undef KIND_TEXT
    };
    return (uint32_t)kind < (uint32_t)STORSIM_BLOCK_KIND_COUNT ? texts[kind] : "none";
}

static uint64_t handle_of(const ss_nt_t *nt, ss_block_id_t id) {
    return (uint64_t)block_at(nt, id)->generation << 32 | id;
}

static ss_block_id_t live_of(const ss_nt_t *nt, uint64_t handle) {
    ss_block_id_t id = (ss_block_id_t)handle;
    bool live = nt != NULL && id != 0 && id <= nt->block_count && block_at(nt, id)->generation == handle >> 32 &&
                block_at(nt, id)->state == SS_STATE_LIVE && block_at(nt, id)->kind != KIND_POOL_PAGE;
    return live ? id : 0;
}

static void describe(const ss_nt_t *nt, ss_block_id_t id, storsim_allocation_t *allocation) {
    const ss_block_t *block = block_at(nt, id);
    bool registers = (block->flags & BLOCK_REGISTERS) != 0;
    *allocation = (storsim_allocation_t){.kind = (storsim_block_kind_t)block->kind,
                                         .va = block->va,
                                         .pa = registers ? 0 : block->pfn * PAGE + nt_store_offset(block),
                                         .device_address = registers ? 0 : nt_device_address(nt, block),
                                         .size = block->size,
                                         .pages = block->pages,
                                         .node = block->node,
                                         .cache = block->cache,
                                         .tag = block->tag,
                                         .owner = block->owner,
                                         .site = block->site,
                                         .time = block->time,
                                         .irql = block->irql,
                                         .context = block->context,
                                         .block = handle_of(nt, id)};
}

bool storsim_allocation_next(const storsim_machine_t *machine, uint64_t *cursor, storsim_allocation_t *allocation) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = *cursor == 0 && nt != NULL ? nt->first_live : live_of(nt, *cursor);
    if (*cursor != 0 && id != 0) {
        id = block_at(nt, id)->next;
    }
    if (id == 0) {
        return false; /* the end, or the allocation the cursor stood on was freed */
    }
    describe(nt, id, allocation);
    *cursor = allocation->block;
    return true;
}

bool storsim_allocation_at(const storsim_machine_t *machine, uint64_t address, storsim_allocation_t *allocation) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = nt != NULL ? nt_span_at(nt, address) : 0;
    if (id != 0 && block_at(nt, id)->kind == KIND_POOL_PAGE) {
        const nt_pool_page_t *page = nt_pool_page(nt, block_at(nt, id)->pool_page);
        uint32_t slot = nt_pool_slot(page, address % PAGE);
        id = slot < page->slots ? page->ids[slot] : 0;
    }
    if (id == 0) {
        return false;
    }
    const ss_block_t *block = block_at(nt, id);
    uint64_t size = block->size != 0 ? block->size : 1;
    if (block->state != SS_STATE_LIVE || address < block->va || address - block->va >= size) {
        return false;
    }
    describe(nt, id, allocation);
    return true;
}

bool storsim_allocation_extent(const storsim_machine_t *machine, uint64_t block, uint32_t index, uint64_t *pa,
                               uint64_t *bytes) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = live_of(nt, block);
    if (id == 0 || (block_at(nt, id)->flags & BLOCK_REGISTERS) != 0) {
        return false;
    }
    const ss_block_t *record = block_at(nt, id);
    if (record->extents == 0) {
        *pa = record->pfn * PAGE + nt_store_offset(record);
        *bytes = record->size;
        return index == 0;
    }
    const nt_extents_t *list = &nt->lists[record->extents - 1];
    if (index >= list->count) {
        return false;
    }
    uint64_t rest = record->size - list->items[index].start * PAGE, whole = list->items[index].pages * PAGE;
    *pa = list->items[index].first_pfn * PAGE;
    *bytes = rest < whole ? rest : whole;
    return true;
}

/* --- views -------------------------------------------------------------------------------------------------------- */

bool ss_export_bytes(const storsim_machine_t *machine, uint64_t token, uint8_t **data, uint64_t *size) {
    const ss_nt_t *nt = nt_of(machine);
    /* unreachable: asked of machines with a kernel alone */
    for (uint32_t i = 0; nt != NULL && i < nt->export_count; i++) {
        if (nt->exports[i].token == token) {
            *data = nt->exports[i].data;
            *size = nt->exports[i].size;
            return true;
        }
    }
    return false;
}

void ss_export_name(const storsim_machine_t *machine, uint64_t block, uint64_t *va, uint64_t *pa) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = live_of(nt, block);
    *va = id != 0 ? block_at(nt, id)->va : 0;
    if (*va != 0 || !storsim_allocation_extent(machine, block, 0, pa, &(uint64_t){0})) {
        *pa = 0;
    }
}

storsim_status_t storsim_block_export(storsim_machine_t *machine, uint64_t block, bool writable, uint8_t **data,
                                      uint64_t *size, uint64_t *token) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(0), ss_arg_in(0), ss_arg_in(writable), ss_arg_out(0)};
        ss_export_name(machine, block, &args[0].value, &args[1].value);
        storsim_status_t answer = ss_tap_run(machine, &ss_nt_operations[SS_NT_BLOCK_EXPORT], args, NULL);
        /* unreachable: a view that was made is found */
        if (answer == STORSIM_OK && ss_export_bytes(machine, args[3].value, data, size)) {
            *token = args[3].value;
        }
        return answer;
    }
    ss_nt_t *nt = nt_of(machine);
    storsim_status_t status = nt_alive(machine);
    if (status != STORSIM_OK && (writable || status != STORSIM_STOPPED)) { /* what is stopped can be looked at */
        return status;
    }
    ss_block_id_t id = live_of(nt, block);
    if (id == 0) {
        return STORSIM_STALE;
    }
    ss_block_t *record = block_at(nt, id);
    if ((record->flags & BLOCK_REGISTERS) != 0) {
        return STORSIM_INVALID; /* no memory behind it */
    }
    void *array = nt->exports;
    if (!ss_grow(nt->host, &array, &nt->export_capacity, nt->export_count + 1, sizeof(nt_export_t))) {
        return STORSIM_NO_MEMORY;
    }
    nt->exports = array;
    uint8_t *bytes;
    status = nt_rare_need(nt, record) ? nt_store_need(machine, record) : STORSIM_NO_MEMORY;
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_store_export(ss_machine_ram(machine), nt_store(nt, record), writable, &bytes);
    if (status != STORSIM_OK) {
        return status;
    }
    nt->exports[nt->export_count++] = (nt_export_t){.token = ++nt->next_export,
                                                    .data = bytes + nt_store_offset(record),
                                                    .va = record->va,
                                                    .size = record->size,
                                                    .block = id,
                                                    .store = nt_store(nt, record),
                                                    .store_offset = nt_store_offset(record),
                                                    .allocated_at = record->site,
                                                    .owner = record->owner};
    nt->rares[record->rare - 1].exports++;
    *data = bytes + nt_store_offset(record);
    *size = record->size;
    *token = nt->next_export;
    return STORSIM_OK;
}

void nt_exports_freed(ss_nt_t *nt, ss_block_id_t id, uint32_t site) {
    for (uint32_t i = 0; i < nt->export_count; i++) {
        nt_export_t *view = &nt->exports[i];
        if (view->block == id) { /* a record with a view is not used anew, and no restore happens while there is one */
            view->freed = true;
            view->freed_at = site;
        }
    }
}

/* A store through a view after the free is a use after free, found when the view ends. */
static storsim_status_t check_late(storsim_machine_t *machine, const nt_export_t *view) {
    ss_ram_t *ram = ss_machine_ram(machine);
    uint64_t at = ss_store_compare(ram, view->store, view->store_offset, SS_POISON, view->size);
    ss_call_t call;
    if (at == view->size || ss_call_begin(&call, machine, NULL, NULL) != STORSIM_OK) {
        return STORSIM_OK;
    }
    (void)ss_store_set(ram, view->store, view->store_offset, SS_POISON,
                       view->size); /* told once; the page has host memory */
    call.owner = view->owner;
    const ss_detail_t detail = {
        .address = view->va + at, .allocated_at = view->allocated_at, .freed_at = view->freed_at};
    ss_violate(&call, SS_USE_AFTER_FREE, &detail);
    return ss_call_end(&call);
}

storsim_status_t storsim_block_unexport(storsim_machine_t *machine, uint64_t token) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(token)};
        return ss_tap_run(machine, &ss_nt_operations[SS_NT_BLOCK_UNEXPORT], args, NULL);
    }
    ss_nt_t *nt = nt_of(machine);
    uint32_t at = 0;
    if (nt == NULL) {
        return STORSIM_INVALID;
    }
    while (at < nt->export_count && nt->exports[at].token != token) {
        at++;
    }
    if (at == nt->export_count) {
        return STORSIM_STALE;
    }
    const nt_export_t view = nt->exports[at];
    nt->exports[at] = nt->exports[--nt->export_count];
    storsim_status_t status = view.freed ? check_late(machine, &view) : STORSIM_OK;
    uint64_t written_at;
    ss_store_unexport(ss_machine_ram(machine), view.store, &written_at);
    nt->rares[block_at(nt, view.block)->rare - 1].exports--;
    nt_hold(machine, 0); /* the quarantine may have waited for this view */
    return status;
}
