/* tests/journal/test_program.c: what journals of Storport miniports shrink to, and programs that were changed by hand
 * where no journal can lead: answers that come twice, stores that do not fit, callbacks inside callbacks without
 * end. */
#include "tests/check.h"

#include "storsim/hda.h"
#include "storsim/journal.h"

#define RECORDED "tests/storport/kit.h"
#include "recorded.h"

#include "journal/journal_i.h"
#include "machine/operations.h"
#include "nt/operations.h"

/* --- shrinking ---------------------------------------------------------------------------------------------------- */

static bench_t begin(storsim_level_t level) {
    setup_t setup = defaults();
    setup.nt.level = level;
    return boot(&setup);
}

static void end(bench_t *b) {
    storsim_machine_destroy(b->m);
    storsim_journal_destroy(kept);
}

/* The journal shrunk to `calls` calls; what is left, which has to replay. */
static storsim_journal_t *shrunk_to(size_t calls, const storsim_shrink_options_t *options) {
    storsim_journal_t *shrunk = NULL;
    storsim_shrink_report_t report;
    storsim_replay_report_t replay;
    CHECK_EQ(storsim_journal_shrink(kept, options, &shrunk, &report), STORSIM_OK);
    CHECK(report.minimal);
    CHECK_EQ(report.calls_after, calls);
    CHECK_EQ(storsim_journal_replay(shrunk, NULL, NULL, &replay), STORSIM_OK);
    CHECK(!replay.different);
    return shrunk;
}

/* An argument of the last call of a name. */
static storsim_arg_t argument(const storsim_journal_t *journal, const char *name, uint8_t index, uint8_t *bytes) {
    storsim_journal_cursor_t *cursor;
    storsim_record_t record;
    storsim_arg_t found = {0};
    bool over = false;
    CHECK_EQ(storsim_journal_open(journal, &cursor), STORSIM_OK);
    while (storsim_journal_next(cursor, &record, &over) == STORSIM_OK && !over) {
        if (record.kind == STORSIM_RECORD_CALL && strcmp(record.operation.name, name) == 0) {
            found = record.args[index];
            if (bytes != NULL && found.count != 0) {
                *bytes = *(const uint8_t *)found.data;
            }
        }
    }
    storsim_journal_close(cursor);
    return found;
}

/* A store into memory that was given back: of what is stored one byte is left, of the block a page. */
static void test_store(void) {
    bench_t b = begin(STORSIM_VERIFIER);
    uint8_t bytes[100], first = 0;
    memset(bytes, 0x5A, sizeof bytes);
    uint64_t block = pool(&b, 5000);
    EXPECT(CALL(&b, FreePool, block), S(SUCCESS));
    (void)storsim_write_va(b.m, block + 700, bytes, sizeof bytes);
    CHECK(violations(&b) != 0);
    storsim_journal_t *shrunk = shrunk_to(4, NULL); /* adapter, block, free, store */
    storsim_arg_t stored = argument(shrunk, "write_va", 1, &first);
    CHECK(stored.count == 1 && first == 0x5A);
    CHECK_EQ(argument(shrunk, "StorPortAllocatePool", 1, NULL).value, STORSIM_PAGE_SIZE); /* the place has to be in it */
    storsim_journal_destroy(shrunk);
    /* Whatever the budget, the search ends there, with something that still has the finding. */
    for (uint64_t budget = 1; budget < 60; budget++) {
        const storsim_shrink_options_t few = {.budget = budget};
        storsim_shrink_report_t report;
        storsim_replay_report_t replay;
        CHECK_EQ(storsim_journal_shrink(kept, &few, &shrunk, &report), STORSIM_OK);
        CHECK(report.tried <= budget && report.calls_after >= 4);
        CHECK_EQ(storsim_journal_replay(shrunk, NULL, NULL, &replay), STORSIM_OK);
        CHECK(!replay.different);
        storsim_journal_destroy(shrunk);
    }
    end(&b);
}

