/*
 * The C functions of Wasmtime that the core calls. wasmtime-py has loaded the library; Python compares each line here
 * with wasmtime-py's own declaration and hands the addresses to jc_bind. So nothing is linked, and no header of
 * Wasmtime's is needed.
 *
 * A line: result, name, arguments in parentheses. Write plain C types: pointers as `void *` or `T *`, numbers by their
 * names from <stdint.h>, `size_t` and `bool`. Callbacks are `void *`.
 */
#ifndef JC_WASMTIME_H
#define JC_WASMTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JC_WASMTIME(X)                                                                                                 \
    X(void *, wasmtime_func_call_unchecked, (void *context, const void *func, void *slots, size_t count, void **trap)) \
    X(void *, wasmtime_context_set_fuel, (void *context, uint64_t fuel))                                               \
    X(void *, wasmtime_context_get_fuel, (const void *context, uint64_t *fuel))                                        \
    X(void, wasmtime_engine_increment_epoch, (void *engine))

#define JC_WASMTIME_MEMBER(result, name, arguments) result(*name) arguments;

typedef struct jc_wasmtime {
    JC_WASMTIME(JC_WASMTIME_MEMBER)
} jc_wasmtime;

/* Set by jc_bind, and the same ever after: `jc_wt.wasmtime_context_set_fuel(context, fuel)`. */
extern jc_wasmtime jc_wt;

#endif
