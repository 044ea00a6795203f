/* generator.c - a strand that gives values to whoever enters it.
 *
 * Where no sanitizer must be told, the switch is the last thing next and yield do, a jump: see weft__jump.
 * What it hands over is an int: to the caller 1 (a value is where it wanted it) or what fn returned;
 * to the generator 1 (a value was sent), 0, or -ECANCELED.
 */
#include <errno.h>
#include <string.h>
#include <weft/generator.h>

#include "base/report.h"
#include "sched/strand.h"

enum state { ENDED, NEW, STANDING, RUNNING };

int weft_generator_init_at(weft_generator *generator, weft_fn *fn, void *arg, size_t size,
                           const char *site)
{
    if (!fn || size == 0 || size > UINT32_MAX)
        return -EINVAL;
    *generator = (weft_generator){
        ._fn = fn, ._arg = arg, ._site = site, ._size = (uint32_t)size, ._state = NEW
    };
    return 0;
}

/* The last act of a generator, on its caller's stack, below the frame that waits there. */
WEFT__UNMARKED static void bury(void *handed)
{
    struct weft__strand *strand = handed;
    void *sp = strand->only.sp, *never;
    int result = ((weft_generator *)strand->object)->_result;
    weft__strand_free(weft__current, strand);
    weft__jump(&never, sp, result);
    __builtin_unreachable();
}

static void generator_main(void *handed)
{
    struct weft__strand *strand = weft__current->strand;
    weft_generator *generator = strand->object;
    (void)handed;
    weft__strand_arrive(strand);
    int result = generator->_fn(generator->_arg);
    generator->_result = result < 0 ? result : 0;
    generator->_state = ENDED;
    weft__strand_leave(weft__current, strand, true);
    char *free = (char *)((uintptr_t)strand->only.sp & ~(uintptr_t)15);
    weft__switch(&strand->sp, weft__switch_prepare(free, bury), strand);
    __builtin_unreachable();
}

static WEFT__ALWAYS_INLINE int enter(weft_generator *generator, struct weft__task *self, int handed)
{
    struct weft__strand *strand = generator->_strand;
    generator->_state = RUNNING;
    weft__strand_enter(self, strand, &strand->only);
    int r = weft__jump(&strand->only.sp, strand->sp, handed);
    weft__hooks_arrive(&strand->only.hooks);
    return r;
}

/* 1: it can be entered. */
static int prepare(weft_generator *generator, struct weft__task *self)
{
    switch (generator->_state) {
    case ENDED: return generator->_result;
    case RUNNING: return -EBUSY;
    case STANDING:
        return generator->_strand->home == weft__strand_home(self)
                   ? 1
                   : weft__failed(-EPERM, "%s began on another thread", generator->_site);
    }
    generator->_strand = weft__strand_new(self, generator_main, generator, true, generator->_site);
    return generator->_strand ? 1 : -ENOMEM;
}

static int advance(weft_generator *generator, int handed, void *out, weft_deadline deadline)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    weft__point("generator");
    int r = prepare(generator, self);
    if (r <= 0)
        return r;
    int64_t before = self->bound, until = weft__deadline_at(deadline);
    generator->_out = out;
    self->bound = until < before ? until : before;
    r = enter(generator, self, handed);
    self->bound = before;
    return r;
}

static bool fits(const weft_generator *generator, const void *out, size_t size)
{
    return size == generator->_size || (!out && !size) || generator->_state == ENDED;
}

int weft_generator_next(weft_generator *generator, void *out, size_t size, weft_deadline deadline)
{
    struct weft__task *self = weft__current;
    if (unlikely(!self || generator->_state != STANDING || size != generator->_size ||
                 deadline.ns != INT64_MAX || generator->_strand->home != &weft__current))
        return fits(generator, out, size) ? advance(generator, 0, out, deadline) : -EINVAL;
    generator->_out = out;
    return enter(generator, self, 0);
}

int weft_generator_send(weft_generator *generator, const void *value, size_t value_size, void *out,
                        size_t size, weft_deadline deadline)
{
    struct weft__task *self = weft__self();
    if (!self)
        return -ENOMEM;
    if (!fits(generator, out, size) || generator->_state == NEW)
        return -EINVAL;
    int r = prepare(generator, self);
    if (r <= 0)
        return r;
    if (!generator->_in || generator->_in_size != value_size)
        return -EINVAL;
    memcpy(generator->_in, value, value_size);
    return advance(generator, 1, out, deadline);
}

/* The generator that the caller may yield from; NULL: none. */
static WEFT__ALWAYS_INLINE weft_generator *current(const struct weft__task *self)
{
    const struct weft__strand *strand = likely(self != NULL) ? self->strand : NULL;
    return likely(strand && strand->is_generator && weft__strand_may_leave(self, strand))
               ? strand->object
               : NULL;
}

static WEFT__ALWAYS_INLINE int stand(weft_generator *generator, struct weft__task *self)
{
    struct weft__strand *strand = generator->_strand;
    weft__point("generator yield");
    generator->_state = STANDING;
    weft__strand_leave(self, strand, false);
    int r = weft__jump(&strand->sp, strand->only.sp, 1);
    weft__strand_arrive(strand);
    return r;
}

static inline void copy(void *to, const void *from, size_t size)
{
    if (likely(size == 8))
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, size);
}

int weft_generator_exchange(const void *value, size_t size, void *in, size_t in_size)
{
    struct weft__task *self = weft__current;
    weft_generator *generator = current(self);
    if (unlikely(!generator || size != generator->_size))
        return -EINVAL;
    if (likely(generator->_out != NULL))
        copy(generator->_out, value, size);
    generator->_in = in;
    generator->_in_size = in_size;
    return stand(generator, self);
}

int weft_generator_yield(const void *value, size_t size)
{
    return weft_generator_exchange(value, size, NULL, 0);
}

int weft_generator_yield_from(weft_generator *inner)
{
    weft_generator *generator = current(weft__current);
    if (!generator || inner->_size != generator->_size)
        return -EINVAL;
    for (;;) {
        int r = advance(inner, 0, generator->_out, weft_never());
        if (r != 1)
            return r;
        generator->_in = NULL;
        r = stand(generator, weft__current);
        if (r < 0) {
            weft_generator_close(inner);
            return r;
        }
    }
}

int weft_generator_close(weft_generator *generator)
{
    if (generator->_state == NEW)
        generator->_state = ENDED;
    if (generator->_state == ENDED)
        return generator->_result;
    int r = advance(generator, -ECANCELED, NULL, weft_never());
    if (r == 1)
        return -EPROTO;
    if (generator->_state == ENDED && r == -ECANCELED)
        r = generator->_result = 0;
    return r;
}

void weft_generator_fini(weft_generator *generator)
{
    int r = weft_generator_close(generator);
    WEFT_BUG_ON(generator->_state != ENDED, "weft: generator %p (%s) cannot be ended: %s",
                (void *)generator, generator->_site, weft_strerror(r));
    *generator = (weft_generator){ 0 };
}
