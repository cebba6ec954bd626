/* journal/views.c: bytes the host stores through an exported buffer, which no call announces.
 *
 * The journal keeps a copy of every writable view. Before an operation that may look at memory it compares and records what differs;
 * after it the copy is made equal again, so that what devices and routines wrote is not taken for the host's. Model choice: the order
 * of stores between two operations is lost, their place and value is not. Cost: two passes over the views' bytes per operation. */
#include <string.h>

#include "journal/journal_i.h"
#include "nt/operations.h"
#include "storsim/nt.h"

enum { PIECE = 4096 };
#define VIEW_LIMIT (UINT64_C(256) << 20)

bool ss_views_blind(const storsim_operation_t *operation) {
    switch (operation->id) {
    case STORSIM_ID_StorPortAllocatePool:
    case STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode:
    case STORSIM_ID_StorPortAllocateDmaMemory:
    case STORSIM_ID_StorPortAllocateHostMemoryBuffer:
    case STORSIM_ID_StorPortGetPhysicalAddress:
    case STORSIM_ID_StorPortGetVirtualAddress:
    case STORSIM_ID_StorPortAllocateMdl:
    case STORSIM_ID_StorPortGetHighestNodeNumber:
    case STORSIM_ID_StorPortGetActiveNodeCount:
    case STORSIM_ID_StorPortGetNodeAffinity:
    case STORSIM_ID_StorPortGetNodeAffinity2:
    case STORSIM_ID_StorPortGetCurrentIrql:
    case STORSIM_ID_StorPortConvertUlongToPhysicalAddress:
    case STORSIM_ID_StorPortValidateRange: return true;
    default: return false;
    }
}

/* One changed stretch of a piece. */
static storsim_status_t write_store(storsim_journal_t *journal, const ss_view_t *view, uint64_t offset, uint64_t length) {
    uint8_t *at = ss_journal_reserve(journal, length + 64);
    if (at == NULL) {
        return STORSIM_NO_MEMORY;
    }
    *at++ = STORSIM_RECORD_STORE;
    at = ss_put_u64(ss_put_u64(at, view->token), offset);
    at = ss_put_u32(at, (uint32_t)length);
    memcpy(at, view->data + offset, (size_t)length);
    return ss_journal_commit(journal, at + length);
}

storsim_status_t ss_views_look(storsim_journal_t *journal) {
    for (uint32_t i = 0; i < journal->view_count; i++) {
        const ss_view_t *view = &journal->views[i];
        for (uint64_t start = 0; start < view->size; start += PIECE) {
            uint64_t end = view->size - start < PIECE ? view->size : start + PIECE, first = start;
            if (memcmp(view->data + start, view->copy + start, (size_t)(end - start)) == 0) {
                continue;
            }
            while (view->data[first] == view->copy[first]) {
                first++;
            }
            while (view->data[end - 1] == view->copy[end - 1]) {
                end--;
            }
            storsim_status_t status = write_store(journal, view, first, end - first);
            if (status != STORSIM_OK) {
                return status;
            }
            memcpy(view->copy + first, view->data + first, (size_t)(end - first));
        }
    }
    return STORSIM_OK;
}

void ss_views_refresh(storsim_journal_t *journal) {
    for (uint32_t i = 0; i < journal->view_count; i++) {
        memcpy(journal->views[i].copy, journal->views[i].data, (size_t)journal->views[i].size);
    }
}

/* Takes the place now, so that the view's beginning cannot fail. The copy waits at the end of the list. */
storsim_status_t ss_view_reserve(storsim_journal_t *journal, const storsim_arg_t *args) {
    storsim_allocation_t allocation = {0};
    void *array = journal->views;
    if (args[2].value == 0) {
        return STORSIM_OK; /* read only */
    }
    if (!ss_grow(&journal->host, &array, &journal->view_capacity, journal->view_count + 1, sizeof *journal->views)) {
        return STORSIM_NO_MEMORY;
    }
    journal->views = array;
    if (args[0].value != 0) {
        (void)storsim_allocation_at(journal->machine, args[0].value, &allocation);
    } else {
        uint64_t cursor = 0;
        while (storsim_allocation_next(journal->machine, &cursor, &allocation) && (allocation.va != 0 || allocation.pa != args[1].value)) {
        }
    }
    ss_view_t *view = &journal->views[journal->view_count];
    *view = (ss_view_t){.size = allocation.size};
    if (allocation.size > VIEW_LIMIT - journal->view_bytes) {
        return STORSIM_OK; /* too much to watch: the recording ends when it begins */
    }
    view->copy = ss_alloc(&journal->host, (size_t)allocation.size);
    return view->copy != NULL ? STORSIM_OK : STORSIM_NO_MEMORY;
}

/* The view is not going to be made after all. */
void ss_view_unreserve(storsim_journal_t *journal, const storsim_arg_t *args) {
    if (args[2].value != 0 && journal->view_capacity > journal->view_count) {
        ss_release(&journal->host, journal->views[journal->view_count].copy);
        journal->views[journal->view_count].copy = NULL;
    }
}

void ss_view_made(storsim_journal_t *journal, const storsim_arg_t *args, storsim_status_t status) {
    if (args[2].value == 0) {
        return;
    }
    ss_view_t *view = &journal->views[journal->view_count];
    if (status != STORSIM_OK) {
        ss_release(&journal->host, view->copy);
        return;
    }
    if (view->copy == NULL) {
        journal->full = true;
        return;
    }
    view->token = args[3].value;
    (void)ss_export_bytes(journal->machine, view->token, &view->data, &view->size); /* of the block that was looked at before */
    memcpy(view->copy, view->data, (size_t)view->size);
    journal->view_bytes += view->size;
    journal->view_count++;
}

void ss_view_ends(storsim_journal_t *journal, uint64_t token) {
    for (uint32_t i = 0; i < journal->view_count; i++) {
        if (journal->views[i].token == token) {
            journal->view_bytes -= journal->views[i].size;
            ss_release(&journal->host, journal->views[i].copy);
            journal->views[i] = journal->views[--journal->view_count];
            return;
        }
    }
}

void ss_views_destroy(storsim_journal_t *journal) {
    for (uint32_t i = 0; i < journal->view_count; i++) {
        ss_release(&journal->host, journal->views[i].copy);
    }
    ss_release(&journal->host, journal->views);
    journal->views = NULL;
    journal->view_count = journal->view_capacity = 0;
    journal->view_bytes = 0;
}
