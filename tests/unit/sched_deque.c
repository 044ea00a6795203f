/* The deque: order, growth, and every closure exactly once under thieves. */
#include "sched/deque.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "base/base.h"
#include "test.h"

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Every word tells which closure it is, so that a torn copy shows. Every third has no job inside. */
static struct weft__closure numbered(uint64_t n, void *group)
{
    struct weft__closure closure = { .fn = nothing,
                                     .arg = (void *)(uintptr_t)n,
                                     .group = group,
                                     .site = (const char *)(uintptr_t)n,
                                     .size = n % 3 ? (uint32_t)n : 0,
                                     .flags = (uint32_t)n };
    for (int i = 0; i < 3; i++)
        memcpy(closure.u.copy + 8 * i, &n, sizeof n);
    return closure;
}

static uint64_t number_of(const struct weft__closure *closure)
{
    uint64_t n = (uintptr_t)closure->arg;
    struct weft__closure again = numbered(n, closure->group), out = *closure;
    if (n % 3 == 0)
        out.u = again.u; /* nothing in it, and not copied */
    CHECK_MEM(&out, &again, sizeof again);
    return n;
}

static void push(struct weft__deque *deque, uint64_t n)
{
    struct weft__closure closure = numbered(n, NULL);
    CHECK_EQ(weft__deque_push(deque, &closure), 0);
}

TEST(the_owner_pops_the_last_and_takes_the_first)
{
    struct weft__deque deque = { 0 };
    struct weft__closure out;
    CHECK(!weft__deque_pop(&deque, NULL, &out));
    CHECK(!weft__deque_take(&deque, &out));
    for (uint64_t n = 0; n < 1000; n++)
        push(&deque, n);
    CHECK_EQ(weft__deque_length(&deque), 1000);
    for (uint64_t n = 0; n < 500; n++) {
        CHECK(weft__deque_take(&deque, &out));
        CHECK_EQ(number_of(&out), n);
        CHECK(weft__deque_pop(&deque, NULL, &out));
        CHECK_EQ(number_of(&out), 999 - n);
    }
    CHECK(!weft__deque_pop(&deque, NULL, &out));
    CHECK(!weft__deque_take(&deque, &out));
    CHECK_EQ(weft__deque_length(&deque), 0);
    weft__deque_fini(&deque);
    weft__deque_fini(&deque);
}

TEST(a_queue_that_never_holds_much_never_grows)
{
    struct weft__deque deque = { 0 };
    struct weft__closure out;
    for (uint64_t n = 0; n < 64; n++)
        push(&deque, n);
    struct weft__ring *ring = deque.ring;
    for (uint64_t n = 0; n < 100000; n++) {
        CHECK(weft__deque_take(&deque, &out));
        CHECK_EQ(number_of(&out), n);
        push(&deque, n + 64);
    }
    CHECK(deque.ring == ring);
    push(&deque, 0);
    CHECK(deque.ring != ring);
    weft__deque_fini(&deque);
}

TEST(pop_leaves_what_belongs_to_another_group)
{
    struct weft__deque deque = { 0 };
    struct weft__closure out;
    char mine, other;
    struct weft__closure closure = numbered(1, &mine);
    CHECK_EQ(weft__deque_push(&deque, &closure), 0);
    closure = numbered(2, &other);
    CHECK_EQ(weft__deque_push(&deque, &closure), 0);
    CHECK(!weft__deque_pop(&deque, (void *)&mine, &out));
    CHECK(weft__deque_pop(&deque, (void *)&other, &out));
    CHECK_EQ(number_of(&out), 2);
    CHECK(weft__deque_pop(&deque, (void *)&mine, &out));
    CHECK_EQ(number_of(&out), 1);
    CHECK_EQ(weft__deque_push(&deque, &closure), 0);
    CHECK(weft__deque_pop(&deque, NULL, &out));
    CHECK_EQ(number_of(&out), 2);
    weft__deque_fini(&deque);
}

static long allocations_left;

static bool no_more_memory(void)
{
    return allocations_left-- <= 0;
}

TEST(an_empty_deque_gives_its_memory_back)
{
    struct weft__deque deque = { 0 };
    struct weft__closure out;
    weft__deque_tidy(&deque, 0);
    for (int round = 0; round < 3; round++) {
        for (uint64_t n = 0; n < 1000; n++)
            push(&deque, n);
        CHECK_EQ(deque.ring->size, 1024);
        CHECK(!deque.ring->older); /* no thief: the smaller ones are gone */
        weft__deque_tidy(&deque, 64);
        CHECK_EQ(deque.ring->size, 1024); /* not empty */
        for (uint64_t n = 0; n < 1000; n++) {
            CHECK(weft__deque_take_own(&deque, &out));
            CHECK_EQ(number_of(&out), n);
        }
        weft__deque_tidy(&deque, 1024);
        CHECK_EQ(deque.ring->size, 1024);
        weft__deque_tidy(&deque, 64);
        CHECK_EQ(deque.ring->size, 64);
    }
    weft__deque_fini(&deque);
}

TEST(a_deque_of_one_thread_behaves_alike)
{
    struct weft__deque deque = { .alone = true };
    struct weft__closure out;
    uint64_t random = t->seed + 1, first = 0, last = 0, values[1 << 12];
    for (long i = t_rounds(100000); i > 0; i--) {
        uint64_t choice = weft__random(&random) % 4;
        if (choice < 2 && last < ARRAY_LEN(values)) {
            values[last++] = (uint64_t)i;
            push(&deque, (uint64_t)i);
        } else if (choice == 2) {
            CHECK_EQ(weft__deque_take_own(&deque, &out), first < last);
            if (first < last)
                CHECK_EQ(number_of(&out), values[first++]);
        } else {
            CHECK_EQ(weft__deque_pop(&deque, NULL, &out), first < last);
            if (first < last)
                CHECK_EQ(number_of(&out), values[--last]);
        }
        CHECK_EQ(weft__deque_length(&deque), last - first);
        if (first == last)
            first = last = 0;
    }
    weft__deque_fini(&deque);
}

