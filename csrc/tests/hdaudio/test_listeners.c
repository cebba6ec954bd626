/* Callbacks and events are counted with the engine they were registered for; clients of what is gone are not counted at all. */
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

int main(void) {
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
