/* A plugin of ABI 1 on top of libc: a WASI reactor, whose constructors run in _initialize. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

static char *greeting;

__attribute__((constructor)) static void prepare(void) {
    greeting = strdup("constructed");
    puts("constructor");
    fflush(stdout);
}

EXPORT("judicia_alloc") void *judicia_alloc(size_t size) { return malloc(size); }

EXPORT("judicia_free") void judicia_free(void *ptr, size_t size) { free(ptr); }

static unsigned long long answer(const char *text) {
    char *copy = strdup(text);
    return (unsigned long long)(size_t)copy << 32 | strlen(copy);
}

EXPORT("on_initialize") unsigned long long on_initialize(const char *request, size_t size) {
    printf("initialized, %s\n", greeting ? greeting : "too early");
    fflush(stdout);
    return 0;
}

EXPORT("greet") unsigned long long greet(const char *request, size_t size) {
    char text[64];
    snprintf(text, sizeof text, "\"%s, %zu bytes\"", greeting, size);
    fprintf(stderr, "greeting\n");
    return answer(text);
}

EXPORT("leave") unsigned long long leave(const char *request, size_t size) { exit(5); }
