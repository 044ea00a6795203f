/* stuck.c - circles of tasks of several processes, each waiting for a lock that the next one has.
 *
 * A lock in the arena tells its owner: the thread, and the thread's task. What that one waits for is known in its own
 * process only; so who has waited long, without end, hangs a note in the tree: who it is, for what it waits,
 * and what to tell of it. From note to lock to note the way leads on, back to one's own or to who does not
 * wait: the last one in a circle to hang its note sees it. It goes the way twice, and a circle counts when
 * both times it met the same notes; for a lock names its owner only while the owner has it, and what was on its
 * way to end a wait has had the time to.
 */
#include "debug/stuck.h"

#include <string.h>

#include "base/report.h"
#include "base/sys.h"
#include "debug/deadlock.h"
#include "sync/hold.h"
#include "sync/shared.h"

enum { HUNG = 1, TURN = 2, HOPS = 16 };

struct weft__note {
    uint64_t state; /* process << 32 | turn | HUNG; a dead process's is free */
    uint32_t thread;
    uint32_t told; /* of which circle, by its notes' states */
    uint64_t task;
    const struct weft__robust *lock;
    char text[480];
};

enum { NOTES = sizeof weft__tree->notes / (sizeof(struct weft__note)) };

static struct weft__note *notes(void)
{
    return (void *)weft__tree->notes;
}

static bool is_hung(uint64_t state)
{
    return state & HUNG && !weft__process_is_dead((weft__process_id)(state >> 32));
}

static struct weft__note *take(void)
{
    for (struct weft__note *note = notes(); note < notes() + NOTES; note++) {
        uint64_t state = load_acquire(&note->state), id = state >> 32;
        if (id && !weft__process_is_dead((weft__process_id)id))
            continue;
        uint64_t turn = (uint32_t)(state + TURN) & ~(uint32_t)HUNG;
        if (shared_swap(&note->state, &state, (uint64_t)weft__me << 32 | turn))
            return note;
    }
    return NULL;
}

static void write_text(struct weft__text *text, struct weft__task *self, const char *reason,
                       const void *lock, const char *place)
{
    char words[200];
    weft__task_name_copy(self, words, sizeof words);
    weft__text_add(text, "process %d, '%s': waits for %s %p at %s", weft__sys_getpid(), words,
                   reason, lock, place ? place : "?");
    for (uint32_t i = 0; i < self->held && i < WEFT__HOLDS; i++) {
        weft__hold_tell(&self->holds[i], &(struct weft__text){ words, sizeof words, 0 });
        weft__text_add(text, "\n    holds %s", words);
    }
}

/* The note of the owner of what a note is about; NULL: it does not wait. In one order with the hanging of notes, so
 * that of two who close a circle at once one sees it. */
static struct weft__note *next_of(const struct weft__note *at, uint64_t *state)
{
    const struct weft__robust *lock = load_relaxed(&at->lock);
    uint32_t thread = load_seq_cst(&lock->word) & FUTEX_TID_MASK;
    uint64_t task = load_acquire(&lock->mine[0]);
    for (struct weft__note *note = notes(); thread && task && note < notes() + NOTES; note++) {
        *state = load_seq_cst(&note->state);
        if (is_hung(*state) && load_relaxed(&note->thread) == thread &&
            load_relaxed(&note->task) == task)
            return note;
    }
    return NULL;
}

struct way {
    struct weft__note *note[HOPS];
    uint64_t state[HOPS];
    unsigned count;
};

static bool leads_back(struct weft__note *mine, struct way *way)
{
    struct weft__note *at = mine;
    uint64_t state = load_acquire(&mine->state);
    memset(way, 0, sizeof *way);
    do {
        way->note[way->count] = at;
        way->state[way->count++] = state;
        at = next_of(at, &state);
    } while (at && at != mine && way->count < HOPS);
    return at == mine;
}

/* Two may see it at once: the first to mark the first of its notes tells. */
static bool is_ours_to_tell(const struct way *way)
{
    struct weft__note *first = way->note[0];
    uint32_t key = 1;
    for (unsigned i = 0; i < way->count; i++) {
        first = way->note[i] < first ? way->note[i] : first;
        key += (uint32_t)(way->state[i] >> 32) * 31 + (uint32_t)way->state[i];
    }
    uint32_t told = load_relaxed(&first->told);
    return told != key && shared_swap(&first->told, &told, key);
}

static void tell(const struct way *way)
{
    char text[sizeof way->note[0]->text];
    weft__report("weft: DEADLOCK: %u tasks wait in a circle, each for what the next one has\n",
                 way->count);
    for (unsigned i = 0; i < way->count; i++) {
        memcpy(text, way->note[i]->text, sizeof text);
        text[sizeof text - 1] = 0;
        weft__report("  %s\n", text);
    }
}

int weft__stuck_begin(const struct weft__robust *lock, struct weft__task *self, const char *reason,
                      const char *place, struct weft__note **hung)
{
    struct way way, again;
    struct weft__note *note = weft__me ? take() : NULL;
    if (!note)
        return 0;
    *hung = note;
    shared_store(&note->thread, weft__thread_id());
    shared_store(&note->task, (uint64_t)(uintptr_t)self);
    shared_store(&note->lock, lock);
    shared_store(&note->told, 0);
    write_text(&(struct weft__text){ note->text, sizeof note->text, 0 }, self, reason, lock, place);
    shared_or(&note->state, (uint64_t)HUNG);
    if (likely(!leads_back(note, &way) || !leads_back(note, &again)) ||
        memcmp(&way, &again, sizeof way) != 0 || !is_ours_to_tell(&way))
        return 0;
    enum weft__deadlock_policy what = weft__deadlock_policy();
    tell(&way);
    if (what == WEFT__DEADLOCK_ABORT)
        weft__bug("  WEFT_ON_DEADLOCK=abort\n");
    if (what != WEFT__DEADLOCK_FAIL || self->shield)
        return 0;
    weft__report("  one of them gets -EDEADLK (WEFT_ON_DEADLOCK=fail)\n");
    return -EDEADLK;
}

void weft__stuck_end(struct weft__note *note)
{
    shared_store(&note->state, (uint64_t)(uint32_t)load_relaxed(&note->state) & ~(uint64_t)HUNG);
}
