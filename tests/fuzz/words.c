/* Commands: what is split, quoted and joined again is the same words. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft/subprocess.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 'it'\''s' */
static char *quote(char *to, const char *word)
{
    *to++ = '\'';
    for (; *word; word++)
        to = *word == '\'' ? stpcpy(to, "'\\''") : (*to = *word, to + 1);
    return stpcpy(to, "' ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), **words, **again;
    memcpy(text, data, size);
    text[size] = 0;
    int n = weft_words(text, &words);
    if (n < 0 && n != -EINVAL)
        abort();
    if (n >= 0) {
        size_t room = 1;
        for (int i = 0; i < n; i++)
            room += 4 * strlen(words[i]) + 3;
        char *joined = malloc(room), *to = joined;
        *to = 0;
        for (int i = 0; i < n; i++)
            to = quote(to, words[i]);
        if (words[n] || weft_words(joined, &again) != n)
            abort();
        for (int i = 0; i < n; i++)
            if (strcmp(words[i], again[i]) != 0)
                abort();
        weft_words_free(again);
        weft_words_free(words);
        free(joined);
    }
    free(text);
    return 0;
}