/* A store into a list of the port's: any place in it is as good. */
static void test_offset(void) {
    bench_t b = begin(STORSIM_VERIFIER);
    const storsim_srb_config_t request = {.length = 9000, .write = true};
    uint64_t srb = 0;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &request, &srb), STORSIM_OK);
    uint64_t list = CALL(&b, GetScatterGatherList, srb).result;
    CHECK(list != 0);
    (void)storsim_write_va(b.m, list + 24, "x", 1);
    CHECK(violations(&b) != 0);
    storsim_journal_t *shrunk = shrunk_to(4, NULL); /* adapter, request, list, store */
    CHECK_EQ(argument(shrunk, "write_va", 0, NULL).value, list);
    storsim_journal_destroy(shrunk);
    end(&b);
}

/* A block given back in its middle: that place matters, and stays. */
static void test_place(void) {
    bench_t b = begin(STORSIM_VERIFIER);
    uint64_t block = pool(&b, 500);
    (void)CALL(&b, FreePool, block + 64);
    CHECK(storsim_stopped(b.m) != NULL);
    storsim_journal_t *shrunk = shrunk_to(3, NULL);
    CHECK_EQ(argument(shrunk, "StorPortFreePool", 1, NULL).value % STORSIM_PAGE_SIZE, (block + 64) % STORSIM_PAGE_SIZE);
    storsim_journal_destroy(shrunk);
    end(&b);
}

static uint64_t put_in_callback;

static storsim_status_t hears(void *context, storsim_callback_t *callback) {
    bench_t *b = context;
    if (callback->kind == STORSIM_CB_SG_EXECUTE) {
        put_in_callback = CALL(b, PutScatterGatherList, callback->values[2], 1).result;
    }
    return STORSIM_OK;
}

/* A list that a callback was given, put back there and then again: what names it is the callback. */
static void test_list(void) {
    setup_t setup = defaults();
    bench_t b = {0};
    setup.nt.level = STORSIM_VERIFIER;
    setup.callback = hears;
    setup.callback_host = &b;
    setup.adapter.sg_delivery = STORSIM_SG_IMMEDIATE;
    b = boot(&setup);
    uint64_t data = contig_va(&b, 12288), room = pool(&b, 400);
    outcome_t mdl = CALL(&b, AllocateMdl, data, 12288);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, PARAM(mdl, 3)), S(SUCCESS));
    level(&b, 2);
    EXPECT(CALL(&b, BuildScatterGatherList, PARAM(mdl, 3), data, 5000, 21, 22, 1, room, 400), S(SUCCESS));
    CHECK_EQ(put_in_callback, S(SUCCESS));
    (void)CALL(&b, PutScatterGatherList, room, 1);
    CHECK(violations(&b) != 0);
    storsim_journal_links_t *links = NULL;
    CHECK_EQ(storsim_journal_link(kept, &links), STORSIM_OK);
    uint32_t last = (uint32_t)storsim_journal_count(kept) - 2;
    storsim_reference_t ref = storsim_links_get(links, last, 1, 0, 0);
    CHECK(ref.record != STORSIM_NO_RECORD && ref.output == 2);
    CHECK_EQ(storsim_links_get(links, last, 1, 0, 1).record, STORSIM_NO_RECORD); /* it has no members */
    storsim_links_destroy(links);
    storsim_journal_t *shrunk = NULL;
    storsim_shrink_report_t report;
    storsim_replay_report_t replay;
    CHECK_EQ(storsim_journal_shrink(kept, NULL, &shrunk, &report), STORSIM_OK);

    CHECK(report.minimal && report.calls_after <= report.calls_before);
    CHECK_EQ(storsim_journal_replay(shrunk, NULL, NULL, &replay), STORSIM_OK);
    CHECK(!replay.different);
    storsim_journal_destroy(shrunk);
    end(&b);
}

/* A device writes where a routine's result said, after the memory was given back. */
static void test_result(void) {
    bench_t b = begin(STORSIM_VERIFIER);
    uint64_t block = contig_va(&b, 8192);
    outcome_t physical = CALL(&b, GetPhysicalAddress, 0, block);
    CHECK(physical.result != 0);
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, physical.result, "x", 1), STORSIM_OK);
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, block, 8192, CACHED), S(SUCCESS));
    (void)storsim_adapter_dma_write(b.m, b.adapter, physical.result, "x", 1);
    CHECK(violations(&b) != 0);
    storsim_journal_destroy(shrunk_to(5, NULL)); /* adapter, block, its address, free, write */
    end(&b);
}

