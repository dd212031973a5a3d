/*
 * One call, from its instance to its row, as long as nothing about it is special: it waits for nothing, asks for no
 * service, and ends well. Then Python makes no object for it, and is asked nothing. Its instance was idle, or is
 * made for it where the slots keep none.
 *
 * Whatever else happens Python gets the call as it stands (jc_walk_adopt) and goes on from there: the instance is still
 * entered, the slot still taken. Until then other threads see the call in its slots, and may cancel it there. A box
 * that was made here belongs to the walk, until Python adopts the call.
 *
 * Python's lock is released once at most, while the guest runs. An answer is copied while the instance is entered; the
 * instance is free again before the lock is asked for.
 */
#include "walk.h"

#include "python.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST_NUMBERS = 16,
    SEEN_BYTES = 4096,
    QUICK_NS = 50000,
    QUICK_CALLS = 3,
    MOST_HELD_WITH_LOCK = 64 << 20,
    MOST_WAIT_NS = 100000
};

struct jc_way {
    jc_slots *slots;
    jc_limits *limits;
    jc_rows *rows;
    int64_t code;
    int64_t place;
    int32_t kind;
    int32_t parameter_count;
    int32_t result_count;
    _Atomic int32_t quick; /* how many calls may be long before they give the lock away at once */
    char results[MOST_NUMBERS];
    jc_template from;
    size_t name_length;
    char name[];
};

jc_way *jc_way_new(jc_slots *slots, jc_limits *limits, jc_rows *rows, int64_t code, int64_t place, const char *name,
                   uint64_t name_length, int32_t kind, const char *params, const char *results,
                   const jc_template *from) {
    size_t parameter_count = strlen(params), result_count = strlen(results);
    if (parameter_count > MOST_NUMBERS || result_count > MOST_NUMBERS || name_length > SIZE_MAX / 2)
        return NULL;
    jc_way *way = calloc(1, sizeof *way + (size_t)name_length);
    if (way == NULL)
        return NULL;
    way->slots = slots;
    way->limits = limits;
    way->rows = rows;
    way->code = code;
    way->place = place;
    way->kind = kind;
    way->parameter_count = (int32_t)parameter_count;
    way->result_count = (int32_t)result_count;
    memcpy(way->results, results, result_count);
    if (from != NULL)
        way->from = *from;
    way->name_length = (size_t)name_length;
    memcpy(way->name, name, (size_t)name_length);
    return way;
}

void jc_way_free(jc_way *way) {
    if (!jc_is_over())
        free(way);
}

/* --- Python's objects, with its lock --- */

static void *objects[JC_WALK_OBJECTS];

int jc_walk_give(void *const *given, size_t count) {
    if (count != JC_WALK_OBJECTS)
        return -1;
    if (objects[0] == NULL) /* a second copy of our Python code: the objects of the first one stay */
        memcpy(objects, given, sizeof objects);
    return 0;
}

static void *own(void *object) {
    jc_py.Py_IncRef(object);
    return object;
}

void *jc_walk_not_taken(void) { return own(objects[JC_NOT_TAKEN]); }

static void *number_object(char type, const uint64_t *slot) {
    switch (type) {
    case 'i':
        return jc_py.PyLong_FromLongLong((int32_t)(uint32_t)slot[0]);
    case 'l':
        return jc_py.PyLong_FromLongLong((int64_t)slot[0]);
    default:
        return jc_python_float(type, slot);
    }
}

/* One number as itself, several as a tuple, none as None. */
static void *results_object(const jc_way *way, const uint64_t *slots) {
    if (way->result_count == 0)
        return own(jc_py._Py_NoneStruct);
    if (way->result_count == 1)
        return number_object(way->results[0], slots);
    void *tuple = jc_py.PyTuple_New(way->result_count);
    for (int at = 0; tuple != NULL && at < way->result_count; at++) {
        void *item = number_object(way->results[at], slots + (ptrdiff_t)2 * at);
        if (item == NULL || jc_py.PyTuple_SetItem(tuple, at, item) != 0) {
            jc_py.Py_DecRef(tuple);
            tuple = NULL;
        }
    }
    return tuple;
}

