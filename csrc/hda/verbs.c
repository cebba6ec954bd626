/* hda/verbs.c: what a codec answers. Get verbs F00h … and their set verbs 700h …, and the four-bit ones with 16 bits of payload.
 * A verb a node does not know answers 0. Source: the verb set of HD Audio 1.0a as function drivers use it; effects on nothing but the
 * converters' tags and formats are plain storage (model choice). */
#include "hda/hda_i.h"

uint32_t ss_hda_codec_parameter(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint8_t id, bool *found) {
    *found = true;
    for (uint32_t i = 0; i < widget->parameter_count; i++) {
        if (codec->parameters[widget->first_parameter + i].id == id) {
            return codec->parameters[widget->first_parameter + i].value;
        }
    }
    *found = false;
    return 0;
}

/* --- connection list ----------------------------------------------------------------------------------------------------- */

static bool long_form(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget) {
    for (uint32_t i = 0; i < widget->connection_count; i++) {
        if (codec->connections[widget->first_connection + i] > 127) {
            return true;
        }
    }
    return false;
}

static uint32_t connection_entries(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint32_t first) {
    uint32_t width = long_form(codec, widget) ? 16 : 8, value = 0;
    for (uint32_t i = 0; i < 32 / width && first + i < widget->connection_count; i++) {
        value |= (uint32_t)codec->connections[widget->first_connection + first + i] << (width * i);
    }
    return value;
}

static uint32_t get_parameter(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint8_t id) {
    bool found;
    uint32_t value = ss_hda_codec_parameter(codec, widget, id, &found);
    if (!found && id == 0x0E) {
        value = widget->connection_count | (long_form(codec, widget) ? 0x80u : 0);
    }
    return value;
}

/* --- amplifiers ------------------------------------------------------------------------------------------------------------ */

/* Place of a gain: out left, out right, then per input left, right. UINT32_MAX where the node has none. */
static uint32_t amp_place(const ss_hda_widget_t *widget, bool output, bool left, uint32_t index) {
    uint32_t inputs = widget->connection_count != 0 ? widget->connection_count : 1;
    if ((widget->caps & (output ? 4u : 2u)) == 0 || (!output && index >= inputs)) {
        return UINT32_MAX;
    }
    return widget->first_amp + (output ? 0 : 2 + 2 * index) + (left ? 0 : 1);
}

static uint32_t get_amp(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint32_t payload) {
    uint32_t place = amp_place(widget, (payload & 0x8000u) != 0, (payload & 0x2000u) != 0, payload & 15u);
    return place != UINT32_MAX ? codec->amps[place] : 0;
}

static void set_amp(ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint32_t payload) {
    for (uint32_t side = 0; side < 4; side++) {
        bool output = side < 2, left = side % 2 == 0;
        if ((payload & (output ? 0x8000u : 0x4000u)) != 0 && (payload & (left ? 0x2000u : 0x1000u)) != 0) {
            uint32_t place = amp_place(widget, output, left, payload >> 8 & 15u);
            if (place != UINT32_MAX) {
                codec->amps[place] = (uint8_t)payload;
            }
        }
    }
}

/* --- converters -------------------------------------------------------------------------------------------------------------- */

static void retag(ss_hda_codec_t *codec) {
    codec->tags[0] = codec->tags[1] = 0;
    for (uint32_t i = 0; i < codec->widget_count; i++) {
        uint32_t type = codec->widgets[i].caps >> 20 & 15u;
        if (type <= 1) {
            codec->tags[type] = (uint16_t)(codec->tags[type] | 1u << (codec->widgets[i].stream_channel >> 4));
        }
    }
    codec->tags[0] = (uint16_t)(codec->tags[0] & 0xFFFEu); /* tag 0: none */
    codec->tags[1] = (uint16_t)(codec->tags[1] & 0xFFFEu);
}

/* A converter's cadence starts where it got its tag and format (DESIGN §5, ruling R42). */
static void set_converter(ss_hda_codec_t *codec, ss_hda_widget_t *widget, uint16_t format, uint8_t stream_channel, uint64_t frame,
                          bool *changed) {
    bool moved = format != widget->format || stream_channel >> 4 != widget->stream_channel >> 4;
    widget->format = format;
    widget->stream_channel = stream_channel;
    if (moved) {
        widget->origin = frame;
        *changed = true;
        retag(codec);
    }
}

/* --- power ---------------------------------------------------------------------------------------------------------------------- */

static uint32_t get_power(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget) {
    const ss_hda_widget_t *group = ss_hda_codec_widget(codec, codec->group);
    uint32_t set = widget->power & 15u, above = group != NULL ? group->power & 15u : 0;
    return set | (set > above ? set : above) << 4; /* a widget is never in a higher state than its function group */
}

/* --- the verbs -------------------------------------------------------------------------------------------------------------------- */

