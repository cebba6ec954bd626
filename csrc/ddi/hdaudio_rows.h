/* ddi/hdaudio_rows.h: rows of the HD Audio bus interface. Included by ddi/table.c only; see ddi/rows.h for the shape.
 * Ids are dense from STORSIM_HDAUDIO_FIRST_ID. SS_HDAUDIO_ROWS ends with a comma, or is empty while the family has no row. */
#ifndef SS_DDI_HDAUDIO_ROWS_H
#define SS_DDI_HDAUDIO_ROWS_H

#include "ddi/rows.h"

#define SS_HDAUDIO_ROWS

#endif
