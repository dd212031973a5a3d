/* What the entry of host calls (host.c) and refusals of the core's own (refusals.c) use of each other. Not part of the
 * contract. */
#ifndef JC_REFUSALS_H
#define JC_REFUSALS_H

#include "state.h"

typedef struct jc_refusal jc_refusal;

/* The limits of a call, which are published anew with each change of its plugin's policy. */
typedef struct jc_said {
    jc_limits *limits[JC_OWNERS];
    uint64_t versions[JC_OWNERS];
} jc_said;

/* A host call that Python is asked to answer. */
typedef struct jc_asked {
    jc_box *box;
    const jc_host *host;
    jc_said said; /* noted before Python looks at the policy: what it finds is no older */
    int64_t began_ns, host_ns, seq; /* of the call, when Python was asked */
} jc_asked;

const jc_asked *jc_asked_now(void); /* of this thread; NULL: none */
bool jc_host_takes_bytes(const jc_host *host);
void jc_note_said(jc_call *call, jc_said *said);

/* On the thread inside, with or without Python's lock: refuse a host call as before. NULL: Python is to be asked. With
 * a `status` other than JC_OK the guest has no room for the answer, and is to stop. */
const jc_refusal *jc_refuse(jc_box *box, const jc_host *host, uint64_t *slots, int64_t began, int *status);
void *jc_refusal_fail(const jc_refusal *refusal); /* Python's function that raises the error for such a status */

#endif
