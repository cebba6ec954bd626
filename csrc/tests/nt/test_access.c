/* Loads and stores of the driver (rulings R50–R55) and DMA of devices (R56, R57). */
#include "world.h"

static void live(void) {
    world_t w;
    world_start(&w, STORSIM_STRICT);
    uint64_t pool = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)),
             large = va_of(&w, pool_get(&w, 3 * 4096 + 5, TAG, STORSIM_OK));
    uint8_t in[3 * 4096 + 5], out[sizeof in];
    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = (uint8_t)(i * 7 + 1);
    }
    CHECK_EQ(storsim_write_va(w.machine, pool, in, 100), STORSIM_OK);
    CHECK_EQ(storsim_write_va(w.machine, large, in, sizeof in), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, pool, out, 100), STORSIM_OK);
    CHECK(memcmp(in, out, 100) == 0);
    CHECK_EQ(storsim_read_va(w.machine, large, out, sizeof out), STORSIM_OK);
    CHECK(memcmp(in, out, sizeof in) == 0);
    for (uint64_t page = 0; page < 3; page++) { /* the pages are where storsim_physical says */
        CHECK_EQ(storsim_memory_read(w.machine, storsim_physical(w.machine, large + page * 4096), out, 4096),
                 STORSIM_OK);
        CHECK(memcmp(in + page * 4096, out, 4096) == 0);
    }
    CHECK(storsim_physical(w.machine, large) + 4096 !=
          storsim_physical(w.machine, large + 4096)); /* pool is scattered */
    /* R51: slack to the end of the page, and on over a page's headers, is done unseen. */
    CHECK_EQ(storsim_write_va(w.machine, large + sizeof in, in, 4096 - 5), STORSIM_OK);
    CHECK_EQ(storsim_write_va(w.machine, pool + 100, in, 12), STORSIM_OK);
    CHECK_EQ(storsim_write_va(w.machine, pool, in, 400), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, pool, out, 400), STORSIM_OK);
    CHECK(memcmp(in, out, 400) == 0);
    CHECK_EQ(storsim_read_va(w.machine, 0, out, 0), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    storsim_machine_destroy(w.machine);
}

static void after_free(void) {
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        world_t w;
        world_start(&w, (storsim_level_t)level);
        storsim_status_t raised = level == STORSIM_STRICT ? STORSIM_VIOLATION : STORSIM_OK;
        (void)pool_get(&w, 100, TAG, STORSIM_OK);
        storsim_set_site(w.machine, 1);
        uint64_t pool = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)),
                 large = va_of(&w, pool_get(&w, 9000, TAG, STORSIM_OK));
        storsim_set_site(w.machine, 2);
        pool_put(&w, pool, STORSIM_OK);
        pool_put(&w, large, STORSIM_OK);
        uint64_t digest = world_digest(&w);
        const uint64_t addresses[] = {pool, pool + 50, large, large + 5000};
        for (size_t i = 0; i < 4; i++) {
            uint8_t byte[4] = {1, 2, 3, 4};
            size_t count = storsim_finding_count(w.machine);
            CHECK_EQ(storsim_write_va(w.machine, addresses[i], byte, 4), raised);
            CHECK_LAST(&w, "USE_AFTER_FREE");
            CHECK_EQ(last_finding(&w)->allocated_at, 1);
            CHECK_EQ(last_finding(&w)->freed_at, 2);
            CHECK_EQ(last_finding(&w)->address, addresses[i]);
            CHECK_EQ(storsim_read_va(w.machine, addresses[i], byte, 4), raised);
            CHECK_EQ(storsim_finding_count(w.machine), count + 2);
            for (int k = 0; k < 4; k++) {
                CHECK_EQ(byte[k], SS_POISON);
            }
        }
        CHECK_EQ(world_digest(&w), digest);
        CHECK_EQ(storsim_physical(w.machine, large), 0);
        world_end(&w);
    }
    for (int write = 0; write < 2; write++) {
        world_t w;
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.verifier = STORSIM_V_SPECIAL_POOL;
        world_boot(&w);
        uint64_t large = va_of(&w, pool_get(&w, 9000, TAG, STORSIM_OK)),
                 pool = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
        pool_put(&w, pool, STORSIM_OK);
        pool_put(&w, large, STORSIM_OK);
        uint8_t byte = 0;
        CHECK_EQ(storsim_read_va(w.machine, large, &byte, 1), STORSIM_OK); /* not below a page */
        CHECK_EQ(write ? storsim_write_va(w.machine, pool + 3, &byte, 1)
                       : storsim_read_va(w.machine, pool + 3, &byte, 1),
                 STORSIM_BUGCHECK);
        CHECK_STOP(&w, 0xD5, pool + 3, write, 0, 0);
        world_end(&w);
    }
}

