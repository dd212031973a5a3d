/*
 * The JSON gate (gate.h), 64 bytes at a time.
 *
 * - Each block becomes masks, one bit a byte: quotes, marks, digits. With the escaped quotes taken away, a running
 *   exclusive or of the quotes says which bytes are inside strings. What is counted is counted in the masks.
 * - Only brackets, colons, exponents and numbers of 17 bytes or more are looked at one by one.
 * - A colon makes a key of the last string before it. The keys of the objects that are open lie on one stack as hashes;
 *   those of an object are its top when the object ends, and are compared then: a few with one another, many through
 *   a table. So the work grows with the number of keys, and the memory with the keys of the open objects.
 * - The hash is keyed with the caller's secret seed, so that no text can be made of which many keys meet.
 */
#include "gate.h"

#include "words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__) && !defined(JC_GATE_PORTABLE)
#include <emmintrin.h>
#define JC_GATE_SSE2
#endif

enum {
    BLOCK = 64,
    PIECE = 64 << 10,
    KEYS_A_LOOK = 8192,
    FEW_KEYS = 8,
    LEVELS_INSIDE = 136,
    KEYS_INSIDE = 32,
    LONG_NUMBER = 17,  /* bytes; the longest that is neither a tie nor beyond 64 bits has fewer */
    TIE_DIGITS = 16,   /* 2^53 + 1, the first integer in the middle of two floats, has so many */
    EXACT_DIGITS = 20, /* from here on a reader does not hold all digits in one integer */
    HARD_DIGITS = 150,
};

typedef struct masks {
    uint64_t quote, backslash, open, close, colon, comma, number, exponent;
} masks;

typedef struct gate_key {
    uint64_t hash, start; /* of the text of the key, behind its quote */
} gate_key;

struct jc_gate_pass {
    const uint8_t *data;
    size_t length;
    jc_gate_limits limits;
    jc_gate_look look;
    void *look_data;

    /* Where the pass is: the block that begins at `base`, and what of it is still to be looked at. */
    size_t base, next, next_look;
    uint64_t left, quote, backslash, open, colon;

    /* What the blocks before leave behind. */
    bool escaped; /* the first byte of the next block */
    uint64_t inside; /* all ones inside a string */
    uint64_t runs[6];
    size_t last_quote, quote_before, last_backslash; /* positions + 1, and 0 for none */

    /* Open arrays and objects: where on the stack of keys each began. */
    int64_t level;
    size_t *starts, start_room;
    gate_key *keys;
    size_t key_count, key_room;
    uint64_t *table;
    size_t table_room, checked; /* keys of the object that ends, in the table already */

    jc_gate_report report;
    uint64_t first[JC_GATE_INTEGER + 1]; /* of the verdicts that do not end the pass: offset + 1 */
    size_t starts_inside[LEVELS_INSIDE];
    gate_key keys_inside[KEYS_INSIDE];
};

/* --- masks --- */

#ifdef JC_GATE_SSE2

static inline uint64_t gather(__m128i a, __m128i b, __m128i c, __m128i d) {
    return (uint64_t)(uint16_t)_mm_movemask_epi8(a) | (uint64_t)(uint16_t)_mm_movemask_epi8(b) << 16 |
           (uint64_t)(uint16_t)_mm_movemask_epi8(c) << 32 | (uint64_t)(uint16_t)_mm_movemask_epi8(d) << 48;
}

static inline uint64_t equal(const __m128i bytes[4], char byte) {
    const __m128i all = _mm_set1_epi8(byte);
    return gather(_mm_cmpeq_epi8(bytes[0], all), _mm_cmpeq_epi8(bytes[1], all), _mm_cmpeq_epi8(bytes[2], all),
                  _mm_cmpeq_epi8(bytes[3], all));
}

/* The bytes from '.' to '9': the slash among them is an error of syntax outside strings. */
static inline __m128i in_numbers(__m128i bytes) {
    const __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8('.'));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8('9' - '.')), above);
}

static inline void load(const uint8_t *at, __m128i bytes[4]) {
    for (int i = 0; i < 4; i++)
        bytes[i] = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
}

