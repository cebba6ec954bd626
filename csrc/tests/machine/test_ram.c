/* Bytes behind pages: patterns, scattered stores, loose pages, exports and orphans, digest by contents. */
#include "../check.h"
#include "machine/ram_i.h"

#include <string.h>

static uint64_t digest_of(ss_ram_t *ram) {
    ss_codec_t codec = {.mode = SS_DIGEST, .hash = UINT64_C(0xCBF29CE484222325)};
    ss_ram_walk(ram, &codec);
    return codec.hash;
}

static void contents(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_ram_t *ram;
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    ss_store_t store;
    CHECK_EQ(ss_store_create(ram, 3, SS_FILL_PATTERN, 9, &store), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, store, 0, 100, 1), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, store, 1, 50, 2), STORSIM_OK); /* scattered: frames 100, 50, 51 */
    CHECK_EQ(ss_ram_host_bytes(ram), 0);
    uint64_t before = digest_of(ram);
    uint8_t bytes[3 * 4096], by_frame[4096];
    CHECK_EQ(ss_store_read(ram, store, 0, bytes, sizeof bytes), STORSIM_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK(bytes[i] != 0);
    }
    CHECK_EQ(digest_of(ram), before); /* a read changes nothing */
    CHECK_EQ(ss_ram_read(ram, 51 * 4096, by_frame, sizeof by_frame), STORSIM_OK);
    CHECK(memcmp(by_frame, bytes + 2 * 4096, 4096) == 0);
    CHECK_EQ(ss_ram_write(ram, 50 * 4096 + 4090, "abcdefghij", 10), STORSIM_OK); /* runs over into frame 51 */
    CHECK_EQ(ss_store_read(ram, store, 2 * 4096 - 6, bytes, 10), STORSIM_OK);
    CHECK(memcmp(bytes, "abcdefghij", 10) == 0);
    CHECK(digest_of(ram) != before);
    CHECK_EQ(ss_store_read(ram, store, 3 * 4096, bytes, 1), STORSIM_INVALID);
    CHECK_EQ(ss_store_read(ram, store, UINT64_MAX, bytes, 2), STORSIM_INVALID);
    CHECK_EQ(ss_ram_check(ram), 0);
    ss_ram_detach(ram, 100, 1);
    ss_ram_detach(ram, 50, 2);
    ss_store_destroy(ram, store);
    CHECK_EQ(ss_ram_read(ram, 50 * 4096, bytes, 2), STORSIM_OK);
    CHECK_EQ(bytes[0], SS_POISON);
    CHECK_EQ(ss_ram_host_bytes(ram), 0);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

static void loose_pages(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_ram_t *ram;
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    uint8_t bytes[8];
    CHECK_EQ(ss_ram_write(ram, 7 * 4096 + 4094, "wxyz", 4), STORSIM_OK);
    CHECK_EQ(ss_ram_read(ram, 7 * 4096 + 4092, bytes, 8), STORSIM_OK);
    CHECK(memcmp(bytes, "\xDD\xDDwxyz\xDD\xDD", 8) == 0);
    ss_store_t store;
    CHECK_EQ(ss_store_create(ram, 2, SS_FILL_ZERO, 0, &store), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, store, 0, 7, 2), STORSIM_OK); /* a block takes the frames: the loose bytes go */
    CHECK_EQ(ss_ram_read(ram, 7 * 4096 + 4092, bytes, 8), STORSIM_OK);
    CHECK(memcmp(bytes, "\0\0\0\0\0\0\0\0", 8) == 0);
    CHECK_EQ(ss_ram_check(ram), 0);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

/* A room that knows whose frames are whose: frames 3 and 4 have the store `known`, a plan until somebody looks. */
typedef struct told {
    ss_ram_t *ram;
    ss_store_t known;
    bool refuse;
} told_t;

static const ss_store_plan_t plan = {.pages = 2, .seed = 9, .first_pfn = 3, .tail = 8000, .tail_value = 0x0F};

