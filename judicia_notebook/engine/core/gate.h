/*
 * The JSON gate: what a JSON text asks of its reader, measured in one pass over its bytes before anything reads it.
 *
 * The gate counts depth, values, keys and floats that are slow to read, and finds long digits, keys that stand twice in
 * an object (compared after unescaping) and integers beyond 64 bits. It does not check syntax, which its reader does:
 * up to the first error of a text everything is measured exactly, behind that it may be measured wrongly.
 *
 * Nothing here calls Python or touches its objects; there is no state outside the arguments. Every function may be
 * called on any thread, with or without Python's lock; two threads may not use one pass at a time.
 */
#ifndef JC_GATE_H
#define JC_GATE_H

#include "core.h"

enum jc_gate_verdict {
    JC_GATE_OK = 0,
    JC_GATE_DEPTH = 1,     /* nested deeper than max_depth */
    JC_GATE_VALUES = 2,    /* more values than max_values */
    JC_GATE_DIGITS = 3,    /* a number with more digits in a row than max_digits */
    JC_GATE_DUPLICATE = 4, /* a key that stands twice in its object */
    JC_GATE_INTEGER = 5,   /* an integer below -2^63 or above 2^64 - 1 */
    JC_GATE_STOPPED = 6,   /* `look` ended the pass */
    JC_GATE_NO_MEMORY = 7, /* the system gave no scratch memory */
};
/*
 * DEPTH, VALUES, STOPPED and NO_MEMORY end the pass where they are found. The next three let it go on, since a later
 * fault of depth or values counts more; the least of them is the verdict of the whole. With DUPLICATE and INTEGER the
 * text is small enough to be read, and a reader that finds an error of syntax in it is right to report that instead.
 */

typedef struct jc_gate_limits {
    uint64_t max_depth;  /* levels of arrays and objects */
    uint64_t max_values; /* keys are values, and an empty array or object counts as two */
    uint64_t max_digits; /* in a row */
    uint64_t seed[4];    /* random, and unknown to who wrote the text: it keys the hash of keys */
} jc_gate_limits;

typedef struct jc_gate_report {
    uint64_t verdict;
    uint64_t offset;   /* of the fault in the text; of the second key in the order in which objects end */
    uint64_t values;   /* counted until the end of the last piece of 64 KiB */
    uint64_t keys;     /* likewise */
    uint64_t depth;    /* the deepest level that was there */
    uint64_t hard;     /* floats with three digits of exponent, or with 150 digits */
    uint64_t doubtful; /* floats that may lie in the middle of two: with an exponent, 20 digits, or those of a tie */
} jc_gate_report;

/* Called after every 64 KiB, and every 8192 keys of a large object that is looked through. Not 0 ends the pass. */
typedef int (*jc_gate_look)(void *data);

typedef struct jc_gate_pass jc_gate_pass;

/* One pass over a text: its verdict. `look` and `report` may be null. Any thread, with or without Python's lock. */
JC_API int jc_gate(const uint8_t *data, size_t length, const jc_gate_limits *limits, jc_gate_look look, void *look_data,
                   jc_gate_report *report);

/* A pass that can be interrupted: text and limits stay until jc_gate_end. Null where there is no memory. Any thread,
 * with or without Python's lock. */
JC_API jc_gate_pass *jc_gate_begin(const uint8_t *data, size_t length, const jc_gate_limits *limits);

/* Go on until `looks` looks are due: JC_GATE_STOPPED says that there is more to do, anything else is the verdict and
 * stays it. One thread at a time, with or without Python's lock. */
JC_API int jc_gate_go_on(jc_gate_pass *pass, uint64_t looks, jc_gate_report *report);

/* Give the pass's memory back. The last to use it, with or without Python's lock. */
JC_API void jc_gate_end(jc_gate_pass *pass);

#endif
