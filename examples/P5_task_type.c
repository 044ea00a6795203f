/* P5 - a task type of one's own: a struct with fields and a run function.
 *
 *     make example P5
 *
 * In Python one derives from Thread or Process and overrides run(). Here the fields are a struct, run()
 * is a function that gets it, and starting takes the kind: the type is the same for each. What the task
 * finds out it leaves in its own fields, and they are there after the wait.
 */
#include <stdio.h>
#include <string.h>
#include <weft.h>

struct letter_counter {
    const char *text; /* what it is given */
    char letter;
    int found; /* what it finds */
};

static int letter_counter_run(void *self)
{
    struct letter_counter *me = self;
    for (const char *p = me->text; (p = strchr(p, me->letter)) != NULL; p++)
        me->found++;
    return 0;
}

/* The job is copied into the task, and back into the caller's struct when the task has ended: so this
 * is right also for a task that shares no memory with its maker. */
static int letter_counter_start(struct letter_counter *me, weft_group *group, unsigned kind)
{
    return weft_group_spawn_job(group, kind, letter_counter_run, me);
}

int main(void)
{
    static const unsigned kinds[] = { WEFT_PROCESS, WEFT_THREAD, WEFT_COROUTINE };
    static const char *const names[] = { "process", "thread", "coroutine" };
    for (int i = 0; i < 3; i++) {
        struct letter_counter e = { .text = "the thread woven through the warp", .letter = 'e' };
        struct letter_counter t = { .text = "the thread woven through the warp", .letter = 't' };
        weft_group g;
        weft_group_init(&g, 0);
        letter_counter_start(&e, &g, kinds[i]);
        letter_counter_start(&t, &g, kinds[i]);
        if (weft_group_wait(&g, weft_never()) < 0)
            return 1;
        printf("as a %s: %d times e, %d times t\n", names[i], e.found, t.found);
    }
    return 0;
}
