/* Callbacks and events are counted with the engine they were registered for; clients of what is gone are not counted at
 * all. */
#include "world.h"

/* A client that still holds the interface of a controller that is gone leaks nothing. */
static void gone(void) {
    for (int pulled = 0; pulled < 2; pulled++) {
        world_t *w = world_make(NULL);
        size_t first = 0, leaks = 9;
        if (pulled) {
            CHECK_EQ(storsim_hda_remove(w->machine, w->controller), STORSIM_OK);
        }
        CHECK_EQ(storsim_hdaudio_remove(w->machine, w->controller, &first, &leaks), STORSIM_OK);
        CHECK_EQ(leaks, pulled ? 0 : 1);
        world_end(w);
    }
}

static uint64_t to_free;

static void call_in(world_t *w, storsim_callback_t *callback) {
    if (callback->kind == STORSIM_CB_FAULT_PREDICATE && to_free != 0) {
        uint64_t handle = to_free;
        to_free = 0;
        CHECK_EQ(free_engine(w, w->context, handle), ST(OK));
    }
}

/* A fault plan's predicate that calls in: what the call found before it was asked holds no more. */
static void predicate_calls_in(void) {
    for (int frees = 0; frees < 2; frees++) {
        const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_PREDICATE, .predicate = 7};
        world_t *w = world_make(NULL);
        uint64_t handle = 0;
        uint32_t id;
        CHECK_EQ(render(w, w->context, stereo(), 0, &handle, NULL), ST(OK));
        CHECK_EQ(storsim_fault_add(w->machine, &rule, &id), STORSIM_OK);
        w->on_callback = call_in;
        to_free = frees ? handle : 0;
        unsigned asked = w->heard_count;
        CHECK_EQ(allocate_d(w, w->context, handle, 4096, NULL), frees ? ST(IH) : ST(OK));
        CHECK(w->heard_count > asked && to_free == 0);
        world_check(w);
        world_end(w);
    }
}

int main(void) {
    predicate_calls_in();
    gone();
    world_t *w = world_make(NULL);
    uint64_t handles[2], events[3];
    buffer_t buffers[2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(render(w, w->context, stereo(), 0, &handles[i], NULL), ST(OK));
        CHECK_EQ(allocate_n(w, w->context, handles[i], 2, 8192, &buffers[i]), ST(OK));
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(storsim_event_create(w->machine, &events[i]), STORSIM_OK);
    }
    CHECK_EQ(callback_on(w, w->context, handles[0], 5, 51, 52), ST(OK));
    CHECK_EQ(event_on(w, w->context, handles[0], events[0]), ST(OK));
    CHECK_EQ(event_on(w, w->context, handles[0], events[1]), ST(OK));
    CHECK_EQ(event_on(w, w->context, handles[1], events[2]), ST(OK));
    CHECK(engine(w, handles[0]).callbacks == 1 && engine(w, handles[0]).events == 2);
    CHECK(engine(w, handles[1]).callbacks == 0 && engine(w, handles[1]).events == 1);
    CHECK_EQ(callback_on(w, w->context, handles[1], 5, 51, 52), ST(OK));
    CHECK_EQ(callback_on(w, w->context, handles[1], 5, 51, 53), ST(OK));
    CHECK_EQ(event_off(w, w->context, handles[0], events[0]), ST(OK));
    CHECK(engine(w, handles[0]).callbacks == 1 && engine(w, handles[0]).events == 1);
    CHECK(engine(w, handles[1]).callbacks == 2 && engine(w, handles[1]).events == 1);
    CHECK_EQ(callback_off(w, w->context, handles[0], 51, 52), ST(OK));
    CHECK(engine(w, handles[0]).callbacks == 0 && engine(w, handles[1]).callbacks == 2);
    world_check(w);
    world_end(w);
    return CHECK_PINNED(hdaudio_test_listeners);
}
