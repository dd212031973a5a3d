/* An ordinary program: nothing in it knows of a sandbox. To build it anew, as ordinary.wasm beside this file was built:

   clang --target=wasm32-wasi -Oz -Wl,--strip-all -o ordinary.wasm ordinary.c */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void show(const char *path) {
    char line[256];
    FILE *file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file))
        printf("%s begins with: %s", path, line);
    else
        printf("%s: %s\n", path, strerror(errno));
}

int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "loop") == 0)
        while (1) {
        }
    show("/etc/passwd");
    show("../../../.ssh/id_rsa");

    const char *home = getenv("HOME");
    printf("HOME: %s\n", home ? home : "not set");

    time_t now = time(0);
    printf("the year: %d\n", gmtime(&now)->tm_year + 1900);
}
