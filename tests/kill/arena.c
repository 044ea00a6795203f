/* Whoever dies at any store or system call of an allocation or a free leaves nothing of its own, and the others'
 * blocks as they are. */
#include "kill.h"

static const size_t sizes[] = { 40, 16, 700, 9000, 70000, 3000, 200000, 64 };
enum { BLOCKS = sizeof sizes / sizeof *sizes };

static void fill_and_free(void)
{
    unsigned char *block[BLOCKS], mark = (unsigned char)weft__me;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((block[i] = weft__arena_take(sizes[i], WEFT__BLOCK_HELD)) != NULL);
            memset(block[i], mark + i, sizes[i]);
        }
        for (int i = 0; i < BLOCKS; i++) {
            for (size_t at = 0; at < sizes[i]; at++)
                if (block[i][at] != (unsigned char)(mark + i))
                    FAIL("byte %zu of a block of %zu is another's", at, sizes[i]);
            weft__arena_give(block[i]);
        }
    }
}

static void check(void)
{
    struct weft_arena_info info = { .size = sizeof info };
    fill_and_free();
    CHECK_OK(weft_arena_describe(&info));
    CHECK_LE(info.used, 64 << 16); /* spans of the dead are used again */
}

TEST_KILL(an_allocation_is_done_or_not)
{
    struct kill k = { t->kind, NULL, fill_and_free, fill_and_free, check };
    CHECK_GT(kill_at_each_point(&k), 100);
}
