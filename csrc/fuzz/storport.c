/* fuzz/storport.c: the memory routines whose every answer the oracle predicts. */
#include <inttypes.h>
#include <string.h>

#include "fuzz/fuzz_i.h"

#define TAG UINT32_C(0x74736554)

static storsim_arg_t in(uint64_t value) {
    return (storsim_arg_t){.value = value, .present = true};
}

static storsim_arg_t out(uint64_t before, bool null) {
    return (storsim_arg_t){.value = before, .present = !null};
}

/* --- picking -------------------------------------------------------------------------------------------------------- */

/* Newest first, so that what an argument names does not move when older operations go. */
block_t *fuzz_live(fuzz_t *f, kind_t kind) {
    uint32_t count = f->oracle.live_count[kind], at = fuzz_arg(f);
    return count != 0 ? &f->oracle.blocks[f->oracle.live[kind][count - 1 - at % count]] : NULL;
}

block_t *fuzz_dead(fuzz_t *f, kind_t kind) {
    uint32_t count = f->oracle.block_count, at = fuzz_arg(f);
    for (uint32_t tries = 0; tries < 24 && count != 0; tries++, at++) {
        block_t *block = &f->oracle.blocks[count - 1 - at % count];
        if (block->kind == kind && !block->live) {
            return block;
        }
    }
    return NULL;
}

/* An address to misuse: dead, interior, of another allocator, user-mode, unknown, the port's, NULL. */
static uint64_t wild_address(fuzz_t *f, kind_t kind) {
    const block_t *block;
    uint32_t choice = fuzz_arg(f);
    switch (choice % 7) {
    case 0:
        block = fuzz_dead(f, kind);
        return block != NULL ? block->va : 0;
    case 1:
        block = fuzz_live(f, kind);
        return block != NULL && block->size > 16 ? block->va + 16 * (1 + fuzz_wide(f) % ((block->size - 1) / 16)) : 0;
    case 2:
        block = fuzz_live(f, (kind_t)(choice / 7 % 3));
        return block != NULL ? block->va : 0;
    case 3:
        return 0x7FF600001000 + fuzz_arg(f) * UINT64_C(8);
    case 4:
        return UINT64_C(0xFFFFF80000001000) + fuzz_arg(f) * UINT64_C(16);
    case 5:
        return f->extensions[choice / 7 % ORACLE_ADAPTERS];
    default:
        return 0;
    }
}

static uint32_t adapter(fuzz_t *f) {
    return fuzz_arg(f) % ORACLE_ADAPTERS;
}

/* Runs a call the oracle cannot predict here, because it may meet a block the oracle does not know. */
static bool call_unsure(fuzz_t *f, uint16_t id, storsim_arg_t *args, const expect_t *expect, bool unsure) {
    bool loose = f->loose;
    f->loose = loose || (unsure && f->foreign);
    bool success = fuzz_call(f, id, args, expect);
    f->loose = loose;
    return success;
}

/* --- pool ----------------------------------------------------------------------------------------------------------- */

/* Takes up a new block of pool or an MDL as the core made it, after checking that it may lie there. */
static void note_slot(fuzz_t *f, kind_t kind, uint32_t owner, uint64_t va, uint64_t size, uint64_t described) {
    storsim_allocation_t allocation;
    if (!storsim_allocation_at(f->machine, va, &allocation)) {
        fuzz_fail(f, "the new block 0x%" PRIx64 " is in no allocation", va);
        return;
    }
    block_t block = {.kind = kind, .va = va, .size = kind == KIND_MDL ? allocation.size : size, .pa = allocation.pa,
                     .first = (uint32_t)(allocation.pa / 4096), .pages = (uint32_t)allocation.pages, .adapter = owner,
                     .described = described, .scattered = allocation.pages != 0};
    if (block.pages > ORACLE_FRAMES || block.first >= ORACLE_PAGES) {
        fuzz_fail(f, "%" PRIu32 " pages at frame %" PRIu32 " for a pool block", block.pages, block.first);
        return;
    }
    uint32_t done = 0;
    uint64_t pa, bytes;
    for (uint32_t index = 0; done < block.pages && storsim_allocation_extent(f->machine, allocation.block, index, &pa, &bytes); index++) {
        for (uint64_t i = 0; i < (bytes + 4095) / 4096 && done < block.pages; i++) {
            block.frames[done++] = (uint16_t)(pa / 4096 + i);
        }
    }
    for (uint32_t i = 0; i < (block.pages != 0 ? block.pages : 1) && !f->foreign; i++) {
        uint32_t page = block.pages != 0 ? block.frames[i] : block.first;
        if (!oracle_is_free(&f->oracle, page) && (block.pages != 0 || f->oracle.slots[page] == 0)) {
            fuzz_fail(f, "frame %" PRIu32 " was not free", page);
        }
    }
    if (size >= 4096 ? va % 4096 != 0 : va % 16 != 0 || (kind == KIND_POOL && va / 4096 != (va + (size != 0 ? size : 1) - 1) / 4096)) {
        fuzz_fail(f, "pool alignment: 0x%" PRIx64 " for %" PRIu64 " bytes", va, size);
    }
    (void)oracle_add(&f->oracle, &block);
}

