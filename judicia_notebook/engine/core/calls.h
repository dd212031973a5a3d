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
#define JC_NO_FUEL UINT64_MAX
#define JC_STAGED (UINT64_C(64) << 10) /* an answer of so many bytes is copied before the guest frees it */
#define JC_MEMORIES 25 /* linear memories of one store: a module has 16 at most, loops 8, counters one */
#define JC_STACK_PER_GUEST (UINT64_C(768) << 10) /* bytes that a thread needs: the guest's, and our own on top */
#define JC_LOOPS 8 /* generated loops beside one instance */

/* Limits that the core holds a running guest to: nanoseconds, bytes, fuel, and elements of a table. */
enum jc_kind { JC_CPU, JC_WALL, JC_MEMORY, JC_FUEL, JC_ANSWER, JC_PAYLOAD, JC_ELEMENTS, JC_KINDS };

/* Whose limit it was. The first three are the places of jc_call.limits. */
enum jc_owner { JC_PLUGIN, JC_OWN, JC_FORMER, JC_OWNERS, JC_RUNTIME = JC_OWNERS, JC_SYSTEM };

/* Why a guest was stopped. The first reason stays. */
enum jc_stop {
    JC_GOES_ON,
    JC_CANCELLED,     /* by jc_cancel */
    JC_EXCEEDED,      /* a limit: kind, owner, limit and used of the call */
    JC_OUTER_STOPPED, /* the call inside whose host call this one was made is to stop */
    JC_INTERRUPTED,   /* a signal's handler raised: `raised`, or Python has kept it */
    JC_HOST_FAILED,   /* a host function raised: `raised` */
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
    JC_UNCOUNTED, /* its code counts no fuel, and there is a limit of fuel */
};

/* Which of the guest's functions ran last. */
enum jc_phase { JC_IN_FUNCTION, JC_IN_ALLOC, JC_IN_FREE };

/* How far the making of an instance has come. */
enum jc_step { JC_MADE, JC_STARTS, JC_INITIALIZES };

/* Live limits of a plugin, of one call, or of code that was replaced. All of one change are one version. Who made them
 * frees them, once no call has them. */
typedef struct jc_limits {
    _Atomic uint64_t version; /* odd while it is written */
    _Atomic int64_t most[JC_KINDS];
} jc_limits;

/* The numbers of a call's row, by their names in the recorder's layout. Times are nanoseconds. */
enum jc_number {
    JC_CALL_ID,
    JC_PARENT_CALL_ID,
    JC_INSTANCE_ID,
    JC_INSTANCE_CALL,
    JC_STARTED_NS,
    JC_QUEUE_NS,
    JC_SETUP_NS,
    JC_ENCODE_NS,
    JC_GUEST_NS,
    JC_HOST_NS,
    JC_DECODE_NS,
    JC_LOCK_NS,
    JC_CPU_NS,
    JC_FUEL_USED,
    JC_MEMORY_BYTES,
    JC_MEMORY_PEAK_BYTES,
    JC_GROWS_REFUSED,
    JC_BYTES_IN,
    JC_BYTES_OUT,
    JC_HOST_CALLS,
    JC_DENIED,
    JC_NUMBERS
};

/* The numbers of a host call's row, by their names in the recorder's layout. */
enum jc_host_number {
    JC_OF_CALL_ID,
    JC_OF_SEQ,
    JC_OF_AT_NS,
    JC_OF_WALL_NS,
    JC_OF_BYTES_IN,
    JC_OF_BYTES_OUT,
    JC_HOST_NUMBERS
};

/* A call in progress. The thread inside writes it, but for `cancelled` and `limits`. Who makes it frees it: Python, or
 * jc_walk. */
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
    int32_t status; /* of the walk, when it is over */
    int32_t half;   /* Python has made its half of this call */
    int32_t ended;  /* its instance is given back */
    int32_t fresh;  /* its instance is made for it alone, by the core */
    int32_t step;   /* enum jc_step of making it: where that failed, or is now */
    int64_t host_calls;
    int64_t denied; /* of those, by the policy */
    int64_t refused_wanted; /* as those of its box, when it was left */
    int64_t refused_limit;
    int32_t refused_owner;
    uint64_t packed; /* where the answer lay, as the guest returned it */
    uint8_t *staging; /* the answer, until Python has it */
    uint64_t staging_room;
    void *thread; /* Python's, while the lock is released; NULL: this thread has it, or Python released it */
    int32_t keeps_lock; /* until a tick comes */
    int32_t by_signal; /* a signal's handler raised it */
    void *raised; /* the exception that ended a host function or a signal's handler inside; NULL: none */
    void *python; /* Python's half of a call that jc_walk makes, once a host call asked for it */
    struct jc_refusal *refusals; /* host calls that the core refuses alone; refusals.c */
    struct jc_way *way; /* of a call that jc_walk makes; NULL: Python makes it */
    struct jc_call *next, *before; /* among those of its slots */
    int64_t entered_ns;
    int64_t ended_ns; /* when it had failed, or its thread had Python's lock again */
    int64_t numbers[JC_NUMBERS];
} jc_call;

