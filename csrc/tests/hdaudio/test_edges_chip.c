/* States of the chip's streams that cannot come about: the check names them, and no snapshot of one makes a broken
 * machine. */
#include "tests/hdaudio/world.h"

#include "hda/hda_i.h"

enum { WAYS = 14 };

static ss_hda_t *chip_of(const world_t *w) {
    ss_hda_room_t *room = ss_room_state(w->machine, SS_ROOM_HDA);
    return room->list[w->controller - 1];
}

static ss_hda_stream_t *running(ss_hda_t *chip, bool input) {
    for (uint32_t i = 0; i < chip->stream_count; i++) {
        if (chip->streams[i].running && chip->streams[i].input == input) {
            return &chip->streams[i];
        }
    }
    CHECK(0);
    return NULL;
}

static const char *spoil(ss_hda_t *chip, int way) {
    ss_hda_stream_t *stream = running(chip, false), *input = running(chip, true);
    switch (way) {
    case 0: stream->run_bit = false; return "a stream runs while its RUN bit reads 0";
    case 1: stream->in_reset = true; return "a stream in reset has moved";
    case 2: stream->in_reset = true; stream->running = false; return "a stream in reset has moved";
    case 3: stream->in_reset = true; stream->running = false; stream->dma = 0; return "a stream in reset has moved";
    case 4: stream->sent = stream->dma + 1; return "a render FIFO holds less than nothing or more than it can";
    case 5: stream->dma = stream->sent + STORSIM_HDA_MAX_FIFO + 1; return "a render FIFO holds less than nothing or more than it can";
    case 6: input->dma = input->link + 1; return "a capture stream wrote what it has not received";
    case 7: stream->offset = stream->usable + 1; return "a stream is outside its BDL entry";
    case 8: stream->usable = stream->length + 1; stream->offset = 0; return "a stream is outside its BDL entry";
    case 9: chip->link_up = false; return "a stream runs without a link";
    case 10: chip->event = 60000; return "a controller has no event";
    case 11: stream->rate.block = 0; return NULL;
    case 12: stream->rate.mult = 0; return NULL;
    default: stream->rate.div = 0; return NULL;
    }
}

static void test_spoilt(void) {
    for (int way = 0; way < WAYS; way++) {
        world_t *w = world_make(NULL);
        storsim_machine_t *m = w->machine;
        uint64_t heard_on = 0;
        buffer_t buffer;
        (void)prepare(w, w->context, STORSIM_ENGINE_XN);
        CHECK_EQ(capture(w, w->context, 0, stereo(), &heard_on), 0);
        CHECK_EQ(allocate_n(w, w->context, heard_on, 2, 3840, &buffer), 0);
        CHECK_EQ(set_state(w, w->context, PAUSE, heard_on), 0);
        CHECK_EQ(set_state(w, w->context, RUN, heard_on), 0);
        storsim_codec_transfer_t converter[2] = {{.Output = 0x20011}, {.Output = 0x2070610}};
        (void)converter;
        advance(w, 100);
        world_check(w);
        uint8_t *good, *bad;
        size_t good_length, bad_length;
        CHECK_EQ(storsim_snapshot(m, &good, &good_length), STORSIM_OK);
        const char *what = spoil(chip_of(w), way);
        world_told(m, way, what);
        uint64_t before;
        bool saved = storsim_snapshot(m, &bad, &bad_length) == STORSIM_OK; /* a FIFO of nearly everything does not fit */
        CHECK(saved || way == 3 || way == 4);
        CHECK_EQ(storsim_restore(m, good, good_length, NULL), STORSIM_OK);
        world_check(w);
        before = world_digest(w);
        storsim_status_t status = saved ? storsim_restore(m, bad, bad_length, NULL) : STORSIM_FORMAT;
        CHECK(status == STORSIM_OK || status == STORSIM_FORMAT);
        if (status == STORSIM_FORMAT) {
            CHECK_EQ(world_digest(w), before);
        }
        CHECK_EQ(storsim_restore(m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(world_digest(w), before);
        storsim_snapshot_free(m, good);
        storsim_snapshot_free(m, saved ? bad : NULL);
        world_end(w);
    }
}

int main(void) {
    test_spoilt();
    return CHECK_PINNED(hdaudio_test_edges_chip);
}
