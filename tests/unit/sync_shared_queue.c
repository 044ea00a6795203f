/* Queues in the arena: what goes in comes out, once, whole and in order, whoever is killed. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#include "base/sys.h"
#include "shared/arena.h"
#include "sync/shared_queue.h"
#include "test.h"

static void nothing(void)
{
}

/* What assembly.c does for the rooms that are here. */
const char weft__assembled;

__attribute__((constructor)) static void assemble(void)
{
    weft__background_init();
    weft__run_entered = nothing;
    weft__block_is_lent = weft__shared_queue_has;
}

static weft_queue *new_queue(uint32_t count, uint32_t size, unsigned flags)
{
    CHECK_EQ(weft__tree_begin(), 0);
    weft_queue *q = weft__arena_take(sizeof *q, WEFT__BLOCK_KEPT);
    CHECK(q != NULL);
    CHECK_EQ(weft_queue_init(q, NULL, count, size, flags | WEFT_SHARED), 0);
    return q;
}

static void free_queue(weft_queue *q)
{
    weft_queue_fini(q);
    weft__arena_give(q);
}

/* -- processes, until there are process tasks in this room ------------------------------------------ */

struct child {
    pid_t pid;
    weft__process_id id;
};

static struct child start(int (*fn)(weft_queue *q), weft_queue *q)
{
    struct child child = { .id = weft__process_take() };
    CHECK_NE(child.id, 0);
    child.pid = fork();
    CHECK_GE(child.pid, 0);
    if (child.pid == 0) {
        weft__tree_entered(child.id);
        weft__process_set(child.id, WEFT__SLOT_ALIVE);
        _exit(fn(q));
    }
    return child;
}

static int ended(struct child child)
{
    int status;
    CHECK_EQ(waitpid(child.pid, &status, 0), child.pid);
    weft__process_died(child.id);
    weft__process_set(child.id, WEFT__SLOT_FREE);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* -- values ----------------------------------------------------------------------------------------- */

static long count;

static int put_numbers(weft_queue *q)
{
    for (long i = 0; i < count; i++)
        if (weft_queue_put(q, &i, sizeof i, weft_never()) != 0)
            return 1;
    weft_queue_close(q);
    return 0;
}

TEST_REAL(values_come_in_order_from_another_process, "processes")
{
    long value;
    count = t_rounds(300000);
    weft_queue *q = new_queue(100, sizeof value, 0);
    struct child child = start(put_numbers, q);
    for (long i = 0; i < count; i++) {
        CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_never()), 1);
        CHECK_EQ(value, i);
    }
    CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_never()), 0);
    CHECK_EQ(ended(child), 0);
    free_queue(q);
}

struct sums {
    long n, sum;
};
static struct sums *sums;

static int add_numbers(weft_queue *q)
{
    long value, n = 0, sum = 0;
    int r;
    while ((r = weft_queue_get(q, &value, sizeof value, weft_never())) == 1) {
        n++;
        sum += value;
    }
    __atomic_fetch_add(&sums->n, n, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&sums->sum, sum, __ATOMIC_SEQ_CST);
    return r;
}

TEST_REAL_LONG(several_put_and_several_get, "processes", 60)
{
    sums = NULL;
    for (uint32_t slots = 1; slots <= 128; slots *= 2)
        for (int n = 1; n <= 3; n++) {
            struct child children[6];
            count = t_rounds(20000);
            weft_queue *q = new_queue(slots, sizeof(long), 0);
            sums = weft__arena_take(sizeof *sums, WEFT__BLOCK_KEPT);
            *sums = (struct sums){ 0, 0 };
            weft_queue_producers(q, (uint32_t)n);
            for (int i = 0; i < 2 * n; i++)
                children[i] = start(i % 2 ? put_numbers : add_numbers, q);
            for (int i = 0; i < 2 * n; i++)
                CHECK_EQ(ended(children[i]), 0);
            CHECK_EQ(sums->n, n * count);
            CHECK_EQ(sums->sum, n * (count * (count - 1) / 2));
            weft__arena_give(sums);
            free_queue(q);
        }
}

