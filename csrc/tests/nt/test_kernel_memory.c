/* Kernel stacks and pageable memory: made, recognised, taken back, refused. */
#include "world.h"

static void test_life(void) {
    world_t world;
    world_start(&world, STORSIM_RELEASE);
    uint64_t free_before = world_free(&world), digest = world_digest(&world);
    const storsim_block_kind_t kinds[] = {STORSIM_BLOCK_KERNEL_STACK, STORSIM_BLOCK_PAGEABLE};
    for (size_t i = 0; i < 2; i++) {
        uint64_t va = 0;
        storsim_allocation_t allocation;
        CHECK_EQ(storsim_kernel_memory_create(world.machine, kinds[i], 5000, &va), STORSIM_OK);
        CHECK(va >= STORSIM_SYSTEM_START && va % STORSIM_PAGE_SIZE == 0);
        CHECK(storsim_allocation_at(world.machine, va + 4999, &allocation));
        CHECK_EQ(allocation.kind, kinds[i]);
        CHECK_EQ(allocation.size, 5000);
        CHECK_EQ(world_free(&world), free_before - 2 * STORSIM_PAGE_SIZE);
        CHECK(world_digest(&world) != digest);
        CHECK_EQ(storsim_kernel_memory_destroy(world.machine, va + 1), STORSIM_STALE);
        CHECK_EQ(storsim_kernel_memory_destroy(world.machine, va), STORSIM_OK);
        CHECK_EQ(storsim_kernel_memory_destroy(world.machine, va), STORSIM_STALE);
        CHECK_EQ(world_free(&world), free_before);
    }
    world_end(&world);
}

static void test_refused(void) {
    world_t world;
    world_start(&world, STORSIM_RELEASE);
    uint64_t va = 7, event = 0, digest = world_digest(&world);
    CHECK_EQ(storsim_kernel_memory_create(world.machine, STORSIM_BLOCK_PAGEABLE, 0, &va), STORSIM_INVALID);
    CHECK_EQ(storsim_kernel_memory_create(world.machine, STORSIM_BLOCK_POOL, 1, &va), STORSIM_INVALID);
    CHECK_EQ(storsim_kernel_memory_create(world.machine, STORSIM_BLOCK_PAGEABLE, UINT64_C(1) << 40, &va),
             STORSIM_NO_SPACE);
    CHECK_EQ(va, 7);
    CHECK_EQ(world_digest(&world), digest);
    CHECK_EQ(storsim_event_create(world.machine, &event), STORSIM_OK);
    CHECK_EQ(storsim_kernel_memory_destroy(world.machine, event), STORSIM_STALE);
    world_end(&world);
}

int main(void) {
    test_life();
    test_refused();
    return CHECK_PINNED(nt_test_kernel_memory);
}
