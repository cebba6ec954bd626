/* bench/workload.c: see workload.h. Integers only, so the same seed gives the same operations everywhere. */
#include "bench/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

typedef struct maker {
    bench_workload_t *to;
    uint64_t state;
    bool failed;
} maker_t;

static uint64_t draw(maker_t *maker) { /* splitmix64 */
    uint64_t z = maker->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint64_t below(maker_t *maker, uint64_t limit) {
    return draw(maker) % limit;
}

/* Around `median`, half to double in the middle, rarely sixteen times less or more: a sum of dice on a logarithmic scale. */
static uint64_t around(maker_t *maker, uint64_t median) {
    uint64_t dice = 0;
    for (int i = 0; i < 8; i++) {
        dice += below(maker, 33);
    }
    return median * (UINT64_C(1) << (dice / 32)) * (32 + dice % 32) / 32 / 16; /* dice: 0 … 256, 128 in the middle */
}

static bench_op_t *push(maker_t *maker, uint8_t kind, uint64_t slot) {
    static bench_op_t nowhere;
    bench_workload_t *to = maker->to;
    if (to->count == to->capacity) {
        size_t capacity = to->capacity != 0 ? to->capacity * 2 : 65536;
        bench_op_t *wider = realloc(to->ops, capacity * sizeof *wider);
        if (wider == NULL) {
            maker->failed = true;
            return &nowhere;
        }
        to->ops = wider;
        to->capacity = capacity;
    }
    bench_op_t *op = &to->ops[to->count++];
    *op = (bench_op_t){.kind = kind, .node = BENCH_NODE_ANY, .slot = (uint32_t)slot, .align = to->page_bytes, .highest = UINT64_MAX};
    return op;
}

static void region(bench_workload_t *to, uint64_t base, uint64_t size, uint32_t node) {
    to->regions[to->region_count++] = (bench_region_t){base, size, node, 0};
}

typedef void (*request_t)(maker_t *maker, bench_op_t *op);

static void plain(maker_t *maker, bench_op_t *op) {
    op->size = (1 + below(maker, 16)) * PAGE;
}

static void mixed(maker_t *maker, bench_op_t *op) {
    uint64_t pages = around(maker, 3), kind = below(maker, 100);
    pages = pages < 1 ? 1 : pages > 256 ? 256 : pages;
    op->node = (uint8_t)(below(maker, 10) != 0 ? below(maker, 4) : BENCH_NODE_ANY);
    if (kind < 10) {
        op->highest = 16 * MIB - 1;
        pages = pages > 16 ? 1 + below(maker, 4) : pages;
    } else if (kind < 40) {
        op->highest = 4 * GIB - 1;
    }
    op->size = pages * PAGE;
    if (below(maker, 100) < 30) {
        op->boundary = UINT64_C(65536) << below(maker, 6);
        while (op->boundary < op->size) {
            op->boundary *= 2;
        }
    }
    if (below(maker, 100) < 20) {
        op->align = 2 * PAGE << below(maker, 8);
    }
}

static void small(maker_t *maker, bench_op_t *op) {
    uint64_t bytes = around(maker, 128);
    op->size = bytes < 16 ? 16 : bytes > 8192 ? 8192 : bytes;
}

/* Fills `live` slots, turns them over once, then measures. young: four of five operations on the first fifth. */
static void churn(maker_t *maker, size_t live, size_t ops, request_t request, bool young) {
    for (size_t i = 0; i < live; i++) {
        request(maker, push(maker, BENCH_ALLOC, i));
    }
    for (size_t i = 0; i < live + ops / 2; i++) {
        uint64_t fifth = live / 5, slot = below(maker, live);
        if (young) {
            slot = below(maker, 5) != 0 ? below(maker, fifth) : fifth + below(maker, live - fifth);
        }
        maker->to->measured_from = i == live ? maker->to->count : maker->to->measured_from;
        (void)push(maker, BENCH_FREE, slot);
        request(maker, push(maker, BENCH_ALLOC, slot));
    }
}

static void shuffle(maker_t *maker, uint32_t *slots, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)below(maker, i);
        uint32_t moved = slots[i - 1];
        slots[i - 1] = slots[j];
        slots[j] = moved;
    }
}

