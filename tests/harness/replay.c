/* replay.c - turns a fuzz target into a test: every file of its corpus goes through it once.
 * What a fuzzer finds is fixed, and the input then stays in tests/fuzz/corpus/NAME/ for ever. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) < 0)
        FAIL("%s: %m", path);
    long size = ftell(f);
    rewind(f);
    uint8_t *data = malloc(size ? (size_t)size : 1); /* exact, so that ASan sees the end */
    if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
        FAIL("%s: %m", path);
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last one printed is the culprit */
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

TEST(the_corpus_is_digested)
{
    const char *root = getenv("WEFT_TEST_SOURCE");
    char folder[1000], path[1400];
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/" REPLAY, root ? root : ".");
    DIR *dir = opendir(folder);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            feed(path);
        }
    if (dir)
        closedir(dir);
}
