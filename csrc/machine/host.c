/* machine/host.c: the allocator hook, its default, and checked arithmetic. The only file that names malloc. */
#include "machine/host.h"
#include "machine/image.h"

#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *context, size_t bytes) {
    (void)context;
    return malloc(bytes);
}

static void *default_allocate_zeroed(void *context, size_t bytes) {
    (void)context;
    return calloc(1, bytes);
}

static void *default_resize(void *context, void *block, size_t bytes) {
    (void)context;
    return realloc(block, bytes);
}

static void default_release(void *context, void *block) {
    (void)context;
    free(block);
}

void ss_host_init(ss_host_t *host, const storsim_host_t *hook) {
    static const storsim_host_t standard = {default_allocate, default_allocate_zeroed, default_resize, default_release, NULL};
    host->hook = hook != NULL ? *hook : standard;
    host->live_blocks = 0;
    host->requests = 0;
    host->cells = NULL;
}

static void *obtain(ss_host_t *host, size_t bytes, bool zeroed) {
    size_t header = host->cells != NULL ? sizeof(ss_cell_t) : 0;
    if (bytes > SIZE_MAX - header) {
        return NULL;
    }
    void *block;
    host->requests++;
    if (zeroed && host->hook.allocate_zeroed != NULL) {
        block = host->hook.allocate_zeroed(host->hook.context, bytes + header);
    } else {
        block = host->hook.allocate(host->hook.context, bytes + header);
        if (block != NULL && zeroed) {
            memset(block, 0, bytes + header);
        }
    }
    host->live_blocks += block != NULL;
    return block != NULL && header != 0 ? ss_cell_begin(host, block, bytes) : block;
}

void *ss_alloc(ss_host_t *host, size_t bytes) {
    return obtain(host, bytes != 0 ? bytes : 1, false);
}

void *ss_alloc_zeroed(ss_host_t *host, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    return obtain(host, count * size != 0 ? count * size : 1, true);
}

/* An image may hold the block where it is: then it is left behind and the contents move to a new one. */
static void *resize_listed(ss_host_t *host, void *block, size_t bytes) {
    ss_cell_t *cell = ss_cell_of(block);
    if (cell->holders != 0) {
        void *moved = obtain(host, bytes, false);
        if (moved != NULL) {
            memcpy(moved, block, bytes < cell->bytes ? bytes : cell->bytes);
            ss_release(host, block);
        }
        return moved;
    }
    host->requests++;
    void *moved = bytes <= SIZE_MAX - sizeof *cell ? host->hook.resize(host->hook.context, cell, bytes + sizeof *cell) : NULL;
    return moved != NULL ? ss_cell_moved(host, moved, bytes) : NULL;
}

void *ss_resize(ss_host_t *host, void *block, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    size_t bytes = count * size != 0 ? count * size : 1;
    if (block == NULL) {
        return ss_alloc(host, bytes);
    }
    if (host->cells != NULL) {
        return resize_listed(host, block, bytes);
    }
    host->requests++;
    return host->hook.resize(host->hook.context, block, bytes);
}

void ss_release(ss_host_t *host, void *block) {
    if (block == NULL) {
        return;
    }
    host->live_blocks--;
    if (host->cells != NULL) {
        block = ss_cell_end(host, block);
    }
    if (block != NULL) {
        host->hook.release(host->hook.context, block);
    }
}

void ss_copy(void *to, const void *from, size_t bytes) {
    memcpy(to, from, bytes);
}

bool ss_grow(ss_host_t *host, void **array, uint32_t *capacity, uint32_t needed, size_t element) {
    if (needed <= *capacity) {
        return true;
    }
    uint32_t wanted = *capacity != 0 ? *capacity : 16;
    while (wanted < needed) {
        if (wanted > UINT32_MAX / 2) {
            return false;
        }
        wanted *= 2;
    }
    void *moved = ss_resize(host, *array, wanted, element);
    if (moved == NULL) {
        return false;
    }
    *array = moved;
    *capacity = wanted;
    return true;
}

bool ss_add_u64(uint64_t a, uint64_t b, uint64_t *result) {
    if (a > UINT64_MAX - b) {
        return false;
    }
    *result = a + b;
    return true;
}

bool ss_mul_u64(uint64_t a, uint64_t b, uint64_t *result) {
    if (b != 0 && a > UINT64_MAX / b) {
        return false;
    }
    *result = a * b;
    return true;
}
