/* tests/journal/test_edges.c: journals at their edges: hosts and sinks that refuse, limits, wrong moments, views, every
 * operation with nothing in its arguments, and results that were not what was recorded. */
#include "kit.h"

#include "machine/core.h"
#include "storsim/behaviour.h"

typedef struct sink {
    unsigned long asked, refuse_at;
} sink_t;

static bool sink(void *context, const uint8_t *bytes, size_t length) {
    sink_t *to = context;
    (void)bytes, (void)length;
    return ++to->asked != to->refuse_at;
}

static storsim_machine_t *machine_of(const storsim_host_t *host) {
    static const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, UINT64_C(0x40000000), 0}};
    static const uint8_t distances[] = {10};
    const storsim_machine_config_t config = {.host = host, .ranges = ranges, .range_count = 2, .node_count = 1, .distances = distances, .seed = 7};
    storsim_machine_t *machine;
    CHECK_EQ(storsim_machine_create(&config, &machine), STORSIM_OK);
    return machine;
}

/* --- beginning and ending ----------------------------------------------------------------------------------------- */

static void test_attach(void) {
    storsim_machine_t *machine = machine_of(NULL), *old = machine_of(NULL);
    storsim_journal_t *journal, *other;
    char *key = malloc((1 << 20) + 2);
    CHECK_EQ(storsim_journal_create(NULL, &journal), STORSIM_OK);
    CHECK(!storsim_journal_attached(journal));
    CHECK_EQ(storsim_journal_detach(journal), STORSIM_OK);
    CHECK_EQ(storsim_journal_seal(journal), STORSIM_INVALID);
    CHECK_EQ(storsim_advance(old, 1), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(journal, old), STORSIM_INVALID); /* it has a past */
    CHECK_EQ(storsim_journal_attach(journal, machine), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(journal, old), STORSIM_INVALID);
    CHECK_EQ(storsim_journal_create(NULL, &other), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(other, machine), STORSIM_INVALID); /* somebody listens already */
    CHECK(key != NULL);
    memset(key, 'k', (1 << 20) + 1);
    key[(1 << 20) + 1] = '\0';
    CHECK_EQ(storsim_journal_note(journal, key, "", 0), STORSIM_INVALID);
    CHECK_EQ(storsim_journal_note(journal, "key", key, (1 << 20) + 1), STORSIM_INVALID);
    CHECK_EQ(storsim_journal_note(journal, "key", key, 1 << 20), STORSIM_OK);
    free(key);
    kit_replays(journal);
    storsim_journal_destroy(journal); /* the machine goes on, unrecorded */
    CHECK_EQ(storsim_advance(machine, 5), STORSIM_OK);
    storsim_machine_destroy(machine);
    storsim_machine_destroy(old);
    storsim_journal_destroy(other);
    storsim_journal_destroy(NULL);
    storsim_links_destroy(NULL);
    storsim_journal_close(NULL);
}

static void test_beginning_refused(void) {
    for (unsigned long at = 1; at <= 2; at++) { /* the head of the file, and the first record */
        sink_t to = {.refuse_at = at};
        const storsim_journal_options_t options = {.sink = sink, .context = &to};
        storsim_machine_t *machine = machine_of(NULL);
        storsim_journal_t *journal;
        CHECK_EQ(storsim_journal_create(&options, &journal), STORSIM_OK);
        CHECK_EQ(storsim_journal_attach(journal, machine), STORSIM_CALLBACK);
        CHECK(!storsim_journal_attached(journal));
        CHECK_EQ(storsim_advance(machine, 5), STORSIM_OK);
        storsim_journal_destroy(journal);
        storsim_machine_destroy(machine);
    }
    for (unsigned long at = 1; at <= 4; at++) { /* the journal, the list of ranges, the first block, the frame for the sink */
        failing_host_t state = {.fail_at = at};
        const storsim_host_t hook = FAILING_HOOK(&state);
        sink_t to = {0};
        const storsim_journal_options_t options = {.host = &hook, .sink = sink, .context = &to};
        storsim_machine_t *machine = machine_of(NULL);
        storsim_journal_t *journal = NULL;
        storsim_status_t status = storsim_journal_create(&options, &journal);
        CHECK_EQ(status, at == 1 ? STORSIM_NO_MEMORY : STORSIM_OK);
        if (at != 1) {
            CHECK_EQ(storsim_journal_attach(journal, machine), at == 4 ? STORSIM_CALLBACK : STORSIM_NO_MEMORY);
        }
        storsim_journal_destroy(journal);
        storsim_machine_destroy(machine);
        CHECK_EQ(state.live, 0);
    }
}

