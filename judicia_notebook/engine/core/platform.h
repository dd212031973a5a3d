/*
 * What the systems have each in their own words: clocks, pages, signals, what happens at a fork and at the end.
 *
 * Threads, locks and sleep are POSIX's everywhere: for Windows zig and mingw bring winpthreads. No other file asks
 * which system it is compiled for.
 */
#ifndef JC_PLATFORM_H
#define JC_PLATFORM_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#endif

enum { JC_ENDED = 3 }; /* the exit code of a process that its watch has ended */

static inline void jc_yield(void) { sched_yield(); }

/* The name of this thread, for those who look at the process; at most 15 characters. */
static inline void jc_name_thread(const char *name) {
#if defined(__linux__)
    prctl(PR_SET_NAME, name);
#elif defined(__APPLE__)
    pthread_setname_np(name);
#else
    (void)name;
#endif
}

/* --- clocks --- */

#if defined(_WIN32)

/* Nanoseconds since some moment; Python's perf_counter has the same clock. */
static inline int64_t jc_now_ns(void) {
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    int64_t seconds = now.QuadPart / frequency.QuadPart, rest = now.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

/* CPU time of this thread; Windows counts in steps of about 16 ms. */
static inline int64_t jc_cpu_ns(void) {
    FILETIME created, ended, kernel, user;
    if (!GetThreadTimes(GetCurrentThread(), &created, &ended, &kernel, &user))
        return 0;
    uint64_t in_kernel = (uint64_t)kernel.dwHighDateTime << 32 | kernel.dwLowDateTime;
    uint64_t in_user = (uint64_t)user.dwHighDateTime << 32 | user.dwLowDateTime;
    return (int64_t)(in_kernel + in_user) * 100;
}

#else

#if defined(__APPLE__)
static inline int64_t jc_now_ns(void) { return (int64_t)clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }
#else
static inline int64_t jc_now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}
#endif

static inline int64_t jc_cpu_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

#endif

/* --- pages: sizes and addresses are multiples of a page, except where it is said --- */

#if defined(_WIN32)

/* Address space that cannot be used yet; NULL: there is none. */
static inline void *jc_pages_reserve(size_t size) { return VirtualAlloc(NULL, size, MEM_RESERVE, PAGE_NOACCESS); }

static inline void jc_pages_release(void *base, size_t size) {
    (void)size;
    VirtualFree(base, 0, MEM_RELEASE);
}

/* Make pages usable; those that are keep what they hold, new ones are zeros. Whether the system has so many. */
static inline bool jc_pages_open(void *base, size_t size) {
    return VirtualAlloc(base, size, MEM_COMMIT, PAGE_READWRITE) != NULL;
}

/* Make pages unusable. */
static inline bool jc_pages_close(void *base, size_t size) { return VirtualFree(base, size, MEM_DECOMMIT) != 0; }

/* Make usable pages zeros again, and give them back to the system; false where it does not promise that. */
static inline bool jc_pages_clear(void *base, size_t size) {
    return size == 0 || (VirtualFree(base, size, MEM_DECOMMIT) && VirtualAlloc(base, size, MEM_COMMIT, PAGE_READWRITE));
}

#else

#if defined(MAP_NORESERVE)
#define JC_RESERVED (MAP_PRIVATE | MAP_ANON | MAP_NORESERVE)
#else
#define JC_RESERVED (MAP_PRIVATE | MAP_ANON)
#endif

static inline void *jc_pages_reserve(size_t size) {
    void *base = mmap(NULL, size, PROT_NONE, JC_RESERVED, -1, 0);
    return base == MAP_FAILED ? NULL : base;
}

static inline void jc_pages_release(void *base, size_t size) { munmap(base, size); }

static inline bool jc_pages_open(void *base, size_t size) { return mprotect(base, size, PROT_READ | PROT_WRITE) == 0; }

static inline bool jc_pages_close(void *base, size_t size) { return mprotect(base, size, PROT_NONE) == 0; }

static inline bool jc_pages_clear(void *base, size_t size) {
#if defined(__linux__)
    return madvise(base, size, MADV_DONTNEED) == 0;
#else
    (void)base, (void)size; /* elsewhere MADV_DONTNEED may leave the old bytes */
    return false;
#endif
}

#endif

/* Fault usable pages in at once, which takes half the time for 1 MiB. Any address and size: the pages that they touch.
 * Where the system does not know this, the first write does it. */
static inline void jc_pages_touch(const void *start, size_t size) {
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)start & ~(page - 1);
    (void)madvise((void *)first, (uintptr_t)start + size - first, MADV_POPULATE_WRITE);
#else
    (void)start, (void)size;
#endif
}

/* Whether the system lets this process have so much memory and no more. */
static inline bool jc_memory_is_limited(void) {
#if defined(_WIN32)
    return false;
#else
    struct rlimit space, data;
    if (getrlimit(RLIMIT_AS, &space) != 0 || getrlimit(RLIMIT_DATA, &data) != 0)
        return true; /* unknown: the careful way */
    return space.rlim_cur != RLIM_INFINITY || data.rlim_cur != RLIM_INFINITY;
#endif
}

/* --- signals --- */

typedef void (*jc_handler)(int);