static storsim_status_t told_store(void *context, uint64_t pfn, bool make, ss_store_t *store) {
    told_t *told = context;
    *store = 0;
    if (pfn != 3 && pfn != 4) {
        return STORSIM_OK;
    }
    if (told->known == 0 && make) {
        storsim_status_t status = told->refuse ? STORSIM_NO_MEMORY : ss_store_make(told->ram, &plan, &told->known);
        if (status != STORSIM_OK) {
            return status;
        }
    }
    *store = told->known;
    return STORSIM_OK;
}

static void told_plans(void *context, ss_plan_fn visit, void *state) {
    told_t *told = context;
    if (told->known == 0) {
        told->known = visit(state, &plan);
    }
}

/* A block without a store counts as the store it would get, and gets it when somebody reads, writes or saves; not when
 * somebody asks. */
static void plans(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    told_t told = {.known = 0};
    const ss_filler_t filler = {.store = told_store, .plans = told_plans, .context = &told};
    uint8_t bytes[4];
    CHECK_EQ(ss_ram_create(&host, &filler, &told.ram), STORSIM_OK);
    ss_ram_t *ram = told.ram;
    uint64_t before = digest_of(ram);
    CHECK_EQ(told.known, 0);
    CHECK(ss_ram_touched(ram, 3) == NULL);
    CHECK_EQ(told.known, 0);
    told.refuse = true;
    CHECK_EQ(ss_ram_read(ram, 3 * 4096, bytes, 1), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_ram_write(ram, 3 * 4096, "a", 1), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_ram_write(ram, 4 * 4096 - 1, "ab", 2), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_ram_prepare(ram, 4 * 4096, 1), STORSIM_NO_MEMORY);
    told.refuse = false;
    CHECK_EQ(ss_ram_read(ram, 3 * 4096 + 7998, bytes, 4), STORSIM_OK);
    CHECK(bytes[1] != 0x0F && bytes[2] == 0x0F && bytes[3] == 0x0F);
    CHECK(told.known != 0);
    CHECK_EQ(digest_of(ram), before);
    CHECK_EQ(ss_ram_check(ram), 0);
    ss_store_destroy(ram, told.known);
    told.known = 0;
    ss_codec_t save = {.mode = SS_SAVE, .host = &host};
    ss_ram_walk(ram, &save);
    CHECK_EQ(save.status, STORSIM_OK);
    CHECK(told.known != 0);
    CHECK_EQ(ss_ram_number(ram, told.known), 1);
    ss_ram_walked(ram);
    CHECK_EQ(ss_ram_number(ram, told.known), 0);
    ss_release(&host, save.bytes);
    ss_store_destroy(ram, told.known);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

/* Loose bytes where the frames are told: found before a block takes the frame, gone afterwards, back after a restore; a
 * damaged snapshot in which a block drives one out leaves the table whole. */
static void told_loose(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    told_t told = {.known = 0}, other = {.known = 0};
    const ss_filler_t filler = {.store = told_store, .context = &told}, copied = {.store = told_store, .context = &other};
    ss_ram_t *copy;
    ss_store_t first, second, third;
    uint8_t byte;
    CHECK_EQ(ss_ram_create(&host, &filler, &told.ram), STORSIM_OK);
    ss_ram_t *ram = told.ram;
    CHECK_EQ(ss_ram_write(ram, 50 * 4096, "x", 1), STORSIM_OK);
    CHECK_EQ(ss_ram_read(ram, 50 * 4096, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 'x');
    ss_ram_claim(ram, 49, 3);
    CHECK_EQ(ss_ram_read(ram, 50 * 4096, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, SS_POISON);
    /* The order of a damaged snapshot: a loose store at a frame, then a block's store at the same. */
    CHECK_EQ(ss_store_create(ram, 1, SS_FILL_ZERO, 1, &first), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 1, SS_FILL_ZERO, 2, &second), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, second, 0, 60, 1), STORSIM_OK);
    ss_store_destroy(ram, first);
    CHECK_EQ(ss_ram_write(ram, 60 * 4096, "y", 1), STORSIM_OK); /* nobody says that 60 is second's */
    CHECK_EQ(ss_ram_write(ram, 70 * 4096, "z", 1), STORSIM_OK);
    ss_codec_t save = {.mode = SS_SAVE, .host = &host};
    ss_ram_walk(ram, &save);
    CHECK_EQ(save.status, STORSIM_OK);
    CHECK_EQ(ss_ram_create(&host, &copied, &copy), STORSIM_OK);
    other.ram = copy;
    ss_codec_t load = {.mode = SS_LOAD, .host = &host, .bytes = save.bytes, .length = save.length};
    ss_ram_walk(copy, &load);
    CHECK_EQ(load.status, STORSIM_OK);
    CHECK_EQ(ss_ram_read(copy, 70 * 4096, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 'z');
    CHECK_EQ(ss_store_create(copy, 1, SS_FILL_ZERO, 1, &first), STORSIM_OK);
    CHECK_EQ(ss_store_create(copy, 1, SS_FILL_ZERO, 1, &second), STORSIM_OK);
    CHECK_EQ(ss_store_create(copy, 1, SS_FILL_ZERO, 1, &third), STORSIM_OK);
    CHECK(first != second && second != third && first != third);
    ss_release(&host, save.bytes);
    ss_ram_destroy(copy);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

static void exports(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_ram_t *ram;
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    ss_store_t store;
    CHECK_EQ(ss_store_create(ram, 1, SS_FILL_PATTERN, 1, &store), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, store, 0, 3, 1), STORSIM_OK);
    uint8_t *data, *second;
    uint64_t written;
    CHECK_EQ(ss_store_export(ram, store, true, &data), STORSIM_OK);
    CHECK_EQ(ss_store_export(ram, store, false, &second), STORSIM_OK);
    CHECK(data == second);
    CHECK_EQ(ss_ram_exports(ram), 2);
    data[5] = 42;
    uint8_t byte;
    CHECK_EQ(ss_ram_read(ram, 3 * 4096 + 5, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 42);
    ss_ram_detach(ram, 3, 1);
    ss_store_destroy(ram, store);
    CHECK_EQ(data[5], SS_POISON); /* the orphan is poisoned at the free … */
    data[17] = 1;                 /* … and a late write is found when the last export ends */
    ss_store_unexport(ram, store, &written);
    CHECK_EQ(written, UINT64_MAX);
    ss_store_unexport(ram, store, &written);
    CHECK_EQ(written, 17);
    CHECK_EQ(ss_ram_exports(ram), 0);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

static void round_trip(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_ram_t *ram, *copy;
    ss_store_t a, b;
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 2, SS_FILL_PATTERN, 5, &a), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 4, SS_FILL_PATTERN, 6, &b), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, b, 0, 10, 2), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, b, 2, 20, 2), STORSIM_OK);
    CHECK_EQ(ss_store_write(ram, b, 5000, "hello", 5), STORSIM_OK);
    CHECK_EQ(ss_ram_write(ram, 99 * 4096, "loose", 5), STORSIM_OK);
    ss_store_destroy(ram, a);
    ss_codec_t save = {.mode = SS_SAVE, .host = &host};
    ss_ram_walk(ram, &save);
    CHECK_EQ(save.status, STORSIM_OK);
    CHECK_EQ(ss_ram_create(&host, NULL, &copy), STORSIM_OK);
    ss_codec_t load = {.mode = SS_LOAD, .host = &host, .bytes = save.bytes, .length = save.length};
    ss_ram_walk(copy, &load);
    CHECK_EQ(load.status, STORSIM_OK);
    CHECK_EQ(load.position, load.length);
    CHECK_EQ(digest_of(copy), digest_of(ram));
    CHECK_EQ(ss_ram_check(copy), 0);
    ss_ram_destroy(copy);
    for (size_t flip = 0; flip < save.length; flip += 97) { /* damage: an error or another content, never a crash */
        save.bytes[flip] ^= 0x81;
        CHECK_EQ(ss_ram_create(&host, NULL, &copy), STORSIM_OK);
        ss_codec_t bad = {.mode = SS_LOAD, .host = &host, .bytes = save.bytes, .length = save.length};
        ss_ram_walk(copy, &bad);
        ss_ram_destroy(copy);
        save.bytes[flip] ^= 0x81;
    }
    ss_release(&host, save.bytes);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