TEST(without_memory_nothing_is_pushed_and_nothing_is_lost)
{
    struct weft__deque deque = { 0 }, thief = { 0 };
    struct weft__closure out, closure = numbered(64, NULL);
    weft__alloc_fault = no_more_memory;
    CHECK_ERR(weft__deque_push(&deque, &closure), -12);
    CHECK_EQ(weft__deque_length(&deque), 0);
    allocations_left = 1;
    for (uint64_t n = 0; n < 64; n++)
        push(&deque, n);
    CHECK_ERR(weft__deque_push(&deque, &closure), -12);
    CHECK_EQ(weft__deque_steal(&deque, &thief, &out), 1); /* the thief has no ring and gets none */
    CHECK_EQ(number_of(&out), 0);
    CHECK_EQ(weft__deque_length(&thief), 0);
    CHECK_EQ(weft__deque_length(&deque), 63);
    push(&deque, 64);
    weft__alloc_fault = NULL;
    for (uint64_t n = 1; n <= 64; n++) {
        CHECK(weft__deque_take(&deque, &out));
        CHECK_EQ(number_of(&out), n);
    }
    weft__deque_fini(&deque);
}

TEST(a_thief_takes_half_and_at_most_32)
{
    struct weft__deque deque = { 0 }, thief = { 0 };
    struct weft__closure out;
    uint64_t next = 0;
    CHECK_EQ(weft__deque_steal(&deque, &thief, &out), 0);
    for (uint64_t n = 0; n < 100; n++)
        push(&deque, n);
    static const unsigned halves[] = { 32, 32, 18, 9, 5, 2, 1, 1, 0 };
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        unsigned got = weft__deque_steal(&deque, &thief, &out);
        CHECK_EQ(got, halves[i]);
        for (unsigned k = 0; k < got; k++) {
            CHECK_EQ(number_of(&out), next++);
            CHECK_EQ(weft__deque_take(&thief, &out), k + 1 < got);
        }
    }
    weft__deque_fini(&deque);
    weft__deque_fini(&thief);
}

/* One owner, two thieves, every number exactly once. */
enum owner { OWNER_POPS, OWNER_TAKES };
enum { THIEVES = 2 };

struct crowd {
    struct weft__deque deque;
    unsigned char *seen;
    uint64_t total;
    bool steal, stop;
};

static void see(struct crowd *crowd, const struct weft__closure *closure)
{
    uint64_t n = number_of(closure);
    CHECK_LT(n, crowd->total);
    CHECK_EQ(__atomic_fetch_add(&crowd->seen[n], 1, __ATOMIC_RELAXED), 0);
}

static void *thief_main(void *arg)
{
    struct crowd *crowd = arg;
    struct weft__deque own = { 0 };
    struct weft__closure out;
    bool last;
    do {
        last = load_acquire(&crowd->stop);
        while (crowd->steal ? weft__deque_steal(&crowd->deque, &own, &out) > 0
                            : weft__deque_take(&crowd->deque, &out)) {
            see(crowd, &out);
            while (weft__deque_pop(&own, NULL, &out))
                see(crowd, &out);
        }
        cpu_relax();
    } while (!last);
    weft__deque_fini(&own);
    return NULL;
}

static void crowd_run(enum owner owner, bool steal, uint64_t total, unsigned burst, uint64_t seed)
{
    struct crowd crowd = { .seen = calloc(total, 1), .total = total, .steal = steal };
    struct weft__closure out;
    pthread_t thieves[THIEVES];
    for (int i = 0; i < THIEVES; i++)
        CHECK_EQ(pthread_create(&thieves[i], NULL, thief_main, &crowd), 0);
    for (uint64_t n = 0; n < total;) {
        for (uint64_t k = weft__random(&seed) % burst + 1; k > 0 && n < total; k--)
            push(&crowd.deque, n++);
        for (uint64_t k = weft__random(&seed) % burst; k > 0; k--) {
            if (!(owner == OWNER_POPS ? weft__deque_pop(&crowd.deque, NULL, &out)
                                      : weft__deque_take_own(&crowd.deque, &out))) {
                weft__deque_tidy(&crowd.deque, 64);
                break;
            }
            see(&crowd, &out);
        }
    }
    while (weft__deque_pop(&crowd.deque, NULL, &out))
        see(&crowd, &out);
    store_release(&crowd.stop, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);
    for (uint64_t n = 0; n < total; n++)
        CHECK_EQ(crowd.seen[n], 1);
    CHECK_EQ(weft__deque_length(&crowd.deque), 0);
    weft__deque_fini(&crowd.deque);
    free(crowd.seen);
}

TEST_REAL_LONG(every_closure_is_seen_once_whoever_takes, "real threads", 120)
{
    uint64_t rounds = (uint64_t)t_rounds(t_slow_build() ? 20000 : 200000);
    static const unsigned bursts[] = { 2, 5, 300 }; /* nearly empty; the last one; growing */
    for (size_t i = 0; i < ARRAY_LEN(bursts); i++)
        for (unsigned form = 0; form < 4; form++)
            crowd_run(form & 1 ? OWNER_TAKES : OWNER_POPS, form & 2, rounds, bursts[i],
                      t->seed + 1 + i);
}
