/* fuzz/differential.c: the core against the naive oracle, at C speed.
 *
 *   differential [--seed N] [--calls N] [--seconds N] [--each N] [--table]
 *
 * Random machines (at most 1 024 pages, holes, one to three nodes, all levels and several OS versions) get random valid and invalid
 * calls. After every call the answer, the outputs, the violations and the bugcheck must be what the oracle says; every 64 calls the
 * free pages and the whole-machine check too. A behaviour is (routine, level, IRQL class, outcome, first rule broken). The run goes on until
 * --calls or --seconds are used up, or, with --each N, until no behaviour was new for a quarter of the calls so far and each was seen N
 * times. The last line gives calls, behaviours and the rarest one's count. Exit status 1 at the first difference, which is printed with
 * its seed. */
#include "fuzz/oracle.h"
#include "storsim/storport.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- randomness of the driver (not of the machine) -------------------------------------------------------------------- */

static uint64_t rng_state;

static uint64_t next64(void) {
    rng_state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = rng_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t bound) {
    return next64() % bound;
}

static bool chance(unsigned percent) {
    return below(100) < percent;
}

/* Misuse mostly ends a machine, so most machines see little of it: their states get deep, the others' misuses many. */
static bool polite;

static bool mischief(unsigned percent) {
    return chance(percent) && (!polite || chance(15));
}

/* --- behaviours ------------------------------------------------------------------------------------------------------- */

typedef struct behaviour {
    char name[112];
    uint64_t count;
} behaviour_t;

static behaviour_t behaviours[4096];
static unsigned behaviour_count;
static uint64_t calls, last_new;

static void saw(const char *name) {
    for (unsigned i = 0; i < behaviour_count; i++) {
        if (strcmp(behaviours[i].name, name) == 0) {
            behaviours[i].count++;
            if (i != 0 && behaviours[i].count > behaviours[i - 1].count) {
                behaviour_t swap = behaviours[i];
                behaviours[i] = behaviours[i - 1];
                behaviours[i - 1] = swap;
            }
            return;
        }
    }
    if (behaviour_count < sizeof behaviours / sizeof behaviours[0]) {
        (void)snprintf(behaviours[behaviour_count].name, sizeof behaviours[0].name, "%s", name);
        behaviours[behaviour_count++].count = 1;
    }
    last_new = calls;
}

/* --- one machine under test ------------------------------------------------------------------------------------------- */

typedef struct bench {
    storsim_machine_t *machine;
    oracle_t oracle;
    uint32_t adapters[ORACLE_ADAPTERS];
    uint64_t extensions[ORACLE_ADAPTERS];
    size_t findings; /* seen so far */
    uint64_t seed;
    bool dead;
    char call[256];
} bench_t;

static void fail(const bench_t *bench, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "DIFFERENCE machine seed %" PRIu64 ", level %d, os 0x%" PRIx32 ", irql %u, %s\n  ", bench->seed,
            bench->oracle.level, bench->oracle.os, bench->oracle.irql, bench->call);
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    exit(1);
}

static uint64_t make_map(bench_t *bench, storsim_range_t *ranges) {
    uint64_t count = 0, page = 1, node = 0;
    bench->oracle.nodes = (uint32_t)(1 + below(3));
    uint64_t limit = chance(80) ? 48 + below(120) : 64 + below(ORACLE_PAGES - 64);
    while (page < limit && count < 8) {
        uint64_t length = 8 + below(limit / 3 + 1);
        if (page + length > limit) {
            length = limit - page;
        }
        for (uint64_t i = page; i < page + length; i++) {
            bench->oracle.page[i] = PAGE_FREE;
            bench->oracle.node[i] = (uint8_t)node;
        }
        ranges[count++] = (storsim_range_t){page * 4096, length * 4096, (uint32_t)node};
        page += length + (chance(50) ? 1 + below(9) : 0);
        if (node + 1 < bench->oracle.nodes && chance(60)) {
            node++;
        }
    }
    return count;
}

/* What the port itself needs is taken from the core's own list: its placement is not this model's business. */
static void learn_port_pages(bench_t *bench) {
    storsim_allocation_t allocation;
    for (uint64_t cursor = 0; storsim_allocation_next(bench->machine, &cursor, &allocation);) {
        block_t block = {.kind = KIND_PORT, .va = allocation.va, .size = allocation.size, .pa = allocation.pa,
                         .first = allocation.pa / 4096, .pages = allocation.pages};
        (void)oracle_add(&bench->oracle, &block);
    }
}

