/* python/binding.h: what the files of the CPython binding share.
 *
 * One file per Python type. The binding converts, locks, calls one core function and converts back; no rule of the
 * simulation lives here. Three objects matter:
 *
 *     Machine  ──owns──▶ storsim_machine_t, the token dictionary, the call-site table (Sites)
 *        ▲  ▲
 *        │  └─ Adapter, Routine (when bound), Pointer (MDL, SRB, …), Block: each holds one strong reference to its
 * machine └──── Snapshot holds none
 *
 * Garbage collection: references run towards the machine, never back, except through the token dictionary (the user's
 * callables and contexts, which may reach anything). Every type that holds a Python object takes part and visits its
 * own type; only Machine has something to clear that can close a cycle, the others clear for completeness.
 *
 * Module state: every object keeps a plain pointer to it. The object holds its type, the type holds the module, the
 * module holds the state, so the pointer is good as long as the object is. Deallocators do not use it.
 *
 * Locking: ss_enter … ss_leave brackets every use of a core machine. With the GIL that is an owner check, because the
 * GIL is never given away between the two except inside a callback into Python; without, a lock. See lock.c, and
 * threads.h for everything else that threads share. */
#ifndef SS_BINDING_H
#define SS_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "python/threads.h"
#include "storsim/ddi.h"
#include "storsim/machine.h"
#include "storsim/nt.h"
#include "storsim/nvme.h"
#include "storsim/storport.h"

#if PY_VERSION_HEX < 0x030B0000
#error "storsim needs CPython 3.11 or newer"
#endif

#define SS_MAX_STRUCT_FIELDS 8

typedef struct ss_plan ss_plan_t;

/* --- module state ------------------------------------------------------------------------------------------------ */

/* X(field): everything the module holds, in one place, so that traverse and clear cannot miss one. */
#define SS_STATE_MAP(X)                                                                                                \
    X(Machine)                                                                                                         \
    X(Adapter)                                                                                                         \
    X(Routine)                                                                                                         \
    X(Routines)                                                                                                        \
    X(Journal) X(Pointer) X(Mdl) X(ScatterGatherList) X(Srb) X(Block) X(Snapshot) X(Sites) X(AccessRange) X(LiveRegister)         \
        X(Mmio) X(RegisterFile)                                                                                        \
        X(BufferDescriptors) X(CodecResponse) X(GroupAffinity) X(DeviceExtension) X(Finding) X(Site) X(stor_status)    \
            X(stor_members) X(nt_status) X(str_machine) X(package)

typedef struct ss_state {
#define SS_STATE_FIELD(name) PyObject *name;
    SS_STATE_MAP(SS_STATE_FIELD)
#undef SS_STATE_FIELD
    ss_plan_t *plans; /* one per row of the DDI table */
    size_t plan_count;
    uint64_t origins; /* machines made so far: tells whose tokens a snapshot speaks of */
} ss_state_t;

extern struct PyModuleDef ss_module;
/* The state behind a type made by this module, or behind a subclass of one. NULL with TypeError otherwise. */
ss_state_t *ss_state_of(PyTypeObject *type);
/* Fills a state slot with an attribute of a Python module of the package, once. Borrowed, NULL with an exception. */
PyObject *ss_lazy(PyObject **slot, const char *module, const char *name);

/* --- the machine object ------------------------------------------------------------------------------------------ */

typedef struct ss_thread_cpu {
    uint64_t thread; /* PyThreadState_GetID */
    uint32_t cpu;
} ss_thread_cpu_t;

struct ss_snapshot_object;

/* What an object that went away wants of its machine. */
typedef struct ss_late {
    struct ss_late *next;
    storsim_checkpoint_t *checkpoint; /* to be freed, or NULL */
    uint64_t token;                   /* of an export that ends */
    bool exported;
} ss_late_t;

