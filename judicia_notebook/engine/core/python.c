/* Takes the addresses of Python's functions, and what Python calls as its own builtins; python.h lists both. */
#include "python.h"

#include <string.h>

#include "gate.h"
#include "platform.h"

#define NAME_OF_FUNCTION(result, name, arguments) #name,
#define NAME_OF_OBJECT(name) #name,

static const char *const names[] = {JC_PYTHON_FUNCTIONS(NAME_OF_FUNCTION) JC_PYTHON_OBJECTS(NAME_OF_OBJECT) NULL};

enum { NAMES = sizeof names / sizeof names[0] - 1 };

_Static_assert(sizeof(jc_python) == NAMES * sizeof(void *), "one pointer for each name");

jc_python jc_py;

const char *const *jc_python_names(void) { return names; }

int jc_python_bind(void *const *addresses, size_t count) {
    if (count != NAMES)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (addresses[i] == NULL)
            return -1;
    memcpy(&jc_py, addresses, sizeof jc_py); /* a second copy of our Python code brings the same ones */
    if (jc_type_of(jc_py.PyUnicode_Type) != jc_py.PyType_Type || jc_type_of(jc_py.PyDict_Type) != jc_py.PyType_Type)
        return 1;
    return jc_type_of(jc_type_of(jc_py._Py_NoneStruct)) == jc_py.PyType_Type ? 0 : 1;
}

void *jc_python_float(char type, const uint64_t *slot) {
    float narrow;
    double wide;
    if (type == 'd') {
        memcpy(&wide, slot, sizeof wide);
    } else {
        memcpy(&narrow, slot, sizeof narrow);
        wide = (double)narrow;
    }
    return jc_py.PyFloat_FromDouble(wide);
}

void *jc_python_is_ordinary(void *self, void *const *arguments, ptrdiff_t count) {
    char *settings, *data;
    ptrdiff_t size, length;
    jc_gate_limits limits;
    if (count != 3 || jc_py.PyBytes_AsStringAndSize(self, &settings, &size) || size != sizeof limits ||
        jc_py.PyBytes_AsStringAndSize(arguments[0], &data, &length)) {
        jc_py.PyErr_Clear();
        return jc_py.PyBool_FromLong(0);
    }
    const ptrdiff_t depth = jc_py.PyLong_AsSsize_t(arguments[1]), values = jc_py.PyLong_AsSsize_t(arguments[2]);
    if (depth < 0 || values < 0) {
        jc_py.PyErr_Clear();
        return jc_py.PyBool_FromLong(0);
    }
    memcpy(&limits, settings, sizeof limits);
    limits.max_depth = (uint64_t)depth;
    limits.max_values = (uint64_t)values;
    return jc_py.PyBool_FromLong(!jc_gate((const uint8_t *)data, (size_t)length, &limits, NULL, NULL, NULL));
}

void *jc_python_is_exact(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self;
    char *text;
    ptrdiff_t length;
    if (count != 3 || jc_py.PyBytes_AsStringAndSize(arguments[0], &text, &length)) {
        jc_py.PyErr_Clear();
        return jc_py.PyBool_FromLong(0);
    }
    const ptrdiff_t depth = jc_py.PyLong_AsSsize_t(arguments[2]);
    if (depth < 0)
        jc_py.PyErr_Clear();
    return jc_py.PyBool_FromLong(depth >= 0 && jc_says(text, (size_t)length, arguments[1], depth));
}

void *jc_python_is_limited(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self, (void)arguments, (void)count;
    return jc_py.PyBool_FromLong(jc_memory_is_limited());
}