/* The bytes that all instances of a runtime hold, and their ceiling. */
typedef struct jc_pool {
    _Atomic int64_t ceiling;
    _Atomic int64_t used;
    _Atomic int64_t references;
} jc_pool;

/* Whether a memory is the engine's heap, from what it looks like; of exceptions, it counts twice. */
enum jc_heap { JC_NO_HEAP, JC_LIKE_A_HEAP, JC_HEAP_OF_EXCEPTIONS };

/* One linear memory. */
typedef struct jc_memory {
    struct jc_box *box;
    uint8_t *base;
    uint64_t size; /* bytes that the guest may use */
    uint64_t committed; /* bytes that can be read and written */
    uint64_t reserved; /* bytes of address space that it may grow into */
    uint64_t mapped; /* with the guard behind */
    int64_t ours; /* of a generated loop, or of counters: the runtime's, not the guest's */
    int64_t heap; /* enum jc_heap */
    struct jc_memory *next;
} jc_memory;

/* The fuel of a guest whose code counts it, at `meter` of its counters: wasm/rewriting/fuel_meter.py. */
typedef struct jc_meter {
    uint64_t spent;
    uint64_t limit; /* 0: none */
    uint64_t ended; /* the limit has ended the call */
} jc_meter;

/* One instance in a store of its own. */
typedef struct jc_box {
    _Atomic int32_t claimed; /* a thread is inside, or deletes the store */
    _Atomic int32_t closing;
    _Atomic int64_t references;
    uint64_t key; /* by which Python knows it; never used twice */
    void *store;
    void *context;
    jc_call *call; /* that is inside */
    jc_pool *pool;
    struct jc_samples *samples; /* NULL: ticks and grows leave none */
    struct jc_profile *profile; /* NULL: no profiler watches */
    jc_memory *memories[JC_MEMORIES];
    jc_memory *memory; /* the exported one */
    jc_memory *counters; /* of a rewritten module: the runtime's, and not among the others */
    uint64_t meter; /* where in the counters the guest counts its own fuel, see `jc_meter`; 0: it does not */
    int64_t meter_limit;
    uint64_t counters_size; /* its bytes, which no other memory of the module begins and ends with; 0: there is none */
    int64_t memory_count;
    int64_t loop_count; /* generated loops that were made beside the instance, or could not be */
    int64_t held; /* bytes of all memories */
    int64_t grows_refused;
    int64_t refused_wanted; /* by the last grow that was refused: bytes in all; 0 for none */
    int64_t refused_limit;
    int32_t refused_owner;
    int32_t in_host_call;
    int32_t starting; /* its instance is being made */
    int32_t phase;
    int32_t broken; /* it did not return once, and is not entered again */
    int32_t known; /* Python has its half of a box that a walk made */
    int32_t throws; /* its code can throw exceptions */
    uint64_t fuel_set; /* JC_NO_FUEL: its code counts none */
    int64_t limited_elements;
    void *trap; /* of JC_TRAPPED; Python takes them */
    void *error;
    uint64_t instance[2]; /* wasmtime_instance_t */
    uint64_t alloc[2]; /* wasmtime_func_t; zeros where there is none */
    uint64_t free_[2];
    uint64_t
        written; /* where the guest's allocator gave room for the last request, or the last answer of a host call */
    uint64_t request; /* of the last exchange */
    uint64_t request_length;
    uint64_t packed;
    uint64_t answer;
    uint64_t answer_length;
    int64_t code; /* the number of the code that it was made of */
    int64_t number; /* of the instance, as rows have it */
    int64_t calls; /* that it has served */
    int64_t generation; /* of its slots, to which it belongs */
    struct jc_box *idle; /* the next one that waits for a call */
    uint64_t *functions; /* wasmtime_func_t of exports, by their places; zeros where it was not asked for */
    int64_t function_room;
    int64_t write_ns; /* copying the request; the function; copying the answer */
    int64_t run_ns;
    int64_t read_ns;
    int64_t left_ns; /* when the core was left to take Python's lock again; 0 inside a host call, whose time that is */
} jc_box;

