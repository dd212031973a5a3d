/*
 * Python, called from inside a guest: host functions, and the handlers of signals.
 *
 * Both are called as Python calls them itself, with its lock. So whatever ends such a function comes back here as an
 * exception, also what ends it before its first line: a signal's handler that raises there, an exception that waited
 * for its thread, a frame too many. The exception is kept with the call, Wasmtime unwinds the guest, and Python raises
 * it (jc_python_take_raised). None is lost, and none lets the guest go on.
 */
#include "refusals.h"

#include "python.h"

#include <stdlib.h>
#include <string.h>

struct jc_host {
    _Atomic int32_t references; /* Python's, and those of what Wasmtime linked it to */
    uint64_t key; /* by which Python knows the import */
    void *entry; /* Python's function; NULL: it is gone. With Python's lock */
    bool takes_bytes; /* ABI 1: Python is given the request, too */
    int32_t result_count, count;
    const char *results; /* i l f d; n: a reference, which is null */
    char params[]; /* i l, signed I L, f d; n: a reference, None in Python; -: a type that Python is not given */
};

/* --- Python's objects, for as long as the process is there --- */

static struct {
    void *answer;         /* answer(entry, box, half, *numbers) -> number or None; or with a request before them */
    void *halve;          /* halve(way, call, box) -> half */
    void *is_interrupted; /* is_interrupted() -> bool */
} functions;

/* The importing thread, with Python's lock. A second copy of our Python code brings functions of its own: the first
 * ones stay. */
bool jc_host_give(void *answer, void *halve, void *is_interrupted) {
    if (functions.answer != NULL)
        return false;
    functions.answer = answer;
    functions.halve = halve;
    functions.is_interrupted = is_interrupted;
    return true;
}

/* --- in and out of Python --- */

/* At exit Python ends threads that wait for its lock, by unwinding their stack; a guest's frames cannot be unwound and
 * the process would abort. So such a thread stays here until the process is gone. */
static void stay(void *unused) {
    (void)unused;
    jc_wait_for_the_end();
}

typedef struct visit {
    jc_call *call;
    jc_box *box;
    const jc_host *host; /* NULL: signals */
    const jc_refusal *refusal; /* that the guest has no room for; NULL: none */
    int status;
    uint64_t *slots;
    jc_box *outer; /* in whose host call this thread was before */
    bool goes_on; /* the guest, when it is over */
} visit;

/* With Python's lock: keep the exception that is set, unless the call has one, and clear it. */
static void keep_raised(jc_call *call, bool by_signal) {
    void *type = NULL, *value = NULL, *trace = NULL;
    jc_py.PyErr_Fetch(&type, &value, &trace);
    jc_py.PyErr_NormalizeException(&type, &value, &trace);
    if (value != NULL && trace != NULL)
        (void)jc_py.PyException_SetTraceback(value, trace);
    jc_drop(type);
    jc_drop(trace);
    if (call->raised == NULL) {
        call->raised = value;
        call->by_signal = by_signal;
    } else
        jc_drop(value);
}

/* Call `work` with Python's lock, on a thread that is inside a guest. The lock may be this thread's already. Once
 * Python exits nothing is called, and the guest does not go on. */
static bool call_python(void (*work)(visit *), visit *here) {
    atomic_fetch_add(&jc_here.inside, 1);
    if (!atomic_load(&jc_here.door)) {
        pthread_cleanup_push(stay, NULL);
        int lock = jc_py.PyGILState_Ensure();
        work(here);
        if (!here->goes_on && jc_py.PyErr_Occurred() != NULL)
            keep_raised(here->call, here->host == NULL);
        jc_py.PyGILState_Release(lock);
        pthread_cleanup_pop(0);
    }
    atomic_fetch_sub(&jc_here.inside, 1);
    return here->goes_on;
}

/* --- host functions --- */

static _Thread_local jc_box *in_host_call_of;
static _Thread_local jc_box *asking; /* the same, and already while Python's half of the call is made */

jc_box *jc_box_asking(uint64_t key) { return asking != NULL && asking->key == key ? asking : NULL; }

static _Thread_local const jc_asked *asked;

jc_box *jc_host_call_of_thread(void) { return in_host_call_of; }

