/* shared_queue.c - messages from process to process, the oldest first.
 *
 * A ring of slots in the arena, or in a segment. A slot's word says all about it: the lap of the ring that it is in, its
 * state, and the process that works on it. It goes
 *
 *     EMPTY -> CLAIMED -> FULL -> LEAVING -> EMPTY of the next lap
 *
 * with WEFT_ACK from FULL by way of TAKING and IN_HAND; each step by one compare-and-swap, so that a process which is killed leaves every slot in a state that
 * tells the others what to do: who comes across a CLAIMED or LEAVING one of a dead process claims it
 * himself and empties it; a TAKING or IN_HAND one is got again. Nobody waits for the dead, and nobody sees a
 * message that is not whole.
 *
 * Where the next put and get go is what the slots say; `tail` and `head` are hints, never ahead of the
 * truth: from there it is found by going on over slots that have been claimed, or emptied.
 *
 * A message that is too long for a slot lies in a block of the arena, which is filled before the slot is
 * claimed. The block is its process's (swept with it), then lent to the slot, then its getter's: its tag
 * alone says whose it is. So it is freed once, whoever dies.
 *
 * With WEFT_LIFO and WEFT_PRIORITY the slots have no laps: a slot's word says whether a message is in it, and as the
 * how manieth it came; which one is next says a heap of their numbers, under a lock. It is made anew from the
 * slots by who gets the lock of a dead owner.
 *
 * Who sleeps does so on an event count: its low bit says that somebody may sleep, and moves with each
 * wake-up. Who was woken sets the bit again as it goes, and wakes the next if there is something for it.
 * Wake-ups that died with their process are made good by the death epoch.
 */
#include <limits.h>
#include <string.h>

#include "base/report.h"
#include "shared/holder.h"
#include "shared/range.h"
#include "sync/look.h"
#include "sync/shared.h"
#include "sync/shared_queue.h"
#include "sync/sync.h"
#include "sync/watch.h"

enum state { EMPTY, CLAIMED, FULL, TAKING, IN_HAND, LEAVING, NEVER };
enum side { GET, PUT, JOIN, SIDES };
enum { ASLEEP = 1 };
enum {
    IN_SEGMENT = 1 << 30
}; /* flag: its processes are strangers, and it has no blocks of the arena */

struct slot {
    uint64_t word;
    uint64_t size;        /* of the message, and IN_BLOCK */
    uint64_t task;        /* in hand: whose; with WEFT_PRIORITY its priority */
    unsigned char data[]; /* the message, or where its block is */
};
#define IN_BLOCK (1ull << 63)
enum { SLOT = 128, SLOT_MAX = 4096, RING_ROOM = 256 /* in a segment */ };

struct ring {
    uint64_t tail __attribute__((aligned(64)));
    int64_t bytes; /* inside, about: counted anew after a death, before a put waits for it */
    uint64_t head __attribute__((aligned(64)));
    uint64_t done;  /* WEFT_ACK: all before are; a hint as well */
    uint32_t epoch; /* up to which death head has been taken back for what the dead had in hand */
    uint32_t bytes_epoch;
    struct order *order; /* NULL: fifo */
    uint32_t event[SIDES] __attribute__((aligned(64)));
    unsigned char slots[] __attribute__((aligned(64)));
};

/* Of a lifo or priority queue; changes with its gate held. */
struct order {
    struct weft__robust gate;
    uint64_t came; /* messages so far */
    uint32_t length; /* inside: numbers[0..length) are their slots, a heap; the others' are behind them */
    uint32_t numbers[];
};

/* _slots is its distance: a segment lies elsewhere in each process. */
static struct ring *ring_of(const weft_queue *q)
{
    return (void *)((uintptr_t)q + (uintptr_t)q->_slots);
}

static bool is_in_segment(const weft_queue *q)
{
    return unlikely(q->_flags & IN_SEGMENT);
}

static uint32_t me_in(const weft_queue *q)
{
    return is_in_segment(q) ? weft__stranger() : weft__me;
}

static struct slot *slot_at(const weft_queue *q, uint32_t index)
{
    return (void *)(ring_of(q)->slots + (size_t)index * q->_room);
}

static size_t room_inside(const weft_queue *q)
{
    return q->_room - sizeof(struct slot);
}

/* -- words ------------------------------------------------------------------------------------------
 * lap : 29, state : 3, process : 32 (shared/holder.h) */

enum { LAPS = (1 << 29) - 1 };

static uint64_t word_of(uint32_t lap, enum state state, uint32_t owner)
{
    return (uint64_t)lap << 35 | (uint64_t)state << 32 | owner;
}

static uint32_t lap_of(uint64_t word)
{
    return (uint32_t)(word >> 35);
}

static enum state state_of(uint64_t word)
{
    return (enum state)(word >> 32 & 7);
}

static bool is_of_dead(const weft_queue *q, uint64_t word)
{
    uint32_t owner = (uint32_t)word;
    return owner && owner != me_in(q) &&
           (is_in_segment(q) ? weft__stranger_is_dead(owner) : weft__process_is_dead(owner));
}

/* -- places: version : 8, lap : 29, index : 27. The version moves when head is taken back, so that who has
 * looked before does not move it on. */

enum { INDEX_BITS = 27, COUNT_MAX = (1 << INDEX_BITS) - 1 };

struct place {
    uint32_t lap, index;
};

static struct place place_of(uint64_t hint)
{
    return (struct place){ hint >> INDEX_BITS & LAPS, hint & COUNT_MAX };
}

