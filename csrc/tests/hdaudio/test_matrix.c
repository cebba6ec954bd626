/* Every routine at every IRQL, every status of every row, every pointer NULL. */
#include "tests/hdaudio/world.h"

enum { MAX_ARGS = 10 };

/* Arguments with which a routine succeeds on a fresh world, and what they need. */
typedef struct ready {
    world_t *w;
    prepared_t e;
    storsim_stream_format_t format;
    storsim_codec_transfer_t item;
    storsim_device_information_t info;
    uint64_t handles[1];
    storsim_arg_t args[MAX_ARGS];
} ready_t;

static storsim_engine_state_t state_for(uint16_t id) {
    switch (id) {
    case STORSIM_ID_FreeDmaBuffer:
        return STORSIM_ENGINE_RD;
    case STORSIM_ID_FreeDmaBufferWithNotification:
    case STORSIM_ID_SetDmaEngineState:
        return STORSIM_ENGINE_RN;
    case STORSIM_ID_SetupDmaEngineWithBdl:
    case STORSIM_ID_FreeContiguousDmaBuffer:
        return STORSIM_ENGINE_RC;
    default:
        return STORSIM_ENGINE_R0;
    }
}

static void value_for(ready_t *r, const storsim_routine_t *row, uint32_t i) {
    storsim_arg_t *arg = &r->args[i];
    const char *name = row->params[i].name;
    *arg = (storsim_arg_t){.value = 0x5A5A, .present = true, .count = 1};
    switch (row->params[i].type) {
    case STORSIM_T_HANDLE:
        arg->value = row->params[i].flags & STORSIM_P_OUT ? 0x5A5A : r->e.handle;
        break;
    case STORSIM_T_STREAM_FORMAT:
        arg->data = &r->format;
        break;
    case STORSIM_T_TRANSFERS:
        arg->data = &r->item;
        break;
    case STORSIM_T_DEVICE_INFO:
        arg->data = &r->info;
        break;
    case STORSIM_T_HANDLES:
        arg->data = r->handles;
        break;
    default:
        arg->value = strcmp(name, "Stripe") == 0 || strcmp(name, "CodecAddress") == 0 || strcmp(name, "Callback") == 0
                         ? 0
                     : strcmp(name, "RequestedBufferSize") == 0 || strcmp(name, "BufferLength") == 0 ? 8192
                     : strcmp(name, "BufferMdl") == 0                                                ? r->e.buffer.mdl
                     : strcmp(name, "BufferSize") == 0                                               ? r->e.buffer.size
                     : strcmp(name, "Tag") == 0                                                      ? 0
                                                                                                     : 1;
        break;
    }
}

static ready_t *ready_for(const storsim_routine_t *row) {
    ready_t *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->w = world_make(NULL);
    r->e = prepare(r->w, r->w->context, state_for(row->id));
    r->format = stereo();
    r->item = (storsim_codec_transfer_t){0x000F0000, 0};
    r->info.Size = 14;
    r->handles[0] = r->e.handle;
    for (uint32_t i = 0; i < row->param_count; i++) {
        value_for(r, row, i);
    }
    if (row->id == STORSIM_ID_UnregisterEventCallback) {
        CHECK_EQ(tag_on(r->w, r->w->context, 5, 5, NULL), 0);
    } else if (row->id == STORSIM_ID_UnregisterNotificationEvent) {
        CHECK_EQ(event_on(r->w, r->w->context, r->e.handle, 1), 0);
    } else if (row->id == STORSIM_ID_UnregisterNotificationCallback) {
        CHECK_EQ(callback_on(r->w, r->w->context, r->e.handle, 1, 1, 1), 0);
    }
    return r;
}

static void ready_end(ready_t *r) {
    world_check(r->w);
    world_end(r->w);
    free(r);
}

static uint8_t limit_of(const storsim_routine_t *row) {
    return row->id == STORSIM_ID_TransferCodecVerbs ? 0 : row->irql_max;
}

static void every_level(const storsim_routine_t *row) {
    for (uint8_t irql = 0; irql <= 15; irql++) {
        ready_t *r = ready_for(row);
        at_irql(r->w, irql);
        uint64_t before = world_digest(r->w);
        uint32_t status = call(r->w, r->w->context, row->id, r->args);
        if (irql > limit_of(row)) {
            CHECK_EQ(status, row->returns == STORSIM_R_STATUS ? ST(UNS) : 0);
            CHECK_EQ(findings(r->w, "BAD_IRQL"), 1);
            CHECK_EQ(world_digest(r->w), before);
            for (uint32_t i = 0; i < row->param_count; i++) {
                CHECK(!r->args[i].written);
            }
        } else {
            CHECK_EQ(status, 0);
            CHECK_EQ(findings(r->w, "BAD_IRQL"), 0);
            for (uint32_t i = 0; i < row->param_count; i++) {
                CHECK(r->args[i].written == ((row->params[i].flags & STORSIM_P_OUT) != 0));
            }
        }
        at_irql(r->w, 0);
        ready_end(r);
    }
}

