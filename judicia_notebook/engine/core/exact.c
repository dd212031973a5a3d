/*
 * The proof that a JSON text says exactly what a Python value holds (jc_says in python.h): both are walked in step.
 *
 * - Only values of the types themselves are known here: None, bool, int, float, str, list, tuple and dict with keys of
 *   str. A subclass may be written as anything, so it is unknown.
 * - A string is compared as UTF-8, with the escapes of the text read; an integer by its value. The keys of a dict
 * differ, and each equals its key of the text, so none stands there twice.
 * - A float d has the digits w * 10^e in the text. The text reads as d if it lies nearer to d than to any other float,
 *   which is decided in integers of 128 bits; what does not fit them is read by Python, a few of them.
 * - What follows a number is looked at by whoever looked for the number: a comma, a bracket or the end.
 */
#include <string.h>

#include "python.h"
#include "words.h"

#if defined(__SSE2__) && !defined(JC_GATE_PORTABLE)
#include <emmintrin.h>
#define JC_EXACT_SSE2
#endif

enum {
    READ_BY_PYTHON = 500, /* floats, 0.6 us each where they are hard to round */
    EXACT_POWER = 27,     /* the highest power of 5 that fits 64 bits */
    MOST_POWER = 1000,    /* no float has a longer part or a larger exponent */
    FRACTION_BITS = 52,
    BIAS = 1075, /* of an exponent of which the fraction is an integer */
};

typedef struct walk {
    const char *at, *end;
    int64_t levels; /* that may still be begun */
    int left_to_python;
} walk;

static bool says(walk *text, void *value);

static inline bool take(walk *text, char byte) {
    if (text->at >= text->end || *text->at != byte)
        return false;
    text->at++;
    return true;
}

static inline bool take_word(walk *text, const char *word, size_t length) {
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

/* --- strings --- */

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS (0x80 * EACH_BYTE)

static inline uint64_t load_4(const char *at) {
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Of 1 to 3 bytes, without a branch on how many; the other bytes are no escapes. */
static inline uint64_t load_few(const char *at, size_t length) {
    const uint64_t first = (uint8_t)at[0], middle = (uint8_t)at[length / 2], last = (uint8_t)at[length - 1];
    return first | middle << 8 | last << 16 | ('_' * EACH_BYTE) << 24;
}

/* Not 0 if one of eight bytes is a quote, a backslash or below a space: what JSON escapes. */
static inline uint64_t escapes(uint64_t word) {
    const uint64_t quote = word ^ '"' * EACH_BYTE, backslash = word ^ '\\' * EACH_BYTE;
    return (((quote - EACH_BYTE) & ~quote) | ((backslash - EACH_BYTE) & ~backslash) |
            ((word - ' ' * EACH_BYTE) & ~word)) &
           HIGH_BITS;
}

static inline uint64_t differs(uint64_t one, uint64_t other) { return (one ^ other) | escapes(one); }

#ifdef JC_EXACT_SSE2

/* Bits for those of 16 bytes that are the same in both and no escapes. */
static inline __m128i same_16(const char *one, const char *other) {
    const __m128i left = _mm_loadu_si128((const __m128i *)(const void *)one);
    const __m128i right = _mm_loadu_si128((const __m128i *)(const void *)other);
    const __m128i escaped =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(left, _mm_set1_epi8('"')), _mm_cmpeq_epi8(left, _mm_set1_epi8('\\'))),
                     _mm_cmpeq_epi8(_mm_min_epu8(left, _mm_set1_epi8(' ' - 1)), left));
    return _mm_andnot_si128(escaped, _mm_cmpeq_epi8(left, right));
}

/* How many bytes are surely the same and no escapes; a multiple of 16. */
static size_t count_same(const char *one, const char *other, size_t length) {
    size_t at = 0;
    for (; length - at >= 64; at += 64) {
        const __m128i low = _mm_and_si128(same_16(one + at, other + at), same_16(one + at + 16, other + at + 16));
        const __m128i high =
            _mm_and_si128(same_16(one + at + 32, other + at + 32), same_16(one + at + 48, other + at + 48));
        if (_mm_movemask_epi8(_mm_and_si128(low, high)) != 0xFFFF)
            break;
    }
    while (length - at >= 16 && _mm_movemask_epi8(same_16(one + at, other + at)) == 0xFFFF)
        at += 16;
    return at;
}

