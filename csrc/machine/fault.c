/* machine/fault.c: the fault plan. One system decides every injected failure; each is recorded with an id, so that a run replays. */
#include "machine/machine_i.h"
#include "machine/operations.h"

storsim_status_t storsim_fault_add(storsim_machine_t *machine, const storsim_fault_rule_t *rule, uint32_t *id) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_data(rule, 1), ss_arg_out(*id)};
        storsim_status_t answer = ss_tap_run(machine, &ss_machine_operations[SS_FAULT_ADD], args, NULL);
        *id = (uint32_t)args[1].value;
        return answer;
    }
    ss_faults_t *faults = &machine->hardware.faults;
    if (rule->kind < STORSIM_FAULT_NTH || rule->kind > STORSIM_FAULT_HARDWARE || rule->chances > 10000 ||
        rule->hardware > STORSIM_HW_REMOVED || (rule->kind == STORSIM_FAULT_RANGE && rule->first > rule->last) ||
        ((rule->kind == STORSIM_FAULT_NTH || rule->kind == STORSIM_FAULT_RANGE) && rule->first == 0) ||
        (rule->kind == STORSIM_FAULT_PREDICATE && rule->predicate == 0)) {
        return STORSIM_INVALID;
    }
    void *array = faults->rules;
    if (!ss_grow(&machine->host, &array, &faults->capacity, faults->count + 1, sizeof(ss_fault_entry_t))) {
        return STORSIM_NO_MEMORY;
    }
    faults->rules = array;
    faults->rules[faults->count++] = (ss_fault_entry_t){
        .rule = *rule, .id = ++faults->next_id, .rng = {ss_mix(machine->seed, ss_mix(rule->seed, 0xFA017))}};
    *id = faults->next_id;
    return STORSIM_OK;
}

storsim_status_t storsim_fault_remove(storsim_machine_t *machine, uint32_t id) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(id)};
        return ss_tap_run(machine, &ss_machine_operations[SS_FAULT_REMOVE], args, NULL);
    }
    ss_faults_t *faults = &machine->hardware.faults;
    for (uint32_t i = 0; i < faults->count; i++) {
        if (faults->rules[i].id == id) {
            for (uint32_t j = i + 1; j < faults->count; j++) {
                faults->rules[j - 1] = faults->rules[j];
            }
            faults->count--;
            return STORSIM_OK;
        }
    }
    return STORSIM_STALE;
}

void storsim_fault_clear(storsim_machine_t *machine) {
    if (ss_tapped(machine)) {
        (void)ss_tap_run(machine, &ss_machine_operations[SS_FAULT_CLEAR], NULL, NULL);
        return;
    }
    machine->hardware.faults.count = 0;
}

void storsim_fault_pause(storsim_machine_t *machine, bool pause) {
    if (ss_tapped(machine)) {
        storsim_arg_t args[] = {ss_arg_in(pause)};
        (void)ss_tap_run(machine, &ss_machine_operations[SS_FAULT_PAUSE], args, NULL);
        return;
    }
    ss_faults_t *faults = &machine->hardware.faults;
    if (pause) {
        faults->paused++;
    } else if (faults->paused != 0) {
        faults->paused--;
    }
}

size_t storsim_injected_count(const storsim_machine_t *machine) {
    return machine->hardware.faults.injected_count;
}

const storsim_injected_t *storsim_injected_get(const storsim_machine_t *machine, size_t index) {
    const ss_faults_t *faults = &machine->hardware.faults;
    return index < faults->injected_count ? &faults->injected[index] : NULL;
}

uint64_t storsim_fault_points(const storsim_machine_t *machine) {
    return machine->hardware.faults.points;
}

static bool matches(const storsim_machine_t *machine, const storsim_fault_rule_t *rule, uint16_t routine, uint32_t tag, uint64_t bytes,
                    bool named) {
    return ((rule->routine == 0 && !named) || rule->routine == routine) && (!rule->match_tag || rule->tag == tag) &&
           bytes >= rule->minimum_bytes && (rule->maximum_bytes == 0 || bytes <= rule->maximum_bytes) &&
           machine->hardware.clock.now >= rule->not_before;
}

