/* Judicia plugins in C and C++: one header, C11 or C++17, clang or zig cc, with wasi-libc or with no libc at all.
 *
 *     #include "judicia.h"
 *
 *     JUDICIA_MANIFEST({"name": "adder", "version": "1.0.0"})
 *
 *     JUDICIA_EXPORT(add) {  // request: jn_value, answer: jn_writer *
 *         jn_put_int(answer, jn_get_int(request, "a") + jn_get_int(request, "b"));
 *     }
 *
 * - A function that cannot do its work fails the call: the caller gets a code and a message. From then on readers give
 *   0 and "", and services do nothing, so that a plugin need not look after each line; jn_failed() tells.
 * - What is read or asked for lives until the export returns; nothing has to be freed.
 * - A service is imported only if the plugin calls it. The wire format is ABI.md, one folder up.
 * - Compiled for the developer's machine, for a debugger or a sanitizer, it has no host: each service says no, the log
 *   goes nowhere, and jn_failed() tells of a failure. A test calls `plugin_add(request, &answer)` after jn_begin() and
 *   reads `answer`; an export's number has room for addresses of 32 bits only.
 */
#ifndef JUDICIA_H
#define JUDICIA_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__wasi__) || !defined(__wasm__)
#define JN_LIBC 1
#include <stdlib.h>
#include <string.h>
#endif

#ifdef __cplusplus
#define JN_C extern "C"
#else
#define JN_C
#endif
#define JN_FN static __attribute__((unused))
#define JN_WEAK __attribute__((weak)) /* one for all files of a plugin */
#ifdef __wasm__
#define JN_EXPORT(name) JN_C __attribute__((export_name(name), used))
#else
#define JN_EXPORT(name) JN_C /* without a host an export is a function */
#endif

/* --- what a plugin uses --------------------------------------------------------------------------------------------
 */

/* Text that ends in a NUL, which `length` does not count; there may be others inside. */
typedef struct {
    const char *at;
    size_t length;
} jn_text;

/* A place in JSON that was found to be valid. */
typedef struct {
    const char *at;    /* NULL: nothing is there */
    const char *end;   /* of the whole text */
    const char *key;   /* the quote before its key; NULL outside an object */
    const char *field; /* the same of the innermost field that it is or is in, for messages */
} jn_value;

typedef enum { JN_MISSING, JN_NULL, JN_BOOL, JN_NUMBER, JN_TEXT, JN_ARRAY, JN_OBJECT } jn_kind;

#define JN_DEPTH 128 /* levels of arrays and objects that are read, and whose brackets are told apart when written */

/* JSON that grows; commas come by themselves. `jn_writer w = jn_new();` begins one. */
typedef struct {
    char *at;
    size_t length, room;
    struct jn_kept *kept;
    int open;                            /* arrays and objects that are not closed */
    bool comma;                          /* before what comes next */
    bool fixed;                          /* its room does not grow: what has none is left out */
    bool cut;                            /* there was no room for all of it */
    unsigned char objects[JN_DEPTH / 8]; /* one bit for each that is open: whether it is an object */
} jn_writer;

/* An export from JSON to JSON: its body follows. An empty request is read as null; an empty answer is null. */
#define JUDICIA_EXPORT(name)                                                           \
    static void plugin_##name(jn_value request, jn_writer *answer);                    \
    JN_EXPORT(#name) unsigned long long export_##name(const char *ptr, unsigned len) { \
        jn_writer answer = jn_begin();                                                 \
        jn_value request;                                                              \
        if (jn_request(ptr, len, &request))                                            \
            plugin_##name(request, &answer);                                           \
        return jn_end(&answer);                                                        \
    }                                                                                  \
    static void plugin_##name(jn_value request __attribute__((unused)), jn_writer *answer __attribute__((unused)))

/* An export from bytes to bytes (`p.call_bytes`): `request` has no NUL at its end; jn_put_bytes writes the answer. */
#define JUDICIA_EXPORT_BYTES(name)                                                     \
    static void plugin_##name(jn_text request, jn_writer *answer);                     \
    JN_EXPORT(#name) unsigned long long export_##name(const char *ptr, unsigned len) { \
        jn_writer answer = jn_begin();                                                 \
        jn_text request = {ptr, len};                                                  \
        plugin_##name(request, &answer);                                               \
        return jn_end(&answer);                                                        \
    }                                                                                  \
    static void plugin_##name(jn_text request __attribute__((unused)), jn_writer *answer __attribute__((unused)))

/* What the plugin says of itself, as JSON, once in a plugin: section 7 of ABI.md has the fields. */
#define JUDICIA_MANIFEST(...) JN_MANIFEST(#__VA_ARGS__)
#ifdef __wasm__ /* clang makes custom sections from assembly only; the text is a literal twice, in C and in assembly \
                 */
#define JN_MANIFEST(json) \
    __asm__(".section .custom_section.judicia.manifest,\"\",@\n.ascii " JN_LITERAL(json) "\n.text\n");
#else
#define JN_MANIFEST(json)
#endif
#define JN_LITERAL(text) #text

/* Leaves the export with the service's error where a service did not do what was asked. */
#define JN_TRY(service)                                         \
    do {                                                        \
        if (!(service)) {                                       \
            jn_fail(jn_error().code, "%s", jn_error().message); \
            return;                                             \
        }                                                       \
    } while (0)

/* Fails the call; the first failure counts. The codes of the platform are listed in section 5 of ABI.md. Formats are
 * those of printf, but for %n, %a, and what is wider than 64 bits: one that is not known fails the call. */
__attribute__((format(printf, 2, 3))) JN_FN void jn_fail(const char *code, const char *format, ...);

/* Traps: the text is an error in the plugin's log, and stands in the GuestTrap. */
__attribute__((format(printf, 1, 2), noreturn)) JN_FN void jn_abort(const char *format, ...);

/* Aborts where something does not hold that always should. */
#define jn_assert(condition) ((condition) ? (void)0 : jn_abort("line %d: %s is false", __LINE__, #condition))

/* --- memory: without a libc, the functions that compilers call, and K&R's allocator ---------------------------------
 */

#ifdef JN_LIBC

JN_FN void *jn_heap_alloc(size_t size) { return malloc(size); }
JN_FN void jn_heap_free(void *ptr) { free(ptr); }

#else

/* The attribute keeps the compiler from seeing memcpy in the loop and calling it. */
#define JN_MEM(kind) JN_C JN_WEAK __attribute__((no_builtin)) kind

JN_MEM(void *) memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

JN_MEM(void *) memmove(void *to, const void *from, size_t n) {
    if ((uintptr_t)to <= (uintptr_t)from)
        return memcpy(to, from, n);
    while (n--)
        ((char *)to)[n] = ((const char *)from)[n];
    return to;
}

JN_MEM(void *) memset(void *to, int byte, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = (char)byte;
    return to;
}

