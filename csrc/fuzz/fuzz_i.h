/* fuzz/fuzz_i.h: shared by the files that decode and run a program. See fuzz.h. */
#ifndef STORSIM_FUZZ_I_H
#define STORSIM_FUZZ_I_H

#include "fuzz/fuzz.h"
#include "fuzz/oracle.h"
#include "storsim/behaviour.h"
#include "storsim/hdaudio.h"
#include "storsim/journal.h"
#include "storsim/storport.h"

#define FUZZ_RECENT 16u
#define FUZZ_ITEMS 16u
#define FUZZ_BYTES 64u

typedef struct fuzz {
    const fuzz_options_t *options;
    fuzz_report_t *report;
    const uint8_t *head, *head_end; /* arguments that choose the machine */
    const uint8_t *next, *end;      /* what was not decoded yet */
    const uint8_t *arg, *arg_end;   /* of the operation under way */

    storsim_machine_t *machine;
    storsim_checkpoint_t *fresh; /* the machine as it was at first, from a program's second one on; NULL: none */
    bool lasting;                /* something happened to it that going back does not undo */
    uint32_t adapters[ORACLE_ADAPTERS], controller;
    uint64_t extensions[ORACLE_ADAPTERS];
    size_t findings;   /* seen so far */
    uint32_t depth;    /* host callbacks around the operation */
    uint32_t brackets; /* miniport callbacks entered */
    bool dead;         /* stopped by a bugcheck */
    bool refused;      /* the host had no memory for the last call that was compared: nothing happened */
    bool loose;        /* something happened that the oracle does not model: answers are only checked against their row */
    bool foreign;      /* there may be blocks the oracle does not know */

    const storsim_routine_t *routine; /* of the call under way, for messages */
    const storsim_arg_t *args;

    /* What earlier operations gave out, by type, newest first. */
    uint64_t recent[STORSIM_T_KINDS][FUZZ_RECENT];
    uint8_t recent_count[STORSIM_T_KINDS];

    /* Storage of structured arguments. */
    union {
        storsim_access_range_t ranges[FUZZ_ITEMS];
        uint64_t numbers[FUZZ_ITEMS];
        uint32_t words[FUZZ_ITEMS];
        storsim_group_affinity_t affinities[FUZZ_ITEMS];
        storsim_stream_format_t format;
        storsim_codec_transfer_t transfers[FUZZ_ITEMS];
        storsim_device_information_t information;
        uint8_t bytes[FUZZ_BYTES];
    } storage[3][2]; /* by depth: what a callback does leaves the arrays of the call around it alone */

    oracle_t oracle;
} fuzz_t;

/* --- decoding: decode.c --- */

static inline uint32_t fuzz_arg(fuzz_t *f) { /* 0 … 191; 0 when there is none left */
    return f->arg != f->arg_end ? *f->arg++ : 0;
}

static inline uint32_t fuzz_wide(fuzz_t *f) { /* two of them: 0 … 36 863, small first */
    uint32_t low = fuzz_arg(f);
    return low + 192 * fuzz_arg(f);
}

/* A quarter of the values are misuse number 0 … kinds - 1; else -1. */
static inline int fuzz_misuse(fuzz_t *f, uint32_t kinds) {
    uint32_t value = fuzz_arg(f);
    return value < 144 ? -1 : (int)((value - 144) % kinds);
}

/* Runs the next operation of the program; false at its end. */
bool fuzz_step(fuzz_t *f);
void fuzz_remember(fuzz_t *f, storsim_type_t type, uint64_t value);

/* --- the machine: machine.c --- */

storsim_status_t fuzz_open(fuzz_t *f); /* a machine as the head of the program says; INVALID: no such machine is possible */
void fuzz_close(fuzz_t *f);
/* The next machine of the program, like the one that went: mostly the same one, taken back to its beginning. */
storsim_status_t fuzz_next(fuzz_t *f);
/* Pages of the model from the core's own list: after operations that the oracle does not model. */
void fuzz_learn(fuzz_t *f);

/* --- comparing: compare.c --- */

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void fuzz_fail(fuzz_t *f, const char *format, ...);
/* Calls a Storport routine and compares all but the outputs. True when it answered SUCCESS. */
bool fuzz_call(fuzz_t *f, uint16_t id, storsim_arg_t *args, const expect_t *expect);
void fuzz_output(fuzz_t *f, const storsim_arg_t *argument, bool success, const expect_t *expect, uint64_t before);
void fuzz_pages(fuzz_t *f);   /* every page of the model is what the core has */
void fuzz_machine(fuzz_t *f); /* the whole-machine check */
/* After any other operation: what its status means for the run. */
void fuzz_after(fuzz_t *f, storsim_status_t status);

/* --- operations: storport.c, typed.c --- */

void fuzz_pool_allocate(fuzz_t *f);
void fuzz_pool_free(fuzz_t *f);
void fuzz_contig_allocate(fuzz_t *f, kind_t kind);
void fuzz_contig_free(fuzz_t *f, kind_t kind);
void fuzz_hmb_allocate(fuzz_t *f);
void fuzz_hmb_free(fuzz_t *f);
void fuzz_mdl_allocate(fuzz_t *f);
void fuzz_mdl_build(fuzz_t *f);
void fuzz_mdl_free(fuzz_t *f);
/* A live (dead) block of a kind, NULL: none. */
block_t *fuzz_live(fuzz_t *f, kind_t kind);
block_t *fuzz_dead(fuzz_t *f, kind_t kind);

void fuzz_routine(fuzz_t *f, uint16_t id); /* any row of the DDI table, arguments by type */
void fuzz_operation(fuzz_t *f);            /* any operation of the simulator that is no routine */

#endif
