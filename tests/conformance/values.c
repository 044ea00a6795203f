/* Typed values: what goes in comes out, between tasks of every kind; what is no value harms nobody. */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

#define ENCODES()                                                      \
    do {                                                               \
        size_t size_;                                                  \
        if (weft_value_encode(WEFT_NULL, NULL, 0, &size_) == -ENOTSUP) \
            SKIP("%s", weft_why());                                    \
    } while (0)

static void check_text(weft_value value, const char *text)
{
    char out[500];
    CHECK_EQ(weft_value_format(&value, out, sizeof out), strlen(text));
    CHECK_STR(out, text);
}

static weft_value encoded_and_decoded(weft_value value)
{
    static unsigned char bytes[1 << 20];
    size_t size, again;
    weft_value out;
    CHECK_EQ(weft_value_encode(value, bytes, sizeof bytes, &size), 0);
    CHECK_EQ(weft_value_encode(value, NULL, 0, &again), -EMSGSIZE);
    CHECK_EQ(again, size);
    CHECK_EQ(weft_value_decode(&out, bytes, size), 0);
    return out;
}

static void check_comes_back(weft_value value)
{
    weft_value out = encoded_and_decoded(value);
    CHECK(weft_value_is(&out, value));
    CHECK(weft_value_is(&value, out));
    weft_value_fini(&out);
    CHECK(weft_value_is(&out, WEFT_NULL));
    weft_value_fini(&out);
}

TEST(values_of_all_types_come_back)
{
    ENCODES();
    static const int64_t numbers[] = { 0,         1,          -1,        127,      128,
                                       -32,       -33,        255,       256,      -128,
                                       -129,      32767,      -32768,    65536,    2147483647,
                                       INT32_MIN, 4294967296, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        check_comes_back(WEFT_INT(numbers[i]));
    check_comes_back(WEFT_UNSIGNED(UINT64_MAX));
    check_comes_back(WEFT_UNSIGNED(7));
    check_comes_back(WEFT_FLOAT(0.25));
    check_comes_back(WEFT_FLOAT(-INFINITY));
    check_comes_back(WEFT_NULL);
    check_comes_back(WEFT_BOOL(true));
    check_comes_back(WEFT_BOOL(false));
    check_comes_back(WEFT_TEXT(""));
    check_comes_back(WEFT_TEXT("儿子你好!"));
    check_comes_back(WEFT_TEXT(NULL));
    check_comes_back(WEFT_BYTES("a\0b", 3));
    check_comes_back(WEFT_BYTES(NULL, 0));
    check_comes_back((weft_value){ .type = WEFT_IS_ARRAY });
    check_comes_back((weft_value){ .type = WEFT_IS_MAP });
    check_comes_back(WEFT_ARRAY(WEFT_INT(12), WEFT_MAP({ WEFT_TEXT("name"), WEFT_TEXT("yuan") }),
                                WEFT_TEXT("hello")));
    check_comes_back(WEFT_MAP({ WEFT_INT(1), WEFT_TEXT("1") }, { WEFT_TEXT("2"), WEFT_INT(2) },
                              { WEFT_FLOAT(0.25), WEFT_NULL }));
}

TEST(runs_and_arrays_of_every_length_come_back)
{
    ENCODES();
    static char text[70001];
    static weft_value items[70000];
    static const size_t lengths[] = { 0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000 };
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < 70000; i++)
        items[i] = WEFT_INT((int64_t)i);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n = lengths[i];
        check_comes_back(WEFT_TEXT(text + 70000 - n));
        check_comes_back(WEFT_BYTES(text, n));
        check_comes_back((weft_value){ .type = WEFT_IS_ARRAY, .length = n, .items = items });
        check_comes_back((weft_value){
            .type = WEFT_IS_MAP, .length = n / 2, .pairs = (struct weft_pair *)items });
    }
}

