/* machine/codec.h: one walk over a structure serves snapshot, restore and digest.
 *
 * A room writes one function per structure that names every field once:
 *
 *     static void walk_thing(ss_codec_t *codec, thing_t *thing) {
 *         ss_codec_u32(codec, &thing->count);
 *         ss_codec_u64(codec, &thing->address);
 *         if (ss_codec_hidden(codec)) { ss_codec_u64(codec, &thing->statistics); }
 *     }
 *
 * In SAVE mode the fields are appended to a growing buffer (little endian, fixed width); in LOAD mode they are overwritten from
 * the buffer; in DIGEST mode they are hashed. Errors are sticky: after the first, LOAD delivers zeros and everything else does
 * nothing, so that a walk needs no checks of its own except ss_codec_count before it allocates and after it loaded an index. */
#ifndef SS_CODEC_H
#define SS_CODEC_H

#include "machine/host.h"

typedef enum ss_codec_mode { SS_SAVE, SS_LOAD, SS_DIGEST } ss_codec_mode_t;

typedef struct ss_codec {
    ss_codec_mode_t mode;
    ss_host_t *host;
    uint8_t *bytes;          /* SAVE: owned, grown; LOAD: the caller's, read only */
    size_t length, capacity; /* LOAD: length = total */
    size_t position;         /* LOAD: read position */
    uint64_t hash;           /* DIGEST: FNV-1a */
    storsim_status_t status; /* OK, NO_MEMORY, FORMAT */
} ss_codec_t;

void ss_codec_u8(ss_codec_t *codec, uint8_t *value);
void ss_codec_u16(ss_codec_t *codec, uint16_t *value);
void ss_codec_u32(ss_codec_t *codec, uint32_t *value);
void ss_codec_u64(ss_codec_t *codec, uint64_t *value);
void ss_codec_i32(ss_codec_t *codec, int32_t *value);
void ss_codec_bool(ss_codec_t *codec, bool *value); /* LOAD: anything but 0 and 1 is FORMAT */
void ss_codec_bytes(ss_codec_t *codec, void *bytes, size_t count);
/* An element count. LOAD: FORMAT (and *count = 0) unless count elements of at least element_bytes each can still follow and
 * count <= limit. */
void ss_codec_count(ss_codec_t *codec, uint64_t *count, size_t element_bytes, uint64_t limit);
/* A value that must stay below limit (indices, enums); otherwise FORMAT and *value = 0. */
void ss_codec_index(ss_codec_t *codec, uint32_t *value, uint32_t limit);
/* A marker between sections: SAVE writes it, LOAD compares it. */
void ss_codec_mark(ss_codec_t *codec, uint32_t magic);
/* True in SAVE and LOAD: what follows is state no driver or device can observe and is left out of the digest. */
bool ss_codec_hidden(const ss_codec_t *codec);
bool ss_codec_loading(const ss_codec_t *codec);
bool ss_codec_ok(const ss_codec_t *codec);
void ss_codec_fail(ss_codec_t *codec, storsim_status_t status); /* keeps the first */

#endif
