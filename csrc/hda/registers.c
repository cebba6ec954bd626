/* hda/registers.c: the register table, and loads and stores by lanes.
 *
 * One table names every register with its offset, width, read-write bits, write-1-clear bits and reset value; one function adjusts a
 * row to the part's configuration. A store touches exactly the bytes it covers: plain bits are merged, RW1C bits are cleared where a
 * written lane carries a one, then the side effects of each register run in an order that lets status be cleared before a start.
 * Source: hda-controller §1, §2, §4. */
#include "hda/hda_i.h"
#include "hda/operations.h"

#include <string.h>

typedef struct fixed_row {
    const char *name;
    uint16_t offset;
    uint8_t size;
    uint32_t write, clear, reset;
} fixed_row_t;

static const fixed_row_t globals[] = {
    {"GCAP", SS_GCAP, 2, 0, 0, 0},
    {"VMIN", SS_VMIN, 1, 0, 0, 0},
    {"VMAJ", SS_VMAJ, 1, 0, 0, 1},
    {"OUTPAY", SS_OUTPAY, 2, 0, 0, 0},
    {"INPAY", SS_INPAY, 2, 0, 0, 0},
    {"GCTL", SS_GCTL, 4, 0x103, 0, 0},
    {"WAKEEN", SS_WAKEEN, 2, 0x7FFF, 0, 0},
    {"STATESTS", SS_STATESTS, 2, 0, 0x7FFF, 0},
    {"GSTS", SS_GSTS, 2, 0, 2, 0},
    {"OUTSTRMPAY", SS_OUTSTRMPAY, 2, 0, 0, 0},
    {"INSTRMPAY", SS_INSTRMPAY, 2, 0, 0, 0},
    {"INTCTL", SS_INTCTL, 4, 0xC0000000, 0, 0},
    {"INTSTS", SS_INTSTS, 4, 0, 0, 0},
    {"WALCLK", SS_WALCLK, 4, 0, 0, 0},
    {"SSYNC6", SS_SSYNC_OLD, 4, 0, 0, 0},
    {"SSYNC", SS_SSYNC, 4, 0, 0, 0},
    {"CORBLBASE", SS_CORBLBASE, 4, 0xFFFFFF80, 0, 0},
    {"CORBUBASE", SS_CORBUBASE, 4, 0xFFFFFFFF, 0, 0},
    {"CORBWP", SS_CORBWP, 2, 0x00FF, 0, 0},
    {"CORBRP", SS_CORBRP, 2, 0x8000, 0, 0},
    {"CORBCTL", SS_CORBCTL, 1, 0x03, 0, 0},
    {"CORBSTS", SS_CORBSTS, 1, 0, 0x01, 0},
    {"CORBSIZE", SS_CORBSIZE, 1, 0x03, 0, 0},
    {"RIRBLBASE", SS_RIRBLBASE, 4, 0xFFFFFF80, 0, 0},
    {"RIRBUBASE", SS_RIRBUBASE, 4, 0xFFFFFFFF, 0, 0},
    {"RIRBWP", SS_RIRBWP, 2, 0, 0, 0},
    {"RINTCNT", SS_RINTCNT, 2, 0x00FF, 0, 0},
    {"RIRBCTL", SS_RIRBCTL, 1, 0x07, 0, 0},
    {"RIRBSTS", SS_RIRBSTS, 1, 0, 0x05, 0},
    {"RIRBSIZE", SS_RIRBSIZE, 1, 0x03, 0, 0},
    {"ICOI", SS_ICOI, 4, 0xFFFFFFFF, 0, 0},
    {"ICII", SS_ICII, 4, 0, 0, 0},
    {"ICIS", SS_ICIS, 2, 0x0001, 0x0002, 0},
    {"DPLBASE", SS_DPLBASE, 4, 0xFFFFFF81, 0, 0},
    {"DPUBASE", SS_DPUBASE, 4, 0xFFFFFFFF, 0, 0},
};
static const fixed_row_t descriptor[] = {
    {"CTL", SS_SDCTL, 3, 0xF0001F, 0, 0},     {"STS", SS_SDSTS, 1, 0, 0x1C, 0},      {"LPIB", SS_SDLPIB, 4, 0, 0, 0},
    {"CBL", SS_SDCBL, 4, 0xFFFFFFFF, 0, 0},   {"LVI", SS_SDLVI, 2, 0x00FF, 0, 0},    {"FIFOW", SS_SDFIFOW, 2, 0, 0, 0},
    {"FIFOS", SS_SDFIFOS, 2, 0, 0, 0},        {"FMT", SS_SDFMT, 2, 0x7F7F, 0, 0},    {"BDPL", SS_SDBDPL, 4, 0xFFFFFF80, 0, 0},
    {"BDPU", SS_SDBDPU, 4, 0xFFFFFFFF, 0, 0},
};
enum { GLOBALS = sizeof globals / sizeof globals[0], DESCRIPTOR = sizeof descriptor / sizeof descriptor[0] };

