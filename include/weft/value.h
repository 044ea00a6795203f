/* weft/value.h - typed values: numbers, text, arrays and maps, as messages of queues and pipes.
 *
 *     weft_value order = WEFT_ARRAY(WEFT_INT(12), WEFT_MAP({ WEFT_TEXT("name"), WEFT_TEXT("yuan") }));
 *     weft_pipe_send_value(end, order, weft_never());                                              // here
 *
 *     weft_value got;
 *     if (weft_pipe_receive_value(end, &got, weft_never()) == 1) {                                 // there
 *         const weft_value *name = weft_value_get(weft_value_at(&got, 1), WEFT_TEXT("name"));
 *         printf("%d for %s\n", (int)weft_value_int(weft_value_at(&got, 0), 0), weft_value_text(name, "nobody"));
 *         weft_value_fini(&got);
 *     }
 *
 * On its way a value is MessagePack, by msgpack-c, which programs in other languages read and write. What
 * comes in is data and nothing else: no function, no type of the program, is named in it. A message that is
 * no value is -EBADMSG, and the next one comes. A library built without msgpack-c has values but cannot send
 * them: the calls that encode and decode are -ENOTSUP there, with words in weft_why(). */
#ifndef WEFT_VALUE_H
#define WEFT_VALUE_H

#include <string.h>

#include <weft/base.h>
#include <weft/pipe.h>
#include <weft/queue.h>
#include <weft/time.h>

enum weft_value_types {
    WEFT_IS_NULL,
    WEFT_IS_BOOL,
    WEFT_IS_INT,      /* what an int64_t holds */
    WEFT_IS_UNSIGNED, /* integers beyond it */
    WEFT_IS_FLOAT,
    WEFT_IS_TEXT,
    WEFT_IS_BYTES,
    WEFT_IS_ARRAY,
    WEFT_IS_MAP
};

/* What can be sent and received: so many arrays and maps inside each other, and so much memory in all, where a
 * value counts for sizeof(weft_value) and each text and run of bytes for its length and one more. */
#define WEFT_VALUE_DEPTH 32
#define WEFT_VALUE_MAX   (64u << 20)

typedef struct weft_value weft_value;

struct weft_value { /* 24 bytes; zeroed: null. Its fields are to be read and written */
    uint32_t type;  /* of enum weft_value_types */
    uint32_t _owns; /* private */
    size_t length; /* bytes of text, NUL not counted, and of bytes; items of an array; pairs of a map */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural; /* WEFT_IS_UNSIGNED */
        double real;
        const char *text; /* UTF-8 by custom, not looked at; it ends with NUL, and may hold some */
        const void *bytes;
        const weft_value *items;
        const struct weft_pair *pairs;
    };
};

struct weft_pair {
    weft_value key, value; /* a key is any value, as a rule text */
};

WEFT_BEGIN

/* Values, to be put together by hand. What they point to (text, bytes, items) is not copied and must last as
 * long as they do. An array or map lasts to the end of the block that it is written in; one without any items
 * is a weft_value with its type alone. (C only; C++ fills in a weft_value.)
 *     WEFT_TEXT(NULL) is null
 *     WEFT_ARRAY(WEFT_INT(1), WEFT_NULL)
 *     WEFT_MAP({ WEFT_TEXT("one"), WEFT_INT(1) }, { WEFT_TEXT("two"), WEFT_INT(2) })
 */
#define WEFT_NULL           weft__value(WEFT_IS_NULL)
#define WEFT_BOOL(b)        weft__value_bool(b)
#define WEFT_INT(n)         weft__value_int(n)
#define WEFT_UNSIGNED(n)    weft__value_unsigned(n)
#define WEFT_FLOAT(x)       weft__value_float(x)
#define WEFT_TEXT(s)        weft__value_text(s)
#define WEFT_BYTES(p, size) weft__value_bytes(p, size)
#define WEFT_ARRAY(...)                                                                  \
    ((weft_value){ .type = WEFT_IS_ARRAY,                                                \
                   .length = sizeof((weft_value[]){ __VA_ARGS__ }) / sizeof(weft_value), \
                   .items = (weft_value[]){ __VA_ARGS__ } })
#define WEFT_MAP(...)                                                                                \
    ((weft_value){ .type = WEFT_IS_MAP,                                                              \
                   .length = sizeof((struct weft_pair[]){ __VA_ARGS__ }) / sizeof(struct weft_pair), \
                   .pairs = (struct weft_pair[]){ __VA_ARGS__ } })

