/* tests/trust/capi_fail.c: counts the wrapped calls, lets one fail, and keeps the sites. */
#include <Python.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITES = 4096 };

typedef struct site {
    const char *function, *file;
    int line;
    long passed, failed;
} site_t;

static site_t sites[SITES];
static int site_count;
static int armed_site = -1;
static long calls, armed;

/* Counts one call at a site and says whether it is to fail: the armed number's turn, or the armed site's. */
static int take_turn(int site) {
    int fails = ++calls == armed || site == armed_site;
    armed_site = fails ? -1 : armed_site;
    sites[site].failed += fails;
    return fails;
}

int ss_capi_fails(const char *function, const char *file, int line, int sets_exception) {
    int i = 0;
    const char *asked = site_count == 0 ? getenv("STORSIM_CAPI_FAIL") : NULL;
    armed = asked != NULL ? atol(asked) : armed; /* while the module is imported nobody could arm a call */
    while (i < site_count && (sites[i].line != line || strcmp(sites[i].function, function) != 0 || strcmp(sites[i].file, file) != 0)) {
        i++;
    }
    if (i == site_count && i < SITES) {
        sites[site_count++] = (site_t){function, file, line, 0, 0};
    }
    sites[i].passed++;
    if (!take_turn(i)) {
        return 0;
    }
    if (sets_exception) {
        PyErr_NoMemory();
    }
    return 1;
}

/* The number-th wrapped call from now fails; 0: none. Returns how many were made since the last arming. */
__attribute__((visibility("default"))) long ss_capi_arm(long number) {
    long made = calls;
    calls = 0;
    armed = number;
    return made;
}

/* The next call at this site (an index of ss_capi_site) fails, once; -1: none. */
__attribute__((visibility("default"))) void ss_capi_arm_site(int site) {
    armed_site = site;
}

/* One line a site: function, file, line, passed, failed. False beyond the last. */
__attribute__((visibility("default"))) int ss_capi_site(int index, char *text, size_t capacity) {
    if (index < 0 || index >= site_count) {
        return 0;
    }
    const site_t *site = &sites[index];
    (void)snprintf(text, capacity, "%s %s:%d %ld %ld", site->function, site->file, site->line, site->passed, site->failed);
    return 1;
}