TEST_REAL(a_full_queue_makes_wait_and_an_empty_one_too, "shared memory")
{
    long value = 0;
    for (uint32_t n = 1; n < 5; n++) {
        weft_queue *q = new_queue(n, sizeof value, 0);
        for (int round = 0; round < 9; round++) {
            CHECK(weft_queue_is_empty(q));
            for (long i = 0; i < (long)n; i++) {
                CHECK(!weft_queue_is_full(q));
                CHECK_EQ(weft_queue_put(q, &i, sizeof i, weft_at_once()), 0);
                CHECK_EQ(weft_queue_length(q), i + 1);
            }
            CHECK(weft_queue_is_full(q));
            CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_at_once()), -ETIMEDOUT);
            CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
            for (long i = 0; i < (long)n; i++) {
                CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_at_once()), 1);
                CHECK_EQ(value, i);
            }
            CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_at_once()), -ETIMEDOUT);
            CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_after(2 * WEFT_MS)), -ETIMEDOUT);
        }
        free_queue(q);
    }
}

TEST_REAL(what_a_shared_queue_cannot_do_is_refused, "shared memory")
{
    static weft_queue outside;
    long value = 0;
    size_t size;
    char text[8];
    CHECK_EQ(weft_queue_init(&outside, NULL, 8, 8, WEFT_SHARED), -EINVAL);
    weft_queue *q = new_queue(8, sizeof value, 0);
    CHECK_EQ(weft_queue_put(q, &value, 4, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_get(q, &value, 4, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_put_at(q, &value, 8, 1, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_put_block(q, &value, 8, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_task_done(q), -EINVAL);
    CHECK_EQ(weft_queue_join(q, weft_never()), -EINVAL);
    weft_queue_fini(q);
    CHECK_EQ(weft_queue_init(q, NULL, 0, 8, WEFT_SHARED), -EINVAL);
    CHECK_EQ(weft_queue_init(q, NULL, WEFT_UNBOUNDED, 8, WEFT_SHARED), -EINVAL);
    CHECK_EQ(weft_queue_init(q, text, 1, 8, WEFT_SHARED), -EINVAL);
    CHECK_EQ(weft_queue_init(q, NULL, 1, 8, WEFT_SHARED | 1u << 20), -EINVAL);
    CHECK_EQ(weft_queue_init(q, NULL, 1, 8, 0), -EINVAL);
    weft__arena_give(q);
    CHECK_EQ(weft_queue_init(&outside, NULL, 8, 8, 0), 0);
    CHECK_EQ(weft_queue_get_message(&outside, text, 8, &size, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_limit(&outside, 5), -EINVAL);
    weft_queue_fini(&outside);
}

TEST_REAL(a_close_lets_go_who_waits_and_drains, "shared memory")
{
    long value = 7;
    weft_queue *q = new_queue(2, sizeof value, 0);
    weft_queue_producers(q, 2);
    CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), 0);
    weft_queue_close(q);
    CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), 0);
    weft_queue_close(q);
    CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), -EPIPE);
    weft_queue_close(q);
    CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_never()), 1);
    CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_never()), 1);
    CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_never()), 0);
    CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), -EPIPE);
    free_queue(q);
}

/* -- messages --------------------------------------------------------------------------------------- */

enum { LONGEST = 100000, PRODUCERS = 3, CONSUMERS = 2 };

struct parcel {
    uint32_t producer, number, size, sum;
    unsigned char bytes[];
};

static void fill(struct parcel *p, uint32_t producer, uint32_t number, uint64_t *random)
{
    uint32_t bits = (uint32_t)weft__random(random) % 17;
    *p = (struct parcel){ producer, number, (uint32_t)(weft__random(random) & ((1u << bits) - 1)),
                          0 };
    for (uint32_t i = 0; i < p->size; i++)
        p->sum += p->bytes[i] = (unsigned char)(number + i * 7);
}

static void check(const struct parcel *p, size_t size)
{
    uint32_t sum = 0;
    CHECK_EQ(size, sizeof *p + p->size);
    for (uint32_t i = 0; i < p->size; i++)
        sum += p->bytes[i];
    CHECK_EQ(sum, p->sum);
}

static int put_parcels(weft_queue *q)
{
    struct parcel *p = malloc(LONGEST);
    uint64_t random = (uint64_t)getpid() * 77;
    uint32_t me = weft__me;
    for (uint32_t i = 0; i < count; i++) {
        fill(p, me, i, &random);
        if (weft_queue_put(q, p, sizeof *p + p->size, weft_never()) != 0)
            return 1;
    }
    weft_queue_close(q);
    return 0;
}

