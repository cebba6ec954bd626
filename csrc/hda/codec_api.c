/* hda/codec_api.c: a codec from outside: verbs on the bench, jacks, news, what was heard and what will be recorded. */
#include "hda/hda_i.h"
#include "hda/operations.h"

static ss_hda_codec_t *codec_at(const storsim_machine_t *machine, uint32_t controller, uint32_t address, ss_hda_t **owner) {
    ss_hda_t *hda = ss_hda_at(machine, controller);
    *owner = hda;
    return hda != NULL && address < STORSIM_HDA_MAX_CODECS ? hda->codecs[address] : NULL;
}

static storsim_status_t codec_alive(const storsim_machine_t *machine, const ss_hda_codec_t *codec) {
    return codec == NULL ? STORSIM_INVALID : ss_machine_alive(machine);
}

storsim_status_t storsim_codec_set(storsim_machine_t *machine, uint32_t controller, uint32_t address, bool silent, uint32_t response_frames) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller),
                                ss_arg_in(address),
                                ss_arg_in(silent),
                                ss_arg_in(response_frames)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_SET], args, NULL);
    }
    ss_hda_t *hda;
    ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    storsim_status_t status = codec_alive(machine, codec);
    if (status != STORSIM_OK || response_frames > 48000) {
        return status != STORSIM_OK ? status : STORSIM_INVALID;
    }
    codec->silent = silent;
    codec->response_frames = response_frames;
    return STORSIM_OK;
}

storsim_status_t storsim_codec_command(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint32_t command, uint32_t *response) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller),
                                ss_arg_in(address),
                                ss_arg_in(command),
                                ss_arg_out(*response)};
        storsim_status_t answer = ss_tap_run(machine, &ss_hda_operations[SS_CODEC_COMMAND], args, NULL);
        *response = (uint32_t)args[3].value;
        return answer;
    }
    ss_hda_t *hda;
    ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    storsim_status_t status = codec_alive(machine, codec);
    status = status == STORSIM_OK ? ss_hda_flow_all(machine, hda) : status;
    if (status != STORSIM_OK) {
        return status;
    }
    bool changed = false;
    *response = ss_hda_codec_execute(codec, command, ss_hda_frame(machine, hda), &changed);
    if (changed) {
        ss_hda_senders_changed(machine, hda);
    }
    return ss_hda_sync_later(machine, hda);
}

/* --- formats ------------------------------------------------------------------------------------------------------------- */

static uint32_t inherited(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint8_t id, bool own) {
    bool found = false;
    uint32_t value = own ? ss_hda_codec_parameter(codec, widget, id, &found) : 0;
    const ss_hda_widget_t *group = ss_hda_codec_widget(codec, codec->group);
    return found && value != 0 ? value : group != NULL ? ss_hda_codec_parameter(codec, group, id, &found) : 0;
}

storsim_status_t storsim_codec_takes(const storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t nid, uint16_t format,
                                     bool *takes) {
    static const uint32_t rates[11] = {8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000};
    static const uint8_t widths[5] = {8, 16, 20, 24, 32};
    ss_hda_t *hda;
    const ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    const ss_hda_widget_t *widget = codec != NULL ? ss_hda_codec_widget(codec, nid) : NULL;
    storsim_hda_format_t fields;
    if (widget == NULL || (widget->caps >> 20 & 15u) > 1) {
        return STORSIM_INVALID;
    }
    bool valid = storsim_hda_format_decode(format, &fields), rate = false, width = false;
    bool own = (widget->caps & 0x10u) != 0;
    uint32_t pcm = inherited(codec, widget, 0x0A, own), channels = ((widget->caps >> 13 & 7u) << 1 | (widget->caps & 1u)) + 1;
    for (uint32_t i = 0; i < 11; i++) {
        rate = rate || ((pcm >> i & 1u) != 0 && fields.base * fields.mult == rates[i] * fields.div);
    }
    for (uint32_t i = 0; i < 5; i++) {
        width = width || ((pcm >> (16 + i) & 1u) != 0 && fields.bits == widths[i]);
    }
    bool listed = rate && width && (inherited(codec, widget, 0x0B, own) & 1u) != 0;
    *takes = valid && fields.channels <= channels && (codec->any_format || listed);
    return STORSIM_OK;
}

/* --- news ------------------------------------------------------------------------------------------------------------------ */

storsim_status_t storsim_codec_wake(storsim_machine_t *machine, uint32_t controller, uint32_t address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_WAKE], args, NULL);
    }
    ss_hda_t *hda;
    ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    storsim_status_t status = codec_alive(machine, codec);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hda_poke(hda, SS_STATESTS, 2, ss_hda_peek(hda, SS_STATESTS, 2) | UINT32_C(1) << address);
    return ss_hda_sync_later(machine, hda);
}