static uint64_t hint_of(struct place place, uint64_t version)
{
    return version << 56 | (uint64_t)place.lap << INDEX_BITS | place.index;
}

static struct place after(const weft_queue *q, struct place place)
{
    if (++place.index == q->_count)
        return (struct place){ (place.lap + 1) & LAPS, 0 };
    return place;
}

/* How many laps is the slot ahead of the place? */
static int32_t ahead(uint64_t word, struct place place)
{
    return (int32_t)((lap_of(word) - place.lap) << 3) >> 3;
}

/* Go on from a place that the slot has been through. Its word says how far that is true: in its own lap it
 * is when its state is `from` or a later one. */
static struct place go_on(const weft_queue *q, struct place place, uint64_t word, enum state from)
{
    if (ahead(word, place) > 0)
        place.lap = (lap_of(word) - (state_of(word) < from)) & LAPS;
    return after(q, place);
}

static int64_t distance(const weft_queue *q, struct place from, struct place to)
{
    int32_t laps = (int32_t)((to.lap - from.lap) << 3) >> 3;
    return (int64_t)laps * q->_count + to.index - from.index;
}

static void hint_move(uint64_t *hint, uint64_t from, struct place to)
{
    uint64_t now = hint_of(to, from >> 56);
    if (now != from)
        shared_swap(hint, &from, now); /* else somebody knows better */
}

/* -- sleeping and waking ---------------------------------------------------------------------------- */

static void wake(uint32_t *event, int n)
{
    uint32_t seen = load_seq_cst(event);
    while (unlikely(seen & ASLEEP))
        if (shared_swap(event, &seen, (seen + 2) & ~(uint32_t)ASLEEP)) {
            weft__shared_wake(event, n);
            return;
        }
}

static void wake_all(uint32_t *event)
{
    wake(event, INT_MAX);
}

/* Room has come. With a bound of bytes the one who is woken may want more than there is. */
static void wake_putter(weft_queue *q)
{
    wake(&ring_of(q)->event[PUT], q->_limit ? INT_MAX : 1);
}

/* -- blocks ----------------------------------------------------------------------------------------- */

static void *block_in(const struct slot *slot)
{
    void *block;
    memcpy(&block, slot->data, sizeof block);
    return block;
}

static bool is_lent(const struct slot *slot)
{
    return load_relaxed(&slot->size) & IN_BLOCK &&
           weft__arena_is_lent(block_in(slot), (uintptr_t)slot);
}

bool weft__shared_queue_has(const void *block, uint64_t slot)
{
    (void)block, (void)slot;
    return true; /* who empties the slot frees it */
}

/* -- slots ------------------------------------------------------------------------------------------ */

static bool all_done(weft_queue *q);

static void bytes_take_back(weft_queue *q, size_t size)
{
    if (unlikely(q->_limit && size > 0))
        shared_add(&ring_of(q)->bytes, -(int64_t)size);
}

/* What is LEAVING by us is out. size: what it was counted for. */
static void empty(weft_queue *q, struct slot *slot, uint32_t lap, size_t size)
{
    uint64_t word = word_of(lap, LEAVING, me_in(q));
    shared_swap(&slot->word, &word, word_of((lap + 1) & LAPS, EMPTY, 0));
    bytes_take_back(q, size);
    wake_putter(q);
    if (unlikely(q->_flags & WEFT_ACK) && all_done(q)) {
        wake_all(&ring_of(q)->event[JOIN]);
        if (load_relaxed(&q->_producers) == 0)
            wake_all(&ring_of(q)->event[GET]);
    }
}

/* Take the block out of a slot that is LEAVING by us: it is this process's now. NULL: there is none. */
static void *block_take(struct slot *slot)
{
    if (!is_lent(slot))
        return NULL;
    void *block = block_in(slot);
    weft__arena_owner_set(block, WEFT__BLOCK_HELD, weft__me);
    return block;
}

static void drop(weft_queue *q, struct slot *slot, uint32_t lap, size_t size)
{
    void *block = block_take(slot);
    empty(q, slot, lap, size);
    if (block)
        weft__arena_give(block);
}

static size_t size_of(const struct slot *slot)
{
    return load_relaxed(&slot->size) & ~IN_BLOCK;
}

/* Of a dead process, CLAIMED or LEAVING: the message is lost. Its bytes are, too: see count_anew. */
static void bury(weft_queue *q, struct slot *slot, uint64_t word)
{
    if (shared_swap(&slot->word, &word, word_of(lap_of(word), LEAVING, me_in(q))))
        drop(q, slot, lap_of(word), 0);
}

/* -- the next place --------------------------------------------------------------------------------- */

/* Where the next put goes: 0; -EAGAIN: it is not EMPTY yet. */
static int find_room(weft_queue *q, struct place *place, uint64_t *word)
{
    for (;;) {
        struct slot *slot = slot_at(q, place->index);
        *word = load_acquire(&slot->word);
        int32_t laps = ahead(*word, *place);
        if (likely(laps == 0 && state_of(*word) == EMPTY))
            return 0;
        if (laps >= 0)
            *place = go_on(q, *place, *word, CLAIMED);
        else if (state_of(*word) == LEAVING && is_of_dead(q, *word))
            bury(q, slot, *word);
        else
            return -EAGAIN;
    }
}

/* WEFT_ACK: got and not done. */
static bool is_taken(uint64_t word)
{
    return state_of(word) == TAKING || state_of(word) == IN_HAND;
}

