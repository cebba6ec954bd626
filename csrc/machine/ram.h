/* machine/ram.h: the bytes behind pages.
 *
 * A store is the contents of one block: `pages` pages of host memory in the order of the block's virtual addresses. Frames point
 * into stores, so a block whose frames are scattered is still one host buffer and can be exported as such. A store is created
 * without host memory; each page is filled with its pattern at the first touch. Frames without a store read as poison; writing one
 * through the debugger gives it a loose store of one page.
 *
 * Page states inside a store: untouched (content = pattern, no host memory), clean (pattern written out), dirty (written since).
 * The digest covers the pattern seed and the dirty pages, so a read changes nothing.
 *
 * A page of shared pool has an owner who can say what is in it as long as nobody wrote there: such a store of one page has no host memory
 * until somebody looks or writes. Then the owner fills it, and it is dirty from there on. Digest and snapshot see it as dirty all along. */
#ifndef SS_RAM_H
#define SS_RAM_H

#include "machine/codec.h"
#include "machine/image.h"

#define SS_POISON 0xDDu /* what freed memory reads as */

typedef struct ss_ram ss_ram_t;
typedef uint32_t ss_store_t; /* 0 = none */

typedef enum ss_fill {
    SS_FILL_PATTERN = 0, /* seeded pseudo-random bytes, never zero */
    SS_FILL_ZERO = 1
} ss_fill_t;

/* Whoever keeps records of blocks, and so knows two things better than the memory does:
 *   fill   makes the contents of a page whose owner knows them (owned in its plan): `page` is the owner's number for it. kept: from now on what
 *          is in the page is what is written to it; else they were only asked for.
 *   store  which store a frame belongs to, 0: to none. With it frames are not listed here a second time; NULL: they are. A block that nobody
 *          touched has no store yet: what is in it follows from its plan. make: it gets one now, which can fail.
 *   plans  tells `visit` of every block without a store; what it answers is the block's store from now on, 0: still none.
 * Loose stores, which no block has, are listed here in any case. */
typedef struct ss_store_plan ss_store_plan_t;
typedef ss_store_t (*ss_plan_fn)(void *state, const ss_store_plan_t *plan);
typedef struct ss_filler {
    void (*fill)(void *context, uint32_t page, uint8_t *to, bool kept);
    storsim_status_t (*store)(void *context, uint64_t pfn, bool make, ss_store_t *store);
    void (*plans)(void *context, ss_plan_fn visit, void *state);
    void *context;
} ss_filler_t;

/* The filler stays where it is; it may be set later than this, before the first store. */
storsim_status_t ss_ram_create(ss_host_t *host, const ss_filler_t *filler, ss_ram_t **ram);
void ss_ram_destroy(ss_ram_t *ram);
/* A snapshot that is loaded may have so many pages in all its stores, those of the map. Until this is called there is no bound, and a number
 * in a damaged snapshot could ask the host for any amount of memory. */
void ss_ram_bound(ss_ram_t *ram, uint64_t pages);

/* A new store. seed makes the pattern (derive it from the machine's seed and the block's address, so that it needs no counter). */
storsim_status_t ss_store_create(ss_ram_t *ram, uint64_t pages, ss_fill_t fill, uint64_t seed, ss_store_t *store);
/* From byte `offset` on, pages not yet touched hold `value` instead of the pattern: the slack behind a block's last byte, or a page
 * that starts as poison. Costs no host memory. Called once, before the first touch. */