/* A block that takes frames drives out what lay there loose, and nothing else. A store without frames begins
 * nowhere. */
static void claims(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    ss_ram_t *ram;
    ss_store_t store, bare;
    CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 1, SS_FILL_ZERO, 9, &store), STORSIM_OK);
    CHECK_EQ(ss_store_attach(ram, store, 0, 10, 1), STORSIM_OK);
    CHECK_EQ(ss_store_create(ram, 1, SS_FILL_ZERO, 9, &bare), STORSIM_OK);
    ss_store_t other;
    CHECK_EQ(ss_store_create(ram, 2, SS_FILL_ZERO, 9, &other), STORSIM_OK);
    ss_codec_t saved = {.mode = SS_SAVE, .host = &host}; /* those that begin nowhere come last, by their ids */
    ss_ram_walk(ram, &saved);
    CHECK(ss_ram_number(ram, store) == 1 && ss_ram_number(ram, bare) == 2 && ss_ram_number(ram, other) == 3);
    ss_ram_walked(ram);
    ss_release(&host, saved.bytes);
    ss_store_destroy(ram, other);
    CHECK(ss_store_begins(ram, store, 10) && !ss_store_begins(ram, store, 11) && !ss_store_begins(ram, bare, 0));
    CHECK_EQ(ss_ram_write(ram, 11 * 4096, "loose", 5), STORSIM_OK);
    CHECK_EQ(ram->loose_pages, 1);
    ss_ram_claim(ram, 10, 2);
    CHECK_EQ(ram->loose_pages, 0);
    CHECK_EQ(ss_store_of(ram, 10), store);
    ss_ram_detach(ram, 10, 1);
    ss_store_destroy(ram, store);
    ss_store_destroy(ram, bare);
    ss_ram_destroy(ram);
    CHECK_EQ(host.live_blocks, 0);
}

