/* hda/flow.c: moves a stream's bytes up to a frame, inside its current BDL entry, so that memory, FIFO, codec and position buffer are what
 * they would be had every frame been played one by one. Idempotent; sets no status. See the picture in hda_i.h. */
#include "hda/hda_i.h"

#include <string.h>

#define CHUNK 4096u

uint64_t ss_hda_link_at(const ss_hda_t *hda, const ss_hda_stream_t *stream, uint64_t frame) {
    if (!stream->linked) {
        return stream->link;
    }
    uint64_t elapsed = frame > stream->segment_frame ? frame - stream->segment_frame : 0;
    if (hda->config.timing == STORSIM_HDA_EMULATOR) {
        elapsed -= elapsed % SS_HDA_PULSE;
    }
    return stream->segment_link + ss_hda_rate_bytes(&stream->rate, stream->segment_phase + elapsed) -
           ss_hda_rate_bytes(&stream->rate, stream->segment_phase);
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

/* What the bus refuses reads as zeros or is not written: reachability was settled when the entry was loaded, so this is a mapping that
 * went away under a running engine, or a guard that forbids and lets the hardware go on. */
static storsim_status_t fetch(storsim_machine_t *machine, ss_hda_t *hda, uint64_t address, uint8_t *data, uint64_t count) {
    ss_bus_result_t result;
    storsim_status_t status = ss_bus_read(machine, hda->device, address, data, (size_t)count, &result);
    if (status == STORSIM_VIOLATION) {
        hda->raised = status;
    }
    if (status == STORSIM_VIOLATION || (status == STORSIM_OK && result != SS_BUS_OK)) {
        memset(data, 0, (size_t)count);
        return STORSIM_OK;
    }
    return status;
}

static storsim_status_t deposit(storsim_machine_t *machine, ss_hda_t *hda, uint64_t address, const uint8_t *data, uint64_t count) {
    ss_bus_result_t result;
    storsim_status_t status = ss_bus_write(machine, hda->device, address, data, (size_t)count, &result);
    if (status == STORSIM_VIOLATION) {
        hda->raised = status;
        return STORSIM_OK;
    }
    return status;
}

static storsim_status_t position_write(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint32_t low = ss_hda_peek(hda, SS_DPLBASE, 4);
    if ((low & 1u) == 0 || hda->stalled) {
        return STORSIM_OK;
    }
    uint64_t base = (uint64_t)ss_hda_peek(hda, SS_DPUBASE, 4) << 32 | (low & 0xFFFFFF80u), physical;
    uint32_t position = (uint32_t)(stream->cbl != 0 ? stream->dma % stream->cbl : stream->dma);
    uint8_t bytes[4] = {(uint8_t)position, (uint8_t)(position >> 8), (uint8_t)(position >> 16), (uint8_t)(position >> 24)};
    uint64_t at = base + 8u * index;
    if (at < base || !ss_bus_translate(machine, hda->device, at, &physical) ||
        !ss_pages_is_ram(ss_machine_pages(machine), physical / STORSIM_PAGE_SIZE)) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_POSITION_BUFFER, 4, 0, at);
        return STORSIM_OK;
    }
    return deposit(machine, hda, at, bytes, sizeof bytes);
}

/* --- render --------------------------------------------------------------------------------------------------------- */

/* Two descriptors that share a tag both send; the codec takes the lower one [P]. */
static bool overshadowed(const ss_hda_t *hda, uint32_t index) {
    const ss_hda_stream_t *stream = &hda->streams[index];
    for (uint32_t i = 0; i < index; i++) {
        const ss_hda_stream_t *other = &hda->streams[i];
        if (other->running && other->input == stream->input && other->tag == stream->tag) {
            return true;
        }
    }
    return false;
}

static bool hears(const ss_hda_codec_t *codec, uint8_t tag) {
    return codec != NULL && tag != 0 && ((uint32_t)codec->tags[0] >> tag & 1u) != 0;
}

/* Whether anybody wants the bytes, not just their number. */
static bool wanted(const ss_hda_t *hda, uint32_t index) {
    uint8_t tag = hda->streams[index].tag;
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        const ss_hda_codec_t *codec = hda->codecs[i];
        if (hears(codec, tag)) {
            const ss_hda_lane_t *lane = codec->lanes[0][tag];
            if (lane == NULL ? codec->keep_bytes != 0 : lane->bytes.limit != 0 || lane->routine != 0) {
                return !overshadowed(hda, index);
            }
        }
    }
    return false;
}

