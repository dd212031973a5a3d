/*
 * The rows of one runtime's calls, and those of its host calls. Python owns the chunks and the keys; the core fills
 * rows into the chunk of now.
 *
 * A row is written whole, under the lock, and can be read once `filled` is beyond it: readers take no lock. The numbers
 * of a call stay with it until all of them are known, so there are no rows that are half written, and no holes.
 */
#include "refusals.h"
#include "walk.h"

#include "python.h"

#include <stdlib.h>
#include <string.h>

struct jc_rows {
    pthread_mutex_t lock;
    jc_column columns[JC_NUMBERS];
    uint32_t column_count;
    uint32_t row_bytes;
    uint32_t key_offset;
    int64_t began_ns;
    uint8_t *base;
    int64_t room;
    int64_t start;
    _Atomic int64_t serial; /* of the chunk, as Python counts them; 0 before the first */
    _Atomic int64_t filled;
};

jc_rows *jc_rows_new(const jc_column *columns, uint32_t column_count, uint32_t row_bytes, uint32_t key_offset,
                     int64_t began_ns) {
    if (column_count > JC_NUMBERS)
        return NULL;
    for (uint32_t number = 0; number < column_count; number++) {
        jc_column column = columns[number];
        if ((column.size != 4 && column.size != 8) || column.offset > row_bytes ||
            column.size > row_bytes - column.offset)
            return NULL;
    }
    if (key_offset > row_bytes || sizeof(uint32_t) > row_bytes - key_offset)
        return NULL;
    jc_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL || pthread_mutex_init(&rows->lock, NULL) != 0) {
        free(rows);
        return NULL;
    }
    memcpy(rows->columns, columns, column_count * sizeof *columns);
    rows->column_count = column_count;
    rows->row_bytes = row_bytes;
    rows->key_offset = key_offset;
    rows->began_ns = began_ns;
    return rows;
}

void jc_rows_release(jc_rows *rows) {
    if (jc_is_over())
        return;
    pthread_mutex_destroy(&rows->lock);
    free(rows);
}

int64_t jc_rows_began_ns(const jc_rows *rows) { return rows->began_ns; }

void jc_rows_open(jc_rows *rows, int64_t serial, uint8_t *base, int64_t room, int64_t start) {
    if (atomic_load(&jc_here.forked))
        return;
    pthread_mutex_lock(&rows->lock);
    rows->base = base;
    rows->room = room;
    rows->start = start;
    atomic_store(&rows->filled, 0);
    atomic_store(&rows->serial, serial);
    pthread_mutex_unlock(&rows->lock);
}

/* Whether the chunk is the one of this serial. Under the lock; without it only for Python, which exchanges chunks. */
static bool is_open(jc_rows *rows, int64_t serial) { return atomic_load(&rows->serial) == serial; }

int64_t jc_rows_close(jc_rows *rows, int64_t serial) {
    if (atomic_load(&jc_here.forked))
        return is_open(rows, serial) ? atomic_load(&rows->filled) : 0;
    pthread_mutex_lock(&rows->lock);
    int64_t filled = is_open(rows, serial) ? atomic_load(&rows->filled) : 0;
    rows->base = NULL;
    rows->room = 0; /* `filled` stays: Python asks again where it was interrupted */
    pthread_mutex_unlock(&rows->lock);
    return filled;
}

int64_t jc_rows_filled(jc_rows *rows, int64_t serial) { return is_open(rows, serial) ? atomic_load(&rows->filled) : 0; }

bool jc_rows_is_full(jc_rows *rows, int64_t serial) {
    if (atomic_load(&jc_here.forked))
        return false;
    pthread_mutex_lock(&rows->lock);
    bool is_full = !is_open(rows, serial) || atomic_load(&rows->filled) >= rows->room;
    pthread_mutex_unlock(&rows->lock);
    return is_full;
}

/* Where the next row goes, with the lock; NULL without it: the chunk is another one, or full. `written` must follow. */
static uint8_t *next_row(jc_rows *rows, int64_t serial) {
    pthread_mutex_lock(&rows->lock);
    int64_t filled = atomic_load(&rows->filled);
    if (is_open(rows, serial) && filled < rows->room)
        return rows->base + (size_t)filled * rows->row_bytes;
    pthread_mutex_unlock(&rows->lock);
    return NULL;
}

