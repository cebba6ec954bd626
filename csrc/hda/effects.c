/* hda/effects.c: what a store into a register sets in motion. Source: hda-controller §2 – §4, §11 – §13. */
#include "hda/hda_i.h"

/* --- GCTL --------------------------------------------------------------------------------------------------------------- */

static bool engines_run(const ss_hda_t *hda) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        if (hda->streams[i].run_bit) {
            return true;
        }
    }
    return false;
}

/* CRST 1 -> 0: engines stop at once, the reset itself follows. */
static void enter_reset(storsim_machine_t *machine, ss_hda_t *hda) {
    bool rings = (ss_hda_peek(hda, SS_CORBCTL, 1) & 2u) != 0 || (ss_hda_peek(hda, SS_RIRBCTL, 1) & 2u) != 0;
    if (engines_run(hda) || rings) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_CRST_WHILE_RUNNING, 0, 1, SS_GCTL);
    }
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        if (hda->streams[i].running) {
            ss_hda_stream_stop(machine, hda, i);
        }
        hda->streams[i].stop_due = hda->streams[i].reset_due = SS_NEVER;
    }
    ss_hda_poke(hda, SS_CORBCTL, 1, ss_hda_peek(hda, SS_CORBCTL, 1) & ~2u);
    ss_hda_poke(hda, SS_RIRBCTL, 1, ss_hda_peek(hda, SS_RIRBCTL, 1) & ~2u);
    hda->ring_due = SS_NEVER;
}

static void write_gctl(storsim_machine_t *machine, ss_hda_t *hda, uint32_t new_value, uint32_t value, uint32_t lanes) {
    bool crst = (lanes & 1u) != 0 ? (value & 1u) != 0 : hda->link_wanted;
    ss_hda_poke(hda, SS_GCTL, 4, hda->link_up ? new_value & ~UINT32_C(1) : crst ? new_value & 0x100u : 0);
    if (crst != hda->link_wanted) {
        hda->link_wanted = crst;
        if (!crst && hda->link_up) {
            enter_reset(machine, hda);
        }
        hda->crst_due = crst == hda->link_up ? SS_NEVER : ss_hda_due(machine, hda, hda->config.crst_latency);
    }
    if (hda->link_up && (new_value & 2u) != 0 && hda->flush_due == SS_NEVER) {
        if (engines_run(hda) || (ss_hda_peek(hda, SS_GSTS, 2) & 2u) != 0) {
            ss_hda_note(machine, hda, SS_HDA_NOTE_FLUSH_WHILE_RUNNING, 0, 1, SS_GCTL);
        }
        hda->flush_due = ss_hda_due(machine, hda, STORSIM_HDA_NEXT_FRAME);
    } else if ((new_value & 2u) == 0) {
        hda->flush_due = SS_NEVER;
    }
}

/* --- SSYNC, rings ----------------------------------------------------------------------------------------------------------- */

static void write_ssync(storsim_machine_t *machine, ss_hda_t *hda, uint32_t old, uint32_t new_value) {
    uint32_t changed = old ^ new_value;
    ss_hda_poke(hda, SS_SSYNC, 4, new_value);
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        ss_hda_stream_t *stream = &hda->streams[i];
        if ((changed >> i & 1u) == 0 || !stream->running) {
            continue;
        }
        if ((new_value >> i & 1u) != 0) {
            ss_hda_segment_end(machine, hda, stream);
        } else {
            ss_hda_segment_begin(machine, hda, i, ss_hda_frame(machine, hda));
        }
        stream->due = storsim_now(machine);
    }
}

static uint64_t base_of(const ss_hda_t *hda, uint32_t low) {
    return (uint64_t)ss_hda_peek(hda, low + 4, 4) << 32 | ss_hda_peek(hda, low, 4);
}

static void write_ring_control(const storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old,
                               uint32_t new_value) {
    if ((~old & new_value & 2u) != 0) {
        if (row->offset == SS_CORBCTL) {
            hda->corb = base_of(hda, SS_CORBLBASE);
        } else {
            hda->rirb = base_of(hda, SS_RIRBLBASE);
        }
    }
    ss_hda_rings_schedule(machine, hda);
}

