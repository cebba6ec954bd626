/* fuzz/fuzz.h: a byte string as a program for the simulated PC, run and checked.
 *
 * Every byte string is a program. A byte of 0xC0 and above starts an operation; the bytes below that follow it are its arguments. What an
 * operation does not read is ignored, what is missing reads 0, and 0 means the plainest valid choice: so a byte that is changed,
 * inserted or removed changes one operation, or splits it in two. The bytes before the first operation choose the machine.
 *
 *   program    MACHINE? (OPERATION ARGUMENT*)*
 *   machine    pages, holes and nodes, level and OS, knobs, seed, devices       (fuzz/machine.c)
 *   operation  the memory routines, whose answers the oracle predicts to the bit (fuzz/storport.c);
 *              every routine of the DDI table and every operation of the simulator, with arguments by their types (fuzz/typed.c)
 *
 * Values are picked from what is alive: blocks, handles, addresses earlier calls gave out; misuse picks freed, foreign and interior ones.
 * A bugcheck ends a machine and the next operation starts another of the same kind.
 *
 * Checked after every call: status, outputs, violations and bugcheck against the oracle (fuzz/oracle.h); every other routine answers a
 * status of its row, and an HD Audio engine only goes where the transition table lets it. Now and then: every page and the whole-machine
 * check. Source: model choice. */
#ifndef STORSIM_FUZZ_H
#define STORSIM_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storsim/machine.h"

#define FUZZ_FIRST_OPERATION 0xC0u

typedef struct fuzz_options {
    const storsim_host_t *host; /* NULL: malloc and free */
    bool thorough;              /* whole-machine check after every operation; a refused call must not change the digest */
    uint8_t *behaviours;        /* a set (storsim/behaviour.h) that receives what was seen, or NULL */
    size_t behaviours_length;
    /* Called after every call the oracle predicted: its row, the level, the IRQL, whether a bugcheck stopped it, the status or the bugcheck
     * code, and the first rule broken (static text, or ""). NULL: nothing. */
    void (*saw)(void *context, uint16_t routine, int level, unsigned irql, bool stopped, uint64_t outcome, const char *rule);
    /* Called with every new machine before anything happens to it, and before it goes. NULL: nothing. */
    void (*begins)(void *context, storsim_machine_t *machine);
    void (*ends)(void *context, storsim_machine_t *machine);
    void *context;
} fuzz_options_t;

typedef struct fuzz_report {
    uint64_t operations, calls, machines; /* calls: of DDI routines */
    bool different;                       /* the core is not what it must be: text says what */
    char text[768];
} fuzz_report_t;

/* Runs a program. Never crashes, never ends the process. NO_MEMORY; OK otherwise, also when something differed. Time is in proportion to
 * the length. options NULL: the defaults. */
storsim_status_t fuzz_run(const uint8_t *bytes, size_t length, const fuzz_options_t *options, fuzz_report_t *report);

#endif
