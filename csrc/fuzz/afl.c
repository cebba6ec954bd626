/* fuzz/afl.c: a target under AFL++: persistent where the compiler offers it (afl-clang-fast), else one input from standard input; with
 * arguments: the files named, once each, without a fuzzer. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/target.h"

enum { LONGEST = 1 << 20 };

static int run_file(const char *name) {
    FILE *file = fopen(name, "rb");
    uint8_t *bytes = malloc(LONGEST);
    if (file == NULL || bytes == NULL) {
        perror(name);
        free(bytes);
        return 2;
    }
    size_t length = fread(bytes, 1, LONGEST, file);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
    return 0;
}

#ifdef __AFL_HAVE_MANUAL_CONTROL
#include <unistd.h>

__AFL_FUZZ_INIT();

static int run_input(void) {
    __AFL_INIT();
    const uint8_t *bytes = __AFL_FUZZ_TESTCASE_BUF;
    while (__AFL_LOOP(1000)) {
        (void)LLVMFuzzerTestOneInput(bytes, (size_t)__AFL_FUZZ_TESTCASE_LEN);
    }
    return 0;
}
#else
static int run_input(void) {
    uint8_t *bytes = malloc(LONGEST);
    if (bytes == NULL) {
        return 2;
    }
    size_t length = fread(bytes, 1, LONGEST, stdin);
    (void)LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
    return 0;
}
#endif

int main(int argc, char **argv) {
    if (argc < 2) {
        return run_input();
    }
    for (int i = 1; i < argc; i++) {
        int code = run_file(argv[i]);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}