/* An exception of Python's that came while a call was ended: another thread sent it, or the frames were used up. The
 * first one is kept until all is done, and goes on from there. */
typedef struct raised {
    void *type, *value, *traceback;
} raised;

static void keep_raised(raised *first) {
    raised now;
    jc_py.PyErr_Fetch(&now.type, &now.value, &now.traceback);
    if (first->type == NULL) {
        *first = now;
        return;
    }
    jc_py.PyErr_Restore(now.type, now.value, now.traceback);
    jc_py.PyErr_Clear();
}

/* Call `exchange_key(object)` or `attend(way, given, box)`; whether it came to its end. */
static bool tell(raised *first, void *callable, void *of, void *second, void *third) {
    void *result = jc_py.PyObject_CallFunctionObjArgs(callable, of, second, third, NULL);
    if (result == NULL)
        keep_raised(first);
    else
        jc_py.Py_DecRef(result);
    return result != NULL;
}

static void attend(raised *first, const jc_way *way, int given, uint64_t box) {
    if (atomic_load(&jc_here.forked) || (box == 0 && (given & (JC_NEXT | JC_SURPLUS)) == 0))
        return;
    void *key = jc_py.PyLong_FromLongLong((int64_t)(uintptr_t)way), *bits = jc_py.PyLong_FromLongLong(given),
         *which = jc_py.PyLong_FromLongLong((int64_t)box);
    if (key == NULL || bits == NULL || which == NULL)
        keep_raised(first);
    else if (!tell(first, objects[JC_ATTEND], key, bits, which))
        (void)tell(first, objects[JC_ATTEND], key, bits, which); /* what another thread sends comes once */
    if (key != NULL)
        jc_py.Py_DecRef(key);
    if (bits != NULL)
        jc_py.Py_DecRef(bits);
    if (which != NULL)
        jc_py.Py_DecRef(which);
}

/* --- the row --- */

static bool is_stale(const jc_way *way, const jc_key *key) {
    return key->version != atomic_load(&way->limits->version);
}

static int64_t add_row(jc_way *way, jc_call *call, jc_key *key) {
    if (is_stale(way, key))
        return -1;
    int64_t position = jc_rows_add(way->rows, atomic_load(&key->place), call->numbers);
    if (position >= 0)
        atomic_store(&way->slots->last, position);
    return position;
}

/* Add the row, with the key as it is to be now: other threads may fill the chunk, clear the table or change the policy
 * each time that Python runs. False: an exception came, and there is no row yet. */
static bool write_row(raised *first, jc_way *way, jc_call *call, jc_key *key) {
    while (add_row(way, call, key) < 0) {
        if (atomic_load(&jc_here.forked)) /* there are no rows any more, and a lock of Python's may be held for ever */
            return true;
        if (!tell(first, objects[JC_EXCHANGE_KEY], key->object, NULL, NULL))
            return false;
        if (atomic_load(&key->place) == JC_DROPPED)
            break;
    }
    return true;
}

int64_t jc_walk_publish(jc_way *way, int64_t id, jc_key *key) {
    jc_call *call = jc_slots_find(way->slots, id);
    if (call == NULL || !call->ended)
        return -2;
    if (call->ended_ns != 0) {
        call->numbers[JC_DECODE_NS] += jc_now_ns() - call->ended_ns;
        if (call->numbers[JC_BYTES_OUT] > SEEN_BYTES)
            call->numbers[JC_CPU_NS] = jc_cpu_ns() - call->cpu_began_ns;
        call->ended_ns = 0;
    }
    int64_t position = add_row(way, call, key);
    if (position < 0 && atomic_load(&key->place) == JC_DROPPED)
        position = -2;
    if (position != -1 && jc_slots_part(way->slots, id) == call)
        jc_call_free(call);
    return position;
}

/* --- the instance --- */

