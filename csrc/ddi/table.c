/* ddi/table.c: the rows of both families as one array, and the three ways to find one. */
#include <string.h>

#include "ddi/hdaudio_rows.h"
#include "ddi/storport_rows.h"

static const storsim_routine_t table[] = {SS_STORPORT_ROWS SS_HDAUDIO_ROWS};

enum {
    TABLE_ROWS = sizeof table / sizeof table[0],
    STORPORT_ROWS = STORSIM_ID_STORPORT_END - 1,
    HDAUDIO_ROWS = TABLE_ROWS - STORPORT_ROWS
};

const storsim_routine_t *storsim_ddi_table(size_t *count) {
    if (count) {
        *count = TABLE_ROWS;
    }
    return table;
}

const storsim_routine_t *storsim_ddi_routine(uint16_t id) {
    if (id >= 1 && id <= STORPORT_ROWS) {
        return &table[id - 1];
    }
    if (id >= STORSIM_HDAUDIO_FIRST_ID && id - STORSIM_HDAUDIO_FIRST_ID < HDAUDIO_ROWS) {
        return &table[STORPORT_ROWS + (id - STORSIM_HDAUDIO_FIRST_ID)];
    }
    return NULL;
}

const storsim_routine_t *storsim_ddi_find(storsim_family_t family, const char *name) {
    for (size_t i = 0; name && i < TABLE_ROWS; i++) {
        if (table[i].family == family && strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

const storsim_routine_t *storsim_ddi_by_code(int32_t function_code) {
    for (size_t i = 0; function_code >= 0 && i < TABLE_ROWS; i++) {
        if (table[i].function_code == function_code) {
            return &table[i];
        }
    }
    return NULL;
}