TEST(a_value_is_read_as_what_it_should_be)
{
    weft_value list = WEFT_ARRAY(WEFT_INT(7), WEFT_TEXT("seven"), WEFT_FLOAT(7.5), WEFT_BOOL(true),
                                 WEFT_UNSIGNED(1ull << 63));
    CHECK_EQ(weft_value_int(weft_value_at(&list, 0), -1), 7);
    CHECK_EQ(weft_value_int(weft_value_at(&list, 1), -1), -1);
    CHECK_EQ(weft_value_int(weft_value_at(&list, 2), -1), -1);
    CHECK_EQ(weft_value_int(weft_value_at(&list, 4), -1), -1);
    CHECK(weft_value_float(weft_value_at(&list, 0), 0) == 7);
    CHECK(weft_value_float(weft_value_at(&list, 2), 0) == 7.5);
    CHECK(weft_value_float(weft_value_at(&list, 4), 0) == 0x1p63);
    CHECK(weft_value_float(weft_value_at(&list, 1), -1) == -1);
    CHECK_STR(weft_value_text(weft_value_at(&list, 1), "?"), "seven");
    CHECK_STR(weft_value_text(weft_value_at(&list, 0), "?"), "?");
    CHECK(weft_value_bool(weft_value_at(&list, 3), false));
    CHECK(!weft_value_bool(weft_value_at(&list, 0), false));
    CHECK(!weft_value_at(&list, 5));
    CHECK(!weft_value_at(weft_value_at(&list, 0), 0));
    CHECK(!weft_value_at(NULL, 0));
}

TEST(a_map_gives_the_value_of_a_key_of_any_type)
{
    weft_value map =
        WEFT_MAP({ WEFT_INT(1), WEFT_TEXT("one") }, { WEFT_TEXT("1"), WEFT_TEXT("text") },
                 { WEFT_FLOAT(1), WEFT_TEXT("float") }, { WEFT_NULL, WEFT_INT(0) });
    CHECK_STR(weft_value_text(weft_value_get(&map, WEFT_INT(1)), NULL), "one");
    CHECK_STR(weft_value_text(weft_value_get(&map, WEFT_TEXT("1")), NULL), "text");
    CHECK_STR(weft_value_text(weft_value_get(&map, WEFT_FLOAT(1)), NULL), "float");
    CHECK_EQ(weft_value_int(weft_value_get(&map, WEFT_NULL), 5), 0);
    CHECK(!weft_value_get(&map, WEFT_INT(2)));
    CHECK(!weft_value_get(weft_value_get(&map, WEFT_INT(1)), WEFT_INT(1)));
    CHECK(!weft_value_get(NULL, WEFT_INT(1)));
}

TEST(equal_values_are_equal)
{
    weft_value ab = WEFT_MAP({ WEFT_TEXT("a"), WEFT_INT(1) }, { WEFT_TEXT("b"), WEFT_INT(2) }),
               ba = WEFT_MAP({ WEFT_TEXT("b"), WEFT_INT(2) }, { WEFT_TEXT("a"), WEFT_INT(1) }),
               ac = WEFT_MAP({ WEFT_TEXT("a"), WEFT_INT(1) }, { WEFT_TEXT("c"), WEFT_INT(2) });
    CHECK(weft_value_is(&ab, ba));
    CHECK(!weft_value_is(&ab, ac));
    CHECK(!weft_value_is(&ab, WEFT_MAP({ WEFT_TEXT("a"), WEFT_INT(1) })));
    CHECK(!weft_value_is(&(weft_value){ 0 }, WEFT_BOOL(false)));
    CHECK(!weft_value_is(&WEFT_ARRAY(WEFT_INT(1)), WEFT_ARRAY(WEFT_FLOAT(1))));
    CHECK(!weft_value_is(&WEFT_ARRAY(WEFT_TEXT("a")), WEFT_ARRAY(WEFT_BYTES("a", 1))));
    CHECK(!weft_value_is(NULL, WEFT_NULL));
}