typedef struct ss_machine_object {
    PyObject_HEAD
    ss_state_t *state;
    storsim_machine_t *core; /* NULL before __init__ and after the end */
    int closed;
    /* lock */
    uint64_t owner; /* thread inside, valid while depth > 0 */
    uint32_t depth, waiters;
    PyThread_type_lock gate; /* with a GIL held while nobody needs waking, else by the thread inside */
    bool gate_open;
    ss_late_t *late;
    uint64_t selected;     /* thread whose CPU the core has selected */
    ss_thread_cpu_t *cpus; /* threads that are not on CPU 0 */
    uint32_t cpu_count, cpu_capacity;
    /* callbacks */
    uint32_t callback_depth;
    PyObject *pending;   /* first exception of a callback, until the outer call raises it */
    PyObject *tokens;    /* dict: token → object */
    struct {
        uint64_t token;
        PyObject *object;
    } recent[8]; /* some of `tokens`, borrowed; by token modulo 8 */
    PyObject *transfers; /* dict: record of an asynchronous transfer → its list */
    uint64_t next_token; /* last token given out */
    uint64_t kept_token; /* tokens up to here may come back by a restore: not released */
    uint64_t last_transfer, kept_transfer; /* the same for the records of `transfers` */
    uint64_t origin;
    /* sites and findings */
    PyObject *sites;    /* Sites */
    uint32_t site;      /* last one given to the core */
    size_t seen;        /* findings already looked at for warnings */
    PyObject *warned;   /* set of (name, site) */
    bool warns;         /* level verifier */
    PyObject *bugcheck; /* the BugCheck raised when the machine stopped */
    uint64_t exports;   /* live buffers */
    PyObject *journal;  /* Journal, or NULL */
    struct ss_snapshot_object *snapshots; /* those that need the core for their bytes */
    /* host memory */
    uint64_t host_requests, host_bytes, host_fail_at;
    bool host_fail_on; /* from the n-th request on instead of just once */
} ss_machine_object_t;

/* lock.c */
int ss_enter(ss_machine_object_t *machine); /* 0, or -1 with an exception: closed, interrupted while waiting */
/* The same of a machine in any state, and without selecting the thread's CPU. */
int ss_lock(ss_machine_object_t *machine);
void ss_leave(ss_machine_object_t *machine);
/* For those who hold no reference, in SS_WEAK_BEGIN: goes inside unless another thread is there; leaves. */
bool ss_take(ss_machine_object_t *machine);
void ss_give(ss_machine_object_t *machine);
void ss_take_patiently(ss_machine_object_t *machine); /* waits, whatever signals come */
int ss_gate_make(ss_machine_object_t *machine);       /* 0, or -1 with an exception */
void ss_gate_free(ss_machine_object_t *machine);
/* Has something done now, or when the thread inside leaves; steals it (PyMem_Malloc). Never waits. */
void ss_soon(ss_machine_object_t *machine, ss_late_t *one);
void ss_put_late(ss_machine_object_t *machine, ss_late_t *one); /* in SS_WEAK_BEGIN: only puts it there */
void ss_catch_up(ss_machine_object_t *machine);                   /* does it, unless another thread is inside */
/* Leaves, then issues the warnings of new violations and raises what the status says. 0, or -1 with an exception.
 * `result` is what the routine would have returned (for Violation.result); may be NULL; not stolen. */
int ss_finish(ss_machine_object_t *machine, storsim_status_t status, PyObject *result);
/* Selects a CPU for the calling thread; inside ss_enter. */
storsim_status_t ss_select_cpu(ss_machine_object_t *machine, uint32_t cpu);
/* Forgets which CPU belongs to which thread (after a restore the core's choice is unknown). */
void ss_forget_cpus(ss_machine_object_t *machine);
bool ss_closed(ss_machine_object_t *machine); /* true with ValueError set */

/* outcome.c */
PyObject *ss_finding_record(ss_machine_object_t *machine, const storsim_finding_t *finding);
int ss_raise_status(ss_machine_object_t *machine, storsim_status_t status, PyObject *result); /* always -1 */

/* audio.c */
PyObject *ss_transfer_done(ss_machine_object_t *machine, const storsim_callback_t *callback);

/* callback.c */
uint64_t ss_token_new(ss_machine_object_t *machine, PyObject *object); /* 0 with an exception */
PyObject *ss_token_object(ss_machine_object_t *machine,
                          uint64_t token); /* new reference; RuntimeError when stale; None for 0 */
void ss_token_release(ss_machine_object_t *machine, uint64_t token);
void ss_tokens_changed(ss_machine_object_t *machine); /* before an object leaves `tokens` */
uint64_t ss_token_find(ss_machine_object_t *machine,
                       PyObject *object); /* token of an equal object, 0 when there is none */
storsim_status_t ss_trampoline(void *host, storsim_callback_t *callback);

/* site.c */
void ss_here(ss_machine_object_t *machine); /* tells the core where the calling Python code is */
PyObject *ss_sites_new(ss_state_t *state, int depth);
int ss_sites_warn(PyObject *sites, uint32_t site, PyObject *category, PyObject *message);

