/*
 * Loops over rows: one function of an instance, called once for each row of a block of columns.
 *
 * wasm/row_loop.py writes a small module for each type of function, which loops over a memory of its own. It is a
 * second instance in the box's store, where Wasmtime stops it and counts its fuel like any guest. The function comes
 * to it in a table, and nothing of it goes to the guest: no guest can name its memory.
 *
 * Fuel of the loop itself is given back, so that rows cost what they cost alone. With a limit of fuel that would let a
 * guest use the rows' share before their turn, so then C calls row by row.
 */
#include "state.h"

#include <string.h>

typedef struct item { /* wasmtime_extern_t; a wasmtime_val_t looks the same */
    uint8_t kind;
    uint64_t of[3];
} item;

enum { VALUE_FUNC = 5 };

static bool find(jc_box *box, const uint64_t *instance, const char *name, uint8_t kind, item *found) {
    return jc_wt.wasmtime_instance_export_get(box->context, instance, name, strlen(name), found) && found->kind == kind;
}

static bool take_exports(jc_box *box, const uint64_t *instance, jc_loop *loop) {
    item memory, table, func;
    if (!find(box, instance, "columns", EXTERN_MEMORY, &memory) ||
        !find(box, instance, "function", EXTERN_TABLE, &table) || !find(box, instance, "loop", EXTERN_FUNC, &func))
        return false;
    loop->block = jc_wt.wasmtime_memory_data(box->context, memory.of);
    memcpy(loop->table, table.of, sizeof loop->table);
    memcpy(loop->func, func.of, sizeof loop->func);
    return true;
}

static int make(jc_box *box, const void *pre, jc_loop *loop) {
    void *trap = NULL, *error;
    uint64_t instance[2], left = 0;
    bool counts = box->fuel_set != JC_NO_FUEL;
    if (box->call == NULL)
        return JC_FOREIGN;
    if (box->loop_count == JC_LOOPS)
        return JC_NO_ROOM;
    box->loop_count++; /* also of one that cannot be made: Wasmtime may have counted its instance */
    if (counts && (jc_wt.wasmtime_context_get_fuel(box->context, &left) != NULL ||
                   jc_wt.wasmtime_context_set_fuel(box->context, JC_UNLIMITED_FUEL) != NULL))
        return JC_FOREIGN;
    jc_limit_elements(box, -1);
    jc_memories_begin_ours(box);
    error = jc_wt.wasmtime_instance_pre_instantiate(pre, box->context, instance, &trap);
    jc_memories_end();
    jc_limit_elements(box, box->limited_elements);
    if (counts && jc_wt.wasmtime_context_set_fuel(box->context, left) != NULL)
        return JC_FOREIGN;
    if (error == NULL && trap == NULL)
        return take_exports(box, instance, loop) ? JC_OK : JC_FOREIGN;
    box->trap = trap;
    box->error = error;
    return JC_NO_ROOM;
}

int jc_loop_make(jc_box *box, const void *pre, jc_loop *loop) { return jc_come_out(box, make(box, pre, loop)); }

/* Give fuel back that was the loop's own. */
static void give_fuel(jc_box *box, int64_t fuel) {
    uint64_t left = 0;
    if (box->fuel_set == JC_NO_FUEL)
        return;
    if (jc_wt.wasmtime_context_get_fuel(box->context, &left) == NULL && left <= JC_UNLIMITED_FUEL && fuel > 0)
        (void)jc_wt.wasmtime_context_set_fuel(box->context, left + (uint64_t)fuel);
}

static int run_generated(jc_box *box, jc_loop *loop, const uint64_t *func, uint32_t count) {
    item value = {VALUE_FUNC, {func[0], func[1], 0}};
    uint64_t slots[2] = {count, 0};
    uint32_t ended;
    void *error = jc_wt.wasmtime_table_set(box->context, loop->table, 0, &value);
    if (error != NULL) {
        box->error = error;
        return JC_TRAPPED;
    }
    int status = jc_run_on(box, loop->func, slots, 1);
    memcpy(&ended, loop->block, sizeof ended);
    loop->rows = ended < count ? ended : count;
    give_fuel(box, loop->row_fuel * loop->rows + (status == JC_TRAPPED ? loop->begun_fuel : loop->fixed_fuel));
    return status;
}

static void copy_number(void *to, const void *from, uint32_t size) {
    if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, 8);
}

static uint8_t *place(const jc_loop *loop, const jc_column *column, uint32_t row) {
    return loop->block + column->offset + (size_t)row * column->size;
}

static int run_each(jc_box *box, jc_loop *loop, const uint64_t *func, uint32_t count) {
    const jc_column *results = loop->columns + loop->arguments;
    int32_t most = loop->arguments > loop->results ? loop->arguments : loop->results;
    for (uint32_t row = 0; row < count; row++) {
        for (int32_t at = 0; at < loop->arguments; at++)
            copy_number(&loop->slots[2 * at], place(loop, &loop->columns[at], row), loop->columns[at].size);
        int status = jc_run_on(box, func, loop->slots, most > 0 ? (size_t)most : 1);
        if (status != JC_OK && status != JC_STOPPED)
            return status;
        for (int32_t at = 0; at < loop->results; at++)
            copy_number(place(loop, &results[at], row), &loop->slots[2 * at], results[at].size);
        loop->rows = row + 1;
        if (status == JC_STOPPED)
            return status;
    }
    return JC_OK;
}

int jc_loop_run(jc_box *box, jc_loop *loop, const uint64_t *func, uint32_t count) {
    loop->rows = 0;
    if (box->call == NULL || func[0] != box->instance[0])
        return jc_come_out(box, JC_FOREIGN);
    memset(loop->block, 0, sizeof count); /* where the generated loop counts its rows */
    bool generated = loop->func[0] != 0 && box->fuel_set >= JC_UNLIMITED_FUEL;
    return jc_come_out(box, generated ? run_generated(box, loop, func, count) : run_each(box, loop, func, count));
}
