/* words.c - weft_words: a command's words, as a shell finds them (POSIX, Shell Command Language, 2.2). */
#include <errno.h>
#include <string.h>
#include <weft/subprocess.h>

#include "base/alloc.h"
#include "base/base.h"

struct block { /* what is handed out, with its size before it */
    size_t size;
    char *words[];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* The word at *at, with its quotes taken off, to `out`. Behind it, or NULL. */
static const char *word(const char *at, char **out)
{
    char quote = 0, *to = *out;
    for (; *at && (quote || !is_blank(*at)); at++) {
        if (*at == quote) {
            quote = 0;
        } else if (!quote && (*at == '\'' || *at == '"')) {
            quote = *at;
        } else if (*at == '\\' && quote != '\'') {
            if (!*++at)
                return NULL;
            if (quote && !strchr("$`\"\\\n", *at)) /* means itself there */
                *to++ = '\\';
            if (*at != '\n') /* a line that goes on */
                *to++ = *at;
        } else {
            *to++ = *at;
        }
    }
    *to++ = 0;
    *out = to;
    return quote ? NULL : at;
}

int weft_words(const char *command, char ***out)
{
    size_t length = strlen(command), most = length / 2 + 2, count = 0;
    size_t size = sizeof(struct block) + most * sizeof(char *) + length + 1;
    struct block *block = weft__alloc(size, 16);
    if (!block)
        return -ENOMEM;
    block->size = size;
    char *text = (char *)(block->words + most);
    for (const char *at = command;;) {
        while (is_blank(*at))
            at++;
        if (!*at)
            break;
        block->words[count++] = text;
        if (!(at = word(at, &text))) {
            weft__release(block, size);
            return -EINVAL;
        }
    }
    block->words[count] = NULL;
    *out = block->words;
    return (int)count;
}

void weft_words_free(char **words)
{
    struct block *block = words ? container_of(words, struct block, words) : NULL;
    if (block)
        weft__release(block, block->size);
}