static void fault(uint64_t va, uint32_t os, uint8_t irql, int write, uint64_t reason, const char *name) {
    world_t w;
    world_init(&w);
    w.config.os = os;
    w.config.quarantine = 0;
    world_boot(&w);
    uint64_t gone = va_of(&w, pool_get(&w, 9000, TAG, STORSIM_OK));
    uint64_t slot_page = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)),
             slot = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    uint64_t kept = va_of(&w, pool_get(&w, 9000, TAG, STORSIM_OK));
    pool_put(&w, gone, STORSIM_OK);
    pool_put(&w, slot, STORSIM_OK);
    (void)slot_page;
    va = va == 1   ? gone
         : va == 2 ? slot
         : va == 3 ? kept + 3 * 4096
         : va == 4 ? kept - 1
         : va == 5 ? kept + (UINT64_C(1) << 40)
                   : va;
    CHECK_EQ(storsim_set_irql(w.machine, irql, NULL), STORSIM_OK);
    uint8_t byte = 1;
    uint64_t before = world_free(&w);
    CHECK_EQ(write ? storsim_write_va(w.machine, va, &byte, 1) : storsim_read_va(w.machine, va, &byte, 1),
             STORSIM_BUGCHECK);
    if (irql >= 2) {
        CHECK_STOP(&w, 0xD1, va, irql, write, 0);
    } else {
        CHECK_STOP(&w, 0x50, va, write ? (os >= 0x0A000001 ? 2u : 1u) : 0u, 0, reason);
    }
    CHECK_LAST(&w, name);
    CHECK_EQ(world_free(&w), before);
    /* A dead machine can still be read. */
    CHECK_EQ(storsim_read_va(w.machine, kept, &byte, 1), STORSIM_OK);
    CHECK_EQ(storsim_write_va(w.machine, kept, &byte, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_read_va(w.machine, 0x1000, &byte, 1), STORSIM_STOPPED);
    world_end(&w);
}

static void faults(void) {
    static const struct {
        uint64_t va, reason;
    } rows[] = {{1, 0},
                {2, 0},
                {3, 2},
                {4, 2},
                {5, 2},
                {UINT64_C(0xFFFF800000000000), 2},
                {UINT64_C(0xFFFFFFFFFFFFFFFF), 2},
                {UINT64_C(0x0000800000000000), 4},
                {UINT64_C(0xFFFF7FFFFFFFFFFF), 4},
                {UINT64_C(0x00007FFFFFFFFFFF), 0xF},
                {0, 0xF}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int write = 0; write < 2; write++) {
            const char *name = rows[i].reason == 0xF ? "USER_PAGE_FAULT" : "PAGE_FAULT";
            fault(rows[i].va, 0x0A000010, 0, write, rows[i].reason, name);
            fault(rows[i].va, 0x0A000000, 1, write, rows[i].reason, name);
            fault(rows[i].va, 0x0A000010, 2, write, rows[i].reason, name);
            fault(rows[i].va, 0x0A000010, 5, write, rows[i].reason, name);
        }
    }
    /* An access that leaves its block stops before it moved anything. */
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t va = va_of(&w, contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(8192), STORSIM_OK));
    static const uint8_t zeros[8193];
    uint8_t before[8192], after[8192];
    CHECK_EQ(storsim_read_va(w.machine, va, before, 8192), STORSIM_OK);
    CHECK_EQ(storsim_write_va(w.machine, va, zeros, 8193), STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0x50, va + 8192, 2, 0, 2);
    CHECK_EQ(storsim_read_va(w.machine, va, after, 8192), STORSIM_OK);
    CHECK(memcmp(before, after, 8192) == 0);
    world_end(&w);
}

