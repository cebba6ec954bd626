/* machine/bytes32.h: 32 small numbers at once. The vector versions give the same results as the portable ones.
 * Precondition: every byte and `least` are below 128. */
#ifndef SS_BYTES32_H
#define SS_BYTES32_H

#include <stdint.h>

#if !defined(SS_PORTABLE) && defined(__AVX2__)
#include <immintrin.h>

/* Bit i: bytes[i] >= least. */
static inline uint32_t ss_bytes_at_least(const uint8_t *bytes, uint32_t least) {
    __m256i limit = _mm256_set1_epi8((char)(least - 1)); /* signed compare is right below 128 */
    __m256i all = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(all, limit));
}

#elif !defined(SS_PORTABLE) && (defined(__SSE2__) || defined(_M_X64))
#include <emmintrin.h>

/* Bit i: bytes[i] >= least. */
static inline uint32_t ss_bytes_at_least(const uint8_t *bytes, uint32_t least) {
    __m128i limit = _mm_set1_epi8((char)(least - 1)); /* signed compare is right below 128; least 0 compares with -1 */
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16));
    uint32_t low_bits = (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(low, limit));
    return low_bits | (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(high, limit)) << 16;
}

#else

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

#endif

/* The largest of the 32. */
#if !defined(SS_PORTABLE) && defined(__SSE4_1__)
#include <smmintrin.h>

static inline uint8_t ss_bytes_max(const uint8_t *bytes) {
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i most = _mm_max_epu8(low, _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16)));
    __m128i least = _mm_xor_si128(most, _mm_set1_epi8(-1)); /* there is an instruction for the smallest of eight pairs */
    least = _mm_minpos_epu16(_mm_min_epu8(least, _mm_srli_epi16(least, 8)));
    return (uint8_t)~_mm_cvtsi128_si32(least);
}

#elif !defined(SS_PORTABLE) && (defined(__SSE2__) || defined(_M_X64))

static inline uint8_t ss_bytes_max(const uint8_t *bytes) {
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i most = _mm_max_epu8(low, _mm_loadu_si128((const __m128i *)(const void *)(bytes + 16)));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 8));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 4));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 2));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 1));
    return (uint8_t)_mm_cvtsi128_si32(most);
}

#else

static inline uint8_t ss_bytes_max(const uint8_t *bytes) {
    uint8_t most = 0;
    for (uint32_t i = 0; i < 32; i++) {
        most = bytes[i] > most ? bytes[i] : most;
    }
    return most;
}

#endif
#endif
