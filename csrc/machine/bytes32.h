/* machine/bytes32.h: 32 small numbers at once. The vector versions give the same results as the portable ones.
 * Precondition: every byte and `least` are below 128.
 *
 * A number is changed by loading all, changing one in the register and storing all again: a load of all right after a store of one would
 * have to wait until the store has left the processor's queue, and a search comes right after a change. */
#ifndef SS_BYTES32_H
#define SS_BYTES32_H

#include <stdint.h>

/* 255 at index 31: read from 31 - i on, at index i. */
static const uint8_t ss_one_of_32[63] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255};

#if !defined(SS_PORTABLE) && defined(__AVX2__)
#include <immintrin.h>

typedef __m256i ss_bytes_t;

static inline ss_bytes_t ss_bytes_load(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

/* Bit i: bytes[i] >= least. */
static inline uint32_t ss_bytes_at_least(const uint8_t *bytes, uint32_t least) {
    __m256i limit = _mm256_set1_epi8((char)(least - 1)); /* signed compare is right below 128 */
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(ss_bytes_load(bytes), limit));
}

/* The largest. */
static inline uint8_t ss_bytes_most(ss_bytes_t all) {
    __m128i most = _mm_max_epu8(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    __m128i least = _mm_xor_si128(most, _mm_set1_epi8(-1)); /* there is an instruction for the smallest of eight pairs */
    least = _mm_minpos_epu16(_mm_min_epu8(least, _mm_srli_epi16(least, 8)));
    return (uint8_t)~_mm_cvtsi128_si32(least);
}

/* The largest but for one. */
static inline uint8_t ss_bytes_most_but(const uint8_t *bytes, uint32_t index) {
    return ss_bytes_most(_mm256_andnot_si256(ss_bytes_load(&ss_one_of_32[31 - index]), ss_bytes_load(bytes)));
}

/* bytes[index] = value. */
static inline void ss_bytes_set(uint8_t *bytes, uint32_t index, uint8_t value) {
    __m256i one = ss_bytes_load(&ss_one_of_32[31 - index]);
    __m256i all = _mm256_blendv_epi8(ss_bytes_load(bytes), _mm256_set1_epi8((char)value), one);
    _mm256_storeu_si256((__m256i *)(void *)bytes, all);
}

/* bytes[index] is at least value. */
static inline void ss_bytes_raise(uint8_t *bytes, uint32_t index, uint8_t value) {
    __m256i one = _mm256_and_si256(ss_bytes_load(&ss_one_of_32[31 - index]), _mm256_set1_epi8((char)value));
    _mm256_storeu_si256((__m256i *)(void *)bytes, _mm256_max_epu8(ss_bytes_load(bytes), one));
}

#elif !defined(SS_PORTABLE) && (defined(__SSE2__) || defined(_M_X64))
#include <emmintrin.h>
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

typedef struct ss_bytes {
    __m128i low, high;
} ss_bytes_t;

static inline __m128i ss_bytes_half(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static inline ss_bytes_t ss_bytes_load(const uint8_t *bytes) {
    ss_bytes_t all = {ss_bytes_half(bytes), ss_bytes_half(bytes + 16)};
    return all;
}

/* Bit i: bytes[i] >= least. */
static inline uint32_t ss_bytes_at_least(const uint8_t *bytes, uint32_t least) {
    __m128i limit = _mm_set1_epi8((char)(least - 1)); /* signed compare is right below 128; least 0 compares with -1 */
    ss_bytes_t all = ss_bytes_load(bytes);
    uint32_t low_bits = (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(all.low, limit));
    return low_bits | (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(all.high, limit)) << 16;
}

/* The largest. */
static inline uint8_t ss_bytes_most(ss_bytes_t all) {
    __m128i most = _mm_max_epu8(all.low, all.high);
#if defined(__SSE4_1__)
    __m128i least = _mm_xor_si128(most, _mm_set1_epi8(-1)); /* there is an instruction for the smallest of eight pairs */
    most = _mm_xor_si128(_mm_minpos_epu16(_mm_min_epu8(least, _mm_srli_epi16(least, 8))), _mm_set1_epi8(-1));
#else
    most = _mm_max_epu8(most, _mm_srli_si128(most, 8));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 4));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 2));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 1));