/* A machine with a past of any kind is not recorded: its beginning would be missing. */
static void test_fresh(void) {
    for (int way = 0; way < 5; way++) {
        storsim_machine_t *machine = machine_of(NULL);
        storsim_journal_t *journal;
        ss_device_t device;
        uint8_t *bytes;
        size_t length;
        switch (way) {
        case 0: CHECK_EQ(storsim_memory_reserve(machine, 0x100000, 0x1000), STORSIM_OK); break;
        case 1: CHECK_EQ(ss_bus_add_device(machine, false, true, &device), STORSIM_OK); break;
        case 2: CHECK_EQ(storsim_nt_boot(machine, NULL), STORSIM_OK); break;
        case 3: CHECK_EQ(storsim_hda_attach(machine), STORSIM_OK); break;
        default: CHECK_EQ(storsim_snapshot(machine, &bytes, &length), STORSIM_OK); storsim_snapshot_free(machine, bytes); break;
        }
        CHECK_EQ(storsim_journal_create(NULL, &journal), STORSIM_OK);
        CHECK_EQ(storsim_journal_attach(journal, machine), way < 4 ? STORSIM_INVALID : STORSIM_OK); /* looking leaves no traces */
        storsim_journal_destroy(journal);
        storsim_machine_destroy(machine);
    }
}

/* What cannot fail happens although its record was refused, and the recording ends there. */
static void test_sure(void) {
    sink_t to = {0};
    const storsim_journal_options_t options = {.sink = sink, .context = &to};
    kit_t kit = kit_make(&options, STORSIM_RELEASE);
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_NTH, .first = 1};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(kit.machine, &rule, &id), STORSIM_OK);
    size_t calls = storsim_journal_calls(kit.journal);
    to.refuse_at = to.asked + 1;
    storsim_fault_clear(kit.machine);
    CHECK(kit_pool(&kit, 100) != 0); /* there is no rule any more */
    CHECK(storsim_journal_full(kit.journal));
    CHECK_EQ(storsim_journal_calls(kit.journal), calls);
    kit_replays(kit.journal);
    kit_end(&kit);
}

/* --- wrong moments ------------------------------------------------------------------------------------------------ */

typedef struct moments {
    kit_t *kit;
    storsim_status_t detach, seal;
} moments_t;

static storsim_status_t at_a_wrong_moment(void *context, storsim_callback_t *callback) {
    moments_t *moments = context;
    (void)callback;
    moments->detach = storsim_journal_detach(moments->kit->journal);
    moments->seal = storsim_journal_seal(moments->kit->journal);
    return STORSIM_OK;
}

static void test_moments(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    moments_t moments = {&kit, STORSIM_OK, STORSIM_OK};
    storsim_machine_set_callback(kit.machine, at_a_wrong_moment, &moments);
    CHECK_EQ(storsim_queue_dpc(kit.machine, 5, 6), STORSIM_OK);
    CHECK_EQ(moments.detach, STORSIM_REENTRY);
    CHECK_EQ(moments.seal, STORSIM_REENTRY);
    CHECK_EQ(storsim_journal_detach(kit.journal), STORSIM_OK);
    size_t count = storsim_journal_count(kit.journal);
    CHECK_EQ(storsim_advance(kit.machine, 5), STORSIM_OK);
    CHECK_EQ(storsim_journal_count(kit.journal), count);
    kit_replays(kit.journal);
    kit_end(&kit);
}

/* A call whose arguments would be larger than any record ends the recording; the call happens. */
static void test_too_large_for_a_record(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_arg_t args[] = {{.value = kit.extension, .present = true}, {.present = true, .count = UINT32_C(50000000)}, {.value = 1, .present = true}};
    uint64_t result = 0;
    CHECK_EQ(storsim_storport_call(kit.machine, storsim_ddi_routine(STORSIM_ID_StorPortFreeHostMemoryBuffer), args, &result), STORSIM_OK);
    CHECK(result != 0 && storsim_journal_full(kit.journal));
    size_t count = storsim_journal_count(kit.journal);
    CHECK_EQ(storsim_advance(kit.machine, 5), STORSIM_OK);
    CHECK_EQ(storsim_journal_note(kit.journal, "late", "", 0), STORSIM_OK);
    CHECK_EQ(storsim_journal_seal(kit.journal), STORSIM_OK);
    CHECK_EQ(storsim_journal_count(kit.journal), count);
    kit_replays(kit.journal);
    kit_end(&kit);
    kit = kit_make(NULL, STORSIM_RELEASE);
    uint8_t byte = 0;
    CHECK_EQ(storsim_memory_write(kit.machine, 0x1000, &byte, (size_t)(UINT64_C(1) << 28) + 1), STORSIM_NOT_RAM);
    CHECK(storsim_journal_full(kit.journal));
    kit_end(&kit);
}

