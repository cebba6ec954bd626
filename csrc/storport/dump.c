/* storport/dump.c: StorPortMarkDumpMemory (spec §3.12, A18). */
#include "storport/room.h"

enum { FLAG_PHYSICAL = 1 }; /* MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS; its value is not documented (spec §2.6) */

/* Fills the length 0 stands for, and tells whether the address is memory the driver may know. */
static bool resolve(ss_sp_t *sp, storsim_dump_mark_t *mark) {
    if (mark->physical) {
        uint64_t last = mark->address + (mark->length != 0 ? mark->length - 1 : 0);
        mark->length = mark->length != 0 ? mark->length : STORSIM_PAGE_SIZE;
        const ss_pages_t *pages = ss_machine_pages(sp->machine);
        return last >= mark->address && ss_pages_is_ram(pages, mark->address / STORSIM_PAGE_SIZE) &&
               ss_pages_is_ram(pages, last / STORSIM_PAGE_SIZE);
    }
    ss_watch_t block;
    ss_watch(sp->machine, mark->address, &block);
    if (block.id == 0) {
        return false;
    }
    if (mark->length == 0) { /* the whole section that contains the address */
        mark->address = block.va;
        mark->length = block.size;
    }
    return mark->length <= block.size && mark->address - block.va <= block.size - mark->length;
}

void ss_StorPortMarkDumpMemory(ss_sp_t *sp) {
    uint64_t flags = sp->a[3].value;
    ss_adapter_t *adapter = sp->adapter;
    storsim_dump_mark_t mark = {.address = sp->a[1].value, .length = sp->a[2].value, .physical = (flags & FLAG_PHYSICAL) != 0};
    if (flags & ~(uint64_t)FLAG_PHYSICAL) {
        ss_reply(sp, SS_STOR(INVALID_PARAMETER));
        return;
    }
    if (!mark.physical && ss_user_address(&sp->call, mark.address, mark.length)) {
        return; /* V17 */
    }
    void *marks = adapter->marks;
    if (!ss_grow(ss_machine_host(sp->machine), &marks, &adapter->mark_capacity, adapter->mark_count + 1, sizeof *adapter->marks)) {
        sp->call.status = STORSIM_NO_MEMORY;
        return;
    }
    adapter->marks = marks;
    if (!ss_in_context(sp, STORSIM_CONTEXT_DRIVER_ENTRY) && !ss_in_context(sp, STORSIM_CONTEXT_FIND_ADAPTER)) {
        ss_violate(&sp->call, SS_BAD_CONTEXT, NULL);
    }
    if (resolve(sp, &mark)) {
        adapter->marks[adapter->mark_count++] = mark;
    } else {
        const ss_detail_t detail = {.address = mark.address};
        ss_violate(&sp->call, SS_UNKNOWN_ADDRESS, &detail);
    }
    ss_reply(sp, SS_STOR(SUCCESS)); /* the page knows no status for a bad address */
}
