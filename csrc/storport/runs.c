/* storport/runs.c: a transfer as physically contiguous pieces, and the STOR_SCATTER_GATHER_LIST that names them.
 *
 * Pieces end where the next page is not physically adjacent; adjacent pages are merged; the lengths add up to the transfer (§3.9).
 * Under dma_remapping every piece gets a mapping of its own, and pieces that end up adjacent there stay separate elements. */
#include "storport/room.h"

/* Bytes of the piece that starts in page `index`, at most `left`; *next receives the first page behind it. false: a page is missing. */
static bool piece(storsim_machine_t *machine, uint64_t mdl, uint32_t index, uint32_t offset, uint32_t left, ss_run_t *run, uint32_t *next) {
    uint64_t pfn, bytes = STORSIM_PAGE_SIZE - offset, pages = 1;
    /* unreachable: the caller has compared offset and length with the MDL */
    if (!ss_mdl_page(machine, mdl, index, &run->pfn)) {
        return false;
    }
    while (bytes < left) {
        if (!ss_mdl_page(machine, mdl, index + (uint32_t)pages, &pfn)) { /* unreachable: as above */
            return false;
        }
        if (pfn != run->pfn + pages) {
            break;
        }
        bytes += STORSIM_PAGE_SIZE;
        pages++;
    }
    run->pages = pages;
    run->offset = offset;
    run->bytes = (uint32_t)(bytes < left ? bytes : left);
    run->address = run->pfn * STORSIM_PAGE_SIZE + offset;
    *next = index + (uint32_t)pages;
    return true;
}

storsim_status_t ss_runs_of_mdl(storsim_machine_t *machine, uint64_t mdl, uint64_t offset, uint32_t length, ss_runs_t *runs) {
    *runs = (ss_runs_t){0};
    ss_mdl_t fields;
    if (!ss_mdl_load(machine, mdl, &fields)) { /* unreachable: the caller has read it, so its memory is there */
        return STORSIM_INVALID;
    }
    uint64_t first = fields.byte_offset + offset;
    uint32_t count = 0;
    /* Pass 0 counts, pass 1 fills: one allocation of the right size. */
    for (int fill = 0; fill < 2; fill++) {
        uint32_t index = (uint32_t)(first / STORSIM_PAGE_SIZE), in_page = (uint32_t)(first % STORSIM_PAGE_SIZE), left = length, n = 0;
        while (left > 0) {
            ss_run_t run;
            if (!piece(machine, mdl, index, in_page, left, &run, &index)) { /* unreachable: see piece */
                ss_release(ss_machine_host(machine), runs->list);
                *runs = (ss_runs_t){0};
                return STORSIM_INVALID;
            }
            if (fill) {
                runs->list[n] = run;
            }
            n++;
            left -= run.bytes;
            in_page = 0;
        }
        if (!fill) {
            count = n;
            runs->list = ss_alloc_zeroed(ss_machine_host(machine), count, sizeof *runs->list);
            if (runs->list == NULL) {
                return STORSIM_NO_MEMORY;
            }
        }
    }
    runs->count = count;
    return STORSIM_OK;
}

static void unmap(storsim_machine_t *machine, const ss_adapter_t *adapter, const ss_runs_t *runs, uint32_t count) {
    for (uint32_t i = count; i > 0; i--) {
        ss_bus_unmap(machine, adapter->device, runs->list[i - 1].address - runs->list[i - 1].offset, runs->list[i - 1].pages);
    }
}

storsim_status_t ss_runs_map(storsim_machine_t *machine, const ss_adapter_t *adapter, ss_runs_t *runs) {
    if (!adapter->config.dma_remapping) {
        return STORSIM_OK;
    }
    for (uint32_t i = 0; i < runs->count; i++) {
        ss_run_t *run = &runs->list[i];
        uint64_t logical;
        storsim_status_t status = ss_bus_map(machine, adapter->device, run->pfn, run->pages, UINT64_MAX, &logical);
        if (status != STORSIM_OK) {
            unmap(machine, adapter, runs, i);
            return status;
        }
        run->address = logical + run->offset;
    }
    runs->mapped = true;
    return STORSIM_OK;
}

void ss_runs_drop(storsim_machine_t *machine, const ss_adapter_t *adapter, ss_runs_t *runs) {
    if (runs->mapped) {
        unmap(machine, adapter, runs, runs->count);
    }
    ss_release(ss_machine_host(machine), runs->list);
    *runs = (ss_runs_t){0};
}

uint64_t ss_runs_list_bytes(const ss_runs_t *runs) {
    return SS_SG_HEADER + (uint64_t)SS_SG_ELEMENT * runs->count;
}

static void store(uint8_t *at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* x64 layout, spec §2.3: NumberOfElements at 0, elements of 24 bytes from 16 on; reserved fields are zero. */
void ss_runs_encode(const ss_runs_t *runs, uint8_t *bytes) {
    store(bytes, runs->count, 8);
    store(bytes + 8, 0, 8);
    for (uint32_t i = 0; i < runs->count; i++) {
        uint8_t *element = bytes + SS_SG_HEADER + (size_t)i * SS_SG_ELEMENT;
        store(element, runs->list[i].address, 8);
        store(element + 8, runs->list[i].bytes, 8);
        store(element + 16, 0, 8);
    }
}
