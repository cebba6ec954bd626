/* hdaudio/engine.c: DMA engines: reservation, bandwidth, release. No register is touched here: an engine is configured
 * with its buffer. Source: spec hdaudio-dma §3 (choice, stream ids), §5.1, §5.2, §5.6, §6.3. */
#include <string.h>

#include "hdaudio/bus.h"

uint32_t ss_bus_bits_used(const ss_busdriver_t *bus, bool capture, uint32_t codec, const ss_engine_t *except) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < SS_MAX_DESCRIPTORS; i++) {
        const ss_engine_t *engine = &bus->engines[i];
        if (engine == except || !engine->handle || engine->capture != capture) {
            continue;
        }
        if (!capture || engine->codec == codec) {
            used += engine->link_bits;
        }
    }
    return used;
}

/* Stream ids are fixed per descriptor and unique within a direction: inputs and outputs count up, bidirectional ones
 * down from 15. */
static uint32_t stream_id_of(const ss_busdriver_t *bus, uint32_t descriptor) {
    if (descriptor < bus->captures) {
        return descriptor + 1;
    }
    if (descriptor < (uint32_t)bus->captures + bus->renders) {
        return descriptor - bus->captures + 1;
    }
    uint32_t index = descriptor - bus->captures - bus->renders;
    return index < 15 ? 15 - index : 0;
}

static bool id_taken(const ss_busdriver_t *bus, bool capture, uint32_t id) {
    for (uint32_t i = 0; i < SS_MAX_DESCRIPTORS; i++) {
        if (bus->engines[i].handle && bus->engines[i].capture == capture && bus->engines[i].stream_id == id) {
            return true;
        }
    }
    return false;
}

/* The lowest free descriptor of the dedicated kind, else the lowest free bidirectional one; SS_MAX_DESCRIPTORS when
 * none. */
static uint32_t free_descriptor(const ss_busdriver_t *bus, bool capture) {
    uint32_t dedicated = capture ? 0 : bus->captures, count = capture ? bus->captures : bus->renders;
    uint32_t shared = (uint32_t)bus->captures + bus->renders;
    for (uint32_t i = 0; i < count + bus->bidirs; i++) {
        uint32_t n = i < count ? dedicated + i : shared + (i - count), id = stream_id_of(bus, n);
        if (!bus->engines[n].handle && id && !id_taken(bus, capture, id)) {
            return n;
        }
    }
    return SS_MAX_DESCRIPTORS;
}

/* SDO lines a stream uses. */
static uint32_t lines_of(const ss_busdriver_t *bus, bool striped) {
    uint32_t lines = striped ? bus->config.stripe_lines : 1;
    return lines < bus->lines ? lines : bus->lines;
}

static uint32_t bits_of(const ss_busdriver_t *bus, const storsim_stream_format_t *format, bool capture, bool striped) {
    return capture ? storsim_hdaudio_capture_bits(format) : storsim_hdaudio_render_bits(format, lines_of(bus, striped));
}

/* FIFO, then link: does a format fit beside what is reserved? */
static uint32_t room_for(const ss_busdriver_t *bus, const storsim_stream_format_t *format, bool capture, bool striped,
                         uint32_t codec, const ss_engine_t *except) {
    uint32_t words = capture ? bus->in_words : bus->out_words, capacity = capture ? bus->in_bits : bus->out_bits;
    if (words && storsim_hdaudio_fifo_words(format) > words) {
        return SS_NT(BUFFER_TOO_SMALL);
    }
    if (ss_bus_bits_used(bus, capture, codec, except) + bits_of(bus, format, capture, striped) > capacity) {
        return SS_NT(INSUFFICIENT_RESOURCES);
    }
    return SS_NT(SUCCESS);
}

static uint32_t allocate(ss_frame_t *frame, const storsim_stream_format_t *format, bool capture, bool striped,
                         uint32_t codec) {
    ss_busdriver_t *bus = frame->bus;
    uint32_t n = free_descriptor(bus, capture);
    if (n == SS_MAX_DESCRIPTORS) {
        return SS_NT(INSUFFICIENT_RESOURCES);
    }
    uint32_t status = room_for(bus, format, capture, striped, codec, NULL);
    if (status != SS_NT(SUCCESS)) {
        return status;
    }
    if (ss_frame_fault(frame, 0)) {
        return SS_NT(INSUFFICIENT_RESOURCES);
    }
    ss_engine_t *engine = &bus->engines[n];
    memset(engine, 0, sizeof *engine);
    engine->handle = frame->room->next_handle;
    frame->room->next_handle += 16;
    engine->context = frame->context;
    engine->state = STORSIM_ENGINE_R0;
    engine->format = *format;
    engine->converter = storsim_hdaudio_format_encode(format);
    engine->capture = capture;
    engine->striped = striped && bus->lines > 1;
    engine->codec = (uint8_t)codec;
    engine->stream_id = (uint8_t)stream_id_of(bus, n);
    engine->link_bits = bits_of(bus, format, capture, striped);
    engine->site = ss_machine_where(frame->call.machine)->site;
    ss_frame_out(frame, 2, engine->handle);
    ss_frame_out(frame, 3, engine->converter);
    return SS_NT(SUCCESS);
}