storsim_status_t storsim_codec_unsolicited(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint32_t payload) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address), ss_arg_in(tag), ss_arg_in(payload)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_UNSOLICITED], args, NULL);
    }
    ss_hda_t *hda;
    ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    storsim_status_t status = codec_alive(machine, codec);
    if (status != STORSIM_OK || tag > 63 || payload >= UINT32_C(1) << 26) {
        return status != STORSIM_OK ? status : STORSIM_INVALID;
    }
    if (!hda->link_up) {
        return STORSIM_OK; /* no frames, no responses */
    }
    if (codec->unsolicited_count == SS_HDA_UNSOLICITED) {
        return STORSIM_BUSY;
    }
    codec->unsolicited[codec->unsolicited_count++] = (uint32_t)tag << 26 | payload;
    ss_hda_rings_schedule(machine, hda);
    return ss_hda_sync_later(machine, hda);
}

storsim_status_t storsim_codec_jack(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t nid, bool present) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address), ss_arg_in(nid), ss_arg_in(present)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_JACK], args, NULL);
    }
    ss_hda_t *hda;
    ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    storsim_status_t status = codec_alive(machine, codec);
    ss_hda_widget_t *widget = status == STORSIM_OK ? ss_hda_codec_widget(codec, nid) : NULL;
    if (status != STORSIM_OK || widget == NULL || (widget->caps >> 20 & 15u) != 4) {
        return status != STORSIM_OK ? status : STORSIM_INVALID;
    }
    bool news = (widget->unsolicited & 0x80u) != 0 && (widget->sense >> 31 != 0) != present;
    if (news && hda->link_up && codec->unsolicited_count == SS_HDA_UNSOLICITED) {
        return STORSIM_BUSY;
    }
    widget->sense = present ? UINT32_C(0x80000000) : 0;
    return news ? storsim_codec_unsolicited(machine, controller, address, widget->unsolicited & 0x3Fu, 0) : STORSIM_OK;
}

/* --- bytes ------------------------------------------------------------------------------------------------------------------- */

/* The queue of a tag, made when missing; *status tells why not. Streams are brought up to now first. */
static ss_hda_lane_t *lane_at(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, bool input, ss_hda_t **hda,
                              storsim_status_t *status) {
    ss_hda_codec_t *codec = codec_at(machine, controller, address, hda);
    *status = codec == NULL || tag == 0 || tag > 15 ? STORSIM_INVALID : ss_hda_flow_all(machine, *hda);
    ss_hda_lane_t *lane = *status == STORSIM_OK ? ss_hda_lane(ss_machine_host(machine), codec, input, tag) : NULL;
    *status = *status == STORSIM_OK && lane == NULL ? STORSIM_NO_MEMORY : *status;
    return lane;
}

storsim_status_t storsim_codec_played(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, void *buffer,
                                      uint64_t *bytes, uint64_t *dropped) {
    ss_hda_t *hda;
    const ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    if (codec == NULL || tag == 0 || tag > 15) {
        return STORSIM_INVALID;
    }
    const ss_hda_lane_t *lane = codec->lanes[0][tag];
    uint64_t count = lane != NULL ? lane->bytes.count : 0, given = buffer == NULL || *bytes > count ? count : *bytes;
    if (buffer != NULL && lane != NULL) {
        ss_hda_bytes_peek(&lane->bytes, 0, buffer, given);
    }
    *bytes = given;
    *dropped = lane != NULL ? lane->bytes.dropped : 0;
    return STORSIM_OK;
}

storsim_status_t storsim_codec_played_clear(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address), ss_arg_in(tag)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_PLAYED_CLEAR], args, NULL);
    }
    ss_hda_t *hda;
    storsim_status_t status;
    ss_hda_lane_t *lane = lane_at(machine, controller, address, tag, false, &hda, &status);
    if (lane != NULL) {
        ss_hda_bytes_clear(&lane->bytes, ss_machine_host(machine));
    }
    return status;
}

storsim_status_t storsim_codec_keep(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint64_t limit) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address), ss_arg_in(tag), ss_arg_in(limit)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_KEEP], args, NULL);
    }
    ss_hda_t *hda;
    storsim_status_t status;
    ss_hda_lane_t *lane = lane_at(machine, controller, address, tag, false, &hda, &status);
    if (lane != NULL) {
        ss_hda_bytes_trim(&lane->bytes, limit);
    }
    return status;
}

static storsim_status_t set_routine(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, bool input,
                                    uint64_t routine, uint64_t context) {
    ss_hda_t *hda;
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hda_lane_t *lane = lane_at(machine, controller, address, tag, input, &hda, &status);
    if (lane == NULL) {
        return status;
    }
    hda->routines += (routine != 0 ? 1u : 0u) - (lane->routine != 0 ? 1u : 0u);
    lane->routine = routine;
    lane->context = context;
    ss_hda_bytes_clear(&lane->outbox, ss_machine_host(machine));
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        if (hda->streams[i].running) {
            hda->streams[i].due = storsim_now(machine); /* visits may become more or less frequent */
        }
    }
    return ss_hda_sync_later(machine, hda);
}

storsim_status_t storsim_codec_record(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint64_t routine,
                                      uint64_t context) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller),
                                ss_arg_in(address),
                                ss_arg_in(tag),
                                ss_arg_in(routine),
                                ss_arg_in(context)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_RECORD], args, NULL);
    }
    return set_routine(machine, controller, address, tag, false, routine, context);
}