/* Hands bytes to every codec that carries the tag; data NULL: nobody keeps them, they only count. Reserves before it commits. */
static storsim_status_t deliver(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, const uint8_t *data, uint64_t count) {
    ss_host_t *host = ss_machine_host(machine);
    uint8_t tag = hda->streams[index].tag;
    if (overshadowed(hda, index)) {
        return STORSIM_OK;
    }
    for (int commit = 0; commit < 2; commit++) {
        for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
            ss_hda_lane_t *lane = hears(hda->codecs[i], tag) ? ss_hda_lane(host, hda->codecs[i], false, tag) : NULL;
            if (lane == NULL) {
                if (hears(hda->codecs[i], tag)) {
                    return STORSIM_NO_MEMORY;
                }
                continue;
            }
            bool sink = lane->routine != 0 && data != NULL;
            bool done = commit ? ss_hda_bytes_push(&lane->bytes, host, data, count) &&
                                     (!sink || ss_hda_bytes_push(&lane->outbox, host, data, count))
                               : ss_hda_bytes_reserve(&lane->bytes, host, count) &&
                                     (!sink || ss_hda_bytes_reserve(&lane->outbox, host, count));
            if (!done) {
                return STORSIM_NO_MEMORY;
            }
        }
    }
    return STORSIM_OK;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Sends what the FIFO holds, as far as the link has taken it. */
static storsim_status_t drain(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t held = stream->dma - stream->sent, out = least(stream->link - stream->sent, held);
    if (out == 0) {
        return STORSIM_OK;
    }
    storsim_status_t status = deliver(machine, hda, index, stream->ring, out);
    if (status == STORSIM_OK) {
        memmove(stream->ring, stream->ring + out, (size_t)(held - out));
        stream->sent += out;
    }
    return status;
}

static storsim_status_t render(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t goal) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint8_t chunk[CHUNK];
    storsim_status_t status = drain(machine, hda, index);
    bool keep = status == STORSIM_OK && goal > stream->dma && wanted(hda, index);
    while (status == STORSIM_OK && stream->dma < goal) {
        uint64_t more = goal - stream->dma, at = stream->address + stream->offset, step;
        bool straight = stream->sent == stream->dma && stream->sent < stream->link; /* passes the FIFO without stopping */
        if (straight && !keep) {
            step = least(more, stream->link - stream->sent);
            status = deliver(machine, hda, index, NULL, step);
        } else if (straight) {
            step = least(least(more, stream->link - stream->sent), CHUNK);
            status = fetch(machine, hda, at, chunk, step);
            status = status == STORSIM_OK ? deliver(machine, hda, index, chunk, step) : status;
        } else {
            uint64_t held = stream->dma - stream->sent;
            step = least(more, sizeof stream->ring - held);
            status = fetch(machine, hda, at, stream->ring + held, step);
        }
        if (status == STORSIM_OK) {
            stream->dma += step;
            stream->offset += (uint32_t)step;
            stream->sent += straight ? step : 0;
        }
    }
    return status == STORSIM_OK ? drain(machine, hda, index) : status;
}

/* --- capture -------------------------------------------------------------------------------------------------------- */

static storsim_status_t capture(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t goal) {
    ss_hda_stream_t *stream = &hda->streams[index];
    ss_host_t *host = ss_machine_host(machine);
    ss_hda_codec_t *codec = stream->source != 0 ? hda->codecs[stream->source - 1] : NULL;
    bool silent = codec == NULL || overshadowed(hda, index);
    ss_hda_lane_t *lane = silent ? NULL : codec->lanes[1][stream->tag];
    uint8_t chunk[CHUNK];
    while (stream->dma < goal) {
        uint64_t step = least(goal - stream->dma, CHUNK), fed = lane != NULL ? least(lane->bytes.count, step) : 0;
        if (fed != 0) {
            ss_hda_bytes_peek(&lane->bytes, 0, chunk, fed);
        }
        memset(chunk + fed, 0, (size_t)(step - fed));
        storsim_status_t status = deposit(machine, hda, stream->address + stream->offset, chunk, step);
        if (status != STORSIM_OK) {
            return status;
        }
        if (fed != 0) {
            ss_hda_bytes_pop(&lane->bytes, fed);
        }
        stream->dma += step;
        stream->offset += (uint32_t)step;
    }
    /* What is on its way to memory was sent already: if nothing was fed by then, it is silence for good. */
    uint64_t waiting = stream->link - stream->dma;
    if (waiting != 0 && !silent && (lane == NULL || lane->bytes.count < waiting)) {
        lane = ss_hda_lane(host, codec, true, stream->tag);
        if (lane == NULL || !ss_hda_bytes_push(&lane->bytes, host, NULL, waiting - lane->bytes.count)) {
            return STORSIM_NO_MEMORY;
        }
    }
    return STORSIM_OK;
}