/* Where the next get goes: 0; -EAGAIN: nothing is there yet, -EPIPE: and nothing will be. */
static int find_message(weft_queue *q, struct place *place, uint64_t *word)
{
    for (;;) {
        bool closed = load_seq_cst(&q->_producers) == 0; /* before the look: see try_put */
        struct slot *slot = slot_at(q, place->index);
        *word = load_seq_cst(&slot->word);
        int32_t laps = ahead(*word, *place);
        enum state state = state_of(*word);
        if (likely(laps == 0 && (state == FULL || (is_taken(*word) && is_of_dead(q, *word)))))
            return 0;
        if (laps == 0 && state == CLAIMED && is_of_dead(q, *word))
            bury(q, slot, *word);
        else if (laps > 0 || (laps == 0 && state >= TAKING))
            *place = go_on(q, *place, *word, LEAVING);
        else
            return closed && laps == 0 && state == EMPTY ? -EPIPE : -EAGAIN;
    }
}

/* WEFT_ACK: the first place that is not done. */
static struct place find_undone(weft_queue *q, uint64_t *word)
{
    uint64_t hint = load_acquire(&ring_of(q)->done);
    struct place place = place_of(hint);
    for (;;) {
        struct slot *slot = slot_at(q, place.index);
        *word = load_seq_cst(&slot->word);
        if (ahead(*word, place) > 0)
            place = go_on(q, place, *word, NEVER);
        else if ((state_of(*word) == CLAIMED || state_of(*word) == LEAVING) && is_of_dead(q, *word))
            bury(q, slot, *word);
        else
            break;
    }
    hint_move(&ring_of(q)->done, hint, place);
    return place;
}

static bool all_done(weft_queue *q)
{
    uint64_t word;
    find_undone(q, &word);
    return state_of(word) == EMPTY;
}

static bool is_in_my_hand(const weft_queue *q, const struct slot *slot, uint64_t word)
{
    return state_of(word) == IN_HAND && (uint32_t)word == me_in(q) &&
           load_relaxed(&slot->task) == weft_task_self().id;
}

/* Every undone one is in the caller's own hand: it cannot wait for itself. */
static bool rest_is_mine(weft_queue *q)
{
    uint64_t word;
    for (struct place place = find_undone(q, &word);; place = after(q, place)) {
        struct slot *slot = slot_at(q, place.index);
        word = load_acquire(&slot->word);
        if (ahead(word, place) == 0 && state_of(word) == EMPTY)
            return true;
        if (ahead(word, place) < 0 || (ahead(word, place) == 0 && !is_in_my_hand(q, slot, word)))
            return ahead(word, place) < 0;
    }
}

static void head_back(weft_queue *q)
{
    uint64_t word, head = load_acquire(&ring_of(q)->head);
    struct place undone = find_undone(q, &word);
    while (!shared_swap(&ring_of(q)->head, &head, hint_of(undone, (head >> 56) + 1)))
        ;
}

static bool has_of_dead(weft_queue *q)
{
    uint64_t word;
    struct place place = find_undone(q, &word);
    for (; ahead(word, place) == 0 && state_of(word) != EMPTY;
         word = load_acquire(&slot_at(q, place.index)->word)) {
        if (is_taken(word) && is_of_dead(q, word))
            return true;
        place = after(q, place);
    }
    return false;
}

/* WEFT_ACK: get anew what the dead had in hand: head goes back to what is not done. After a death; in a segment,
 * where nobody tells of one, when there is nothing else to get. Did it? */
static bool take_back(weft_queue *q, bool nothing)
{
    struct ring *ring = ring_of(q);
    uint32_t epoch = weft__death_epoch();
    if (is_in_segment(q) ? !nothing || !has_of_dead(q) : likely(load_acquire(&ring->epoch) == epoch))
        return false;
    head_back(q);
    shared_store(&ring->epoch, epoch);
    return true;
}

/* -- put -------------------------------------------------------------------------------------------- */

/* What the dead had counted and not brought in, or taken and not counted. */
static void count_anew(weft_queue *q)
{
    struct ring *ring = ring_of(q);
    uint32_t epoch = weft__death_epoch();
    if (load_acquire(&ring->bytes_epoch) == epoch && !is_in_segment(q))
        return;
    int64_t before = load_acquire(&ring->bytes), bytes = 0;
    for (uint32_t i = 0; i < q->_count; i++) {
        struct slot *slot = slot_at(q, i);
        enum state state = state_of(load_acquire(&slot->word));
        if (state >= FULL && state < LEAVING)
            bytes += (int64_t)size_of(slot);
    }
    if (shared_swap(&ring->bytes, &before, bytes))
        shared_store(&ring->bytes_epoch, epoch);
}

static bool is_too_much(weft_queue *q, size_t size)
{
    int64_t bytes = load_relaxed(&ring_of(q)->bytes);
    return bytes > 0 && (uint64_t)bytes + size > q->_limit;
}

/* Alone, a message may be longer than the bound. */
static bool bytes_add(weft_queue *q, size_t size)
{
    if (is_too_much(q, size))
        count_anew(q);
    if (is_too_much(q, size))
        return false;
    shared_add(&ring_of(q)->bytes, (int64_t)size);
    return true;
}

static int block_fill(struct weft__message *m)
{
    m->block = weft__arena_take(m->size, WEFT__BLOCK_HELD);
    if (!m->block)
        return weft__failed(-ENOMEM, "a message of %zu bytes", m->size);
    memcpy(m->block, m->from, m->size);
    return 0;
}

