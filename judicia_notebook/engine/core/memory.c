/*
 * Linear memories: every grow is seen, counted and can be refused.
 *
 * Wasmtime asks for each memory and each grow, on the thread inside. Address space is reserved once, pages become
 * usable as the memory grows, and the base never moves. A memory that is over leaves its reservation to the next one:
 * its pages are given back as zeros, and those beyond a smaller successor's size are closed again, or it could read
 * past its end.
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
    bool ours;
} making;

void jc_memories_begin(jc_box *box, const jc_image *images, size_t count) {
    making.box = box;
    making.images = images;
    making.count = count;
    making.made = 0;
    making.ours = false;
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
    uint64_t more = size - memory->size;
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
        jc_pool_give_back(box->pool, (int64_t)memory->size);
        give_back(memory);
        return;
    }
    release(box, memory->size);
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

/* A memory of a generated loop: in the runtime's pool and in nobody's quota, and not among the guest's. */
static void *new_memory_of_ours(size_t minimum, size_t reserved, size_t guard, void *out) {
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
    *(linear_memory *)out = (linear_memory){memory, get, grow, finalize};
    return NULL;
}

static void *new_memory(void *env, void *type, size_t minimum, size_t maximum, size_t reserved, size_t guard,
                        void *out) {
    jc_box *box = making.box;
    (void)env, (void)type, (void)maximum;
    if (box == NULL || jc_is_over())
        return jc_wt.wasmtime_error_new("a linear memory was asked for outside an instantiation");
    if (box->memory_count == JC_MEMORIES)
        return jc_wt.wasmtime_error_new("too many linear memories");
    if (reserved < minimum)
        reserved = minimum;
    if (guard > SIZE_MAX - reserved)
        return jc_wt.wasmtime_error_new("address space");
    if (making.ours)
        return new_memory_of_ours(minimum, reserved, guard, out);
    if (!admit(box, minimum))
        return jc_wt.wasmtime_error_new("memory quota");
    jc_memory *memory = commit(reserved + guard, minimum);
    if (memory == NULL)
        return refuse_by_system(box, minimum, "the system has no memory left");
    memory->box = box;
    memory->reserved = reserved;
    memory->ours = 0;
    if (!fill(memory)) {
        release(box, minimum);
        unmap(memory);
        if (box->call != NULL && box->call->stop == JC_GOES_ON)
            box->call->stop = JC_MISREAD;
        return jc_wt.wasmtime_error_new("an image is larger than its memory");
    }
    making.made++;
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
