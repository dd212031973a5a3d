"""The formats of judicia.h: those of C's printf, or a failure that names what is not known.

The C library of this machine and Python are the judges. The header runs here with AddressSanitizer and UBSan, and in
WebAssembly, where `long` and `size_t` have 32 bits.
"""

from __future__ import annotations

import math
import random
import struct
import subprocess
from pathlib import Path

import pytest

import judicia_notebook as jn
from tests.support.toolchains import compile_c, compile_sanitized

ON_THIS_MACHINE = r"""
#include "judicia.h"
#include <stdio.h>

static unsigned long long state = 88172645463325252ull;
static unsigned long long chance(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state * 2685821657736338717ull;
}
static int below(int n) { return (int)(chance() >> 33) % n; }
static double real(void) {
    double number;
    unsigned long long bits = chance();
    switch (below(7)) {
    case 0: memcpy(&number, &bits, 8); return number == number ? number : 0;
    case 1: return (double)below(2000001) / 1000 - 1000;
    case 2: return (double)below(20001) / 8 - 1000; /* ties */
    case 3: return (double)(long long)bits / (1ll << below(62));
    case 4: bits = (unsigned long long)below(2046) << 52; memcpy(&number, &bits, 8); return number;
    case 5: return (below(2) ? 1 : -1) * (double)(below(3) ? 10 * below(1000) - 1 : 0) / (below(2) ? 10 : 1);
    default: return below(20) ? 9.5 * jn_tens[below(22)] : below(2) ? __builtin_inf() : -__builtin_inf();
    }
}

static char wanted[20000];
static long checked;

#define SAME(chosen, ...)                                                                         \
    do {                                                                                          \
        const char *format = chosen;                                                              \
        int n = snprintf(wanted, sizeof wanted, format, __VA_ARGS__);                             \
        jn_text got = jn_format(format, __VA_ARGS__);                                             \
        checked++;                                                                                \
        if (jn_failed() || got.length != (size_t)n || memcmp(wanted, got.at, got.length + 1)) {   \
            printf("%s: %.300s, not %.300s\n", format, got.at, wanted);                           \
            return 1;                                                                             \
        }                                                                                         \
    } while (0)

/* A directive with what C defines for its letter. */
static const char *directive(const char *size, char letter) {
    static char format[64];
    const char *flags = strchr("di", letter) ? "-+ 0" : strchr("oxX", letter) ? "-#0" : letter == 'u' ? "-0" :
                        strchr("csp", letter) ? "-" : "-+ #0";
    char *at = format;
    *at++ = '<', *at++ = '%';
    for (int n = below(3); n--;) *at++ = flags[below((int)strlen(flags))];
    if (below(2)) at += sprintf(at, "%d", 1 + below(below(9) ? 30 : 1500));
    int places = below(below(6) ? 25 : 1200);
    if (!strchr("cp", letter) && below(2)) at += below(9) ? sprintf(at, ".%d", places) : sprintf(at, ".");
    sprintf(at, "%s%c>", size, letter);
    return format;
}

int main(void) {
    const char *texts[] = {"", "a", "hello", "\xc3\xa9\xf0\x9f\x8e\x88", "twelve chars"};
    for (int i = 0; i < 60000; i++) {
        if (i % 100 == 0) {
            jn_writer all = jn_begin();
            jn_end(&all);
        }
        long long number = (long long)chance() >> below(64);
        int small = below(26);
        double fraction = real();
        switch (below(14)) {
        case 0: SAME(directive("", "diuoxX"[below(6)]), (int)number); break;
        case 1: SAME(directive("l", "diuoxX"[below(6)]), (long)number); break;
        case 2: SAME(directive("ll", "diuoxX"[below(6)]), number); break;
        case 3: SAME(directive("z", "diuoxX"[below(6)]), (size_t)number); break;
        case 4: SAME(directive("j", "diuoxX"[below(6)]), (intmax_t)number); break;
        case 5: SAME(directive("t", "diuoxX"[below(6)]), (ptrdiff_t)number); break;
        case 6: SAME(directive("h", "diuoxX"[below(6)]), (short)number); break;
        case 7: SAME(directive("hh", "diuoxX"[below(6)]), (char)number); break;
        case 8: SAME(directive("", 's'), texts[small % 5]); break;
        case 9: SAME(directive("", 'c'), 'a' + small); break;
        case 10: SAME(directive("", 'p'), (void *)(uintptr_t)(1 + (number & 0xffffff))); break;
        case 11: SAME(directive("l", "fFeEgG"[below(6)]), fraction); break;
        default: SAME(directive("", "fFeEgG"[below(6)]), fraction); break;
        }
    }
    SAME("%*d|%-*d|%.*s|%*.*f|%%|%c%s", -7, 1, 5, 2, 10, "abc", 12, 3, 2.0 / 3, 'x', "y");
    SAME("%.*f|%.*d|%.*s", -1, 2.5, -3, 4, -2, "all of it");
    SAME("%5000.4000f|%.1100f|%.1100e", 5e-324, 5e-324, 5e-324);
    printf("%ld", checked);
}
"""
IN_A_MODULE = r"""
#include "judicia.h"

JUDICIA_EXPORT(whole) {
    long long n = jn_int(request);
    int i = (int)n;
    jn_put_text(answer, jn_format("%d|%5d|%-6d|%06d|%+d|% d|%.4d|%u|%x|%X|%#x|%o|%c|%hd|%hhu", i, i, i, i, i, i, i,
                                  (unsigned)i, (unsigned)i, (unsigned)i, (unsigned)i, (unsigned)i, 'a' + (i & 7),
                                  (short)i, (unsigned char)i));
}
JUDICIA_EXPORT(wide) {
    long long n = jn_int(request);
    jn_put_text(answer, jn_format("%lld|%llu|%llx|%ld|%lu|%zu|%zx|%td|%jd|%d|%%|%s", n, (unsigned long long)n,
                                  (unsigned long long)n, (long)n, (unsigned long)n, (size_t)n, (size_t)n, (ptrdiff_t)n,
                                  (intmax_t)n, 7, "end"));
}
JUDICIA_EXPORT(real) {
    double x = jn_double(request);
    jn_put_text(answer, jn_format("%f|%.2f|%10.3f|%-12.1f|%+.0f|%e|%.3E|%g|%.10g|%#g|%012.4f|%d", x, x, x, x, x, x, x,
                                  x, x, x, x, 7));
}
JUDICIA_EXPORT(text) { /* a shorter text than %.*s allows ends at its NUL; what follows it here is not its own */
    char shorter[16] = "abc\0defghijk";
    jn_put_text(answer, jn_format("%.*s|%.2s|%8s|%-8s|%8.1s|%s|%p", 10, shorter, shorter, shorter, shorter, shorter,
                                  (char *)NULL, (void *)0x2a));
}
JUDICIA_EXPORT(unknown) {
    jn_text format = jn_string(request);
    jn_put_text(answer, jn_format(format.at, 1, 2));
}
JUDICIA_EXPORT(failing) { jn_fail("mine", jn_string(request).at, 1, 2); }
JUDICIA_EXPORT(logging) {
    jn_log("info", "ratio %g, %.1f, %5.1F", __builtin_nan(""), -__builtin_inf(), __builtin_inf());
    jn_put_int(answer, 1);
}
"""
WIDE = "%d|%d|%x|%d|%d|%d|%x|%d|%d|%d|%%|%s"
WHOLE = "%d|%5d|%-6d|%06d|%+d|% d|%.4d|%u|%x|%X|%#x|%o|%s|%d|%d"
REAL = "%f|%.2f|%10.3f|%-12.1f|%+.0f|%e|%.3E|%g|%.10g|%#g|%012.4f|%d"


