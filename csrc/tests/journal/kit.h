/* tests/journal/kit.h: recorded machines with one adapter, and calls by name. */
#ifndef JOURNAL_KIT_H
#define JOURNAL_KIT_H

#include <string.h>

#include "tests/check.h"

#include "storsim/hda.h"
#include "storsim/hdaudio.h"
#include "storsim/journal.h"
#include "storsim/nvme.h"
#include "storsim/storport.h"

typedef struct kit {
    storsim_machine_t *machine;
    storsim_journal_t *journal;
    uint32_t adapter;
    uint64_t extension;
} kit_t;

/* A recorded machine without a kernel. */
static inline kit_t kit_unbooted(const storsim_journal_options_t *options) {
    static const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, UINT64_C(0x40000000), 0}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 2, .seed = 7};
    kit_t kit = {0};
    CHECK_EQ(storsim_machine_create(&config, &kit.machine), STORSIM_OK);
    CHECK_EQ(storsim_journal_create(options, &kit.journal), STORSIM_OK);
    CHECK_EQ(storsim_journal_attach(kit.journal, kit.machine), STORSIM_OK);
    return kit;
}

static inline kit_t kit_make(const storsim_journal_options_t *options, storsim_level_t level) {
    kit_t kit = kit_unbooted(options);
    storsim_nt_config_t nt;
    storsim_adapter_config_t adapter;
    storsim_nt_config_init(&nt);
    storsim_adapter_config_init(&adapter);
    nt.level = level;
    adapter.name = "hba";
    CHECK_EQ(storsim_nt_boot(kit.machine, &nt), STORSIM_OK);
    CHECK_EQ(storsim_storport_attach(kit.machine), STORSIM_OK);
    CHECK_EQ(storsim_adapter_add(kit.machine, &adapter, &kit.adapter), STORSIM_OK);
    kit.extension = storsim_adapter_extension(kit.machine, kit.adapter);
    return kit;
}

static inline void kit_end(kit_t *kit) {
    storsim_machine_destroy(kit->machine);
    storsim_journal_destroy(kit->journal);
}

static inline uint64_t kit_pool(const kit_t *kit, uint32_t bytes) {
    storsim_arg_t args[] = {{.value = kit->extension, .present = true}, {.value = bytes}, {.value = 0x74736554}, {.present = true}};
    uint64_t result;
    storsim_status_t status =
        storsim_storport_call(kit->machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool), args, &result);
    CHECK(status == STORSIM_OK || status == STORSIM_VIOLATION);
    return args[3].value;
}

static inline storsim_status_t kit_free(const kit_t *kit, uint64_t address) {
    storsim_arg_t args[] = {{.value = kit->extension, .present = true}, {.value = address}};
    uint64_t result;
    return storsim_storport_call(kit->machine, storsim_ddi_routine(STORSIM_ID_StorPortFreePool), args, &result);
}

static inline uint64_t kit_dma(const kit_t *kit, uint64_t bytes, uint64_t *physical) {
    storsim_arg_t args[] = {{.value = kit->extension, .present = true}, {.value = bytes}, {0}, {.value = UINT64_MAX}, {0}, {.value = 1},
                            {.value = STORSIM_NODE_ANY}, {.present = true}, {.present = true}};
    uint64_t result;
    CHECK_EQ(storsim_storport_call(kit->machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocateDmaMemory), args, &result), STORSIM_OK);
    *physical = args[8].value;
    return args[7].value;
}

/* The journal through its bytes. */
static inline storsim_journal_t *kit_through_bytes(storsim_journal_t *journal) {
    uint8_t *bytes;
    size_t length, where = 0;
    storsim_journal_t *back;
    CHECK_EQ(storsim_journal_encode(journal, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_journal_decode(NULL, bytes, length, &back, &where), STORSIM_OK);
    storsim_journal_free(journal, bytes);
    return back;
}

static inline void kit_replays(storsim_journal_t *journal) {
    storsim_replay_report_t report;
    CHECK_EQ(storsim_journal_replay(journal, NULL, NULL, &report), STORSIM_OK);
    if (report.different) {
        fprintf(stderr, "%s\n", report.text);
    }
    CHECK(!report.different);
    CHECK_EQ(report.calls, storsim_journal_calls(journal));
}

/* A sealed journal replays, and so does what its bytes say. */
static inline void kit_replays_twice(storsim_journal_t *journal) {
    CHECK_EQ(storsim_journal_seal(journal), STORSIM_OK);
    kit_replays(journal);
    storsim_journal_t *back = kit_through_bytes(journal);
    kit_replays(back);
    storsim_journal_destroy(back);
}

/* Makes every record's check right again, as far as lengths lead; the format is described in storsim/journal.h and
 * journal/bytes.c. */
uint32_t ss_journal_check(uint32_t before, const uint8_t *body, size_t length);
static inline void kit_rechecked(uint8_t *bytes, size_t length) {
    uint32_t check = 0;
    for (size_t at = 12; length - at >= 8;) {
        uint32_t body = (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 | (uint32_t)bytes[at + 3] << 24;
        if (body > length - at - 8) {
            return;
        }
        check = ss_journal_check(check, bytes + at + 4, body);
        for (size_t i = 0; i < 4; i++) {
            bytes[at + 4 + body + i] = (uint8_t)(check >> (8 * i));
        }
        at += 8u + body;
    }
}

static inline uint64_t kit_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

#endif
