/* The total table of spec hdaudio-dma §4.2, cell by cell, on a live machine: every routine in every state of an engine.
 * A refused call leaves the digest of the whole machine as it was. */
#include "tests/hdaudio/total_table.h"
#include "tests/hdaudio/world.h"

static uint32_t expected_status(const char *cell) {
    return strncmp(cell, "OK", 2) == 0 ? 0
           : strcmp(cell, "IH") == 0   ? ST(IH)
           : strcmp(cell, "IP") == 0   ? ST(IP)
                                       : ST(IDR);
}

static storsim_engine_state_t expected_state(const char *cell, storsim_engine_state_t from) {
    char name[8];
    const char *arrow = strchr(cell, '>');
    if (!arrow) {
        return from;
    }
    snprintf(name, sizeof name, "%s", arrow + 1);
    if (name[1] == '*') {
        name[1] = storsim_engine_state_name(from)[1];
    }
    int i = 0;
    while (strcmp(storsim_engine_state_name((storsim_engine_state_t)i), name) != 0) {
        i++;
        CHECK(i < STORSIM_ENGINE_STATE_COUNT);
    }
    return (storsim_engine_state_t)i;
}

enum { EVENT_ROUTINE = 0xCB, EVENT_CONTEXT = 0xC7 };

/* Does what the event says to the engine; another engine's handle comes back in *extra to be freed. */
static uint32_t perform(world_t *w, uint64_t c, storsim_engine_event_t event, const prepared_t *e, uint64_t *extra) {
    buffer_t b;
    storsim_engine_info_t info = {0};
    (void)storsim_hdaudio_engine(w->machine, e->handle, &info);
    switch (event) {
    case STORSIM_EVENT_ALLOCATE_OTHER:
        return render(w, c, stereo(), 0, extra, NULL);
    case STORSIM_EVENT_CHANGE_BANDWIDTH:
        return change(w, c, e->handle, fmt(44100, 16, 16, 2), NULL);
    case STORSIM_EVENT_ALLOCATE_BUFFER:
        return allocate_d(w, c, e->handle, 4096, &b);
    case STORSIM_EVENT_FREE_BUFFER:
        return free_d(w, c, e->handle);
    case STORSIM_EVENT_ALLOCATE_NOTIFY:
        return allocate_n(w, c, e->handle, 1, 4096, &b);
    case STORSIM_EVENT_FREE_NOTIFY:
        return free_n(w, c, e->handle, info.mdl ? info.mdl : 0x1000, info.buffer_bytes);
    case STORSIM_EVENT_FREE_NOTIFY_OTHER:
        return free_n(w, c, e->handle, info.mdl ? info.mdl : 0x1000, info.buffer_bytes + 1);
    case STORSIM_EVENT_ALLOCATE_CONTIGUOUS:
        return allocate_c(w, c, e->handle, 8192, &b);
    case STORSIM_EVENT_SETUP_BDL:
        return setup(w, c, e->handle, 8192, 1, 0x150, &b);
    case STORSIM_EVENT_FREE_CONTIGUOUS:
        return free_c(w, c, e->handle);
    case STORSIM_EVENT_FREE_ENGINE:
        return free_engine(w, c, e->handle);
    case STORSIM_EVENT_SET_RESET:
        return set_state(w, c, RESET, e->handle);
    case STORSIM_EVENT_SET_PAUSE:
        return set_state(w, c, PAUSE, e->handle);
    case STORSIM_EVENT_SET_RUN:
        return set_state(w, c, RUN, e->handle);
    case STORSIM_EVENT_GET_POSITION:
        return position(w, c, e->handle, NULL);
    case STORSIM_EVENT_REGISTER:
        return callback_on(w, c, e->handle, 1, 0xAB, 0xCD);
    case STORSIM_EVENT_UNREGISTER:
        return callback_off(w, c, e->handle, EVENT_ROUTINE, EVENT_CONTEXT);
    case STORSIM_EVENT_UNREGISTER_OTHER:
        return callback_off(w, c, e->handle, EVENT_ROUTINE, EVENT_CONTEXT + 1);
    default:
        CHECK(event < STORSIM_EVENT_DESCRIPTOR_ERROR);
        return 0;
    }
}

