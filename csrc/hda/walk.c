/* hda/walk.c: one walk over a controller serves snapshot, restore and digest; and the invariants. Everything a driver or device can observe
 * is in the digest; notes given, host tokens and what codecs heard are not. Damaged bytes answer FORMAT: every index is checked before
 * it is used. */
#include "hda/hda_i.h"

#include <stdio.h>

/* --- small things --------------------------------------------------------------------------------------------------------- */

static void require(ss_codec_t *codec, bool holds) {
    if (ss_codec_loading(codec) && !holds) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}

static void walk_config(ss_codec_t *codec, storsim_hda_config_t *config) {
    uint32_t timing = config->timing, personality = config->personality;
    ss_codec_u8(codec, &config->capture);
    ss_codec_u8(codec, &config->render);
    ss_codec_u8(codec, &config->bidirectional);
    ss_codec_u8(codec, &config->sdo_lines);
    ss_codec_u8(codec, &config->sdi_lines);
    ss_codec_bool(codec, &config->ok64);
    ss_codec_index(codec, &timing, STORSIM_HDA_EMULATOR + 1);
    ss_codec_index(codec, &personality, STORSIM_HDA_GENERIC + 1);
    config->timing = (storsim_hda_timing_t)timing;
    config->personality = (storsim_hda_personality_t)personality;
    uint16_t *words[] = {&config->outpay, &config->inpay, &config->outstrmpay, &config->instrmpay, &config->fifo_render,
                         &config->fifo_render_wide, &config->fifo_capture, &config->fifo_capture_wide};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        ss_codec_u16(codec, words[i]);
    }
    ss_codec_u8(codec, &config->corb_sizes);
    ss_codec_u8(codec, &config->rirb_sizes);
    ss_codec_u32(codec, &config->crst_latency);
    ss_codec_u32(codec, &config->srst_latency);
    ss_codec_u32(codec, &config->stop_latency);
    ss_codec_u32(codec, &config->codec_frames);
    ss_codec_bool(codec, &config->bdl_prefetch);
    ss_codec_bool(codec, &config->corb_reset_quirk);
    ss_codec_bool(codec, &config->dma_remapping);
    ss_codec_bool(codec, &config->coherent);
    ss_codec_u64(codec, &config->keep_bytes);
}

/* --- streams --------------------------------------------------------------------------------------------------------------- */

static void walk_rate(ss_codec_t *codec, ss_hda_rate_t *rate) {
    ss_codec_index(codec, &rate->block, 65);
    ss_codec_index(codec, &rate->mult, 9);
    ss_codec_index(codec, &rate->div, 9);
    ss_codec_bool(codec, &rate->base44);
}

static void walk_stream(ss_codec_t *codec, ss_hda_stream_t *stream) {
    bool *flags[] = {&stream->in_reset, &stream->run_bit, &stream->running, &stream->fresh, &stream->linked, &stream->starved,
                     &stream->input, &stream->loaded, &stream->ioc};
    uint64_t *numbers[] = {&stream->reset_due, &stream->stop_due, &stream->due, &stream->bdl, &stream->segment_frame,
                           &stream->segment_phase, &stream->segment_link, &stream->link, &stream->dma, &stream->sent, &stream->flowed,
                           &stream->posted, &stream->lost_from, &stream->origin, &stream->address, &stream->lap_bytes};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        ss_codec_bool(codec, flags[i]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ss_codec_u64(codec, numbers[i]);
    }
    ss_codec_index(codec, &stream->handshake, SS_HDA_LEAVING + 1);
    ss_codec_u32(codec, &stream->cbl);
    ss_codec_index(codec, &stream->fifo, STORSIM_HDA_MAX_FIFO + 1);
    ss_codec_u8(codec, &stream->lvi);
    ss_codec_u8(codec, &stream->tag);
    ss_codec_u16(codec, &stream->format);
    walk_rate(codec, &stream->rate);
    ss_codec_index(codec, &stream->source, STORSIM_HDA_MAX_CODECS + 1);
    ss_codec_index(codec, &stream->index, 256);
    ss_codec_u32(codec, &stream->length);
    ss_codec_u32(codec, &stream->usable);
    ss_codec_u32(codec, &stream->offset);
    if (ss_codec_hidden(codec)) {
        ss_codec_u32(codec, &stream->noted);
        ss_codec_u64(codec, &stream->asked);
        ss_codec_u64(codec, &stream->pulse);
    }
    uint64_t held = stream->input ? 0 : stream->dma - stream->sent;
    require(codec, stream->tag < 16 && stream->offset <= stream->usable && stream->usable <= stream->length &&
                       held <= sizeof stream->ring && (stream->input ? stream->dma <= stream->link : stream->sent <= stream->link) &&
                       (stream->running ? stream->rate.block != 0 && stream->rate.mult != 0 && stream->rate.div != 0
                                        : !stream->linked && !stream->starved));
    if (ss_codec_ok(codec)) {
        ss_codec_bytes(codec, stream->ring, (size_t)held);
    }
    if (ss_codec_loading(codec) && ss_codec_ok(codec) && stream->linked) {
        stream->segment_before = ss_hda_rate_bytes(&stream->rate, stream->segment_phase);
    }
    if (stream->cache != NULL) {
        ss_codec_bytes(codec, stream->cache, 256 * sizeof *stream->cache);
    }
}