static void slot_fill(struct slot *slot, const struct weft__message *m)
{
    if (unlikely(m->block)) {
        shared_copy(slot->data, &m->block, sizeof m->block);
        shared_store(&slot->size, m->size | IN_BLOCK);
        weft__arena_owner_set(m->block, WEFT__BLOCK_LENT, (uintptr_t)slot);
    } else {
        if (likely(m->size == 8))
            memcpy(slot->data, m->from, 8);
        else if (m->size > 0)
            shared_copy(slot->data, m->from, m->size);
        shared_store(&slot->size, m->size);
    }
}

static int try_put(weft_queue *q, struct weft__message *m)
{
    struct ring *ring = ring_of(q);
    uint64_t hint = load_acquire(&ring->tail), word;
    struct place place = place_of(hint);
    int r = unlikely(load_acquire(&q->_producers) == 0) ? -EPIPE : find_room(q, &place, &word);
    if (r == 0 && m->size > room_inside(q) && (!m->block || is_in_segment(q)))
        r = is_in_segment(q) ? -EMSGSIZE : block_fill(m);
    if (r == 0 && unlikely(q->_limit) && !bytes_add(q, m->size))
        r = -EAGAIN;
    if (unlikely(r < 0))
        return r;
    struct slot *slot = slot_at(q, place.index);
    while (!shared_swap(&slot->word, &word, word_of(place.lap, CLAIMED, me_in(q)))) {
        if ((r = find_room(q, &place, &word)) < 0) {
            bytes_take_back(q, m->size);
            return r;
        }
        slot = slot_at(q, place.index);
    }
    hint_move(&ring->tail, hint, after(q, place));
    /* Who looked after the close and found the slot EMPTY is gone; who finds it CLAIMED waits. */
    if (unlikely(load_seq_cst(&q->_producers) == 0)) {
        bury(q, slot, word_of(place.lap, CLAIMED, me_in(q)));
        bytes_take_back(q, m->size);
        wake_all(&ring->event[GET]);
        return -EPIPE;
    }
    slot_fill(slot, m);
    word = word_of(place.lap, CLAIMED, me_in(q));
    shared_swap(&slot->word, &word, word_of(place.lap, FULL, 0));
    wake(&ring->event[GET], 1);
    return 0;
}

/* -- get -------------------------------------------------------------------------------------------- */

/* The message of a FULL or IN_HAND slot, as long as its word stays. */
static int fits(const weft_queue *q, struct slot *slot, struct weft__message *m)
{
    uint64_t size = load_relaxed(&slot->size);
    m->size = size & ~IN_BLOCK;
    if (m->moves) { /* into a block of its own */
        if (!(size & IN_BLOCK) || q->_flags & WEFT_ACK) {
            if (m->block && weft__arena_room(m->block) >= m->size)
                return 0;
            if (m->block)
                weft__arena_give(m->block);
            m->block = weft__arena_take(m->size, WEFT__BLOCK_HELD);
            m->to = m->block;
            return m->block ? 0 : weft__failed(-ENOMEM, "a message of %zu bytes", m->size);
        }
        return 0;
    }
    return m->size <= m->room ? 0 : -EMSGSIZE;
}

static void copy_out(const struct slot *slot, const struct weft__message *m)
{
    const void *from = load_relaxed(&slot->size) & IN_BLOCK ? block_in(slot) : slot->data;
    if (likely(m->size == 8))
        memcpy(m->to, from, 8);
    else if (m->size > 0)
        memcpy(m->to, from, m->size);
}

/* A message in a block that is this process's. */
static void hand_out(struct weft__message *m, void *block)
{
    if (m->moves) {
        if (m->block)
            weft__arena_give(m->block);
        m->block = block;
    } else {
        memcpy(m->to, block, m->size);
        weft__arena_give(block);
    }
}

/* A slot that is ours now, LEAVING or, with WEFT_ACK, TAKING. */
static void slot_take(weft_queue *q, struct slot *slot, uint32_t lap, struct weft__message *m)
{
    if (q->_flags & WEFT_ACK) {
        uint64_t word = word_of(lap, TAKING, me_in(q));
        copy_out(slot, m);
        shared_store(&slot->task, weft_task_self().id);
        shared_swap(&slot->word, &word, word_of(lap, IN_HAND, me_in(q)));
        return;
    }
    void *block = block_take(slot);
    if (likely(!block)) {
        copy_out(slot, m);
        empty(q, slot, lap, m->size);
        return;
    }
    empty(q, slot, lap, m->size);
    hand_out(m, block);
}

/* Where the next get goes, from what head says: as find_message. */
static int find_next(weft_queue *q, uint64_t *hint, struct place *place, uint64_t *word)
{
    bool acked = q->_flags & WEFT_ACK;
    if (unlikely(acked))
        take_back(q, false);
    for (;;) {
        *hint = load_acquire(&ring_of(q)->head);
        *place = place_of(*hint);
        int r = find_message(q, place, word);
        if (likely(r == 0 || !acked))
            return r;
        if (!take_back(q, true))
            return r == -EPIPE && !rest_is_mine(q) ? -EAGAIN : r; /* perhaps it comes back */
    }
}