/* --- a life with everything in it, on a host that refuses --------------------------------------------------------- */

typedef struct life {
    kit_t kit;
    bool failed;
    uint64_t views[2];
} life_t;

static storsim_status_t answer(void *context, storsim_callback_t *callback) {
    life_t *life = context;
    if (callback->data != NULL && callback->kind == STORSIM_CB_CODEC_SOURCE) {
        memset(callback->data, 0x5A, callback->data_bytes);
        callback->result = callback->data_bytes;
    } else {
        callback->result = 1;
    }
    uint8_t *data;
    uint64_t size;
    (void)data, (void)size;
    (void)storsim_event_create(life->kit.machine, &(uint64_t){0});
    return STORSIM_OK;
}

/* A refused call has changed nothing, and then does its work. */
#define STEP(life, call)                                                   \
    do {                                                                   \
        uint64_t before_ = 0, after_ = 1;                                  \
        CHECK_EQ(storsim_digest((life)->kit.machine, &before_), STORSIM_OK); \
        storsim_status_t step_ = (call);                                   \
        if (step_ == STORSIM_NO_MEMORY || step_ == STORSIM_CALLBACK) {     \
            (life)->failed = true;                                         \
            CHECK_EQ(storsim_digest((life)->kit.machine, &after_), STORSIM_OK); \
            CHECK_EQ(after_, before_);                                     \
            step_ = (call);                                                \
        }                                                                  \
        CHECK_EQ(step_, STORSIM_OK);                                       \
    } while (0)

static storsim_status_t call(life_t *life, uint16_t id, storsim_arg_t *args) {
    uint64_t result;
    return storsim_storport_call(life->kit.machine, storsim_ddi_routine(id), args, &result);
}

static bool begin(life_t *life, const storsim_journal_options_t *options) {
    *life = (life_t){.failed = false};
    life->kit.machine = machine_of(NULL);
    storsim_status_t status = storsim_journal_create(options, &life->kit.journal);
    if (status == STORSIM_OK) {
        status = storsim_journal_attach(life->kit.journal, life->kit.machine);
    }
    if (status != STORSIM_OK) {
        CHECK(status == STORSIM_NO_MEMORY || status == STORSIM_CALLBACK);
        storsim_machine_destroy(life->kit.machine);
        storsim_journal_destroy(life->kit.journal);
        return false;
    }
    storsim_nt_config_t nt;
    storsim_adapter_config_t adapter;
    storsim_nt_config_init(&nt);
    storsim_adapter_config_init(&adapter);
    nt.level = STORSIM_RELEASE;
    adapter.name = "hba";
    STEP(life, storsim_nt_boot(life->kit.machine, &nt));
    STEP(life, storsim_storport_attach(life->kit.machine));
    STEP(life, storsim_adapter_add(life->kit.machine, &adapter, &life->kit.adapter));
    life->kit.extension = storsim_adapter_extension(life->kit.machine, life->kit.adapter);
    return true;
}

/* Two views, one of them read only, with stores through the other between calls of every sort. */
static void use_views(life_t *life) {
    storsim_machine_t *m = life->kit.machine;
    const uint64_t ext = life->kit.extension;
    storsim_arg_t pool[] = {{.value = ext, .present = true}, {.value = 6000}, {.value = 0x74736554}, {.present = true}};
    STEP(life, call(life, STORSIM_ID_StorPortAllocatePool, pool));
    storsim_arg_t dma[] = {{.value = ext, .present = true}, {.value = 9000}, {0}, {.value = UINT64_MAX}, {0}, {.value = 1},
                           {.value = STORSIM_NODE_ANY}, {.present = true}, {.present = true}};
    STEP(life, call(life, STORSIM_ID_StorPortAllocateDmaMemory, dma));
    storsim_allocation_t block;
    uint8_t *data, *fixed, buffer[100] = {0};
    uint64_t size, first, second;
    CHECK(storsim_allocation_at(m, dma[7].value, &block));
    STEP(life, storsim_block_export(m, block.block, true, &data, &size, &first));
    STEP(life, storsim_block_export(m, block.block, false, &fixed, &size, &second));
    data[5000] = 1;
    /* Routines that look at no memory: the store waits for the next that may. */
    for (uint16_t id = 1; id < STORSIM_ID_STORPORT_END; id++) {
        const storsim_routine_t *row = storsim_ddi_routine(id);
        storsim_arg_t args[STORSIM_MAX_PARAMS] = {{0}};
        if (strstr(row->name, "Free") != NULL || strstr(row->name, "Put") != NULL || strstr(row->name, "Mdl") != NULL ||
            strstr(row->name, "Memory") != NULL) {
            continue; /* what they are told to use or take back is not there: the machine would stop */
        }
        for (uint8_t i = 0; i < row->param_count; i++) {
            args[i].present = true;
            args[i].value = (row->params[i].flags & STORSIM_P_OUT) != 0 ? 0 : row->params[i].type == STORSIM_T_TAG ? 0x74736554 : 1;
        }
        args[0].value = ext;
        storsim_status_t status = call(life, id, args);
        if (status == STORSIM_NO_MEMORY || status == STORSIM_CALLBACK) {
            life->failed = life->failed || status == STORSIM_NO_MEMORY;
            for (uint8_t i = 0; i < row->param_count; i++) {
                CHECK(!args[i].written);
            }
        }
        if (storsim_stopped(m) != NULL) {
            fprintf(stderr, "%s 0x%llx 0x%llx\n", row->name, (unsigned long long)storsim_stopped(m)->code, (unsigned long long)storsim_stopped(m)->parameters[0]);
        }
        CHECK(storsim_stopped(m) == NULL);
    }
    data[0] = 2;
    data[8999] = 3;
    STEP(life, storsim_read_va(m, dma[7].value, buffer, sizeof buffer));
    CHECK_EQ(buffer[0], 2);
    data[4095] = 4;
    STEP(life, storsim_journal_seal(life->kit.journal));
    data[17] = 5;
    STEP(life, storsim_block_unexport(m, second));
    STEP(life, storsim_block_unexport(m, first));
}

