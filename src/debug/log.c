/* log.c - records: made where they are logged, handed to a sink, by default as a line to standard error.
 *
 * No lock and no memory: a record may come from a hook, from a fork's child, or from under any lock.
 * Records that come from elsewhere, from process tasks, enter at weft__log_pass.
 */
#include "debug/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "base/sys.h"
#include "sched/task.h"

enum {
    TEXT = 1024,
    LINE = 4096, /* PIPE_BUF: lines of several processes into one pipe stay whole */
    CUT = 40     /* room to say how much was cut */
};

int weft_log_threshold = WEFT_LOG_WARNING;

static weft_log_sink *sink;
static void *sink_ctx;
static __thread bool in_sink;

static const struct {
    const char *name;
    int level;
} names[] = {
    { "TRACE", WEFT_LOG_TRACE },       { "DEBUG", WEFT_LOG_DEBUG },     { "INFO", WEFT_LOG_INFO },
    { "NOTICE", WEFT_LOG_NOTICE },     { "WARNING", WEFT_LOG_WARNING }, { "ERROR", WEFT_LOG_ERROR },
    { "CRITICAL", WEFT_LOG_CRITICAL }, { "OFF", WEFT_LOG_OFF },
};

void weft__log_init(void)
{
    const char *wanted = weft__sys_env("WEFT_LOG");
    int64_t level = weft__sys_env_number("WEFT_LOG", WEFT_LOG_WARNING);
    for (size_t i = 0; wanted && i < ARRAY_LEN(names); i++)
        if (strcasecmp(wanted, names[i].name) == 0)
            level = names[i].level;
    weft_log_level_set(level > INT32_MAX ? INT32_MAX : (int)level);
}

int weft_log_level(void)
{
    return load_relaxed(&weft_log_threshold);
}

const char *weft_log_level_name(int level)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].level == level)
            return names[i].name;
    return NULL;
}

void weft_log_level_set(int level)
{
    store_relaxed(&weft_log_threshold, level);
}

void weft_log_set(weft_log_sink *fn, void *ctx)
{
    store_release(&sink, (weft_log_sink *)NULL);
    store_release(&sink_ctx, ctx);
    store_release(&sink, fn);
}

/* -- a line --------------------------------------------------------------------------------------- */

/* The bytes of a character that may stand in a line as it is; 0: it may not. */
static size_t harmless(const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t c = at[0];
    if (size == 1)
        return c >= 0x20 && c != 0x7f;
    if (c < 0xc2 || c > 0xf4 || size > left)
        return 0;
    c &= 0x7fu >> size;
    for (size_t i = 1; i < size; c = c << 6 | (at[i++] & 0x3fu))
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool too_long = c < (size == 3 ? 0x800u : size == 4 ? 0x10000u : 0x80u);
    bool controls = c < 0xa0 || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
                    (c >= 0x2066 && c <= 0x2069);
    bool no_character = (c >= 0xd800 && c < 0xe000) || c > 0x10ffff;
    return too_long || controls || no_character ? 0 : size;
}

/* As much as there is room for: how many bytes of the text that was. */
static size_t add_clean(struct weft__text *line, const char *text, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    size_t done = 0;
    while (done < length) {
        unsigned char c = (unsigned char)text[done];
        char escape[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
        size_t taken = harmless(text + done, length - done), size = taken;
        const char *from = text + done;
        if (!taken) {
            const char *letter = strchr("\nn\tt\rr", c);
            if (c && letter)
                escape[1] = letter[1];
            from = escape;
            size = c && letter ? 2 : 4;
            taken = 1;
        }
        if (line->size + size > line->room)
            break;
        memcpy(line->at + line->size, from, size);
        line->size += size;
        done += taken;
    }
    return done;
}

/* 2026-03-01T17:31:20.123456Z, by our own arithmetic: libc's takes a lock, which a fork's child may find
 * locked. Days and years from one March to the next, in eras of 400 years. */
static void add_time(struct weft__text *line, int64_t ns)
{
    int64_t us = ns / 1000 % 1000000, s = ns / 1000000000;
    unsigned second = (unsigned)(s % 86400), day = (unsigned)(s / 86400) + 719468;
    unsigned era = day / 146097, of_era = day % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100),
             month = (5 * of_year + 2) / 153;
    weft__text_add(line, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", year + era * 400 + (month > 9),
                   month > 9 ? month - 9 : month + 3, of_year - (153 * month + 2) / 5 + 1,
                   second / 3600, second / 60 % 60, second % 60, (unsigned)us);
}