/* Let readers have the row that was written there; its position. */
static int64_t written(jc_rows *rows) {
    int64_t filled = atomic_load(&rows->filled), position = rows->start + filled;
    atomic_store(&rows->filled, filled + 1); /* last: readers take every row below it as it is */
    pthread_mutex_unlock(&rows->lock);
    return position;
}

int64_t jc_rows_put(jc_rows *rows, int64_t serial, const uint8_t *row) {
    if (atomic_load(&jc_here.forked))
        return -2;
    uint8_t *at = next_row(rows, serial);
    if (at == NULL)
        return -1;
    memcpy(at, row, rows->row_bytes);
    return written(rows);
}

static void write_number(uint8_t *at, int64_t number, uint32_t size) {
    if (size == 8) {
        memcpy(at, &number, 8);
    } else {
        uint32_t least = number < 0 ? 0 : number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
        memcpy(at, &least, 4);
    }
}

int64_t jc_rows_add(jc_rows *rows, int64_t place, const int64_t *numbers) {
    if (atomic_load(&jc_here.forked))
        return -2;
    if (place < 0)
        return -1;
    uint8_t *at = next_row(rows, place >> 32);
    if (at == NULL)
        return -1;
    uint32_t index = (uint32_t)place;
    memcpy(at + rows->key_offset, &index, sizeof index);
    for (uint32_t number = 0; number < rows->column_count; number++)
        write_number(at + rows->columns[number].offset, numbers[number], rows->columns[number].size);
    return written(rows);
}

/* The time of a host call is without what the guest's allocator took for its answer: that is off host_ns by now. */
void *jc_python_add_host_row(void *self, void *const *arguments, ptrdiff_t count) {
    enum { ROWS, PLACE, BYTES_IN, BYTES_OUT, ARGUMENTS };
    (void)self;
    const jc_asked *asked = jc_asked_now();
    int64_t given[ARGUMENTS];
    if (count != ARGUMENTS || asked == NULL || asked->box->call == NULL)
        return jc_py.PyLong_FromLongLong(-2);
    for (int i = 0; i < ARGUMENTS; i++)
        given[i] = jc_py.PyLong_AsLongLong(arguments[i]);
    if (jc_py.PyErr_Occurred() != NULL)
        return NULL;
    jc_rows *rows = (jc_rows *)(uintptr_t)given[ROWS];
    if (rows == NULL || rows->column_count != JC_HOST_NUMBERS)
        return jc_py.PyLong_FromLongLong(-2);
    const jc_call *call = asked->box->call;
    const int64_t numbers[JC_HOST_NUMBERS] = {
        [JC_OF_CALL_ID] = call->id,
        [JC_OF_SEQ] = asked->seq,
        [JC_OF_AT_NS] = asked->began_ns - rows->began_ns,
        [JC_OF_WALL_NS] = jc_now_ns() - asked->began_ns + (call->host_ns - asked->host_ns),
        [JC_OF_BYTES_IN] = given[BYTES_IN],
        [JC_OF_BYTES_OUT] = given[BYTES_OUT],
    };
    return jc_py.PyLong_FromLongLong(jc_rows_add(rows, given[PLACE], numbers));
}

void *jc_python_add_row(void *self, void *const *arguments, ptrdiff_t count) {
    (void)self;
    int64_t numbers[JC_NUMBERS];
    if (count < 2 || count - 2 > JC_NUMBERS)
        return jc_py.PyLong_FromLongLong(-2);
    jc_rows *rows = (jc_rows *)(uintptr_t)jc_py.PyLong_AsLongLong(arguments[0]);
    int64_t place = jc_py.PyLong_AsLongLong(arguments[1]);
    for (ptrdiff_t i = 2; i < count; i++)
        numbers[i - 2] = jc_py.PyLong_AsLongLong(arguments[i]);
    if (jc_py.PyErr_Occurred() != NULL)
        return NULL;
    bool fits = rows != NULL && rows->column_count == (uint32_t)(count - 2);
    return jc_py.PyLong_FromLongLong(fits ? jc_rows_add(rows, place, numbers) : -2);
}
