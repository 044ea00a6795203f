/* report.c - see report.h. The formatter is libc's: snprintf with integers and strings neither
 * allocates nor locks in glibc, which the fault tests rely on. */
#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/sys.h"

static weft_reporter *reporter;
static void *reporter_ctx;
void (*weft__bug_dump)(int fd);

void weft_reporter_set(weft_reporter *fn, void *ctx)
{
    store_relaxed(&reporter, (weft_reporter *)NULL);
    store_release(&reporter_ctx, ctx);
    store_release(&reporter, fn);
}

static void say(const char *format, va_list args)
{
    char line[1024];
    int n = vsnprintf(line, sizeof line - 1, format, args);
    if (n <= 0)
        return;
    size_t size = (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
    if (line[size - 1] != '\n')
        line[size++] = '\n';
    weft_reporter *fn = load_acquire(&reporter);
    if (fn)
        fn(load_relaxed(&reporter_ctx), line, size);
    else
        weft__sys_write(2, line, size);
}

void weft__report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void weft__bug(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    if (weft__bug_dump)
        weft__bug_dump(2);
    weft__sys_abort();
}

void weft__text_add(struct weft__text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = text->size < text->room ? text->size : text->room;
    int n = vsnprintf(text->at + used, text->room - used, format, args);
    va_end(args);
    if (n > 0)
        text->size += (size_t)n;
}
