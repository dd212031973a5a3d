/* Whether a contestant's numbers are those of the answer, each to a thousandth. */
#include "judicia.h"

#define TOLERANCE 1 /* thousandths */
#define APART __attribute__((noinline)) /* so that monitors show it under its name */

/* Takes the next word off a text; an empty one at its end. */
static jn_text next_word(jn_text *rest) {
    jn_text word = *rest;
    while (word.length && jn_is_space(*word.at))
        word.at++, word.length--;
    rest->at = word.at;
    rest->length = word.length;
    while (rest->length && !jn_is_space(*rest->at))
        rest->at++, rest->length--;
    word.length -= rest->length;
    return word;
}

/* Reads a whole number such as -12; false where it is none. */
static bool read_integer(jn_text word, int *number) {
    bool is_negative = word.length && *word.at == '-';
    *number = 0;
    for (size_t at = is_negative; at < word.length; at++) {
        if (word.at[at] < '0' || word.at[at] > '9' || *number > 99)
            return false;
        *number = *number * 10 + (word.at[at] - '0');
    }
    if (is_negative)
        *number = -*number;
    return word.length > is_negative;
}

/* Reads a decimal number such as -12.5, 3 or 2e3, in thousandths; false where it is none. */
APART static bool read_number(jn_text word, long long *number) {
    int shift = 3;
    bool has_point = false;
    *number = 0;
    for (size_t at = 0; at < word.length; at++) {
        char letter = word.at[at];
        if (letter >= '0' && letter <= '9') {
            if (*number > 100000000000000)
                return false;
            *number = *number * 10 + (letter - '0');
            shift -= has_point;
        } else if (letter == '.' && !has_point) {
            has_point = true;
        } else if (letter == 'e' && at > 0) {
            int exponent;
            if (!read_integer((jn_text){word.at + at, word.length - at}, &exponent))
                return false;
            shift += exponent;
            break;
        } else if (letter != '-' || at > 0) {
            return false;
        }
    }
    for (; shift > 0; shift--)
        *number *= 10;
    for (; shift < 0; shift++)
        *number /= 10;
    if (*word.at == '-')
        *number = -*number;
    return true;
}

APART static const char *judge(jn_text output, jn_text expected) {
    for (;;) {
        jn_text found = next_word(&output), wanted = next_word(&expected);
        if (!found.length && !wanted.length)
            return "accepted";
        if (!found.length)
            return "too short";
        if (!wanted.length)
            return "too long";
        long long number, right;
        if (!read_number(found, &number) || !read_number(wanted, &right))
            return "no number";
        if (number - right > TOLERANCE || right - number > TOLERANCE)
            return "wrong answer";
    }
}

JUDICIA_EXPORT(check) {
    jn_text output = jn_get_string(request, "output"), expected = jn_get_string(request, "answer");
    jn_put_text(answer, jn_text_of(judge(output, expected)));
}
