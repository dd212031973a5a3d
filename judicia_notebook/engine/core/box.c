/*
 * Boxes: one instance in a store of its own, entered by one thread at a time; what Wasmtime calls while it runs; and
 * the exchange of requests and answers by ABI 1.
 *
 * Whatever a guest says is a number, and may be a lie. So each pointer and length is checked against the memory's size
 * as it is now: the guest may have grown it since.
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>

#define AS_POINTER(function, address) memcpy(&(address), &(function), sizeof(address))

/* --- the profiler's times --- */

void jc_profile_enter(jc_box *box) {
    jc_profile *profile = box->profile;
    if (profile->depth++ == 0)
        profile->entered_ns = jc_cpu_ns();
    jc_wt.wasmtime_context_set_epoch_deadline(box->context, 1); /* an earlier tick would fall on the first function */
}

void jc_profile_leave(jc_box *box) {
    jc_profile *profile = box->profile;
    if (--profile->depth == 0)
        profile->guest_ns += jc_cpu_ns() - profile->entered_ns;
}

static void keep_stack(jc_box *box, uint64_t function, int64_t took_ns) {
    jc_profile *profile = box->profile;
    jc_wt.wasmtime_guestprofiler_sample(profile->profiler, box->store, 0);
    profile->function[profile->samples] = function;
    profile->took_ns[profile->samples++] = took_ns;
}

static void profile_tick(jc_box *box) {
    jc_profile *profile = box->profile;
    if (profile->guest_samples >= profile->most_guest || profile->samples >= profile->room)
        return;
    int64_t before = jc_cpu_ns();
    keep_stack(box, 0, 0);
    profile->guest_samples++;
    profile->entered_ns += jc_cpu_ns() - before; /* taking the sample is not the guest's time */
}

static void profile_host_call(jc_box *box, uint64_t import, int64_t took_ns) {
    jc_profile *profile = box->profile;
    if (profile->samples - profile->guest_samples < profile->most_host && profile->samples < profile->room) {
        keep_stack(box, import, took_ns);
        return;
    }
    int64_t at = 0;
    while (at < profile->beyond_count && profile->beyond_function[at] != import)
        at++;
    if (at == profile->beyond_count) {
        if (at == profile->beyond_room)
            return;
        profile->beyond_function[at] = import;
        profile->beyond_count++;
    }
    profile->beyond_ns[at] += took_ns;
}

/* --- what Wasmtime calls, on the thread inside --- */

static void *on_tick(void *context, void *data, uint64_t *ticks, uint8_t *kind) {
    jc_box *box = data;
    jc_call *call = box->call;
    (void)context;
    if (call == NULL)
        return jc_wt.wasmtime_error_new("stopped");
    jc_sample_now(box, JC_TICK);
    if (box->profile != NULL && !box->in_host_call)
        profile_tick(box);
    jc_walk_ticked(call);
    /* What is to stop does so without Python's lock, which may be long in coming. The guest does not run while its
     * thread waits for it, but its wall clock does: so the limits are looked at again at once. */
    if (jc_look(call) == JC_GOES_ON && call->signals >= 0 && jc_signals_came(call)) {
        bool goes_on = jc_run_signal_handlers(call);
        jc_signals_asked();
        if (!goes_on && call->stop == JC_GOES_ON)
            call->stop = JC_INTERRUPTED;
    }
    if (jc_look(call) != JC_GOES_ON)
        return jc_wt.wasmtime_error_new("stopped");
    *ticks = 1; /* call again at the next tick, and go on without yielding */
    *kind = 0;
    return NULL;
}

static void *stop_guest(jc_call *call, enum jc_stop reason) {
    if (call != NULL && call->stop == JC_GOES_ON)
        call->stop = (int32_t)reason;
    return jc_wt.wasmtime_trap_new("stopped", 7);
}

