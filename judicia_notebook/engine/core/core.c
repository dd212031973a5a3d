/* The process: its one state, what a fork and Python's exit do to it. */
#include "state.h"

jc_process jc_here;

static void after_fork_in_child(void) { atomic_store(&jc_here.forked, 1); }

/* The importing thread. A second copy of our Python code brings thunks of its own: the first ones stay. */
int jc_start(jc_host_function host, jc_signal_function signals) {
    if (jc_here.host_function != NULL)
        return 0;
    if (!jc_at_fork(after_fork_in_child))
        return -1;
    jc_here.host_function = host;
    jc_here.signal_function = signals;
    return 0;
}

/* Under Python's lock, so one at a time. Engines are never freed, and the list only grows: the ticker takes no lock. */
int jc_watch_engine(void *engine) {
    int64_t count = atomic_load(&jc_here.engine_count);
    if (count == JC_ENGINES)
        return -1;
    atomic_store(&jc_here.engines[count], engine);
    atomic_store(&jc_here.engine_count, count + 1);
    return 0;
}

int64_t jc_close_door(void) {
    atomic_store(&jc_here.door, 1);
    return atomic_load(&jc_here.inside);
}
