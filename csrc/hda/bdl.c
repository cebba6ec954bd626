/* hda/bdl.c: buffer descriptor lists. An entry is read when the engine first needs a byte of it, and how much of its buffer the device can
 * reach is found out then, so that a descriptor error has a known byte and therefore a known time. Source: hda-controller §5, §6.6. */
#include "hda/hda_i.h"
#include "machine/bits.h"

#include <string.h>

/* Reads one entry from memory; *reached false when the device cannot. */
static storsim_status_t read_entry(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream, uint64_t address,
                                   uint8_t entry[16], bool *reached) {
    ss_bus_result_t result;
    storsim_status_t status = ss_bus_read_window(machine, hda->device, &stream->list, address, entry, 16, &result);
    if (status == STORSIM_VIOLATION) {
        hda->raised = status;
        *reached = false;
        return STORSIM_OK;
    }
    *reached = status == STORSIM_OK && result == SS_BUS_OK;
    return status == STORSIM_INVALID ? STORSIM_OK : status; /* INVALID: the entry would end above the address space */
}

/* Bytes of [address, address + length) the device can reach, from the start. */
static uint32_t reachable(const storsim_machine_t *machine, const ss_hda_t *hda, const ss_bus_window_t *window, uint64_t address,
                          uint32_t length) {
    uint64_t limit = hda->config.ok64 ? UINT64_MAX : UINT32_MAX, done = ss_bus_sure(machine, window, address);
    done = limit - address < done ? 0 : done;
    while (done < length) {
        uint64_t at = address + done, physical;
        if (at < address || at > limit || !ss_bus_translate(machine, hda->device, at, &physical) ||
            !ss_pages_is_ram(ss_machine_pages(machine), physical / STORSIM_PAGE_SIZE)) {
            break;
        }
        done += STORSIM_PAGE_SIZE - at % STORSIM_PAGE_SIZE;
    }
    return done < length ? (uint32_t)done : length;
}

storsim_status_t ss_hda_bdl_prefetch(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool *bad) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint8_t list[256][16] = {{0}};
    uint32_t count = 0;
    *bad = false;
    for (; count <= stream->lvi && !*bad; count++) {
        bool reached;
        storsim_status_t status = read_entry(machine, hda, stream, stream->bdl + 16u * count, list[count], &reached);
        if (status != STORSIM_OK) {
            return status;
        }
        *bad = !reached;
    }
    memcpy(stream->cache, list, (count - (*bad ? 1u : 0u)) * sizeof list[0]); /* all of it, or nothing when the host has no memory */
    return STORSIM_OK;
}

storsim_status_t ss_hda_entry_load(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool *bad) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint8_t entry[16];
    uint64_t at = stream->bdl + 16u * stream->index;
    *bad = ss_hardware_fault(machine, STORSIM_HW_DESCRIPTOR_ERROR, hda->number);
    if (stream->cache != NULL) {
        memcpy(entry, stream->cache[stream->index], sizeof entry);
    } else if (!*bad) {
        bool reached;
        storsim_status_t status = read_entry(machine, hda, stream, at, entry, &reached);
        if (status != STORSIM_OK) {
            return status;
        }
        *bad = !reached;
    }
    if (*bad) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_DESCRIPTOR_ERROR, 16, 0, at);
        return STORSIM_OK;
    }
    uint64_t address = ss_get_u64(entry);
    uint32_t length = ss_get_u32(entry + 8);
    if (length == 0 || address % 2 != 0 || (!hda->config.ok64 && address > UINT32_MAX)) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_DESCRIPTOR_ERROR, 2, length, address);
        *bad = true;
        return STORSIM_OK;
    }
    if (address % 128 != 0) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_BDL_ALIGNMENT, 128, address % 128, address);
    }
    if (length % 2 != 0) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_ODD_LENGTH, 2, length, address);
    }
    stream->loaded = true;
    stream->ioc = (entry[12] & 1u) != 0;
    stream->address = address;
    stream->length = length;
    stream->offset = 0;
    stream->usable = reachable(machine, hda, &stream->data, address, length);
    return STORSIM_OK;
}
