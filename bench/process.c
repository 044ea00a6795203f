/* Question: what does a process cost from spawn to join, of a small program and of one that has touched 1 GB?
 * Touched after the zygote was there, which a program can see to; "late": before it was. */
#include "ours.h"

static int nothing(void *arg)
{
    return arg != NULL;
}

static void processes(long steps)
{
    weft_group all;
    weft_group_init(&all, 0);
    for (long i = 0; i < steps; i++) {
        must(weft_group_spawn(&all, WEFT_PROCESS, nothing, NULL), "spawn");
        must(weft_group_wait(&all, weft_never()), "wait");
    }
}

static int ask(void *late)
{
    if (!late) {
        must(weft_process_prepare(), "prepare");
        bench_from(20, "process", BENCH_WALL, processes);
    }
    bench_touch();
    bench_from(20, late ? "process_1g_late" : "process_1g", BENCH_WALL, processes);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    ours_version();
    must(weft_run(ask, argc > 1 ? "late" : NULL), "weft_run");
}