void fuzz_pool_allocate(fuzz_t *f) {
    static const uint32_t odd_tags[] = {0, 0x20474942, 0x20202020, 0x2E2E2E2E};
    uint32_t owner = adapter(f), tag = TAG;
    uint32_t low = fuzz_arg(f), high = fuzz_arg(f);
    uint64_t bytes = 1 + low + UINT64_C(192) * (high < 120 ? high / 30 : high - 116), before = 0; /* mostly below a page */
    bool null = false;
    switch (fuzz_misuse(f, 4)) {
    case 0: bytes = 0; break;
    case 1: tag = odd_tags[fuzz_arg(f) % 4]; break;
    case 2: null = true; break;
    case 3: {
        const block_t *old = fuzz_live(f, KIND_POOL);
        before = old != NULL ? old->va : 0xDEAD;
        break;
    }
    default: break;
    }
    expect_t expect = oracle_pool_allocate(&f->oracle, bytes, tag, null, before);
    storsim_arg_t args[] = {in(f->extensions[owner]), in(bytes), in(tag), out(before, null)};
    bool success = fuzz_call(f, STORSIM_ID_StorPortAllocatePool, args, &expect);
    fuzz_output(f, &args[3], success, &expect, before);
    if (success && args[3].present) {
        note_slot(f, KIND_POOL, owner, args[3].value, bytes, 0);
    }
}

void fuzz_pool_free(fuzz_t *f) {
    int misuse = fuzz_misuse(f, 4);
    block_t *block = misuse <= 0 ? fuzz_live(f, KIND_POOL) : NULL;
    if (block == NULL && misuse < 0) {
        return;
    }
    uint64_t va = block != NULL ? block->va : wild_address(f, KIND_POOL);
    uint32_t owner = block != NULL ? (misuse < 0 ? block->adapter : 1 - block->adapter) : 0;
    expect_t expect = oracle_pool_free(&f->oracle, owner, va);
    storsim_arg_t args[] = {in(f->extensions[owner]), in(va)};
    if (call_unsure(f, STORSIM_ID_StorPortFreePool, args, &expect, block == NULL)) {
        block_t *freed = oracle_find(&f->oracle, va);
        if (freed != NULL && freed->live) {
            oracle_drop(&f->oracle, freed);
        }
    }
}

/* --- contiguous and DMA memory -------------------------------------------------------------------------------------- */

static contig_call_t request(fuzz_t *f, kind_t kind) {
    static const uint64_t boundaries[] = {0, 0, 0, 4096, 8192, 0x4000, 0x10000, 0x40000};
    uint32_t size = fuzz_arg(f), pages = 1 + (size < 128 ? size / 16 : size - 128), range = fuzz_arg(f), shape = fuzz_arg(f);
    contig_call_t call = {.bytes = pages * UINT64_C(4096) - range % 4 * 1000, .high = UINT64_MAX, .cache = (int)(shape % 3),
                          .node = 0x80000000u, .boundary = boundaries[shape / 3 % 8]};
    uint32_t misuse = (uint32_t)fuzz_misuse(f, kind == KIND_DMA ? 8 : 7);
    if (misuse < 8) { /* one misuse at a time: the rules do not order several */
        call = (contig_call_t){.bytes = 1 + range * UINT64_C(40), .high = UINT64_MAX, .cache = 1, .node = 0x80000000u};
    } else {
        call.low = range >= 96 && range < 144 ? fuzz_wide(f) % ORACLE_PAGES * 4096 + range % 5 * 1000 : 0;
        call.high = range >= 128 ? fuzz_wide(f) % ORACLE_PAGES * 4096 + range % 3 * 4095 / 2 : UINT64_MAX;
        call.node = shape >= 96 ? shape % f->oracle.nodes : call.node;
    }
    switch (misuse) {
    case 0: call.bytes = 0; break;
    case 1: call.boundary = 0x3000; break;
    case 2: call.cache = (int)(shape % 4) + 3; break;
    case 3: call.node = 7 + shape % 3; break;
    case 4: call.no_buffer = true; break;
    case 5: call.boundary = 512; break;
    case 6: call.bytes = UINT64_MAX - range * UINT64_C(26); break;
    case 7: call.no_address = true; break;
    default: break;
    }
    return call;
}