@pytest.fixture(scope="module", params=["c", "cpp"])
def formats(request: pytest.FixtureRequest, runtime: jn.Runtime, tmp_path_factory: pytest.TempPathFactory) -> jn.Plugin:
    source = tmp_path_factory.mktemp(request.param) / f"formats.{request.param}"
    source.write_text(IN_A_MODULE)
    return runtime.load(compile_c(source, "-Wno-format-security"), name=f"formats-{request.param}")


def signed(number: int, bits: int) -> int:
    return (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def test_it_writes_what_the_c_library_writes(tmp_path: Path) -> None:
    (tmp_path / "formats.c").write_text(ON_THIS_MACHINE)
    program = compile_sanitized(tmp_path / "formats.c", "-Wno-format")
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "60003"), done.stdout + done.stderr[-3000:]


def test_whole_numbers_are_written_as_python_writes_them(formats: jn.Plugin) -> None:
    chance = random.Random(3)
    numbers = [
        0,
        1,
        -1,
        2**31 - 1,
        -(2**31),
        2**63 - 1,
        -(2**63),
        *(chance.randrange(-(2**63), 2**63) for _ in range(60)),
    ]
    numbers += [chance.randrange(-(10**6), 10**6) for _ in range(60)]
    for number in numbers:
        i, u, letter = signed(number, 32), number % 2**32, chr(97 + (number & 7))
        hexed = f"{u:#x}" if u else "0"
        written = (WHOLE.replace("%#x", "%s")) % (*[i] * 7, u, u, u, hexed, u, letter, signed(i, 16), i % 256)
        assert formats.call("whole", number) == written
        long = (number, number % 2**64, number % 2**64, i, u, u, u, i, number, 7, "end")
        assert formats.call("wide", number) == WIDE % long