storsim_status_t storsim_codec_source(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, uint64_t routine,
                                      uint64_t context) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller),
                                ss_arg_in(address),
                                ss_arg_in(tag),
                                ss_arg_in(routine),
                                ss_arg_in(context)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_SOURCE], args, NULL);
    }
    return set_routine(machine, controller, address, tag, true, routine, context);
}

storsim_status_t storsim_codec_feed(storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag, const void *data,
                                    uint64_t bytes) {
    if (ss_tapped_bytes(machine, bytes)) {
        storsim_arg_t args[] = {ss_arg_in(controller),
                                ss_arg_in(address),
                                ss_arg_in(tag),
                                ss_arg_data(data, bytes)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_FEED], args, NULL);
    }
    ss_hda_t *hda;
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hda_lane_t *lane = lane_at(machine, controller, address, tag, true, &hda, &status);
    if (lane != NULL && !ss_hda_bytes_push(&lane->bytes, ss_machine_host(machine), data, bytes)) {
        return STORSIM_NO_MEMORY;
    }
    return status;
}

storsim_status_t storsim_codec_feed_pending(const storsim_machine_t *machine, uint32_t controller, uint32_t address, uint8_t tag,
                                            uint64_t *bytes) {
    ss_hda_t *hda;
    const ss_hda_codec_t *codec = codec_at(machine, controller, address, &hda);
    if (codec == NULL || tag == 0 || tag > 15) {
        return STORSIM_INVALID;
    }
    *bytes = codec->lanes[1][tag] != NULL ? codec->lanes[1][tag]->bytes.count : 0;
    return STORSIM_OK;
}

/* --- sinks and sources -------------------------------------------------------------------------------------------------------- */

/* Hands over what was heard, in pieces; it leaves the queue first, so that a failing host does not get it twice. */
static storsim_status_t empty_outbox(storsim_machine_t *machine, const ss_hda_t *hda, uint32_t address, uint8_t tag) {
    uint8_t piece[4096];
    for (;;) {
        const ss_hda_codec_t *codec = hda->codecs[address];
        ss_hda_lane_t *lane = codec != NULL ? codec->lanes[0][tag] : NULL;
        if (lane == NULL || lane->routine == 0 || lane->outbox.count == 0) {
            return STORSIM_OK;
        }
        uint64_t count = lane->outbox.count < sizeof piece ? lane->outbox.count : sizeof piece;
        ss_hda_bytes_peek(&lane->outbox, 0, piece, count);
        ss_hda_bytes_pop(&lane->outbox, count);
        storsim_callback_t callback = {.kind = STORSIM_CB_CODEC_SINK, .routine = lane->routine,
                                       .values = {address, tag, hda->number, lane->context}, .data = piece, .data_bytes = (size_t)count};
        storsim_status_t status = ss_callback(machine, &callback);
        if (status != STORSIM_OK) {
            return status;
        }
    }
}

/* Asks for what the stream will take until it is visited again. */
static storsim_status_t ask_source(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    ss_hda_codec_t *codec = stream->running && stream->input && stream->source != 0 ? hda->codecs[stream->source - 1] : NULL;
    ss_hda_lane_t *lane = codec != NULL ? codec->lanes[1][stream->tag] : NULL;
    uint64_t until = stream->due == SS_NEVER ? stream->pulse : (stream->due - hda->epoch) / STORSIM_TICKS_PER_FRAME;
    until = until < stream->pulse ? stream->pulse : until;
    if (lane == NULL || lane->routine == 0 || until <= stream->asked) {
        return STORSIM_OK;
    }
    uint64_t need = ss_hda_link_at(hda, stream, until) - stream->dma;
    need -= need < lane->bytes.count ? need : lane->bytes.count;
    stream->asked = until;
    if (need == 0) {
        return STORSIM_OK;
    }
    ss_host_t *host = ss_machine_host(machine);
    /* unreachable: with 64 bits, for no entry has that many bytes */
    uint8_t *data = need <= SIZE_MAX / 2 ? ss_alloc_zeroed(host, (size_t)need, 1) : NULL;
    if (data == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_callback_t callback = {.kind = STORSIM_CB_CODEC_SOURCE, .routine = lane->routine,
                                   .values = {codec->address, stream->tag, need, hda->number, lane->context}, .data = data,
                                   .data_bytes = (size_t)need};
    storsim_status_t status = ss_callback(machine, &callback);
    uint64_t given = callback.result < need ? callback.result : need;
    if (status == STORSIM_OK && !ss_hda_bytes_push(&lane->bytes, host, data, given)) {
        status = STORSIM_NO_MEMORY;
    }
    ss_release(host, data);
    return status;
}

storsim_status_t ss_hda_exchange(storsim_machine_t *machine, ss_hda_t *hda) {
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        storsim_status_t status = ask_source(machine, hda, i);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS * 15u; i++) {
        storsim_status_t status = empty_outbox(machine, hda, i / 15, (uint8_t)(i % 15 + 1));
        if (status != STORSIM_OK) {
            return status;
        }
    }
    return STORSIM_OK;
}