/* fields.c: dict → config struct by a table */
typedef enum ss_field_type { SS_U8, SS_U16, SS_U32, SS_U64, SS_BOOL, SS_TEXT, SS_CHOICE } ss_field_type_t;
typedef struct ss_field {
    const char *name;
    ss_field_type_t type;
    size_t offset;
} ss_field_t;
/* Copies each item of the dict into the struct; unknown names are TypeError. The dict owns the text. */
int ss_fields_load(void *config, const ss_field_t *fields, PyObject *values, const char *what);
PyObject *ss_fields_dump(const void *config, const ss_field_t *fields);

/* Methods of Machine, by file. X(name in Python, C function, flags, signature, documentation). Those with an underscore
 * are raw: the Python half gives them names, units and checks. */
#define SS_MACHINE_MEMORY_MAP(X)                                                                                       \
    X(read_va, read_va, METH_VARARGS, "($self, address, length, /)",                                                   \
      "The driver's own load: length bytes at a kernel address, as bytes.\n\nChecked (ruling R50): a stray access is " \
      "a violation "                                                                                                   \
      "or a bugcheck.")                                                                                                \
    X(write_va, write_va, METH_VARARGS, "($self, address, data, /)",                                                   \
      "The driver's own store: bytes to a kernel address. Checked like read_va.")                                      \
    X(physical, physical, METH_O, "($self, address, /)",                                                               \
      "Physical address behind a mapped kernel address, or None. Never a rule check.")                                 \
    X(_memory_read, memory_read, METH_VARARGS, "($self, address, length, /)", "Bytes of physical memory.")             \
    X(_memory_write, memory_write, METH_VARARGS, "($self, address, data, /)", "Stores bytes in physical memory.")      \
    X(_memory_reserve, memory_reserve, METH_VARARGS, "($self, address, length, /)",                                    \
      "Takes pages out of the free ones.")                                                                             \
    X(_memory_release, memory_release, METH_VARARGS, "($self, address, length, /)", "Gives reserved pages back.")      \
    X(_memory_free_bytes, memory_free_bytes, METH_VARARGS, "($self, node, lowest, highest, /)",                        \
      "Free bytes in a window.")                                                                                       \
    X(_memory_largest, memory_largest, METH_VARARGS, "($self, lowest, highest, boundary, /)",                          \
      "Largest block one request gets.")                                                                               \
    X(_memory_runs, memory_runs, METH_NOARGS, "($self, /)", "Free runs as (start, length, node).")                     \
    X(_memory_map, memory_map, METH_NOARGS, "($self, /)", "The normalised map as (start, length, node).")              \
    X(_memory_fragment, memory_fragment, METH_VARARGS, "($self, numerator, denominator, run_pages, seed, /)",          \
      "Pins a share of the free pages; returns how many.")                                                             \
    X(_memory_total, memory_total, METH_O, "($self, node, /)", "Usable bytes of a node.")                              \
    X(_memory_distance, memory_distance, METH_VARARGS, "($self, from_node, to_node, /)", "NUMA distance.")             \
    X(_kernel_memory, kernel_memory, METH_VARARGS, "($self, pageable, length, /)",                                     \
      "Kernel stack or pageable memory: its address.")                                                                 \
    X(_kernel_memory_free, kernel_memory_free, METH_O, "($self, address, /)", "Gives it back.")                        \
    X(store_fence, store_fence, METH_NOARGS, "($self, /)",                                                             \
      "A store fence: delayed write-combined stores become visible to devices.")

#define SS_MACHINE_TIME_MAP(X)                                                                                         \
    X(_advance, advance, METH_O, "($self, ticks, /)", "Runs virtual time.")                                            \
    X(_run_until_interrupt, run_until_interrupt, METH_O, "($self, limit, /)",                                          \
      "Runs until an interrupt was delivered.")                                                                        \
    X(_set_irql, set_irql, METH_O, "($self, irql, /)", "Sets the level of the current CPU; returns the old one.")      \
    X(_set_cpu, set_cpu, METH_O, "($self, cpu, /)", "Selects the calling thread's CPU; returns the old one.")          \
    X(run_dpcs, run_dpcs, METH_NOARGS, "($self, /)", "Runs the DPCs queued on the current CPU; returns how many.")     \
    X(_queue_dpc, queue_dpc, METH_VARARGS, "($self, routine, context, /)", "Queues a callable as DPC.")                \
    X(_event_create, event_create, METH_NOARGS, "($self, /)", "A KEVENT; returns its address.")                        \
    X(_event_destroy, event_destroy, METH_O, "($self, address, /)", "Frees a KEVENT.")                                 \
    X(_event_set, event_set, METH_O, "($self, address, /)", "Signals a KEVENT.")                                       \
    X(_event_clear, event_clear, METH_O, "($self, address, /)", "Clears a KEVENT.")                                    \
    X(_event_signaled, event_signaled, METH_O, "($self, address, /)", "Whether a KEVENT is signaled.")

