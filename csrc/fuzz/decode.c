/* fuzz/decode.c: bytes into operations, one after the other. See fuzz.h. */
#include <string.h>

#include "fuzz/fuzz_i.h"
#include "machine/host.h"

void fuzz_remember(fuzz_t *f, storsim_type_t type, uint64_t value) {
    uint64_t *list = f->recent[type];
    uint8_t *count = &f->recent_count[type];
    if (value == 0 || (*count != 0 && list[0] == value)) {
        return;
    }
    *count = (uint8_t)(*count + (*count < FUZZ_RECENT));
    memmove(list + 1, list, (*count - 1u) * sizeof *list);
    list[0] = value;
}

/* --- inputs of the oracle's machine --------------------------------------------------------------------------------- */

static void set_irql(fuzz_t *f) {
    int high = fuzz_misuse(f, 13);
    uint8_t irql = (uint8_t)(high < 0 ? (int)(fuzz_arg(f) % 3) : 3 + high);
    storsim_status_t status = storsim_set_irql(f->machine, irql, NULL);
    if (status == STORSIM_OK) {
        f->oracle.irql = irql;
    }
    fuzz_after(f, status);
}

static void advance(fuzz_t *f) {
    static const uint64_t ticks[] = {0, 1, 499, 500, 24000, 100000, 240000, 480000};
    uint32_t choice = fuzz_arg(f);
    storsim_status_t status = choice < 144 ? storsim_advance(f->machine, ticks[choice % 8])
                                           : storsim_run_until_interrupt(f->machine, 48000, &(bool){false});
    fuzz_after(f, status);
}

/* Enters and leaves miniport callbacks: their contexts have rules of their own, which the oracle does not know. */
static void bracket(fuzz_t *f, bool enter) {
    if (enter) {
        storsim_context_t context = (storsim_context_t)(1 + fuzz_arg(f) % (STORSIM_CONTEXT_COUNT - 1));
        storsim_status_t status = storsim_callback_enter(f->machine, f->adapters[fuzz_arg(f) % ORACLE_ADAPTERS], context, NULL);
        f->brackets += status == STORSIM_OK;
        fuzz_after(f, status);
    } else if (f->brackets != 0) {
        f->brackets--;
        fuzz_after(f, storsim_callback_leave(f->machine));
    }
    f->loose = true;
    f->oracle.irql = storsim_irql(f->machine);
}

/* The driver's own loads and stores, inside of a block (a 0 argument) or beside it. */
static void touch(fuzz_t *f) {
    uint32_t choice = fuzz_arg(f);
    const block_t *block = choice < 160 ? fuzz_live(f, (kind_t)(choice / 2 % 3)) : fuzz_dead(f, (kind_t)(choice / 2 % 3));
    uint8_t bytes[16];
    memset(bytes, (int)choice, sizeof bytes);
    if (block == NULL) {
        return;
    }
    uint64_t offset = choice < 160 ? (block->size > 16 ? fuzz_wide(f) % (block->size - 15) : 0) : fuzz_arg(f) % 64 * UINT64_C(8);
    size_t length = choice < 160 && block->size < 16 ? (size_t)block->size : sizeof bytes;
    storsim_status_t status = choice % 2 != 0 ? storsim_read_va(f->machine, block->va + offset, bytes, length)
                                              : storsim_write_va(f->machine, block->va + offset, bytes, length);
    f->loose = f->loose || choice >= 160; /* damage is found later, by rules of its own */
    fuzz_after(f, status);
}

static void add_fault(fuzz_t *f) {
    uint32_t choice = fuzz_arg(f), id;
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_NTH, .first = 1 + fuzz_arg(f) % 16, .last = 20, .chances = 2500,
                                 .seed = choice};
    rule.kind = (storsim_fault_kind_t)(1 + choice % 5);
    rule.hardware = (storsim_hardware_fault_t)(rule.kind == STORSIM_FAULT_HARDWARE ? 1 + choice / 5 % 7 : 0);
    rule.predicate = rule.kind == STORSIM_FAULT_PREDICATE ? 7 : 0;
    if (rule.kind == STORSIM_FAULT_HARDWARE && rule.hardware != STORSIM_HW_REMOVED && choice >= 180) {
        storsim_fault_clear(f->machine);
        return;
    }
    if (storsim_fault_add(f->machine, &rule, &id) == STORSIM_OK) {
        fuzz_remember(f, STORSIM_T_RULE, id);
    }
    f->loose = true;
}

/* --- the table of operations ---------------------------------------------------------------------------------------- */

/* Routines that have a number of their own, so that programs reach what follows from them. */
static const uint16_t audio_routines[] = {
    STORSIM_ID_AllocateRenderDmaEngine, STORSIM_ID_AllocateCaptureDmaEngine, STORSIM_ID_AllocateDmaBuffer,
    STORSIM_ID_AllocateDmaBufferWithNotification, STORSIM_ID_SetDmaEngineState, STORSIM_ID_SetDmaEngineState,
    STORSIM_ID_FreeDmaBuffer, STORSIM_ID_FreeDmaBufferWithNotification, STORSIM_ID_FreeDmaEngine,
    STORSIM_ID_AllocateContiguousDmaBuffer, STORSIM_ID_SetupDmaEngineWithBdl, STORSIM_ID_TransferCodecVerbs};

