/* hda/codec.c: codecs as data: building one from its description, its state after reset, and the byte queues of its tags. */
#include "hda/hda_i.h"
#include "hda/operations.h"

#include <string.h>

ss_hda_widget_t *ss_hda_codec_widget(const ss_hda_codec_t *codec, uint8_t nid) {
    return codec->by_nid[nid] != 0 ? &codec->widgets[codec->by_nid[nid] - 1] : NULL;
}

/* --- building --------------------------------------------------------------------------------------------------------- */

static bool description_valid(const storsim_codec_config_t *config) {
    bool seen[256] = {false};
    if (config->node_count > 256 || config->initial_count > 65536 || config->answer_count > 65536 || config->response_frames > 48000) {
        return false;
    }
    for (uint32_t i = 0; i < config->node_count; i++) {
        const storsim_codec_node_t *node = &config->nodes[i];
        if (seen[node->nid] || node->connection_count > 127 || node->parameter_count > 256) {
            return false;
        }
        seen[node->nid] = true;
    }
    return true;
}

static bool allocate(ss_host_t *host, ss_hda_codec_t *codec) {
    codec->widgets = ss_alloc_zeroed(host, codec->widget_count, sizeof *codec->widgets);
    codec->parameters = ss_alloc_zeroed(host, codec->parameter_count, sizeof *codec->parameters);
    codec->connections = ss_alloc_zeroed(host, codec->connection_count, 1);
    codec->initial = ss_alloc_zeroed(host, codec->initial_count, sizeof *codec->initial);
    codec->answers = ss_alloc_zeroed(host, codec->answer_count, sizeof *codec->answers);
    codec->answer_values = ss_alloc_zeroed(host, codec->answer_count, sizeof *codec->answer_values);
    return codec->widgets != NULL && codec->parameters != NULL && codec->connections != NULL && codec->initial != NULL &&
           codec->answers != NULL && codec->answer_values != NULL;
}

static void copy_nodes(ss_hda_codec_t *codec, const storsim_codec_config_t *config) {
    uint32_t parameter = 0, connection = 0;
    for (uint32_t i = 0; i < config->node_count; i++) {
        const storsim_codec_node_t *node = &config->nodes[i];
        ss_hda_widget_t *widget = &codec->widgets[i];
        widget->nid = node->nid;
        widget->first_parameter = parameter;
        widget->parameter_count = node->parameter_count;
        widget->first_connection = connection;
        widget->connection_count = (uint8_t)node->connection_count;
        for (uint32_t j = 0; j < node->parameter_count; j++) {
            codec->parameters[parameter++] = node->parameters[j];
        }
        for (uint32_t j = 0; j < node->connection_count; j++) {
            codec->connections[connection++] = node->connections[j];
        }
    }
}

/* What follows from the description: lookups, amps, coefficient tables. NO_MEMORY: false. */
bool ss_hda_codec_derive(ss_host_t *host, ss_hda_codec_t *codec) {
    codec->amp_count = codec->coefficient_count = 0;
    memset(codec->by_nid, 0, sizeof codec->by_nid);
    codec->group = 0;
    for (uint32_t i = 0; i < codec->widget_count; i++) {
        ss_hda_widget_t *widget = &codec->widgets[i];
        bool found, group;
        codec->by_nid[widget->nid] = (uint16_t)(i + 1);
        widget->caps = ss_hda_codec_parameter(codec, widget, 0x09, &found);
        widget->caps = found ? widget->caps : 0xF00000;
        (void)ss_hda_codec_parameter(codec, widget, 0x05, &group);
        codec->group = group && codec->group == 0 ? widget->nid : codec->group;
        widget->first_amp = codec->amp_count;
        codec->amp_count += 2u + 2u * (widget->connection_count != 0 ? widget->connection_count : 1u);
        bool coefficients = (widget->caps & 0x40u) != 0;
        widget->first_coefficient = coefficients ? codec->coefficient_count : UINT32_MAX;
        codec->coefficient_count += coefficients ? 256 : 0;
    }
    codec->amps = ss_alloc_zeroed(host, codec->amp_count, 1);
    codec->coefficients = ss_alloc_zeroed(host, codec->coefficient_count, sizeof *codec->coefficients);
    return codec->amps != NULL && codec->coefficients != NULL;
}

