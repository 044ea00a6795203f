/* subprocess: posix_spawn and waitpid. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <spawn.h>
#include <sys/wait.h>

static void programs(long steps)
{
    char *argv[] = { "/bin/true", NULL };
    for (long i = 0; i < steps; i++) {
        int status;
        pid_t pid;
        bench_check(posix_spawn(&pid, argv[0], NULL, NULL, argv, NULL) == 0 &&
                        waitpid(pid, &status, 0) == pid && status == 0,
                    "program");
    }
}

int main(void)
{
    bench_version(gnu_get_libc_version());
    bench_from(20, "subprocess", BENCH_WALL, programs);
    bench_touch();
    bench_from(20, "subprocess_1g", BENCH_WALL, programs);
}
