/* fuzz/machine.c: the machine a program runs on, from its first bytes. */
#include <string.h>

#include "fuzz/fuzz_i.h"
#include "storsim/hda.h"

/* The map: `pages` frames in a few runs with holes and node borders between them, drawn from one byte. */
static size_t make_map(fuzz_t *f, uint32_t pages, uint32_t shape, storsim_range_t *ranges) {
    size_t count = 0;
    uint32_t page = 1, node = 0, state = shape * 2654435761u + 12345u;
    f->oracle.nodes = 1 + shape % 3;
    while (page < pages && count < 8) {
        state = state * 1103515245u + 12345u;
        uint32_t length = shape < 8 ? pages : 8 + (state >> 16) % (pages / 3 + 1);
        length = page + length > pages ? pages - page : length;
        ranges[count++] = (storsim_range_t){page * UINT64_C(4096), length * UINT64_C(4096), node};
        oracle_map(&f->oracle, page, length, node);
        page += length + ((state >> 9) % 2 != 0 ? 1 + (state >> 11) % 9 : 0);
        node += node + 1 < f->oracle.nodes && (state >> 10) % 2 != 0;
    }
    return count;
}

/* What the port itself needs is taken from the core's own list: its placement is not the model's business. */
static void learn_blocks(fuzz_t *f) {
    storsim_allocation_t allocation;
    for (uint64_t cursor = 0; storsim_allocation_next(f->machine, &cursor, &allocation);) {
        if (allocation.va == 0) {
            continue;
        }
        block_t block = {.kind = KIND_PORT, .va = allocation.va, .size = allocation.size, .pa = allocation.pa,
                         .first = (uint32_t)(allocation.pa / 4096), .pages = (uint32_t)allocation.pages};
        (void)oracle_add(&f->oracle, &block);
    }
}

void fuzz_learn(fuzz_t *f) {
    storsim_memory_run_t run;
    oracle_take(&f->oracle, 0, ORACLE_PAGES);
    for (uint64_t at = 0; storsim_memory_next_free(f->machine, at, &run); at = run.first_pfn + run.pages) {
        oracle_give(&f->oracle, run.first_pfn, run.pages);
    }
}

/* The host program: claims interrupts, grants what is asked, and while it is at it runs an operation of the program. */
static storsim_status_t answer(void *context, storsim_callback_t *callback) {
    fuzz_t *f = context;
    bool nested = f->depth < 2 && !f->dead && !f->report->different && f->report->operations % 2 != 0;
    callback->result = callback->kind == STORSIM_CB_HMB_POLICY ? callback->values[1] : 1;
    if (callback->kind == STORSIM_CB_CODEC_SOURCE || callback->kind == STORSIM_CB_FAULT_PREDICATE) {
        callback->result = 0;
    }
    if (callback->kind == STORSIM_CB_SG_EXECUTE) {
        fuzz_remember(f, STORSIM_T_PSGLIST, callback->values[2]);
    }
    if (nested) {
        const uint8_t *arg = f->arg, *arg_end = f->arg_end;
        const storsim_routine_t *routine = f->routine;
        const storsim_arg_t *args = f->args;
        f->loose = true;
        f->depth++;
        (void)fuzz_step(f);
        f->depth--;
        f->arg = arg;
        f->arg_end = arg_end;
        f->routine = routine;
        f->args = args;
    }
    return STORSIM_OK;
}

static storsim_status_t add_audio(fuzz_t *f, uint32_t parts) {
    storsim_hda_config_t chip;
    storsim_hda_config_init(&chip);
    chip.timing = (storsim_hda_timing_t)(parts % 3);
    chip.dma_remapping = parts / 3 % 2 != 0;
    storsim_hdaudio_config_t bus;
    storsim_hdaudio_config_init(&bus);
    if (parts / 6 % 2 != 0) {
        (void)storsim_hdaudio_policy_profile(&bus.policy, "skl");
    }
    storsim_status_t status = storsim_hda_add(f->machine, &chip, &f->controller);
    status = status == STORSIM_OK ? storsim_codec_add_ideal(f->machine, f->controller, 0) : status;
    return status == STORSIM_OK ? storsim_hdaudio_attach(f->machine, f->controller, &bus) : status;
}

static storsim_status_t add_devices(fuzz_t *f, uint32_t knobs, uint32_t audio) {
    storsim_status_t status = storsim_storport_attach(f->machine);
    for (uint32_t i = 0; status == STORSIM_OK && i < ORACLE_ADAPTERS; i++) {
        storsim_adapter_config_t adapter;
        storsim_adapter_config_init(&adapter);
        adapter.name = i == 0 ? "first" : "second";
        adapter.sg_delivery = (storsim_sg_delivery_t)(knobs / 2 % 3);
        status = storsim_adapter_add(f->machine, &adapter, &f->adapters[i]);
        f->extensions[i] = status == STORSIM_OK ? storsim_adapter_extension(f->machine, f->adapters[i]) : 0;
    }
    return status == STORSIM_OK && audio != 0 ? add_audio(f, audio) : status;
}

