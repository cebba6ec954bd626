/* Levels, lines, service routines and deferred calls: who runs when, on which CPU, at which IRQL. */
#include "world.h"

enum { MAX_LOG = 256 };
static struct {
    char what;
    uint64_t value;
    uint8_t irql;
    uint32_t cpu;
    uint64_t time;
} record[MAX_LOG];
static size_t log_count;
static uint32_t the_line;
static int isr_lowers, dpc_requeues, fail_next;

static void note(storsim_machine_t *machine, char what, uint64_t value) {
    CHECK(log_count < MAX_LOG);
    record[log_count].what = what;
    record[log_count].value = value;
    record[log_count].irql = storsim_irql(machine);
    record[log_count].cpu = storsim_cpu(machine);
    record[log_count].time = storsim_now(machine);
    log_count++;
}

static storsim_status_t isr(storsim_machine_t *machine, uint32_t line, uint64_t context, bool *claimed) {
    note(machine, 'I', context);
    CHECK_EQ(ss_dpc_queue(machine, SS_ROOM_HDAUDIO, 7, context, log_count), STORSIM_OK);
    *claimed = isr_lowers != 2;
    return isr_lowers == 1 ? ss_line_set(machine, line, false) : STORSIM_OK;
}

static storsim_status_t dpc(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b) {
    (void)b;
    CHECK_EQ(kind, 7);
    if (!dpc_requeues) {
        note(machine, 'D', a);
    }
    return dpc_requeues ? ss_dpc_queue(machine, SS_ROOM_HDAUDIO, 7, a, b) : STORSIM_OK;
}

static const ss_kernel_ops_t ops = {.isr = isr, .dpc = dpc};

static storsim_status_t host(void *context, storsim_callback_t *callback) {
    storsim_machine_t *machine = *(storsim_machine_t **)context;
    note(machine, callback->kind == STORSIM_CB_INTERRUPT ? 'i' : 'd',
         callback->values[callback->kind == STORSIM_CB_INTERRUPT ? 1 : 0]);
    CHECK_EQ(storsim_advance(machine, 1), STORSIM_REENTRY);
    if (fail_next) {
        fail_next = 0;
        return STORSIM_CALLBACK;
    }
    if (callback->kind == STORSIM_CB_INTERRUPT) {
        uint8_t irql = storsim_irql(machine);
        CHECK_EQ(storsim_set_irql(machine, (uint8_t)(irql - 1), NULL),
                 STORSIM_INVALID);                                 /* never below the callback's own level */
        CHECK_EQ(storsim_set_irql(machine, 15, NULL), STORSIM_OK); /* put back afterwards */
        callback->result = 1;
        return ss_line_set(machine, the_line, false);
    }
    return STORSIM_OK;
}

static void start(world_t *w) {
    log_count = 0;
    isr_lowers = 1;
    dpc_requeues = fail_next = 0;
    world_boot(w);
    CHECK_EQ(ss_kernel_ops_register(w->machine, SS_ROOM_HDAUDIO, &ops), STORSIM_OK);
    storsim_machine_set_callback(w->machine, host, &w->machine);
    CHECK_EQ(ss_line_add(w->machine, &the_line), STORSIM_OK);
}

static void check_log(const char *expected) {
    CHECK_EQ(log_count, strlen(expected));
    for (size_t i = 0; i < log_count; i++) {
        CHECK_EQ(record[i].what, expected[i]);
    }
}

static void plain(void) {
    world_t w;
    world_init(&w);
    start(&w);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 2, SS_ROOM_HDAUDIO, 1), STORSIM_INVALID);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 5, SS_ROOM_HDAUDIO, 1), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 6, SS_ROOM_HDAUDIO, 2), STORSIM_INVALID);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("ID");
    CHECK_EQ(record[0].irql, 5);
    CHECK_EQ(record[1].irql, 2);
    CHECK_EQ(storsim_irql(w.machine), 0);
    /* At DISPATCH the interrupt comes, its DPC waits; at the device's level both wait. */
    uint8_t old;
    log_count = 0;
    CHECK_EQ(storsim_set_irql(w.machine, 2, &old), STORSIM_OK);
    CHECK_EQ(old, 0);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("I");
    CHECK_EQ(storsim_set_irql(w.machine, 5, NULL), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("I");
    CHECK_EQ(storsim_set_irql(w.machine, 4, NULL), STORSIM_OK);
    check_log("II");
    CHECK_EQ(storsim_set_irql(w.machine, 1, NULL), STORSIM_OK);
    check_log("IIDD");
    CHECK_EQ(storsim_set_irql(w.machine, 16, NULL), STORSIM_INVALID);
    ss_interrupt_disconnect(w.machine, the_line);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("IIDD");
    world_end(&w);
}

