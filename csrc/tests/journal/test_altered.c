/* tests/journal/test_altered.c: the journal of a bus driver's client, a byte of it another each time: verbs with their
 * answers, lists, a codec that asks for what it sends and one that tells what it hears. It is refused, or it is a
 * journal that is replayed, linked and made shorter. */
#include "tests/journal/kit.h"
#include "tests/journal/recorded.h"

enum { PREFIX = 12 };

/* A tone while it lasts, and silence after it. */
static void gives(world_t *w, storsim_callback_t *callback) {
    (void)w;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE) {
        size_t half = callback->data_bytes / 2;
        memset(callback->data, 0x55, half);
        callback->result = half;
    }
}

static world_t *live(void) {
    world_config_t config = world_defaults();
    config.codecs = 1;
    world_t *w = world_make(&config);
    w->on_callback = gives;
    w->tolerate = true;
    uint64_t out = 0, in = 0, event = 0, va = 0;
    buffer_t buffer = {0}, list = {0};
    storsim_codec_transfer_t items[3] = {{.Output = 0x000F0000}, {.Output = 0x000F0002}, {.Output = 0x001F0004}};
    storsim_device_information_t info = {.Size = sizeof info};
    CHECK_EQ(verbs(w, w->context, items, 3, 0, 0), 0);
    CHECK_EQ(verbs(w, w->context, items, 2, 0x1234, 5), 0);
    (void)information(w, w->context, &info);
    CHECK_EQ(storsim_event_create(w->machine, &event), STORSIM_OK);
    CHECK_EQ(render(w, w->context, stereo(), 0, &out, NULL), 0);
    CHECK_EQ(allocate_n(w, w->context, out, 2, 8192, &buffer), 0);
    CHECK_EQ(event_on(w, w->context, out, event), 0);
    CHECK_EQ(storsim_codec_record(w->machine, w->controller, 0, (uint8_t)buffer.stream, 0x4444, 1), STORSIM_OK);
    CHECK_EQ(capture(w, w->context, 0, stereo(), &in), 0);
    CHECK_EQ(allocate_c(w, w->context, in, 8192, &list), 0);
    entry(w, &list, 0, 0, 4096, 1);
    entry(w, &list, 1, 4096, 4096, 1);
    CHECK_EQ(setup(w, w->context, in, 8192, 1, 0x1111, &list), 0);
    CHECK_EQ(storsim_codec_source(w->machine, w->controller, 0, (uint8_t)list.stream, 0x5555, 2), STORSIM_OK);
    uint64_t both[2] = {out, in};
    CHECK_EQ(set_states(w, w->context, PAUSE, both, 2), 0);
    CHECK_EQ(set_states(w, w->context, RUN, both, 2), 0);
    advance(w, 1000);
    CHECK_EQ(position(w, w->context, out, &va), 0);
    (void)read32(w, va);
    CHECK_EQ(set_states(w, w->context, PAUSE, both, 2), 0);
    CHECK_EQ(storsim_journal_seal(kept), STORSIM_OK);
    return w;
}

int main(void) {
    world_t *w = live();
    uint8_t *bytes;
    size_t length, refused = 0, differ = 0, same = 0;
    storsim_replay_report_t report;
    CHECK_EQ(storsim_journal_replay(kept, NULL, NULL, &report), STORSIM_OK);
    CHECK(!report.different);
    CHECK_EQ(storsim_journal_encode(kept, &bytes, &length), STORSIM_OK);
    uint8_t *work = malloc(length);
    CHECK(work != NULL);
    for (size_t turn = 3 * PREFIX; turn < 3 * length; turn++) {
        size_t at = turn / 3;
        memcpy(work, bytes, length);
        work[at] = (uint8_t)(turn % 3 == 0 ? work[at] + 1 : turn % 3 == 1 ? work[at] ^ 0x10 : 0);
        if (work[at] == bytes[at]) {
            continue;
        }
        kit_rechecked(work, length);
        storsim_journal_t *back, *shrunk = NULL;
        if (storsim_journal_decode(NULL, work, length, &back, NULL) != STORSIM_OK) {
            refused++;
            continue;
        }
        storsim_machine_t *machine = NULL;
        storsim_status_t status = storsim_journal_replay(back, NULL, &machine, &report);
        CHECK(status == STORSIM_OK || status == STORSIM_INVALID || status == STORSIM_NO_MEMORY || status == STORSIM_FORMAT);
        if (status == STORSIM_OK) {
            CHECK(report.different == (report.text[0] != 0) && storsim_check(machine, NULL, 0) == 0);
            differ += report.different;
            same += !report.different;
        }
        storsim_machine_destroy(machine);
        if (turn % 16 == 0) {
            const storsim_shrink_options_t few = {.budget = 5};
            storsim_shrink_report_t shrink;
            storsim_journal_links_t *links = NULL;
            CHECK((storsim_journal_link(back, &links) == STORSIM_OK) == (links != NULL));
            storsim_links_destroy(links);
            if (storsim_journal_shrink(back, &few, &shrunk, &shrink) == STORSIM_OK) {
                CHECK(shrunk != NULL && shrink.calls_after <= shrink.calls_before);
            }
            storsim_journal_destroy(shrunk);
        }
        storsim_journal_destroy(back);
    }
    CHECK(refused != 0 && differ > 1000 && same != 0);
    free(work);
    storsim_journal_free(kept, bytes);
    storsim_machine_destroy(w->machine);
    storsim_journal_destroy(kept);
    free(w);
    return CHECK_DONE();
}