/* --- codecs ------------------------------------------------------------------------------------------------------------------ */

static void walk_widget(ss_codec_t *codec, ss_hda_widget_t *widget) {
    uint8_t *bytes[] = {&widget->power, &widget->selected, &widget->stream_channel, &widget->pin_control, &widget->unsolicited,
                        &widget->eapd, &widget->sdi, &widget->beep, &widget->volume, &widget->stripe, &widget->processing,
                        &widget->channel_count};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        ss_codec_u8(codec, bytes[i]);
    }
    ss_codec_bytes(codec, widget->gpio, sizeof widget->gpio);
    ss_codec_bytes(codec, widget->gpi, sizeof widget->gpi);
    ss_codec_u16(codec, &widget->format);
    ss_codec_u16(codec, &widget->coefficient_index);
    ss_codec_u32(codec, &widget->configuration);
    ss_codec_u32(codec, &widget->subsystem);
    ss_codec_u32(codec, &widget->digital);
    ss_codec_u32(codec, &widget->sense);
    ss_codec_u64(codec, &widget->origin);
}

static void walk_size(ss_codec_t *codec, uint32_t *count, size_t element, uint64_t limit) {
    uint64_t wide = *count;
    ss_codec_count(codec, &wide, element, limit);
    *count = (uint32_t)wide;
}

static void walk_description(ss_codec_t *codec, ss_hda_codec_t *unit) {
    uint32_t parameter = 0, connection = 0;
    for (uint32_t i = 0; i < unit->widget_count; i++) {
        ss_hda_widget_t *widget = &unit->widgets[i];
        ss_codec_u8(codec, &widget->nid);
        ss_codec_u8(codec, &widget->connection_count);
        ss_codec_u32(codec, &widget->parameter_count);
        widget->first_parameter = parameter;
        widget->first_connection = connection;
        require(codec, widget->parameter_count <= unit->parameter_count - parameter &&
                           widget->connection_count <= unit->connection_count - connection);
        if (!ss_codec_ok(codec)) {
            return;
        }
        parameter += widget->parameter_count;
        connection += widget->connection_count;
    }
    for (uint32_t i = 0; i < unit->parameter_count; i++) {
        ss_codec_u8(codec, &unit->parameters[i].id);
        ss_codec_u32(codec, &unit->parameters[i].value);
    }
    ss_codec_bytes(codec, unit->connections, unit->connection_count);
    for (uint32_t i = 0; i < unit->initial_count; i++) {
        ss_codec_u8(codec, &unit->initial[i].nid);
        ss_codec_u32(codec, &unit->initial[i].verb);
    }
    for (uint32_t i = 0; i < unit->answer_count; i++) {
        ss_codec_u8(codec, &unit->answers[i].nid);
        ss_codec_u32(codec, &unit->answers[i].verb);
        ss_codec_u32(codec, &unit->answer_values[i]);
    }
}

static void walk_queues(ss_codec_t *codec, ss_hda_codec_t *unit) {
    ss_codec_index(codec, &unit->pending_count, SS_HDA_PENDING + 1);
    for (uint32_t i = 0; i < unit->pending_count; i++) {
        ss_codec_u64(codec, &unit->pending[i].frame);
        ss_codec_u32(codec, &unit->pending[i].value);
        ss_codec_bool(codec, &unit->pending[i].immediate);
    }
    ss_codec_index(codec, &unit->unsolicited_count, SS_HDA_UNSOLICITED + 1);
    for (uint32_t i = 0; i < unit->unsolicited_count; i++) {
        ss_codec_u32(codec, &unit->unsolicited[i]);
    }
    ss_codec_index(codec, &unit->fifo_count, 3);
    for (uint32_t i = 0; i < unit->fifo_count; i++) {
        ss_codec_u32(codec, &unit->fifo[i]);
        ss_codec_u8(codec, &unit->fifo_flags[i]);
    }
}