static void write_corbrp(storsim_machine_t *machine, ss_hda_t *hda, uint32_t value, uint32_t lanes) {
    if ((lanes & 0x8000u) == 0) {
        return;
    }
    if ((value & 0x8000u) != 0) {
        if ((ss_hda_peek(hda, SS_CORBCTL, 1) & 2u) != 0) {
            ss_hda_note(machine, hda, SS_HDA_NOTE_RING_RESET, 0, 1, SS_CORBRP);
        }
        ss_hda_poke(hda, SS_CORBRP, 2, hda->config.corb_reset_quirk ? 0 : 0x8000u);
    }
    ss_hda_rings_schedule(machine, hda);
}

static void write_rirbwp(storsim_machine_t *machine, ss_hda_t *hda, uint32_t value, uint32_t lanes) {
    if ((value & lanes & 0x8000u) == 0) {
        return;
    }
    if ((ss_hda_peek(hda, SS_RIRBCTL, 1) & 2u) != 0) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_RING_RESET, 0, 1, SS_RIRBWP);
    }
    ss_hda_poke(hda, SS_RIRBWP, 2, 0);
}

static void write_ring_size(ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old, uint32_t new_value) {
    uint32_t capabilities = row->reset >> 4, selected = new_value & 3u;
    if (selected > 2 || (capabilities >> selected & 1u) == 0) {
        ss_hda_poke(hda, row->offset, 1, old); /* not offered: the selection stays */
    }
}

static void write_icis(storsim_machine_t *machine, ss_hda_t *hda, uint32_t old, uint32_t value, uint32_t lanes) {
    if ((lanes & 1u) == 0) {
        return;
    }
    if ((value & 1u) == 0) {
        hda->immediate_sent = false; /* software gives up on the verb */
    } else if ((old & 1u) == 0) {
        if ((ss_hda_peek(hda, SS_CORBCTL, 1) & 2u) != 0 || (ss_hda_peek(hda, SS_RIRBCTL, 1) & 2u) != 0) {
            ss_hda_note(machine, hda, SS_HDA_NOTE_IMMEDIATE_WHILE_RINGS, 0, 1, SS_ICIS);
        }
        hda->immediate_sent = false;
    }
    ss_hda_rings_schedule(machine, hda);
}

/* Ruling R46: only a change of the base bits counts. */
static void check_base(storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old, uint32_t new_value) {
    bool busy = engines_run(hda);
    if (row->stream != UINT32_MAX) {
        busy = hda->streams[row->stream].run_bit;
    } else if (row->offset <= SS_CORBUBASE) {
        busy = (ss_hda_peek(hda, SS_CORBCTL, 1) & 2u) != 0;
    } else if (row->offset <= SS_RIRBUBASE) {
        busy = (ss_hda_peek(hda, SS_RIRBCTL, 1) & 2u) != 0;
    } else {
        busy = busy && ((ss_hda_peek(hda, SS_DPLBASE, 4) | (row->offset == SS_DPLBASE ? old : 0)) & 1u) != 0;
    }
    if (busy && ((old ^ new_value) & ~UINT32_C(1)) != 0) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_BASE_WHILE_RUNNING, old, new_value, row->offset);
    }
}

/* --- descriptors ---------------------------------------------------------------------------------------------------------------- */

static bool is_wide(const ss_hda_t *hda, uint32_t stream) {
    uint32_t bits = ss_hda_peek(hda, ss_sd(stream, SS_SDFMT), 2) >> 4 & 7u;
    return bits == 2 || bits == 3;
}

/* ICH: a value outside the legal ones reads back as the reset value. */
static void settle_fifos(ss_hda_t *hda, uint32_t stream) {
    const storsim_hda_config_t *config = &hda->config;
    uint32_t at = ss_sd(stream, SS_SDFIFOS), value = ss_hda_peek(hda, at, 2), normal = (uint32_t)config->fifo_render - 1;
    bool step = (value == 0x0F || value == 0x1F || value == 0x3F || value == 0x7F) && value <= normal;
    if (!step && value != normal && !(value == (uint32_t)config->fifo_render_wide - 1 && is_wide(hda, stream))) {
        ss_hda_poke(hda, at, 2, normal);
    }
}

static void write_srst(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool srst) {
    ss_hda_stream_t *stream = &hda->streams[index];
    bool wanted = stream->handshake == SS_HDA_STEADY ? stream->in_reset : stream->handshake == SS_HDA_ENTERING;
    if (srst && stream->run_bit) {
        ss_hda_note(machine, hda, SS_HDA_NOTE_SRST_WHILE_RUNNING, 0, 1, ss_sd(index, SS_SDCTL));
        if (stream->running) {
            ss_hda_stream_stop(machine, hda, index);
        }
        stream->stop_due = SS_NEVER;
        stream->run_bit = false;
    }
    if (srst == wanted) {
        return;
    }
    stream->handshake = srst == stream->in_reset ? SS_HDA_STEADY : srst ? SS_HDA_ENTERING : SS_HDA_LEAVING;
    stream->reset_due = stream->handshake == SS_HDA_STEADY ? SS_NEVER : ss_hda_due(machine, hda, hda->config.srst_latency);
    if (stream->handshake == SS_HDA_ENTERING && ss_hardware_fault(machine, STORSIM_HW_TIMEOUT, hda->number)) {
        stream->reset_due = SS_NEVER;
    }
}

