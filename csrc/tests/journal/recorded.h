/* tests/journal/recorded.h: the machines of tests/hdaudio/world.h, or of the header RECORDED names, each recorded from
 * its first moment in `kept`, which the test gives back. */
#ifndef JOURNAL_RECORDED_H
#define JOURNAL_RECORDED_H

#include "storsim/journal.h"
#include "tests/check.h"

static storsim_journal_t *kept;

static storsim_status_t recorded(const storsim_machine_config_t *config, storsim_machine_t **machine) {
    storsim_status_t status = storsim_machine_create(config, machine);
    CHECK_EQ(storsim_journal_create(NULL, &kept), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(kept, *machine), STORSIM_OK);
    return status;
}
#ifndef RECORDED
#define RECORDED "tests/hdaudio/world.h"
#endif
#define storsim_machine_create recorded
#include RECORDED
#undef storsim_machine_create

#endif
