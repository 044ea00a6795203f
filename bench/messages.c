/* Question: what does a message cost from one process to another? Of 8 bytes, 1 KB and 1 MB, copied; of 1 MB
 * handed over; of 8 bytes among two producers and two consumers; there and back; of 8 bytes as a typed value. */
#include "ours.h"

#include <weft/arena.h>
#include <weft/process.h>
#include <weft/value.h>

enum { MESSAGES_INSIDE = 128 };

static struct talk { /* in the arena: the same to all */
    weft_queue queue, back;
    size_t size;
    long steps, got;
} * talk;

static unsigned char text[1 << 20]; /* each process has its own */

static void put_all(long n)
{
    for (long i = 0; i < n; i++)
        must(weft_queue_put(&talk->queue, text, talk->size, weft_never()), "put");
    weft_queue_close(&talk->queue);
}

/* -- what the other processes do -- */

static int get_all(void *arg)
{
    struct talk *t = arg;
    size_t length = t->size;
    long n = 0;
    int r;
    while ((r = t->size > 8 ? weft_queue_get_message(&t->queue, text, t->size, &length, weft_never())
                            : weft_queue_get(&t->queue, text, t->size, weft_never())) == 1) {
        bench_check(length == t->size && text[0] == 'x' && text[t->size - 1] == 'x', "message");
        n++;
    }
    __atomic_fetch_add(&t->got, n, __ATOMIC_SEQ_CST);
    return r;
}

static int put_half(void *arg)
{
    talk = arg;
    memset(text, 'x', talk->size);
    put_all(talk->steps / 2);
    return 0;
}

static int echo(void *arg)
{
    struct talk *t = arg;
    while (weft_queue_get(&t->queue, text, t->size, weft_never()) == 1)
        must(weft_queue_put(&t->back, text, t->size, weft_never()), "put");
    return 0;
}

static int give_back(void *arg)
{
    struct talk *t = arg;
    void *block;
    size_t length;
    while (weft_queue_get_block(&t->queue, &block, &length, weft_never()) == 1) {
        bench_check(length == t->size, "length");
        must(weft_queue_put_block(&t->back, block, length, weft_never()), "put");
        t->got++;
    }
    return 0;
}

static int get_values(void *arg)
{
    struct talk *t = arg;
    weft_value value;
    int r;
    while ((r = weft_queue_get_value(&t->queue, &value, weft_never())) == 1) {
        bench_check(weft_value_int(&value, -1) == t->got, "value");
        weft_value_fini(&value);
        t->got++;
    }
    return r;
}

/* -- what is asked -- */

static weft_group others;

static void begin(uint32_t fixed, weft_fn *fn)
{
    must(weft_queue_init(&talk->queue, NULL, MESSAGES_INSIDE, fixed, WEFT_SHARED), "queue");
    must(weft_queue_init(&talk->back, NULL, MESSAGES_INSIDE, fixed, WEFT_SHARED), "queue");
    talk->got = 0;
    must(weft_group_init(&others, 0), "group");
    must(weft_group_spawn(&others, WEFT_PROCESS, fn, talk), "spawn");
}

static uint32_t fixed_size(void)
{
    return talk->size > 8 ? 0 : (uint32_t)talk->size;
}

static void end(long n)
{
    must(weft_group_wait(&others, weft_never()), "wait");
    bench_check(talk->got == n, "count");
    weft_queue_fini(&talk->queue);
    weft_queue_fini(&talk->back);
}

static void one_to_one(long steps)
{
    begin(fixed_size(), get_all);
    put_all(steps);
    end(steps);
}

static void two_to_two(long steps)
{
    talk->steps = steps;
    begin(fixed_size(), get_all);
    weft_queue_producers(&talk->queue, 2);
    must(weft_group_spawn(&others, WEFT_PROCESS, get_all, talk), "spawn");
    must(weft_group_spawn(&others, WEFT_PROCESS, put_half, talk), "spawn");
    put_all(steps / 2);
    end(steps / 2 * 2);
}

static void ping_pong(long steps)
{
    begin(fixed_size(), echo);
    for (long i = 0; i < steps; i++) {
        must(weft_queue_put(&talk->queue, text, talk->size, weft_never()), "put");
        bench_check(weft_queue_get(&talk->back, text, talk->size, weft_never()) == 1, "get");
    }
    weft_queue_close(&talk->queue);
    end(0);
}

static void hand_over(long steps)
{
    void *block;
    size_t length;
    begin(0, give_back);
    for (long i = 0, blocks = 0; i < steps; i++) {
        if (blocks < MESSAGES_INSIDE / 2) {
            bench_check((block = weft_arena_alloc(talk->size)) != NULL, "memory");
            blocks++;
        } else {
            bench_check(weft_queue_get_block(&talk->back, &block, &length, weft_never()) == 1,
                        "get");
        }
        must(weft_queue_put_block(&talk->queue, block, talk->size, weft_never()), "put");
    }
    weft_queue_close(&talk->queue);
    must(weft_group_wait(&others, weft_never()), "wait");
    while (weft_queue_get_block(&talk->back, &block, &length, weft_at_once()) == 1)
        weft_arena_free(block);
    end(steps);
}

static void values(long steps)
{
    begin(0, get_values);
    for (long i = 0; i < steps; i++)
        must(weft_queue_put_value(&talk->queue, WEFT_INT(i), weft_never()), "put");
    weft_queue_close(&talk->queue);
    end(steps);
}

static void ask(const char *figure, size_t bytes, void (*run)(long steps))
{
    talk->size = bytes;
    bench(figure, BENCH_WALL, run);
}

int main(void)
{
    ours_version();
    must(weft_process_prepare(), "prepare");
    bench_check((talk = weft_arena_alloc(sizeof *talk)) != NULL, "memory");
    memset(text, 'x', sizeof text);
    ask("message_8", 8, one_to_one);
    ask("message_8_2p2c", 8, two_to_two);
    ask("message_1k", 1 << 10, one_to_one);
    ask("message_1m", 1 << 20, one_to_one);
    ask("message_1m_block", 1 << 20, hand_over);
    ask("message_value", 8, values);
    ask("message_hop", 8, ping_pong);
    return 0;
}
