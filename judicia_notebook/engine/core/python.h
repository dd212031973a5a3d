/*
 * The functions of Python that the core calls, and the functions of the core that Python calls as its own builtins.
 *
 * A call through ctypes takes 0.4 to 0.7 us with its arguments, a call of a builtin 0.05. So what a small message needs
 * is a builtin: Python's PyCFunction_NewEx makes it of a PyMethodDef, which has been the same since Python 3.2. All
 * that is used here is of Python's stable ABI, by its address: nothing is linked, and no header of Python's is needed.
 */
#ifndef JC_PYTHON_H
#define JC_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

/* A line: result, name, arguments. An object is `void *`, and Py_ssize_t is ptrdiff_t. */
#define JC_PYTHON_FUNCTIONS(X)                                                       \
    X(int, PyBytes_AsStringAndSize, (void *bytes, char **data, ptrdiff_t *length))   \
    X(const char *, PyUnicode_AsUTF8AndSize, (void *text, ptrdiff_t *length))        \
    X(ptrdiff_t, PyUnicode_GetLength, (void *text))                                  \
    X(ptrdiff_t, PyLong_AsSsize_t, (void *number))                                   \
    X(long long, PyLong_AsLongLongAndOverflow, (void *number, int *overflow))        \
    X(unsigned long long, PyLong_AsUnsignedLongLong, (void *number))                 \
    X(double, PyFloat_AsDouble, (void *number))                                      \
    X(double, PyOS_string_to_double, (const char *text, char **end, void *overflow)) \
    X(ptrdiff_t, PyList_Size, (void *list))                                          \
    X(void *, PyList_GetItem, (void *list, ptrdiff_t index))                         \
    X(ptrdiff_t, PyTuple_Size, (void *tuple))                                        \
    X(void *, PyTuple_GetItem, (void *tuple, ptrdiff_t index))                       \
    X(int, PyDict_Next, (void *dict, ptrdiff_t *position, void **key, void **value)) \
    X(void *, PyBool_FromLong, (long number))                                        \
    X(void *, PyBytes_FromStringAndSize, (const char *data, ptrdiff_t length))       \
    X(void *, PyLong_FromLongLong, (long long number))                               \
    X(long long, PyLong_AsLongLong, (void *number))                                  \
    X(void *, PyFloat_FromDouble, (double number))                                   \
    X(void *, PyTuple_New, (ptrdiff_t length))                                       \
    X(int, PyTuple_SetItem, (void *tuple, ptrdiff_t index, void *item))              \
    X(void *, PyObject_CallFunctionObjArgs, (void *callable, ...))                   \
    X(void, Py_IncRef, (void *object))                                               \
    X(void, Py_DecRef, (void *object))                                               \
    X(void *, PyObject_CallObject, (void *callable, void *tuple))                    \
    X(void *, PyLong_FromUnsignedLongLong, (unsigned long long number))              \
    X(unsigned long long, PyLong_AsUnsignedLongLongMask, (void *number))             \
    X(void *, PyEval_SaveThread, (void))                                             \
    X(void, PyEval_RestoreThread, (void *thread))                                    \
    X(void, PyErr_Fetch, (void **type, void **value, void **traceback))              \
    X(void, PyErr_Restore, (void *type, void *value, void *traceback))               \
    X(void *, PyErr_Occurred, (void))                                                \
    X(void, PyErr_Clear, (void))                                                     \
    X(void, PyErr_NormalizeException, (void **type, void **value, void **trace))     \
    X(int, PyException_SetTraceback, (void *exception, void *trace))                 \
    X(int, PyErr_CheckSignals, (void))                                               \
    X(int, PyGILState_Ensure, (void))                                                \
    X(void, PyGILState_Release, (int state))

#define JC_PYTHON_OBJECTS(X) \
    X(PyType_Type)           \
    X(PyUnicode_Type)        \
    X(PyLong_Type)           \
    X(PyFloat_Type)          \
    X(PyList_Type)           \
    X(PyTuple_Type)          \
    X(PyDict_Type)           \
    X(_Py_NoneStruct)        \
    X(_Py_TrueStruct)        \
    X(_Py_FalseStruct)

#define JC_PYTHON_FUNCTION(result, name, arguments) result(*name) arguments;
#define JC_PYTHON_OBJECT(name) void *name;

typedef struct jc_python {
    JC_PYTHON_FUNCTIONS(JC_PYTHON_FUNCTION)
    JC_PYTHON_OBJECTS(JC_PYTHON_OBJECT)
} jc_python;

/* Set by jc_python_bind, and the same ever after. */
extern jc_python jc_py;

