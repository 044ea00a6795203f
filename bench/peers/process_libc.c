/* process: fork and _exit, and posix_spawn of a program that does nothing. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static char *program[] = { "/bin/true", NULL };
static bool spawns;

static void processes(long steps)
{
    for (long i = 0; i < steps; i++) {
        int status;
        pid_t pid;
        if (spawns)
            bench_check(posix_spawn(&pid, program[0], NULL, NULL, program, NULL) == 0, "spawn");
        else if ((pid = fork()) == 0)
            _exit(0);
        bench_check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "process");
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    spawns = argc > 1;
    bench_version(gnu_get_libc_version());
    bench_from(20, "process", BENCH_WALL, processes);
    bench_touch();
    bench_from(20, "process_1g", BENCH_WALL, processes);
}
