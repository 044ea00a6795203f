/* deadlock.c - circles of waiting tasks.
 *
 * Who waits without end for a lock, a task or a group has named whom it waits for (sched/wait.h), so
 * each waiting task has at most one way on, and who closes a circle comes back to itself. Only from a
 * writer several ways lead on, to each of those who read; of these the ones count that wait too. The walk
 * reads records of tasks only, which are type-stable, never the objects, which are the caller's. What
 * it reads may be stale; so it goes twice, and a circle counts when both walks met the same tasks in
 * the same turns of waiting: then all of them waited at once between the two.
 *
 * Waits with a deadline end by themselves: they are no part of a circle.
 */
#include "debug/deadlock.h"

#include <string.h>

#include "base/report.h"
#include "base/sys.h"
#include "debug/dump.h"
#include "sched/wait.h"
#include "sync/hold.h"

enum { HOPS = 10000, SHOWN = 8, REMEMBERED = 16, STEPS = 1000000, FORKS = 8 };

static weft__spin speaking;           /* one report at a time; guards what follows */
static struct weft__task *told_about; /* of the latest circle, and its turn then */
static uint64_t told_turn;

enum weft__deadlock_policy weft__deadlock_policy(void)
{
    const char *word = weft__sys_env("WEFT_ON_DEADLOCK");
    return !word                        ? WEFT__DEADLOCK_REPORT
           : strcmp(word, "fail") == 0  ? WEFT__DEADLOCK_FAIL
           : strcmp(word, "abort") == 0 ? WEFT__DEADLOCK_ABORT
                                        : WEFT__DEADLOCK_REPORT;
}

static bool waits(const struct weft__task *task, uint64_t *turn)
{
    *turn = load_acquire(&task->wait);
    return weft__wait_is_open(*turn);
}

static bool is_one(const struct weft__task *blocker)
{
    return blocker && blocker != WEFT__ITS_TASKS && blocker != WEFT__ITS_READERS;
}

/* Who must do something before the task goes on: past those who wait ahead of it for the same thing, or
 * have given up and not left yet. But a reader waits for the writer ahead, not for others who read. */
static struct weft__task *ahead(const struct weft__task *task)
{
    const void *object = load_relaxed(&task->object);
    struct weft__task *named = load_relaxed(&task->blocker), *next = named;
    for (int i = 0; i < HOPS && is_one(next); i++) {
        struct weft__task *blocker = load_relaxed(&next->blocker);
        enum weft__wait_state state = load_acquire(&next->wait) & 7;
        if (load_relaxed(&next->object) != object || !blocker || state == WEFT__WOKEN)
            break;
        next = blocker;
    }
    if (next == WEFT__ITS_READERS && load_relaxed(&task->reads))
        return is_one(named) ? named : NULL;
    return next;
}

/* Is the task of this group, or of one that a task of it waits for, and so on? */
static bool is_within(const struct weft__task *task, const void *group)
{
    uint64_t turn;
    for (int i = 0; i < HOPS && task; i++) {
        weft_group *own = load_relaxed(&task->base.group);
        if (!own || own == group || weft__group_is_background(own))
            return own && own == group;
        task = own->_owner; /* its wait is what ends the group: until then it exists */
        if (!task || !waits(task, &turn) || load_relaxed(&task->object) != own ||
            load_relaxed(&task->blocker) != WEFT__ITS_TASKS || !load_relaxed(&task->endless))
            return false;
    }
    return false;
}