/* Find an item of an array, the value of a key in a map.
 *   array, map  may be NULL, or something else: there is nothing in it
 *   key         as weft_value_is compares; of several the first
 * Returns   the value, which lasts as long as the whole; NULL: there is none
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API const weft_value *weft_value_at(const weft_value *array, size_t index);
WEFT_API const weft_value *weft_value_get(const weft_value *map, weft_value key);

/* Read a value as what it should be.
 *   value      may be NULL
 *   otherwise  what is returned when it is not of that type, or does not fit
 * Returns   its content: of an int too where a double is asked for
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_value_bool(const weft_value *value, bool otherwise);
WEFT_API int64_t weft_value_int(const weft_value *value, int64_t otherwise);
WEFT_API double weft_value_float(const weft_value *value, double otherwise);
WEFT_API const char *weft_value_text(const weft_value *value, const char *otherwise);

/* Is it equal to another one? An int is never equal to a float. Maps are equal with the same pairs in any
 * order; in another order than its own a map takes time by the square of its length.
 *   value  may be NULL: equal to none
 * Returns   true or false
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API bool weft_value_is(const weft_value *value, weft_value other);

/* Print it for people, as JSON if it can: [42, null, "hello"], {"name": "yuan"}. Bytes are h'00ff'.
 *   out, size  ended with NUL if size > 0; what does not fit is cut
 * Returns   how many bytes it has, as snprintf
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API size_t weft_value_format(const weft_value *value, char *out, size_t size);

/* Make MessagePack of a value.
 *   out, room  where to, and how many bytes at most
 *   size       its length; also when it is longer than room
 * Returns   0; -EMSGSIZE it is longer; -EINVAL beyond WEFT_VALUE_DEPTH or WEFT_VALUE_MAX, or no type: with
 *           words in weft_why(); -ENOTSUP
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_value_encode(weft_value value, void *out, size_t room, size_t *size);

/* Make a value of MessagePack that may come from anybody. All of it is looked through before memory is taken:
 * a length that is not true costs none.
 *   out  the value; it points to a copy, not into data
 * Returns   0; with words in weft_why(): -EBADMSG no value, or not one alone; an extension type; beyond
 *           WEFT_VALUE_DEPTH or WEFT_VALUE_MAX; -ENOMEM, -ENOTSUP
 * Context   anywhere
 * Cancels   no
 * Owns      on 0 the value's memory is the caller's, for weft_value_fini.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_value_decode(weft_value *out, const void *data, size_t size);

/* Give back the memory of a value that was decoded or received; all that was found in it is gone. Zeroed
 * memory and values put together by hand are fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_value_fini(weft_value *value);

/* Put a value into a shared queue of messages (size 0), send it to the other end of a pipe.
 * Returns   as weft_queue_put (in a segment -EMSGSIZE: longer than 104 bytes as MessagePack), weft_pipe_send;
 *           -EINVAL also as weft_value_encode; -ENOTSUP
 * Context   task or thread; any number at once
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_put_value(weft_queue *queue, weft_value value,
                                            weft_deadline deadline);
WEFT_API WEFT_MUST int weft_pipe_send_value(weft_pipe_end *end, weft_value value,
                                            weft_deadline deadline);

/* Get the next message, of any length, and make a value of it.
 * Returns   as weft_queue_get_block, weft_pipe_receive (never -EMSGSIZE). 1: it is in *out. -EBADMSG: a message
 *           was taken and no value could be made of it, as weft_value_decode, -ENOMEM too: weft_why() says
 *           why. (Who may lose none for want of memory takes the bytes, by weft_queue_get_block, and decodes
 *           them.) -ENOTSUP: nothing was taken
 * Context   task or thread; any number at once
 * Cancels   yes
 * Owns      on 1 the value's memory is the caller's, for weft_value_fini.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_queue_get_value(weft_queue *queue, weft_value *out,
                                            weft_deadline deadline);
WEFT_API WEFT_MUST int weft_pipe_receive_value(weft_pipe_end *end, weft_value *out,
                                               weft_deadline deadline);

/* What the macros above stand for. */
static inline weft_value weft__value(uint32_t type)
{
    weft_value value;
    memset(&value, 0, sizeof value);
    value.type = type;
    return value;
}

static inline weft_value weft__value_bool(bool b)
{
    weft_value value = weft__value(WEFT_IS_BOOL);
    value.boolean = b;
    return value;
}

static inline weft_value weft__value_int(int64_t n)
{
    weft_value value = weft__value(WEFT_IS_INT);
    value.integer = n;
    return value;
}

static inline weft_value weft__value_unsigned(uint64_t n)
{
    weft_value value = weft__value(n > INT64_MAX ? WEFT_IS_UNSIGNED : WEFT_IS_INT);
    value.natural = n;
    return value;
}

static inline weft_value weft__value_float(double x)
{
    weft_value value = weft__value(WEFT_IS_FLOAT);
    value.real = x;
    return value;
}

static inline weft_value weft__value_text(const char *s)
{
    weft_value value = weft__value(s ? WEFT_IS_TEXT : WEFT_IS_NULL);
    value.length = s ? strlen(s) : 0;
    value.text = s;
    return value;
}

static inline weft_value weft__value_bytes(const void *p, size_t size)
{
    weft_value value = weft__value(WEFT_IS_BYTES);
    value.length = size;
    value.bytes = p;
    return value;
}

WEFT_END
#endif
