/* machine/finding.c: what the rooms report, and the text of it. */
#include "machine/machine_i.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ss_machine_set_namer(storsim_machine_t *machine, const ss_namer_t *namer) {
    machine->namer = namer;
}

storsim_status_t ss_rules_register(storsim_machine_t *machine, ss_room_t room, const ss_rule_t *rules, uint32_t count) {
    if (room >= SS_ROOM_COUNT) {
        return STORSIM_INVALID;
    }
    machine->rooms[room].rules = rules;
    machine->rooms[room].rule_count = count;
    return STORSIM_OK;
}

static const ss_rule_t *rule_of(const storsim_machine_t *machine, ss_room_t room, uint32_t rule) {
    static const ss_rule_t unnamed = {"UNNAMED", "", "", "model choice"};
    if (room >= SS_ROOM_COUNT || rule >= machine->rooms[room].rule_count) {
        return &unnamed;
    }
    return &machine->rooms[room].rules[rule];
}

static void complete(const storsim_machine_t *machine, storsim_finding_t *finding, const ss_rule_t *rule) {
    const ss_where_t *where = &machine->head.where;
    finding->name = rule->name;
    finding->rule = rule->rule;
    finding->fix = rule->fix;
    finding->source = rule->source;
    finding->routine = where->routine;
    finding->irql = where->irql;
    finding->cpu = where->cpu;
    finding->time = machine->hardware.clock.now;
    finding->owner = finding->owner != 0 ? finding->owner : where->owner;
    finding->site = where->site;
    finding->context = where->context;
    finding->arg_count = where->arg_count < STORSIM_FINDING_ARGS ? where->arg_count : STORSIM_FINDING_ARGS;
    memcpy(finding->args, where->args, finding->arg_count * sizeof finding->args[0]);
}

storsim_finding_t *ss_report(storsim_machine_t *machine, ss_room_t room, uint32_t rule, const storsim_finding_t *draft) {
    ss_findings_t *findings = &machine->hardware.findings;
    if (machine->observer.finding != NULL) {
        machine->observer.finding(machine->observer.state, machine->head.where.routine, room, rule);
    }
    void *array = findings->list;
    storsim_finding_t *finding = NULL;
    if (ss_grow(&machine->host, &array, &findings->capacity, findings->count + 1, sizeof(storsim_finding_t *))) {
        findings->list = array;
        finding = ss_alloc(&machine->host, sizeof *finding);
    }
    if (finding == NULL) {
        findings->lost++;
        return NULL;
    }
    *finding = *draft;
    complete(machine, finding, rule_of(machine, room, rule));
    findings->list[findings->count] = finding;
    finding->id = ++findings->count;
    ss_trace(machine, STORSIM_TRACE_FINDING, finding->id, (uint64_t)finding->kind, finding->code, 0);
    return finding;
}

storsim_status_t ss_stop(storsim_machine_t *machine, ss_room_t room, uint32_t rule, const storsim_finding_t *draft) {
    storsim_finding_t stop = *draft;
    stop.kind = STORSIM_BUG_CHECK;
    const storsim_finding_t *stored = ss_report(machine, room, rule, &stop);
    if (stored == NULL) {
        /* The stop must be remembered even without memory: nothing was changed, so the caller can try again. */
        return STORSIM_NO_MEMORY;
    }
    machine->hardware.findings.stopped = stored->id;
    return STORSIM_BUGCHECK;
}

storsim_status_t ss_machine_alive(const storsim_machine_t *machine) {
    return machine->hardware.findings.stopped == 0 ? STORSIM_OK : STORSIM_STOPPED;
}

size_t storsim_finding_count(const storsim_machine_t *machine) {
    return machine->hardware.findings.count;
}

const storsim_finding_t *storsim_finding_get(const storsim_machine_t *machine, size_t index) {
    return index < machine->hardware.findings.count ? machine->hardware.findings.list[index] : NULL;
}

const storsim_finding_t *storsim_stopped(const storsim_machine_t *machine) {
    uint32_t id = machine->hardware.findings.stopped;
    return id != 0 ? machine->hardware.findings.list[id - 1] : NULL;
}

/* --- text ----------------------------------------------------------------------------------------------------------- */

