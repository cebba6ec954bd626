/* tests/hda/test_model.c: the event-driven engine against a naive model that plays frame by frame, byte by byte, with a
 * cadence written out as a pattern. Random formats, lists, buffers that captures and renders share, pauses, SSYNC,
 * stalls, stores under a running engine, and two machines that are given the same time in different pieces and must
 * have the same digest. */
#include "kit.h"

enum { STREAMS = 6, REGION = 1 << 16, MAX_ENTRIES = 12 };

static uint32_t seed = 1;
static uint32_t draw(uint32_t bound) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(seed >> 8) * bound >> 24);
}

/* --- the naive model ---------------------------------------------------------------------------------------------- */

typedef struct naive {
    bool input, on, blocked, starved;
    uint32_t block, mult, div, fifo, tag;
    bool base44;
    entry_t entries[MAX_ENTRIES];
    uint32_t count, cbl, index, offset, status, posted;
    uint64_t link, dma, phase;
    uint8_t queue[2048];
    uint32_t queued;
    uint8_t *played;
    uint32_t played_bytes;
    uint8_t fed[1 << 16];
    uint32_t fed_from, fed_to;
} naive_t;

typedef struct world {
    naive_t streams[STREAMS];
    uint8_t memory[REGION];
    bool stalled;
    uint64_t frame;
} world_t;

/* Whether slot `slot` of the 44.1 kHz super-cycle carries data: 12-11-11-12-11-11-12-11-11-12-11-11-11, a gap after
 * each. */
static bool active(uint64_t slot) {
    static const char cycle[] = "YYYYYYYYYYYYNYYYYYYYYYYYNYYYYYYYYYYYNYYYYYYYYYYYYNYYYYYYYYYYYNYYYYYYYYYYYNYYYYYYYYYYYYNYYYYYYYYYYYN"
                                "YYYYYYYYYYYNYYYYYYYYYYYYNYYYYYYYYYYYNYYYYYYYYYYYNYYYYYYYYYYYN";
    return cycle[slot % 160] == 'Y';
}

static uint32_t packet(const naive_t *s) {
    return s->phase % s->div != 0 || (s->base44 && !active(s->phase / s->div)) ? 0 : s->mult * s->block;
}

static void step_entry(naive_t *s) {
    if (++s->offset == s->entries[s->index].length) {
        s->status |= s->entries[s->index].ioc != 0 ? (uint32_t)BCIS : 0;
        s->offset = 0;
        s->index = s->index + 1 == s->count ? 0 : s->index + 1;
    }
    s->dma++;
}

static uint8_t *cell(world_t *world, const naive_t *s) {
    return &world->memory[s->entries[s->index].address - DATA + s->offset];
}

static void fill(world_t *world, naive_t *s) {
    while (!world->stalled && s->dma < s->link + s->fifo) {
        s->queue[s->queued++] = *cell(world, s);
        step_entry(s);
    }
}

static void send_bytes(naive_t *s, uint32_t count) {
    s->played = realloc(s->played, s->played_bytes + count + 1);
    memcpy(s->played + s->played_bytes, s->queue, count);
    memmove(s->queue, s->queue + count, s->queued - count);
    s->played_bytes += count;
    s->queued -= count;
}

static void store(world_t *world, naive_t *s) {
    while (!world->stalled && s->queued != 0) {
        *cell(world, s) = s->queue[0];
        memmove(s->queue, s->queue + 1, --s->queued);
        step_entry(s);
    }
}

static void frame_out(world_t *world, naive_t *s) {
    uint32_t bytes = s->blocked || s->starved ? 0 : packet(s);
    if (world->stalled && bytes > s->queued) {
        s->starved = true;
        s->status |= FIFOE;
        return;
    }
    s->phase += s->blocked || s->starved ? 0 : 1;
    s->link += bytes;
    if (s->fifo == 0) {
        while (s->dma < s->link) {
            s->queue[s->queued++] = *cell(world, s);
            step_entry(s);
        }
    }
    send_bytes(s, bytes);
    fill(world, s);
}

