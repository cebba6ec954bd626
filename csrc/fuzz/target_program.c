/* fuzz/target_program.c: a byte string as a program. See fuzz.h. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The first bit says how closely to look; it is also the lowest bit of the number of pages, which is as good as any. */
    const fuzz_options_t options = {.thorough = size != 0 && size < 400 && (data[0] & 1) != 0};
    fuzz_report_t report;
    if (fuzz_run(data, size, &options, &report) == STORSIM_OK && report.different) {
        fprintf(stderr, "DIFFERENCE %s\n", report.text);
        abort();
    }
    return 0;
}