#define SS_MACHINE_RECORD_MAP(X)                                                                                       \
    X(_findings, findings, METH_O, "($self, first, /)", "Findings from an index on.")                                  \
    X(_finding_count, finding_count, METH_NOARGS, "($self, /)", "How many findings there are.")                        \
    X(_allocations, allocations, METH_NOARGS, "($self, /)", "Live allocations as tuples.")                             \
    X(_allocation_at, allocation_at, METH_O, "($self, address, /)",                                                    \
      "The live allocation around an address as a tuple, or None.")                                                    \
    X(_fault_add, fault_add, METH_VARARGS,                                                                             \
      "($self, kind, routine, tag, minimum, maximum, first, last, chances, seed, predicate, "                          \
      "not_before, hardware, device, /)",                                                                              \
      "Adds a rule to the fault plan; returns its id.")                                                                \
    X(_fault_remove, fault_remove, METH_O, "($self, rule, /)", "Removes a rule.")                                      \
    X(_fault_clear, fault_clear, METH_NOARGS, "($self, /)", "Removes every rule.")                                     \
    X(_fault_pause, fault_pause, METH_O, "($self, pause, /)", "Pauses the plan or ends one pause.")                    \
    X(_fault_points, fault_points, METH_NOARGS, "($self, /)", "Fault points passed so far.")                           \
    X(_verifier_counters, verifier_counters, METH_NOARGS, "($self, /)", "Counters of the verifier.")                   \
    X(_injected, injected, METH_NOARGS, "($self, /)", "Injected failures as tuples.")                                  \
    X(_trace, trace, METH_NOARGS, "($self, /)", "Entries of the trace ring as tuples, oldest first.")                  \
    X(_trace_total, trace_total, METH_NOARGS, "($self, /)", "Entries ever written to the trace.")                      \
    X(_behaviours, behaviours, METH_NOARGS, "($self, /)", "The set of behaviours seen so far, as bytes.")              \
    X(_behaviours_seen, behaviours_seen, METH_NOARGS, "($self, /)", "How many behaviours were seen so far.")           \
    X(_behaviours_clear, behaviours_clear, METH_NOARGS, "($self, /)", "From now on no behaviour was seen.")            \
    X(_override_irql, override_irql, METH_VARARGS, "($self, routine, lowest, highest, /)",                             \
      "Replaces a routine's callable levels.")                                                                         \
    X(_override_first_os, override_first_os, METH_VARARGS, "($self, routine, os, /)", "Replaces a routine's first OS.")

#define SS_MACHINE_STATE_MAP(X)                                                                                        \
    X(digest, digest, METH_NOARGS, "($self, /)",                                                                       \
      "64 bits over all state a driver or device can observe.\n\nNot over trace, findings, statistics, sites, "        \
      "quarantine.")                                                                                                   \
    X(snapshot, snapshot, METH_NOARGS, "($self, /)",                                                                   \
      "The whole machine as a Snapshot.\n\nRaises RuntimeError from inside a callback.")                               \
    X(restore, restore, METH_O, "($self, snapshot, /)",                                                                \
      "Goes back to a snapshot of this or an equally configured machine.\n\nCallbacks registered since are "           \
      "forgotten. Raises "                                                                                             \
      "ValueError for damaged bytes, BufferError under a live memoryview, RuntimeError from inside a callback.")       \
    X(check, check, METH_NOARGS, "($self, /)",                                                                         \
      "Verifies every invariant; returns the description of the first broken one, or ''.")

