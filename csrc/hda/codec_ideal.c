/* hda/codec_ideal.c: the default codec: enough converters that every descriptor of any controller can play or record at once, each on its
 * own pin, taking every format. Source: model choice (DESIGN §5). */
#include "hda/hda_i.h"
#include "hda/operations.h"

enum { PAIRS = 16, NODES = 2 + 4 * PAIRS, VERBS_PER_PIN = 5 };

typedef struct ideal {
    storsim_codec_parameter_t parameters[NODES][8];
    storsim_codec_node_t nodes[NODES];
    uint8_t connections[NODES];
    storsim_codec_verb_t verbs[2 * PAIRS * VERBS_PER_PIN + 2 * PAIRS];
    uint32_t node_count, verb_count;
} ideal_t;

static storsim_codec_node_t *node(ideal_t *ideal, uint32_t nid) {
    storsim_codec_node_t *made = &ideal->nodes[ideal->node_count];
    *made = (storsim_codec_node_t){.nid = (uint8_t)nid, .parameters = ideal->parameters[ideal->node_count]};
    ideal->node_count++;
    return made;
}

static void parameter(ideal_t *ideal, storsim_codec_node_t *of, uint8_t id, uint32_t value) {
    ideal->parameters[of - ideal->nodes][of->parameter_count++] = (storsim_codec_parameter_t){id, value};
}

static void connect(ideal_t *ideal, storsim_codec_node_t *of, uint32_t nid) {
    uint8_t *place = &ideal->connections[of - ideal->nodes];
    *place = (uint8_t)nid;
    of->connections = place;
    of->connection_count = 1;
}

static void verb(ideal_t *ideal, uint32_t nid, uint32_t value) {
    ideal->verbs[ideal->verb_count++] = (storsim_codec_verb_t){(uint8_t)nid, value};
}

static void formats(ideal_t *ideal, storsim_codec_node_t *of) {
    parameter(ideal, of, 0x0A, 0x001F07FF); /* 8 kHz … 192 kHz, 8 … 32 bits; any_format adds the rates the parameter cannot name */
    parameter(ideal, of, 0x0B, 0x00000001); /* PCM */
}

static void pin(ideal_t *ideal, uint32_t nid, uint32_t from, uint32_t pair, bool output) {
    storsim_codec_node_t *made = node(ideal, nid);
    uint32_t association = pair < 15 ? pair + 1 : 15, standard = output ? 0x01014000u : 0x01813000u; /* rear jack, green or blue */
    parameter(ideal, made, 0x09, 0x0040E481u | (output ? 0x100u : 0)); /* pin, power, unsolicited, 16 channels */
    parameter(ideal, made, 0x0C, output ? 0x00010014u : 0x00000024u);  /* presence detect, output with EAPD or input */
    parameter(ideal, made, 0x0F, 0x0000000F);
    if (output) {
        connect(ideal, made, from);
    }
    verb(ideal, nid, 0x70700u | (output ? 0x40u : 0x20u));
    standard |= association << 4;
    for (uint32_t i = 0; i < 4; i++) {
        verb(ideal, nid, 0x71C00u + (i << 8) + (standard >> (8 * i) & 0xFFu));
    }
}

static void converter(ideal_t *ideal, uint32_t nid, uint32_t from, bool output) {
    storsim_codec_node_t *made = node(ideal, nid);
    parameter(ideal, made, 0x09, output ? 0x0000E431u : 0x0010E511u); /* power, own formats, 16 channels; outputs can be striped */
    formats(ideal, made);
    parameter(ideal, made, 0x0F, 0x0000000F);
    if (!output) {
        connect(ideal, made, from);
    }
    verb(ideal, nid, 0x20011u); /* 48 kHz, 16 bits, stereo */
}

static void build(ideal_t *ideal) {
    storsim_codec_node_t *root = node(ideal, 0);
    parameter(ideal, root, 0x00, 0x53530001); /* no vendor's number */
    parameter(ideal, root, 0x02, 0x00100000);
    parameter(ideal, root, 0x04, 0x00010001);
    storsim_codec_node_t *group = node(ideal, 1);
    parameter(ideal, group, 0x04, 0x10u << 16 | 4 * PAIRS);
    parameter(ideal, group, 0x05, 0x00000101); /* audio, unsolicited responses */
    parameter(ideal, group, 0x08, 0);
    formats(ideal, group);
    parameter(ideal, group, 0x0F, 0x0000000F);
    for (uint32_t i = 0; i < PAIRS; i++) {
        converter(ideal, 0x10 + i, 0, true);
        converter(ideal, 0x20 + i, 0x40 + i, false);
        pin(ideal, 0x30 + i, 0x10 + i, i, true);
        pin(ideal, 0x40 + i, 0, i, false);
    }
}

storsim_status_t storsim_codec_add_ideal(storsim_machine_t *machine, uint32_t controller, uint32_t address) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(controller), ss_arg_in(address)};
        return ss_tap_run(machine, &ss_hda_operations[SS_CODEC_ADD_IDEAL], args, NULL);
    }
    ss_host_t *host = ss_machine_host(machine);
    ideal_t *ideal = ss_alloc_zeroed(host, 1, sizeof *ideal);
    if (ideal == NULL) {
        return STORSIM_NO_MEMORY;
    }
    build(ideal);
    const storsim_codec_config_t config = {.nodes = ideal->nodes, .node_count = ideal->node_count, .initial = ideal->verbs,
                                           .initial_count = ideal->verb_count, .any_format = true};
    storsim_status_t status = storsim_codec_add(machine, controller, address, &config);
    ss_release(host, ideal);
    return status;
}
