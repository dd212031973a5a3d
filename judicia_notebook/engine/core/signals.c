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
 * before Python's may call it or not: there Python is asked now and then, though no signal may have come. To ask takes
 * Python's lock, which another thread may hold for long, and the call's wall clock goes on: so a call is asked for only
 * once it has run for a while, and has run for a while since it was last asked for.
 */
#include "state.h"

static jc_handler _Atomic pythons;

static struct {
    int numbers[64]; /* each is 1 to 64 */
    size_t count;
    uint64_t handled;
    int64_t asked_ns; /* when Python had last run handlers for a tick */
} watched;

static const int64_t HIDDEN_NS = 80000000;

static struct {
    jc_action action;
    int number; /* 0: none is kept */
} kept;

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

/* The main thread: these are the signals that Python may handle. */
void jc_signals_watch(const int *numbers, size_t length) {
    watched.count = 0;
    for (size_t at = 0; at < length && at < sizeof watched.numbers / sizeof watched.numbers[0]; at++)
        if (numbers[at] >= 1 && numbers[at] <= 64)
            watched.numbers[watched.count++] = numbers[at];
}

/* The main thread: of those, the signals that it handles now; the lowest bit is signal 1. */
void jc_signals_handled(uint64_t numbers) { watched.handled = numbers; }

/* The main thread, which alone sets Python's handlers. Where one is new, a signal may have come that was not counted:
 * it counts as come. Whether a handler of others stands before one of Python's. */
static bool stand(void) {
    bool hidden = false;
    jc_handler python = atomic_load(&pythons);
    for (size_t at = 0; at < watched.count && python != NULL; at++) {
        int number = watched.numbers[at];
        jc_handler now = jc_handler_get(number);
        if (now == python && jc_handler_put(number, count))
            atomic_fetch_add(&jc_here.signals, 1);
        else if (now != NULL && now != python && now != count && now != SIG_IGN && now != SIG_DFL)
            hidden = hidden || (watched.handled >> (number - 1) & 1) != 0;
    }
    return hidden;
}

void jc_signals_stand(void) { (void)stand(); }

bool jc_signals_came(jc_call *call) {
    bool hidden = stand();
    int64_t before = call->signals, now = jc_now_ns();
    call->signals = atomic_load(&jc_here.signals);
    if (call->signals != before)
        return true;
    return hidden && now - call->began_ns >= HIDDEN_NS && now - watched.asked_ns >= HIDDEN_NS;
}

void jc_signals_asked(void) { watched.asked_ns = jc_now_ns(); }

/* The main thread, before Python's handler is wrapped, which installs Python's C handler: keep the one of others. */
void jc_signals_keep(int number) {
    jc_handler now = jc_handler_get(number);
    bool theirs = now != count && now != atomic_load(&pythons);
    kept.number = theirs && jc_action_get(number, &kept.action) ? number : 0;
}

/* Behind it: put theirs in front again. */
void jc_signals_put_back(void) {
    if (kept.number != 0)
        jc_action_put(kept.number, &kept.action);
    kept.number = 0;
}

int64_t jc_signals_seen(void) { return atomic_load(&jc_here.signals); }