/* The index of the first rule that fails this occasion, or UINT32_MAX. Every matching rule counts the occasion. */
static uint32_t decide(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes, bool named, storsim_status_t *status) {
    uint32_t winner = UINT32_MAX;
    uint32_t count = machine->hardware.faults.count;
    for (uint32_t i = 0; i < count && i < machine->hardware.faults.count; i++) {
        ss_fault_entry_t *entry = &machine->hardware.faults.rules[i];
        const storsim_fault_rule_t rule = entry->rule;
        if (rule.kind == STORSIM_FAULT_HARDWARE || !matches(machine, &rule, routine, tag, bytes, named)) {
            continue;
        }
        uint64_t ordinal = ++entry->matched;
        bool fails = false;
        if (rule.kind == STORSIM_FAULT_NTH) {
            fails = ordinal == rule.first;
        } else if (rule.kind == STORSIM_FAULT_RANGE) {
            fails = ordinal >= rule.first && ordinal <= rule.last;
        } else if (rule.kind == STORSIM_FAULT_PROBABILITY) {
            fails = ss_rng_below(&entry->rng, 10000) < rule.chances;
        } else {
            storsim_callback_t callback = {
                .kind = STORSIM_CB_FAULT_PREDICATE, .routine = rule.predicate, .values = {routine, tag, bytes, ordinal}};
            *status = ss_callback(machine, &callback); /* may add or remove rules: entry is stale from here on */
            if (*status != STORSIM_OK) {
                return UINT32_MAX;
            }
            fails = callback.result != 0;
        }
        if (fails && winner == UINT32_MAX) {
            winner = i;
        }
    }
    return winner;
}

void ss_fault_behind(storsim_machine_t *machine, ss_fault_fn behind) {
    machine->fault_behind = behind;
}

static bool inject(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes, bool named, storsim_status_t *status) {
    ss_faults_t *faults = &machine->hardware.faults;
    *status = STORSIM_OK;
    if (faults->paused != 0) {
        return false;
    }
    faults->points += !named;
    if (faults->count == 0 && (named || machine->fault_behind == NULL)) {
        return false;
    }
    /* Room for the record first, one for each call that is waiting for a predicate: an injected failure is never unrecorded. */
    void *array = faults->injected;
    uint32_t needed = faults->injected_count + faults->deciding + 1;
    if (!ss_grow(&machine->host, &array, &faults->injected_capacity, needed, sizeof(storsim_injected_t))) {
        *status = STORSIM_NO_MEMORY;
        return false;
    }
    faults->injected = array;
    faults->deciding++;
    uint32_t winner = decide(machine, routine, tag, bytes, named, status), rule = 0;
    faults->deciding--;
    uint64_t ordinal = 0;
    if (winner != UINT32_MAX && winner < faults->count) {
        rule = faults->rules[winner].id;
        ordinal = faults->rules[winner].matched;
    } else if (!named && machine->fault_behind != NULL && *status == STORSIM_OK) {
        rule = machine->fault_behind(machine, routine, tag, bytes);
        ordinal = faults->points;
    }
    if (rule == 0) {
        return false;
    }
    uint32_t id = faults->injected_count + 1;
    faults->injected[faults->injected_count++] = (storsim_injected_t){.id = id,
                                                                      .rule = rule,
                                                                      .routine = routine,
                                                                      .site = machine->head.where.site,
                                                                      .time = machine->hardware.clock.now,
                                                                      .bytes = bytes,
                                                                      .tag = tag,
                                                                      .ordinal = ordinal};
    ss_trace(machine, STORSIM_TRACE_FAULT, id, rule, bytes, tag);
    return true;
}

bool ss_fault_idle(const storsim_machine_t *machine) {
    return machine->hardware.faults.count == 0 && machine->fault_behind == NULL;
}

void ss_fault_pass(storsim_machine_t *machine) {
    machine->hardware.faults.points += machine->hardware.faults.paused == 0;
}

bool ss_fault(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes, storsim_status_t *status) {
    return inject(machine, routine, tag, bytes, false, status);
}

bool ss_fault_named(storsim_machine_t *machine, uint16_t routine, storsim_status_t *status) {
    return inject(machine, routine, 0, 0, true, status);
}

