/* tests/check.h: the smallest test harness that names what failed. Each test program is a list of functions run from
 * main. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int check_count;

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        check_count++;                                                                        \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: %s: failed: %s\n", __FILE__, __LINE__, __func__, #condition); \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

#define CHECK_EQ(got, expected)                                                               \
    do {                                                                                      \
        unsigned long long check_a = (unsigned long long)(got), check_b = (unsigned long long)(expected); \
        check_count++;                                                                        \
        if (check_a != check_b) {                                                             \
            fprintf(stderr, "%s:%d: %s: %s is 0x%llx, expected %s = 0x%llx\n", __FILE__, __LINE__, __func__, #got, check_a, \
                    #expected, check_b);                                                      \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

/* What the machines of a program came to, folded into one number, which tests/pins.h has for each program. It says that
 * nothing changed, not that it is right: that is what the CHECKs are for. Programs whose host fails on purpose have
 * none: which request fails is the build's business. A change that is meant: `make pins` writes the numbers anew. */
static uint64_t check_came_to;

static inline void check_fold(uint64_t value) {
    check_came_to = (check_came_to ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    check_came_to ^= check_came_to >> 29;
}

static inline int check_pinned(const char *name, uint64_t expected) {
    if (getenv("STORSIM_PINS") != NULL) {
        printf("#define PIN_%s UINT64_C(0x%016" PRIX64 ")\n", name, check_came_to);
        return 0;
    }
    if (check_came_to != expected) {
        fprintf(stderr, "%s: what its machines came to is another than in tests/pins.h: if that is meant, make pins\n", name);
        return 1;
    }
    printf("  %d checks\n", check_count);
    return 0;
}

#define CHECK_PINNED(name) check_pinned(#name, PIN_##name)
#define CHECK_DONE() (printf("  %d checks\n", check_count), 0)

/* A host allocator that fails the n-th request (1-based; 0 = never), once or from then on, and counts what is live. */
typedef struct failing_host {
    unsigned long requests, fail_at;
    int persistent;
    long live;
} failing_host_t;

static inline int failing_host_now(failing_host_t *host) {
    host->requests++;
    return host->fail_at && (host->persistent ? host->requests >= host->fail_at : host->requests == host->fail_at);
}
static inline void *failing_allocate(void *context, size_t bytes) {
    failing_host_t *host = context;
    if (failing_host_now(host)) {
        return NULL;
    }
    void *block = malloc(bytes);
    host->live += block != NULL;
    return block;
}
static inline void *failing_zeroed(void *context, size_t bytes) {
    failing_host_t *host = context;
    if (failing_host_now(host)) {
        return NULL;
    }
    void *block = calloc(1, bytes);
    host->live += block != NULL;
    return block;
}
static inline void *failing_resize(void *context, void *block, size_t bytes) {
    failing_host_t *host = context;
    if (failing_host_now(host)) {
        return NULL;
    }
    void *moved = realloc(block, bytes);
    host->live += block == NULL && moved != NULL;
    return moved;
}
static inline void failing_release(void *context, void *block) {
    failing_host_t *host = context;
    host->live -= block != NULL;
    free(block);
}
#define FAILING_HOOK(state) {failing_allocate, failing_zeroed, failing_resize, failing_release, (state)}

#endif
