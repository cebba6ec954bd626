/* Snapshots of machines that programs were run on, damaged and sealed again, so that the loader gets past the checksum:
 * it refuses with a position and has changed nothing, or it makes a machine that can be looked at, run, saved, and
 * given up. */
#include <string.h>

#include "tests/check.h"

#include "fuzz/fuzz.h"
#include "fuzz/make.h"
#include "fuzz/sealed.h"
#include "machine/core.h"
#include "storsim/nt.h"

typedef struct damage {
    uint64_t state;
    unsigned rounds;
    unsigned long refused, taken;
} damage_t;

static uint32_t draw(damage_t *damage, uint32_t below) {
    damage->state = damage->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(damage->state >> 33) % below;
}

/* One field becomes another value: its ends, a neighbour, a flipped bit. The contents of pages are left out, where any
 * byte is as good. */
static size_t hurt(damage_t *damage, uint8_t *bytes, size_t length) {
    static const uint8_t widths[] = {1, 1, 1, 2, 4, 4, 8, 8};
    size_t contents = section_at(bytes, length, 0x42595445), clock = section_at(bytes, length, 0x434C4F43), tail = length - 8 - clock;
    size_t width = widths[draw(damage, 8)];
    size_t at = draw(damage, 12) == 0 ? 20 + draw(damage, (uint32_t)contents) : clock + draw(damage, (uint32_t)tail);
    uint32_t how = draw(damage, 40);
    if (how == 0) {
        return 32 + draw(damage, (uint32_t)length - 32); /* cut short */
    }
    for (size_t i = 0; i < width && at + i < length - 8; i++) {
        switch (how % 6) {
        case 1: bytes[at + i] = 0; break;
        case 2: bytes[at + i] = 0xFF; break;
        case 3: bytes[at + i] = (uint8_t)(i == 0 ? bytes[at] + 1 : bytes[at + i]); break;
        case 4: bytes[at + i] = (uint8_t)(i == 0 ? bytes[at] - 1 : bytes[at + i]); break;
        case 5: bytes[at + i] ^= (uint8_t)(1u << draw(damage, 8)); break;
        default: bytes[at + i] = (uint8_t)(i == 0 ? 1 + draw(damage, 20) : 0); break;
        }
    }
    return length;
}

static void accepted(storsim_machine_t *machine) {
    char text[100];
    uint64_t digest;
    uint8_t *again;
    size_t length;
    (void)storsim_digest(machine, &digest);
    if (storsim_check(machine, text, sizeof text) == 0) {
        CHECK(text[0] == '\0');
        storsim_allocation_t allocation;
        (void)storsim_advance(machine, 2000);
        for (uint64_t cursor = 0; storsim_allocation_next(machine, &cursor, &allocation);) {
        }
    } else {
        CHECK(text[0] != '\0' && strlen(text) < sizeof text);
        CHECK(storsim_check(machine, NULL, 0) != 0 && storsim_check(machine, text, 5) != 0 && strlen(text) < 5);
    }
    if (storsim_snapshot(machine, &again, &length) == STORSIM_OK) {
        storsim_snapshot_free(machine, again);
    }
}

static void ends(void *context, storsim_machine_t *machine) {
    damage_t *damage = context;
    uint8_t *honest;
    size_t length, where;
    uint64_t before, after;
    if (storsim_snapshot(machine, &honest, &length) != STORSIM_OK) {
        return;
    }
    if (storsim_restore(machine, honest, length, NULL) == STORSIM_BUSY) { /* the program left an exported view */
        storsim_snapshot_free(machine, honest);
        return;
    }
    storsim_machine_set_callback(machine, NULL, NULL);
    CHECK_EQ(storsim_digest(machine, &before), STORSIM_OK);
    uint8_t *bytes = malloc(length);
    CHECK(bytes != NULL);
    for (unsigned round = 0; round < damage->rounds; round++) {
        memcpy(bytes, honest, length);
        size_t cut = hurt(damage, bytes, length);
        sealed(bytes, cut);
        where = SIZE_MAX;
        storsim_status_t status = storsim_restore(machine, bytes, cut, &where);
        if (status == STORSIM_OK) {
            damage->taken++;
            accepted(machine);
            CHECK_EQ(storsim_restore(machine, honest, length, NULL), STORSIM_OK);
        } else {
            damage->refused++;
            CHECK(status == STORSIM_FORMAT || status == STORSIM_NO_MEMORY);
            CHECK(where <= cut);
        }
        CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
        CHECK_EQ(after, before);
    }
    free(bytes);
    storsim_snapshot_free(machine, honest);
}

static void damaged(uint64_t seed, uint64_t programs, unsigned rounds) {
    static uint8_t bytes[MAKE_BYTES];
    damage_t damage = {.state = seed, .rounds = rounds};
    for (uint64_t index = 0; index < programs; index++) {
        const fuzz_options_t options = {.ends = ends, .context = &damage};
        size_t size = make_program(bytes, seed, index);
        fuzz_report_t report;
        CHECK_EQ(fuzz_run(bytes, size < 3000 ? size : 3000, &options, &report), STORSIM_OK);
    }
    CHECK(damage.refused != 0 && damage.taken != 0);
    printf("  %lu damaged snapshots refused, %lu taken\n", damage.refused, damage.taken);
}

int main(int count, char **words) {
    damaged(count > 1 ? strtoull(words[1], NULL, 0) : 1, count > 2 ? strtoull(words[2], NULL, 0) : 40, 150);
    return CHECK_DONE();
}