/* NULL for each pointer in turn: IP where one is required, and nothing changes. */
static void every_null(const storsim_routine_t *row) {
    for (uint32_t i = 0; i < row->param_count; i++) {
        storsim_type_t type = row->params[i].type;
        bool out = (row->params[i].flags & STORSIM_P_OUT) != 0;
        bool data = type == STORSIM_T_STREAM_FORMAT || type == STORSIM_T_TRANSFERS || type == STORSIM_T_DEVICE_INFO ||
                    type == STORSIM_T_HANDLES;
        bool pointer = type == STORSIM_T_PMDL || type == STORSIM_T_KEVENT ||
                       (type == STORSIM_T_ROUTINE && !(row->params[i].flags & STORSIM_P_OPTIONAL)) ||
                       strcmp(row->params[i].name, "Fdo") == 0;
        if (!out && !data && !pointer) {
            continue;
        }
        ready_t *r = ready_for(row);
        uint64_t before = world_digest(r->w);
        r->args[i].present = false;
        r->args[i].data = NULL;
        r->args[i].value = 0;
        uint32_t status = call(r->w, r->w->context, row->id, r->args);
        if (row->returns == STORSIM_R_STATUS) {
            CHECK_EQ(status, ST(IP));
            CHECK_EQ(world_digest(r->w), before);
        }
        CHECK(!r->args[i].written);
        ready_end(r);
    }
}

/* A context whose last reference went. */
static void dead_context(const storsim_routine_t *row) {
    ready_t *r = ready_for(row);
    dereference(r->w, r->w->context);
    uint64_t before = world_digest(r->w);
    CHECK_EQ(call(r->w, r->w->context, row->id, r->args), row->returns == STORSIM_R_STATUS ? ST(NSD) : 0);
    CHECK_EQ(findings(r->w, "DEAD_CONTEXT"), 1);
    for (uint32_t i = 0; i < row->param_count; i++) {
        CHECK(!r->args[i].written);
    }
    CHECK_EQ(world_digest(r->w), before);
    ready_end(r);
}

/* The resource statuses that the other functions do not reach. */
static void resource_statuses(void) {
    static const struct {
        uint16_t id;
        uint32_t status;
    } plan[] = {{STORSIM_ID_AllocateRenderDmaEngine, IR},
                {STORSIM_ID_AllocateCaptureDmaEngine, IR},
                {STORSIM_ID_ChangeBandwidthAllocation, IR},
                {STORSIM_ID_AllocateDmaBuffer, IR},
                {STORSIM_ID_AllocateDmaBufferWithNotification, IR},
                {STORSIM_ID_AllocateContiguousDmaBuffer, IR},
                {STORSIM_ID_RegisterEventCallback, IR},
                {STORSIM_ID_RegisterNotificationEvent, IR},
                {STORSIM_ID_RegisterNotificationCallback, IR},
                {STORSIM_ID_TransferCodecVerbs, NM}};
    for (size_t i = 0; i < sizeof plan / sizeof plan[0]; i++) { /* the fault plan */
        ready_t *r = ready_for(storsim_ddi_routine(plan[i].id));
        fail_next(r->w, plan[i].id);
        CHECK_EQ(call(r->w, r->w->context, plan[i].id, r->args), ST(plan[i].status));
        CHECK_EQ(storsim_injected_count(r->w->machine), 1);
        CHECK_EQ(call(r->w, r->w->context, plan[i].id, r->args), 0);
        ready_end(r);
    }
    static const uint16_t timed[] = {STORSIM_ID_AllocateDmaBuffer, STORSIM_ID_AllocateDmaBufferWithNotification,
                                     STORSIM_ID_AllocateContiguousDmaBuffer, STORSIM_ID_SetupDmaEngineWithBdl};
    for (size_t i = 0; i < sizeof timed / sizeof timed[0]; i++) { /* the hardware */
        ready_t *r = ready_for(storsim_ddi_routine(timed[i]));
        storsim_engine_state_t before = state(r->w, r->e.handle);
        inject(r->w, STORSIM_HW_TIMEOUT);
        CHECK_EQ(call(r->w, r->w->context, timed[i], r->args), ST(DNR));
        CHECK_EQ(state(r->w, r->e.handle), before);
        CHECK(engine(r->w, r->e.handle).suspect);
        CHECK_EQ(set_state(r->w, r->w->context, RESET, r->e.handle), 0);
        CHECK(!engine(r->w, r->e.handle).suspect);
        CHECK_EQ(call(r->w, r->w->context, timed[i], r->args), 0);
        ready_end(r);
    }
    world_t *w = world_make(NULL);
    uint64_t c = w->context, h;
    CHECK_EQ(capture(w, c, 0, fmt(192000, 16, 16, 8), NULL), ST(BTS));
    CHECK_EQ(render(w, c, fmt(192000, 32, 32, 8), 0, NULL, NULL), ST(BTS));
    CHECK_EQ(render(w, c, stereo(), 0, &h, NULL), 0);
    CHECK_EQ(change(w, c, h, fmt(192000, 32, 32, 8), NULL), ST(BTS));
    storsim_device_information_t info = {.Size = 9};
    CHECK_EQ(information(w, c, &info), ST(BTS));
    CHECK_EQ(event_off(w, c, h, 3), ST(IP));
    CHECK_EQ(tag_off(w, c, 3), ST(IP));
    CHECK_EQ(callback_off(w, c, h, 3, 3), ST(IP));
    world_end(w);
}

