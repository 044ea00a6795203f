/* stack.c - slabs of stacks, what guards them, and who has none.
 *
 * A slab is one mapping: a page for its links, then up to 1,024 stacks, each with its guard page below.
 * Slot n is stack n mod 1,024 of slab n / 1,024, so an address is a look into a table that only grows;
 * a class of fewer stacks leaves numbers unused. Stacks of a slab are
 *   [0, given)     have been given out; free ones are on the list of their class
 *   [given, made)  have their guards, are on the list and untouched
 *   [made, count)  are address space only
 * The list is last in, first out, and is only added to when empty, so fresh stacks leave it in order.
 *
 * Locks: growth (held through system calls, by whoever found a list empty) before a list's.
 * Readers of the table (top, low, find) take none; each field they read only grows.
 *
 * Guards come in chunks as stacks are needed: 64 first, so that a small program starts quickly.
 * Tests: unit/os_stack.c.
 */
#include "os/stack.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include "arch/hooks.h"
#include "base/base.h"
#include "base/report.h"
#include "base/spin.h"
#include "base/sys.h"
#include "os/uapi.h"

enum {
    SLOT_BITS = 10,
    SLAB_SLOTS = 1 << SLOT_BITS,
    SLABS = 1 << 14, /* a TiB of addresses */
    FIRST_CHUNK = 64,
    CHUNK = 512,
    TRIM_CHUNK = 64, /* 1 KiB of the caller's stack */
};

static const uint32_t NONE = UINT32_MAX;

static struct slab {
    char *base;     /* of stack 0; NULL: not there yet */
    uint32_t *next; /* links of the free list */
    enum weft__stack_class class;
    unsigned shift; /* a stack is 1 << shift bytes, guard included */
    uint32_t count, given, made;
} slabs[SLABS];
static uint32_t slab_count;

static struct list {
    weft__spin spin;
    uint32_t head;
    struct slab *growing; /* under the growth lock: has address space left, or NULL */
} __attribute__((aligned(64))) lists[WEFT__STACK_CLASSES] = {
    [0 ... WEFT__STACK_CLASSES - 1] = { .head = UINT32_MAX },
};

static weft__spin growth;

static inline struct slab *slab_of(uint32_t slot)
{
    return &slabs[slot >> SLOT_BITS];
}

static inline uint32_t index_of(uint32_t slot)
{
    return slot & (SLAB_SLOTS - 1);
}

static inline size_t page_size(void)
{
    static size_t size; /* learnt once; a second learner learns the same */
    size_t known = load_relaxed(&size);
    if (unlikely(!known)) {
        known = getauxval(AT_PAGESZ);
        store_relaxed(&size, known);
    }
    return known;
}

static inline char *guard_at(const struct slab *slab, uint32_t index)
{
    return slab->base + ((size_t)index << slab->shift);
}

/* -- guards ----------------------------------------------------------------------------------- */

enum guard { GUARD_MADVISE, GUARD_POISON, GUARD_MPROTECT, GUARD_NONE, GUARDS };

static const char *const guard_names[GUARDS] = { "madvise", "poison", "mprotect", "none" };
static unsigned guard;                /* only ever moves on to the next */
static uint32_t guarded, guarded_max; /* by mprotect */

/* One advice for all ranges, in one call where the kernel lets us (6.13; before it took few
 * kinds of advice). How many ranges have it, or -errno when none. */
static int advise(const struct iovec *ranges, unsigned count, int advice)
{
    static bool alone; /* learnt once */
    unsigned done = 0;
    if (count > 1 && !load_relaxed(&alone)) {
        /* Opened anew each time: an old one would mean the parent after a fork. */
        int self = (int)WEFT__SYS2(SYS_pidfd_open, weft__sys_getpid(), 0);
        long bytes = self < 0 ? 0 : WEFT__SYS5(SYS_process_madvise, self, ranges, count, advice, 0);
        if (self >= 0)
            weft__sys_close(self);
        while (bytes > 0 && done < count && (size_t)bytes >= ranges[done].iov_len)
            bytes -= (long)ranges[done++].iov_len;
        if (self == -ENOSYS || bytes == -ENOSYS || bytes == -EINVAL || bytes == -EPERM)
            store_relaxed(&alone, true);
    }
    for (; done < count; done++) {
        int r = weft__sys_madvise(ranges[done].iov_base, ranges[done].iov_len, advice);
        if (r < 0)
            return done ? (int)done : r;
    }
    return (int)done;
}