static uint32_t bytes_mask(uint32_t bytes) {
    return (uint32_t)((UINT64_C(1) << (8 * bytes)) - 1);
}

/* --- rows of this part ------------------------------------------------------------------------------------------------ */

static uint32_t streams_mask(const ss_hda_t *hda) {
    return (uint32_t)((UINT64_C(1) << hda->stream_count) - 1);
}

static uint32_t ring_size_reset(uint8_t capabilities) {
    uint32_t selected = (capabilities & 4u) != 0 ? 2 : (capabilities & 2u) != 0 ? 1 : 0;
    return (uint32_t)capabilities << 4 | selected;
}

static void adjust_global(const ss_hda_t *hda, ss_hda_row_t *row) {
    const storsim_hda_config_t *config = &hda->config;
    bool several;
    switch (row->offset) {
    case SS_GCAP:
        row->reset = (uint32_t)config->render << 12 | (uint32_t)config->capture << 8 | (uint32_t)config->bidirectional << 3 |
                     (config->sdo_lines == 4 ? 2u : config->sdo_lines == 2 ? 1u : 0u) << 1 | (config->ok64 ? 1u : 0u);
        break;
    case SS_OUTPAY: row->reset = config->outpay; break;
    case SS_INPAY: row->reset = config->inpay; break;
    case SS_OUTSTRMPAY: row->reset = config->outstrmpay; break;
    case SS_INSTRMPAY: row->reset = config->instrmpay; break;
    case SS_INTCTL: row->write |= streams_mask(hda); break;
    case SS_SSYNC: row->write = streams_mask(hda); break;
    case SS_SSYNC_OLD: row->write = config->personality == STORSIM_HDA_ICH ? streams_mask(hda) : 0; break;
    case SS_CORBUBASE:
    case SS_RIRBUBASE:
    case SS_DPUBASE: row->write = config->ok64 ? row->write : 0; break;
    case SS_CORBSIZE:
    case SS_RIRBSIZE:
        row->reset = ring_size_reset(row->offset == SS_CORBSIZE ? config->corb_sizes : config->rirb_sizes);
        several = row->reset != 0x10 && row->reset != 0x21 && row->reset != 0x42;
        row->write = several ? 3 : 0;
        break;
    default: break;
    }
}

static void adjust_descriptor(const ss_hda_t *hda, ss_hda_row_t *row) {
    const storsim_hda_config_t *config = &hda->config;
    bool ich = config->personality == STORSIM_HDA_ICH;
    bool input = row->stream < config->capture, either = row->stream >= (uint32_t)config->capture + config->render;
    switch (row->relative) {
    case SS_SDCTL:
        row->write |= (ich ? 0 : 0x040000u) | (input ? 0 : 0x030000u) | (either ? 0x080000u : 0);
        row->reset = ich ? 0x040000u : 0;
        break;
    case SS_SDFIFOW:
        row->write = ich ? 7 : 0;
        row->reset = ich ? 4 : 0;
        break;
    case SS_SDFIFOS:
        row->write = ich && !input ? 0x3FF : 0;
        row->reset = (uint32_t)(input ? config->fifo_capture : config->fifo_render) - (ich ? 1u : 0u);
        break;
    case SS_SDBDPU: row->write = config->ok64 ? row->write : 0; break;
    default: break;
    }
}

static void global_row(const ss_hda_t *hda, uint32_t index, ss_hda_row_t *row) {
    const fixed_row_t *fixed = &globals[index];
    *row = (ss_hda_row_t){fixed->name, fixed->offset, fixed->size, fixed->write, fixed->clear, fixed->reset, UINT32_MAX, fixed->offset};
    adjust_global(hda, row);
}