static int try_get(weft_queue *q, struct weft__message *m)
{
    struct ring *ring = ring_of(q);
    bool acked = q->_flags & WEFT_ACK;
    uint64_t hint, word;
    struct place place;
    int r = find_next(q, &hint, &place, &word);
    for (;;) {
        struct slot *slot = slot_at(q, place.index);
        int fit = likely(r == 0) ? fits(q, slot, m) : r;
        if (unlikely(fit < 0) && (r < 0 || load_acquire(&slot->word) == word)) /* else another's */
            return fit == -EPIPE ? 0 : fit;
        if (likely(fit == 0 && shared_swap(&slot->word, &word,
                                           word_of(place.lap, acked ? TAKING : LEAVING, me_in(q))))) {
            hint_move(&ring->head, hint, after(q, place));
            slot_take(q, slot, place.lap, m);
            return 1;
        }
        r = acked ? find_next(q, &hint, &place, &word) : find_message(q, &place, &word);
    }
}

/* -- lifo, priority --------------------------------------------------------------------------------- */

static bool is_before(const weft_queue *q, uint32_t a, uint32_t b)
{
    const struct slot *x = slot_at(q, a), *y = slot_at(q, b);
    if (q->_flags & WEFT_LIFO)
        return x->word > y->word;
    return x->task != y->task ? (int64_t)x->task < (int64_t)y->task : x->word < y->word;
}

static void exchange(struct order *o, uint32_t a, uint32_t b)
{
    uint32_t number = o->numbers[a];
    shared_store(&o->numbers[a], o->numbers[b]);
    shared_store(&o->numbers[b], number);
}

static void sift_up(const weft_queue *q, struct order *o, uint32_t at)
{
    for (; at > 0 && is_before(q, o->numbers[at], o->numbers[(at - 1) / 2]); at = (at - 1) / 2)
        exchange(o, at, (at - 1) / 2);
}

static void sift_down(const weft_queue *q, struct order *o)
{
    for (uint32_t at = 0, child; (child = 2 * at + 1) < o->length; at = child) {
        if (child + 1 < o->length && is_before(q, o->numbers[child + 1], o->numbers[child]))
            child++;
        if (!is_before(q, o->numbers[child], o->numbers[at]))
            return;
        exchange(o, at, child);
    }
}

/* Its owner died: what the slots say is true. A message whose block is not lent to it was in his hands. */
static void order_anew(weft_queue *q, struct order *o)
{
    uint32_t length = 0, free = q->_count;
    int64_t bytes = 0;
    shared_store(&o->length, 0);
    for (uint32_t i = 0; i < q->_count; i++) {
        struct slot *slot = slot_at(q, i);
        if (slot->word && slot->size & IN_BLOCK && !is_lent(slot))
            shared_store(&slot->word, 0);
        if (slot->word) {
            shared_store(&o->numbers[length], i);
            if (slot->word > o->came)
                shared_store(&o->came, slot->word);
            sift_up(q, o, length++);
            bytes += (int64_t)size_of(slot);
        } else {
            shared_store(&o->numbers[--free], i);
            if (is_lent(slot))
                weft__arena_give(block_in(slot));
        }
    }
    shared_store(&ring_of(q)->bytes, bytes);
    shared_store(&o->length, length);
}

/* For a moment; the deadline is for a holder who is stopped. */
static int gate_enter(weft_queue *q, struct order *o, weft_deadline deadline)
{
    int r = weft__shared_gate(&o->gate, deadline.ns ? deadline : weft_after(WEFT_SEC), "queue");
    if (unlikely(r == WEFT_RECOVERED))
        order_anew(q, o);
    return r < 0 ? r : 0;
}

static void gate_leave(struct order *o)
{
    weft__robust_drop(&o->gate, WEFT__ROBUST_WHOLE);
}

static int put_in_order(weft_queue *q, struct order *o, struct weft__message *m)
{
    if (load_seq_cst(&q->_producers) == 0)
        return -EPIPE;
    if (o->length == q->_count || (q->_limit && is_too_much(q, m->size)))
        return -EAGAIN;
    int r = m->size > room_inside(q) && !m->block ? block_fill(m) : 0;
    if (r < 0)
        return r;
    struct slot *slot = slot_at(q, o->numbers[o->length]);
    slot_fill(slot, m);
    shared_store(&slot->task, (uint64_t)m->priority);
    shared_store(&slot->word, o->came + 1); /* it is in */
    shared_store(&o->came, o->came + 1);
    shared_store(&o->length, o->length + 1);
    sift_up(q, o, o->length - 1);
    if (q->_limit)
        shared_add(&ring_of(q)->bytes, (int64_t)m->size);
    return 0;
}

/* 1; what is not copied yet is in *block, this process's now. */
static int get_in_order(weft_queue *q, struct order *o, struct weft__message *m, void **block)
{
    if (o->length == 0)
        return load_seq_cst(&q->_producers) == 0 ? 0 : -EAGAIN;
    struct slot *slot = slot_at(q, o->numbers[0]);
    int r = fits(q, slot, m);
    if (r < 0)
        return r;
    *block = block_take(slot);
    if (!*block)
        copy_out(slot, m);
    shared_store(&slot->word, 0); /* it is out */
    exchange(o, 0, o->length - 1);
    shared_store(&o->length, o->length - 1);
    sift_down(q, o);
    bytes_take_back(q, m->size);
    return 1;
}

static int try_in_order(weft_queue *q, struct order *o, enum side side, struct weft__message *m)
{
    void *block = NULL;
    int r = gate_enter(q, o, m->deadline);
    if (r < 0)
        return r;
    r = side == GET ? get_in_order(q, o, m, &block) : put_in_order(q, o, m);
    gate_leave(o);
    if (side == PUT && r == 0)
        wake(&ring_of(q)->event[GET], 1);
    if (side == GET && r == 1)
        wake_putter(q);
    if (block)
        hand_out(m, block);
    return r;
}

/* -- waiting ---------------------------------------------------------------------------------------- */

