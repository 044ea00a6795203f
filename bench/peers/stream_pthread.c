/* stream, "far" only: two threads on a core each, a ring of 128 slots under a mutex and two condition variables. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <pthread.h>

enum { SLOTS = 128 };

static long ring[SLOTS], head, tail, values;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER, some = PTHREAD_COND_INITIALIZER;

static void *consume(void *arg)
{
    bench_keep_core(false);
    for (long next = 0; next < values; next++) {
        pthread_mutex_lock(&lock);
        while (head == tail)
            pthread_cond_wait(&some, &lock);
        long v = ring[head++ % SLOTS];
        if (tail - head == SLOTS - 1)
            pthread_cond_signal(&room);
        pthread_mutex_unlock(&lock);
        bench_check(v == next, "value");
    }
    return arg;
}

static void stream(long steps)
{
    pthread_t consumer;
    head = tail = 0;
    values = steps;
    pthread_create(&consumer, NULL, consume, NULL);
    for (long v = 0; v < values; v++) {
        pthread_mutex_lock(&lock);
        while (tail - head == SLOTS)
            pthread_cond_wait(&room, &lock);
        ring[tail++ % SLOTS] = v;
        if (tail - head == 1)
            pthread_cond_signal(&some);
        pthread_mutex_unlock(&lock);
    }
    pthread_join(consumer, NULL);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1)
        return 0;
    bench_version(gnu_get_libc_version());
    bench_keep_core(true);
    bench("stream_far", BENCH_WALL, stream);
}