struct tally {
    long got;
    long per[WEFT__PROCESSES];
};
static struct tally *tally;

static int get_parcels(weft_queue *q)
{
    struct parcel *p = malloc(LONGEST);
    size_t size;
    int r;
    static uint32_t next[WEFT__PROCESSES];
    while ((r = weft_queue_get_message(q, p, LONGEST, &size, weft_never())) == 1) {
        check(p, size);
        uint32_t slot = p->producer & (WEFT__PROCESSES - 1);
        CHECK_GE(p->number, next[slot]); /* each producer's in order, also among several getters */
        next[slot] = p->number + 1;
        __atomic_fetch_add(&tally->per[slot], 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&tally->got, 1, __ATOMIC_SEQ_CST);
    }
    return r;
}

TEST_REAL(messages_of_all_lengths_go_between_many_processes, "processes")
{
    struct child children[PRODUCERS + CONSUMERS];
    count = t_rounds(3000);
    weft_queue *q = new_queue(17, 0, 0);
    CHECK_EQ(weft_queue_limit(q, 1 << 20), 0);
    weft_queue_producers(q, PRODUCERS);
    tally = weft__arena_take(sizeof *tally, WEFT__BLOCK_KEPT);
    memset(tally, 0, sizeof *tally);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        children[i] = start(i < PRODUCERS ? put_parcels : get_parcels, q);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        CHECK_EQ(ended(children[i]), 0);
    CHECK_EQ(tally->got, PRODUCERS * count);
    for (int i = 0; i < PRODUCERS; i++)
        CHECK_EQ(tally->per[children[i].id & (WEFT__PROCESSES - 1)], count);
    weft__arena_give(tally);
    free_queue(q);
}

TEST_REAL(a_message_too_long_for_the_buffer_stays, "shared memory")
{
    char text[300], out[300];
    size_t size = 0;
    memset(text, 'x', sizeof text);
    weft_queue *q = new_queue(4, 0, 0);
    for (size_t length = 0; length <= sizeof text; length += 60) {
        CHECK_EQ(weft_queue_put(q, text, length, weft_never()), 0);
        if (length > 0)
            CHECK_EQ(weft_queue_get_message(q, out, length - 1, &size, weft_never()), -EMSGSIZE);
        CHECK_EQ(size, length);
        CHECK_EQ(weft_queue_length(q), 1);
        CHECK_EQ(weft_queue_get_message(q, out, length, &size, weft_never()), 1);
        CHECK_EQ(size, length);
        CHECK_MEM(out, text, length);
        CHECK_EQ(weft_queue_get(q, out, 8, weft_never()), -EINVAL); /* how long is it? */
    }
    free_queue(q);
}

TEST_REAL(blocks_change_hands, "shared memory")
{
    size_t size;
    void *out;
    weft_queue *q = new_queue(4, 0, 0);
    char *block = weft__arena_take(100000, WEFT__BLOCK_KEPT);
    memset(block, 'b', 100000);
    CHECK_EQ(weft_queue_put_block(q, block, 100000, weft_never()), 0);
    CHECK_EQ(weft_queue_get_block(q, &out, &size, weft_never()), 1);
    CHECK(out == block);
    CHECK_EQ(size, 100000);
    CHECK_EQ(weft_queue_put_block(q, block, weft__arena_room(block) + 1, weft_never()), -EINVAL);

    CHECK_EQ(weft_queue_put(q, "short", 6, weft_never()), 0);
    CHECK_EQ(weft_queue_get_block(q, &out, &size, weft_never()), 1);
    CHECK_EQ(size, 6);
    CHECK_STR(out, "short");
    weft__arena_give(out);

    weft_queue_close(q);
    CHECK_EQ(weft_queue_put_block(q, block, 100000, weft_never()), -EPIPE);
    CHECK_EQ(block[99999], 'b'); /* ours still */
    weft__arena_give(block);
    free_queue(q);
}

static uint64_t arena_used(void)
{
    return load_relaxed(&weft__tree->used);
}