static bool bench_open(bench_t *bench, uint64_t seed) {
    static const uint32_t versions[] = {0x0A000010, 0x0A000010, 0x0A000005, 0x0A000004, 0x0A000001, 0x06010000};
    memset(bench, 0, sizeof *bench);
    bench->seed = seed;
    rng_state = seed;
    oracle_init(&bench->oracle, (int)below(3), versions[below(6)]);
    storsim_range_t ranges[8];
    storsim_machine_config_t config = {.ranges = ranges, .seed = seed};
    config.range_count = make_map(bench, ranges);
    config.node_count = bench->oracle.nodes;
    storsim_nt_config_t nt;
    storsim_nt_config_init(&nt);
    nt.os = bench->oracle.os;
    nt.level = (storsim_level_t)bench->oracle.level;
    nt.node_strict = bench->oracle.node_strict = chance(30);
    polite = chance(60);
    bool ready = storsim_machine_create(&config, &bench->machine) == STORSIM_OK &&
                 storsim_nt_boot(bench->machine, &nt) == STORSIM_OK && storsim_storport_attach(bench->machine) == STORSIM_OK;
    for (unsigned i = 0; ready && i < ORACLE_ADAPTERS; i++) {
        storsim_adapter_config_t adapter;
        storsim_adapter_config_init(&adapter);
        adapter.name = i == 0 ? "first" : "second";
        ready = storsim_adapter_add(bench->machine, &adapter, &bench->adapters[i]) == STORSIM_OK;
        bench->extensions[i] = ready ? storsim_adapter_extension(bench->machine, bench->adapters[i]) : 0;
    }
    if (ready) {
        learn_port_pages(bench);
    } else {
        storsim_machine_destroy(bench->machine);
    }
    return ready;
}

/* --- calling and comparing -------------------------------------------------------------------------------------------- */

static storsim_arg_t in(uint64_t value) {
    return (storsim_arg_t){.value = value, .present = true};
}

static storsim_arg_t out(uint64_t before, bool null) {
    return (storsim_arg_t){.value = before, .present = !null};
}

static void compare_violations(bench_t *bench, const expect_t *expect, char *text, size_t capacity) {
    size_t count = storsim_finding_count(bench->machine), found = 0;
    text[0] = '\0';
    for (size_t i = bench->findings; i < count; i++) {
        const storsim_finding_t *finding = storsim_finding_get(bench->machine, i);
        if (finding->kind != STORSIM_RULE_VIOLATION) {
            continue;
        }
        if (text[0] == '\0') { /* the first rule names the behaviour: combinations of several would never all be seen */
            (void)snprintf(text, capacity, "+%s", finding->name);
        }
        bool expected = expect->lenient || expect->stops; /* a stop may come with the rule event behind it */
        for (unsigned j = 0; j < expect->violation_count; j++) {
            expected = expected || strcmp(expect->violations[j], finding->name) == 0;
        }
        if (!expected) {
            fail(bench, "violation %s was not expected", finding->name);
        }
        found++;
    }
    if (!expect->lenient && !expect->stops && found != expect->violation_count) {
        fail(bench, "expected %u violations (%s …), got %zu: %s", expect->violation_count,
             expect->violation_count != 0 ? expect->violations[0] : "none", found, text);
    }
    bench->findings = count;
}

static void compare_stop(bench_t *bench, const expect_t *expect, storsim_status_t status) {
    const storsim_finding_t *stop = storsim_stopped(bench->machine);
    if (!expect->stops) {
        fail(bench, "unexpected bugcheck 0x%" PRIx64 " (0x%" PRIx64 ", 0x%" PRIx64 ")", stop != NULL ? stop->code : 0,
             stop != NULL ? stop->parameters[0] : 0, stop != NULL ? stop->parameters[1] : 0);
    }
    if (status != STORSIM_BUGCHECK || stop == NULL || stop->code != expect->code) {
        fail(bench, "expected bugcheck 0x%" PRIx32 ", got %s 0x%" PRIx64, expect->code, storsim_status_name(status),
             stop != NULL ? stop->code : 0);
    }
    for (int i = 0; i < 4; i++) {
        if (expect->parameters[i] != DONT_CARE && expect->parameters[i] != stop->parameters[i]) {
            fail(bench, "bugcheck 0x%" PRIx32 " parameter %d is 0x%" PRIx64 ", expected 0x%" PRIx64, expect->code, i + 1,
                 stop->parameters[i], expect->parameters[i]);
        }
    }
    bench->dead = true;
}

