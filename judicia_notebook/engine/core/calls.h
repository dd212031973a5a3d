/*
 * Calls: the structs that Python reads and writes in place, and the functions that it calls. A part of the contract.
 *
 * Of each function it is said who calls it:
 *   inside     the thread that has claimed the box with jc_enter; there is one at most
 *   unlocked   the function may run a guest for long: Python's lock has to be released (`Core.free`)
 *   quick      it takes some hundred nanoseconds: Python's lock may be kept (`Core.held`)
 * Where nothing is said any thread may call it. Numbers from a guest are checked before they are added to anything.
 */
#ifndef JC_CALLS_H
#define JC_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core.h"

#define JC_NO_LIMIT INT64_MAX
#define JC_UNLIMITED_FUEL (UINT64_C(1) << 62)
#define JC_STAGED (UINT64_C(64) << 10) /* an answer of so many bytes is copied before the guest frees it */
#define JC_MEMORIES 24 /* linear memories of one store: a module has 16 at most, loops have the rest */
#define JC_LOOPS 8 /* generated loops beside one instance */

/* Limits that the core holds a running guest to: nanoseconds, bytes, fuel. */
enum jc_kind { JC_CPU, JC_WALL, JC_MEMORY, JC_FUEL, JC_ANSWER, JC_KINDS };

/* Whose limit it was. The first three are the places of jc_call.limits. */
enum jc_owner { JC_PLUGIN, JC_OWN, JC_FORMER, JC_OWNERS, JC_RUNTIME = JC_OWNERS, JC_SYSTEM };

/* Why a guest was stopped. The first reason stays. */
enum jc_stop {
    JC_GOES_ON,
    JC_CANCELLED,     /* by jc_cancel */
    JC_EXCEEDED,      /* a limit: kind, owner, limit and used of the call */
    JC_OUTER_STOPPED, /* the call inside whose host call this one was made is to stop */
    JC_INTERRUPTED,   /* the function that runs Python's signal handlers did not come to its last line */
    JC_HOST_FAILED,   /* a host function kept an exception for the caller */
    JC_HOST_DIED,     /* a host function did not come to its last line */
    JC_HOST_REFUSED,  /* a host call from where none may come */
    JC_EXITED,        /* Python is exiting */
    JC_MISREAD,       /* an image is larger than its memory: we and Wasmtime read the module differently */
};

/* What jc_enter and the functions inside answer. */
enum jc_status {
    JC_OK,
    JC_FORKED,          /* a forked child has the engine, and none of its threads */
    JC_OCCUPIED,        /* another thread is inside */
    JC_SHUT,            /* the box is closed */
    JC_EXITING,         /* Python is exiting */
    JC_NO_TICKER,       /* the system gives no thread for the ticker */
    JC_STALE,           /* the ticker shows no sign of life */
    JC_FOREIGN,         /* a function of another store, or nobody is inside */
    JC_TRAPPED,         /* the guest did not return: phase, trap and error of the box */
    JC_STOPPED,         /* it returned, and is to stop */
    JC_NO_ALLOCATOR,    /* it exports no judicia_alloc or no judicia_free */
    JC_ALLOC_ZERO,      /* judicia_alloc answered 0 */
    JC_ALLOC_BEYOND,    /* judicia_alloc answered an address beyond the memory */
    JC_ANSWER_LARGE,    /* the answer is larger than it may be: kind, limit and used of the call */
    JC_ANSWER_BEYOND,   /* the answer lies beyond the memory */
    JC_ANSWER_OVERLAPS, /* the answer overlaps the request without being the request */
    JC_NO_MEMORY,       /* the process has no memory for the core's own buffers */
    JC_OVER_MEMORY, /* the instance holds more than its limit, which was lowered: kind, limit and used of the call */
    JC_PENDING, /* the answer lies in the guest's memory: copy it, then call jc_exchange_end */
    JC_NO_ROOM, /* no generated loop fits beside this instance */
};

/* Which of the guest's functions ran last. */
enum jc_phase { JC_IN_FUNCTION, JC_IN_ALLOC, JC_IN_FREE };