TEST_REAL(bytes_are_bounded_and_given_back, "shared memory")
{
    char *text = malloc(400000);
    size_t size;
    memset(text, 'y', 400000);
    weft_queue *q = new_queue(100, 0, 0);
    uint64_t before = arena_used();
    CHECK_EQ(weft_queue_limit(q, 300000), 0);
    for (int round = 0; round < 50; round++) {
        CHECK_EQ(weft_queue_put(q, text, 400000, weft_at_once()), 0); /* alone */
        CHECK_EQ(weft_queue_put(q, text, 1, weft_at_once()), -ETIMEDOUT);
        CHECK_EQ(weft_queue_get_message(q, text, 400000, &size, weft_at_once()), 1);
        CHECK_EQ(weft_queue_put(q, text, 200000, weft_at_once()), 0);
        CHECK_EQ(weft_queue_put(q, text, 100000, weft_at_once()), 0);
        CHECK_EQ(weft_queue_put(q, text, 1, weft_at_once()), -ETIMEDOUT);
        CHECK_EQ(weft_queue_get_message(q, text, 400000, &size, weft_at_once()), 1);
        CHECK_EQ(size, 200000);
        CHECK_EQ(weft_queue_put(q, text, 1, weft_at_once()), 0);
        CHECK_EQ(weft_queue_get_message(q, text, 400000, &size, weft_at_once()), 1);
        CHECK_EQ(weft_queue_get_message(q, text, 400000, &size, weft_at_once()), 1);
    }
    CHECK_LE(arena_used(), before + (1 << 20));
    CHECK_EQ(weft_queue_put(q, text, 400000, weft_at_once()), 0);
    free_queue(q); /* with what is inside */
    CHECK_LE(arena_used(), before);
    free(text);
}

/* A task beside the test, and how it ends. */
static weft_group beside;

static weft_task spawn(unsigned kind, weft_fn *fn, weft_queue *q)
{
    weft_task task;
    struct weft_spawn more = { .size = sizeof more, .task = &task };
    CHECK_EQ(weft_group_init(&beside, WEFT_KEEP_GOING), 0);
    CHECK_EQ(weft_group_spawn_with(&beside, kind, fn, q, &more), 0);
    return task;
}

static int result_of(weft_task task)
{
    struct weft_exit end = { .size = sizeof end };
    CHECK_EQ(weft_task_join(task, &end, weft_never()), 0);
    CHECK_LE(weft_group_wait(&beside, weft_never()), 0);
    return end.result;
}

/* -- deaths ----------------------------------------------------------------------------------------- */

static int get_and_hang(weft_queue *q)
{
    long value;
    if (weft_queue_get(q, &value, sizeof value, weft_never()) != 1)
        return 1;
    raise(SIGKILL);
    return 0;
}

TEST_REAL(what_the_dead_had_in_hand_is_got_again, "processes")
{
    long value, sum = 0;
    weft_queue *q = new_queue(8, sizeof value, WEFT_ACK);
    for (long i = 0; i < 5; i++)
        CHECK_EQ(weft_queue_put(q, &i, sizeof i, weft_never()), 0);
    CHECK_EQ(weft_queue_task_done(q), -EINVAL);
    CHECK_EQ(ended(start(get_and_hang, q)), -SIGKILL); /* 0 */
    CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_never()), 1);
    CHECK_EQ(value, 0);
    CHECK_EQ(ended(start(get_and_hang, q)), -SIGKILL); /* 1 */
    CHECK_EQ(weft_queue_join(q, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_queue_task_done(q), 0);
    CHECK_EQ(weft_queue_task_done(q), -EINVAL);
    weft_queue_close(q);
    while (weft_queue_get(q, &value, sizeof value, weft_never()) == 1) {
        sum = sum * 10 + value;
        CHECK_EQ(weft_queue_join(q, weft_at_once()), -ETIMEDOUT);
        CHECK_EQ(weft_queue_task_done(q), 0);
    }
    CHECK_EQ(sum, 1234);
    CHECK_EQ(weft_queue_join(q, weft_never()), 0);
    free_queue(q);
}

static int get_one_and_die_later(weft_queue *q)
{
    long value;
    if (weft_queue_get(q, &value, sizeof value, weft_never()) != 1)
        return 1;
    pause();
    return 0;
}

