/* hda/operations.c: the chip's public functions as data. See machine/tap.h. */
#include "hda/operations.h"

#include "machine/core.h"

/* --- controllers ------------------------------------------------------------------------------------------------------ */

SS_PERFORM(hda_attach) {
    (void)operation, (void)args, (void)result;
    return storsim_hda_attach(machine);
}

SS_PERFORM(hda_add) {
    (void)operation, (void)result;
    uint32_t controller = (uint32_t)args[1].value;
    if (args[0].data == NULL) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = storsim_hda_add(machine, args[0].data, &controller);
    if (status == STORSIM_OK) {
        (void)ss_arg_give(&args[2], storsim_hda_line(machine, controller), status);
        (void)ss_arg_give(&args[3], storsim_hda_device(machine, controller), status);
    }
    return ss_arg_give(&args[1], controller, status);
}

SS_PERFORM(hda_remove) {
    (void)operation, (void)result;
    return storsim_hda_remove(machine, (uint32_t)args[0].value);
}

SS_PERFORM(mmio_read) {
    (void)operation, (void)result;
    uint64_t value = args[3].value;
    storsim_status_t status = storsim_hda_mmio_read(machine, (uint32_t)args[0].value, args[1].value, (uint32_t)args[2].value, &value);
    return ss_arg_give(&args[3], value, status);
}

SS_PERFORM(mmio_write) {
    (void)operation, (void)result;
    return storsim_hda_mmio_write(machine, (uint32_t)args[0].value, args[1].value, (uint32_t)args[2].value, args[3].value);
}

SS_PERFORM(set_wall_clock) {
    (void)operation, (void)result;
    return storsim_hda_set_wall_clock(machine, (uint32_t)args[0].value, (uint32_t)args[1].value);
}

SS_PERFORM(stall) {
    (void)operation, (void)result;
    return storsim_hda_stall(machine, (uint32_t)args[0].value, args[1].value != 0);
}

/* --- a codec's description -------------------------------------------------------------------------------------------- */

/* Words: node_count, initial_count, answer_count, response_frames, silent, any_format; per node: nid, parameter_count,
 * connection_count, parameters as (id, value), connections; initial as (nid, verb); answers as (nid, verb, value). */
enum { HEAD_WORDS = 6, NODE_WORDS = 3 };

uint32_t *ss_codec_words(ss_host_t *host, const storsim_codec_config_t *config, uint32_t *count) {
    size_t words = HEAD_WORDS + (size_t)NODE_WORDS * config->node_count + 2 * (size_t)config->initial_count + 3 * (size_t)config->answer_count;
    for (uint32_t i = 0; i < config->node_count; i++) {
        words += 2 * (size_t)config->nodes[i].parameter_count + config->nodes[i].connection_count;
    }
    uint32_t *list = ss_alloc_zeroed(host, words, sizeof *list), *at = list;
    if (list == NULL) {
        return NULL;
    }
    const uint32_t head[HEAD_WORDS] = {config->node_count,      config->initial_count, config->answer_count,
                                       config->response_frames, config->silent,        config->any_format};
    for (uint32_t i = 0; i < HEAD_WORDS; i++) {
        *at++ = head[i];
    }
    for (uint32_t i = 0; i < config->node_count; i++) {
        const storsim_codec_node_t *node = &config->nodes[i];
        *at++ = node->nid;
        *at++ = node->parameter_count;
        *at++ = node->connection_count;
        for (uint32_t j = 0; j < node->parameter_count; j++) {
            *at++ = node->parameters[j].id;
            *at++ = node->parameters[j].value;
        }
        for (uint32_t j = 0; j < node->connection_count; j++) {
            *at++ = node->connections[j];
        }
    }
    for (uint32_t i = 0; i < config->initial_count; i++) {
        *at++ = config->initial[i].nid;
        *at++ = config->initial[i].verb;
    }
    for (uint32_t i = 0; i < config->answer_count; i++) {
        *at++ = config->answers[i].nid;
        *at++ = config->answers[i].verb;
        *at++ = config->answer_values[i];
    }
    *count = (uint32_t)words;
    return list;
}

/* The arrays a description points to, built from words. */
typedef struct parts {
    storsim_codec_node_t *nodes;
    storsim_codec_parameter_t *parameters;
    uint8_t *connections;
    storsim_codec_verb_t *initial, *answers;
    uint32_t *values;
} parts_t;

