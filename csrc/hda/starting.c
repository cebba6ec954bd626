/* hda/starting.c: what is worth telling about a stream that starts. Nothing here changes what the hardware does: real parts and drivers are
 * lenient, so all of it are notes. Source: hda-controller §4, §5, §9.4, §9.5. */
#include "hda/hda_i.h"

static uint32_t control_of(const ss_hda_t *hda, uint32_t index) {
    return ss_hda_peek(hda, ss_sd(index, SS_SDCTL), 3);
}

static uint32_t lines_of(const ss_hda_t *hda, uint32_t index) {
    static const uint8_t lines[4] = {1, 2, 4, 4};
    return hda->streams[index].input ? 1 : lines[control_of(hda, index) >> 16 & 3u];
}

/* Bits of the busiest frame a stream takes on each line it uses. */
static uint32_t bits_on_line(const ss_hda_t *hda, uint32_t index) {
    uint32_t bits = ss_hda_link_bits(hda->streams[index].format), lines = lines_of(hda, index);
    return hda->streams[index].input ? (bits + 7) / 8 * 8 + 10 : (bits + lines - 1) / lines;
}

static uint32_t sender_of(const ss_hda_t *hda, uint32_t index) {
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        if (hda->codecs[i] != NULL && ((uint32_t)hda->codecs[i]->tags[1] >> hda->streams[index].tag & 1u) != 0) {
            return i;
        }
    }
    return STORSIM_HDA_MAX_CODECS;
}

static void check_load(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint32_t sum = 0, limit = (stream->input ? hda->config.inpay : hda->config.outpay) * 16u;
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        const ss_hda_stream_t *other = &hda->streams[i];
        if (other->running && other->input == stream->input && (!stream->input || sender_of(hda, i) == sender_of(hda, index))) {
            sum += bits_on_line(hda, i);
        }
    }
    if (sum > limit) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_OVERSUBSCRIBED, limit, sum, ss_sd(index, SS_SDFMT));
    }
    uint32_t words = (ss_hda_link_bits(stream->format) + 15) / 16;
    uint32_t most = stream->input ? hda->config.instrmpay : hda->config.outstrmpay;
    if (most != 0 && words > most) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_STREAM_PAYLOAD, most, words, ss_sd(index, SS_SDFMT));
    }
}

static void check_tag(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    if (stream->tag == 0) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_TAG_ZERO, 1, 0, ss_sd(index, SS_SDCTL));
    }
    for (uint32_t i = 0; i < hda->stream_count; i++) {
        const ss_hda_stream_t *other = &hda->streams[i];
        if (i != index && other->running && other->input == stream->input && other->tag == stream->tag) {
            ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_TAG_SHARED, i, index, ss_sd(index, SS_SDCTL));
        }
    }
    for (uint32_t i = 0; i < STORSIM_HDA_MAX_CODECS; i++) {
        const ss_hda_widget_t *widget =
            hda->codecs[i] != NULL && stream->tag != 0 ? ss_hda_codec_converter(hda->codecs[i], stream->input, stream->tag) : NULL;
        if (widget != NULL && (widget->format & 0x7F7Fu) != stream->format) {
            ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_FORMAT_MISMATCH, stream->format, widget->format, widget->nid);
        }
    }
}

void ss_hda_check_start(storsim_machine_t *machine, ss_hda_t *hda, uint32_t index) {
    ss_hda_stream_t *stream = &hda->streams[index];
    uint32_t lines = lines_of(hda, index), at = ss_sd(index, 0);
    storsim_hda_format_t fields;
    if (!storsim_hda_format_decode(stream->format, &fields)) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_FORMAT_RESERVED, 0, stream->format, at + SS_SDFMT);
    }
    if (stream->lvi == 0) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_LVI_ZERO, 1, 0, at + SS_SDLVI);
    }
    if (stream->cbl == 0 || stream->cbl % stream->rate.block != 0) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_CBL_NOT_BLOCKS, stream->rate.block, stream->cbl, at + SS_SDCBL);
    }
    if (lines > hda->config.sdo_lines || (lines > 1 && ss_hda_link_bits(stream->format) / lines < 8)) {
        ss_hda_stream_note(machine, hda, stream, SS_HDA_NOTE_STRIPE_LIMIT, hda->config.sdo_lines, lines, at + SS_SDCTL);
    }
    check_tag(machine, hda, index);
    check_load(machine, hda, index);
}
