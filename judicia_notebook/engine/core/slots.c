/*
 * The slots of one plugin: how many calls there may be at once, which instances wait for one, and which calls walk.
 *
 * Python's queue of waiting calls is Python's. Here is only their number: while one waits, none that comes later takes
 * a slot. So the walk of a call asks Python nothing, and still no call overtakes another.
 */
#include "walk.h"

#include <stdlib.h>

jc_slots *jc_slots_new(int64_t code) {
    jc_slots *slots = calloc(1, sizeof *slots);
    if (slots == NULL || pthread_mutex_init(&slots->lock, NULL) != 0) {
        free(slots);
        return NULL;
    }
    atomic_store(&slots->last, -1);
    slots->code = code;
    return slots;
}

void jc_slots_release(jc_slots *slots) {
    if (jc_is_over())
        return;
    pthread_mutex_destroy(&slots->lock);
    free(slots);
}

static bool lock(jc_slots *slots) {
    if (atomic_load(&jc_here.forked))
        return false;
    pthread_mutex_lock(&slots->lock);
    return true;
}

static void unlock(jc_slots *slots) { pthread_mutex_unlock(&slots->lock); }

void jc_slots_bound(jc_slots *slots, int64_t calls, int64_t instances, bool keeps) {
    if (!lock(slots))
        return;
    slots->calls = calls;
    slots->instances = instances;
    atomic_store(&slots->keeps, keeps);
    unlock(slots);
}

/* --- under the lock --- */

static jc_box *pop(jc_slots *slots) {
    jc_box *box = slots->idle;
    if (box != NULL) {
        slots->idle = box->idle;
        box->idle = NULL;
        atomic_fetch_sub(&slots->idle_count, 1);
    }
    return box;
}

static bool has_room(const jc_slots *slots) { return !slots->shut && slots->taken < slots->calls; }

static int64_t occupy(jc_slots *slots) {
    slots->taken++;
    jc_box *box = pop(slots);
    return box == NULL ? 0 : (int64_t)box->key;
}

static void link_call(jc_call **list, jc_call *call) {
    call->before = NULL;
    call->next = *list;
    if (*list != NULL)
        (*list)->before = call;
    *list = call;
}

static void unlink_call(jc_call **list, jc_call *call) {
    if (call->before != NULL)
        call->before->next = call->next;
    else
        *list = call->next;
    if (call->next != NULL)
        call->next->before = call->before;
    call->next = call->before = NULL;
}

/* Put the box back; what is due then. */
static int put(jc_slots *slots, jc_box *box, bool keep) {
    int given = 0;
    slots->taken--;
    if (box != NULL && keep && !slots->shut && atomic_load(&slots->keeps) && !box->broken &&
        box->generation == slots->generation) {
        box->idle = slots->idle;
        slots->idle = box;
        atomic_fetch_add(&slots->idle_count, 1);
        given = JC_KEPT;
        if (atomic_load(&slots->idle_count) + slots->taken > slots->instances)
            given |= JC_SURPLUS;
    }
    if (slots->waiting > 0 && has_room(slots))
        given |= JC_NEXT;
    return given;
}

/* --- for Python --- */

int64_t jc_slots_take(jc_slots *slots, bool waits) {
    int64_t found = -1;
    if (!lock(slots))
        return -1;
    if (slots->waiting == 0 && has_room(slots))
        found = waits ? (slots->taken++, 0) : occupy(slots);
    else if (waits && !slots->shut)
        slots->waiting++;
    unlock(slots);
    return found;
}

int64_t jc_slots_admit(jc_slots *slots) {
    int64_t found = -1;
    if (!lock(slots))
        return -1;
    if (slots->waiting > 0 && has_room(slots)) {
        slots->waiting--;
        slots->taken++;
        found = 0;
    }
    unlock(slots);
    return found;
}

int64_t jc_slots_pick(jc_slots *slots) {
    if (!lock(slots))
        return 0;
    jc_box *box = pop(slots);
    unlock(slots);
    return box == NULL ? 0 : (int64_t)box->key;
}

void jc_slots_unqueue(jc_slots *slots) {
    if (!lock(slots))
        return;
    if (slots->waiting > 0)
        slots->waiting--;
    unlock(slots);
}

int jc_slots_give(jc_slots *slots, jc_box *box, bool keep) {
    if (!lock(slots))
        return 0;
    int given = put(slots, box, keep);
    unlock(slots);
    return given;
}

int64_t jc_slots_surplus(jc_slots *slots) {
    jc_box *box = NULL;
    if (!lock(slots))
        return 0;
    if (slots->idle_count > 0 && slots->idle_count + slots->taken > slots->instances)
        box = pop(slots);
    unlock(slots);
    return box == NULL ? 0 : (int64_t)box->key;
}

int64_t jc_slots_renew(jc_slots *slots, int64_t code, bool shut) {
    if (!lock(slots))
        return -1;
    jc_box **end = &slots->old;
    while (*end != NULL)
        end = &(*end)->idle;
    *end = slots->idle;
    slots->idle = NULL;
    atomic_store(&slots->idle_count, 0);
    int64_t generation = ++slots->generation;
    slots->code = code;
    if (!shut)
        atomic_store(&slots->start, 0);
    if (shut) {
        slots->shut = true;
        slots->waiting = 0;
    } else {
        slots->former = NULL;
    }
    unlock(slots);
    return generation;
}

int64_t jc_slots_drain(jc_slots *slots) {
    if (!lock(slots))
        return 0;
    jc_box *box = slots->old;
    if (box != NULL) {
        slots->old = box->idle;
        box->idle = NULL;
    }
    unlock(slots);
    return box == NULL ? 0 : (int64_t)box->key;
}