static void priorities(void) {
    world_t w;
    world_init(&w);
    start(&w);
    uint32_t second, third;
    CHECK_EQ(ss_line_add(w.machine, &second), STORSIM_OK);
    CHECK_EQ(ss_line_add(w.machine, &third), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 5, SS_ROOM_HDAUDIO, 5), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, second, 9, SS_ROOM_HDAUDIO, 9), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, third, 5, SS_ROOM_HDAUDIO, 6), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 15, NULL), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, third, true), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, second, true), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    check_log("IIIDDD"); /* every interrupt before any deferred call; level first, then line number */
    CHECK(record[0].value == 9 && record[1].value == 5 && record[2].value == 6);
    CHECK(record[3].value == 9 && record[4].value == 5 && record[5].value == 6);
    world_end(&w);
}

static void stubborn(void) {
    world_t w;
    world_init(&w);
    start(&w);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 5, SS_ROOM_HDAUDIO, 1), STORSIM_OK);
    isr_lowers = 2; /* not claimed, not lowered */
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("ID");
    CHECK_LAST(&w, "INTERRUPT_UNCLAIMED");
    CHECK_EQ(last_finding(&w)->kind, STORSIM_NOTE);
    CHECK_EQ(ss_deliver(w.machine), STORSIM_OK);
    check_log("ID"); /* held off until the line changes */
    CHECK_EQ(ss_line_set(w.machine, the_line, false), STORSIM_OK);
    log_count = 0;
    isr_lowers = 0; /* claimed, never lowered */
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    CHECK_EQ(log_count, 128);
    CHECK_LAST(&w, "INTERRUPT_STORM");
    world_end(&w);
}

/* Spans are written when they end and say when they began and what lies in them. */
static void traced(void) {
    static const struct { uint16_t kind; uint8_t irql; uint32_t inside; uint64_t began, value; } expected[] = {
        {STORSIM_TRACE_INTERRUPT, 0, 0, 0, 1}, {STORSIM_TRACE_QUEUED, 5, 0, 0, 0}, {STORSIM_TRACE_INTERRUPT, 5, 0, 0, 0},
        {STORSIM_TRACE_ISR, 5, 2, 0, 1},       {STORSIM_TRACE_DPC, 2, 0, 100, 7},
    };
    world_t w;
    world_init(&w);
    w.config.dpc_latency = 100;
    start(&w);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 5, SS_ROOM_HDAUDIO, 1), STORSIM_OK);
    const uint64_t before = storsim_trace_total(w.machine);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    CHECK_EQ(storsim_advance(w.machine, 100), STORSIM_OK);
    CHECK_EQ(storsim_trace_total(w.machine), before + 5);
    for (size_t i = 0; i < 5; i++) {
        storsim_trace_entry_t entry = {0};
        CHECK(storsim_trace_get(w.machine, (size_t)before + i, &entry));
        CHECK_EQ(entry.sequence, before + i);
        CHECK_EQ(entry.kind, expected[i].kind);
        CHECK_EQ(entry.irql, expected[i].irql);
        CHECK_EQ(entry.inside, expected[i].inside);
        CHECK_EQ(entry.began, expected[i].began);
        CHECK(i == 1 || entry.values[1] == expected[i].value);
    }
    world_end(&w);
}

