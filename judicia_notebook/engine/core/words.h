/* Eight bytes at a time, the same on every machine. */
#ifndef JC_WORDS_H
#define JC_WORDS_H

#include <stdint.h>
#include <string.h>

/* The eight bytes from `at` on, the first one lowest. */
static inline uint64_t jc_load_word(const void *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#endif