static void release(ss_host_t *host, parts_t *parts) {
    ss_release(host, parts->nodes);
    ss_release(host, parts->parameters);
    ss_release(host, parts->connections);
    ss_release(host, parts->initial);
    ss_release(host, parts->answers);
    ss_release(host, parts->values);
}

/* None of the arrays has more elements than there are words. */
static bool reserve(ss_host_t *host, parts_t *parts, const uint32_t *head, uint32_t count) {
    parts->nodes = ss_alloc_zeroed(host, head[0], sizeof *parts->nodes);
    parts->parameters = ss_alloc_zeroed(host, count, sizeof *parts->parameters);
    parts->connections = ss_alloc_zeroed(host, count, 1);
    parts->initial = ss_alloc_zeroed(host, head[1], sizeof *parts->initial);
    parts->answers = ss_alloc_zeroed(host, head[2], sizeof *parts->answers);
    parts->values = ss_alloc_zeroed(host, head[2], sizeof *parts->values);
    return parts->nodes != NULL && parts->parameters != NULL && parts->connections != NULL && parts->initial != NULL &&
           parts->answers != NULL && parts->values != NULL;
}

/* Fills the arrays; false when the words do not add up. */
static bool parse(parts_t *parts, const uint32_t *words, uint32_t count) {
    uint32_t at = HEAD_WORDS, parameters = 0, connections = 0;
    for (uint32_t i = 0; i < words[0]; i++) {
        if (count - at < NODE_WORDS || words[at + 1] > 256 || words[at + 2] > 127 ||
            count - at - NODE_WORDS < 2 * words[at + 1] + words[at + 2]) {
            return false;
        }
        parts->nodes[i] = (storsim_codec_node_t){.nid = (uint8_t)words[at],
                                                 .parameters = &parts->parameters[parameters],
                                                 .parameter_count = words[at + 1],
                                                 .connections = &parts->connections[connections],
                                                 .connection_count = words[at + 2]};
        at += NODE_WORDS;
        for (uint32_t j = 0; j < parts->nodes[i].parameter_count; j++, at += 2) {
            parts->parameters[parameters++] = (storsim_codec_parameter_t){(uint8_t)words[at], words[at + 1]};
        }
        for (uint32_t j = 0; j < parts->nodes[i].connection_count; j++) {
            parts->connections[connections++] = (uint8_t)words[at++];
        }
    }
    if (count - at != 2 * (uint64_t)words[1] + 3 * (uint64_t)words[2]) {
        return false;
    }
    for (uint32_t i = 0; i < words[1]; i++, at += 2) {
        parts->initial[i] = (storsim_codec_verb_t){(uint8_t)words[at], words[at + 1]};
    }
    for (uint32_t i = 0; i < words[2]; i++, at += 3) {
        parts->answers[i] = (storsim_codec_verb_t){(uint8_t)words[at], words[at + 1]};
        parts->values[i] = words[at + 2];
    }
    return true;
}

SS_PERFORM(codec_add) {
    (void)operation, (void)result;
    const uint32_t *words = args[2].data;
    uint32_t count = args[2].count;
    if (words == NULL || count < HEAD_WORDS || words[0] > 256 || words[0] > count || words[1] > count || words[2] > count) {
        return STORSIM_INVALID;
    }
    ss_host_t *host = ss_machine_host(machine);
    parts_t parts = {0};
    storsim_status_t status = STORSIM_NO_MEMORY;
    if (reserve(host, &parts, words, count)) {
        const storsim_codec_config_t config = {.nodes = parts.nodes,
                                               .node_count = words[0],
                                               .initial = parts.initial,
                                               .initial_count = words[1],
                                               .answers = parts.answers,
                                               .answer_values = parts.values,
                                               .answer_count = words[2],
                                               .response_frames = words[3],
                                               .silent = words[4] != 0,
                                               .any_format = words[5] != 0,
                                               .host_verb = args[3].value};
        status = parse(&parts, words, count)
                     ? storsim_codec_add(machine, (uint32_t)args[0].value, (uint32_t)args[1].value, &config)
                     : STORSIM_INVALID;
    }
    release(host, &parts);
    return status;
}

/* --- codecs ----------------------------------------------------------------------------------------------------------- */