static void *on_host_call(void *env, void *caller, void *slots, size_t count) {
    int64_t began = jc_now_ns();
    const jc_host *host = env;
    (void)count;
    jc_box *box = jc_wt.wasmtime_context_get_data(jc_wt.wasmtime_caller_context(caller));
    if (box == NULL || box->call == NULL)
        return stop_guest(NULL, JC_HOST_REFUSED);
    jc_call *call = box->call;
    if (box->in_host_call || box->starting)
        return stop_guest(call, JC_HOST_REFUSED);
    bool profiled = box->profile != NULL;
    if (profiled)
        box->profile->guest_ns += jc_cpu_ns() - box->profile->entered_ns;
    int64_t before = call->host_ns;
    call->host_calls++;
    box->in_host_call = 1;
    bool has_answered = jc_call_host(box, host, slots, began);
    box->in_host_call = 0;
    call->host_ns += jc_now_ns() - began;
    if (profiled && box->profile != NULL) {
        profile_host_call(box, jc_host_key(host), call->host_ns - before);
        box->profile->entered_ns = jc_cpu_ns();
    }
    if (!has_answered || atomic_load(&jc_here.forked)) /* nothing ticks in a child that the function has forked */
        return stop_guest(call, jc_is_over() ? JC_EXITED : JC_HOST_FAILED);
    if (jc_look(call) != JC_GOES_ON)
        return stop_guest(call, JC_CANCELLED); /* the look has noted its reason */
    if (profiled && box->profile != NULL) {
        jc_wt.wasmtime_context_set_epoch_deadline(box->context, 1);
        box->profile->entered_ns = jc_cpu_ns();
    }
    return NULL;
}

void *jc_trampoline(void) {
    jc_host_call_callback *function = on_host_call;
    void *address;
    AS_POINTER(function, address);
    return address;
}

/* --- a box from its making to its end --- */

static struct {
    _Atomic uint64_t key;
    _Atomic int64_t number;
} last;

int64_t jc_instance_number(void) { return atomic_fetch_add(&last.number, 1) + 1; }

jc_box *jc_box_new(void *engine, jc_pool *pool, struct jc_samples *samples) {
    jc_tick_callback *tick = on_tick;
    void *address;
    if (jc_is_over())
        return NULL;
    jc_box *box = calloc(1, sizeof *box);
    if (box == NULL)
        return NULL;
    box->store = jc_wt.wasmtime_store_new(engine, box, NULL);
    if (box->store == NULL) {
        free(box);
        return NULL;
    }
    atomic_store(&box->references, 2); /* the caller's, and the store's */
    box->context = jc_wt.wasmtime_store_context(box->store);
    box->key = atomic_fetch_add(&last.key, 1) + 1;
    box->pool = pool;
    jc_pool_hold(pool);
    box->samples = samples;
    if (samples != NULL)
        jc_samples_hold(samples);
    box->limited_elements = -2;
    box->fuel_set = jc_engine_has_fuel(engine) ? 0 : JC_NO_FUEL;
    box->throws = jc_engine_has_exceptions(engine);
    AS_POINTER(tick, address);
    jc_wt.wasmtime_store_epoch_deadline_callback(box->store, address, box, NULL);
    jc_wt.wasmtime_context_set_epoch_deadline(box->context, 1);
    return box;
}

void jc_box_hold(jc_box *box) { atomic_fetch_add(&box->references, 1); }

void jc_box_release(jc_box *box) {
    if (jc_is_over() || atomic_fetch_sub(&box->references, 1) != 1)
        return;
    jc_pool_release(box->pool);
    if (box->samples != NULL)
        jc_samples_release(box->samples);
    free(box->functions);
    free(box);
}

/* Whoever claims the box deletes its store; a box is deleted once, since it stays claimed. */
static void delete_if_free(jc_box *box) {
    int32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&box->claimed, &nobody, 1))
        return; /* the thread inside deletes it when it leaves, or it is deleted */
    jc_wt.wasmtime_store_delete(box->store);
    box->store = box->context = NULL;
    jc_box_release(box);
}

void jc_box_close(jc_box *box) {
    atomic_store(&box->closing, 1);
    if (!jc_is_over())
        delete_if_free(box);
}

static void vacate(jc_box *box) {
    atomic_store(&box->claimed, 0);
    /* This thread first releases, then looks; jc_box_close first marks, then looks. So one of them sees the other. */
    if (atomic_load(&box->closing) && !jc_is_over())
        delete_if_free(box);
}

/* --- entering and leaving --- */

static int refuel(jc_box *box, int64_t fuel) {
    if (box->meter != 0) {
        box->meter_limit = fuel;
        jc_meter_begin(box);
        return JC_OK;
    }
    if (box->fuel_set == JC_NO_FUEL) /* a limit that cannot hold is no limit to run under */
        return fuel == JC_NO_LIMIT ? JC_OK : JC_UNCOUNTED;
    box->fuel_set = fuel < 0 ? 0 : (uint64_t)fuel > JC_UNLIMITED_FUEL ? JC_UNLIMITED_FUEL : (uint64_t)fuel;
    return jc_wt.wasmtime_context_set_fuel(box->context, box->fuel_set) == NULL ? JC_OK : JC_FOREIGN;
}