const jc_asked *jc_asked_now(void) { return asked; }

bool jc_host_takes_bytes(const jc_host *host) { return host->takes_bytes; }

jc_host *jc_host_new(uint64_t key, void *entry, const char *params, const char *results, bool takes_bytes) {
    size_t count = strlen(params), result_count = strlen(results);
    if (count > INT32_MAX / 2 || result_count > INT32_MAX / 2 || (takes_bytes && strcmp(params, "ii") != 0) ||
        jc_is_over())
        return NULL;
    jc_host *host = calloc(1, sizeof *host + count + result_count);
    if (host == NULL)
        return NULL;
    atomic_store(&host->references, 2); /* Wasmtime lets go of one by the finalizer */
    host->key = key;
    host->entry = entry;
    jc_py.Py_IncRef(entry);
    host->takes_bytes = takes_bytes;
    host->count = (int32_t)count;
    host->result_count = (int32_t)result_count;
    memcpy(host->params, params, count);
    host->results = memcpy(host->params + count, results, result_count);
    return host;
}

/* Wasmtime, on any thread, with or without Python's lock. */
static void let_go(void *env) {
    jc_host *host = env;
    if (!jc_is_over() && atomic_fetch_sub(&host->references, 1) == 1)
        free(host);
}

void jc_host_forget(jc_host *host) {
    void *entry = host->entry;
    host->entry = NULL;
    jc_drop(entry);
    let_go(host);
}

void *jc_host_finalizer(void) {
    jc_let_go_callback *function = let_go;
    void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}

uint64_t jc_host_key(const jc_host *host) { return host->key; }

static void *argument(char type, const uint64_t *slot) {
    switch (type) {
    case 'i':
        return jc_py.PyLong_FromUnsignedLongLong((uint32_t)slot[0]);
    case 'l':
        return jc_py.PyLong_FromUnsignedLongLong(slot[0]);
    case 'I':
        return jc_py.PyLong_FromLongLong((int32_t)(uint32_t)slot[0]);
    case 'L':
        return jc_py.PyLong_FromLongLong((int64_t)slot[0]);
    case 'n':
        jc_py.Py_IncRef(jc_py._Py_NoneStruct);
        return jc_py._Py_NoneStruct;
    default:
        return jc_python_float(type, slot);
    }
}

/* Integers are cut to their width, as C does. A reference is null whatever Python says: the slot holds an argument, and
 * a number of the guest's is no reference. False: an exception is set. */
static bool write_result(char type, void *number, uint64_t *slot) {
    if (type == 'n') {
        slot[0] = slot[1] = 0;
        return true;
    }
    if (type == 'f' || type == 'd') {
        double wide = jc_py.PyFloat_AsDouble(number);
        float narrow = (float)wide;
        memcpy(slot, type == 'd' ? (void *)&wide : (void *)&narrow, type == 'd' ? sizeof wide : sizeof narrow);
        return wide != -1.0 || jc_py.PyErr_Occurred() == NULL;
    }
    const unsigned long long whole = jc_py.PyLong_AsUnsignedLongLongMask(number);
    if (whole == (unsigned long long)-1 && jc_py.PyErr_Occurred() != NULL)
        return false;
    memcpy(slot, &whole, type == 'i' ? sizeof(uint32_t) : sizeof(uint64_t));
    return true;
}

/* One result as it is, several as a tuple of as many. */
static bool write_results(const jc_host *host, void *answer, uint64_t *slots) {
    if (host->result_count == 1)
        return write_result(host->results[0], answer, slots);
    for (int32_t i = 0; i < host->result_count; i++) {
        void *number = jc_py.PyTuple_GetItem(answer, i);
        if (number == NULL || !write_result(host->results[i], number, slots + (ptrdiff_t)2 * i))
            return false;
    }
    return true;
}

