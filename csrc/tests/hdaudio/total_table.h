/* tests/hdaudio/total_table.h: the rows of total_table.def.h, and the column of an engine's state. */
#ifndef TOTAL_TABLE_H
#define TOTAL_TABLE_H

#include "storsim/hdaudio.h"
#include "tests/hdaudio/total_table.def.h"

typedef struct row {
    storsim_engine_event_t event;
    const char *cells[8];
} row_t;
static const row_t rows[] = {
#define ROW(name, ...) {STORSIM_EVENT_##name, {__VA_ARGS__}},
    TOTAL_TABLE(ROW)
#undef ROW
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static inline int column_of(storsim_engine_state_t state) {
    return state <= STORSIM_ENGINE_RB ? (int)state : state <= STORSIM_ENGINE_SB ? 6 : 7;
}

#endif
