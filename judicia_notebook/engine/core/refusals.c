/*
 * Host calls that the core refuses alone.
 *
 * The first refusal of an import in a call is Python's: it asks the policy, writes the audit and words the answer. What
 * it said stays true until the plugin's policy changes, and of a rate until the second is over. Each change of a policy
 * publishes its limits, so their versions tell. As long as they stay, and the row still has its place, the same import
 * gets the same answer from here, counted and with a row, without Python's lock. A guest that knocks a million times
 * waits for no other thread, and no other thread for it.
 *
 * Nothing is allowed here: where anything is in doubt, Python is asked again.
 */
#include "refusals.h"

#include "python.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

struct jc_refusal {
    jc_refusal *next; /* of its call */
    const jc_host *host;
    jc_said said;
    jc_rows *rows;
    int64_t place;
    int64_t until_ns;
    int64_t most_calls; /* host calls of this call, with this one */
    bool denied;
    void *fail; /* Python's; NULL: the answer is a number */
    int64_t number;
    uint64_t length;
    uint8_t answer[];
};

/* An odd version is being written: it never comes again, so it is never found to stand. */
void jc_note_said(jc_call *call, jc_said *said) {
    for (int owner = 0; owner < JC_OWNERS; owner++) {
        said->limits[owner] = atomic_load(&call->limits[owner]);
        said->versions[owner] = said->limits[owner] == NULL ? 0 : atomic_load(&said->limits[owner]->version);
    }
}

static bool stands(jc_call *call, const jc_said *said) {
    for (int owner = 0; owner < JC_OWNERS; owner++)
        if (atomic_load(&call->limits[owner]) != said->limits[owner] || said->versions[owner] % 2 != 0 ||
            (said->limits[owner] != NULL && atomic_load(&said->limits[owner]->version) != said->versions[owner]))
            return false;
    return true;
}

static jc_refusal *find(jc_call *call, const jc_host *host) {
    jc_refusal *refusal = call->refusals;
    while (refusal != NULL && refusal->host != host)
        refusal = refusal->next;
    return refusal;
}

/* The row of a refusal. Before the answer: what the guest's allocator does then is no part of the host call's time. */
static bool add_row(jc_call *call, const jc_refusal *refusal, int64_t began, uint64_t bytes_in) {
    int64_t numbers[JC_HOST_NUMBERS] = {
        [JC_OF_CALL_ID] = call->id,
        [JC_OF_SEQ] = call->host_calls,
        [JC_OF_AT_NS] = began - jc_rows_began_ns(refusal->rows),
        [JC_OF_WALL_NS] = jc_now_ns() - began,
        [JC_OF_BYTES_IN] = (int64_t)bytes_in,
        [JC_OF_BYTES_OUT] = (int64_t)refusal->length,
    };
    return jc_rows_add(refusal->rows, refusal->place, numbers) >= 0;
}

const jc_refusal *jc_refuse(jc_box *box, const jc_host *host, uint64_t *slots, int64_t began, int *status) {
    jc_call *call = box->call;
    const jc_refusal *refusal = find(call, host);
    if (refusal == NULL || began >= refusal->until_ns || call->host_calls > refusal->most_calls ||
        call->stop != JC_GOES_ON || atomic_load(&call->cancelled) == call->token || !stands(call, &refusal->said) ||
        !add_row(call, refusal, began, jc_host_takes_bytes(host) ? (uint32_t)slots[2] : 0))
        return NULL;
    if (refusal->denied)
        call->denied++;
    *status = JC_OK;
    if (refusal->fail == NULL) {
        memcpy(slots, &refusal->number, sizeof refusal->number);
    } else {
        *status = jc_write_request(box, refusal->answer, refusal->length);
        slots[0] = box->written << 32 | refusal->length;
    }
    return refusal;
}

void *jc_refusal_fail(const jc_refusal *refusal) { return refusal->fail; }

static void let_go(jc_refusal *refusal) {
    jc_drop(refusal->fail);
    free(refusal);
}

void jc_forget_refusals(jc_call *call) {
    jc_refusal *refusal = call->refusals;
    call->refusals = NULL;
    while (refusal != NULL) {
        jc_refusal *next = refusal->next;
        let_go(refusal);
        refusal = next;
    }
}

/* In the place of an earlier one of this import. */
static void keep(jc_call *call, jc_refusal *refusal) {
    jc_refusal **place = &call->refusals;
    while (*place != NULL && (*place)->host != refusal->host)
        place = &(*place)->next;
    jc_refusal *before = *place;
    refusal->next = before == NULL ? NULL : before->next;
    *place = refusal;
    if (before != NULL)
        let_go(before);
}

enum { ROWS, PLACE, DENIED, UNTIL_NS, MOST_CALLS, ANSWER, FAIL, ARGUMENTS };

void *jc_python_refuse_again(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self;
    const jc_asked *asked = jc_asked_now();
    char *answer = NULL;
    ptrdiff_t length = 0;
    int64_t numbers[ANSWER];
    jc_py.Py_IncRef(jc_py._Py_NoneStruct);
    if (count != ARGUMENTS || asked == NULL || asked->box->call == NULL)
        return jc_py._Py_NoneStruct;
    for (int i = 0; i < ANSWER; i++)
        numbers[i] = jc_py.PyLong_AsLongLong(arguments[i]);
    bool is_number = arguments[FAIL] == jc_py._Py_NoneStruct;
    int64_t number = is_number ? jc_py.PyLong_AsLongLong(arguments[ANSWER]) : 0;
    if (!is_number)
        (void)jc_py.PyBytes_AsStringAndSize(arguments[ANSWER], &answer, &length);
    if (jc_py.PyErr_Occurred() != NULL) {
        jc_drop(jc_py._Py_NoneStruct);
        return NULL;
    }
    jc_refusal *refusal = numbers[ROWS] == 0 || numbers[PLACE] < 0 ? NULL : calloc(1, sizeof *refusal + (size_t)length);
    if (refusal == NULL) /* Python goes on to refuse it */
        return jc_py._Py_NoneStruct;
    refusal->host = asked->host;
    refusal->said = asked->said;
    refusal->rows = (jc_rows *)(uintptr_t)numbers[ROWS];
    refusal->place = numbers[PLACE];
    refusal->denied = numbers[DENIED] != 0;
    refusal->until_ns = numbers[UNTIL_NS];
    refusal->most_calls = numbers[MOST_CALLS];
    refusal->number = number;
    if (!is_number) {
        refusal->fail = arguments[FAIL];
        jc_py.Py_IncRef(refusal->fail);
        refusal->length = (uint64_t)length;
        if (length > 0)
            memcpy(refusal->answer, answer, (size_t)length);
    }
    keep(asked->box->call, refusal);
    return jc_py._Py_NoneStruct;
}
