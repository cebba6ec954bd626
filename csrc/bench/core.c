/* bench/core.c: what the core costs by itself, without Python: one routine of the DDI after the other, and the page
 * allocator alone in the same pattern, so that the difference is what a routine adds: checks, record, site, trace.
 *
 *     core pool | contiguous | dma | hmb | pages  [pairs per round] [rounds]
 *
 * prints one JSON line with the nanoseconds of each round per pair (allocated and freed). For instructions:
 * valgrind --tool=callgrind --toggle-collect=measured core dma 2000 1. */
#define _POSIX_C_SOURCE 199309L

#include "machine/pages.h"
#include "storsim/storport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES UINT64_C(4096)
#define HIGHEST UINT64_C(0xFFFFFFFF)
#define BOUNDARY UINT64_C(65536)
enum { SITES = 8, MOST_ROUNDS = 1000, RANGES = 8 };

typedef struct setting {
    storsim_machine_t *machine;
    uint64_t extension;
    ss_host_t host;
    ss_pages_t *pages;
} setting_t;

static const storsim_range_t ranges[] = {
    {0x1000, 0x9F000, 0}, {0x100000, UINT64_C(0xBFF00000), 0}, {UINT64_C(0x100000000), UINT64_C(0x340000000), 0}};

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "core: %s failed\n", what);
        exit(1);
    }
}

static void boot(setting_t *setting) {
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 3, .seed = 1};
    storsim_nt_config_t nt;
    storsim_adapter_config_t adapter;
    uint32_t number;
    storsim_nt_config_init(&nt);
    storsim_adapter_config_init(&adapter);
    adapter.name = "bench";
    require(storsim_machine_create(&config, &setting->machine) == STORSIM_OK, "the machine");
    require(storsim_nt_boot(setting->machine, &nt) == STORSIM_OK, "the kernel");
    require(storsim_storport_attach(setting->machine) == STORSIM_OK, "the port");
    require(storsim_adapter_add(setting->machine, &adapter, &number) == STORSIM_OK, "the adapter");
    setting->extension = storsim_adapter_extension(setting->machine, number);
    storsim_memory_run_t runs[3];
    for (int i = 0; i < 3; i++) {
        runs[i] = (storsim_memory_run_t){ranges[i].start / STORSIM_PAGE_SIZE, ranges[i].length / STORSIM_PAGE_SIZE, 0};
    }
    ss_host_init(&setting->host, NULL);
    require(ss_pages_create(&setting->host, runs, 3, 1, STORSIM_TOP_DOWN, false, 1, &setting->pages) == STORSIM_OK,
            "the page allocator");
}

static uint64_t call(setting_t *setting, uint16_t id, storsim_arg_t *args) {
    uint64_t result = 1;
    require(storsim_storport_call(setting->machine, storsim_ddi_routine(id), args, &result) == STORSIM_OK, "a call");
    return result;
}

#define IN(number) {.value = (number), .present = true}
#define OUT {.present = true}

static void pool(setting_t *setting) {
    storsim_arg_t make[] = {IN(setting->extension), IN(512), IN(0x636E6542), OUT};
    require(call(setting, STORSIM_ID_StorPortAllocatePool, make) == 0, "StorPortAllocatePool");
    storsim_arg_t drop[] = {IN(setting->extension), IN(make[3].value)};
    require(call(setting, STORSIM_ID_StorPortFreePool, drop) == 0, "StorPortFreePool");
}

static void contiguous(setting_t *setting) {
    storsim_arg_t make[] = {IN(setting->extension), IN(BYTES), IN(0), IN(HIGHEST), IN(BOUNDARY), IN(1),
                            IN(STORSIM_NODE_ANY), OUT};
    require(call(setting, STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode, make) == 0, "contiguous");
    storsim_arg_t drop[] = {IN(setting->extension), IN(make[7].value), IN(BYTES), IN(1)};
    require(call(setting, STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache, drop) == 0, "its free");
}

