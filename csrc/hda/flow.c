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
    return stream->segment_link + ss_hda_rate_bytes(&stream->rate, stream->segment_phase + elapsed) - stream->segment_before;
}

/* --- memory --------------------------------------------------------------------------------------------------------- */

/* What the bus refuses reads as zeros or is not written: reachability was settled when the entry was loaded, so this is a mapping that
 * went away under a running engine, or a guard that forbids and lets the hardware go on. */
static storsim_status_t fetch(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream, uint64_t address, uint8_t *data,
                              uint64_t count) {
    ss_bus_result_t result;
    storsim_status_t status = ss_bus_read_window(machine, hda->device, &stream->data, address, data, (size_t)count, &result);
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
    if ((hda->image[SS_DPLBASE] & 1u) == 0 || hda->stalled) {
        return STORSIM_OK;
    }
    uint64_t base = (uint64_t)ss_hda_peek(hda, SS_DPUBASE, 4) << 32 | (ss_hda_peek(hda, SS_DPLBASE, 4) & 0xFFFFFF80u), physical;
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

/* Two descriptors that share a tag both send; the codec takes the lower one [P]. Who is overshadowed, and which streams are captures,
 * changes only when a stream starts or stops, so it is worked out once after that. */
static void know_streams(ss_hda_t *hda) {
    uint32_t seen[2] = {0, 0};
    hda->shadows = hda->captures = 0;
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        const ss_hda_stream_t *stream = &hda->streams[i];
        uint32_t tag = UINT32_C(1) << stream->tag, *tags = &seen[stream->input ? 1 : 0];
        hda->shadows |= (*tags & tag) != 0 ? UINT32_C(1) << i : 0;
        hda->captures |= stream->running && stream->input ? UINT32_C(1) << i : 0;
        *tags |= stream->running ? tag : 0;
    }
    hda->shadows_known = true;
}

/* Whoever moves bytes has asked for the captures before. */
static bool overshadowed(const ss_hda_t *hda, uint32_t index) {
    return (hda->shadows >> index & 1u) != 0;
}

static uint32_t captures(ss_hda_t *hda) {
    if (!hda->shadows_known) {
        know_streams(hda);
    }
    return hda->captures;
}

/* Who hears a stream: a bit per codec that carries the tag, none when another descriptor is heard in its place. */
typedef struct audience {
    uint32_t codecs;
    bool wanted;         /* somebody wants the bytes, not just their number */
    ss_hda_lane_t *only; /* the one who does, if there is only one and it gives them to no sink */
} audience_t;

static bool hears(const ss_hda_codec_t *codec, uint8_t tag) {
    return codec != NULL && tag != 0 && ((uint32_t)codec->tags[0] >> tag & 1u) != 0;
}

static audience_t audience_of(const ss_hda_t *hda, uint32_t index) {
    audience_t found = {0};
    uint8_t tag = hda->streams[index].tag;
    if (overshadowed(hda, index)) {
        return found;
    }
    for (uint32_t i = 0; i < hda->codec_end; i++) {
        const ss_hda_codec_t *codec = hda->codecs[i];
        if (hears(codec, tag)) {
            ss_hda_lane_t *lane = codec->lanes[0][tag];
            found.only = found.codecs == 0 && lane != NULL && lane->routine == 0 && lane->bytes.limit != 0 ? lane : NULL;
            found.codecs |= UINT32_C(1) << i;
            found.wanted = found.wanted || (lane == NULL ? codec->keep_bytes != 0 : lane->bytes.limit != 0 || lane->routine != 0);
        }
    }
    return found;
}

/* Hands bytes to the audience; data NULL: nobody keeps them, they only count. Reserves before it commits. */
static storsim_status_t deliver_all(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, const audience_t *audience,
                                    const uint8_t *data, uint64_t count) {
    ss_host_t *host = ss_machine_host(machine);
    uint8_t tag = hda->streams[index].tag;
    for (int commit = 0; commit < 2; commit++) {
        for (uint32_t i = 0; audience->codecs >> i != 0; i++) {
            if ((audience->codecs >> i & 1u) == 0) {
                continue;
            }
            ss_hda_lane_t *lane = ss_hda_lane(host, hda->codecs[i], false, tag);
            if (lane == NULL) {
                return STORSIM_NO_MEMORY;
            }
            bool sink = lane->routine != 0; /* then somebody wants the bytes, so they are here */
            if (commit) {
                (void)ss_hda_bytes_push(&lane->bytes, host, data, count);
                if (sink) {
                    (void)ss_hda_bytes_push(&lane->outbox, host, data, count);
                }
            } else if (!ss_hda_bytes_reserve(&lane->bytes, host, count) || (sink && !ss_hda_bytes_reserve(&lane->outbox, host, count))) {
                return STORSIM_NO_MEMORY;
            }
        }
    }
    return STORSIM_OK;
}