/* The pieces of a store follow one another: a snapshot that says otherwise is damaged. */
static void gaps(void) {
    ss_host_t host;
    ss_host_init(&host, NULL);
    for (int way = 0; way < 2; way++) {
        ss_ram_t *ram, *back;
        ss_store_t store;
        CHECK_EQ(ss_ram_create(&host, NULL, &ram), STORSIM_OK);
        CHECK_EQ(ss_ram_create(&host, NULL, &back), STORSIM_OK);
        CHECK_EQ(ss_store_create(ram, 3, SS_FILL_ZERO, 9, &store), STORSIM_OK);
        CHECK_EQ(ss_store_attach(ram, store, 0, 100, 1), STORSIM_OK);
        CHECK_EQ(ss_store_attach(ram, store, 1, 50, 2), STORSIM_OK);
        ss_store_extent(ss_store_at(ram, store), 1)->page_offset = way == 0 ? 1 : 0;
        ss_codec_t saved = {.mode = SS_SAVE, .host = &host};
        ss_ram_walk(ram, &saved);
        CHECK_EQ(saved.status, STORSIM_OK);
        ss_codec_t loaded = {.mode = SS_LOAD, .host = &host, .bytes = saved.bytes, .length = saved.position != 0 ? saved.position : saved.length};
        ss_ram_walk(back, &loaded);
        CHECK_EQ(loaded.status, way == 0 ? STORSIM_OK : STORSIM_FORMAT);
        ss_release(&host, saved.bytes);
        ss_ram_destroy(back);
        ss_ram_destroy(ram);
    }
    CHECK_EQ(host.live_blocks, 0);
}

int main(void) {
    contents();
    loose_pages();
    plans();
    told_loose();
    exports();
    round_trip();
    claims();
    gaps();
    return CHECK_DONE();
}
