/* tests/journal/test_edges_run.c: keys of findings, codecs described in a recording, references by mapping and by page,
 * callbacks that come more often than recorded, and hosts that refuse while a journal is read, replayed, sealed, linked
 * or shrunk. */
#include "kit.h"

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* A first parameter that is an address differs from run to run: it is no part of the key. */
static void test_keys(void) {
    static const uint64_t addresses[] = {0x0A, 0x50, 0xC5, 0xC9, 0xD1, 0xD5, 0xCC, 0xCD, 0xD6}, reasons[] = {0xC2, 0xC4, 0xE6, 0x9F};
    storsim_finding_t finding = {.kind = STORSIM_BUG_CHECK, .name = "ONE", .routine = 3, .parameters = {0x1234}};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        finding.code = addresses[i];
        CHECK_EQ(storsim_finding_key(&finding).parameter1, 0);
        CHECK_EQ(storsim_finding_key(&finding).code, addresses[i]);
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        finding.code = reasons[i];
        CHECK_EQ(storsim_finding_key(&finding).parameter1, 0x1234);
    }
    const storsim_finding_key_t key = storsim_finding_key(&finding);
    storsim_finding_key_t other = key;
    CHECK(storsim_finding_key_equal(&key, &other));
    other.kind = STORSIM_NOTE;
    CHECK(!storsim_finding_key_equal(&key, &other));
    other = key, other.routine++;
    CHECK(!storsim_finding_key_equal(&key, &other));
    other = key, other.code++;
    CHECK(!storsim_finding_key_equal(&key, &other));
    other = key, other.parameter1++;
    CHECK(!storsim_finding_key_equal(&key, &other));
    other = key, other.name = "OTHER";
    CHECK(!storsim_finding_key_equal(&key, &other));
    other = key, other.name = NULL;
    CHECK(!storsim_finding_key_equal(&key, &other) && !storsim_finding_key_equal(&other, &key));
}

/* --- a life ------------------------------------------------------------------------------------------------------- */

static const storsim_codec_parameter_t root[] = {{0x00, 0x11112222}, {0x04, 0x00010001}}, group[] = {{0x05, 1}, {0x04, 0x00020002}};
static const uint8_t from[] = {2};
static const storsim_codec_node_t nodes[] = {{.nid = 0, .parameters = root, .parameter_count = 2},
                                             {.nid = 1, .parameters = group, .parameter_count = 2},
                                             {.nid = 2},
                                             {.nid = 3, .connections = from, .connection_count = 1}};
static const storsim_codec_verb_t initial[] = {{3, 0x71C01}}, fixed[] = {{1, 0xF2000}, {3, 0xF0900}};
static const uint32_t fixed_values[] = {0xC0DEC0DE, 0x80000001};

static storsim_status_t fails_nothing(void *context, storsim_callback_t *callback) {
    uint64_t *asked = context;
    *asked += callback->kind == STORSIM_CB_FAULT_PREDICATE;
    callback->result = 0;
    return STORSIM_OK;
}

typedef struct life {
    kit_t kit;
    uint64_t asked;
} life_t;

/* A codec with answers of its own, a request reached through its MDL and its pages, a predicate that is asked until it
 * is taken away, and at the end a block given back twice. A call that the journal's host refuses is made again. */