static storsim_status_t create(fuzz_t *f, const storsim_machine_config_t *config, uint32_t knobs, uint32_t audio) {
    storsim_nt_config_t nt;
    storsim_nt_config_init(&nt);
    nt.os = f->oracle.os;
    nt.level = (storsim_level_t)f->oracle.level;
    nt.node_strict = f->oracle.node_strict;
    storsim_status_t status = storsim_machine_create(config, &f->machine);
    if (status != STORSIM_OK) {
        f->machine = NULL;
        return status;
    }
    if (f->options->begins != NULL) {
        f->options->begins(f->options->context, f->machine);
    }
    storsim_machine_set_callback(f->machine, answer, f);
    status = storsim_nt_boot(f->machine, &nt);
    status = status == STORSIM_OK && f->options->behaviours != NULL ? storsim_behaviours_watch(f->machine) : status;
    status = status == STORSIM_OK ? add_devices(f, knobs, audio) : status;
    if (status != STORSIM_OK) {
        fuzz_close(f);
        return status == STORSIM_NO_MEMORY ? status : STORSIM_INVALID;
    }
    bool watched = f->options->begins != NULL || f->options->ends != NULL; /* somebody wants to see every machine */
    if (f->report->machines != 0 && !watched && storsim_checkpoint_take(f->machine, &f->fresh) != STORSIM_OK) {
        f->fresh = NULL;
    }
    return STORSIM_OK;
}

/* What the rest of a machine's life is judged by. */
static void begin(fuzz_t *f, uint32_t audio) {
    f->report->machines++;
    f->brackets = 0;
    f->dead = f->loose = f->lasting = false;
    memset(f->recent_count, 0, sizeof f->recent_count);
    learn_blocks(f);
    f->foreign = audio != 0;
    f->findings = storsim_finding_count(f->machine);
    for (uint32_t i = 0; i < ORACLE_ADAPTERS; i++) {
        fuzz_remember(f, STORSIM_T_ADAPTER, f->adapters[i]);
    }
    if (audio != 0) {
        fuzz_remember(f, STORSIM_T_CONTROLLER, f->controller);
        fuzz_remember(f, STORSIM_T_LINE, storsim_hda_line(f->machine, f->controller));
        fuzz_learn(f);
    }
}

storsim_status_t fuzz_open(fuzz_t *f) {
    static const uint32_t versions[] = {0x0A000010, 0x0A000010, 0x0A000005, 0x0A000004, 0x0A000001, 0x06010000};
    f->arg = f->head;
    f->arg_end = f->head_end;
    uint32_t pages = 48 + fuzz_arg(f) * 5, shape = fuzz_arg(f), kind = fuzz_arg(f), knobs = fuzz_arg(f), seed = fuzz_arg(f);
    uint32_t audio = fuzz_arg(f);
    pages = audio != 0 && pages < 256 ? 256 : pages;
    oracle_init(&f->oracle, (int)((kind + 1) % 3), versions[kind / 3 % 6]);
    f->oracle.node_strict = knobs % 2 != 0;
    storsim_range_t ranges[8];
    storsim_machine_config_t config = {.host = f->options->host, .ranges = ranges, .seed = seed, .trace_entries = 64};
    config.range_count = make_map(f, pages, shape, ranges);
    config.node_count = f->oracle.nodes;
    if (f->machine != NULL && storsim_checkpoint_restore(f->machine, f->fresh) != STORSIM_OK) {
        fuzz_close(f);
    }
    storsim_status_t status = f->machine == NULL ? create(f, &config, knobs, audio) : STORSIM_OK;
    if (status == STORSIM_OK) {
        begin(f, audio);
    }
    return status;
}

storsim_status_t fuzz_next(fuzz_t *f) {
    if (f->fresh == NULL || f->lasting) {
        fuzz_close(f);
    }
    return fuzz_open(f);
}

void fuzz_close(fuzz_t *f) {
    if (f->machine == NULL) {
        return;
    }
    if (f->options->behaviours != NULL && storsim_behaviours_seen(f->machine) != 0) {
        (void)storsim_behaviours_collect(f->machine, f->options->behaviours, f->options->behaviours_length);
    }
    if (f->options->ends != NULL) {
        f->options->ends(f->options->context, f->machine);
    }
    storsim_checkpoint_free(f->machine, f->fresh);
    f->fresh = NULL;
    storsim_machine_destroy(f->machine);
    f->machine = NULL;
}