static uint32_t get_verb(const ss_hda_codec_t *codec, const ss_hda_widget_t *widget, uint32_t verb, uint8_t payload) {
    switch (verb) {
    case 0xF00: return get_parameter(codec, widget, payload);
    case 0xF01: return widget->selected;
    case 0xF02: return connection_entries(codec, widget, payload);
    case 0xF03: return widget->processing;
    case 0xF04: return widget->sdi;
    case 0xF05: return get_power(codec, widget);
    case 0xF06: return widget->stream_channel;
    case 0xF07: return widget->pin_control;
    case 0xF08: return widget->unsolicited;
    case 0xF09: return widget->sense;
    case 0xF0A: return widget->beep;
    case 0xF0C: return widget->eapd;
    case 0xF0D:
    case 0xF0E: return widget->digital;
    case 0xF0F: return widget->volume;
    case 0xF1C:
    case 0xF1D:
    case 0xF1E:
    case 0xF1F: return widget->configuration;
    case 0xF20:
    case 0xF21:
    case 0xF22:
    case 0xF23: return widget->subsystem;
    case 0xF24: return widget->stripe | ((widget->caps & 0x20u) != 0 ? 0x700000u : 0);
    case 0xF2D: return widget->channel_count;
    default: break;
    }
    if (verb >= 0xF10 && verb <= 0xF14) {
        return widget->gpi[verb - 0xF10];
    }
    return verb >= 0xF15 && verb <= 0xF1A ? widget->gpio[verb - 0xF15] : 0;
}

static void set_byte(uint32_t *value, uint32_t index, uint8_t payload) {
    *value = (*value & ~(UINT32_C(0xFF) << (8 * index))) | (uint32_t)payload << (8 * index);
}

/* Registers that are one byte of a wider value. */
static void set_wide(ss_hda_widget_t *widget, uint32_t verb, uint8_t payload) {
    if (verb == 0x70D || verb == 0x70E) {
        set_byte(&widget->digital, verb - 0x70D, payload);
    } else if (verb == 0x73E || verb == 0x73F) {
        set_byte(&widget->digital, verb - 0x73E + 2, payload);
    } else if (verb >= 0x71C && verb <= 0x71F) {
        set_byte(&widget->configuration, verb - 0x71C, payload);
    } else if (verb >= 0x720 && verb <= 0x723) {
        set_byte(&widget->subsystem, verb - 0x720, payload);
    } else if (verb >= 0x710 && verb <= 0x714) {
        widget->gpi[verb - 0x710] = payload;
    } else if (verb >= 0x715 && verb <= 0x71A) {
        widget->gpio[verb - 0x715] = payload;
    }
}

static void set_verb(ss_hda_codec_t *codec, ss_hda_widget_t *widget, uint32_t verb, uint8_t payload, uint64_t frame, bool *changed) {
    switch (verb) {
    case 0x701: widget->selected = payload; break;
    case 0x703: widget->processing = payload; break;
    case 0x704: widget->sdi = payload & 15u; break;
    case 0x705: widget->power = payload & 15u; break;
    case 0x706: set_converter(codec, widget, widget->format, payload, frame, changed); break;
    case 0x707: widget->pin_control = payload; break;
    case 0x708: widget->unsolicited = payload & 0xBFu; break;
    case 0x70A: widget->beep = payload; break;
    case 0x70C: widget->eapd = payload & 7u; break;
    case 0x70F: widget->volume = payload; break;
    case 0x724: widget->stripe = payload & 3u; break;
    case 0x72D: widget->channel_count = payload; break;
    case 0x7FF:
        ss_hda_codec_reset(codec);
        *changed = true;
        break;
    default: set_wide(widget, verb, payload); break;
    }
}

static uint32_t execute_wide(ss_hda_codec_t *codec, ss_hda_widget_t *widget, uint32_t verb, uint16_t payload, uint64_t frame,
                             bool *changed) {
    uint16_t *coefficient = widget->first_coefficient != UINT32_MAX
                                ? &codec->coefficients[widget->first_coefficient + (widget->coefficient_index & 0xFFu)]
                                : NULL;
    switch (verb) {
    case 0x2: set_converter(codec, widget, payload, widget->stream_channel, frame, changed); return 0;
    case 0x3: set_amp(codec, widget, payload); return 0;
    case 0x4:
        if (coefficient != NULL) {
            *coefficient = payload;
        }
        return 0;
    case 0x5: widget->coefficient_index = payload; return 0;
    case 0xA: return widget->format;
    case 0xB: return get_amp(codec, widget, payload);
    case 0xC: return coefficient != NULL ? *coefficient : 0;
    case 0xD: return widget->coefficient_index;
    default: return 0;
    }
}

uint32_t ss_hda_codec_execute(ss_hda_codec_t *codec, uint32_t command, uint64_t frame, bool *changed) {
    uint8_t nid = (uint8_t)(command >> 20);
    uint32_t verb = command >> 8 & 0xFFFu;
    for (uint32_t i = 0; i < codec->answer_count; i++) {
        if (codec->answers[i].nid == nid && (codec->answers[i].verb & 0xFFFFFu) == (command & 0xFFFFFu)) {
            return codec->answer_values[i];
        }
    }
    ss_hda_widget_t *widget = ss_hda_codec_widget(codec, nid);
    if (widget == NULL) {
        return 0;
    }
    if (verb >> 8 == 0xF) {
        return get_verb(codec, widget, verb, (uint8_t)command);
    }
    if (verb >> 8 == 0x7) {
        set_verb(codec, widget, verb, (uint8_t)command, frame, changed);
        return 0;
    }
    return execute_wide(codec, widget, verb >> 8, (uint16_t)command, frame, changed);
}
