/* machine/host.h: host memory through the one hook. See storsim_host_t. Every allocation of the core passes here. */
#ifndef SS_HOST_H
#define SS_HOST_H

#include "storsim/machine.h"

typedef struct ss_cells ss_cells_t; /* a list of live blocks: machine/image.h */

/* The hook plus its accounting; lives in the machine, passed on to every structure that allocates. */
typedef struct ss_host {
    storsim_host_t hook;
    uint64_t live_blocks;   /* allocations not yet released */
    uint64_t requests;      /* allocations asked for so far */
    ss_cells_t *cells;      /* where live blocks are listed, so that an image of them can be taken; NULL: they are not */
} ss_host_t;

void ss_host_init(ss_host_t *host, const storsim_host_t *hook); /* hook NULL: malloc, calloc, realloc, free; not listed */
void *ss_alloc(ss_host_t *host, size_t bytes);                 /* NULL on failure; bytes 0 is served as 1 */
void *ss_alloc_zeroed(ss_host_t *host, size_t count, size_t size); /* checks count * size for overflow */
void *ss_resize(ss_host_t *host, void *block, size_t count, size_t size); /* block may be NULL; on NULL the old one stays */
void ss_release(ss_host_t *host, void *block);                 /* NULL accepted */

/* memcpy for short pieces of a length the compiler had better not know the bounds of: it would expand it into a string instruction,
 * which takes longer to start than a small copy takes. */
void ss_copy(void *to, const void *from, size_t bytes);

/* Makes room for one more element in a growing array: doubles *capacity (from 16). Returns false on NO_MEMORY, array untouched. */
bool ss_grow(ss_host_t *host, void **array, uint32_t *capacity, uint32_t needed, size_t element);

/* Checked arithmetic: false on overflow, *result untouched. */
bool ss_add_u64(uint64_t a, uint64_t b, uint64_t *result);
bool ss_mul_u64(uint64_t a, uint64_t b, uint64_t *result);

#endif