static void use_the_rest(life_t *life, bool unknown) {
    storsim_machine_t *m = life->kit.machine;
    uint8_t *bytes, buffer[100] = {1};
    size_t length;
    uint64_t checkpointed;
    storsim_checkpoint_t *checkpoint = NULL;
    STEP(life, storsim_snapshot(m, &bytes, &length));
    STEP(life, storsim_checkpoint_take(m, &checkpoint));
    STEP(life, storsim_advance(m, 10));
    STEP(life, storsim_restore(m, bytes, length, NULL));
    STEP(life, storsim_advance(m, 20));
    STEP(life, storsim_checkpoint_restore(m, checkpoint));
    storsim_checkpoint_free(m, checkpoint);
    bytes[length - 1] ^= 1;
    storsim_status_t status = unknown ? storsim_restore(m, bytes, length, NULL) : STORSIM_FORMAT; /* never seen before: its bytes are recorded */
    CHECK(status == STORSIM_FORMAT || status == STORSIM_NO_MEMORY || status == STORSIM_CALLBACK);
    storsim_snapshot_free(m, bytes);
    storsim_machine_set_callback(m, answer, life);
    STEP(life, storsim_set_irql(m, 2, NULL));
    STEP(life, storsim_queue_dpc(m, 5, 6));
    status = storsim_set_irql(m, 0, NULL); /* delivers it: the callback itself may find no place for its record */
    CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY || status == STORSIM_CALLBACK);
    life->failed = life->failed || status != STORSIM_OK;
    storsim_machine_set_callback(m, NULL, NULL);
    STEP(life, storsim_memory_write(m, 0x1000, buffer, sizeof buffer));
    STEP(life, storsim_journal_note(life->kit.journal, "what", buffer, sizeof buffer));
    CHECK_EQ(storsim_digest(m, &checkpointed), STORSIM_OK);
}

static void test_refusing_host(void) {
    unsigned long total = 0;
    for (int persistent = 0; persistent < 1; persistent++) {
        for (unsigned long at = 0; at <= total; at++) {
            failing_host_t state = {.fail_at = at};
            const storsim_host_t hook = FAILING_HOOK(&state);
            sink_t to = {0};
            const storsim_journal_options_t options = {.host = &hook, .sink = at % 2 != 0 ? sink : NULL, .context = &to};
            life_t life;
            if (begin(&life, &options)) {
                use_views(&life);
                use_the_rest(&life, true);
                if (at == 0) {
                    total = state.requests;
                    CHECK(!life.failed);
                    CHECK(total > 5);
                    kit_replays(life.kit.journal);
                }
                kit_end(&life.kit);
            }
            CHECK_EQ(state.live, 0);
        }
    }
    printf("  %lu host allocations of a recording failed in turn\n", total);
}

/* The sink fails once, at every place in turn: the call under way, or the next one, says so; the machine goes on. */
static void test_refusing_sink(void) {
    bool refused = true;
    unsigned long at = 0;
    while (refused) {
        at++;
        sink_t to = {.refuse_at = at};
        const storsim_journal_options_t options = {.sink = sink, .context = &to};
        life_t life;
        if (begin(&life, &options)) {
            use_views(&life);
            use_the_rest(&life, true);
            kit_end(&life.kit);
        }
        refused = to.asked >= at;
    }
    CHECK(at > 50);
}

