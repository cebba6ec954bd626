/* Which pool tags are tags: each byte alone, at each of the four places, with blanks around it. Source:
 * ExAllocatePoolWithTag, Tag: "a character literal of up to four characters"; the rule BAD_TAG: a letter or a digit is
 * among them. */
#include "world.h"

int main(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned c = 1; c < 256; c++) {
            uint32_t tag = (UINT32_C(0x20202020) & ~(UINT32_C(0xFF) << 8 * place)) | (uint32_t)c << 8 * place;
            bool good = (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5A) || (c >= 0x61 && c <= 0x7A);
            size_t before = storsim_finding_count(w.machine);
            ss_block_id_t id = pool_get(&w, 10, tag, STORSIM_OK);
            CHECK(id != 0);
            CHECK_EQ(storsim_finding_count(w.machine), before + (good ? 0 : 1));
            ss_block_free(w.machine, id);
        }
    }
    world_end(&w);
    return CHECK_DONE();
}
