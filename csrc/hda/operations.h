/* hda/operations.h: what is done to controllers and codecs, by position in the table. */
#ifndef SS_HDA_OPERATIONS_H
#define SS_HDA_OPERATIONS_H

#include "machine/host.h"
#include "machine/tap.h"
#include "storsim/hda.h"

enum {
    SS_HDA_ATTACH,
    SS_HDA_ADD,
    SS_HDA_REMOVE,
    SS_HDA_MMIO_READ,
    SS_HDA_MMIO_WRITE,
    SS_HDA_SET_WALL_CLOCK,
    SS_HDA_STALL,
    SS_CODEC_ADD,
    SS_CODEC_ADD_IDEAL,
    SS_CODEC_REMOVE,
    SS_CODEC_SET,
    SS_CODEC_COMMAND,
    SS_CODEC_WAKE,
    SS_CODEC_UNSOLICITED,
    SS_CODEC_JACK,
    SS_CODEC_PLAYED_CLEAR,
    SS_CODEC_KEEP,
    SS_CODEC_RECORD,
    SS_CODEC_FEED,
    SS_CODEC_SOURCE,
    SS_HDA_OPERATIONS
};
extern const storsim_operation_t ss_hda_operations[SS_HDA_OPERATIONS];

/* A codec's description as words, for a record; NULL: no memory. The caller releases it. */
uint32_t *ss_codec_words(ss_host_t *host, const storsim_codec_config_t *config, uint32_t *count);

#endif