/* A view of more than can be watched ends the recording when it is made; destroying a journal ends its views. */
static void test_views_end(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    uint64_t physical, size, token, big = kit_dma(&kit, UINT64_C(260) << 20, &physical), small = kit_dma(&kit, 4096, &physical);
    storsim_allocation_t block;
    uint8_t *data;
    CHECK(storsim_allocation_at(kit.machine, small, &block));
    CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_OK);
    uint64_t none;
    uint8_t *nothing;
    CHECK_EQ(storsim_block_export(kit.machine, block.block + 99, true, &nothing, &size, &none), STORSIM_STALE); /* reserved in vain */
    CHECK(storsim_allocation_at(kit.machine, big, &block));
    CHECK(!storsim_journal_full(kit.journal));
    CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_OK);
    CHECK(storsim_journal_full(kit.journal));
    kit_replays(kit.journal);
    storsim_journal_destroy(kit.journal);
    storsim_machine_destroy(kit.machine);
}

/* --- behaviours --------------------------------------------------------------------------------------------------- */

static void test_behaviours(void) {
    const storsim_routine_t *row = storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool);
    storsim_routine_t unknown = *row;
    unknown.id = 60000;
    uint32_t bits = storsim_behaviour_bits(), index, added;
    size_t length = storsim_behaviour_bytes();
    CHECK(storsim_behaviour_outcome(NULL, 0)[0] == '\0' && storsim_behaviour_outcome(row, 1000)[0] == '\0');
    CHECK(storsim_behaviour_call(NULL, 0) == bits && storsim_behaviour_call(&unknown, 0) == bits && storsim_behaviour_call(row, 1000) == bits);
    CHECK(storsim_behaviour_finding(&unknown, 0) == bits && storsim_behaviour_finding(row, 100000) == bits);
    CHECK(storsim_behaviour_rule(100000) == NULL && storsim_behaviour_situation(STORSIM_F_STORPORT, 1000) == NULL);
    unknown.id = STORSIM_ID_HDAUDIO_END;
    CHECK_EQ(storsim_behaviour_call(&unknown, 0), bits);
    unknown.id = 0;
    CHECK_EQ(storsim_behaviour_call(&unknown, 0), bits);
    uint8_t *set = malloc(length), *other = malloc(length);
    CHECK(set != NULL && other != NULL);
    CHECK_EQ(storsim_behaviour_set_init(set, length - 1), STORSIM_INVALID);
    CHECK_EQ(storsim_behaviour_set_init(set, length), STORSIM_OK);
    CHECK_EQ(storsim_behaviour_set_init(other, length), STORSIM_OK);
    CHECK(!storsim_behaviour_set_next(set, length, 0, &index) && !storsim_behaviour_set_test(set, length, bits));
    CHECK(!storsim_behaviour_set_reached(set, length, NULL, 0) && !storsim_behaviour_set_rule_reached(set, length, 100000));
    other[STORSIM_BEHAVIOUR_HEADER] = 3;
    CHECK(storsim_behaviour_set_test(other, length, 0) && !storsim_behaviour_set_test(other, length, 5));
    CHECK_EQ(storsim_behaviour_set_merge(set, length, other, length, NULL), STORSIM_OK);
    CHECK_EQ(storsim_behaviour_set_merge(set, length, other, length, &added), STORSIM_OK);
    CHECK_EQ(added, 0);
    /* Bytes that are no set of these tables: nothing is in them, and they are not merged. */
    for (size_t at = 0; at < 20; at++) {
        other[at] ^= 1;
        CHECK(!storsim_behaviour_set_valid(other, length));
        CHECK_EQ(storsim_behaviour_set_merge(set, length, other, length, &added), STORSIM_FORMAT);
        CHECK_EQ(storsim_behaviour_set_merge(other, length, set, length, &added), STORSIM_FORMAT);
        if (at < 8) {
            CHECK(!storsim_behaviour_set_test(other, length, 0) && !storsim_behaviour_set_next(other, length, 0, &index));
            CHECK(!storsim_behaviour_set_reached(other, length, row, 0) && !storsim_behaviour_set_rule_reached(other, length, 0));
            CHECK_EQ(storsim_behaviour_set_count(other, length), 0);
        }
        other[at] ^= 1;
    }
    other[length - 1] |= 0x80;
    CHECK(storsim_behaviour_set_valid(other, length) == (bits % 8 == 0)); /* a bit beyond the last */
    CHECK(!storsim_behaviour_set_valid(set, length - 1));
    /* Of a machine that nobody watches, and before there is a kernel to watch. */
    storsim_machine_t *bare = machine_of(NULL);
    CHECK_EQ(storsim_behaviours_watch(bare), STORSIM_INVALID);
    storsim_machine_destroy(bare);
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_behaviours_clear(kit.machine);
    CHECK_EQ(storsim_behaviours_seen(kit.machine), 0);
    CHECK_EQ(storsim_behaviours_save(kit.machine, set, length), STORSIM_INVALID);
    CHECK_EQ(storsim_behaviours_collect(kit.machine, set, length), STORSIM_INVALID);
    CHECK_EQ(storsim_behaviours_watch(kit.machine), STORSIM_OK);
    CHECK_EQ(storsim_behaviours_watch(kit.machine), STORSIM_OK);
    (void)kit_pool(&kit, 100);
    CHECK(storsim_behaviours_seen(kit.machine) != 0);
    CHECK_EQ(storsim_behaviours_save(kit.machine, set, length - 1), STORSIM_INVALID);
    CHECK_EQ(storsim_behaviours_collect(kit.machine, set, length - 1), STORSIM_INVALID);
    set[0] ^= 1;
    CHECK_EQ(storsim_behaviours_collect(kit.machine, set, length), STORSIM_INVALID);
    CHECK_EQ(storsim_behaviours_save(kit.machine, set, length), STORSIM_OK);
    unsigned reached = 0;
    for (uint32_t outcome = 0; storsim_behaviour_outcome(row, outcome)[0] != '\0'; outcome++) {
        reached += storsim_behaviour_set_reached(set, length, row, outcome);
    }
    CHECK_EQ(reached, 1);
    storsim_behaviours_clear(kit.machine);
    CHECK_EQ(storsim_behaviours_seen(kit.machine), 0);
    kit_end(&kit);
    free(set);
    free(other);
}