int64_t jc_fuel_used(jc_box *box) {
    uint64_t left = 0;
    if (box->meter != 0) {
        jc_meter meter = {0, 0, 0};
        if (box->counters != NULL)
            memcpy(&meter, box->counters->base + box->meter, sizeof meter);
        /* Wasmtime's tank ends at 0: what a block takes beyond the limit, before the guest looks, is in no row. */
        int64_t spent = (int64_t)meter.spent, most = box->meter_limit > 0 ? box->meter_limit : 0;
        return spent < most ? spent : most;
    }
    if (box->fuel_set == JC_NO_FUEL)
        return -1;
    if (box->context == NULL || jc_wt.wasmtime_context_get_fuel(box->context, &left) != NULL || left > box->fuel_set)
        return 0;
    return (int64_t)(box->fuel_set - left);
}

void jc_limit_elements(jc_box *box, int64_t elements) {
    /* -1: memory is the business of our accounts */
    jc_wt.wasmtime_store_limiter(box->store, -1, elements, JC_INSTANCES, JC_TABLES, JC_MEMORIES);
}

static int arm(jc_box *box, jc_call *call) {
    jc_in_force found;
    jc_read_limits(call, &found);
    int64_t elements = found.most[JC_ELEMENTS] == JC_NO_LIMIT ? -1 : found.most[JC_ELEMENTS];
    if (box->limited_elements != elements) {
        jc_limit_elements(box, elements);
        box->limited_elements = elements;
    }
    int64_t fuel = found.most[JC_FUEL];
    if (fuel != JC_NO_LIMIT)
        fuel = fuel > call->spent_fuel ? fuel - call->spent_fuel : 0;
    int status = refuel(box, fuel);
    jc_call_start(call);
    if (status == JC_OK && box->held > found.most[JC_MEMORY]) { /* lowered below what it holds */
        jc_note_excess(call, &found, JC_MEMORY, box->held);
        return JC_OVER_MEMORY;
    }
    return status;
}

int jc_enter(jc_box *box, jc_call *call) {
    int32_t nobody = 0;
    if (atomic_load(&jc_here.forked))
        return JC_FORKED;
    if (atomic_load(&jc_here.door))
        return JC_EXITING;
    if (!atomic_compare_exchange_strong(&box->claimed, &nobody, 1))
        return atomic_load(&box->closing) ? JC_SHUT : JC_OCCUPIED;
    if (atomic_load(&box->closing)) {
        vacate(box);
        return JC_SHUT;
    }
    box->refused_wanted = 0;
    box->call = call;
    call->box = box;
    atomic_fetch_add(&jc_here.ticker.running, 1);
    int status = jc_entry_needs(jc_now_ns());
    if (status == JC_OK)
        status = arm(box, call);
    if (status == JC_OK)
        jc_watch_enter(call, box);
    else
        jc_leave(box);
    return status;
}

int jc_rearm(jc_box *box) {
    box->refused_wanted = 0;
    return arm(box, box->call);
}

void jc_leave(jc_box *box) {
    if (atomic_load(&jc_here.forked) || box->call == NULL)
        return;
    jc_watch_leave();
    box->call->box = NULL;
    box->call = NULL;
    atomic_fetch_sub(&jc_here.ticker.running, 1);
    vacate(box);
}

/* --- running the guest --- */

static int run(jc_box *box, const uint64_t *func, void *slots, size_t count, enum jc_phase phase) {
    void *trap = NULL, *error;
    if (box->call == NULL || func[0] != box->instance[0] || func[0] == 0) /* Wasmtime would end the process */
        return JC_FOREIGN;
    box->phase = (int32_t)phase;
    bool profiled = box->profile != NULL;
    if (profiled)
        jc_profile_enter(box);
    error = jc_wt.wasmtime_func_call_unchecked(box->context, func, slots, count, &trap);
    if (profiled && box->profile != NULL)
        jc_profile_leave(box);
    if (error != NULL || trap != NULL) {
        box->trap = trap;
        box->error = error;
        box->broken = 1;
        return JC_TRAPPED;
    }
    return box->call->stop == JC_GOES_ON ? JC_OK : JC_STOPPED;
}

