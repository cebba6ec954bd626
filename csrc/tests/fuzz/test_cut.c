/* Snapshots that end too early, at every byte of what describes the machine or every seventh, sealed again so that the
 * loader gets past the checksum; and good ones on a host that refuses a request while they are read. Both are refused,
 * the former with a position, and the machine is as it was. */
#include <string.h>

#include "tests/check.h"

#include "fuzz/fuzz.h"
#include "fuzz/make.h"
#include "fuzz/sealed.h"
#include "machine/core.h"
#include "storsim/nt.h"

typedef struct state {
    failing_host_t host;
    unsigned long cut, refused;
} state_t;

static void unchanged(storsim_machine_t *machine, uint64_t before) {
    uint64_t after;
    CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
    CHECK_EQ(after, before);
}

/* The contents of pages, of which one byte is as good as another, are cut here and there only. */
static void cut(state_t *state, storsim_machine_t *machine, const uint8_t *honest, size_t length, uint64_t before) {
    size_t contents = section_at(honest, length, 0x42595445), clock = section_at(honest, length, 0x434C4F43), where;
    uint8_t *bytes = malloc(length);
    CHECK(bytes != NULL);
    size_t step = state->cut == 0 ? 1 : 7; /* the first at every byte, the others here and there */
    for (size_t end = 8; end < length; end += end > contents && end < clock ? 509 : step) {
        memcpy(bytes, honest, end);
        sealed(bytes, end);
        where = SIZE_MAX;
        CHECK_EQ(storsim_restore(machine, bytes, end, &where), STORSIM_FORMAT);
        CHECK(where <= end);
        state->cut++;
        if (end % 16 == 0) {
            unchanged(machine, before);
        }
    }
    free(bytes);
}

static void refuse(state_t *state, storsim_machine_t *machine, const uint8_t *honest, size_t length, uint64_t before) {
    storsim_status_t status = STORSIM_NO_MEMORY;
    for (unsigned long at = 1; status != STORSIM_OK; at++) {
        long live = state->host.live;
        state->host.fail_at = state->host.requests + at;
        status = storsim_restore(machine, honest, length, NULL);
        state->host.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK(status == STORSIM_OK || state->host.live == live);
        state->refused += status != STORSIM_OK;
        unchanged(machine, before);
    }
}

static void ends(void *context, storsim_machine_t *machine) {
    state_t *state = context;
    uint8_t *honest;
    size_t length;
    uint64_t before;
    if (storsim_snapshot(machine, &honest, &length) != STORSIM_OK) {
        return;
    }
    if (storsim_restore(machine, honest, length, NULL) == STORSIM_OK) { /* else the program left an exported view */
        storsim_machine_set_callback(machine, NULL, NULL);
        CHECK_EQ(storsim_digest(machine, &before), STORSIM_OK);
        cut(state, machine, honest, length, before);
        refuse(state, machine, honest, length, before);
    }
    storsim_snapshot_free(machine, honest);
}

int main(int count, char **words) {
    static uint8_t bytes[MAKE_BYTES];
    uint64_t seed = count > 1 ? strtoull(words[1], NULL, 0) : 3;
    state_t state = {{0}, 0, 0};
    const storsim_host_t host = FAILING_HOOK(&state.host);
    for (uint64_t index = 0; index < 8; index++) {
        const fuzz_options_t options = {.host = &host, .ends = ends, .context = &state};
        size_t size = make_program(bytes, seed, index);
        fuzz_report_t report;
        CHECK_EQ(fuzz_run(bytes, size < 1200 ? size : 1200, &options, &report), STORSIM_OK);
        CHECK_EQ(state.host.live, 0);
    }
    CHECK(state.cut > 1000 && state.refused > 100);
    printf("  %lu snapshots cut short, %lu host requests refused\n", state.cut, state.refused);
    return CHECK_DONE();
}