void ss_store_tail(ss_ram_t *ram, ss_store_t store, uint64_t offset, uint8_t value);
/* A store that is one stretch of frames, which the filler knows: creating, its tail and attaching it in one. */
struct ss_store_plan {
    uint64_t pages, seed, first_pfn;
    uint64_t tail; /* see ss_store_tail; UINT64_MAX: none */
    ss_fill_t fill;
    uint8_t tail_value;
    uint32_t owned; /* of one page whose owner makes the contents at the first touch, is told so, and until then need not write them: its number + 1;
                       else 0 */
};
storsim_status_t ss_store_make(ss_ram_t *ram, const ss_store_plan_t *plan, ss_store_t *store);
/* Points frames at pages [page_offset, page_offset + count) of the store. NO_MEMORY changes nothing. Loose stores there go. */
storsim_status_t ss_store_attach(ss_ram_t *ram, ss_store_t store, uint64_t page_offset, uint64_t first_pfn, uint64_t count);
/* A block takes frames and gets its store later: loose ones there go. Never fails. */
void ss_ram_claim(ss_ram_t *ram, uint64_t first_pfn, uint64_t count);
/* Frames forget their store. Never fails. */
void ss_ram_detach(ss_ram_t *ram, uint64_t first_pfn, uint64_t count);
/* Ends a store whose frames were detached. With live exports it becomes an orphan: poisoned, kept until the last export ends. */
void ss_store_destroy(ss_ram_t *ram, ss_store_t store);

/* Bytes of a store in block order. offset + bytes must lie inside. Never a rule check. NO_MEMORY possible. */
storsim_status_t ss_store_read(ss_ram_t *ram, ss_store_t store, uint64_t offset, void *buffer, size_t bytes);
storsim_status_t ss_store_write(ss_ram_t *ram, ss_store_t store, uint64_t offset, const void *buffer, size_t bytes);
/* Fills [offset, offset + bytes) with one byte value. */
storsim_status_t ss_store_set(ss_ram_t *ram, ss_store_t store, uint64_t offset, uint8_t value, uint64_t bytes);
/* Compares with what ss_store_set wrote: offset of the first different byte, or `bytes` when equal. */
uint64_t ss_store_compare(ss_ram_t *ram, ss_store_t store, uint64_t offset, uint8_t value, uint64_t bytes);
/* Exports the whole store as one host buffer: materialises it, pins it; every page counts as dirty if writable. */
storsim_status_t ss_store_export(ss_ram_t *ram, ss_store_t store, bool writable, uint8_t **data);
/* Ends one export. *written_at: offset of the first byte an orphan's holder wrote after the free, or UINT64_MAX. The orphan is
 * gone with its last export. */
void ss_store_unexport(ss_ram_t *ram, ss_store_t store, uint64_t *written_at);
uint64_t ss_ram_exports(const ss_ram_t *ram);

/* Adds every touched page to an image that holds the rest. */
storsim_status_t ss_ram_image(ss_ram_t *ram, ss_image_t *image);
/* After an image was laid back. ended: the exports of its moment are over, and what was kept only for them goes. */
void ss_ram_laid(ss_ram_t *ram, bool ended);

/* Bytes by physical address, whatever store they are in; poison where none is. The caller has checked that it is RAM. */
storsim_status_t ss_ram_read(ss_ram_t *ram, uint64_t address, void *buffer, size_t bytes);
storsim_status_t ss_ram_write(ss_ram_t *ram, uint64_t address, const void *buffer, size_t bytes);
/* The host bytes of a page that was touched before, NULL for others. They stay where they are until its frame is detached. */
const uint8_t *ss_ram_touched(const ss_ram_t *ram, uint64_t pfn);
/* Gets the host memory a later ss_ram_write of the same bytes needs, so that a write in several steps is whole or nothing. */
storsim_status_t ss_ram_prepare(ss_ram_t *ram, uint64_t address, uint64_t bytes);

/* Whether a store is in use and its first frame is this one. For checks. */
bool ss_store_begins(const ss_ram_t *ram, ss_store_t store, uint64_t pfn);
/* Host bytes held for contents. */
uint64_t ss_ram_host_bytes(const ss_ram_t *ram);
void ss_ram_walk(ss_ram_t *ram, ss_codec_t *codec);
/* After a walk in SAVE mode: the number that a store goes by in the snapshot, 0 for none; until ss_ram_walked. */
ss_store_t ss_ram_number(const ss_ram_t *ram, ss_store_t store);
void ss_ram_walked(ss_ram_t *ram);
size_t ss_ram_check(const ss_ram_t *ram);

#endif
