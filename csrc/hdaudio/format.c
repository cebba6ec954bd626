/* hdaudio/format.c: stream formats, their encoding, and what they cost on the link. Pure functions.
 *
 * A rate is base * mult / div with base 48000 or 44100, mult 1 … 4, div 1 … 8. Only whole numbers of Hz exist, and each
 * in its reduced fraction, so the map from format to encoding is one-to-one. Source: spec hdaudio-dma §6. */
#include "hdaudio/bus.h"

typedef struct rate {
    uint32_t hertz;
    uint8_t base, mult, div; /* base 1: 44.1 kHz */
    bool common;             /* one of the 12 rates the open-source driver encodes */
} rate_t;

static const rate_t rates[] = {
    {6000, 0, 1, 8, false},   {8000, 0, 1, 6, true},   {9600, 0, 1, 5, true},   {12000, 0, 1, 4, false},
    {16000, 0, 1, 3, true},   {18000, 0, 3, 8, false}, {19200, 0, 2, 5, false}, {24000, 0, 1, 2, false},
    {28800, 0, 3, 5, false},  {32000, 0, 2, 3, true},  {36000, 0, 3, 4, false}, {38400, 0, 4, 5, false},
    {48000, 0, 1, 1, true},   {64000, 0, 4, 3, false}, {72000, 0, 3, 2, false}, {96000, 0, 2, 1, true},
    {144000, 0, 3, 1, false}, {192000, 0, 4, 1, true}, {6300, 1, 1, 7, false},  {7350, 1, 1, 6, false},
    {8820, 1, 1, 5, false},   {11025, 1, 1, 4, true},  {12600, 1, 2, 7, false}, {14700, 1, 1, 3, false},
    {17640, 1, 2, 5, false},  {18900, 1, 3, 7, false}, {22050, 1, 1, 2, true},  {25200, 1, 4, 7, false},
    {26460, 1, 3, 5, false},  {29400, 1, 2, 3, false}, {33075, 1, 3, 4, false}, {35280, 1, 4, 5, false},
    {44100, 1, 1, 1, true},   {58800, 1, 4, 3, false}, {66150, 1, 3, 2, false}, {88200, 1, 2, 1, true},
    {132300, 1, 3, 1, false}, {176400, 1, 4, 1, true}};

enum { RATE_COUNT = sizeof rates / sizeof rates[0], WIDTH_COUNT = 5, MAX_CHANNELS = 16 };

/* Bits on the link by BITS code, and the container the controller keeps such a sample in. */
static const uint8_t widths[WIDTH_COUNT] = {8, 16, 20, 24, 32};
static const uint8_t containers[WIDTH_COUNT] = {8, 16, 32, 32, 32};

static const rate_t *rate_of(uint32_t hertz) {
    for (size_t i = 0; i < RATE_COUNT; i++) {
        if (rates[i].hertz == hertz) {
            return &rates[i];
        }
    }
    return NULL;
}

/* The BITS code of a sample width, or -1. */
static int width_code(uint32_t bits) {
    for (int code = 0; code < WIDTH_COUNT; code++) {
        if (widths[code] == bits) {
            return code;
        }
    }
    return -1;
}

static const uint32_t rate_list[] = {6000,  8000,  9600,  12000, 16000, 18000, 19200,  24000,  28800, 32000,
                                     36000, 38400, 48000, 64000, 72000, 96000, 144000, 192000, 6300,  7350,
                                     8820,  11025, 12600, 14700, 17640, 18900, 22050,  25200,  26460, 29400,
                                     33075, 35280, 44100, 58800, 66150, 88200, 132300, 176400};
_Static_assert(sizeof rate_list / sizeof rate_list[0] == RATE_COUNT, "one entry for each rate");

const uint32_t *storsim_hdaudio_rates(size_t *count) {
    if (count) {
        *count = RATE_COUNT;
    }
    return rate_list;
}

bool storsim_hdaudio_format_valid(const storsim_stream_format_t *format, const storsim_hdaudio_policy_t *policy) {
    const rate_t *rate = rate_of(format->SampleRate);
    int code = width_code(format->ValidBitsPerSample);
    if (!rate || code < 0 || format->NumberOfChannels < 1 || format->NumberOfChannels > MAX_CHANNELS) {
        return false;
    }
    if (policy->rates == STORSIM_RATES_COMMON && !rate->common) {
        return false;
    }
    if (policy->container == STORSIM_CONTAINER_HW) {
        return format->ContainerSize == containers[code];
    }
    return format->ContainerSize >= format->ValidBitsPerSample && format->ContainerSize <= 32 &&
           format->ContainerSize % 8 == 0;
}

uint16_t storsim_hdaudio_format_encode(const storsim_stream_format_t *format) {
    const rate_t *rate = rate_of(format->SampleRate);
    int code = width_code(format->ValidBitsPerSample);
    if (!rate || code < 0 || format->NumberOfChannels < 1 || format->NumberOfChannels > MAX_CHANNELS) {
        return UINT16_MAX;
    }
    return (uint16_t)(rate->base << 14 | (rate->mult - 1) << 11 | (rate->div - 1) << 8 | code << 4 |
                      (format->NumberOfChannels - 1));
}

bool storsim_hdaudio_format_decode(uint16_t converter, storsim_stream_format_t *format) {
    uint32_t code = converter >> 4 & 7, mult = (converter >> 11 & 7u) + 1, div = (converter >> 8 & 7u) + 1;
    uint32_t base = converter >> 14 & 1;
    if (converter & 0x8080 || code >= WIDTH_COUNT) {
        return false;
    }
    for (size_t i = 0; i < RATE_COUNT; i++) {
        if (rates[i].base == base && rates[i].mult == mult && rates[i].div == div) {
            format->SampleRate = rates[i].hertz;
            format->ValidBitsPerSample = widths[code];
            format->ContainerSize = containers[code];
            format->NumberOfChannels = (uint16_t)((converter & 15) + 1);
            return true;
        }
    }
    return false;
}

uint32_t storsim_hdaudio_block_bytes(const storsim_stream_format_t *format) {
    return (uint32_t)format->ContainerSize / 8 * format->NumberOfChannels;
}

/* Bits of the busiest frame: a block of valid bits, mult times. The divisor does not lower it, a whole block still
 * needs its slot. */
static uint32_t frame_bits(const storsim_stream_format_t *format, uint32_t bits) {
    const rate_t *rate = rate_of(format->SampleRate);
    return rate ? (uint32_t)format->NumberOfChannels * bits * rate->mult : 0;
}

uint32_t storsim_hdaudio_render_bits(const storsim_stream_format_t *format, uint32_t lines) {
    uint32_t bits = frame_bits(format, format->ValidBitsPerSample);
    return lines ? bits / lines + (bits % lines != 0) : bits;
}

uint32_t storsim_hdaudio_capture_bits(const storsim_stream_format_t *format) {
    uint32_t bits = frame_bits(format, format->ValidBitsPerSample);
    return bits ? (bits + 7) / 8 * 8 + 10 : 0;
}

uint32_t storsim_hdaudio_fifo_words(const storsim_stream_format_t *format) {
    uint32_t padded = ((uint32_t)format->ValidBitsPerSample + 7) / 8 * 8;
    return (frame_bits(format, padded) + 15) / 16;
}