static bool find_function(jc_box *box, const jc_way *way, uint64_t func[2]) {
    extern_item item;
    if (way->place < box->function_room && box->functions[2 * way->place] != 0) {
        memcpy(func, box->functions + 2 * way->place, 2 * sizeof *func);
        return true;
    }
    if (!jc_wt.wasmtime_instance_export_get(box->context, box->instance, way->name, way->name_length, &item) ||
        item.kind != EXTERN_FUNC)
        return false;
    memcpy(func, item.of, 2 * sizeof *func);
    if (box->call->fresh) /* it is asked for once */
        return true;
    if (way->place >= box->function_room) {
        int64_t room = way->place + 8;
        uint64_t *functions = realloc(box->functions, (size_t)room * 2 * sizeof *functions);
        if (functions == NULL)
            return true; /* it is looked up each time, then */
        memset(functions + 2 * box->function_room, 0, (size_t)(room - box->function_room) * 2 * sizeof *functions);
        box->functions = functions;
        box->function_room = room;
    }
    memcpy(box->functions + 2 * way->place, func, 2 * sizeof *func);
    return true;
}

/* --- Python's lock --- */

/*
 * A guest that runs for a microsecond or two keeps the lock. Two threads with such calls would hand it to each other
 * all the time otherwise, and get less done than one of them. Whether this call is short nobody knows: so its first
 * tick gives the lock away, and the next call of a function whose last one was not short does so at once.
 */
static void release_lock(jc_box *box) {
    const jc_way *way = box->call->way;
    box->call->keeps_lock =
        atomic_load(&way->quick) > 0 && box->profile == NULL && box->held <= (int64_t)MOST_HELD_WITH_LOCK;
    if (!box->call->keeps_lock)
        box->call->thread = jc_py.PyEval_SaveThread();
}

/* One long call may be the system's: it ran another thread meanwhile. */
static void note_time(jc_way *way, int64_t took_ns) {
    int32_t quick = atomic_load(&way->quick);
    atomic_store(&way->quick, took_ns < QUICK_NS ? QUICK_CALLS : quick > 0 ? quick - 1 : 0);
}

void jc_walk_ticked(jc_call *call) {
    if (call->keeps_lock && call->thread == NULL)
        call->thread = jc_py.PyEval_SaveThread();
}

/* Take the lock again; the nanoseconds that took. */
static int64_t take_lock(jc_call *call) {
    int64_t asked;
    if (call->thread == NULL)
        return 0;
    asked = jc_now_ns();
    jc_py.PyEval_RestoreThread(call->thread);
    call->thread = NULL;
    return jc_now_ns() - asked;
}

/* A large answer: one copy, into Python's bytes. The lock is taken for making them alone. */
static int take_pending(jc_box *box, void **answer, int64_t *lock_ns) {
    *lock_ns += take_lock(box->call);
    *answer = jc_py.PyBytes_FromStringAndSize(NULL, (ptrdiff_t)box->answer_length);
    char *bytes = NULL;
    ptrdiff_t length = 0;
    if (*answer == NULL || jc_py.PyBytes_AsStringAndSize(*answer, &bytes, &length) != 0)
        jc_py.PyErr_Clear();
    box->call->thread = jc_py.PyEval_SaveThread();
    if (bytes == NULL)
        return JC_NO_MEMORY;
    int64_t began = jc_now_ns();
    memcpy(bytes, box->memory->base + box->answer, (size_t)box->answer_length);
    box->read_ns += jc_now_ns() - began;
    uint64_t where = box->answer, size = box->answer_length;
    int status = jc_end_exchange(box);
    if (status == JC_OK) {
        box->answer = where;
        box->answer_length = size;
    }
    return status;
}