static void any_routine(fuzz_t *f) {
    size_t count;
    const storsim_routine_t *table = storsim_ddi_table(&count);
    fuzz_routine(f, table[fuzz_arg(f) % count].id);
}

/* Overrides, sites, tokens and the like stay when a machine goes back: anything but the memory routines and inputs may leave some. */
#define FUZZ_PLAIN_CODES 35u

static void perform(fuzz_t *f, uint32_t code) {
    f->lasting = f->lasting || code >= FUZZ_PLAIN_CODES;
    switch (code) {
    case 0: case 1: case 2: case 3: case 4: fuzz_pool_allocate(f); break;
    case 5: case 6: case 7: case 8: case 9: fuzz_pool_free(f); break;
    case 10: case 11: case 12: fuzz_contig_allocate(f, KIND_CONTIGUOUS); break;
    case 13: case 14: case 15: fuzz_contig_free(f, KIND_CONTIGUOUS); break;
    case 16: case 17: case 18: case 19: fuzz_contig_allocate(f, KIND_DMA); break;
    case 20: case 21: case 22: case 23: fuzz_contig_free(f, KIND_DMA); break;
    case 24: fuzz_hmb_allocate(f); break;
    case 25: fuzz_hmb_free(f); break;
    case 26: case 27: fuzz_mdl_allocate(f); break;
    case 28: fuzz_mdl_build(f); break;
    case 29: case 30: fuzz_mdl_free(f); break;
    case 31: case 32: set_irql(f); break;
    case 33: advance(f); break;
    case 34: touch(f); break;
    case 35: bracket(f, true); break;
    case 36: bracket(f, false); break;
    case 37: add_fault(f); break;
    case 38: case 39: case 40: case 41: any_routine(f); break;
    case 42: case 43: case 44: case 45: fuzz_operation(f); break;
    case 46: fuzz_machine(f); break;
    default: fuzz_routine(f, audio_routines[(code - 47) % (sizeof audio_routines / sizeof audio_routines[0])]); break;
    }
}

/* --- the program ---------------------------------------------------------------------------------------------------- */

bool fuzz_step(fuzz_t *f) {
    if (f->next == f->end || f->report->different) {
        return false;
    }
    uint32_t code = *f->next++ - FUZZ_FIRST_OPERATION;
    f->arg = f->next;
    while (f->next != f->end && *f->next < FUZZ_FIRST_OPERATION) {
        f->next++;
    }
    f->arg_end = f->next;
    f->report->operations++;
    perform(f, code);
    return true;
}

/* The oracle's table is finite: a machine whose history is too long for it goes like a stopped one. */
static bool worn_out(const fuzz_t *f) {
    return f->dead || f->oracle.block_count > ORACLE_BLOCKS - 4;
}

static void compare(fuzz_t *f) {
    if (f->dead || f->report->different) {
        return;
    }
    if (f->foreign) {
        fuzz_learn(f); /* whoever holds a page, the model's own blocks still hold theirs */
    } else {
        fuzz_pages(f);
    }
    fuzz_machine(f);
}

static storsim_status_t run(fuzz_t *f) {
    storsim_status_t status = fuzz_open(f);
    while (status == STORSIM_OK && f->next != f->end && !f->report->different) {
        uint64_t done = f->report->operations;
        if (worn_out(f)) {
            const uint8_t *next = f->next;
            compare(f);
            status = fuzz_next(f);
            f->next = next;
            continue;
        }
        (void)fuzz_step(f);
        if (f->foreign && !f->dead && storsim_memory_free_bytes(f->machine, STORSIM_NODE_ANY, 0, UINT64_MAX) / 4096 != f->oracle.free_pages) {
            fuzz_learn(f);
        }
        if (!f->dead && !f->foreign && done % 64 == 63) {
            fuzz_pages(f);
        }
        if (f->options->thorough || done % 4096 == 4095) {
            compare(f);
        }
    }
    if (status == STORSIM_OK) {
        compare(f);
    }
    fuzz_close(f);
    return status == STORSIM_INVALID ? STORSIM_OK : status; /* no such machine: a program that does nothing */
}

storsim_status_t fuzz_run(const uint8_t *bytes, size_t length, const fuzz_options_t *options, fuzz_report_t *report) {
    static const fuzz_options_t plain = {0};
    memset(report, 0, offsetof(fuzz_report_t, text));
    report->text[0] = '\0';
    options = options != NULL ? options : &plain;
    ss_host_t host;
    ss_host_init(&host, options->host);
    fuzz_t *f = ss_alloc(&host, sizeof *f); /* its tables are cleared where that is needed: clearing all would take longer than a run */
    if (f == NULL) {
        return STORSIM_NO_MEMORY;
    }
    memset(f, 0, offsetof(fuzz_t, recent));
    f->options = options;
    f->report = report;
    f->head = f->next = bytes;
    f->end = length != 0 ? bytes + length : bytes; /* bytes may be NULL when there are none */
    while (f->next != f->end && *f->next < FUZZ_FIRST_OPERATION) {
        f->next++;
    }
    f->head_end = f->next;
    storsim_status_t status = run(f);
    ss_release(&host, f);
    return status;
}
