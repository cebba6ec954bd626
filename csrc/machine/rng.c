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
