/* hda/bytes.c: a byte ring that grows to a limit and then keeps the newest. Its capacity is 0 or a power of two. */
#include "hda/hda_i.h"

#include <string.h>

static uint64_t wrapped(const ss_hda_bytes_t *bytes, uint64_t at) {
    return at & (bytes->capacity - 1);
}

void ss_hda_bytes_clear(ss_hda_bytes_t *bytes, ss_host_t *host) {
    ss_release(host, bytes->ring);
    *bytes = (ss_hda_bytes_t){.limit = bytes->limit};
}

void ss_hda_bytes_peek(const ss_hda_bytes_t *bytes, uint64_t at, uint8_t *data, uint64_t count) {
    if (count == 0 || bytes->capacity == 0) { /* unreachable: what is there lies in a buffer */
        return;
    }
    uint64_t from = wrapped(bytes, bytes->start + at), first = bytes->capacity - from;
    first = first < count ? first : count;
    memcpy(data, bytes->ring + from, (size_t)first);
    memcpy(data + first, bytes->ring, (size_t)(count - first));
}

bool ss_hda_bytes_reserve(ss_hda_bytes_t *bytes, ss_host_t *host, uint64_t more) {
    uint64_t needed = bytes->count + more, capacity = bytes->capacity != 0 ? bytes->capacity : 1024;
    if (more > SIZE_MAX / 4 || needed > SIZE_MAX / 4) {
        return false;
    }
    needed = needed < bytes->limit ? needed : bytes->limit;
    if (needed <= bytes->capacity) {
        return true;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    uint8_t *ring = ss_alloc(host, (size_t)capacity);
    if (ring == NULL) {
        return false;
    }
    ss_hda_bytes_peek(bytes, 0, ring, bytes->count);
    ss_release(host, bytes->ring);
    bytes->ring = ring;
    bytes->capacity = capacity;
    bytes->start = 0;
    return true;
}

void ss_hda_bytes_pop(ss_hda_bytes_t *bytes, uint64_t count) {
    count = count < bytes->count ? count : bytes->count;
    if (count != 0) {
        bytes->start = wrapped(bytes, bytes->start + count);
        bytes->count -= count;
    }
}

void ss_hda_bytes_cut(ss_hda_bytes_t *bytes, uint64_t at, uint64_t count) {
    if (at >= bytes->count) {
        return;
    }
    count = count < bytes->count - at ? count : bytes->count - at;
    for (uint64_t i = at; count != 0 && i-- > 0;) {
        bytes->ring[wrapped(bytes, bytes->start + i + count)] = bytes->ring[wrapped(bytes, bytes->start + i)];
    }
    ss_hda_bytes_pop(bytes, count);
}

uint8_t *ss_hda_bytes_place(const ss_hda_bytes_t *bytes, uint64_t *count) {
    uint64_t to = wrapped(bytes, bytes->start + bytes->count), piece = bytes->capacity - to;
    piece = piece < bytes->limit ? piece : bytes->limit;
    *count = *count < piece ? *count : piece;
    return bytes->ring + to;
}

void ss_hda_bytes_placed(ss_hda_bytes_t *bytes, uint64_t count) {
    bytes->count += count;
    uint64_t over = bytes->count > bytes->limit ? bytes->count - bytes->limit : 0;
    ss_hda_bytes_pop(bytes, over);
    bytes->dropped += over;
}

bool ss_hda_bytes_push(ss_hda_bytes_t *bytes, ss_host_t *host, const uint8_t *data, uint64_t count) {
    if (!ss_hda_bytes_reserve(bytes, host, count)) {
        return false;
    }
    uint64_t skip = count > bytes->limit ? count - bytes->limit : 0;
    uint64_t keep = count - skip, over = bytes->count + keep > bytes->limit ? bytes->count + keep - bytes->limit : 0;
    ss_hda_bytes_pop(bytes, over);
    bytes->dropped += skip + over;
    if (keep == 0) {
        return true;
    }
    uint64_t to = wrapped(bytes, bytes->start + bytes->count), first = bytes->capacity - to;
    first = first < keep ? first : keep;
    if (data != NULL) {
        memcpy(bytes->ring + to, data + skip, (size_t)first);
        if (first != keep) {
            memcpy(bytes->ring, data + skip + first, (size_t)(keep - first));
        }
    } else {
        memset(bytes->ring + to, 0, (size_t)first);
        memset(bytes->ring, 0, (size_t)(keep - first));
    }
    bytes->count += keep;
    return true;
}

void ss_hda_bytes_trim(ss_hda_bytes_t *bytes, uint64_t limit) {
    bytes->limit = limit;
    if (bytes->count > limit) {
        uint64_t over = bytes->count - limit;
        ss_hda_bytes_pop(bytes, over);
        bytes->dropped += over;
    }
}

void ss_hda_bytes_walk(ss_hda_bytes_t *bytes, ss_codec_t *codec) {
    ss_codec_u64(codec, &bytes->limit);
    ss_codec_u64(codec, &bytes->dropped);
    uint64_t count = bytes->count;
    ss_codec_count(codec, &count, 1, UINT64_MAX);
    if (!ss_codec_loading(codec)) {
        uint8_t chunk[256];
        for (uint64_t at = 0; at < count; at += sizeof chunk) {
            uint64_t step = count - at < sizeof chunk ? count - at : sizeof chunk;
            ss_hda_bytes_peek(bytes, at, chunk, step);
            ss_codec_bytes(codec, chunk, (size_t)step);
        }
        return;
    }
    if (count > bytes->limit) {
        ss_codec_fail(codec, STORSIM_FORMAT);
    } else if (ss_codec_ok(codec) && !ss_hda_bytes_reserve(bytes, codec->host, count)) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
    } else if (ss_codec_ok(codec)) {
        ss_codec_bytes(codec, bytes->ring, (size_t)count);
        bytes->count = count;
    }
}