size_t weft_log_format(const struct weft_log_record *record, char *line, size_t size)
{
    if (size < 64)
        return 0;
    const char *slash = strrchr(record->file, '/'), *file = slash ? slash + 1 : record->file;
    const char *level = weft_log_level_name(record->level);
    char place[16];
    struct weft__text text = { line, size, 0 };
    add_time(&text, record->time_ns);
    if (level)
        weft__text_add(&text, " %s ", level);
    else
        weft__text_add(&text, " LEVEL %d ", record->level);
    text.room = size - 1 - CUT;
    add_clean(&text, "[", 1);
    add_clean(&text, record->task_name, strlen(record->task_name));
    add_clean(&text, "] ", 2);
    add_clean(&text, file, strlen(file));
    add_clean(&text, place, (size_t)snprintf(place, sizeof place, ":%d: ", record->line));
    size_t done = add_clean(&text, record->text, record->length);
    text.room = size;
    if (done < record->length) {
        /* Perhaps the rest fits into the room to say that it does not. */
        struct weft__text tried = text;
        tried.room = size - 1;
        if (done + add_clean(&tried, record->text + done, record->length - done) == record->length)
            text = tried;
        else
            weft__text_add(&text, "... (%zu bytes cut)", record->length - done);
    }
    line[text.size] = '\n';
    return text.size + 1;
}

/* -- a record ------------------------------------------------------------------------------------- */

static void write_line(const struct weft_log_record *record)
{
    char line[LINE];
    size_t size = weft_log_format(record, line, sizeof line), sent = 0;
    while (sent < size) {
        ssize_t n = weft__sys_write(2, line + sent, size - sent);
        if (n < 0 && n != -EINTR)
            return; /* there is nobody to tell */
        sent += n > 0 ? (size_t)n : 0;
    }
}

void weft__log_pass(const struct weft_log_record *record)
{
    weft_log_sink *fn;
    void *ctx;
    do {
        fn = load_acquire(&sink);
        ctx = load_acquire(&sink_ctx);
    } while (fn != load_relaxed(&sink)); /* or they do not belong together */
    if (fn && !in_sink) {
        in_sink = true;
        fn(ctx, record);
        in_sink = false;
    } else {
        write_line(record);
    }
}

bool weft__log_has_sink(void)
{
    return load_acquire(&sink) != NULL;
}

static int64_t time_of_record(void)
{
    if (!weft__current)
        weft__seed_begin(); /* perhaps this is a thread's first call */
    return weft__rt.seeded ? weft__now() - WEFT__SEEDED_START : weft__sys_wall();
}

void weft_log_at(int level, const char *file, int line, const char *format, ...)
{
    int *errno_at = weft__sys_errno(), saved = *errno_at;
    char text[TEXT];
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = printed < 0 ? 0 : (size_t)printed;
    if (length >= sizeof text) {
        struct weft__text cut = { text, sizeof text, sizeof text - CUT };
        while ((text[cut.size] & 0xc0) == 0x80) /* a character is cut before, not in it */
            cut.size--;
        weft__text_add(&cut, "... (%zu bytes cut)", length - cut.size);
        length = cut.size;
    } else if (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    int64_t now = time_of_record();
    const struct weft__task *self = weft__current;
    struct weft_log_record record = {
        .size = sizeof record,
        .time_ns = now,
        .task = self ? weft__handle(self) : (weft_task){ 0 },
        .task_name = self ? weft__task_name(self) : "thread",
        .file = file,
        .text = text,
        .length = length,
        .level = level,
        .line = line,
    };
    weft__log_pass(&record);
    *errno_at = saved;
}
