/* machine/image.c: images of the blocks of a host. Picture and invariants: image.h. */
#include "machine/image.h"

#include <string.h>

_Static_assert(sizeof(ss_cell_t) % 16 == 0, "the block behind a cell is aligned as the cell is");

/* --- the list --------------------------------------------------------------------------------------------------------- */

static void list(ss_host_t *host, ss_cell_t *cell) {
    cell->live = true;
    cell->previous = NULL;
    cell->next = host->cells->first;
    if (cell->next != NULL) {
        cell->next->previous = cell;
    }
    host->cells->first = cell;
}

static void unlist(ss_host_t *host, ss_cell_t *cell) {
    cell->live = false;
    if (cell->next != NULL) {
        cell->next->previous = cell->previous;
    }
    if (cell->previous != NULL) {
        cell->previous->next = cell->next;
    } else {
        host->cells->first = cell->next;
    }
}

void *ss_cell_begin(ss_host_t *host, void *memory, size_t bytes) {
    ss_cell_t *cell = memory;
    *cell = (ss_cell_t){.bytes = bytes};
    list(host, cell);
    return (char *)memory + sizeof *cell;
}

void *ss_cell_moved(ss_host_t *host, void *memory, size_t bytes) {
    ss_cell_t *cell = memory;
    cell->bytes = bytes;
    if (cell->next != NULL) {
        cell->next->previous = cell;
    }
    if (cell->previous != NULL) {
        cell->previous->next = cell;
    } else {
        host->cells->first = cell;
    }
    return (char *)memory + sizeof *cell;
}

/* --- pages ------------------------------------------------------------------------------------------------------------ */

static void forget_copy(ss_host_t *host, ss_page_copy_t *copy) {
    if (copy != NULL && --copy->references == 0) {
        ss_release(host->cells->plain, copy);
    }
}

void ss_page_drop(ss_host_t *host, ss_cell_t *cell, size_t page) {
    forget_copy(host, cell->pages[page]);
    cell->pages[page] = NULL;
}

static void drop_pages(ss_host_t *host, ss_cell_t *cell) {
    for (size_t i = 0; cell->pages != NULL && i < cell->bytes / STORSIM_PAGE_SIZE; i++) {
        forget_copy(host, cell->pages[i]);
    }
    ss_release(host->cells->plain, cell->pages);
    cell->pages = NULL;
}

void *ss_cell_end(ss_host_t *host, void *block) {
    ss_cell_t *cell = ss_cell_of(block);
    unlist(host, cell);
    if (cell->holders != 0) {
        return NULL;
    }
    drop_pages(host, cell);
    return cell;
}

void *ss_paged_alloc(ss_host_t *host, size_t pages) {
    if (pages > SIZE_MAX / STORSIM_PAGE_SIZE) {
        return NULL;
    }
    void *block = ss_alloc(host, pages * STORSIM_PAGE_SIZE);
    if (block != NULL && host->cells != NULL) {
        ss_cell_of(block)->paged = true;
    }
    return block;
}

/* --- images ----------------------------------------------------------------------------------------------------------- */

static size_t rounded(size_t bytes) {
    return (bytes + 15) & ~(size_t)15;
}

static const char *block_of(const ss_cell_t *cell) {
    return (const char *)cell + sizeof *cell;
}

static char *contents(ss_cell_t *cell) {
    return (char *)cell + sizeof *cell;
}

storsim_status_t ss_image_take(ss_host_t *host, ss_image_t *image) {
    ss_host_t *plain = host->cells->plain;
    size_t bytes = 0;
    uint32_t count = 0;
    for (const ss_cell_t *cell = host->cells->first; cell != NULL; cell = cell->next) {
        bytes += cell->paged ? 0 : rounded(cell->bytes);
        count++;
    }
    *image = (ss_image_t){.count = 0};
    image->cells = ss_alloc(plain, count * sizeof *image->cells);
    image->bytes = ss_alloc(plain, bytes);
    if (image->cells == NULL || image->bytes == NULL) {
        ss_image_drop(host, image);
        return STORSIM_NO_MEMORY;
    }
    uint8_t *to = image->bytes;
    for (ss_cell_t *cell = host->cells->first; cell != NULL; cell = cell->next) {
        image->cells[image->count++] = cell;
        cell->holders++;
        if (!cell->paged) {
            memcpy(to, block_of(cell), cell->bytes);
            to += rounded(cell->bytes);
        }
    }
    return STORSIM_OK;
}