static void dma(setting_t *setting) {
    storsim_arg_t make[] = {IN(setting->extension), IN(BYTES), IN(0), IN(HIGHEST), IN(BOUNDARY), IN(1),
                            IN(STORSIM_NODE_ANY), OUT, OUT};
    require(call(setting, STORSIM_ID_StorPortAllocateDmaMemory, make) == 0, "StorPortAllocateDmaMemory");
    storsim_arg_t drop[] = {IN(setting->extension), IN(make[7].value), IN(BYTES), IN(1), IN(make[8].value)};
    require(call(setting, STORSIM_ID_StorPortFreeDmaMemory, drop) == 0, "StorPortFreeDmaMemory");
}

static void hmb(setting_t *setting) {
    storsim_access_range_t list[RANGES];
    memset(list, 0, sizeof list);
    storsim_arg_t make[] = {IN(setting->extension), IN(8u << 20), IN(64u << 20), IN(0), IN(BYTES), IN(0),
                            IN(UINT64_MAX), IN(0), {.data = list, .count = RANGES, .present = true}, IN(RANGES)};
    require(call(setting, STORSIM_ID_StorPortAllocateHostMemoryBuffer, make) == 0, "StorPortAllocateHostMemoryBuffer");
    storsim_arg_t drop[] = {IN(setting->extension), {.data = list, .count = RANGES, .present = true}, IN(make[9].value)};
    require(call(setting, STORSIM_ID_StorPortFreeHostMemoryBuffer, drop) == 0, "StorPortFreeHostMemoryBuffer");
}

static void pages(setting_t *setting) {
    static const uint8_t nodes[] = {0};
    uint64_t first;
    const ss_page_request_t request = {.pages = BYTES / STORSIM_PAGE_SIZE, .first_max = HIGHEST / STORSIM_PAGE_SIZE,
                                       .align_pages = 1, .boundary_pages = BOUNDARY / STORSIM_PAGE_SIZE, .nodes = nodes,
                                       .node_count = 1};
    require(ss_pages_take(setting->pages, &request, &first) == STORSIM_OK, "ss_pages_take");
    ss_pages_give(setting->pages, first, request.pages);
}

typedef void (*body_t)(setting_t *setting);

/* Under a name of its own, so that callgrind can leave everything else out. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
void measured(setting_t *setting, body_t body, unsigned long times);
void measured(setting_t *setting, body_t body, unsigned long times) {
    for (unsigned long i = 0; i < times; i++) {
        if (setting->machine != NULL) {
            storsim_set_site(setting->machine, 1 + (uint32_t)(i % SITES));
        }
        body(setting);
    }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        body_t body;
    } bodies[] = {{"pool", pool}, {"contiguous", contiguous}, {"dma", dma}, {"hmb", hmb}, {"pages", pages}};
    body_t body = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof bodies / sizeof bodies[0]; i++) {
        body = strcmp(argv[1], bodies[i].name) == 0 ? bodies[i].body : body;
    }
    if (body == NULL) {
        fprintf(stderr, "usage: core pool|contiguous|dma|hmb|pages [pairs per round] [rounds]\n");
        return 2;
    }
    unsigned long times = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000, rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 9;
    setting_t setting;
    memset(&setting, 0, sizeof setting);
    boot(&setting);
    for (int i = 0; i < 1000; i++) {
        body(&setting); /* the steady state: quarantine full, tables grown */
    }
    printf("{\"name\": \"%s\", \"ns\": [", argv[1]);
    for (unsigned long round = 0; round < rounds && round < MOST_ROUNDS; round++) {
        double start = seconds();
        measured(&setting, body, times);
        printf("%s%.2f", round ? ", " : "", (seconds() - start) * 1e9 / (double)times);
    }
    printf("]}\n");
    ss_pages_destroy(setting.pages);
    storsim_machine_destroy(setting.machine);
    return 0;
}
