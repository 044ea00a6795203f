/* P6 - ten processes print under one lock: no line is mixed with another.
 *
 *     make example P6
 *
 * The lock lies in the arena, memory that has the same address in every process, and is made with WEFT_SHARED.
 * Each line is written in four pieces, so without the lock they would mix. What if a process is killed while it
 * holds the lock: T4b. The lines come in any order, compared as a set.
 */
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

struct printer {
    weft_lock lock;
    int lines;
};

struct job {
    struct printer *printer; /* the same pointer means the same there */
    int number;
};

static int print(void *arg)
{
    const struct job *job = arg;
    const char *pieces[] = { "process ", (char[]){ (char)('0' + job->number), 0 }, " says hello",
                             "\n" };
    int r = weft_lock_acquire(&job->printer->lock, weft_never());
    if (r < 0)
        return r;
    for (int i = 0; i < 4; i++)
        for (const char *p = pieces[i]; *p; p++)
            if (write(STDOUT_FILENO, p, 1) < 0)
                break;
    job->printer->lines++;
    return weft_lock_release(&job->printer->lock);
}

int main(void)
{
    struct printer *printer = weft_arena_alloc(sizeof *printer);
    weft_group g;
    if (!printer || weft_lock_init(&printer->lock, WEFT_SHARED) < 0 || weft_group_init(&g, 0) < 0) {
        fprintf(stderr, "P6: %s\n", weft_why());
        return 1;
    }
    printer->lines = 0;
    for (int i = 0; i < 10; i++)
        weft_group_spawn_copy(&g, WEFT_PROCESS, print, &(struct job){ printer, i });
    int r = weft_group_wait(&g, weft_never());
    printf("%d lines: %s\n", printer->lines, r < 0 ? weft_why() : "none is mixed");
    return r < 0;
}
