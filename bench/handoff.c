/* Question: what does it cost to hand the turn to another task and to get it back, by semaphores, and by a
 * condition? One worker. */
#include "ours.h"

static weft_semaphore turns[2];
static weft_lock lock = WEFT_LOCK_INIT;
static weft_cond changed = WEFT_COND_INIT;
static long hops, turn;

static void by_semaphore(int who)
{
    for (long i = 0; i < hops / 2; i++) {
        must(weft_semaphore_acquire(&turns[who], weft_never()), "acquire");
        bench_check(turn++ % 2 == who, "turn");
        weft_semaphore_release(&turns[1 - who], 1);
    }
}

static void by_condition(int who)
{
    weft_lock_enter(&lock);
    for (long i = 0; i < hops / 2; i++) {
        while (turn % 2 != who)
            must(weft_cond_wait(&changed, &lock, weft_never()), "wait");
        turn++;
        weft_cond_signal(&changed);
    }
    weft_lock_leave(&lock);
}

static void (*take_turns)(int who);

static int other(void *arg)
{
    (void)arg;
    take_turns(1);
    return 0;
}

static void run(long steps)
{
    weft_group group;
    hops = steps;
    turn = 0;
    weft_semaphore_init(&turns[0], 1, 1, 0);
    weft_semaphore_init(&turns[1], 0, 1, 0);
    weft_group_init(&group, 0);
    weft_group_spawn(&group, WEFT_COROUTINE, other, NULL);
    take_turns(0);
    must(weft_group_wait(&group, weft_never()), "wait");
    bench_check(turn == hops, "turns");
}

static int ask(void *arg)
{
    (void)arg;
    take_turns = by_semaphore;
    bench("handoff_sem", BENCH_CPU, run);
    take_turns = by_condition;
    bench("handoff_cond", BENCH_CPU, run);
    return 0;
}

int main(void)
{
    return ours(ask);
}
