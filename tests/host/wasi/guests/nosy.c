/* An ordinary program that would like to see files. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void try(const char *path) {
    FILE *file = fopen(path, "r");
    printf("fopen %s: %s\n", path, file ? "open" : strerror(errno));
}

int main(void) {
    try("/etc/passwd");
    try("../../.ssh/id_rsa");
    try("notes.txt");
    DIR *folder = opendir("/");
    printf("opendir /: %s\n", folder ? "open" : strerror(errno));
}
