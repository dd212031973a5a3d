/*
 * Counts the signals that Python handles, so that a guest on the main thread can be left for their handlers.
 *
 * Python's C handler notes a signal, and the interpreter runs the handler between two of its steps: none comes while a
 * guest runs. So ours stands before Python's, and counts. It is put only where Python's own stands: handlers of others,
 * faulthandler's for one, default ones and ignored signals stay as they are. It calls Python's by its address, never
 * "the one before", so two that were put over each other cannot call each other for ever.
 */
#include "state.h"

static jc_handler _Atomic pythons;

static void count(int number) {
    atomic_fetch_add(&jc_here.signals, 1);
    jc_handler next = atomic_load(&pythons);
    if (next != NULL)
        next(number);
    jc_handler_stays(number, count);
}

/* A signal for which Python has just set a handler. The main thread. */
void jc_signals_learn(int number) {
    jc_handler now = jc_handler_get(number);
    if (now != NULL && now != count)
        atomic_store(&pythons, now);
}

/* The main thread, which alone sets Python's handlers. How many are counted now. */
int jc_signals_watch(const int *numbers, size_t length) {
    int watched = 0;
    jc_handler python = atomic_load(&pythons);
    for (size_t at = 0; at < length && python != NULL; at++) {
        jc_handler now = jc_handler_get(numbers[at]);
        if (now == python && jc_handler_put(numbers[at], count))
            now = count;
        watched += now == count;
    }
    return watched;
}

int64_t jc_signals_seen(void) { return atomic_load(&jc_here.signals); }
