/* machine/rng.c: splitmix64, see rng.h. */
#include "machine/rng.h"

static uint64_t scramble(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t ss_rng_next(ss_rng_t *rng) {
    rng->state += UINT64_C(0x9E3779B97F4A7C15);
    return scramble(rng->state);
}

uint64_t ss_rng_below(ss_rng_t *rng, uint64_t bound) {
    /* Values from the incomplete last multiple of bound are drawn again; at most every second draw is. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value = ss_rng_next(rng);
    while (value >= limit) {
        value = ss_rng_next(rng);
    }
    return value % bound;
}

uint64_t ss_mix(uint64_t a, uint64_t b) {
    return scramble(scramble(a + UINT64_C(0x9E3779B97F4A7C15)) ^ (b + UINT64_C(0xD1B54A32D192ED03)));
}

void ss_mix_fill(uint64_t a, uint64_t b, uint8_t *to, size_t words) {
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
    uint64_t first = scramble(a + UINT64_C(0x9E3779B97F4A7C15));
    for (size_t i = 0; i < words; i++) {
        uint64_t word = scramble(first ^ (b + i + UINT64_C(0xD1B54A32D192ED03)));
        uint64_t zeros = ~(((word & low) + low) | word | low); /* the high bit of every byte that is 0 */
        ss_put_word(to + 8 * i, word | (zeros >> 7) * 0xA5);
    }
}

void ss_rng_fill(ss_rng_t *rng, uint8_t *to, size_t words) {
    uint64_t state = rng->state;
    for (size_t i = 0; i < words; i++) {
        state += UINT64_C(0x9E3779B97F4A7C15);
        ss_put_word(to + 8 * i, scramble(state) | UINT64_C(0x0101010101010101));
    }
    rng->state = state;
}
