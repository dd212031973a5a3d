/* Clocks, locks and pages of the system. */
#ifndef JC_PLATFORM_H
#define JC_PLATFORM_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

#if defined(__APPLE__)
/* Python's perf_counter has the same clock. */
static inline int64_t jc_now_ns(void) { return (int64_t)clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }
#else
static inline int64_t jc_now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}
#endif

#if defined(__linux__)
static inline void jc_name_thread(const char *name) { prctl(PR_SET_NAME, name); }
#else
static inline void jc_name_thread(const char *name) { pthread_setname_np(name); }
#endif

static inline void jc_yield(void) { sched_yield(); }

/* CPU time of this thread. */
static inline int64_t jc_cpu_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

#endif