static storsim_status_t write_control(storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old,
                                      uint32_t new_value, uint32_t value, uint32_t lanes) {
    uint32_t index = row->stream;
    ss_hda_stream_t *stream = &hda->streams[index];
    bool was_in_reset = stream->in_reset;
    if (was_in_reset) {
        ss_hda_poke(hda, row->offset, 3, old & ~(uint32_t)(SS_RUN | SS_SRST)); /* only SRST can be written */
    } else {
        ss_hda_poke(hda, row->offset, 3, new_value & ~(uint32_t)(SS_RUN | SS_SRST));
    }
    if ((lanes & 0xFFu) == 0) {
        return STORSIM_OK;
    }
    write_srst(machine, hda, index, (value & SS_SRST) != 0);
    if (was_in_reset || stream->handshake != SS_HDA_STEADY) {
        if ((value & SS_RUN) != 0) {
            ss_hda_note(machine, hda, SS_HDA_NOTE_STREAM_IN_RESET, 0, value, row->offset);
        }
        return STORSIM_OK;
    }
    if ((value & SS_RUN) != 0 && !stream->running) {
        return ss_hda_stream_run(machine, hda, index);
    }
    if ((value & SS_RUN) == 0 && stream->running) {
        ss_hda_stream_stop(machine, hda, index);
    }
    return STORSIM_OK;
}

static storsim_status_t descriptor_effect(storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old,
                                          uint32_t new_value, uint32_t value, uint32_t lanes) {
    switch (row->relative) {
    case SS_SDCTL: return write_control(machine, hda, row, old, new_value, value, lanes);
    case SS_SDFIFOW:
        if (row->write != 0 && new_value != 2 && new_value != 3) {
            ss_hda_poke(hda, row->offset, 2, 4);
        }
        break;
    case SS_SDFIFOS:
    case SS_SDFMT:
        if (hda->config.personality == STORSIM_HDA_ICH && row->stream >= hda->config.capture) {
            settle_fifos(hda, row->stream);
        }
        break;
    case SS_SDBDPL:
    case SS_SDBDPU: check_base(machine, hda, row, old, new_value); break;
    default: break;
    }
    return STORSIM_OK;
}

storsim_status_t ss_hda_effect(storsim_machine_t *machine, ss_hda_t *hda, const ss_hda_row_t *row, uint32_t old, uint32_t new_value,
                               uint32_t value, uint32_t lanes) {
    if (row->stream != UINT32_MAX) {
        return descriptor_effect(machine, hda, row, old, new_value, value, lanes);
    }
    switch (row->offset) {
    case SS_GCTL: write_gctl(machine, hda, new_value, value, lanes); break;
    case SS_SSYNC_OLD:
        ss_hda_poke(hda, SS_SSYNC_OLD, 4, 0);
        if (row->write != 0) {
            write_ssync(machine, hda, old, (old & ~(row->write & lanes)) | (value & row->write & lanes));
        }
        break;
    case SS_SSYNC: write_ssync(machine, hda, old, new_value); break;
    case SS_CORBLBASE:
    case SS_CORBUBASE:
    case SS_RIRBLBASE:
    case SS_RIRBUBASE:
    case SS_DPLBASE:
    case SS_DPUBASE: check_base(machine, hda, row, old, new_value); break;
    case SS_CORBWP: ss_hda_rings_schedule(machine, hda); break;
    case SS_CORBRP: write_corbrp(machine, hda, value, lanes); break;
    case SS_CORBCTL:
    case SS_RIRBCTL: write_ring_control(machine, hda, row, old, new_value); break;
    case SS_CORBSIZE:
    case SS_RIRBSIZE: write_ring_size(hda, row, old, new_value); break;
    case SS_RIRBWP: write_rirbwp(machine, hda, value, lanes); break;
    case SS_ICIS: write_icis(machine, hda, old, value, lanes); break;
    default: break;
    }
    return STORSIM_OK;
}
