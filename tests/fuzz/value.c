/* Values from bytes: what is taken for a value can be printed, and comes back by way of bytes again; whatever
 * it is, its memory is in proportion to its bytes. */
#include <weft/value.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t memory_of(const weft_value *value)
{
    uint64_t memory = sizeof *value;
    switch (value->type) {
    case WEFT_IS_TEXT:
    case WEFT_IS_BYTES:
        if (value->text[value->length])
            abort();
        return memory + value->length + 1;
    case WEFT_IS_ARRAY:
        for (size_t i = 0; i < value->length; i++)
            memory += memory_of(&value->items[i]);
        return memory;
    case WEFT_IS_MAP:
        for (size_t i = 0; i < value->length; i++)
            memory += memory_of(&value->pairs[i].key) + memory_of(&value->pairs[i].value);
        return memory;
    default: return memory;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_value value, again;
    char text[200];
    size_t first, second;
    if (weft_value_decode(&value, data, size) < 0)
        return 0;
    if (memory_of(&value) > size * (sizeof value + 1))
        abort();
    weft_value_format(&value, text, sizeof text);
    if (weft_value_encode(value, NULL, 0, &first) != -EMSGSIZE)
        abort();
    unsigned char *bytes = malloc(2 * first), *more = bytes + first;
    if (weft_value_encode(value, bytes, first, &first) < 0 ||
        weft_value_decode(&again, bytes, first) < 0 ||
        weft_value_encode(again, more, first, &second) < 0 || first != second ||
        memcmp(bytes, more, first) != 0) /* not weft_value_is: NaN, and the square of a map's length */
        abort();
    weft_value_fini(&again);
    weft_value_fini(&value);
    free(bytes);
    return 0;
}
