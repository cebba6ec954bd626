/* hdaudio/chip.c: loads and stores of the controller's registers, and waiting for it in virtual time. */
#include "hdaudio/bus.h"
#include "storsim/hda.h"

ss_chip_t ss_chip_open(storsim_machine_t *machine, uint32_t controller) {
    return (ss_chip_t){machine, controller, STORSIM_OK, false};
}

void ss_chip_error(ss_chip_t *chip, storsim_status_t status) {
    if (status == STORSIM_OK) {
        return;
    }
    if (chip->status == STORSIM_OK) {
        chip->status = status;
    }
    if (status == STORSIM_BUGCHECK || status == STORSIM_STOPPED || status == STORSIM_REENTRY ||
        status == STORSIM_INVALID) {
        chip->dead = true; /* nothing will move any more: polling on would never end well */
    }
}

uint32_t ss_chip_read(ss_chip_t *chip, uint32_t offset, uint32_t bytes) {
    uint64_t value = UINT64_MAX;
    if (!chip->dead) {
        ss_chip_error(chip, storsim_hda_mmio_read(chip->machine, chip->controller, offset, bytes, &value));
    }
    return (uint32_t)value & (bytes >= 4 ? UINT32_MAX : (UINT32_C(1) << 8 * bytes) - 1);
}

void ss_chip_write(ss_chip_t *chip, uint32_t offset, uint32_t bytes, uint32_t value) {
    if (!chip->dead) {
        ss_chip_error(chip, storsim_hda_mmio_write(chip->machine, chip->controller, offset, bytes, value));
    }
}

void ss_chip_wait(ss_chip_t *chip, uint64_t ticks) {
    uint64_t end = storsim_now(chip->machine) + ticks;
    /* A failing host callback ends the wait early although time can go on; wait for the rest. No progress means it
     * cannot. */
    while (!chip->dead && storsim_now(chip->machine) < end) {
        uint64_t before = storsim_now(chip->machine);
        storsim_status_t status = ss_wait(chip->machine, end - before);
        ss_chip_error(chip, status);
        if (status != STORSIM_OK && storsim_now(chip->machine) == before) {
            return;
        }
    }
}

bool ss_chip_poll(ss_chip_t *chip, uint32_t offset, uint32_t bytes, uint32_t mask, uint32_t want, uint32_t tries,
                  uint64_t step) {
    for (uint32_t i = 0; i < tries && !chip->dead; i++) {
        if ((ss_chip_read(chip, offset, bytes) & mask) == want) {
            return true;
        }
        ss_chip_wait(chip, step);
    }
    return !chip->dead && (ss_chip_read(chip, offset, bytes) & mask) == want;
}
