/* hda/stream.c: the stream state machine: start, stop, link segments, completions, errors, deadlines. Source: hda-controller §6. */
#include "hda/hda_i.h"
#include "hda/operations.h"

/* What STORSIM_TRACE_STREAM's third value says. */
enum { TRACE_RUN = 1, TRACE_STOP, TRACE_COMPLETE, TRACE_FIFO_ERROR, TRACE_DESCRIPTOR_ERROR, TRACE_RESET };

static void trace(storsim_machine_t *machine, const ss_hda_t *hda, uint32_t index, uint64_t what) {
    ss_trace(machine, STORSIM_TRACE_STREAM, hda->number, index, what, hda->streams[index].dma);
}

static void set_status(ss_hda_t *hda, uint32_t index, uint32_t bits) {
    uint32_t at = ss_sd(index, SS_SDSTS);
    ss_hda_poke(hda, at, 1, ss_hda_peek(hda, at, 1) | bits);
}

static bool prefetches(const ss_hda_t *hda) {
    return hda->config.timing == STORSIM_HDA_CONTROLLER;
}

static bool wide(uint16_t format) {
    uint32_t bits = format >> 4 & 7u;
    return bits == 2 || bits == 3;
}

uint32_t ss_hda_fifo_bytes(const ss_hda_t *hda, uint32_t index) {
    const storsim_hda_config_t *config = &hda->config;
    uint16_t format = (uint16_t)ss_hda_peek(hda, ss_sd(index, SS_SDFMT), 2);
    if (index < config->capture) {
        return wide(format) ? config->fifo_capture_wide : config->fifo_capture;
    }
    if (config->personality == STORSIM_HDA_ICH) {
        return ss_hda_peek(hda, ss_sd(index, SS_SDFIFOS), 2) + 1;
    }
    return wide(format) ? config->fifo_render_wide : config->fifo_render;
}

bool ss_hda_fifo_ready(const ss_hda_t *hda, const ss_hda_stream_t *stream) {
    if (!stream->running) {
        return false;
    }
    if (stream->input || !prefetches(hda)) {
        return stream->loaded || stream->dma != 0;
    }
    return stream->dma - stream->sent >= ss_hda_rate_packet(&stream->rate);
}

/* --- link segments ------------------------------------------------------------------------------------------------------ */

static void segment_end_at(ss_hda_t *hda, ss_hda_stream_t *stream, uint64_t frame) {
    ss_hda_stir(hda, stream);
    if (!stream->linked) {
        return;
    }
    uint64_t elapsed = frame > stream->segment_frame ? frame - stream->segment_frame : 0;
    stream->link = ss_hda_link_at(hda, stream, frame);
    stream->segment_phase += hda->config.timing == STORSIM_HDA_EMULATOR ? elapsed - elapsed % SS_HDA_PULSE : elapsed;
    stream->linked = false;
}

void ss_hda_segment_end(const storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream) {
    segment_end_at(hda, stream, ss_hda_frame(machine, hda));
}

/* The converter that sends on an input stream's tag: lowest codec, lowest node. */
static const ss_hda_widget_t *sender(const ss_hda_t *hda, uint8_t tag, uint32_t *address) {
    for (uint32_t i = 0; tag != 0 && i < STORSIM_HDA_MAX_CODECS; i++) {
        if (hda->codecs[i] != NULL && ((uint32_t)hda->codecs[i]->tags[1] >> tag & 1u) != 0) {
            *address = i;
            return ss_hda_codec_converter(hda->codecs[i], true, tag);
        }
    }
    return NULL;
}

/* Starts counting at `frame`: the first packet is that of boundary frame + 1. The stream runs. */
void ss_hda_segment_begin(const storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t frame) {
    ss_hda_stream_t *stream = &hda->streams[index];
    (void)machine;
    stream->linked = false;
    ss_hda_stir(hda, stream);
    if (stream->starved || (ss_hda_peek(hda, SS_SSYNC, 4) >> index & 1u) != 0) {
        return;
    }
    if (stream->input) {
        uint32_t address = 0;
        const ss_hda_widget_t *widget = sender(hda, stream->tag, &address);
        stream->source = widget != NULL ? address + 1 : 0;
        if (widget == NULL) {
            return;
        }
        ss_hda_rate_of(widget->format, &stream->rate);
        stream->origin = widget->origin;
        stream->segment_phase = frame - widget->origin;
    }
    stream->segment_frame = frame;
    stream->segment_link = stream->link;
    stream->segment_before = ss_hda_rate_bytes(&stream->rate, stream->segment_phase);
    stream->linked = true;
}

