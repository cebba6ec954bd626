/* machine/clock.c: virtual time, the event queue, interrupt lines.
 *
 * Events form a binary min-heap ordered by (time, sequence), so that events at one time run in the order they were scheduled, on every
 * platform. Time moves only in run_until: to the next event, or to the end. */
#include "machine/machine_i.h"
#include "machine/operations.h"

uint64_t storsim_now(const storsim_machine_t *machine) {
    return machine->hardware.clock.now;
}

static bool before(const ss_event_t *a, const ss_event_t *b) {
    return a->time != b->time ? a->time < b->time : a->sequence < b->sequence;
}

static void sift_up(ss_clock_t *clock, uint32_t at) {
    while (at > 0 && before(&clock->heap[at], &clock->heap[(at - 1) / 2])) {
        ss_event_t swap = clock->heap[at];
        clock->heap[at] = clock->heap[(at - 1) / 2];
        clock->heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static void sift_down(ss_clock_t *clock, uint32_t at) {
    for (;;) {
        uint32_t least = at, left = 2 * at + 1, right = 2 * at + 2;
        if (left < clock->count && before(&clock->heap[left], &clock->heap[least])) {
            least = left;
        }
        if (right < clock->count && before(&clock->heap[right], &clock->heap[least])) {
            least = right;
        }
        if (least == at) {
            return;
        }
        ss_event_t swap = clock->heap[at];
        clock->heap[at] = clock->heap[least];
        clock->heap[least] = swap;
        at = least;
    }
}

static void remove_at(ss_clock_t *clock, uint32_t at) {
    clock->heap[at] = clock->heap[--clock->count];
    if (at < clock->count) {
        sift_down(clock, at);
        sift_up(clock, at);
    }
}

storsim_status_t ss_event_at(storsim_machine_t *machine, uint64_t time, ss_room_t room, uint16_t kind, uint64_t a, uint64_t b,
                             uint32_t *id) {
    ss_clock_t *clock = &machine->hardware.clock;
    void *array = clock->heap;
    if (!ss_grow(&machine->host, &array, &clock->capacity, clock->count + 1, sizeof(ss_event_t))) {
        return STORSIM_NO_MEMORY;
    }
    clock->heap = array;
    if (++clock->next_id == 0) {
        clock->next_id = 1;
    }
    clock->heap[clock->count] = (ss_event_t){.time = time < clock->now ? clock->now : time,
                                             .sequence = clock->sequence++,
                                             .room = (uint16_t)room,
                                             .kind = kind,
                                             .a = a,
                                             .b = b,
                                             .id = clock->next_id};
    sift_up(clock, clock->count++);
    if (id != NULL) {
        *id = clock->next_id;
    }
    return STORSIM_OK;
}

static uint32_t find_event(const ss_clock_t *clock, uint32_t id) {
    for (uint32_t i = 0; i < clock->count; i++) {
        if (clock->heap[i].id == id) {
            return i;
        }
    }
    return UINT32_MAX;
}

void ss_event_cancel(storsim_machine_t *machine, uint32_t id) {
    uint32_t at = id != 0 ? find_event(&machine->hardware.clock, id) : UINT32_MAX;
    if (at != UINT32_MAX) {
        remove_at(&machine->hardware.clock, at);
    }
}

bool ss_event_pending(const storsim_machine_t *machine, uint32_t id) {
    return id != 0 && find_event(&machine->hardware.clock, id) != UINT32_MAX;
}

/* Runs what is due up to `end`; stops early after an event during which an interrupt was delivered, if asked. */
static storsim_status_t run_until(storsim_machine_t *machine, uint64_t end, bool stop_at_interrupt) {
    ss_clock_t *clock = &machine->hardware.clock;
    while (clock->count != 0 && clock->heap[0].time <= end) {
        ss_event_t event = clock->heap[0];
        remove_at(clock, 0);
        clock->now = event.time > clock->now ? event.time : clock->now;
        const ss_room_ops_t *ops = machine->rooms[event.room].ops;
        if (ops != NULL && ops->event != NULL) {
            storsim_status_t status = ops->event(machine, machine->head.states[event.room], &event);
            if (status != STORSIM_OK) {
                return status;
            }
        }
        if (stop_at_interrupt && clock->interrupt_seen) {
            return STORSIM_OK;
        }
    }
    clock->now = end > clock->now ? end : clock->now;
    return STORSIM_OK;
}

storsim_status_t ss_settle(storsim_machine_t *machine) {
    storsim_status_t first = STORSIM_OK;
    for (int room = 0; room < SS_ROOM_COUNT; room++) {
        const ss_room_ops_t *ops = machine->rooms[room].ops;
        if (ops != NULL && ops->settle != NULL) {
            storsim_status_t status = ops->settle(machine, machine->head.states[room]);
            first = first == STORSIM_OK ? status : first;
        }
    }
    return first;
}

static storsim_status_t run_and_settle(storsim_machine_t *machine, uint64_t ticks, bool stop_at_interrupt) {
    uint64_t end;
    if (!ss_add_u64(machine->hardware.clock.now, ticks, &end)) {
        return STORSIM_OVERFLOW;
    }
    storsim_status_t status = run_until(machine, end, stop_at_interrupt);
    storsim_status_t settled = ss_settle(machine);
    return status != STORSIM_OK ? status : settled;
}

storsim_status_t ss_wait(storsim_machine_t *machine, uint64_t ticks) {
    return run_and_settle(machine, ticks, false);
}

static storsim_status_t outer_allowed(const storsim_machine_t *machine) {
    if (machine->callback_depth != 0) {
        return STORSIM_REENTRY;
    }
    return ss_machine_alive(machine);
}

storsim_status_t storsim_advance(storsim_machine_t *machine, uint64_t ticks) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(ticks)};
        return ss_tap_run(machine, &ss_machine_operations[SS_ADVANCE], args, NULL);
    }
    storsim_status_t status = outer_allowed(machine);
    return status != STORSIM_OK ? status : run_and_settle(machine, ticks, false);
}

