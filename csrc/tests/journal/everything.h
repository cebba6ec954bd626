/* tests/journal/everything.h: put before every other test program (make check-journal): each machine it makes is
 * recorded, and when it ends its journal goes to bytes, back, and is replayed: every result and the digest have to be
 * the same. */
#ifndef EVERYTHING_H
#define EVERYTHING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storsim/journal.h"

enum { EVERYTHING_MACHINES = 1024 };
static struct {
    storsim_machine_t *machine;
    storsim_journal_t *journal;
} everything_list[EVERYTHING_MACHINES];
static unsigned long everything_replayed, everything_calls;

static inline storsim_status_t everything_create(const storsim_machine_config_t *config, storsim_machine_t **machine) {
    storsim_status_t status = storsim_machine_create(config, machine);
    /* A host that fails on purpose fails at other places in a replay. */
    for (int i = 0; status == STORSIM_OK && config->host == NULL && i < EVERYTHING_MACHINES; i++) {
        if (everything_list[i].machine == NULL) {
            storsim_journal_options_t options = {.memory_limit = 8 << 20};
            everything_list[i].machine = *machine;
            if (storsim_journal_create(&options, &everything_list[i].journal) != STORSIM_OK ||
                storsim_journal_attach(everything_list[i].journal, *machine) != STORSIM_OK) {
                fprintf(stderr, "journal: attach failed\n");
                exit(1);
            }
            break;
        }
    }
    return status;
}

static inline void everything_replay(storsim_journal_t *journal) {
    uint8_t *bytes;
    size_t length, where = 0;
    storsim_journal_t *back;
    storsim_replay_report_t report;
    (void)storsim_journal_seal(journal); /* the host of the machine may refuse */
    if (storsim_journal_encode(journal, &bytes, &length) != STORSIM_OK ||
        storsim_journal_decode(NULL, bytes, length, &back, &where) != STORSIM_OK) {
        fprintf(stderr, "journal: to bytes and back failed at %lu of %lu\n", (unsigned long)where, (unsigned long)length);
        exit(1);
    }
    storsim_journal_free(journal, bytes);
    storsim_status_t status = storsim_journal_replay(back, NULL, NULL, &report);
    if (status != STORSIM_OK || report.different) {
        fprintf(stderr, "journal: replay of %lu calls: %s %s\n", (unsigned long)storsim_journal_calls(journal), storsim_status_name(status),
                report.text);
        exit(1);
    }
    everything_replayed++;
    everything_calls += storsim_journal_calls(journal);
    storsim_journal_destroy(back);
}

static inline void everything_destroy(storsim_machine_t *machine) {
    for (int i = 0; machine != NULL && i < EVERYTHING_MACHINES; i++) {
        if (everything_list[i].machine == machine) {
            everything_replay(everything_list[i].journal);
            storsim_journal_destroy(everything_list[i].journal);
            everything_list[i].machine = NULL;
        }
    }
    storsim_machine_destroy(machine);
}

#define storsim_machine_create everything_create
#define storsim_machine_destroy everything_destroy

#endif
