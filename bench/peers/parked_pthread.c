/* parked: OS threads with 16 KiB stacks that wait on one condition variable; user memory only, the
 * kernel keeps some 10 to 20 KiB more for each. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER, ready = PTHREAD_COND_INITIALIZER;
static long tasks, started, ended;
static bool open;

static void *wait_for_go(void *arg)
{
    pthread_mutex_lock(&lock);
    if (++started == tasks)
        pthread_cond_signal(&ready);
    while (!open)
        pthread_cond_wait(&go, &lock);
    ended++;
    pthread_mutex_unlock(&lock);
    return arg;
}

int main(int argc, char **argv)
{
    tasks = argc > 1 ? atol(argv[1]) : 10000;
    if (tasks > 10000) /* the kernel's own limits begin */
        return 0;
    pthread_t *all = malloc((size_t)tasks * sizeof *all);
    pthread_attr_t small;
    bench_version(gnu_get_libc_version());
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    memset(all, 1, (size_t)tasks * sizeof *all);
    double before = bench_memory();
    for (long i = 0; i < tasks; i++)
        bench_check(pthread_create(&all[i], &small, wait_for_go, NULL) == 0, "thread made");
    pthread_mutex_lock(&lock);
    while (started < tasks)
        pthread_cond_wait(&ready, &lock);
    bench_print_memory("parked", tasks, bench_memory() - before);
    open = true;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < tasks; i++)
        pthread_join(all[i], NULL);
    bench_check(ended == tasks, "tasks woken");
}