/* How a Python function that the core called ended: its last line writes it. Whatever ends it before leaves JC_DIED. */
enum jc_verdict { JC_DIED, JC_DONE, JC_FAILED };

/* Live limits of a plugin, of one call, or of code that was replaced. All of one change are one version. Who made them
 * frees them, once no call has them. */
typedef struct jc_limits {
    _Atomic uint64_t version; /* odd while it is written */
    _Atomic int64_t most[JC_KINDS];
} jc_limits;

/* A call in progress. Python makes and frees it; the thread inside writes it, but for `cancelled` and `limits`. */
typedef struct jc_call {
    jc_limits *_Atomic limits[JC_OWNERS];
    struct jc_call *outer; /* the call inside whose host call this one was made, on the same thread */
    struct jc_box *box; /* that it is inside of */
    int64_t id; /* by which its runtime knows it */
    int64_t token; /* by which this process knows it: calls are memory for reuse, and a token is never used twice */
    _Atomic int64_t cancelled; /* the largest token that was to end */
    int64_t began_ns; /* 0 until its clocks run */
    int64_t cpu_began_ns;
    int64_t spent_wall_ns; /* counts against its limits, too */
    int64_t spent_cpu_ns;
    int64_t spent_fuel;
    int64_t host_ns; /* in host functions, without the guest's allocator */
    int64_t allocator_ns; /* the guest in judicia_alloc and judicia_free, outside of host calls */
    int64_t signals; /* that had come before it began; below 0 on threads other than the main thread */
    int64_t limit; /* with used, kind and owner: of JC_EXCEEDED, from one look */
    int64_t used;
    int32_t kind;
    int32_t owner;
    int32_t stop;
} jc_call;

/* The bytes that all instances of a runtime hold, and their ceiling. */
typedef struct jc_pool {
    _Atomic int64_t ceiling;
    _Atomic int64_t used;
    _Atomic int64_t references;
} jc_pool;

/* One linear memory. */
typedef struct jc_memory {
    struct jc_box *box;
    uint8_t *base;
    uint64_t size; /* bytes that the guest may use */
    uint64_t committed; /* bytes that can be read and written */
    uint64_t reserved; /* bytes of address space that it may grow into */
    uint64_t mapped; /* with the guard behind */
    int64_t ours; /* of a generated loop: the runtime's, not the guest's */
    struct jc_memory *next;
} jc_memory;

/* One instance in a store of its own. */
typedef struct jc_box {
    _Atomic int32_t claimed; /* a thread is inside, or deletes the store */
    _Atomic int32_t closing;
    _Atomic int64_t references;
    uint64_t key; /* by which Python knows it */
    void *store;
    void *context;
    jc_call *call; /* that is inside */
    jc_pool *pool;
    struct jc_samples *samples; /* NULL: ticks and grows leave none */
    struct jc_profile *profile; /* NULL: no profiler watches */
    jc_memory *memories[JC_MEMORIES];
    jc_memory *memory; /* the exported one */
    int64_t memory_count;
    int64_t loop_count; /* generated loops that were made beside the instance, or could not be */
    int64_t held; /* bytes of all memories */
    int64_t grows_refused;
    int64_t refused_wanted; /* by the last grow that was refused: bytes in all; 0 for none */
    int64_t refused_limit;
    int32_t refused_owner;
    int32_t in_host_call;
    int32_t starting; /* its instance is being made */
    int32_t verdict; /* enum jc_verdict of the Python function that runs */
    int32_t phase;
    int32_t broken; /* it did not return once, and is not entered again */
    uint64_t fuel_set;
    int64_t limited_elements;
    void *trap; /* of JC_TRAPPED; Python takes them */
    void *error;
    uint64_t instance[2]; /* wasmtime_instance_t */
    uint64_t alloc[2]; /* wasmtime_func_t; zeros where there is none */
    uint64_t free_[2];
    uint64_t written; /* by the last jc_write */
    uint64_t request; /* of the last exchange */
    uint64_t request_length;
    uint64_t packed;
    uint64_t answer;
    uint64_t answer_length;
    uint8_t *staging;
    uint64_t staging_room;
    int64_t write_ns; /* copying the request; the function; copying the answer */
    int64_t run_ns;
    int64_t read_ns;
    int64_t left_ns; /* when the core was left to take Python's lock again; 0 inside a host call, whose time that is */
} jc_box;