/* Each of these guards stacks [from, from + count) of a slab, count <= CHUNK: how many, or -errno when
 * none. Under the growth lock. */
static int guard_by_madvise(const struct slab *slab, uint32_t from, uint32_t count)
{
    static struct iovec ranges[CHUNK];
    for (uint32_t i = 0; i < count; i++)
        ranges[i] = (struct iovec){ guard_at(slab, from + i), page_size() };
    return advise(ranges, count, MADV_GUARD_INSTALL);
}

/* The markers outlive the descriptor that made them. */
static int guard_by_poison(const struct slab *slab, uint32_t from, uint32_t count)
{
    int fd = (int)WEFT__SYS1(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0)
        return fd;
    struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_POISON };
    struct uffdio_register whole = {
        .range = { (uintptr_t)guard_at(slab, from), (uint64_t)count << slab->shift },
        .mode = UFFDIO_REGISTER_MODE_WP,
    };
    uint32_t done = 0;
    long r = WEFT__SYS3(SYS_ioctl, fd, UFFDIO_API, &api);
    if (r >= 0)
        r = WEFT__SYS3(SYS_ioctl, fd, UFFDIO_REGISTER, &whole);
    while (r >= 0 && done < count) {
        struct uffdio_poison page = {
            .range = { (uintptr_t)guard_at(slab, from + done), page_size() },
        };
        r = WEFT__SYS3(SYS_ioctl, fd, UFFDIO_POISON, &page);
        if (r == -EEXIST) /* by an attempt that failed half-way */
            r = 0;
        done += r >= 0;
    }
    weft__sys_close(fd);
    return done ? (int)done : (int)r;
}

