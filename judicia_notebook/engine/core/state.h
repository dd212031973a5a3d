/* The state of the process, in one struct, and what the files of the core use of each other. Not part of the contract.
 */
#ifndef JC_STATE_H
#define JC_STATE_H

#include "calls.h"
#include "platform.h"
#include "wasmtime.h"

#define JC_ENGINES 64

typedef struct jc_process {
    _Atomic int32_t forked; /* set in a forked child: no thread of ours is there, and a lock may be held for ever */
    _Atomic int32_t door;   /* set at Python's exit: no entry, no callback, and nothing is freed any more */
    _Atomic int64_t inside; /* threads in Python functions that the core called */
    _Atomic int64_t signals;
    jc_host_function host_function;
    jc_signal_function signal_function;
    void *_Atomic engines[JC_ENGINES];
    _Atomic int64_t engine_count;
    jc_ticker ticker;
} jc_process;

extern jc_process jc_here;

/* Whether nothing may be entered, locked or freed any more. */
static inline bool jc_is_over(void) { return atomic_load(&jc_here.forked) || atomic_load(&jc_here.door); }

/* Limits in force, and whose each is: read in one look. */
typedef struct jc_in_force {
    int64_t most[JC_KINDS];
    int32_t owner[JC_KINDS];
} jc_in_force;

void jc_read_limits(jc_call *call, jc_in_force *found);
void jc_note_excess(jc_call *call, const jc_in_force *found, enum jc_kind kind, int64_t used);

bool jc_pool_take(jc_pool *pool, int64_t size);
void jc_pool_give_back(jc_pool *pool, int64_t size);
void jc_pool_hold(jc_pool *pool);
void jc_samples_hold(struct jc_samples *samples);

/* Begin and end an instantiation on this thread: memories that are made meanwhile belong to the box. */
void jc_memories_begin(jc_box *box, const jc_image *images, size_t count);
void jc_memories_begin_ours(jc_box *box); /* they belong to the runtime */
void jc_memories_end(void);

int jc_run_on(jc_box *box, const uint64_t *func, void *slots, size_t count); /* jc_run without its last step */
int jc_come_out(jc_box *box, int status); /* the last step of each function that runs unlocked; the status */

void jc_sample_now(jc_box *box, enum jc_event event);
int jc_entry_needs(int64_t now_ns); /* make sure that ticks come: JC_OK, JC_NO_TICKER or JC_STALE */
void jc_profile_enter(jc_box *box);
void jc_profile_leave(jc_box *box);

/* What Wasmtime's own limiter lets into one store: the guest's, and the generated loops beside it. */
enum { JC_INSTANCES = 4 + JC_LOOPS, JC_TABLES = 16 + JC_LOOPS };
void jc_limit_elements(jc_box *box, int64_t elements); /* of each table; below 0: any number */

#endif