void ss_hda_senders_changed(const storsim_machine_t *machine, ss_hda_t *hda) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        ss_hda_stream_t *stream = &hda->streams[i];
        if (!stream->running || !stream->input) {
            continue;
        }
        uint32_t address = 0;
        const ss_hda_widget_t *widget = sender(hda, stream->tag, &address);
        ss_hda_rate_t rate = stream->rate;
        if (widget != NULL) {
            ss_hda_rate_of(widget->format, &rate);
        }
        bool same = widget == NULL ? stream->source == 0
                                   : stream->source == address + 1 && stream->origin == widget->origin &&
                                         rate.block == stream->rate.block && rate.mult == stream->rate.mult &&
                                         rate.div == stream->rate.div && rate.base44 == stream->rate.base44;
        if (!same) {
            ss_hda_segment_end(machine, hda, stream);
            stream->source = 0;
            ss_hda_segment_begin(machine, hda, i, ss_hda_frame(machine, hda));
            stream->due = storsim_now(machine);
        }
    }
}

/* --- errors ------------------------------------------------------------------------------------------------------------- */

void ss_hda_drop_fed(ss_hda_t *hda, const ss_hda_stream_t *stream, uint64_t at, uint64_t count) {
    ss_hda_codec_t *codec = stream->source != 0 ? hda->codecs[stream->source - 1] : NULL;
    if (codec != NULL && codec->lanes[1][stream->tag] != NULL) {
        ss_hda_bytes_cut(&codec->lanes[1][stream->tag]->bytes, at, count);
    }
}

/* What is in the FIFO is gone; positions stay those of the link. */
static void drop_fifo(ss_hda_t *hda, ss_hda_stream_t *stream) {
    ss_hda_stir(hda, stream);
    if (stream->input) {
        ss_hda_drop_fed(hda, stream, 0, stream->link - stream->dma);
    } else if (stream->link > stream->dma) {
        stream->link = stream->dma; /* the packet that could not be completed never left */
    }
    stream->dma = stream->sent = stream->link;
}

/* DESE: fetching stops and RUN clears at once (DESIGN §5). */
static void descriptor_error(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t at = stream->address + stream->offset;
    if (stream->loaded) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_DESCRIPTOR_ERROR, stream->length, stream->usable, at);
    }
    ss_hda_segment_end(machine, hda, stream);
    drop_fifo(hda, stream);
    stream->running = stream->run_bit = stream->starved = false;
    hda->shadows_known = false;
    stream->stop_due = stream->due = SS_NEVER;
    set_status(hda, index, SS_DESE);
    trace(machine, hda, index, TRACE_DESCRIPTOR_ERROR);
}

static void fifo_error(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_note(machine, hda, &hda->streams[index], SS_HDA_NOTE_FIFO_ERROR, 0, 0, 0);
    set_status(hda, index, SS_FIFOE);
    trace(machine, hda, index, TRACE_FIFO_ERROR);
}

/* Injected: the link, which moves, loses its next frame. */
static void lose_frame(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t frame = ss_hda_frame(machine, hda);
    fifo_error(machine, hda, index);
    ss_hda_segment_end(machine, hda, stream);
    ss_hda_segment_begin(machine, hda, index, frame + 1);
    if (stream->input) {
        ss_hda_drop_fed(hda, stream, stream->link - stream->dma, ss_hda_rate_bytes(&stream->rate, stream->segment_phase) -
                                  ss_hda_rate_bytes(&stream->rate, stream->segment_phase - 1));
    }
}

