/* Values while memory runs out: an error, nothing lost but what the entry says, and the next one comes. */
#include "failing.h"

#include <stdlib.h>
#include <string.h>

#define REAL "failing calls"

static char text[2000];

static bool value_failed(int r, bool whole)
{
    CHECK(r >= 0 || (!whole && (r == -ENOMEM || r == -EBADMSG)));
    return r < 0;
}

static void a_value_there_and_back(bool whole)
{
    unsigned char bytes[3000];
    size_t size;
    weft_value got;
    weft_value value = WEFT_ARRAY(WEFT_INT(1), WEFT_TEXT(text));
    CHECK_EQ(weft_value_encode(value, bytes, sizeof bytes, &size), 0);
    if (value_failed(weft_value_decode(&got, bytes, size), whole))
        return;
    CHECK(weft_value_is(&got, value));
    weft_value_fini(&got);
}

static void values_through_a_pipe(bool whole)
{
    weft_value got, value = WEFT_ARRAY(WEFT_INT(1), WEFT_TEXT(text));
    weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
    CHECK(pipe || !whole);
    if (!pipe)
        return;
    if (!value_failed(weft_pipe_init(pipe, 0, WEFT_SHARED), whole)) {
        for (int i = 0; i < 2; i++)
            if (!value_failed(weft_pipe_send_value(&pipe->end[i], value, SOON), whole) &&
                !value_failed(weft_pipe_receive_value(&pipe->end[1 - i], &got, SOON), whole)) {
                CHECK(weft_value_is(&got, value));
                weft_value_fini(&got);
            }
        weft_pipe_fini(pipe);
    }
    weft_arena_free(pipe);
}

static void try(void (*scenario)(bool whole))
{
    size_t size;
    if (weft_value_encode(WEFT_NULL, NULL, 0, &size) == -ENOTSUP)
        SKIP("%s", weft_why());
    memset(text, 'x', sizeof text - 1);
    fail_each(scenario);
}

TEST_REAL_LONG(a_value_there_and_back_whatever_fails, REAL, 60)
{
    try(a_value_there_and_back);
}

TEST_REAL_LONG(values_through_a_pipe_whatever_fails, REAL, 60)
{
    try(values_through_a_pipe);
}
