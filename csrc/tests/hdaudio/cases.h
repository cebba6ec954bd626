/* tests/hdaudio/cases.h: tests that each have a world of their own. */
#ifndef HDAUDIO_CASES_H
#define HDAUDIO_CASES_H

#include "tests/hdaudio/world.h"

/* The world has every default; w is it, c its client. */
#define START                                                                                                          \
    world_t *w = world_make(NULL);                                                                                     \
    uint64_t c = w->context
#define END                                                                                                            \
    world_check(w);                                                                                                    \
    world_end(w)
/* One of the numbered cases of spec hdaudio-dma §10. */
#define CASE(n) static void test_case_##n(void)

#endif
