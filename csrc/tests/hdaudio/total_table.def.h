/* tests/hdaudio/total_table.def.h: the total table of spec hdaudio-dma §4.2, transcribed row by row. Data only.
 *
 * X(EVENT, not valid, R0, RD, RN, RC, RB, S*, X*). "OK>RD": success, next state RD; "OK>S*": next stream state, same
 * buffer; a status alone: nothing changes. IH INVALID_HANDLE, IP INVALID_PARAMETER, IDR INVALID_DEVICE_REQUEST. */
#define TOTAL_TABLE(X)                                                                                                 \
    X(ALLOCATE_OTHER, "OK", "OK", "OK", "OK", "OK", "OK", "OK", "OK")                                                  \
    X(CHANGE_BANDWIDTH, "IH", "OK>R0", "IDR", "IDR", "IDR", "IDR", "IDR", "IDR")                                       \
    X(ALLOCATE_BUFFER, "IH", "OK>RD", "IDR", "IDR", "IDR", "IDR", "IDR", "IDR")                                        \
    X(FREE_BUFFER, "IH", "IDR", "OK>R0", "IDR", "IDR", "IDR", "IDR", "IDR")                                            \
    X(ALLOCATE_NOTIFY, "IH", "OK>RN", "IDR", "IDR", "IDR", "IDR", "IDR", "IDR")                                        \
    X(FREE_NOTIFY, "IH", "IDR", "IDR", "OK>R0", "IDR", "IDR", "IDR", "IDR")                                            \
    X(FREE_NOTIFY_OTHER, "IH", "IDR", "IDR", "IP", "IDR", "IDR", "IDR", "IDR")                                         \
    X(ALLOCATE_CONTIGUOUS, "IH", "OK>RC", "IDR", "IDR", "IDR", "IDR", "IDR", "IDR")                                    \
    X(SETUP_BDL, "IH", "IDR", "IDR", "IDR", "OK>RB", "OK>RB", "IDR", "IDR")                                            \
    X(FREE_CONTIGUOUS, "IH", "IDR", "IDR", "IDR", "OK>R0", "OK>R0", "IDR", "IDR")                                      \
    X(FREE_ENGINE, "IH", "OK>NONE", "IDR", "IDR", "IDR", "IDR", "IDR", "IDR")                                          \
    X(SET_RESET, "IH", "OK", "OK", "OK", "OK", "OK", "OK>R*", "IDR")                                                   \
    X(SET_PAUSE, "IH", "IDR", "OK>SD", "OK>SN", "IDR", "OK>SB", "OK", "OK>S*")                                         \
    X(SET_RUN, "IH", "IDR", "IDR", "IDR", "IDR", "IDR", "OK>X*", "OK")                                                 \
    X(GET_POSITION, "IH", "OK", "OK", "OK", "OK", "OK", "OK", "OK")                                                    \
    X(REGISTER, "IH", "OK", "OK", "OK", "OK", "OK", "OK", "OK")                                                        \
    X(UNREGISTER, "IH", "OK", "OK", "OK", "OK", "OK", "OK", "OK")                                                      \
    X(UNREGISTER_OTHER, "IH", "IP", "IP", "IP", "IP", "IP", "IP", "IP")