bool ss_hardware_fault(storsim_machine_t *machine, storsim_hardware_fault_t fault, uint32_t device) {
    ss_faults_t *faults = &machine->hardware.faults;
    if (faults->paused != 0) {
        return false;
    }
    for (uint32_t i = 0; i < faults->count; i++) {
        ss_fault_entry_t *entry = &faults->rules[i];
        if (entry->rule.kind == STORSIM_FAULT_HARDWARE && entry->rule.hardware == fault &&
            (entry->rule.device == 0 || entry->rule.device == device) && machine->hardware.clock.now >= entry->rule.not_before) {
            uint64_t limit = entry->rule.first != 0 ? entry->rule.first : 1;
            ss_trace(machine, STORSIM_TRACE_FAULT, 0, entry->id, fault, device);
            if (++entry->matched >= limit) {
                (void)storsim_fault_remove(machine, entry->id);
            }
            return true;
        }
    }
    return false;
}

void ss_faults_destroy(ss_faults_t *faults, ss_host_t *host) {
    ss_release(host, faults->rules);
    ss_release(host, faults->injected);
}

static void walk_rule(ss_fault_entry_t *entry, ss_codec_t *codec) {
    storsim_fault_rule_t *rule = &entry->rule;
    uint32_t kind = (uint32_t)rule->kind, hardware = (uint32_t)rule->hardware;
    ss_codec_index(codec, &kind, STORSIM_FAULT_HARDWARE + 1);
    ss_codec_index(codec, &hardware, STORSIM_HW_REMOVED + 1);
    rule->kind = (storsim_fault_kind_t)kind;
    rule->hardware = (storsim_hardware_fault_t)hardware;
    ss_codec_u16(codec, &rule->routine);
    ss_codec_bool(codec, &rule->match_tag);
    ss_codec_u32(codec, &rule->tag);
    ss_codec_u64(codec, &rule->minimum_bytes);
    ss_codec_u64(codec, &rule->maximum_bytes);
    ss_codec_u64(codec, &rule->first);
    ss_codec_u64(codec, &rule->last);
    ss_codec_u32(codec, &rule->chances);
    ss_codec_u64(codec, &rule->seed);
    ss_codec_u64(codec, &rule->predicate);
    ss_codec_u64(codec, &rule->not_before);
    ss_codec_u32(codec, &rule->device);
    ss_codec_u32(codec, &entry->id);
    ss_codec_u64(codec, &entry->matched);
    ss_codec_u64(codec, &entry->rng.state);
}

static void walk_injected(storsim_injected_t *injected, ss_codec_t *codec) {
    ss_codec_u32(codec, &injected->id);
    ss_codec_u32(codec, &injected->rule);
    ss_codec_u16(codec, &injected->routine);
    ss_codec_u32(codec, &injected->site);
    ss_codec_u64(codec, &injected->time);
    ss_codec_u64(codec, &injected->bytes);
    ss_codec_u32(codec, &injected->tag);
    ss_codec_u64(codec, &injected->ordinal);
}

/* No driver can see the plan, so the digest leaves it out. The pause depth belongs to the host's `with` blocks: not restored. */
void ss_faults_walk(ss_faults_t *faults, ss_host_t *host, ss_codec_t *codec) {
    if (!ss_codec_hidden(codec)) {
        return;
    }
    uint64_t count = faults->count, injected = faults->injected_count;
    ss_codec_u32(codec, &faults->next_id);
    ss_codec_u64(codec, &faults->points);
    ss_codec_count(codec, &count, 90, UINT32_MAX / 2);
    void *array = faults->rules;
    if (ss_codec_loading(codec)) {
        if (!ss_grow(host, &array, &faults->capacity, (uint32_t)count, sizeof(ss_fault_entry_t))) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        faults->rules = array;
        faults->count = (uint32_t)count;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (ss_codec_loading(codec)) {
            faults->rules[i] = (ss_fault_entry_t){.id = 0};
        }
        walk_rule(&faults->rules[i], codec);
    }
    ss_codec_count(codec, &injected, 46, UINT32_MAX / 2);
    array = faults->injected;
    if (ss_codec_loading(codec)) {
        if (!ss_grow(host, &array, &faults->injected_capacity, (uint32_t)injected, sizeof(storsim_injected_t))) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        faults->injected = array;
        faults->injected_count = (uint32_t)injected;
    }
    for (uint64_t i = 0; i < injected; i++) {
        walk_injected(&faults->injected[i], codec);
    }
}
