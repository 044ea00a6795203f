/* msgpack.c - values as MessagePack, by the templates of msgpack-c. Nothing of its library is linked: its own
 * decoder takes memory for as many items as a header promises, and asks malloc for it.
 *
 * Decoding goes through the message twice by the same code. The first time it counts, and finds out whether
 * all of it is there; then one block is taken, and the second time it fills that. So memory is bounded by
 * the bytes that did come: a one-byte item costs sizeof(weft_value), no header costs more than its own. The
 * second time believes nothing of the first, for the bytes may lie where others write. */
#include "proc/value.h"

#include "sched/task.h"

#ifdef WEFT_MSGPACK
#include <msgpack/pack.h>
#include <msgpack/unpack.h>
#define MSGPACK_EMBED_STACK_SIZE WEFT_VALUE_DEPTH
#include <msgpack/unpack_define.h>

int weft__value_can_travel(void)
{
    return 0;
}

/* -- encoding --------------------------------------------------------------------------------------- */

struct out {
    unsigned char *at;
    size_t room, size; /* size goes on counting when there is no more room */
    uint64_t memory;   /* what it takes decoded */
};

static int append(void *to, const char *bytes, size_t size)
{
    struct out *out = to;
    if (size > 0 && out->size + size <= out->room)
        memcpy(out->at + out->size, bytes, size);
    out->size += size;
    return 0;
}

static int too_large(int err)
{
    return weft__failed(err, "a value of more than %u MiB", WEFT_VALUE_MAX >> 20);
}

static int encode(msgpack_packer *to, const weft_value *value, int depth)
{
    struct out *out = to->data;
    bool holds = value->type == WEFT_IS_ARRAY || value->type == WEFT_IS_MAP;
    bool runs = value->type == WEFT_IS_TEXT || value->type == WEFT_IS_BYTES;
    if (holds && depth == WEFT_VALUE_DEPTH)
        return weft__failed(-EINVAL, "a value of more than %d levels", WEFT_VALUE_DEPTH);
    if ((holds || runs) && value->length > WEFT_VALUE_MAX)
        return too_large(-EINVAL);
    out->memory += sizeof *value + (runs ? value->length + 1 : 0);
    if (out->memory > WEFT_VALUE_MAX)
        return too_large(-EINVAL);
    int r = 0;
    switch (value->type) {
    case WEFT_IS_NULL: return msgpack_pack_nil(to);
    case WEFT_IS_BOOL: return value->boolean ? msgpack_pack_true(to) : msgpack_pack_false(to);
    case WEFT_IS_INT: return msgpack_pack_int64(to, value->integer);
    case WEFT_IS_UNSIGNED: return msgpack_pack_uint64(to, value->natural);
    case WEFT_IS_FLOAT: return msgpack_pack_double(to, value->real);
    case WEFT_IS_TEXT:
        msgpack_pack_str(to, value->length);
        return append(out, value->text, value->length);
    case WEFT_IS_BYTES:
        msgpack_pack_bin(to, value->length);
        return append(out, value->bytes, value->length);
    case WEFT_IS_ARRAY:
        msgpack_pack_array(to, value->length);
        for (size_t i = 0; i < value->length && r == 0; i++)
            r = encode(to, &value->items[i], depth + 1);
        return r;
    case WEFT_IS_MAP:
        msgpack_pack_map(to, value->length);
        for (size_t i = 0; i < value->length && r == 0; i++)
            if ((r = encode(to, &value->pairs[i].key, depth + 1)) == 0)
                r = encode(to, &value->pairs[i].value, depth + 1);
        return r;
    default: return weft__failed(-EINVAL, "a value of type %u: there is none", value->type);
    }
}

int weft_value_encode(weft_value value, void *out, size_t room, size_t *size)
{
    struct out to = { .at = out, .room = room };
    msgpack_packer packer = { &to, append };
    int r = encode(&packer, &value, 0);
    if (r < 0)
        return r;
    *size = to.size;
    return to.size > room ? -EMSGSIZE : 0;
}

/* -- decoding --------------------------------------------------------------------------------------- */

struct tree {
    weft_value *items; /* NULL: it counts */
    char *runs;        /* the texts and bytes, behind the items */
    uint64_t item_count, run_bytes, item_room, run_room;
};

/* Room for what an array or map holds. */
static int unpack_items(struct tree *tree, enum weft_value_types type, uint64_t n, weft_value *out)
{
    *out = weft__value(type);
    if (tree->items && n > tree->item_room - tree->item_count)
        return -1;
    if (tree->items)
        out->items = tree->items + tree->item_count;
    tree->item_count += n;
    return 0;
}

static weft_value unpack_root(struct tree *tree)
{
    (void)tree;
    return WEFT_NULL;
}

static int unpack_array(struct tree *tree, unsigned n, weft_value *out)
{
    return unpack_items(tree, WEFT_IS_ARRAY, n, out);
}

static int unpack_array_item(struct tree *tree, weft_value *array, weft_value item)
{
    if (tree->items)
        ((weft_value *)(uintptr_t)array->items)[array->length] = item;
    array->length++;
    return 0;
}