static storsim_status_t deliver(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, const audience_t *audience, const uint8_t *data,
                                uint64_t count) {
    if (audience->codecs == 0) {
        return STORSIM_OK;
    }
    if (audience->only == NULL) {
        return deliver_all(machine, hda, index, audience, data, count);
    }
    return ss_hda_bytes_push(&audience->only->bytes, ss_machine_host(machine), data, count) ? STORSIM_OK : STORSIM_NO_MEMORY;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* From memory straight to where the only listener keeps them, as far as that is one piece: *count. */
static storsim_status_t pass_on(storsim_machine_t *machine, ss_hda_t *hda, ss_hda_stream_t *stream, ss_hda_lane_t *lane, uint64_t *count) {
    uint64_t address = stream->address + stream->offset, sure = ss_bus_sure(machine, &stream->data, address);
    *count = least(*count, sure != 0 ? sure : STORSIM_PAGE_SIZE - address % STORSIM_PAGE_SIZE); /* a page: read whole or not at all */
    if (!ss_hda_bytes_reserve(&lane->bytes, ss_machine_host(machine), *count)) {
        return STORSIM_NO_MEMORY;
    }
    uint8_t *place = ss_hda_bytes_place(&lane->bytes, count);
    storsim_status_t status = STORSIM_OK;
    if (sure != 0) {
        ss_bus_read_sure(machine, hda->device, &stream->data, address, place, (size_t)*count);
    } else {
        status = fetch(machine, hda, stream, address, place, *count);
    }
    if (status == STORSIM_OK) {
        ss_hda_bytes_placed(&lane->bytes, *count);
    }
    return status;
}

/* Has the link taken something that the FIFO still holds? */
static inline bool drains(const ss_hda_stream_t *stream) {
    return stream->sent < stream->link && stream->sent < stream->dma;
}

/* Sends that much. */
static storsim_status_t drain(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, const audience_t *audience) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint64_t held = stream->dma - stream->sent, out = least(stream->link - stream->sent, held);
    storsim_status_t status = deliver(machine, hda, index, audience, stream->ring, out);
    if (status == STORSIM_OK) {
        if (out != held) {
            memmove(stream->ring, stream->ring + out, (size_t)(held - out));
        }
        stream->sent += out;
    }
    return status;
}

/* Passes the FIFO without stopping. *step: how many bytes at most, then how many did. */
static storsim_status_t stream_through(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, const audience_t *audience,
                                       uint64_t *step) {
    ss_hda_stream_t *stream = &hda->streams[index];
    if (!audience->wanted) {
        return deliver(machine, hda, index, audience, NULL, *step);
    }
    if (audience->only != NULL) {
        return pass_on(machine, hda, stream, audience->only, step);
    }
    uint8_t chunk[CHUNK];
    *step = least(*step, CHUNK);
    storsim_status_t status = fetch(machine, hda, stream, stream->address + stream->offset, chunk, *step);
    return status == STORSIM_OK ? deliver(machine, hda, index, audience, chunk, *step) : status;
}

