/* handoff: two threads on one core; POSIX semaphores, mutex and condition variable. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <semaphore.h>

static sem_t turns[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long hops, turn;

static void by_semaphore(int who)
{
    for (long i = 0; i < hops / 2; i++) {
        sem_wait(&turns[who]);
        bench_check(turn++ % 2 == who, "turn");
        sem_post(&turns[1 - who]);
    }
}

static void by_condition(int who)
{
    pthread_mutex_lock(&lock);
    for (long i = 0; i < hops / 2; i++) {
        while (turn % 2 != who)
            pthread_cond_wait(&changed, &lock);
        turn++;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
}

static void (*take_turns)(int who);

static void *other(void *arg)
{
    take_turns(1);
    return arg;
}

static void run(long steps)
{
    pthread_t thread;
    hops = steps;
    turn = 0;
    sem_init(&turns[0], 0, 1);
    sem_init(&turns[1], 0, 0);
    bench_check(pthread_create(&thread, NULL, other, NULL) == 0, "thread made");
    take_turns(0);
    pthread_join(thread, NULL);
    bench_check(turn == hops, "turns");
}

int main(void)
{
    bench_version(gnu_get_libc_version());
    bench_keep_core(true);
    take_turns = by_semaphore;
    bench("handoff_sem", BENCH_CPU, run);
    take_turns = by_condition;
    bench("handoff_cond", BENCH_CPU, run);
}