/* Bytes the link may take (give) before a stalled memory side starves it. */
static bool would_starve(const ss_hda_t *hda, const ss_hda_stream_t *stream, uint64_t frame) {
    return hda->stalled && stream->linked && ss_hda_link_at(hda, stream, frame) > stream->dma + (stream->input ? stream->fifo : 0);
}

static void starve(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t frame = ss_hda_frame(machine, hda);
    segment_end_at(hda, stream, frame - 1);
    stream->starved = true;
    stream->lost_from = frame - 1;
    fifo_error(machine, hda, index);
}

storsim_status_t storsim_hda_stall(storsim_machine_t *machine, uint32_t controller, bool stalled) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(stalled)};
        return ss_tap_run(machine, &ss_hda_operations[SS_HDA_STALL], args, NULL);
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    storsim_status_t status = hda == NULL ? STORSIM_INVALID : ss_machine_alive(machine);
    status = status == STORSIM_OK ? ss_hda_flow_all(machine, hda) : status;
    if (status != STORSIM_OK || hda->stalled == stalled) {
        return status;
    }
    uint64_t frame = ss_hda_frame(machine, hda);
    hda->stalled = stalled;
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        ss_hda_stream_t *stream = &hda->streams[i];
        if (stream->starved) {
            stream->starved = false;
            ss_hda_segment_begin(machine, hda, i, frame);
        }
        ss_hda_stir(hda, stream);
        stream->due = stream->running ? storsim_now(machine) : SS_NEVER;
    }
    ss_hda_rings_schedule(machine, hda);
    return ss_hda_sync(machine, hda);
}

/* --- deadlines ------------------------------------------------------------------------------------------------------------ */

/* First frame after the current one at which the link has moved at least `target` bytes; SS_NEVER if it does not move. */
static uint64_t frame_of(const ss_hda_t *hda, const ss_hda_stream_t *stream, uint64_t target, uint64_t now_frame) {
    if (!stream->linked || target <= stream->segment_link) {
        return stream->linked ? now_frame + 1 : SS_NEVER;
    }
    uint64_t elapsed =
        ss_hda_rate_frames(&stream->rate, stream->segment_before + (target - stream->segment_link)) - stream->segment_phase;
    if (hda->config.timing == STORSIM_HDA_EMULATOR) {
        elapsed = (elapsed + SS_HDA_PULSE - 1) / SS_HDA_PULSE * SS_HDA_PULSE;
    }
    uint64_t frame = stream->segment_frame + elapsed;
    return frame > now_frame ? frame : now_frame + 1;
}

static bool exchanges(const ss_hda_t *hda, const ss_hda_stream_t *stream) {
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        const ss_hda_codec_t *codec = hda->codecs[i];
        const ss_hda_lane_t *lane = codec != NULL ? codec->lanes[stream->input ? 1 : 0][stream->tag] : NULL;
        if (lane != NULL && lane->routine != 0) {
            return true;
        }
    }
    return false;
}

void ss_hda_schedule(const storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t now = ss_hda_frame(machine, hda), target, frame;
    stream->due = SS_NEVER;
    if (!stream->running) {
        return;
    }
    uint64_t ahead = stream->input ? 0 : stream->fifo; /* the memory side runs this far ahead of the link */
    if (hda->stalled) {
        target = stream->dma + (stream->input ? stream->fifo : 0) + 1;
    } else {
        uint64_t rest = stream->loaded ? stream->usable - stream->offset : 0;
        bool at_end = stream->loaded && stream->ioc && stream->usable == stream->length;
        target = stream->dma + rest + (at_end ? 0 : 1);
        target = target > ahead ? target - ahead : 0;
    }
    frame = frame_of(hda, stream, target, now);
    if (hda->routines != 0 && exchanges(hda, stream)) {
        frame = stream->pulse < frame ? stream->pulse : frame;
    }
    stream->due = frame == SS_NEVER ? SS_NEVER : ss_hda_boundary(hda, frame);
}

/* --- completions ---------------------------------------------------------------------------------------------------------- */

