/* An ordinary program: it knows nothing of where it runs. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    for (int at = 0; at < argc; at++) printf("argument %d: %s\n", at, argv[at]);
    for (int c; (c = getchar()) != EOF;) putchar(toupper(c));
    printf("PATH is %s\n", getenv("PATH") ? "set" : "not set");
    if (!fopen("/etc/passwd", "r")) perror("fopen");
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) perror("clock_gettime");
    printf("a terminal: %d\n", isatty(1));
    struct timespec moment = {0, 5000000};
    if (nanosleep(&moment, NULL)) perror("nanosleep");
    printf("no newline at the end");
    return 7;
}