/* A copy of the page as it is now, one reference for the caller. NULL: no memory. */
static ss_page_copy_t *copy_of(ss_host_t *host, ss_cell_t *cell, size_t page, bool shared) {
    ss_host_t *plain = host->cells->plain;
    ss_page_copy_t *copy = cell->pages != NULL ? cell->pages[page] : NULL;
    if (copy == NULL) {
        if (cell->pages == NULL) {
            cell->pages = ss_alloc_zeroed(plain, cell->bytes / STORSIM_PAGE_SIZE, sizeof(ss_page_copy_t *));
        }
        copy = cell->pages != NULL ? ss_alloc(plain, sizeof *copy) : NULL;
        if (copy == NULL) {
            return NULL;
        }
        copy->references = 0;
        memcpy(copy->bytes, block_of(cell) + page * STORSIM_PAGE_SIZE, STORSIM_PAGE_SIZE);
        if (shared) {
            cell->pages[page] = copy;
            copy->references++;
        }
    }
    copy->references++;
    return copy;
}

storsim_status_t ss_image_add_page(ss_host_t *host, ss_image_t *image, void *block, size_t page, bool shared) {
    ss_cell_t *cell = ss_cell_of(block);
    void *array = image->refs;
    if (!ss_grow(host->cells->plain, &array, &image->ref_capacity, image->ref_count + 1, sizeof *image->refs)) {
        return STORSIM_NO_MEMORY;
    }
    image->refs = array;
    ss_page_copy_t *copy = copy_of(host, cell, page, shared);
    if (copy == NULL) {
        return STORSIM_NO_MEMORY;
    }
    image->refs[image->ref_count++] = (ss_page_ref_t){cell, copy, page};
    return STORSIM_OK;
}

/* Releases what is live and not wanted. */
static void release_newer(ss_host_t *host) {
    for (ss_cell_t *cell = host->cells->first; cell != NULL;) {
        ss_cell_t *next = cell->next;
        if (!cell->wanted) {
            ss_release(host, contents(cell));
        }
        cell = next;
    }
}

void ss_image_lay(ss_host_t *host, const ss_image_t *image) {
    for (uint32_t i = 0; i < image->count; i++) {
        image->cells[i]->wanted = true;
    }
    release_newer(host);
    const uint8_t *from = image->bytes;
    for (uint32_t i = 0; i < image->count; i++) {
        ss_cell_t *cell = image->cells[i];
        cell->wanted = false;
        if (!cell->live) {
            list(host, cell);
            host->live_blocks++;
        }
        if (!cell->paged) {
            memcpy(contents(cell), from, cell->bytes);
            from += rounded(cell->bytes);
        }
    }
    for (uint32_t i = 0; i < image->ref_count; i++) {
        const ss_page_ref_t *ref = &image->refs[i];
        ss_page_copy_t **now = &ref->cell->pages[ref->page];
        if (*now != ref->copy) {
            memcpy(contents(ref->cell) + ref->page * STORSIM_PAGE_SIZE, ref->copy->bytes, STORSIM_PAGE_SIZE);
            forget_copy(host, *now);
            *now = ref->copy;
            ref->copy->references++;
        }
    }
}

void ss_image_drop(ss_host_t *host, ss_image_t *image) {
    ss_host_t *plain = host->cells->plain;
    for (uint32_t i = 0; i < image->ref_count; i++) {
        forget_copy(host, image->refs[i].copy);
    }
    for (uint32_t i = 0; image->cells != NULL && i < image->count; i++) {
        ss_cell_t *cell = image->cells[i];
        if (--cell->holders == 0 && !cell->live) {
            drop_pages(host, cell);
            host->hook.release(host->hook.context, cell);
        }
    }
    ss_release(plain, image->refs);
    ss_release(plain, image->cells);
    ss_release(plain, image->bytes);
    *image = (ss_image_t){.count = 0};
}