#define SS_MACHINE_ADAPTER_MAP(X)                                                                                      \
    X(_adapter_add, adapter_add, METH_O, "($self, config, /)", "Adds an adapter; returns its number.")                 \
    X(_adapter_remove, adapter_remove, METH_O, "($self, adapter, /)", "Removes an adapter; returns its leaks.")        \
    X(_adapter_count, adapter_count, METH_NOARGS, "($self, /)", "Adapters added so far.")                              \
    X(_adapter_live, adapter_live, METH_O, "($self, adapter, /)", "Whether the adapter was not removed.")              \
    X(_port_config_address, port_config_address, METH_O, "($self, adapter, /)", "PPORT_CONFIGURATION_INFORMATION.")    \
    X(_port_config_get, port_config_get, METH_VARARGS, "($self, adapter, member, /)", "Reads a member.")               \
    X(_port_config_set, port_config_set, METH_VARARGS, "($self, adapter, member, value, /)", "Writes a member.")       \
    X(_callback_enter, callback_enter, METH_VARARGS, "($self, adapter, name, control, /)",                             \
      "Enters a miniport callback.")                                                                                   \
    X(_callback_leave, callback_leave, METH_NOARGS, "($self, /)", "Leaves it.")                                        \
    X(_callback_current, callback_current, METH_NOARGS, "($self, /)", "Name of the callback the CPU is in, or None.")  \
    X(_srb_create, srb_create, METH_VARARGS,                                                                           \
      "($self, adapter, length, write, fragments, offset, lu_extension, data_in, /)", "Makes a request.")              \
    X(_dma_read, dma_read, METH_VARARGS, "($self, adapter, address, length, /)", "The device reads memory.")           \
    X(_dma_write, dma_write, METH_VARARGS, "($self, adapter, address, data, /)", "The device writes memory.")          \
    X(_flush, flush, METH_VARARGS, "($self, adapter, va, length, to_device, /)",                                       \
      "Writes back or invalidates cached stores.")                                                                     \
    X(_dump_marks, dump_marks, METH_O, "($self, adapter, /)",                                                          \
      "Memory marked for the dump file as (address, length, physical).")                                               \
    X(_nvme_attach, nvme_attach, METH_VARARGS, "($self, adapter, hmpre, hmmin, hmminds, hmmaxd, page_shift, /)",       \
      "Puts an NVMe controller behind the adapter.")                                                                   \
    X(_nvme_set_features, nvme_set_features, METH_VARARGS,                                                             \
      "($self, adapter, fid, cdw11, cdw12, cdw13, cdw14, cdw15, /)", "Set Features; returns the completion status.")   \
    X(_nvme_get_features, nvme_get_features, METH_VARARGS, "($self, adapter, fid, /)",                                 \
      "Get Features: (status, hsize, list, entries, enabled).")                                                        \
    X(_nvme_reset, nvme_reset, METH_O, "($self, adapter, /)", "Controller reset.")                                     \
    X(_nvme_enabled, nvme_enabled, METH_O, "($self, adapter, /)", "Whether the host memory buffer is enabled.")        \
    X(_nvme_hmb_read, nvme_hmb_read, METH_VARARGS, "($self, adapter, offset, length, /)",                              \
      "The controller reads its buffer.")                                                                              \
    X(_nvme_hmb_write, nvme_hmb_write, METH_VARARGS, "($self, adapter, offset, data, /)",                              \
      "The controller writes its buffer.")