static void pageable(void) {
    for (int force = 0; force < 2; force++) {
        world_t w;
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.verifier = force ? STORSIM_V_FORCE_IRQL : 0;
        world_boot(&w);
        ss_block_request_t request = {
            .kind = STORSIM_BLOCK_PAGEABLE, .size = 100, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1};
        ss_block_id_t id;
        uint8_t byte = 0;
        CHECK_EQ(ss_block_make(w.machine, &request, &id), STORSIM_OK);
        CHECK_EQ(storsim_read_va(w.machine, va_of(&w, id), &byte, 1), STORSIM_OK);
        CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
        CHECK_EQ(storsim_read_va(w.machine, va_of(&w, id) + 1, &byte, 1), force ? STORSIM_BUGCHECK : STORSIM_OK);
        if (force) {
            CHECK_STOP(&w, 0xD1, va_of(&w, id) + 1, 2, 0, 0);
        }
        world_end(&w);
    }
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static uint64_t last_offset, last_context;
static uint8_t register_bytes[4096];

static storsim_status_t registers(storsim_machine_t *machine, uint64_t context, uint64_t offset, void *buffer,
                                  size_t bytes, bool store) {
    (void)machine;
    last_offset = offset;
    last_context = context;
    if (store) {
        memcpy(register_bytes + offset % 4096, buffer, bytes);
    } else {
        memcpy(buffer, register_bytes + offset % 4096, bytes);
    }
    return STORSIM_OK;
}

static void register_range(void) {
    static const ss_kernel_ops_t ops = {.registers = registers};
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    uint64_t before = world_free(&w), digest = world_digest(&w);
    ss_block_id_t id;
    CHECK_EQ(ss_kernel_ops_register(w.machine, SS_ROOM_HDAUDIO, &ops), STORSIM_OK);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 99, 4095, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 99, 8192, 1, &id), STORSIM_OK);
    CHECK_EQ(world_free(&w), before);
    uint64_t va = va_of(&w, id);
    uint32_t value = 0x12345678, back = 0;
    CHECK_EQ(storsim_write_va(w.machine, va + 0x30, &value, 4), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, va + 0x30, &back, 4), STORSIM_OK);
    CHECK(back == value && last_offset == 0x30 && last_context == 99);
    CHECK_EQ(storsim_physical(w.machine, va), 0);
    uint8_t *data;
    uint64_t size, token;
    storsim_allocation_t record;
    CHECK(storsim_allocation_at(w.machine, va + 8000, &record) && record.kind == STORSIM_BLOCK_HDA_REGISTERS &&
          record.pages == 0);
    CHECK_EQ(storsim_block_export(w.machine, record.block, false, &data, &size, &token), STORSIM_INVALID);
    world_check(&w);
    ss_block_free(w.machine, id);
    CHECK_EQ(storsim_read_va(w.machine, va + 0x30, &back, 4), STORSIM_OK);
    CHECK_LAST(&w, "USE_AFTER_FREE");
    CHECK_EQ(world_digest(&w), digest);
    world_end(&w);
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

static storsim_status_t dma(world_t *w, ss_device_t device, uint64_t pa, size_t bytes, ss_bus_result_t *result) {
    uint8_t buffer[4096];
    memset(buffer, 0xAB, sizeof buffer);
    return ss_bus_write(w->machine, device, pa, buffer, bytes, result);
}