/* What was fed is state a device observes; what was heard is the outside world's record. */
static void walk_lane(ss_codec_t *codec, ss_hda_codec_t *unit, uint32_t at) {
    bool input = at / 16 != 0;
    if (!input && !ss_codec_hidden(codec)) {
        return;
    }
    ss_hda_lane_t *lane = unit->lanes[at / 16][at % 16];
    bool used = lane != NULL && (ss_codec_hidden(codec) || lane->bytes.count != 0);
    ss_codec_bool(codec, &used);
    if (!used) { /* so is none that cannot be read */
        return;
    }
    if (ss_codec_loading(codec)) {
        lane = ss_hda_lane(codec->host, unit, input, (uint8_t)(at % 16));
        if (lane == NULL) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
    }
    ss_hda_bytes_walk(&lane->bytes, codec);
    if (ss_codec_hidden(codec)) {
        ss_hda_bytes_walk(&lane->outbox, codec);
        ss_codec_u64(codec, &lane->routine);
        ss_codec_u64(codec, &lane->context);
    }
}

static bool make_room(ss_codec_t *codec, ss_hda_codec_t *unit) {
    ss_host_t *host = codec->host;
    unit->widgets = ss_alloc_zeroed(host, unit->widget_count, sizeof *unit->widgets);
    unit->parameters = ss_alloc_zeroed(host, unit->parameter_count, sizeof *unit->parameters);
    unit->connections = ss_alloc_zeroed(host, unit->connection_count, 1);
    unit->initial = ss_alloc_zeroed(host, unit->initial_count, sizeof *unit->initial);
    unit->answers = ss_alloc_zeroed(host, unit->answer_count, sizeof *unit->answers);
    unit->answer_values = ss_alloc_zeroed(host, unit->answer_count, sizeof *unit->answer_values);
    return unit->widgets != NULL && unit->parameters != NULL && unit->connections != NULL && unit->initial != NULL &&
           unit->answers != NULL && unit->answer_values != NULL;
}

static void walk_codec(ss_codec_t *codec, ss_hda_codec_t *unit) {
    ss_codec_u32(codec, &unit->response_frames);
    ss_codec_bool(codec, &unit->silent);
    ss_codec_bool(codec, &unit->any_format);
    if (ss_codec_hidden(codec)) {
        ss_codec_u64(codec, &unit->host_verb);
    }
    ss_codec_u64(codec, &unit->keep_bytes);
    ss_codec_u64(codec, &unit->signal_due);
    walk_size(codec, &unit->widget_count, 6, 256);
    walk_size(codec, &unit->parameter_count, 5, 65536);
    walk_size(codec, &unit->connection_count, 1, 65536);
    walk_size(codec, &unit->initial_count, 5, 65536);
    walk_size(codec, &unit->answer_count, 9, 65536);
    if (ss_codec_loading(codec) && ss_codec_ok(codec) && !make_room(codec, unit)) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
    }
    if (!ss_codec_ok(codec)) {
        return;
    }
    walk_description(codec, unit);
    if (ss_codec_loading(codec) && ss_codec_ok(codec) && !ss_hda_codec_derive(codec->host, unit)) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
    }
    for (uint32_t i = 0; ss_codec_ok(codec) && i < unit->widget_count; i++) {
        require(codec, unit->by_nid[unit->widgets[i].nid] == i + 1); /* ids are unique */
        walk_widget(codec, &unit->widgets[i]);
    }
    if (!ss_codec_ok(codec)) {
        return;
    }
    ss_codec_bytes(codec, unit->amps, unit->amp_count);
    for (uint32_t i = 0; i < unit->coefficient_count; i++) {
        ss_codec_u16(codec, &unit->coefficients[i]);
    }
    ss_codec_u16(codec, &unit->tags[0]);
    ss_codec_u16(codec, &unit->tags[1]);
    walk_queues(codec, unit);
    for (uint32_t i = 0; i < 32 && ss_codec_ok(codec); i++) {
        walk_lane(codec, unit, i);
    }
}

/* --- controllers --------------------------------------------------------------------------------------------------------------- */

static void walk_state(ss_codec_t *codec, ss_hda_t *hda) {
    bool *flags[] = {&hda->gone, &hda->stalled, &hda->level, &hda->link_up, &hda->link_wanted, &hda->immediate_sent, &hda->lines_fixed};
    uint64_t *numbers[] = {&hda->event_time, &hda->epoch, &hda->crst_due, &hda->flush_due, &hda->ring_due,
                           &hda->corb, &hda->rirb, &hda->ring_frame};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        ss_codec_bool(codec, flags[i]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ss_codec_u64(codec, numbers[i]);
    }
    ss_codec_u32(codec, &hda->number);
    ss_codec_u32(codec, &hda->device);
    ss_codec_u32(codec, &hda->line);
    ss_codec_u32(codec, &hda->wall_offset);
    ss_codec_u32(codec, &hda->rirb_count);
    ss_codec_u32(codec, &hda->frame_responses);
    ss_codec_bytes(codec, hda->image, sizeof hda->image);
    if (ss_codec_hidden(codec)) {
        ss_codec_u32(codec, &hda->event);
        ss_codec_u32(codec, &hda->routines);
    }
}

