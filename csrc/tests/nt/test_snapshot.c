/* Snapshot and restore of the kernel room: going on from a restored machine equals never having left; damaged bytes are
 * refused. */
#include "fuzz/sealed.h"
#include "scenario.h"

#include "machine/core.h"

static void play(scenario_t *s, int from, int to) {
    for (int step = from; step < to; step++) {
        CHECK_EQ(scenario_step(s, step), STORSIM_OK);
    }
}

static void start(scenario_t *s) {
    memset(s, 0, sizeof *s);
    world_init(&s->w);
    s->w.config.quarantine = 40000; /* so that some of it has come and gone */
    world_boot(&s->w);
}

/* Allocates and frees on, and returns a hash of every address it got. */
static uint64_t onward(scenario_t *s) {
    uint64_t hash = 0;
    for (uint64_t i = 0; i < 60; i++) {
        ss_block_id_t id;
        CHECK_EQ(ss_pool_take(s->w.machine, STORSIM_BLOCK_POOL, 40 + i * 97 % 5000, TAG, 1, &id), STORSIM_OK);
        hash = ss_mix(hash, va_of(&s->w, id) ^ pa_of(&s->w, id));
        storsim_allocation_t record;
        CHECK(storsim_allocation_at(s->w.machine, va_of(&s->w, id), &record));
        hash = ss_mix(hash, record.block);
        if (i % 3 != 0) {
            ss_block_free(s->w.machine, id);
        }
    }
    return ss_mix(hash, world_digest(&s->w));
}

static void equal(void) {
    for (int cut = 0; cut <= SCENARIO_STEPS; cut++) {
        if (cut == 34) {
            continue; /* a view is open there */
        }
        scenario_t left, stayed;
        start(&left);
        start(&stayed);
        play(&left, 0, cut);
        play(&stayed, 0, cut);
        uint8_t *bytes;
        size_t length;
        CHECK_EQ(storsim_snapshot(left.w.machine, &bytes, &length), STORSIM_OK);
        uint64_t digest = world_digest(&left.w), at_cut = onward(&left);
        CHECK_EQ(storsim_restore(left.w.machine, bytes, length, NULL), STORSIM_OK);
        world_check(&left.w);
        CHECK_EQ(world_digest(&left.w), digest);
        uint8_t *again;
        size_t again_length;
        CHECK_EQ(storsim_snapshot(left.w.machine, &again, &again_length), STORSIM_OK);
        CHECK_EQ(again_length, length);
        CHECK(memcmp(bytes, again, length) == 0);
        storsim_snapshot_free(left.w.machine, again);
        storsim_snapshot_free(left.w.machine, bytes);
        CHECK_EQ(storsim_irql(left.w.machine), storsim_irql(stayed.w.machine));
        play(&left, cut, SCENARIO_STEPS);
        play(&stayed, cut, SCENARIO_STEPS);
        CHECK_EQ(world_digest(&left.w), world_digest(&stayed.w));
        uint64_t one = onward(&left), other = onward(&stayed);
        CHECK_EQ(one, other);
        CHECK(at_cut != one || cut == SCENARIO_STEPS);
        world_end(&left.w);
        world_end(&stayed.w);
    }
}

/* Bytes changed under a correct checksum: refused, or a state whose invariants hold as far as this room goes; never a
 * crash. */
static void damaged(void) {
    scenario_t s;
    start(&s);
    play(&s, 0, SCENARIO_STEPS);
    uint8_t *bytes;
    size_t length, where;
    CHECK_EQ(storsim_snapshot(s.w.machine, &bytes, &length), STORSIM_OK);
    uint64_t digest = world_digest(&s.w);
    static const uint8_t mark[4] = {0x01, 0x00, 0x54, 0x4E};
    size_t room = 0;
    while (memcmp(bytes + room, mark, 4) != 0) {
        room++;
    }
    unsigned long refused = 0, tried = 0;
    uint8_t *copy = malloc(length);
    CHECK(copy != NULL);
    static const uint8_t next_room[4] = {0x01, 0x4F, 0x4F, 0x52};
    size_t end = room;
    while (memcmp(bytes + end, next_room, 4) != 0) {
        end++;
    }
    for (size_t at = room; at < end; at++) {
        static const uint8_t flips[] = {1, 0x80, 0xFF};
        memcpy(copy, bytes, length);
        copy[at] ^= flips[at % 3];
        sealed(copy, length);
        storsim_status_t status = storsim_restore(s.w.machine, copy, length, &where);
        tried++;
        if (status != STORSIM_OK) {
            CHECK_EQ(status, STORSIM_FORMAT);
            refused++;
            CHECK_EQ(world_digest(&s.w), digest);
        } else {
            CHECK_EQ(storsim_restore(s.w.machine, bytes, length, &where), STORSIM_OK);
        }
    }
    for (size_t cut = room; cut < length; cut += 97) {
        CHECK_EQ(storsim_restore(s.w.machine, bytes, cut, &where), STORSIM_FORMAT);
    }
    CHECK(refused > tried / 4);
    CHECK_EQ(storsim_restore(s.w.machine, bytes, length, &where), STORSIM_OK);
    CHECK_EQ(world_digest(&s.w), digest);
    free(copy);
    storsim_snapshot_free(s.w.machine, bytes);
    world_end(&s.w);
}

static void other_configuration(void) {
    scenario_t s, other;
    start(&s);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(s.w.machine, &bytes, &length), STORSIM_OK);
    memset(&other, 0, sizeof other);
    world_init(&other.w);
    world_boot(&other.w);
    CHECK_EQ(storsim_restore(other.w.machine, bytes, length, NULL), STORSIM_FORMAT);
    world_end(&other.w);
    storsim_snapshot_free(s.w.machine, bytes);
    world_end(&s.w);
}

/* Restoring with a host that runs out of memory changes nothing. */
static void host_failures(void) {
    failing_host_t host = {.fail_at = 0};
    const storsim_host_t hook = FAILING_HOOK(&host);
    scenario_t s;
    memset(&s, 0, sizeof s);
    world_init(&s.w);
    s.w.hardware.host = &hook;
    world_boot(&s.w);
    play(&s, 0, SCENARIO_STEPS);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(s.w.machine, &bytes, &length), STORSIM_OK);
    uint64_t digest = world_digest(&s.w);
    long live = host.live;
    storsim_status_t status = STORSIM_NO_MEMORY;
    for (unsigned long n = 1; status != STORSIM_OK; n++) {
        host.requests = 0;
        host.fail_at = n;
        status = storsim_restore(s.w.machine, bytes, length, NULL);
        host.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(world_digest(&s.w), digest);
        if (status != STORSIM_OK) {
            CHECK_EQ(host.live, live);
        }
    }
    storsim_snapshot_free(s.w.machine, bytes);
    world_end(&s.w);
    CHECK_EQ(host.live, 0);
}

int main(void) {
    equal();
    damaged();
    other_configuration();
    host_failures();
    return CHECK_DONE();
}
