/* The device's side of memory: remapping, coherency, write combining, ownership. Source: spec §3.3, §4.2, §6 V23,
 * rulings R50 to R57. */
#include "kit.h"

static storsim_status_t write_va(bench_t *b, uint64_t va, uint8_t value) {
    return storsim_write_va(b->m, va, &value, 1);
}

static uint8_t device_byte(bench_t *b, uint64_t address) {
    uint8_t value = 0;
    CHECK_EQ(storsim_adapter_dma_read(b->m, b->adapter, address, &value, 1), STORSIM_OK);
    return value;
}

static uint8_t cpu_byte(bench_t *b, uint64_t va) {
    uint8_t value = 0;
    CHECK_EQ(storsim_read_va(b->m, va, &value, 1), STORSIM_OK);
    return value;
}

static void test_coherent(void) {
    bench_t b = boot_default();
    for (uint64_t cache = NONCACHED; cache <= CACHED; cache++) {
        outcome_t out = dma(&b, 5000, 0, ALL, 0, cache, ANY);
        CHECK_EQ(write_va(&b, PARAM(out, 7) + 4100, 0x5A), STORSIM_OK);
        CHECK_EQ(device_byte(&b, PARAM(out, 8) + 4100), 0x5A);
        uint8_t value = 0x77;
        CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, PARAM(out, 8), &value, 1), STORSIM_OK);
        CHECK_EQ(cpu_byte(&b, PARAM(out, 7)), 0x77);
    }
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

static void test_not_coherent(void) {
    setup_t setup = defaults();
    setup.adapter.coherent = false;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 8192, 0, ALL, 0, CACHED, ANY);
    uint64_t va = PARAM(out, 7), pa = PARAM(out, 8);
    uint8_t before = device_byte(&b, pa), mine = (uint8_t)(before + 1), other = (uint8_t)(before + 2);
    CHECK_EQ(write_va(&b, va, mine), STORSIM_OK);
    CHECK_EQ(cpu_byte(&b, va), mine);
    CHECK_EQ(device_byte(&b, pa), before); /* stale until flushed */
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va, 64, true), STORSIM_OK);
    CHECK_EQ(device_byte(&b, pa), mine);
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, pa + 4096, &other, 1), STORSIM_OK);
    CHECK(cpu_byte(&b, va + 4096) != other || before + 2 == cpu_byte(&b, va + 4096));
    uint8_t stale = cpu_byte(&b, va + 4096);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va + 4096, 64, false), STORSIM_OK);
    CHECK_EQ(cpu_byte(&b, va + 4096), other);
    (void)stale;
    /* Invalidating loses what the processor had not written back; what was combined is written all the same. */
    CHECK_EQ(write_va(&b, va, (uint8_t)(mine + 1)), STORSIM_OK);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va, 64, false), STORSIM_OK);
    CHECK_EQ(cpu_byte(&b, va), mine);
    CHECK_EQ(device_byte(&b, pa), mine);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va, 8193, true), STORSIM_INVALID);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, 0x1000, 1, true), STORSIM_INVALID);
    out = dma(&b, 4096, 0, ALL, 0, NONCACHED, ANY); /* uncached memory has one view everywhere */
    CHECK_EQ(write_va(&b, PARAM(out, 7), 0x5A), STORSIM_OK);
    CHECK_EQ(device_byte(&b, PARAM(out, 8)), 0x5A);
    find_adapter(&b, 0);
    uint64_t common = uncached(&b, 4096); /* and so has the uncached extension of such an adapter */
    outcome_t at = CALL(&b, GetPhysicalAddress, 0, common);
    CHECK_EQ(write_va(&b, common, 0x33), STORSIM_OK);
    CHECK_EQ(device_byte(&b, at.result), 0x33);
    leave(&b);
    done(&b);
}

