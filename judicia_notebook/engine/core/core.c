/* The process: its one state, what a fork and Python's exit do to it. */
#include "state.h"

jc_process jc_here;

static void after_fork_in_child(void) { atomic_store(&jc_here.forked, 1); }

int jc_start(void *answer, void *halve, void *is_interrupted) {
    if (!jc_host_give(answer, halve, is_interrupted))
        return 0;
    return jc_at_fork(after_fork_in_child) ? 0 : -1;
}

/* Under Python's lock, so one at a time. Engines are never freed, and the list only grows: the ticker takes no lock. */
int jc_watch_engine(void *engine, bool fuel, bool exceptions) {
    int64_t count = atomic_load(&jc_here.engine_count);
    if (count == JC_ENGINES)
        return -1;
    atomic_store(&jc_here.engines[count], engine);
    jc_here.engine_has_fuel[count] = fuel;
    jc_here.engine_has_exceptions[count] = exceptions;
    atomic_store(&jc_here.engine_count, count + 1);
    return 0;
}

/* The place of an engine; below 0 for one that nothing ticks. */
static int64_t place_of(const void *engine) {
    int64_t at = atomic_load(&jc_here.engine_count);
    while (--at >= 0 && atomic_load(&jc_here.engines[at]) != engine)
        ;
    return at;
}

bool jc_engine_has_fuel(const void *engine) {
    int64_t at = place_of(engine);
    return at < 0 || jc_here.engine_has_fuel[at];
}

bool jc_engine_has_exceptions(const void *engine) {
    int64_t at = place_of(engine);
    return at >= 0 && jc_here.engine_has_exceptions[at];
}

int64_t jc_close_door(void) {
    atomic_store(&jc_here.door, 1);
    return atomic_load(&jc_here.inside);
}

void jc_traps_handled_by(const void *handler) { atomic_store(&jc_here.trap_handler, handler); }

int64_t jc_stack_left(void) {
    static _Thread_local char *low;
    char here;
    if (low == NULL && (low = jc_stack_low()) == NULL)
        return -1;
    return &here < low ? 0 : (int64_t)(&here - low);
}

bool jc_thread_is_fit(void) {
    if (jc_stack_left() < (int64_t)JC_STACK_PER_GUEST)
        return false;
    const void *expected = atomic_load(&jc_here.trap_handler);
    return expected == NULL || jc_trap_handler() == expected;
}
