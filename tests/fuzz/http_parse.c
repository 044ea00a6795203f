/* Any bytes: the parser answers the same whole and in pieces, and what it finds lies inside.
 * The first byte chooses: a head, a chunked body, a path, a date with conditions. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/condition.h"
#include "http/date.h"
#include "http/parse.h"
#include "http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void slice_lies_inside(struct http_slice s, int size)
{
    must(s.at + s.size <= size);
}

static void head(const char *text, size_t size, size_t step)
{
    struct http_head whole, pieces;
    int r = 0;
    http_head_begin(&whole);
    http_head_begin(&pieces);
    int all = http_head_parse(&whole, text, size);
    for (size_t n = 0; r == 0 && n < size + step; n += step)
        r = http_head_parse(&pieces, text, n < size ? n : size);
    /* Which of two faults is named may depend on what has come; a whole head never does. */
    must((r > 0) == (all > 0) && (r == 0) == (all == 0));
    if (all <= 0) {
        must(all == 0 || whole.why);
        return;
    }
    must(r == all && all <= HTTP_HEAD_MAX && (size_t)all <= size);
    must(memcmp(text + all - 4, "\r\n\r\n", 4) == 0);
    must(whole.fields_count == pieces.fields_count && whole.fields_count <= HTTP_FIELDS_MAX);
    must(whole.length == pieces.length && whole.chunked == pieces.chunked);
    must(!(whole.chunked && http_has(&whole, HTTP_CONTENT_LENGTH)));
    for (unsigned i = 0; i < whole.fields_count; i++) {
        slice_lies_inside(whole.fields[i].name, all);
        slice_lies_inside(whole.fields[i].value, all);
        must(!memchr(text + whole.fields[i].value.at, '\n', whole.fields[i].value.size));
    }
    slice_lies_inside(whole.path, all);
    slice_lies_inside(whole.query, all);
    uint64_t from, to;
    struct http_version version = { "\"t\"", 3, 784111777, size };
    int status = http_judge(&whole, text, &version, &from, &to);
    must(status == 200 || status == 304 || status == 412 || status == 416 ||
         (status == 206 && from < to && to <= size));
}

static void chunked(const char *text, size_t size, size_t step)
{
    struct http_chunked whole = { 0 }, pieces = { 0 };
    size_t all, used = 0, n = 0;
    int r = http_chunked_skip(&whole, text, size, &all), p = 0;
    must(all <= size && (r != 0 || all == size));
    while (p == 0 && n < size) {
        size_t part = size - n < step ? size - n : step;
        p = http_chunked_skip(&pieces, text + n, part, &used);
        n += used;
    }
    must(p == r && n == all && whole.total == pieces.total);
}

static void path(const char *text, size_t size)
{
    char *name = malloc(size + 1), *url = malloc(3 * size + 2), *again = malloc(3 * size + 2);
    const char *why = NULL;
    int n = http_path_decode(name, size + 1, text, size, &why);
    must(n >= 0 || (n == -400 && why));
    if (n > 0) {
        must(strlen(name) == (size_t)n && name[0] != '/' && !strstr(name, "//"));
        must(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
        must(n < 3 || strcmp(name + n - 3, "/..") != 0);
        url[0] = '/';
        size_t m = 1 + http_path_encode(url + 1, name, (size_t)n);
        if (!strchr(name, '\\')) { /* one that came unescaped cannot go back escaped */
            must(http_path_decode(again, 3 * size + 2, url, m, &why) == n);
            must(strcmp(again, name) == 0);
        }
    }
    free(name);
    free(url);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = (size_t)(data[0] >> 2) + 1;
    char *text = malloc(size); /* its own block: a sanitizer sees its end */
    memcpy(text, data + 1, size - 1);
    text = realloc(text, size > 1 ? size - 1 : 1);
    switch (data[0] & 3) {
    case 0: head(text, size - 1, step); break;
    case 1: chunked(text, size - 1, step); break;
    case 2: path(text, size - 1); break;
    default: http_date_parse(text, size - 1);
    }
    free(text);
    return 0;
}
