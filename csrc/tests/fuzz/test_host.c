/* Programs of every shape on hosts whose n-th allocation fails, for every n: the call answers NO_MEMORY or does
 * without, what was refused changed nothing (the thorough run compares digests), the oracle sees no difference, and
 * nothing is left over. */
#include "tests/check.h"

#include "fuzz/fuzz.h"
#include "fuzz/make.h"

static unsigned long run(const uint8_t *bytes, size_t length, unsigned long fail_at, int persistent, bool thorough) {
    failing_host_t state = {.fail_at = fail_at, .persistent = persistent};
    const storsim_host_t host = FAILING_HOOK(&state);
    const fuzz_options_t options = {.host = &host, .thorough = thorough};
    fuzz_report_t report;
    storsim_status_t status = fuzz_run(bytes, length, &options, &report);
    CHECK(status == STORSIM_OK || (fail_at != 0 && status == STORSIM_NO_MEMORY));
    if (report.different) {
        fprintf(stderr, "host allocation %lu: %s\n", fail_at, report.text);
    }
    CHECK(!report.different);
    CHECK_EQ(state.live, 0);
    return state.requests;
}

int main(int count, char **words) {
    static uint8_t bytes[MAKE_BYTES];
    uint64_t seed = count > 1 ? strtoull(words[1], NULL, 0) : 5;
    unsigned long failed = 0;
    for (uint64_t index = 0; index < 40; index++) {
        size_t size = make_program(bytes, seed, index);
        size = size < 900 ? size : 900;
        unsigned long requests = run(bytes, size, 0, 0, false), step = 1 + requests / 150;
        for (unsigned long at = 1 + index % step; at <= requests; at += step) {
            (void)run(bytes, size, at, (int)(at % 2), at % 4 == 0);
            failed++;
        }
    }
    CHECK(failed > 1000);
    printf("  %lu host allocations failed in turn\n", failed);
    return CHECK_DONE();
}
