/* Live limits, the bytes of a runtime, and a running call held against both. */
#include "state.h"

#include "python.h"

#include <stdlib.h>
#include <string.h>

jc_limits *jc_limits_new(void) {
    jc_limits *limits = calloc(1, sizeof *limits);
    if (limits != NULL)
        for (int kind = 0; kind < JC_KINDS; kind++)
            atomic_store(&limits->most[kind], JC_NO_LIMIT);
    return limits;
}

void jc_limits_publish(jc_limits *limits, const int64_t *most) {
    atomic_fetch_add(&limits->version, 1);
    for (int kind = 0; kind < JC_KINDS; kind++)
        atomic_store(&limits->most[kind], most[kind]);
    atomic_fetch_add(&limits->version, 1);
}

void jc_limits_free(jc_limits *limits) {
    if (!jc_is_over()) /* at exit a guest may still look at it */
        free(limits);
}

static void read_block(jc_limits *limits, int64_t most[JC_KINDS]) {
    for (;;) {
        uint64_t version = atomic_load(&limits->version);
        for (int kind = 0; kind < JC_KINDS; kind++)
            most[kind] = atomic_load(&limits->most[kind]);
        if (version % 2 == 0 && atomic_load(&limits->version) == version)
            return;
        jc_yield();
    }
}

/* On the thread of the call. */
void jc_read_limits(jc_call *call, jc_in_force *found) {
    for (int kind = 0; kind < JC_KINDS; kind++) {
        found->most[kind] = JC_NO_LIMIT;
        found->owner[kind] = JC_PLUGIN;
    }
    for (int owner = 0; owner < JC_OWNERS; owner++) {
        jc_limits *limits = atomic_load(&call->limits[owner]);
        int64_t most[JC_KINDS];
        if (limits == NULL)
            continue;
        read_block(limits, most);
        for (int kind = 0; kind < JC_KINDS; kind++)
            if (most[kind] < found->most[kind] ||
                (owner == JC_OWN && most[kind] == found->most[kind] && most[kind] != JC_NO_LIMIT)) {
                found->most[kind] = most[kind];
                found->owner[kind] = owner;
            }
    }
}

/* Memory of calls goes from call to call, and never back to the system: another thread may cancel one that just ended.
 */
static struct {
    pthread_mutex_t lock;
    jc_call *free; /* by `outer` */
    int64_t tokens;
} calls = {PTHREAD_MUTEX_INITIALIZER, NULL, 0};

jc_call *jc_call_new(int64_t id, int64_t signals, jc_call *outer, jc_limits *plugin, jc_limits *own,
                     jc_limits *former) {
    if (atomic_load(&jc_here.forked))
        return NULL;
    pthread_mutex_lock(&calls.lock);
    jc_call *call = calls.free;
    if (call != NULL)
        calls.free = call->outer;
    else
        call = calloc(1, sizeof *call);
    if (call != NULL) {
        int64_t cancelled = atomic_load(&call->cancelled); /* of an earlier one, so below the token */
        uint8_t *staging = call->staging;
        uint64_t room = call->staging_room;
        memset(call, 0, offsetof(jc_call, numbers));
        atomic_store(&call->cancelled, cancelled);
        call->staging = staging;
        call->staging_room = room;
        call->id = id;
        call->token = ++calls.tokens;
        call->signals = signals;
        call->outer = outer;
        atomic_store(&call->limits[JC_PLUGIN], plugin);
        atomic_store(&call->limits[JC_OWN], own);
        atomic_store(&call->limits[JC_FORMER], former);
    }
    pthread_mutex_unlock(&calls.lock);
    return call;
}

bool jc_call_make_staging(jc_call *call, uint64_t length) {
    if (length <= call->staging_room)
        return true;
    uint64_t wanted = length <= JC_STAGED / 16 ? JC_STAGED / 16 : JC_STAGED;
    uint8_t *room = realloc(call->staging, wanted);
    if (room == NULL)
        return false;
    call->staging = room;
    call->staging_room = wanted;
    return true;
}

void jc_call_free(jc_call *call) {
    if (jc_is_over())
        return;
    void *raised = call->raised, *half = call->python;
    call->raised = call->python = NULL;
    jc_drop(raised); /* before the lock: what Python does then may make or free calls */
    jc_drop(half);
    jc_forget_refusals(call);
    pthread_mutex_lock(&calls.lock);
    call->token = 0;
    call->outer = calls.free;
    calls.free = call;
    pthread_mutex_unlock(&calls.lock);
}

