/* Programs: every byte string runs, the same way each time; what the oracle forbids is noticed; the corpus agrees with
 * the core. */
#include <string.h>

#include "../check.h"
#include "fuzz/fuzz.h"
#include "fuzz/make.h"
#include "fuzz/oracle.h"
#include "storsim/behaviour.h"
#include "storsim/storport.h"

static fuzz_report_t run(const uint8_t *bytes, size_t length, const fuzz_options_t *options) {
    fuzz_report_t report;
    CHECK_EQ(fuzz_run(bytes, length, options, &report), STORSIM_OK);
    if (report.different) {
        fprintf(stderr, "%s\n", report.text);
    }
    CHECK(!report.different);
    return report;
}

#define RUN(...) run((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__}, NULL)

static void missing_bytes_are_the_plainest_choice(void) {
    fuzz_report_t none;
    CHECK_EQ(fuzz_run(NULL, 0, NULL, &none), STORSIM_OK);
    CHECK_EQ(none.operations, 0);
    CHECK_EQ(none.machines, 1);
    fuzz_report_t bare = RUN(0xC0), spelled = RUN(0x00, 0x00, 0xC0, 0x00, 0x00, 0x00, 0x00), longer = RUN(0xC0, 0, 0, 0, 0, 0x55, 0x66, 0x77);
    CHECK_EQ(bare.calls, 1);
    CHECK_EQ(spelled.calls, 1);
    CHECK_EQ(longer.calls, 1); /* what an operation does not read is ignored */
}

static void a_bugcheck_starts_another_machine(void) {
    const uint8_t zero_length[] = {0xC0, 0, 0, 0, 0x90};
    fuzz_report_t one = run(zero_length, sizeof zero_length, NULL), two = RUN(0xC0, 0, 0, 0, 0x90, 0xC0);
    CHECK_EQ(one.machines, 1);
    CHECK_EQ(two.machines, 2);
    CHECK_EQ(two.calls, 2);
}

/* Freed blocks are told from foreign addresses until the quarantine's limit was freed after them: from then on a second
 * free is one of an address nobody had. A free, 64 MiB of host memory buffers and their frees, the same free again. */
static void what_left_the_quarantine_is_foreign(uint8_t allocate, uint8_t release, uint8_t twice) {
    static const uint8_t buffer[] = {0xD8, 0x68, 0x6B, 0x7B, 0x2E, 0x3F, 0xD9};
    uint8_t bytes[3 + 400 * sizeof buffer + 3] = {0x42, allocate, release};
    size_t length = 3;
    for (int i = 0; i < 400; i++) {
        memcpy(bytes + length, buffer, sizeof buffer);
        length += sizeof buffer;
    }
    const uint8_t again[] = {release, twice, 0};
    memcpy(bytes + length, again, sizeof again);
    fuzz_report_t report = run(bytes, length + sizeof again, NULL);
    CHECK_EQ(report.operations, 803);
}

/* The same of a buffer whose MDL is built when it is gone: its addresses may be somebody else's by then, a host memory
 * buffer's say. */
static void an_mdl_of_what_left_the_quarantine_may_be_built(void) {
    static oracle_t oracle;
    oracle_init(&oracle, LEVEL_VERIFIER, 0x0A000005);
    oracle_map(&oracle, 0, 64, 0);
    block_t *buffer = oracle_add(&oracle, &(block_t){.kind = KIND_POOL, .va = 0xFFFFA00000010000, .size = 4096, .first = 1, .pages = 1});
    block_t *mdl = oracle_add(&oracle, &(block_t){.kind = KIND_MDL, .va = 0xFFFFA00000020010, .size = 48, .first = 2, .described = buffer->va});
    expect_t live = oracle_mdl_build(&oracle, mdl->va);
    CHECK(!live.stops && !live.either);
    oracle_drop(&oracle, buffer);
    expect_t gone = oracle_mdl_build(&oracle, mdl->va);
    CHECK(gone.stops && !gone.either);
    oracle.freed += ORACLE_QUARANTINE - 1;
    CHECK(oracle_remembers(&oracle, buffer) && !oracle_mdl_build(&oracle, mdl->va).either);
    oracle.freed += 1;
    CHECK(!oracle_remembers(&oracle, buffer) && oracle_mdl_build(&oracle, mdl->va).either);
    mdl->described = 0xFFFFA00000040000; /* nobody had that */
    CHECK(!oracle_mdl_build(&oracle, mdl->va).either);
}