static uint64_t mix(const struct weft__task *task, uint64_t turn)
{
    uint64_t x = ((uint64_t)(uintptr_t)task ^ turn << 17) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

/* A cancel is on its way to it, or is being delivered: it may end the wait. */
static bool is_called_off(const struct weft__task *task, uint64_t turn)
{
    return load_acquire(&task->cancel_queued) ||
           ((turn & 7) == WEFT__WAITING && load_acquire(&task->life) & WEFT__LIFE_CANCELLED);
}

static bool has_to_read(const struct weft__task *task, const void *rwlock)
{
    uint32_t n = load_relaxed(&task->held);
    for (uint32_t i = 0; i < n && i < WEFT__HOLDS; i++)
        if (load_relaxed(&task->holds[i].what) == ((uintptr_t)rwlock | WEFT__HOLDS_READ))
            return true;
    return false;
}

struct tasks {
    struct weft__task *first[SHOWN];
    unsigned count;
};

static void add(struct tasks *tasks, struct weft__task *task)
{
    if (tasks->count < SHOWN)
        tasks->first[tasks->count] = task;
    tasks->count++;
}

static unsigned shown(const struct tasks *tasks)
{
    return tasks->count < SHOWN ? tasks->count : SHOWN;
}

struct walk {
    struct weft__task *self;
    struct tasks way; /* from self on */
    unsigned hops, forks;
};

static uint64_t through_readers(struct walk *walk, const void *rwlock, uint64_t met);

/* From task on, does the way lead back to self? What it met, whatever the order; 0: it does not. */
static uint64_t leads_back(struct walk *walk, struct weft__task *task, uint64_t met)
{
    uint64_t turn;
    while (task && task != walk->self && walk->hops++ < HOPS && waits(task, &turn) &&
           load_acquire(&task->endless) && !is_called_off(task, turn)) {
        struct weft__task *next = ahead(task);
        const void *object = load_relaxed(&task->object);
        if (next == WEFT__ITS_TASKS)
            next = is_within(walk->self, object) ? walk->self : NULL;
        if (load_acquire(&task->wait) != turn)
            return 0;
        met ^= mix(task, turn);
        add(&walk->way, task);
        if (next == WEFT__ITS_READERS)
            return through_readers(walk, object, met);
        task = next;
    }
    return task == walk->self ? met | 1 : 0;
}

static uint64_t through_readers(struct walk *walk, const void *rwlock, uint64_t met)
{
    unsigned begun = walk->way.count;
    uint64_t back = has_to_read(walk->self, rwlock) ? met | 1 : 0;
    struct weft__task *task = walk->forks++ < FORKS ? load_acquire(&weft__stuck_readers) : NULL;
    for (; task && !back && walk->hops++ < HOPS; task = load_acquire(&task->reader_next)) {
        walk->way.count = begun;
        if (task != walk->self && has_to_read(task, rwlock))
            back = leads_back(walk, task, met);
    }
    walk->forks--;
    return back;
}

/* From owner on. Self is queued already: it may have been handed what it waits for, and the last owner wait
 * for it by now. */
static uint64_t circle(struct walk *walk, struct weft__task *self, struct weft__task *owner,
                       uint64_t turn)
{
    *walk = (struct walk){ .self = self };
    add(&walk->way, self);
    uint64_t met = owner == WEFT__ITS_READERS
                       ? through_readers(walk, load_relaxed(&self->object), mix(self, turn))
                       : leads_back(walk, owner, mix(self, turn));
    return load_acquire(&self->wait) == turn ? met : 0;
}

/* -- what is said, and done ----------------------------------------------------------------------- */

/* still: nothing moves, so a select's frame can be read. */
static void tell_task(struct weft__task *task, bool still)
{
    const struct weft__queued *queued = still ? task->queued : NULL;
    char text[512];
    weft__describe(task, false, text, sizeof text);
    weft__report("  %s\n", text);
    if (queued && queued->tell) {
        struct weft__text cases = { text, sizeof text, 0 };
        queued->tell(queued, &cases);
        weft__report("    for any of: %s\n", text);
    }
    uint32_t n = load_relaxed(&task->held);
    for (uint32_t i = 0; i < n && i < WEFT__HOLDS; i++) {
        weft__hold_tell(&task->holds[i], &(struct weft__text){ text, sizeof text, 0 });
        weft__report("    holds %s\n", text);
    }
}

static void tell(const struct tasks *tasks, bool still)
{
    for (unsigned i = 0; i < shown(tasks); i++)
        tell_task(tasks->first[i], still);
    if (shown(tasks) < tasks->count)
        weft__report("  and %u more\n", tasks->count - shown(tasks));
}

struct ring {
    const struct tasks *members;
    unsigned steps, behind;
    struct weft__text names; /* of those behind */
};

/* Who is in the circle, or waits for what a member waits for. */
static bool belongs(const struct tasks *members, const struct weft__task *task, bool *member)
{
    bool same = false;
    *member = false;
    for (unsigned i = 0; i < shown(members); i++) {
        *member |= task == members->first[i];
        same |= load_relaxed(&task->object) == load_relaxed(&members->first[i]->object);
    }
    return same || *member;
}

static void count_behind(struct weft__task *task, void *ctx)
{
    struct ring *ring = ctx;
    bool member;
    uint64_t turn;
    struct weft__task *at = task;
    while (is_one(at) && waits(at, &turn) && ring->steps++ < STEPS) {
        if (!belongs(ring->members, at, &member)) {
            at = ahead(at);
            continue;
        }
        if (member && at == task)
            return;
        char name[64];
        weft__task_name_copy(task, name, sizeof name);
        if (ring->behind++ < SHOWN)
            weft__text_add(&ring->names, "%s'%s'", ring->names.size ? ", " : "", name);
        return;
    }
}

static void tell_behind(struct ring *ring)
{
    char names[SHOWN * 68];
    ring->names = (struct weft__text){ names, sizeof names, 0 };
    weft__task_each(count_behind, ring);
    if (ring->behind)
        weft__report("  stuck behind them: %u: %s%s\n", ring->behind, names,
                     ring->behind > SHOWN ? ", ..." : "");
}

/* End the wait of the first that may be refused; rather not of a group's waiter. */
static bool refuse_one(struct weft__task *const *tasks, unsigned count)
{
    for (unsigned i = 0; i < 2 * count; i++) {
        struct weft__task *task = tasks[i % count];
        uint64_t turn = load_acquire(&task->wait);
        bool group = load_relaxed(&task->blocker) == WEFT__ITS_TASKS;
        if ((turn & 7) != WEFT__WAITING || (group && i < count) ||
            !weft__claim(task, turn, WEFT__DEADLOCKED))
            continue;
        weft__ready(task); /* the caller too: its wait will find that it is over */
        weft__report("  one of them gets -EDEADLK (WEFT_ON_DEADLOCK=fail)\n");
        return true;
    }
    return false;
}

static bool is_news(uint64_t key)
{
    static uint64_t told[REMEMBERED];
    static unsigned next;
    for (unsigned i = 0; i < REMEMBERED; i++)
        if (told[i] == key)
            return false;
    told[next++ % REMEMBERED] = key;
    return true;
}

/* The caller's own wait. Looked at after the walk, too: who cancels it and then waits for it is met there. */
static bool is_mine_called_off(const struct weft__task *self, uint64_t turn)
{
    return (turn & 7) == WEFT__WAITING && weft__is_cancelled(self);
}

static void found(struct weft__task *self, struct weft__task *owner, uint64_t turn, uint64_t met)
{
    struct walk walk;
    const struct tasks *members = &walk.way;
    struct weft__task *now = ahead(self);
    if (now != WEFT__ITS_TASKS) /* the owner that the call met may have left, and wait for it by now */
        owner = now;
    weft__spin_lock(&speaking);
    if (circle(&walk, self, owner, turn) == met && !is_mine_called_off(self, turn) && is_news(met)) {
        struct ring ring = { .members = members };
        enum weft__deadlock_policy what = weft__deadlock_policy();
        bool refusable = false;
        for (unsigned i = 0; i < shown(members); i++)
            refusable |= (load_relaxed(&members->first[i]->wait) & 7) == WEFT__WAITING;
        told_about = self;
        told_turn = turn;
        weft__report("weft: DEADLOCK: %u tasks wait in a circle, each for what the next one has\n",
                     members->count);
        tell(members, false);
        tell_behind(&ring);
        if (what == WEFT__DEADLOCK_ABORT || !refusable)
            weft__bug("  %s\n", what == WEFT__DEADLOCK_ABORT ? "WEFT_ON_DEADLOCK=abort"
                                                             : "no call in it can fail");
        if (what == WEFT__DEADLOCK_FAIL)
            refuse_one(members->first, shown(members));
    }
    weft__spin_unlock(&speaking);
}

/* A child that waits, perhaps through others, for the waiter of its group. */
static struct weft__task *child_that_waits_for(struct weft__task *self, uint64_t turn)
{
    weft_group *group = (weft_group *)(uintptr_t)load_relaxed(&self->object);
    struct weft__task *child = NULL;
    unsigned looked = 0;
    struct walk walk;
    if (load_relaxed(&group->_cancelled)) /* so are they all */
        return NULL;
    weft__word_lock(&group->_spin);
    for (struct weft__member *m = group->_children; m && !child && looked++ < HOPS; m = m->next)
        if (m->task != self && circle(&walk, self, m->task, turn))
            child = m->task;
    weft__word_unlock(&group->_spin);
    return child;
}

void weft__deadlock_look(struct weft__task *self, struct weft__task *owner)
{
    uint64_t turn, met;
    struct walk walk;
    if (!waits(self, &turn) || is_mine_called_off(self, turn))
        return;
    if (owner == WEFT__ITS_TASKS && !(owner = child_that_waits_for(self, turn)))
        return;
    if (unlikely((met = circle(&walk, self, owner, turn)) != 0))
        found(self, owner, turn, met);
}

/* -- everything waits ------------------------------------------------------------------------------ */

struct all {
    uint64_t key;
    struct tasks waiters;
    struct weft__task *refusable;
};

static void look_at(struct weft__task *task, void *ctx)
{
    struct all *all = ctx;
    uint64_t turn;
    if (!waits(task, &turn))
        return;
    all->key ^= mix(task, turn);
    add(&all->waiters, task);
    bool group = load_relaxed(&task->blocker) == WEFT__ITS_TASKS;
    if ((turn & 7) == WEFT__WAITING && (!all->refusable || !group))
        all->refusable = task;
}

/* Somebody may have been refused, and woken, since the caller looked. */
bool weft__deadlock_of_all(const struct weft__worker *mine)
{
    struct all all = { .key = 0 };
    uint64_t turn;
    bool acted = false;
    weft__spin_lock(&speaking);
    if (weft__rt.seeded || weft__all_sleep(mine))
        weft__task_each(look_at, &all);
    bool known = told_about && waits(told_about, &turn) && turn == told_turn;
    if (all.waiters.count && !known && is_news(all.key)) {
        enum weft__deadlock_policy what = weft__deadlock_policy();
        weft__report("weft: DEADLOCK: everything waits, and nothing can wake it: %u tasks\n",
                     all.waiters.count);
        tell(&all.waiters, true);
        if (what == WEFT__DEADLOCK_ABORT)
            weft__bug("  WEFT_ON_DEADLOCK=abort\n");
        acted = what == WEFT__DEADLOCK_FAIL && all.refusable && refuse_one(&all.refusable, 1);
    }
    weft__spin_unlock(&speaking);
    return acted;
}