/* Calls the routine and compares all but the outputs. Returns true when the call answered SUCCESS. */
static bool call_and_compare(bench_t *bench, const char *name, storsim_arg_t *args, const expect_t *expect) {
    const storsim_routine_t *routine = storsim_ddi_find(STORSIM_F_STORPORT, name);
    uint64_t result = 0;
    char violations[160], behaviour[sizeof behaviours[0].name], outcome[48];
    storsim_status_t status = storsim_storport_call(bench->machine, routine, args, &result);
    calls++;
    const storsim_finding_t *stop = storsim_stopped(bench->machine);
    if (status == STORSIM_BUGCHECK || expect->stops) {
        compare_stop(bench, expect, status);
        (void)snprintf(outcome, sizeof outcome, "%" PRIx64 "/%" PRIx64, stop->code, stop->parameters[0] < 0x200 ? stop->parameters[0] : 0);
    } else {
        if (result != expect->status && !(expect->allow_other && result == expect->other)) {
            fail(bench, "answered 0x%" PRIx64 ", expected 0x%" PRIx32, result, expect->status);
        }
        (void)snprintf(outcome, sizeof outcome, "%" PRIx64, result);
    }
    compare_violations(bench, expect, violations, sizeof violations);
    if (expect->allow_other && result == expect->other) {
        violations[0] = '\0'; /* a refusal for want of memory is one behaviour, whatever else was odd about the call */
    }
    bool raised = expect->violation_count != 0 && bench->oracle.level == LEVEL_STRICT;
    if (!bench->dead && !expect->lenient && status != (raised ? STORSIM_VIOLATION : STORSIM_OK)) {
        fail(bench, "core status %s", storsim_status_name(status));
    }
    unsigned irql = bench->oracle.irql;
    (void)snprintf(behaviour, sizeof behaviour, "%s L%d I%s %s%s", name + 8, bench->oracle.level,
                   irql == 0 ? "0" : irql <= 2 ? "2" : ">", outcome, violations);
    saw(behaviour);
    return !bench->dead && result == ST_SUCCESS;
}

static void output_is(bench_t *bench, const storsim_arg_t *argument, bool success, uint32_t status, uint64_t before) {
    if (bench->dead || !argument->present) {
        return;
    }
    if (status == ST_NOT_IMPLEMENTED ? argument->value != before || argument->written : !success && argument->value != 0) {
        fail(bench, "output holds 0x%" PRIx64 " after a failure", argument->value);
    }
    if (success && argument->value == 0) {
        fail(bench, "success without an output");
    }
}

/* A block of the model, live or not, of some kinds; NULL when there is none. */
static block_t *pick(bench_t *bench, unsigned kinds, bool live) {
    oracle_t *oracle = &bench->oracle;
    for (int tries = 0; tries < 24 && oracle->block_count != 0; tries++) {
        block_t *block = &oracle->blocks[below(oracle->block_count)];
        if ((kinds >> block->kind & 1) != 0 && block->live == live) {
            return block;
        }
    }
    return NULL;
}

/* An address to misuse: dead, interior, of another allocator, user-mode, unknown, NULL. */
static uint64_t wild_address(bench_t *bench, unsigned own_kind) {
    const block_t *block;
    switch (below(7)) {
    case 0:
        block = pick(bench, 1u << own_kind, false);
        return block != NULL ? block->va : 0;
    case 1:
        block = pick(bench, 1u << own_kind, true);
        return block != NULL && block->size > 16 ? block->va + 16 * (1 + below((block->size - 1) / 16)) : 0;
    case 2:
        block = pick(bench, 0x7, true);
        return block != NULL ? block->va : 0;
    case 3:
        return 0x7FF600001000 + below(1000) * 8;
    case 4:
        return UINT64_C(0xFFFFF80000001000) + below(1000) * 16;
    case 5:
        return bench->extensions[below(ORACLE_ADAPTERS)];
    default:
        return 0;
    }
}

/* --- the calls -------------------------------------------------------------------------------------------------------- */