/* The numbers of a call that is still in its box. */
static void measure(jc_box *box, jc_call *call, int64_t lock_ns) {
    box->left_ns = jc_now_ns();
    int64_t *numbers = call->numbers, inside = box->left_ns - call->entered_ns;
    int64_t written = box->write_ns, read = box->read_ns, guest = inside - written - read - call->host_ns - lock_ns;
    if (guest < 0) { /* clocks are read at different moments: a time that is measured twice goes off the guest's */
        written = written < inside ? written : inside;
        read = read < inside - written ? read : inside - written;
        guest = 0;
    }
    numbers[JC_ENCODE_NS] += written;
    numbers[JC_GUEST_NS] = guest;
    numbers[JC_HOST_NS] = call->host_ns;
    numbers[JC_DECODE_NS] = read;
    numbers[JC_LOCK_NS] = lock_ns;
    numbers[JC_CPU_NS] = jc_cpu_ns() - call->cpu_began_ns;
    int64_t fuel = jc_fuel_used(box);
    numbers[JC_FUEL_USED] = fuel < 0 ? -1 : numbers[JC_FUEL_USED] + fuel; /* behind that of its making */
    numbers[JC_MEMORY_PEAK_BYTES] = box->held;
    numbers[JC_GROWS_REFUSED] = box->grows_refused - numbers[JC_GROWS_REFUSED];
    call->refused_wanted = box->refused_wanted;
    call->refused_limit = box->refused_limit;
    call->refused_owner = box->refused_owner;
    numbers[JC_BYTES_OUT] = box->packed == 0 ? 0 : (int64_t)box->answer_length;
    numbers[JC_INSTANCE_CALL] = ++box->calls;
}

/* --- the walk --- */

typedef struct walker {
    jc_way *way;
    jc_call *call;
    jc_box *box;
    const uint8_t *request;
    uint64_t length;
    int64_t parent;
    int64_t encode_ns;
    int64_t queue_ns;
    bool has_value;
    uint64_t slots[2 * MOST_NUMBERS];
    int64_t lock_ns;
    void *answer; /* bytes, of a large one */
} walker;

/* What is known of it before other threads see it. */
static void note_beginning(const walker *here, int64_t began) {
    const jc_way *way = here->way;
    int64_t *numbers = here->call->numbers;
    memset(numbers, 0, sizeof here->call->numbers);
    numbers[JC_CALL_ID] = here->call->id;
    numbers[JC_PARENT_CALL_ID] = here->parent;
    numbers[JC_QUEUE_NS] = here->queue_ns;
    numbers[JC_ENCODE_NS] = here->encode_ns;
    numbers[JC_STARTED_NS] = began - jc_rows_began_ns(way->rows);
    numbers[JC_MEMORY_BYTES] = -1;
    numbers[JC_BYTES_IN] = way->kind == JC_TAKES_REQUEST ? (int64_t)here->length : 0;
}

/* Enter the box, a new one where there is none. False: nothing has happened. */
static bool enter(walker *here) {
    jc_call *call = here->call;
    if (!call->fresh)
        return jc_enter(here->box, call) == JC_OK;
    const jc_template *from = &here->way->from;
    jc_box *box = jc_box_new(from->engine, from->pool, from->samples);
    if (box == NULL)
        return false;
    if (jc_enter(box, call) != JC_OK) {
        jc_box_close(box);
        jc_box_release(box);
        return false;
    }
    box->code = here->way->code;
    box->generation = -1; /* of none: it is never kept */
    here->box = box;
    return true;
}

static int make(walker *here) {
    jc_way *way = here->way;
    jc_call *call = here->call;
    jc_box *box = here->box;
    int status = jc_make(box, &way->from);
    if (status != JC_OK)
        return status;
    jc_slots_note_start(way->slots, way->code, false);
    int64_t fuel = jc_fuel_used(box);
    call->numbers[JC_FUEL_USED] = call->spent_fuel = fuel < 0 ? 0 : fuel;
    call->host_ns = call->allocator_ns = 0; /* that time is in setup */
    return jc_rearm(box);
}

static void note_entry(const walker *here, int64_t began) {
    jc_call *call = here->call;
    const jc_box *box = here->box;
    int64_t *numbers = call->numbers;
    call->entered_ns = jc_now_ns();
    numbers[JC_INSTANCE_ID] = box->number;
    numbers[JC_SETUP_NS] = call->entered_ns - began;
    numbers[JC_MEMORY_BYTES] = box->held;
    numbers[JC_GROWS_REFUSED] = call->fresh ? 0 : box->grows_refused; /* those of its making are its own */
}