static void test_write_combining(void) {
    bench_t b = boot_default();
    outcome_t out = dma(&b, 4096, 0, ALL, 0, COMBINED, ANY);
    uint64_t va = PARAM(out, 7), pa = PARAM(out, 8);
    uint8_t before = device_byte(&b, pa);
    CHECK_EQ(write_va(&b, va, (uint8_t)(before + 1)), STORSIM_OK);
    CHECK_EQ(device_byte(&b, pa), before);
    CHECK_EQ(storsim_store_fence(b.m), STORSIM_OK);
    CHECK_EQ(device_byte(&b, pa), (uint8_t)(before + 1));
    CHECK_EQ(write_va(&b, va, (uint8_t)(before + 2)), STORSIM_OK);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va, 1, true), STORSIM_OK);
    CHECK_EQ(device_byte(&b, pa), (uint8_t)(before + 2));
    CHECK_EQ(write_va(&b, va, (uint8_t)(before + 3)), STORSIM_OK);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va, 1, false), STORSIM_OK); /* nothing to invalidate: it drains */
    CHECK_EQ(device_byte(&b, pa), (uint8_t)(before + 3));
    done(&b);
    setup_t setup = defaults();
    setup.adapter.write_combining = false;
    b = boot(&setup);
    out = dma(&b, 4096, 0, ALL, 0, COMBINED, ANY);
    CHECK_EQ(write_va(&b, PARAM(out, 7), 0x5A), STORSIM_OK);
    CHECK_EQ(device_byte(&b, PARAM(out, 8)), 0x5A);
    done(&b);
}

/* An access to uncached memory drains the write-combining buffers, as the hardware's ordering rules have it. */
static void test_uncached_access_drains(void) {
    for (int store = 0; store < 2; store++) {
        bench_t b = boot_default();
        outcome_t out = dma(&b, 4096, 0, ALL, 0, COMBINED, ANY), door = dma(&b, 4096, 0, ALL, 0, NONCACHED, ANY);
        uint8_t value = (uint8_t)(device_byte(&b, PARAM(out, 8) + 9) + 1);
        CHECK_EQ(write_va(&b, PARAM(out, 7) + 9, value), STORSIM_OK);
        CHECK(device_byte(&b, PARAM(out, 8) + 9) != value);
        if (store) {
            CHECK_EQ(write_va(&b, PARAM(door, 7), 1), STORSIM_OK);
        } else {
            (void)cpu_byte(&b, PARAM(door, 7));
        }
        CHECK_EQ(device_byte(&b, PARAM(out, 8) + 9), value);
        done(&b);
    }
}

/* What the device wrote elsewhere in the page survives a flush of the processor's own bytes. */
static void test_flush_is_exact(void) {
    setup_t setup = defaults();
    setup.adapter.coherent = false;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
    uint64_t va = PARAM(out, 7), pa = PARAM(out, 8);
    uint8_t value = 0xA1;
    CHECK_EQ(write_va(&b, va, 0x11), STORSIM_OK);
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, pa + 1024, &value, 1), STORSIM_OK);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va, 4096, true), STORSIM_OK);
    CHECK_EQ(device_byte(&b, pa), 0x11);
    CHECK_EQ(device_byte(&b, pa + 1024), 0xA1);
    done(&b);
}

static void test_remapping(void) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 12288, 0, 0xFFFFFFFF, 0, CACHED, ANY);
    uint64_t va = PARAM(out, 7), logical = PARAM(out, 8), ram = storsim_physical(b.m, va);
    CHECK(logical != ram && logical + 12287 <= 0xFFFFFFFF);
    EXPECT(CALL(&b, GetPhysicalAddress, 0, va + 4096), logical + 4096);
    CHECK_EQ(write_va(&b, va + 5000, 0x5A), STORSIM_OK);
    CHECK_EQ(device_byte(&b, logical + 5000), 0x5A);
    level(&b, 1);
    EXPECT(CALL(&b, FreeDmaMemory, va, 12288, CACHED, logical), S(SUCCESS));
    level(&b, 0);
    CHECK_EQ(violations(&b), 0);
    uint8_t value = 0;
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, logical, &value, 1), STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xE6, 0x26);
    CHECK_EQ(storsim_stopped(b.m)->parameters[2], logical);
    done(&b);
    b = boot(&setup);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(2), .alignment = 0x10000, .count = 4});
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK_EQ(hmb.ranges[0].RangeStart % 0x10000, 0);
    (void)device_byte(&b, hmb.ranges[0].RangeStart + MIB(1));
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    level(&b, 2);
    (void)dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
    CHECK(found(&b, "DMA_ABOVE_PASSIVE") == 1 && violations(&b) == 0); /* an advisory */
    level(&b, 0);
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, ram, &value, 1), STORSIM_BUGCHECK); /* a RAM address means nothing to it */
    CHECK_STOPPED(&b, 0xE6, 0x26);
    done(&b);
}

/* A logical address satisfies what the driver asked of the address it programs into its device. */
static void test_remapped_limits(void) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    for (int i = 0; i < 20; i++) {
        outcome_t out = dma(&b, 0x6000, 0x100000, 0x3FFFFFFF, 0x8000, CACHED, ANY);
        EXPECT(out, S(SUCCESS));
        uint64_t at = PARAM(out, 8);
        CHECK(at >= 0x100000 && at + 0x5FFF <= 0x3FFFFFFF && at / 0x8000 == (at + 0x5FFF) / 0x8000);
    }
    done(&b);
}

