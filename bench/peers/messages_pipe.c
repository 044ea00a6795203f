/* messages: pipes. */
#include "messages.h"

static int there[2], back[2];
static size_t size;
static char text[1 << 20];

static void get(int from)
{
    for (size_t n = 0; n < size;) {
        ssize_t r = read(from, text + n, size - n);
        bench_check(r > 0, "read");
        n += (size_t)r;
    }
}

static void put(int to)
{
    for (size_t n = 0; n < size;) {
        ssize_t r = write(to, text + n, size - n);
        bench_check(r > 0, "write");
        n += (size_t)r;
    }
}

static void get_all(long steps)
{
    for (long i = 0; i < steps; i++)
        get(there[0]);
}

static void one_to_one(long steps)
{
    if (begin_process())
        end_process(get_all(steps));
    for (long i = 0; i < steps; i++)
        put(there[1]);
    end_processes();
}

static void echo(long steps)
{
    for (long i = 0; i < steps; i++) {
        get(there[0]);
        put(back[1]);
    }
}

static void ping_pong(long steps)
{
    if (begin_process())
        end_process(echo(steps));
    for (long i = 0; i < steps; i++) {
        put(there[1]);
        get(back[0]);
    }
    end_processes();
}

static void ask(const char *figure, size_t bytes, void (*run)(long steps))
{
    size = bytes;
    bench(figure, BENCH_WALL, run);
}

int main(void)
{
    bench_check(pipe(there) == 0 && pipe(back) == 0, "pipe");
    ask("message_8", 8, one_to_one);
    ask("message_1k", 1 << 10, one_to_one);
    ask("message_1m", 1 << 20, one_to_one);
    ask("message_hop", 8, ping_pong);
}