static void descriptor_row(const ss_hda_t *hda, uint32_t stream, uint32_t index, ss_hda_row_t *row) {
    const fixed_row_t *fixed = &descriptor[index];
    *row = (ss_hda_row_t){fixed->name, ss_sd(stream, fixed->offset), fixed->size, fixed->write, fixed->clear,
                          fixed->reset, stream,                      fixed->offset};
    adjust_descriptor(hda, row);
}

/* Where an address is decoded: aliases to the register they show. UINT32_MAX: nothing there. */
static uint32_t decode(const ss_hda_t *hda, uint32_t offset) {
    if (offset < STORSIM_HDA_ALIAS_OFFSET) {
        return offset;
    }
    uint32_t shown = offset - STORSIM_HDA_ALIAS_OFFSET;
    bool lpib = shown >= SS_SD && (shown - SS_SD) / 0x20 < hda->stream_count && (shown & 0x1Cu) == SS_SDLPIB;
    return (shown & ~3u) == SS_WALCLK || lpib ? shown : UINT32_MAX;
}

bool ss_hda_row_at(const ss_hda_t *hda, uint32_t offset, ss_hda_row_t *row) {
    if (offset < SS_SD) {
        for (uint32_t i = 0; i < GLOBALS && globals[i].offset <= offset; i++) {
            if (offset - globals[i].offset < globals[i].size) {
                global_row(hda, i, row);
                return true;
            }
        }
        return false;
    }
    uint32_t stream = (offset - SS_SD) / 0x20, relative = offset & 0x1Fu;
    if (stream >= hda->stream_count) {
        return false;
    }
    /* unreachable: the last register of a descriptor begins before its end */
    for (uint32_t i = 0; i < DESCRIPTOR && descriptor[i].offset <= relative; i++) {
        if (relative - descriptor[i].offset < descriptor[i].size) {
            descriptor_row(hda, stream, i, row);
            return true;
        }
    }
    return false;
}

/* --- values ----------------------------------------------------------------------------------------------------------- */

static uint32_t stream_status(const ss_hda_t *hda, uint32_t stream) {
    return hda->image[ss_sd(stream, SS_SDSTS)] & (SS_BCIS | SS_FIFOE | SS_DESE);
}

static uint32_t interrupt_status(const ss_hda_t *hda) {
    uint32_t status = 0;
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        status |= stream_status(hda, i) != 0 ? UINT32_C(1) << i : 0;
    }
    bool controller = (ss_hda_peek(hda, SS_RIRBSTS, 1) & 5u) != 0 || (ss_hda_peek(hda, SS_CORBSTS, 1) & 1u) != 0 ||
                      (ss_hda_peek(hda, SS_STATESTS, 2) & ss_hda_peek(hda, SS_WAKEEN, 2)) != 0;
    status |= controller ? UINT32_C(1) << 30 : 0;
    return status | (status != 0 ? UINT32_C(1) << 31 : 0);
}

bool ss_hda_line_level(const ss_hda_t *hda) {
    uint32_t control = ss_hda_peek(hda, SS_INTCTL, 4);
    if ((control >> 31) == 0 || hda->gone || !hda->link_up) {
        return false;
    }
    uint32_t rirb = ss_hda_peek(hda, SS_RIRBSTS, 1), rirb_control = ss_hda_peek(hda, SS_RIRBCTL, 1);
    bool controller = ((rirb & 1u) != 0 && (rirb_control & 1u) != 0) || ((rirb & 4u) != 0 && (rirb_control & 4u) != 0) ||
                      (ss_hda_peek(hda, SS_STATESTS, 2) & ss_hda_peek(hda, SS_WAKEEN, 2)) != 0 ||
                      ((ss_hda_peek(hda, SS_CORBSTS, 1) & ss_hda_peek(hda, SS_CORBCTL, 1)) & 1u) != 0;
    if ((control >> 30 & 1u) != 0 && controller) {
        return true;
    }
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        /* The enables IOCE, FEIE, DEIE of SDnCTL stand where BCIS, FIFOE, DESE stand in SDnSTS. */
        if ((control >> i & 1u) != 0 && (stream_status(hda, i) & hda->image[ss_sd(i, SS_SDCTL)]) != 0) {
            return true;
        }
    }
    return false;
}

