/*
 * An instance for one call: in a box that the walk has made and entered, from a template that Python has written.
 *
 * What runs meanwhile is on the call's clocks and in its limits. Where it does not come to its end, `step` of the call
 * says how far it came, and Python makes the error.
 */
#include "walk.h"

static bool find(jc_box *box, const char *name, size_t length, uint64_t func[2]) {
    extern_item item;
    if (!jc_wt.wasmtime_instance_export_get(box->context, box->instance, name, length, &item) ||
        item.kind != EXTERN_FUNC)
        return false;
    func[0] = item.of[0];
    func[1] = item.of[1];
    return true;
}

/* Python has compared the types of these exports: a function that is there has the right one. */
static int initialize(jc_box *box) {
    uint64_t func[2], slots[2] = {0, 0};
    if (!find(box, "_initialize", sizeof "_initialize" - 1, func))
        return JC_FOREIGN;
    return jc_run_on(box, func, slots, 1);
}

int jc_make(jc_box *box, const jc_template *from) {
    jc_call *call = box->call;
    call->step = JC_STARTS;
    int status = jc_instantiate_on(box, from->pre, NULL, from->images, (size_t)from->image_count);
    if (status != JC_OK)
        return status;
    if (from->has_allocator && (!find(box, "judicia_alloc", sizeof "judicia_alloc" - 1, box->alloc) ||
                                !find(box, "judicia_free", sizeof "judicia_free" - 1, box->free_)))
        return JC_FOREIGN;
    call->step = JC_INITIALIZES;
    if (from->is_reactor && (status = initialize(box)) != JC_OK)
        return status;
    call->step = JC_MADE;
    box->number = jc_instance_number();
    return JC_OK;
}
