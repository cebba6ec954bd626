/* fuzz/threads.c: the same programs in several threads at once, each on machines of its own. Build it with -fsanitize=thread.
 *
 *   threads THREADS PROGRAMS      exit status 1 when a thread came to another digest than the first
 *
 * Machines share nothing that can change, so that there is nothing to race for: the core has no mutable globals. Not portable C: POSIX threads. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/digest.h"
#include "fuzz/make.h"

enum { THREADS = 64 };

typedef struct worker {
    pthread_t thread;
    uint64_t programs, digest;
    storsim_status_t status;
} worker_t;

static void *work(void *argument) {
    worker_t *worker = argument;
    uint8_t *bytes = malloc(MAKE_BYTES);
    worker->status = bytes != NULL ? STORSIM_OK : STORSIM_NO_MEMORY;
    for (uint64_t i = 0; i < worker->programs && worker->status == STORSIM_OK; i++) {
        uint64_t digest = 0;
        worker->status = fuzz_digest(bytes, make_program(bytes, 1, i), &digest);
        worker->digest = worker->digest * 31 + digest;
    }
    free(bytes);
    return NULL;
}

int main(int argc, char **argv) {
    static worker_t workers[THREADS];
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 4, different = 0;
    uint64_t programs = argc > 2 ? strtoull(argv[2], NULL, 10) : 40;
    if (count < 1 || count > THREADS) {
        fprintf(stderr, "usage: %s THREADS(1 ... 64) PROGRAMS\n", argv[0]);
        return 2;
    }
    for (unsigned long i = 0; i < count; i++) {
        workers[i] = (worker_t){.programs = programs};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            perror("pthread_create");
            return 2;
        }
    }
    for (unsigned long i = 0; i < count; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        different += workers[i].status != STORSIM_OK || workers[i].digest != workers[0].digest;
    }
    printf("threads: %" PRIu64 " programs in each of %lu threads, %lu threads differ\n", programs, count, different);
    return different != 0;
}