static uint32_t descriptor_value(const ss_hda_t *hda, const ss_hda_row_t *row, uint64_t frame) {
    const ss_hda_stream_t *stream = &hda->streams[row->stream];
    uint32_t stored = ss_hda_peek(hda, row->offset, row->size);
    uint64_t link;
    switch (row->relative) {
    case SS_SDCTL: return (stored & ~(uint32_t)(SS_RUN | SS_SRST)) | (stream->run_bit ? SS_RUN : 0) | (stream->in_reset ? SS_SRST : 0);
    case SS_SDSTS: return stored | (ss_hda_fifo_ready(hda, stream) ? SS_FIFORDY : 0);
    case SS_SDLPIB:
        link = ss_hda_link_at(hda, stream, frame);
        return (uint32_t)(stream->cbl != 0 ? link % stream->cbl : link);
    case SS_SDFIFOS: return ss_hda_fifo_bytes(hda, row->stream) - (hda->config.personality == STORSIM_HDA_ICH ? 1u : 0u);
    default: return stored;
    }
}

/* The register as a load finds it now. */
static uint32_t value_of(const storsim_machine_t *machine, const ss_hda_t *hda, const ss_hda_row_t *row) {
    bool well = row->offset == SS_WAKEEN || row->offset == SS_STATESTS;
    if (!hda->link_up && !well) {
        return row->reset;
    }
    if (row->stream != UINT32_MAX) {
        return descriptor_value(hda, row, ss_hda_frame(machine, hda));
    }
    switch (row->offset) {
    case SS_GCTL: return ss_hda_peek(hda, SS_GCTL, 4) | 1u;
    case SS_INTSTS: return interrupt_status(hda);
    case SS_WALCLK: return (uint32_t)(storsim_now(machine) - hda->epoch) + hda->wall_offset;
    case SS_SSYNC_OLD: return row->write & ss_hda_peek(hda, SS_SSYNC, 4);
    default: return ss_hda_peek(hda, row->offset, row->size);
    }
}

/* --- loads -------------------------------------------------------------------------------------------------------------- */

static bool legal(uint64_t offset, uint32_t size) {
    return (size == 1 || size == 2 || size == 4) && offset % size == 0 && offset < STORSIM_HDA_REGISTER_BYTES &&
           size <= STORSIM_HDA_REGISTER_BYTES - offset; /* unreachable: what begins inside and is aligned ends inside */
}

static bool is_gone(storsim_machine_t *machine, ss_hda_t *hda) {
    if (!hda->gone && ss_hardware_fault(machine, STORSIM_HW_REMOVED, hda->number)) {
        ss_hda_link_reset(machine, hda);
        hda->gone = true;
    }
    return hda->gone;
}

static uint32_t load(const storsim_machine_t *machine, const ss_hda_t *hda, uint32_t offset, uint32_t size) {
    uint32_t value = 0, decoded = decode(hda, offset);
    for (uint32_t at = 0; decoded != UINT32_MAX && at < size;) {
        ss_hda_row_t row;
        if (!ss_hda_row_at(hda, decoded + at, &row)) {
            at++;
            continue;
        }
        uint32_t skip = decoded + at - row.offset, lanes = row.size - skip;
        lanes = lanes < size - at ? lanes : size - at;
        uint32_t part = value_of(machine, hda, &row) >> (8 * skip);
        value |= (part & bytes_mask(lanes)) << (8 * at);
        at += lanes;
    }
    return value;
}

storsim_status_t storsim_hda_mmio_read(storsim_machine_t *machine, uint32_t controller, uint64_t offset, uint32_t size, uint64_t *value) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(offset), ss_arg_in(size), ss_arg_out(0)};
        storsim_status_t answer = ss_tap_run(machine, &ss_hda_operations[SS_HDA_MMIO_READ], args, NULL);
        if (args[3].written) {
            *value = args[3].value;
        }
        return answer;
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    if (hda == NULL) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = STORSIM_OK;
    bool was_gone = hda->gone;
    if (!legal(offset, size)) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_BAD_ACCESS, 4, size, offset);
        *value = size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * (size & 7u))) - 1;
    } else if (is_gone(machine, hda)) {
        *value = UINT64_MAX >> (64 - 8 * size);
        status = was_gone ? STORSIM_OK : ss_hda_sync(machine, hda);
    } else {
        *value = load(machine, hda, (uint32_t)offset, size);
    }
    ss_trace(machine, STORSIM_TRACE_REGISTER, controller, offset, (uint64_t)size << 1, *value);
    return status;
}

/* --- stores ------------------------------------------------------------------------------------------------------------- */

typedef struct store {
    ss_hda_row_t row;
    uint32_t old, value, lanes; /* in the register's own bits */
} store_t;

