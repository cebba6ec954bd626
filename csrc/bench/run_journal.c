/* bench/run_journal.c: replays a journal, checking every result, as often as wanted; prints the seconds of all runs.
 *
 *   run_journal FILE TIMES */
#define _POSIX_C_SOURCE 200809L

#include "fuzz/file.h"
#include "storsim/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    storsim_journal_t *journal = NULL;
    size_t length = 0;
    uint8_t *bytes = argc > 2 ? read_all(argv[1], &length) : NULL;
    if (bytes == NULL || storsim_journal_decode(NULL, bytes, length, &journal, NULL) != STORSIM_OK) {
        fprintf(stderr, "run_journal: FILE TIMES, with a file that is a journal\n");
        return 1;
    }
    double start = seconds();
    for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
        storsim_replay_report_t report;
        if (storsim_journal_replay(journal, NULL, NULL, &report) != STORSIM_OK || report.different) {
            fprintf(stderr, "run_journal: another result than recorded\n");
            return 1;
        }
    }
    printf("%.6f\n", seconds() - start);
    storsim_journal_destroy(journal);
    free(bytes);
    return 0;
}
