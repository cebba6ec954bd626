/* machine/image.h: going back to an earlier moment by copying memory, not by writing everything down and reading it again.
 *
 * All state of a machine lies in blocks of one ss_host_t. If that host lists its blocks, an image of them all can be taken and laid back:
 *
 *     live list ─▶ [cell|block A] ─▶ [cell|block B] ─▶ [cell|block C]          image: A, B, C and a copy of their bytes
 *
 *   * A block that is released while an image holds it leaves the list but keeps its place in memory; laying the image back puts it on the
 *     list again. So every pointer between blocks is right again when the bytes are. A block held by an image is never resized in place.
 *   * Blocks that came into being since are released; those nobody holds are given to the host.
 *   * Laying back allocates nothing: it cannot fail.
 *
 * Contents of simulated memory are many bytes of which few change, so they are not copied with the rest. Their blocks are `paged`: the image
 * refers to copies of single pages, shared between images, and a page that has not changed since a copy was made of it is known by that copy:
 *
 *     cell.pages[i] == copy  ⇒  page i of the block holds the bytes of the copy                    (ss_paged_changed breaks the tie)
 *
 * An image costs the bytes of the listed blocks plus the pages that changed since the last one; laying it back the same plus the pages that
 * changed since it was taken. What must not go back in time (the trace, call sites, the images themselves) is allocated from a host that does
 * not list. Only within one process and machine: for anything else there are snapshots (machine/snapshot.c). Source: model choice. */
#ifndef SS_IMAGE_H
#define SS_IMAGE_H

#include "machine/host.h"

typedef struct ss_cell ss_cell_t;

/* The list, and the host that does not list, for what belongs to images. */
struct ss_cells {
    ss_cell_t *first;
    ss_host_t *plain;
};

typedef struct ss_page_copy {
    uint32_t references;
    uint8_t bytes[STORSIM_PAGE_SIZE];
} ss_page_copy_t;

struct ss_cell {
    ss_cell_t *next, *previous; /* while live */
    size_t bytes;               /* of the block behind it */
    ss_page_copy_t **pages;     /* paged blocks: per page the copy that equals it, or NULL; NULL before the first image */
    uint32_t holders;           /* images that hold it */
    bool live, paged, wanted;
    uint64_t reserved; /* keeps the block behind it aligned */
};

typedef struct ss_page_ref {
    ss_cell_t *cell;
    ss_page_copy_t *copy;
    size_t page;
} ss_page_ref_t;

/* The blocks of one moment. Zeroed before its first use. */
typedef struct ss_image {
    ss_cell_t **cells;
    uint8_t *bytes; /* of the cells that are not paged, one after the other, each rounded up to 16 bytes */
    uint32_t count, capacity;
    ss_page_ref_t *refs;
    uint32_t ref_count, ref_capacity;
} ss_image_t;

/* --- for host.c ----------------------------------------------------------------------------------------------------- */

static inline ss_cell_t *ss_cell_of(void *block) {
    return (ss_cell_t *)(void *)((char *)block - sizeof(ss_cell_t));
}
void *ss_cell_begin(ss_host_t *host, void *memory, size_t bytes); /* lists new memory; returns the block behind the cell */
void *ss_cell_moved(ss_host_t *host, void *memory, size_t bytes); /* the same after the host moved it */
void *ss_cell_end(ss_host_t *host, void *block); /* what to give to the host, NULL while an image holds it */

/* --- paged blocks --------------------------------------------------------------------------------------------------- */

/* pages * STORSIM_PAGE_SIZE bytes whose owner announces every change. The host need not list. NULL: no memory. */
void *ss_paged_alloc(ss_host_t *host, size_t pages);
void ss_page_drop(ss_host_t *host, ss_cell_t *cell, size_t page);
/* Page `page` is about to change. */
static inline void ss_paged_changed(ss_host_t *host, void *block, size_t page) {
    if (host->cells != NULL && ss_cell_of(block)->pages != NULL) {
        ss_page_drop(host, ss_cell_of(block), page);
    }
}

/* --- images --------------------------------------------------------------------------------------------------------- */

/* Everything `host` lists but the contents of paged blocks. NO_MEMORY: nothing changed, the image is empty. O(bytes listed). */
storsim_status_t ss_image_take(ss_host_t *host, ss_image_t *image);
/* Adds page `page` of a paged block that the image holds. shared: every change is announced, so that the copy may serve later images.
 * NO_MEMORY: drop the image. */
storsim_status_t ss_image_add_page(ss_host_t *host, ss_image_t *image, void *block, size_t page, bool shared);
/* Lays the image back. What is live and not in it is released. Never fails. */
void ss_image_lay(ss_host_t *host, const ss_image_t *image);
/* Ends an image; an empty one is accepted. Before the host ends. */
void ss_image_drop(ss_host_t *host, ss_image_t *image);

#endif
