/*
 * Linear memories: every grow is seen, counted and can be refused.
 *
 * Wasmtime asks for each memory and each grow, on the thread inside. Address space is reserved once, pages become
 * usable as the memory grows, and the base never moves. A memory that is over leaves its reservation to the next one:
 * its pages are given back as zeros, and those beyond a smaller successor's size are closed again, or it could read
 * past its end.
 *
 * The heap in which Wasmtime keeps a guest's exceptions, and would keep other objects that references refer to, is such
 * a memory, too: one for a store that has such references, in the same account. There it counts twice. The collector
 * has lists of its own, of what is free and of what it still has to visit: a guest can make either as large as the heap
 * (a chain of exceptions that hold a thousand others each), and they are in memory that nobody asks us for.
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RECYCLED = 32, POPULATE_FROM = 32 << 10 };

typedef struct linear_memory { /* wasmtime_linear_memory_t */
    void *env;
    jc_get_memory_callback *get;
    jc_grow_memory_callback *grow;
    jc_finalize_callback *finalize;
} linear_memory;

static struct {
    pthread_mutex_t lock;
    jc_memory *first;
    int count;
} recycled = {PTHREAD_MUTEX_INITIALIZER, NULL, 0};

static _Thread_local struct {
    jc_box *box;
    const jc_image *images;
    size_t count;
    uint64_t made; /* memories of the module's own so far */
    size_t counters; /* bytes of one that has counters of ours; 0: there is none */
    bool began; /* Wasmtime has asked for the first one */
    bool ours;
} making;

void jc_memories_begin(jc_box *box, const jc_image *images, size_t count) {
    making.box = box;
    making.images = images;
    making.count = count;
    making.made = 0;
    making.counters = 0;
    making.began = making.ours = false;
}

void jc_memories_begin_module(jc_box *box, const jc_image *images, size_t count) {
    jc_memories_begin(box, images, count);
    making.counters = box->counters_size;
}

void jc_memories_begin_ours(jc_box *box) {
    jc_memories_begin(box, NULL, 0);
    making.ours = true;
}

void jc_memories_end(void) { making.box = NULL; }

/* --- a box's account --- */

static void refuse(jc_box *box, int64_t wanted, int64_t limit, int32_t owner) {
    box->refused_wanted = wanted;
    box->refused_limit = limit;
    box->refused_owner = owner;
    box->grows_refused++;
    jc_sample_now(box, JC_GROW_REFUSED);
}

/* Book so many more bytes, if they fit. */
static bool admit(jc_box *box, uint64_t size) {
    jc_in_force found = {{JC_NO_LIMIT, JC_NO_LIMIT, JC_NO_LIMIT, JC_NO_LIMIT, JC_NO_LIMIT}, {0}};
    if (box->call != NULL)
        jc_read_limits(box->call, &found);
    if (size > (uint64_t)(INT64_MAX - box->held)) /* no address space has as much */
        return false;
    int64_t wanted = box->held + (int64_t)size;
    if (wanted > found.most[JC_MEMORY]) {
        refuse(box, wanted, found.most[JC_MEMORY], found.owner[JC_MEMORY]);
        return false;
    }
    if (!jc_pool_take(box->pool, (int64_t)size)) {
        refuse(box, wanted, atomic_load(&box->pool->ceiling), JC_RUNTIME);
        return false;
    }
    box->held = wanted;
    return true;
}

/* What so many bytes of a memory count as. */
static uint64_t weight(const jc_memory *memory, uint64_t size) {
    return memory->heap == JC_HEAP_OF_EXCEPTIONS ? 2 * size : size;
}

static void release(jc_box *box, uint64_t size) {
    box->held -= (int64_t)size;
    jc_pool_give_back(box->pool, (int64_t)size);
}

/* The system gave nothing: what was booked goes back, and the refusal is noted. */
static void *refuse_by_system(jc_box *box, uint64_t booked, const char *why) {
    release(box, booked);
    refuse(box, box->held + (int64_t)booked, box->held, JC_SYSTEM);
    return jc_wt.wasmtime_error_new(why);
}

/* --- reservations --- */

static jc_memory *take_recycled(uint64_t mapped) {
    jc_memory *found = NULL;
    pthread_mutex_lock(&recycled.lock);
    for (jc_memory **at = &recycled.first; *at != NULL; at = &(*at)->next)
        if ((*at)->mapped == mapped) {
            found = *at;
            *at = found->next;
            recycled.count--;
            break;
        }
    pthread_mutex_unlock(&recycled.lock);
    return found;
}