/* Python's half of a call: None where Python made it. The call keeps that of a walk. NULL: an exception is set. */
static void *half_of(jc_call *call) {
    if (call->way == NULL)
        return jc_py._Py_NoneStruct;
    if (call->python == NULL) {
        void *way = jc_py.PyLong_FromLongLong((int64_t)(uintptr_t)call->way),
             *pointer = jc_py.PyLong_FromLongLong((int64_t)(uintptr_t)call),
             *box = jc_py.PyLong_FromUnsignedLongLong(call->box->key);
        if (way != NULL && pointer != NULL && box != NULL)
            call->python = jc_py.PyObject_CallFunctionObjArgs(functions.halve, way, pointer, box, (void *)NULL);
        jc_drop(way);
        jc_drop(pointer);
        jc_drop(box);
    }
    return call->python;
}

enum { OWN_ARGUMENTS = 3, MOST_COPIED = 64 << 10 };

/* The arguments of `answer`. NULL: an exception is set. */
static void *arguments_of(const visit *here, void *entry, void *half) {
    const jc_host *host = here->host;
    ptrdiff_t count = OWN_ARGUMENTS, at = OWN_ARGUMENTS;
    for (int32_t i = 0; i < host->count; i++)
        count += host->params[i] != '-';
    void *tuple = jc_py.PyTuple_New(count), *box = jc_py.PyLong_FromUnsignedLongLong(here->box->key);
    bool is_whole = tuple != NULL && box != NULL;
    if (!is_whole) {
        jc_drop(box);
        jc_drop(tuple);
        return NULL;
    }
    jc_py.Py_IncRef(entry);
    jc_py.Py_IncRef(half);
    is_whole = jc_py.PyTuple_SetItem(tuple, 0, entry) == 0; /* an item is the tuple's from here on, come what may */
    is_whole = jc_py.PyTuple_SetItem(tuple, 1, box) == 0 && is_whole;
    is_whole = jc_py.PyTuple_SetItem(tuple, 2, half) == 0 && is_whole;
    for (int32_t i = 0; is_whole && i < host->count; i++) {
        if (host->params[i] == '-')
            continue;
        void *number = argument(host->params[i], here->slots + (ptrdiff_t)2 * i);
        is_whole = number != NULL && jc_py.PyTuple_SetItem(tuple, at++, number) == 0;
    }
    if (is_whole)
        return tuple;
    jc_drop(tuple);
    return NULL;
}

/* A request as Python's bytes. None where Python is to look itself, once the policy is asked: at a long one, which is
 * not copied for nothing, and at one beyond the memory, of which it makes the error. NULL: an exception is set. */
static void *request_of(const jc_box *box, uint64_t pointer, uint64_t length) {
    if (length == 0)
        return jc_py.PyBytes_FromStringAndSize(NULL, 0);
    if (length <= MOST_COPIED && jc_is_within(box->memory, pointer, length))
        return jc_py.PyBytes_FromStringAndSize((const char *)box->memory->base + pointer, (ptrdiff_t)length);
    jc_py.Py_IncRef(jc_py._Py_NoneStruct);
    return jc_py._Py_NoneStruct;
}

static void *call_with_request(const visit *here, void *entry, void *half) {
    const uint64_t pointer = (uint32_t)here->slots[0], length = (uint32_t)here->slots[2];
    void *request = request_of(here->box, pointer, length), *box = jc_py.PyLong_FromUnsignedLongLong(here->box->key),
         *at = jc_py.PyLong_FromUnsignedLongLong(pointer), *size = jc_py.PyLong_FromUnsignedLongLong(length);
    void *result = NULL;
    if (request != NULL && box != NULL && at != NULL && size != NULL)
        result =
            jc_py.PyObject_CallFunctionObjArgs(functions.answer, entry, box, half, request, at, size, (void *)NULL);
    jc_drop(request);
    jc_drop(box);
    jc_drop(at);
    jc_drop(size);
    return result;
}

static void *call_with_numbers(const visit *here, void *entry, void *half) {
    void *arguments = arguments_of(here, entry, half);
    if (arguments == NULL)
        return NULL;
    void *result = jc_py.PyObject_CallObject(functions.answer, arguments);
    jc_drop(arguments);
    return result;
}