static void test_remapped_lists(void) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    find_adapter(&b, 128);
    leave(&b);
    uint64_t srb, list;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &(storsim_srb_config_t){.length = 12288, .fragments = 3, .offset = 0}, &srb), STORSIM_OK);
    storsim_srb_info_t info;
    CHECK(storsim_srb_get(b.m, srb, &info));
    list = CALL(&b, GetScatterGatherList, srb).result;
    storsim_sg_element_t elements[3];
    uint32_t count = 3;
    CHECK_EQ(storsim_sg_elements(b.m, list, elements, &count), STORSIM_OK);
    CHECK_EQ(count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(write_va(&b, info.data + i * 4096 + 7, (uint8_t)(i + 1)), STORSIM_OK);
        CHECK_EQ(device_byte(&b, elements[i].PhysicalAddress + 7), i + 1);
    }
    outcome_t out = CALL(&b, GetPhysicalAddress, 0, info.extension + 5);
    CHECK(out.result != 0 && out.result != storsim_physical(b.m, info.extension + 5));
    EXPECT(CALL(&b, GetVirtualAddress, out.result), info.extension + 5);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    uint8_t value;
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, elements[0].PhysicalAddress, &value, 1), STORSIM_BUGCHECK);
    done(&b);
}

static void test_ownership(void) {
    bench_t b = boot_default(), other = second_adapter(&b);
    outcome_t out = dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
    (void)device_byte(&b, PARAM(out, 8));
    CHECK_EQ(violations(&b), 0);
    (void)device_byte(&other, PARAM(out, 8));
    CHECK_EQ(found(&b, "DEVICE_DMA_FOREIGN"), 1);
    EXPECT(CALL(&b, FreeDmaMemory, PARAM(out, 7), 4096, CACHED, PARAM(out, 8)), S(SUCCESS));
    (void)device_byte(&b, PARAM(out, 8));
    CHECK_EQ(found(&b, "DEVICE_DMA_TO_FREED"), 1);
    uint8_t value;
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, GIB(3) + 5, &value, 1), STORSIM_NOT_RAM);
    CHECK_EQ(storsim_adapter_dma_read(b.m, 99, 0x1000, &value, 1), STORSIM_STALE);
    done(&b);
}

/* Strict raises what the device did wrong, after it was done; flushes and fences of what is gone are refused. */
static void test_refusals(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_STRICT;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 4096, 0, ALL, 0, CACHED, ANY);
    EXPECT(CALL(&b, FreeDmaMemory, PARAM(out, 7), 4096, CACHED, 0), S(SUCCESS));
    uint8_t value = 1;
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, PARAM(out, 8), &value, 1), STORSIM_VIOLATION);
    CHECK_EQ(storsim_adapter_flush(b.m, 99, PARAM(out, 7), 1, true), STORSIM_STALE);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, ALL, 2, true), STORSIM_INVALID);
    CHECK_EQ(CALL(&b, FreePool, 1).status, STORSIM_BUGCHECK);
    CHECK_EQ(storsim_store_fence(b.m), STORSIM_STOPPED);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, PARAM(out, 7), 1, true), STORSIM_STOPPED);
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, PARAM(out, 8), &value, 1), STORSIM_STOPPED);
    uint64_t srb;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &(storsim_srb_config_t){.length = 1}, &srb), STORSIM_STOPPED);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_TIMER, NULL), STORSIM_STOPPED);
    done(&b);
}

/* A window of logical addresses too small for the request: refused, and nothing stays behind. */
static void test_no_logical_space(void) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    uint64_t before, after;
    outcome_t first = dma(&b, KIB(512), 0, MIB(1) - 1, 0, CACHED, ANY); /* the IOMMU has 0x11000 … 1 MiB - 1 there */
    CHECK_EQ(first.result, S(SUCCESS));
    CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = KIB(512), .alignment = 0x40000, .high = MIB(1) - 1, .count = 4});
    CHECK_EQ(hmb.result, S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
    CHECK_EQ(before, after);
    done(&b);
}

int main(void) {
    test_coherent();
    test_not_coherent();
    test_write_combining();
    test_uncached_access_drains();
    test_flush_is_exact();
    test_remapping();
    test_remapped_limits();
    test_remapped_lists();
    test_ownership();
    test_refusals();
    test_no_logical_space();
    return CHECK_PINNED(storport_test_device);
}
