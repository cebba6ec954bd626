/* One walk, three modes: what SAVE wrote LOAD reads, damaged bytes are FORMAT, DIGEST sees visible fields only. */
#include "../check.h"
#include "machine/codec.h"

#include <string.h>

typedef struct thing {
    uint8_t a;
    uint16_t b;
    uint32_t c;
    uint64_t d, hidden;
    int32_t e;
    bool f;
    char text[5];
} thing_t;

static void walk(ss_codec_t *codec, thing_t *thing) {
    ss_codec_mark(codec, 0x12345678);
    ss_codec_u8(codec, &thing->a);
    ss_codec_u16(codec, &thing->b);
    ss_codec_u32(codec, &thing->c);
    ss_codec_u64(codec, &thing->d);
    ss_codec_i32(codec, &thing->e);
    ss_codec_bool(codec, &thing->f);
    ss_codec_bytes(codec, thing->text, sizeof thing->text);
    if (ss_codec_hidden(codec)) {
        ss_codec_u64(codec, &thing->hidden);
    }
}

static const thing_t SAMPLE = {1, 0x2345, 0x6789ABCD, UINT64_C(0x0123456789ABCDEF), 77, -2, true, "four"};

static void round_trip(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    thing_t in = SAMPLE, out;
    memset(&out, 0xEE, sizeof out);
    ss_codec_t save = {.mode = SS_SAVE, .host = &host};
    walk(&save, &in);
    CHECK(ss_codec_ok(&save));
    CHECK_EQ(save.length, 4 + 1 + 2 + 4 + 8 + 4 + 1 + 5 + 8);
    CHECK_EQ(save.bytes[5], 0x45); /* little endian on every host */
    ss_codec_t load = {.mode = SS_LOAD, .bytes = save.bytes, .length = save.length};
    walk(&load, &out);
    CHECK(ss_codec_ok(&load));
    CHECK(out.a == in.a && out.b == in.b && out.c == in.c && out.d == in.d && out.e == in.e && out.f && out.hidden == 77);
    CHECK(memcmp(out.text, in.text, sizeof in.text) == 0);
    for (size_t length = 0; length < save.length; length++) {
        ss_codec_t cut = {.mode = SS_LOAD, .bytes = save.bytes, .length = length};
        walk(&cut, &out);
        CHECK_EQ(cut.status, STORSIM_FORMAT);
    }
    save.bytes[0] ^= 1;
    ss_codec_t marked = {.mode = SS_LOAD, .bytes = save.bytes, .length = save.length};
    walk(&marked, &out);
    CHECK_EQ(marked.status, STORSIM_FORMAT);
    ss_release(&host, save.bytes);
    CHECK_EQ(host.live_blocks, 0);
}

static uint64_t digest_of(thing_t thing) {
    ss_codec_t codec = {.mode = SS_DIGEST, .hash = UINT64_C(0xCBF29CE484222325)};
    walk(&codec, &thing);
    return codec.hash;
}

static void digest(void) {
    thing_t other = SAMPLE;
    other.hidden = 5;
    CHECK_EQ(digest_of(SAMPLE), digest_of(other));
    other.d ^= 1;
    CHECK(digest_of(SAMPLE) != digest_of(other));
    /* FNV-1a of the empty string is its basis, of "a" a published value. */
    ss_codec_t codec = {.mode = SS_DIGEST, .hash = UINT64_C(0xCBF29CE484222325)};
    uint8_t a = 'a';
    ss_codec_u8(&codec, &a);
    CHECK_EQ(codec.hash, UINT64_C(0xAF63DC4C8601EC8C));
}

static void hostile_counts(void) {
    uint8_t raw[16];
    memset(raw, 0xFF, sizeof raw);
    uint64_t count = 3;
    ss_codec_t load = {.mode = SS_LOAD, .bytes = raw, .length = sizeof raw};
    ss_codec_count(&load, &count, 8, UINT64_MAX);
    CHECK_EQ(load.status, STORSIM_FORMAT);
    CHECK_EQ(count, 0);
    ss_codec_t again = {.mode = SS_LOAD, .bytes = raw, .length = sizeof raw};
    uint32_t index = 0;
    ss_codec_index(&again, &index, 10);
    CHECK_EQ(again.status, STORSIM_FORMAT);
    CHECK_EQ(index, 0);
    bool flag = false;
    ss_codec_t third = {.mode = SS_LOAD, .bytes = raw, .length = sizeof raw};
    ss_codec_bool(&third, &flag);
    CHECK_EQ(third.status, STORSIM_FORMAT);
}

int main(void) {
    round_trip();
    digest();
    hostile_counts();
    return CHECK_DONE();
}