#define CONTROLLER ((uint32_t)args[0].value)
#define ADDRESS ((uint32_t)args[1].value)
#define TAG ((uint8_t)args[2].value)

SS_PERFORM(codec_add_ideal) {
    (void)operation, (void)result;
    return storsim_codec_add_ideal(machine, CONTROLLER, ADDRESS);
}

SS_PERFORM(codec_remove) {
    (void)operation, (void)result;
    return storsim_codec_remove(machine, CONTROLLER, ADDRESS);
}

SS_PERFORM(codec_set) {
    (void)operation, (void)result;
    return storsim_codec_set(machine, CONTROLLER, ADDRESS, args[2].value != 0, (uint32_t)args[3].value);
}

SS_PERFORM(codec_command) {
    (void)operation, (void)result;
    uint32_t response = (uint32_t)args[3].value;
    storsim_status_t status = storsim_codec_command(machine, CONTROLLER, ADDRESS, (uint32_t)args[2].value, &response);
    return ss_arg_give(&args[3], response, status);
}

SS_PERFORM(codec_wake) {
    (void)operation, (void)result;
    return storsim_codec_wake(machine, CONTROLLER, ADDRESS);
}

SS_PERFORM(codec_unsolicited) {
    (void)operation, (void)result;
    return storsim_codec_unsolicited(machine, CONTROLLER, ADDRESS, TAG, (uint32_t)args[3].value);
}

SS_PERFORM(codec_jack) {
    (void)operation, (void)result;
    return storsim_codec_jack(machine, CONTROLLER, ADDRESS, TAG, args[3].value != 0);
}

SS_PERFORM(codec_played_clear) {
    (void)operation, (void)result;
    return storsim_codec_played_clear(machine, CONTROLLER, ADDRESS, TAG);
}

SS_PERFORM(codec_keep) {
    (void)operation, (void)result;
    return storsim_codec_keep(machine, CONTROLLER, ADDRESS, TAG, args[3].value);
}

SS_PERFORM(codec_record) {
    (void)operation, (void)result;
    return storsim_codec_record(machine, CONTROLLER, ADDRESS, TAG, args[3].value, args[4].value);
}

SS_PERFORM(codec_feed) {
    (void)operation, (void)result;
    return storsim_codec_feed(machine, CONTROLLER, ADDRESS, TAG, args[3].data, args[3].count);
}

SS_PERFORM(codec_source) {
    (void)operation, (void)result;
    return storsim_codec_source(machine, CONTROLLER, ADDRESS, TAG, args[3].value, args[4].value);
}

#undef CONTROLLER
#undef ADDRESS
#undef TAG

/* --- the table -------------------------------------------------------------------------------------------------------- */

#define HDA(field) SS_MEMBER(storsim_hda_config_t, field)
static const storsim_member_t hda_members[] = {
    HDA(capture), HDA(render), HDA(bidirectional), HDA(sdo_lines), HDA(sdi_lines), HDA(ok64), HDA(timing), HDA(personality),
    HDA(outpay), HDA(inpay), HDA(outstrmpay), HDA(instrmpay), HDA(fifo_render), HDA(fifo_render_wide), HDA(fifo_capture),
    HDA(fifo_capture_wide), HDA(corb_sizes), HDA(rirb_sizes), HDA(crst_latency), HDA(srst_latency), HDA(stop_latency),
    HDA(codec_frames), HDA(bdl_prefetch), HDA(corb_reset_quirk), HDA(dma_remapping), HDA(coherent), HDA(keep_bytes)};
static const storsim_layout_t hda_layout = SS_LAYOUT("hda_config", storsim_hda_config_t, hda_members);

#define P_CODEC SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(address, ULONG, IN)
static const storsim_param_t p_add[] = {SS_FIELD(config, STRUCT, IN), SS_FIELD(controller, CONTROLLER, OUT), SS_FIELD(line, LINE, OUT),
    SS_FIELD(device, DEVICE, OUT)};
static const storsim_param_t p_controller[] = {SS_FIELD(controller, CONTROLLER, IN)};
static const storsim_param_t p_mmio_read[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(offset, ULONGLONG, IN),
    SS_FIELD(size, ULONG, IN), SS_FIELD(value, ULONGLONG, OUT)};
