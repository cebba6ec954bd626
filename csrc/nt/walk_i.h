/* nt/walk_i.h: between walk.c and load.c only: rebuilding the state from the members of its lists. */
#ifndef SS_NT_WALK_I_H
#define SS_NT_WALK_I_H

#include "nt/nt_i.h"

typedef struct nt_saved_page {
    uint32_t block;
    uint16_t granules;
    uint8_t node;
    bool gone;
} nt_saved_page_t;

typedef void (*nt_add_fn)(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id);

/* NULL: an unused index. */
void nt_load_pool_page(ss_nt_t *nt, ss_codec_t *codec, const nt_saved_page_t *saved);
/* Checks every record by itself and ties slots to their pages; then the lists come, in this order. */
void nt_load_begin(ss_nt_t *nt, ss_codec_t *codec);
void nt_load_span(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id);
void nt_load_held(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id);
void nt_load_live(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id);
void nt_load_free(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id);
void nt_load_partial(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t index);
/* Everything must have been named once. */
void nt_load_end(ss_nt_t *nt, ss_codec_t *codec);

#endif