static int go(walker *here) {
    jc_box *box = here->box;
    const jc_way *way = here->way;
    uint64_t func[2];
    box->write_ns = box->run_ns = box->read_ns = 0;
    box->packed = box->answer_length = 0;
    if (!find_function(box, way, func))
        return JC_FOREIGN;
    if (way->kind == JC_TAKES_NUMBERS) {
        size_t count = (size_t)(way->parameter_count > way->result_count ? way->parameter_count : way->result_count);
        memcpy(here->slots, here->request, (size_t)way->parameter_count * 16);
        return jc_run_on(box, func, here->slots, count == 0 ? 1 : count);
    }
    int status = jc_exchange_on(box, func, here->request, here->length);
    return status == JC_PENDING ? take_pending(box, &here->answer, &here->lock_ns) : status;
}

static void *answer_of(walker *here) {
    const jc_call *call = here->call;
    if (here->way->kind == JC_TAKES_NUMBERS)
        return results_object(here->way, here->slots);
    if (here->answer != NULL)
        return here->answer;
    if (!here->has_value)
        return own(jc_py._Py_NoneStruct);
    return jc_py.PyBytes_FromStringAndSize((const char *)call->staging, (ptrdiff_t)call->numbers[JC_BYTES_OUT]);
}

/* The instance and the slot of a call that has left its box; what is due, and the key of a box to be forgotten, or 0.
 */
static int give_back(walker *here, uint64_t *lost) {
    jc_box *box = here->box;
    jc_call *call = here->call;
    bool pending = here->way->kind == JC_TAKES_REQUEST;
    uint64_t key = box->key;
    if (!call->fresh) {
        int given = jc_slots_end(here->way->slots, box, call, pending);
        if ((given & JC_KEPT) == 0)
            jc_box_close(box);
        *lost = (given & JC_KEPT) == 0 ? key : 0;
        return given;
    }
    jc_box_close(box); /* before the slot is another call's: its memory is free then */
    int given = jc_slots_end(here->way->slots, NULL, call, pending);
    *lost = box->known ? key : 0;
    jc_box_release(box);
    return given;
}

static void *finish(walker *here, jc_key *key) {
    jc_way *way = here->way;
    jc_call *call = here->call;
    jc_box *box = here->box;
    here->has_value = box->packed != 0;
    measure(box, call, here->lock_ns);
    call->packed = box->packed;
    jc_leave(box);
    uint64_t lost;
    int given = give_back(here, &lost);
    call->numbers[JC_LOCK_NS] += take_lock(call);
    int64_t back = jc_now_ns();
    note_time(way, call->numbers[JC_GUEST_NS] + (call->fresh ? call->numbers[JC_SETUP_NS] : 0));
    call->numbers[JC_HOST_CALLS] = call->host_calls;
    call->numbers[JC_DENIED] = call->denied;
    void *answer = answer_of(here);
    raised first = {NULL, NULL, NULL};
    if (answer == NULL)
        keep_raised(&first);
    call->ended_ns = back;
    if (way->kind == JC_TAKES_NUMBERS && !call->half) {
        if (write_row(&first, way, call, key))
            jc_call_free(call);
        else
            jc_slots_keep(way->slots, call); /* for jc_walk_abandon */
    }
    attend(&first, way, given, lost);
    if (first.type == NULL)
        return answer;
    if (answer != NULL)
        jc_py.Py_DecRef(answer);
    jc_py.PyErr_Restore(first.type, first.value, first.traceback);
    return NULL;
}

/* The call goes on in Python, and asks for a slot there. */
static void *stand_back(walker *here) {
    int given = jc_slots_cancel_begin(here->way->slots, here->box, here->call);
    raised first = {NULL, NULL, NULL};
    attend(&first, here->way, given, 0); /* or who queued meanwhile would wait for a call that is over */
    jc_call_free(here->call);
    if (first.type == NULL)
        return jc_walk_not_taken();
    jc_py.PyErr_Restore(first.type, first.value, first.traceback);
    return NULL;
}

