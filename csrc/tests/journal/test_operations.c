/* tests/journal/test_operations.c: every operation with arguments of every sort, recorded, through bytes, replayed; and
 * a host that has no memory for a record. */
#include "kit.h"

enum { STEPS = 80, KNOWN = 64 };

typedef struct world {
    kit_t kit;
    uint64_t known[KNOWN], seed;
    uint32_t count, depth;
    bool refusing;
} world_t;

static uint64_t draw(world_t *world) {
    return kit_random(&world->seed);
}

/* Numbers that mean something, small ones, and any. */
static uint64_t any_number(world_t *world) {
    static const uint64_t few[] = {0, 1, 2, 3, 16, 64, 255, 4095, 4096, 8192, 65536, UINT32_MAX, UINT64_MAX};
    switch (draw(world) % 4) {
    case 0: return few[draw(world) % (sizeof few / sizeof few[0])];
    case 1: return draw(world) % 40;
    case 2: return draw(world) << 32 | draw(world);
    default: return world->known[draw(world) % KNOWN];
    }
}

static storsim_status_t host(void *context, storsim_callback_t *callback) {
    world_t *world = context;
    callback->result = draw(world) % 3;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE && callback->data_bytes != 0) {
        memset(callback->data, 0x5A, callback->data_bytes);
        callback->result = draw(world) % (callback->data_bytes + 1);
    }
    if (world->depth < 3 && draw(world) % 2 == 0) {
        world->depth++;
        (void)kit_pool(&world->kit, (uint32_t)(draw(world) % 500));
        world->depth--;
    }
    return draw(world) % 8 == 0 ? STORSIM_INVALID : STORSIM_OK;
}

static void learn(world_t *world, uint64_t value) {
    if (value != 0) {
        world->known[world->count++ % KNOWN] = value;
    }
}

/* One argument. Arrays live in `store`, which is as large as any of them. */
static storsim_arg_t any_argument(world_t *world, const storsim_operation_t *operation, const storsim_param_t *param, uint8_t *store) {
    storsim_arg_t arg = {.value = any_number(world), .present = draw(world) % 8 != 0};
    const storsim_layout_t *layout = param->type == STORSIM_T_STRUCT ? operation->layout : storsim_type_layout(param->type);
    bool bytes = param->type == STORSIM_T_BYTES || param->type == STORSIM_T_TEXT;
    switch (param->type) {
    case STORSIM_T_UCHAR:
    case STORSIM_T_BOOLEAN: arg.value &= 0xFF; break;
    case STORSIM_T_IRQL: arg.value %= 4; break;
    case STORSIM_T_USHORT: arg.value &= 0xFFFF; break;
    case STORSIM_T_ENUM: arg.value %= 4; break;
    case STORSIM_T_TICKS: arg.value %= 50000; break;
    case STORSIM_T_ULONG:
    case STORSIM_T_TAG:
    case STORSIM_T_LINE:
    case STORSIM_T_RULE: arg.value &= UINT32_MAX; break;
    case STORSIM_T_ADAPTER:
    case STORSIM_T_CONTROLLER:
    case STORSIM_T_DEVICE: arg.value = draw(world) % 3 + (param->flags & STORSIM_P_OUT ? 0 : 1); break;
    case STORSIM_T_DEVEXT: arg.value = draw(world) % 8 != 0 ? world->kit.extension : arg.value; break;
    case STORSIM_T_SIZE_T: arg.value %= 1 << 24; break;
    case STORSIM_T_ROUTINE: arg.value = draw(world) % 4; break;
    default: break;
    }
    if (layout == NULL && !bytes) {
        return arg;
    }
    arg.present = true;
    arg.value = 0;
    memset(store, 0, 4096);
    if (draw(world) % 6 == 0 && param->type != STORSIM_T_STRUCT) {
        return arg; /* NULL */
    }
    arg.data = store;
    arg.count = param->type == STORSIM_T_STRUCT || param->type == STORSIM_T_STREAM_FORMAT || param->type == STORSIM_T_DEVICE_INFO
                    ? 1
                    : (uint32_t)(draw(world) % 33);
    for (uint32_t i = 0; bytes && i < arg.count; i++) {
        store[i] = (uint8_t)draw(world);
    }
    for (uint32_t e = 0; layout != NULL && e < arg.count; e++) {
        for (uint32_t m = 0; m < layout->member_count; m++) {
            const storsim_member_t *member = &layout->members[m];
            uint64_t value = member->boolean ? draw(world) % 2 : draw(world) % 3 == 0 ? any_number(world) : draw(world) % 5;
            uint8_t *at = store + (size_t)e * layout->size + member->offset;
            for (uint8_t b = 0; b < member->width; b++) {
                at[b] = (uint8_t)(value >> (8 * b));
            }
        }
    }
    return arg;
}

