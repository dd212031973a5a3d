/* Samples of the calls of one runtime: a ring that grows up to its capacity, and then drops its oldest rows. */
#include "state.h"

#include <stdlib.h>
#include <string.h>

typedef struct jc_samples {
    pthread_mutex_t lock;
    jc_sample *rows;
    int64_t room;     /* rows that there is memory for now */
    int64_t capacity; /* rows at most */
    _Atomic int64_t end;      /* the position of the next row; the first one ever had 0 */
    _Atomic int64_t count;    /* rows that are kept */
    _Atomic int64_t dropped;
    int64_t began_ns;
    _Atomic int64_t references;
} jc_samples;

enum { FIRST_ROOM = 1024 };

jc_samples *jc_samples_new(int64_t capacity, int64_t began_ns) {
    jc_samples *samples = calloc(1, sizeof *samples);
    if (samples == NULL || capacity < 1 || pthread_mutex_init(&samples->lock, NULL) != 0) {
        free(samples);
        return NULL;
    }
    samples->capacity = capacity;
    samples->began_ns = began_ns;
    atomic_store(&samples->references, 1);
    return samples;
}

void jc_samples_hold(jc_samples *samples) { atomic_fetch_add(&samples->references, 1); }

void jc_samples_release(jc_samples *samples) {
    if (jc_is_over() || atomic_fetch_sub(&samples->references, 1) != 1)
        return;
    pthread_mutex_destroy(&samples->lock);
    free(samples->rows);
    free(samples);
}

/* A row's place follows from its position and the room. So rows move when there is more room. */
static bool grow(jc_samples *samples) {
    int64_t room = samples->room == 0 ? FIRST_ROOM : samples->room * 2;
    if (room > samples->capacity)
        room = samples->capacity;
    if (room <= samples->room || (uint64_t)room > SIZE_MAX / sizeof(jc_sample))
        return false;
    jc_sample *rows = malloc((size_t)room * sizeof *rows);
    if (rows == NULL)
        return false;
    for (int64_t at = samples->end - samples->count; at < samples->end; at++)
        rows[at % room] = samples->rows[at % samples->room];
    free(samples->rows);
    samples->rows = rows;
    samples->room = room;
    return true;
}

void jc_samples_add(jc_samples *samples, const jc_sample *sample) {
    if (jc_is_over())
        return;
    pthread_mutex_lock(&samples->lock);
    if (samples->count == samples->room && !grow(samples) && samples->count > 0) {
        samples->count--;
        samples->dropped++;
    }
    if (samples->room > 0) {
        samples->rows[samples->end % samples->room] = *sample;
        samples->count++;
        samples->end++;
    } else {
        samples->dropped++;
    }
    pthread_mutex_unlock(&samples->lock);
}

/* Inside. */
void jc_sample_now(jc_box *box, enum jc_event event) {
    jc_call *call = box->call;
    if (box->samples == NULL || call == NULL)
        return;
    jc_sample sample = {call->id, jc_now_ns() - box->samples->began_ns, jc_cpu_ns() - call->cpu_began_ns, box->held,
                        event};
    jc_samples_add(box->samples, &sample);
}

/* The three below may be a row behind: each is one number. */
int64_t jc_samples_end(jc_samples *samples) { return samples->end; }

int64_t jc_samples_count(jc_samples *samples) { return samples->count; }

int64_t jc_samples_dropped(jc_samples *samples) { return samples->dropped; }

/* Copy what is kept of the rows at positions `start` to `stop`; how many, and the position of the first one. */
int64_t jc_samples_read(jc_samples *samples, int64_t start, int64_t stop, jc_sample *out, int64_t *first) {
    if (atomic_load(&jc_here.forked))
        return 0;
    pthread_mutex_lock(&samples->lock);
    int64_t oldest = samples->end - samples->count;
    int64_t from = start < oldest ? oldest : start, to = stop > samples->end ? samples->end : stop;
    for (int64_t at = from; at < to; at++)
        out[at - from] = samples->rows[at % samples->room];
    pthread_mutex_unlock(&samples->lock);
    *first = from;
    return to > from ? to - from : 0;
}

void jc_samples_clear(jc_samples *samples) {
    if (jc_is_over())
        return;
    pthread_mutex_lock(&samples->lock);
    atomic_store(&samples->count, 0);
    atomic_store(&samples->dropped, 0);
    pthread_mutex_unlock(&samples->lock);
}
