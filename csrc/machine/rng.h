/* machine/rng.h: seeded random numbers. splitmix64 (public domain, S. Vigna): one word of state, every output distinct per
 * period of 2^64, cheap to fork. */
#ifndef SS_RNG_H
#define SS_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct ss_rng { uint64_t state; } ss_rng_t;

uint64_t ss_rng_next(ss_rng_t *rng);
uint64_t ss_rng_below(ss_rng_t *rng, uint64_t bound); /* 0 … bound-1, unbiased; bound > 0 */
/* Mixes two numbers into a seed: order matters, never needs a counter. */
uint64_t ss_mix(uint64_t a, uint64_t b);

/* A word, little endian, at any address. */
static inline void ss_put_word(uint8_t *to, uint64_t word) {
    to[0] = (uint8_t)word; /* one by one: compilers make one store of it */
    to[1] = (uint8_t)(word >> 8);
    to[2] = (uint8_t)(word >> 16);
    to[3] = (uint8_t)(word >> 24);
    to[4] = (uint8_t)(word >> 32);
    to[5] = (uint8_t)(word >> 40);
    to[6] = (uint8_t)(word >> 48);
    to[7] = (uint8_t)(word >> 56);
}
/* `words` times ss_mix(a, b), ss_mix(a, b + 1), …; bytes that would be 0 are 0xA5. */
void ss_mix_fill(uint64_t a, uint64_t b, uint8_t *to, size_t words);
/* `words` times ss_rng_next, with the lowest bit of every byte set. */
void ss_rng_fill(ss_rng_t *rng, uint8_t *to, size_t words);

#endif
