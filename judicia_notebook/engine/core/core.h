/*
 * The contract of the core: what the library exports, and every struct that it shares with Python.
 *
 * Names begin with jc_. A struct that ctypes also declares has its table in layouts.c, and Python compares the two
 * field by field before it uses either. The functions of Wasmtime that C calls stand in wasmtime.h. Each exported
 * function says who may call it, on which thread, and whether the caller holds Python's lock.
 */
#ifndef JC_CORE_H
#define JC_CORE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define JC_API __declspec(dllexport)
#else
#define JC_API __attribute__((visibility("default")))
#endif

/* --- what the library says of itself --- */

typedef struct jc_field {
    const char *name;
    uint32_t offset, size; /* bytes */
} jc_field;

typedef struct jc_layout {
    const char *name;
    uint32_t size; /* bytes */
    const jc_field *fields; /* in order; the last one has no name */
} jc_layout;

/* One C function of Wasmtime that the core calls, or one of the core that Wasmtime calls: its types as this library was
 * compiled with them. */
typedef struct jc_import {
    const char *name;
    const char *result;
    const char *arguments; /* with their parentheses and names, as in wasmtime.h */
} jc_import;

/* One line: digest of the sources, kind of build, compiler, target. Any thread, with or without Python's lock. */
JC_API const char *jc_build(void);

/* Every struct shared with Python; the last one has no name. Any thread, with or without Python's lock. */
JC_API const jc_layout *jc_layouts(void);

/* Every function of Wasmtime that is called, in the order in which jc_bind takes them; the last one has no name.
 * Any thread, with or without Python's lock. */
JC_API const jc_import *jc_imports(void);

/* Every kind of function that Wasmtime calls in the core, named by where wasmtime-py declares it; the last one has no
 * name. Any thread, with or without Python's lock. */
JC_API const jc_import *jc_callbacks(void);

/* Take the addresses of Wasmtime's functions, as many as jc_imports names. The importing thread, once; the same
 * addresses again are harmless. 0, or -1: another number of them, one of them null, or others than before. */
JC_API int jc_bind(const void *const *addresses, size_t count);

#endif
