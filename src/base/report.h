/* base/report.h - words: for the user without being asked (reports), for a caller's error (text), and
 * for our own or the program's bugs (then abort). */
#ifndef WEFT_BASE_REPORT_H
#define WEFT_BASE_REPORT_H

#include <stddef.h>
#include <weft/base.h>

/* One or more whole lines to the reporter. Safe in signal handlers: no lock, no malloc, 1 KiB. */
void weft__report(const char *format, ...) WEFT_PRINTF(1, 2);

/* A broken contract or our own corruption: report, dump the tasks, abort. Never for input, network,
 * memory or the kernel's answers. */
_Noreturn void weft__bug(const char *format, ...) WEFT_PRINTF(1, 2);
#define WEFT_BUG_ON(condition, ...)             \
    do {                                        \
        if (__builtin_expect(!!(condition), 0)) \
            weft__bug(__VA_ARGS__);             \
    } while (0)

/* Filled by assembly.c: a dump of all tasks. */
extern void (*weft__bug_dump)(int fd);

#ifdef WEFT_INVARIANTS
#define weft__assert(condition) \
    WEFT_BUG_ON(!(condition), "%s:%d: %s", __FILE__, __LINE__, #condition)
#else
#define weft__assert(condition) ((void)0)
#endif

/* Text into a buffer that never overflows; size counts what would have been written. */
struct weft__text {
    char *at;
    size_t room, size;
};

void weft__text_add(struct weft__text *text, const char *format, ...) WEFT_PRINTF(2, 3);

#endif
