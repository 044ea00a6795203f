/* Whoever dies at any store or system call of a queue between processes has lost the message in its hands and nothing else. */
#include "kill.h"

#include <stdlib.h>

enum { SLOTS = 3, EACH = 6, LARGEST = 200000 };

static struct stage {
    weft_queue queue;
    weft_pipe_pair pipe;
    long put;   /* by the victim: calls that have returned */
    long peers; /* that have begun */
    bool all_in;
    long from_victim[64], from_peer[64]; /* how often each message came */
    char slots[WEFT_SEGMENT_SLOTS(SLOTS, 0)] __attribute__((aligned(64)));
} * s;

static unsigned flags;
static size_t size; /* of a message */

struct message {
    long producer, number; /* 0 the victim */
    unsigned char bytes[];
};

static void fresh(void)
{
    if (!s)
        s = weft_arena_alloc(sizeof *s);
    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    CHECK_EQ(
        weft_queue_init(&s->queue, kill_strangers ? s->slots : NULL, SLOTS, 0, WEFT_SHARED | flags),
        0);
}

static void fill(struct message *m, long producer, long number)
{
    m->producer = producer;
    m->number = number;
    memset(m->bytes, (int)(producer * 50 + number + 1), size - sizeof *m);
}

static struct message *scratch(void)
{
    static __thread struct message *m;
    if (!m)
        m = malloc(LARGEST);
    return m;
}

static void took(const struct message *m, size_t length)
{
    if (length == 5) /* one of check's */
        return;
    CHECK_EQ(length, size);
    for (size_t i = 0; i < size - sizeof *m; i++) /* whole */
        if (m->bytes[i] != (unsigned char)(m->producer * 50 + m->number + 1))
            FAIL("message %ld of %ld is torn at %zu", m->number, m->producer, i);
    long *count = m->producer == 0 ? s->from_victim : s->from_peer;
    __atomic_fetch_add(&count[m->number], 1, __ATOMIC_SEQ_CST);
}

static void put_each(long producer, long n)
{
    struct message *m = scratch();
    for (long i = 0; i < n; i++) {
        fill(m, producer, i);
        CHECK_EQ(weft_queue_put(&s->queue, m, size, weft_never()), 0);
        if (producer == 0)
            __atomic_fetch_add(&s->put, 1, __ATOMIC_SEQ_CST);
    }
}

static int get_one(weft_deadline deadline)
{
    size_t length;
    int r = weft_queue_get_message(&s->queue, scratch(), LARGEST, &length, deadline);
    if (r == 1) {
        took(scratch(), length);
        if (flags & WEFT_ACK)
            CHECK_EQ(weft_queue_task_done(&s->queue), 0);
    }
    return r;
}

/* One of the two peers puts, the other gets until nothing can come any more. */
static bool is_first(void)
{
    return __atomic_fetch_add(&s->peers, 1, __ATOMIC_SEQ_CST) == 0;
}

static bool all_in(void)
{
    return __atomic_load_n(&s->all_in, __ATOMIC_SEQ_CST) &&
           __atomic_load_n(&kill_stage->ended, __ATOMIC_SEQ_CST);
}

static void peer_puts_or_gets(void)
{
    int r;
    if (is_first()) {
        put_each(1, 2 * EACH);
        __atomic_store_n(&s->all_in, true, __ATOMIC_SEQ_CST);
    } else {
        while ((r = get_one(weft_after(WEFT_MS))) == 1 || !all_in())
            CHECK(r == 1 || r == -ETIMEDOUT);
    }
}

/* It holds as many as before, and every one that goes in comes out. */
static void works_on(void)
{
    for (int round = 0; round < 3; round++) {
        while (get_one(weft_at_once()) == 1)
            ;
        CHECK_EQ(weft_queue_length(&s->queue), 0);
        for (int i = 0; i < SLOTS; i++)
            CHECK_EQ(weft_queue_put(&s->queue, "four", 5, weft_at_once()), 0);
        CHECK_EQ(weft_queue_put(&s->queue, "four", 5, weft_at_once()), -ETIMEDOUT);
    }
    while (get_one(weft_at_once()) == 1)
        ;
    if (flags & WEFT_ACK)
        CHECK_EQ(weft_queue_join(&s->queue, weft_at_once()), 0);
    weft_queue_fini(&s->queue);
}