static int look_for_message(weft_queue *q)
{
    const struct order *o = ring_of(q)->order;
    if (unlikely(o != NULL))
        return load_acquire(&o->length) > 0 ? 1 : load_seq_cst(&q->_producers) == 0 ? 0 : -EAGAIN;
    uint64_t hint, word;
    struct place place;
    int r = find_next(q, &hint, &place, &word);
    return r == 0 ? 1 : r == -EPIPE ? 0 : r;
}

static int try_once(weft_queue *q, enum side side, struct weft__message *m)
{
    struct order *o = ring_of(q)->order;
    if (unlikely(o != NULL) && !m->looks)
        return try_in_order(q, o, side, m);
    switch (side) {
    case GET: return m->looks ? look_for_message(q) : try_get(q, m);
    case PUT: return try_put(q, m);
    default: return all_done(q) ? 0 : -EAGAIN;
    }
}

static int try(weft_queue *q, enum side side, struct weft__message *m)
{
    int r = try_once(q, side, m);
    if (r != -EAGAIN || !m || !m->left || !m->left(m->other))
        return r;
    r = try_once(q, side, m); /* the last one of whom is gone */
    return r == -EAGAIN ? -EPIPE : r;
}

static bool is_there(weft_queue *q)
{
    return look_for_message(q) != -EAGAIN;
}

static bool is_room(weft_queue *q)
{
    const struct order *o = ring_of(q)->order;
    if (unlikely(o != NULL))
        return load_acquire(&o->length) < q->_count || load_acquire(&q->_producers) == 0;
    uint64_t word;
    struct place place = place_of(load_acquire(&ring_of(q)->tail));
    return find_room(q, &place, &word) == 0 || load_acquire(&q->_producers) == 0;
}

/* -- looking on: see sync/look.h. What was learnt is for all processes. ------------------------------------- */

static bool can_go_on(weft_queue *q, unsigned side)
{
    if (unlikely(ring_of(q)->order != NULL))
        return side == GET ? is_there(q) : is_room(q);
    struct place head = place_of(load_acquire(&ring_of(q)->head)), tail;
    if (side == GET) /* one line, which the putter has to touch in any case */
        return state_of(load_acquire(&slot_at(q, head.index)->word)) == FULL ||
               load_relaxed(&q->_producers) == 0;
    tail = place_of(load_acquire(&ring_of(q)->tail));
    return distance(q, head, tail) <= (int64_t)(q->_count - (q->_count + 3) / 4) ||
           load_relaxed(&q->_producers) == 0;
}

static void look_on(weft_queue *q, enum side side, const struct weft__task *self,
                    weft_deadline deadline)
{
    uint8_t skips = load_relaxed(&q->_skips[side]);
    if (weft__rt.seeded || weft__has_work(self->worker))
        return;
    if (skips > 0) {
        store_relaxed(&q->_skips[side], (uint8_t)(skips - 1));
        return;
    }
    weft__look_learn(q, side, weft__look_on(q, side, self, deadline, can_go_on));
}

/* Who has slept goes: others may sleep still. */
static void pass_on(weft_queue *q, enum side side)
{
    uint32_t *event = &ring_of(q)->event[side];
    shared_or(event, (uint32_t)ASLEEP);
    if (side == GET ? is_there(q) : side == PUT ? is_room(q) : all_done(q))
        wake(event, 1);
}

static int sleep_till(weft_queue *q, enum side side, struct weft__message *m, weft_deadline deadline)
{
    static const char *const reasons[SIDES] = { "get", "put", "queue" };
    uint32_t *event = &ring_of(q)->event[side];
    int r;
    do {
        uint32_t epoch = weft__death_epoch(), seen = shared_or(event, (uint32_t)ASLEEP) | ASLEEP;
        if ((r = try(q, side, m)) != -EAGAIN)
            break;
        r = weft__watch_wait(event, seen, epoch, deadline, reasons[side], q);
    } while (r == 0);
    if (r == -ETIMEDOUT) {
        int last = try(q, side, m);
        r = last == -EAGAIN ? r : last;
    }
    pass_on(q, side);
    return r;
}

static int act(weft_queue *q, enum side side, struct weft__message *m, weft_deadline deadline)
{
    struct weft__task *self;
    int r = weft__wait_enter(&self);
    if (unlikely(r < 0))
        return r;
    weft__point(side == GET ? "get" : "put");
    if (side != JOIN)
        m->deadline = deadline;
    r = try(q, side, m);
    if (likely(r != -EAGAIN))
        return r;
    if (deadline.ns == 0)
        return -ETIMEDOUT;
    deadline = weft__deadline_fix(deadline);
    if (side != JOIN) {
        m->deadline = deadline;
        look_on(q, side, self, deadline);
        if ((r = try(q, side, m)) != -EAGAIN)
            return r;
    }
    return sleep_till(q, side, m, deadline);
}

/* -- the calls -------------------------------------------------------------------------------------- */

static int check(const weft_queue *q, size_t size)
{
    return q->_size && size != q->_size ? -EINVAL : 0;
}

int weft__shared_queue_put(weft_queue *q, struct weft__message *m, weft_deadline deadline)
{
    bool mine = m->block != NULL;
    int r = check(q, m->size);
    if (r == 0)
        r = act(q, PUT, m, deadline);
    if (unlikely(r < 0 && m->block && !mine))
        weft__arena_give(m->block);
    return r;
}