static void step(world_t *world, const storsim_operation_t *operation) {
    static uint8_t stores[STORSIM_MAX_ARGS][4096];
    storsim_arg_t args[STORSIM_MAX_ARGS] = {{0}};
    uint64_t result;
    for (uint8_t i = 0; i < operation->arg_count; i++) {
        args[i] = any_argument(world, operation, storsim_operation_param(operation, i), stores[i]);
    }
    /* A list is as long as its count says, or the caller of the C function is wrong, not the driver. */
    if (operation->routine != NULL) {
        for (uint8_t i = 0; i < operation->param_count; i++) {
            args[i].value = (operation->params[i].flags & STORSIM_P_LENGTH) != 0 ? draw(world) % 4 : args[i].value;
        }
    }
    (void)storsim_operation_perform(world->kit.machine, operation, args, &result);
    learn(world, result);
    for (uint8_t i = 0; i < operation->arg_count; i++) {
        if (args[i].written) {
            learn(world, args[i].value);
        }
    }
}

static void furnish(world_t *world) {
    storsim_hda_config_t chip;
    storsim_hdaudio_config_t bus;
    storsim_hdaudio_interface_t interface;
    uint32_t controller, ntstatus;
    size_t count;
    const storsim_hdaudio_table_t *tables = storsim_hdaudio_tables(&count);
    storsim_hda_config_init(&chip);
    storsim_hdaudio_config_init(&bus);
    CHECK_EQ(storsim_hda_add(world->kit.machine, &chip, &controller), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(world->kit.machine, controller, 0), STORSIM_OK);
    CHECK_EQ(storsim_hdaudio_attach(world->kit.machine, controller, &bus), STORSIM_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(storsim_hdaudio_query(world->kit.machine, controller, tables[i].guid, tables[i].size_x64, tables[i].version, 0, &interface,
                                       &ntstatus),
                 STORSIM_OK);
        learn(world, interface.context);
    }
    learn(world, world->kit.extension);
}

/* Calls HD Audio routines with a context that exists, most of the time. */
static bool performed[8192];

/* Performs random operations on the world's recorded machine, and ends it: the journal's bytes replay. */
static void one_run(world_t *world) {
    storsim_machine_set_callback(world->kit.machine, host, world);
    size_t count = storsim_operation_count();
    for (uint32_t i = 0; i < STEPS && storsim_stopped(world->kit.machine) == NULL; i++) {
        storsim_operation_t operation;
        CHECK(storsim_operation_at(draw(world) % count, &operation));
        if (operation.perform != NULL) {
            performed[operation.id] = true;
            step(world, &operation);
        }
    }
    storsim_machine_set_callback(world->kit.machine, NULL, NULL);
    (void)storsim_journal_seal(world->kit.journal);
    storsim_journal_t *back = kit_through_bytes(world->kit.journal);
    kit_replays(back);
    storsim_journal_destroy(back);
    kit_end(&world->kit);
}