/* Splits a store into the registers it covers. Returns how many. */
static uint32_t split(const storsim_machine_t *machine, const ss_hda_t *hda, uint32_t offset, uint32_t size, uint32_t value,
                      store_t stores[4]) {
    uint32_t count = 0;
    for (uint32_t at = 0; at < size;) {
        store_t *store = &stores[count];
        if (!ss_hda_row_at(hda, offset + at, &store->row)) {
            at++;
            continue;
        }
        uint32_t skip = offset + at - store->row.offset, lanes = store->row.size - skip;
        lanes = lanes < size - at ? lanes : size - at;
        store->lanes = bytes_mask(lanes) << (8 * skip);
        store->value = (value >> (8 * at)) << (8 * skip);
        store->old = value_of(machine, hda, &store->row);
        count++;
        at += lanes;
    }
    return count;
}

static bool store_allowed(storsim_machine_t *machine, ss_hda_t *hda, const store_t *store) {
    uint32_t offset = store->row.offset;
    if (!hda->link_up && offset != SS_GCTL && offset != SS_WAKEEN && offset != SS_STATESTS) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_WRITE_IN_RESET, 0, store->value & store->lanes, offset);
        return false;
    }
    if (store->row.stream != UINT32_MAX && hda->streams[store->row.stream].in_reset && store->row.relative != SS_SDCTL) {
        if (((store->value & store->lanes) & (store->row.write | store->row.clear)) != 0) {
            ss_hda_note(machine, hda, SS_HDA_NOTE_STREAM_IN_RESET, 0, store->value & store->lanes, offset);
        }
        return false;
    }
    return true;
}

static storsim_status_t apply(storsim_machine_t *machine, ss_hda_t *hda, const store_t *store) {
    uint32_t plain = store->row.write & store->lanes, cleared = store->row.clear & store->value & store->lanes;
    uint32_t stored = ss_hda_peek(hda, store->row.offset, store->row.size);
    uint32_t merged = ((stored & ~plain) | (store->value & plain)) & ~cleared;
    ss_hda_poke(hda, store->row.offset, store->row.size, merged);
    return ss_hda_effect(machine, hda, &store->row, store->old, merged, store->value, store->lanes);
}

/* Positions and bytes are brought up to now before a register they depend on changes. */
static storsim_status_t prepare(storsim_machine_t *machine, ss_hda_t *hda, const store_t *stores, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = stores[i].row.offset;
        storsim_status_t status = STORSIM_OK;
        bool control = stores[i].row.stream != UINT32_MAX && stores[i].row.relative == SS_SDCTL && (stores[i].lanes & 0xFFu) != 0;
        if (control || offset == SS_GCTL || offset == SS_SSYNC || offset == SS_SSYNC_OLD || offset == SS_DPLBASE || offset == SS_DPUBASE) {
            status = ss_hda_flow_all(machine, hda);
        }
        if (status != STORSIM_OK) {
            return status;
        }
    }
    return STORSIM_OK;
}

/* Stores that only acknowledge or mask: they move the line and nothing else, so that an ISR that clears BCIS from inside the controller's
 * own event is through with it before the next completion of the same frame. */
static bool acknowledges(const store_t *stores, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset = stores[i].row.offset;
        if (stores[i].row.stream != UINT32_MAX ? stores[i].row.relative != SS_SDSTS
                                               : offset != SS_INTCTL && offset != SS_WAKEEN && offset != SS_STATESTS &&
                                                     offset != SS_RIRBSTS && offset != SS_CORBSTS) {
            return false;
        }
    }
    return count != 0;
}

storsim_status_t storsim_hda_mmio_write(storsim_machine_t *machine, uint32_t controller, uint64_t offset, uint32_t size, uint64_t value) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(offset), ss_arg_in(size), ss_arg_in(value)};
        return ss_tap_run(machine, &ss_hda_operations[SS_HDA_MMIO_WRITE], args, NULL);
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    storsim_status_t status = hda == NULL ? STORSIM_INVALID : ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    store_t stores[4];
    uint32_t count = 0, before[4];
    if (!legal(offset, size)) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_BAD_ACCESS, 4, size, offset);
        return STORSIM_OK;
    }
    if (!is_gone(machine, hda) && offset < STORSIM_HDA_ALIAS_OFFSET) {
        count = split(machine, hda, (uint32_t)offset, size, (uint32_t)value, stores);
    }
    status = prepare(machine, hda, stores, count);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_trace(machine, STORSIM_TRACE_REGISTER, controller, offset, (uint64_t)size << 1 | 1u, value);
    /* Highest register first: SDnSTS is cleared before SDnCTL, which alone can fail and is the lowest of any store, starts the engine that may
     * set it again. */
    for (uint32_t i = count; i-- > 0;) {
        before[i] = ss_hda_peek(hda, stores[i].row.offset, stores[i].row.size);
        if (store_allowed(machine, hda, &stores[i])) {
            status = apply(machine, hda, &stores[i]);
        }
        for (uint32_t done = i; status != STORSIM_OK && done < count; done++) { /* RUN without memory for its list: nothing is stored */
            ss_hda_poke(hda, stores[done].row.offset, stores[done].row.size, before[done]);
        }
    }
    storsim_status_t synced = acknowledges(stores, count) ? ss_hda_drive(machine, hda) : ss_hda_sync_later(machine, hda);
    return status != STORSIM_OK ? status : synced;
}