/* A buffer of 51 bytes in two halves starts at an odd address, which a descriptor must not: the engine is started and
 * stopped again within one call. */
static void an_engine_may_stop_where_it_starts(void) {
    fuzz_report_t report = RUN(0x0C, 0x06, 0x0D, 0x01, 0x06, 0x12, 0xF0, 0x1C, 0x04, 0x7A, 0x69, 0x8C, 0xF2, 0x5C, 0x42, 0x73, 0x5D, 0xFF, 0x4E,
                               0x49, 0x8B, 0x0C, 0x4E, 0x1A, 0x0D, 0xF4, 0x2E, 0x88, 0x07, 0x2F, 0x80, 0x14, 0x44);
    CHECK_EQ(report.calls, 4);
}

/* A byte in an argument changes that operation alone: the others still do what they did. */
typedef struct heard {
    uint64_t outcomes[64];
    uint16_t routines[64];
    unsigned count;
} heard_t;

static void saw(void *context, uint16_t routine, int level, unsigned irql, bool stopped, uint64_t outcome, const char *rule) {
    heard_t *heard = context;
    (void)level, (void)irql, (void)stopped, (void)rule;
    if (heard->count < 64) {
        heard->routines[heard->count] = routine;
        heard->outcomes[heard->count++] = outcome;
    }
}

static void a_byte_changes_one_operation(void) {
    uint8_t bytes[40];
    for (unsigned i = 0; i < 8; i++) { /* eight allocations of different kinds */
        memcpy(&bytes[i * 5], (const uint8_t[]){(uint8_t)(i % 2 != 0 ? 0xC0 : 0xD0), 0, (uint8_t)i, 0, 0}, 5);
    }
    heard_t before = {.count = 0};
    const fuzz_options_t options = {.saw = saw, .context = &before};
    (void)run(bytes, sizeof bytes, &options);
    CHECK_EQ(before.count, 8);
    for (unsigned i = 0; i < 40; i++) {
        if (bytes[i] >= FUZZ_FIRST_OPERATION) {
            continue;
        }
        heard_t after = {.count = 0};
        const fuzz_options_t again = {.saw = saw, .context = &after};
        bytes[i] ^= 1;
        (void)run(bytes, sizeof bytes, &again);
        bytes[i] ^= 1;
        CHECK_EQ(after.count, 8);
        CHECK(memcmp(before.routines, after.routines, sizeof before.routines) == 0);
        for (unsigned j = 0; j < i / 5; j++) {
            CHECK_EQ(after.outcomes[j], before.outcomes[j]);
        }
    }
}

/* Any bytes at all: from a plain generator that knows nothing of operations. */
static void every_byte_string_is_a_program(void) {
    uint32_t state = 2026;
    uint8_t bytes[300];
    uint64_t calls = 0;
    for (unsigned round = 0; round < 1500; round++) {
        size_t length = 1 + round % sizeof bytes;
        for (size_t i = 0; i < length; i++) {
            state = state * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(state >> 24);
        }
        const fuzz_options_t options = {.thorough = round % 10 == 0};
        calls += run(bytes, length, &options).calls;
    }
    CHECK(calls > 10000);
}

static void the_corpus_agrees(void) {
    static uint8_t bytes[MAKE_BYTES];
    size_t length = storsim_behaviour_bytes();
    uint8_t *set = malloc(length);
    CHECK(set != NULL);
    CHECK_EQ(storsim_behaviour_set_init(set, length), STORSIM_OK);
    const fuzz_options_t options = {.behaviours = set, .behaviours_length = length};
    for (uint64_t index = 0; index < 40; index++) {
        size_t size = make_program(bytes, 7, index);
        CHECK(size <= MAKE_BYTES && size > 6);
        fuzz_report_t first = run(bytes, size, &options), second = run(bytes, size, NULL);
        CHECK_EQ(first.calls, second.calls);
        CHECK_EQ(first.machines, second.machines);
    }
    /* Every routine of both families was called to its end. */
    size_t rows;
    const storsim_routine_t *table = storsim_ddi_table(&rows);
    for (size_t i = 0; i < rows; i++) {
        uint32_t first = storsim_behaviour_call(&table[i], 0), end = first, found;
        for (uint32_t outcome = 0; storsim_behaviour_outcome(&table[i], outcome)[0] != '\0'; outcome++) {
            end = storsim_behaviour_call(&table[i], outcome + 1);
        }
        CHECK(storsim_behaviour_set_next(set, length, first, &found));
        CHECK(found < end);
    }
    free(set);
}

