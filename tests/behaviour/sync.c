/* Locks, conditions, events, semaphores, queues, and storage of a task's own. */
#include "until.h"

static unsigned kind;

static weft_task spawn(weft_group *g, weft_fn *fn, void *arg)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_spawn_with(g, kind, fn, arg, &more), 0);
    return task;
}

static void spawn_until(weft_group *g, weft_fn *fn, void *arg, const char *state)
{
    weft_task task = spawn(g, fn, arg);
    UNTIL(waits_for(task, state));
}

static weft_lock lock = WEFT_LOCK_INIT;
static int order[16], served;

static int take_turn(void *arg)
{
    CHECK_EQ(weft_lock_acquire(&lock, weft_never()), 0);
    order[served++] = (int)(intptr_t)arg;
    CHECK_EQ(weft_lock_release(&lock), 0);
    return 0;
}

TEST_EACH_KIND(a_lock_serves_in_the_order_of_coming)
{
    weft_group g;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_EQ(weft_lock_acquire(&lock, weft_at_once()), 0);
    for (int i = 0; i < 8; i++)
        spawn_until(&g, take_turn, (void *)(intptr_t)i, "lock");
    CHECK_EQ(weft_lock_release(&lock), 0);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(order[i], i);
    weft_group_fini(&g);
    weft_lock_fini(&lock);
}

static int try_it(void *arg)
{
    (void)arg;
    CHECK(!weft_lock_is_held(&lock));
    CHECK_ERR(weft_lock_release(&lock), -EPERM);
    CHECK_ERR(weft_lock_acquire(&lock, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_lock_acquire(&lock, weft_after(WEFT_US)), -ETIMEDOUT);
    return 0;
}

TEST_EACH_KIND(a_lock_knows_its_holder)
{
    weft_group g;
    weft_cond cond = WEFT_COND_INIT;
    kind = t->kind;
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_ERR(weft_lock_release(&lock), -EPERM);
    CHECK_ERR(weft_cond_wait(&cond, &lock, weft_never()), -EPERM);
    CHECK_EQ(weft_lock_acquire(&lock, weft_never()), 0);
    CHECK(weft_lock_is_held(&lock));
    CHECK_ERR(weft_lock_acquire(&lock, weft_never()), -EDEADLK);
    spawn(&g, try_it, NULL);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_lock_release(&lock), 0);
    weft_lock_fini(&lock);
    weft_group_fini(&g);
}

static void enter_twice(void *arg)
{
    weft_lock_enter(arg);
    weft_lock_enter(arg);
}

static void leave_unheld(void *arg)
{
    weft_lock_leave(arg);
}

static void fini_held(void *arg)
{
    weft_lock_enter(arg);
    weft_lock_fini(arg);
}

TEST_REAL(a_lock_misused_is_a_bug, "processes")
{
    CHECK_BUG(enter_twice, &lock, "which it holds already");
    CHECK_BUG(leave_unheld, &lock, "which it does not hold");
    CHECK_BUG(fini_held, &lock, "torn down while it is held");
}

static char said[1000];

static void hear(void *ctx, const char *text, size_t size)
{
    (void)ctx;
    snprintf(said, sizeof said, "%.*s", (int)size, text);
}

static int end_holding(void *arg)
{
    (void)arg;
    weft_lock_enter(&lock);
    return 0;
}

TEST_EACH_KIND(a_lock_left_behind_is_reported_and_recovered)
{
    weft_group g;
    kind = t->kind;
    weft_reporter_set(hear, NULL);
    CHECK_OK(weft_group_init(&g, 0));
    spawn(&g, end_holding, NULL);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_SAYS(said, "ended while holding lock");
    CHECK_EQ(weft_lock_acquire(&lock, weft_never()), WEFT_RECOVERED);
    CHECK_EQ(weft_lock_release(&lock), 0);
    CHECK_EQ(weft_lock_acquire(&lock, weft_never()), 0);
    CHECK_EQ(weft_lock_release(&lock), 0);
    weft_lock_fini(&lock);
    weft_group_fini(&g);
}

static int wait_and_end_holding(void *line)
{
    weft_cond cond = WEFT_COND_INIT;
    *(int *)line = __LINE__ + 1;
    weft_lock_enter(&lock);
    CHECK_ERR(weft_cond_wait(&cond, &lock, weft_after(1)), -ETIMEDOUT);
    return 0;
}

TEST_EACH_KIND(after_a_condition_a_lock_is_held_since_where_it_was_taken)
{
    weft_group g;
    int line = 0;
    char place[200];
    kind = t->kind;
    weft_reporter_set(hear, NULL);
    CHECK_OK(weft_group_init(&g, 0));
    spawn(&g, wait_and_end_holding, &line);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    snprintf(place, sizeof place, ", taken at %s:%d;", __FILE__, line);
    CHECK_SAYS(said, place);
    weft_group_fini(&g);
}

static weft_lock many[40];