static const storsim_param_t p_mmio_write[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(offset, ULONGLONG, IN),
    SS_FIELD(size, ULONG, IN), SS_FIELD(value, ULONGLONG, IN)};
static const storsim_param_t p_wall_clock[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(value, ULONG, IN)};
static const storsim_param_t p_stall[] = {SS_FIELD(controller, CONTROLLER, IN), SS_FIELD(stalled, BOOLEAN, IN)};
static const storsim_param_t p_codec_add[] = {P_CODEC, SS_FIELD(description, ULONGS, IN), SS_FIELD(host_verb, ROUTINE, IN)};
static const storsim_param_t p_codec[] = {P_CODEC};
static const storsim_param_t p_set[] = {P_CODEC, SS_FIELD(silent, BOOLEAN, IN), SS_FIELD(response_frames, ULONG, IN)};
static const storsim_param_t p_command[] = {P_CODEC, SS_FIELD(command, ULONG, IN), SS_FIELD(response, ULONG, OUT)};
static const storsim_param_t p_unsolicited[] = {P_CODEC, SS_FIELD(tag, UCHAR, IN), SS_FIELD(payload, ULONG, IN)};
static const storsim_param_t p_jack[] = {P_CODEC, SS_FIELD(nid, UCHAR, IN), SS_FIELD(present, BOOLEAN, IN)};
static const storsim_param_t p_tag[] = {P_CODEC, SS_FIELD(tag, UCHAR, IN)};
static const storsim_param_t p_keep[] = {P_CODEC, SS_FIELD(tag, UCHAR, IN), SS_FIELD(limit, ULONGLONG, IN)};
static const storsim_param_t p_routine[] = {P_CODEC, SS_FIELD(tag, UCHAR, IN), SS_FIELD(routine, ROUTINE, IN), SS_FIELD(context, CONTEXT, IN)};
static const storsim_param_t p_feed[] = {P_CODEC, SS_FIELD(tag, UCHAR, IN), SS_FIELD(data, BYTES, IN)};

#define ROW(index, function) [index] = {.id = SS_OP_HDA + (index), .name = #function, .perform = function
const storsim_operation_t ss_hda_operations[SS_HDA_OPERATIONS] = {
    ROW(SS_HDA_ATTACH, hda_attach), .flags = STORSIM_OP_SETUP},
    ROW(SS_HDA_ADD, hda_add), SS_FIELDS(p_add), .layout = &hda_layout},
    ROW(SS_HDA_REMOVE, hda_remove), SS_FIELDS(p_controller)},
    ROW(SS_HDA_MMIO_READ, mmio_read), SS_FIELDS(p_mmio_read)},
    ROW(SS_HDA_MMIO_WRITE, mmio_write), SS_FIELDS(p_mmio_write)},
    ROW(SS_HDA_SET_WALL_CLOCK, set_wall_clock), SS_FIELDS(p_wall_clock)},
    ROW(SS_HDA_STALL, stall), SS_FIELDS(p_stall)},
    ROW(SS_CODEC_ADD, codec_add), SS_FIELDS(p_codec_add)},
    ROW(SS_CODEC_ADD_IDEAL, codec_add_ideal), SS_FIELDS(p_codec)},
    ROW(SS_CODEC_REMOVE, codec_remove), SS_FIELDS(p_codec)},
    ROW(SS_CODEC_SET, codec_set), SS_FIELDS(p_set)},
    ROW(SS_CODEC_COMMAND, codec_command), SS_FIELDS(p_command)},
    ROW(SS_CODEC_WAKE, codec_wake), SS_FIELDS(p_codec)},
    ROW(SS_CODEC_UNSOLICITED, codec_unsolicited), SS_FIELDS(p_unsolicited)},
    ROW(SS_CODEC_JACK, codec_jack), SS_FIELDS(p_jack)},
    ROW(SS_CODEC_PLAYED_CLEAR, codec_played_clear), SS_FIELDS(p_tag)},
    ROW(SS_CODEC_KEEP, codec_keep), SS_FIELDS(p_keep)},
    ROW(SS_CODEC_RECORD, codec_record), SS_FIELDS(p_routine)},
    ROW(SS_CODEC_FEED, codec_feed), SS_FIELDS(p_feed)},
    ROW(SS_CODEC_SOURCE, codec_source), SS_FIELDS(p_routine)},
};