static void note_slot(bench_t *bench, kind_t kind, uint32_t adapter, uint64_t va, uint64_t size, uint64_t described) {
    storsim_allocation_t allocation;
    if (!storsim_allocation_at(bench->machine, va, &allocation)) {
        fail(bench, "the new block 0x%" PRIx64 " is in no allocation", va);
    }
    block_t block = {.kind = kind, .va = va, .size = kind == KIND_MDL ? allocation.size : size, .pa = allocation.pa,
                     .first = allocation.pa / 4096, .pages = allocation.pages, .adapter = adapter, .described = described};
    block.scattered = block.pages != 0;
    if (block.pages > ORACLE_FRAMES) {
        fail(bench, "%" PRIu64 " pages for a pool block", block.pages);
    }
    for (uint32_t index = 0, done = 0; done < block.pages; index++) {
        uint64_t pa, bytes;
        if (!storsim_allocation_extent(bench->machine, allocation.block, index, &pa, &bytes)) {
            break;
        }
        for (uint64_t i = 0; i < (bytes + 4095) / 4096 && done < block.pages; i++) {
            block.frames[done++] = (uint16_t)(pa / 4096 + i);
        }
    }
    for (uint64_t i = 0; i < (block.pages != 0 ? block.pages : 1); i++) {
        uint64_t page = block.pages != 0 ? block.frames[i] : block.first;
        if (page >= ORACLE_PAGES || (bench->oracle.page[page] != PAGE_FREE && (block.pages != 0 || bench->oracle.slots[page] == 0))) {
            fail(bench, "frame %" PRIu64 " was not free", page);
        }
    }
    if (size >= 4096 ? va % 4096 != 0 : va % 16 != 0 || (kind == KIND_POOL && va / 4096 != (va + (size != 0 ? size : 1) - 1) / 4096)) {
        fail(bench, "pool alignment: 0x%" PRIx64 " for %" PRIu64 " bytes", va, size);
    }
    (void)oracle_add(&bench->oracle, &block);
}

static void pool_allocate(bench_t *bench) {
    static const uint32_t odd_tags[] = {0, 0x20474942, 0x20202020, 0x2E2E2E2E};
    uint32_t adapter = (uint32_t)below(ORACLE_ADAPTERS);
    uint64_t bytes = chance(70) ? 1 + below(600) : 1 + below(20000), before = 0;
    uint32_t tag = 0x74736554;
    bool null = false;
    if (mischief(6)) {
        bytes = 0;
    } else if (mischief(5)) {
        tag = odd_tags[below(4)];
    } else if (mischief(4)) {
        null = true;
    } else if (mischief(8)) {
        const block_t *old = pick(bench, 1u << KIND_POOL, true);
        before = old != NULL ? old->va : 0xDEAD;
    }
    expect_t expect = oracle_pool_allocate(&bench->oracle, bytes, tag, null, before);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), in(bytes), in(tag), out(before, null)};
    (void)snprintf(bench->call, sizeof bench->call, "AllocatePool(%" PRIu64 ", 0x%" PRIx32 ")", bytes, tag);
    bool success = call_and_compare(bench, "StorPortAllocatePool", args, &expect);
    output_is(bench, &args[3], success, expect.status, before);
    if (success) {
        note_slot(bench, KIND_POOL, adapter, args[3].value, bytes, 0);
    }
}

static void pool_free(bench_t *bench) {
    block_t *block = !mischief(25) ? pick(bench, 1u << KIND_POOL, true) : NULL;
    if (block == NULL && polite && !mischief(50)) {
        return;
    }
    uint64_t va = block != NULL ? block->va : wild_address(bench, KIND_POOL);
    uint32_t adapter = block != NULL && !mischief(15) ? block->adapter : (uint32_t)below(ORACLE_ADAPTERS);
    expect_t expect = oracle_pool_free(&bench->oracle, adapter, va);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), in(va)};
    (void)snprintf(bench->call, sizeof bench->call, "FreePool(0x%" PRIx64 ")", va);
    if (call_and_compare(bench, "StorPortFreePool", args, &expect)) {
        oracle_drop(&bench->oracle, oracle_find(&bench->oracle, va));
    }
}

static contig_call_t contig_request(const bench_t *bench) {
    static const uint64_t boundaries[] = {4096, 8192, 0x4000, 0x10000, 0x40000};
    contig_call_t call = {.bytes = chance(60) ? 1 + below(5 * 4096) : 1 + below(60 * 4096), .high = UINT64_MAX, .cache = (int)below(3),
                          .node = 0x80000000u};
    if (chance(30)) {
        call.low = below(ORACLE_PAGES * 4096);
    }
    if (chance(40)) {
        call.high = below(ORACLE_PAGES * 4096 + 5000);
    }
    if (chance(30)) {
        call.boundary = boundaries[below(5)];
    }
    if (chance(40)) {
        call.node = (uint32_t)below(bench->oracle.nodes);
    }
    uint64_t misuse = mischief(25) ? below(7) : 99;
    if (misuse < 7) { /* one misuse at a time: the rules do not order several */
        call = (contig_call_t){.bytes = 1 + below(8192), .high = UINT64_MAX, .cache = 1, .node = 0x80000000u};
    }
    switch (misuse) {
    case 0: call.bytes = 0; break;
    case 1: call.boundary = 0x3000; break;
    case 2: call.cache = (int)below(4) + 3; break;
    case 3: call.node = 7 + (uint32_t)below(3); break;
    case 4: call.no_buffer = true; break;
    case 5: call.boundary = 512; break;
    case 6: call.bytes = UINT64_MAX - below(5000); break;
    default: break;
    }
    return call;
}

