/*
 * The C functions of Wasmtime that the core calls. wasmtime-py has loaded the library; Python compares each line here
 * with wasmtime-py's own declaration and hands the addresses to jc_bind. So nothing is linked, and no header of
 * Wasmtime's is needed.
 *
 * A line: result, name, arguments in parentheses. Write plain C types: pointers as `void *` or `T *`, numbers by their
 * names from <stdint.h>, `size_t` and `bool`. Callbacks are `void *` here, and have their own list below.
 */
#ifndef JC_WASMTIME_H
#define JC_WASMTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JC_WASMTIME(X)                                                                                                 \
    X(void *, wasmtime_func_call_unchecked, (void *context, const void *func, void *slots, size_t count, void **trap)) \
    X(void, wasm_trap_delete, (void *trap))                                                                            \
    X(void, wasmtime_error_delete, (void *error))                                                                      \
    X(void *, wasmtime_context_set_fuel, (void *context, uint64_t fuel))                                               \
    X(void *, wasmtime_context_get_fuel, (const void *context, uint64_t *fuel))                                        \
    X(void *, wasmtime_context_get_data, (const void *context))                                                        \
    X(void, wasmtime_context_set_epoch_deadline, (void *context, uint64_t ticks))                                      \
    X(void, wasmtime_engine_increment_epoch, (void *engine))                                                           \
    X(void *, wasmtime_caller_context, (void *caller))                                                                 \
    X(void *, wasmtime_store_new, (void *engine, void *data, void *finalizer))                                         \
    X(void *, wasmtime_store_context, (void *store))                                                                   \
    X(void, wasmtime_store_delete, (void *store))                                                                      \
    X(void, wasmtime_store_limiter,                                                                                    \
      (void *store, int64_t memory, int64_t elements, int64_t instances, int64_t tables, int64_t memories))            \
    X(void, wasmtime_store_epoch_deadline_callback, (void *store, void *callback, void *data, void *finalizer))        \
    X(void *, wasmtime_instance_pre_instantiate, (const void *pre, void *context, void *instance, void **trap))        \
    X(void *, wasmtime_linker_clone, (void *linker))                                                                   \
    X(void, wasmtime_linker_delete, (void *linker))                                                                    \
    X(void *, wasmtime_linker_define,                                                                                  \
      (void *linker, void *context, const void *module, size_t module_length, const void *name, size_t name_length,    \
       const void *item))                                                                                              \
    X(void *, wasmtime_linker_instantiate,                                                                             \
      (const void *linker, void *context, const void *module, void *instance, void **trap))                            \
    X(bool, wasmtime_instance_export_get,                                                                              \
      (void *context, const void *instance, const void *name, size_t length, void *item))                              \
    X(void *, wasmtime_memory_data, (const void *context, const void *memory))                                         \
    X(void *, wasmtime_table_set, (void *context, const void *table, uint64_t index, const void *value))               \
    X(void *, wasmtime_error_new, (const void *message))                                                               \
    X(void *, wasmtime_trap_new, (const void *message, size_t length))                                                 \
    X(void, wasmtime_guestprofiler_sample, (void *profiler, const void *store, uint64_t delta_ns))

#define JC_WASMTIME_MEMBER(result, name, arguments) result(*name) arguments;

typedef struct jc_wasmtime {
    JC_WASMTIME(JC_WASMTIME_MEMBER)
} jc_wasmtime;

/* Set by jc_bind, and the same ever after: `jc_wt.wasmtime_context_set_fuel(context, fuel)`. */
extern jc_wasmtime jc_wt;

/*
 * The functions of the core that Wasmtime calls: result, name of the type, arguments, and where wasmtime-py declares
 * it: as a function and the position of its argument from 0, or as a struct and its field. The address of such a
 * function goes to Wasmtime through a pointer to its type, so it cannot have another one.
 */
#define JC_CALLBACKS(X)                                                                                                \
    X(void *, jc_tick_callback, (void *context, void *data, uint64_t *ticks, uint8_t *kind),                           \
      "wasmtime_store_epoch_deadline_callback 1")                                                                      \
    X(void *, jc_host_call_callback, (void *env, void *caller, void *slots, size_t count),                             \
      "wasmtime_linker_define_func_unchecked 6")                                                                       \
    X(void, jc_let_go_callback, (void *env), "wasmtime_linker_define_func_unchecked 8")                                \
    X(void *, jc_new_memory_callback,                                                                                  \
      (void *env, void *type, size_t minimum, size_t maximum, size_t reserved, size_t guard, void *memory),            \
      "wasmtime_memory_creator new_memory")                                                                            \
    X(void *, jc_get_memory_callback, (void *env, size_t *size, size_t *maximum), "wasmtime_linear_memory get_memory") \
    X(void *, jc_grow_memory_callback, (void *env, size_t size), "wasmtime_linear_memory grow_memory")                 \
    X(void, jc_finalize_callback, (void *env), "wasmtime_linear_memory finalizer")

#define JC_CALLBACK_TYPE(result, name, arguments, place) typedef result name arguments;

JC_CALLBACKS(JC_CALLBACK_TYPE)

#endif