/* --- operations --------------------------------------------------------------------------------------------------- */

/* Every operation with nothing in its arguments, on a machine with every room and on one with none: an answer, no
 * more. */
static void test_nothing(void) {
    for (int whole = 0; whole < 2; whole++) {
        for (int count = 0; count < 2; count++) {
            for (size_t index = 0; index < storsim_operation_count(); index++) {
                kit_t kit = kit_make(NULL, STORSIM_RELEASE);
                storsim_machine_t *bare = machine_of(NULL), *m = whole != 0 ? kit.machine : bare;
                storsim_operation_t operation;
                storsim_arg_t args[STORSIM_MAX_ARGS] = {{0}};
                uint64_t result = 99;
                CHECK(storsim_operation_at(index, &operation));
                for (uint8_t i = 0; i < operation.arg_count; i++) {
                    args[i].count = (uint32_t)count;
                }
                storsim_status_t status = storsim_operation_perform(m, &operation, args, index % 2 != 0 ? &result : NULL);
                CHECK(status != STORSIM_NO_MEMORY && status != STORSIM_BUGCHECK);
                CHECK_EQ(storsim_check(m, NULL, 0), 0);
                kit_end(&kit);
                storsim_machine_destroy(bare);
            }
        }
    }
    storsim_operation_t operation;
    CHECK(!storsim_operation_at(storsim_operation_count(), &operation) && !storsim_operation_get(0, &operation));
    CHECK(storsim_type_layout((storsim_type_t)-1) == NULL && storsim_type_layout(STORSIM_T_KINDS) == NULL);
}

/* Numbers outside their parameter's type are refused before anything happens. */
static void test_numbers_outside(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    size_t refused = 0;
    for (size_t index = 0; index < storsim_operation_count(); index++) {
        storsim_operation_t operation;
        CHECK(storsim_operation_at(index, &operation));
        for (uint8_t i = 0; i < operation.arg_count; i++) {
            storsim_arg_t args[STORSIM_MAX_ARGS] = {{0}};
            const storsim_param_t *param = storsim_operation_param(&operation, i);
            args[i].value = UINT64_C(0x100000000);
            bool number = (param->flags & STORSIM_P_IN) != 0 && (param->type == STORSIM_T_ULONG || param->type == STORSIM_T_USHORT ||
                          param->type == STORSIM_T_UCHAR || param->type == STORSIM_T_ENUM || param->type == STORSIM_T_IRQL);
            if (number && operation.perform != NULL) {
                CHECK_EQ(storsim_operation_perform(kit.machine, &operation, args, NULL), STORSIM_INVALID);
                refused++;
            }
        }
    }
    CHECK(refused > 50);
    kit_end(&kit);
}