static void live(life_t *life, const storsim_journal_options_t *options, uint32_t calls) {
    life->kit = kit_make(options, STORSIM_VERIFIER);
    life->asked = 0;
    storsim_machine_t *m = life->kit.machine;
    storsim_machine_set_callback(m, fails_nothing, &life->asked);
    storsim_hda_config_t hda;
    storsim_hda_config_init(&hda);
    uint32_t controller, rule, response;
    const storsim_codec_config_t codec = {.nodes = nodes, .node_count = 4, .initial = initial, .initial_count = 1, .answers = fixed,
                                          .answer_values = fixed_values, .answer_count = 2};
    CHECK_EQ(storsim_hda_attach(m), STORSIM_OK);
    CHECK_EQ(storsim_hda_add(m, &hda, &controller), STORSIM_OK);
    CHECK_EQ(storsim_codec_add(m, controller, 0, &codec), STORSIM_OK);
    CHECK_EQ(storsim_codec_command(m, controller, 0, 3u << 20 | 0xF0900, &response), STORSIM_OK);
    CHECK_EQ(response, 0x80000001);
    const storsim_srb_config_t request = {.length = 9000, .write = true, .offset = 24};
    uint64_t srb, physical;
    storsim_srb_info_t info;
    storsim_mdl_info_t mdl;
    uint8_t bytes[600] = {7, 8, 9};
    CHECK_EQ(storsim_srb_create(m, life->kit.adapter, &request, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(m, srb, &info));
    CHECK_EQ(storsim_mdl_get(m, info.mdl, &mdl), STORSIM_OK);
    CHECK_EQ(storsim_write_va(m, mdl.start_va + mdl.byte_offset + 40, bytes, 3), STORSIM_OK);
    CHECK_EQ(storsim_mdl_page(m, info.mdl, 1, &physical), STORSIM_OK);
    CHECK_EQ(storsim_adapter_dma_write(m, life->kit.adapter, physical + 8, bytes, 3), STORSIM_OK);
    const storsim_fault_rule_t asks = {.kind = STORSIM_FAULT_PREDICATE, .routine = STORSIM_ID_StorPortAllocatePool, .predicate = 5};
    CHECK_EQ(storsim_fault_add(m, &asks, &rule), STORSIM_OK);
    uint64_t block = kit_pool(&life->kit, 500);
    CHECK_EQ(storsim_fault_remove(m, rule), STORSIM_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(kit_pool(&life->kit, 100) != 0);
    }
    CHECK_EQ(storsim_write_va(m, block + 16, bytes, sizeof bytes - 200), STORSIM_OK);
    CHECK_EQ(storsim_adapter_dma_write(m, life->kit.adapter, storsim_physical(m, block + 32), bytes, 3), STORSIM_OK);
    CHECK_EQ(life->asked, 1);
    CHECK_EQ(storsim_adapter_dma_read(m, life->kit.adapter, storsim_physical(m, block + 32), bytes, 3), STORSIM_OK);
    CHECK_EQ(bytes[2], 9);
    for (uint32_t i = 0; i < calls; i++) {
        CHECK_EQ(storsim_read_va(m, block + i % 100, bytes, 1 + i % 300), STORSIM_OK);
    }
    CHECK_EQ(storsim_journal_note(life->kit.journal, "about", "it", 2), STORSIM_OK);
    CHECK_EQ(storsim_journal_seal(life->kit.journal), STORSIM_OK);
    CHECK_EQ(kit_free(&life->kit, block), STORSIM_OK);
    (void)kit_free(&life->kit, block);
    CHECK(storsim_stopped(m) != NULL);
}

/* What was described, asked and written comes again, through bytes as well; the shortest form keeps the block and its
 * two ends. */
static void test_comes_again(void) {
    life_t life;
    live(&life, NULL, 3);
    storsim_journal_t *back = kit_through_bytes(life.kit.journal), *shrunk;
    kit_replays(life.kit.journal);
    kit_replays(back);
    storsim_shrink_report_t report;
    CHECK_EQ(storsim_journal_shrink(back, NULL, &shrunk, &report), STORSIM_OK);
    CHECK(report.minimal);
    CHECK_EQ(report.calls_after, 4); /* adapter, block, free, free */
    kit_replays(shrunk);
    storsim_journal_destroy(shrunk);
    storsim_journal_links_t *links;
    CHECK_EQ(storsim_journal_link(back, &links), STORSIM_OK);
    unsigned found[3] = {0};
    for (uint32_t record = 0; record < storsim_journal_count(back); record++) {
        for (uint8_t argument = 0; argument < STORSIM_MAX_ARGS; argument++) {
            storsim_reference_t reference = storsim_links_get(links, record, argument, 0, 0);
            if (reference.record != STORSIM_NO_RECORD) {
                CHECK(reference.record < record && reference.by <= STORSIM_BY_MAPPING);
                found[reference.by]++;
            }
        }
    }
    CHECK(found[STORSIM_BY_VALUE] != 0 && found[STORSIM_BY_PHYSICAL] != 0);
    storsim_links_destroy(links);
    storsim_journal_destroy(back);
    kit_end(&life.kit);
}

/* A byte another: a replay may differ, and what follows references or looks for the finding copes with it. */
static void test_altered(void) {
    life_t life;
    live(&life, NULL, 1);
    uint8_t *bytes;
    size_t length, differ = 0;
    CHECK_EQ(storsim_journal_encode(life.kit.journal, &bytes, &length), STORSIM_OK);
    uint8_t *work = malloc(length);
    CHECK(work != NULL);
    for (size_t at = 12; at < length; at += 2) {
        memcpy(work, bytes, length);
        work[at] = (uint8_t)(at % 4 == 0 ? work[at] ^ 1 : at % 3 == 0 ? 0 : 3);
        kit_rechecked(work, length);
        storsim_journal_t *back, *shrunk = NULL;
        if (storsim_journal_decode(NULL, work, length, &back, NULL) != STORSIM_OK) {
            continue;
        }
        storsim_journal_links_t *links = NULL;
        const storsim_shrink_options_t few = {.budget = 3};
        storsim_shrink_report_t shrink;
        storsim_replay_report_t report;
        storsim_status_t status = storsim_journal_replay(back, NULL, NULL, &report);
        differ += status == STORSIM_OK && report.different;
        status = storsim_journal_link(back, &links);
        CHECK(status == STORSIM_OK || links == NULL);
        storsim_links_destroy(links);
        if (storsim_journal_shrink(back, &few, &shrunk, &shrink) == STORSIM_OK) {
            CHECK(shrunk != NULL && shrink.calls_after <= shrink.calls_before);
        }
        storsim_journal_destroy(shrunk);
        storsim_journal_destroy(back);
    }
    CHECK(differ > 50);
    free(work);
    storsim_journal_free(life.kit.journal, bytes);
    kit_end(&life.kit);
}

/* Records where they do not belong: a journal without one of its records, or with one of them twice, is refused or is a
 * journal. */
static size_t whole_record(const uint8_t *bytes, size_t at) {
    return 8u + ((size_t)bytes[at] | (size_t)bytes[at + 1] << 8 | (size_t)bytes[at + 2] << 16 | (size_t)bytes[at + 3] << 24);
}

static void test_misplaced(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    uint64_t asked = 0, physical, size, token, va = kit_dma(&kit, 4096, &physical);
    storsim_allocation_t block;
    uint8_t *data, *bytes;
    size_t length, starts[200], count = 0, refused = 0, taken = 0;
    CHECK(storsim_allocation_at(kit.machine, va, &block));
    CHECK_EQ(storsim_block_export(kit.machine, block.block, true, &data, &size, &token), STORSIM_OK);
    data[5] = 1;
    storsim_machine_set_callback(kit.machine, fails_nothing, &asked);
    CHECK_EQ(storsim_queue_dpc(kit.machine, 5, 6), STORSIM_OK);
    CHECK_EQ(storsim_journal_note(kit.journal, "key", "value", 5), STORSIM_OK);
    CHECK_EQ(storsim_journal_seal(kit.journal), STORSIM_OK);
    CHECK_EQ(storsim_block_unexport(kit.machine, token), STORSIM_OK);
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    for (size_t at = 12; at < length; at += whole_record(bytes, at)) {
        CHECK(count < 199);
        starts[count++] = at;
    }
    starts[count] = length;
    uint8_t *work = malloc(2 * length);
    CHECK(work != NULL);
    for (size_t place = 0; place <= count; place++) {
        for (size_t which = 0; which <= count; which++) { /* the last: none is put there, the one at the place is left out */
            size_t head = starts[place], piece = which < count ? starts[which + 1] - starts[which] : 0;
            size_t rest = which < count || place == count ? head : starts[place + 1];
            memcpy(work, bytes, head);
            memcpy(work + head, bytes + starts[which], piece);
            memcpy(work + head + piece, bytes + rest, length - rest);
            kit_rechecked(work, head + piece + length - rest);
            storsim_journal_t *back;
            size_t where = 0;
            storsim_status_t status = storsim_journal_decode(NULL, work, head + piece + length - rest, &back, &where);
            CHECK(status == STORSIM_OK || (status == STORSIM_FORMAT && where <= head + piece + length - rest));
            refused += status != STORSIM_OK;
            if (place == 0) {
                CHECK_EQ(status, STORSIM_FORMAT); /* it begins with its machine, once */
            }
            if (status == STORSIM_OK) {
                taken++;
                storsim_journal_destroy(back);
            }
        }
    }
    CHECK(refused > count * count / 4 && taken > count);
    free(work);
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

/* --- hosts that refuse -------------------------------------------------------------------------------------------- */

typedef enum work { READING, REPLAYING, SEALING, NOTING, LINKING, SHRINKING, WORKS } work_t;

static storsim_status_t read_all(storsim_journal_t *journal) {
    storsim_journal_cursor_t *cursor = NULL;
    storsim_record_t record;
    bool end = false;
    storsim_status_t status = storsim_journal_open(journal, &cursor);
    while (status == STORSIM_OK && !end) {
        status = storsim_journal_next(cursor, &record, &end);
    }
    storsim_journal_close(cursor);
    return status;
}

static storsim_status_t do_work(work_t work, storsim_journal_t *journal, const storsim_host_t *host) {
    static const char value[4000] = {1};
    const storsim_shrink_options_t few = {.budget = 10};
    storsim_shrink_report_t shrink;
    storsim_replay_report_t replay;
    storsim_journal_links_t *links = NULL;
    storsim_journal_t *shrunk = NULL;
    storsim_status_t status = STORSIM_OK;
    switch (work) {
    case READING: return read_all(journal);
    case REPLAYING: return storsim_journal_replay(journal, host, NULL, &replay);
    case SEALING: return storsim_journal_seal(journal);
    case NOTING:
        for (int i = 0; i < 40 && status == STORSIM_OK; i++) {
            status = storsim_journal_note(journal, "key", value, sizeof value);
        }
        return status;
    case LINKING:
        status = storsim_journal_link(journal, &links);
        storsim_links_destroy(links);
        return status;
    default:
        status = storsim_journal_shrink(journal, &few, &shrunk, &shrink);
        storsim_journal_destroy(shrunk);
        return status;
    }
}

/* One request refused: NO_MEMORY, or done without; nothing is left over. */
static bool refused(work_t work, unsigned long at, unsigned long *requests) {
    bool wide = work != SHRINKING && work != LINKING;
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    const storsim_journal_options_t options = {.host = &hook};
    life_t life;
    live(&life, &options, wide ? 200 : 2);
    size_t count = storsim_journal_count(life.kit.journal);
    long live_before = state.live;
    state.requests = 0;
    state.fail_at = at;
    storsim_status_t status = do_work(work, life.kit.journal, &hook);
    bool met = at != 0 && state.requests >= at;
    CHECK(status == STORSIM_OK || (met && status == STORSIM_NO_MEMORY));
    if (work != NOTING && work != SEALING) {
        CHECK_EQ(storsim_journal_count(life.kit.journal), count);
        CHECK_EQ(state.live, live_before);
    }
    *requests = state.requests;
    state.fail_at = 0;
    kit_replays(life.kit.journal);
    kit_end(&life.kit);
    CHECK_EQ(state.live, 0);
    return status == STORSIM_NO_MEMORY;
}

static void test_refusing_host(void) {
    for (work_t work = READING; work < WORKS; work = (work_t)(work + 1)) {
        unsigned long requests, total, failed = 0;
        (void)refused(work, 0, &total);
        for (unsigned long at = 1; at <= total; at += at < (work == SHRINKING ? 900 : 150) || at + 150 > total ? 1 : 1 + total / 60) {
            failed += refused(work, at, &requests);
        }
        CHECK(failed != 0 || total == 0);
        printf("  work %d: %lu host allocations, %lu refusals said so\n", (int)work, total, failed);
    }
}

int main(void) {
    test_keys();
    test_comes_again();
    test_altered();
    test_misplaced();
    test_refusing_host();
    return CHECK_DONE();
}