static int hold_many(void *arg)
{
    for (size_t i = 0; i < 40; i++)
        weft_lock_enter(&many[i * 7 % 40]);
    for (size_t i = 0; i < 40; i++)
        if (!arg || i % 3)
            weft_lock_leave(&many[i]);
    return 0;
}

TEST_EACH_KIND(a_task_may_hold_many_and_what_it_leaves_is_recovered)
{
    weft_group g;
    kind = t->kind;
    weft_reporter_set(hear, NULL);
    CHECK_OK(weft_group_init(&g, 0));
    spawn(&g, hold_many, NULL);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_STR(said, "");
    spawn(&g, hold_many, &g);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_SAYS(said, "ended while holding lock");
    for (int i = 0; i < 40; i++) {
        CHECK_EQ(weft_lock_acquire(&many[i], weft_at_once()), i % 3 ? 0 : WEFT_RECOVERED);
        weft_lock_leave(&many[i]);
        weft_lock_fini(&many[i]);
    }
    weft_group_fini(&g);
}

static weft_cond cond = WEFT_COND_INIT;
static int waiting, woken;

static int wait_cond(void *arg)
{
    weft_lock_enter(&lock);
    waiting++;
    int r = weft_cond_wait(&cond, &lock, arg ? weft_after(WEFT_US) : weft_never());
    CHECK(weft_lock_is_held(&lock));
    CHECK_EQ(r, arg ? -ETIMEDOUT : 0);
    woken++;
    weft_lock_leave(&lock);
    return 0;
}

static int under_lock(const int *value)
{
    weft_lock_enter(&lock);
    int now = *value;
    weft_lock_leave(&lock);
    return now;
}

TEST_EACH_KIND(a_signal_wakes_one_a_broadcast_all)
{
    weft_group g;
    kind = t->kind;
    CHECK_EQ(weft_cond_signal(&cond), 0);
    CHECK_EQ(weft_cond_broadcast(&cond), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        spawn(&g, wait_cond, NULL);
    UNTIL(under_lock(&waiting) == 5);
    weft_lock_enter(&lock);
    CHECK_EQ(weft_cond_signal(&cond), 1);
    weft_lock_leave(&lock);
    UNTIL(under_lock(&woken) == 1);
    weft_lock_enter(&lock);
    CHECK_EQ(weft_cond_broadcast(&cond), 4);
    weft_lock_leave(&lock);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(woken, 5);
    spawn(&g, wait_cond, &g);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_cond_fini(&cond);
    weft_lock_fini(&lock);
    weft_group_fini(&g);
}

static int acquire_one(void *sem)
{
    return weft_semaphore_acquire(sem, weft_never());
}

TEST_EACH_KIND(a_semaphore_gives_as_many_as_it_has)
{
    weft_group g;
    weft_semaphore sem;
    kind = t->kind;
    CHECK_ERR(weft_semaphore_init(&sem, 3, 2, 0), -EINVAL);
    CHECK_ERR(weft_semaphore_init(&sem, 0, 0, WEFT_SHARED), -EINVAL); /* not in the arena */
    CHECK_OK(weft_semaphore_init(&sem, 1, 4, 0));
    CHECK_EQ(weft_semaphore_acquire(&sem, weft_at_once()), 0);
    CHECK_ERR(weft_semaphore_acquire(&sem, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_semaphore_acquire(&sem, weft_after(WEFT_US)), -ETIMEDOUT);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 3; i++)
        spawn_until(&g, acquire_one, &sem, "semaphore");
    CHECK_EQ(weft_semaphore_release(&sem, 4), 0);
    CHECK_EQ(weft_semaphore_value(&sem), 1);
    CHECK_ERR(weft_semaphore_release(&sem, 4), -EOVERFLOW);
    CHECK_EQ(weft_semaphore_value(&sem), 1);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_semaphore_fini(&sem);
    weft_group_fini(&g);
}

static int wait_event(void *event)
{
    return weft_event_wait(event, weft_never());
}

TEST_EACH_KIND(an_event_stays_set_until_cleared)
{
    weft_group g;
    weft_event event;
    kind = t->kind;
    CHECK_ERR(weft_event_init(&event, 1u << 9), -EINVAL);
    CHECK_OK(weft_event_init(&event, 0));
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 0; i < 5; i++)
        spawn_until(&g, wait_event, &event, "event");
    CHECK(!weft_event_is_set(&event));
    weft_event_set(&event);
    weft_event_clear(&event); /* those who waited have seen it nevertheless */
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_ERR(weft_event_wait(&event, weft_at_once()), -ETIMEDOUT);
    weft_event_set(&event);
    weft_event_set(&event);
    CHECK(weft_event_is_set(&event));
    CHECK_EQ(weft_event_wait(&event, weft_at_once()), 0);
    weft_event_fini(&event);
    weft_group_fini(&g);
}

static weft_queue queue;

static int put_ten(void *arg)
{
    for (int i = 0; i < 10; i++) {
        int value = (int)(intptr_t)arg * 10 + i;
        CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_never()), 0);
    }
    weft_queue_close(&queue);
    return 0;
}