void fuzz_contig_allocate(fuzz_t *f, kind_t kind) {
    uint32_t owner = adapter(f);
    contig_call_t call = request(f, kind);
    uint64_t place;
    expect_t expect = oracle_contig_allocate(&f->oracle, kind, &call, &place);
    storsim_arg_t args[] = {in(f->extensions[owner]), in(call.bytes), in(call.low), in(call.high), in(call.boundary),
                            in((uint64_t)(int64_t)call.cache), in(call.node), out(0xDEAD, call.no_buffer), out(0xBEEF, call.no_address)};
    uint16_t id = kind == KIND_DMA ? STORSIM_ID_StorPortAllocateDmaMemory : STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode;
    bool success = fuzz_call(f, id, args, &expect);
    fuzz_output(f, &args[7], success, &expect, 0xDEAD);
    if (kind == KIND_DMA) {
        fuzz_output(f, &args[8], success, &expect, 0xBEEF);
    }
    if (!success || !args[7].present) {
        return;
    }
    uint64_t pa = storsim_physical(f->machine, args[7].value);
    if (!f->loose && (pa != place * 4096 || args[7].value % 4096 != 0 || (kind == KIND_DMA && args[8].value != pa))) {
        fuzz_fail(f, "placed at 0x%" PRIx64 ", top-down is 0x%" PRIx64, pa, place * 4096);
    }
    block_t block = {.kind = kind, .va = args[7].value, .size = call.bytes, .pa = pa, .first = (uint32_t)(pa / 4096),
                     .pages = (uint32_t)((call.bytes + 4095) / 4096), .cache = call.cache, .adapter = owner};
    if (block.first + block.pages > ORACLE_PAGES) {
        fuzz_fail(f, "0x%" PRIx64 " is not in the map", pa);
        return;
    }
    (void)oracle_add(&f->oracle, &block);
}

void fuzz_contig_free(fuzz_t *f, kind_t kind) {
    int misuse = fuzz_misuse(f, 8);
    block_t *block = misuse < 5 ? fuzz_live(f, kind) : NULL;
    if (misuse == 5) {
        block = fuzz_live(f, kind == KIND_DMA ? KIND_CONTIGUOUS : KIND_DMA);
    }
    if (block == NULL && misuse < 0) {
        return;
    }
    uint64_t va = block != NULL ? block->va : wild_address(f, kind), bytes = block != NULL ? block->size : 4096, pa = 0;
    int cache = block != NULL ? block->cache : 1;
    uint32_t owner = block != NULL ? block->adapter : 0;
    if (block != NULL && misuse < 5) {
        switch (misuse) {
        case 0: bytes = block->size + 1 + fuzz_wide(f) % 4096; break;
        case 1: cache = (block->cache + 1) % 3; break;
        case 2: owner = 1 - owner; break;
        case 3: pa = kind == KIND_DMA ? block->pa + 4096 : 0; break;
        default: pa = fuzz_arg(f) % 2 != 0 ? block->pa : 0; break;
        }
    }
    expect_t expect = oracle_contig_free(&f->oracle, kind, owner, va, bytes, cache, pa);
    storsim_arg_t args[] = {in(f->extensions[owner]), in(va), in(bytes), in((uint64_t)(int64_t)cache), in(pa)};
    uint16_t id = kind == KIND_DMA ? STORSIM_ID_StorPortFreeDmaMemory : STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache;
    if (call_unsure(f, id, args, &expect, block == NULL)) {
        block_t *freed = oracle_find(&f->oracle, va);
        if (freed != NULL && freed->live) {
            oracle_drop(&f->oracle, freed);
        }
    }
}