static void contig_allocate(bench_t *bench, kind_t kind) {
    uint32_t adapter = (uint32_t)below(ORACLE_ADAPTERS);
    contig_call_t call = contig_request(bench);
    call.no_address = kind == KIND_DMA && !call.no_buffer && mischief(2);
    uint64_t place;
    expect_t expect = oracle_contig_allocate(&bench->oracle, kind, &call, &place);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), in(call.bytes), in(call.low), in(call.high), in(call.boundary),
                            in((uint64_t)(int64_t)call.cache), in(call.node), out(0xDEAD, call.no_buffer), out(0xBEEF, call.no_address)};
    (void)snprintf(bench->call, sizeof bench->call, "%s(%" PRIu64 ", 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 ", %d, 0x%" PRIx32 ")",
                   kind == KIND_DMA ? "AllocateDmaMemory" : "AllocateContiguous", call.bytes, call.low, call.high, call.boundary,
                   call.cache, call.node);
    const char *name = kind == KIND_DMA ? "StorPortAllocateDmaMemory" : "StorPortAllocateContiguousMemorySpecifyCacheNode";
    bool success = call_and_compare(bench, name, args, &expect);
    output_is(bench, &args[7], success, expect.status, 0xDEAD);
    if (kind == KIND_DMA) {
        output_is(bench, &args[8], success, expect.status, 0xBEEF);
    }
    if (!success) {
        return;
    }
    uint64_t pa = storsim_physical(bench->machine, args[7].value);
    if (pa != place * 4096 || args[7].value % 4096 != 0 || (kind == KIND_DMA && args[8].value != pa)) {
        fail(bench, "placed at 0x%" PRIx64 ", top-down is 0x%" PRIx64, pa, place * 4096);
    }
    block_t block = {.kind = kind, .va = args[7].value, .size = call.bytes, .pa = pa, .first = place,
                     .pages = (call.bytes + 4095) / 4096, .cache = call.cache, .adapter = adapter};
    (void)oracle_add(&bench->oracle, &block);
}

static void contig_free(bench_t *bench, kind_t kind) {
    block_t *block = !mischief(15) ? pick(bench, 1u << kind, true) : NULL;
    if (block == NULL && polite && !mischief(50)) {
        return;
    }
    if (block == NULL && chance(30)) {
        block = pick(bench, 1u << (kind == KIND_DMA ? KIND_CONTIGUOUS : KIND_DMA), true);
    }
    uint64_t va = block != NULL ? block->va : wild_address(bench, kind);
    uint64_t bytes = block != NULL ? block->size : 4096, pa = 0;
    int cache = block != NULL ? block->cache : 1;
    uint32_t adapter = block != NULL ? block->adapter : 0;
    bool same = block != NULL && block->kind == kind;
    switch (same ? (mischief(30) ? below(4) : 4 + below(40)) : 99) {
    case 0: bytes = block->size + 1 + below(4096); break;
    case 1: cache = (block->cache + 1) % 3; break;
    case 2: adapter = 1 - adapter; break;
    case 3: pa = kind == KIND_DMA ? block->pa + 4096 : 0; break;
    case 4: case 5: case 6: case 7: pa = block->pa; break;
    default: break;
    }
    expect_t expect = oracle_contig_free(&bench->oracle, kind, adapter, va, bytes, cache, pa);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), in(va), in(bytes), in((uint64_t)(int64_t)cache), in(pa)};
    (void)snprintf(bench->call, sizeof bench->call, "%s(0x%" PRIx64 ", %" PRIu64 ", %d, 0x%" PRIx64 ")",
                   kind == KIND_DMA ? "FreeDmaMemory" : "FreeContiguous", va, bytes, cache, pa);
    const char *name = kind == KIND_DMA ? "StorPortFreeDmaMemory" : "StorPortFreeContiguousMemorySpecifyCache";
    if (call_and_compare(bench, name, args, &expect)) {
        oracle_drop(&bench->oracle, oracle_find(&bench->oracle, va));
    }
}

