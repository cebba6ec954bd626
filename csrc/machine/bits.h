/* machine/bits.h: counting bits, and numbers as bytes. The fallbacks give the same results on any compiler. */
#ifndef SS_BITS_H
#define SS_BITS_H

#include <stdbool.h>
#include <stdint.h>

#if !defined(SS_PORTABLE) && defined(__BMI__) && defined(__LZCNT__) && defined(__x86_64__)
#include <immintrin.h>
#define SS_BITS_BMI 1 /* instructions that count 64 for 0 by themselves */
#endif

/* For hot paths cut into functions that are to be read, not called; and for what is to stay out of them. */
#if defined(__GNUC__) || defined(__clang__)
#define SS_INLINE static inline __attribute__((always_inline))
#define SS_ASIDE static __attribute__((noinline))
#elif defined(_MSC_VER)
#define SS_INLINE static __forceinline
#define SS_ASIDE static __declspec(noinline)
#else
#define SS_INLINE static inline
#define SS_ASIDE static
#endif

/* Starts to fetch what will be read or written soon. */
#if defined(__GNUC__) || defined(__clang__)
#define SS_SOON(address) __builtin_prefetch(address)
#else
#define SS_SOON(address) ((void)(address))
#endif

#if defined(_MSC_VER) && !defined(__clang__) && (defined(_M_X64) || defined(_M_ARM64))
#include <intrin.h>
#define SS_BITS_MSVC 1
#endif

/* Number of zero bits below the lowest one; 64 for 0. */
static inline uint32_t ss_low_zeros(uint64_t value) {
#if defined(SS_BITS_BMI)
    return (uint32_t)_tzcnt_u64(value);
#else
    if (value == 0) {
        return 64;
    }
#if defined(__GNUC__) || defined(__clang__)
    return (uint32_t)__builtin_ctzll(value);
#elif defined(SS_BITS_MSVC)
    unsigned long index;
    _BitScanForward64(&index, value);
    return (uint32_t)index;
#else
    uint32_t count = 0;
    for (uint32_t step = 32; step > 0; step >>= 1) {
        if ((value & ((UINT64_C(1) << step) - 1)) == 0) {
            count += step;
            value >>= step;
        }
    }
    return count;
#endif
#endif
}

/* Number of zero bits above the highest one; 64 for 0. */
static inline uint32_t ss_high_zeros(uint64_t value) {
#if defined(SS_BITS_BMI)
    return (uint32_t)_lzcnt_u64(value);
#else
    if (value == 0) {
        return 64;
    }
#if defined(__GNUC__) || defined(__clang__)
    return (uint32_t)__builtin_clzll(value);
#elif defined(SS_BITS_MSVC)
    unsigned long index;
    _BitScanReverse64(&index, value);
    return 63u - (uint32_t)index;
#else
    uint32_t count = 0;
    for (uint32_t step = 32; step > 0; step >>= 1) {
        if (value >> (64 - step) == 0) {
            count += step;
            value <<= step;
        }
    }
    return count;
#endif
#endif
}

/* Index of the highest one. Precondition: value != 0. */
static inline uint32_t ss_highest_bit(uint32_t value) {
#if defined(__GNUC__) || defined(__clang__)
    return 31u - (uint32_t)__builtin_clz(value);
#else
    return 63u - ss_high_zeros(value);
#endif
}

/* Number of ones. */
static inline uint32_t ss_ones(uint64_t value) {
    value -= value >> 1 & UINT64_C(0x5555555555555555);
    value = (value & UINT64_C(0x3333333333333333)) + (value >> 2 & UINT64_C(0x3333333333333333));
    value = (value + (value >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
    return (uint32_t)(value * UINT64_C(0x0101010101010101) >> 56);
}

/* All ones or 0: for conditions as likely as not, which are better computed with than jumped on. */
static inline uint64_t ss_ones_if(bool condition) {
    return UINT64_C(0) - condition;
}

/* The lowest `count` bits set; count 0 … 64. */
static inline uint64_t ss_low_mask(uint32_t count) {
    return count == 0 ? 0 : ~UINT64_C(0) >> (64 - count);
}

/* The low `bytes` bytes of a number (at most 8) as they lie in memory: least significant first, on every host. */
static inline void ss_put_bytes(uint8_t *to, uint64_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint64_t ss_get_bytes(const uint8_t *from, uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

/* The same for widths that compilers see through: one load on a little-endian host. */
static inline uint32_t ss_get_u32(const uint8_t *from) {
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}
static inline uint64_t ss_get_u64(const uint8_t *from) {
    return (uint64_t)from[0] | (uint64_t)from[1] << 8 | (uint64_t)from[2] << 16 | (uint64_t)from[3] << 24 | (uint64_t)from[4] << 32 |
           (uint64_t)from[5] << 40 | (uint64_t)from[6] << 48 | (uint64_t)from[7] << 56;
}

#endif