#define SS_MACHINE_HDA_MAP(X)                                                                                          \
    X(_hda_add, hda_add, METH_O, "($self, config, /)", "Adds an HD Audio controller; returns its number.")             \
    X(_hda_remove, hda_remove, METH_VARARGS, "($self, controller, /)", "Takes a controller out.")                      \
    X(_hda_state, hda_state, METH_VARARGS, "($self, controller, /)", "(live, gone, line, device, sdi_lines, level).")  \
    X(_hda_registers, hda_registers, METH_VARARGS, "($self, controller, /)",                                           \
      "Registers as (name, offset, size, write_mask, clear_mask, reset).")                                             \
    X(_hda_register_write, hda_register_write, METH_VARARGS, "($self, controller, name, value, /)",                    \
      "Writes a register by name.")                                                                                    \
    X(_hda_set_wall_clock, hda_set_wall_clock, METH_VARARGS, "($self, controller, value, /)",                          \
      "Presets the wall clock.")                                                                                       \
    X(_hda_stall, hda_stall, METH_VARARGS, "($self, controller, stalled, /)", "Stalls or resumes DMA.")                \
    X(_hda_position, hda_position, METH_VARARGS, "($self, controller, descriptor, /)",                                 \
      "(link_bytes, dma_bytes, fifo_bytes, block_bytes, running, linked).")                                            \
    X(_codec_add, codec_add, METH_VARARGS,                                                                             \
      "($self, controller, address, nodes, initial, frames, silent, any_format, verb, /)", "Plugs a codec.")           \
    X(_codec_add_ideal, codec_add_ideal, METH_VARARGS, "($self, controller, address, /)", "Plugs the ideal codec.")    \
    X(_codec_remove, codec_remove, METH_VARARGS, "($self, controller, address, /)", "Pulls a codec.")                  \
    X(_codec_present, codec_present, METH_VARARGS, "($self, controller, address, /)", "Whether there is one.")         \
    X(_codec_set, codec_set, METH_VARARGS, "($self, controller, address, silent, response_frames, /)",                 \
      "Silent, slow.")                                                                                                 \
    X(_codec_command, codec_command, METH_VARARGS, "($self, controller, address, command, /)",                         \
      "Executes a command at once.")                                                                                   \
    X(_codec_takes, codec_takes, METH_VARARGS, "($self, controller, address, nid, format, /)",                         \
      "Whether a converter takes it.")                                                                                 \
    X(_codec_wake, codec_wake, METH_VARARGS, "($self, controller, address, /)", "Asserts a state change.")             \
    X(_codec_unsolicited, codec_unsolicited, METH_VARARGS, "($self, controller, address, tag, payload, /)",            \
      "Queues an unsolicited response.")                                                                               \
    X(_codec_jack, codec_jack, METH_VARARGS, "($self, controller, address, nid, present, /)",                          \
      "Plugs or pulls a jack.")                                                                                        \
    X(_codec_played, codec_played, METH_VARARGS, "($self, controller, address, tag, /)", "(bytes, dropped).")          \
    X(_codec_played_clear, codec_played_clear, METH_VARARGS, "($self, controller, address, tag, /)",                   \
      "Forgets what was heard.")                                                                                       \
    X(_codec_keep, codec_keep, METH_VARARGS, "($self, controller, address, tag, limit, /)", "How much is kept.")       \
    X(_codec_feed, codec_feed, METH_VARARGS, "($self, controller, address, tag, data, /)", "Appends bytes to send.")   \
    X(_codec_feed_pending, codec_feed_pending, METH_VARARGS, "($self, controller, address, tag, /)",                   \
      "Bytes not yet sent.")                                                                                           \
    X(_codec_record, codec_record, METH_VARARGS, "($self, controller, address, tag, sink, /)",                         \
      "Sends what is heard to a sink.")                                                                                \
    X(_codec_source, codec_source, METH_VARARGS, "($self, controller, address, tag, source, /)",                       \
      "Asks a source for bytes.")

#define SS_MACHINE_HDAUDIO_MAP(X)                                                                                      \
    X(_hdaudio_attach, hdaudio_attach, METH_VARARGS, "($self, controller, profile, policies, config, /)",              \
      "Starts a bus driver.")                                                                                          \
    X(_hdaudio_remove, hdaudio_remove, METH_VARARGS, "($self, controller, /)", "Ends it: (first leak, leaks).")        \
    X(_hdaudio_surprise_remove, hdaudio_surprise_remove, METH_VARARGS, "($self, controller, /)",                       \
      "The device is gone.")                                                                                           \
    X(_hdaudio_query, hdaudio_query, METH_VARARGS, "($self, controller, guid, size, version, client, /)",              \
      "(ntstatus, table, size, version, context).")                                                                    \
    X(_hdaudio_routine, hdaudio_routine, METH_VARARGS, "($self, name, context, /)", "A routine of a client.")          \
    X(_hdaudio_engines, hdaudio_engines, METH_VARARGS, "($self, controller, /)", "Valid engines as dicts.")            \
    X(_hdaudio_bdl, hdaudio_bdl, METH_VARARGS, "($self, handle, /)", "Descriptor list as (address, length, ioc).")     \
    X(_hdaudio_bandwidth, hdaudio_bandwidth, METH_VARARGS, "($self, controller, codec, /)",                            \
      "(used, capacity) in bits per frame.")                                                                           \
    X(_hdaudio_references, hdaudio_references, METH_VARARGS, "($self, context, /)", "References of a client.")         \
    X(_hdaudio_fdo_references, hdaudio_fdo_references, METH_O, "($self, fdo, /)",                                      \
      "References held on a device object.")                                                                           \
    X(_hdaudio_started, hdaudio_started, METH_VARARGS, "($self, controller, /)", "(started, codecs).")

#define SS_MACHINE_METHOD_MAP(X)                                                                                       \
    SS_MACHINE_MEMORY_MAP(X)                                                                                           \
    SS_MACHINE_TIME_MAP(X)                                                                                             \
    SS_MACHINE_RECORD_MAP(X)                                                                                           \
    SS_MACHINE_STATE_MAP(X) SS_MACHINE_ADAPTER_MAP(X) SS_MACHINE_HDA_MAP(X) SS_MACHINE_HDAUDIO_MAP(X)
