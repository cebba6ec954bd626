/* fuzz/compare.c: what the core answered against what it must. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz_i.h"

/* --- saying it ------------------------------------------------------------------------------------------------------ */

static size_t describe(const fuzz_t *f, char *text, size_t capacity) {
    int length = snprintf(text, capacity, "operation %" PRIu64 ", machine %" PRIu64 ", level %d, os 0x%" PRIx32 ", irql %u",
                          f->report->operations, f->report->machines, f->oracle.level, f->oracle.os,
                          f->machine != NULL ? (unsigned)storsim_irql(f->machine) : 0);
    size_t at = length > 0 ? (size_t)length : 0;
    for (uint8_t i = 0; f->routine != NULL && i < f->routine->param_count && at < capacity; i++) {
        length = i == 0 ? snprintf(text + at, capacity - at, ", %s(0x%" PRIx64, f->routine->name, f->args[i].value)
                        : snprintf(text + at, capacity - at, ", 0x%" PRIx64, f->args[i].value);
        at += length > 0 ? (size_t)length : 0;
    }
    if (f->routine != NULL && at < capacity) {
        length = f->routine->param_count != 0 ? snprintf(text + at, capacity - at, ")") : snprintf(text + at, capacity - at, ", %s()", f->routine->name);
        at += length > 0 ? (size_t)length : 0;
    }
    return at < capacity ? at : capacity;
}

void fuzz_fail(fuzz_t *f, const char *format, ...) {
    if (f->report->different) {
        return;
    }
    f->report->different = true;
    char *text = f->report->text;
    size_t capacity = sizeof f->report->text;
    va_list list;
    va_start(list, format);
    int length = vsnprintf(text, capacity, format, list);
    va_end(list);
    size_t at = length > 0 && (size_t)length + 3 < capacity ? (size_t)length : capacity - 3;
    text[at] = '\n';
    (void)describe(f, text + at + 1, capacity - at - 1);
}

/* --- a call against its prediction ---------------------------------------------------------------------------------- */

/* True when all are there. A host without memory may lose what is recorded, never more. */
static bool compare_violations(fuzz_t *f, const expect_t *expect) {
    size_t count = storsim_finding_count(f->machine), found = 0;
    for (size_t i = f->findings; i < count; i++) {
        const storsim_finding_t *finding = storsim_finding_get(f->machine, i);
        if (finding->kind != STORSIM_RULE_VIOLATION) {
            continue;
        }
        bool expected = expect->lenient || expect->stops; /* a stop may come with the rule event behind it */
        for (unsigned j = 0; j < expect->violation_count; j++) {
            expected = expected || strcmp(expect->violations[j], finding->name) == 0;
        }
        if (!expected) {
            fuzz_fail(f, "violation %s was not expected", finding->name);
        }
        found++;
    }
    bool lost = f->options->host != NULL && found < expect->violation_count;
    if (!expect->lenient && !expect->stops && !lost && found != expect->violation_count) {
        fuzz_fail(f, "%u violations expected (%s ...), %zu found", expect->violation_count,
                  expect->violation_count != 0 ? expect->violations[0] : "none", found);
    }
    return !lost;
}

static void compare_stop(fuzz_t *f, const expect_t *expect, storsim_status_t status) {
    const storsim_finding_t *stop = storsim_stopped(f->machine);
    if (!expect->stops) {
        fuzz_fail(f, "bugcheck 0x%" PRIx64 " (0x%" PRIx64 ", 0x%" PRIx64 ") was not expected", stop != NULL ? stop->code : 0,
                  stop != NULL ? stop->parameters[0] : 0, stop != NULL ? stop->parameters[1] : 0);
        return;
    }
    if (status == STORSIM_BUGCHECK && stop != NULL && expect->other_code != 0 && stop->code == expect->other_code) {
        return;
    }
    if (status != STORSIM_BUGCHECK || stop == NULL || stop->code != expect->code) {
        fuzz_fail(f, "bugcheck 0x%" PRIx32 " expected, got %s 0x%" PRIx64, expect->code, storsim_status_name(status),
                  stop != NULL ? stop->code : 0);
        return;
    }
    for (int i = 0; i < 4; i++) {
        if (expect->parameters[i] != DONT_CARE && expect->parameters[i] != stop->parameters[i]) {
            fuzz_fail(f, "bugcheck 0x%" PRIx32 " parameter %d is 0x%" PRIx64 ", expected 0x%" PRIx64, expect->code, i + 1,
                      stop->parameters[i], expect->parameters[i]);
        }
    }
}

/* A refused call has changed nothing. */
static bool digest_before(fuzz_t *f, uint64_t *digest) {
    return f->options->thorough && storsim_digest(f->machine, digest) == STORSIM_OK;
}

static void digest_after(fuzz_t *f, uint64_t before) {
    uint64_t digest;
    if (storsim_digest(f->machine, &digest) == STORSIM_OK && digest != before) {
        fuzz_fail(f, "a refused call changed the machine");
    }
}