static int get_the_rest(void *arg)
{
    long value, n = 0;
    int r;
    while ((r = weft_queue_get(arg, &value, sizeof value, weft_never())) == 1) {
        n++;
        CHECK_EQ(weft_queue_task_done(arg), 0);
    }
    return r < 0 ? r : (int)n;
}

TEST_REAL(who_waits_for_the_rest_gets_what_a_dead_process_had, "processes")
{
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD };
    for (int k = 0; k < 2; k++) {
        long value = 5;
        weft_queue *q = new_queue(8, sizeof value, WEFT_ACK);
        CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), 0);
        struct child child = start(get_one_and_die_later, q);
        while (weft_queue_length(q) > 0)
            weft_sleep(weft_after(WEFT_MS));
        CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), 0);
        weft_queue_close(q);
        weft_task getter = spawn(kinds[k], get_the_rest, q);
        while (weft_queue_length(q) > 0)
            weft_sleep(weft_after(WEFT_MS));
        kill(child.pid, SIGKILL);
        CHECK_EQ(ended(child), -SIGKILL);
        CHECK_EQ(weft_queue_join(q, weft_never()), 0);
        CHECK_EQ(result_of(getter), 2);
        free_queue(q);
    }
}

/* Killed anywhere, again and again: the others' messages come, all and whole. */
static int put_for_ever(weft_queue *q)
{
    count = 1l << 30;
    return put_parcels(q);
}

static int get_for_ever(weft_queue *q)
{
    struct parcel *p = malloc(LONGEST);
    size_t size;
    while (weft_queue_get_message(q, p, LONGEST, &size, weft_never()) == 1)
        check(p, size);
    return 0;
}

static void kill_at_random(int (*victim)(weft_queue *q), unsigned flags, bool getter_here)
{
    struct parcel *p = malloc(LONGEST);
    uint64_t random = 99;
    size_t size;
    uint64_t used = 0;
    for (long round = 0; round < t_rounds(60); round++) {
        weft_queue *q = new_queue(5, 0, flags);
        CHECK_EQ(weft_queue_limit(q, 200000), 0);
        struct child child = start(victim, q);
        long steps = (long)(weft__random(&random) % 200);
        for (long i = 0; i < steps; i++) {
            if (getter_here) {
                CHECK_EQ(weft_queue_get_message(q, p, LONGEST, &size, weft_never()), 1);
                check(p, size);
            } else {
                fill(p, 1, (uint32_t)i, &random);
                CHECK_EQ(weft_queue_put(q, p, sizeof *p + p->size, weft_never()), 0);
            }
        }
        kill(child.pid, SIGKILL);
        CHECK_EQ(ended(child), -SIGKILL);
        for (int i = 0; i < 20; i++) { /* it works on */
            int r;
            while ((r = weft_queue_get_message(q, p, LONGEST, &size, weft_at_once())) == 1) {
                if (i == 0)
                    check(p, size);
                if (flags & WEFT_ACK)
                    CHECK_EQ(weft_queue_task_done(q), 0);
            }
            CHECK_EQ(r, -ETIMEDOUT);
            CHECK_EQ(weft_queue_length(q), 0);
            for (uint32_t n = 0; n < 5; n++)
                CHECK_EQ(weft_queue_put(q, "four", 5, weft_at_once()), 0);
            CHECK(weft_queue_is_full(q));
        }
        free_queue(q);
        if (round == 5)
            used = arena_used();
        else if (round > 5)
            CHECK_LE(arena_used(), used + (1 << 20));
    }
    free(p);
}

TEST_REAL(a_killed_producer_costs_its_message_only, "processes")
{
    kill_at_random(put_for_ever, 0, true);
}

TEST_REAL(a_killed_consumer_costs_its_message_only, "processes")
{
    kill_at_random(get_for_ever, 0, false);
}

/* -- waiting ---------------------------------------------------------------------------------------- */

static int get_one(void *arg)
{
    long value;
    return weft_queue_get(arg, &value, sizeof value, weft_never());
}