static void check_hmb(bench_t *bench, uint32_t adapter, const hmb_call_t *call, const storsim_access_range_t *ranges, uint32_t count,
                      uint64_t pages, uint32_t fewest) {
    block_t block = {.kind = KIND_HMB, .adapter = adapter, .range_count = count};
    uint64_t total = 0, target = call->preferred / 4096;
    if (count > call->slots || count != fewest) {
        fail(bench, "HMB in %" PRIu32 " ranges, %" PRIu32 " suffice", count, fewest);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = ranges[i].RangeStart, length = ranges[i].RangeLength;
        bool ordered = i == 0 || ranges[i - 1].RangeStart + ranges[i - 1].RangeLength <= start;
        bool aligned = start % (call->alignment > 4096 ? call->alignment : 4096) == 0 && length % 4096 == 0 && length != 0;
        if (!ordered || !aligned || start < call->low || start + length - 1 > call->high || ranges[i].RangeInMemory != 1) {
            fail(bench, "HMB range %" PRIu32 ": 0x%" PRIx64 " + 0x%" PRIx64, i, start, length);
        }
        for (uint64_t page = start / 4096; page < (start + length) / 4096; page++) {
            if (page >= ORACLE_PAGES || bench->oracle.page[page] != PAGE_FREE) {
                fail(bench, "HMB page %" PRIu64 " was not free", page);
            }
        }
        total += length / 4096;
        block.ranges[i].start = start;
        block.ranges[i].length = (uint32_t)length;
    }
    if (total != (pages < target ? pages : target)) {
        fail(bench, "HMB of %" PRIu64 " pages, %" PRIu64 " could be had", total, pages);
    }
    bench->oracle.hmb[adapter] = (int)bench->oracle.block_count;
    (void)oracle_add(&bench->oracle, &block);
}

static void hmb_allocate(bench_t *bench) {
    uint32_t adapter = (uint32_t)below(ORACLE_ADAPTERS), fewest;
    storsim_access_range_t ranges[ORACLE_RANGES];
    hmb_call_t call = {.preferred = (1 + below(300)) * 4096, .high = UINT64_MAX, .slots = 1 + (uint32_t)below(ORACLE_RANGES)};
    call.minimum = chance(40) ? 0 : below(call.preferred / 4096 + 1) * 4096;
    call.alignment = chance(30) ? UINT32_C(4096) << below(4) : 0;
    if (chance(20)) {
        call.high = below(ORACLE_PAGES * 4096);
    }
    switch (mischief(25) ? below(7) : 99) {
    case 0: call.minimum = call.preferred + 4096; break;
    case 1: call.preferred += 1; break;
    case 2: call.slots = 0; break;
    case 3: call.boundary = 0x100000; break;
    case 4: call.alignment = 0x3000; break;
    case 5: call.low = call.high; call.high = 0; break;
    case 6: call.preferred = call.minimum = 0; break;
    default: break;
    }
    uint64_t pages;
    expect_t expect = oracle_hmb_allocate(&bench->oracle, adapter, &call, &pages, &fewest);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), in(call.minimum), in(call.preferred), in(0), in(call.alignment), in(call.low),
                            in(call.high), in(call.boundary), {.data = ranges, .count = call.slots, .present = true},
                            {.value = call.slots, .present = true}};
    (void)snprintf(bench->call, sizeof bench->call,
                   "AllocateHmb(%" PRIu64 ", %" PRIu64 ", align 0x%" PRIx32 ", 0x%" PRIx64 ", 0x%" PRIx64 ", slots %" PRIu32 ")",
                   call.minimum, call.preferred, call.alignment, call.low, call.high, call.slots);
    bool success = call_and_compare(bench, "StorPortAllocateHostMemoryBuffer", args, &expect);
    if (success) {
        check_hmb(bench, adapter, &call, ranges, (uint32_t)args[9].value, pages, fewest);
    } else if (!bench->dead && args[9].value != call.slots) {
        fail(bench, "count changed on failure");
    }
}

