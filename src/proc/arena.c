/* arena.c - the arena's public face. */
#include <inttypes.h>
#include <weft/arena.h>

#include "base/report.h"
#include "base/sys.h"
#include "sched/task.h"
#include "shared/arena.h"

static int begin(void)
{
    int r = weft__tree_begin();
    return r < 0 ? weft__failed(r, "arena: %s", weft_strerror(r)) : 0;
}

void *weft_arena_alloc(size_t size)
{
    if (begin() < 0)
        return NULL;
    void *block = weft__arena_take(size, WEFT__BLOCK_KEPT);
    if (!block)
        weft__failed(-ENOMEM,
                     weft__me ? "arena: no %zu bytes: %" PRIu64 " of %" PRIu64 " are in use"
                              : "arena: not in the child of a plain fork",
                     size, load_relaxed(&weft__tree->used), load_relaxed(&weft__tree->limit));
    return block;
}

void weft_arena_free(void *block)
{
    if (block)
        weft__arena_give(block);
}

bool weft_arena_holds(const void *p, size_t size)
{
    return p && weft__arena_has(p, size);
}

int weft_arena_describe(struct weft_arena_info *out)
{
    if (out->size != sizeof *out)
        return -EINVAL;
    int r = begin();
    if (r < 0)
        return r;
    const struct weft__tree *t = weft__tree;
    *out = (struct weft_arena_info){
        .size = sizeof *out,
        .used = load_relaxed(&t->used),
        .limit = load_relaxed(&t->limit),
        .range = (uint64_t)(t->spans - t->spans_first) * WEFT__SPAN,
        .huge_pages = load_relaxed(&t->huge_pages),
    };
    return 0;
}

int weft_arena_configure(const struct weft_arena_options *options)
{
    if (options->size != sizeof *options)
        return -EINVAL;
    int r = begin();
    if (r < 0)
        return r;
    struct weft__tree *t = weft__tree;
    uint64_t range = (uint64_t)(t->spans - t->spans_first) * WEFT__SPAN;
    if (options->limit)
        shared_store(&t->limit, options->limit < range ? options->limit : range);
    weft__sys_madvise(t, (size_t)t->spans * WEFT__SPAN,
                      options->huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    shared_store(&t->huge_pages, options->huge_pages);
    return 0;
}
