#include "judicia.h"

JUDICIA_MANIFEST({"name": "@NAME@", "version": "0.1.0"})

/* request: what the caller sent. answer: what goes back. What judicia.h has: the page "SDKs" of the documents. */
JUDICIA_EXPORT(hello) {
    jn_text name = jn_get_string_or(request, "name", "world");
    jn_put_text(answer, jn_format("Hello, %s!", name.at));
}

JUDICIA_EXPORT(add) {
    long long a = jn_get_int(request, "a"), b = jn_get_int(request, "b"), sum;
    if (__builtin_add_overflow(a, b, &sum)) jn_fail("overflow", "%lld + %lld is too large", a, b);
    jn_open_object(answer);
    jn_key(answer, "sum");
    jn_put_int(answer, sum);
    jn_close_object(answer);
}
