/*
 * Whether the JSON of a Python value is short for certain (jc_python_is_small in python.h), as most messages are.
 *
 * To ask the system whether this process's memory is limited takes two system calls, which on some machines is half of
 * the time that a small message takes. A short text needs no more room than any object of Python's: where that much is
 * there at this moment, the question need not be asked.
 */
#include <stdlib.h>

#include "python.h"

enum {
    VALUES = 40,       /* with keys */
    CHARACTERS = 2000, /* of all texts together */
    LEVELS = 10,
    ROOM = 64
        << 10, /* twice what such a text may take while it grows: escaped, 6 bytes a character, 40 another value */
};

typedef struct measure {
    ptrdiff_t values, characters; /* that may still come */
} measure;

static bool fits_text(measure *left, void *text) {
    const ptrdiff_t length = jc_py.PyUnicode_GetLength(text);
    if (length < 0) {
        jc_py.PyErr_Clear();
        return false;
    }
    left->characters -= length;
    return left->characters >= 0;
}

static bool fits(measure *left, void *value, int levels);

static bool fit(measure *left, void *value, ptrdiff_t count, void *(*item)(void *, ptrdiff_t), int levels) {
    for (ptrdiff_t i = 0; i < count; i++)
        if (!fits(left, item(value, i), levels))
            return false;
    return true;
}

static bool fits_object(measure *left, void *value, int levels) {
    ptrdiff_t position = 0;
    void *key, *child;
    while (jc_py.PyDict_Next(value, &position, &key, &child))
        if (!fits(left, key, levels) || !fits(left, child, levels))
            return false;
    return true;
}

/* Python's lock is held, and nothing here runs Python code: no other thread changes what is looked at. */
static bool fits(measure *left, void *value, int levels) {
    const void *const type = jc_type_of(value);
    if (levels < 0 || --left->values < 0)
        return false;
    if (type == jc_py.PyUnicode_Type)
        return fits_text(left, value);
    if (type == jc_py.PyDict_Type)
        return fits_object(left, value, levels - 1);
    if (type == jc_py.PyList_Type)
        return fit(left, value, jc_py.PyList_Size(value), jc_py.PyList_GetItem, levels - 1);
    if (type == jc_py.PyTuple_Type)
        return fit(left, value, jc_py.PyTuple_Size(value), jc_py.PyTuple_GetItem, levels - 1);
    return type == jc_py.PyFloat_Type || type == jc_py.PyLong_Type || value == jc_py._Py_NoneStruct ||
           value == jc_py._Py_TrueStruct || value == jc_py._Py_FalseStruct;
}

static bool has_room(void) {
    void *volatile room = malloc(ROOM); /* volatile: it is asked for nothing but whether it is there */
    const bool is_there = room != NULL;
    free(room);
    return is_there;
}

void *jc_python_is_small(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self;
    measure left = {VALUES, CHARACTERS};
    return jc_py.PyBool_FromLong(count == 1 && fits(&left, arguments[0], LEVELS) && has_room());
}