/* machine_hdaudio.c: data and pure functions of the module */
PyObject *ss_hdaudio_tables(void);
PyObject *ss_hdaudio_policies(void);
PyObject *ss_hdaudio_rates(void);
PyObject *ss_bytes_run(PyObject *module, PyObject *args);
PyObject *ss_bytes_make(PyObject *module, PyObject *args);
PyObject *ss_bytes_digest(PyObject *module, PyObject *data);
PyObject *ss_behaviour_layout(PyObject *module, PyObject *ignored);
PyObject *ss_hdaudio_encode(PyObject *module, PyObject *args);
PyObject *ss_hdaudio_decode(PyObject *module, PyObject *args);

#define SS_MACHINE_PROTOTYPE(name, function, flags, signature, doc)                                                    \
    PyObject *ss_machine_##function(ss_machine_object_t *self, PyObject *argument);
SS_MACHINE_METHOD_MAP(SS_MACHINE_PROTOTYPE)
#undef SS_MACHINE_PROTOTYPE
/* Bytes of any bytes-like object or sequence of byte values, as a bytes object of its own. */
PyObject *ss_bytes_of(PyObject *data);
extern const ss_field_t ss_adapter_fields[];

/* --- conversion -------------------------------------------------------------------------------------------------- */

/* A number for a parameter of at most `maximum`: int or anything with __index__. Raises TypeError or OverflowError that
 * names what. *value only on success. */
int ss_number(PyObject *object, uint64_t maximum, const char *what, const char *type, uint64_t *value);
/* "0x1F00" for a message: PyErr_Format knows no 64-bit hexadecimal before 3.12. */
enum { SS_HEX_SIZE = 20 };
const char *ss_hex(char *text, uint64_t value);
#define SS_HEX(value) ss_hex((char[SS_HEX_SIZE]){0}, (value))
int ss_pointer(PyObject *object, const char *what, uint64_t *value);  /* as ss_number, None is 0 */
int ss_physical(PyObject *object, const char *what, uint64_t *value); /* ruling R3 */
int ss_tag(PyObject *object, const char *what, uint64_t *value);      /* ruling R4 */
int ss_enum(PyObject *object, const char *what, uint64_t *value);
PyObject *ss_stor_status(ss_state_t *state, uint32_t status); /* StorStatus member, or int when unknown */
PyObject *ss_nt_status(ss_state_t *state, uint32_t status);

/* structs.c */
typedef struct ss_struct_field {
    const char *name;
    uint64_t maximum;
    bool boolean;
} ss_struct_field_t;
typedef struct ss_struct_desc {
    const char *name;
    const ss_struct_field_t *fields;
    int count;
} ss_struct_desc_t;
typedef struct ss_struct_object {
    PyObject_HEAD
    const ss_struct_desc_t *desc;
    uint64_t values[SS_MAX_STRUCT_FIELDS];
} ss_struct_object_t;
PyObject *ss_struct_new(PyObject *type, const ss_struct_desc_t *desc, const uint64_t *values);
/* Reads an object of the type, or a sequence of as many numbers. */
int ss_struct_read(PyObject *type, const ss_struct_desc_t *desc, PyObject *object, uint64_t *values);
extern const ss_struct_desc_t ss_access_range_desc, ss_group_affinity_desc;
extern PyType_Spec ss_access_range_spec, ss_group_affinity_spec;

/* --- the other objects ------------------------------------------------------------------------------------------- */

typedef struct ss_adapter_object {
    PyObject_HEAD
    ss_machine_object_t *machine;
    uint32_t number;
    uint64_t extension;
    PyObject *extension_object; /* DeviceExtension, made at first use */
} ss_adapter_object_t;

/* A typed pointer into simulated memory. */
typedef struct ss_pointer_object {
    PyObject_HEAD
    ss_machine_object_t *machine;
    uint64_t address;
} ss_pointer_object_t;
PyObject *ss_pointer_new(PyObject *type, ss_machine_object_t *machine, uint64_t address);

/* buffer.c: exports of the bytes of an allocation */
int ss_buffer_export(PyObject *self, ss_machine_object_t *machine, uint64_t va, uint64_t block, uint64_t offset,
                     uint64_t length, Py_buffer *view, int flags);
void ss_buffer_release(ss_machine_object_t *machine, Py_buffer *view);
PyObject *ss_buffer_bytes(PyObject *self,
                          PyObject *ignored); /* __bytes__: bytes(x) would take __index__ for a length */
