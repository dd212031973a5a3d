/* Takes the addresses of Wasmtime's functions; wasmtime.h lists them. */
#include "wasmtime.h"

#include <string.h>

#include "core.h"

#define JC_IMPORT(result, name, arguments) {#name, #result, #arguments},

static const jc_import imports[] = {JC_WASMTIME(JC_IMPORT){NULL, NULL, NULL}};

#define JC_CALLBACK(result, name, arguments, place) {place, #result, #arguments},

static const jc_import callbacks[] = {JC_CALLBACKS(JC_CALLBACK){NULL, NULL, NULL}};

enum { IMPORTS = sizeof imports / sizeof imports[0] - 1 };

_Static_assert(sizeof(jc_wasmtime) == IMPORTS * sizeof(void *), "one pointer for each function");

jc_wasmtime jc_wt;

const jc_import *jc_imports(void) { return imports; }

const jc_import *jc_callbacks(void) { return callbacks; }

int jc_bind(const void *const *addresses, size_t count) {
    static const jc_wasmtime unbound;
    if (count != IMPORTS)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (addresses[i] == NULL)
            return -1;
    if (memcmp(&jc_wt, &unbound, sizeof jc_wt) != 0) /* a second copy of our Python code: the same library, or none */
        return memcmp(&jc_wt, addresses, sizeof jc_wt) == 0 ? 0 : -1;
    memcpy(&jc_wt, addresses, sizeof jc_wt); /* C has no cast from an object's address to a function's */
    return 0;
}