/* A device uses a piece of a host memory buffer that was given back. */
static void test_ranges(void) {
    bench_t b = begin(STORSIM_VERIFIER);
    const hmb_args_t args = {.minimum = 4096, .preferred = 65536, .utilization = 4096, .alignment = 4096, .count = 64};
    hmb_t hmb = hmb_take(&b, &args);
    CHECK(hmb.result == S(SUCCESS) && hmb.count != 0);
    uint64_t place = hmb.ranges[hmb.count - 1].RangeStart;
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, place + 16, "x", 1), STORSIM_OK);
    (void)hmb_free(&b, NULL, 3); /* of nothing */
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    (void)storsim_adapter_dma_write(b.m, b.adapter, place + 16, "x", 1);
    CHECK(violations(&b) != 0);
    storsim_journal_destroy(shrunk_to(4, NULL)); /* adapter, buffer, its end, write */
    end(&b);
}

/* What was found before the machine went back is found no more; of two findings of one call the first is enough. */
static void test_going_back(void) {
    bench_t b = begin(STORSIM_VERIFIER);
    uint8_t *bytes = NULL;
    size_t length = 0, leak = 0, leaks = 0;
    uint64_t block = pool(&b, 100);
    EXPECT(CALL(&b, FreePool, block), S(SUCCESS));
    CHECK_EQ(storsim_snapshot(b.m, &bytes, &length), STORSIM_OK);
    (void)storsim_write_va(b.m, block, "x", 1);
    CHECK_EQ(storsim_finding_count(b.m), 1);
    CHECK_EQ(storsim_restore(b.m, bytes, length, NULL), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(b.m), 0);
    storsim_snapshot_free(b.m, bytes);
    (void)pool(&b, 100);
    (void)pool(&b, 200);
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &leak, &leaks), STORSIM_BUGCHECK);
    CHECK(leaks == 2 && found(&b, "POOL_LEAK") == 3); /* each block, and the stop */
    const storsim_finding_key_t key = storsim_finding_key(storsim_finding_get(b.m, 0));
    const storsim_shrink_options_t options = {.key = &key};
    storsim_journal_destroy(shrunk_to(3, &options)); /* adapter, block, end of the adapter */
    end(&b);
}

/* A state that came from another machine is what the finding needs: a snapshot has no simpler form. */
static void test_foreign_state(void) {
    setup_t setup = defaults();
    uint8_t *bytes = NULL;
    size_t length = 0;
    setup.nt.level = STORSIM_VERIFIER;
    bench_t other = boot(&setup);
    storsim_journal_t *unused = kept;
    uint64_t block = pool(&other, 100);
    EXPECT(CALL(&other, FreePool, block), S(SUCCESS));
    CHECK_EQ(storsim_snapshot(other.m, &bytes, &length), STORSIM_OK);
    bench_t b = boot(&setup);
    CHECK_EQ(storsim_restore(b.m, bytes, length, NULL), STORSIM_OK);
    (void)storsim_write_va(b.m, block, "x", 1);
    CHECK(storsim_finding_count(b.m) == 1 && strcmp(storsim_finding_get(b.m, 0)->name, "USE_AFTER_FREE") == 0);
    storsim_journal_t *shrunk = shrunk_to(2, NULL);
    CHECK_EQ(argument(shrunk, "restore", 1, NULL).count, length);
    storsim_journal_destroy(shrunk);
    storsim_snapshot_free(other.m, bytes);
    end(&b);
    storsim_machine_destroy(other.m);
    storsim_journal_destroy(unused);
}