static void hmb_free(bench_t *bench) {
    uint32_t adapter = (uint32_t)below(ORACLE_ADAPTERS), from = chance(95) ? adapter : 1 - adapter, count = 0;
    storsim_access_range_t ranges[ORACLE_RANGES];
    uint64_t starts[ORACLE_RANGES];
    uint32_t lengths[ORACLE_RANGES];
    int index = bench->oracle.hmb[from];
    const block_t *hmb = index >= 0 ? &bench->oracle.blocks[index] : pick(bench, 1u << KIND_HMB, false);
    count = hmb != NULL ? hmb->range_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        ranges[i] = (storsim_access_range_t){hmb->ranges[at].start, hmb->ranges[at].length, 1};
    }
    switch (below(10)) {
    case 0: count = count != 0 ? count - 1 : 0; break;
    case 1:
        if (count != 0) {
            ranges[below(count)].RangeLength -= 4096;
        }
        break;
    case 2:
        if (count > 1) {
            storsim_access_range_t swap = ranges[0];
            ranges[0] = ranges[count - 1];
            ranges[count - 1] = swap;
        }
        break;
    default: break;
    }
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = ranges[i].RangeStart;
        lengths[i] = ranges[i].RangeLength;
    }
    expect_t expect = oracle_hmb_free(&bench->oracle, adapter, starts, lengths, count);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), {.data = ranges, .count = count, .present = true}, in(count)};
    (void)snprintf(bench->call, sizeof bench->call, "FreeHmb(adapter %" PRIu32 ", %" PRIu32 " ranges)", adapter, count);
    if (call_and_compare(bench, "StorPortFreeHostMemoryBuffer", args, &expect)) {
        oracle_drop(&bench->oracle, &bench->oracle.blocks[bench->oracle.hmb[adapter]]);
        bench->oracle.hmb[adapter] = -1;
    }
}

static void mdl_call(bench_t *bench) {
    uint32_t adapter = 0;
    block_t *mdl = pick(bench, 1u << KIND_MDL, true);
    if (mdl == NULL || chance(30)) {
        const block_t *buffer = pick(bench, 0x7, !mischief(12));
        uint64_t va = buffer != NULL ? buffer->va : 0;
        uint64_t bytes = buffer != NULL && buffer->size != 0 ? 1 + below(buffer->size) : 8;
        bytes = mischief(30) ? 0 : chance(3) ? UINT64_C(0xFFFFF001) : bytes;
        bool null = mischief(4);
        expect_t expect = oracle_mdl_allocate(&bench->oracle, va, bytes, null);
        storsim_arg_t args[] = {in(bench->extensions[adapter]), in(va), in(bytes), out(0xDEAD, null)};
        (void)snprintf(bench->call, sizeof bench->call, "AllocateMdl(0x%" PRIx64 ", %" PRIu64 ")", va, bytes);
        bool success = call_and_compare(bench, "StorPortAllocateMdl", args, &expect);
        output_is(bench, &args[3], success, expect.status, 0xDEAD);
        if (success) {
            note_slot(bench, KIND_MDL, adapter, args[3].value, 0, va);
        }
        return;
    }
    if (chance(50)) {
        expect_t expect = oracle_mdl_build(&bench->oracle, mdl->va);
        expect.lenient = true; /* a zero-length MDL adds a violation of its own */
        storsim_arg_t args[] = {in(bench->extensions[adapter]), in(mdl->va)};
        (void)snprintf(bench->call, sizeof bench->call, "BuildMdl(0x%" PRIx64 ")", mdl->va);
        if (call_and_compare(bench, "StorPortBuildMdlForNonPagedPool", args, &expect) && !mdl->built) {
            block_t *buffer = oracle_find(&bench->oracle, mdl->described);
            mdl->built = true;
            if (buffer != NULL && buffer->live) {
                buffer->mdls++;
            }
        }
        return;
    }
    uint64_t va = !mischief(40) ? mdl->va : wild_address(bench, KIND_MDL);
    expect_t expect = oracle_mdl_free(&bench->oracle, va);
    storsim_arg_t args[] = {in(bench->extensions[adapter]), in(va)};
    (void)snprintf(bench->call, sizeof bench->call, "FreeMdl(0x%" PRIx64 ")", va);
    if (call_and_compare(bench, "StorPortFreeMdl", args, &expect)) {
        oracle_drop(&bench->oracle, oracle_find(&bench->oracle, va));
    }
}

/* --- the run ---------------------------------------------------------------------------------------------------------- */