static void frame_in(world_t *world, naive_t *s) {
    uint32_t bytes = packet(s);
    bool lost = s->starved || (world->stalled && s->queued + bytes > s->fifo && bytes != 0 && !s->blocked);
    s->phase++;
    if (s->blocked && !s->starved) {
        return;
    }
    if (lost && !s->starved) {
        s->starved = true;
        s->status |= FIFOE;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        uint8_t value = s->fed_from < s->fed_to ? s->fed[s->fed_from++] : 0;
        if (!lost) {
            s->queue[s->queued++] = value;
            s->link++;
        }
    }
    store(world, s);
}

static void post(const world_t *world, naive_t *s) {
    s->posted = world->stalled ? s->posted : (uint32_t)(s->dma % s->cbl);
}

static void model_frame(world_t *world) {
    world->frame++;
    for (uint32_t i = 0; i < STREAMS; i++) {
        naive_t *s = &world->streams[i];
        if (s->on && s->input) {
            frame_in(world, s);
        } else if (s->on) {
            frame_out(world, s);
        } else if (s->input) {
            s->phase++; /* the codec goes on */
        }
        if (s->on) {
            post(world, s);
        }
    }
}

/* --- both sides --------------------------------------------------------------------------------------------------- */

typedef struct pair {
    kit_t kit[2];
    world_t *world;
    uint16_t formats[STREAMS];
    storsim_hda_timing_t timing;
} pair_t;

static bool shared; /* captures and renders share buffers */

static void make_stream(pair_t *pair, uint32_t i, const storsim_hda_config_t *config) {
    static const uint8_t containers[5] = {1, 2, 4, 4, 4};
    naive_t *s = &pair->world->streams[i];
    uint32_t bits = draw(5), channels = 1 + draw(4), mult = 1 + draw(4), div = draw(2) ? 1 : 1 + draw(8);
    pair->formats[i] = (uint16_t)(draw(2) << 14 | (mult - 1) << 11 | (div - 1) << 8 | bits << 4 | (channels - 1));
    s->input = i < 3;
    s->tag = i % 3 + 1;
    s->base44 = (pair->formats[i] & 0x4000) != 0;
    s->mult = mult;
    s->div = div;
    s->block = containers[bits] * channels;
    uint32_t depth = s->input ? config->fifo_capture : config->fifo_render, largest = mult * s->block;
    s->fifo = pair->timing == STORSIM_HDA_IDEAL && !s->input ? 0 : depth > largest ? depth : largest;
    s->count = 2 + draw(MAX_ENTRIES - 1);
    for (uint32_t e = 0; e < s->count; e++) {
        uint32_t slot = shared ? draw(8) : i, length = draw(4) == 0 ? 1 + draw(16) : 2 * (1 + draw(512));
        s->entries[e] = (entry_t){DATA + slot * 0x2000 + (draw(0x1000) & ~1u), length, draw(2)};
        s->cbl += length;
    }
    for (int k = 0; k < 2; k++) {
        kit_t *kit = &pair->kit[k];
        tune(kit, 0, (s->input ? 0x20u : 0x10u) + i % 3, s->tag, pair->formats[i]);
        setup(kit, i, s->tag, pair->formats[i], s->entries, s->count);
    }
}

static void make_pair(pair_t *pair, storsim_hda_timing_t timing) {
    storsim_hda_config_t config = kit_config();
    memset(pair, 0, sizeof *pair);
    pair->timing = timing;
    pair->world = calloc(1, sizeof *pair->world);
    config.timing = timing;
    config.capture = config.render = 3;
    config.fifo_render = config.fifo_render_wide = (uint16_t)(16 + draw(400));
    config.fifo_capture = config.fifo_capture_wide = (uint16_t)(16 + draw(400));
    pattern(pair->world->memory, REGION, draw(1u << 24));
    for (int k = 0; k < 2; k++) {
        pair->kit[k] = kit_make(&config);
        CHECK_EQ(storsim_codec_add_ideal(pair->kit[k].machine, pair->kit[k].hda, 0), STORSIM_OK);
        kit_up(&pair->kit[k]);
        poke(&pair->kit[k], DATA, pair->world->memory, REGION);
        wr(&pair->kit[k], 0x70, 4, (uint32_t)POSITIONS | 1);
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        make_stream(pair, i, &config);
        for (int k = 0; k < 2; k++) {
            poke32(&pair->kit[k], POSITIONS + 8 * i, 0);
        }
    }
}