static bool make_streams(ss_codec_t *codec, ss_hda_t *hda) {
    hda->stream_count = (uint32_t)hda->config.capture + hda->config.render + hda->config.bidirectional;
    hda->streams = ss_alloc_zeroed(codec->host, hda->stream_count, sizeof *hda->streams);
    for (uint32_t i = 0; hda->streams != NULL && hda->config.bdl_prefetch && i < hda->stream_count; i++) {
        hda->streams[i].cache = ss_alloc_zeroed(codec->host, 256, sizeof *hda->streams[i].cache);
        if (hda->streams[i].cache == NULL) {
            return false;
        }
    }
    return hda->streams != NULL;
}

static void walk_controller(ss_codec_t *codec, ss_hda_t *hda) {
    walk_config(codec, &hda->config);
    require(codec, ss_hda_config_valid(&hda->config));
    if (ss_codec_loading(codec) && ss_codec_ok(codec) && !make_streams(codec, hda)) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
    }
    if (!ss_codec_ok(codec)) {
        return;
    }
    walk_state(codec, hda);
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        walk_stream(codec, &hda->streams[i]);
    }
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS && ss_codec_ok(codec); i++) {
        bool present = hda->codecs[i] != NULL;
        ss_codec_bool(codec, &present);
        if (ss_codec_loading(codec) && ss_codec_ok(codec) && present) {
            hda->codecs[i] = ss_alloc_zeroed(codec->host, 1, sizeof **hda->codecs);
            if (hda->codecs[i] == NULL) {
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
            hda->codecs[i]->address = i;
            hda->codec_end = i + 1;
        }
        if (hda->codecs[i] != NULL) {
            walk_codec(codec, hda->codecs[i]);
        }
    }
}

void ss_hda_room_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec) {
    ss_hda_room_t *room = state;
    (void)machine;
    uint32_t count = room->count;
    walk_size(codec, &count, 1, 65536);
    if (ss_codec_loading(codec) && count != 0) {
        void *array = room->list;
        if (!ss_grow(room->host, &array, &room->capacity, count, sizeof *room->list)) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        room->list = array;
    }
    for (uint32_t i = 0; i < count && ss_codec_ok(codec); i++) {
        bool live = !ss_codec_loading(codec) && room->list[i] != NULL;
        ss_codec_bool(codec, &live);
        if (ss_codec_loading(codec)) {
            room->list[i] = live ? ss_alloc_zeroed(room->host, 1, sizeof **room->list) : NULL;
            room->count = i + 1;
            if (live && room->list[i] == NULL) {
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
            }
        }
        if (ss_codec_ok(codec) && room->list[i] != NULL) {
            walk_controller(codec, room->list[i]);
            require(codec, room->list[i]->number == i + 1);
        }
    }
}

/* --- invariants ------------------------------------------------------------------------------------------------------------------- */

static const char *broken_stream(const ss_hda_t *hda, const ss_hda_stream_t *stream) {
    if (stream->running && !stream->run_bit) {
        return "a stream runs while its RUN bit reads 0";
    }
    if (stream->in_reset && (stream->running || stream->dma != 0 || stream->link != 0)) {
        return "a stream in reset has moved";
    }
    if (!stream->input && (stream->sent > stream->dma || stream->dma - stream->sent > STORSIM_HDA_MAX_FIFO)) {
        return "a render FIFO holds less than nothing or more than it can";
    }
    if (stream->input && stream->dma > stream->link) {
        return "a capture stream wrote what it has not received";
    }
    if (stream->loaded && (stream->offset > stream->usable || stream->usable > stream->length)) {
        return "a stream is outside its BDL entry";
    }
    return !hda->link_up && stream->running ? "a stream runs without a link" : NULL;
}

size_t ss_hda_room_check(storsim_machine_t *machine, void *state, char *text, size_t capacity) {
    const ss_hda_room_t *room = state;
    size_t broken = 0;
    for (uint32_t i = 0; i < room->count; i++) {
        const ss_hda_t *hda = room->list[i];
        bool over = storsim_now(machine) == SS_NEVER; /* then even what is never due has been */
        const char *what = hda != NULL && !over && !ss_event_pending(machine, hda->event) ? "a controller has no event" : NULL;
        if (hda != NULL && ss_line_get(machine, hda->line) != ss_hda_line_level(hda)) {
            what = "an interrupt line does not show the controller's status";
        }
        for (uint32_t j = 0; hda != NULL && what == NULL && j < hda->stream_count; j++) {
            what = broken_stream(hda, &hda->streams[j]);
        }
        if (what != NULL && broken++ == 0 && text != NULL && capacity != 0) {
            (void)snprintf(text, capacity, "controller %u: %s", hda->number, what);
        }
    }
    return broken;
}
