/*
 * Counts the signals that Python handles, so that a guest on the main thread can be left for their handlers.
 *
 * Python's C handler notes a signal, and the interpreter runs the handler between two of its steps: none comes while a
 * guest runs. So ours stands before Python's, and counts. It is put only where Python's own stands: handlers of others,
 * faulthandler's for one, default ones and ignored signals stay as they are. It calls Python's by its address, never
 * "the one before", so two that were put over each other cannot call each other for ever.
 *
 * Each tick of a call on the main thread looks where Python's own stands: whatever the program or a host service has
 * set since is counted from there on. Calls that are shorter than a tick need no count. A handler of others that stands
 * before Python's may call it or not: there Python is asked each eighth tick.
 */
#define _GNU_SOURCE
#include "state.h"

#include <signal.h>

typedef void (*handler)(int);

static handler _Atomic pythons;

static struct {
    int numbers[64]; /* each is 1 to 64 */
    size_t count;
    uint64_t handled;
    uint64_t looks;
} watched;

enum { HIDDEN_TICKS = 8 };

static struct {
    struct sigaction action;
    int number; /* 0: none is kept */
} kept;

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

/* The main thread: these are the signals that Python may handle. */
void jc_signals_watch(const int *numbers, size_t length) {
    watched.count = 0;
    for (size_t at = 0; at < length && at < sizeof watched.numbers / sizeof watched.numbers[0]; at++)
        if (numbers[at] >= 1 && numbers[at] <= 64)
            watched.numbers[watched.count++] = numbers[at];
}

static bool is_pythons(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == atomic_load(&pythons);
}

/* The main thread: of those, the signals that it handles now; the lowest bit is signal 1. */
void jc_signals_handled(uint64_t numbers) { watched.handled = numbers; }

/* The main thread, which alone sets Python's handlers. Where one is new, a signal may have come that was not counted:
 * it counts as come. So it does, now and then, where a handler of others stands before one of Python's. */
void jc_signals_stand(void) {
    bool hidden = false;
    if (atomic_load(&pythons) == NULL)
        return;
    for (size_t at = 0; at < watched.count; at++) {
        struct sigaction now;
        int number = watched.numbers[at];
        if (sigaction(number, NULL, &now) != 0)
            continue;
        if (is_pythons(&now)) {
            now.sa_handler = count;
            now.sa_flags |= SA_ONSTACK;
            if (sigaction(number, &now, NULL) == 0)
                atomic_fetch_add(&jc_here.signals, 1);
        } else if (now.sa_handler != count && now.sa_handler != SIG_IGN && now.sa_handler != SIG_DFL) {
            hidden = hidden || (watched.handled >> (number - 1) & 1) != 0;
        }
    }
    if (hidden && ++watched.looks % HIDDEN_TICKS == 0)
        atomic_fetch_add(&jc_here.signals, 1);
}

/* The main thread, before Python's handler is wrapped, which installs Python's C handler: keep the one of others. */
void jc_signals_keep(int number) {
    kept.number = 0;
    if (sigaction(number, NULL, &kept.action) != 0)
        return;
    bool ours = (kept.action.sa_flags & SA_SIGINFO) == 0 && kept.action.sa_handler == count;
    if (!ours && !is_pythons(&kept.action))
        kept.number = number;
}

/* Behind it: put theirs in front again. */
void jc_signals_put_back(void) {
    if (kept.number != 0)
        sigaction(kept.number, &kept.action, NULL);
    kept.number = 0;
}

int64_t jc_signals_seen(void) { return atomic_load(&jc_here.signals); }