/* The controller's loads and stores are recorded like anything else. */
static void test_nvme(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    uint64_t physical, list = kit_dma(&kit, 4096, &physical);
    uint32_t device = storsim_adapter_device(kit.machine, kit.adapter), status;
    uint8_t entry[16] = {0}, byte = 7;
    const storsim_nvme_identify_t identify = {.hmpre = 16};
    CHECK_EQ(storsim_nvme_attach(kit.machine, device, &identify), STORSIM_OK);
    for (int i = 0; i < 8; i++) {
        entry[i] = (uint8_t)(physical >> (8 * i));
    }
    entry[8] = 1;
    CHECK_EQ(storsim_write_va(kit.machine, list, entry, sizeof entry), STORSIM_OK);
    const uint32_t cdw[5] = {1, 1, (uint32_t)physical, (uint32_t)(physical >> 32), 1};
    CHECK_EQ(storsim_nvme_set_features(kit.machine, device, 0x0D, cdw, &status), STORSIM_OK);
    CHECK_EQ(status, STORSIM_NVME_SUCCESS);
    CHECK_EQ(storsim_nvme_hmb_write(kit.machine, device, 100, &byte, 1), STORSIM_OK);
    byte = 0;
    CHECK_EQ(storsim_nvme_hmb_read(kit.machine, device, 100, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 7);
    CHECK_EQ(storsim_nvme_verify(kit.machine, device), STORSIM_OK);
    CHECK_EQ(storsim_nvme_reset(kit.machine, device), STORSIM_OK);
    storsim_nvme_detach(kit.machine, device);
    CHECK_EQ(storsim_journal_seal(kit.journal), STORSIM_OK);
    kit_replays(kit.journal);
    kit_end(&kit);
}

/* --- what was recorded and what is -------------------------------------------------------------------------------- */

/* Any one byte of any record another: the bytes are refused, or the replay notices, or it is not what a replay looks
 * at. */
static void test_every_byte_counts(void) {
    life_t life;
    CHECK(begin(&life, NULL));
    use_views(&life);
    use_the_rest(&life, false);
    uint8_t *bytes;
    size_t length, refused = 0, noticed = 0, same = 0;
    CHECK_EQ(storsim_journal_encode(life.kit.journal, &bytes, &length), STORSIM_OK);
    uint8_t *work = malloc(length);
    CHECK(work != NULL);
    for (size_t at = 12; at < length; at++) {
        for (int way = 0; way < 3; way++) {
            memcpy(work, bytes, length);
            work[at] = (uint8_t)(way == 0 ? work[at] ^ 1 : way == 1 ? 0 : 0x12);
            kit_rechecked(work, length);
            storsim_journal_t *back;
            if (storsim_journal_decode(NULL, work, length, &back, NULL) != STORSIM_OK) {
                refused++;
                continue;
            }
            storsim_replay_report_t report;
            storsim_status_t status = storsim_journal_replay(back, NULL, NULL, &report);
            noticed += status != STORSIM_OK || report.different;
            same += status == STORSIM_OK && !report.different;
            CHECK(!report.different || report.text[0] != '\0');
            storsim_journal_destroy(back);
        }
    }
    CHECK(refused > 100 && noticed > 100);
    printf("  %zu refused, %zu noticed, %zu without consequence\n", refused, noticed, same);
    free(work);
    storsim_journal_free(life.kit.journal, bytes);
    kit_end(&life.kit);
}

/* Callbacks inside callbacks, deeper than a replay follows. */
static storsim_status_t deeper(void *context, storsim_callback_t *callback) {
    life_t *life = context;
    (void)callback;
    if (life->views[0]++ < 210) {
        storsim_status_t status = storsim_queue_dpc(life->kit.machine, 5, 6);
        CHECK_EQ(status, STORSIM_OK);
        return storsim_run_dpcs(life->kit.machine, NULL) == STORSIM_OK ? STORSIM_OK : STORSIM_OK;
    }
    return STORSIM_OK;
}

static void test_depth(void) {
    life_t life;
    CHECK(begin(&life, NULL));
    storsim_machine_set_callback(life.kit.machine, deeper, &life);
    CHECK_EQ(storsim_queue_dpc(life.kit.machine, 5, 6), STORSIM_OK);
    storsim_machine_set_callback(life.kit.machine, NULL, NULL);
    storsim_replay_report_t report;
    CHECK_EQ(storsim_journal_replay(life.kit.journal, NULL, NULL, &report), STORSIM_OK);
    CHECK(report.calls <= storsim_journal_calls(life.kit.journal));
    kit_end(&life.kit);
}

/* --- shrinking and links ------------------------------------------------------------------------------------------ */

static bool stop_asking(void *context, uint64_t tried, size_t calls) {
    (void)calls;
    return tried < *(const uint64_t *)context;
}

static life_t failing_life(const storsim_journal_options_t *options) {
    life_t life;
    CHECK(begin(&life, options));
    use_views(&life);
    uint8_t bytes[300] = {0};
    uint64_t block = kit_pool(&life.kit, 500);
    for (int i = 0; i < 6; i++) {
        (void)kit_pool(&life.kit, 100);
    }
    CHECK_EQ(storsim_write_va(life.kit.machine, block + 16, bytes, sizeof bytes), STORSIM_OK);
    CHECK_EQ(storsim_journal_note(life.kit.journal, "about", "it", 2), STORSIM_OK);
    (void)kit_free(&life.kit, block);
    (void)kit_free(&life.kit, block);
    return life;
}

static void test_shrink_edges(void) {
    life_t life = failing_life(NULL);
    storsim_journal_t *shrunk;
    storsim_shrink_report_t report;
    const storsim_finding_key_t other = {.kind = STORSIM_BUG_CHECK, .name = "NO_SUCH_THING", .code = 0x99};
    storsim_shrink_options_t options = {.key = &other};
    CHECK_EQ(storsim_journal_shrink(life.kit.journal, &options, &shrunk, &report), STORSIM_INVALID);
    for (uint64_t budget = 1; budget < 40; budget += 6) {
        options = (storsim_shrink_options_t){.budget = budget, .keep_arguments = budget % 2 != 0};
        CHECK_EQ(storsim_journal_shrink(life.kit.journal, &options, &shrunk, &report), STORSIM_OK);
        CHECK(!report.minimal && report.tried <= budget);
        kit_replays(shrunk);
        storsim_journal_destroy(shrunk);
        options = (storsim_shrink_options_t){.progress = stop_asking, .context = &budget};
        CHECK_EQ(storsim_journal_shrink(life.kit.journal, &options, &shrunk, &report), STORSIM_OK);
        CHECK(!report.minimal && report.tried <= budget + 1);
        storsim_journal_destroy(shrunk);
    }
    kit_end(&life.kit);
    kit_t clean = kit_make(NULL, STORSIM_RELEASE);
    CHECK_EQ(storsim_journal_shrink(clean.journal, NULL, &shrunk, &report), STORSIM_INVALID); /* nothing is wrong with it */
    kit_end(&clean);
}

static void test_refusing_host_later(void) {
    unsigned long total[3] = {1, 1, 1};
    for (int what = 0; what < 3; what++) {
        for (unsigned long at = 1; at <= total[what]; at += 1 + at / 200) {
            failing_host_t state = {0};
            const storsim_host_t hook = FAILING_HOOK(&state);
            const storsim_journal_options_t options = {.host = &hook};
            life_t life = failing_life(&options);
            storsim_journal_t *shrunk = NULL;
            storsim_journal_links_t *links = NULL;
            storsim_shrink_report_t report;
            const storsim_shrink_options_t few = {.budget = 12};
            uint8_t *bytes = NULL;
            size_t length;
            state.requests = 0;
            state.fail_at = at;
            storsim_status_t status = what == 0   ? storsim_journal_encode(life.kit.journal, &bytes, &length)
                                      : what == 1 ? storsim_journal_link(life.kit.journal, &links)
                                                  : storsim_journal_shrink(life.kit.journal, &few, &shrunk, &report);
            CHECK(status == STORSIM_NO_MEMORY || status == STORSIM_OK);
            total[what] = status == STORSIM_OK ? at : at + 1 + at / 200;
            storsim_journal_free(life.kit.journal, bytes);
            storsim_links_destroy(links);
            storsim_journal_destroy(shrunk);
            kit_end(&life.kit);
            CHECK_EQ(state.live, 0);
        }
    }
    printf("  %lu, %lu, %lu host allocations of encoding, linking, shrinking\n", total[0], total[1], total[2]);
}

static void test_links_of_nothing(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    storsim_journal_links_t *links;
    (void)kit_pool(&kit, 100);
    CHECK_EQ(storsim_journal_link(kit.journal, &links), STORSIM_OK);
    CHECK_EQ(storsim_links_get(links, 0, 0, 0, 0).record, STORSIM_NO_RECORD);
    CHECK_EQ(storsim_links_get(links, 99999, 0, 0, 0).record, STORSIM_NO_RECORD);
    CHECK_EQ(storsim_links_get(links, (uint32_t)storsim_journal_count(kit.journal) - 2, 0, 1, 0).record, STORSIM_NO_RECORD);
    CHECK(storsim_links_get(links, (uint32_t)storsim_journal_count(kit.journal) - 2, 0, 0, 0).record != STORSIM_NO_RECORD);
    storsim_links_destroy(links);
    kit_end(&kit);
}

int main(void) {
    test_attach();
    test_beginning_refused();
    test_fresh();
    test_sure();
    test_behaviours();
    test_moments();
    test_too_large_for_a_record();
    test_refusing_host();
    test_refusing_sink();
    test_views_end();
    test_nothing();
    test_numbers_outside();
    test_nvme();
    test_every_byte_counts();
    test_depth();
    test_shrink_edges();
    test_refusing_host_later();
    test_links_of_nothing();
    return CHECK_DONE();
}