/* SDI lines n: codec addresses 0 … n-1. The number is the part's and not in a register; shipping parts have one per
 * codec they can hold. */
static bool address_ok(const ss_frame_t *frame, uint64_t codec) {
    return codec < ss_bus_sdi_lines(frame->call.machine, frame->bus);
}

/* (CodecAddress, StreamFormat, Handle out, ConverterFormat out) */
SS_HANDLER(AllocateCaptureDmaEngine) {
    uint64_t codec = ss_frame_in(frame, 0);
    const storsim_stream_format_t *format = frame->call.args[1].data;
    if (!format || ss_frame_null(frame, 2) || ss_frame_null(frame, 3) || !address_ok(frame, codec) ||
        !storsim_hdaudio_format_valid(format, &frame->bus->config.policy)) {
        return SS_NT(INVALID_PARAMETER);
    }
    return allocate(frame, format, true, false, (uint32_t)codec);
}

/* (StreamFormat, Stripe, Handle out, ConverterFormat out) */
SS_HANDLER(AllocateRenderDmaEngine) {
    const storsim_stream_format_t *format = frame->call.args[0].data;
    bool striped = ss_frame_in(frame, 1) != 0;
    if (!format || ss_frame_null(frame, 2) || ss_frame_null(frame, 3) ||
        !storsim_hdaudio_format_valid(format, &frame->bus->config.policy)) {
        return SS_NT(INVALID_PARAMETER);
    }
    if (striped && frame->bus->lines < 2 && frame->bus->config.policy.stripe_unsupported == STORSIM_STRIPE_REJECT) {
        return SS_NT(INVALID_PARAMETER);
    }
    return allocate(frame, format, false, striped, 0);
}

/* (Handle, StreamFormat, ConverterFormat out) */
SS_HANDLER(ChangeBandwidthAllocation) {
    ss_busdriver_t *bus = frame->bus;
    ss_engine_t *engine = ss_frame_engine(frame);
    const storsim_stream_format_t *format = frame->call.args[1].data;
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    if (!format || ss_frame_null(frame, 2) || !storsim_hdaudio_format_valid(format, &bus->config.policy)) {
        return SS_NT(INVALID_PARAMETER);
    }
    uint32_t state = ss_engine_step(bus, engine, STORSIM_EVENT_CHANGE_BANDWIDTH).status;
    if (engine->busy) {
        state = SS_NT(INVALID_DEVICE_REQUEST);
    }
    if (state != SS_NT(SUCCESS) && bus->config.policy.state_before_resources == STORSIM_STATE_FIRST_TRUE) {
        return state;
    }
    uint32_t status = room_for(bus, format, engine->capture, engine->striped, engine->codec, engine);
    if (status == SS_NT(SUCCESS) && ss_frame_fault(frame, 0)) {
        status = SS_NT(INSUFFICIENT_RESOURCES);
    }
    if (status != SS_NT(SUCCESS) || state != SS_NT(SUCCESS)) {
        return status != SS_NT(SUCCESS) ? status : state;
    }
    engine->format = *format;
    engine->converter = storsim_hdaudio_format_encode(format);
    engine->link_bits = bits_of(bus, format, engine->capture, engine->striped);
    ss_frame_out(frame, 2, engine->converter);
    return SS_NT(SUCCESS);
}

void ss_engine_end(storsim_machine_t *machine, ss_busdriver_t *bus, ss_engine_t *engine) {
    ss_engine_drop_buffer(machine, bus, engine);
    if (engine->position) {
        ss_block_free(machine, engine->position);
    }
    ss_dpc_drop(machine, SS_ROOM_HDAUDIO, SS_DPC_COMPLETION, engine->handle);
    memset(engine, 0, sizeof *engine);
}

/* (Handle) */
SS_HANDLER(FreeDmaEngine) {
    ss_engine_t *engine = ss_frame_engine(frame);
    if (!engine) {
        return SS_NT(INVALID_HANDLE);
    }
    storsim_engine_step_t step = ss_engine_step(frame->bus, engine, STORSIM_EVENT_FREE_ENGINE);
    if (step.status != SS_NT(SUCCESS)) {
        if (engine->state >= STORSIM_ENGINE_SD && engine->state <= STORSIM_ENGINE_SB) {
            ss_violate(&frame->call, SS_ENGINE_NOT_RESET,
                       &(ss_detail_t){.address = engine->handle, .allocated_at = engine->pause_site});
        }
        return step.status;
    }
    ss_notices_drop(&frame->call, frame->bus, engine->handle);
    ss_engine_end(frame->call.machine, frame->bus, engine);
    return SS_NT(SUCCESS);
}

bool storsim_hdaudio_bandwidth(const storsim_machine_t *machine, uint32_t controller, uint32_t codec, uint32_t *used,
                               uint32_t *capacity) {
    const ss_busdriver_t *bus = ss_bus_of_controller(machine, controller);
    if (!bus || !bus->started) {
        return false;
    }
    bool capture = codec != UINT32_MAX;
    *used = ss_bus_bits_used(bus, capture, codec, NULL);
    *capacity = capture ? bus->in_bits : bus->out_bits;
    return true;
}