/* The slots of one plugin, and what waits in them or walks; slots.c. Python sees the pointer alone. */
typedef struct jc_slots jc_slots;

/* The rows of calls or host calls, in memory of Python's; rows.c. Python sees the pointer alone. */
typedef struct jc_rows jc_rows;

/* A function that guests import, and Python answers; host.c. Python sees the pointer alone. */
typedef struct jc_host jc_host;

/* What the calls of one function have in common, when nothing is special about them; walk.c. */
typedef struct jc_way jc_way;

/* The part of a row that is no number, as Python has kept it. Python makes it. */
typedef struct jc_key {
    _Atomic int64_t place; /* the chunk's serial, and the index there in the lower 32 bits; below 0: nowhere */
    uint64_t version; /* of the limits under which it was made */
    void *object; /* Python's own, for `exchange_key` */
    jc_limits *own; /* of the call that has it; NULL: it has none of its own */
} jc_key;

/* The place of a key whose row is counted as dropped: the table is being changed by this very thread. */
enum { JC_DROPPED = -2 };

/* A call that jc_walk makes, as other threads see it. */
typedef struct jc_walker {
    int64_t id;
    int64_t token;
    jc_call *call;
    jc_way *way;
} jc_walker;

/* What became of an instance that was given back, and what is due then. */
enum jc_given { JC_KEPT = 1, JC_NEXT = 2, JC_SURPLUS = 4 };

/* What is known of the code's instances: one was started; the last one could not be. */
enum jc_start_bits { JC_STARTED = 1, JC_FAILED_TO_START = 2 };

/* What a way gives to the guest. */
enum jc_way_kind { JC_TAKES_NUMBERS, JC_TAKES_REQUEST };

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

/* A memory, a global or a table that a module imports, and the export of the provider that it gets. */
typedef struct jc_supply {
    const char *module;
    uint64_t module_length;
    const char *name;
    uint64_t name_length;
    const char *exported;
    uint64_t exported_length;
} jc_supply;

/* What to instantiate a module from that imports such things. Who made it keeps it as long as instances are made. */
typedef struct jc_supplied {
    void *linker; /* with the functions */
    void *module;
    void *provider; /* the prepared instantiation of the module that exports what is supplied */
    const jc_image *images; /* of the provider's memories */
    uint64_t image_count;
    const jc_supply *supplies;
    uint64_t count;
} jc_supplied;

/* What new instances of one code are made from. Python makes it, and keeps what it points to. */
typedef struct jc_template {
    void *engine;
    const void *pre; /* wasmtime_instance_pre_t; NULL: Python makes the instances */
    const jc_image *images;
    uint64_t image_count;
    jc_pool *pool;
    struct jc_samples *samples;
    int32_t has_allocator; /* judicia_alloc and judicia_free, with the types of ABI 1 */
    int32_t is_reactor; /* _initialize, without arguments and results, runs before anything else */
} jc_template;

/* A sample of one runtime; they are kept in a ring. */
typedef struct jc_sample {
    int64_t call_id;
    int64_t at_ns; /* since the recorder began */
    int64_t cpu_ns;
    int64_t memory_bytes;
    int64_t event;
} jc_sample;

enum jc_event { JC_TICK, JC_GROW, JC_GROW_REFUSED };

/* --- the process (core.c) --- */

/* Functions of Python's: `answer(entry, box, half, *numbers)` is a host call, with `request` before the numbers
 * where the function takes bytes, and `half` is None where Python made the
 * call; `halve(way, call, box)` makes Python's half of a walk; `is_interrupted()` says whether a signal's handler has
 * raised. Kept for as long as the process is there. The importing thread, with Python's lock; again is harmless. */
JC_API int jc_start(void *answer, void *halve, void *is_interrupted);
JC_API int64_t jc_stack_left(void); /* bytes of this thread's stack below; -1: that is not known */
JC_API void jc_traps_handled_by(const void *handler); /* the handler of SIGSEGV that Wasmtime has set */
/* Tick it for ever; whether its code counts fuel, and whether it can throw exceptions; -1: too many. */
JC_API int jc_watch_engine(void *engine, bool fuel, bool exceptions);
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

JC_API jc_box *jc_box_new(void *engine, jc_pool *pool, struct jc_samples *samples); /* the caller's; NULL: no memory */
JC_API void jc_box_close(jc_box *box); /* delete the store, now or when the thread inside leaves */
JC_API void jc_box_hold(jc_box *box); /* who has it, for one more that refers to it */
JC_API void jc_box_release(jc_box *box); /* one refers to it no more */
JC_API jc_box *jc_box_asking(uint64_t key); /* for whose host call the core has called Python on this thread; or NULL */
JC_API int64_t jc_instance_number(void); /* of the next instance of this process, as rows have it */
JC_API int jc_enter(jc_box *box, jc_call *call);
JC_API void jc_leave(jc_box *box); /* inside */
/* Inside, unlocked. `supplied` is NULL where the module imports functions alone; otherwise `pre` is. */
JC_API int jc_instantiate(jc_box *box, const void *pre, const jc_supplied *supplied, const jc_image *images,
                          size_t count);
