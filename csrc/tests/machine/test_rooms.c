/* What a machine does with rooms that fail, rooms that offer little, and a listener that refuses or leaves in the
 * middle. */
#include "../check.h"

#include <string.h>

#include "machine/machine_i.h"
#include "machine/operations.h"

static storsim_machine_t *make_on(const storsim_host_t *host) {
    static const storsim_range_t ranges[] = {{0x100000, 0x400000, 0}};
    const storsim_machine_config_t config = {.host = host, .ranges = ranges, .range_count = 1, .seed = 3};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

static storsim_machine_t *make(void) {
    return make_on(NULL);
}

/* --- settling ----------------------------------------------------------------------------------------------------- */

static uint32_t settled;
static storsim_status_t settle_full(storsim_machine_t *machine, void *state) {
    (void)machine, (void)state;
    settled++;
    return STORSIM_NO_MEMORY;
}
static storsim_status_t settle_stopped(storsim_machine_t *machine, void *state) {
    (void)machine, (void)state;
    settled++;
    return STORSIM_STOPPED;
}

static uint32_t called;
static storsim_status_t host_call(void *context, storsim_callback_t *callback) {
    (void)callback;
    called++;
    return context == NULL ? STORSIM_OK : ss_machine_tap(context, NULL); /* the listener leaves */
}

/* Every room settles, the first failure is the answer, and a host is not called into a machine that could not
 * settle. */
static void test_settling(void) {
    static const ss_room_ops_t full = {.name = "full", .settle = settle_full}, stopped = {.name = "stopped", .settle = settle_stopped};
    storsim_machine_t *m = make();
    storsim_callback_t callback = {.kind = STORSIM_CB_DPC};
    CHECK_EQ(ss_room_attach(m, SS_ROOM_NT, &full, NULL), STORSIM_OK);
    CHECK_EQ(ss_room_attach(m, SS_ROOM_JOURNAL, &stopped, NULL), STORSIM_OK);
    settled = called = 0;
    CHECK_EQ(ss_settle(m), STORSIM_NO_MEMORY);
    CHECK_EQ(settled, 2);
    storsim_machine_set_callback(m, host_call, NULL);
    CHECK_EQ(ss_callback(m, &callback), STORSIM_NO_MEMORY);
    CHECK(called == 0 && ss_callbacks(m) == 0 && storsim_trace_total(m) == 0);
    storsim_machine_destroy(m);
}

/* --- listening ---------------------------------------------------------------------------------------------------- */

typedef struct listener {
    ss_tap_t tap;
    storsim_status_t begin, callback;
    uint32_t begun, ended, asked, answered, lost;
} listener_t;

static storsim_status_t on_begin(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args) {
    listener_t *it = (listener_t *)(void *)tap;
    (void)operation, (void)args;
    it->begun++;
    return it->begin;
}
static void on_end(ss_tap_t *tap, const storsim_operation_t *operation, const storsim_arg_t *args, storsim_status_t status,
                   uint64_t result) {
    (void)operation, (void)args, (void)status, (void)result;
    ((listener_t *)(void *)tap)->ended++;
}
static storsim_status_t on_callback(ss_tap_t *tap, const storsim_callback_t *callback) {
    listener_t *it = (listener_t *)(void *)tap;
    (void)callback;
    it->asked++;
    return it->callback;
}
static void on_answer(ss_tap_t *tap, const storsim_callback_t *callback, storsim_status_t status) {
    (void)callback, (void)status;
    ((listener_t *)(void *)tap)->answered++;
}
static void on_lost(ss_tap_t *tap) {
    ((listener_t *)(void *)tap)->lost++;
}
static void on_gone(ss_tap_t *tap) {
    (void)tap;
}
static const ss_tap_ops_t listening = {on_begin, on_end, on_callback, on_answer, on_lost, on_gone};

static uint32_t performed;
static storsim_status_t perform(storsim_machine_t *machine, const storsim_operation_t *operation, storsim_arg_t *args, uint64_t *result) {
    (void)operation, (void)args;
    performed++;
    *result = 5;
    return operation->id == 2 ? ss_machine_tap(machine, NULL) : STORSIM_OK;
}

/* What cannot fail happens without a record, and the listener hears that something is missing; what can is refused. */
static void test_listener_refuses(void) {
    const storsim_operation_t sure = {.id = 1, .name = "sure", .flags = STORSIM_OP_SURE, .perform = perform},
                              leaves = {.id = 2, .name = "leaves", .flags = STORSIM_OP_SURE, .perform = perform},
                              may_fail = {.id = 3, .name = "may_fail", .perform = perform};
    listener_t it = {.tap = {.ops = &listening}, .begin = STORSIM_NO_MEMORY};
    storsim_machine_t *m = make();
    uint64_t result = 0;
    performed = 0;
    CHECK_EQ(ss_machine_tap(m, &it.tap), STORSIM_OK);
    CHECK_EQ(ss_tap_run(m, &may_fail, NULL, &result), STORSIM_NO_MEMORY);
    CHECK(performed == 0 && result == 0 && it.lost == 0);
    CHECK_EQ(ss_tap_run(m, &sure, NULL, &result), STORSIM_OK);
    CHECK(performed == 1 && result == 5 && it.ended == 0 && it.lost == 1);
    it.begin = STORSIM_OK;
    CHECK_EQ(ss_tap_run(m, &sure, NULL, &result), STORSIM_OK);
    CHECK(performed == 2 && it.ended == 1 && it.lost == 1);
    CHECK_EQ(ss_tap_run(m, &leaves, NULL, NULL), STORSIM_OK); /* who has left hears no end */
    CHECK(performed == 3 && it.begun == 4 && it.ended == 1 && it.lost == 1);
    storsim_machine_destroy(m);
}

/* A callback that the listener cannot write down is not made; one in which it leaves has no answer for it. */
static void test_listener_of_callbacks(void) {
    listener_t it = {.tap = {.ops = &listening}, .callback = STORSIM_NO_MEMORY};
    storsim_machine_t *m = make();
    storsim_callback_t callback = {.kind = STORSIM_CB_DPC};
    called = 0;
    CHECK_EQ(ss_machine_tap(m, &it.tap), STORSIM_OK);
    storsim_machine_set_callback(m, host_call, NULL);
    CHECK_EQ(ss_callback(m, &callback), STORSIM_CALLBACK);
    CHECK(it.asked == 1 && called == 0 && it.answered == 0);
    it.callback = STORSIM_OK;
    CHECK_EQ(ss_callback(m, &callback), STORSIM_OK);
    CHECK(it.asked == 2 && called == 1 && it.answered == 1);
    storsim_machine_set_callback(m, host_call, m);
    CHECK_EQ(ss_callback(m, &callback), STORSIM_OK);
    CHECK(it.asked == 3 && called == 2 && it.answered == 1);
    CHECK_EQ(ss_callback(m, &callback), STORSIM_OK);
    CHECK(it.asked == 3 && called == 3);
    storsim_machine_destroy(m);
}

/* Only a machine to which nothing happened yet can be listened to. */
static void test_listening_too_late(void) {
    static const ss_room_ops_t ops = {.name = "room"};
    for (int way = 0; way < 6; way++) {
        listener_t it = {.tap = {.ops = &listening}}, other = it;
        storsim_machine_t *m = make();
        ss_device_t device;
        switch (way) {
        case 0: CHECK_EQ(ss_machine_tap(m, &other.tap), STORSIM_OK); break;
        case 1: CHECK_EQ(storsim_advance(m, 1), STORSIM_OK); break;
        case 2: ss_trace(m, 1, 0, 0, 0, 0); break;
        case 3: CHECK_EQ(storsim_memory_reserve(m, 0x200000, 0x1000), STORSIM_OK); break;
        case 4: CHECK_EQ(ss_bus_add_device(m, false, true, &device), STORSIM_OK); break;
        default: CHECK_EQ(ss_room_attach(m, SS_ROOM_NT, &ops, NULL), STORSIM_OK); break;
        }
        CHECK_EQ(ss_machine_tap(m, &it.tap), STORSIM_INVALID);
        CHECK(it.tap.machine == NULL);
        storsim_machine_destroy(m);
    }
}

/* A snapshot for which the host has no memory is told to the listener as what it was. */
static void test_snapshot_refused(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    listener_t it = {.tap = {.ops = &listening}};
    storsim_machine_t *m = make_on(&hook);
    uint8_t *bytes = NULL;
    size_t length = 0;
    CHECK_EQ(ss_machine_tap(m, &it.tap), STORSIM_OK);
    state.fail_at = state.requests + 1;
    CHECK_EQ(storsim_snapshot(m, &bytes, &length), STORSIM_NO_MEMORY);
    CHECK(bytes == NULL && it.begun == 1 && it.ended == 1);
    CHECK_EQ(storsim_snapshot(m, &bytes, &length), STORSIM_OK);
    storsim_snapshot_free(m, bytes);
    storsim_machine_destroy(m);
    CHECK_EQ(state.live, 0);
}

/* --- going back --------------------------------------------------------------------------------------------------- */

static storsim_status_t walk_fails;
static void walk(storsim_machine_t *machine, void *state, ss_codec_t *codec) {
    (void)machine, (void)state;
    if (walk_fails != STORSIM_OK) {
        ss_codec_fail(codec, walk_fails);
    }
}
static bool no_room;
static void *fresh(storsim_machine_t *machine, const void *current) {
    (void)machine, (void)current;
    static int empty;
    return no_room ? NULL : &empty;
}
static uint32_t destroyed;
static void destroy(storsim_machine_t *machine, void *state) {
    (void)machine;
    destroyed += state != NULL;
}

/* Rooms without state, and a room whose state cannot be read: the machine stays as it is. */
static void test_restoring(void) {
    static const ss_room_ops_t plain = {.name = "plain"}, walks = {.name = "walks", .walk = walk},
                               makes = {.name = "makes", .walk = walk, .fresh = fresh,
                                        .destroy = destroy};
    storsim_machine_t *m = make();
    uint8_t *bytes;
    size_t length;
    uint64_t digest = 1, before;
    CHECK_EQ(ss_room_attach(m, SS_ROOM_NT, &plain, NULL), STORSIM_OK);
    CHECK_EQ(ss_room_attach(m, SS_ROOM_HDA, &makes, NULL), STORSIM_OK);
    CHECK_EQ(ss_room_attach(m, SS_ROOM_JOURNAL, &walks, NULL), STORSIM_OK);
    CHECK_EQ(storsim_digest(m, &before), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(m, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(m, bytes, length, NULL), STORSIM_OK);
    no_room = true;
    CHECK_EQ(storsim_restore(m, bytes, length, NULL), STORSIM_NO_MEMORY);
    no_room = false;
    walk_fails = STORSIM_FORMAT;
    CHECK_EQ(storsim_restore(m, bytes, length, NULL), STORSIM_FORMAT);
    CHECK_EQ(destroyed, 1); /* the new state */
    CHECK_EQ(storsim_digest(m, &digest), STORSIM_FORMAT);
    CHECK_EQ(digest, 1);
    walk_fails = STORSIM_OK;
    CHECK_EQ(storsim_digest(m, &digest), STORSIM_OK);
    CHECK_EQ(digest, before);
    storsim_snapshot_free(m, bytes);
    storsim_machine_destroy(m);
}

/* Rooms that do not exist have no state. */
static void test_no_such_room(void) {
    static const storsim_range_t range = {0x100000, 0x100000, 0};
    const storsim_machine_config_t config = {.ranges = &range, .range_count = 1, .seed = 5};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    for (ss_room_t room = (ss_room_t)0; room <= SS_ROOM_COUNT; room = (ss_room_t)(room + 1)) {
        CHECK(ss_room_state(machine, room) == NULL);
    }
    storsim_machine_destroy(machine);
}

int main(void) {
    test_settling();
    test_listener_refuses();
    test_listener_of_callbacks();
    test_listening_too_late();
    test_snapshot_refused();
    test_restoring();
    test_no_such_room();
    return CHECK_DONE();
}
