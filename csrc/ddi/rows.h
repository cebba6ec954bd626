/* ddi/rows.h: shorthand for writing rows of the table. Each family has a file of rows; ddi/table.c joins them.
 *
 * A family's file holds static parameter and status lists and one macro that expands to the rows, in order of their ids:
 *
 *     static const storsim_param_t p_Thing[] = {SS_PARAM(Handle, HANDLE, IN), SS_PARAM(Size, ULONG, OUT)};
 *     static const storsim_ddi_status_t s_Thing[] = {SS_DOCUMENTED(STATUS_SUCCESS, 0)};
 *     #define SS_FAMILY_ROWS {.id = …, .name = "Thing", SS_PARAMS(p_Thing), SS_STATUSES(s_Thing)}, …
 */
#ifndef SS_DDI_ROWS_H
#define SS_DDI_ROWS_H

#include "storsim/ddi.h"

enum {
    SS_P_IN = STORSIM_P_IN,
    SS_P_OUT = STORSIM_P_OUT,
    SS_P_INOUT = STORSIM_P_INOUT,
    SS_P_IN_OPT = STORSIM_P_IN | STORSIM_P_OPTIONAL,
    SS_P_IN_PLACE = STORSIM_P_INOUT | STORSIM_P_IN_PLACE,
    SS_P_IN_LENGTH = STORSIM_P_IN | STORSIM_P_LENGTH,
    SS_P_IN_LENGTH_OPT = STORSIM_P_IN | STORSIM_P_LENGTH | STORSIM_P_OPTIONAL,
    SS_P_INOUT_LENGTH = STORSIM_P_INOUT | STORSIM_P_LENGTH,
    SS_P_OUT_ARRAY = STORSIM_P_OUT | STORSIM_P_HIDDEN,
    SS_P_INOUT_ARRAY = STORSIM_P_INOUT | STORSIM_P_HIDDEN
};

#define SS_PARAM(name, type, flags) {#name, STORSIM_T_##type, (uint8_t)SS_P_##flags}
#define SS_DOCUMENTED(name, value) {UINT32_C(value), #name, true}
#define SS_INFERRED(name, value) {UINT32_C(value), #name, false}
#define SS_PARAMS(list) .params = (list), .param_count = (uint8_t)(sizeof(list) / sizeof((list)[0]))
#define SS_STATUSES(list) .statuses = (list), .status_count = (uint8_t)(sizeof(list) / sizeof((list)[0]))

#define SS_ANY_IRQL 31

#endif