static void poke32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* A list of buffers that the host wrote through a view: without that store nothing plays to its end. */
static void test_view(void) {
    bench_t b = begin(STORSIM_RELEASE);
    storsim_hda_config_t config;
    uint32_t hda = 0, records = 0;
    uint8_t *data;
    uint64_t size, token, va = dma_va(&b, 4096), physical = storsim_physical(b.m, va);
    storsim_allocation_t block;
    storsim_hda_config_init(&config);
    CHECK_EQ(storsim_hda_attach(b.m), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(b.m, &config, &hda), STORSIM_OK);
    CHECK(storsim_allocation_at(b.m, va, &block));
    CHECK_EQ(storsim_block_export(b.m, block.block, true, &data, &size, &token), STORSIM_OK);
    for (int i = 0; i < 2; i++) {
        poke32(data + 16 * i, (uint32_t)physical + 2048);
        poke32(data + 16 * i + 4, (uint32_t)(physical >> 32));
        poke32(data + 16 * i + 8, 128);
    }
    const uint32_t stores[][3] = {{0x112, 2, 0x11}, {0x108, 4, 300}, {0x10C, 2, 1}, {0x118, 4, (uint32_t)physical}, {0x11C, 4, (uint32_t)(physical >> 32)}, {0x100, 1, 2}};
    CHECK_EQ(storsim_hda_mmio_write(b.m, hda, 8, 4, 1), STORSIM_OK);
    CHECK_EQ(storsim_advance(b.m, 500), STORSIM_OK);
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        CHECK_EQ(storsim_hda_mmio_write(b.m, hda, stores[i][0], stores[i][1], stores[i][2]), STORSIM_OK);
    }
    CHECK_EQ(storsim_advance(b.m, 100 * 500), STORSIM_OK);
    CHECK_EQ(found(&b, "CBL_MISMATCH"), 1);
    storsim_finding_key_t key = {0};
    for (size_t i = 0; i < storsim_finding_count(b.m); i++) {
        if (strcmp(storsim_finding_get(b.m, i)->name, "CBL_MISMATCH") == 0) {
            key = storsim_finding_key(storsim_finding_get(b.m, i));
        }
    }
    const storsim_shrink_options_t options = {.key = &key};
    storsim_journal_t *shrunk = NULL;
    storsim_shrink_report_t report;
    CHECK_EQ(storsim_journal_shrink(kept, &options, &shrunk, &report), STORSIM_OK);
    CHECK(report.minimal);
    storsim_replay_report_t replay;
    CHECK_EQ(storsim_journal_replay(shrunk, NULL, NULL, &replay), STORSIM_OK);
    CHECK(!replay.different);
    CHECK_EQ(argument(shrunk, "block_export", 2, NULL).value, 1); /* what can only be read is not written through */
    storsim_journal_cursor_t *cursor;
    storsim_record_t record;
    bool over = false;
    CHECK_EQ(storsim_journal_open(shrunk, &cursor), STORSIM_OK);
    while (storsim_journal_next(cursor, &record, &over) == STORSIM_OK && !over) {
        records += record.kind == STORSIM_RECORD_STORE;
    }
    storsim_journal_close(cursor);
    CHECK_EQ(records, 1);
    storsim_journal_destroy(shrunk);
    end(&b);
}

/* --- programs changed by hand ------------------------------------------------------------------------------------- */

typedef struct work {
    ss_host_t host;
    ss_program_t program;
    ss_run_t run;
    storsim_replay_report_t report;
    failing_host_t state;
    storsim_host_t hook;
} work_t;

/* The program of the journal that was kept, and a run of it. */
static void load(work_t *work, bool lenient) {
    *work = (work_t){.state = {0}};
    work->hook = (storsim_host_t)FAILING_HOOK(&work->state);
    ss_host_init(&work->host, NULL);
    CHECK_EQ(ss_program_load(&work->program, &work->host, kept), STORSIM_OK);
    CHECK_EQ(ss_program_link(&work->program, NULL), STORSIM_OK);
    work->run = (ss_run_t){.program = &work->program, .host = &work->host, .machine_host = &work->hook, .lenient = lenient, .context = work};
    if (lenient) {
        work->run.values = ss_alloc_zeroed(&work->host, work->program.slot_count + 1u, sizeof *work->run.values);
        work->run.queue = ss_alloc_zeroed(&work->host, work->program.answer_count + 1u, sizeof *work->run.queue);
    } else {
        work->run.report = &work->report;
    }
}