def test_fractions_are_written_as_python_writes_them(formats: jn.Plugin) -> None:
    chance = random.Random(4)
    numbers = [0.0, -0.0, 0.5, 1.5, 2.5, 0.125, 9.995, 999999.5, 1e16, 1e22, 1e23, 5e-324, 1.7976931348623157e308, 1e-5]
    numbers += [chance.uniform(-1000, 1000) for _ in range(80)]
    numbers += [struct.unpack("<d", chance.randbytes(8))[0] for _ in range(80)]
    for number in filter(math.isfinite, numbers):
        assert formats.call("real", number) == REAL % (*[number] * 11, 7)


def test_a_text_ends_at_its_nul(formats: jn.Plugin) -> None:
    assert formats.call("text") == "abc|ab|     abc|abc     |       a|(null)|0x2a"


@pytest.mark.parametrize(
    "directive",
    ["%n", "%a", "%Lf", "%ls", "%lc", "%hs", "%llf", "%10000d", "%.10000f", "%1$d", "%q", "%5%", "%é", "%'d"],
)
def test_a_directive_that_is_not_known_fails_the_call_and_is_named(formats: jn.Plugin, directive: str) -> None:
    with pytest.raises(jn.GuestError) as caught:
        formats.call("unknown", f"{directive} is wrong")
    said = f'the format "{directive} is wrong" has '
    assert (caught.value.code, caught.value.message[: len(said)]) == ("failed", said)
    assert caught.value.message.removeprefix(said).startswith(directive[:2])
    assert caught.value.message.endswith(", which judicia.h does not know")


@pytest.mark.parametrize("text", ["%", "100%", "%l", "%-"])
def test_a_format_that_ends_in_a_directive_fails_too(formats: jn.Plugin, text: str) -> None:
    with pytest.raises(jn.GuestError, match=r"which judicia\.h does not know"):
        formats.call("unknown", text)


def test_a_failure_keeps_its_code_and_says_what_it_could_not_write(formats: jn.Plugin) -> None:
    with pytest.raises(jn.GuestError) as caught:
        formats.call("failing", "at %d: %n")
    assert (caught.value.code, caught.value.message) == ("mine", "at 1: %n (judicia.h does not know %n)")


def test_what_is_no_number_is_written_in_words(formats: jn.Plugin) -> None:
    assert formats.call("logging") == 1
    assert formats.logs["message"].iloc[-1] == "ratio nan, -inf,   INF"
