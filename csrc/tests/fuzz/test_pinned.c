/* What many made-up programs come to: one number for each kind of program, over everything that went in and out of their machines, every
 * finding and the state at the end (fuzz/digest.h). They say that nothing changed, not that it is right, which the oracle and the tests of
 * the rooms say. A change of behaviour that is meant makes new numbers: run with --make, as for tests/golden. */
#include <stdbool.h>
#include <string.h>

#include "tests/check.h"

#include "fuzz/digest.h"
#include "fuzz/make.h"

enum { KINDS = 5 };

typedef struct kind {
    const char *name;
    uint64_t programs, digest;
} kind_t;

static const kind_t kinds[KINDS] = {
    {"memory", 20, UINT64_C(0xF185C47F2980EE0B)},
    {"misuse", 30, UINT64_C(0x908873620C56FFC2)},
    {"family", 40, UINT64_C(0x8362783955365220)},
    {"ddi", 150, UINT64_C(0xA17C0163751A8E82)},
    {"audio", 150, UINT64_C(0x2BF578EE343BDD15)},
};

/* The first programs of a kind in a stream that is not the corpus's. */
static uint64_t fold(const kind_t *kind) {
    static uint8_t bytes[MAKE_BYTES];
    uint64_t hash = 0, done = 0;
    for (uint64_t index = 0; done < kind->programs; index++) {
        uint64_t digest = 0;
        if (strcmp(make_kind(index), kind->name) != 0) {
            continue;
        }
        CHECK_EQ(fuzz_digest(bytes, make_program(bytes, 2, index), &digest), STORSIM_OK);
        hash = (hash ^ digest) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
        done++;
    }
    return hash;
}

int main(int argc, char **argv) {
    bool make = argc == 2 && strcmp(argv[1], "--make") == 0;
    for (int i = KINDS - 1; i >= 0; i--) { /* the quickest first */
        uint64_t digest = fold(&kinds[i]);
        if (make) {
            printf("    {\"%s\", %" PRIu64 ", UINT64_C(0x%016" PRIX64 ")},\n", kinds[i].name, kinds[i].programs, digest);
        } else {
            CHECK_EQ(digest, kinds[i].digest);
        }
    }
    return CHECK_DONE();
}