/* --- by name -------------------------------------------------------------------------------------------------------------- */

static void number_into(char *text, size_t *at, uint32_t number) {
    if (number >= 10) {
        text[(*at)++] = (char)('0' + number / 10);
    }
    text[(*at)++] = (char)('0' + number % 10);
}

static void describe(const ss_hda_row_t *row, bool alias, storsim_hda_register_t *result) {
    size_t at = 0;
    memset(result, 0, sizeof *result);
    if (row->stream != UINT32_MAX) {
        memcpy(result->name, "SD", 2);
        at = 2;
        number_into(result->name, &at, row->stream);
    }
    size_t length = strlen(row->name);
    memcpy(result->name + at, row->name, length);
    result->name[at + length] = alias ? 'A' : '\0';
    result->offset = row->offset + (alias ? STORSIM_HDA_ALIAS_OFFSET : 0);
    result->size = row->size;
    result->write_mask = row->write;
    result->clear_mask = row->clear;
    result->reset = row->reset;
}

bool storsim_hda_register_get(const storsim_machine_t *machine, uint32_t controller, uint32_t index, storsim_hda_register_t *result) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    ss_hda_row_t row;
    if (hda == NULL) {
        return false;
    }
    uint32_t own = GLOBALS + DESCRIPTOR * hda->stream_count;
    if (index < GLOBALS) {
        global_row(hda, index, &row);
    } else if (index < own) {
        descriptor_row(hda, (index - GLOBALS) / DESCRIPTOR, (index - GLOBALS) % DESCRIPTOR, &row);
    } else if (index == own) {
        (void)ss_hda_row_at(hda, SS_WALCLK, &row);
    } else if (index - own - 1 < hda->stream_count) {
        (void)ss_hda_row_at(hda, ss_sd(index - own - 1, SS_SDLPIB), &row);
    } else {
        return false;
    }
    describe(&row, index >= own, result);
    return true;
}

static int upper(char c) {
    return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

static bool same_name(const char *a, const char *b) {
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        if (upper(*a) != upper(*b)) {
            return false;
        }
    }
    return *a == *b;
}

bool storsim_hda_register_find(const storsim_machine_t *machine, uint32_t controller, const char *name, storsim_hda_register_t *result) {
    storsim_hda_register_t row;
    for (uint32_t i = 0; storsim_hda_register_get(machine, controller, i, &row); i++) {
        if (same_name(name, row.name)) {
            *result = row;
            return true;
        }
    }
    return false;
}

storsim_status_t storsim_hda_register_read(storsim_machine_t *machine, uint32_t controller, const char *name, uint64_t *value) {
    storsim_hda_register_t row;
    if (!storsim_hda_register_find(machine, controller, name, &row)) {
        return STORSIM_INVALID;
    }
    uint64_t whole = 0;
    storsim_status_t status = storsim_hda_mmio_read(machine, controller, row.offset, row.size == 3 ? 4 : row.size, &whole);
    if (status == STORSIM_OK) {
        *value = row.size == 3 ? whole & 0xFFFFFFu : whole;
    }
    return status;
}

storsim_status_t storsim_hda_register_write(storsim_machine_t *machine, uint32_t controller, const char *name, uint64_t value) {
    storsim_hda_register_t row;
    if (!storsim_hda_register_find(machine, controller, name, &row) || value >> (8 * row.size) != 0) {
        return STORSIM_INVALID;
    }
    return storsim_hda_mmio_write(machine, controller, row.offset, row.size == 3 ? 4 : row.size, value);
}