typedef struct writer {
    char *text;
    size_t capacity, length;
} writer_t;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void put(writer_t *writer, const char *format, ...) {
    va_list list;
    va_start(list, format);
    bool room = writer->text != NULL && writer->length < writer->capacity;
    int count = vsnprintf(room ? writer->text + writer->length : NULL, room ? writer->capacity - writer->length : 0, format, list);
    va_end(list);
    writer->length += count > 0 ? (size_t)count : 0; /* unreachable: none of these formats can fail */
}

static void put_call(writer_t *writer, const ss_namer_t *namer, const storsim_finding_t *finding) {
    const char *routine = namer != NULL ? namer->routine(finding->routine) : NULL;
    if (routine == NULL) {
        return;
    }
    put(writer, " in %s(", routine);
    for (uint8_t i = 0; i < finding->arg_count; i++) {
        const char *parameter = namer->parameter(finding->routine, i);
        put(writer, "%s%s=0x%" PRIx64, i != 0 ? ", " : "", parameter != NULL ? parameter : "?", finding->args[i]);
    }
    put(writer, ")");
}

static void put_numbers(writer_t *writer, const ss_namer_t *namer, const storsim_finding_t *finding) {
    char words[200];
    if (namer != NULL && namer->numbers != NULL) {
        if (namer->numbers(finding, words, sizeof words) != 0) {
            put(writer, ": %s", words);
        }
    } else if (finding->expected != 0 || finding->got != 0) {
        put(writer, ": expected 0x%" PRIx64 " (%" PRIu64 "), got 0x%" PRIx64 " (%" PRIu64 ")", finding->expected,
            finding->expected, finding->got, finding->got);
    }
}

static void put_when(writer_t *writer, bool known, uint8_t irql, uint64_t time) {
    if (known) {
        put(writer, ", IRQL %u, time %" PRIu64 " ticks", (unsigned)irql, time);
    }
}

size_t storsim_finding_text(const storsim_machine_t *machine, const storsim_finding_t *finding, char *text, size_t capacity) {
    writer_t writer = {text, capacity, 0};
    if (finding->kind == STORSIM_BUG_CHECK) {
        const ss_namer_t *namer = machine->namer;
        const char *code = namer != NULL && namer->code != NULL ? namer->code(finding->code) : "";
        put(&writer, "BugCheck 0x%" PRIX64 "%s%s (0x%" PRIX64 ", 0x%" PRIX64 ", 0x%" PRIX64 ", 0x%" PRIX64 "): ", finding->code,
            code[0] != '\0' ? " " : "", code, finding->parameters[0], finding->parameters[1], finding->parameters[2],
            finding->parameters[3]);
    }
    put(&writer, "%s", finding->name);
    put_call(&writer, machine->namer, finding);
    put_numbers(&writer, machine->namer, finding);
    put(&writer, ".\n  Rule: %s\n  Fix: %s\n  Source: %s\n  At: IRQL %u, CPU %" PRIu32 ", time %" PRIu64 " ticks", finding->rule,
        finding->fix, finding->source, (unsigned)finding->irql, finding->cpu, finding->time);
    if (finding->address != 0) {
        put(&writer, ", address 0x%" PRIX64, finding->address);
    }
    if (finding->owner != 0) {
        put(&writer, ", adapter %" PRIu32, finding->owner);
    }
    if (finding->site != 0) {
        put(&writer, "\n  Called from: site %" PRIu32, finding->site);
    }
    if (finding->allocated_at != 0) {
        put(&writer, "\n  Allocated at: site %" PRIu32, finding->allocated_at);
        put_when(&writer, finding->allocated_known, finding->allocated_irql, finding->allocated_time);
    }
    if (finding->freed_at != 0) {
        put(&writer, "\n  First freed at: site %" PRIu32, finding->freed_at);
        put_when(&writer, finding->freed_known, finding->freed_irql, finding->freed_time);
    }
    return writer.length;
}

void ss_describe(char *text, size_t capacity, const char *what, size_t broken) {
    if (broken != 0 && text != NULL && capacity != 0 && text[0] == '\0') {
        (void)snprintf(text, capacity, "%s: %zu broken invariant%s", what, broken, broken == 1 ? "" : "s");
    }
}

/* --- state ---------------------------------------------------------------------------------------------------------- */

void ss_findings_destroy(ss_findings_t *findings, ss_host_t *host) {
    for (uint32_t i = 0; i < findings->count; i++) {
        ss_release(host, findings->list[i]);
    }
    ss_release(host, findings->list);
}

