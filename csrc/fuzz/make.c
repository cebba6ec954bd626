/* fuzz/make.c: programs from a random stream. Shapes only: what a byte means is decode.c's business. */
#include "fuzz/make.h"

#include "fuzz/fuzz.h"

static uint64_t draw(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint32_t below(uint64_t *state, uint32_t bound) {
    return (uint32_t)(draw(state) >> 32) % bound;
}

typedef enum shape { MEMORY, MISUSE, FAMILY, DDI, AUDIO, SHAPES } shape_t;

static const char *const names[SHAPES] = {"memory", "misuse", "family", "ddi", "audio"};

static shape_t shape_of(uint64_t index) {
    static const uint8_t turns[20] = {MEMORY, FAMILY, MEMORY, MISUSE, MEMORY, FAMILY, MEMORY, MEMORY, FAMILY, DDI,
                                      MEMORY, FAMILY, MEMORY, MISUSE, MEMORY, FAMILY, MEMORY, MEMORY, FAMILY, AUDIO};
    return (shape_t)turns[index % 20];
}

const char *make_kind(uint64_t index) {
    return names[shape_of(index)];
}

/* First and last code of each family of operations in decode.c: a family's own calls, allocation before free. */
static const uint8_t families[][2] = {{0, 9}, {10, 15}, {16, 23}, {24, 25}, {0, 30}, {16, 30}};

static uint32_t code_of(uint64_t *state, shape_t shape, uint32_t family) {
    uint32_t percent = below(state, 100);
    switch (shape) {
    case DDI: return percent < 50 ? 38 + below(state, 8) : below(state, 47);
    case AUDIO: return percent < 70 ? 47 + below(state, 17) : percent < 85 ? 38 + below(state, 4) : percent < 95 ? 33 : below(state, 38);
    case FAMILY:
        if (percent < 90) {
            return families[family][0] + below(state, families[family][1] + 1u - families[family][0]);
        }
        return below(state, 34);
    default: return percent < 95 ? below(state, 31) : 31 + below(state, 4);
    }
}

static uint8_t argument(uint64_t *state, uint32_t misuse) {
    uint32_t value = below(state, FUZZ_FIRST_OPERATION);
    if (value >= 144 && below(state, 100) >= misuse) {
        value -= 48; /* most ways of misuse begin at 144 */
    }
    return (uint8_t)value;
}

size_t make_program(uint8_t *bytes, uint64_t seed, uint64_t index) {
    uint64_t state = seed * UINT64_C(1000003) + index;
    shape_t shape = shape_of(index);
    uint32_t misuse = shape == MISUSE ? 40 : shape == DDI || shape == AUDIO ? below(&state, 2) * 2 : below(&state, 4) == 0;
    uint32_t family = below(&state, sizeof families / sizeof families[0]);
    uint32_t operations = index % 40 == 7 ? 1 + below(&state, 60) : shape == AUDIO ? 600 : shape == DDI ? 2500 : 6000;
    size_t length = 0;
    bytes[length++] = (uint8_t)below(&state, below(&state, 4) != 0 ? 192 : 24);               /* pages */
    bytes[length++] = (uint8_t)below(&state, 192);                                                 /* holes, nodes */
    bytes[length++] = (uint8_t)below(&state, 18);                                                  /* level, OS */
    bytes[length++] = (uint8_t)below(&state, 12);                                                  /* knobs */
    bytes[length++] = (uint8_t)below(&state, 192);                                                 /* seed */
    bytes[length++] = (uint8_t)(shape == AUDIO || (shape == DDI && index % 40 < 20) ? 1 + below(&state, 24) : 0);
    for (uint32_t i = 0; i < operations && length + 16 < MAKE_BYTES; i++) {
        bytes[length++] = (uint8_t)(FUZZ_FIRST_OPERATION + code_of(&state, shape, family));
        for (uint32_t count = 4 + below(&state, 5); count != 0; count--) {
            bytes[length++] = argument(&state, misuse);
        }
    }
    return length;
}