#endif
    return (uint8_t)_mm_cvtsi128_si32(most);
}

/* The largest but for one. */
static inline uint8_t ss_bytes_most_but(const uint8_t *bytes, uint32_t index) {
    const uint8_t *half = bytes + (index & 16);
    ss_bytes_t all = {_mm_andnot_si128(ss_bytes_half(&ss_one_of_32[31 - (index & 15)]), ss_bytes_half(half)),
                      ss_bytes_half(bytes + (~index & 16))};
    return ss_bytes_most(all);
}

/* bytes[index] = value. */
static inline void ss_bytes_set(uint8_t *bytes, uint32_t index, uint8_t value) {
    uint8_t *half = bytes + (index & 16);
    __m128i one = ss_bytes_half(&ss_one_of_32[31 - (index & 15)]);
    __m128i all = _mm_andnot_si128(one, ss_bytes_half(half));
    all = _mm_or_si128(all, _mm_and_si128(one, _mm_set1_epi8((char)value)));
    _mm_storeu_si128((__m128i *)(void *)half, all);
}

/* bytes[index] is at least value. */
static inline void ss_bytes_raise(uint8_t *bytes, uint32_t index, uint8_t value) {
    uint8_t *half = bytes + (index & 16);
    __m128i one = _mm_and_si128(ss_bytes_half(&ss_one_of_32[31 - (index & 15)]), _mm_set1_epi8((char)value));
    _mm_storeu_si128((__m128i *)(void *)half, _mm_max_epu8(ss_bytes_half(half), one));
}

#else

typedef const uint8_t *ss_bytes_t;

static inline ss_bytes_t ss_bytes_load(const uint8_t *bytes) {
    return bytes;
}

/* Bit i: bytes[i] >= least. */
static inline uint32_t ss_bytes_at_least(const uint8_t *bytes, uint32_t least) {
    uint32_t mask = 0;
    for (uint32_t part = 0; part < 4; part++) {
        uint64_t eight = 0;
        for (uint32_t i = 0; i < 8; i++) {
            eight |= (uint64_t)bytes[8 * part + i] << (8 * i);
        }
        /* The top bit of a byte survives the subtraction iff the byte is at least `least`. */
        uint64_t top = (eight | UINT64_C(0x8080808080808080)) - least * UINT64_C(0x0101010101010101);
        top = top >> 7 & UINT64_C(0x0101010101010101);
        mask |= (uint32_t)(top * UINT64_C(0x0102040810204080) >> 56) << (8 * part);
    }
    return mask;
}

/* The largest. */
static inline uint8_t ss_bytes_most(ss_bytes_t all) {
    uint8_t most = 0;
    for (uint32_t i = 0; i < 32; i++) {
        most = all[i] > most ? all[i] : most;
    }
    return most;
}

/* The largest but for one. */
static inline uint8_t ss_bytes_most_but(const uint8_t *bytes, uint32_t index) {
    uint8_t most = 0;
    for (uint32_t i = 0; i < 32; i++) {
        most = bytes[i] > most && i != index ? bytes[i] : most;
    }
    return most;
}

/* bytes[index] = value. */
static inline void ss_bytes_set(uint8_t *bytes, uint32_t index, uint8_t value) {
    bytes[index] = value;
}

/* bytes[index] is at least value. */
static inline void ss_bytes_raise(uint8_t *bytes, uint32_t index, uint8_t value) {
    bytes[index] = bytes[index] < value ? value : bytes[index];
}

#endif

static inline uint8_t ss_bytes_max(const uint8_t *bytes) {
    return ss_bytes_most(ss_bytes_load(bytes));
}

#endif