void jc_slots_hold(jc_slots *slots, jc_limits *former) {
    if (!lock(slots))
        return;
    slots->former = former;
    for (jc_call *call = slots->walking; call != NULL; call = call->next)
        if (atomic_load(&call->limits[JC_FORMER]) == NULL) /* else of code that went earlier, whose limits stay */
            atomic_store(&call->limits[JC_FORMER], former);
    unlock(slots);
}

int64_t jc_slots_idle(jc_slots *slots) { return atomic_load(&slots->idle_count); }

int64_t jc_slots_last(jc_slots *slots) { return atomic_load(&slots->last); }

int64_t jc_slots_start(jc_slots *slots) { return atomic_load(&slots->start); }

void jc_slots_note_start(jc_slots *slots, int64_t code, bool failed) {
    if (!failed && atomic_load(&slots->start) == JC_STARTED) /* as for nearly all fresh instances */
        return;
    if (!lock(slots))
        return;
    if (slots->code == code) {
        int64_t started = atomic_load(&slots->start) & JC_STARTED;
        atomic_store(&slots->start, failed ? started | JC_FAILED_TO_START : JC_STARTED);
    }
    unlock(slots);
}

int64_t jc_slots_walkers(jc_slots *slots, jc_walker *out, int64_t room) {
    int64_t count = 0;
    if (!lock(slots))
        return 0;
    for (jc_call *call = slots->walking; call != NULL; call = call->next, count++)
        if (count < room)
            out[count] = (jc_walker){call->id, call->token, call, call->way};
    unlock(slots);
    return count;
}

void jc_slots_count(jc_slots *slots, int64_t busy, int64_t waiting) {
    if (!lock(slots))
        return;
    for (const jc_call *call = slots->walking; call != NULL; call = call->next)
        busy++;
    slots->taken = busy;
    slots->waiting = waiting;
    unlock(slots);
}

/* --- for the walk --- */

bool jc_slots_are_taken(jc_slots *slots) {
    if (!lock(slots))
        return false;
    bool taken = !slots->shut && slots->waiting == 0 && atomic_load(&slots->keeps) && slots->taken > 0 &&
                 slots->taken == slots->calls;
    unlock(slots);
    return taken;
}

bool jc_slots_begin(jc_slots *slots, int64_t code, bool makes, jc_call *call, jc_box **box) {
    bool begun = false;
    *box = NULL;
    if (!lock(slots))
        return false;
    /* While code is held to its former limits, calls are Python's: it keeps the limits for as long as the call goes on.
     */
    if (slots->waiting == 0 && has_room(slots) && slots->former == NULL) {
        /* The first one may be of code that was replaced a moment ago, or this call's target may. */
        if (slots->idle != NULL && slots->idle->code == code) {
            *box = pop(slots);
            begun = true;
        } else if (makes && !atomic_load(&slots->keeps) && slots->code == code) {
            call->fresh = 1;
            begun = true;
        }
    }
    if (begun) {
        slots->taken++;
        link_call(&slots->walking, call);
    }
    unlock(slots);
    return begun;
}

int jc_slots_cancel_begin(jc_slots *slots, jc_box *box, jc_call *call) {
    if (!lock(slots))
        return 0;
    unlink_call(&slots->walking, call);
    int given = put(slots, box, true);
    unlock(slots);
    return given;
}

/* The call has left its box. What became of the instance, and what is due. */
int jc_slots_end(jc_slots *slots, jc_box *box, jc_call *call, bool pending) {
    if (!lock(slots))
        return 0;
    int given = put(slots, box, true);
    call->ended = 1;
    unlink_call(&slots->walking, call);
    if (pending || call->half)
        link_call(&slots->ended, call);
    unlock(slots);
    return given;
}

/* A call that jc_slots_end let go has no row yet. */
void jc_slots_keep(jc_slots *slots, jc_call *call) {
    if (!lock(slots))
        return;
    link_call(&slots->ended, call);
    unlock(slots);
}

static jc_call *find(jc_call *first, int64_t id) {
    while (first != NULL && first->id != id)
        first = first->next;
    return first;
}

jc_call *jc_slots_find(jc_slots *slots, int64_t id) {
    if (!lock(slots))
        return NULL;
    jc_call *call = find(slots->walking, id);
    if (call == NULL)
        call = find(slots->ended, id);
    unlock(slots);
    return call;
}

/* While the call is in the list its box is there: the walk lets go of it behind that. */
jc_box *jc_slots_box(jc_slots *slots, int64_t id) {
    if (!lock(slots))
        return NULL;
    const jc_call *call = find(slots->walking, id);
    jc_box *box = call == NULL ? NULL : call->box;
    if (box != NULL)
        jc_box_hold(box);
    unlock(slots);
    return box;
}

jc_call *jc_slots_part(jc_slots *slots, int64_t id) {
    if (!lock(slots))
        return NULL;
    jc_call *call = find(slots->walking, id);
    if (call != NULL)
        unlink_call(&slots->walking, call);
    else if ((call = find(slots->ended, id)) != NULL)
        unlink_call(&slots->ended, call);
    unlock(slots);
    return call;
}

jc_call *jc_walk_halve(jc_slots *slots, int64_t id) {
    if (!lock(slots))
        return NULL;
    jc_call *call = find(slots->walking, id);
    if (call != NULL)
        call->half = 1;
    else if ((call = find(slots->ended, id)) != NULL && !call->half)
        call = NULL; /* its thread may not look for a half any more; where there is one, it does */
    unlock(slots);
    return call;
}