/* --- both ------------------------------------------------------------------------------------------------------------- */

static uint64_t dma_goal(const ss_hda_t *hda, const ss_hda_stream_t *stream) {
    if (hda->stalled || !stream->loaded) {
        return stream->dma;
    }
    uint64_t want = stream->link + (stream->input ? 0 : stream->fifo);
    uint64_t limit = stream->dma + (stream->usable - stream->offset);
    return want < stream->dma ? stream->dma : least(want, limit);
}

storsim_status_t ss_hda_flow(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t frame) {
    ss_hda_stream_t *stream = &hda->streams[index];
    if (!stream->running || frame < stream->flowed) {
        return STORSIM_OK;
    }
    stream->link = ss_hda_link_at(hda, stream, frame);
    if (stream->input && stream->starved && frame > stream->lost_from) { /* the codec goes on sending into a full FIFO */
        uint64_t lost = ss_hda_rate_bytes(&stream->rate, frame - stream->origin) -
                        ss_hda_rate_bytes(&stream->rate, stream->lost_from - stream->origin);
        ss_hda_drop_fed(hda, stream, stream->link - stream->dma, lost);
        stream->lost_from = frame;
    }
    uint64_t goal = dma_goal(hda, stream);
    storsim_status_t status = stream->input ? capture(machine, hda, index, goal) : render(machine, hda, index, goal);
    if (status == STORSIM_OK && (frame > stream->flowed || stream->dma != stream->posted)) {
        status = position_write(machine, hda, index);
    }
    if (status == STORSIM_OK) {
        stream->flowed = frame;
        stream->posted = stream->dma;
    }
    return status;
}

/* Whether one stream's stretch of memory is written by a capture and used by another stream. What has not been moved yet always lies inside
 * current entries, so nothing else has to be compared. */
static bool overlap(const ss_hda_stream_t *a, const ss_hda_stream_t *b) {
    return (a->input || b->input) && a->running && b->running && a->loaded && b->loaded &&
           a->address + a->offset < b->address + b->length && b->address + b->offset < a->address + a->length;
}

bool ss_hda_entangled(const ss_hda_t *hda, uint32_t index) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        if (i != index && overlap(&hda->streams[index], &hda->streams[i])) {
            return true;
        }
    }
    return false;
}

bool ss_hda_captured(const ss_hda_t *hda, uint64_t address, uint32_t bytes) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        const ss_hda_stream_t *stream = &hda->streams[i];
        if (stream->input && stream->running && stream->loaded && stream->address + stream->offset < address + bytes &&
            address < stream->address + stream->length) {
            return true;
        }
    }
    return false;
}

static bool entangled(const ss_hda_t *hda) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        if (hda->streams[i].input && hda->streams[i].running && ss_hda_entangled(hda, i)) {
            return true;
        }
    }
    return false;
}

/* Streams up to and including `last` are brought up to now, later ones to the frame before. */
storsim_status_t ss_hda_flow_until(storsim_machine_t *machine, ss_hda_t *hda, uint32_t last) {
    uint64_t frame = ss_hda_frame(machine, hda), from = frame != 0 ? frame - 1 : 0;
    if (entangled(hda)) {
        for (uint32_t i = 0; i < hda->stream_count; i++) {
            const ss_hda_stream_t *stream = &hda->streams[i];
            from = stream->running && stream->flowed + 1 < from ? stream->flowed + 1 : from;
        }
    }
    for (uint64_t g = from; g <= frame; g++) {
        for (uint32_t i = 0; i < hda->stream_count && (g < frame || i <= last); i++) {
            storsim_status_t status = ss_hda_flow(machine, hda, i, g);
            if (status != STORSIM_OK) {
                return status;
            }
        }
    }
    return STORSIM_OK;
}

storsim_status_t ss_hda_flow_all(storsim_machine_t *machine, ss_hda_t *hda) {
    return ss_hda_flow_until(machine, hda, hda->stream_count - 1);
}
