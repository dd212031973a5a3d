/* What slots, rows and the walk of a call use of each other. Not part of the contract. */
#ifndef JC_WALK_H
#define JC_WALK_H

#include "state.h"

struct jc_slots {
    pthread_mutex_t lock; /* of all that follows */
    int64_t calls;     /* at once, at most */
    int64_t instances; /* in use and idle, at most */
    int64_t taken;     /* slots that calls have, whoever makes them */
    int64_t waiting;   /* calls in Python's queue */
    int64_t generation;
    int64_t code; /* that instances are made of */
    _Atomic bool keeps; /* instances after their calls */
    bool shut;
    jc_box *idle; /* the last one first */
    jc_box *old;  /* of earlier generations, until Python takes them */
    jc_limits *former; /* of code that is about to be replaced */
    jc_call *walking;
    jc_call *ended; /* and no row yet */
    _Atomic int64_t start; /* enum jc_start_bits */
    _Atomic int64_t idle_count;
    _Atomic int64_t last;
};

bool jc_slots_are_taken(jc_slots *slots); /* all there are, and no call waits for one */

/* For the walk, on the thread of the call. Its `fresh` says that the slot is empty, and is to be: `box` is NULL. */
bool jc_slots_begin(jc_slots *slots, int64_t code, bool makes, jc_call *call, jc_box **box);
int jc_slots_cancel_begin(jc_slots *slots, jc_box *box, jc_call *call); /* bits of what is due, as jc_slots_end */
int jc_slots_end(jc_slots *slots, jc_box *box, jc_call *call, bool pending);
void jc_slots_keep(jc_slots *slots, jc_call *call);
jc_call *jc_slots_find(jc_slots *slots, int64_t id);
jc_call *jc_slots_part(jc_slots *slots, int64_t id);

/* making.c, for the walk: make an instance in a new box that the call has entered. */
int jc_make(jc_box *box, const jc_template *from);

int64_t jc_rows_began_ns(const jc_rows *rows);
int64_t jc_rows_add(jc_rows *rows, int64_t place, const int64_t *numbers);

#endif