/* The last step of a function that runs unlocked: from here on its thread waits for Python's lock. */
int jc_come_out(jc_box *box, int status) {
    box->left_ns = box->in_host_call ? 0 : jc_now_ns();
    return status;
}

int jc_run_on(jc_box *box, const uint64_t *func, void *slots, size_t count) {
    return run(box, func, slots, count, JC_IN_FUNCTION);
}

int jc_run(jc_box *box, const uint64_t *func, void *slots, size_t count) {
    return jc_come_out(box, jc_run_on(box, func, slots, count));
}

static void find_memory(jc_box *box) {
    extern_item item;
    box->memory = NULL;
    if (!jc_wt.wasmtime_instance_export_get(box->context, box->instance, "memory", 6, &item) ||
        item.kind != EXTERN_MEMORY)
        return;
    uint8_t *base = jc_wt.wasmtime_memory_data(box->context, item.of);
    for (int64_t at = 0; at < box->memory_count; at++)
        if (box->memories[at]->base == base)
            box->memory = box->memories[at];
}

static void *instantiate(jc_box *box, const void *pre, const jc_image *images, size_t count, void **trap) {
    jc_memories_begin_module(box, images, count);
    void *error = jc_wt.wasmtime_instance_pre_instantiate(pre, box->context, box->instance, trap);
    jc_memories_end();
    return error;
}

int jc_instantiate_on(jc_box *box, const void *pre, const jc_supplied *supplied, const jc_image *images, size_t count) {
    void *trap = NULL, *error;
    if (box->call == NULL)
        return JC_FOREIGN;
    box->phase = JC_IN_FUNCTION;
    box->starting = 1;
    error = supplied == NULL ? instantiate(box, pre, images, count, &trap)
                             : jc_instantiate_from(box, supplied, images, count, &trap);
    box->starting = 0;
    if (error != NULL || trap != NULL) {
        box->trap = trap;
        box->error = error;
        box->broken = 1;
        return JC_TRAPPED;
    }
    find_memory(box);
    return box->call->stop == JC_GOES_ON ? JC_OK : JC_STOPPED;
}

int jc_instantiate(jc_box *box, const void *pre, const jc_supplied *supplied, const jc_image *images, size_t count) {
    return jc_come_out(box, jc_instantiate_on(box, pre, supplied, images, count));
}

/* --- ABI 1 --- */

/* Run judicia_alloc or judicia_free, and count how long the guest itself is in it. */
static int run_allocator(jc_box *box, const uint64_t *func, uint64_t *slots, size_t count, enum jc_phase phase) {
    jc_call *call = box->call;
    int64_t began = jc_now_ns(), host = call->host_ns;
    int32_t before = box->phase;
    int status = run(box, func, slots, count, phase);
    int64_t took = jc_now_ns() - began;
    if (status == JC_OK) /* of a host call: the function goes on */
        box->phase = before;
    if (box->in_host_call) /* for its answer: on_host_call adds the whole host call to host_ns later */
        call->host_ns -= took;
    else
        call->allocator_ns += took - (call->host_ns - host);
    return status;
}

bool jc_is_within(const jc_memory *memory, uint64_t pointer, uint64_t length) {
    return memory != NULL && pointer <= memory->size && length <= memory->size - pointer;
}

int jc_write_request(jc_box *box, const uint8_t *data, uint64_t length) {
    uint64_t slots[2] = {length, 0};
    if (box->call == NULL)
        return JC_FOREIGN;
    if (box->alloc[0] == 0 || length > UINT32_MAX)
        return JC_NO_ALLOCATOR;
    int status = run_allocator(box, box->alloc, slots, 1, JC_IN_ALLOC);
    if (status != JC_OK)
        return status;
    box->written = (uint32_t)slots[0];
    if (box->written == 0)
        return JC_ALLOC_ZERO;
    if (!jc_is_within(box->memory, box->written, length))
        return JC_ALLOC_BEYOND;
    memcpy(box->memory->base + box->written, data, length);
    return JC_OK;
}

static int give_back(jc_box *box, uint64_t pointer, uint64_t length) {
    uint64_t slots[4] = {pointer, 0, length, 0};
    if (box->free_[0] == 0)
        return JC_NO_ALLOCATOR;
    box->answer = pointer; /* for the error */
    box->answer_length = length;
    return run_allocator(box, box->free_, slots, 2, JC_IN_FREE);
}