/* --- host memory buffer --------------------------------------------------------------------------------------------- */

static void check_hmb(fuzz_t *f, uint32_t owner, const hmb_call_t *call, const storsim_access_range_t *ranges, uint32_t count,
                      uint64_t pages, uint32_t fewest) {
    hmb_t *hmb = &f->oracle.hmb[owner];
    uint64_t total = 0, target = call->preferred / 4096;
    if (count > call->slots || count > ORACLE_RANGES || (count != fewest && !f->loose)) {
        fuzz_fail(f, "HMB in %" PRIu32 " ranges, %" PRIu32 " suffice", count, fewest);
        return;
    }
    *hmb = (hmb_t){.live = true, .range_count = count};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t start = ranges[i].RangeStart, length = ranges[i].RangeLength;
        bool ordered = i == 0 || ranges[i - 1].RangeStart + ranges[i - 1].RangeLength <= start;
        bool aligned = start % (call->alignment > 4096 ? call->alignment : 4096) == 0 && length % 4096 == 0 && length != 0;
        if (!ordered || !aligned || start < call->low || start + length - 1 > call->high || ranges[i].RangeInMemory != 1) {
            fuzz_fail(f, "HMB range %" PRIu32 ": 0x%" PRIx64 " + 0x%" PRIx64, i, start, length);
        }
        uint64_t busy = oracle_busy_in(&f->oracle, start / 4096, (start + length) / 4096);
        if (busy != (start + length) / 4096 && !f->foreign) {
            fuzz_fail(f, "HMB page %" PRIu64 " was not free", busy);
        }
        total += length / 4096;
        hmb->ranges[i].start = start;
        hmb->ranges[i].length = (uint32_t)length;
        oracle_take(&f->oracle, start / 4096, length / 4096);
    }
    if (total != (pages < target ? pages : target) && !f->loose) {
        fuzz_fail(f, "HMB of %" PRIu64 " pages, %" PRIu64 " could be had", total, pages);
    }
}

void fuzz_hmb_allocate(fuzz_t *f) {
    uint32_t owner = adapter(f), fewest, size = fuzz_arg(f), shape = fuzz_arg(f), slots = fuzz_arg(f);
    storsim_access_range_t ranges[ORACLE_RANGES];
    memset(ranges, 0, sizeof ranges);
    hmb_call_t call = {.preferred = (1 + size * 3 / 2) * UINT64_C(4096), .high = UINT64_MAX, .slots = 1 + (slots + 15) % ORACLE_RANGES};
    call.minimum = shape % 3 == 0 ? 0 : (fuzz_arg(f) + shape) % (call.preferred / 4096 + 1) * 4096;
    call.alignment = shape / 3 % 3 == 2 ? UINT32_C(4096) << shape / 9 % 4 : 0;
    if (shape >= 150) {
        call.high = fuzz_wide(f) % ORACLE_PAGES * 4096 + shape % 2 * 4095;
    }
    switch (fuzz_misuse(f, 7)) {
    case 0: call.minimum = call.preferred + 4096; break;
    case 1: call.preferred += 1; break;
    case 2: call.slots = 0; break;
    case 3: call.boundary = 0x100000; break;
    case 4: call.alignment = 0x3000; break;
    case 5: call.low = 4096; call.high = 0; break;
    case 6: call.preferred = call.minimum = 0; break;
    default: break;
    }
    uint64_t pages;
    expect_t expect = oracle_hmb_allocate(&f->oracle, owner, &call, &pages, &fewest);
    storsim_arg_t args[] = {in(f->extensions[owner]), in(call.minimum), in(call.preferred), in(0), in(call.alignment), in(call.low),
                            in(call.high), in(call.boundary), {.data = ranges, .count = call.slots, .present = true},
                            {.value = call.slots, .present = true}};
    bool success = fuzz_call(f, STORSIM_ID_StorPortAllocateHostMemoryBuffer, args, &expect);
    if (success) {
        check_hmb(f, owner, &call, ranges, (uint32_t)args[9].value, pages, fewest);
    } else if (!f->dead && args[9].value != call.slots) {
        fuzz_fail(f, "the count changed although the call failed");
    }
}