#if defined(_WIN32)

/* The handler of a signal; NULL: it has none of this kind. */
static inline jc_handler jc_handler_get(int number) {
    jc_handler now = signal(number, SIG_GET);
    return now == SIG_ERR ? NULL : now;
}

/* Replace it. Whether it was replaced. */
static inline bool jc_handler_put(int number, jc_handler handler) { return signal(number, handler) != SIG_ERR; }

/* A signal's handler with all that belongs to it, to be put back as it was. Whether it is known. */
typedef jc_handler jc_action;

static inline bool jc_action_get(int number, jc_action *action) { return (*action = jc_handler_get(number)) != NULL; }

static inline void jc_action_put(int number, const jc_action *action) { signal(number, *action); }

/* From inside a handler: Windows forgets it before it calls it, and Python's then puts itself there. */
static inline void jc_handler_stays(int number, jc_handler handler) { signal(number, handler); }

typedef int jc_signals; /* each comes on a thread of its own, or to whoever raises it */

static inline void jc_signals_block(jc_signals *before) { *before = 0; }
static inline void jc_signals_restore(const jc_signals *before) { (void)before; }

#else

static inline jc_handler jc_handler_get(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 ? now.sa_handler : NULL;
}

static inline bool jc_handler_put(int number, jc_handler handler) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) != 0)
        return false;
    now.sa_handler = handler;
    now.sa_flags |= SA_ONSTACK;
    return sigaction(number, &now, NULL) == 0;
}

typedef struct sigaction jc_action;

static inline bool jc_action_get(int number, jc_action *action) { return sigaction(number, NULL, action) == 0; }

static inline void jc_action_put(int number, const jc_action *action) { sigaction(number, action, NULL); }

static inline void jc_handler_stays(int number, jc_handler handler) { (void)number, (void)handler; }

typedef sigset_t jc_signals;

/* Let this thread, and those that it starts, take no signal. */
static inline void jc_signals_block(jc_signals *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, before);
}

static inline void jc_signals_restore(const jc_signals *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }

#endif

/* --- this thread, before it enters a guest --- */

#if defined(_WIN32)

/* Where its stack ends, below; NULL: that is not known. */
static inline char *jc_stack_low(void) {
    ULONG_PTR low, high;
    GetCurrentThreadStackLimits(&low, &high);
    return (char *)low;
}

/* What handles its memory faults; NULL where the system has no signal for them. */
static inline const void *jc_trap_handler(void) { return NULL; }

#else

#if defined(__APPLE__)
static inline char *jc_stack_low(void) {
    pthread_t here = pthread_self();
    return (char *)pthread_get_stackaddr_np(here) - pthread_get_stacksize_np(here);
}
#else
/* In libc, but not in every header without _GNU_SOURCE. */
extern int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes);

static inline char *jc_stack_low(void) {
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return NULL;
    int failed = pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return failed ? NULL : low;
}
#endif

static inline const void *jc_trap_handler(void) {
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) != 0)
        return NULL;
    const void *handler;
    _Static_assert(sizeof handler == sizeof now.sa_handler, "a function's address fits");
    __builtin_memcpy(&handler, &now.sa_handler, sizeof handler); /* shares its place with sa_sigaction */
    return handler;
}

#endif

/* --- a child process of ours: the watch that ends it --- */

#if defined(_WIN32)

static inline bool jc_can_watch(void) { return false; } /* a pipe does not tell that its other end is closed */
static inline int64_t jc_process_cpu_ns(void) { return jc_cpu_ns(); }

static inline bool jc_is_orphan(int pipe, int64_t parent) {
    (void)pipe, (void)parent;
    return false;
}

static inline void jc_end_process(int pipe, const void *words, size_t length) {
    (void)pipe, (void)words, (void)length;
    ExitProcess(JC_ENDED);
}

#else

static inline bool jc_can_watch(void) { return true; }

/* CPU time of all threads. */
static inline int64_t jc_process_cpu_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* Whether the other end of a pipe is closed, or this process has another parent by now. */
static inline bool jc_is_orphan(int pipe, int64_t parent) {
    struct pollfd asked = {.fd = pipe, .events = 0, .revents = 0};
    return (int64_t)getppid() != parent || (poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR)) != 0);
}

/* End this process, whatever its threads do; `words` go into the pipe before, if there is room for them at once. */
static inline void jc_end_process(int pipe, const void *words, size_t length) {
    if (length != 0) {
        fcntl(pipe, F_SETFL, fcntl(pipe, F_GETFL) | O_NONBLOCK);
        ssize_t written = write(pipe, words, length);
        (void)written;
    }
    _exit(JC_ENDED);
}

#endif

/* --- the end --- */

/* Have a function called in each forked child; where there is no fork, never. Whether that is arranged. */
static inline bool jc_at_fork(void (*in_child)(void)) {
#if defined(_WIN32)
    (void)in_child;
    return true;
#else
    return pthread_atfork(NULL, NULL, in_child) == 0;
#endif
}

/* Wait until the process is gone. */
static inline void jc_wait_for_the_end(void) {
    for (;;) {
#if defined(_WIN32)
        Sleep(INFINITE);
#else
        pause();
#endif
    }
}

#endif