ss_hda_codec_t *ss_hda_codec_create(ss_host_t *host, const storsim_codec_config_t *config, uint32_t address, uint64_t keep_bytes) {
    ss_hda_codec_t *codec = ss_alloc_zeroed(host, 1, sizeof *codec);
    if (codec == NULL) {
        return NULL;
    }
    codec->address = address;
    codec->response_frames = config->response_frames;
    codec->silent = config->silent;
    codec->any_format = config->any_format;
    codec->host_verb = config->host_verb;
    codec->keep_bytes = keep_bytes;
    codec->signal_due = SS_NEVER;
    codec->widget_count = config->node_count;
    codec->initial_count = config->initial_count;
    codec->answer_count = config->answer_count;
    for (uint32_t i = 0; i < config->node_count; i++) {
        codec->parameter_count += config->nodes[i].parameter_count;
        codec->connection_count += config->nodes[i].connection_count;
    }
    if (!allocate(host, codec)) {
        goto fail;
    }
    copy_nodes(codec, config);
    for (uint32_t i = 0; i < config->initial_count; i++) {
        codec->initial[i] = config->initial[i];
    }
    for (uint32_t i = 0; i < config->answer_count; i++) {
        codec->answers[i] = config->answers[i];
        codec->answer_values[i] = config->answer_values[i];
    }
    if (!ss_hda_codec_derive(host, codec)) {
        goto fail;
    }
    for (uint32_t i = 0; i < codec->widget_count; i++) {
        bool pin = (codec->widgets[i].caps >> 20 & 15u) == 4;
        codec->widgets[i].sense = pin ? UINT32_C(0x80000000) : 0; /* something is plugged into every jack until told otherwise */
    }
    ss_hda_codec_reset(codec);
    return codec;
fail:
    ss_hda_codec_free(host, codec);
    return NULL;
}

void ss_hda_codec_free(ss_host_t *host, ss_hda_codec_t *codec) {
    if (codec == NULL) {
        return;
    }
    for (uint32_t i = 0; i < 32; i++) {
        ss_hda_lane_t *lane = codec->lanes[i / 16][i % 16];
        if (lane != NULL) {
            ss_release(host, lane->bytes.ring);
            ss_release(host, lane->outbox.ring);
            ss_release(host, lane);
        }
    }
    ss_release(host, codec->widgets);
    ss_release(host, codec->parameters);
    ss_release(host, codec->connections);
    ss_release(host, codec->amps);
    ss_release(host, codec->coefficients);
    ss_release(host, codec->initial);
    ss_release(host, codec->answers);
    ss_release(host, codec->answer_values);
    ss_release(host, codec);
}

/* --- reset -------------------------------------------------------------------------------------------------------------- */

static void reset_widget(ss_hda_codec_t *codec, ss_hda_widget_t *widget) {
    uint32_t sense = widget->sense;
    ss_hda_widget_t fresh = {.nid = widget->nid,
                             .connection_count = widget->connection_count,
                             .first_parameter = widget->first_parameter,
                             .parameter_count = widget->parameter_count,
                             .first_connection = widget->first_connection,
                             .first_amp = widget->first_amp,
                             .first_coefficient = widget->first_coefficient,
                             .caps = widget->caps};
    *widget = fresh;
    widget->sense = sense; /* whether something is plugged in is not the codec's to forget */
    if (widget->first_coefficient != UINT32_MAX) {
        memset(codec->coefficients + widget->first_coefficient, 0, 256 * sizeof *codec->coefficients);
    }
}

void ss_hda_codec_reset(ss_hda_codec_t *codec) {
    bool changed;
    for (uint32_t i = 0; i < codec->widget_count; i++) {
        reset_widget(codec, &codec->widgets[i]);
    }
    memset(codec->amps, 0, codec->amp_count);
    codec->tags[0] = codec->tags[1] = 0;
    for (uint32_t i = 0; i < codec->initial_count; i++) {
        uint32_t verb = codec->initial[i].verb & 0xFFFFFu;
        if ((verb >> 8) != 0x7FF) { /* a reset inside the state after reset means nothing */
            (void)ss_hda_codec_execute(codec, (uint32_t)codec->initial[i].nid << 20 | verb, 0, &changed);
        }
    }
}

void ss_hda_codec_link_reset(ss_hda_codec_t *codec) {
    ss_hda_codec_reset(codec);
    codec->pending_count = codec->unsolicited_count = codec->fifo_count = 0;
    codec->signal_due = SS_NEVER;
}

/* --- converters and their bytes --------------------------------------------------------------------------------------------- */