static jc_memory *reserve(uint64_t mapped) {
    jc_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    void *base = jc_pages_reserve(mapped);
    if (base == NULL) {
        free(memory);
        return NULL;
    }
    memory->base = base;
    memory->mapped = mapped;
    return memory;
}

static void unmap(jc_memory *memory) {
    jc_pages_release(memory->base, memory->mapped);
    free(memory);
}

/* A reservation, the first `size` bytes of it zeros and usable, the others closed. */
static jc_memory *commit(uint64_t mapped, uint64_t size) {
    jc_memory *memory = take_recycled(mapped);
    if (memory == NULL)
        memory = reserve(mapped);
    if (memory == NULL)
        return NULL;
    bool failed = false;
    if (memory->committed > size)
        failed = !jc_pages_close(memory->base + size, memory->committed - size);
    else if (memory->committed < size)
        failed = !jc_pages_open(memory->base, size);
    if (failed) {
        unmap(memory);
        return NULL;
    }
    memory->committed = memory->size = size;
    return memory;
}

static void give_back(jc_memory *memory) {
    bool keep = jc_pages_clear(memory->base, memory->committed);
    if (keep) {
        pthread_mutex_lock(&recycled.lock);
        keep = recycled.count < MOST_RECYCLED;
        if (keep) {
            memory->next = recycled.first;
            recycled.first = memory;
            recycled.count++;
        }
        pthread_mutex_unlock(&recycled.lock);
    }
    if (!keep)
        unmap(memory);
}

/* --- what Wasmtime calls, on the thread inside --- */

static void *get(void *env, size_t *size, size_t *capacity) {
    jc_memory *memory = env;
    *size = memory->size;
    *capacity = memory->reserved;
    return memory->base;
}

static void *grow(void *env, size_t size) {
    jc_memory *memory = env;
    jc_box *box = memory->box;
    if (memory->ours)
        return jc_wt.wasmtime_error_new("this memory does not grow");
    if (size < memory->size)
        return jc_wt.wasmtime_error_new("a memory cannot shrink");
    uint64_t more = weight(memory, size - memory->size); /* a heap has 32-bit addresses, so this is small */
    if (size > memory->reserved) {
        int64_t wanted = more > (uint64_t)(INT64_MAX - box->held) ? INT64_MAX : box->held + (int64_t)more;
        refuse(box, wanted, (int64_t)memory->reserved, JC_SYSTEM);
        return jc_wt.wasmtime_error_new("address space");
    }
    if (!admit(box, more))
        return jc_wt.wasmtime_error_new("memory quota");
    if (size > memory->committed) {
        if (!jc_pages_open(memory->base, size))
            return refuse_by_system(box, more, "the system has no memory left");
        memory->committed = size;
    }
    memory->size = size;
    jc_sample_now(box, JC_GROW);
    return NULL;
}

static void finalize(void *env) {
    jc_memory *memory = env;
    jc_box *box = memory->box;
    if (jc_is_over()) /* in a forked child the list's lock may be held for ever */
        return;
    if (memory->ours) {
        if (box->counters == memory)
            box->counters = NULL;
        jc_pool_give_back(box->pool, (int64_t)memory->size);
        give_back(memory);
        return;
    }
    release(box, weight(memory, memory->size));
    if (box->memory == memory)
        box->memory = NULL;
    for (int64_t at = 0; at < box->memory_count; at++)
        if (box->memories[at] == memory) {
            box->memories[at] = box->memories[--box->memory_count];
            break;
        }
    give_back(memory);
}

/* Bytes that data segments were: Wasmtime has checked nothing of them, so they are checked here. */
static bool fill(const jc_memory *memory) {
    for (size_t at = 0; at < making.count; at++) {
        const jc_image *image = &making.images[at];
        if (image->memory != making.made)
            continue;
        if (image->offset > memory->size || image->length > memory->size - image->offset)
            return false;
        if (image->length >= POPULATE_FROM)
            jc_pages_touch(memory->base + image->offset, image->length);
        memcpy(memory->base + image->offset, image->bytes, image->length);
    }
    return true;
}