static void *walk(walker *here, int64_t began, jc_key *key) {
    jc_call *call = here->call;
    note_beginning(here, began);
    if (!jc_slots_begin(here->way->slots, here->way->code, here->way->from.pre != NULL, call, &here->box)) {
        jc_call_free(call);
        return jc_walk_not_taken();
    }
    if (!enter(here)) /* with Python's lock: no other thread has made the call's half since it could be seen */
        return stand_back(here);
    release_lock(here->box);
    call->status = call->fresh ? make(here) : JC_OK;
    if (call->step == JC_MADE)
        note_entry(here, began);
    if (call->status == JC_OK)
        call->status = go(here);
    call->keeps_lock = 0;
    if (call->status == JC_OK)
        return finish(here, key);
    call->ended_ns = here->box->left_ns = jc_now_ns(); /* from here on it waits for Python's lock */
    call->packed = here->box->packed;
    (void)take_lock(call);
    atomic_store(&here->way->quick, 0);
    call->numbers[JC_LOCK_NS] = here->lock_ns; /* the wait for the lock is in what Python measures next */
    if (here->answer != NULL)
        jc_py.Py_DecRef(here->answer);
    return own(objects[JC_WALK_FAILED]);
}

/* Whether an instance is idle, or none is kept and one can be made. Where another thread's short call has it, that is
 * over in a moment: to queue for it, and to be woken, takes ten times as long, and then the other thread queues, too.
 * Nobody is overtaken: no call waits. */
static bool await_instance(jc_way *way, int64_t began, bool *waited) {
    *waited = false;
    if (way->from.pre != NULL && !atomic_load(&way->slots->keeps))
        return true;
    for (; atomic_load(&way->slots->idle_count) == 0; *waited = true) {
        if (!jc_slots_are_taken(way->slots) || jc_now_ns() - began > MOST_WAIT_NS)
            return false;
        void *thread = jc_py.PyEval_SaveThread();
        jc_yield();
        jc_py.PyEval_RestoreThread(thread);
    }
    return true;
}

static bool fits(const jc_way *way, const jc_limits *own, uint64_t length) {
    if (way->kind == JC_TAKES_NUMBERS)
        return length == (uint64_t)way->parameter_count * 16;
    return length <= (uint64_t)atomic_load(&way->limits->most[JC_PAYLOAD]) &&
           (own == NULL || length <= (uint64_t)atomic_load(&own->most[JC_PAYLOAD]));
}

void *jc_walk(jc_way *way, const uint8_t *request, uint64_t length, int64_t id, int64_t parent, int64_t signals,
              int64_t began_ns, jc_key *key) {
    int64_t asked = jc_now_ns();
    bool waited;
    if (!fits(way, key->own, length) || jc_is_over() || !jc_thread_is_fit() || !await_instance(way, asked, &waited))
        return jc_walk_not_taken();
    int64_t began = asked;
    if (waited)
        began = jc_now_ns();
    jc_box *outer = jc_host_call_of_thread();
    jc_call *call = jc_call_new(id, signals, outer == NULL ? NULL : outer->call, way->limits, key->own, NULL);
    if (call == NULL)
        return jc_walk_not_taken();
    call->way = way;
    walker here = {.way = way, .call = call, .request = request, .length = length, .parent = parent};
    here.encode_ns = began_ns == 0 ? 0 : asked - began_ns;
    here.queue_ns = began - asked;
    return walk(&here, began, key);
}

jc_call *jc_walk_find(jc_way *way, int64_t id) { return jc_slots_find(way->slots, id); }

jc_call *jc_walk_adopt(jc_way *way, int64_t id) {
    jc_call *call = jc_slots_part(way->slots, id);
    if (call != NULL && call->fresh && call->box != NULL)
        jc_box_release(call->box); /* Python holds it, and will close it */
    return call;
}