/* The current entry's last byte has moved. */
static void complete(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    stream->loaded = false; /* no reason to stir it: without an entry nothing moves */
    stream->lap_bytes += stream->length;
    if (stream->ioc) {
        set_status(hda, index, SS_BCIS);
        trace(machine, hda, index, TRACE_COMPLETE);
    }
    if (stream->index < stream->lvi) {
        stream->index++;
        return;
    }
    if (stream->lap_bytes != stream->cbl) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_CBL_MISMATCH, stream->lap_bytes, stream->cbl, stream->bdl);
    }
    stream->lap_bytes = 0;
    stream->index = 0;
}

static uint64_t dma_wanted(const ss_hda_t *hda, const ss_hda_stream_t *stream) {
    if (hda->stalled) {
        return stream->dma;
    }
    uint64_t want = stream->link + (stream->input ? 0 : stream->fifo);
    return want > stream->dma ? want : stream->dma;
}

static storsim_status_t next_entry(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    bool moving = stream->linked && stream->link != 0, bad = false;
    ss_hda_stir(hda, stream);
    storsim_status_t status = STORSIM_OK;
    if (!ss_hda_renders_only(hda) && ss_hda_captured(hda, stream->bdl + 16u * stream->index, 16)) {
        status = ss_hda_flow_until(machine, hda, index); /* a list that is being recorded */
    }
    status = status == STORSIM_OK ? ss_hda_entry_load(machine, hda, index, &bad) : status;
    if (status != STORSIM_OK) {
        return status;
    }
    if (bad) {
        descriptor_error(machine, hda, index);
    } else if (moving && ss_hardware_fault(machine, STORSIM_HW_FIFO_ERROR, hda->number)) {
        lose_frame(machine, hda, index);
    }
    return STORSIM_OK;
}

/* Brings the stream up to now, and others first where it reads what they write or the reverse. */
static storsim_status_t catch_up(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t frame) {
    return !ss_hda_renders_only(hda) && ss_hda_entangled(hda, index) ? ss_hda_flow_until(machine, hda, index) : ss_hda_flow(machine, hda, index, frame);
}

storsim_status_t ss_hda_step(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, bool *again) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t frame = ss_hda_frame(machine, hda);
    if (would_starve(hda, stream, frame)) {
        starve(machine, hda, index);
    }
    stream->pulse = frame >= stream->pulse ? frame + SS_HDA_PULSE : stream->pulse;
    while (stream->running) {
        storsim_status_t status = catch_up(machine, hda, index, frame);
        if (status == STORSIM_OK && stream->loaded && stream->offset == stream->length) {
            complete(machine, hda, index);
            if (stream->ioc) {
                *again = dma_wanted(hda, stream) > stream->dma;
                stream->due = storsim_now(machine);
                if (*again) {
                    return STORSIM_OK;
                }
                break;
            }
        }
        bool first = stream->dma == 0 && !stream->loaded && !hda->stalled;
        bool more = dma_wanted(hda, stream) > stream->dma || first;
        if (status == STORSIM_OK && more && !stream->loaded) {
            status = next_entry(machine, hda, index);
        } else if (status == STORSIM_OK && more && stream->offset == stream->usable) { /* its end was met above */
            descriptor_error(machine, hda, index);
        } else if (status == STORSIM_OK) {
            break;
        }
        if (status != STORSIM_OK) {
            return status;
        }
    }
    ss_hda_schedule(machine, hda, index);
    return STORSIM_OK;
}

/* --- start, stop, reset --------------------------------------------------------------------------------------------------- */

static uint64_t base_address(const ss_hda_t *hda, uint32_t index) {
    return (uint64_t)ss_hda_peek(hda, ss_sd(index, SS_SDBDPU), 4) << 32 | ss_hda_peek(hda, ss_sd(index, SS_SDBDPL), 4);
}