/* Gaps of two pages on odd pages, `places` of them on even ones; the map is built in address order, then every second block is freed. */
static void gaps(maker_t *maker, const char *name, size_t live, size_t ops, size_t places) {
    bench_workload_t *to = maker->to;
    uint64_t pages = (uint64_t)live * 4, base = 4 * GIB, page = 1, found = 0;
    uint64_t place[65] = {0};
    uint32_t *freed = malloc((pages + 8) * sizeof *freed), slot = 0;
    size_t count = 0;
    if (freed == NULL) {
        maker->failed = true;
        return;
    }
    region(to, base, (pages + 4) * PAGE, 0);
    push(maker, BENCH_ALLOC, slot++)->size = PAGE;
    while (page + 8 < pages) {
        if (found < places && page >= (2 * found + 1) * pages / (2 * places)) {
            push(maker, BENCH_ALLOC, slot++)->size = PAGE;
            place[found++] = base + (page + 1) * PAGE;
            freed[count++] = slot;
            push(maker, BENCH_ALLOC, slot++)->size = 2 * PAGE;
            push(maker, BENCH_ALLOC, slot++)->size = PAGE;
            page += 4;
        }
        freed[count++] = slot;
        push(maker, BENCH_ALLOC, slot++)->size = 2 * PAGE;
        push(maker, BENCH_ALLOC, slot++)->size = 2 * PAGE;
        page += 4;
    }
    for (; page < pages + 4; page++) {
        push(maker, BENCH_ALLOC, slot++)->size = PAGE;
    }
    shuffle(maker, freed, count);
    for (size_t i = 0; i < count; i++) {
        (void)push(maker, BENCH_FREE, freed[i]);
    }
    free(freed);
    to->slots = slot + 1;
    to->measured_from = to->count;
    to->needs = BENCH_CAN_ALIGN | BENCH_CAN_BOUNDARY | BENCH_CAN_RANGE;
    for (size_t i = 0; i < ops / 2; i++) {
        bench_op_t *op = push(maker, BENCH_ALLOC, slot);
        op->size = 2 * PAGE;
        if (places != 0) {
            uint64_t at = below(maker, places);
            op->lowest = at != 0 ? place[at - 1] + 2 * PAGE : 0;
            op->highest = at + 1 < places ? place[at + 1] - 1 : base + (pages + 4) * PAGE - 1;
        }
        if (strcmp(name, "w6size") == 0) {
            op->size = (3 + below(maker, 64)) * PAGE;
        } else if (strcmp(name, "w6range") == 0) {
            op->size = (3 + below(maker, 4)) * PAGE;
            op->lowest = base + below(maker, pages / 2) * PAGE;
            op->highest = op->lowest + pages / 4 * PAGE - 1;
        } else if (strcmp(name, "w6align") == 0 || (places != 0 && i % 2 != 0)) {
            op->align = 2 * PAGE;
        } else {
            op->boundary = 2 * PAGE;
        }
        if (places != 0) {
            (void)push(maker, BENCH_FREE, slot);
        }
    }
}

static void buffers(maker_t *maker, size_t live, size_t ops) {
    bench_workload_t *to = maker->to;
    uint64_t mean = 16 * GIB / PAGE / live, total = 0;
    uint32_t *freed = malloc(live * sizeof *freed);
    if (freed == NULL) {
        maker->failed = true;
        return;
    }
    for (size_t i = 0; i < live; i++) {
        uint64_t pages = 1 + below(maker, 2 * mean - 1);
        total += pages;
        push(maker, BENCH_ALLOC, i)->size = pages * PAGE;
        freed[i] = (uint32_t)i;
    }
    region(to, 4 * GIB, total * PAGE, 0);
    shuffle(maker, freed, live);
    for (size_t i = 0; i < live * 2 / 5; i++) {
        (void)push(maker, BENCH_FREE, freed[i]);
    }
    free(freed);
    to->slots = (uint32_t)live + 1;
    to->most_ranges = 65536;
    to->needs = BENCH_CAN_HMB;
    to->measured_from = to->count;
    for (size_t i = 0; i < ops / 2; i++) {
        push(maker, BENCH_HMB, live)->size = 64 * MIB << below(maker, 5);
        (void)push(maker, BENCH_HMB_FREE, live);
    }
}

