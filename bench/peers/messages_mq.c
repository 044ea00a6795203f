/* messages: POSIX message queues, the kernel's. As many inside as they may be by default. */
#include "messages.h"

#include <fcntl.h>
#include <mqueue.h>

static mqd_t queue, back;
static size_t size;
static char text[1 << 10];

static void get(mqd_t from)
{
    bench_check(mq_receive(from, text, size, NULL) == (ssize_t)size, "receive");
}

static void put(mqd_t to)
{
    bench_check(mq_send(to, text, size, 0) == 0, "send");
}

static mqd_t begin(void)
{
    struct mq_attr how = { .mq_maxmsg = 10, .mq_msgsize = (long)size };
    char name[64];
    snprintf(name, sizeof name, "/weft-bench-%d", (int)getpid());
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &how);
    bench_check(q != (mqd_t)-1, "mq_open");
    mq_unlink(name);
    return q;
}

static void get_all(long steps)
{
    for (long i = 0; i < steps; i++)
        get(queue);
}

static void put_all(long steps)
{
    for (long i = 0; i < steps; i++)
        put(queue);
}

static void one_to_one(long steps)
{
    if (begin_process())
        end_process(get_all(steps));
    put_all(steps);
    end_processes();
}

static void two_to_two(long steps)
{
    for (int i = 0; i < 3; i++)
        if (begin_process())
            end_process(i < 2 ? get_all(steps / 2) : put_all(steps / 2));
    put_all(steps / 2);
    end_processes();
}

static void echo(long steps)
{
    for (long i = 0; i < steps; i++) {
        get(queue);
        put(back);
    }
}

static void ping_pong(long steps)
{
    if (begin_process())
        end_process(echo(steps));
    for (long i = 0; i < steps; i++) {
        put(queue);
        get(back);
    }
    end_processes();
}

static void ask(const char *figure, size_t bytes, void (*run)(long steps))
{
    size = bytes;
    queue = begin();
    back = begin();
    bench(figure, BENCH_WALL, run);
    mq_close(queue);
    mq_close(back);
}

int main(void)
{
    ask("message_8", 8, one_to_one);
    ask("message_8_2p2c", 8, two_to_two);
    ask("message_1k", 1 << 10, one_to_one);
    ask("message_hop", 8, ping_pong);
}
