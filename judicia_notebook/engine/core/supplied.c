/*
 * Instances of modules that import memories, globals or tables.
 *
 * Such a thing belongs to one store, so each instance gets its own. Another small module of ours, the provider, defines
 * and exports them: `wasmtime_memory_new` would make a memory without asking for ours, and so in nobody's account. Its
 * memories are the guest's, as those that the guest's module defines.
 */
#include "state.h"

static void *define_all(jc_box *box, void *linker, const jc_supplied *from, const uint64_t *provider) {
    for (uint64_t at = 0; at < from->count; at++) {
        const jc_supply *wanted = &from->supplies[at];
        extern_item item;
        if (!jc_wt.wasmtime_instance_export_get(box->context, provider, wanted->exported, wanted->exported_length,
                                                &item))
            return jc_wt.wasmtime_error_new("what is supplied is not there");
        void *error = jc_wt.wasmtime_linker_define(linker, box->context, wanted->module, wanted->module_length,
                                                   wanted->name, wanted->name_length, &item);
        if (error != NULL)
            return error;
    }
    return NULL;
}

void *jc_instantiate_from(jc_box *box, const jc_supplied *from, const jc_image *images, size_t count, void **trap) {
    uint64_t provider[2] = {0, 0};
    jc_memories_begin(box, from->images, (size_t)from->image_count);
    void *error = jc_wt.wasmtime_instance_pre_instantiate(from->provider, box->context, provider, trap);
    jc_memories_end();
    if (error != NULL || *trap != NULL)
        return error;
    void *linker = jc_wt.wasmtime_linker_clone(from->linker);
    error = define_all(box, linker, from, provider);
    if (error == NULL) {
        jc_memories_begin_module(box, images, count);
        error = jc_wt.wasmtime_linker_instantiate(linker, box->context, from->module, box->instance, trap);
        jc_memories_end();
    }
    jc_wt.wasmtime_linker_delete(linker);
    return error;
}