static storsim_status_t go(work_t *work) {
    storsim_status_t status = ss_run_program(&work->run, NULL);
    CHECK_EQ(storsim_check(work->run.machine, NULL, 0), 0);
    storsim_machine_destroy(work->run.machine);
    return status;
}

static void unload(work_t *work) {
    ss_run_end(&work->run);
    ss_program_destroy(&work->program);
    CHECK_EQ(work->host.live_blocks, 0);
    CHECK_EQ(work->state.live, 0);
}

/* The n-th item of a name. */
static uint32_t item_of(const work_t *work, const char *name, uint32_t n) {
    for (uint32_t i = 0; i < work->program.item_count; i++) {
        const ss_item_t *item = &work->program.items[i];
        const char *own = item->kind == STORSIM_RECORD_CALL ? item->operation.name : item->kind == STORSIM_RECORD_STORE ? "store" : "seal";
        if (strcmp(own, name) == 0 && n-- == 0) {
            return i;
        }
    }
    CHECK(false);
    return 0;
}

static uint64_t asks_seen;

/* A capture stream that lasts a while. */
static void record_something(bench_t *b, uint64_t va) {
    const uint64_t physical = storsim_physical(b->m, va);
    storsim_hda_config_t config;
    uint32_t hda = 0, response;
    uint8_t list[32] = {0};
    storsim_hda_config_init(&config);
    CHECK_EQ(storsim_hda_attach(b->m), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(b->m, &config, &hda), STORSIM_OK);
    CHECK_EQ(storsim_codec_add_ideal(b->m, hda, 0), STORSIM_OK);
    for (int i = 0; i < 2; i++) {
        poke32(list + 16 * i, (uint32_t)physical + 2048);
        poke32(list + 16 * i + 4, (uint32_t)(physical >> 32));
        poke32(list + 16 * i + 8, 1024);
    }
    CHECK_EQ(storsim_write_va(b->m, va, list, sizeof list), STORSIM_OK);
    CHECK_EQ(storsim_hda_mmio_write(b->m, hda, 8, 4, 1), STORSIM_OK);
    CHECK_EQ(storsim_advance(b->m, 30 * 500), STORSIM_OK);
    CHECK_EQ(storsim_codec_command(b->m, hda, 0, 0x02020011, &response), STORSIM_OK);
    CHECK_EQ(storsim_codec_command(b->m, hda, 0, 0x02070610, &response), STORSIM_OK);
    CHECK_EQ(storsim_codec_source(b->m, hda, 0, 1, 7, 8), STORSIM_OK);
    const uint32_t stores[][3] = {{0x82, 1, 0x10}, {0x92, 2, 0x11}, {0x88, 4, 2048}, {0x8C, 2, 1}, {0x98, 4, (uint32_t)physical},
                                  {0x9C, 4, (uint32_t)(physical >> 32)}, {0x80, 1, 2}};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        CHECK_EQ(storsim_hda_mmio_write(b->m, hda, stores[i][0], stores[i][1], stores[i][2]), STORSIM_OK);
    }
    CHECK_EQ(storsim_advance(b->m, 100 * 500), STORSIM_OK);
    CHECK_EQ(storsim_hda_mmio_write(b->m, hda, 0x80, 1, 0), STORSIM_OK);
    CHECK_EQ(storsim_codec_source(b->m, hda, 0, 1, 0, 0), STORSIM_OK);
}

static storsim_status_t answers(void *context, storsim_callback_t *callback) {
    (void)context;
    asks_seen++;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE) {
        memset(callback->data, 0x11, callback->data_bytes);
        callback->result = callback->data_bytes;
    } else {
        callback->result = 0;
    }
    return STORSIM_OK;
}

