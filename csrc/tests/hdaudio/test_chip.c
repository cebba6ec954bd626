/* How the bus driver touches the chip: a load of any width from one that is gone reads ones of that width; the register
 * page it maps for clients is read in accesses that alignment allows, whatever the client asks for. */
#include "world.h"

#include "hdaudio/bus.h"

static void gone(void) {
    world_config_t config = world_defaults();
    world_t *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    CHECK_EQ(world_try(w, &config), STORSIM_OK);
    ss_chip_t chip = ss_chip_open(w->machine, w->controller + 9);
    static const struct { uint32_t bytes, ones; } widths[] = {{1, 0xFF}, {2, 0xFFFF}, {4, UINT32_MAX}};
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(ss_chip_read(&chip, 0, widths[i].bytes), widths[i].ones);
        CHECK(chip.dead && chip.status == STORSIM_INVALID);
    }
    chip = ss_chip_open(w->machine, w->controller);
    CHECK_EQ(ss_chip_read(&chip, 0, 1), ss_chip_read(&chip, 0, 4) & 0xFF);
    CHECK_EQ(ss_chip_read(&chip, 0, 2), ss_chip_read(&chip, 0, 4) & 0xFFFF);
    storsim_machine_destroy(w->machine);
    free(w);
}

static void any_alignment(void) {
    world_config_t config = world_defaults();
    world_t *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    CHECK_EQ(world_try(w, &config), STORSIM_OK);
    size_t findings = storsim_finding_count(w->machine);
    uint64_t context = (uint64_t)w->controller << 32;
    for (uint64_t at = 0x80; at < 0x88; at++) {
        for (size_t bytes = 1; bytes <= 9; bytes++) {
            uint8_t got[9] = {0};
            CHECK_EQ(ss_hdaudio_registers(w->machine, context, at, got, bytes, false), STORSIM_OK);
            for (size_t i = 0; i < bytes; i++) {
                uint64_t one = 0;
                CHECK_EQ(storsim_hda_mmio_read(w->machine, w->controller, SS_ALIAS_PAGE + at + i, 1, &one), STORSIM_OK);
                CHECK_EQ(got[i], one);
            }
        }
    }
    CHECK_EQ(storsim_finding_count(w->machine), findings); /* no access that the chip does not take */
    storsim_machine_destroy(w->machine);
    free(w);
}

/* A load of the mapped page that is longer than any register comes to the same as one for each. */
static void long_load(void) {
    world_t *w = world_make(NULL);
    uint64_t handle = 0, va = 0;
    uint8_t whole[200], part[4];
    CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), ST(OK));
    CHECK_EQ(allocate_d(w, w->context, handle, 4096, NULL), ST(OK));
    CHECK_EQ(position(w, w->context, handle, &va), ST(OK));
    uint64_t base = va & ~UINT64_C(4095);
    CHECK_EQ(storsim_read_va(w->machine, base + 0x20, whole, sizeof whole), STORSIM_OK);
    int different = 0;
    for (size_t at = 0; at < sizeof whole; at += 4) {
        CHECK_EQ(storsim_read_va(w->machine, base + 0x20 + at, part, 4), STORSIM_OK);
        CHECK_EQ(memcmp(part, whole + at, 4), 0);
        different += at >= 64 && memcmp(whole + at, whole + at % 64, 4) != 0;
    }
    CHECK(different > 0);
    world_end(w);
}

int main(void) {
    long_load();
    gone();
    any_alignment();
    return CHECK_DONE();
}