static void test_any_operations(void) {
    for (uint64_t seed = 1; seed <= 400; seed++) {
        world_t world = {.kit = kit_make(NULL, seed % 2 ? STORSIM_RELEASE : STORSIM_VERIFIER), .seed = seed * 7919 + 1};
        furnish(&world);
        one_run(&world);
    }
    for (size_t i = 0; i < storsim_operation_count(); i++) {
        storsim_operation_t operation;
        CHECK(storsim_operation_at(i, &operation));
        CHECK(operation.perform == NULL || performed[operation.id]);
    }
}

/* The same on machines that start without a kernel, adapter or controller; booting is one of the operations. */
static void test_any_operations_from_nothing(void) {
    for (uint64_t seed = 1; seed <= 400; seed++) {
        world_t world = {.kit = kit_unbooted(NULL), .seed = seed * 104729, .depth = 3};
        one_run(&world);
    }
}

/* Ids are unique, found again, and parameters have names. */
static void test_tables(void) {
    uint16_t last = 0;
    size_t count = storsim_operation_count();
    storsim_operation_t operation, again;
    CHECK(count > 100);
    for (size_t i = 0; i < count; i++) {
        CHECK(storsim_operation_at(i, &operation));
        CHECK(operation.id > last);
        last = operation.id;
        CHECK(storsim_operation_get(operation.id, &again));
        CHECK(again.name == operation.name && again.arg_count == operation.arg_count);
        CHECK(operation.arg_count <= STORSIM_MAX_ARGS);
        for (uint8_t k = 0; k < operation.arg_count; k++) {
            CHECK(storsim_operation_param(&operation, k)->name[0] != '\0');
            CHECK(storsim_operation_param(&operation, k)->type != STORSIM_T_STRUCT || operation.layout != NULL);
        }
    }
    CHECK(!storsim_operation_at(count, &operation));
    CHECK(!storsim_operation_get(0, &operation));
    CHECK(!storsim_operation_get(2099, &operation));
}

/* Whatever request for memory the journal's host refuses: the call answers NO_MEMORY and has changed nothing, or is
 * recorded. */
static void test_no_memory_for_a_record(void) {
    for (unsigned long at = 1; at < 60; at++) {
        failing_host_t state = {.fail_at = at};
        const storsim_host_t hook = FAILING_HOOK(&state);
        const storsim_range_t range = {0x100000, UINT64_C(0x10000000), 0};
        const storsim_machine_config_t config = {.ranges = &range, .range_count = 1};
        const storsim_journal_options_t options = {.host = &hook};
        storsim_machine_t *machine;
        storsim_journal_t *journal = NULL;
        CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
        storsim_status_t status = storsim_journal_create(&options, &journal);
        status = status == STORSIM_OK ? storsim_journal_attach(journal, machine) : status;
        if (status == STORSIM_OK) {
            static uint8_t data[3000];
            CHECK_EQ(storsim_nt_boot(machine, NULL), STORSIM_OK);
            for (int i = 0; i < 20; i++) {
                uint64_t before, after;
                CHECK_EQ(storsim_digest(machine, &before), STORSIM_OK);
                data[0] = (uint8_t)(i + 1);
                status = storsim_memory_write(machine, 0x100000, data, sizeof data);
                CHECK_EQ(storsim_digest(machine, &after), STORSIM_OK);
                CHECK(status == STORSIM_NO_MEMORY ? before == after : before != after);
            }
            CHECK_EQ(storsim_journal_seal(journal), STORSIM_OK);
            kit_replays(journal);
        } else {
            CHECK_EQ(status, STORSIM_NO_MEMORY);
        }
        storsim_machine_destroy(machine);
        storsim_journal_destroy(journal);
        CHECK_EQ(state.live, 0);
    }
}

int main(void) {
    test_tables();
    test_any_operations();
    test_any_operations_from_nothing();
    test_no_memory_for_a_record();
    return CHECK_DONE();
}