static void latency(void) {
    world_t w;
    world_init(&w);
    w.config.dpc_latency = 100;
    start(&w);
    CHECK_EQ(ss_interrupt_connect(w.machine, the_line, 5, SS_ROOM_HDAUDIO, 1), STORSIM_OK);
    CHECK_EQ(storsim_advance(w.machine, 1000), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("I");
    CHECK_EQ(storsim_advance(w.machine, 99), STORSIM_OK);
    check_log("I");
    CHECK_EQ(storsim_advance(w.machine, 1), STORSIM_OK);
    check_log("ID");
    CHECK_EQ(record[1].time, 1100);
    /* The late_dpc fault, once. */
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_HARDWARE, .hardware = STORSIM_HW_LATE_DPC};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(w.machine, &rule, &id), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    CHECK_EQ(storsim_advance(w.machine, 1000000), STORSIM_OK);
    check_log("IDID");
    CHECK_EQ(record[3].time - record[2].time, 100 + SS_LATE_DPC_TICKS);
    CHECK_EQ(ss_dpc_queue_late(w.machine, SS_ROOM_HDAUDIO, 7, 5, 0, UINT64_MAX), STORSIM_OK); /* never */
    ss_dpc_drop(w.machine, SS_ROOM_HDAUDIO, 7, 5);
    world_end(&w);
}

static void manual(void) {
    world_t w;
    world_init(&w);
    w.config.dpc_manual = true;
    start(&w);
    uint32_t ran;
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 10), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 11), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(w.machine, 0, 11), STORSIM_INVALID);
    CHECK_EQ(storsim_advance(w.machine, 1000), STORSIM_OK);
    check_log("");
    CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
    CHECK_EQ(storsim_run_dpcs(w.machine, &ran), STORSIM_OK);
    CHECK_EQ(ran, 0);
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    CHECK_EQ(storsim_run_dpcs(w.machine, &ran), STORSIM_OK);
    CHECK_EQ(ran, 2);
    check_log("dd");
    CHECK(record[0].value == 10 && record[1].value == 11 && record[0].irql == 2);
    world_end(&w);
}

static void host_routines(void) {
    world_t w;
    world_init(&w);
    start(&w);
    CHECK_EQ(storsim_connect_interrupt(w.machine, the_line, 7, 0, 5), STORSIM_INVALID);
    CHECK_EQ(storsim_connect_interrupt(w.machine, the_line, 7, 123, 5), STORSIM_OK);
    bool delivered;
    CHECK_EQ(storsim_run_until_interrupt(w.machine, 10, &delivered), STORSIM_OK);
    CHECK(!delivered);
    CHECK_EQ(ss_line_set(w.machine, the_line, true), STORSIM_OK);
    check_log("i");
    CHECK(record[0].irql == 7 && record[0].value == 5);
    CHECK_EQ(storsim_irql(w.machine), 0);
    fail_next = 1;
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 10), STORSIM_CALLBACK);
    CHECK_EQ(storsim_irql(w.machine), 0); /* the machine can go on */
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 11), STORSIM_OK);
    check_log("idd");
    world_end(&w);
}

static void cpus(void) {
    world_t w;
    world_init(&w);
    w.config.cpus = 4;
    start(&w);
    CHECK_EQ(storsim_set_cpu(w.machine, 3), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 33), STORSIM_OK);
    check_log("");
    CHECK_EQ(storsim_set_cpu(w.machine, 0), STORSIM_OK);
    CHECK_EQ(storsim_irql(w.machine), 0);
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 30), STORSIM_OK);
    check_log("d"); /* CPU 3 stays above */
    CHECK_EQ(record[0].cpu, 0);
    CHECK_EQ(storsim_set_cpu(w.machine, 3), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    check_log("dd");
    CHECK(record[1].cpu == 3 && record[1].value == 33);
    ss_set_context(w.machine, 9);
    CHECK_EQ(ss_machine_where(w.machine)->context, 9);
    CHECK_EQ(storsim_set_cpu(w.machine, 1), STORSIM_OK);
    CHECK_EQ(ss_context(w.machine), 0);
    CHECK_EQ(ss_machine_where(w.machine)->cpu, 1);
    world_end(&w);
}

static void watchdog(void) {
    world_t w;
    world_init(&w);
    start(&w);
    dpc_requeues = 1;
    CHECK_EQ(ss_dpc_queue(w.machine, SS_ROOM_HDAUDIO, 7, 1, 0), STORSIM_OK);
    CHECK_EQ(ss_deliver(w.machine), STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0x133, 1, 0, 0, 0);
    CHECK_EQ(ss_deliver(w.machine), STORSIM_OK); /* nothing runs on a dead machine */
    storsim_machine_destroy(w.machine);
}

int main(void) {
    plain();
    priorities();
    stubborn();
    traced();
    latency();
    manual();
    host_routines();
    cpus();
    watchdog();
    return CHECK_PINNED(nt_test_interrupt);
}