void jc_call_limit(jc_call *call, int64_t token, int32_t owner, jc_limits *limits) {
    if (owner < 0 || owner >= JC_OWNERS || atomic_load(&jc_here.forked))
        return;
    pthread_mutex_lock(&calls.lock);
    if (call->token == token) /* or it is another call's by now */
        atomic_store(&call->limits[owner], limits);
    pthread_mutex_unlock(&calls.lock);
}

/* A late cancel of an earlier call cannot take back one of a later call: tokens only grow. */
void jc_cancel(jc_call *call, int64_t token) {
    int64_t before = atomic_load(&call->cancelled);
    while (before < token && !atomic_compare_exchange_weak(&call->cancelled, &before, token))
        ;
}

void jc_call_start(jc_call *call) {
    if (call->began_ns == 0) {
        call->began_ns = jc_now_ns();
        call->cpu_began_ns = jc_cpu_ns();
    }
}

void jc_note_excess(jc_call *call, const jc_in_force *found, enum jc_kind kind, int64_t used) {
    call->kind = (int32_t)kind;
    call->owner = found->owner[kind];
    call->limit = found->most[kind];
    call->used = used;
}

static int exceed(jc_call *call, const jc_in_force *found, enum jc_kind kind, int64_t used) {
    jc_note_excess(call, found, kind, used);
    return call->stop = JC_EXCEEDED;
}

enum { CLOCKS_APART_NS = 1000000 };

static int look_at_clocks(jc_call *call, const jc_in_force *found) {
    if (call->began_ns == 0)
        return JC_GOES_ON;
    int64_t wall = jc_now_ns() - call->began_ns;
    if (found->most[JC_WALL] != JC_NO_LIMIT) {
        int64_t used = wall + call->spent_wall_ns;
        if (used > found->most[JC_WALL])
            return exceed(call, found, JC_WALL, used);
    }
    /* A thread has no more CPU time than time has passed. The clock of CPU time is a system call, so it is not read
     * where it cannot matter yet. Of two clocks one may run a little faster, and was read a little later. */
    if (found->most[JC_CPU] != JC_NO_LIMIT &&
        wall + wall / 64 + CLOCKS_APART_NS >= found->most[JC_CPU] - call->spent_cpu_ns) {
        int64_t used = jc_cpu_ns() - call->cpu_began_ns + call->spent_cpu_ns;
        if (used > found->most[JC_CPU])
            return exceed(call, found, JC_CPU, used);
    }
    return JC_GOES_ON;
}

static int look(jc_call *call, bool at_memory) {
    if (call->stop != JC_GOES_ON)
        return call->stop;
    if (atomic_load(&jc_here.door))
        return call->stop = JC_EXITED;
    if (atomic_load(&call->cancelled) == call->token)
        return call->stop = JC_CANCELLED;
    if (call->outer != NULL && look(call->outer, true) != JC_GOES_ON) /* which looks at its own outer call */
        return call->stop = JC_OUTER_STOPPED;
    jc_in_force found;
    jc_read_limits(call, &found);
    if (look_at_clocks(call, &found) != JC_GOES_ON)
        return call->stop;
    if (at_memory && call->box != NULL && call->box->held > found.most[JC_MEMORY])
        return exceed(call, &found, JC_MEMORY, call->box->held);
    return JC_GOES_ON;
}

int jc_look(jc_call *call) { return look(call, true); }

int jc_look_at_time(jc_call *call) { return look(call, false); }

/* --- the bytes of a runtime --- */

jc_pool *jc_pool_new(int64_t ceiling) {
    jc_pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL) {
        atomic_store(&pool->ceiling, ceiling);
        atomic_store(&pool->references, 1);
    }
    return pool;
}

void jc_pool_hold(jc_pool *pool) { atomic_fetch_add(&pool->references, 1); }

void jc_pool_release(jc_pool *pool) {
    if (!jc_is_over() && atomic_fetch_sub(&pool->references, 1) == 1)
        free(pool);
}

bool jc_pool_take(jc_pool *pool, int64_t size) {
    int64_t used = atomic_load(&pool->used);
    do {
        if (size > atomic_load(&pool->ceiling) - used) /* used is never above: no overflow */
            return false;
    } while (!atomic_compare_exchange_weak(&pool->used, &used, used + size));
    return true;
}

void jc_pool_give_back(jc_pool *pool, int64_t size) { atomic_fetch_sub(&pool->used, size); }
