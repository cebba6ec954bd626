/* machine/status.c: names and sentences of storsim_status_t. */
#include "storsim/status.h"

#include <stddef.h>

typedef struct status_row {
    storsim_status_t value;
    const char *name, *text, *exception;
} status_row_t;

static const status_row_t ROWS[] = {
#define ROW(name, value, text, exception) {STORSIM_##name, #name, text, exception},
    STORSIM_STATUS_MAP(ROW)
#undef ROW
};

static const status_row_t UNKNOWN = {STORSIM_INVALID, "UNKNOWN", "no status of this library", "RuntimeError"};

static const status_row_t *find(storsim_status_t status) {
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        if (ROWS[i].value == status) {
            return &ROWS[i];
        }
    }
    return &UNKNOWN;
}

const char *storsim_status_name(storsim_status_t status) {
    return find(status)->name;
}

const char *storsim_status_text(storsim_status_t status) {
    return find(status)->text;
}

const char *storsim_status_exception(storsim_status_t status) {
    return find(status)->exception;
}