void jc_walk_abandon(jc_way *way, int64_t id, jc_key *key) {
    jc_call *call = jc_slots_find(way->slots, id);
    if (call == NULL)
        return;
    raised first = {NULL, NULL, NULL};
    jc_box *box = call->box;
    uint64_t lost = 0;
    int given = 0;
    if (box != NULL) { /* still entered */
        call->numbers[JC_FUEL_USED] = -1;
        call->numbers[JC_CPU_NS] = jc_cpu_ns() - call->cpu_began_ns;
        call->numbers[JC_MEMORY_PEAK_BYTES] = box->held;
        call->numbers[JC_GROWS_REFUSED] = box->grows_refused - call->numbers[JC_GROWS_REFUSED];
        if (call->step == JC_MADE)
            call->numbers[JC_INSTANCE_CALL] = ++box->calls;
        else
            jc_slots_note_start(way->slots, way->code, true);
        lost = !call->fresh || box->known ? box->key : 0;
        if (box->trap != NULL)
            jc_wt.wasm_trap_delete(box->trap);
        if (box->error != NULL)
            jc_wt.wasmtime_error_delete(box->error);
        box->trap = box->error = NULL;
        jc_leave(box);
        jc_box_close(box);
        given = jc_slots_give(way->slots, NULL, false);
        if (call->fresh)
            jc_box_release(box);
    }
    (void)jc_slots_part(way->slots, id); /* last, so that the slot is never seen to have no call */
    if (!write_row(&first, way, call, key))
        (void)write_row(&first, way, call, key);
    jc_call_free(call);
    attend(&first, way, given, lost);
    if (first.type != NULL) { /* one exception goes on already */
        jc_py.PyErr_Restore(first.type, first.value, first.traceback);
        jc_py.PyErr_Clear();
    }
}

/* --- as builtins --- */

/* Whole numbers, from the place `from` on. False: an exception of Python's is set. */
static bool read_numbers(void *const *arguments, ptrdiff_t from, ptrdiff_t count, long long *numbers) {
    for (ptrdiff_t at = from; at < count; at++) {
        numbers[at] = jc_py.PyLong_AsLongLong(arguments[at]);
        if (numbers[at] == -1 && jc_py.PyErr_Occurred() != NULL)
            return false;
    }
    return true;
}

enum { WAY, REQUEST, ID, PARENT, SIGNALS, BEGAN, KEY, WALK_ARGUMENTS };

void *jc_python_walk(void *self, void *const *arguments, ptrdiff_t count) {
    long long numbers[WALK_ARGUMENTS];
    char *request;
    ptrdiff_t length;
    (void)self;
    if (count != WALK_ARGUMENTS)
        return jc_walk_not_taken();
    if (!read_numbers(arguments, ID, count, numbers) || !read_numbers(arguments, WAY, WAY + 1, numbers) ||
        jc_py.PyBytes_AsStringAndSize(arguments[REQUEST], &request, &length) != 0)
        return NULL;
    return jc_walk((jc_way *)(uintptr_t)numbers[WAY], (const uint8_t *)request, (uint64_t)length, numbers[ID],
                   numbers[PARENT], numbers[SIGNALS], numbers[BEGAN], (jc_key *)(uintptr_t)numbers[KEY]);
}

void *jc_python_publish(void *self, void *const *arguments, ptrdiff_t count) {
    long long numbers[3];
    (void)self;
    if (count != 3)
        return jc_py.PyLong_FromLongLong(-2);
    if (!read_numbers(arguments, 0, 3, numbers))
        return NULL;
    return jc_py.PyLong_FromLongLong(
        jc_walk_publish((jc_way *)(uintptr_t)numbers[0], numbers[1], (jc_key *)(uintptr_t)numbers[2]));
}

void *jc_python_abandon(void *self, void *const *arguments, ptrdiff_t count) {
    long long numbers[3];
    (void)self;
    if (count != 3)
        return own(jc_py._Py_NoneStruct);
    if (!read_numbers(arguments, 0, 3, numbers))
        return NULL;
    jc_walk_abandon((jc_way *)(uintptr_t)numbers[0], numbers[1], (jc_key *)(uintptr_t)numbers[2]);
    return own(jc_py._Py_NoneStruct);
}