JC_API int jc_run(jc_box *box, const uint64_t *func, void *slots, size_t count); /* inside, unlocked */
JC_API int64_t jc_fuel_used(jc_box *box); /* inside; -1: its code counts none */
JC_API int jc_exchange(jc_box *box, const uint64_t *func, const uint8_t *request,
                       uint64_t length); /* inside, unlocked */
JC_API int jc_exchange_end(jc_box *box); /* inside, unlocked */
JC_API void *jc_trampoline(void); /* for wasmtime_linker_define_func_unchecked */

/* --- the slots of a plugin (slots.c); any thread --- */

JC_API jc_slots *jc_slots_new(int64_t code); /* the number of the code that instances are made of */
JC_API void jc_slots_release(jc_slots *slots); /* Python refers to it no more */
JC_API void jc_slots_bound(jc_slots *slots, int64_t calls, int64_t instances, bool keeps); /* so many at once */
JC_API int64_t jc_slots_take(jc_slots *slots, bool waits); /* a key; 0: no instance; -1: no slot; `waits`: -1 queues */
JC_API int64_t jc_slots_admit(jc_slots *slots); /* the same for one of those that queue */
JC_API int64_t jc_slots_pick(jc_slots *slots); /* for a call that has a slot: the key of an idle instance, or 0 */
JC_API void jc_slots_unqueue(jc_slots *slots);
JC_API int jc_slots_give(jc_slots *slots, jc_box *box, bool keep); /* bits: JC_KEPT, JC_NEXT, JC_SURPLUS */
JC_API int64_t jc_slots_surplus(jc_slots *slots); /* the key of an idle instance beyond the bound, no longer idle; 0 */
JC_API int64_t jc_slots_renew(jc_slots *slots, int64_t code, bool shut); /* nothing idle is taken: the generation */
JC_API int64_t jc_slots_drain(jc_slots *slots); /* the key of an idle instance of an earlier generation, or 0 */
JC_API void jc_slots_hold(jc_slots *slots,
                          jc_limits *former); /* for those that walk; none begins until it is renewed */
JC_API void jc_slots_count(jc_slots *slots, int64_t busy,
                           int64_t waiting); /* Python's calls with a slot; in its queue */
JC_API int64_t jc_slots_idle(jc_slots *slots);
JC_API int64_t jc_slots_walkers(jc_slots *slots, jc_walker *out, int64_t room); /* how many there are */
JC_API int64_t jc_slots_last(jc_slots *slots); /* the position of the row of the last walk; -1 */
JC_API jc_box *jc_slots_box(jc_slots *slots, int64_t id); /* of a call that walks, held for the caller; or NULL */
JC_API void jc_slots_note_start(jc_slots *slots, int64_t code, bool failed); /* of an instance of this code */
JC_API int64_t jc_slots_start(jc_slots *slots); /* bits: JC_STARTED, JC_FAILED_TO_START */

/* --- the rows of calls, and of host calls (rows.c); any thread --- */

/* `columns` are as many numbers as a row has, in the order in which they are given; JC_NUMBERS at most. */
JC_API jc_rows *jc_rows_new(const jc_column *columns, uint32_t column_count, uint32_t row_bytes, uint32_t key_offset,
                            int64_t began_ns);
JC_API void jc_rows_release(jc_rows *rows); /* Python refers to it no more */
/* A chunk's serial is Python's, from 1, and never comes again. */
JC_API void jc_rows_open(jc_rows *rows, int64_t serial, uint8_t *base, int64_t room, int64_t start);
JC_API int64_t jc_rows_close(jc_rows *rows, int64_t serial); /* no more rows go into any; how many this one has */
JC_API int64_t jc_rows_filled(jc_rows *rows, int64_t serial); /* rows that can be read; 0 where it is not open */
JC_API bool jc_rows_is_full(jc_rows *rows, int64_t serial); /* or it is not open */
JC_API int64_t jc_rows_put(jc_rows *rows, int64_t serial,
                           const uint8_t *row); /* its position; -1: full, or not open; -2: forked */

/* --- one call, from its instance to its row (walk.c) --- */

