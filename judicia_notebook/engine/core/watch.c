/*
 * The watch over guests without metering. Their code cannot be stopped, so they run in a child process of ours, and at
 * a limit the ticker ends that process.
 *
 * - The ticker looks at the call that is inside by the limits and the clocks of any call. At a limit it writes one
 *   jc_verdict to the parent and ends the process at once: no handler runs, and nothing waits for Python's lock.
 * - Nothing of the child's is half written then. Python writes to that pipe between calls alone, and a call that is
 * about to leave waits for the watch's lock: either it has left, or its verdict is the last thing the process says.
 * - A verdict goes into a pipe whole or not at all. The pipe is empty then; if it were not, the process would end
 * without a verdict rather than wait, and the parent reads that as killed.
 * - The process also ends where its parent has: the other pipe is closed, or another process is the parent now. A
 *   process that was forked from the parent may keep the pipe open for longer than the parent lives.
 */
#include "state.h"

#include <string.h>

static struct {
    pthread_mutex_t lock;
    _Atomic int32_t stands;
    int requests, verdicts; /* descriptors of pipes; these and those that follow never change once it stands */
    int64_t parent;
    jc_call *call; /* that is inside; under the lock, as all that follows */
    int64_t entered_ns;
    int64_t cpu_base_ns; /* of the process, where the call's CPU time was 0 */
    int64_t memory_before;
    struct {
        uint8_t header[JC_VERDICT_HEADER];
        jc_verdict verdict;
    } last;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

int jc_watch_calls(int requests, int verdicts, int64_t parent, const uint8_t *header, size_t length) {
    if (!jc_can_watch() || atomic_load(&watch.stands) || length != sizeof watch.last.header)
        return -1;
    watch.requests = requests;
    watch.verdicts = verdicts;
    watch.parent = parent;
    memcpy(watch.last.header, header, length);
    atomic_store(&watch.stands, 1);
    return 0;
}

void jc_watch_enter(jc_call *call, const jc_box *box) {
    if (!atomic_load(&watch.stands))
        return;
    pthread_mutex_lock(&watch.lock);
    watch.call = call;
    watch.entered_ns = jc_now_ns();
    watch.cpu_base_ns = jc_process_cpu_ns() - (jc_cpu_ns() - call->cpu_began_ns);
    watch.memory_before = box->held;
    pthread_mutex_unlock(&watch.lock);
}

void jc_watch_leave(void) {
    if (!atomic_load(&watch.stands))
        return;
    pthread_mutex_lock(&watch.lock);
    watch.call = NULL;
    pthread_mutex_unlock(&watch.lock);
}

static void end(const jc_call *call, const jc_in_force *found, enum jc_kind kind, int64_t now, int64_t cpu_ns) {
    jc_verdict *verdict = &watch.last.verdict;
    const jc_box *box = call->box;
    int64_t entered = watch.entered_ns, held = watch.memory_before;
    if (call->way != NULL && call->step == JC_MADE && call->entered_ns > entered) { /* it made its instance inside */
        entered = call->entered_ns;
        held = call->numbers[JC_MEMORY_BYTES];
    }
    verdict->kind = (int64_t)kind;
    verdict->owner = found->owner[kind];
    verdict->limit = found->most[kind];
    verdict->setup_ns = entered - call->began_ns + call->spent_wall_ns;
    verdict->inside_ns = now - entered;
    verdict->used = kind == JC_CPU ? cpu_ns : verdict->setup_ns + verdict->inside_ns;
    verdict->cpu_ns = cpu_ns;
    verdict->host_ns = call->host_ns;
    verdict->host_calls = call->host_calls;
    verdict->denied = call->denied;
    verdict->memory_before = held;
    verdict->memory = box == NULL ? held : box->held;
    verdict->grows_refused = box == NULL ? 0 : box->grows_refused;
    jc_end_process(watch.verdicts, &watch.last, sizeof watch.last);
}

static void look(jc_call *call) {
    jc_in_force found;
    jc_read_limits(call, &found);
    int64_t now = jc_now_ns(), wall_ns = now - call->began_ns + call->spent_wall_ns;
    int64_t cpu_ns = jc_process_cpu_ns() - watch.cpu_base_ns + call->spent_cpu_ns;
    if (wall_ns > found.most[JC_WALL])
        end(call, &found, JC_WALL, now, cpu_ns);
    if (cpu_ns > found.most[JC_CPU])
        end(call, &found, JC_CPU, now, cpu_ns);
}

/* The ticker, at each tick. */
void jc_watch_look(void) {
    if (!atomic_load(&watch.stands))
        return;
    if (jc_is_orphan(watch.requests, watch.parent))
        jc_end_process(-1, NULL, 0);
    pthread_mutex_lock(&watch.lock);
    if (watch.call != NULL)
        look(watch.call);
    pthread_mutex_unlock(&watch.lock);
}
