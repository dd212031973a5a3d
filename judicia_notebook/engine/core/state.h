/* The state of the process, in one struct, and what the files of the core use of each other. Not part of the contract.
 */
#ifndef JC_STATE_H
#define JC_STATE_H

#include "calls.h"
#include "platform.h"
#include "wasmtime.h"

#define JC_ENGINES 128 /* two meterings, and code with counters, for 32 sets of features; the rest for tests */

typedef struct jc_process {
    _Atomic int32_t forked; /* set in a forked child: no thread of ours is there, and a lock may be held for ever */
    _Atomic int32_t door;   /* set at Python's exit: no entry, no callback, and nothing is freed any more */
    _Atomic int64_t inside; /* threads in Python functions that the core called */
    _Atomic int64_t signals;
    const void *_Atomic trap_handler; /* NULL: it is not known */
    void *_Atomic engines[JC_ENGINES];
    bool engine_has_fuel[JC_ENGINES]; /* of those that are counted; never changed */
    bool engine_has_exceptions[JC_ENGINES]; /* likewise */
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

bool jc_call_make_staging(jc_call *call, uint64_t length); /* inside: room for an answer of JC_STAGED at most */

bool jc_pool_take(jc_pool *pool, int64_t size);
void jc_pool_give_back(jc_pool *pool, int64_t size);
void jc_pool_hold(jc_pool *pool);
void jc_samples_hold(struct jc_samples *samples);

/* Begin and end an instantiation on this thread: memories that are made meanwhile belong to the box. */
void jc_memories_begin(jc_box *box, const jc_image *images, size_t count);
void jc_memories_begin_module(jc_box *box, const jc_image *images, size_t count); /* and one may have counters */
void jc_memories_begin_ours(jc_box *box); /* they belong to the runtime */
void jc_memories_end(void);

/* Have a guest that counts its own fuel begin to count, with what is left of its limit. */
void jc_meter_begin(jc_box *box);

typedef struct extern_item { /* wasmtime_extern_t */
    uint8_t kind;
    uint64_t of[3];
} extern_item;

enum { EXTERN_FUNC = 0, EXTERN_TABLE = 2, EXTERN_MEMORY = 3 };

bool jc_engine_has_fuel(const void *engine); /* whether its code counts fuel */
bool jc_engine_has_exceptions(const void *engine); /* whether its code can throw them */
bool jc_thread_is_fit(void); /* for a guest: it has the stack, and the system's traps are Wasmtime's */
bool jc_host_give(void *answer, void *halve, void *is_interrupted); /* false: they are given already */
uint64_t jc_host_key(const jc_host *host);
/* On its thread, at `began`; false: the guest is to stop. */
bool jc_call_host(jc_box *box, const jc_host *host, uint64_t *slots, int64_t began);
void jc_forget_refusals(jc_call *call); /* with Python's lock */
bool jc_is_within(const jc_memory *memory, uint64_t pointer, uint64_t length); /* a region; false without a memory */
int jc_write_request(jc_box *box, const uint8_t *data, uint64_t length); /* inside, unlocked: to `written` */
bool jc_run_signal_handlers(jc_call *call); /* on its thread, the main thread; false: the guest is to stop */
jc_box *jc_host_call_of_thread(void); /* in whose host call this thread is; NULL: in none */
void jc_walk_ticked(jc_call *call); /* on its thread, while the guest runs */
int jc_exchange_on(jc_box *box, const uint64_t *func, const uint8_t *request, uint64_t length);
int jc_end_exchange(jc_box *box); /* the guest frees answer and request */
int jc_run_on(jc_box *box, const uint64_t *func, void *slots, size_t count); /* jc_run without its last step */
int jc_instantiate_on(jc_box *box, const void *pre, const jc_supplied *supplied, const jc_image *images,
                      size_t count); /* without it, too */
/* supplied.c: make what is supplied, and the instance; an error of Wasmtime's, or a trap. */
void *jc_instantiate_from(jc_box *box, const jc_supplied *from, const jc_image *images, size_t count, void **trap);
int jc_rearm(jc_box *box); /* inside: between making an instance and running it, the limits as they are now */
int jc_come_out(jc_box *box, int status); /* the last step of each function that runs unlocked; the status */

bool jc_signals_came(jc_call *call); /* in a tick on the main thread: whether Python is to run handlers */
void jc_signals_asked(void);         /* behind that: it has */

void jc_watch_enter(jc_call *call, const jc_box *box); /* on its thread: its limits of time are the watch's to hold */
void jc_watch_leave(void);                             /* likewise: they are no more */
void jc_watch_look(void);                              /* in the ticker */

void jc_sample_now(jc_box *box, enum jc_event event);
int jc_entry_needs(int64_t now_ns); /* make sure that ticks come: JC_OK, JC_NO_TICKER or JC_STALE */
void jc_profile_enter(jc_box *box);
void jc_profile_leave(jc_box *box);

/* What Wasmtime's own limiter lets into one store: the guest's, and the generated loops beside it. */
enum { JC_INSTANCES = 4 + JC_LOOPS, JC_TABLES = 16 + JC_LOOPS };
void jc_limit_elements(jc_box *box, int64_t elements); /* of each table; below 0: any number */

#endif
