/* A snapshot that says it holds more than a machine of its map can is refused before host memory is asked for: whatever
 * number is changed under a right checksum, no request is larger than the machine's memory. */
#include <stdlib.h>

#include "fuzz/sealed.h"
#include "machine/core.h"
#include "world.h"

static size_t largest;

static void *measured_allocate(void *context, size_t bytes) {
    (void)context;
    largest = bytes > largest ? bytes : largest;
    return bytes <= 1u << 30 ? malloc(bytes) : NULL;
}

static void *measured_zeroed(void *context, size_t bytes) {
    (void)context;
    largest = bytes > largest ? bytes : largest;
    return bytes <= 1u << 30 ? calloc(1, bytes) : NULL;
}

static void *measured_resize(void *context, void *block, size_t bytes) {
    (void)context;
    largest = bytes > largest ? bytes : largest;
    return bytes <= 1u << 30 ? realloc(block, bytes) : NULL;
}

static void measured_release(void *context, void *block) {
    (void)context;
    free(block);
}

/* Every byte after the header grows, once by a little and once by a lot; pages' contents grow too, which changes
 * nothing. */
static void grown(world_t *world, const uint8_t *bytes, size_t length) {
    uint64_t digest = world_digest(world);
    uint8_t *copy = malloc(length);
    CHECK(copy != NULL);
    for (size_t at = 32; at < length - 8; at++) {
        size_t where;
        memcpy(copy, bytes, length);
        copy[at] |= at % 2 != 0 ? 0x40 : 0x10;
        sealed(copy, length);
        largest = 0;
        storsim_status_t status = storsim_restore(world->machine, copy, length, &where);
        CHECK(largest <= 64u << 20);
        if (status == STORSIM_OK) {
            CHECK_EQ(storsim_restore(world->machine, bytes, length, &where), STORSIM_OK);
        } else {
            CHECK_EQ(status, STORSIM_FORMAT);
        }
        CHECK_EQ(world_digest(world), digest);
    }
    free(copy);
}

int main(void) {
    static const storsim_host_t host = {measured_allocate, measured_zeroed, measured_resize, measured_release, NULL};
    world_t world;
    world_init(&world);
    world.hardware.host = &host;
    world_boot(&world);
    ss_block_id_t block = contig_get(&world, STORSIM_BLOCK_DMA, CONTIG(3 * 4096), STORSIM_OK);
    ss_block_id_t pool = pool_get(&world, 100, TAG, STORSIM_OK);
    CHECK_EQ(ss_block_write(world.machine, ss_block(world.machine, block), 5000, "abc", 3), STORSIM_OK);
    CHECK_EQ(ss_block_write(world.machine, ss_block(world.machine, pool), 50, "abc", 3), STORSIM_OK);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(world.machine, &bytes, &length), STORSIM_OK);
    grown(&world, bytes, length);
    storsim_snapshot_free(world.machine, bytes);
    world_end(&world);
    return CHECK_DONE();
}
