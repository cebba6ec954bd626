/* tests/journal/test_bytes.c: bytes there and back; torn tails, flipped bits, other versions, and arguments nobody
 * would record. */
#include "kit.h"

#include "journal/journal_i.h"

static storsim_status_t host(void *context, storsim_callback_t *callback) {
    kit_t *kit = context;
    callback->result = 1;
    (void)kit_pool(kit, 64); /* a call from inside a callback */
    return STORSIM_OK;
}

/* A run that uses every kind of record. */
static kit_t lively(const storsim_journal_options_t *options) {
    kit_t kit = kit_make(options, STORSIM_VERIFIER);
    uint8_t old, *data, *snapshot, *view;
    size_t length;
    uint64_t physical, size, token, event;
    storsim_allocation_t allocation;
    CHECK_EQ(storsim_journal_note(kit.journal, "test", "lively", 6), STORSIM_OK);
    uint64_t block = kit_pool(&kit, 5000), dma = kit_dma(&kit, 8192, &physical);
    CHECK_EQ(storsim_write_va(kit.machine, block, "hello", 5), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(kit.machine, &snapshot, &length), STORSIM_OK);
    CHECK_EQ(storsim_adapter_dma_write(kit.machine, kit.adapter, physical, "device", 6), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(kit.machine, 2, &old), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(kit.machine, old, NULL), STORSIM_OK);
    CHECK_EQ(storsim_restore(kit.machine, snapshot, length, NULL), STORSIM_OK);
    storsim_snapshot_free(kit.machine, snapshot);
    CHECK(storsim_allocation_at(kit.machine, dma, &allocation));
    CHECK_EQ(storsim_block_export(kit.machine, allocation.block, true, &data, &size, &token), STORSIM_OK);
    view = data;
    view[100] = 0x5A;
    view[8191] = 0xA5;
    CHECK_EQ(storsim_advance(kit.machine, 1000), STORSIM_OK);
    view[0] = 1;
    CHECK_EQ(storsim_block_unexport(kit.machine, token), STORSIM_OK);
    storsim_machine_set_callback(kit.machine, host, &kit);
    CHECK_EQ(storsim_queue_dpc(kit.machine, 5, 6), STORSIM_OK);
    CHECK_EQ(storsim_event_create(kit.machine, &event), STORSIM_OK);
    (void)kit_free(&kit, block + 16); /* a finding */
    CHECK_EQ(storsim_journal_seal(kit.journal), STORSIM_OK);
    storsim_machine_set_callback(kit.machine, NULL, NULL);
    return kit;
}

static void test_there_and_back(void) {
    kit_t kit = lively(NULL);
    storsim_journal_t *back = kit_through_bytes(kit.journal);
    uint8_t *first, *second;
    size_t first_length, second_length;
    CHECK_EQ(storsim_journal_encode(kit.journal, &first, &first_length), STORSIM_OK);
    CHECK_EQ(storsim_journal_encode(back, &second, &second_length), STORSIM_OK);
    CHECK_EQ(first_length, second_length);
    CHECK_EQ(memcmp(first, second, first_length), 0);
    storsim_journal_free(kit.journal, first);
    storsim_journal_free(back, second);
    CHECK_EQ(storsim_journal_count(back), storsim_journal_count(kit.journal));
    CHECK(!storsim_journal_torn(back));
    kit_replays(back);
    kit_replays(kit.journal);
    storsim_journal_destroy(back);
    kit_end(&kit);
}