TEST_EACH_KIND_REAL(a_wait_can_be_cancelled, "shared memory")
{
    long value = 1;
    weft_queue *q = new_queue(1, sizeof value, 0);
    weft_task task = spawn(t->kind, get_one, q);
    CHECK_EQ(weft_sleep(weft_after(5 * WEFT_MS)), 0);
    CHECK_EQ(weft_task_cancel(task), 0);
    CHECK_EQ(result_of(task), -ECANCELED);
    CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_at_once()), 0);
    CHECK_EQ(weft_queue_get(q, &value, sizeof value, weft_at_once()), 1);
    free_queue(q);
}

TEST_EACH_KIND_REAL(many_who_wait_are_all_served, "shared memory")
{
    enum { TASKS = 50 };
    long value = 1;
    weft_group group;
    weft_queue *q = new_queue(2, sizeof value, 0);
    CHECK_EQ(weft_group_init(&group, 0), 0);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(weft_group_spawn(&group, t->kind, get_one, q), 0);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(weft_queue_put(q, &value, sizeof value, weft_never()), 0);
    CHECK_GE(weft_group_wait(&group, weft_never()), 0);
    free_queue(q);
}

/* -- select ----------------------------------------------------------------------------------------- */

static weft_queue private_queue;

/* How many come from the two, until both are closed. */
static int choose(void *arg)
{
    weft_queue *from[] = { arg, &private_queue };
    long value[2];
    int n = 0;
    while (from[0] || from[1]) {
        struct weft_case on[] = { weft_on_get(from[0], &value[0], sizeof value[0]),
                                  weft_on_get(from[1], &value[1], sizeof value[1]) };
        int r = weft_select(on, 2, weft_never());
        if (r < 0)
            return r;
        if (on[r].result == 1)
            n++;
        else
            from[r] = NULL;
    }
    return n;
}

TEST_EACH_KIND_REAL(a_select_waits_for_another_process_too, "processes")
{
    count = t_rounds(2000);
    weft_queue *q = new_queue(3, sizeof(long), 0);
    CHECK_EQ(weft_queue_init(&private_queue, NULL, 3, sizeof(long), 0), 0);
    struct child child = start(put_numbers, q);
    weft_task task = spawn(t->kind, choose, q);
    for (long i = 0; i < count; i++)
        CHECK_EQ(weft_queue_put(&private_queue, &i, sizeof i, weft_never()), 0);
    weft_queue_close(&private_queue);
    CHECK_EQ(result_of(task), 2 * count);
    CHECK_EQ(ended(child), 0);
    weft_queue_fini(&private_queue);
    free_queue(q);
}

static int get_numbers(weft_queue *q)
{
    long value;
    for (long i = 0; i < count; i++)
        if (weft_queue_get(q, &value, sizeof value, weft_never()) != 1 || value != i)
            return 1;
    return 0;
}

static int put_by_select(void *arg)
{
    for (long i = 0; i < count; i++) {
        struct weft_case on[] = { weft_on_put(arg, &i, sizeof i) };
        int r = weft_select(on, 1, weft_never());
        if (r < 0 || on[0].result < 0)
            return -EIO;
    }
    return 0;
}

TEST_EACH_KIND_REAL(a_select_waits_for_room, "processes")
{
    count = t_rounds(2000);
    weft_queue *q = new_queue(2, sizeof(long), 0);
    struct child child = start(get_numbers, q);
    CHECK_EQ(result_of(spawn(t->kind, put_by_select, q)), 0);
    CHECK_EQ(ended(child), 0);
    free_queue(q);
}

TEST_REAL(without_memory_a_message_is_not_put, "shared memory")
{
    char *text = malloc(1 << 20), small[200];
    size_t size;
    weft_queue *q = new_queue(4, 0, 0);
    uint64_t limit = weft__tree->limit;
    memset(text, 'z', 1 << 20);
    weft__tree->limit = arena_used();
    CHECK_EQ(weft_queue_put(q, text, 1 << 20, weft_never()), -ENOMEM);
    CHECK(weft_queue_is_empty(q));
    CHECK_EQ(weft_queue_put(q, text, 50, weft_never()), 0);
    CHECK_EQ(weft_queue_get_message(q, small, sizeof small, &size, weft_never()), 1);
    CHECK_EQ(size, 50);
    weft__tree->limit = limit;
    CHECK_EQ(weft_queue_put(q, text, 1 << 20, weft_never()), 0);
    free_queue(q);
    free(text);
}
