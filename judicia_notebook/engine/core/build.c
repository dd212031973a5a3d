/* What this library was built from, and by what. tools/build_core.py also finds the line in the file, unloaded. */
#include "core.h"

#ifndef JC_DIGEST
#error "build this with tools/build_core.py, which defines JC_DIGEST and JC_VARIANT"
#endif

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "other"
#endif

#if defined(__linux__) && defined(__GLIBC__)
#define SYSTEM "linux-glibc"
#elif defined(__linux__)
#define SYSTEM "linux-other" /* musl defines no name of its own */
#elif defined(__APPLE__)
#define SYSTEM "macos"
#elif defined(_WIN32)
#define SYSTEM "windows"
#else
#define SYSTEM "other"
#endif

const char *jc_build(void) {
    return "judicia_core digest=" JC_DIGEST " variant=" JC_VARIANT " target=" MACHINE "-" SYSTEM " compiler=" COMPILER
           ";";
}
