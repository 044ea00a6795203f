/* tree.c - see tree.h. */
#include "shared/tree.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/spin.h"
#include "base/sys.h"
#include "os/uapi.h"
#include "shared/holder.h"
#include "shared/robust.h"

#define RANGE_MAX (64ull << 30)
#define RANGE_MIN (64ull << 20)

struct weft__tree *weft__tree;
weft__process_id weft__me;
static weft__spin spin;

#ifdef WEFT_INVARIANTS
void (*weft__shared_point_met)(void);
#endif

/* A file longer than its limit would be SIGXFSZ, a map beyond the other one is refused. */
static uint64_t range_limit(void)
{
    uint64_t file = weft__sys_limit(RLIMIT_FSIZE), space = weft__sys_limit(RLIMIT_AS);
    uint64_t limit = file < space / 2 ? file : space / 2;
    return limit < RANGE_MAX ? limit : RANGE_MAX;
}

/* Sparse, without a name, and without a descriptor from here on: nothing is left of it after the last
 * process, however that ends, and nobody can close it. */
static void *range_map(uint64_t *size)
{
    int fd = weft__sys_memfd("weft-arena", MFD_CLOEXEC);
    if (fd < 0)
        return (void *)(intptr_t)fd;
    void *at = (void *)(intptr_t)-ENOMEM;
    for (uint64_t n = range_limit() & ~(RANGE_MIN - 1); n >= RANGE_MIN;
         n = n / 2 & ~(RANGE_MIN - 1)) {
        if (weft__sys_ftruncate(fd, (off_t)n) < 0)
            continue;
        at = weft__sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (!weft__sys_mmap_failed(at)) {
            *size = n;
            break;
        }
    }
    weft__sys_close(fd);
    return at;
}

/* A plain fork's child is none of the tree, and no thread of its parent's. */
static void forked(void)
{
    weft__tree_entered(0);
}

static int make(void)
{
    uint64_t size = 0;
    struct weft__tree *tree = range_map(&size);
    if (weft__sys_mmap_failed(tree))
        return (int)(intptr_t)tree;
    weft__sys_madvise(tree, size, MADV_DONTDUMP); /* or a core dump walks through 64 GiB of holes */
    uint32_t spans = (uint32_t)(size / WEFT__SPAN);
    size_t head = sizeof *tree + spans * sizeof tree->span[0];
    uint32_t first = (uint32_t)((head + WEFT__SPAN - 1) / WEFT__SPAN);
    if (weft__sys_populate(tree, sizeof *tree - sizeof tree->process + sizeof tree->process[0]) < 0) {
        weft__sys_munmap(tree, size);
        return -ENOMEM;
    }
    tree->spans = spans;
    tree->spans_met = tree->spans_first = first;
    tree->limit = size - (uint64_t)first * WEFT__SPAN;
    tree->epoch = 1;
    tree->processes = 1;
    tree->process[0].state = (uint64_t)1 << (WEFT__SLOT_BITS + 32) | WEFT__SLOT_ALIVE;
    weft__me = 1u << WEFT__SLOT_BITS;
    weft__sys_at_fork(NULL, NULL, forked);
    store_release(&weft__tree, tree);
    return 0;
}

int weft__tree_begin(void)
{
    if (load_acquire(&weft__tree))
        return 0;
    weft__spin_lock(&spin);
    int r = weft__tree ? 0 : make();
    weft__spin_unlock(&spin);
    return r;
}

weft__process_id weft__process_take(void)
{
    for (uint32_t i = 1; i < WEFT__PROCESSES; i++) {
        struct weft__process *process = &weft__tree->process[i];
        uint64_t state = load_acquire(&process->state);
        if ((state & 0xff) != WEFT__SLOT_FREE)
            continue;
        weft__process_id id = (weft__process_id)(state >> 32) + (1u << WEFT__SLOT_BITS);
        id = (id & ~(uint32_t)(WEFT__PROCESSES - 1)) | i;
        if (id == i) /* the generations begin anew: 0 is none of them */
            id += 1u << WEFT__SLOT_BITS;
        uint32_t by = (weft__me & (WEFT__PROCESSES - 1)) << 8;
        if (!shared_swap(&process->state, &state, (uint64_t)id << 32 | by | WEFT__SLOT_TAKEN))
            continue;
        uint32_t met = load_relaxed(&weft__tree->processes);
        while (met <= i && !shared_swap(&weft__tree->processes, &met, i + 1))
            ;
        return id;
    }
    return 0;
}

void weft__process_set(weft__process_id id, enum weft__process_phase phase)
{
    shared_store(&weft__process(id)->state, (uint64_t)id << 32 | phase);
}

/* In this order: who finds the epoch moved finds everything else done. */
void weft__process_died(weft__process_id id)
{
    weft__process_set(id, WEFT__SLOT_DEAD);
    weft__arena_sweep(id);
    shared_add(&weft__tree->epoch, 1);
    weft__sys_futex_wake_shared(&weft__tree->epoch, INT32_MAX);
}

void weft__tree_entered(weft__process_id me)
{
    weft__me = me;
    weft__thread_id_forget();
    weft__stranger_forget();
    weft__arena_forked();
}