int weft__shared_queue_get(weft_queue *q, struct weft__message *m, weft_deadline deadline)
{
    int r = act(q, GET, m, deadline);
    if (unlikely(r != 1 && m->block)) {
        weft__arena_give(m->block);
        m->block = NULL;
    }
    return r;
}

int weft_queue_get_message(weft_queue *queue, void *out, size_t room, size_t *size,
                           weft_deadline deadline)
{
    struct weft__message message = { .to = out, .room = room };
    if (!(queue->_flags & WEFT_SHARED))
        return -EINVAL;
    int r = weft__shared_queue_get(queue, &message, deadline);
    if (r == 1 || r == -EMSGSIZE)
        *size = message.size;
    return r;
}

int weft_queue_put_block(weft_queue *queue, void *block, size_t size, weft_deadline deadline)
{
    struct weft__message message = { .block = block, .size = size };
    if (!(queue->_flags & WEFT_SHARED) || is_in_segment(queue) || !block ||
        weft__arena_room(block) < size)
        return -EINVAL;
    return weft__shared_queue_put(queue, &message, deadline);
}

int weft_queue_get_block(weft_queue *queue, void **block, size_t *size, weft_deadline deadline)
{
    struct weft__message message = { .moves = true };
    if (!(queue->_flags & WEFT_SHARED))
        return -EINVAL;
    int r = weft__shared_queue_get(queue, &message, deadline);
    if (r == 1) {
        weft__arena_owner_set(message.block, WEFT__BLOCK_KEPT, 0);
        *block = message.block;
        *size = message.size;
    }
    return r;
}

int weft_queue_limit(weft_queue *queue, uint64_t bytes)
{
    if (!(queue->_flags & WEFT_SHARED))
        return -EINVAL;
    queue->_limit = bytes;
    return 0;
}

void weft__shared_queue_close(weft_queue *q)
{
    uint32_t left = load_acquire(&q->_producers);
    while (left > 0 && !shared_swap(&q->_producers, &left, left - 1))
        ;
    if (left == 1) {
        wake_all(&ring_of(q)->event[GET]);
        wake_all(&ring_of(q)->event[PUT]);
    }
}

/* The oldest one that the calling task has in hand. */
int weft__shared_queue_done(weft_queue *q)
{
    uint64_t word;
    if (!(q->_flags & WEFT_ACK))
        return weft__failed(-EINVAL, "a shared queue without WEFT_ACK");
    for (struct place place = find_undone(q, &word);; place = after(q, place)) {
        struct slot *slot = slot_at(q, place.index);
        word = load_acquire(&slot->word);
        if (ahead(word, place) > 0)
            continue;
        if (ahead(word, place) < 0 || state_of(word) < TAKING)
            return -EINVAL;
        if (is_in_my_hand(q, slot, word)) {
            shared_swap(&slot->word, &word, word_of(place.lap, LEAVING, me_in(q)));
            drop(q, slot, place.lap, size_of(slot));
            return 0;
        }
    }
}

int weft__shared_queue_join(weft_queue *q, weft_deadline deadline)
{
    if (!(q->_flags & WEFT_ACK))
        return weft__failed(-EINVAL, "a shared queue without WEFT_ACK");
    return act(q, JOIN, NULL, deadline);
}

uint32_t weft__shared_queue_length(const weft_queue *queue)
{
    weft_queue *q = (weft_queue *)(uintptr_t)queue;
    const struct order *o = ring_of(queue)->order;
    if (o)
        return load_acquire(&o->length);
    uint64_t word;
    struct place head = place_of(load_acquire(&ring_of(q)->head)), tail = head;
    find_message(q, &head, &word);
    tail = place_of(load_acquire(&ring_of(q)->tail));
    find_room(q, &tail, &word);
    int64_t length = distance(q, head, tail);
    return length < 0 ? 0 : length > q->_count ? q->_count : (uint32_t)length;
}

bool weft__shared_queue_is_empty(const weft_queue *q)
{
    return weft__shared_queue_length(q) == 0;
}

bool weft__shared_queue_is_full(const weft_queue *q)
{
    const struct order *o = ring_of(q)->order;
    if (o)
        return load_acquire(&o->length) == q->_count;
    uint64_t word;
    struct place tail = place_of(load_acquire(&ring_of(q)->tail));
    return find_room((weft_queue *)(uintptr_t)q, &tail, &word) < 0;
}

/* -- cases of weft_select ---------------------------------------------------------------------------- */

static int get_attempt(struct weft_case *c)
{
    return weft_queue_get(c->_on, c->_value, c->_detail, weft_at_once());
}

static int put_attempt(struct weft_case *c)
{
    if (c->_at && !(((weft_queue *)c->_on)->_flags & WEFT_PRIORITY))
        return -EINVAL;
    struct weft__message message = { .from = c->_value, .size = c->_detail, .priority = c->_at };
    return weft__shared_queue_put(c->_on, &message, weft_at_once());
}

const uint32_t *weft__shared_queue_look(weft_queue *q, bool puts, size_t size, uint32_t *seen)
{
    uint32_t *event = &ring_of(q)->event[puts ? PUT : GET];
    *seen = shared_or(event, (uint32_t)ASLEEP) | ASLEEP;
    if (puts)
        return is_room(q) && !(q->_limit && is_too_much(q, size)) ? NULL : event;
    return is_there(q) ? NULL : event;
}

void weft__shared_queue_pass(weft_queue *q, bool puts)
{
    pass_on(q, puts ? PUT : GET);
}

static const uint32_t *get_look(struct weft_case *c, uint32_t *seen)
{
    return weft__shared_queue_look(c->_on, false, 0, seen);
}