const ss_hda_widget_t *ss_hda_codec_converter(const ss_hda_codec_t *codec, bool input, uint8_t tag) {
    const ss_hda_widget_t *lowest = NULL;
    for (uint32_t i = 0; i < codec->widget_count; i++) {
        const ss_hda_widget_t *widget = &codec->widgets[i];
        if ((widget->caps >> 20 & 15u) == (input ? 1u : 0u) && widget->stream_channel >> 4 == tag &&
            (lowest == NULL || widget->nid < lowest->nid)) {
            lowest = widget;
        }
    }
    return lowest;
}

ss_hda_lane_t *ss_hda_lane(ss_host_t *host, ss_hda_codec_t *codec, bool input, uint8_t tag) {
    ss_hda_lane_t **lane = &codec->lanes[input ? 1 : 0][tag];
    if (*lane == NULL) {
        *lane = ss_alloc_zeroed(host, 1, sizeof **lane);
        if (*lane != NULL) {
            (*lane)->bytes.limit = input ? UINT64_MAX : codec->keep_bytes;
            (*lane)->outbox.limit = UINT64_MAX;
        }
    }
    return *lane;
}

/* --- plugging ----------------------------------------------------------------------------------------------------------------- */

/* A record holds the whole description. */
static storsim_status_t recorded_add(storsim_machine_t *machine, uint32_t controller, uint32_t address,
                                     const storsim_codec_config_t *config) {
    ss_host_t *host = ss_machine_host(machine);
    uint32_t count, *words = ss_codec_words(host, config, &count);
    if (words == NULL) {
        return STORSIM_NO_MEMORY;
    }
    storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address), ss_arg_data(words, count), ss_arg_in(config->host_verb)};
    storsim_status_t status = ss_tap_run(machine, &ss_hda_operations[SS_CODEC_ADD], args, NULL);
    ss_release(host, words);
    return status;
}

storsim_status_t storsim_codec_add(storsim_machine_t *machine, uint32_t controller, uint32_t address, const storsim_codec_config_t *config) {
    if (ss_tapped(machine) && description_valid(config)) {
        return recorded_add(machine, controller, address, config);
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    storsim_status_t status = ss_machine_alive(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    if (hda == NULL || address >= STORSIM_HDA_MAX_CODECS || hda->codecs[address] != NULL || !description_valid(config) ||
        (hda->lines_fixed && address >= hda->config.sdi_lines)) {
        return STORSIM_INVALID;
    }
    ss_hda_codec_t *codec = ss_hda_codec_create(ss_machine_host(machine), config, address, hda->config.keep_bytes);
    if (codec == NULL) {
        return STORSIM_NO_MEMORY;
    }
    hda->codecs[address] = codec;
    hda->codec_end = address < hda->codec_end ? hda->codec_end : address + 1;
    hda->config.sdi_lines = address >= hda->config.sdi_lines ? (uint8_t)(address + 1) : hda->config.sdi_lines;
    if (hda->link_up) {
        codec->signal_due = ss_hda_boundary(hda, ss_hda_frame(machine, hda) + (hda->config.codec_frames != 0 ? hda->config.codec_frames : 1));
    }
    return ss_hda_sync_later(machine, hda);
}

storsim_status_t storsim_codec_remove(storsim_machine_t *machine, uint32_t controller, uint32_t address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_REMOVE], args, NULL);
    }
    ss_hda_t *hda = ss_hda_at(machine, controller);
    storsim_status_t status = ss_machine_alive(machine);
    if (status == STORSIM_OK && (hda == NULL || address >= STORSIM_HDA_MAX_CODECS || hda->codecs[address] == NULL)) {
        status = STORSIM_INVALID;
    }
    if (status == STORSIM_OK && ss_callback_depth(machine) != 0) {
        status = STORSIM_REENTRY;
    }
    status = status == STORSIM_OK ? ss_hda_flow_all(machine, hda) : status;
    if (status != STORSIM_OK) {
        return status;
    }
    ss_hda_codec_t *codec = hda->codecs[address];
    for (uint32_t i = 0; i < 32; i++) {
        const ss_hda_lane_t *lane = codec->lanes[i / 16][i % 16];
        hda->routines -= lane != NULL && lane->routine != 0 ? 1 : 0;
    }
    hda->codecs[address] = NULL;
    ss_hda_codec_free(ss_machine_host(machine), codec);
    ss_hda_senders_changed(machine, hda);
    ss_hda_rings_schedule(machine, hda);
    return ss_hda_sync_later(machine, hda);
}

bool storsim_codec_present(const storsim_machine_t *machine, uint32_t controller, uint32_t address) {
    const ss_hda_t *hda = ss_hda_at(machine, controller);
    return hda != NULL && address < STORSIM_HDA_MAX_CODECS && hda->codecs[address] != NULL;
}