storsim_status_t storsim_run_until_interrupt(storsim_machine_t *machine, uint64_t limit, bool *delivered) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(limit), ss_arg_out(*delivered)};
        storsim_status_t answer = ss_tap_run(machine, &ss_machine_operations[SS_RUN_UNTIL_INTERRUPT], args, NULL);
        *delivered = args[1].value != 0;
        return answer;
    }
    storsim_status_t status = outer_allowed(machine);
    if (status != STORSIM_OK) {
        return status;
    }
    machine->hardware.clock.interrupt_seen = false;
    status = run_and_settle(machine, limit, true);
    *delivered = machine->hardware.clock.interrupt_seen;
    return status;
}

void ss_machine_interrupt_seen(storsim_machine_t *machine) {
    machine->hardware.clock.interrupt_seen = true;
}

/* --- lines ---------------------------------------------------------------------------------------------------------- */

storsim_status_t ss_line_reserve(storsim_machine_t *machine) {
    ss_clock_t *clock = &machine->hardware.clock;
    void *array = clock->lines;
    if (!ss_grow(&machine->host, &array, &clock->line_capacity, clock->line_count + 1, sizeof(bool))) {
        return STORSIM_NO_MEMORY;
    }
    clock->lines = array;
    return STORSIM_OK;
}

storsim_status_t ss_line_add(storsim_machine_t *machine, uint32_t *line) {
    ss_clock_t *clock = &machine->hardware.clock;
    if (ss_line_reserve(machine) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    }
    clock->lines[clock->line_count++] = false;
    *line = clock->line_count;
    return STORSIM_OK;
}

bool ss_line_get(const storsim_machine_t *machine, uint32_t line) {
    const ss_clock_t *clock = &machine->hardware.clock;
    return line != 0 && line <= clock->line_count && clock->lines[line - 1];
}

bool storsim_line_level(const storsim_machine_t *machine, uint32_t line) {
    return ss_line_get(machine, line);
}

void ss_line_listen(storsim_machine_t *machine, ss_room_t room) {
    machine->listener = room;
}