TEST(a_value_is_printed_as_people_write_it)
{
    char out[8];
    check_text(WEFT_ARRAY(WEFT_INT(42), WEFT_NULL, WEFT_TEXT("hello")), "[42, null, \"hello\"]");
    check_text(WEFT_MAP({ WEFT_TEXT("name"), WEFT_TEXT("yuan") }), "{\"name\": \"yuan\"}");
    check_text(WEFT_ARRAY(WEFT_FLOAT(0.25), WEFT_FLOAT(1), WEFT_FLOAT(1e300), WEFT_FLOAT(0.1)),
               "[0.25, 1.0, 1e+300, 0.1]");
    check_text(WEFT_TEXT("\"\\\n儿"), "\"\\\"\\\\\\u000a儿\"");
    check_text(WEFT_BYTES("\0\xff", 2), "h'00ff'");
    check_text(WEFT_ARRAY(WEFT_BOOL(true), WEFT_BOOL(false), WEFT_UNSIGNED(UINT64_MAX)),
               "[true, false, 18446744073709551615]");
    check_text((weft_value){ .type = WEFT_IS_ARRAY }, "[]");
    check_text((weft_value){ .type = WEFT_IS_MAP }, "{}");
    CHECK_EQ(weft_value_format(&WEFT_ARRAY(WEFT_TEXT("too long")), out, sizeof out), 12);
    CHECK_STR(out, "[\"too l");
    CHECK_EQ(weft_value_format(&WEFT_ARRAY(WEFT_TEXT("too long")), NULL, 0), 12);
}

/* -- what is no value -- */

static void check_refused(const void *bytes, size_t size)
{
    weft_why_set(0, "%s", ""); /* its room, once for each task */
    uint64_t before = weft_allocation_count();
    unsigned char *exact = malloc(size ? size : 1); /* so that a sanitizer sees the end */
    weft_value out = WEFT_INT(5);
    memcpy(exact, bytes, size);
    CHECK_EQ(weft_value_decode(&out, exact, size), -EBADMSG);
    CHECK_EQ(out.integer, 5);
    CHECK_EQ(weft_allocation_count(), before);
    free(exact);
}

TEST(a_length_that_is_not_true_costs_no_memory)
{
    ENCODES();
    check_refused("\xdd\xff\xff\xff\xff", 5);         /* an array of 4 G */
    check_refused("\xdf\xff\xff\xff\xff\x01\x02", 7); /* a map */
    check_refused("\xdb\xff\xff\xff\xffwords", 10);   /* text */
    check_refused("\xc6\xff\xff\xff\xff", 5);         /* bytes */
    check_refused("\x93\x01\x02", 3);                 /* one item is missing */
    check_refused("\x82\x01\x02\x03", 4);             /* a value is */
    check_refused("\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\x01", 16);
}

TEST(what_is_no_value_is_refused)
{
    ENCODES();
    check_refused("", 0);
    check_refused("\xc1", 1);             /* no type has it */
    check_refused("\x01\x02", 2);         /* two values */
    check_refused("\xd6\xff\1\2\3\4", 6); /* an extension: a time */
    check_refused("\xcb\0\0\0", 4);       /* half a number */
    check_refused("hello", 5);
}

TEST(depth_is_bounded_both_ways)
{
    ENCODES();
    unsigned char bytes[100];
    weft_value values[WEFT_VALUE_DEPTH + 1], out;
    size_t size;
    values[0] = (weft_value){ .type = WEFT_IS_ARRAY };
    for (int i = 1; i <= WEFT_VALUE_DEPTH; i++)
        values[i] = (weft_value){ .type = WEFT_IS_ARRAY, .length = 1, .items = &values[i - 1] };
    check_comes_back(values[WEFT_VALUE_DEPTH - 1]);
    CHECK_EQ(weft_value_encode(values[WEFT_VALUE_DEPTH], bytes, sizeof bytes, &size), -EINVAL);
    CHECK(strstr(weft_why(), "levels") != NULL);
    memset(bytes, 0x91, sizeof bytes);
    check_refused(bytes, sizeof bytes);
    bytes[WEFT_VALUE_DEPTH] = 0xc0;
    CHECK_EQ(weft_value_decode(&out, bytes, WEFT_VALUE_DEPTH + 1), 0);
    weft_value_fini(&out);
    bytes[WEFT_VALUE_DEPTH] = 0x91;
    bytes[WEFT_VALUE_DEPTH + 1] = 0xc0;
    check_refused(bytes, WEFT_VALUE_DEPTH + 2);
}

