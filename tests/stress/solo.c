/* One worker under weft_run spares itself locked instructions until another thread comes: at any moment,
 * with any call. */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <weft.h>

enum { ROUNDS = 60, STEPS = 3000 };

static weft_semaphore sem;
static weft_lock lock;
static weft_queue queue;
static weft_event go;
static long slots[4], locked, got;

static int take_locked(void *arg)
{
    (void)arg;
    for (int i = 0; i < STEPS; i++) {
        weft_lock_enter(&lock);
        locked++;
        weft_lock_leave(&lock);
        if (i % 64 == 0)
            weft_yield();
    }
    return 0;
}

static int acquire_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < STEPS; i++)
        if (weft_semaphore_acquire(&sem, weft_after(20 * WEFT_SEC)) < 0)
            return -1;
    return 0;
}

static int get_all(void *arg)
{
    long value;
    int r;
    (void)arg;
    while ((r = weft_queue_get(&queue, &value, sizeof value, weft_after(20 * WEFT_SEC))) == 1)
        got += value;
    return r;
}

/* The calls that need no record of the thread come first: they too must notice it. */
static void *stranger(void *arg)
{
    int which = *(int *)arg;
    weft_event_set(&go);
    for (int i = 0; i < STEPS; i++) {
        if (which % 2 == 0)
            weft_semaphore_release(&sem, 1);
        long one = 1;
        if (weft_queue_put(&queue, &one, sizeof one, weft_after(20 * WEFT_SEC)) < 0)
            break;
        if (which % 2 == 1)
            weft_semaphore_release(&sem, 1);
        weft_lock_enter(&lock);
        locked++;
        weft_lock_leave(&lock);
    }
    weft_queue_close(&queue);
    return NULL;
}

static int one_round(void *arg)
{
    pthread_t thread;
    weft_group g;
    weft_group_init(&g, 0);
    weft_group_spawn(&g, WEFT_COROUTINE, take_locked, NULL);
    weft_group_spawn(&g, WEFT_COROUTINE, acquire_all, NULL);
    weft_group_spawn(&g, WEFT_COROUTINE, get_all, NULL);
    if (pthread_create(&thread, NULL, stranger, arg) != 0)
        return -1;
    int r = weft_event_wait(&go, weft_after(20 * WEFT_SEC));
    if (r == 0)
        r = weft_group_wait(&g, weft_after(30 * WEFT_SEC));
    pthread_join(thread, NULL); /* everyone else is done: nobody is held up */
    return r;
}

TEST_REAL(a_second_thread_may_come_at_any_moment, "foreign threads")
{
    setenv("WEFT_WORKERS", "1", 1);
    for (int round = 0; round < ROUNDS; round++) {
        locked = got = 0;
        weft_semaphore_init(&sem, 0, 0, 0);
        weft_lock_init(&lock, 0);
        weft_event_init(&go, 0);
        weft_queue_init(&queue, slots, 4, sizeof *slots, 0);
        CHECK_EQ(weft_run(one_round, &round), 0);
        CHECK_EQ(locked, 2 * STEPS);
        CHECK_EQ(got, STEPS);
        CHECK_EQ(weft_semaphore_value(&sem), 0);
    }
}