/* A handle that is none, and each routine in a state that refuses it. */
static void handle_and_state(const storsim_routine_t *row) {
    if (row->param_count == 0 || row->params[0].type != STORSIM_T_HANDLE) {
        return;
    }
    ready_t *r = ready_for(row);
    r->args[0].value = r->e.handle + 1;
    uint64_t before = world_digest(r->w);
    CHECK_EQ(call(r->w, r->w->context, row->id, r->args), ST(IH));
    CHECK_EQ(world_digest(r->w), before);
    prepared_t running = prepare(r->w, r->w->context, STORSIM_ENGINE_XB);
    r->args[0].value = running.handle;
    (void)call(r->w, r->w->context, row->id, r->args); /* IDR for all that documents it: counted below */
    ready_end(r);
}

static void device_gone(const storsim_routine_t *row) {
    ready_t *r = ready_for(row);
    inject(r->w, STORSIM_HW_REMOVED);
    uint32_t status = call(r->w, r->w->context, row->id, r->args);
    bool head = row->id == STORSIM_ID_InterfaceReference || row->id == STORSIM_ID_InterfaceDereference;
    CHECK_EQ(status, row->returns == STORSIM_R_STATUS ? ST(NSD) : 0);
    for (uint32_t i = 0; i < row->param_count; i++) {
        CHECK(!r->args[i].written);
    }
    CHECK(head || storsim_hda_gone(r->w->machine, r->w->controller));
    ready_end(r);
}

static void every_status_was_seen(const storsim_routine_t *row) {
    for (uint32_t s = 0; s < row->status_count; s++) {
        bool seen = false;
        for (int i = 0; i < 16; i++) {
            seen = seen || world_seen[row->id - STORSIM_HDAUDIO_FIRST_ID][i] == row->statuses[s].value + 1;
        }
        if (!seen) {
            fprintf(stderr, "%s never answered %s\n", row->name, row->statuses[s].name);
        }
        CHECK(seen);
    }
    for (int i = 0; i < 16 && world_seen[row->id - STORSIM_HDAUDIO_FIRST_ID][i];
         i++) { /* and none that the row does not know */
        uint32_t status = world_seen[row->id - STORSIM_HDAUDIO_FIRST_ID][i] - 1;
        bool known = row->returns == STORSIM_R_VOID && status == 0;
        for (uint32_t s = 0; s < row->status_count; s++) {
            known = known || row->statuses[s].value == status;
        }
        if (!known) {
            fprintf(stderr, "%s answered 0x%08x\n", row->name, (unsigned)status);
        }
        CHECK(known);
    }
}

int main(void) {
    size_t count;
    const storsim_routine_t *rows = storsim_ddi_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].family == STORSIM_F_HDAUDIO) {
            every_level(&rows[i]);
            every_null(&rows[i]);
            dead_context(&rows[i]);
            handle_and_state(&rows[i]);
            device_gone(&rows[i]);
        }
    }
    world_t *w = world_make(NULL);
    uint64_t bad = 0x1234;
    prepared_t e = prepare(w, w->context, STORSIM_ENGINE_R0);
    CHECK_EQ(set_state(w, w->context, RUN, bad), ST(IH));
    CHECK_EQ(set_state(w, w->context, RUN, e.handle), ST(IDR));
    world_end(w);
    resource_statuses();
    for (size_t i = 0; i < count; i++) {
        if (rows[i].family == STORSIM_F_HDAUDIO) {
            every_status_was_seen(&rows[i]);
        }
    }
    return CHECK_PINNED(hdaudio_test_matrix);
}