/* Where a column begins in a block of rows, and the bytes of each of its numbers: 4 or 8. */
typedef struct jc_column {
    uint32_t offset;
    uint32_t size;
} jc_column;

/* Calls a function of a box's instance once for each row of a block. Python makes it, the thread inside writes it. */
typedef struct jc_loop {
    uint8_t *block; /* the columns: memory of the generated module, or Python's where there is no such module */
    jc_column *columns; /* of the arguments, then of the results */
    uint64_t *slots; /* of one call */
    uint64_t func[2]; /* the generated loop, a wasmtime_func_t; zeros where there is none */
    uint64_t table[3]; /* wasmtime_table_t: its element 0 is the function that the loop calls */
    int64_t fixed_fuel; /* of the loop itself: of a run */
    int64_t row_fuel; /* of a row */
    int64_t begun_fuel; /* of a run that ends in its first row, inside the function */
    int64_t rows; /* that came to their end in the last run */
    int32_t arguments;
    int32_t results;
} jc_loop;

/* A profiler's times and samples; engine/profiler.py says what they mean. The thread inside writes it. */
typedef struct jc_profile {
    void *profiler; /* wasmtime_guestprofiler_t */
    int64_t guest_ns;
    int64_t entered_ns;
    int64_t depth;
    int64_t samples; /* in both */
    int64_t guest_samples;
    int64_t room; /* for samples */
    int64_t most_guest;
    int64_t most_host;
    uint64_t *function; /* of each sample: the import's key; 0 for the guest itself */
    int64_t *took_ns;
    uint64_t *beyond_function; /* host calls for whose stack there was no room, by the import's key */
    int64_t *beyond_ns;
    int64_t beyond_count;
    int64_t beyond_room;
} jc_profile;

/* What a data segment was: bytes that a new memory begins with. */
typedef struct jc_image {
    uint64_t memory; /* which one of the module's own, from 0 */
    uint64_t offset;
    uint64_t length;
    const uint8_t *bytes;
} jc_image;

/* A sample of one runtime; they are kept in a ring. */
typedef struct jc_sample {
    int64_t call_id;
    int64_t at_ns; /* since the recorder began */
    int64_t cpu_ns;
    int64_t memory_bytes;
    int64_t event;
} jc_sample;

enum jc_event { JC_TICK, JC_GROW, JC_GROW_REFUSED };

/* Python's functions; ctypes takes the lock. */
typedef void (*jc_host_function)(uint64_t box, uint64_t import, void *slots, uint64_t count);
typedef void (*jc_signal_function)(uint64_t box);

/* --- the process (core.c) --- */

JC_API int jc_start(jc_host_function host, jc_signal_function signals); /* once; again is harmless */
JC_API int jc_watch_engine(void *engine); /* tick it for ever; 0, or -1: too many */
JC_API int64_t jc_close_door(void); /* at Python's exit: no entry, no callback; how many are inside callbacks */

/* --- limits, pools, calls (limits.c) --- */

JC_API jc_limits *jc_limits_new(void); /* no limits; NULL: no memory */
JC_API void jc_limits_publish(jc_limits *limits, const int64_t *most); /* one writer at a time */
JC_API void jc_limits_free(jc_limits *limits);
JC_API jc_pool *jc_pool_new(int64_t ceiling);
JC_API void jc_pool_release(jc_pool *pool);
JC_API jc_call *jc_call_new(int64_t id, int64_t signals, jc_call *outer, jc_limits *plugin, jc_limits *own,
                            jc_limits *former); /* on its thread; NULL: no memory */