/* The head of an object, as each build of Python with its lock has it. Not of one without: jc_python_bind looks. */
typedef struct jc_object {
    ptrdiff_t references;
    void *type;
} jc_object;

static inline void *jc_type_of(const void *object) { return ((const jc_object *)object)->type; }

/* With Python's lock: refer to an object no more; NULL is none. */
static inline void jc_drop(void *object) {
    if (object != NULL)
        jc_py.Py_DecRef(object);
}

/* The names of the functions and objects above, in order; the last one is null. Any thread. */
JC_API const char *const *jc_python_names(void);

/* Take their addresses, as many as there are names. The importing thread, with Python's lock. 0; -1 where the count is
 * wrong or an address is null; 1 where they are taken, but objects have another head than jc_object: then
 * jc_python_is_exact is never called. */
JC_API int jc_python_bind(void *const *addresses, size_t count);

/* A float of the type 'f' or 'd' in a slot of a call, as Python's. With its lock. NULL: an exception is set. */
void *jc_python_float(char type, const uint64_t *slot);

/*
 * The builtins: METH_FASTCALL. `self` is what the maker of the builtin gave. The caller holds Python's lock; none runs
 * Python code or gives the lock away, so no other thread changes what they look at. Wrong arguments get False, the
 * answer that leads to a closer look.
 */

/* (data, max_depth, max_values) -> bool: whether the gate finds nothing in a text that could matter. `self` is a
 * jc_gate_limits in a bytes object, of which max_digits and seed count. */
JC_API void *jc_python_is_ordinary(void *self, void *const *arguments, ptrdiff_t count);

/* (data, value, max_depth) -> bool: jc_says. */
JC_API void *jc_python_is_exact(void *self, void *const *arguments, ptrdiff_t count);

/* (value) -> bool: whether the JSON of a value is short for certain, and there is room for it now. Not in a Python
 * whose objects have another head than jc_object. */
JC_API void *jc_python_is_small(void *self, void *const *arguments, ptrdiff_t count);

/* () -> bool: whether this process's memory is limited now. */
JC_API void *jc_python_is_limited(void *self, void *const *arguments, ptrdiff_t count);

/* (way, request, id, parent, signals, began_ns, key) -> the answer, or what jc_walk_give said: jc_walk. It does give
 * the lock away, while the guest runs. */
JC_API void *jc_python_walk(void *self, void *const *arguments, ptrdiff_t count);

/* (way, id, key) -> int: jc_walk_publish. */
JC_API void *jc_python_publish(void *self, void *const *arguments, ptrdiff_t count);

/* (way, id, key) -> None: jc_walk_abandon. */
JC_API void *jc_python_abandon(void *self, void *const *arguments, ptrdiff_t count);

/* (rows, place, *numbers) -> int: jc_rows_add, with a number for each column; -2 where it takes another number of them.
 */
JC_API void *jc_python_add_row(void *self, void *const *arguments, ptrdiff_t count);

/* (rows, place, bytes_in, bytes_out) -> int: the row of the host call that Python is asked to answer on this thread, as
 * jc_rows_add; -2 where there is none, or these rows are of something else. */
JC_API void *jc_python_add_host_row(void *self, void *const *arguments, ptrdiff_t count);

/* (rows, place, denied, until_ns, most_calls, answer, fail) -> None: refuse the import that this thread's host
 * call asks for in the same way again, until the call is over (refusals.c). `answer` is bytes for the guest or a
 * number; `fail(status)` raises the error where the guest has no room for the bytes. In a host call. */
JC_API void *jc_python_refuse_again(void *self, void *const *arguments, ptrdiff_t count);

/* (call) -> the exception that ended a host function or a signal's handler inside this call, and that is handed over by
 * this; None. The thread of the call. */
JC_API void *jc_python_take_raised(void *self, void *const *arguments, ptrdiff_t count);

/* () -> the key of the box in whose host call this thread is, or 0. */
JC_API void *jc_python_host_call_key(void *self, void *const *arguments, ptrdiff_t count);

/* (box, bytes) -> where they are now, in room that the guest's allocator gave; or an enum jc_status, negated. The
 * thread inside, in a host call. It may give the lock away, while the guest runs. */
JC_API void *jc_python_write(void *self, void *const *arguments, ptrdiff_t count);

/*
 * Whether a JSON text says exactly what a Python value holds. True is a proof: a reader of JSON that rounds floats
 * correctly gets the same value from the text, there is no key twice in an object, no integer beyond 64 bits, and
 * nothing is nested deeper than `max_depth`. False may also mean unknown.
 *
 * A byte must follow the text, as in a bytes object. Python's lock is held all the time.
 */
bool jc_says(const char *text, size_t length, void *value, int64_t max_depth);

#endif
