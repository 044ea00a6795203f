/* in_kind.h - contracts whose bodies run as a task of each kind. The file says before why they need the
 * real kernel: REAL. */
#ifndef TESTS_IN_KIND_H
#define TESTS_IN_KIND_H

#include "test.h"

#include <string.h>
#include <weft.h>

#ifndef SOON
#define SOON weft_after(10 * WEFT_SEC)
#endif
#ifndef PREPARE /* before the body, on the test's own thread; dir is set */
#define PREPARE(t) ((void)(t))
#endif

static unsigned kind;
static const char *dir;
static weft_group group; /* for others of the kind */
static weft_fn *body;

/* The body returns 0; what it has left in the group is waited for. */
#define IN_KIND(name)                      \
    static int name##_body(void *ignored); \
    TEST_EACH_KIND_REAL(name, REAL)        \
    {                                      \
        run_body(t, name##_body);          \
    }                                      \
    static int name##_body(__attribute__((unused)) void *ignored)

__attribute__((unused)) static inline void finish(void)
{
    CHECK_OK(weft_group_wait(&group, weft_never()));
}

static inline int with_group(void *arg)
{
    CHECK_OK(weft_group_init(&group, WEFT_KEEP_GOING));
    CHECK_EQ(body(arg), 0);
    finish();
    weft_group_fini(&group);
    return 0;
}

static inline void run_body(struct test *t, weft_fn *fn)
{
    weft_group outer;
    kind = t->kind;
    dir = t_dir(t);
    body = fn;
    PREPARE(t);
    CHECK_OK(weft_group_init(&outer, 0));
    CHECK_OK(weft_group_spawn(&outer, kind, with_group, NULL));
    CHECK_OK(weft_group_wait(&outer, weft_never()));
    weft_group_fini(&outer);
}

__attribute__((unused)) static inline weft_task start_task(weft_fn *fn, void *arg)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_OK(weft_group_spawn_with(&group, kind, fn, arg, &more));
    return task;
}

__attribute__((unused)) static inline void until_waits(weft_task task, const char *what)
{
    struct weft_task_info info = { .size = sizeof info };
    do {
        CHECK_OK(weft_sleep(weft_after(200 * WEFT_US)));
        CHECK_OK(weft_task_describe(task, &info));
    } while (strcmp(info.state, what) != 0);
}

#endif
