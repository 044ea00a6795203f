/* random.c - the simplest strategy of exploration: every choice is drawn alike. */
#include "check/check.h"

#include "base/base.h"

static uint64_t state;

static void begin(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u ^ 0xd1b54a32d192ed03u;
    if (!state)
        state = 1;
    for (int i = 0; i < 4; i++)
        weft__random(&state);
}

static uint32_t choose(uint32_t count)
{
    return count < 2 ? 0 : (uint32_t)((weft__random(&state) >> 32) * count >> 32);
}

const struct weft__chooser weft__random_chooser = { begin, choose };
