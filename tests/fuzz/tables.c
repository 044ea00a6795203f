/* Tables in /etc: every word is a part of its line, without blanks and comments. */
#include "io/tables.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *words[4];
    struct weft__table table = { .text = text, .at = text, .room = size + 1 };
    size_t lines = 0;
    int count;
    memcpy(text, data, size);
    text[size] = 0;
    while ((count = weft__table_next(&table, words, 4)) > 0) {
        char *from = text;
        for (int i = 0; i < count && i < 4; from = words[i++] + 1)
            if (words[i] < from || !*words[i] || strpbrk(words[i], " \t\r\n#") ||
                words[i] + strlen(words[i]) > text + size)
                abort();
        if (++lines > size)
            abort();
    }
    free(text);
    return 0;
}
