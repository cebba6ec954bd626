/* machine/codec.c: the three modes of a walk. See codec.h. */
#include "machine/codec.h"

#include <string.h>

#define FNV_PRIME UINT64_C(0x00000100000001B3)

void ss_codec_fail(ss_codec_t *codec, storsim_status_t status) {
    if (codec->status == STORSIM_OK) {
        codec->status = status;
    }
}

bool ss_codec_ok(const ss_codec_t *codec) {
    return codec->status == STORSIM_OK;
}

bool ss_codec_hidden(const ss_codec_t *codec) {
    return codec->mode != SS_DIGEST;
}

bool ss_codec_loading(const ss_codec_t *codec) {
    return codec->mode == SS_LOAD;
}

static bool reserve(ss_codec_t *codec, size_t count) {
    if (codec->capacity - codec->length >= count) {
        return true;
    }
    /* unreachable: no host has so much memory for what is there already */
    if (count > SIZE_MAX / 4 || codec->length > SIZE_MAX / 4) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return false;
    }
    size_t wanted = codec->capacity != 0 ? codec->capacity * 2 : 4096;
    while (wanted < codec->length + count) {
        wanted *= 2;
    }
    uint8_t *moved = ss_resize(codec->host, codec->bytes, wanted, 1);
    if (moved == NULL) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return false;
    }
    codec->bytes = moved;
    codec->capacity = wanted;
    return true;
}

static void hash_bytes(ss_codec_t *codec, const uint8_t *bytes, size_t count) {
    uint64_t hash = codec->hash;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    }
    codec->hash = hash;
}

void ss_codec_bytes(ss_codec_t *codec, void *bytes, size_t count) {
    if (count == 0) {
        return;
    }
    switch (codec->mode) { /* unreachable: no other mode */
    case SS_SAVE:
        if (ss_codec_ok(codec) && reserve(codec, count)) {
            memcpy(codec->bytes + codec->length, bytes, count);
            codec->length += count;
        }
        break;
    case SS_LOAD:
        if (ss_codec_ok(codec) && codec->length - codec->position >= count) {
            memcpy(bytes, codec->bytes + codec->position, count);
            codec->position += count;
        } else {
            ss_codec_fail(codec, STORSIM_FORMAT);
            memset(bytes, 0, count);
        }
        break;
    case SS_DIGEST:
        hash_bytes(codec, bytes, count);
        break;
    }
}

/* Little endian whatever the host is. */
static uint64_t number(ss_codec_t *codec, uint64_t value, unsigned width) {
    uint8_t raw[8];
    for (unsigned i = 0; i < width; i++) {
        raw[i] = (uint8_t)(value >> (8 * i));
    }
    ss_codec_bytes(codec, raw, width);
    if (codec->mode != SS_LOAD) {
        return value;
    }
    uint64_t loaded = 0;
    for (unsigned i = 0; i < width; i++) {
        loaded |= (uint64_t)raw[i] << (8 * i);
    }
    return loaded;
}

void ss_codec_u8(ss_codec_t *codec, uint8_t *value) {
    *value = (uint8_t)number(codec, *value, 1);
}

void ss_codec_u16(ss_codec_t *codec, uint16_t *value) {
    *value = (uint16_t)number(codec, *value, 2);
}

void ss_codec_u32(ss_codec_t *codec, uint32_t *value) {
    *value = (uint32_t)number(codec, *value, 4);
}

void ss_codec_u64(ss_codec_t *codec, uint64_t *value) {
    *value = number(codec, *value, 8);
}

void ss_codec_i32(ss_codec_t *codec, int32_t *value) {
    uint32_t raw = (uint32_t)*value;
    ss_codec_u32(codec, &raw);
    *value = raw <= INT32_MAX ? (int32_t)raw : -(int32_t)(UINT32_MAX - raw) - 1;
}

void ss_codec_bool(ss_codec_t *codec, bool *value) {
    uint8_t raw = codec->mode != SS_LOAD && *value ? 1 : 0; /* what is overwritten need not be a bool yet */
    ss_codec_u8(codec, &raw);
    if (raw > 1) {
        ss_codec_fail(codec, STORSIM_FORMAT);
        raw = 0;
    }
    *value = raw != 0;
}

void ss_codec_count(ss_codec_t *codec, uint64_t *count, size_t element_bytes, uint64_t limit) {
    ss_codec_u64(codec, count);
    if (codec->mode == SS_LOAD) {
        size_t left = codec->length - codec->position;
        if (*count > limit || (element_bytes != 0 && *count > left / element_bytes)) {
            ss_codec_fail(codec, STORSIM_FORMAT);
        }
        if (!ss_codec_ok(codec)) {
            *count = 0;
        }
    }
}

void ss_codec_index(ss_codec_t *codec, uint32_t *value, uint32_t limit) {
    ss_codec_u32(codec, value);
    if (codec->mode == SS_LOAD && *value >= limit) {
        ss_codec_fail(codec, STORSIM_FORMAT);
        *value = 0;
    }
}

void ss_codec_mark(ss_codec_t *codec, uint32_t magic) {
    uint32_t seen = magic;
    ss_codec_u32(codec, &seen);
    if (codec->mode == SS_LOAD && seen != magic) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    }
}