static void compare_pages(bench_t *bench) {
    uint8_t seen[ORACLE_PAGES] = {0};
    storsim_memory_run_t run;
    char text[128] = "";
    (void)snprintf(bench->call, sizeof bench->call, "(whole machine)");
    for (uint64_t at = 0; storsim_memory_next_free(bench->machine, at, &run); at = run.first_pfn + run.pages) {
        for (uint64_t i = 0; i < run.pages && run.first_pfn + i < ORACLE_PAGES; i++) {
            seen[run.first_pfn + i] = 1;
        }
    }
    for (unsigned page = 0; page < ORACLE_PAGES; page++) {
        if ((bench->oracle.page[page] == PAGE_FREE) != (seen[page] == 1)) {
            fail(bench, "page %u: model %s, core %s", page, bench->oracle.page[page] == PAGE_FREE ? "free" : "busy",
                 seen[page] ? "free" : "busy");
        }
    }
    if (storsim_check(bench->machine, text, sizeof text) != 0) {
        fail(bench, "check: %s", text);
    }
}

/* Six machines in eight see mostly calls of one family, so that its rare behaviours come often enough. */
static unsigned next_call(unsigned focus) {
    static const uint8_t families[6][4] = {{0, 2, 2, 3}, {3, 4, 3, 4}, {5, 6, 5, 6}, {7, 8, 7, 8}, {5, 9, 9, 9}, {5, 6, 6, 9}};
    return focus < 6 && chance(85) ? families[focus][below(4)] : (unsigned)below(10);
}

static void one_machine(uint64_t seed, unsigned steps) {
    bench_t bench;
    if (!bench_open(&bench, seed)) {
        return; /* a map too small for two device extensions */
    }
    unsigned focus = (unsigned)below(8);
    for (unsigned step = 0; step < steps && !bench.dead && bench.oracle.block_count < ORACLE_BLOCKS - 2; step++) {
        if (chance(6) || (bench.oracle.irql > 2 && chance(60))) {
            bench.oracle.irql = (unsigned)(chance(40) ? 0 : !mischief(35) ? 1 + below(2) : 3 + below(13));
            (void)storsim_set_irql(bench.machine, (uint8_t)bench.oracle.irql, NULL);
        }
        switch (next_call(focus)) {
        case 0: case 1: pool_allocate(&bench); break;
        case 2: pool_free(&bench); break;
        case 3: contig_allocate(&bench, KIND_CONTIGUOUS); break;
        case 4: contig_free(&bench, KIND_CONTIGUOUS); break;
        case 5: contig_allocate(&bench, KIND_DMA); break;
        case 6: contig_free(&bench, KIND_DMA); break;
        case 7: hmb_allocate(&bench); break;
        case 8: hmb_free(&bench); break;
        default: mdl_call(&bench); break;
        }
        if (step % 64 == 63 && !bench.dead) {
            compare_pages(&bench);
        }
    }
    storsim_machine_destroy(bench.machine);
}

static uint64_t rarest(void) {
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < behaviour_count; i++) {
        least = behaviours[i].count < least ? behaviours[i].count : least;
    }
    return least;
}

int main(int argc, char **argv) {
    uint64_t seed = 1, limit = 200000, seconds = 0, each = 0;
    bool table = false;
    for (int i = 1; i < argc; i++) {
        uint64_t *target = strcmp(argv[i], "--seed") == 0 ? &seed : strcmp(argv[i], "--calls") == 0 ? &limit
                         : strcmp(argv[i], "--seconds") == 0 ? &seconds : strcmp(argv[i], "--each") == 0 ? &each : NULL;
        if (strcmp(argv[i], "--table") == 0) {
            table = true;
        } else if (target != NULL && i + 1 < argc) {
            *target = strtoull(argv[++i], NULL, 0);
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--calls N] [--seconds N] [--each N] [--table]\n", argv[0]);
            return 2;
        }
    }
    time_t start = time(NULL);
    uint64_t machines = 0;
    for (;; machines++) {
        if (seconds != 0 ? (uint64_t)(time(NULL) - start) >= seconds : calls >= limit) {
            break;
        }
        if (each != 0 && machines % 256 == 0 && calls > 100000 && calls - last_new > calls / 4 && rarest() >= each) {
            break;
        }
        one_machine(seed * UINT64_C(1000003) + machines, 300);
    }
    for (unsigned i = 0; table && i < behaviour_count; i++) {
        printf("%10" PRIu64 "  %s\n", behaviours[i].count, behaviours[i].name);
    }
    printf("differential: seed %" PRIu64 ", %" PRIu64 " machines, %" PRIu64 " calls, %u behaviours, last new at call %" PRIu64
           ", rarest seen %" PRIu64 " times, no difference\n",
           seed, machines, calls, behaviour_count, last_new, rarest());
    return 0;
}
