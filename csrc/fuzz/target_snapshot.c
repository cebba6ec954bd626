/* fuzz/target_snapshot.c: restores snapshots that were tampered with.
 *
 * The input is a list of edits to the snapshot of a small machine with everything on it: two bytes position, one byte how many bytes follow
 * (at most 8), those bytes. The checksum is made right afterwards, so that the loader sees what no honest program would give it. A refused
 * snapshot has changed nothing; an accepted one leaves a machine that can be looked at, run, saved and ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/target.h"
#include "fuzz/sealed.h"
#include "machine/core.h"
#include "storsim/hdaudio.h"
#include "storsim/hda.h"
#include "storsim/storport.h"

typedef struct base {
    storsim_machine_t *machine;
    uint8_t *bytes;
    size_t length;
    uint32_t controller;
} base_t;

static void must(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "DIFFERENCE %s\n", what);
        abort();
    }
}

static void use_adapter(storsim_machine_t *machine) {
    storsim_adapter_config_t config;
    storsim_adapter_config_init(&config);
    config.name = "hba";
    uint32_t adapter;
    must(storsim_adapter_add(machine, &config, &adapter) == STORSIM_OK, "adapter");
    uint64_t extension = storsim_adapter_extension(machine, adapter), result;
    for (uint64_t size = 16; size < 40000; size *= 5) {
        storsim_arg_t pool[] = {{.value = extension, .present = true}, {.value = size, .present = true}, {.value = 0x74736554, .present = true},
                                {.present = true}};
        must(storsim_storport_call(machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocatePool), pool, &result) == STORSIM_OK, "pool");
        if (size > 100) {
            must(storsim_write_va(machine, pool[3].value, "bytes", 5) == STORSIM_OK, "store");
            storsim_arg_t mdl[] = {{.value = extension, .present = true}, {.value = pool[3].value, .present = true}, {.value = size, .present = true},
                                   {.present = true}};
            must(storsim_storport_call(machine, storsim_ddi_routine(STORSIM_ID_StorPortAllocateMdl), mdl, &result) == STORSIM_OK, "mdl");
        }
    }
    const storsim_srb_config_t request = {.length = 10000, .fragments = 3};
    uint64_t srb;
    must(storsim_srb_create(machine, adapter, &request, &srb) == STORSIM_OK, "srb");
    const storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_NTH, .first = 1000};
    uint32_t id;
    must(storsim_fault_add(machine, &rule, &id) == STORSIM_OK, "fault");
}

static void use_audio(base_t *base) {
    storsim_hda_config_t chip;
    storsim_hda_config_init(&chip);
    chip.keep_bytes = 4096;
    storsim_hdaudio_config_t bus;
    storsim_hdaudio_config_init(&bus);
    must(storsim_hda_add(base->machine, &chip, &base->controller) == STORSIM_OK, "chip");
    must(storsim_codec_add_ideal(base->machine, base->controller, 0) == STORSIM_OK, "codec");
    must(storsim_hdaudio_attach(base->machine, base->controller, &bus) == STORSIM_OK, "bus driver");
    size_t count;
    const storsim_hdaudio_table_t *table = &storsim_hdaudio_tables(&count)[1];
    storsim_hdaudio_interface_t interface;
    uint32_t status;
    must(storsim_hdaudio_query(base->machine, base->controller, table->guid, table->size_x64, table->version, 0, &interface, &status) ==
             STORSIM_OK, "query");
    storsim_stream_format_t format = {48000, 16, 16, 2};
    storsim_arg_t engine[] = {{.data = &format, .count = 1, .present = true}, {.present = true}, {.present = true}, {.present = true}};
    uint64_t result;
    must(storsim_hdaudio_call(base->machine, interface.context, storsim_ddi_routine(STORSIM_ID_AllocateRenderDmaEngine), engine, &result) ==
             STORSIM_OK, "engine");
    storsim_arg_t buffer[] = {{.value = engine[2].value, .present = true}, {.value = 8192, .present = true}, {.present = true}, {.present = true},
                              {.present = true}, {.present = true}};
    must(storsim_hdaudio_call(base->machine, interface.context, storsim_ddi_routine(STORSIM_ID_AllocateDmaBuffer), buffer, &result) ==
             STORSIM_OK && result == 0, "buffer");
    uint64_t handle = engine[2].value;
    for (uint64_t state = 1; state <= 2; state++) {
        storsim_arg_t run[] = {{.value = state, .present = true}, {.data = &handle, .count = 1, .present = true}, {.value = 1, .present = true}};
        must(storsim_hdaudio_call(base->machine, interface.context, storsim_ddi_routine(STORSIM_ID_SetDmaEngineState), run, &result) ==
                 STORSIM_OK && result == 0, "run");
    }
    must(storsim_advance(base->machine, 5000) == STORSIM_OK, "time");
}

static storsim_status_t answer(void *host, storsim_callback_t *callback) {
    (void)host;
    callback->result = 0;
    return STORSIM_OK;
}

static void make_base(base_t *base) {
    const storsim_range_t ranges[] = {{0x1000, 0x200000, 0}, {0x400000, 0x100000, 1}};
    const storsim_machine_config_t config = {.ranges = ranges, .range_count = 2, .seed = 5, .trace_entries = 16};
    storsim_nt_config_t nt;
    storsim_nt_config_init(&nt);
    must(storsim_machine_create(&config, &base->machine) == STORSIM_OK, "machine");
    storsim_machine_set_callback(base->machine, answer, NULL);
    must(storsim_nt_boot(base->machine, &nt) == STORSIM_OK && storsim_storport_attach(base->machine) == STORSIM_OK, "boot");
    use_adapter(base->machine);
    use_audio(base);
    must(storsim_snapshot(base->machine, &base->bytes, &base->length) == STORSIM_OK, "snapshot");
}

/* Positions count from both ends of the header on; what lies beyond the end cuts the snapshot there. */
static size_t edit(const base_t *base, uint8_t *bytes, const uint8_t *data, size_t size) {
    size_t length = base->length;
    while (size >= 3) {
        size_t at = ((size_t)data[0] | (size_t)data[1] << 8) * 7 % length, count = data[2] % 9u;
        bool cut = data[2] >= 250;
        data += 3;
        size -= 3;
        if (cut) {
            length = at < 32 ? 32 : at;
            continue;
        }
        for (size_t i = 0; i < count && i < size && at + i < length - 8; i++) {
            bytes[at + i] = data[i];
        }
        data += count < size ? count : size;
        size -= count < size ? count : size;
    }
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static base_t base;
    if (base.machine == NULL) {
        make_base(&base);
    }
    uint8_t *bytes = malloc(base.length);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, base.bytes, base.length);
    size_t length = edit(&base, bytes, data, size), where = 0;
    sealed(bytes, length);
    uint64_t before = 0, after = 1;
    must(storsim_digest(base.machine, &before) == STORSIM_OK, "digest");
    storsim_status_t status = storsim_restore(base.machine, bytes, length, &where);
    if (status != STORSIM_OK) {
        must(status == STORSIM_FORMAT || status == STORSIM_NO_MEMORY, "a status that restore does not have");
        must(where <= length, "an offset beyond the snapshot");
        must(storsim_digest(base.machine, &after) == STORSIM_OK && before == after, "a refused snapshot changed the machine");
    } else {
        char text[100];
        uint8_t *again;
        (void)storsim_digest(base.machine, &after);
        must(storsim_check(base.machine, text, sizeof text) == 0, "an accepted snapshot contradicts itself");
        (void)storsim_advance(base.machine, 20000);
        storsim_allocation_t allocation;
        for (uint64_t cursor = 0; storsim_allocation_next(base.machine, &cursor, &allocation);) {
        }
        if (storsim_snapshot(base.machine, &again, &length) == STORSIM_OK) {
            storsim_snapshot_free(base.machine, again);
        }
        must(storsim_restore(base.machine, base.bytes, base.length, NULL) == STORSIM_OK, "the honest snapshot is refused afterwards");
    }
    free(bytes);
    return 0;
}
