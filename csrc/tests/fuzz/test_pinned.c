/* What many made-up programs come to: one number over everything that went in and out of their machines, every finding
 * and the state at the end (fuzz/digest.h, tests/machine_pin.h). */
#include <string.h>

#include "tests/check.h"
#include "tests/machine_pin.h"

#include "fuzz/digest.h"
#include "fuzz/fuzz.h"
#include "fuzz/make.h"

typedef struct kind {
    const char *name;
    uint64_t programs;
} kind_t;

static const kind_t kinds[] = {{"audio", 150}, {"ddi", 150}, {"family", 40}, {"misuse", 30}, {"memory", 20}};

static void ends(void *context, storsim_machine_t *machine) {
    (void)context;
    machine_pin(machine);
}

/* The first programs of a kind in a stream that is not the corpus's. */
static void fold(const kind_t *kind) {
    static uint8_t bytes[MAKE_BYTES];
    const fuzz_options_t options = {.ends = ends};
    uint64_t done = 0;
    for (uint64_t index = 0; done < kind->programs; index++) {
        uint64_t digest = 0;
        fuzz_report_t report;
        if (strcmp(make_kind(index), kind->name) != 0) {
            continue;
        }
        size_t length = make_program(bytes, 2, index);
        CHECK_EQ(fuzz_digest(bytes, length, &digest), STORSIM_OK);
        CHECK_EQ(fuzz_run(bytes, length, &options, &report), STORSIM_OK);
        CHECK(!report.different);
        check_fold(digest);
        done++;
    }
}

int main(void) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fold(&kinds[i]);
    }
    return CHECK_PINNED(fuzz_test_pinned);
}