static bool is_request(const jc_box *box) {
    return box->answer == box->request && box->answer_length == box->request_length;
}

int jc_end_exchange(jc_box *box) {
    int status = JC_OK;
    uint64_t request = box->request, length = box->request_length;
    if (box->call == NULL)
        return JC_FOREIGN;
    if (box->answer_length != 0 && !is_request(box)) /* an answer in the request's own region is freed once */
        status = give_back(box, box->answer, box->answer_length);
    if (status == JC_OK && length != 0)
        status = give_back(box, request, length);
    return status;
}

int jc_exchange_end(jc_box *box) { return jc_come_out(box, jc_end_exchange(box)); }

/* The answer: within its limit, inside the memory, apart from the request or the request itself. */
static int check_answer(jc_box *box) {
    jc_in_force found;
    uint64_t request = box->request, length = box->request_length;
    jc_read_limits(box->call, &found);
    if (box->answer_length > (uint64_t)found.most[JC_ANSWER]) {
        box->broken = 1; /* request and answer stay allocated in the guest */
        jc_note_excess(box->call, &found, JC_ANSWER, (int64_t)box->answer_length);
        return JC_ANSWER_LARGE;
    }
    if (box->answer_length == 0)
        return JC_OK;
    if (!jc_is_within(box->memory, box->answer, box->answer_length))
        return JC_ANSWER_BEYOND;
    bool apart = box->answer >= request + length || request >= box->answer + box->answer_length;
    return length == 0 || apart || is_request(box) ? JC_OK : JC_ANSWER_OVERLAPS;
}

/* Copy a small answer, so that the guest can free it at once. A large one waits for Python, which copies it once. */
static int stage(jc_box *box) {
    if (box->answer_length > JC_STAGED)
        return JC_PENDING;
    jc_call *call = box->call;
    if (!jc_call_make_staging(call, box->answer_length))
        return JC_NO_MEMORY;
    if (box->answer_length != 0)
        memcpy(call->staging, box->memory->base + box->answer, box->answer_length);
    return JC_OK;
}

static int take_answer(jc_box *box) {
    box->answer = box->packed >> 32;
    box->answer_length = box->packed & UINT32_MAX;
    int status = box->packed == 0 ? JC_OK : check_answer(box);
    if (status == JC_OK)
        status = stage(box);
    if (status != JC_OK)
        return status;
    uint64_t answer = box->answer, length = box->answer_length;
    status = jc_end_exchange(box);
    if (status == JC_OK) { /* of a failed one the region stays, for the error */
        box->answer = answer;
        box->answer_length = length;
    }
    return status;
}

/* The time since `began` without the host's and without the allocator's. */
static int64_t own_time(const jc_call *call, int64_t began, int64_t host, int64_t allocator) {
    return jc_now_ns() - began - (call->host_ns - host) - (call->allocator_ns - allocator);
}

int jc_exchange_on(jc_box *box, const uint64_t *func, const uint8_t *request, uint64_t length) {
    jc_call *call = box->call;
    if (call == NULL)
        return JC_FOREIGN;
    int64_t began = jc_now_ns(), host = call->host_ns, allocator = call->allocator_ns;
    box->write_ns = box->run_ns = box->read_ns = 0;
    box->request = box->answer = box->answer_length = box->packed = 0;
    box->request_length = length;
    int status = length == 0 ? JC_OK : jc_write_request(box, request, length);
    box->write_ns = own_time(call, began, host, allocator);
    if (status != JC_OK)
        return status;
    box->request = length == 0 ? 0 : box->written; /* a host call of the function writes, too */
    uint64_t slots[4] = {box->request, 0, length, 0};
    began = jc_now_ns();
    status = run(box, func, slots, 2, JC_IN_FUNCTION);
    box->run_ns = jc_now_ns() - began;
    if (status != JC_OK)
        return status;
    box->packed = slots[0];
    began = jc_now_ns(), host = call->host_ns, allocator = call->allocator_ns;
    status = take_answer(box);
    box->read_ns = own_time(call, began, host, allocator);
    return status;
}

int jc_exchange(jc_box *box, const uint64_t *func, const uint8_t *request, uint64_t length) {
    return jc_come_out(box, jc_exchange_on(box, func, request, length));
}
