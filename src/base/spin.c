/* spin.c - see spin.h. */
#include "base/spin.h"

#include "base/sys.h"

enum { PATIENCE = 1000000000 }; /* ns that a fork waits at most */

__thread struct weft__gate weft__gate __attribute__((tls_model("initial-exec"))) = { .closed = 1 };

static struct weft__gate *gates;
static weft__spin gates_spin; /* held all through a fork */
static unsigned end_key;
static bool has_end_key;

void weft__spin_slow(weft__spin *spin)
{
    for (unsigned turns = 0;; turns++) {
        while (load_relaxed(&spin->word)) {
            if (turns++ < 200)
                cpu_relax();
            else
                weft__sys_sched_yield(); /* its holder may have lost its core */
        }
        if (!__atomic_exchange_n(&spin->word, 1, __ATOMIC_ACQUIRE))
            return;
    }
}

/* At the thread's end. A section after it, in what else runs then, lists the thread again. */
static void unlist(void *gate)
{
    struct weft__gate *mine = gate;
    weft__spin_take(&gates_spin);
    *(mine->prev ? &mine->prev->next : &gates) = mine->next;
    if (mine->next)
        mine->next->prev = mine->prev;
    *mine = (struct weft__gate){ .closed = 1 };
    weft__spin_drop(&gates_spin);
}

static bool is_listed(const struct weft__gate *mine)
{
    return mine->prev || gates == mine;
}

void weft__gate_wait(void)
{
    struct weft__gate *mine = &weft__gate;
    uint32_t inside = mine->inside, deep = mine->deep;
    if (inside + deep > 1) /* an outer one is being waited for */
        return;
    do {
        store_release(&mine->inside, 0);
        store_release(&mine->deep, 0);
        weft__spin_take(&gates_spin);
        bool new = !is_listed(mine) && has_end_key; /* without the key a fork cannot know of it */
        if (new) {
            *mine = (struct weft__gate){ .next = gates };
            if (gates)
                gates->prev = mine;
            gates = mine;
        }
        store_relaxed(&mine->closed, 0);
        weft__spin_drop(&gates_spin);
        if (new)
            weft__sys_thread_at_exit_set(end_key, mine);
        store_relaxed(&mine->inside, inside);
        store_relaxed(&mine->deep, deep);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    } while (load_relaxed(&mine->closed));
}

void weft__gates_init(void)
{
    has_end_key = weft__sys_thread_at_exit(unlist, &end_key) == 0;
    weft__sys_barrier_prepare();
}

/* Bounded, since somebody inside may need a lock of the allocator's that this fork has taken before. */
void weft__gates_close(void)
{
    weft__spin_take(&gates_spin);
    for (struct weft__gate *g = gates; g; g = g->next)
        store_relaxed(&g->closed, g != &weft__gate);
    weft__sys_barrier();
    int64_t until = weft__sys_now() + PATIENCE;
    for (struct weft__gate *g = gates; g; g = g->next)
        while ((load_acquire(&g->inside) || load_acquire(&g->deep)) && weft__sys_now() < until)
            weft__sys_sched_yield();
}

void weft__gates_open(bool forked)
{
    if (forked) { /* the others are not here */
        gates = is_listed(&weft__gate) ? &weft__gate : NULL;
        weft__gate.next = weft__gate.prev = NULL;
    }
    for (struct weft__gate *g = gates; g; g = g->next)
        store_relaxed(&g->closed, 0);
    weft__spin_drop(&gates_spin);
}