static const uint32_t *put_look(struct weft_case *c, uint32_t *seen)
{
    return weft__shared_queue_look(c->_on, true, c->_detail, seen);
}

static void get_pass(struct weft_case *c)
{
    pass_on(c->_on, GET);
}

static void put_pass(struct weft_case *c)
{
    pass_on(c->_on, PUT);
}

struct weft_case weft__shared_queue_case(weft_queue *q, void *value, size_t size, bool puts)
{
    static const struct weft__case_ops ops[] = { { .name = "get",
                                                   .attempt = get_attempt,
                                                   .blocked = weft__case_blocked,
                                                   .taken = get_attempt,
                                                   .look = get_look,
                                                   .pass = get_pass },
                                                 { .name = "put",
                                                   .attempt = put_attempt,
                                                   .blocked = weft__case_blocked,
                                                   .taken = put_attempt,
                                                   .look = put_look,
                                                   .pass = put_pass } };
    return weft__case(&ops[puts], q, value, size, NULL, WEFT__WAIT_QUEUE(NULL, NULL));
}

/* -- the queue as a whole --------------------------------------------------------------------------- */

static uint32_t slot_size(uint32_t size, bool in_segment)
{
    size_t all = sizeof(struct slot) + size;
    if (size == 0 || (all > SLOT_MAX && !in_segment))
        return SLOT;
    return (uint32_t)((all + 63) / 64 * 64);
}

_Static_assert(sizeof(struct ring) <= RING_ROOM && WEFT_SEGMENT_SLOTS(3, 0) == RING_ROOM + 3 * SLOT &&
                   WEFT_SEGMENT_SLOTS(3, 40) == RING_ROOM + 3 * 64 &&
                   WEFT_SEGMENT_SLOTS(3, 41) == RING_ROOM + 3 * 128,
               "as slot_size has it");

/* Memory for the ring: the arena's, or of the segment that the queue lies in. */
static int ring_room(const weft_queue *q, void *slots, size_t bytes, struct ring **ring)
{
    *ring = slots;
    if (weft__arena_has(q, sizeof *q)) {
        if (slots)
            return weft__failed(-EINVAL, "a queue in the arena has slots of its own");
        *ring = weft__arena_take(bytes, WEFT__BLOCK_HELD);
        return *ring ? 0 : weft__failed(-ENOMEM, "a queue in the arena");
    }
    const struct weft__yard *segment = weft__range_yard(q, sizeof *q);
    if (!segment || (uintptr_t)slots % 64 || weft__range_yard(slots, bytes) != segment)
        return weft__failed(-EINVAL, "a queue with WEFT_SHARED must lie in the arena; or in a "
                                     "segment, with its slots, which are aligned to 64");
    return weft__stranger() ? 0 : weft__failed(-ENOTSUP, "a queue in a segment, without /proc");
}

int weft__shared_queue_init(weft_queue *q, void *slots, uint32_t count, uint32_t size,
                            unsigned flags)
{
    bool in_segment = !weft__arena_has(q, sizeof *q);
    uint32_t room = slot_size(size, in_segment);
    struct ring *ring = NULL;
    if (flags & ~(unsigned)(WEFT_SHARED | WEFT_LIFO | WEFT_PRIORITY | WEFT_ACK) ||
        (in_segment && room < size))
        return -EINVAL;
    bool ordered = flags & (WEFT_LIFO | WEFT_PRIORITY);
    if ((flags & WEFT_LIFO) && (flags & WEFT_PRIORITY))
        return -EINVAL;
    if (ordered && (in_segment || flags & WEFT_ACK))
        return weft__failed(-ENOTSUP, "a lifo or priority queue %s",
                            in_segment ? "in a segment" : "with WEFT_ACK");
    if (count == 0 || count > COUNT_MAX)
        return weft__failed(-EINVAL, "a queue with WEFT_SHARED is bounded");
    size_t before = (in_segment ? RING_ROOM : sizeof *ring) + (size_t)count * room;
    size_t bytes =
        before + (ordered ? sizeof *ring->order + count * sizeof ring->order->numbers[0] : 0);
    int r = ordered ? weft__robust_check() : 0;
    if (r == 0)
        r = ring_room(q, slots, bytes, &ring);
    if (r < 0)
        return r;
    memset(ring, 0, bytes);
    ring->epoch = ring->bytes_epoch = weft__death_epoch();
    if (ordered) {
        ring->order = (void *)((char *)ring + before);
        for (uint32_t i = 0; i < count; i++)
            ring->order->numbers[i] = i;
    }
    if (!in_segment)
        weft__arena_owner_set(ring, WEFT__BLOCK_KEPT, 0);
    *q = (weft_queue){
        ._flags = flags | (in_segment ? IN_SEGMENT : 0u),
        ._room = room,
        ._count = count,
        ._size = size,
        ._producers = 1,
        ._slots = (void *)((uintptr_t)ring - (uintptr_t)q),
        ._doubts = { WEFT__DOUBTS, WEFT__DOUBTS },
        ._skips = { (1u << WEFT__DOUBTS) - 1, (1u << WEFT__DOUBTS) - 1 },
    };
    return 0;
}

void weft__shared_queue_fini(weft_queue *q)
{
    for (uint32_t i = 0; i < q->_count; i++)
        if (is_lent(slot_at(q, i)))
            weft__arena_give(block_in(slot_at(q, i)));
    if (!is_in_segment(q))
        weft__arena_give(ring_of(q));
    *q = (weft_queue){ 0 };
}