/* Texts are static; a snapshot names the rule by room and row. */
static void walk_rule(storsim_machine_t *machine, storsim_finding_t *finding, ss_codec_t *codec) {
    uint32_t room = SS_ROOM_COUNT, row = 0;
    for (uint32_t r = 0; r < SS_ROOM_COUNT && !ss_codec_loading(codec) && room == SS_ROOM_COUNT; r++) {
        for (uint32_t i = 0; i < machine->rooms[r].rule_count; i++) {
            if (machine->rooms[r].rules[i].name == finding->name) {
                room = r;
                row = i;
                break;
            }
        }
    }
    ss_codec_index(codec, &room, SS_ROOM_COUNT + 1);
    ss_codec_u32(codec, &row);
    if (ss_codec_loading(codec)) {
        const ss_rule_t *rule = rule_of(machine, (ss_room_t)room, row);
        finding->name = rule->name;
        finding->rule = rule->rule;
        finding->fix = rule->fix;
        finding->source = rule->source;
    }
}

static void walk_finding(storsim_machine_t *machine, storsim_finding_t *finding, ss_codec_t *codec) {
    walk_rule(machine, finding, codec);
    uint32_t kind = (uint32_t)finding->kind;
    ss_codec_u32(codec, &finding->id);
    ss_codec_index(codec, &kind, STORSIM_BUG_CHECK + 1);
    finding->kind = (storsim_class_t)kind;
    ss_codec_u16(codec, &finding->routine);
    ss_codec_u8(codec, &finding->irql);
    ss_codec_u32(codec, &finding->cpu);
    ss_codec_u64(codec, &finding->time);
    ss_codec_u32(codec, &finding->owner);
    ss_codec_u32(codec, &finding->site);
    ss_codec_u32(codec, &finding->allocated_at);
    ss_codec_u32(codec, &finding->freed_at);
    ss_codec_u8(codec, &finding->context);
    uint32_t args = finding->arg_count;
    ss_codec_index(codec, &args, STORSIM_FINDING_ARGS + 1);
    finding->arg_count = (uint8_t)args;
    for (int i = 0; i < STORSIM_FINDING_ARGS; i++) {
        ss_codec_u64(codec, &finding->args[i]);
    }
    ss_codec_u64(codec, &finding->code);
    for (int i = 0; i < 4; i++) {
        ss_codec_u64(codec, &finding->parameters[i]);
    }
    ss_codec_u64(codec, &finding->expected);
    ss_codec_u64(codec, &finding->got);
    ss_codec_u64(codec, &finding->address);
    ss_codec_u64(codec, &finding->allocated_time);
    ss_codec_u64(codec, &finding->freed_time);
    ss_codec_u8(codec, &finding->allocated_irql);
    ss_codec_u8(codec, &finding->freed_irql);
    ss_codec_u8(codec, &finding->allocated_context);
    ss_codec_bool(codec, &finding->allocated_known);
    ss_codec_bool(codec, &finding->freed_known);
}

void ss_findings_walk(storsim_machine_t *machine, ss_findings_t *findings, ss_codec_t *codec) {
    bool dead = findings->stopped != 0;
    if (codec->mode == SS_DIGEST) {
        ss_codec_bool(codec, &dead); /* a stopped machine is observably different; the log is not */
        return;
    }
    ss_codec_u64(codec, &findings->lost);
    uint64_t count = findings->count;
    ss_codec_count(codec, &count, 200, UINT32_MAX / 2);
    if (ss_codec_loading(codec)) {
        void *array = findings->list;
        if (!ss_grow(&machine->host, &array, &findings->capacity, (uint32_t)count, sizeof(storsim_finding_t *))) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
            return;
        }
        findings->list = array;
    }
    for (uint64_t i = 0; i < count && ss_codec_ok(codec); i++) {
        if (ss_codec_loading(codec)) {
            findings->list[i] = ss_alloc_zeroed(&machine->host, 1, sizeof(storsim_finding_t));
            if (findings->list[i] == NULL) {
                ss_codec_fail(codec, STORSIM_NO_MEMORY);
                return;
            }
            findings->count = (uint32_t)i + 1;
        }
        walk_finding(machine, findings->list[i], codec);
    }
    ss_codec_index(codec, &findings->stopped, findings->count + 1);
}
