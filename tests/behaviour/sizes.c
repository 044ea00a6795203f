/* The size of a public object is part of the ABI: programs hold them in their own structs. What
 * grows must grow into the reserved fields. tools/check-tree asks for a line per struct. */
#include "test.h"

#include <stdio.h>
#include <weft.h>

/* clang-format off */
#define SIZE(type, bytes) { #type, sizeof(type), bytes }

static const struct {
    const char *name;
    size_t size, promised;
} sizes[] = {
    SIZE(weft_task, 8),
    SIZE(weft_time, 8),
    SIZE(weft_deadline, 8),
    SIZE(weft_ticker, 16),
    SIZE(weft_timer, 128),
    SIZE(weft_group, 128),
    SIZE(weft_local, 16),
    SIZE(weft_lock, 96),
    SIZE(weft_rlock, 96),
    SIZE(weft_rwlock, 128),
    SIZE(weft_cond, 64),
    SIZE(weft_event, 64),
    SIZE(weft_semaphore, 64),
    SIZE(weft_segment, 64),
    SIZE(weft_ring, 64),
    SIZE(struct weft_case, 160),
    SIZE(weft_barrier, 96),
    SIZE(weft_once, 96),
    SIZE(weft_queue, 128),
    SIZE(weft_pipe_end, 192),
    SIZE(weft_pipe_pair, 384),
    SIZE(weft_selector, 64),
    SIZE(weft_signal, 64),
    SIZE(weft_stream, 96),
    SIZE(weft_address, 136),
    SIZE(weft_tls, 32),
    SIZE(weft_operation, 128),
    SIZE(weft_generator, 96),
    SIZE(weft_fiber, 64),
    SIZE(weft_terminal_settings, 64),
    SIZE(weft_subprocess, 192),
    SIZE(weft_value, 24),
    SIZE(struct weft_pair, 48),
};
/* clang-format on */

TEST(public_objects_keep_their_size)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].size != sizes[i].promised)
            FAIL("%s has %zu bytes, not %zu", sizes[i].name, sizes[i].size, sizes[i].promised);
}