/* __buffer__ is part of every exporter from 3.12 on; before, it is a method, so that type checkers may rely on it
 * everywhere. */
#if PY_VERSION_HEX < 0x030C0000
PyObject *ss_buffer_view(PyObject *self, PyObject *flags);
#define SS_BUFFER_METHOD                                                                                               \
    {"__buffer__", ss_buffer_view, METH_O, PyDoc_STR("__buffer__($self, flags, /)\n--\n\nA memoryview of the bytes.")},
#else
#define SS_BUFFER_METHOD
#endif
void ss_machine_end(ss_machine_object_t *machine); /* inside: destroys the core once nothing needs it */
/* snapshot.c: ties a snapshot to the core's checkpoint; what is still alive gets its bytes before the core ends. Inside,
 * both. */
void ss_snapshot_tie(struct ss_snapshot_object *snapshot, ss_machine_object_t *machine,
                     storsim_checkpoint_t *checkpoint);
void ss_snapshots_detach(ss_machine_object_t *machine);

extern PyType_Spec ss_machine_spec, ss_adapter_spec, ss_routine_spec, ss_routines_spec, ss_pointer_spec, ss_mdl_spec,
    ss_sg_spec, ss_srb_spec, ss_block_spec, ss_snapshot_spec, ss_sites_spec, ss_live_register_spec, ss_mmio_spec,
    ss_register_file_spec;

/* routine.c, plan.c, document.c */
/* journal.c */
extern PyType_Spec ss_journal_spec;
/* A journal as settings ask for it: None for none, else (memory limit, file or None). -1 with an exception. */
int ss_journal_make(ss_machine_object_t *machine, PyObject *settings);
storsim_status_t ss_journal_listen(ss_machine_object_t *machine, storsim_machine_t *core);
bool ss_journal_complains(PyObject *journal); /* true with OSError set when its file failed */
void ss_journal_close(PyObject *journal);     /* the machine is going to be closed */
void ss_journal_forsake(PyObject *journal);   /* its machine goes away; may be NULL */
PyObject *ss_operations(PyObject *module, PyObject *ignored);

typedef struct ss_snapshot_object {
    PyObject_HEAD
    uint8_t *bytes; /* NULL until somebody asks for them */
    size_t length;
    uint64_t origin, tokens;
    ss_late_t *tie;               /* with the checkpoint while the machine has its core; NULL: bytes alone */
    ss_machine_object_t *machine; /* borrowed, with `tie`; changed inside the machine and in SS_WEAK_BEGIN */
    struct ss_snapshot_object *next, *previous; /* in machine->snapshots */
} ss_snapshot_object_t;

/* How a row of the DDI table is called from Python; made once per module, results types at first use. */
struct ss_plan {
    const storsim_routine_t *row;
    PyObject *names[STORSIM_MAX_PARAMS]; /* interned parameter names, by parameter */
    uint8_t slots[STORSIM_MAX_PARAMS];   /* positional index → parameter */
    uint8_t slot_count, required;        /* positional parameters; how many of the first must be given */
    uint8_t outs[STORSIM_MAX_PARAMS];    /* parameters that come back, in documented order */
    uint8_t out_count;
    int length, array; /* the parameter that carries a length, and the array it belongs to; -1 none */
    bool has_extension;
    bool registers;       /* callables and contexts are looked up before they are made tokens */
    uint32_t missing;     /* bit per parameter that has to be given */
    PyObject *result;     /* type of a struct sequence, NULL while not needed */
};
int ss_plans_make(ss_state_t *state);
void ss_plans_free(ss_state_t *state);
int ss_plans_traverse(ss_state_t *state, visitproc visit, void *arg);
PyTypeObject *ss_plan_result(ss_plan_t *plan); /* borrowed */
PyObject *ss_plan_doc(const ss_plan_t *plan);
PyObject *ss_plan_signature(const ss_plan_t *plan);
PyObject *ss_plan_describe(const ss_plan_t *plan); /* dict for the stub generator and the documentation */
PyObject *ss_routine_new(ss_state_t *state, ss_plan_t *plan, ss_machine_object_t *machine);
PyObject *ss_routine_new_of(ss_state_t *state, ss_plan_t *plan, ss_machine_object_t *machine,
                            uint64_t context); /* of a client */
PyObject *ss_routines_new(ss_machine_object_t *machine);
const char *ss_type_name(storsim_type_t type); /* C type as documented: "ULONG" */

#endif