/* A core that answers something else is noticed: after the first call the routine is taken away. */
static void forget_pool(void *context, uint16_t routine, int level, unsigned irql, bool stopped, uint64_t outcome, const char *rule) {
    (void)routine, (void)level, (void)irql, (void)stopped, (void)outcome, (void)rule;
    storsim_machine_t **machine = context;
    (void)storsim_override_first_os(*machine, STORSIM_ID_StorPortAllocatePool, UINT32_MAX);
}

static void remember(void *context, storsim_machine_t *machine) {
    storsim_machine_t **kept = context;
    *kept = machine;
}

static void a_difference_is_noticed(void) {
    storsim_machine_t *machine = NULL;
    const fuzz_options_t options = {.saw = forget_pool, .begins = remember, .context = &machine};
    const uint8_t bytes[] = {0xC0, 0xC0, 0xC0};
    fuzz_report_t report;
    CHECK_EQ(fuzz_run(bytes, sizeof bytes, &options, &report), STORSIM_OK);
    CHECK(report.different);
    CHECK_EQ(report.operations, 2); /* the first is right; the run ends at the first difference */
    CHECK(strstr(report.text, "0xc1000002") != NULL && strstr(report.text, "StorPortAllocatePool") != NULL);
}

static void a_host_without_memory_is_no_difference(void) {
    static uint8_t bytes[MAKE_BYTES];
    size_t size = make_program(bytes, 3, 7);
    for (unsigned long fail_at = 1; fail_at < 400; fail_at += 7) {
        failing_host_t state = {.fail_at = fail_at};
        const storsim_host_t host = FAILING_HOOK(&state);
        const fuzz_options_t options = {.host = &host};
        fuzz_report_t report;
        storsim_status_t status = fuzz_run(bytes, size, &options, &report);
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(state.live, 0);
    }
}

/* The oracle's two ways to say where a block may lie: every page of small maps, by trying. */
static void the_bit_sets_find_the_highest_place(void) {
    static oracle_t oracle;
    uint32_t state = 7;
    for (unsigned round = 0; round < 300; round++) {
        oracle_init(&oracle, LEVEL_RELEASE, 0x0A000010);
        oracle.nodes = 1;
        for (uint32_t page = 1; page < 200; page++) {
            oracle_map(&oracle, page, 1, 0);
        }
        for (uint32_t page = 1; page < 200; page++) {
            state = state * 1664525u + 1013904223u;
            if (state >> 30 == 0) {
                oracle_take(&oracle, page, 1);
            }
        }
        uint64_t pages = 1 + round % 12, place;
        contig_call_t call = {.bytes = pages * 4096, .high = UINT64_MAX, .cache = 1, .node = 0, .boundary = round % 3 != 0 ? 0 : 0x10000};
        expect_t expect = oracle_contig_allocate(&oracle, KIND_DMA, &call, &place);
        uint64_t found = UINT64_MAX;
        for (uint64_t first = 1; first + pages <= 200; first++) {
            bool fits = call.boundary == 0 || first / 16 == (first + pages - 1) / 16;
            for (uint64_t page = first; page < first + pages; page++) {
                fits = fits && oracle_is_free(&oracle, page);
            }
            found = fits ? first : found;
        }
        CHECK_EQ(place, found);
        CHECK_EQ(expect.status, found != UINT64_MAX ? ST_SUCCESS : ST_NO_RESOURCES);
    }
}

int main(void) {
    missing_bytes_are_the_plainest_choice();
    a_bugcheck_starts_another_machine();
    an_engine_may_stop_where_it_starts();
    an_mdl_of_what_left_the_quarantine_may_be_built();
    for (unsigned twice = 0x88; twice < 0x92; twice++) {
        what_left_the_quarantine_is_foreign(0xC0, 0xC6, (uint8_t)twice); /* pool */
        what_left_the_quarantine_is_foreign(0xD0, 0xD4, (uint8_t)twice); /* DMA memory */
        what_left_the_quarantine_is_foreign(0xDA, 0xDD, (uint8_t)twice); /* MDL */
    }
    a_byte_changes_one_operation();
    every_byte_string_is_a_program();
    the_corpus_agrees();
    a_difference_is_noticed();
    a_host_without_memory_is_no_difference();
    the_bit_sets_find_the_highest_place();
    return CHECK_DONE();
}
