/* Question: what does a message cost from one process to another? Of 8 bytes, 1 KB and 1 MB, copied; of 1 MB
 * handed over; of 8 bytes among two producers and two consumers; there and back. */
#include "ours.h"
#include "messages.h"

#include <weft/arena.h>

static weft_queue *queue, *back;
static size_t size;
static unsigned char *text;

static void get_all(void)
{
    size_t length = size;
    long n = 0;
    int r;
    while ((r = size > 8 ? weft_queue_get_message(queue, text, size, &length, weft_never())
                         : weft_queue_get(queue, text, size, weft_never())) == 1) {
        bench_check(length == size && text[0] == 'x' && text[size - 1] == 'x', "message");
        n++;
    }
    bench_check(r == 0, "get");
    count_add(n);
}

static void put_all(long n)
{
    for (long i = 0; i < n; i++)
        must(weft_queue_put(queue, text, size, weft_never()), "put");
    weft_queue_close(queue);
}

static void echo(void)
{
    while (weft_queue_get(queue, text, size, weft_never()) == 1)
        must(weft_queue_put(back, text, size, weft_never()), "put");
}

static void give_back(void)
{
    void *block;
    size_t length;
    while (weft_queue_get_block(queue, &block, &length, weft_never()) == 1) {
        bench_check(length == size, "length");
        must(weft_queue_put_block(back, block, length, weft_never()), "put");
        count_add(1);
    }
}

static void begin(void)
{
    uint32_t fixed = size > 8 ? 0 : (uint32_t)size;
    must(weft_queue_init(queue, NULL, MESSAGES_INSIDE, fixed, WEFT_SHARED), "queue");
    must(weft_queue_init(back, NULL, MESSAGES_INSIDE, fixed, WEFT_SHARED), "queue");
    count_begin();
}

static void end(long n)
{
    end_processes();
    bench_check(count_is(n), "count");
    weft_queue_fini(queue);
    weft_queue_fini(back);
}

static void one_to_one(long steps)
{
    begin();
    if (begin_process())
        end_process(get_all());
    put_all(steps);
    end(steps);
}

static void two_to_two(long steps)
{
    begin();
    weft_queue_producers(queue, 2);
    for (int i = 0; i < 3; i++)
        if (begin_process())
            end_process(i < 2 ? get_all() : put_all(steps / 2));
    put_all(steps / 2);
    end(steps);
}

static void ping_pong(long steps)
{
    begin();
    if (begin_process())
        end_process(echo());
    for (long i = 0; i < steps; i++) {
        must(weft_queue_put(queue, text, size, weft_never()), "put");
        bench_check(weft_queue_get(back, text, size, weft_never()) == 1, "get");
    }
    weft_queue_close(queue);
    end(0);
}

static void hand_over(long steps)
{
    void *block;
    size_t length;
    begin();
    if (begin_process())
        end_process(give_back());
    for (long i = 0, blocks = 0; i < steps; i++) {
        if (blocks < MESSAGES_INSIDE / 2) {
            bench_check((block = weft_arena_alloc(size)) != NULL, "memory");
            blocks++;
        } else {
            bench_check(weft_queue_get_block(back, &block, &length, weft_never()) == 1, "get");
        }
        must(weft_queue_put_block(queue, block, size, weft_never()), "put");
    }
    weft_queue_close(queue);
    end_processes();
    while (weft_queue_get_block(back, &block, &length, weft_at_once()) == 1)
        weft_arena_free(block);
    end(steps);
}

static void ask(const char *figure, size_t bytes, void (*run)(long steps))
{
    size = bytes;
    bench(figure, BENCH_WALL, run);
}

int main(void)
{
    ours_version();
    queue = weft_arena_alloc(sizeof *queue);
    back = weft_arena_alloc(sizeof *back);
    text = malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    ask("message_8", 8, one_to_one);
    ask("message_8_2p2c", 8, two_to_two);
    ask("message_1k", 1 << 10, one_to_one);
    ask("message_1m", 1 << 20, one_to_one);
    ask("message_1m_block", 1 << 20, hand_over);
    ask("message_hop", 8, ping_pong);
    return 0;
}