static void visit_host_function(visit *here) {
    const jc_host *host = here->host;
    jc_box *before = asking;
    asking = here->box;
    void *entry = host->entry == NULL ? jc_py._Py_NoneStruct : host->entry, *half = half_of(here->call);
    if (half == NULL) {
        asking = before;
        return;
    }
    jc_asked now = {.box = here->box, .host = host};
    const jc_asked *around = asked;
    jc_note_said(here->call, &now.said);
    now.host_ns = here->call->host_ns;
    now.seq = here->call->host_calls;
    now.began_ns = jc_now_ns();
    asked = &now;
    in_host_call_of = here->box;
    void *result = host->takes_bytes ? call_with_request(here, entry, half) : call_with_numbers(here, entry, half);
    in_host_call_of = here->outer;
    asked = around;
    asking = before;
    if (result == NULL)
        return;
    here->goes_on = write_results(host, result, here->slots);
    jc_drop(result);
}

/* A refusal that the guest has no room for: Python raises the error. */
static void visit_failed_refusal(visit *here) {
    void *status = jc_py.PyLong_FromLongLong(here->status);
    if (status != NULL)
        jc_drop(jc_py.PyObject_CallFunctionObjArgs(jc_refusal_fail(here->refusal), status, (void *)NULL));
    jc_drop(status);
}

bool jc_call_host(jc_box *box, const jc_host *host, uint64_t *slots, int64_t began) {
    visit here = {.call = box->call, .box = box, .host = host, .slots = slots, .outer = in_host_call_of};
    here.refusal = jc_refuse(box, host, slots, began, &here.status);
    if (here.refusal == NULL)
        return call_python(visit_host_function, &here);
    return here.status == JC_OK || call_python(visit_failed_refusal, &here);
}

/* --- signals --- */

static void visit_signal_handlers(visit *here) {
    if (jc_py.PyErr_CheckSignals() != 0)
        return;
    void *answer = jc_py.PyObject_CallFunctionObjArgs(functions.is_interrupted, NULL);
    here->goes_on = answer == jc_py._Py_FalseStruct;
    jc_drop(answer);
}

bool jc_run_signal_handlers(jc_call *call) {
    visit here = {.call = call};
    return call_python(visit_signal_handlers, &here);
}

/* --- builtins --- */

void *jc_python_take_raised(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self;
    long long pointer = count == 1 ? jc_py.PyLong_AsLongLong(arguments[0]) : 0;
    if (pointer == -1 && jc_py.PyErr_Occurred() != NULL)
        return NULL;
    jc_call *call = (jc_call *)(uintptr_t)pointer;
    void *raised = call == NULL ? NULL : call->raised;
    if (raised == NULL) {
        jc_py.Py_IncRef(jc_py._Py_NoneStruct);
        return jc_py._Py_NoneStruct;
    }
    call->raised = NULL;
    return raised;
}

void *jc_python_host_call_key(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self, (void)arguments, (void)count;
    return jc_py.PyLong_FromUnsignedLongLong(in_host_call_of == NULL ? 0 : in_host_call_of->key);
}

/* The guest runs here, in its allocator. Where the call keeps Python's lock, so does this, and a tick gives it away. */
static int write_unlocked(jc_box *box, const uint8_t *data, uint64_t length) {
    jc_call *call = box->call;
    if (call == NULL)
        return JC_FOREIGN;
    void *thread = call->keeps_lock && call->thread == NULL ? NULL : jc_py.PyEval_SaveThread();
    bool keeps_lock = thread == NULL;
    int status = jc_write_request(box, data, length);
    if (keeps_lock) {
        thread = call->thread;
        call->thread = NULL;
    }
    if (thread != NULL)
        jc_py.PyEval_RestoreThread(thread);
    return status;
}

void *jc_python_write(void *self, void *const *arguments, ptrdiff_t count) {
    char *data;
    ptrdiff_t length;
    (void)self;
    if (count != 2)
        return jc_py.PyLong_FromLongLong(-JC_FOREIGN);
    long long pointer = jc_py.PyLong_AsLongLong(arguments[0]);
    if ((pointer == -1 && jc_py.PyErr_Occurred() != NULL) ||
        jc_py.PyBytes_AsStringAndSize(arguments[1], &data, &length) != 0)
        return NULL;
    jc_box *box = (jc_box *)(uintptr_t)pointer;
    int status = write_unlocked(box, (const uint8_t *)data, (uint64_t)length);
    return jc_py.PyLong_FromLongLong(status == JC_OK ? (long long)box->written : -(long long)status);
}