static void pass_time(pair_t *pair, uint64_t ticks) {
    uint64_t now = storsim_now(pair->kit[0].machine), frames = (now + ticks) / 500 - now / 500;
    advance(&pair->kit[0], ticks);
    while (ticks != 0) {
        uint32_t piece = 1 + draw(ticks < 100000 ? (uint32_t)ticks : 100000);
        advance(&pair->kit[1], piece);
        if (draw(3) == 0) {
            (void)lpib(&pair->kit[1], draw(STREAMS)); /* looking changes nothing */
        }
        ticks -= piece;
    }
    for (uint64_t i = 0; i < frames; i++) {
        model_frame(pair->world);
    }
}

static void compare(pair_t *pair) {
    uint64_t digests[2];
    uint8_t *memory = malloc(REGION);
    for (int k = 0; k < 2; k++) {
        CHECK_EQ(storsim_digest(pair->kit[k].machine, &digests[k]), STORSIM_OK);
    }
    CHECK_EQ(digests[0], digests[1]);
    for (int k = 0; k < 2; k++) {
        kit_t *kit = &pair->kit[k];
        peek(kit, DATA, memory, REGION);
        CHECK(memcmp(memory, pair->world->memory, REGION) == 0);
        for (uint32_t i = 0; i < STREAMS; i++) {
            naive_t *s = &pair->world->streams[i];
            storsim_hda_position_t at = position(kit, i);
            CHECK_EQ(at.link_bytes, s->link);
            CHECK_EQ(at.dma_bytes, s->dma);
            CHECK_EQ(lpib(kit, i), s->link % s->cbl);
            CHECK_EQ(status_of(kit, i) & 0x1C, s->status);
            CHECK_EQ(peek32(kit, POSITIONS + 8 * i), s->posted);
            if (!s->input) {
                uint64_t bytes;
                uint8_t *got = heard(kit, 0, (uint8_t)s->tag, &bytes);
                CHECK_EQ(bytes, s->played_bytes);
                CHECK(bytes == 0 || memcmp(got, s->played, (size_t)bytes) == 0);
                free(got);
            }
        }
    }
    free(memory);
}

static void write_all(pair_t *pair, uint32_t offset, uint32_t size, uint32_t value) {
    wr(&pair->kit[0], offset, size, value);
    wr(&pair->kit[1], offset, size, value);
}

static void start_stop(pair_t *pair, uint32_t i) {
    naive_t *s = &pair->world->streams[i];
    write_all(pair, sd(i, 0), 1, s->on ? 0 : RUN);
    s->on = !s->on;
    uint64_t before = s->dma;
    if (s->on && s->input) {
        store(pair->world, s); /* what a stall left in the FIFO */
    } else if (s->on) {
        s->phase = 0;
        fill(pair->world, s);
    }
    if (s->dma != before) {
        post(pair->world, s);
    }
    s->starved = false;
}

static void toggle_stall(pair_t *pair) {
    world_t *world = pair->world;
    world->stalled = !world->stalled;
    for (int k = 0; k < 2; k++) {
        CHECK_EQ(storsim_hda_stall(pair->kit[k].machine, pair->kit[k].hda, world->stalled), STORSIM_OK);
    }
    for (uint32_t i = 0; i < STREAMS && !world->stalled; i++) {
        naive_t *s = &world->streams[i];
        uint64_t before = s->dma;
        s->starved = false;
        if (s->on && s->input) {
            store(world, s);
        } else if (s->on) {
            fill(world, s);
        }
        if (s->on && s->dma != before) {
            post(world, s);
        }
    }
}