/* Objects of Python's: what a walk answers where it was not taken, and where it failed; `exchange_key(object)`;
 * `attend(way, given, box)`. Kept for as long as the process is there. 0, or -1: another number of them. */
enum jc_walk_object { JC_NOT_TAKEN, JC_WALK_FAILED, JC_EXCHANGE_KEY, JC_ATTEND, JC_WALK_OBJECTS };
JC_API int jc_walk_give(void *const *objects, size_t count);
JC_API jc_way *jc_way_new(jc_slots *slots, jc_limits *limits, jc_rows *rows, int64_t code, int64_t place,
                          const char *name, uint64_t name_length, int32_t kind, const char *params, const char *results,
                          const jc_template *from); /* types: i l f d; `from` is copied; NULL: no memory */
JC_API void jc_way_free(jc_way *way); /* no call has it */
/* With Python's lock; it is released while the guest runs. The answer, or NOT_TAKEN: nothing happened; or FAILED: adopt
 * the call. NULL with an exception of Python's. */
void *jc_walk_not_taken(void);
void *jc_walk(jc_way *way, const uint8_t *request, uint64_t length, int64_t id, int64_t parent, int64_t signals,
              int64_t began_ns, jc_key *key);
int64_t jc_walk_publish(jc_way *way, int64_t id,
                        jc_key *key); /* its position; -1: exchange the key; -2: it gets none */
JC_API jc_call *jc_walk_find(jc_way *way, int64_t id); /* on its thread: the call as it stands; NULL: none */
JC_API jc_call *jc_walk_adopt(jc_way *way, int64_t id); /* on its thread: it is Python's from now on; NULL: none */
void jc_walk_abandon(jc_way *way, int64_t id, jc_key *key); /* on its thread: give all back */
JC_API jc_call *jc_walk_halve(jc_slots *slots, int64_t id); /* before Python makes its half; NULL: it is over */

/* --- loops over rows (loops.c) --- */

JC_API int jc_loop_make(jc_box *box, const void *pre, jc_loop *loop); /* inside, unlocked */
JC_API int jc_loop_run(jc_box *box, jc_loop *loop, const uint64_t *func, uint32_t count); /* inside, unlocked */

/* --- memories (memory.c) --- */

JC_API void *jc_memory_creator(void); /* the function `new` of wasmtime_memory_creator_t */
JC_API int64_t jc_memory_recycled(void); /* bytes of address space that wait for the next memory */

/* --- host functions (host.c); with Python's lock --- */

JC_API jc_host *jc_host_new(uint64_t key, void *entry, const char *params, const char *results,
                            bool takes_bytes); /* NULL: no memory, or other parameters than those of ABI 1 */
JC_API void jc_host_forget(jc_host *host); /* Python refers to it no more, and it is not called any more */
JC_API void *jc_host_finalizer(void); /* by which Wasmtime lets go of it */

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

/* --- the watch over guests without metering (watch.c) --- */

#define JC_VERDICT_HEADER 16 /* bytes before a verdict, in the child's own protocol */

/* Why the watch has ended the process, and what the call had used. Times are nanoseconds. */
typedef struct jc_verdict {
    int64_t kind; /* JC_CPU or JC_WALL */
    int64_t owner;
    int64_t limit;
    int64_t used;
    int64_t setup_ns; /* before the instance was entered for the last time */
    int64_t inside_ns; /* behind that */
    int64_t cpu_ns;
    int64_t host_ns;
    int64_t host_calls;
    int64_t denied;
    int64_t memory_before; /* bytes that the instance had as it was entered */
    int64_t memory; /* that it has */
    int64_t grows_refused;
} jc_verdict;

/* From now on: at a limit of time the process ends, with `header` and a jc_verdict as its last words; and it ends with
 * its parent. `requests` is where the parent writes. -1: it stands already, or this system has no such watch. */
JC_API int jc_watch_calls(int requests, int verdicts, int64_t parent, const uint8_t *header, size_t length);

/* --- signals (signals.c) --- */

JC_API void jc_signals_learn(int number); /* main thread: Python has just set a handler for it */
JC_API void jc_signals_watch(const int *numbers, size_t count); /* main thread: those that Python may handle */
JC_API void jc_signals_handled(uint64_t numbers); /* main thread: for which it has a handler; bit 0 is signal 1 */
JC_API void jc_signals_keep(int number); /* main thread: a handler that is not Python's, while Python sets another */
JC_API void jc_signals_put_back(void); /* main thread: that handler */
JC_API void jc_signals_stand(void); /* main thread: count those of Python's that are not counted yet */
JC_API int64_t jc_signals_seen(void);

#endif