/* A machine with a view, a predicate that is asked, a codec that asks for what it sends, an MDL, a buffer of ranges. */
static bench_t everything(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_RELEASE;
    setup.callback = answers;
    bench_t b = boot(&setup);
    uint8_t *data, bytes[8];
    uint64_t size, token, va = dma_va(&b, 4096);
    storsim_allocation_t block;
    uint32_t rule;
    const storsim_fault_rule_t asks = {.kind = STORSIM_FAULT_PREDICATE, .routine = STORSIM_ID_StorPortAllocatePool, .predicate = 5};
    CHECK(storsim_allocation_at(b.m, va, &block));
    CHECK_EQ(storsim_block_export(b.m, block.block, true, &data, &size, &token), STORSIM_OK);
    data[100] = 0x77;
    data[101] = 0x78;
    CHECK_EQ(storsim_read_va(b.m, va + 100, bytes, 2), STORSIM_OK);
    outcome_t mdl = CALL(&b, AllocateMdl, va, 4096);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, PARAM(mdl, 3)), S(SUCCESS));
    EXPECT(CALL(&b, FreeMdl, PARAM(mdl, 3)), S(SUCCESS));
    const hmb_args_t args = {.minimum = 4096, .preferred = 65536, .utilization = 4096, .alignment = 4096, .count = 64};
    hmb_t hmb = hmb_take(&b, &args);
    CHECK_EQ(storsim_adapter_dma_write(b.m, b.adapter, hmb.ranges[0].RangeStart, "x", 1), STORSIM_OK);
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    CHECK_EQ(storsim_fault_add(b.m, &asks, &rule), STORSIM_OK);
    uint64_t first = pool(&b, 100), second = pool(&b, 100);
    EXPECT(CALL(&b, FreePool, first), S(SUCCESS));
    EXPECT(CALL(&b, FreePool, second), S(SUCCESS));
    record_something(&b, va);
    CHECK_EQ(storsim_journal_seal(kept), STORSIM_OK);
    CHECK_EQ(storsim_block_unexport(b.m, token), STORSIM_OK);
    return b;
}

static void use_up(ss_run_t *run, uint32_t item) {
    if (item == run->program->answers[0].parent) {
        memset(run->queue, 1, run->program->answer_count * sizeof *run->queue);
    }
}

static void asked_again(ss_run_t *run, uint32_t answer, const storsim_callback_t *callback) {
    (void)callback;
    run->queue[answer] = 0;
    asks_seen++;
}

/* The host gives nothing while one item runs. */
static uint32_t refused_item;

static void refuse(ss_run_t *run, uint32_t item) {
    work_t *work = run->context;
    work->state.persistent = 1;
    work->state.fail_at = item == refused_item ? 1 : 0;
}

static void test_answers(void) {
    work_t work;
    /* All answers are used up: the host does nothing. */
    load(&work, true);
    work.run.before = use_up;
    CHECK_EQ(go(&work), STORSIM_OK);
    CHECK(!work.run.stop);
    unload(&work);
    /* A callback from inside its own answer, without end: the run ends. */
    load(&work, true);
    uint32_t taker = item_of(&work, "StorPortAllocatePool", 0);
    CHECK_EQ(work.program.items[taker].callbacks, 0);
    work.program.answers[0].items = taker;
    work.program.items[taker].next = SS_NOTHING; /* nothing follows inside the answer */
    work.run.asked = asked_again;
    asks_seen = 0;
    (void)go(&work);
    CHECK_EQ(asks_seen, 200);
    CHECK(work.run.stop);
    unload(&work);
    /* An answer with bytes where none are asked for, and one with more than there is room for. */
    static uint8_t many[100000] = {1, 2, 3};
    for (int way = 0; way < 3; way++) {
        load(&work, true);
        for (uint32_t i = 0; i < work.program.answer_count; i++) {
            ss_answer_t *answer = &work.program.answers[i];
            if ((answer->callback.kind == STORSIM_CB_CODEC_SOURCE) == (way != 0)) {
                answer->data = many;
                answer->data_bytes = way == 2 ? sizeof many : 3;
                answer->result = way == 1 ? 2 : UINT64_MAX;
            }
        }
        CHECK_EQ(go(&work), STORSIM_OK);
        unload(&work);
    }
}

