/* fuzz/replay.c: runs a corpus of programs and says how fast that went and what it reached.
 *
 *   fuzz-replay [--repeat N] [--seconds N] [--behaviours FILE] [--thorough] [--each] PATH…   files and folders of programs
 *   fuzz-replay --random [--seed N] [--count N] [--seconds N]                                programs made up on the way
 *   fuzz-replay --make FOLDER [--seed N] [--count N]                                         writes a seed corpus
 *
 * Files are read before the clock starts. Seconds are processor time of this process. The last line has calls, calls per second, machines,
 * behaviours and differences. Exit status 1 when something differed: the program's name, or its seed, is printed with what differed. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fuzz/fuzz.h"
#include "fuzz/make.h"
#include "storsim/behaviour.h"

typedef struct program {
    char *name;
    uint8_t *bytes;
    size_t length;
} program_t;

typedef struct replay {
    program_t *programs;
    size_t count, capacity;
    fuzz_options_t options;
    uint64_t calls, operations, machines, differences, runs;
} replay_t;

static void *need(void *block) {
    if (block == NULL) {
        fprintf(stderr, "fuzz-replay: out of memory\n");
        exit(2);
    }
    return block;
}

static void add(replay_t *replay, const char *name, uint8_t *bytes, size_t length) {
    if (replay->count == replay->capacity) {
        replay->capacity = replay->capacity * 2 + 64;
        replay->programs = need(realloc(replay->programs, replay->capacity * sizeof *replay->programs));
    }
    char *copy = need(malloc(strlen(name) + 1));
    memcpy(copy, name, strlen(name) + 1);
    replay->programs[replay->count++] = (program_t){copy, bytes, length};
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const program_t *)a)->name, ((const program_t *)b)->name);
}

static void load(replay_t *replay, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) {
        perror(path);
        exit(2);
    }
    if (S_ISDIR(info.st_mode)) {
        DIR *folder = opendir(path);
        for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
            char name[4096];
            if (entry->d_name[0] != '.' && snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name) {
                load(replay, name);
            }
        }
        if (folder != NULL) {
            closedir(folder);
        }
        return;
    }
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = need(malloc((size_t)info.st_size + 1));
    size_t length = file != NULL ? fread(bytes, 1, (size_t)info.st_size, file) : 0;
    if (file == NULL || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
    add(replay, path, bytes, length);
}

static double now(void) {
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void run_one(replay_t *replay, const char *name, const uint8_t *bytes, size_t length) {
    fuzz_report_t report;
    storsim_status_t status = fuzz_run(bytes, length, &replay->options, &report);
    if (status != STORSIM_OK) {
        fprintf(stderr, "%s: %s\n", name, storsim_status_name(status));
        exit(2);
    }
    replay->calls += report.calls;
    replay->operations += report.operations;
    replay->machines += report.machines;
    replay->runs++;
    if (report.different) {
        replay->differences++;
        fprintf(stderr, "DIFFERENCE %s\n%s\n", name, report.text);
    }
}

static int summary(const replay_t *replay, double seconds, const char *behaviours) {
    const uint8_t *set = replay->options.behaviours;
    size_t length = replay->options.behaviours_length;
    if (behaviours != NULL) {
        FILE *file = fopen(behaviours, "wb");
        if (file == NULL || fwrite(set, 1, length, file) != length || fclose(file) != 0) {
            perror(behaviours);
            return 2;
        }
    }
    printf("fuzz-replay: %" PRIu64 " programs, %" PRIu64 " machines, %" PRIu64 " operations, %" PRIu64 " calls in %.2f s: %.2f million "
           "calls per second; %" PRIu32 " behaviours, %" PRIu64 " differences\n",
           replay->runs, replay->machines, replay->operations, replay->calls, seconds, (double)replay->calls / seconds / 1e6,
           storsim_behaviour_set_count(set, length), replay->differences);
    return replay->differences != 0 ? 1 : 0;
}

static int write_corpus(const char *folder, uint64_t seed, uint64_t count) {
    uint8_t *bytes = need(malloc(MAKE_BYTES));
    for (uint64_t i = 0; i < count; i++) {
        char name[4096];
        size_t length = make_program(bytes, seed, i);
        (void)snprintf(name, sizeof name, "%s/%s-%05" PRIu64, folder, make_kind(i), i);
        FILE *file = fopen(name, "wb");
        if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
            perror(name);
            return 2;
        }
    }
    free(bytes);
    printf("fuzz-replay: %" PRIu64 " programs in %s\n", count, folder);
    return 0;
}

static void run_random(replay_t *replay, uint64_t seed, uint64_t count, double seconds) {
    uint8_t *bytes = need(malloc(MAKE_BYTES));
    double start = now();
    for (uint64_t i = 0; seconds > 0 ? now() - start < seconds : i < count; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "--random --seed %" PRIu64 ", program %" PRIu64, seed, i);
        size_t length = make_program(bytes, seed, i);
        run_one(replay, name, bytes, length);
    }
    free(bytes);
}

static void run_corpus(replay_t *replay, uint64_t repeat, double seconds, bool each) {
    double start = now();
    for (uint64_t round = 0; seconds > 0 ? now() - start < seconds : round < repeat; round++) {
        for (size_t i = 0; i < replay->count; i++) {
            double before = now();
            uint64_t calls = replay->calls;
            run_one(replay, replay->programs[i].name, replay->programs[i].bytes, replay->programs[i].length);
            if (each) {
                printf("%8.2f M/s  %s\n", (double)(replay->calls - calls) / (now() - before) / 1e6, replay->programs[i].name);
            }
        }
    }
}

static void release(replay_t *replay) {
    for (size_t i = 0; i < replay->count; i++) {
        free(replay->programs[i].name);
        free(replay->programs[i].bytes);
    }
    free(replay->programs);
    free(replay->options.behaviours);
}

static int usage(const char *name) {
    fprintf(stderr, "usage: %s [--repeat N | --seconds N] [--behaviours FILE] [--thorough] [--each] PATH...\n"
                    "       %s --random [--seed N] [--count N | --seconds N]\n"
                    "       %s --make FOLDER [--seed N] [--count N]\n", name, name, name);
    return 2;
}

int main(int argc, char **argv) {
    replay_t replay = {0};
    uint64_t repeat = 1, seed = 1, count = MAKE_COUNT, seconds = 0;
    const char *behaviours = NULL, *folder = NULL;
    bool random = false, each = false;
    for (int i = 1; i < argc; i++) {
        uint64_t *target = strcmp(argv[i], "--repeat") == 0 ? &repeat : strcmp(argv[i], "--seconds") == 0 ? &seconds
                         : strcmp(argv[i], "--seed") == 0 ? &seed : strcmp(argv[i], "--count") == 0 ? &count : NULL;
        const char **text = strcmp(argv[i], "--behaviours") == 0 ? &behaviours : strcmp(argv[i], "--make") == 0 ? &folder : NULL;
        if (target != NULL && i + 1 < argc) {
            *target = strtoull(argv[++i], NULL, 0);
        } else if (text != NULL && i + 1 < argc) {
            *text = argv[++i];
        } else if (strcmp(argv[i], "--random") == 0) {
            random = true;
        } else if (strcmp(argv[i], "--each") == 0) {
            each = true;
        } else if (strcmp(argv[i], "--thorough") == 0) {
            replay.options.thorough = true;
        } else if (argv[i][0] != '-') {
            load(&replay, argv[i]);
        } else {
            return usage(argv[0]);
        }
    }
    if (folder != NULL) {
        return write_corpus(folder, seed, count);
    }
    if (!random && replay.count == 0) {
        return usage(argv[0]);
    }
    if (replay.count != 0) {
        qsort(replay.programs, replay.count, sizeof *replay.programs, by_name);
    }
    replay.options.behaviours_length = storsim_behaviour_bytes();
    replay.options.behaviours = need(malloc(replay.options.behaviours_length));
    (void)storsim_behaviour_set_init(replay.options.behaviours, replay.options.behaviours_length);
    double start = now();
    if (random) {
        run_random(&replay, seed, count, (double)seconds);
    } else {
        run_corpus(&replay, repeat, (double)seconds, each);
    }
    int code = summary(&replay, now() - start, behaviours);
    release(&replay);
    return code;
}
