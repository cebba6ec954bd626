/* storsim/status.h: what a core function can answer.
 *
 * A storsim_status_t tells the *host program* how a call of the simulator went. It is never a Windows status: those are
 * results of a simulated routine and travel as plain numbers. One table yields the enum, the symbolic name, the sentence and
 * the Python exception class, so that no two places can disagree.
 *
 * Source: model choice. */
#ifndef STORSIM_STATUS_H
#define STORSIM_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, sentence, Python exception) */
#define STORSIM_STATUS_MAP(X)                                                                                             \
    X(OK, 0, "done", "")                                                                                                  \
    X(NO_MEMORY, -1, "the host allocator returned NULL; nothing was changed", "MemoryError")                              \
    X(INVALID, -2, "an argument lies outside its range", "ValueError")                                                    \
    X(OVERFLOW, -3, "a number does not fit the C type of its parameter", "OverflowError")                                 \
    X(TYPE, -4, "an argument has the wrong type", "TypeError")                                                            \
    X(STALE, -5, "the handle names an object that no longer exists", "ValueError")                                        \
    X(STOPPED, -6, "the machine stopped at an earlier bugcheck; read it, or restore a snapshot", "MachineStopped")        \
    X(BUGCHECK, -7, "the simulated machine has just stopped", "BugCheck")                                                 \
    X(VIOLATION, -8, "a rule was broken, and at this level violations are raised", "Violation")                           \
    X(CALLBACK, -9, "a host callback failed; its own exception is pending", "RuntimeError")                               \
    X(REENTRY, -10, "this call is not allowed from inside a callback of the same machine", "RuntimeError")                \
    X(NO_SPACE, -11, "no free pages satisfy the request", "MemoryError")                                                  \
    X(FORMAT, -12, "the bytes are damaged or of another format version", "ValueError")                                    \
    X(BUSY, -13, "a buffer exported from this machine is still in use", "BufferError")                                    \
    X(CLOSED, -14, "the machine was closed", "ValueError")                                                                \
    X(NOT_RAM, -15, "the physical address is not RAM of this machine", "ValueError")

typedef enum storsim_status {
#define STORSIM_STATUS_ENUM(name, value, text, exception) STORSIM_##name = (value),
    STORSIM_STATUS_MAP(STORSIM_STATUS_ENUM)
#undef STORSIM_STATUS_ENUM
} storsim_status_t;

/* The symbolic name ("NO_MEMORY"), the sentence, and the Python exception class of a status; for a value outside the
 * table, "UNKNOWN" and a sentence that says so. Static storage, never NULL. */
const char *storsim_status_name(storsim_status_t status);
const char *storsim_status_text(storsim_status_t status);
const char *storsim_status_exception(storsim_status_t status);

#ifdef __cplusplus
}
#endif
#endif