/* -- a producer dies -- */

static void victim_puts(void)
{
    put_each(0, EACH);
}

static void check_put(void)
{
    while (get_one(weft_at_once()) == 1)
        ;
    for (long i = 0; i < 2 * EACH; i++)
        if (s->from_peer[i] != 1)
            FAIL("message %ld of %zu bytes came %ld times; due %ld", i, size, s->from_peer[i],
                 kill_stage->due);
    for (long i = 0; i < EACH; i++) {
        CHECK_LE(s->from_victim[i], i <= s->put);
        if (i < s->put) /* that call had returned */
            CHECK_EQ(s->from_victim[i], 1);
    }
    works_on();
}

static const size_t sizes[] = { 16, 104, 1000, LARGEST };

static size_t sizes_tried(void)
{
    return kill_strangers ? 2 : sizeof sizes / sizeof *sizes;
}

static void producers(unsigned kind)
{
    for (size_t i = 0; i < sizes_tried(); i++) {
        size = sizes[i];
        snprintf(kill_what, sizeof kill_what, "%6zu bytes", size);
        CHECK_GT(kill_at_each_point(
                     &(struct kill){ kind, fresh, victim_puts, peer_puts_or_gets, check_put }),
                 20);
    }
}

TEST_KILL(a_producer_costs_its_message)
{
    producers(t->kind);
}

/* -- a consumer dies -- */

static void victim_gets(void)
{
    for (long i = 0; i < EACH; i++)
        get_one(weft_after(5 * WEFT_MS)); /* the peer may have got them all */
}

static void check_get(void)
{
    long lost = 0;
    while (get_one(weft_at_once()) == 1)
        ;
    for (long i = 0; i < 2 * EACH; i++) {
        CHECK_LE(s->from_peer[i],
                 flags & WEFT_ACK ? 2 : 1); /* got again: its work may not have been done */
        lost += s->from_peer[i] == 0;
    }
    CHECK_LE(lost, flags & WEFT_ACK ? 0 : 1);
    works_on();
}

static void consumers(unsigned kind)
{
    for (size_t i = 0; i < sizes_tried(); i++) {
        size = sizes[i];
        snprintf(kill_what, sizeof kill_what, "%6zu bytes", size);
        CHECK_GT(kill_at_each_point(
                     &(struct kill){ kind, fresh, victim_gets, peer_puts_or_gets, check_get }),
                 10);
    }
}

TEST_KILL(a_consumer_costs_its_message)
{
    consumers(t->kind);
}

TEST_KILL(a_consumer_with_ack_costs_nothing)
{
    flags = WEFT_ACK;
    consumers(t->kind);
}

TEST_KILL(in_another_order_it_costs_no_more)
{
    static const unsigned orders[] = { WEFT_LIFO, WEFT_PRIORITY };
    for (int i = 0; i < 2; i++) {
        flags = orders[i];
        producers(t->kind);
        consumers(t->kind);
    }
}

TEST_KILL(in_a_segment_strangers_cost_no_more)
{
    s = kill_segment(t, sizeof *s);
    producers(t->kind);
    consumers(t->kind);
    flags = WEFT_ACK;
    consumers(t->kind);
}

/* -- who has a block in hand -- */

static void victim_hands_over(void)
{
    for (long i = 0; i < EACH; i++) {
        struct message *m = weft_arena_alloc(size);
        CHECK(m != NULL);
        fill(m, 0, i);
        CHECK_EQ(weft_queue_put_block(&s->queue, m, size, weft_never()), 0);
        __atomic_fetch_add(&s->put, 1, __ATOMIC_SEQ_CST);
    }
}