#else

static size_t count_same(const char *one, const char *other, size_t length) {
    size_t at = 0;
    while (length - at >= 8 && !differs(jc_load_word(one + at), jc_load_word(other + at)))
        at += 8;
    return at;
}

#endif

/* Whether the bytes are the same and no escapes. */
static inline bool are_plain(const char *one, const char *other, size_t length) {
    if (length >= 8) {
        size_t at = length >= 32 ? count_same(one, other, length) : 0;
        for (; length - at >= 8; at += 8)
            if (differs(jc_load_word(one + at), jc_load_word(other + at)))
                return false;
        return !differs(jc_load_word(one + length - 8), jc_load_word(other + length - 8));
    }
    if (length >= 4)
        return !differs(load_4(one) | load_4(one + length - 4) << 32, load_4(other) | load_4(other + length - 4) << 32);
    return length == 0 || !differs(load_few(one, length), load_few(other, length));
}

static int hex_of(char letter) {
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    const char small = (char)(letter | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* The character below 128 that the escape behind a backslash at `at` stands for, or -1; `at` moves behind it. */
static int read_escape(const char **at, const char *end) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (*at >= end)
        return -1;
    const char letter = *(*at)++;
    if (letter != 'u') {
        const char *const found = letter ? strchr(letters, letter) : NULL;
        return found ? meanings[found - letters] : -1;
    }
    if (end - *at < 4)
        return -1;
    int code = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_of(*(*at)++);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code < 0x80 ? code : -1;
}

/* A string with escapes, up to its closing quote. */
static bool take_escaped(walk *text, const char *content, size_t length) {
    const char *at = text->at;
    size_t i = count_same(content, at, length);
    at += i;
    while (i < length) {
        if (length - i >= 8 && text->end - at >= 8 && !differs(jc_load_word(content + i), jc_load_word(at))) {
            i += 8;
            at += 8;
            continue;
        }
        if (at >= text->end)
            return false;
        int byte = (unsigned char)*at++;
        if (byte == '"' || byte < ' ')
            return false;
        if (byte == '\\' && (byte = read_escape(&at, text->end)) < 0)
            return false;
        if (byte != (unsigned char)content[i++])
            return false;
    }
    text->at = at;
    return take(text, '"');
}

static inline bool take_string(walk *text, void *value) {
    ptrdiff_t size;
    const char *const content = jc_py.PyUnicode_AsUTF8AndSize(value, &size);
    if (content == NULL) {
        jc_py.PyErr_Clear();
        return false;
    }
    const size_t length = (size_t)size;
    if (!take(text, '"') || (size_t)(text->end - text->at) <= length)
        return false;
    if (text->at[length] != '"' || !are_plain(content, text->at, length))
        return take_escaped(text, content, length);
    text->at += length + 1;
    return true;
}

/* --- numbers --- */

static inline bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

/* How many of eight bytes are digits, before the first that is none. */
static inline unsigned count_digits(uint64_t word) {
    const uint64_t high = UINT64_C(0xF0F0F0F0F0F0F0F0), zeros = '0' * EACH_BYTE;
    const uint64_t others = ((word & high) ^ zeros) | (((word + 6 * EACH_BYTE) & high) ^ zeros);
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* The number that the first 1 to 8 bytes, digits all, are: pairs of them, then fours, then all at once. */
static inline uint64_t number_of(uint64_t word, unsigned many) {
    word = (word << (64 - 8 * many)) & 0x0F * EACH_BYTE;
    word = (word * (10 * 256 + 1) >> 8) & UINT64_C(0x00FF00FF00FF00FF);
    word = (word * (100 * 65536 + 1) >> 16) & UINT64_C(0x0000FFFF0000FFFF);
    return word * (UINT64_C(10000) << 32 | 1) >> 32;
}

/* Digits, appended to those of `number`: how many, and -1 if `number` has no room for the next one. */
static inline ptrdiff_t read_digits(walk *text, uint64_t *number) {
    static const uint64_t powers_of_10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    const char *const start = text->at;
    while (text->end - text->at >= 8 && *number < UINT64_MAX / 100000000 - 1) {
        const uint64_t word = jc_load_word(text->at);
        const unsigned many = count_digits(word);
        if (many == 0)
            return text->at - start;
        *number = *number * powers_of_10[many] + number_of(word, many);
        text->at += many;
        if (many < 8)
            return text->at - start;
    }
    for (; text->at < text->end && is_digit(*text->at); text->at++) {
        if (*number > (UINT64_MAX - 9) / 10)
            return -1;
        *number = *number * 10 + (uint64_t)(*text->at - '0');
    }
    return text->at - start;
}

static inline bool take_integer(walk *text, void *value) {
    int overflow;
    const long long expected = jc_py.PyLong_AsLongLongAndOverflow(value, &overflow);
    uint64_t size = expected < 0 ? 0 - (uint64_t)expected : (uint64_t)expected, number = 0;
    if (overflow < 0)
        return false;
    if (overflow > 0) {
        size = jc_py.PyLong_AsUnsignedLongLong(value);
        if (size == UINT64_MAX && jc_py.PyErr_Occurred()) {
            jc_py.PyErr_Clear();
            return false;
        }
    }
    if (expected < 0 && !overflow && !take(text, '-'))
        return false;
    const char *const start = text->at;
    if (read_digits(text, &number) < 0) { /* the twentieth digit */
        const uint64_t last = (uint64_t)(*text->at++ - '0');
        if (number > (UINT64_MAX - last) / 10)
            return false;
        number = number * 10 + last;
    }
    return text->at > start && (*start != '0' || text->at == start + 1) && number == size;
}

#ifdef __SIZEOF_INT128__

typedef unsigned __int128 wide;

static const uint64_t powers_of_5[EXACT_POWER + 1] = {
    1u,
    5u,
    25u,
    125u,
    625u,
    3125u,
    15625u,
    78125u,
    390625u,
    1953125u,
    9765625u,
    48828125u,
    244140625u,
    1220703125u,
    UINT64_C(6103515625),
    UINT64_C(30517578125),
    UINT64_C(152587890625),
    UINT64_C(762939453125),
    UINT64_C(3814697265625),
    UINT64_C(19073486328125),
    UINT64_C(95367431640625),
    UINT64_C(476837158203125),
    UINT64_C(2384185791015625),
    UINT64_C(11920928955078125),
    UINT64_C(59604644775390625),
    UINT64_C(298023223876953125),
    UINT64_C(1490116119384765625),
    UINT64_C(7450580596923828125),
};

/* Whether digits * 10^power is nearer to the float with these bits, without its sign, than to any other. False may mean
 * unknown. The float's neighbours begin half a step above it, and half or a quarter of that step below. */
static inline bool is_nearest(uint64_t digits, int power, uint64_t bits) {
    const int exponent = (int)(bits >> FRACTION_BITS);
    const uint64_t fraction = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
    if (exponent == 0 || power > EXACT_POWER || power < -EXACT_POWER || digits == 0)
        return false;
    /* In quarters of a step, 2^(exponent - BIAS - 2): between `below` and `above`. */
    const uint64_t four = (fraction | UINT64_C(1) << FRACTION_BITS) << 2;
    wide below = four - (fraction ? 2 : 1), above = four + 2, number = digits;
    int shift = exponent - BIAS - 2 - power; /* 10^power = 5^power * 2^power */
    if (power < 0) {
        below *= powers_of_5[-power];
        above *= powers_of_5[-power];
    } else {
        number *= powers_of_5[power];
    }
    /* below * 2^shift < number < above * 2^shift, without a shift to the left: that might overflow. */
    if (shift >= 128 || shift <= -128)
        return false;
    if (shift >= 0)
        return below <= (number - 1) >> shift && above > number >> shift;
    return below >> -shift < number && number <= (above - 1) >> -shift;
}

#else

static inline bool is_nearest(uint64_t digits, int power, uint64_t bits) {
    (void)digits, (void)power, (void)bits;
    return false;
}

#endif

static inline uint64_t bits_of(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* Whether Python reads the float from `start` to `text->at` as the one with these bits. */
static bool python_reads(walk *text, const char *start, uint64_t bits) {
    if (text->left_to_python-- <= 0)
        return false;
    char *end;
    const double number = jc_py.PyOS_string_to_double(start, &end, NULL);
    if (number == -1.0 && jc_py.PyErr_Occurred()) {
        jc_py.PyErr_Clear();
        return false;
    }
    return end == text->at && bits_of(number) == bits;
}

static inline bool take_float(walk *text, void *value) {
    const uint64_t bits = bits_of(jc_py.PyFloat_AsDouble(value)), size = bits & (UINT64_MAX >> 1);
    if (size >> FRACTION_BITS == 0x7FF) /* infinite, or no number */
        return false;
    const char *const start = text->at;
    if (bits >> 63 && !take(text, '-'))
        return false;
    const char *const first = text->at;
    uint64_t digits = 0, exponent = 0;
    const ptrdiff_t whole = read_digits(text, &digits);
    if (whole < 1 || (whole > 1 && *first == '0'))
        return false;
    const bool point = take(text, '.');
    const ptrdiff_t part = point ? read_digits(text, &digits) : 0;
    if (part < (point ? 1 : 0) || part > MOST_POWER)
        return false;
    bool negative = false;
    if (text->at < text->end && (*text->at | 0x20) == 'e') {
        text->at++;
        negative = take(text, '-');
        if (!negative)
            take(text, '+');
        if (read_digits(text, &exponent) < 1 || exponent > MOST_POWER)
            return false;
    } else if (!point) {
        return false; /* that would be an integer */
    }
    if (digits == 0)
        return size == 0;
    return is_nearest(digits, (negative ? -(int)exponent : (int)exponent) - (int)part, size) ||
           python_reads(text, start, bits);
}

/* --- arrays and objects --- */

static bool take_array(walk *text, void *value, ptrdiff_t many, void *(*item)(void *, ptrdiff_t)) {
    if (text->levels <= 0 || !take(text, '['))
        return false;
    text->levels--;
    for (ptrdiff_t i = 0; i < many; i++) {
        void *const child = item(value, i);
        if ((i && !take(text, ',')) || child == NULL || !says(text, child))
            return false;
    }
    text->levels++;
    return take(text, ']');
}

static bool take_object(walk *text, void *value) {
    if (text->levels <= 0 || !take(text, '{'))
        return false;
    text->levels--;
    ptrdiff_t position = 0;
    void *key, *child;
    for (bool first = true; jc_py.PyDict_Next(value, &position, &key, &child); first = false) {
        if ((!first && !take(text, ',')) || jc_type_of(key) != jc_py.PyUnicode_Type || !take_string(text, key) ||
            !take(text, ':') || !says(text, child))
            return false;
    }
    text->levels++;
    return take(text, '}');
}

static bool says(walk *text, void *value) {
    const void *const type = jc_type_of(value);
    if (type == jc_py.PyUnicode_Type)
        return take_string(text, value);
    if (type == jc_py.PyLong_Type)
        return take_integer(text, value);
    if (type == jc_py.PyFloat_Type)
        return take_float(text, value);
    if (type == jc_py.PyDict_Type)
        return take_object(text, value);
    if (type == jc_py.PyList_Type)
        return take_array(text, value, jc_py.PyList_Size(value), jc_py.PyList_GetItem);
    if (type == jc_py.PyTuple_Type)
        return take_array(text, value, jc_py.PyTuple_Size(value), jc_py.PyTuple_GetItem);
    if (value == jc_py._Py_NoneStruct)
        return take_word(text, "null", 4);
    if (value == jc_py._Py_TrueStruct)
        return take_word(text, "true", 4);
    return value == jc_py._Py_FalseStruct && take_word(text, "false", 5);
}

bool jc_says(const char *text, size_t length, void *value, int64_t max_depth) {
    walk through = {.at = text, .end = text + length, .levels = max_depth, .left_to_python = READ_BY_PYTHON};
    return says(&through, value) && through.at == through.end;
}