static void test_stores_by_hand(void) {
    work_t work;
    for (int way = 0; way < 5; way++) {
        load(&work, true);
        uint32_t store = item_of(&work, "store", 0);
        ss_item_t *item = &work.program.items[store];
        switch (way) {
        case 0: item->ref_count = 0; break;                                /* the view's name as it was */
        case 1: item->args[1].value = 5000; break;                          /* behind its end */
        case 2: item->args[2].count = 4097; break;                          /* longer than it is */
        case 3: item->args[2].count = 0; break;                             /* nothing */
        default: work.program.first = store, item->next = SS_NOTHING; break; /* before there is a kernel */
        }
        CHECK_EQ(go(&work), STORSIM_OK);
        unload(&work);
    }
    /* Exactly: what is read behind a store that did not fit is not what was read. */
    load(&work, false);
    work.program.items[item_of(&work, "store", 0)].args[1].value = 5000;
    CHECK_EQ(go(&work), STORSIM_OK);
    CHECK(work.report.different && strstr(work.report.text, "read_va") != NULL);
    unload(&work);
}

static void test_references(void) {
    work_t work;
    /* By the mapping of what is no MDL: nowhere. A range that is not given out any more: nowhere. */
    for (int way = 0; way < 2; way++) {
        load(&work, true);
        for (uint32_t i = 0; i < work.program.ref_count; i++) {
            ss_slot_t *slot = &work.program.slots[work.program.refs[i].slot];
            if (way == 0 && !slot->of_answer && work.program.items[slot->source].operation.id == STORSIM_ID_StorPortAllocatePool) {
                work.program.refs[i].by = STORSIM_BY_MAPPING;
            }
            if (way == 1 && !slot->of_answer && work.program.items[slot->source].operation.id == STORSIM_ID_StorPortAllocateHostMemoryBuffer) {
                slot->element = 1000;
            }
        }
        CHECK_EQ(go(&work), STORSIM_OK);
        unload(&work);
    }
    /* The buffer is not given at all. */
    load(&work, true);
    work.program.items[item_of(&work, "StorPortAllocateHostMemoryBuffer", 0)].args[0].value = 0;
    CHECK_EQ(go(&work), STORSIM_OK);
    unload(&work);
}

static void test_hosts_by_hand(void) {
    work_t work;
    /* A call that the host refused when it was recorded, and refuses again; one that it refuses now. */
    for (int way = 0; way < 2; way++) {
        load(&work, false);
        refused_item = item_of(&work, "fault_add", 0);
        work.run.before = refuse;
        work.program.items[refused_item].status = way == 0 ? STORSIM_NO_MEMORY : STORSIM_OK;
        storsim_status_t status = go(&work);
        CHECK_EQ(status, way == 0 ? STORSIM_OK : STORSIM_NO_MEMORY);
        unload(&work);
    }
}

/* --- records made by hand ----------------------------------------------------------------------------------------- */

static uint8_t *number(uint8_t *at, uint64_t value) {
    uint8_t *head = at++;
    for (; value != 0; value >>= 8) {
        *at++ = (uint8_t)value;
    }
    *head = (uint8_t)(at - head - 1);
    return at;
}

/* The record of a machine of one range. */
static size_t machine_record(uint8_t *body, uint64_t placement, uint64_t trace) {
    uint8_t *at = body;
    *at++ = STORSIM_RECORD_MACHINE;
    at = number(number(number(number(number(at, 1), placement), 0), 7), trace);
    at = number(number(number(number(at, 1), 0x1000), 0x10000), 0);
    *at++ = SS_CODE_DATA;
    at = number(at, 1);
    *at++ = 10; /* a distance */
    return (size_t)(at - body);
}