static int unpack_map(struct tree *tree, unsigned n, weft_value *out)
{
    return unpack_items(tree, WEFT_IS_MAP, 2ull * n, out);
}

static int unpack_map_item(struct tree *tree, weft_value *map, weft_value key, weft_value value)
{
    if (tree->items)
        ((struct weft_pair *)(uintptr_t)map->pairs)[map->length] = (struct weft_pair){ key, value };
    map->length++;
    return 0;
}

static int unpack_run(struct tree *tree, enum weft_value_types type, const char *from,
                      unsigned size, weft_value *out)
{
    *out = weft__value(type);
    out->length = size;
    if (tree->items && size >= tree->run_room - tree->run_bytes)
        return -1;
    if (tree->items) {
        char *to = tree->runs + tree->run_bytes;
        if (size > 0)
            memcpy(to, from, size);
        to[size] = 0;
        out->text = to;
    }
    tree->run_bytes += size + 1ull;
    return 0;
}

static int unpack_str(struct tree *tree, const char *all, const char *from, unsigned size,
                      weft_value *out)
{
    (void)all;
    return unpack_run(tree, WEFT_IS_TEXT, from, size, out);
}

static int unpack_bin(struct tree *tree, const char *all, const char *from, unsigned size,
                      weft_value *out)
{
    (void)all;
    return unpack_run(tree, WEFT_IS_BYTES, from, size, out);
}

static int unpack_ext(struct tree *tree, const char *all, const char *from, unsigned size,
                      weft_value *out)
{
    (void)tree, (void)all, (void)from, (void)size, (void)out;
    return -1;
}

#define UNPACK(name, type, value)                                        \
    static int unpack_##name(struct tree *tree, type n, weft_value *out) \
    {                                                                    \
        (void)tree;                                                      \
        *out = value;                                                    \
        return 0;                                                        \
    }
UNPACK(uint8, uint8_t, WEFT_INT(n))
UNPACK(uint16, uint16_t, WEFT_INT(n))
UNPACK(uint32, uint32_t, WEFT_INT(n))
UNPACK(uint64, uint64_t, WEFT_UNSIGNED(n))
UNPACK(int8, int8_t, WEFT_INT(n))
UNPACK(int16, int16_t, WEFT_INT(n))
UNPACK(int32, int32_t, WEFT_INT(n))
UNPACK(int64, int64_t, WEFT_INT(n))
UNPACK(float, float, WEFT_FLOAT(n))
UNPACK(double, double, WEFT_FLOAT(n))

#define UNPACK_ONE(name, value)                                  \
    static int unpack_##name(struct tree *tree, weft_value *out) \
    {                                                            \
        (void)tree;                                              \
        *out = value;                                            \
        return 0;                                                \
    }
UNPACK_ONE(nil, WEFT_NULL)
UNPACK_ONE(true, WEFT_BOOL(true))
UNPACK_ONE(false, WEFT_BOOL(false))

#define msgpack_unpack_struct(name)     struct unpack##name
#define msgpack_unpack_func(type, name) static type unpack_by##name
#define msgpack_unpack_callback(name)   unpack##name
#define msgpack_unpack_object           weft_value
#define msgpack_unpack_user             struct tree
#include <msgpack/unpack_template.h>

/* 0 one value and nothing else; -EBADMSG */
static int go_through(struct unpack_context *context, const void *data, size_t size)
{
    size_t at = 0;
    unpack_by_init(context);
    if (size > 0 && unpack_by_execute(context, data, size, &at) == 1 && at == size)
        return 0;
    return weft__failed(-EBADMSG, "no value, from byte %zu of %zu on", at, size);
}

int weft_value_decode(weft_value *out, const void *data, size_t size)
{
    struct unpack_context context = { 0 };
    struct tree *tree = &context.user;
    int r = go_through(&context, data, size);
    uint64_t items = tree->item_count * sizeof *out, memory = items + tree->run_bytes;
    if (r == 0 && memory + sizeof *out > WEFT_VALUE_MAX)
        r = too_large(-EBADMSG);
    if (r == 0 && memory > 0) {
        void *block = weft__value_memory(memory);
        if (!block)
            return weft__failed(-ENOMEM, "a value of %zu bytes", size);
        *tree = (struct tree){ .items = block,
                               .runs = (char *)block + items,
                               .item_room = tree->item_count,
                               .run_room = tree->run_bytes };
        r = go_through(&context, data, size);
        if (r < 0)
            weft__value_release(block);
    }
    if (r == 0) {
        *out = unpack_by_data(&context);
        out->_owns = memory > 0;
    }
    return r;
}

#else

int weft__value_can_travel(void)
{
    return weft__failed(-ENOTSUP, "built without msgpack-c");
}

int weft_value_encode(weft_value value, void *out, size_t room, size_t *size)
{
    (void)value, (void)out, (void)room, (void)size;
    return weft__value_can_travel();
}

int weft_value_decode(weft_value *out, const void *data, size_t size)
{
    (void)out, (void)data, (void)size;
    return weft__value_can_travel();
}

#endif