static void peer_takes_blocks(void)
{
    void *block;
    size_t length;
    int r;
    if (is_first()) {
        put_each(1, 2 * EACH);
        __atomic_store_n(&s->all_in, true, __ATOMIC_SEQ_CST);
        return;
    }
    while ((r = weft_queue_get_block(&s->queue, &block, &length, weft_after(WEFT_MS))) == 1 ||
           !all_in())
        if (r == 1) {
            took(block, length);
            weft_arena_free(block);
        }
}

TEST_KILL(a_block_is_handed_over_or_not)
{
    size = 1000;
    kill_leaves = 1; /* from its allocation until it is put */
    CHECK_GT(kill_at_each_point(
                 &(struct kill){ t->kind, fresh, victim_hands_over, peer_takes_blocks, check_put }),
             10);
}

/* -- who closes -- */

static void victim_closes(void)
{
    put_each(0, EACH);
    weft_queue_close(&s->queue);
}

static void peer_drains(void)
{
    while (get_one(weft_after(WEFT_MS)) == 1 ||
           !__atomic_load_n(&kill_stage->ended, __ATOMIC_SEQ_CST))
        ;
}

static void check_closed(void)
{
    weft_queue_close(&s->queue);
    while (get_one(weft_never()) == 1)
        ;
    for (long i = 0; i < s->put; i++)
        CHECK_EQ(s->from_victim[i], 1);
    CHECK_EQ(weft_queue_put(&s->queue, "late", 5, weft_never()), -EPIPE);
    weft_queue_fini(&s->queue);
}

TEST_KILL(a_close_is_done_or_not)
{
    size = 200;
    CHECK_GT(kill_at_each_point(
                 &(struct kill){ t->kind, fresh, victim_closes, peer_drains, check_closed }),
             10);
}

/* -- a pipe's other end dies -- */

static void fresh_pipe(void)
{
    if (!s)
        s = weft_arena_alloc(sizeof *s);
    CHECK(s != NULL);
    memset(s, 0, sizeof *s);
    CHECK_EQ(weft_pipe_init(&s->pipe, 5 * size, WEFT_SHARED), 0);
}

static void victim_sends(void)
{
    struct message *m = scratch();
    for (long i = 0; i < EACH; i++) {
        fill(m, 0, i);
        CHECK_EQ(weft_pipe_send(&s->pipe.end[1], m, size, weft_never()), 0);
        __atomic_fetch_add(&s->put, 1, __ATOMIC_SEQ_CST);
    }
    weft_pipe_close(&s->pipe.end[1]);
}

static int receive_one(weft_deadline deadline)
{
    size_t length;
    int r = weft_pipe_receive(&s->pipe.end[0], scratch(), LARGEST, &length, deadline);
    if (r == 1)
        took(scratch(), length);
    else
        CHECK(r == 0 || r == -EPIPE || r == -ETIMEDOUT);
    return r;
}

static void peer_receives(void)
{
    int r;
    while ((r = receive_one(weft_after(WEFT_MS))) == 1 ||
           (r == -ETIMEDOUT && !__atomic_load_n(&kill_stage->ended, __ATOMIC_SEQ_CST)))
        ;
}

static void check_pipe(void)
{
    int r;
    while ((r = receive_one(weft_at_once())) == 1)
        ;
    CHECK(r != -ETIMEDOUT || s->put == 0); /* it was never there */
    for (long i = 0; i < EACH; i++) {
        CHECK_LE(s->from_victim[i], i <= s->put);
        if (i < s->put)
            CHECK_EQ(s->from_victim[i], 1);
    }
    weft_pipe_fini(&s->pipe);
}

TEST_KILL(a_dead_sender_is_told_of)
{
    size = 1000;
    CHECK_GT(kill_at_each_point(
                 &(struct kill){ t->kind, fresh_pipe, victim_sends, peer_receives, check_pipe }),
             10);
}
