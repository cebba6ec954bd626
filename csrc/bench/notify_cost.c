/* bench/notify_cost.c: what a notification costs in the core, with a C function in the place of the driver's service routine: the entry's
 * completion, the line, the bus driver's ISR with its register accesses, the look at the descriptor list, the queued DPC. Fifteen render
 * streams at 48 kHz stereo, entries of 10 ms, as in tests/bench/rows_audio.py; nothing of Python.
 *
 *   notify_cost [SECONDS]   three lines: nanoseconds per entry with an interrupt (told), with one while a journal is kept (recorded), and
 *                           without (silent)
 *
 * Instructions: valgrind --tool=callgrind --toggle-collect=measured notify_cost 1; a second has 1 500 entries. */
#define _POSIX_C_SOURCE 200809L

#include "storsim/hda.h"
#include "storsim/hdaudio.h"
#include "storsim/journal.h"
#include "storsim/nt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STREAMS = 15, ENTRIES = 8, PIECE = 1920, SECOND = 24000000, PAUSE = 1, RUN = 2 };

static void check(bool ok, const char *what) {
    if (!ok) {
        fprintf(stderr, "notify_cost: %s failed\n", what);
        exit(1);
    }
}

/* The service routine. */
static storsim_status_t hear(void *host, storsim_callback_t *callback) {
    uint64_t *heard = host;
    *heard += callback->kind == STORSIM_CB_HDA_BDL_ISR;
    return STORSIM_OK;
}

static void call(storsim_machine_t *machine, uint64_t context, uint16_t id, storsim_arg_t *args) {
    uint64_t result = 1;
    storsim_status_t status = storsim_hdaudio_call(machine, context, storsim_ddi_routine(id), args, &result);
    check(status == STORSIM_OK && result == 0, storsim_ddi_routine(id)->name);
}

static storsim_arg_t in(uint64_t value) {
    return (storsim_arg_t){.value = value, .present = true};
}

/* The client interface with descriptor lists. */
static uint64_t interface_of(storsim_machine_t *machine, uint32_t controller) {
    size_t count;
    uint32_t status = 1;
    storsim_hdaudio_interface_t found = {0};
    const storsim_hdaudio_table_t *table = storsim_hdaudio_tables(&count);
    while (count > 0 && table->tables != STORSIM_TABLE_BDL) {
        table++;
        count--;
    }
    check(count > 0 && storsim_hdaudio_query(machine, controller, table->guid, table->size_x64, 0x0100, 0, &found, &status) == STORSIM_OK &&
              status == 0,
          "query");
    return found.context;
}

static uint64_t stream(storsim_machine_t *machine, uint64_t context, bool interrupts) {
    storsim_stream_format_t format = {48000, 16, 16, 2};
    storsim_arg_t engine[] = {{.data = &format, .count = 1, .present = true}, in(0), in(0), in(0)};
    call(machine, context, STORSIM_ID_AllocateRenderDmaEngine, engine);
    uint64_t handle = engine[2].value;
    storsim_arg_t buffer[] = {in(handle), in(PIECE * ENTRIES), in(0), in(0)};
    call(machine, context, STORSIM_ID_AllocateContiguousDmaBuffer, buffer);
    uint64_t physical = storsim_physical(machine, buffer[2].value);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        uint64_t at = physical + i * PIECE;
        uint8_t entry[16] = {[8] = PIECE & 0xFF, [9] = PIECE >> 8, [12] = interrupts};
        for (uint32_t byte = 0; byte < 8; byte++) {
            entry[byte] = (uint8_t)(at >> (8 * byte));
        }
        check(storsim_write_va(machine, buffer[3].value + i * sizeof entry, entry, sizeof entry) == STORSIM_OK, "descriptor");
    }
    storsim_arg_t setup[] = {in(handle), in(PIECE * ENTRIES), in(ENTRIES - 1), in(1), in(0), in(0), in(0)};
    call(machine, context, STORSIM_ID_SetupDmaEngineWithBdl, setup);
    return handle;
}

#if defined(__GNUC__)
__attribute__((noinline))
#endif
static void measured(storsim_machine_t *machine, uint32_t seconds) {
    for (uint32_t i = 0; i < seconds; i++) {
        check(storsim_advance(machine, SECOND) == STORSIM_OK, "advance");
    }
}

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time); /* of this process: what else the machine does is not counted */
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void run(const char *name, bool interrupts, bool recorded, uint32_t seconds) {
    static const storsim_range_t range = {UINT64_C(1) << 20, UINT64_C(256) << 20, 0};
    const storsim_machine_config_t hardware = {.ranges = &range, .range_count = 1, .seed = 7};
    storsim_machine_t *machine;
    storsim_nt_config_t nt;
    storsim_hda_config_t chip;
    storsim_hdaudio_config_t bus;
    uint32_t controller;
    uint64_t heard = 0, handles[STREAMS];
    storsim_nt_config_init(&nt);
    storsim_hda_config_init(&chip);
    storsim_hdaudio_config_init(&bus);
    chip.render = STREAMS;
    chip.capture = 0;
    const storsim_journal_options_t options = {.memory_limit = 0};
    storsim_journal_t *journal = NULL;
    check(storsim_machine_create(&hardware, &machine) == STORSIM_OK, "machine");
    check(!recorded || (storsim_journal_create(&options, &journal) == STORSIM_OK && storsim_journal_attach(journal, machine) == STORSIM_OK),
          "journal");
    check(storsim_nt_boot(machine, &nt) == STORSIM_OK, "kernel");
    storsim_machine_set_callback(machine, hear, &heard);
    check(storsim_hda_add(machine, &chip, &controller) == STORSIM_OK && storsim_codec_add_ideal(machine, controller, 0) == STORSIM_OK &&
              storsim_hdaudio_attach(machine, controller, &bus) == STORSIM_OK,
          "controller");
    uint64_t context = interface_of(machine, controller);
    for (uint32_t i = 0; i < STREAMS; i++) {
        handles[i] = stream(machine, context, interrupts);
    }
    for (uint64_t state = PAUSE; state <= RUN; state++) {
        storsim_arg_t args[] = {in(state), {.data = handles, .count = STREAMS, .present = true}, in(STREAMS)};
        call(machine, context, STORSIM_ID_SetDmaEngineState, args);
    }
    measured(machine, 1); /* first uses */
    uint64_t before_heard = heard;
    double before = now();
    measured(machine, seconds);
    double spent = now() - before;
    check(interrupts == (heard > before_heard), "delivery");
    printf("%-8s %9.1f ns per entry\n", name, spent / (1500.0 * seconds));
    storsim_machine_destroy(machine);
    storsim_journal_destroy(journal);
}

int main(int argc, char **argv) {
    unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
    seconds = seconds > 0 && seconds < 100000 ? seconds : 1;
    run("told", true, false, (uint32_t)seconds);
    run("recorded", true, true, (uint32_t)seconds);
    run("silent", false, false, (uint32_t)seconds);
    return 0;
}