static void feed(pair_t *pair, uint32_t i) {
    naive_t *s = &pair->world->streams[i];
    uint32_t bytes = draw(600);
    if (s->fed_to + bytes > sizeof s->fed) {
        return;
    }
    pattern(s->fed + s->fed_to, bytes, draw(1u << 24));
    for (int k = 0; k < 2; k++) {
        CHECK_EQ(storsim_codec_feed(pair->kit[k].machine, pair->kit[k].hda, 0, (uint8_t)s->tag, s->fed + s->fed_to, bytes), STORSIM_OK);
    }
    s->fed_to += bytes;
}

static void one_operation(pair_t *pair, bool stalls) {
    uint32_t what = draw(14), i = draw(STREAMS);
    naive_t *s = &pair->world->streams[i];
    if (what < 3) {
        start_stop(pair, i);
    } else if (what < 5) {
        s->status = 0;
        write_all(pair, sd(i, 3), 1, 0x1C);
    } else if (what < 7) {
        feed(pair, draw(3));
    } else if (what < 9) {
        uint8_t bytes[300];
        uint32_t at = draw(REGION - 300), count = 1 + draw(299);
        pattern(bytes, count, draw(1u << 24));
        poke(&pair->kit[0], DATA + at, bytes, count);
        poke(&pair->kit[1], DATA + at, bytes, count);
        memcpy(pair->world->memory + at, bytes, count);
    } else if (what == 9) {
        uint32_t mask = draw(64);
        write_all(pair, 0x38, 4, mask);
        for (uint32_t n = 0; n < STREAMS; n++) {
            pair->world->streams[n].blocked = (mask >> n & 1) != 0;
        }
    } else if (what == 10 && stalls) {
        toggle_stall(pair);
    } else if (what == 11) {
        pass_time(pair, draw(100000));
    } else {
        pass_time(pair, draw(3) == 0 ? 500 * draw(40) : draw(20000));
    }
}

static void one_world(storsim_hda_timing_t timing, bool stalls, uint32_t operations) {
    pair_t pair;
    make_pair(&pair, timing);
    for (uint32_t i = 0; i < operations; i++) {
        one_operation(&pair, stalls);
        compare(&pair);
    }
    for (uint32_t i = 0; i < STREAMS; i++) {
        free(pair.world->streams[i].played);
    }
    free(pair.world);
    kit_end(&pair.kit[0]);
    kit_end(&pair.kit[1]);
}

/* The closed formulas against the pattern, every rate, both directions. */
static void cadence_everywhere(void) {
    for (uint32_t code = 0; code < 128; code++) {
        naive_t s = {.block = 1, .mult = (code >> 3 & 3) + 1, .div = (code & 7) + 1, .base44 = (code & 64) != 0};
        if ((code & 32) != 0) {
            continue;
        }
        uint16_t format = (uint16_t)((code & 64) << 8 | (code >> 3 & 3) << 11 | (code & 7) << 8);
        uint64_t sum = 0;
        for (s.phase = 0; s.phase < 160u * s.div * 2 + 7; s.phase++) {
            CHECK(storsim_hda_cadence_bytes(format, s.phase) == sum);
            sum += packet(&s);
        }
        CHECK_EQ(storsim_hda_cadence_bytes(format, 160u * s.div * UINT64_C(1000000000)), (s.base44 ? 147u : 160u) * s.mult * UINT64_C(1000000000));
    }
}

int main(int argc, char **argv) {
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 60;
    seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 20240601;
    cadence_everywhere();
    for (uint32_t i = 0; i < rounds; i++) {
        shared = i % 3 == 2;
        one_world(i % 2 == 0 ? STORSIM_HDA_CONTROLLER : STORSIM_HDA_IDEAL, i % 4 >= 2, 40);
    }
    return CHECK_PINNED(hda_test_model);
}