static uint32_t mappings_allowed(void)
{
    char text[32];
    uint32_t value = 0;
    int fd = weft__sys_openat(AT_FDCWD, "/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = fd < 0 ? 0 : weft__sys_read(fd, text, sizeof text);
    if (fd >= 0)
        weft__sys_close(fd);
    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9' && value < 100000000; i++)
        value = 10 * value + (uint32_t)(text[i] - '0');
    return value ? value : 65530;
}

/* Two mappings for each stack; a sixteenth of what is allowed is left to the program. */
static int guard_by_mprotect(const struct slab *slab, uint32_t from, uint32_t count)
{
    static bool told;
    int r = -ENOMEM;
    uint32_t done = 0;
    if (!guarded_max)
        guarded_max = mappings_allowed() / 32 * 15;
    for (; done < count && guarded < guarded_max; done++, guarded++)
        if ((r = weft__sys_mprotect(guard_at(slab, from + done), page_size(), PROT_NONE)) < 0)
            break;
    if (done)
        return (int)done;
    if (!told) {
        told = true;
        weft__report("weft: no more stacks: the guards of %u, by mprotect, are all that "
                     "vm.max_map_count allows (Linux 6.13 needs no mappings for them)",
                     guarded);
    }
    return r;
}

static bool is_passing(int error)
{
    return error == -ENOMEM || error == -EAGAIN || error == -EINTR || error == -EMFILE ||
           error == -ENFILE;
}

/* Does a guard guard? What a call answered is no proof (qemu-user takes the advice and does nothing): the
 * kernel is sent there to write, by a call without a descriptor that valgrind does not look into. 1 yes,
 * 0 no, -ENOMEM not known yet. */
static int guard_holds(const struct slab *slab, uint32_t index)
{
    long r = WEFT__SYS3(SYS_getrandom, guard_at(slab, index), 1, GRND_NONBLOCK);
    return r == -EFAULT ? 1 : is_passing((int)r) ? -ENOMEM : 0;
}

/* By the best there is. */
static int guards_install(const struct slab *slab, uint32_t from, uint32_t count)
{
    static int (*const by[])(const struct slab *, uint32_t, uint32_t) = {
        [GUARD_MADVISE] = guard_by_madvise,
        [GUARD_POISON] = guard_by_poison,
        [GUARD_MPROTECT] = guard_by_mprotect,
    };
    for (; guard < GUARD_NONE; store_relaxed(&guard, guard + 1)) {
        int r = by[guard](slab, from, count);
        if (r > 0) {
            int holds = guard_holds(slab, from);
            if (holds)
                return holds < 0 ? holds : r;
            if (guard == GUARD_MPROTECT)
                weft__report("weft: stacks have no guard pages here: an overflow goes unseen");
        } else if (guard == GUARD_MPROTECT || is_passing(r)) {
            return -ENOMEM;
        }
    }
    return (int)count;
}

static unsigned guard_chosen(void)
{
    const char *name = weft__sys_env("WEFT_GUARD");
    for (unsigned i = 0; name && i < GUARDS; i++)
        for (size_t k = 0; name[k] == guard_names[i][k]; k++)
            if (!name[k])
                return i;
    return GUARD_MADVISE;
}

const char *weft__stack_guard(void)
{
    return guard_names[load_relaxed(&guard)];
}

/* -- growth ----------------------------------------------------------------------------------- */

/* Under the growth lock. */
static struct slab *slab_add(enum weft__stack_class class)
{
    if (slab_count == SLABS)
        return NULL;
    size_t page = page_size(), stack = class == WEFT__STACK_64K ? 64 << 10 : 256 << 10;
    uint32_t count = class == WEFT__STACK_64K ? SLAB_SLOTS : SLAB_SLOTS / 4;
    if (stack < 2 * page)
        stack = 2 * page;
    size_t links = (count * sizeof(uint32_t) + page - 1) & ~(page - 1), size = links + count * stack;

    /* Not readable at first: under mlockall(MCL_FUTURE) 64 MiB would be filled before we can say no. */
    char *map = weft__sys_mmap(NULL, size, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (weft__sys_mmap_failed(map))
        return NULL;
    WEFT__SYS2(SYS_munlock, map, size);
    if (weft__sys_mprotect(map, size, PROT_READ | PROT_WRITE) < 0) {
        weft__sys_munmap(map, size);
        return NULL;
    }
    /* Both are allowed to fail: a kernel without huge pages, or without names. */
    weft__sys_madvise(map, size, MADV_NOHUGEPAGE);
    WEFT__SYS5(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, map, size, "weft stacks");

    struct slab *slab = &slabs[slab_count];
    slab->class = class;
    slab->shift = (unsigned)__builtin_ctzl(stack);
    slab->count = count;
    slab->next = (uint32_t *)(void *)map;
    slab->next[0] = NONE; /* a mapping that nobody wrote to loses poison at a fork */
    store_release(&slab->base, map + links);
    store_release(&slab_count, slab_count + 1);
    return slab;
}

/* [from, to) become free. */
static void list_add_fresh(struct list *list, struct slab *slab, uint32_t from, uint32_t to)
{
    uint32_t first = (uint32_t)(slab - slabs) << SLOT_BITS;
    weft__spin_lock(&list->spin);
    for (uint32_t i = to; i-- > from; list->head = first + i)
        slab->next[i] = list->head;
    weft__spin_unlock(&list->spin);
}

/* LeakSanitizer reads what is mapped readable: it would die of a guard that is no mapping of its own.
 * It reads /proc/self/maps again for every region, so where guards do no harm there is one a chunk. */
static void tell_leak_checker(const struct slab *slab, uint32_t from, uint32_t to)
{
#if defined(WEFT_ASAN)
    extern void __lsan_register_root_region(const void *begin, size_t size);
    if (guard == GUARD_MPROTECT || guard == GUARD_NONE)
        __lsan_register_root_region(guard_at(slab, from), (size_t)(to - from) << slab->shift);
    else
        for (uint32_t i = from; i < to; i++)
            __lsan_register_root_region(guard_at(slab, i) + page_size(),
                                        ((size_t)1 << slab->shift) - page_size());
#else
    (void)slab, (void)from, (void)to;
#endif
}

static int grow_locked(struct list *list, enum weft__stack_class class)
{
    weft__spin_lock(&list->spin);
    bool empty = list->head == NONE;
    weft__spin_unlock(&list->spin);
    if (!empty) /* somebody was faster */
        return 0;
    if (slab_count == 0)
        store_relaxed(&guard, guard_chosen());
    struct slab *slab = list->growing;
    if (!slab)
        slab = list->growing = slab_add(class);
    if (!slab)
        return -ENOMEM;
    uint32_t from = slab->made, most = from ? CHUNK : FIRST_CHUNK, left = slab->count - from;
    int n = guards_install(slab, from, left < most ? left : most);
    if (n < 0)
        return n;
    uint32_t to = from + (uint32_t)n;
    tell_leak_checker(slab, from, to);
    for (uint32_t i = from; i < to; i++)
        weft__hooks_stack(guard_at(slab, i) + page_size(), guard_at(slab, i + 1));
    slab->made = to;
    if (to == slab->count)
        list->growing = NULL;
    list_add_fresh(list, slab, from, to);
    return 0;
}

static cold int grow(struct list *list, enum weft__stack_class class)
{
    weft__spin_lock(&growth);
    int r = grow_locked(list, class);
    weft__spin_unlock(&growth);
    return r;
}

/* -- take and give ---------------------------------------------------------------------------- */

int weft__stack_take(enum weft__stack_class class, uint32_t *slots, unsigned count)
{
    struct list *list = &lists[class];
    for (;;) {
        unsigned n = 0;
        weft__spin_lock(&list->spin);
        for (; n < count && list->head != NONE; n++) {
            uint32_t slot = list->head, index = index_of(slot);
            struct slab *slab = slab_of(slot);
            list->head = slab->next[index];
            if (index >= slab->given)
                store_release(&slab->given, index + 1);
            slots[n] = slot;
        }
        weft__spin_unlock(&list->spin);
        if (n)
            return (int)n;
        int r = grow(list, class);
        if (r < 0)
            return r;
    }
}

void weft__stack_give(enum weft__stack_class class, const uint32_t *slots, unsigned count)
{
    struct list *list = &lists[class];
    weft__spin_lock(&list->spin);
    for (unsigned i = 0; i < count; i++) {
        slab_of(slots[i])->next[index_of(slots[i])] = list->head;
        list->head = slots[i];
    }
    weft__spin_unlock(&list->spin);
}

void weft__stack_trim(const uint32_t *slots, unsigned count)
{
    struct iovec ranges[TRIM_CHUNK];
    size_t page = page_size();
    for (unsigned done = 0, n; done < count; done += n) {
        for (n = 0; n < TRIM_CHUNK && done + n < count; n++) {
            size_t size = page;
            char *low = weft__stack_low(slots[done + n], &size);
            ranges[n] = (struct iovec){ low, size - page };
        }
        for (unsigned at = 0; at < n;) {
            int r = advise(ranges + at, n - at, MADV_DONTNEED);
            at += r > 0 ? (unsigned)r : 1; /* locked in memory: stays */
        }
    }
}

/* -- looking ---------------------------------------------------------------------------------- */

char *weft__stack_top(uint32_t slot)
{
    uint32_t index = index_of(slot);
    if (slot >> SLOT_BITS >= SLABS)
        return NULL;
    const struct slab *slab = slab_of(slot);
    if (!load_acquire(&slab->base) || index >= load_acquire(&slab->given))
        return NULL;
    return guard_at(slab, index + 1);
}

char *weft__stack_low(uint32_t slot, size_t *size)
{
    char *top = weft__stack_top(slot);
    if (!top)
        return NULL;
    *size = ((size_t)1 << slab_of(slot)->shift) - page_size();
    return top - *size;
}

bool weft__stack_find(const void *address, uint32_t *slot, bool *is_guard)
{
    uint32_t count = load_acquire(&slab_count);
    for (uint32_t i = 0; i < count; i++) {
        const struct slab *slab = &slabs[i];
        size_t offset = (uintptr_t)address - (uintptr_t)slab->base;
        if (offset >= (size_t)slab->count << slab->shift)
            continue;
        *slot = i << SLOT_BITS | (uint32_t)(offset >> slab->shift);
        *is_guard = (offset & (((size_t)1 << slab->shift) - 1)) < page_size();
        return true;
    }
    return false;
}

uint32_t weft__stack_slots(void)
{
    return load_acquire(&slab_count) << SLOT_BITS;
}

/* Lists and locks may be in any state; what a slab says of itself only grows. */
void weft__stack_forked(void)
{
    growth = (weft__spin){ 0 };
    for (int kind = 0; kind < WEFT__STACK_CLASSES; kind++) {
        lists[kind].spin = (weft__spin){ 0 };
        lists[kind].head = NONE;
        lists[kind].growing = NULL;
    }
    for (uint32_t i = 0; i < slab_count; i++) {
        struct slab *slab = &slabs[i];
        struct list *list = &lists[slab->class];
        list_add_fresh(list, slab, slab->given, slab->made);
        if (slab->made < slab->count)
            list->growing = slab;
    }
}