static void test_records(void) {
    uint8_t body[300];
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    ss_host_t host;
    uint32_t site = 0;
    storsim_record_t record;
    ss_host_init(&host, &hook);
    ss_arena_t arena = {&host, NULL};
    size_t length = machine_record(body, STORSIM_ADVERSARIAL, UINT32_MAX);
    CHECK_EQ(ss_parse(body, length, &site, &arena, &record), STORSIM_OK);
    CHECK(record.args[5].count == 3 && record.args[6].count == 1);
    ss_arena_clear(&arena);
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(ss_parse(body, length, &site, &arena, &record), STORSIM_NO_MEMORY); /* the first array or both, it is told once */
    state.fail_at = 0;
    length = machine_record(body, STORSIM_ADVERSARIAL + 1, 0);
    CHECK_EQ(ss_parse(body, length, &site, &arena, &record), STORSIM_FORMAT);
    length = machine_record(body, STORSIM_TOP_DOWN, UINT64_C(1) << 32);
    CHECK_EQ(ss_parse(body, length, &site, &arena, &record), STORSIM_FORMAT);
    ss_arena_clear(&arena);
    CHECK_EQ(state.live, 0);
    /* A file whose next record has no byte, or more than any. */
    bench_t b = begin(STORSIM_RELEASE);
    uint8_t *bytes;
    CHECK_EQ(storsim_journal_encode(kept, &bytes, &length), STORSIM_OK);
    uint8_t *longer = malloc(length + 4);
    CHECK(longer != NULL);
    memcpy(longer, bytes, length);
    for (int way = 0; way < 2; way++) {
        storsim_journal_t *back = NULL;
        size_t where = 0;
        (void)ss_put_u32(longer + length, way == 0 ? 0 : UINT32_MAX);
        CHECK_EQ(storsim_journal_decode(NULL, longer, length + 4, &back, &where), STORSIM_FORMAT);
        CHECK(back == NULL && where == length);
    }
    free(longer);
    storsim_journal_free(kept, bytes);
    /* Elements that came out are never a hash. */
    const hmb_args_t args = {.minimum = 4096, .preferred = 65536, .utilization = 4096, .alignment = 4096, .count = 64};
    uint8_t byte;
    CHECK_EQ(storsim_read_va(b.m, b.ext, &byte, 1), STORSIM_OK);
    /* No record can be cut, and what a cut one asked for is given back. */
    for (const ss_journal_block_t *part = kept->first; part != NULL; part = part->next) {
        for (size_t at = 0; at < part->used; at += ss_get_u32(part->bytes + at) + 4u) {
            for (uint32_t cut = 0; cut < ss_get_u32(part->bytes + at); cut++) {
                CHECK_EQ(ss_parse(part->bytes + at + 4, cut, &site, &arena, &record), STORSIM_FORMAT);
                ss_arena_clear(&arena);
            }
        }
    }
    CHECK_EQ(state.live, 0);
    CHECK_EQ(hmb_take(&b, &args).result, S(SUCCESS));
    const ss_journal_block_t *block = kept->last;
    size_t last = 0, seen = 0;
    for (size_t at = 0; at < block->used; at += ss_get_u32(block->bytes + at) + 4u) {
        last = at;
    }
    length = ss_get_u32(block->bytes + last);
    CHECK(length <= sizeof body);
    memcpy(body, block->bytes + last + 4, length);
    for (size_t i = 0; i < length; i++) {
        if (body[i] == SS_CODE_DATA) {
            body[i] = SS_CODE_HASH;
            seen += ss_parse(body, length, &site, NULL, &record) == STORSIM_FORMAT;
            body[i] = SS_CODE_DATA;
        }
    }

    CHECK(seen != 0);
    CHECK_EQ(ss_parse(body, length, &site, NULL, &record), STORSIM_OK);
    end(&b);
}

static void test_by_hand(void) {
    bench_t b = everything();
    work_t work;
    /* As it is, it runs both ways. */
    for (int lenient = 0; lenient < 2; lenient++) {
        load(&work, lenient != 0);
        CHECK_EQ(go(&work), STORSIM_OK);
        CHECK(!work.report.different && work.run.calls == work.program.calls);
        unload(&work);
    }
    test_answers();
    test_stores_by_hand();
    test_references();
    test_hosts_by_hand();
    end(&b);
}

int main(void) {
    test_store();
    test_offset();
    test_place();
    test_list();
    test_result();
    test_ranges();
    test_going_back();
    test_foreign_state();
    test_view();
    test_by_hand();
    test_records();
    return CHECK_DONE();
}
