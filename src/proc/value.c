/* value.c - values in memory, and as messages of queues and pipes. What they look like on the way is
 * msgpack.c's. */
#include "proc/value.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/report.h"
#include "proc/pipe.h"
#include "shared/arena.h"

_Static_assert(sizeof(weft_value) == 24, "public size");

/* -- memory: a block in front of what the value points to ------------------------------------------- */

struct block {
    size_t size;
    unsigned char memory[] __attribute__((aligned(16)));
};

void *weft__value_memory(size_t size)
{
    struct block *block = weft__alloc(sizeof *block + size, 16);
    if (!block)
        return NULL;
    block->size = sizeof *block + size;
    return block->memory;
}

void weft__value_release(void *memory)
{
    struct block *block = container_of(memory, struct block, memory);
    weft__release(block, block->size);
}

void weft_value_fini(weft_value *value)
{
    if (value->_owns)
        weft__value_release((void *)(uintptr_t)value->bytes);
    *value = WEFT_NULL;
}

/* -- reading ---------------------------------------------------------------------------------------- */

static bool is(const weft_value *value, enum weft_value_types type)
{
    return value && value->type == type;
}

const weft_value *weft_value_at(const weft_value *array, size_t index)
{
    return is(array, WEFT_IS_ARRAY) && index < array->length ? &array->items[index] : NULL;
}

const weft_value *weft_value_get(const weft_value *map, weft_value key)
{
    for (size_t i = 0; is(map, WEFT_IS_MAP) && i < map->length; i++)
        if (weft_value_is(&map->pairs[i].key, key))
            return &map->pairs[i].value;
    return NULL;
}

bool weft_value_bool(const weft_value *value, bool otherwise)
{
    return is(value, WEFT_IS_BOOL) ? value->boolean : otherwise;
}

int64_t weft_value_int(const weft_value *value, int64_t otherwise)
{
    return is(value, WEFT_IS_INT) ? value->integer : otherwise;
}

double weft_value_float(const weft_value *value, double otherwise)
{
    return is(value, WEFT_IS_FLOAT)      ? value->real
           : is(value, WEFT_IS_INT)      ? (double)value->integer
           : is(value, WEFT_IS_UNSIGNED) ? (double)value->natural
                                         : otherwise;
}

const char *weft_value_text(const weft_value *value, const char *otherwise)
{
    return is(value, WEFT_IS_TEXT) ? value->text : otherwise;
}

/* -- comparing -------------------------------------------------------------------------------------- */

static bool are_equal(const weft_value *a, const weft_value *b);

/* The i-th pairs, if both have the same key there; else wherever it is. */
static bool has_pair(const weft_value *map, size_t i, const struct weft_pair *pair)
{
    const weft_value *found = are_equal(&map->pairs[i].key, &pair->key)
                                  ? &map->pairs[i].value
                                  : weft_value_get(map, pair->key);
    return found && are_equal(found, &pair->value);
}

static bool are_equal(const weft_value *a, const weft_value *b)
{
    if (a->type != b->type || a->length != b->length)
        return false;
    switch (a->type) {
    case WEFT_IS_BOOL: return a->boolean == b->boolean;
    case WEFT_IS_INT:
    case WEFT_IS_UNSIGNED: return a->natural == b->natural;
    case WEFT_IS_FLOAT: return a->real == b->real;
    case WEFT_IS_TEXT:
    case WEFT_IS_BYTES: return a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0;
    case WEFT_IS_ARRAY:
        for (size_t i = 0; i < a->length; i++)
            if (!are_equal(&a->items[i], &b->items[i]))
                return false;
        return true;
    case WEFT_IS_MAP:
        for (size_t i = 0; i < a->length; i++)
            if (!has_pair(b, i, &a->pairs[i]))
                return false;
        return true;
    default: return true;
    }
}

bool weft_value_is(const weft_value *value, weft_value other)
{
    return value && are_equal(value, &other);
}

/* -- printing --------------------------------------------------------------------------------------- */

static void text_format(struct weft__text *out, const unsigned char *text, size_t length)
{
    weft__text_add(out, "\"");
    for (size_t i = 0; i < length; i++)
        if (text[i] == '"' || text[i] == '\\')
            weft__text_add(out, "\\%c", text[i]);
        else
            weft__text_add(out, text[i] < ' ' || text[i] == 0x7f ? "\\u%04x" : "%c", text[i]);
    weft__text_add(out, "\"");
}

