/* weft/log.h - lines that say what a program does, and which of its tasks did it.
 *
 *     weft_log_info("%s has joined %s", name, room);
 *
 *     2026-03-01T17:31:20.123456Z INFO [reader] chat.c:42: alice has joined tea
 *
 * A level is a number; the names are Python's and two finer ones. What lies below the threshold (WEFT_LOG in
 * the environment, by default warning) costs a load and a compare, and its arguments are not evaluated.
 * In a seeded run the time is virtual and begins in 1970. The library itself logs nothing above debug. */
#ifndef WEFT_LOG_H
#define WEFT_LOG_H

#include <weft/base.h>
#include <weft/task.h>

WEFT_BEGIN

enum weft_log_levels {
    WEFT_LOG_TRACE = 5, /* multiprocessing's SUBDEBUG */
    WEFT_LOG_DEBUG = 10,
    WEFT_LOG_INFO = 20,
    WEFT_LOG_NOTICE = 25, /* its SUBWARNING */
    WEFT_LOG_WARNING = 30,
    WEFT_LOG_ERROR = 40,
    WEFT_LOG_CRITICAL = 50,
    WEFT_LOG_OFF = 1000 /* as a threshold: nothing */
};

/* One record. What it points to lives as long as the call that gets it. */
struct weft_log_record {
    size_t size;           /* sizeof (struct weft_log_record) */
    int64_t time_ns;       /* since 1970, UTC; in seeded runs virtual, since the run's start */
    weft_task task;        /* who logged; id 0: a thread that has not used weft */
    const char *task_name; /* "thread" for such a one */
    const char *file;      /* as the compiler was told it */
    const char *text; /* what was printed, without a newline at its end; any bytes may be in it */
    size_t length;    /* of text; what went beyond 1 KiB is cut, and text says so */
    int level, line;
};

/* Log one line when its level is on; printf's format, checked by the compiler. A text of more than 1 KiB is
 * cut, and says so. errno stays as it was; %m prints it. */
#define weft_log(level, ...)                                               \
    do {                                                                   \
        int weft_log_level_ = (level);                                     \
        if (weft_log_is_on(weft_log_level_))                               \
            weft_log_at(weft_log_level_, __FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

#define weft_log_trace(...)    weft_log(WEFT_LOG_TRACE, __VA_ARGS__)
#define weft_log_debug(...)    weft_log(WEFT_LOG_DEBUG, __VA_ARGS__)
#define weft_log_info(...)     weft_log(WEFT_LOG_INFO, __VA_ARGS__)
#define weft_log_notice(...)   weft_log(WEFT_LOG_NOTICE, __VA_ARGS__)
#define weft_log_warning(...)  weft_log(WEFT_LOG_WARNING, __VA_ARGS__)
#define weft_log_error(...)    weft_log(WEFT_LOG_ERROR, __VA_ARGS__)
#define weft_log_critical(...) weft_log(WEFT_LOG_CRITICAL, __VA_ARGS__)

/* What the macros call, whatever the threshold: for wrappers that have a place of their own.
 *   level      any number
 *   file       static text
 * Context   task, thread, hook, a fork's child; no signal handler. It waits for nothing but the sink:
 *           for the write to standard error, as long as that is full, so its worker does
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_log_at(int level, const char *file, int line, const char *format, ...)
    WEFT_PRINTF(4, 5);

/* The threshold: what is below it is off. From WEFT_LOG when the program starts: one of trace, debug, info,
 * notice, warning, error, critical, off, or a number; else warning.
 * Returns   the threshold
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_log_level(void);

/* Set it, for the whole process.
 * Context   anywhere, signal handlers included
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_log_level_set(int level);

/* What takes the records. It runs in the task or thread that logs, in the middle of what that does and
 * perhaps with its locks held, by several at once: it may not wait, so no weft call that waits; one that does
 * not (a put at once into a queue, a write of its own) is fine. What it logs itself goes to standard error. */
typedef void weft_log_sink(void *ctx, const struct weft_log_record *record);

/* Send records elsewhere than, a line each in one write(2), to standard error.
 *   sink  NULL: standard error again
 *   ctx   handed to it
 * Context   any thread. A record that is on its way may still come to the old sink after the call
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_log_set(weft_log_sink *sink, void *ctx);

/* A record as a line, as standard error gets it: for sinks that write. One line whatever the record holds:
 * control characters, line separators, what turns the direction of text and what is not UTF-8 become \n, \t,
 * \r or \xNN.
 *   line, size  where to, 64 bytes at least. The newline at its end is counted, no NUL follows it; what
 *               does not fit is cut, and the line says so
 * Returns   the bytes of the line; 0 for a size below 64
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API size_t weft_log_format(const struct weft_log_record *record, char *line, size_t size);

/* A level's name, for sinks that print it.
 * Returns   "INFO", static text; NULL for a number without a name
 * Context   anywhere, signal handlers included
 * Cancels   no.   Since 0.1
 */
WEFT_API const char *weft_log_level_name(int level);

/* The threshold, for the macros alone. Read it by weft_log_level().
 * Returns   not a function
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API extern int weft_log_threshold;

static inline bool weft_log_is_on(int level)
{
    return __builtin_expect(level >= __atomic_load_n(&weft_log_threshold, __ATOMIC_RELAXED), 0);
}

WEFT_END
#endif
