/* T5b - four cures of a deadlock, one for each of its conditions, and what each costs (seeded).
 *
 *     make example T5b    times and tries go to standard error
 * Three tasks move money round three accounts, each with a lock. A move has two steps of 0.1 s; to take one
 * lock, do a step and take the other would close the circle.
 */
#include <stdio.h>
#include <weft.h>

enum { ACCOUNTS = 3, MOVES = 5 };
enum cure { SMALLER_SCOPE, ALL_OR_NONE, DEADLINE, ONE_ORDER, CURES };
static const char *const names[] = { "smaller scope", "all or none", "deadline", "one order" };

static weft_lock lock[ACCOUNTS]; /* zeroed memory is a valid one */
static int money[ACCOUNTS], vain;
#define step() weft_sleep(weft_after(100 * WEFT_MS))

static void move(enum cure cure, int from, int to)
{
    switch (cure) {
    case SMALLER_SCOPE:
        step(), step();
        weft_with_lock(&lock[from])
            money[from]--;
        weft_with_lock(&lock[to]) /* between the two the money is nowhere */
            money[to]++;
        return;
    case ALL_OR_NONE:
        weft_lock_enter(&lock[from]);
        for (; weft_lock_acquire(&lock[to], weft_at_once()) < 0; vain++) {
            weft_lock_leave(&lock[from]); /* who waits holds nothing */
            step();
            weft_lock_enter(&lock[from]);
        }
        step();
        break;
    case DEADLINE:
        weft_lock_enter(&lock[from]);
        for (step(); weft_lock_acquire(&lock[to], weft_after((to + 1) * 100 * WEFT_MS)) < 0; vain++) {
            weft_lock_leave(&lock[from]); /* and the step was for nothing */
            weft_lock_enter(&lock[from]);
            step();
        }
        break;
    default: /* ONE_ORDER */
        weft_lock_enter(&lock[from < to ? from : to]);
        step();
        weft_lock_enter(&lock[from < to ? to : from]);
    }
    step();
    money[from]--, money[to]++;
    weft_lock_leave(&lock[to]);
    weft_lock_leave(&lock[from]);
}

static int work(void *arg)
{
    int cure = *(int *)arg / ACCOUNTS, own = *(int *)arg % ACCOUNTS;
    for (int i = 0; i < MOVES; i++)
        move(cure, own, (own + 1) % ACCOUNTS);
    return 0;
}

int main(void)
{
    for (int cure = 0; cure < CURES; cure++, vain = 0) {
        weft_group tasks;
        weft_time start = weft_now();
        weft_group_init(&tasks, WEFT_ONE_WORKER);
        for (int own = 0; own < ACCOUNTS; own++)
            weft_group_spawn_copy(&tasks, WEFT_COROUTINE, work, &(int){ cure * ACCOUNTS + own });
        if (weft_group_wait(&tasks, weft_never()) < 0)
            return 1;
        printf("%s: all moved\n", names[cure]);
        fprintf(stderr, "%s: %.1f s, %d tries in vain\n", names[cure],
                (double)weft_time_between(start, weft_now()) / 1e9, vain);
    }
    return 0;
}