storsim_status_t ss_line_set(storsim_machine_t *machine, uint32_t line, bool level) {
    ss_clock_t *clock = &machine->hardware.clock;
    if (line == 0 || line > clock->line_count) {
        return STORSIM_INVALID;
    }
    if (clock->lines[line - 1] == level) {
        return STORSIM_OK;
    }
    clock->lines[line - 1] = level;
    ss_trace(machine, STORSIM_TRACE_INTERRUPT, line, level, 0, 0);
    if (machine->listener == SS_ROOM_COUNT) {
        return STORSIM_OK;
    }
    const ss_room_ops_t *ops = machine->rooms[machine->listener].ops;
    if (ops == NULL || ops->interrupt == NULL) {
        return STORSIM_OK;
    }
    return ops->interrupt(machine, machine->head.states[machine->listener], line);
}

/* --- state ---------------------------------------------------------------------------------------------------------- */

void ss_clock_destroy(ss_clock_t *clock, ss_host_t *host) {
    ss_release(host, clock->heap);
    ss_release(host, clock->lines);
}

static void walk_event(ss_codec_t *codec, ss_event_t *event) {
    ss_codec_u64(codec, &event->time);
    uint32_t room = event->room;
    ss_codec_index(codec, &room, SS_ROOM_COUNT);
    event->room = (uint16_t)room;
    ss_codec_u16(codec, &event->kind);
    ss_codec_u64(codec, &event->a);
    ss_codec_u64(codec, &event->b);
    if (ss_codec_hidden(codec)) {
        ss_codec_u64(codec, &event->sequence);
        ss_codec_u32(codec, &event->id);
    }
}

/* The heap's shape is canonical for a given history; the digest takes a sum over events so that only what is due counts. */
static void digest_events(const ss_clock_t *clock, ss_codec_t *codec) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < clock->count; i++) {
        ss_codec_t one = {.mode = SS_DIGEST, .hash = UINT64_C(0xCBF29CE484222325)};
        ss_event_t event = clock->heap[i];
        walk_event(&one, &event);
        sum += ss_mix(one.hash, 2);
    }
    ss_codec_u64(codec, &sum);
}

void ss_clock_walk(ss_clock_t *clock, ss_host_t *host, ss_codec_t *codec) {
    ss_codec_u64(codec, &clock->now);
    if (codec->mode == SS_DIGEST) {
        digest_events(clock, codec);
    } else {
        ss_codec_u64(codec, &clock->sequence);
        ss_codec_u32(codec, &clock->next_id);
        uint64_t count = clock->count;
        ss_codec_count(codec, &count, 42, UINT32_MAX / 2);
        void *array = clock->heap;
        if (ss_codec_loading(codec)) {
            if (!ss_grow(host, &array, &clock->capacity, (uint32_t)count, sizeof(ss_event_t))) {
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
            clock->heap = array;
        }
        for (uint64_t i = 0; i < count; i++) {
            if (ss_codec_loading(codec)) {
                clock->heap[i] = (ss_event_t){0};
            }
            walk_event(codec, &clock->heap[i]);
        }
        if (ss_codec_loading(codec)) {
            clock->count = ss_codec_ok(codec) ? (uint32_t)count : 0;
            if (ss_clock_check(clock) != 0) {
                ss_codec_fail(codec, STORSIM_FORMAT);
            }
        }
    }
    uint64_t lines = clock->line_count;
    ss_codec_count(codec, &lines, 1, UINT32_MAX / 2);
    if (ss_codec_loading(codec)) {
        void *array = clock->lines;
        if (!ss_grow(host, &array, &clock->line_capacity, (uint32_t)lines, sizeof(bool))) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        clock->lines = array;
        clock->line_count = (uint32_t)lines;
    }
    for (uint64_t i = 0; i < lines; i++) {
        ss_codec_bool(codec, &clock->lines[i]);
    }
}

size_t ss_clock_check(const ss_clock_t *clock) {
    size_t broken = 0;
    for (uint32_t i = 0; i < clock->count; i++) {
        broken += clock->heap[i].time < clock->now;
        broken += i != 0 && before(&clock->heap[i], &clock->heap[(i - 1) / 2]);
    }
    return broken;
}
