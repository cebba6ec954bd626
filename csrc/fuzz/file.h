/* fuzz/file.h: a whole file in memory, for programs beside the core. */
#ifndef STORSIM_FUZZ_FILE_H
#define STORSIM_FUZZ_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file, which the caller frees, and how many they are. NULL when it cannot be opened, or memory runs out at once. */
static inline uint8_t *read_all(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t capacity = 0, got = 1;
    *length = 0;
    while (file != NULL && got != 0) {
        if (*length == capacity) {
            capacity = capacity != 0 ? capacity * 2 : 65536;
            uint8_t *wider = realloc(bytes, capacity);
            if (wider == NULL) {
                break;
            }
            bytes = wider;
        }
        got = fread(bytes + *length, 1, capacity - *length, file);
        *length += got;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

#endif