/* Quotes and backslashes, which is all that counts inside a string. */
static inline void find_text_marks(const uint8_t *at, masks *found) {
    __m128i bytes[4];
    load(at, bytes);
    found->quote = equal(bytes, '"');
    found->backslash = equal(bytes, '\\');
}

/* The other masks. */
static inline void find_marks(const uint8_t *at, masks *found) {
    __m128i bytes[4], folded[4];
    load(at, bytes);
    for (int i = 0; i < 4; i++)
        folded[i] = _mm_or_si128(bytes[i], _mm_set1_epi8(0x20)); /* [ is {, ] is }, E is e */
    found->open = equal(folded, '{');
    found->close = equal(folded, '}');
    found->exponent = equal(folded, 'e');
    found->colon = equal(bytes, ':');
    found->comma = equal(bytes, ',');
    found->number = gather(in_numbers(bytes[0]), in_numbers(bytes[1]), in_numbers(bytes[2]), in_numbers(bytes[3]));
}

#else

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* One bit for each byte of a word that is `byte`. */
static inline uint64_t equal(uint64_t word, uint8_t byte) {
    const uint64_t low = 0x7F * EACH_BYTE, others = word ^ byte * EACH_BYTE;
    const uint64_t same = ~(((others & low) + low) | others) & ~low;
    return (same >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline void find_text_marks(const uint8_t *at, masks *found) {
    found->quote = found->backslash = 0;
    for (unsigned from = 0; from < BLOCK; from += 8) {
        const uint64_t word = jc_load_word(at + from);
        found->quote |= equal(word, '"') << from;
        found->backslash |= equal(word, '\\') << from;
    }
}

enum { OPEN = 1, CLOSE = 2, COLON = 4, COMMA = 8, NUMBER = 16, EXPONENT = 32 };

static const uint8_t kinds[256] = {
    ['['] = OPEN,   ['{'] = OPEN,   [']'] = CLOSE,  ['}'] = CLOSE,  [':'] = COLON,    [','] = COMMA,    ['.'] = NUMBER,
    ['/'] = NUMBER, ['0'] = NUMBER, ['1'] = NUMBER, ['2'] = NUMBER, ['3'] = NUMBER,   ['4'] = NUMBER,   ['5'] = NUMBER,
    ['6'] = NUMBER, ['7'] = NUMBER, ['8'] = NUMBER, ['9'] = NUMBER, ['e'] = EXPONENT, ['E'] = EXPONENT,
};

/* Eight bytes of eight bits each, as a square of bits, turned over its diagonal: byte k then holds bit k of each. */
static inline uint64_t transpose(uint64_t square) {
    uint64_t moved = (square ^ square >> 7) & UINT64_C(0x00AA00AA00AA00AA);
    square ^= moved ^ moved << 7;
    moved = (square ^ square >> 14) & UINT64_C(0x0000CCCC0000CCCC);
    square ^= moved ^ moved << 14;
    moved = (square ^ square >> 28) & UINT64_C(0x00000000F0F0F0F0);
    return square ^ moved ^ moved << 28;
}

static inline void find_marks(const uint8_t *at, masks *found) {
    found->open = found->close = found->colon = found->comma = found->number = found->exponent = 0;
    for (unsigned from = 0; from < BLOCK; from += 8) {
        uint64_t square = 0;
        for (unsigned i = 0; i < 8; i++)
            square |= (uint64_t)kinds[at[from + i]] << 8 * i;
        square = transpose(square);
        found->open |= (square & 255) << from;
        found->close |= (square >> 8 & 255) << from;
        found->colon |= (square >> 16 & 255) << from;
        found->comma |= (square >> 24 & 255) << from;
        found->number |= (square >> 32 & 255) << from;
        found->exponent |= (square >> 40 & 255) << from;
    }
}

#endif

static inline unsigned lowest(uint64_t mask) { return (unsigned)__builtin_ctzll(mask); }
static inline unsigned highest(uint64_t mask) { return 63u - (unsigned)__builtin_clzll(mask); }

static inline uint64_t count(uint64_t mask) {
    mask -= mask >> 1 & 0x5555555555555555u;
    mask = (mask & 0x3333333333333333u) + (mask >> 2 & 0x3333333333333333u);
    mask = (mask + (mask >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (mask * 0x0101010101010101u) >> 56;
}

/* The bytes behind an odd number of backslashes. Those a run of backslashes ends at are found by a carry: added to its
 * first bit, a run becomes the bit behind it. It was odd if that bit is at an even place and the first is not, or the
 * other way round. */
static inline uint64_t find_escaped(jc_gate_pass *pass, uint64_t backslash) {
    const uint64_t before = pass->escaped, even = UINT64_C(0x5555555555555555);
    pass->escaped = false;
    if (!backslash)
        return before;
    backslash &= ~before;
    const uint64_t starts = backslash & ~(backslash << 1);
    const uint64_t from_even = backslash + (starts & even), from_odd = backslash + (starts & ~even);
    pass->escaped = from_odd < backslash;
    return before | (~backslash & ((from_even & ~even) | (from_odd & even)));
}

/* Each bit: whether an odd number of bits is set up to it. */
static inline uint64_t running_xor(uint64_t mask) {
    for (unsigned by = 1; by < BLOCK; by *= 2)
        mask ^= mask << by;
    return mask;
}

/* --- faults that do not end the pass --- */

static void note(jc_gate_pass *pass, enum jc_gate_verdict verdict, size_t offset) {
    if (!pass->first[verdict])
        pass->first[verdict] = (uint64_t)offset + 1;
}

/* --- numbers --- */

static inline unsigned is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

/* How many digits there are at `at`. Behind the first `most` of them it may stop to count. */
static inline size_t count_digits(const uint8_t *at, const uint8_t *end, uint64_t most) {
    const uint8_t *const from = at;
    for (; end - at >= 8 && (uint64_t)(at - from) <= most; at += 8) {
        const uint64_t word = jc_load_word(at), high = UINT64_C(0xF0F0F0F0F0F0F0F0),
                       zeros = UINT64_C(0x3030303030303030);
        const uint64_t others = ((word & high) ^ zeros) | (((word + UINT64_C(0x0606060606060606)) & high) ^ zeros);
        if (others)
            return (size_t)(at - from) + lowest(others) / 8;
    }
    while (at < end && is_digit(*at) && (uint64_t)(at - from) <= most)
        at++;
    return (size_t)(at - from);
}

static bool is_beyond_64_bits(const uint8_t *digits, size_t many, bool negative) {
    if (negative)
        return many > 19 || (many == 19 && memcmp(digits, "9223372036854775808", 19) > 0);
    return many > 20 || (many == 20 && memcmp(digits, "18446744073709551615", 20) > 0);
}

/* Whether a float without an exponent may lie in the middle of two floats, or needs more digits than a reader holds. */
static bool may_be_doubtful(const uint8_t *part, size_t whole_digits, size_t part_digits) {
    const size_t digits = whole_digits + part_digits;
    if (digits >= EXACT_DIGITS)
        return true;
    while (part_digits && part[part_digits - 1] == '0')
        part_digits--;
    return digits >= TIE_DIGITS && (!part_digits || part[part_digits - 1] == '5');
}

/* A number of LONG_NUMBER bytes or more that begins at `start`, or the digits of an exponent. */
static void weigh_number(jc_gate_pass *pass, size_t start) {
    const uint8_t *const at = pass->data + start, *const end = pass->data + pass->length;
    const uint64_t most = pass->limits.max_digits;
    const size_t whole = count_digits(at, end, most);
    const uint8_t *next = at + whole, *part = next;
    size_t digits = 0;
    const bool point = next < end && *next == '.';
    if (point) {
        part = next + 1;
        digits = count_digits(part, end, most);
        next = part + digits;
    }
    if (whole > most || digits > most)
        note(pass, JC_GATE_DIGITS, start);
    const uint8_t before = start > 0 ? at[-1] : 0, before_it = start > 1 ? at[-2] : 0;
    const bool sign = before == '-' || before == '+';
    if (((sign ? before_it : before) | 0x20) == 'e')
        return;
    const bool power = next < end && (*next | 0x20) == 'e';
    if (!point && !power) {
        if (is_beyond_64_bits(at, whole, before == '-'))
            note(pass, JC_GATE_INTEGER, start);
    } else if (whole + digits >= HARD_DIGITS) {
        pass->report.hard++;
    } else if (!power && may_be_doubtful(part, whole, digits)) {
        pass->report.doubtful++; /* with an exponent it is counted there */
    }
}

/* The e of an exponent at `at`. */
static inline void weigh_exponent(jc_gate_pass *pass, size_t at) {
    const size_t left = pass->length - at - 1;
    const uint8_t *const next = pass->data + at + 1;
    pass->report.doubtful++;
    if (left < 3)
        return;
    const size_t sign = *next == '-' || *next == '+';
    if (left >= sign + 3)
        pass->report.hard += is_digit(next[sign]) & is_digit(next[sign + 1]) & is_digit(next[sign + 2]);
}

/* `mask` by so many bytes later, with what comes over from the block before. */
static inline uint64_t later(uint64_t mask, uint64_t *before, unsigned by) {
    const uint64_t moved = mask << by | *before >> (BLOCK - by);
    *before = mask;
    return moved;
}

/* Look at the exponents and the long numbers that reach LONG_NUMBER bytes in this block. */
static void weigh_numbers(jc_gate_pass *pass, uint64_t number, uint64_t exponent) {
    uint64_t *const runs = pass->runs;
    const uint64_t behind = later(number, &runs[0], 1);
    const uint64_t two = number & behind;
    const uint64_t four = two & later(two, &runs[1], 2);
    const uint64_t eight = four & later(four, &runs[2], 4);
    const uint64_t sixteen = eight & later(eight, &runs[3], 8);
    const uint64_t many = sixteen & later(sixteen, &runs[4], 1);
    for (uint64_t first = many & ~later(many, &runs[5], 1); first; first &= first - 1)
        weigh_number(pass, pass->base + lowest(first) - (LONG_NUMBER - 1));
    for (exponent &= behind; exponent; exponent &= exponent - 1)
        weigh_exponent(pass, pass->base + lowest(exponent));
}

/* --- the text of a key, without its escapes --- */

typedef struct reader {
    const uint8_t *at, *end;
    uint8_t waiting[4];
    unsigned given, have; /* of `waiting` */
} reader;

/* Four hexadecimal digits. What is none, an error of syntax, gives some number. */
static uint32_t read_hex(const uint8_t *at) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t letter = at[i] | 0x20u;
        value = value << 4 | ((letter >= 'a' ? letter - 'a' + 10 : letter - '0') & 15);
    }
    return value;
}

/* Read what follows \u at `at`, a pair of surrogates as one character, into `waiting` as UTF-8. */
static void read_unicode(reader *from) {
    uint32_t code = read_hex(from->at);
    from->at += 4;
    if (code >> 10 == 0x36 && from->end - from->at >= 6 && from->at[0] == '\\' && from->at[1] == 'u') {
        const uint32_t low = read_hex(from->at + 2);
        if (low >> 10 == 0x37) {
            code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
            from->at += 6;
        }
    }
    const unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0, 0xC0, 0xE0, 0xF0};
    from->waiting[0] = (uint8_t)(lead[more] | code >> 6 * more);
    for (unsigned i = 1; i <= more; i++)
        from->waiting[i] = (uint8_t)(0x80 | (code >> 6 * (more - i) & 0x3F));
    from->given = 0;
    from->have = more + 1;
}

static const uint8_t meanings[256] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

/* The next byte of the text, or -1 at its closing quote or at `end`. */
static int next_byte(reader *from) {
    if (from->given < from->have)
        return from->waiting[from->given++];
    if (from->at >= from->end || *from->at == '"')
        return -1;
    const uint8_t byte = *from->at++;
    if (byte != '\\')
        return byte;
    if (from->at >= from->end)
        return -1;
    const uint8_t letter = *from->at++;
    if (letter != 'u' || from->end - from->at < 4)
        return meanings[letter] ? meanings[letter] : letter;
    read_unicode(from);
    return from->waiting[from->given++];
}

static bool are_same_keys(const jc_gate_pass *pass, size_t one, size_t other) {
    reader left = {.at = pass->data + one, .end = pass->data + pass->length};
    reader right = {.at = pass->data + other, .end = pass->data + pass->length};
    for (;;) {
        const int byte = next_byte(&left);
        if (byte != next_byte(&right))
            return false;
        if (byte < 0)
            return true;
    }
}

/* --- the hash of a key --- */

static inline uint64_t fold(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    const uint64_t low = (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu), high = (a >> 32) * (b >> 32);
    const uint64_t cross = (a >> 32) * (b & 0xFFFFFFFFu) + (low >> 32);
    const uint64_t other = (a & 0xFFFFFFFFu) * (b >> 32) + (cross & 0xFFFFFFFFu);
    return (other << 32 | (low & 0xFFFFFFFFu)) ^ (high + (cross >> 32) + (other >> 32));
#endif
}

/* 16 bytes of a key, the last ones filled up with zeros. */
static inline uint64_t mix(const uint64_t seed[4], uint64_t hash, uint64_t low, uint64_t high) {
    return fold(low ^ seed[1], high ^ hash);
}

static inline uint64_t finish(const uint64_t seed[4], uint64_t hash, size_t length) {
    return fold(hash ^ seed[2], (uint64_t)length ^ seed[3]);
}

/* Of a key without escapes. */
static inline uint64_t hash_plain(const jc_gate_pass *pass, size_t start, size_t length) {
    const uint64_t *const seed = pass->limits.seed;
    const uint8_t *at = pass->data + start;
    uint64_t hash = seed[0];
    size_t left = length;
    for (; left > 16; left -= 16, at += 16)
        hash = mix(seed, hash, jc_load_word(at), jc_load_word(at + 8));
    if (pass->length - (size_t)(at - pass->data) >= 16) { /* no branch on the length, which is hard to foretell */
        const uint64_t some = ~UINT64_C(0);
        const uint64_t low = left >= 8 ? some : ~(some << 8 * left);
        const uint64_t high = left >= 16 ? some : left <= 8 ? 0 : ~(some << 8 * (left - 8));
        return finish(seed, mix(seed, hash, jc_load_word(at) & low, jc_load_word(at + 8) & high), length);
    }
    uint8_t last[16] = {0};
    memcpy(last, at, left);
    return finish(seed, mix(seed, hash, jc_load_word(last), jc_load_word(last + 8)), length);
}

/* Of a key with escapes: the same as that of the text it stands for. */
static uint64_t hash_escaped(const jc_gate_pass *pass, size_t start, size_t end) {
    const uint64_t *const seed = pass->limits.seed;
    reader from = {.at = pass->data + start, .end = pass->data + end};
    uint64_t hash = seed[0];
    size_t length = 0, held = 0;
    uint8_t bytes[16] = {0};
    for (int byte; (byte = next_byte(&from)) >= 0; length++) {
        if (held == sizeof bytes) {
            hash = mix(seed, hash, jc_load_word(bytes), jc_load_word(bytes + 8));
            memset(bytes, 0, sizeof bytes);
            held = 0;
        }
        bytes[held++] = (uint8_t)byte;
    }
    return finish(seed, mix(seed, hash, jc_load_word(bytes), jc_load_word(bytes + 8)), length);
}

/* --- scratch memory --- */

/* Double what `old` has room for; it is `inside` the pass at first. Null where there is no memory, and `old` stays. */
static void *grow(void *old, const void *inside, size_t *room, size_t size) {
    if (*room > SIZE_MAX / 4 / size)
        return NULL;
    const size_t wanted = *room * 2;
    void *const larger = old == inside ? malloc(wanted * size) : realloc(old, wanted * size);
    if (!larger)
        return NULL;
    if (old == inside)
        memcpy(larger, inside, *room * size);
    *room = wanted;
    return larger;
}

static bool make_room_for_levels(jc_gate_pass *pass) {
    size_t *const larger = grow(pass->starts, pass->starts_inside, &pass->start_room, sizeof *larger);
    if (larger)
        pass->starts = larger;
    return larger;
}

static bool make_room_for_keys(jc_gate_pass *pass) {
    gate_key *const larger = grow(pass->keys, pass->keys_inside, &pass->key_room, sizeof *larger);
    if (larger)
        pass->keys = larger;
    return larger;
}

static bool make_room_in_table(jc_gate_pass *pass, size_t wanted) {
    if (pass->table_room >= wanted)
        return true;
    if (wanted > SIZE_MAX / sizeof *pass->table)
        return false;
    free(pass->table);
    pass->table_room = 0;
    pass->table = malloc(wanted * sizeof *pass->table);
    if (pass->table)
        pass->table_room = wanted;
    return pass->table;
}

/* --- the keys of an object that ends --- */

static void compare(jc_gate_pass *pass, const gate_key *earlier, const gate_key *later_one) {
    if (earlier->hash == later_one->hash && are_same_keys(pass, (size_t)earlier->start, (size_t)later_one->start))
        note(pass, JC_GATE_DUPLICATE, (size_t)later_one->start);
}

/* Two sets of 64 places say of most objects at once that their keys differ: each key then has a place of its own. */
static inline void compare_few(jc_gate_pass *pass, const gate_key *keys, size_t many) {
    uint64_t places = 0, others = 0;
    for (size_t i = 0; i < many; i++) {
        places |= UINT64_C(1) << (keys[i].hash >> 58);
        others |= UINT64_C(1) << (keys[i].hash & 63);
    }
    if (count(places) == many || count(others) == many)
        return;
    for (size_t i = 1; i < many; i++)
        for (size_t j = 0; j < i; j++)
            compare(pass, &keys[j], &keys[i]);
}

/* A slot of the table holds the number of a key, from 1, and above it the upper half of the key's hash. */
static enum jc_gate_verdict compare_many(jc_gate_pass *pass, const gate_key *keys, size_t many) {
    if (many >= UINT32_MAX / 4)
        return JC_GATE_NO_MEMORY;
    size_t slots = 4 * FEW_KEYS;
    while (slots < 2 * many)
        slots *= 2;
    if (!pass->checked) {
        if (!make_room_in_table(pass, slots))
            return JC_GATE_NO_MEMORY;
        memset(pass->table, 0, slots * sizeof *pass->table);
    }
    uint64_t *const table = pass->table;
    for (size_t i = pass->checked; i < many && !pass->first[JC_GATE_DUPLICATE]; i++) {
        const uint64_t upper = keys[i].hash & ~UINT64_C(0xFFFFFFFF);
        size_t slot = (size_t)keys[i].hash & (slots - 1);
        for (; table[slot]; slot = (slot + 1) & (slots - 1))
            if (((table[slot] ^ upper) >> 32) == 0)
                compare(pass, &keys[(uint32_t)table[slot] - 1], &keys[i]);
        table[slot] = upper | (i + 1);
        if ((i + 1) % KEYS_A_LOOK == 0 && pass->look) {
            pass->checked = i + 1;
            if (pass->look(pass->look_data))
                return JC_GATE_STOPPED;
        }
    }
    pass->checked = 0;
    return JC_GATE_OK;
}

/* --- the marks of a block --- */

/* The last string before the colon at `bit`, as a key. False if there is none, which is an error of syntax. */
static inline bool read_key(const jc_gate_pass *pass, uint64_t bit, gate_key *key) {
    const uint64_t quotes = pass->quote & (bit - 1), backslashes = pass->backslash & (bit - 1);
    size_t close = pass->last_quote, open = pass->quote_before;
    if (quotes) {
        const unsigned top = highest(quotes);
        const uint64_t others = quotes ^ UINT64_C(1) << top;
        open = others ? pass->base + highest(others) + 1 : close;
        close = pass->base + top + 1;
    }
    if (!open)
        return false;
    const size_t backslash = backslashes ? pass->base + highest(backslashes) + 1 : pass->last_backslash;
    key->start = (uint64_t)open;
    key->hash = backslash > open ? hash_escaped(pass, open, close - 1) : hash_plain(pass, open, close - 1 - open);
    return true;
}

/* The keys from `from` on are those of an object that ends. */
static enum jc_gate_verdict compare_keys(jc_gate_pass *pass, size_t from, size_t many) {
    if (pass->first[JC_GATE_DUPLICATE])
        return JC_GATE_OK;
    if (many > FEW_KEYS)
        return compare_many(pass, pass->keys + from, many);
    compare_few(pass, pass->keys + from, many);
    return JC_GATE_OK;
}

/* A level that was not there before. */
static enum jc_gate_verdict go_deeper(jc_gate_pass *pass, int64_t level, uint64_t bit) {
    pass->report.depth = (uint64_t)level;
    if ((uint64_t)level > pass->limits.max_depth) {
        pass->report.offset = pass->base + lowest(bit);
        return JC_GATE_DEPTH;
    }
    if ((size_t)level >= pass->start_room && !make_room_for_levels(pass))
        return JC_GATE_NO_MEMORY;
    pass->starts[level] = 0;
    return JC_GATE_OK;
}

/* Look at brackets and colons in their order, without a branch on which bracket it is: that is hard to foretell. */
static enum jc_gate_verdict walk(jc_gate_pass *pass) {
    enum jc_gate_verdict verdict = JC_GATE_OK;
    uint64_t left = pass->left;
    int64_t level = pass->level;
    size_t top = pass->key_count;
    for (; left; left &= left - 1) {
        const uint64_t bit = left & (0 - left);
        if (pass->colon & bit) {
            if (top == pass->key_room && !make_room_for_keys(pass)) {
                verdict = JC_GATE_NO_MEMORY;
                break;
            }
            top += read_key(pass, bit, &pass->keys[top]);
            continue;
        }
        const int64_t opens = pass->open >> lowest(bit) & 1;
        const int64_t outer = level - 1 + opens;
        if (outer >= 0) { /* or more ended than began, which is an error of syntax */
            const size_t many = (top - pass->starts[outer]) & (size_t)(opens - 1);
            if (many) {
                if (many > 1 && (verdict = compare_keys(pass, top - many, many)))
                    break;
                top -= many;
            }
            pass->starts[outer] = top;
        }
        level = outer + opens;
        if (level > (int64_t)pass->report.depth && (verdict = go_deeper(pass, level, bit)))
            break;
    }
    pass->left = left;
    pass->level = level;
    pass->key_count = top;
    return verdict;
}

/* Take the next block in: count what is counted, and leave the bits for `walk`. */
static void enter_block(jc_gate_pass *pass) {
    uint8_t rest[BLOCK];
    const uint8_t *at = pass->data + pass->next;
    pass->base = pass->next;
    if (pass->length - pass->next < BLOCK) {
        memset(rest, ' ', sizeof rest);
        memcpy(rest, at, pass->length - pass->next);
        at = rest;
    }
    pass->next += BLOCK; /* which no array in memory is long enough to overflow */
    masks found;
    find_text_marks(at, &found);
    if (pass->inside && !found.quote && !found.backslash) {
        pass->escaped = false;
        return;
    }
    find_marks(at, &found);
    const uint64_t quote = found.quote & ~find_escaped(pass, found.backslash);
    const uint64_t inside = running_xor(quote) ^ pass->inside;
    pass->inside = 0 - (inside >> 63);
    pass->quote = quote;
    pass->backslash = found.backslash;
    pass->open = found.open & ~inside;
    pass->colon = found.colon & ~inside;
    pass->left = (found.open | found.close | found.colon) & ~inside;
    pass->report.values += count((found.open | found.colon | found.comma) & ~inside);
    pass->report.keys += count(pass->colon);
    weigh_numbers(pass, found.number & ~inside, found.exponent & ~inside);
    if (pass->first[JC_GATE_DUPLICATE])
        pass->left &= ~found.colon;
}

/* Note where the last quotes and the last backslash of the block were. */
static void leave_block(jc_gate_pass *pass) {
    if (pass->quote) {
        const unsigned top = highest(pass->quote);
        const uint64_t others = pass->quote ^ UINT64_C(1) << top;
        pass->quote_before = others ? pass->base + highest(others) + 1 : pass->last_quote;
        pass->last_quote = pass->base + top + 1;
    }
    if (pass->backslash)
        pass->last_backslash = pass->base + highest(pass->backslash) + 1;
    pass->quote = pass->backslash = 0;
}

/* --- the pass --- */

static bool has_too_many_values(const jc_gate_pass *pass) {
    return pass->report.values > pass->limits.max_values && pass->length > pass->limits.max_values;
}

static enum jc_gate_verdict run(jc_gate_pass *pass) {
    for (;;) {
        if (pass->left) {
            const enum jc_gate_verdict verdict = walk(pass);
            if (verdict)
                return verdict;
        }
        leave_block(pass);
        if (pass->next >= pass->length)
            break;
        if (pass->next >= pass->next_look) {
            pass->next_look += PIECE;
            if (has_too_many_values(pass))
                return JC_GATE_VALUES;
            if (pass->look && pass->look(pass->look_data))
                return JC_GATE_STOPPED;
        }
        enter_block(pass);
    }
    if (has_too_many_values(pass))
        return JC_GATE_VALUES;
    for (int verdict = JC_GATE_DIGITS; verdict <= JC_GATE_INTEGER; verdict++) {
        if (!pass->first[verdict])
            continue;
        pass->report.offset = pass->first[verdict] - 1;
        return (enum jc_gate_verdict)verdict;
    }
    return JC_GATE_OK;
}

static void begin(jc_gate_pass *pass, const uint8_t *data, size_t length, const jc_gate_limits *limits) {
    memset(pass, 0, offsetof(jc_gate_pass, starts_inside));
    pass->data = data;
    pass->length = length;
    pass->limits = *limits;
    pass->next_look = PIECE;
    pass->starts = pass->starts_inside;
    pass->start_room = LEVELS_INSIDE;
    pass->starts[0] = 0;
    pass->keys = pass->keys_inside;
    pass->key_room = KEYS_INSIDE;
    pass->report.values = 1;
}

static void release(jc_gate_pass *pass) {
    if (pass->starts != pass->starts_inside)
        free(pass->starts);
    if (pass->keys != pass->keys_inside)
        free(pass->keys);
    free(pass->table);
}

static int settle(jc_gate_pass *pass, jc_gate_report *report) {
    if (!pass->report.verdict || pass->report.verdict == JC_GATE_STOPPED)
        pass->report.verdict = (uint64_t)run(pass);
    if (report)
        *report = pass->report;
    return (int)pass->report.verdict;
}

int jc_gate(const uint8_t *data, size_t length, const jc_gate_limits *limits, jc_gate_look look, void *look_data,
            jc_gate_report *report) {
    jc_gate_pass pass;
    begin(&pass, data, length, limits);
    pass.look = look;
    pass.look_data = look_data;
    const int verdict = settle(&pass, report);
    release(&pass);
    return verdict;
}

jc_gate_pass *jc_gate_begin(const uint8_t *data, size_t length, const jc_gate_limits *limits) {
    jc_gate_pass *const pass = malloc(sizeof *pass);
    if (pass)
        begin(pass, data, length, limits);
    return pass;
}

/* The look of jc_gate_go_on: ends the pass for now when the count is at its end. */
static int count_down(void *left) {
    uint64_t *const looks = left;
    return !*looks || !--*looks;
}

int jc_gate_go_on(jc_gate_pass *pass, uint64_t looks, jc_gate_report *report) {
    pass->look = count_down;
    pass->look_data = &looks;
    const int verdict = settle(pass, report);
    pass->look = NULL;
    pass->look_data = NULL;
    return verdict;
}

void jc_gate_end(jc_gate_pass *pass) {
    if (!pass)
        return;
    release(pass);
    free(pass);
}