TEST(memory_is_bounded_both_ways)
{
    ENCODES();
    size_t n = WEFT_VALUE_MAX / sizeof(weft_value) + 1, size;
    unsigned char *nulls = malloc(n + 5);
    weft_value *items = calloc(n, sizeof *items);
    weft_value list = { .type = WEFT_IS_ARRAY, .length = n, .items = items };
    CHECK(nulls && items);
    memset(nulls, 0xc0, n + 5);
    nulls[0] = 0xdd; /* an array */
    for (int i = 0; i < 4; i++)
        nulls[1 + i] = (unsigned char)(n >> (24 - 8 * i));
    check_refused(nulls, n + 5);
    CHECK(strstr(weft_why(), "64 MiB") != NULL);
    CHECK_EQ(weft_value_encode(list, nulls, n + 5, &size), -EINVAL);
    CHECK_EQ(weft_value_encode(WEFT_BYTES(nulls, (size_t)1 << 40), NULL, 0, &size), -EINVAL);
    CHECK_EQ(weft_value_encode((weft_value){ .type = 77 }, NULL, 0, &size), -EINVAL);
    free(items);
    free(nulls);
}

/* -- through queues and pipes -- */

static char long_text[100000];

#define ORDER(number)                                                                \
    WEFT_ARRAY(WEFT_INT(number), WEFT_MAP({ WEFT_TEXT("name"), WEFT_TEXT("yuan") }), \
               WEFT_TEXT("hello"))

static int send_order(void *end)
{
    weft_value back;
    CHECK_EQ(weft_pipe_send_value(end, ORDER(12), weft_never()), 0);
    CHECK_EQ(weft_pipe_receive_value(end, &back, weft_never()), 1);
    CHECK(weft_value_is(&back, WEFT_TEXT(long_text)));
    weft_value_fini(&back);
    weft_pipe_close(end);
    return 0;
}

TEST_REAL(values_go_through_a_pipe_between_tasks_of_every_kind, "processes")
{
    ENCODES();
    PROCESSES();
    static const unsigned kinds[] = { WEFT_COROUTINE, WEFT_THREAD, WEFT_PROCESS };
    memset(long_text, 'x', sizeof long_text - 1);
    for (int k = 0; k < 3; k++) {
        weft_group group;
        weft_value got;
        weft_pipe_pair *pipe = weft_arena_alloc(sizeof *pipe);
        CHECK_EQ(weft_pipe_init(pipe, 0, WEFT_SHARED), 0);
        CHECK_EQ(weft_group_init(&group, 0), 0);
        CHECK_EQ(weft_group_spawn(&group, kinds[k], send_order, &pipe->end[1]), 0);
        CHECK_EQ(weft_pipe_receive_value(&pipe->end[0], &got, weft_never()), 1);
        CHECK(weft_value_is(&got, ORDER(12)));
        weft_value_fini(&got);
        CHECK_EQ(weft_pipe_send_value(&pipe->end[0], WEFT_TEXT(long_text), weft_never()), 0);
        CHECK_EQ(weft_pipe_receive_value(&pipe->end[0], &got, weft_never()), 0);
        CHECK_EQ(weft_group_wait(&group, weft_never()), 0);
        weft_pipe_fini(pipe);
        weft_arena_free(pipe);
    }
}

static weft_queue *new_queue(uint32_t count, unsigned flags)
{
    weft_queue *queue = weft_arena_alloc(sizeof *queue);
    CHECK(queue != NULL);
    CHECK_EQ(weft_queue_init(queue, NULL, count, 0, flags | WEFT_SHARED), 0);
    return queue;
}

static void free_queue(weft_queue *queue)
{
    weft_queue_fini(queue);
    weft_arena_free(queue);
}

static uint64_t arena_used(void)
{
    struct weft_arena_info info = { .size = sizeof info };
    CHECK_EQ(weft_arena_describe(&info), 0);
    return info.used;
}

TEST_REAL(a_message_that_is_no_value_is_one_error, "shared memory")
{
    ENCODES();
    weft_queue *queue = new_queue(10, 0);
    weft_value got = WEFT_INT(5);
    CHECK_EQ(weft_queue_put_value(queue, WEFT_INT(1), weft_at_once()), 0);
    CHECK_EQ(weft_queue_put(queue, "\xdd\xff\xff\xff\xff", 5, weft_at_once()), 0);
    CHECK_EQ(weft_queue_put_value(queue, WEFT_TEXT("two"), weft_at_once()), 0);
    weft_queue_close(queue);
    CHECK_EQ(weft_queue_get_value(queue, &got, weft_never()), 1);
    CHECK_EQ(got.integer, 1);
    CHECK_EQ(weft_queue_get_value(queue, &got, weft_never()), -EBADMSG);
    CHECK_EQ(weft_queue_get_value(queue, &got, weft_never()), 1);
    CHECK(weft_value_is(&got, WEFT_TEXT("two")));
    weft_value_fini(&got);
    CHECK_EQ(weft_queue_get_value(queue, &got, weft_never()), 0);
    CHECK_EQ(weft_queue_put_value(queue, WEFT_INT(1), weft_at_once()), -EPIPE);
    free_queue(queue);
}