JN_MEM(int) memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *left = (const unsigned char *)a, *right = (const unsigned char *)b;
    for (size_t i = 0; i < n; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

JN_MEM(size_t) strlen(const char *text) {
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

/* A block is this header and what follows it. Free ones are listed by address, so that neighbours can be joined. */
typedef struct jn_block {
    size_t size; /* with the header */
    struct jn_block *next;
} jn_block;

#ifndef __cplusplus
extern
#else
extern "C"
#endif
    char __heap_base; /* from the linker: the first address that is free */
JN_WEAK struct jn_heap {
    jn_block *free;
    char *top; /* what lies above was never used, or was given back */
} jn_heap;

JN_FN jn_block *jn_grow(size_t size) {
    if (!jn_heap.top)
        jn_heap.top = (char *)(((uintptr_t)&__heap_base + 7) & ~(uintptr_t)7);
    unsigned long long end = (uintptr_t)jn_heap.top + (unsigned long long)size;
    size_t have = __builtin_wasm_memory_size(0), pages = (size_t)((end + 65535) >> 16);
    if (end > UINT32_MAX)
        return NULL;
    if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (size_t)-1)
        return NULL;
    jn_block *block = (jn_block *)jn_heap.top;
    jn_heap.top += size;
    block->size = size;
    return block;
}

JN_FN void *jn_heap_alloc(size_t bytes) {
    if (bytes > UINT32_MAX / 2)
        return NULL;
    size_t size = ((bytes + 7) & ~(size_t)7) + sizeof(jn_block);
    jn_block **link = &jn_heap.free;
    while (*link && (*link)->size < size)
        link = &(*link)->next;
    jn_block *block = *link;
    if (!block) {
        block = jn_grow(size);
    } else if (block->size - size < 2 * sizeof(jn_block)) {
        *link = block->next;
    } else { /* the rest stays free, in its place of the list */
        jn_block *rest = (jn_block *)((char *)block + size);
        rest->size = block->size - size;
        rest->next = block->next;
        *link = rest;
        block->size = size;
    }
    return block ? block + 1 : NULL;
}

JN_FN void jn_heap_free(void *ptr) {
    if (!ptr)
        return;
    jn_block *block = (jn_block *)ptr - 1, **link = &jn_heap.free, *before = NULL, **to_before = NULL;
    while (*link && *link < block) {
        to_before = link;
        before = *link;
        link = &before->next;
    }
    jn_block *after = *link;
    if (after && (char *)block + block->size == (char *)after) {
        block->size += after->size;
        after = after->next;
    }
    block->next = after;
    *link = block;
    if (before && (char *)before + before->size == (char *)block) {
        before->size += block->size;
        before->next = after;
        block = before;
        link = to_before;
    }
    if ((char *)block + block->size == jn_heap.top) {
        jn_heap.top = (char *)block;
        *link = NULL;
    }
}

#endif

typedef struct {
    const char *code, *message;
} jn_problem;

/* What must be freed when the export returns. */
struct jn_kept {
    struct jn_kept *next;
    void *ptr;
};

JN_WEAK struct jn_call {
    struct jn_kept *kept;
    bool failed;
    jn_problem error;
    char message[512], json[3584]; /* for what has to be said where the heap has no room */
} jn_call;

JN_EXPORT("judicia_alloc") __attribute__((weak)) void *judicia_alloc(unsigned size) { return jn_heap_alloc(size); }

JN_EXPORT("judicia_free") __attribute__((weak)) void judicia_free(void *ptr, unsigned size) {
    (void)size;
    jn_heap_free(ptr);
}

/* Whether the call has failed already. */
JN_FN bool jn_failed(void) { return jn_call.failed; }

JN_FN void jn_no_room(void) { jn_fail("quota_exceeded", "the plugin has no memory left"); }

/* Has memory freed when the export returns; NULL where there is no room to note it. */
JN_FN struct jn_kept *jn_keep(void *ptr) {
    struct jn_kept *kept = ptr ? (struct jn_kept *)jn_heap_alloc(sizeof *kept) : NULL;
    if (!kept) {
        jn_heap_free(ptr);
        jn_no_room();
        return NULL;
    }
    kept->ptr = ptr;
    kept->next = jn_call.kept;
    return jn_call.kept = kept;
}

/* Memory until the export returns. NULL, and the call has failed, where there is none. */
JN_FN void *jn_scratch(size_t size) {
    struct jn_kept *kept = jn_keep(jn_heap_alloc(size ? size : 1));
    return kept ? kept->ptr : NULL;
}

/* --- writing JSON ---------------------------------------------------------------------------------------------------
 */

JN_FN jn_writer jn_new(void) {
    jn_writer writer = {NULL, 0, 0, NULL, 0, false, false, false, {0}};
    return writer;
}

/* A writer in memory that is there. */
JN_FN jn_writer jn_new_in(char *at, size_t room) {
    jn_writer writer = {at, 0, room, NULL, 0, false, true, false, {0}};
    return writer;
}

JN_FN bool jn_make_room(jn_writer *to, size_t n) {
    if (n > UINT32_MAX / 4 || to->length > UINT32_MAX / 4)
        return jn_no_room(), false;
    size_t room = (to->length + n) * 2 + 64;
    char *at = (char *)jn_heap_alloc(room);
    if (!at)
        return jn_no_room(), false;
    if (to->length)
        memcpy(at, to->at, to->length);
    if (!to->kept) {
        to->kept = jn_keep(at);
        if (!to->kept)
            return false;
    } else {
        jn_heap_free(to->at);
        to->kept->ptr = at;
    }
    to->at = at;
    to->room = room;
    return true;
}

/* Appends bytes as they are. */
JN_FN void jn_put_bytes(jn_writer *to, const void *bytes, size_t n) {
    const char *from = (const char *)bytes;
    if (to->cut)
        return;
    if (n > to->room - to->length && (to->fixed || !jn_make_room(to, n))) {
        to->cut = true;
        if (!to->fixed)
            return;
        for (n = to->room - to->length; n && (from[n] & 0xC0) == 0x80;)
            n--; /* no part of a character */
    }
    if (n)
        memcpy(to->at + to->length, from, n);
    to->length += n;
}

JN_FN void jn_put_raw(jn_writer *to, const char *text) { jn_put_bytes(to, text, strlen(text)); }

/* What is open innermost: '[', '{', 0 for nothing, '?' where it is too deep to be known. */
JN_FN char jn_box(const jn_writer *to) {
    int level = to->open - 1;
    if (level < 0)
        return 0;
    if (level >= JN_DEPTH)
        return '?';
    return to->objects[level / 8] >> level % 8 & 1 ? '{' : '[';
}

/* Whether a key waits for its value. Asked of the text, so that a key may be put raw. */
JN_FN bool jn_after_key(const jn_writer *to) { return to->length && to->at[to->length - 1] == ':'; }

JN_FN void jn_malformed(const char *what) { jn_fail("failed", "the JSON that is written has %s", what); }

JN_FN void jn_put_comma(jn_writer *to) {
    if (to->comma)
        jn_put_bytes(to, ",", 1);
    to->comma = true;
}

/* Every value begins here. */
JN_FN void jn_begin_value(jn_writer *to) {
    char box = jn_box(to);
    if (!box && to->comma)
        jn_malformed("a second value, and no array or object round them");
    else if (box == '{' && !jn_after_key(to))
        jn_malformed("a value without a key in an object");
    jn_put_comma(to);
}

JN_FN void jn_put_null(jn_writer *to) {
    jn_begin_value(to);
    jn_put_raw(to, "null");
}

JN_FN void jn_put_bool(jn_writer *to, bool value) {
    jn_begin_value(to);
    jn_put_raw(to, value ? "true" : "false");
}

JN_FN void jn_digits(jn_writer *to, unsigned long long number) {
    char digits[20], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    jn_put_bytes(to, at, (size_t)(digits + sizeof digits - at));
}

JN_FN void jn_put_uint(jn_writer *to, unsigned long long number) {
    jn_begin_value(to);
    jn_digits(to, number);
}

JN_FN void jn_signed_digits(jn_writer *to, long long number) {
    if (number < 0)
        jn_put_raw(to, "-");
    jn_digits(to, number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number);
}

JN_FN void jn_put_int(jn_writer *to, long long number) {
    jn_begin_value(to);
    jn_signed_digits(to, number);
}

JN_FN void jn_put_double(jn_writer *to, double number);

JN_FN bool jn_is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
JN_FN bool jn_is_digit(char c) { return c >= '0' && c <= '9'; }

/* The bytes of the character of UTF-8 at `at`. Below 0 where there is none: so many bytes are the beginning of one, or
 * the one that begins none. */
JN_FN int jn_character(const char *at, const char *end) {
    unsigned char first = (unsigned char)*at;
    int more = first >= 0xC2 && first <= 0xDF ? 1 : first >= 0xE0 && first <= 0xEF ? 2 : 3;
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return -1;
    for (int i = 1; i <= more; i++) {
        if (at + i == end)
            return -i;
        unsigned char c = (unsigned char)at[i], least = 0x80, most = 0xBF;
        if (i == 1) { /* too long, surrogates, beyond U+10FFFF */
            least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
            most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        }
        if (c < least || c > most)
            return -i;
    }
    return more + 1;
}

JN_FN void jn_escape(jn_writer *to, const char *text, size_t n) {
    static const char hex[] = "0123456789abcdef";
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        jn_put_bytes(to, text + done, i - done);
        done = i + 1;
        char plain[2] = {'\\', (char)c}, control[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (c >= ' ')
            jn_put_bytes(to, plain, 2);
        else
            jn_put_bytes(to, control, 6);
    }
    jn_put_bytes(to, text + done, n - done);
}

/* Text is UTF-8; what is not makes the answer invalid, which the host says. */
JN_FN void jn_put_text(jn_writer *to, jn_text text) {
    jn_begin_value(to);
    jn_put_raw(to, "\"");
    jn_escape(to, text.at, text.length);
    jn_put_raw(to, "\"");
}

JN_FN jn_text jn_text_of(const char *string) {
    jn_text text = {string, strlen(string)};
    return text;
}

JN_FN void jn_put_string(jn_writer *to, const char *string) { jn_put_text(to, jn_text_of(string)); }

JN_FN void jn_open(jn_writer *to, const char *bracket) {
    jn_begin_value(to);
    jn_put_raw(to, bracket);
    int level = to->open++;
    if (level < JN_DEPTH) {
        unsigned bit = 1u << level % 8, others = to->objects[level / 8] & ~bit;
        to->objects[level / 8] = (unsigned char)(*bracket == '{' ? others | bit : others);
    }
    to->comma = false;
}

JN_FN void jn_close(jn_writer *to, const char *bracket) {
    char box = jn_box(to);
    if (!box)
        return jn_malformed(*bracket == '}' ? "a } without its {" : "a ] without its [");
    if (box != '?' && box != *bracket - 2) /* in ASCII a bracket is two before the one that closes it */
        return jn_malformed(*bracket == '}' ? "a } that closes an array" : "a ] that closes an object");
    if (jn_after_key(to))
        return jn_malformed("a key without a value");
    jn_put_raw(to, bracket);
    to->open--;
    to->comma = true;
}

JN_FN void jn_open_array(jn_writer *to) { jn_open(to, "["); }
JN_FN void jn_close_array(jn_writer *to) { jn_close(to, "]"); }
JN_FN void jn_open_object(jn_writer *to) { jn_open(to, "{"); }
JN_FN void jn_close_object(jn_writer *to) { jn_close(to, "}"); }

/* The key of the value that is put next. */
JN_FN void jn_key_text(jn_writer *to, jn_text name) {
    char box = jn_box(to);
    if (!box || box == '[')
        jn_malformed("a key outside of an object");
    else if (jn_after_key(to))
        jn_malformed("a key without a value");
    jn_put_comma(to);
    jn_put_raw(to, "\"");
    jn_escape(to, name.at, name.length);
    jn_put_raw(to, "\":");
    to->comma = false;
}

JN_FN void jn_key(jn_writer *to, const char *name) { jn_key_text(to, jn_text_of(name)); }

/* A field with a text: what most requests to services are made of. */
JN_FN void jn_put_field(jn_writer *to, const char *name, const char *string) {
    jn_key(to, name);
    jn_put_string(to, string);
}

/* JSON that another writer holds. */
JN_FN void jn_put_json(jn_writer *to, const jn_writer *json) {
    if (!json || !json->length)
        return jn_put_null(to);
    if (json->open)
        jn_malformed("an array or an object that is not closed");
    jn_begin_value(to);
    jn_put_bytes(to, json->at, json->length);
}

/* --- numbers with a fraction: exact, in big whole numbers where the short way is not
 * ------------------------------------ */

#define JN_LIMBS 160 /* of 32 bits; enough for 780 digits and the power of ten of any double */

typedef struct {
    uint32_t limb[JN_LIMBS];
    int used;
    bool inexact; /* something not 0 was cut off */
} jn_big;

JN_FN void jn_times(jn_big *big, uint32_t factor, uint32_t more) {
    uint64_t carry = more;
    for (int i = 0; i < big->used; i++, carry >>= 32)
        big->limb[i] = (uint32_t)(carry += (uint64_t)big->limb[i] * factor);
    if (carry && big->used < JN_LIMBS)
        big->limb[big->used++] = (uint32_t)carry;
}

JN_FN uint32_t jn_over(jn_big *big, uint32_t divisor) {
    uint64_t rest = 0;
    for (int i = big->used; i--; rest %= divisor) {
        rest = rest << 32 | big->limb[i];
        big->limb[i] = (uint32_t)(rest / divisor);
    }
    while (big->used && !big->limb[big->used - 1])
        big->used--;
    if (rest)
        big->inexact = true;
    return (uint32_t)rest;
}

JN_FN bool jn_bit(const jn_big *big, int bit) { return bit >= 0 && big->limb[bit / 32] >> bit % 32 & 1; }

/* big * 2^exponent as a double, to the nearest, ties to even. */
JN_FN double jn_rounded(const jn_big *big, int exponent) {
    int bits = big->used * 32;
    while (bits && !jn_bit(big, bits - 1))
        bits--;
    if (!bits)
        return 0;
    if (bits + exponent > 1024)
        return __builtin_inf();
    int low = bits - 53; /* the last bit that is kept; subnormal numbers keep fewer */
    if (low + exponent < -1074)
        low = -1074 - exponent;
    uint64_t kept = 0;
    bool below = big->inexact;
    for (int i = bits - 1; i >= low; i--)
        kept = kept << 1 | jn_bit(big, i);
    for (int i = 0; i < low - 1 && i < bits && !below; i++)
        below = jn_bit(big, i);
    if (low > 0 && low <= bits && jn_bit(big, low - 1) && (below || (kept & 1)))
        kept++;
    double value = (double)kept;
    for (exponent += low; exponent > 0; exponent--)
        value *= 2;
    for (; exponent < 0; exponent++)
        value /= 2; /* exact: the bits that would be lost are not there */
    return value;
}

/* digits * 10^exponent, where the digits are in `big`. */
JN_FN double jn_scaled(jn_big *big, int exponent) {
    int shift = 0;
    for (; exponent > 0; exponent--)
        jn_times(big, 10, 0);
    for (; exponent < 0 && big->used * 32 < -exponent * 10 / 3 + 96; shift += 16)
        jn_times(big, 65536, 0);
    for (; exponent < 0; exponent++)
        jn_over(big, 10);
    return jn_rounded(big, -shift);
}

static const double jn_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Reads a JSON number that is valid. Infinity where it is too large. */
JN_FN double jn_parse_double(const char *at, const char *end) {
    jn_big big = {{0}, 0, false};
    uint64_t few = 0;
    int digits = 0, exponent = 0, written = 0;
    bool negative = *at == '-', fraction = false, below = false;
    for (at += negative; at < end && (*at == '.' || (*at >= '0' && *at <= '9')); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        if (exponent > -100000 && exponent < 100000)
            exponent -= fraction;
        if (!digits && *at == '0')
            continue;
        if (digits++ < 780) { /* more do not matter, but for whether they are 0 */
            jn_times(&big, 10, (uint32_t)(*at - '0'));
            if (digits <= 19)
                few = few * 10 + (uint64_t)(*at - '0');
        } else {
            below |= *at != '0';
            if (exponent < 100000)
                exponent++;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        bool down = *++at == '-';
        for (at += *at == '-' || *at == '+'; at < end && *at >= '0' && *at <= '9'; at++)
            if (written < 200000)
                written = written * 10 + (*at - '0');
        exponent += down ? -written : written;
    }
    int counted = digits < 780 ? digits : 780;
    double value;
    if (digits <= 19 && few < 1ull << 53 && exponent >= -22 && exponent <= 22)
        value = exponent < 0 ? (double)few / jn_tens[-exponent] : (double)few * jn_tens[exponent];
    else if (!digits || counted + exponent < -330)
        value = 0;
    else if (counted + exponent > 310)
        value = __builtin_inf();
    else {
        big.inexact = below;
        value = jn_scaled(&big, exponent);
    }
    return negative ? -value : value;
}

/* All digits of a positive number: 0.d1d2d3... * 10^point. */
typedef struct {
    char digit[800]; /* 767 at most; the last is not 0 */
    int count, point;
} jn_decimal;

JN_FN void jn_trim(jn_decimal *decimal) {
    while (decimal->count && decimal->digit[decimal->count - 1] == '0')
        decimal->count--;
    if (!decimal->count)
        decimal->point = 1; /* 0 has one digit before the point */
}

JN_FN void jn_expand(double number, jn_decimal *to) {
    jn_big big;
    int exponent = 0, places = 0;
    for (; number && number < 4503599627370496.0; number *= 2)
        exponent--;
    for (; number >= 9007199254740992.0; number /= 2)
        exponent++;
    uint64_t bits = (uint64_t)number;
    for (; bits && !(bits & 1) && exponent < 0; exponent++)
        bits >>= 1;
    big.limb[0] = (uint32_t)bits;
    big.limb[1] = (uint32_t)(bits >> 32);
    big.used = 2;
    while (exponent) { /* n / 2 is n * 5 / 10 */
        uint32_t factor = 1;
        for (; exponent < 0 && factor < 200000000; exponent++, places++)
            factor *= 5;
        for (; exponent > 0 && factor < 1u << 31; exponent--)
            factor *= 2;
        jn_times(&big, factor, 0);
    }
    char *begin = to->digit + sizeof to->digit, *at = begin;
    while (big.used) {
        uint32_t nine = jn_over(&big, 1000000000);
        for (int i = 0; i < 9 && (nine || big.used); i++, nine /= 10)
            *--at = (char)('0' + nine % 10);
    }
    to->count = (int)(begin - at);
    to->point = to->count - places;
    memmove(to->digit, at, (size_t)to->count);
    jn_trim(to);
}

/* Keeps so many digits, rounded to the nearest, ties to even; or up. */
JN_FN void jn_round(jn_decimal *decimal, int keep, bool up) {
    char *digit = decimal->digit;
    if (keep >= decimal->count)
        return;
    if (keep < 0) {
        decimal->count = 0;
        return jn_trim(decimal);
    }
    bool tie = digit[keep] == '5' && keep + 1 == decimal->count, odd = keep && (digit[keep - 1] & 1);
    up = up || (tie ? odd : digit[keep] >= '5');
    decimal->count = keep;
    for (; up && keep && digit[keep - 1] == '9'; keep--)
        digit[keep - 1] = '0';
    if (up && keep) {
        digit[keep - 1]++;
    } else if (up) { /* 0.99 is 1.0 now */
        digit[0] = '1';
        decimal->count = 1;
        decimal->point++;
    }
    jn_trim(decimal);
}

JN_FN char jn_digit_at(const jn_decimal *decimal, int i) {
    return i >= 0 && i < decimal->count ? decimal->digit[i] : '0';
}

/* The exponent of ten of its first digit, as in C: two digits at least. Answers its bytes. */
JN_FN int jn_put_exponent(char *to, char letter, int exponent, int least) {
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    int n = 0;
    to[n++] = letter;
    if (exponent < 0 || least > 1)
        to[n++] = exponent < 0 ? '-' : '+';
    if (size >= 100)
        to[n++] = (char)('0' + size / 100);
    if (size >= 10 || least > 1)
        to[n++] = (char)('0' + size / 10 % 10);
    to[n++] = (char)('0' + size % 10);
    return n;
}

/* Writes the digits as 1.5e-7. Answers the bytes. */
JN_FN int jn_put_digits(char *to, const jn_decimal *decimal) {
    int n = 0;
    to[n++] = jn_digit_at(decimal, 0);
    for (int i = 1; i < decimal->count; i++) {
        if (i == 1)
            to[n++] = '.';
        to[n++] = decimal->digit[i];
    }
    return n + jn_put_exponent(to + n, 'e', decimal->point - 1, 1);
}

/* The fewest digits that give the number again; at least one after the point, so that it stays a float. */
JN_FN void jn_put_double(jn_writer *to, double number) {
    char text[32];
    if (!(number - number == 0))
        return jn_fail("failed", "the answer has a number that JSON does not have");
    jn_begin_value(to);
    if (number < 0 || (number == 0 && 1 / number < 0)) {
        jn_put_raw(to, "-");
        number = -number;
    }
    for (int places = 1; number < 9e15 && places < 16; places++) {
        double shifted = number * jn_tens[places];
        if (shifted >= 9e15)
            break;
        uint64_t whole = (uint64_t)(shifted + 0.5), unit = (uint64_t)jn_tens[places];
        if ((double)whole / jn_tens[places] != number || (number != 0 && number < 1e-5))
            continue;
        jn_digits(to, whole / unit);
        jn_put_raw(to, ".");
        for (whole %= unit; unit /= 10; whole %= unit)
            jn_digits(to, whole / unit);
        return;
    }
    jn_decimal all, some;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    jn_expand(number, &all);
    /* 15 digits are never one too many, but for subnormal numbers. What is above may give a power of two again where
     * the nearest does not: the next number below it is nearer. */
    int digits = number < 2.3e-308 ? 1 : 15;
    for (bool up = false;; up = !up && !(bits << 12), digits += !up) {
        some.point = all.point;
        some.count = all.count < digits + 2 ? all.count : digits + 2; /* enough to round by */
        memcpy(some.digit, all.digit, (size_t)some.count);
        jn_round(&some, digits, up);
        int n = jn_put_digits(text, &some);
        if (jn_parse_double(text, text + n) == number || digits == 17)
            return jn_put_bytes(to, text, (size_t)n);
    }
}

/* --- formats: those of C's printf ------------------------------------------------------------------------------------
 */

#define JN_WIDEST 9999 /* characters of a width or a precision */

typedef struct {
    va_list list; /* alone it may be an array, which has no address of its own as a parameter */
} jn_args;

typedef struct {
    bool left, plus, space, other, zero;
    int width, precision; /* -1: none */
    size_t size;          /* of the argument, in bytes; 0: none is written */
    char letter;
} jn_directive;

JN_FN bool jn_is_one_of(char c, const char *set) {
    while (*set && *set != c)
        set++;
    return *set != 0;
}

/* A width or a precision, from the format or from the arguments. */
JN_FN int jn_extent(const char **at, jn_args *args) {
    int n = 0;
    if (**at == '*') {
        n = va_arg(args->list, int);
        (*at)++;
    } else {
        for (; jn_is_digit(**at); (*at)++)
            n = n > JN_WIDEST ? n : n * 10 + (**at - '0');
    }
    return n > JN_WIDEST ? JN_WIDEST + 1 : n < -JN_WIDEST ? -JN_WIDEST - 1 : n;
}

JN_FN const char *jn_read_size(const char *at, size_t *size) {
    char c = *at;
    bool twice = (c == 'h' || c == 'l') && at[1] == c;
    *size = c == 'h'   ? (twice ? 1 : sizeof(short))
            : c == 'l' ? (twice ? sizeof(long long) : sizeof(long))
            : c == 'j' ? sizeof(intmax_t)
            : c == 'z' ? sizeof(size_t)
            : c == 't' ? sizeof(ptrdiff_t)
                       : 0;
    return at + (*size > 0) + twice;
}

/* Reads what stands between a % and its letter. Answers where it ends; NULL where it is not known. */
JN_FN const char *jn_read_directive(const char *at, jn_args *args, jn_directive *how) {
    jn_directive read = {false, false, false, false, false, 0, -1, 0, 0};
    const char *first = at;
    for (;; at++) {
        if (*at == '-')
            read.left = true;
        else if (*at == '+')
            read.plus = true;
        else if (*at == ' ')
            read.space = true;
        else if (*at == '#')
            read.other = true;
        else if (*at == '0')
            read.zero = true;
        else
            break;
    }
    read.width = jn_extent(&at, args);
    if (read.width < 0) {
        read.left = true;
        read.width = -read.width;
    }
    if (*at == '.') {
        at++;
        read.precision = jn_extent(&at, args);
    }
    bool is_long = at[0] == 'l' && at[1] != 'l', known = false;
    at = jn_read_size(at, &read.size);
    read.letter = *at;
    if (jn_is_one_of(*at, "diuoxX"))
        known = true;
    else if (jn_is_one_of(*at, "fFeEgG"))
        known = !read.size || is_long;
    else if (jn_is_one_of(*at, "csp"))
        known = !read.size;
    else if (*at == '%')
        known = at == first;
    *how = read;
    return known && read.width <= JN_WIDEST && read.precision <= JN_WIDEST ? at + 1 : NULL;
}

JN_FN void jn_repeat(jn_writer *to, char c, int n) {
    for (; n > 0; n--)
        jn_put_bytes(to, &c, 1);
}

/* What stands before `length` bytes: spaces, a sign or 0x, zeros. */
JN_FN void jn_pad(jn_writer *to, const jn_directive *how, const char *sign, int length) {
    int missing = how->width - length - (int)strlen(sign);
    if (!how->left && !how->zero)
        jn_repeat(to, ' ', missing);
    jn_put_raw(to, sign);
    if (!how->left && how->zero)
        jn_repeat(to, '0', missing);
}

JN_FN void jn_pad_after(jn_writer *to, const jn_directive *how, const char *sign, int length) {
    if (how->left)
        jn_repeat(to, ' ', how->width - length - (int)strlen(sign));
}

JN_FN void jn_put_padded(jn_writer *to, jn_directive how, const char *text, size_t n) {
    int length = n > JN_WIDEST ? JN_WIDEST : (int)n; /* wider than any width */
    how.zero = false;
    jn_pad(to, &how, "", length);
    jn_put_bytes(to, text, n);
    jn_pad_after(to, &how, "", length);
}

JN_FN const char *jn_sign(const jn_directive *how, bool negative) {
    return negative ? "-" : how->plus ? "+" : how->space ? " " : "";
}

JN_FN void jn_put_whole(jn_writer *to, jn_directive how, unsigned long long number, const char *sign) {
    const char *alphabet = how.letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = how.letter == 'x' || how.letter == 'X' ? 16 : how.letter == 'o' ? 8 : 10;
    char digits[24], *end = digits + sizeof digits, *at = end;
    if (how.other && base == 16 && number)
        sign = how.letter == 'x' ? "0x" : "0X";
    for (; number; number /= base)
        *--at = alphabet[number % base];
    int n = (int)(end - at), zeros = (how.precision < 0 ? 1 : how.precision) - n;
    if (how.other && base == 8 && zeros < 1)
        zeros = 1;
    if (zeros < 0)
        zeros = 0;
    how.zero = how.zero && how.precision < 0;
    jn_pad(to, &how, sign, n + zeros);
    jn_repeat(to, '0', zeros);
    jn_put_bytes(to, at, (size_t)n);
    jn_pad_after(to, &how, sign, n + zeros);
}

JN_FN void jn_put_real(jn_writer *to, jn_directive how, double number) {
    jn_decimal decimal;
    bool is_large = how.letter < 'a', negative = number < 0 || (number == 0 && 1 / number < 0);
    const char *sign = jn_sign(&how, negative);
    if (!(number - number == 0)) {
        const char *name = number == number ? (is_large ? "INF" : "inf") : (is_large ? "NAN" : "nan");
        how.zero = false;
        jn_pad(to, &how, sign, 3);
        jn_put_raw(to, name);
        return jn_pad_after(to, &how, sign, 3);
    }
    jn_expand(negative ? -number : number, &decimal);
    int precision = how.precision < 0 ? 6 : how.precision;
    bool power = how.letter == 'e' || how.letter == 'E';
    if (how.letter == 'g' || how.letter == 'G') {
        precision += !precision;
        jn_round(&decimal, precision, false);
        power = decimal.point <= -4 || decimal.point > precision;
        int before = power ? 1 : decimal.point, places = decimal.count - before;
        precision -= before;
        if (!how.other && places < precision)
            precision = places > 0 ? places : 0;
    } else {
        jn_round(&decimal, precision + (power ? 1 : decimal.point), false);
    }
    char exponent[8];
    int whole = power || decimal.point < 1 ? 1 : decimal.point,
        first = power || decimal.point > 0 ? 0 : decimal.point - 1;
    int last = power ? jn_put_exponent(exponent, is_large ? 'E' : 'e', decimal.point - 1, 2) : 0;
    int length = whole + (precision || how.other) + precision + last;
    jn_pad(to, &how, sign, length);
    for (int i = 0; i < whole + precision; i++) {
        char digit = jn_digit_at(&decimal, first + i);
        if (i == whole)
            jn_put_bytes(to, ".", 1);
        jn_put_bytes(to, &digit, 1);
    }
    if (!precision && how.other)
        jn_put_bytes(to, ".", 1);
    jn_put_bytes(to, exponent, (size_t)last);
    jn_pad_after(to, &how, sign, length);
}

JN_FN void jn_put_directive(jn_writer *to, jn_directive how, jn_args *args) {
    const char *text = "%";
    size_t n = 0;
    char c;
    switch (how.letter) {
    case 'd':
    case 'i': {
        long long number = how.size > sizeof(int) ? va_arg(args->list, long long) : va_arg(args->list, int);
        number = how.size == 1 ? (signed char)number : how.size == 2 ? (short)number : number;
        return jn_put_whole(to, how, number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number,
                            jn_sign(&how, number < 0));
    }
    case 'u':
    case 'o':
    case 'x':
    case 'X': {
        unsigned long long number =
            how.size > sizeof(int) ? va_arg(args->list, unsigned long long) : va_arg(args->list, unsigned);
        number = how.size == 1 ? (unsigned char)number : how.size == 2 ? (unsigned short)number : number;
        return jn_put_whole(to, how, number, "");
    }
    case 'p':
        how.letter = 'x';
        return jn_put_whole(to, how, (uintptr_t)va_arg(args->list, void *), "0x");
    case 'c':
        c = (char)va_arg(args->list, int);
        return jn_put_padded(to, how, &c, 1);
    case 's':
        text = va_arg(args->list, const char *);
        if (!text)
            text = "(null)";
        while ((how.precision < 0 || n < (size_t)how.precision) && text[n])
            n++;
        return jn_put_padded(to, how, text, n);
    case '%':
        return jn_put_bytes(to, text, 1);
    default:
        jn_put_real(to, how, va_arg(args->list, double));
    }
}

/* Nothing is known of the directive's argument, nor of those after it: the rest of the format is text. */
JN_FN void jn_unknown(jn_writer *to, const char *directive, const char *format) {
    int n = 1;
    while (n < 16 && directive[n] && (jn_is_digit(directive[n]) || jn_is_one_of(directive[n], "-+ #.*hljztLq")))
        n++;
    int letter = directive[n] ? jn_character(directive + n, directive + n + strlen(directive + n)) : 0;
    n += letter < 0 ? 1 : letter;
    jn_put_raw(to, directive);
    jn_put_raw(to, " (judicia.h does not know ");
    jn_put_bytes(to, directive, (size_t)n);
    jn_put_raw(to, ")");
    jn_fail("failed", "the format \"%s\" has %.*s, which judicia.h does not know", format, n, directive);
}

JN_FN void jn_put_formatted(jn_writer *to, const char *format, va_list args) {
    jn_args own;
    jn_directive how;
    va_copy(own.list, args);
    for (const char *at = format; at;) {
        const char *from = at;
        while (*at && *at != '%')
            at++;
        jn_put_bytes(to, from, (size_t)(at - from));
        if (!*at)
            break;
        from = at;
        at = jn_read_directive(at + 1, &own, &how);
        if (at)
            jn_put_directive(to, how, &own);
        else
            jn_unknown(to, from, format);
    }
    va_end(own.list);
}

/* Text until the export returns. */
__attribute__((format(printf, 1, 2))) JN_FN jn_text jn_format(const char *format, ...) {
    jn_writer writer = jn_new();
    jn_text text = {"", 0};
    va_list args;
    va_start(args, format);
    jn_put_formatted(&writer, format, args);
    va_end(args);
    jn_put_bytes(&writer, "", 1);
    if (!writer.cut) {
        text.at = writer.at;
        text.length = writer.length - 1;
    }
    return text;
}

/* --- checking JSON: once, with bounded depth, so that the readers below may trust it
 * ----------------------------------- */

typedef struct {
    const char *at, *end;
} jn_input;

JN_FN char jn_peek(const jn_input *in) { return in->at < in->end ? *in->at : 0; }

JN_FN bool jn_accept(jn_input *in, char c) {
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

JN_FN const char *jn_skip_space(const char *at, const char *end) {
    while (at < end && jn_is_space(*at))
        at++;
    return at;
}

/* Four hexadecimal digits; -1 where there are others. */
JN_FN long jn_hex(const char *at, const char *end) {
    long value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i] | 0x20;
        int digit = jn_is_digit(at[i]) ? at[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

JN_FN bool jn_check_escape(jn_input *in) {
    char c = jn_peek(in);
    if (c != 'u') {
        bool known = c == '"' || c == '\\' || c == '/' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't';
        in->at += known;
        return known;
    }
    long unit = jn_hex(in->at + 1, in->end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
        return false;
    in->at += 5;
    if (unit < 0xD800 || unit > 0xDBFF)
        return true;
    if (in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u')
        return false; /* half of a pair */
    long low = jn_hex(in->at + 2, in->end);
    if (low < 0xDC00 || low > 0xDFFF)
        return false;
    in->at += 6;
    return true;
}

JN_FN bool jn_check_text(jn_input *in) {
    if (!jn_accept(in, '"'))
        return false;
    while (in->at < in->end) {
        unsigned char c = (unsigned char)*in->at;
        if (c == '"')
            return jn_accept(in, '"');
        int bytes = c < 0x80 ? 1 : jn_character(in->at, in->end);
        if (c < ' ' || bytes < 0)
            return false;
        in->at += bytes;
        if (c == '\\' && !jn_check_escape(in))
            return false;
    }
    return false;
}

JN_FN bool jn_check_digits(jn_input *in) {
    const char *first = in->at;
    while (jn_is_digit(jn_peek(in)))
        in->at++;
    return in->at > first;
}

JN_FN bool jn_check_number(jn_input *in) {
    jn_accept(in, '-');
    if (!jn_accept(in, '0') && !jn_check_digits(in))
        return false;
    if (jn_accept(in, '.') && !jn_check_digits(in))
        return false;
    if (!jn_accept(in, 'e') && !jn_accept(in, 'E'))
        return true;
    if (!jn_accept(in, '+'))
        jn_accept(in, '-');
    return jn_check_digits(in);
}

JN_FN bool jn_check_value(jn_input *in, int depth);

JN_FN bool jn_check_items(jn_input *in, char close, int depth) {
    in->at = jn_skip_space(in->at + 1, in->end);
    if (jn_accept(in, close))
        return true;
    do {
        if (close == '}') {
            in->at = jn_skip_space(in->at, in->end);
            if (!jn_check_text(in))
                return false;
            in->at = jn_skip_space(in->at, in->end);
            if (!jn_accept(in, ':'))
                return false;
        }
        if (!jn_check_value(in, depth))
            return false;
    } while (jn_accept(in, ','));
    return jn_accept(in, close);
}

JN_FN bool jn_check_word(jn_input *in, const char *word) {
    for (; *word; word++)
        if (!jn_accept(in, *word))
            return false;
    return true;
}

/* A value with the space around it. */
JN_FN bool jn_check_value(jn_input *in, int depth) {
    in->at = jn_skip_space(in->at, in->end);
    char c = jn_peek(in);
    bool fine = c == '{'   ? depth && jn_check_items(in, '}', depth - 1)
                : c == '[' ? depth && jn_check_items(in, ']', depth - 1)
                : c == '"' ? jn_check_text(in)
                : c == 't' ? jn_check_word(in, "true")
                : c == 'f' ? jn_check_word(in, "false")
                : c == 'n' ? jn_check_word(in, "null")
                           : jn_check_number(in);
    in->at = jn_skip_space(in->at, in->end);
    return fine;
}

/* Finds the value in a text. Answers -1, or the number of the byte that is wrong. */
JN_FN long long jn_parse(const char *text, size_t length, jn_value *value) {
    jn_input in = {text, text + length};
    value->at = value->key = value->field = NULL;
    value->end = in.end;
    if (!jn_check_value(&in, JN_DEPTH) || in.at != in.end)
        return in.at - text;
    value->at = jn_skip_space(text, in.end);
    return -1;
}

/* --- reading JSON ---------------------------------------------------------------------------------------------------
 */

JN_FN jn_kind jn_kind_of(jn_value value) {
    if (!value.at)
        return JN_MISSING;
    switch (*value.at) {
    case '{':
        return JN_OBJECT;
    case '[':
        return JN_ARRAY;
    case '"':
        return JN_TEXT;
    case 'n':
        return JN_NULL;
    case 't':
    case 'f':
        return JN_BOOL;
    default:
        return JN_NUMBER;
    }
}

/* Writes the character at `*at`, unescaped, and moves on. Answers its bytes. */
JN_FN int jn_unescape(const char **at, char *to) {
    const char *from = *at;
    if (*from != '\\') {
        *to = *(*at)++;
        return 1;
    }
    *at += 2;
    if (from[1] != 'u') {
        static const char pairs[] = "b\bf\fn\nr\rt\t";
        *to = from[1];
        for (int i = 0; pairs[i]; i += 2)
            if (pairs[i] == from[1])
                *to = pairs[i + 1];
        return 1;
    }
    unsigned long code = (unsigned long)jn_hex(from + 2, from + 6);
    *at += 4;
    if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + ((unsigned long)jn_hex(from + 8, from + 12) - 0xDC00);
        *at += 6;
    }
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xC0, 0xE0, 0xF0};
    to[0] = (char)(first[more] | code >> 6 * more);
    for (int i = 1; i <= more; i++)
        to[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3F));
    return more + 1;
}

JN_FN const char *jn_after_text(const char *at) {
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

JN_FN const char *jn_after(const char *at, const char *end) {
    if (*at == '"')
        return jn_after_text(at);
    if (*at != '[' && *at != '{') {
        while (at < end && *at != ',' && *at != ']' && *at != '}' && !jn_is_space(*at))
            at++;
        return at;
    }
    int depth = 0;
    do {
        depth += (*at == '[' || *at == '{') - (*at == ']' || *at == '}');
        at = *at == '"' ? jn_after_text(at) : at + 1;
    } while (depth);
    return at;
}

/* The text between two quotes. An escape is never shorter than what it stands for. */
JN_FN jn_text jn_decode(const char *quote) {
    jn_text text = {"", 0};
    char *to = (char *)jn_scratch((size_t)(jn_after_text(quote) - quote));
    if (!to)
        return text;
    text.at = to;
    for (const char *from = quote + 1; *from != '"';)
        text.length += (size_t)jn_unescape(&from, to + text.length);
    to[text.length] = 0;
    return text;
}

JN_FN void jn_wrong(jn_value value, const char *expected) {
    if (jn_failed())
        return;
    if (value.field)
        jn_fail("bad_request", "field `%s`: expected %s", jn_decode(value.field).at, expected);
    else
        jn_fail("bad_request", "expected %s", expected);
}

JN_FN jn_value jn_nothing(void) {
    jn_value value = {NULL, NULL, NULL, NULL};
    return value;
}

/* The item of `box` at `at`; in an object that is where its key begins. */
JN_FN jn_value jn_item(jn_value box, const char *at, bool object) {
    jn_value item = {at, box.end, NULL, box.field};
    if (*at == ']' || *at == '}')
        return jn_nothing();
    if (!object)
        return item;
    item.key = item.field = at;
    at = jn_skip_space(jn_after_text(at), box.end);
    item.at = jn_skip_space(at + 1, box.end);
    return item;
}

/* The first item of an array or an object. */
JN_FN jn_value jn_first(jn_value box) {
    jn_kind kind = jn_kind_of(box);
    if (kind == JN_ARRAY || kind == JN_OBJECT)
        return jn_item(box, jn_skip_space(box.at + 1, box.end), kind == JN_OBJECT);
    jn_wrong(box, "a list");
    return jn_nothing();
}

JN_FN jn_value jn_next(jn_value item) {
    const char *at = jn_skip_space(jn_after(item.at, item.end), item.end);
    jn_value box = {NULL, item.end, NULL, item.field};
    if (*at == ',')
        at = jn_skip_space(at + 1, item.end);
    return jn_item(box, at, item.key != NULL);
}

/* jn_each (item, list) { ... }: each item of an array or an object; jn_name(item) is its key there. */
#define jn_each(item, list) for (jn_value item = jn_first(list); item.at; item = jn_next(item))

JN_FN jn_text jn_name(jn_value item) { return item.key ? jn_decode(item.key) : jn_text_of(""); }

JN_FN size_t jn_count(jn_value list) {
    size_t n = 0;
    jn_each(item, list) n++;
    return n;
}

JN_FN bool jn_is_key(const char *quote, const char *name) {
    size_t left = strlen(name);
    const char *from = quote + 1;
    while (*from != '"') {
        char letter[4];
        size_t n = (size_t)jn_unescape(&from, letter);
        if (n > left || memcmp(letter, name, n) != 0)
            return false;
        name += n;
        left -= n;
    }
    return !left;
}

/* A field of an object, or JN_MISSING. */
JN_FN jn_value jn_find(jn_value object, const char *name) {
    if (jn_kind_of(object) != JN_OBJECT) {
        jn_wrong(object, "an object");
        return jn_nothing();
    }
    jn_each(item, object) if (jn_is_key(item.key, name)) return item;
    return jn_nothing();
}

/* A field of an object that must be there. */
JN_FN jn_value jn_get(jn_value object, const char *name) {
    jn_value found = jn_find(object, name);
    if (!found.at)
        jn_fail("bad_request", "missing field `%s`", name);
    return found;
}

JN_FN bool jn_bool(jn_value value) {
    if (jn_kind_of(value) != JN_BOOL)
        jn_wrong(value, "true or false");
    else
        return *value.at == 't';
    return false;
}

JN_FN long long jn_int(jn_value value) {
    const char *at = value.at;
    unsigned long long number = 0;
    bool negative = at && *at == '-', fits = true;
    if (jn_kind_of(value) != JN_NUMBER) {
        jn_wrong(value, "a whole number");
        return 0;
    }
    for (at += negative; at < value.end && jn_is_digit(*at); at++) {
        unsigned digit = (unsigned)(*at - '0'); /* no __builtin_mul_overflow: it needs compiler-rt's __multi3 */
        fits = fits && number <= (ULLONG_MAX - digit) / 10;
        number = number * 10 + digit;
    }
    if (at < value.end && (*at == '.' || *at == 'e' || *at == 'E'))
        jn_wrong(value, "a whole number");
    else if (!fits || number > (unsigned long long)LLONG_MAX + negative)
        jn_wrong(value, "a whole number of 64 bits");
    else
        return negative ? (long long)(0 - number) : (long long)number;
    return 0;
}

JN_FN double jn_double(jn_value value) {
    if (jn_kind_of(value) != JN_NUMBER) {
        jn_wrong(value, "a number");
        return 0;
    }
    double number = jn_parse_double(value.at, value.end);
    if (number - number == 0)
        return number;
    jn_wrong(value, "a number of 64 bits");
    return 0;
}

JN_FN jn_text jn_string(jn_value value) {
    if (jn_kind_of(value) == JN_TEXT)
        return jn_decode(value.at);
    jn_wrong(value, "text");
    return jn_text_of("");
}

/* jn_get_int(object, name), and jn_get_int_or(object, name, otherwise) for a field that need not be there. */
#define JN_GETTERS(kind, type)                                                         \
    JN_FN type jn_get_##kind(jn_value object, const char *name) {                      \
        jn_value found = jn_get(object, name);                                         \
        return jn_##kind(found);                                                       \
    }                                                                                  \
    JN_FN type jn_get_##kind##_or(jn_value object, const char *name, type otherwise) { \
        jn_value found = jn_find(object, name);                                        \
        return found.at ? jn_##kind(found) : otherwise;                                \
    }
JN_GETTERS(bool, bool)
JN_GETTERS(int, long long)
JN_GETTERS(double, double)

JN_FN jn_text jn_get_string(jn_value object, const char *name) { return jn_string(jn_get(object, name)); }

JN_FN jn_text jn_get_string_or(jn_value object, const char *name, const char *otherwise) {
    jn_value found = jn_find(object, name);
    return found.at ? jn_string(found) : jn_text_of(otherwise);
}

/* --- bytes in JSON ---------------------------------------------------------------------------------------------------
 */

static const char jn_base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

JN_FN void jn_put_base64(jn_writer *to, const void *bytes, size_t n) {
    const unsigned char *from = (const unsigned char *)bytes;
    jn_begin_value(to);
    jn_put_raw(to, "\"");
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = (uint32_t)from[i] << 16 | (i + 1 < n ? from[i + 1] : 0u) << 8 | (i + 2 < n ? from[i + 2] : 0u);
        char four[4];
        for (int k = 0; k < 4; k++)
            four[k] = i + (size_t)k > n ? '=' : jn_base64[three >> (18 - 6 * k) & 63];
        jn_put_bytes(to, four, 4);
    }
    jn_put_raw(to, "\"");
}

/* Bytes of base64; a NUL follows them. */
JN_FN jn_text jn_bytes(jn_value value) {
    jn_text from = jn_string(value), bytes = {"", 0};
    char *to = (char *)jn_scratch(from.length + 1);
    uint32_t bits = 0;
    int held = 0;
    if (!to)
        return bytes;
    bytes.at = to;
    for (size_t i = 0; i < from.length && from.at[i] != '='; i++) {
        char c = from.at[i];
        int six = c >= 'A' && c <= 'Z'   ? c - 'A'
                  : c >= 'a' && c <= 'z' ? c - 'a' + 26
                  : jn_is_digit(c)       ? c - '0' + 52
                  : c == '+'             ? 62
                  : c == '/'             ? 63
                                         : -1;
        if (six < 0)
            jn_wrong(value, "base64");
        bits = bits << 6 | (uint32_t)(six & 63);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        to[bytes.length++] = (char)(bits >> held);
    }
    to[bytes.length] = 0;
    return bytes;
}

/* --- the host --------------------------------------------------------------------------------------------------------
 */

/* What a host function is: the request's address and length; the answer's, packed. */
typedef unsigned long long (*jn_import)(const void *ptr, unsigned len);

#ifdef __wasm__
#define JN_IMPORT(service, function)                                                                    \
    JN_C __attribute__((import_module("judicia:" #service), import_name(#function))) unsigned long long \
    judicia_##service##_##function(const void *ptr, unsigned len);
#else
#define JN_IMPORT(service, function)                                                         \
    JN_FN unsigned long long judicia_##service##_##function(const void *ptr, unsigned len) { \
        (void)ptr, (void)len;                                                                \
        return 0;                                                                            \
    }
#endif
JN_IMPORT(host, fail)
JN_IMPORT(log, write)
JN_IMPORT(clock, now)
JN_IMPORT(random, bytes)
JN_IMPORT(database, query)
JN_IMPORT(database, execute)
JN_IMPORT(events, emit)
JN_IMPORT(events, subscribe)
JN_IMPORT(files, read)
JN_IMPORT(files, write)
JN_IMPORT(files, list)
JN_IMPORT(files, stat)
JN_IMPORT(files, delete)
JN_IMPORT(http, request)
JN_IMPORT(http, register_route)
JN_IMPORT(notifications, send)
JN_IMPORT(shared_memory, read)
JN_IMPORT(shared_memory, write)
JN_IMPORT(shared_memory, info)

/* Why the last service did not do what was asked. */
JN_FN jn_problem jn_error(void) { return jn_call.error; }

JN_FN bool jn_refuse(const char *code, const char *message) {
    jn_call.error.code = code;
    jn_call.error.message = message;
    return false;
}

/* A text for people: what is no UTF-8 in it becomes U+FFFD, for the host would end the call otherwise. */
JN_FN void jn_put_message(jn_writer *to, const char *name, jn_text text) {
    const char *from = text.at, *end = text.at + text.length;
    jn_key(to, name);
    jn_begin_value(to);
    jn_put_raw(to, "\"");
    for (const char *at = from; at < end;) {
        int bytes = jn_character(at, end);
        if (bytes < 0) {
            jn_escape(to, from, (size_t)(at - from));
            jn_put_raw(to, "\xEF\xBF\xBD");
            from = at - bytes;
        }
        at += bytes < 0 ? -bytes : bytes;
    }
    jn_escape(to, from, (size_t)(end - from));
    jn_put_raw(to, "\"");
}

/* Hands a word and a message to the host. Where the heap has no room for them, the beginning of the message. */
JN_FN void jn_tell(jn_import tell, const char *name, const char *word, const char *format, va_list args) {
    jn_text kind = jn_text_of(word);
    jn_writer message = jn_new(), json = jn_new();
    for (bool again = false;; again = true) {
        va_list copy;
        va_copy(copy, args);
        jn_put_formatted(&message, format, copy);
        va_end(copy);
        jn_text said = {message.length ? message.at : "", message.length};
        jn_open_object(&json);
        jn_put_message(&json, name, kind);
        jn_put_message(&json, "message", said);
        jn_close_object(&json);
        if (again || (!message.cut && !json.cut))
            break;
        message = jn_new_in(jn_call.message, sizeof jn_call.message); /* a byte has 6 at most when it is escaped */
        json = jn_new_in(jn_call.json, sizeof jn_call.json);
        kind.length = kind.length < 64 ? kind.length : 64;
    }
    jn_heap_free((void *)(uintptr_t)(tell(json.at, (unsigned)json.length) >> 32));
}

JN_FN void jn_fail(const char *code, const char *format, ...) {
    if (jn_call.failed)
        return;
    jn_call.failed = true;
    va_list args;
    va_start(args, format);
    jn_tell(judicia_host_fail, "code", code, format, args);
    va_end(args);
}

/* Asks a service: `jn_host(judicia_clock_now, NULL, &answer)`. False, and jn_error() tells why, where it says no. The
 * functions below are this with names; a plugin calls it itself for fields that they leave out. */
JN_FN bool jn_host(jn_import service, const jn_writer *request, jn_value *answer) {
    jn_value reply, error;
    if (jn_call.failed)
        return jn_refuse("failed", "the call has failed already");
    unsigned long long packed = service(request ? request->at : NULL, request ? (unsigned)request->length : 0);
    char *text = (char *)(uintptr_t)(packed >> 32);
    if (!packed || !jn_keep(text))
        return jn_refuse("failed", "there is no answer");
    if (jn_parse(text, (size_t)(packed & UINT32_MAX), &reply) >= 0 || jn_kind_of(reply) != JN_OBJECT)
        return jn_refuse("failed", "the host's answer cannot be read");
    error = jn_find(reply, "error");
    if (error.at)
        return jn_refuse(jn_get_string(error, "code").at, jn_get_string(error, "message").at);
    *answer = jn_get(reply, "ok");
    answer->field = answer->key = NULL;
    return true;
}

/* A request that is begun: an object with one field of text. */
JN_FN jn_writer jn_ask(const char *name, const char *string) {
    jn_writer request = jn_new();
    jn_open_object(&request);
    jn_put_field(&request, name, string);
    return request;
}

JN_FN bool jn_send(jn_import service, jn_writer *request, jn_value *answer) {
    jn_close_object(request);
    return jn_host(service, request, answer);
}

/* Writes a line to the plugin's log, also after a failure. `level`: trace, debug, info, warning or error. */
__attribute__((format(printf, 2, 3))) JN_FN void jn_log(const char *level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    jn_tell(judicia_log_write, "level", level, format, args);
    va_end(args);
}

JN_FN void jn_abort(const char *format, ...) {
    va_list args;
    jn_call.failed = true; /* what the message lacks is not what ends the call */
    va_start(args, format);
    jn_tell(judicia_log_write, "level", "error", format, args);
    va_end(args);
    __builtin_trap();
}

/* Milliseconds since 1970, and since an arbitrary moment on a clock that never goes back. */
typedef struct {
    double unix_ms, monotonic_ms;
} jn_time;

JN_FN bool jn_clock_now(jn_time *now) {
    jn_value answer;
    if (!jn_host(judicia_clock_now, NULL, &answer))
        return false;
    now->unix_ms = jn_get_double(answer, "unix_ms");
    now->monotonic_ms = jn_get_double(answer, "monotonic_ms");
    return true;
}

JN_FN bool jn_random_bytes(void *to, size_t n) {
    jn_writer request = jn_new();
    jn_value answer;
    jn_open_object(&request);
    jn_key(&request, "length");
    jn_put_uint(&request, n);
    if (!jn_send(judicia_random_bytes, &request, &answer))
        return false;
    jn_text bytes = jn_bytes(jn_get(answer, "base64"));
    if (bytes.length != n)
        return jn_refuse("failed", "the host's answer is not as long as asked for");
    memcpy(to, bytes.at, n);
    return true;
}

JN_FN bool jn_statement(jn_import service, const char *sql, const jn_writer *params, jn_value *answer) {
    jn_writer request = jn_ask("sql", sql);
    if (params) {
        jn_key(&request, "params");
        jn_put_json(&request, params);
    }
    return jn_send(service, &request, answer);
}

/* `params` is an array for $1 and those after it, or NULL. `rows` is an array of arrays. */
JN_FN bool jn_database_query(const char *sql, const jn_writer *params, jn_value *rows) {
    jn_value answer;
    if (!jn_statement(judicia_database_query, sql, params, &answer))
        return false;
    *rows = jn_get(answer, "rows");
    return true;
}

/* `rows`, the number of rows that were changed, may be NULL. */
JN_FN bool jn_database_execute(const char *sql, const jn_writer *params, long long *rows) {
    jn_value answer;
    if (!jn_statement(judicia_database_execute, sql, params, &answer))
        return false;
    if (rows)
        *rows = jn_get_int(answer, "rowcount");
    return true;
}

JN_FN bool jn_events_emit(const char *type, const jn_writer *payload) {
    jn_writer request = jn_ask("type", type);
    jn_value answer;
    jn_key(&request, "payload");
    jn_put_json(&request, payload);
    return jn_send(judicia_events_emit, &request, &answer);
}

JN_FN bool jn_events_subscribe(const char *pattern) {
    jn_writer request = jn_ask("pattern", pattern);
    jn_value answer;
    return jn_send(judicia_events_subscribe, &request, &answer);
}

/* What an answer holds as text in one field, or as base64 in another. */
JN_FN jn_text jn_content(jn_value answer, const char *plain, const char *base64) {
    jn_value text = jn_find(answer, plain);
    return text.at && jn_kind_of(text) == JN_TEXT ? jn_string(text) : jn_bytes(jn_get(answer, base64));
}

JN_FN bool jn_files_read(const char *path, jn_text *content) {
    jn_writer request = jn_ask("path", path);
    jn_value answer;
    if (!jn_send(judicia_files_read, &request, &answer))
        return false;
    *content = jn_content(answer, "content", "content_base64");
    return true;
}

JN_FN bool jn_files_write(const char *path, const void *bytes, size_t n) {
    jn_writer request = jn_ask("path", path);
    jn_value answer;
    jn_key(&request, "content_base64");
    jn_put_base64(&request, bytes, n);
    return jn_send(judicia_files_write, &request, &answer);
}

/* `entries` is an array of objects with `name`, `type` and `bytes`. */
JN_FN bool jn_files_list(const char *path, jn_value *entries) {
    jn_writer request = jn_ask("path", path);
    return jn_send(judicia_files_list, &request, entries);
}

/* `stat` is an object with `type`, `bytes` and `modified`. */
JN_FN bool jn_files_stat(const char *path, jn_value *stat) {
    jn_writer request = jn_ask("path", path);
    return jn_send(judicia_files_stat, &request, stat);
}

JN_FN bool jn_files_delete(const char *path) {
    jn_writer request = jn_ask("path", path);
    jn_value answer;
    return jn_send(judicia_files_delete, &request, &answer);
}

typedef struct {
    int status;
    jn_value headers; /* an object; names are in small letters */
    jn_text body;
} jn_http_answer;

/* `headers`, an object, and `body` may be NULL. */
JN_FN bool jn_http_request(const char *method, const char *url, const jn_writer *headers, const jn_text *body,
                           jn_http_answer *to) {
    jn_writer request = jn_ask("method", method);
    jn_value answer;
    jn_put_field(&request, "url", url);
    if (headers) {
        jn_key(&request, "headers");
        jn_put_json(&request, headers);
    }
    if (body) {
        jn_key(&request, "body_base64");
        jn_put_base64(&request, body->at, body->length);
    }
    if (!jn_send(judicia_http_request, &request, &answer))
        return false;
    to->status = (int)jn_get_int(answer, "status");
    to->headers = jn_get(answer, "headers");
    to->body = jn_content(answer, "body", "body_base64");
    return true;
}

JN_FN bool jn_http_register_route(const char *method, const char *path) {
    jn_writer request = jn_ask("method", method);
    jn_value answer;
    jn_put_field(&request, "path", path);
    return jn_send(judicia_http_register_route, &request, &answer);
}

JN_FN bool jn_notifications_send(const char *recipient, const char *title, const char *message) {
    jn_writer request = jn_ask("recipient", recipient);
    jn_value answer;
    jn_put_field(&request, "title", title);
    jn_put_field(&request, "message", message);
    return jn_send(judicia_notifications_send, &request, &answer);
}

JN_FN bool jn_copy(jn_import service, const char *name, size_t offset, const void *bytes, size_t n) {
    jn_writer request = jn_ask("name", name);
    jn_value answer;
    jn_key(&request, "offset");
    jn_put_uint(&request, offset);
    jn_key(&request, "ptr");
    jn_put_uint(&request, (uintptr_t)bytes);
    jn_key(&request, "length");
    jn_put_uint(&request, n);
    return jn_send(service, &request, &answer);
}

JN_FN bool jn_shared_memory_read(const char *name, size_t offset, void *bytes, size_t n) {
    return jn_copy(judicia_shared_memory_read, name, offset, bytes, n);
}

JN_FN bool jn_shared_memory_write(const char *name, size_t offset, const void *bytes, size_t n) {
    return jn_copy(judicia_shared_memory_write, name, offset, bytes, n);
}

/* `info` is an object with `size`, `dtype`, `shape` and `sequence`. */
JN_FN bool jn_shared_memory_info(const char *name, jn_value *info) {
    jn_writer request = jn_ask("name", name);
    return jn_send(judicia_shared_memory_info, &request, info);
}

/* --- around an export
 * ------------------------------------------------------------------------------------------------- */

JN_FN jn_writer jn_begin(void) {
    jn_call.failed = false;
    jn_refuse("", "");
    return jn_new();
}

JN_FN bool jn_request(const char *ptr, size_t length, jn_value *request) {
    long long wrong = length ? jn_parse(ptr, length, request) : jn_parse("null", 4, request);
    if (wrong >= 0)
        jn_fail("bad_request", "the request is not JSON: byte %lld", wrong);
    return wrong < 0;
}

/* Frees all that was kept, hands the answer over and answers where it is. */
JN_FN unsigned long long jn_end(jn_writer *answer) {
    unsigned long long packed = 0;
    if (answer->open && !jn_call.failed)
        jn_fail("failed", "the answer has an array or an object that is not closed");
    if (answer->length && !jn_call.failed) {
        packed = (unsigned long long)(uintptr_t)answer->at << 32 | answer->length;
        answer->kept->ptr = NULL;
    }
    while (jn_call.kept) {
        struct jn_kept *kept = jn_call.kept;
        jn_call.kept = kept->next;
        jn_heap_free(kept->ptr);
        jn_heap_free(kept);
    }
    return packed;
}

#ifdef __cplusplus
/* for (jn_value item : jn_items{list}) */
struct jn_items {
    jn_value list;
    struct place {
        jn_value item;
        jn_value operator*() const { return item; }
        void operator++() { item = jn_next(item); }
        bool operator!=(const place &other) const { return item.at != other.item.at; }
    };
    place begin() const { return {jn_first(list)}; }
    place end() const { return {jn_nothing()}; }
};

/* An object that is closed at the end of its block: jn_object{answer}.put("a", 1).put("b", "text"); */
struct jn_object {
    jn_writer *to;
    explicit jn_object(jn_writer *writer) : to(writer) { jn_open_object(to); }
    jn_object(const jn_object &) = delete;
    ~jn_object() { jn_close_object(to); }
    jn_writer *key(const char *name) { return jn_key(to, name), to; }
    jn_object &put(const char *name, bool value) { return jn_put_bool(key(name), value), *this; }
    jn_object &put(const char *name, int value) { return jn_put_int(key(name), value), *this; }
    jn_object &put(const char *name, long value) { return jn_put_int(key(name), value), *this; }
    jn_object &put(const char *name, long long value) { return jn_put_int(key(name), value), *this; }
    jn_object &put(const char *name, unsigned value) { return jn_put_uint(key(name), value), *this; }
    jn_object &put(const char *name, unsigned long value) { return jn_put_uint(key(name), value), *this; }
    jn_object &put(const char *name, unsigned long long value) { return jn_put_uint(key(name), value), *this; }
    jn_object &put(const char *name, double value) { return jn_put_double(key(name), value), *this; }
    jn_object &put(const char *name, const char *value) { return jn_put_string(key(name), value), *this; }
    jn_object &put(const char *name, jn_text value) { return jn_put_text(key(name), value), *this; }
};
#endif

#endif