/* The first rule names the behaviour: combinations of several would never all be seen. */
static void tell(fuzz_t *f, uint64_t result, bool refused) {
    const storsim_finding_t *stop = storsim_stopped(f->machine);
    const char *rule = "";
    for (size_t i = f->findings; i < storsim_finding_count(f->machine) && rule[0] == '\0' && !refused; i++) {
        const storsim_finding_t *finding = storsim_finding_get(f->machine, i);
        rule = finding->kind == STORSIM_RULE_VIOLATION ? finding->name : rule;
    }
    uint64_t parameter = stop != NULL && stop->parameters[0] < 0x200 ? stop->parameters[0] : 0;
    f->options->saw(f->options->context, f->routine->id, f->oracle.level, f->oracle.irql, stop != NULL,
                    stop != NULL ? stop->code << 16 | parameter : result, rule);
}

bool fuzz_call(fuzz_t *f, uint16_t id, storsim_arg_t *args, const expect_t *expect) {
    const storsim_routine_t *routine = storsim_ddi_routine(id);
    uint64_t result = 0, digest = 0;
    f->routine = routine;
    f->args = args;
    bool digested = !f->loose && digest_before(f, &digest); /* an armed fault plan counts refused calls too */
    storsim_status_t status = storsim_storport_call(f->machine, routine, args, &result);
    f->report->calls++;
    f->dead = status == STORSIM_BUGCHECK;
    f->refused = status == STORSIM_NO_MEMORY && f->options->host != NULL;
    if (f->refused) { /* a host that refuses: nothing happened, though what was wrong with the call may be on record */
        f->findings = storsim_finding_count(f->machine);
        if (digested) {
            digest_after(f, digest);
        }
        return false;
    }
    if (!f->loose) {
        if (f->dead || (expect->stops && !expect->either)) {
            compare_stop(f, expect, status);
        } else if (result != expect->status && !(expect->allow_other && result == expect->other)) {
            fuzz_fail(f, "answered 0x%" PRIx64 ", expected 0x%" PRIx32, result, expect->status);
        }
        bool complete = true;
        if (storsim_finding_count(f->machine) != f->findings || expect->violation_count != 0) {
            complete = compare_violations(f, expect);
        }
        bool raised = expect->violation_count != 0 && f->oracle.level == LEVEL_STRICT;
        if (complete && !f->dead && !expect->lenient && status != (raised ? STORSIM_VIOLATION : STORSIM_OK)) {
            fuzz_fail(f, "core status %s", storsim_status_name(status));
        }
    }
    if (f->options->saw != NULL && !f->loose) {
        tell(f, result, expect->allow_other && result == expect->other);
    }
    f->findings = storsim_finding_count(f->machine);
    bool answered = status == STORSIM_OK || status == STORSIM_VIOLATION;
    if (digested && answered && result != ST_SUCCESS) {
        digest_after(f, digest);
    }
    return answered && result == ST_SUCCESS;
}

void fuzz_output(fuzz_t *f, const storsim_arg_t *argument, bool success, const expect_t *expect, uint64_t before) {
    if (f->dead || f->loose || !argument->present) {
        return;
    }
    bool absent = expect->status == ST_NOT_IMPLEMENTED || f->refused;
    if (absent ? argument->value != before || argument->written : !success && argument->value != 0) {
        fuzz_fail(f, "an output holds 0x%" PRIx64 " after a failure", argument->value);
    }
    if (success && argument->value == 0) {
        fuzz_fail(f, "success without an output");
    }
}

/* --- the whole ------------------------------------------------------------------------------------------------------ */

void fuzz_pages(fuzz_t *f) {
    uint64_t seen[ORACLE_WORDS] = {0};
    storsim_memory_run_t run;
    f->routine = NULL;
    for (uint64_t at = 0; storsim_memory_next_free(f->machine, at, &run); at = run.first_pfn + run.pages) {
        uint64_t end = run.first_pfn + run.pages < ORACLE_PAGES ? run.first_pfn + run.pages : ORACLE_PAGES;
        for (uint64_t word = run.first_pfn / 64; run.first_pfn < end && word * 64 < end; word++) {
            seen[word] |= oracle_pages_of(word, run.first_pfn, end);
        }
    }
    for (uint32_t word = 0; word < ORACLE_WORDS; word++) {
        uint64_t wrong = seen[word] ^ f->oracle.free[word];
        for (uint32_t bit = 0; wrong != 0 && bit < 64; bit++) {
            if ((wrong >> bit & 1) != 0) {
                fuzz_fail(f, "page %" PRIu32 ": %s in the model only", word * 64 + bit,
                          (f->oracle.free[word] >> bit & 1) != 0 ? "free" : "busy");
                return;
            }
        }
    }
}

void fuzz_machine(fuzz_t *f) {
    char text[200] = "";
    f->routine = NULL;
    if (storsim_check(f->machine, text, sizeof text) != 0) {
        fuzz_fail(f, "check: %s", text);
    }
}

void fuzz_after(fuzz_t *f, storsim_status_t status) {
    f->dead = storsim_stopped(f->machine) != NULL;
    f->findings = storsim_finding_count(f->machine);
    if (status == STORSIM_BUGCHECK && !f->dead) {
        fuzz_fail(f, "a bugcheck without a record of it");
    }
}