TEST_REAL(what_cannot_be_put_leaves_nothing, "shared memory")
{
    ENCODES();
    weft_queue *queue = new_queue(1, 0);
    weft_queue private = { 0 };
    weft_value got, bad = { .type = 77 };
    memset(long_text, 'x', sizeof long_text - 1);
    CHECK_EQ(weft_queue_put_value(queue, bad, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_put_value(queue, WEFT_TEXT(long_text), weft_at_once()), 0);
    uint64_t before = arena_used();
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(weft_queue_put_value(queue, WEFT_TEXT(long_text), weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(arena_used(), before);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(weft_queue_get_value(queue, &got, weft_at_once()), 1);
        CHECK_EQ(weft_queue_put_value(queue, got, weft_at_once()), 0);
        weft_value_fini(&got);
    }
    CHECK_LE(arena_used(), before + (1 << 20));
    CHECK_EQ(weft_queue_init(&private, NULL, 1, sizeof got, 0), 0);
    CHECK_EQ(weft_queue_put_value(&private, WEFT_NULL, weft_at_once()), -EINVAL);
    CHECK_EQ(weft_queue_get_value(&private, &got, weft_at_once()), -EINVAL);
    weft_queue_fini(&private);
    free_queue(queue);
}

TEST_REAL(a_value_that_was_got_is_done_when_it_is_said, "shared memory")
{
    ENCODES();
    weft_queue *queue = new_queue(3, WEFT_ACK);
    weft_value got;
    CHECK_EQ(weft_queue_put_value(queue, ORDER(1), weft_at_once()), 0);
    CHECK_EQ(weft_queue_get_value(queue, &got, weft_at_once()), 1);
    CHECK(weft_value_is(&got, ORDER(1)));
    weft_value_fini(&got);
    CHECK_EQ(weft_queue_join(queue, weft_at_once()), -ETIMEDOUT);
    CHECK_EQ(weft_queue_task_done(queue), 0);
    CHECK_EQ(weft_queue_join(queue, weft_at_once()), 0);
    free_queue(queue);
}

struct board {
    weft_queue queue;
    char slots[WEFT_SEGMENT_SLOTS(2, 0)] __attribute__((aligned(64)));
};

static int prepare_board(void *data, void *arg)
{
    struct board *board = data;
    (void)arg;
    return weft_queue_init(&board->queue, board->slots, 2, 0, WEFT_SHARED);
}

TEST_REAL(short_values_go_through_a_queue_in_a_segment, "shared memory")
{
    ENCODES();
    char path[100];
    weft_segment s;
    weft_value got;
    snprintf(path, sizeof path, "%s/board", t_dir(t));
    CHECK_EQ(weft_segment_open(&s, path, sizeof(struct board), prepare_board, NULL, weft_never()),
             0);
    struct board *board = weft_segment_data(&s);
    memset(long_text, 'x', sizeof long_text - 1);
    CHECK_EQ(weft_queue_put_value(&board->queue, ORDER(12), weft_never()), 0);
    CHECK_EQ(weft_queue_put_value(&board->queue, WEFT_TEXT(long_text), weft_never()), -EMSGSIZE);
    CHECK_EQ(weft_queue_put_value(&board->queue, WEFT_BYTES(long_text, 200), weft_never()),
             -EMSGSIZE);
    CHECK_EQ(weft_queue_get_value(&board->queue, &got, weft_never()), 1);
    CHECK(weft_value_is(&got, ORDER(12)));
    weft_value_fini(&got);
    CHECK_EQ(weft_queue_get_value(&board->queue, &got, weft_at_once()), -ETIMEDOUT);
    weft_segment_close(&s);
}