static void cell(const row_t *row, storsim_engine_state_t from) {
    world_t *w = world_make(NULL);
    uint64_t c = w->context, extra = 0;
    prepared_t e = prepare(w, c, from == STORSIM_ENGINE_NONE ? STORSIM_ENGINE_R0 : from);
    if (from == STORSIM_ENGINE_NONE) {
        CHECK_EQ(free_engine(w, c, e.handle), 0);
    } else if (row->event == STORSIM_EVENT_UNREGISTER || row->event == STORSIM_EVENT_UNREGISTER_OTHER) {
        CHECK_EQ(callback_on(w, c, e.handle, 1, EVENT_ROUTINE, EVENT_CONTEXT), 0);
    }
    const char *want = row->cells[column_of(from)];
    uint64_t before = world_digest(w), now = storsim_now(w->machine);
    uint32_t status = perform(w, c, row->event, &e, &extra);
    if (status != expected_status(want) || state(w, e.handle) != expected_state(want, from)) {
        fprintf(stderr, "%s in %s\n", storsim_engine_event_name(row->event), storsim_engine_state_name(from));
    }
    CHECK_EQ(status, expected_status(want));
    CHECK_EQ(state(w, e.handle), expected_state(want, from));
    if (status) {
        CHECK_EQ(world_digest(w), before);
        CHECK_EQ(storsim_now(w->machine), now);
    }
    world_check(w);
    if (extra) {
        CHECK_EQ(free_engine(w, c, extra), 0);
    }
    if (state(w, e.handle) != STORSIM_ENGINE_NONE) {
        (void)callback_off(w, c, e.handle, EVENT_ROUTINE, EVENT_CONTEXT);
        (void)callback_off(w, c, e.handle, 0xAB, 0xCD);
        discard(w, c, &e);
    }
    dereference(w, c);
    CHECK_EQ(findings(w, "ENGINE_LEAK") + findings(w, "BUFFER_LEAK") + findings(w, "REGISTRATION_LEAK"), 0);
    storsim_allocation_t allocation;
    for (uint64_t cursor = 0; storsim_allocation_next(w->machine, &cursor, &allocation);) {
        CHECK(allocation.kind == STORSIM_BLOCK_HDA_RING || allocation.kind == STORSIM_BLOCK_HDA_REGISTERS);
    }
    world_check(w);
    world_end(w);
}

/* Every routine answers NO_SUCH_DEVICE once the device is gone, and the state stands still. */
static void removed(storsim_engine_state_t from) {
    world_t *w = world_make(NULL);
    uint64_t c = w->context, extra = 0;
    prepared_t e = prepare(w, c, from);
    CHECK_EQ(storsim_hdaudio_surprise_remove(w->machine, w->controller), STORSIM_OK);
    uint64_t before = world_digest(w);
    for (size_t r = 0; r < ROWS; r++) {
        CHECK_EQ(perform(w, c, rows[r].event, &e, &extra), ST(NSD));
        CHECK_EQ(state(w, e.handle), from);
    }
    CHECK_EQ(world_digest(w), before);
    dereference(w, c);
    CHECK_EQ(storsim_finding_count(w->machine), 0);
    CHECK_EQ(state(w, e.handle), STORSIM_ENGINE_NONE);
    world_check(w);
    world_end(w);
}

int main(void) {
    for (size_t r = 0; r < ROWS; r++) {
        for (int s = 0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
            cell(&rows[r], (storsim_engine_state_t)s);
        }
    }
    for (int s = STORSIM_ENGINE_R0; s < STORSIM_ENGINE_STATE_COUNT; s++) {
        removed((storsim_engine_state_t)s);
    }
    return CHECK_PINNED(hdaudio_test_table);
}
