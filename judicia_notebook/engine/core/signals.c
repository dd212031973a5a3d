/*
 * Counts the signals that Python handles, so that a guest on the main thread can be left for their handlers.
 *
 * Python's C handler notes a signal, and the interpreter runs the handler between two of its steps: none comes while a
 * guest runs. So ours stands before Python's, and counts. It is put only where Python's own stands: handlers of others,
 * faulthandler's for one, default ones and ignored signals stay as they are. It calls Python's by its address, never
 * "the one before", so two that were put over each other cannot call each other for ever.
 */
#define _GNU_SOURCE
#include "state.h"

#include <signal.h>

typedef void (*handler)(int);

static handler _Atomic pythons;

static void count(int number) {
    atomic_fetch_add(&jc_here.signals, 1);
    handler next = atomic_load(&pythons);
    if (next != NULL)
        next(number);
}

/* A signal for which Python has just set a handler. The main thread. */
void jc_signals_learn(int number) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler != count)
        atomic_store(&pythons, now.sa_handler);
}

/* The main thread, which alone sets Python's handlers. How many are counted now. */
int jc_signals_watch(const int *numbers, size_t length) {
    int watched = 0;
    handler python = atomic_load(&pythons);
    for (size_t at = 0; at < length && python != NULL; at++) {
        struct sigaction now;
        if (sigaction(numbers[at], NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0)
            continue;
        if (now.sa_handler == python) {
            now.sa_handler = count;
            now.sa_flags |= SA_ONSTACK;
            if (sigaction(numbers[at], &now, NULL) != 0)
                continue;
        }
        watched += now.sa_handler == count;
    }
    return watched;
}

int64_t jc_signals_seen(void) { return atomic_load(&jc_here.signals); }
