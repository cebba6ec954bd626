/* fuzz/digests.c: runs the named scenarios of a list and compares what each came to with the number written there.
 *
 *   digests LIST          prints NAME DIGEST for each; exit status 1 when one is not as written
 *   digests --make LIST   prints the list again with the numbers of this build
 *
 * A line of the list: NAME program SEED:INDEX DIGEST (fuzz/make.h, digest.h), or NAME journal FILE DIGEST, a file beside the list; its number
 * is the digest of the machine at the end of its replay, in which every result was as recorded. '#' begins a remark. The same numbers on
 * every platform, compiler and level of optimisation: tests/golden has the list. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/digest.h"
#include "fuzz/file.h"
#include "fuzz/make.h"
#include "storsim/journal.h"

typedef struct scenario {
    char name[64], kind[16], what[64];
    uint64_t digest;
} scenario_t;

static int fail(const scenario_t *scenario, const char *why) {
    fprintf(stderr, "digests: %s: %s\n", scenario->name, why);
    return 1;
}

static int run_program(const scenario_t *scenario, uint64_t *digest) {
    static uint8_t bytes[MAKE_BYTES];
    char *rest = NULL;
    uint64_t seed = strtoull(scenario->what, &rest, 10), index = *rest == ':' ? strtoull(rest + 1, NULL, 10) : 0;
    storsim_status_t status = fuzz_digest(bytes, make_program(bytes, seed, index), digest);
    return status == STORSIM_OK ? 0 : fail(scenario, storsim_status_name(status));
}

static int replay(const scenario_t *scenario, const uint8_t *bytes, size_t length, uint64_t *digest) {
    storsim_journal_t *journal = NULL;
    storsim_replay_report_t report = {0};
    storsim_status_t status = storsim_journal_decode(NULL, bytes, length, &journal, NULL);
    if (status == STORSIM_OK) {
        status = storsim_journal_replay(journal, NULL, NULL, &report);
        storsim_journal_destroy(journal);
    }
    *digest = report.digest;
    if (status != STORSIM_OK) {
        return fail(scenario, storsim_status_name(status));
    }
    if (report.different) {
        return fail(scenario, report.text);
    }
    return report.sealed ? 0 : fail(scenario, "the journal has no digest at its end");
}

static int run_journal(const scenario_t *scenario, const char *list, uint64_t *digest) {
    const char *slash = strrchr(list, '/');
    char path[4096];
    int folder = slash != NULL ? (int)(slash - list) + 1 : 0;
    size_t length;
    (void)snprintf(path, sizeof path, "%.*s%s", folder, list, scenario->what);
    uint8_t *bytes = read_all(path, &length);
    int wrong = bytes != NULL ? replay(scenario, bytes, length, digest) : fail(scenario, "the file cannot be read");
    free(bytes);
    return wrong;
}

static bool parse(const char *line, scenario_t *scenario) {
    char number[32];
    if (line[0] == '#' || sscanf(line, "%63s %15s %63s %31s", scenario->name, scenario->kind, scenario->what, number) != 4) {
        return false;
    }
    scenario->digest = strtoull(number, NULL, 16);
    return true;
}

int main(int argc, char **argv) {
    bool make = argc == 3 && strcmp(argv[1], "--make") == 0;
    FILE *file = argc == 2 || make ? fopen(argv[argc - 1], "r") : NULL;
    char line[512];
    unsigned count = 0, equal = 0, wrong = 0;
    if (file == NULL) {
        fprintf(stderr, "usage: %s [--make] LIST\n", argv[0]);
        return 2;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        scenario_t scenario;
        uint64_t digest = 0;
        if (!parse(line, &scenario)) {
            line[strcspn(line, "\r\n")] = 0;
            make ? (void)puts(line) : (void)0;
            continue;
        }
        int bad = strcmp(scenario.kind, "program") == 0 ? run_program(&scenario, &digest) : run_journal(&scenario, argv[argc - 1], &digest);
        count++;
        wrong += bad != 0;
        equal += bad == 0 && digest == scenario.digest;
        if (make) {
            printf("%s %s %s %016" PRIx64 "\n", scenario.name, scenario.kind, scenario.what, digest);
        } else {
            printf("%s %016" PRIx64 "%s\n", scenario.name, digest, digest == scenario.digest ? "" : " not as written");
        }
    }
    (void)fclose(file);
    if (!make) {
        printf("digests: %u of %u equal\n", equal, count);
    }
    return make ? wrong != 0 : equal != count || count == 0;
}
