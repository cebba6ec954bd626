/* machine/rng.h: seeded random numbers. splitmix64 (public domain, S. Vigna): one word of state, every output distinct per
 * period of 2^64, cheap to fork. */
#ifndef SS_RNG_H
#define SS_RNG_H

#include <stdint.h>

typedef struct ss_rng { uint64_t state; } ss_rng_t;

uint64_t ss_rng_next(ss_rng_t *rng);
uint64_t ss_rng_below(ss_rng_t *rng, uint64_t bound); /* 0 … bound-1, unbiased; bound > 0 */
/* Mixes two numbers into a seed: order matters, never needs a counter. */
uint64_t ss_mix(uint64_t a, uint64_t b);

#endif