void fuzz_hmb_free(fuzz_t *f) {
    int misuse = fuzz_misuse(f, 4);
    uint32_t owner = adapter(f), from = misuse == 3 ? 1 - owner : owner, change = fuzz_arg(f);
    storsim_access_range_t ranges[ORACLE_RANGES];
    uint64_t starts[ORACLE_RANGES];
    uint32_t lengths[ORACLE_RANGES];
    const hmb_t *hmb = &f->oracle.hmb[from];
    uint32_t count = hmb->range_count;
    for (uint32_t i = 0; i < count; i++) {
        ranges[i] = (storsim_access_range_t){hmb->ranges[i].start, hmb->ranges[i].length, 1};
    }
    if (misuse == 0) {
        count = count != 0 ? count - 1 : 0;
    } else if (misuse == 1 && count != 0) {
        ranges[change % count].RangeLength -= 4096;
    } else if (misuse == 2 && count > 1) {
        storsim_access_range_t swap = ranges[0];
        ranges[0] = ranges[count - 1];
        ranges[count - 1] = swap;
    }
    for (uint32_t i = 0; i < count; i++) {
        starts[i] = ranges[i].RangeStart;
        lengths[i] = ranges[i].RangeLength;
    }
    expect_t expect = oracle_hmb_free(&f->oracle, owner, starts, lengths, count);
    storsim_arg_t args[] = {in(f->extensions[owner]), {.data = ranges, .count = count, .present = true}, in(count)};
    if (fuzz_call(f, STORSIM_ID_StorPortFreeHostMemoryBuffer, args, &expect)) {
        oracle_drop_hmb(&f->oracle, owner);
    }
}

/* --- MDLs ----------------------------------------------------------------------------------------------------------- */

void fuzz_mdl_allocate(fuzz_t *f) {
    int misuse = fuzz_misuse(f, 4);
    kind_t kind = (kind_t)(fuzz_arg(f) % 3);
    const block_t *buffer = misuse == 0 ? fuzz_dead(f, kind) : fuzz_live(f, kind);
    uint64_t va = buffer != NULL ? buffer->va : 0, bytes = 8;
    bool null = misuse == 1;
    if (buffer != NULL && buffer->size != 0) {
        bytes = 1 + (buffer->size - 1) * (191 - fuzz_arg(f)) / 191; /* 0: all of it */
    }
    bytes = misuse == 2 ? 0 : misuse == 3 ? UINT64_C(0xFFFFF001) : bytes;
    expect_t expect = oracle_mdl_allocate(&f->oracle, va, bytes, null);
    storsim_arg_t args[] = {in(f->extensions[0]), in(va), in(bytes), out(0xDEAD, null)};
    bool success = fuzz_call(f, STORSIM_ID_StorPortAllocateMdl, args, &expect);
    fuzz_output(f, &args[3], success, &expect, 0xDEAD);
    if (success && args[3].present) {
        note_slot(f, KIND_MDL, 0, args[3].value, 0, va);
    }
}

void fuzz_mdl_build(fuzz_t *f) {
    block_t *mdl = fuzz_live(f, KIND_MDL);
    if (mdl == NULL) {
        return;
    }
    expect_t expect = oracle_mdl_build(&f->oracle, mdl->va);
    expect.lenient = true; /* a zero-length MDL adds a violation of its own */
    storsim_arg_t args[] = {in(f->extensions[0]), in(mdl->va)};
    if (fuzz_call(f, STORSIM_ID_StorPortBuildMdlForNonPagedPool, args, &expect) && !mdl->built) {
        block_t *buffer = oracle_find(&f->oracle, mdl->described);
        mdl->built = true;
        if (buffer != NULL && buffer->live) {
            buffer->mdls++;
        }
    }
}

void fuzz_mdl_free(fuzz_t *f) {
    bool wild = fuzz_misuse(f, 1) == 0;
    const block_t *mdl = wild ? NULL : fuzz_live(f, KIND_MDL);
    if (mdl == NULL && !wild) {
        return;
    }
    uint64_t va = mdl != NULL ? mdl->va : wild_address(f, KIND_MDL);
    expect_t expect = oracle_mdl_free(&f->oracle, va);
    storsim_arg_t args[] = {in(f->extensions[0]), in(va)};
    if (call_unsure(f, STORSIM_ID_StorPortFreeMdl, args, &expect, mdl == NULL)) {
        block_t *freed = oracle_find(&f->oracle, va);
        if (freed != NULL && freed->live) {
            oracle_drop(&f->oracle, freed);
        }
    }
}