static void real_format(struct weft__text *out, double real)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.15g", real);
    weft__text_add(out, strpbrk(digits, ".en") ? "%s" : "%s.0", digits);
}

static void format(struct weft__text *out, const weft_value *value)
{
    const unsigned char *bytes = value->bytes;
    switch (value->type) {
    case WEFT_IS_BOOL: weft__text_add(out, value->boolean ? "true" : "false"); return;
    case WEFT_IS_INT: weft__text_add(out, "%lld", (long long)value->integer); return;
    case WEFT_IS_UNSIGNED: weft__text_add(out, "%llu", (unsigned long long)value->natural); return;
    case WEFT_IS_FLOAT: real_format(out, value->real); return;
    case WEFT_IS_TEXT: text_format(out, bytes, value->length); return;
    case WEFT_IS_BYTES:
        weft__text_add(out, "h'");
        for (size_t i = 0; i < value->length; i++)
            weft__text_add(out, "%02x", bytes[i]);
        weft__text_add(out, "'");
        return;
    case WEFT_IS_ARRAY:
        for (size_t i = 0; i < value->length; i++) {
            weft__text_add(out, i ? ", " : "[");
            format(out, &value->items[i]);
        }
        weft__text_add(out, value->length ? "]" : "[]");
        return;
    case WEFT_IS_MAP:
        for (size_t i = 0; i < value->length; i++) {
            weft__text_add(out, i ? ", " : "{");
            format(out, &value->pairs[i].key);
            weft__text_add(out, ": ");
            format(out, &value->pairs[i].value);
        }
        weft__text_add(out, value->length ? "}" : "{}");
        return;
    default: weft__text_add(out, "null");
    }
}

size_t weft_value_format(const weft_value *value, char *out, size_t size)
{
    struct weft__text text = { .at = out, .room = size };
    format(&text, value);
    return text.size;
}

/* -- as messages ------------------------------------------------------------------------------------ */

enum { SMALL = 512 }; /* a longer one is made right in the block that will change hands */

/* The value as a message that can be put. */
static int pack(struct weft__message *message, const weft_value *value, unsigned char *small)
{
    int r = weft_value_encode(*value, small, SMALL, &message->size);
    message->from = small;
    if (r != -EMSGSIZE)
        return r;
    message->block = weft__arena_take(message->size, WEFT__BLOCK_HELD);
    return message->block ? weft_value_encode(*value, message->block, message->size, &message->size)
                          : weft__failed(-ENOMEM, "a value of %zu bytes", message->size);
}

/* The value of a message that was got; r is what came of getting it. */
static int unpack(int r, struct weft__message *message, weft_value *out)
{
    if (r != 1)
        return r;
    int made = weft_value_decode(out, message->block, message->size);
    weft__arena_give(message->block);
    return made < 0 ? -EBADMSG : 1;
}

static int not_put(int r, struct weft__message *message)
{
    if (r < 0 && message->block)
        weft__arena_give(message->block);
    return r;
}

static int check(const weft_queue *queue)
{
    return queue->_flags & WEFT_SHARED
               ? 0
               : weft__failed(-EINVAL, "values pass through a queue made with WEFT_SHARED");
}

int weft_queue_put_value(weft_queue *queue, weft_value value, weft_deadline deadline)
{
    unsigned char small[SMALL];
    struct weft__message message = { 0 };
    int r = check(queue);
    if (r == 0)
        r = pack(&message, &value, small);
    if (r == 0)
        r = weft__shared_queue_put(queue, &message, deadline);
    return not_put(r, &message);
}

int weft_pipe_send_value(weft_pipe_end *end, weft_value value, weft_deadline deadline)
{
    unsigned char small[SMALL];
    struct weft__message message = { 0 };
    int r = pack(&message, &value, small);
    if (r == 0)
        r = weft__pipe_send(end, &message, deadline);
    return not_put(r, &message);
}

int weft_queue_get_value(weft_queue *queue, weft_value *out, weft_deadline deadline)
{
    struct weft__message message = { .moves = true };
    int r = check(queue);
    if (r == 0)
        r = weft__value_can_travel();
    return unpack(r < 0 ? r : weft__shared_queue_get(queue, &message, deadline), &message, out);
}

int weft_pipe_receive_value(weft_pipe_end *end, weft_value *out, weft_deadline deadline)
{
    struct weft__message message = { .moves = true };
    int r = weft__value_can_travel();
    return unpack(r < 0 ? r : weft__pipe_receive(end, &message, deadline), &message, out);
}
