/* fuzz/differential.c: the core against the naive oracle, at C speed.
 *
 *   differential [--seed N] [--calls N] [--seconds N] [--each N] [--table]
 *
 * Made-up programs (fuzz/make.h) run on random machines: at most 1 024 pages, holes, one to three nodes, all levels and several OS
 * versions. After every call the answer, the outputs, the violations and the bugcheck must be what the oracle says; now and then the free
 * pages and the whole-machine check too. A behaviour is (routine, level, IRQL class, outcome, first rule broken). The run goes on until
 * --calls or --seconds are used up, or, with --each N, until no behaviour was new for a quarter of the calls so far and each was seen N
 * times. The last line gives calls, behaviours and the rarest one's count. Exit status 1 at the first difference, which is printed with
 * the program it came from. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/fuzz.h"
#include "fuzz/make.h"
#include "storsim/ddi.h"

/* --- behaviours: counted in an open hash table ------------------------------------------------------------------------ */

typedef struct behaviour {
    uint64_t outcome, count; /* count 0: empty */
    const char *rule;
    uint16_t routine;
    uint8_t level, irql;
    bool stopped;
} behaviour_t;

enum { BEHAVIOURS = 8192 };

typedef struct tally {
    behaviour_t list[BEHAVIOURS];
    unsigned count;
    uint64_t calls, last_new;
} tally_t;

static void saw(void *context, uint16_t routine, int level, unsigned irql, bool stopped, uint64_t outcome, const char *rule) {
    tally_t *tally = context;
    uint8_t irql_class = irql == 0 ? 0 : irql <= 2 ? 2 : 3;
    uint64_t key = outcome * 31 + routine * UINT64_C(131) + (uint64_t)level * 7 + irql_class * UINT64_C(3) + stopped + (uint8_t)rule[0] * UINT64_C(1009);
    tally->calls++;
    for (uint64_t at = (key * UINT64_C(0x9E3779B97F4A7C15)) >> 51;; at = (at + 1) % BEHAVIOURS) {
        behaviour_t *known = &tally->list[at];
        if (known->count != 0 && (known->outcome != outcome || known->routine != routine || known->level != (uint8_t)level ||
                                  known->irql != irql_class || known->stopped != stopped || strcmp(known->rule, rule) != 0)) {
            continue;
        }
        if (known->count == 0) {
            if (tally->count == BEHAVIOURS - 1) {
                return;
            }
            *known = (behaviour_t){outcome, 0, rule, routine, (uint8_t)level, irql_class, stopped};
            tally->count++;
            tally->last_new = tally->calls;
        }
        known->count++;
        return;
    }
}

static uint64_t rarest(const tally_t *tally) {
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < BEHAVIOURS; i++) {
        least = tally->list[i].count != 0 && tally->list[i].count < least ? tally->list[i].count : least;
    }
    return least;
}

static int more_often(const void *a, const void *b) {
    uint64_t first = ((const behaviour_t *)a)->count, second = ((const behaviour_t *)b)->count;
    return first < second ? 1 : first > second ? -1 : 0;
}

static void print_table(tally_t *tally) {
    qsort(tally->list, BEHAVIOURS, sizeof tally->list[0], more_often);
    for (unsigned i = 0; i < tally->count; i++) {
        const behaviour_t *row = &tally->list[i];
        printf("%10" PRIu64 "  %s L%u I%s ", row->count, storsim_ddi_routine(row->routine)->name + 8, row->level,
               row->irql == 0 ? "0" : row->irql == 2 ? "2" : ">");
        if (row->stopped) {
            printf("%" PRIx64 "/%" PRIx64, row->outcome >> 16, row->outcome & 0xFFFF);
        } else {
            printf("%" PRIx64, row->outcome);
        }
        printf("%s%s\n", row->rule[0] != '\0' ? "+" : "", row->rule);
    }
}

/* --- the run ---------------------------------------------------------------------------------------------------------- */

int main(int argc, char **argv) {
    uint64_t seed = 1, limit = 200000, seconds = 0, each = 0;
    bool table = false;
    for (int i = 1; i < argc; i++) {
        uint64_t *target = strcmp(argv[i], "--seed") == 0 ? &seed : strcmp(argv[i], "--calls") == 0 ? &limit
                         : strcmp(argv[i], "--seconds") == 0 ? &seconds : strcmp(argv[i], "--each") == 0 ? &each : NULL;
        if (strcmp(argv[i], "--table") == 0) {
            table = true;
        } else if (target != NULL && i + 1 < argc) {
            *target = strtoull(argv[++i], NULL, 0);
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--calls N] [--seconds N] [--each N] [--table]\n", argv[0]);
            return 2;
        }
    }
    static tally_t tally;
    static uint8_t bytes[MAKE_BYTES];
    const fuzz_options_t options = {.saw = saw, .context = &tally};
    time_t start = time(NULL);
    uint64_t machines = 0;
    for (uint64_t index = 0;; index++) {
        if (seconds != 0 ? (uint64_t)(time(NULL) - start) >= seconds : tally.calls >= limit) {
            break;
        }
        if (each != 0 && tally.calls > 100000 && tally.calls - tally.last_new > tally.calls / 4 && rarest(&tally) >= each) {
            break;
        }
        fuzz_report_t report;
        /* Three programs of four are full of misuse, where the rare behaviours are. */
        uint64_t number = index % 4 == 0 ? index / 4 : (index / 4 * 3 + index % 4 - 1) * 20 + 3;
        size_t length = make_program(bytes, seed, number);
        if (fuzz_run(bytes, length, &options, &report) != STORSIM_OK || report.different) {
            fprintf(stderr, "DIFFERENCE seed %" PRIu64 ", program %" PRIu64 "\n%s\n", seed, number, report.text);
            return 1;
        }
        machines += report.machines;
    }
    if (table) {
        print_table(&tally);
    }
    printf("differential: seed %" PRIu64 ", %" PRIu64 " machines, %" PRIu64 " calls, %u behaviours, last new at call %" PRIu64
           ", rarest seen %" PRIu64 " times, no difference\n",
           seed, machines, tally.calls, tally.count, tally.last_new, rarest(&tally));
    return 0;
}