bool bench_make(bench_workload_t *workload, const char *name, size_t live, size_t ops, uint64_t seed) {
    maker_t maker = {.to = workload, .state = seed};
    *workload = (bench_workload_t){.page_bytes = (uint32_t)PAGE, .slots = (uint32_t)live};
    if (strcmp(name, "w1") == 0 || strcmp(name, "w1t") == 0) {
        uint64_t tight = ((uint64_t)live * 17 / 2 * 100 / 85 + 32) * PAGE;
        region(workload, 4 * GIB, name[2] == 't' ? tight : 64 * GIB, 0);
        churn(&maker, live, ops, plain, false);
    } else if (strcmp(name, "w2") == 0) {
        region(workload, PAGE, 0x9F000 - PAGE, 0);
        region(workload, MIB, 3 * GIB - MIB, 0);
        region(workload, 4 * GIB, 13 * GIB, 0);
        for (uint32_t node = 1; node < 4; node++) {
            region(workload, (1 + UINT64_C(16) * node) * GIB, 16 * GIB, node);
        }
        workload->needs = BENCH_CAN_ALIGN | BENCH_CAN_RANGE | BENCH_CAN_BOUNDARY | BENCH_CAN_NODE;
        churn(&maker, live, ops, mixed, false);
    } else if (strcmp(name, "w3") == 0) {
        gaps(&maker, name, live, ops, 64);
    } else if (strncmp(name, "w6", 2) == 0) {
        gaps(&maker, name, live, ops, 0);
    } else if (strcmp(name, "w4") == 0) {
        buffers(&maker, live, ops);
    } else if (strcmp(name, "w5") == 0 && live >= 5) {
        workload->page_bytes = 16;
        region(workload, GIB, GIB, 0);
        workload->needs = BENCH_CAN_BYTES;
        churn(&maker, live, ops, small, true);
    } else {
        return false;
    }
    return !maker.failed;
}

typedef struct file_header {
    char magic[8];
    uint32_t page_bytes, region_count, node_count, slots;
    uint64_t count, measured_from, seed;
    uint32_t needs, most_ranges;
    char name[16];
} file_header_t;

_Static_assert(sizeof(file_header_t) == 72 && sizeof(bench_region_t) == 24 && sizeof(bench_op_t) == 48, "the file's layout is the host's");

bool bench_read(bench_workload_t *workload, const char *path, size_t most_ops) {
    file_header_t header;
    *workload = (bench_workload_t){.page_bytes = 0};
    FILE *file = fopen(path, "rb");
    bool good = file != NULL && fread(&header, sizeof header, 1, file) == 1 && memcmp(header.magic, "STTRACE1", 8) == 0 &&
                header.region_count <= BENCH_MAX_REGIONS && header.count < SIZE_MAX / sizeof(bench_op_t) &&
                header.measured_from <= header.count &&
                fread(workload->regions, sizeof(bench_region_t), header.region_count, file) == header.region_count;
    if (good) {
        size_t count = (size_t)header.count;
        if (count - (size_t)header.measured_from > most_ops) {
            count = (size_t)header.measured_from + most_ops;
        }
        workload->ops = malloc(count * sizeof *workload->ops);
        good = workload->ops != NULL && fread(workload->ops, sizeof *workload->ops, count, file) == count;
        workload->count = count;
        workload->measured_from = (size_t)header.measured_from;
        workload->region_count = header.region_count;
        workload->page_bytes = header.page_bytes;
        workload->slots = header.slots + 1;
        workload->needs = header.needs;
        workload->most_ranges = header.most_ranges;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return good;
}