JC_API void jc_call_free(jc_call *call); /* by its owner, when no box has it; a late jc_cancel does no harm */
JC_API void jc_call_limit(jc_call *call, int64_t token, int32_t owner, jc_limits *limits); /* also while it runs */
JC_API void jc_cancel(jc_call *call, int64_t token); /* any thread, also from a signal handler */
JC_API int jc_look(jc_call *call); /* on the thread of the call: enum jc_stop */
JC_API int jc_look_at_time(jc_call *call); /* the same without the memory, which may be another call's by now */
JC_API void jc_call_start(jc_call *call); /* start its clocks, unless they run */

/* --- boxes (box.c) --- */

JC_API jc_box *jc_box_new(void *engine, uint64_t key, jc_pool *pool, struct jc_samples *samples);
JC_API void jc_box_close(jc_box *box); /* delete the store, now or when the thread inside leaves */
JC_API void jc_box_release(jc_box *box); /* Python refers to it no more */
JC_API int jc_enter(jc_box *box, jc_call *call, int64_t elements);
JC_API void jc_leave(jc_box *box); /* inside */
JC_API int jc_instantiate(jc_box *box, const void *pre, const jc_image *images, size_t count); /* inside, unlocked */
JC_API int jc_run(jc_box *box, const uint64_t *func, void *slots, size_t count); /* inside, unlocked */
JC_API int64_t jc_fuel_used(jc_box *box); /* inside */
JC_API int jc_exchange(jc_box *box, const uint64_t *func, const uint8_t *request,
                       uint64_t length); /* inside, unlocked */
JC_API int jc_exchange_end(jc_box *box); /* inside, unlocked */
JC_API int jc_write(jc_box *box, const uint8_t *data, uint64_t length); /* inside, unlocked: to `written` */
JC_API void *jc_trampoline(void); /* for wasmtime_linker_define_func_unchecked */

/* --- loops over rows (loops.c) --- */

JC_API int jc_loop_make(jc_box *box, const void *pre, jc_loop *loop); /* inside, unlocked */
JC_API int jc_loop_run(jc_box *box, jc_loop *loop, const uint64_t *func, uint32_t count); /* inside, unlocked */

/* --- memories (memory.c) --- */

JC_API void *jc_memory_creator(void); /* the function `new` of wasmtime_memory_creator_t */
JC_API int64_t jc_memory_recycled(void); /* bytes of address space that wait for the next memory */

/* --- samples (samples.c) --- */

JC_API struct jc_samples *jc_samples_new(int64_t capacity, int64_t began_ns);
JC_API void jc_samples_release(struct jc_samples *samples);
JC_API void jc_samples_add(struct jc_samples *samples, const jc_sample *sample);
JC_API int64_t jc_samples_end(struct jc_samples *samples);
JC_API int64_t jc_samples_count(struct jc_samples *samples);
JC_API int64_t jc_samples_dropped(struct jc_samples *samples);
JC_API int64_t jc_samples_read(struct jc_samples *samples, int64_t start, int64_t stop, jc_sample *out, int64_t *first);
JC_API void jc_samples_clear(struct jc_samples *samples);

/* --- the ticker (ticker.c) --- */

typedef struct jc_ticker {
    _Atomic int64_t running; /* boxes that are entered */
    _Atomic int64_t parked;
    _Atomic int64_t turns;
    _Atomic int64_t ticks;
    _Atomic int64_t beat_ns;
    _Atomic int64_t interval_ns;
    _Atomic int64_t alive;
} jc_ticker;

JC_API jc_ticker *jc_ticker_state(void);
JC_API int jc_ticker_wake(void); /* start it if it does not run; JC_OK or JC_NO_TICKER */

/* --- signals (signals.c) --- */

JC_API void jc_signals_learn(int number); /* main thread: Python has just set a handler for it */
JC_API void jc_signals_watch(const int *numbers, size_t count); /* main thread: those that Python may handle */
JC_API void jc_signals_handled(uint64_t numbers); /* main thread: for which it has a handler; bit 0 is signal 1 */
JC_API void jc_signals_keep(int number); /* main thread: a handler that is not Python's, while Python sets another */
JC_API void jc_signals_put_back(void); /* main thread: that handler */
JC_API void jc_signals_stand(void); /* main thread: count those of Python's that are not counted yet */
JC_API int64_t jc_signals_seen(void);

#endif
