/* proofs/format.c: the encoding of stream formats is a bijection, and the bus driver's and the chip's agree.
 *
 * For every SampleRate, ValidBitsPerSample, ContainerSize and NumberOfChannels: a format that is valid under the default
 * policy encodes to a converter format that decodes to it again; for every one of the 65 536 converter formats: what
 * decodes encodes to the same number, and the chip's decoder reads the same rate, width, channels and block size from
 * it. Source: spec hdaudio-dma §6.1, hda-controller §9.1.
 *
 * Bound: none, all 2^80 formats and all 2^16 encodings. */
#include "proofs/proof.h"
#include "hdaudio/bus.h"
#include "storsim/hda.h"

static bool same(const storsim_stream_format_t *a, const storsim_stream_format_t *b) {
    return a->SampleRate == b->SampleRate && a->ValidBitsPerSample == b->ValidBitsPerSample &&
           a->ContainerSize == b->ContainerSize && a->NumberOfChannels == b->NumberOfChannels;
}

void proof_encode(void) {
    storsim_stream_format_t format = {any_u32(), any_u16(), any_u16(), any_u16()}, back = {0};
    storsim_hdaudio_policy_t policy = {0};
    uint16_t code = storsim_hdaudio_format_encode(&format);
    if (storsim_hdaudio_format_valid(&format, &policy)) {
        PROVE(code != UINT16_MAX);
        PROVE(storsim_hdaudio_format_decode(code, &back));
        PROVE(same(&format, &back));
    }
    PROVE(code == UINT16_MAX || (code & 0x8080) == 0);
}

void proof_decode(void) {
    uint16_t code = any_u16();
    storsim_stream_format_t format = {0};
    storsim_hdaudio_policy_t policy = {0};
    if (!storsim_hdaudio_format_decode(code, &format)) {
        return;
    }
    PROVE(storsim_hdaudio_format_valid(&format, &policy));
    PROVE(storsim_hdaudio_format_encode(&format) == code);
    storsim_hda_format_t chip;
    PROVE(storsim_hda_format_decode(code, &chip));
    PROVE(chip.bits == format.ValidBitsPerSample && chip.channels == format.NumberOfChannels);
    PROVE(chip.container_bytes * 8 == format.ContainerSize);
    PROVE(chip.block_bytes == storsim_hdaudio_block_bytes(&format));
    PROVE(chip.base * chip.mult == format.SampleRate * chip.div);
}
