/* lock: pthread_mutex, private, shared robust, and recursive; pthread_rwlock. A second thread sleeps meanwhile: in a program with
 * one thread glibc leaves the atomic instructions out, and a runtime has threads. */
#include "contend.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER, *robust, recursive;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile long count;

static void use(pthread_mutex_t *lock, long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        pthread_mutex_lock(lock);
        count = count + 1;
        pthread_mutex_unlock(lock);
    }
    bench_check(count == steps, "count");
}

static void use_plain(long steps)
{
    use(&plain, steps);
}
static void use_robust(long steps)
{
    use(robust, steps);
}

static void take(void)
{
    pthread_mutex_lock(robust);
}
static void let_go(void)
{
    pthread_mutex_unlock(robust);
}
static void contended(long steps)
{
    contend(steps, take, let_go);
}

static void use_recursive(long steps)
{
    use(&recursive, steps);
}

static void use_read(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        pthread_rwlock_rdlock(&rwlock);
        count = count + 1;
        pthread_rwlock_unlock(&rwlock);
    }
    bench_check(count == steps, "count");
}

static void use_write(long steps)
{
    count = 0;
    for (long i = 0; i < steps; i++) {
        pthread_rwlock_wrlock(&rwlock);
        count = count + 1;
        pthread_rwlock_unlock(&rwlock);
    }
    bench_check(count == steps, "count");
}

static void *sleeper(void *arg)
{
    pause();
    return arg;
}

int main(void)
{
    pthread_t other;
    pthread_mutexattr_t kind;
    bench_version(gnu_get_libc_version());
    pthread_create(&other, NULL, sleeper, NULL);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    robust = mmap(NULL, sizeof *robust, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutex_init(robust, &kind);
    bench("lock_private", BENCH_CPU, use_plain);
    bench("lock_shared", BENCH_CPU, use_robust);
    bench("lock_contended", BENCH_WALL, contended);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &kind);
    bench("rlock", BENCH_CPU, use_recursive);
    bench("rwlock_read", BENCH_CPU, use_read);
    bench("rwlock_write", BENCH_CPU, use_write);
    exit(0);
}