/* Every prefix is a journal without its tail, and replays. */
static void test_torn(void) {
    kit_t kit = lively(NULL);
    uint8_t *bytes;
    size_t length, where, records = 0;
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    for (size_t cut = 0; cut < length; cut++) {
        storsim_journal_t *back = NULL;
        storsim_status_t status = storsim_journal_decode(NULL, bytes, cut, &back, &where);
        if (cut < 12) {
            CHECK_EQ(status, STORSIM_FORMAT);
            CHECK_EQ(where, 0);
            continue;
        }
        CHECK_EQ(status, STORSIM_OK);
        CHECK(storsim_journal_count(back) >= records);
        if (storsim_journal_count(back) > records) {
            records = storsim_journal_count(back);
            CHECK(!storsim_journal_torn(back));
            storsim_replay_report_t report;
            CHECK_EQ(storsim_journal_replay(back, NULL, NULL, &report), STORSIM_OK);
            CHECK(!report.different);
        }
        storsim_journal_destroy(back);
    }
    CHECK_EQ(records + 1, storsim_journal_count(kit.journal));
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

/* One wrong bit is damage with its place, except in the length of a record, where it can look like a tail that is
 * missing. */
static void test_flipped_bits(void) {
    kit_t kit = lively(NULL);
    uint8_t *bytes;
    size_t length, where;
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    for (size_t bit = 0; bit < length * 8; bit++) {
        storsim_journal_t *back = NULL;
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        where = SIZE_MAX;
        storsim_status_t status = storsim_journal_decode(NULL, bytes, length, &back, &where);
        if (status == STORSIM_OK) {
            CHECK(storsim_journal_torn(back));
            storsim_journal_destroy(back);
        } else {
            CHECK_EQ(status, STORSIM_FORMAT);
            CHECK(where <= bit / 8);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

static void test_versions(void) {
    kit_t kit = lively(NULL);
    uint8_t *bytes;
    size_t length, where = 0;
    storsim_journal_t *back;
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    bytes[8] = STORSIM_JOURNAL_VERSION + 1;
    CHECK_EQ(storsim_journal_decode(NULL, bytes, length, &back, &where), STORSIM_FORMAT);
    CHECK_EQ(where, 8);
    bytes[8] = 0;
    CHECK_EQ(storsim_journal_decode(NULL, bytes, length, &back, NULL), STORSIM_FORMAT);
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

/* The sink has the same bytes, and has a call's record before the call runs. */
typedef struct tape {
    uint8_t bytes[1 << 16];
    size_t length;
    bool broken;
} tape_t;

static bool write_tape(void *context, const uint8_t *bytes, size_t length) {
    tape_t *tape = context;
    if (tape->broken || length > sizeof tape->bytes - tape->length) {
        return false;
    }
    memcpy(tape->bytes + tape->length, bytes, length);
    tape->length += length;
    return true;
}

static void test_sink(void) {
    static tape_t tape;
    const storsim_journal_options_t options = {.sink = write_tape, .context = &tape};
    kit_t kit = lively(&options);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    CHECK_EQ(length, tape.length);
    CHECK_EQ(memcmp(bytes, tape.bytes, length), 0);
    storsim_journal_free(kit.journal, bytes);
    size_t calls = storsim_journal_calls(kit.journal), allocated = storsim_finding_count(kit.machine);
    uint64_t digest, after;
    CHECK_EQ(storsim_digest(kit.machine, &digest), STORSIM_OK);
    tape.broken = true;
    if (storsim_stopped(kit.machine) == NULL) {
        CHECK_EQ(storsim_advance(kit.machine, 5), STORSIM_CALLBACK); /* refused whole, once */
        CHECK_EQ(storsim_digest(kit.machine, &after), STORSIM_OK);
        CHECK_EQ(digest, after);
        CHECK_EQ(storsim_journal_calls(kit.journal), calls);
        CHECK_EQ(storsim_advance(kit.machine, 5), STORSIM_OK);
    }
    CHECK_EQ(storsim_finding_count(kit.machine), allocated);
    kit_end(&kit);
}

static void test_memory_limit(void) {
    const storsim_journal_options_t options = {.memory_limit = 2000};
    kit_t kit = kit_make(&options, STORSIM_RELEASE);
    for (uint32_t i = 0; i < 2000; i++) {
        CHECK_EQ(kit_free(&kit, kit_pool(&kit, 100)), STORSIM_OK);
    }
    CHECK(storsim_journal_full(kit.journal));
    CHECK(storsim_journal_bytes(kit.journal) < 4000);
    kit_replays(kit.journal); /* what there is is a whole beginning */
    kit_end(&kit);
}

/* Records that carry a right check but mean nonsense: refused or replayed, never worse. */
static void test_made_up_bodies(void) {
    kit_t kit = lively(NULL);
    uint8_t *bytes;
    size_t length;
    uint64_t seed = 99;
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    uint8_t *work = malloc(length);
    uint32_t decoded = 0;
    for (uint32_t round = 0; round < 4000; round++) {
        storsim_journal_t *back;
        memcpy(work, bytes, length);
        for (uint64_t i = kit_random(&seed) % 3 + 1; i > 0; i--) {
            work[12 + kit_random(&seed) % (length - 12)] = (uint8_t)kit_random(&seed);
        }
        kit_rechecked(work, length);
        if (storsim_journal_decode(NULL, work, length, &back, NULL) == STORSIM_OK) {
            storsim_replay_report_t report;
            (void)storsim_journal_replay(back, NULL, NULL, &report);
            decoded++;
            storsim_journal_destroy(back);
        }
    }
    CHECK(decoded > 100);
    free(work);
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

/* Every host allocation that can fail while recording, decoding and replaying. */
static void test_failing_host(void) {
    for (unsigned long at = 1; at < 4000; at++) {
        failing_host_t state = {.fail_at = at};
        const storsim_host_t hook = FAILING_HOOK(&state);
        kit_t kit = lively(NULL);
        uint8_t *bytes;
        size_t length;
        storsim_journal_t *back = NULL;
        storsim_replay_report_t report;
        CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
        storsim_status_t status = storsim_journal_decode(&hook, bytes, length, &back, NULL);
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        if (status == STORSIM_OK) {
            status = storsim_journal_replay(back, &hook, NULL, &report);
            CHECK(status == STORSIM_NO_MEMORY || status == STORSIM_OK);
        }
        storsim_journal_destroy(back);
        storsim_journal_free(kit.journal, bytes);
        kit_end(&kit);
        CHECK_EQ(state.live, 0);
        if (state.requests < at) {
            break;
        }
    }
}

/* What a callback was given counts as numbers: the same on a host with another padding or byte order. */
static void test_data_of_callbacks(void) {
    storsim_codec_transfer_t items[2] = {{0}};
    memset(items, 0xA5, sizeof items); /* padding */
    items[0] = (storsim_codec_transfer_t){.Output = 0x11223344, .Input = UINT64_C(0x8877665544332211)};
    items[1].Output = 5;
    items[1].Input = 6;
    static const uint8_t meant[32] = {0x44, 0x33, 0x22, 0x11, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
                                      5, 0, 0, 0, 0, 0, 0, 0, 6};
    storsim_callback_t callback = {.kind = STORSIM_CB_HDA_TRANSFER, .data = items, .data_bytes = sizeof items};
    CHECK_EQ(ss_callback_bytes(&callback), sizeof meant);
    CHECK_EQ(ss_callback_hash(&callback), ss_hash_bytes(meant, sizeof meant));
    callback = (storsim_callback_t){.kind = STORSIM_CB_CODEC_SINK, .data = (void *)(uintptr_t)meant, .data_bytes = 7};
    CHECK_EQ(ss_callback_bytes(&callback), 7);
    CHECK_EQ(ss_callback_hash(&callback), ss_hash_bytes(meant, 7));
    callback.kind = STORSIM_CB_CODEC_SOURCE; /* not yet given */
    CHECK_EQ(ss_callback_hash(&callback), 0);
}

/* What decoding lets pass can be read to the end, whatever byte was changed (and the checks made right). */
static void test_accepted_is_readable(void) {
    kit_t kit = kit_make(NULL, STORSIM_RELEASE);
    uint8_t *bytes;
    size_t length, where;
    unsigned accepted = 0;
    (void)kit_pool(&kit, 64);
    CHECK_EQ(storsim_journal_encode(kit.journal, &bytes, &length), STORSIM_OK);
    for (size_t i = 12; i < length; i++) {
        for (int change = 1; change <= 3; change++) {
            uint8_t *changed = malloc(length);
            storsim_journal_t *journal;
            memcpy(changed, bytes, length);
            changed[i] = (uint8_t)(changed[i] + change);
            kit_rechecked(changed, length);
            if (storsim_journal_decode(NULL, changed, length, &journal, &where) == STORSIM_OK) {
                storsim_journal_cursor_t *cursor;
                storsim_record_t record;
                size_t records = 0;
                CHECK_EQ(storsim_journal_open(journal, &cursor), STORSIM_OK);
                for (bool end = false; !end; records += !end) {
                    CHECK_EQ(storsim_journal_next(cursor, &record, &end), STORSIM_OK);
                }
                CHECK_EQ(records, storsim_journal_count(journal));
                storsim_journal_close(cursor);
                storsim_journal_destroy(journal);
                accepted++;
            }
            free(changed);
        }
    }
    CHECK(accepted > 100);
    storsim_journal_free(kit.journal, bytes);
    kit_end(&kit);
}

int main(void) {
    test_accepted_is_readable();
    test_data_of_callbacks();
    test_there_and_back();
    test_torn();
    test_flipped_bits();
    test_versions();
    test_sink();
    test_memory_limit();
    test_made_up_bodies();
    test_failing_host();
    return CHECK_DONE();
}
