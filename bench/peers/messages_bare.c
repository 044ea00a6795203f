/* messages: the floor. A ring for one producer and one consumer, no sleep, no close, no deaths. */
#include "messages.h"

static struct ring {
    unsigned long tail __attribute__((aligned(128)));
    unsigned long head __attribute__((aligned(128)));
    unsigned char slots[MESSAGES_INSIDE][1 << 10] __attribute__((aligned(128)));
} * ring, *back;
static size_t size;

static void pause_for(long *spins)
{
    __builtin_ia32_pause();
    if (++*spins % 2000 == 0)
        sched_yield();
}

static void put(struct ring *r, const void *text)
{
    unsigned long tail = r->tail;
    for (long spins = 0; tail - __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == MESSAGES_INSIDE;)
        pause_for(&spins);
    memcpy(r->slots[tail % MESSAGES_INSIDE], text, size);
    __atomic_store_n(&r->tail, tail + 1, __ATOMIC_RELEASE);
}

static void get(struct ring *r, void *text)
{
    unsigned long head = r->head;
    for (long spins = 0; head == __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);)
        pause_for(&spins);
    memcpy(text, r->slots[head % MESSAGES_INSIDE], size);
    __atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
}

static unsigned char text[1 << 10];

static void get_all(long steps)
{
    for (long i = 0; i < steps; i++) {
        get(ring, text);
        bench_check(text[0] == 'x' && text[size - 1] == 'x', "message");
    }
}

static void echo(long steps)
{
    for (long i = 0; i < steps; i++) {
        get(ring, text);
        put(back, text);
    }
}

static void one_to_one(long steps)
{
    if (begin_process())
        end_process(get_all(steps));
    for (long i = 0; i < steps; i++)
        put(ring, text);
    end_processes();
}

static void ping_pong(long steps)
{
    if (begin_process())
        end_process(echo(steps));
    for (long i = 0; i < steps; i++) {
        put(ring, text);
        get(back, text);
    }
    end_processes();
}

int main(void)
{
    ring = mmap(NULL, 2 * sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    back = ring + 1;
    memset(text, 'x', sizeof text);
    size = 8;
    bench("message_8", BENCH_WALL, one_to_one);
    bench("message_hop", BENCH_WALL, ping_pong);
    size = sizeof text;
    bench("message_1k", BENCH_WALL, one_to_one);
}
