/* How alike two programs are: the first version, which skips what is equal at both ends, and keeps one row. */
#include "judicia.h"

#define MOST 1023 /* letters */
#define APART __attribute__((noinline)) /* so that monitors show it under its name */

static unsigned smaller(unsigned one, unsigned other) { return one < other ? one : other; }

/* The least number of letters to insert, delete or replace: Levenshtein's distance. */
APART static unsigned edits(const char *left, size_t rows, const char *right, size_t columns) {
    static unsigned row[MOST + 1];
    while (rows && columns && *left == *right)
        left++, right++, rows--, columns--;
    while (rows && columns && left[rows - 1] == right[columns - 1])
        rows--, columns--;
    for (size_t column = 0; column <= columns; column++)
        row[column] = column;
    for (size_t above = 0; above < rows; above++) {
        unsigned corner = above, before = above + 1;
        row[0] = before;
        for (size_t column = 0; column < columns; column++) {
            unsigned replaced = corner + (left[above] != right[column]);
            corner = row[column + 1];
            before = smaller(replaced, smaller(corner, before) + 1);
            row[column + 1] = before;
        }
    }
    return row[columns];
}

JUDICIA_EXPORT(distance) {
    jn_text left = jn_get_string(request, "left"), right = jn_get_string(request, "right");
    if (left.length > MOST || right.length > MOST)
        jn_fail("too_large", "a program has more than %d letters", MOST);
    else
        jn_put_int(answer, edits(left.at, left.length, right.at, right.length));
}
