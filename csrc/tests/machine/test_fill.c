/* Patterns made many words at a time against the same made word by word. */
#include "../check.h"

#include "machine/rng.h"

int main(void) {
    uint8_t bytes[8 * 700];
    for (uint64_t seed = 1; seed <= 40; seed++) {
        int zeros = 0;
        ss_mix_fill(seed, seed * 1000, bytes, 700);
        for (size_t i = 0; i < 700; i++) {
            uint64_t word = ss_mix(seed, seed * 1000 + i);
            for (size_t j = 0; j < 8; j++) {
                uint8_t byte = (uint8_t)(word >> (8 * j));
                zeros += byte == 0;
                CHECK_EQ(bytes[8 * i + j], byte != 0 ? byte : 0xA5);
            }
        }
        CHECK(zeros > 0);
        ss_rng_t one = {seed}, many = {seed};
        ss_rng_fill(&many, bytes, 100);
        for (size_t i = 0; i < 100; i++) {
            uint64_t word = ss_rng_next(&one) | UINT64_C(0x0101010101010101);
            for (size_t j = 0; j < 8; j++) {
                CHECK_EQ(bytes[8 * i + j], (uint8_t)(word >> (8 * j)));
            }
        }
        CHECK_EQ(one.state, many.state);
    }
    return CHECK_DONE();
}