/* A memory of a generated loop, or of counters: in the runtime's pool and in no quota, and not among the guest's. */
static void *new_memory_of_ours(size_t minimum, size_t reserved, size_t guard, jc_memory **kept, void *out) {
    jc_box *box = making.box;
    if (minimum > INT64_MAX || !jc_pool_take(box->pool, (int64_t)minimum))
        return jc_wt.wasmtime_error_new("memory of all instances");
    jc_memory *memory = commit(reserved + guard, minimum);
    if (memory == NULL) {
        jc_pool_give_back(box->pool, (int64_t)minimum);
        return jc_wt.wasmtime_error_new("the system has no memory left");
    }
    memory->box = box;
    memory->reserved = reserved;
    memory->ours = 1;
    memory->heap = JC_NO_HEAP;
    *kept = memory;
    *(linear_memory *)out = (linear_memory){memory, get, grow, finalize};
    return NULL;
}

/* Where nothing is left of a limit, the guest ends where it begins: a limit of 0 would be none. */
void jc_meter_begin(jc_box *box) {
    jc_meter meter = {0, 0, 0};
    if (box->counters == NULL || box->meter + sizeof meter > box->counters->size)
        return;
    if (box->meter_limit != JC_NO_LIMIT) {
        meter.limit = box->meter_limit > 0 ? (uint64_t)box->meter_limit : 1;
        meter.spent = box->meter_limit > 0 ? 0 : 1;
    }
    memcpy(box->counters->base + box->meter, &meter, sizeof meter);
}

/* Whether this may be the heap of a module that has references or exceptions. Wasmtime asks for it before all memories
 * of the module's own: it begins empty, and has no maximum but that of its addresses. A memory of the module's own can
 * look the same. Then it begins empty, and no module whose first memory does has images: so none goes astray. */
static bool may_be_heap(size_t minimum, size_t maximum) {
    bool first = !making.began;
    making.began = true;
    return first && minimum == 0 && maximum == (size_t)UINT32_MAX + 1;
}

static void *new_memory(void *env, void *type, size_t minimum, size_t maximum, size_t reserved, size_t guard,
                        void *out) {
    jc_box *box = making.box;
    (void)env, (void)type;
    if (box == NULL || jc_is_over())
        return jc_wt.wasmtime_error_new("a linear memory was asked for outside an instantiation");
    if (box->memory_count == JC_MEMORIES)
        return jc_wt.wasmtime_error_new("too many linear memories");
    if (reserved < minimum)
        reserved = minimum;
    if (guard > SIZE_MAX - reserved)
        return jc_wt.wasmtime_error_new("address space");
    jc_memory *kept;
    if (making.ours)
        return new_memory_of_ours(minimum, reserved, guard, &kept, out);
    bool heap = may_be_heap(minimum, maximum);
    /* Not by its number: whether the heap is among the memories that were made is not known for certain. */
    if (making.counters != 0 && minimum == making.counters && maximum == making.counters) {
        void *error = new_memory_of_ours(minimum, reserved, guard, &box->counters, out);
        if (error != NULL)
            refuse(box, box->held + (int64_t)minimum, atomic_load(&box->pool->ceiling), JC_RUNTIME);
        else if (box->meter != 0)
            jc_meter_begin(box);
        return error;
    }
    if (!admit(box, minimum))
        return jc_wt.wasmtime_error_new("memory quota");
    jc_memory *memory = commit(reserved + guard, minimum);
    if (memory == NULL)
        return refuse_by_system(box, minimum, "the system has no memory left");
    memory->box = box;
    memory->reserved = reserved;
    memory->ours = 0;
    if (heap) /* it begins with no bytes, so nothing more is due yet */
        memory->heap = box->throws ? JC_HEAP_OF_EXCEPTIONS : JC_LIKE_A_HEAP;
    else
        memory->heap = JC_NO_HEAP;
    if (!heap && !fill(memory)) {
        release(box, minimum);
        unmap(memory);
        if (box->call != NULL && box->call->stop == JC_GOES_ON)
            box->call->stop = JC_MISREAD;
        return jc_wt.wasmtime_error_new("an image is larger than its memory");
    }
    making.made += !heap;
    box->memories[box->memory_count++] = memory;
    *(linear_memory *)out = (linear_memory){memory, get, grow, finalize};
    return NULL;
}

int64_t jc_memory_recycled(void) {
    int64_t bytes = 0;
    if (atomic_load(&jc_here.forked))
        return 0;
    pthread_mutex_lock(&recycled.lock);
    for (const jc_memory *memory = recycled.first; memory != NULL; memory = memory->next)
        bytes += (int64_t)memory->mapped;
    pthread_mutex_unlock(&recycled.lock);
    return bytes;
}

void *jc_memory_creator(void) {
    jc_new_memory_callback *function = new_memory;
    void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}