TEST_EACH_KIND(a_queue_keeps_order_and_ends_with_its_last_producer)
{
    static const uint32_t counts[] = { 0, 1, 8 };
    kind = t->kind;
    for (size_t c = 0; c < 3; c++) {
        int slots[8], value, last[3] = { -1, 9, 19 }, got = 0;
        weft_group g;
        CHECK_OK(weft_group_init(&g, 0));
        CHECK_OK(weft_queue_init(&queue, counts[c] ? slots : NULL, counts[c], sizeof(int), 0));
        weft_queue_producers(&queue, 3);
        for (int i = 0; i < 3; i++)
            spawn(&g, put_ten, (void *)(intptr_t)i);
        while (weft_queue_get(&queue, &value, sizeof value, weft_never()) == 1) {
            CHECK_EQ(value, last[value / 10] + 1);
            last[value / 10] = value;
            got++;
        }
        CHECK_EQ(got, 30);
        CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
        CHECK_ERR(weft_queue_put(&queue, &value, sizeof value, weft_never()), -EPIPE);
        CHECK_EQ(weft_queue_get(&queue, &value, sizeof value, weft_never()), 0);
        weft_queue_close(&queue);
        weft_queue_fini(&queue);
        weft_group_fini(&g);
    }
}

static int get_one(void *arg)
{
    int value = -7;
    int r = weft_queue_get(&queue, &value, sizeof value, weft_never());
    CHECK_EQ(value, arg ? 5 : -7);
    return r == (arg != NULL) ? 0 : -EBADMSG;
}

static int put_one(void *arg)
{
    int value = 5;
    int r = weft_queue_put(&queue, &value, sizeof value, weft_never());
    return r == (arg ? 0 : -EPIPE) ? 0 : -EBADMSG;
}

TEST_EACH_KIND(a_close_wakes_those_who_wait_in_vain)
{
    weft_group g;
    int slot, value = 5;
    kind = t->kind;
    CHECK_ERR(weft_queue_init(&queue, NULL, 0, 0, 0), -EINVAL);
    CHECK_OK(weft_group_init(&g, 0));
    CHECK_OK(weft_queue_init(&queue, NULL, 0, sizeof(int), 0));
    CHECK_ERR(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), -ETIMEDOUT);
    CHECK_ERR(weft_queue_get(&queue, &value, 1, weft_at_once()), -EINVAL);
    spawn_until(&g, get_one, &g, "get");
    CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), 0);
    for (int i = 0; i < 3; i++)
        spawn_until(&g, get_one, NULL, "get");
    weft_queue_close(&queue);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    weft_queue_fini(&queue);

    CHECK_OK(weft_queue_init(&queue, &slot, 1, sizeof(int), 0));
    CHECK_EQ(weft_queue_put(&queue, &value, sizeof value, weft_at_once()), 0);
    CHECK_EQ(weft_queue_length(&queue), 1);
    for (int i = 0; i < 3; i++)
        spawn_until(&g, put_one, NULL, "put");
    weft_queue_close(&queue);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(weft_queue_get(&queue, &value, sizeof value, weft_at_once()), 1);
    CHECK_EQ(weft_queue_get(&queue, &value, sizeof value, weft_at_once()), 0);
    weft_queue_fini(&queue);
    weft_group_fini(&g);
}

static int destroyed;

static void destroy(void *value)
{
    CHECK_NE(weft_task_self().id, 0);
    ADD(destroyed, (int)(intptr_t)value);
}

static weft_local own = WEFT_LOCAL_INIT(destroy), plain = WEFT_LOCAL_INIT(NULL);

static int keep_own(void *arg)
{
    CHECK(weft_local_get(&own) == NULL);
    CHECK_EQ(weft_local_set(&own, (void *)1000), 0);
    CHECK_EQ(weft_local_set(&own, arg), 0);
    CHECK_EQ(weft_local_set(&plain, &arg), 0);
    for (int i = 0; i < 5; i++) {
        weft_yield();
        CHECK(weft_local_get(&own) == arg);
        CHECK(weft_local_get(&plain) == &arg);
    }
    return 0;
}

TEST_EACH_KIND(storage_is_a_tasks_own_and_destroyed_with_it)
{
    weft_group g;
    kind = t->kind;
    CHECK_EQ(weft_local_set(&own, NULL), 0);
    CHECK_OK(weft_group_init(&g, 0));
    for (int i = 1; i <= 10; i++)
        spawn(&g, keep_own, (void *)(intptr_t)i);
    CHECK_EQ(weft_group_wait(&g, weft_never()), 0);
    CHECK_EQ(destroyed, 55);
    CHECK(weft_local_get(&own) == NULL);
    weft_group_fini(&g);
}

TEST(there_are_1024_keys)
{
    static weft_local keys[1025];
    for (int i = 0; i < 1024; i++)
        CHECK_EQ(weft_local_set(&keys[i], &keys[i]), 0);
    CHECK_ERR(weft_local_set(&keys[1024], &keys[0]), -ENOSPC);
    for (int i = 0; i < 1024; i++)
        CHECK(weft_local_get(&keys[i]) == &keys[i]);
}
