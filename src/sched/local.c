/* local.c - task-local storage: a small list a task, since few keys are used by any one. */
#include <errno.h>
#include <weft/local.h>

#include "base/alloc.h"
#include "base/report.h"
#include "sched/task.h"

enum { KEYS = 1024 };

struct weft__local_value {
    struct weft__local_value *next;
    uint32_t key;
    void (*destroy)(void *value);
    void *value;
};

static uint32_t keys;

static struct weft__local_value *find(struct weft__task *self, uint32_t key)
{
    struct weft__local_value *at = self ? self->locals : NULL;
    while (at && at->key != key)
        at = at->next;
    return at;
}

void *weft_local_get(const weft_local *local)
{
    uint32_t key = load_relaxed(&local->key);
    struct weft__local_value *at = key ? find(weft__current, key) : NULL;
    return at ? at->value : NULL;
}

static int key_of(weft_local *local, uint32_t *out)
{
    uint32_t none = 0, key = load_relaxed(&local->key);
    if (!key) {
        key = add_relaxed(&keys, 1) + 1; /* one lost to a race is no loss */
        if (key > KEYS)
            return -ENOSPC;
        if (!swap_acq_rel(&local->key, &none, key))
            key = none;
    }
    *out = key;
    return 0;
}

int weft_local_set(weft_local *local, void *value)
{
    struct weft__task *self = weft__self();
    uint32_t key;
    if (!self)
        return -ENOMEM;
    int r = key_of(local, &key);
    if (r < 0)
        return r;
    struct weft__local_value *at = find(self, key);
    if (!at) {
        at = weft__alloc(sizeof *at, 16);
        if (!at)
            return -ENOMEM;
        *at = (struct weft__local_value){ self->locals, key, local->destroy, NULL };
        self->locals = at;
    }
    at->value = value;
    return 0;
}

/* A destructor may set values again; four rounds, as POSIX has for threads. */
void weft__locals_destroy(struct weft__task *self)
{
    for (int round = 0; self->locals; round++) {
        struct weft__local_value *at = self->locals;
        self->locals = NULL;
        while (at) {
            struct weft__local_value gone = *at;
            weft__release(at, sizeof *at);
            at = gone.next;
            if (gone.value && gone.destroy && round < 4)
                gone.destroy(gone.value);
        }
    }
}
