/*
 * The one ticker: a thread that advances the epoch of every engine each 10 ms, while calls run.
 *
 * It needs no lock of Python's, so no Python thread can hold up a limit. It blocks all signals: they are Python's.
 * Parking and entering cannot miss each other: an entry writes `running`, then reads `parked`; the ticker writes
 * `parked`, then reads `running`, both sequentially consistent.
 */
#include "state.h"

#include <errno.h>

enum { TICK_NS = 10000000, IDLE_TICKS = 5 };
static const int64_t STALE_NS = 1000000000;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake; /* under the lock, as all of this */
    bool started;
} parking = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};

jc_ticker *jc_ticker_state(void) { return &jc_here.ticker; }

static void sleep_ns(int64_t ns) {
    struct timespec left = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* Sleep until one interval after the last turn was due; when this one was. A turn that came late is followed by one in
 * time, so that delays do not add up. Turns that were missed are left out. */
static int64_t sleep_until_due(int64_t last, int64_t interval) {
    if (interval <= 0)
        interval = TICK_NS;
    int64_t now = jc_now_ns(), due = last + interval > now ? last + interval : now + interval;
    sleep_ns(due - now);
    return due;
}

static void park(jc_ticker *ticker) {
    atomic_store(&ticker->parked, 1);
    if (atomic_load(&ticker->running) == 0) {
        pthread_mutex_lock(&parking.lock);
        while (!parking.wake)
            pthread_cond_wait(&parking.woken, &parking.lock);
        parking.wake = false;
        pthread_mutex_unlock(&parking.lock);
    }
    atomic_store(&ticker->beat_ns, jc_now_ns());
    atomic_store(&ticker->parked, 0);
}

static void advance(void) {
    int64_t count = atomic_load(&jc_here.engine_count);
    for (int64_t at = 0; at < count; at++)
        jc_wt.wasmtime_engine_increment_epoch(atomic_load(&jc_here.engines[at]));
}

static void *tick_for_ever(void *unused) {
    jc_ticker *ticker = &jc_here.ticker;
    (void)unused;
    jc_name_thread("judicia-ticker"); /* for `top -H`; the system has room for 15 characters */
    int64_t due = jc_now_ns();
    for (int idle = 0;;) {
        if (idle >= IDLE_TICKS) {
            park(ticker);
            idle = 0;
            due = jc_now_ns();
        }
        due = sleep_until_due(due, atomic_load(&ticker->interval_ns));
        if (atomic_load(&ticker->running) > 0) {
            idle = 0;
            advance();
            jc_watch_look();
            atomic_fetch_add(&ticker->ticks, 1);
        } else {
            idle++;
        }
        atomic_fetch_add(&ticker->turns, 1);
        atomic_store(&ticker->beat_ns, jc_now_ns());
    }
    return NULL;
}

/* With the lock held. */
static bool start(void) {
    jc_signals before;
    pthread_t thread;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstacksize(&attributes, (size_t)256 << 10);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    jc_signals_block(&before);
    atomic_store(&jc_here.ticker.beat_ns, jc_now_ns());
    bool started = pthread_create(&thread, &attributes, tick_for_ever, NULL) == 0;
    jc_signals_restore(&before);
    pthread_attr_destroy(&attributes);
    return started;
}

int jc_ticker_wake(void) {
    if (atomic_load(&jc_here.forked))
        return JC_FORKED;
    pthread_mutex_lock(&parking.lock);
    if (!parking.started) {
        parking.started = start();
        atomic_store(&jc_here.ticker.alive, parking.started);
    } else if (atomic_load(&jc_here.ticker.parked)) {
        parking.wake = true;
        pthread_cond_signal(&parking.woken);
    }
    bool started = parking.started;
    pthread_mutex_unlock(&parking.lock);
    return started ? JC_OK : JC_NO_TICKER;
}

/* For an entry that has counted itself in `running`. */
int jc_entry_needs(int64_t now_ns) {
    jc_ticker *ticker = &jc_here.ticker;
    if (!atomic_load(&ticker->alive) || atomic_load(&ticker->parked))
        return jc_ticker_wake();
    return now_ns - atomic_load(&ticker->beat_ns) > STALE_NS ? JC_STALE : JC_OK;
}
