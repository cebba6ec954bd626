/* fuzz/digest.c: see digest.h. */
#include "fuzz/digest.h"

#include "fuzz/fuzz.h"
#include "storsim/journal.h"

typedef struct fold {
    storsim_journal_t *journal; /* of the machine under way */
    uint64_t hash;
    storsim_status_t status; /* the first that is not OK */
} fold_t;

static void note(fold_t *fold, storsim_status_t status) {
    fold->status = fold->status == STORSIM_OK ? status : fold->status;
}

static void begins(void *context, storsim_machine_t *machine) {
    fold_t *fold = context;
    fold->journal = NULL;
    note(fold, storsim_journal_create(NULL, &fold->journal));
    if (fold->journal != NULL) {
        note(fold, storsim_journal_attach(fold->journal, machine));
    }
}

static void ends(void *context, storsim_machine_t *machine) {
    fold_t *fold = context;
    uint8_t *bytes = NULL;
    size_t length = 0;
    (void)machine;
    if (fold->journal == NULL) {
        return;
    }
    note(fold, storsim_journal_seal(fold->journal));
    storsim_status_t status = storsim_journal_encode(fold->journal, &bytes, &length);
    note(fold, status);
    for (size_t i = 0; status == STORSIM_OK && i < length; i++) {
        fold->hash = (fold->hash ^ bytes[i]) * UINT64_C(0x00000100000001B3);
    }
    if (status == STORSIM_OK) {
        storsim_journal_free(fold->journal, bytes);
    }
    (void)storsim_journal_detach(fold->journal);
    storsim_journal_destroy(fold->journal);
    fold->journal = NULL;
}

storsim_status_t fuzz_digest(const uint8_t *bytes, size_t length, uint64_t *digest) {
    fold_t fold = {.hash = UINT64_C(0xCBF29CE484222325)};
    const fuzz_options_t options = {.begins = begins, .ends = ends, .context = &fold};
    fuzz_report_t report;
    note(&fold, fuzz_run(bytes, length, &options, &report));
    if (fold.status == STORSIM_OK && report.different) {
        return STORSIM_INVALID;
    }
    if (fold.status == STORSIM_OK) {
        *digest = fold.hash;
    }
    return fold.status;
}
