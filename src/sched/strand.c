/* strand.c - see strand.h. */
#include "sched/strand.h"

struct weft__strand *weft__strand_new(struct weft__task *self, void (*main)(void *handed),
                                      void *object, bool is_generator, const char *site)
{
    struct weft__task *record = NULL;
    uint32_t slot;
    if (self->worker)
        record = weft__stack_new(self->worker, WEFT__STACK_64K);
    else if (weft__stack_take(WEFT__STACK_64K, &slot, 1) == 1)
        record = weft__task_at(slot);
    if (!record)
        return NULL;
    struct weft__hooks hooks = { 0 };
    weft__hooks_begin(&hooks, record->low, (size_t)((char *)(record + 1) - record->low), false);
    record->site = site; /* for who overflows it */
    record->name[0] = 0;
    record->kind = 0;
    struct weft__strand *strand = (struct weft__strand *)(void *)weft__stack_begin(record) - 1;
    *strand = (struct weft__strand){
        .object = object,
        .home = weft__strand_home(self),
        .is_generator = is_generator,
        .record = record,
        .hooks = hooks,
    };
    strand->sp = weft__switch_prepare((char *)((uintptr_t)strand & ~(uintptr_t)15), main);
    return strand;
}

void weft__strand_free(struct weft__task *self, struct weft__strand *strand)
{
    struct weft__task *record = strand->record;
    weft__hooks_end(&strand->hooks);
    if (self->worker)
        weft__stack_free(self->worker, record);
    else
        weft__stack_give(WEFT__STACK_64K, &record->slot, 1);
}