storsim_status_t ss_hda_stream_run(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    const ss_hda_stream_t before = *stream;
    uint32_t control = ss_hda_peek(hda, ss_sd(index, SS_SDCTL), 3), packet;
    bool bad = false;
    stream->input = index < hda->config.capture ||
                    (index >= (uint32_t)hda->config.capture + hda->config.render && (control & 0x080000u) == 0);
    stream->tag = (uint8_t)(control >> 20 & 15u);
    stream->format = (uint16_t)ss_hda_peek(hda, ss_sd(index, SS_SDFMT), 2);
    stream->cbl = ss_hda_peek(hda, ss_sd(index, SS_SDCBL), 4);
    stream->lvi = (uint8_t)ss_hda_peek(hda, ss_sd(index, SS_SDLVI), 1);
    ss_hda_rate_of(stream->format, &stream->rate);
    packet = ss_hda_rate_packet(&stream->rate);
    stream->fifo = ss_hda_fifo_bytes(hda, index);
    stream->fifo = stream->fifo > packet ? stream->fifo : packet; /* a frame of data always fits; model choice */
    stream->fifo = prefetches(hda) || stream->input ? stream->fifo : 0;
    stream->bdl = stream->fresh ? base_address(hda, index) : stream->bdl;
    storsim_status_t status = hda->config.bdl_prefetch ? ss_hda_bdl_prefetch(machine, hda, index, &bad) : STORSIM_OK;
    if (status != STORSIM_OK) { /* it has not begun: the store of RUN can be made again */
        *stream = before;
        return status;
    }
    stream->fresh = stream->starved = false;
    stream->running = stream->run_bit = true;
    hda->shadows_known = false;
    ss_hda_stir(hda, stream);
    stream->stop_due = SS_NEVER;
    stream->noted = 0;
    stream->segment_phase = 0; /* the cadence generator of an output restarts with every RUN */
    stream->flowed = ss_hda_frame(machine, hda);
    stream->pulse = stream->flowed + SS_HDA_PULSE;
    ss_hda_check_start(machine, hda, index);
    ss_hda_segment_begin(machine, hda, index, stream->flowed);
    stream->due = storsim_now(machine);
    trace(machine, hda, index, TRACE_RUN);
    if (bad) {
        stream->loaded = false;
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_DESCRIPTOR_ERROR, 16, 0, stream->bdl);
        descriptor_error(machine, hda, index);
    }
    return STORSIM_OK;
}

/* RUN 1 -> 0 was written; bytes are up to date. RUN reads 1 until the frame ends. */
void ss_hda_stream_stop(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    ss_hda_segment_end(machine, hda, stream);
    stream->running = stream->starved = false;
    hda->shadows_known = false;
    stream->due = SS_NEVER;
    stream->stop_due = ss_hda_due(machine, hda, hda->config.stop_latency);
    trace(machine, hda, index, TRACE_STOP);
}

void ss_hda_stream_clear(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    if (stream->input && stream->link > stream->dma) {
        ss_hda_drop_fed(hda, stream, 0, stream->link - stream->dma);
    }
    hda->shadows_known = false;
    *stream = (ss_hda_stream_t){.cache = stream->cache, .in_reset = stream->in_reset, .handshake = stream->handshake, .reset_due = stream->reset_due,
                                .fresh = true, .stop_due = SS_NEVER, .due = SS_NEVER, .input = index < hda->config.capture};
    for (uint32_t offset = ss_sd(index, 0); offset < ss_sd(index + 1, 0);) {
        ss_hda_row_t row;
        if (ss_hda_row_at(hda, offset, &row)) {
            ss_hda_poke(hda, row.offset, row.size, row.reset);
            offset = row.offset + row.size;
        } else {
            offset++;
        }
    }
    trace(machine, hda, index, TRACE_RESET);
}

storsim_status_t storsim_hda_position(storsim_machine_t *machine, uint32_t controller, uint32_t descriptor,
                                      storsim_hda_position_t *position) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    if (hda == NULL || descriptor >= hda->stream_count) {
        return STORSIM_INVALID;
    }
    const ss_hda_stream_t *stream = &hda->streams[descriptor];
    *position = (storsim_hda_position_t){.link_bytes = ss_hda_link_at(hda, stream, ss_hda_frame(machine, hda)),
                                         .dma_bytes = stream->dma,
                                         .fifo_bytes = stream->input ? 0 : stream->fifo,
                                         .block_bytes = stream->rate.block,
                                         .running = stream->running,
                                         .linked = stream->linked};
    return STORSIM_OK;
}