static storsim_status_t render(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t goal) {
    ss_hda_stream_t *stream = &hda->streams[index];
    if (stream->sent == stream->dma && goal <= stream->dma) {
        return STORSIM_OK;
    }
    audience_t audience = {0};
    if (stream->link > stream->sent) { /* otherwise nothing leaves */
        audience = audience_of(hda, index);
    }
    storsim_status_t status = drains(stream) ? drain(machine, hda, index, &audience) : STORSIM_OK;
    while (status == STORSIM_OK && stream->dma < goal) {
        uint64_t step = goal - stream->dma, held = stream->dma - stream->sent;
        bool straight = held == 0 && stream->sent < stream->link;
        if (straight) {
            step = least(step, stream->link - stream->sent);
            status = stream_through(machine, hda, index, &audience, &step);
        } else {
            step = least(step, sizeof stream->ring - held);
            status = fetch(machine, hda, stream, stream->address + stream->offset, stream->ring + held, step);
        }
        if (status == STORSIM_OK) {
            stream->dma += step;
            stream->offset += (uint32_t)step;
            stream->sent += straight ? step : 0;
        }
    }
    return status; /* what went through the FIFO is ahead of the link now, or nothing is in it */
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

/* Nothing to do for a stream at a frame. */
static bool up_to_date(const ss_hda_stream_t *stream, uint64_t frame) {
    return !stream->running || frame < stream->flowed || (stream->calm && frame == stream->flowed);
}

storsim_status_t ss_hda_flow(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index, uint64_t frame) {
    ss_hda_stream_t *stream = &hda->streams[index];
    if (up_to_date(stream, frame)) {
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
        stream->calm = true;
    }
    return status;
}

/* Of a running stream and another, one of them a capture: whether their stretches of memory meet. What has not been moved yet always lies inside
 * current entries, so nothing else has to be compared. */
static bool overlap(const ss_hda_stream_t *a, const ss_hda_stream_t *b) {
    return b->running && a->loaded && b->loaded &&
           a->address + a->offset < b->address + b->length && b->address + b->offset < a->address + a->length;
}

bool ss_hda_entangled(ss_hda_t *hda, uint32_t index) {
    uint32_t own = UINT32_C(1) << index, inputs = captures(hda);
    uint32_t others = ((inputs & own) != 0 ? (UINT32_C(1) << hda->stream_count) - 1 : inputs) & ~own; /* outputs do not get in each
                                                                                                       * other's way */
    for (uint32_t i = 0; others >> i != 0; i++) {
        if ((others >> i & 1u) != 0 && overlap(&hda->streams[index], &hda->streams[i])) {
            return true;
        }
    }
    return false;
}

bool ss_hda_captured(ss_hda_t *hda, uint64_t address, uint32_t bytes) {
    uint32_t inputs = captures(hda);
    for (uint32_t i = 0; inputs >> i != 0; i++) {
        const ss_hda_stream_t *stream = &hda->streams[i];
        if ((inputs >> i & 1u) != 0 && stream->loaded && stream->address + stream->offset < address + bytes &&
            address < stream->address + stream->length) {
            return true;
        }
    }
    return false;
}

static bool entangled(ss_hda_t *hda) {
    uint32_t inputs = captures(hda);
    for (uint32_t i = 0; inputs >> i != 0; i++) {
        if ((inputs >> i & 1u) != 0 && ss_hda_entangled(hda, i)) {
            return true;
        }
    }
    return false;
}

/* Frame by frame, each stream in its turn: what one writes another reads. */
static storsim_status_t flow_in_turns(storsim_machine_t *machine, ss_hda_t *hda, uint32_t last, uint64_t frame) {
    uint64_t from = frame != 0 ? frame - 1 : 0;
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        const ss_hda_stream_t *stream = &hda->streams[i];
        from = stream->running && stream->flowed + 1 < from ? stream->flowed + 1 : from;
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

/* Streams up to and including `last` are brought up to now, later ones to the frame before. */
storsim_status_t ss_hda_flow_until(storsim_machine_t *machine, ss_hda_t *hda, uint32_t last) {
    uint64_t frame = ss_hda_frame(machine, hda), before = frame != 0 ? frame - 1 : 0;
    if (entangled(hda)) {
        return flow_in_turns(machine, hda, last, frame);
    }
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        uint64_t goal = i <= last ? frame : before;
        storsim_status_t status = up_to_date(&hda->streams[i], goal) ? STORSIM_OK : ss_hda_flow(machine, hda, i, goal);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    return STORSIM_OK;
}

/* Asked for before each callback: most find that nothing has happened since the one before. */
storsim_status_t ss_hda_flow_all(storsim_machine_t *machine, ss_hda_t *hda) {
    uint64_t now = ss_hda_frame(machine, hda) + 1;
    if (hda->still == now) {
        return STORSIM_OK;
    }
    storsim_status_t status = ss_hda_flow_until(machine, hda, hda->stream_count - 1);
    hda->still = status == STORSIM_OK ? now : 0;
    return status;
}
