/* dump.c - a line for each worker and each task, for people whose program hangs.
 *
 * No lock and no memory is taken, so it works in a signal handler; records are type-stable, and a
 * racing task costs a stale line.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <weft/debug.h>

#include "base/report.h"
#include "base/sys.h"
#include "debug/dump.h"
#include "sched/wait.h"
#include "sync/hold.h"

struct page {
    int fd, error;
    size_t used;
    char text[2048];
};

static void flush(struct page *page)
{
    size_t sent = 0;
    while (sent < page->used && page->error == 0) {
        ssize_t n = weft__sys_write(page->fd, page->text + sent, page->used - sent);
        if (n < 0 && n != -EINTR)
            page->error = (int)n;
        else if (n > 0)
            sent += (size_t)n;
    }
    page->used = 0;
}

static void line(struct page *page, const char *format, ...) WEFT_PRINTF(2, 3);

static void line(struct page *page, const char *format, ...)
{
    if (sizeof page->text - page->used < 512)
        flush(page);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(page->text + page->used, 512, format, args);
    va_end(args);
    page->used += n < 512 ? (size_t)n : 511;
}

static const char *kind_name(const struct weft__task *task)
{
    if (load_relaxed(&task->flags) & WEFT__FOREIGN)
        return "thread (not weft's)";
    return load_relaxed(&task->kind) == WEFT_THREAD ? "thread" : "coroutine";
}

/* The generator or fiber it runs in; NULL: none. Only addresses of the strand are looked at: its stack may
 * serve somebody else by now, the record on top of it is type-stable. */
static const char *inside(const struct weft__task *task)
{
    const struct weft__strand *strand = load_relaxed(&task->strand);
    uint32_t slot;
    bool guard;
    if (!strand || !weft__stack_find(strand, &slot, &guard))
        return NULL;
    const char *top = weft__stack_top(slot);
    return top ? ((const struct weft__task *)(const void *)(top - WEFT__STACK_DESCRIPTOR))->site
               : NULL;
}

void weft__describe(struct weft__task *task, bool holds, char *out, size_t room)
{
    struct weft__text text = { out, room, 0 };
    const char *state = weft__task_state(task);
    bool waits = load_relaxed(&task->reason) == state;
    const char *site = load_relaxed(&task->site);
    const void *object = load_relaxed(&task->object);
    struct weft__worker *worker = load_relaxed(&task->worker);
    char name[128];
    weft__task_name_copy(task, name, sizeof name);
    weft__text_add(&text, "%s %llx '%s'", kind_name(task),
                   (unsigned long long)weft__handle(task).id, name);
    if (worker)
        weft__text_add(&text, " on worker %u", worker->index);
    const char *strand = inside(task);
    if (strand) {
        weft__sys_copy_text(name, sizeof name, strand);
        weft__text_add(&text, " in %s", name);
    }
    weft__text_add(&text, waits ? ": waits for %s" : ": %s", state);
    if (waits && object)
        weft__text_add(&text, " %p", object);
    if (waits)
        weft__text_add(&text, " for %.3f s",
                       (double)(weft__now() - load_relaxed(&task->since)) / 1e9);
    for (uint32_t i = 0; holds && i < WEFT__HOLDS && i < load_relaxed(&task->held); i++) {
        weft__text_add(&text, ", holds ");
        weft__hold_tell(&task->holds[i], &text);
    }
    if (load_relaxed(&task->name[0]) && site) {
        weft__sys_copy_text(name, sizeof name, site);
        weft__text_add(&text, ", spawned as %s", name);
    }
}

static void print_task(struct weft__task *task, void *ctx)
{
    char text[512];
    weft__describe(task, true, text, sizeof text);
    line(ctx, "  %s\n", text);
}

int weft_dump(int fd)
{
    struct page page = { .fd = fd };
    static const char *const states[] = { "running", "asleep", "frozen", "ended" };
    line(&page, "weft: %llu tasks, %u workers, guards by %s\n", (unsigned long long)weft__live(),
         weft__rt.workers_count, weft__stack_guard());
    for (unsigned i = 0; i < weft__rt.workers_count; i++) {
        struct weft__worker *w = weft__rt.workers[i];
        line(&page, "  worker %u: %s, %lld unstarted\n", i, states[load_relaxed(&w->state)],
             (long long)(weft__deque_length(&w->own) + weft__deque_length(&w->fifo) +
                         weft__deque_length(&w->fork)));
    }
    if (weft__deque_length(&weft__rt.injector) > 0)
        line(&page, "  %lld unstarted from outside\n",
             (long long)weft__deque_length(&weft__rt.injector));
    weft__task_each(print_task, &page);
    flush(&page);
    return page.error;
}

void weft__dump(int fd)
{
    weft_dump(fd);
}