static void devices(void) {
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        world_t w;
        world_start(&w, (storsim_level_t)level);
        ss_device_t one, two;
        ss_bus_result_t result;
        CHECK_EQ(ss_bus_add_device(w.machine, false, true, &one), STORSIM_OK);
        CHECK_EQ(ss_bus_add_device(w.machine, false, true, &two), STORSIM_OK);
        CHECK_EQ(ss_device_owner(w.machine, one, 1), STORSIM_OK);
        CHECK_EQ(ss_device_owner(w.machine, two, 2), STORSIM_OK);
        storsim_set_site(w.machine, 5);
        ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(8192), STORSIM_OK),
                      slot = pool_get(&w, 200, TAG, STORSIM_OK);
        uint64_t pa = pa_of(&w, id), slot_pa = pa_of(&w, slot);
        (void)pool_get(&w, 200, TAG, STORSIM_OK);
        CHECK_EQ(dma(&w, one, pa, 4096, &result), STORSIM_OK);
        CHECK_EQ(dma(&w, one, slot_pa, 200, &result), STORSIM_OK);
        CHECK_EQ(storsim_finding_count(w.machine), 0);
        storsim_status_t alone = level == STORSIM_STRICT ? STORSIM_VIOLATION : STORSIM_OK;
        CHECK_EQ(dma(&w, two, pa, 16, &result), alone);
        CHECK_LAST(&w, "DEVICE_DMA_FOREIGN");
        CHECK_EQ(last_finding(&w)->owner, 2);
        CHECK_EQ(last_finding(&w)->allocated_at, 5);
        /* Within a call the access is done, and the call is raised at its end. */
        ss_call_t call;
        CHECK_EQ(ss_call_begin(&call, w.machine, NULL, NULL), STORSIM_OK);
        CHECK_EQ(dma(&w, two, slot_pa, 16, &result), STORSIM_OK);
        CHECK_EQ(result, SS_BUS_OK);
        CHECK_EQ(ss_call_end(&call), alone);
        uint8_t byte;
        CHECK_EQ(storsim_memory_read(w.machine, slot_pa + 15, &byte, 1), STORSIM_OK);
        CHECK_EQ(byte, 0xAB);
        contig_put(&w, STORSIM_BLOCK_DMA, va_of(&w, id), 8192, 1, 0, STORSIM_OK);
        pool_put(&w, va_of(&w, slot), STORSIM_OK);
        CHECK_EQ(dma(&w, one, pa + 4096, 16, &result), alone);
        CHECK_LAST(&w, "DEVICE_DMA_TO_FREED");
        CHECK_EQ(last_finding(&w)->allocated_at, 5);
        CHECK_EQ(last_finding(&w)->freed_at, 5);
        CHECK_EQ(dma(&w, one, slot_pa, 16, &result), alone);
        CHECK_LAST(&w, "DEVICE_DMA_TO_FREED");
        /* Not RAM: the device's own affair. */
        size_t count = storsim_finding_count(w.machine);
        CHECK_EQ(dma(&w, one, 0x3000000, 16, &result), STORSIM_OK);
        CHECK_EQ(result, SS_BUS_NOT_RAM);
        CHECK_EQ(storsim_finding_count(w.machine), count);
        /* RAM nobody took: a finding of the DMA check, once per stretch. */
        bool checked = level != STORSIM_RELEASE;
        for (uint64_t at = 0x200000; at < 0x204000; at += 0x1000) {
            (void)dma(&w, one, at, 4096, &result);
        }
        (void)dma(&w, one, 0x200000, 4096, &result);
        CHECK_EQ(storsim_finding_count(w.machine), count + (checked ? 1u : 0u));
        if (level != STORSIM_STRICT) {
            world_check(&w);
        }
        storsim_machine_destroy(w.machine);
    }
}

/* A chip that the host program drives itself: only free RAM is worth a word. */
static void ownerless(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    ss_device_t device;
    ss_bus_result_t result;
    CHECK_EQ(ss_bus_add_device(w.machine, false, true, &device), STORSIM_OK);
    ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(8192), STORSIM_OK);
    CHECK_EQ(storsim_memory_reserve(w.machine, 0x300000, 0x2000), STORSIM_OK);
    CHECK_EQ(dma(&w, device, pa_of(&w, id), 4096, &result), STORSIM_OK);
    CHECK_EQ(dma(&w, device, 0x300000, 4096, &result), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    CHECK_EQ(dma(&w, device, 0x302000, 4096, &result), STORSIM_OK);
    CHECK_LAST(&w, "DEVICE_DMA_FOREIGN");
    world_end(&w);
}

static void iommu(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_device_t device;
    ss_bus_result_t result;
    CHECK_EQ(ss_bus_add_device(w.machine, true, true, &device), STORSIM_OK);
    CHECK_EQ(ss_device_owner(w.machine, device, 1), STORSIM_OK);
    CHECK_EQ(dma(&w, device, 0x5000, 16, &result), STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xE6, 0x26, device, 0x5000, 1);
    world_end(&w);
}

int main(void) {
    live();
    after_free();
    faults();
    pageable();
    register_range();
    devices();
    ownerless();
    iommu();
    return CHECK_PINNED(nt_test_access);
}
