// Typed values, in C++.
#include "test.h"

#include <weft.h>

TEST(values_are_put_together_by_hand)
{
    const weft_value items[] = { WEFT_INT(42),       WEFT_NULL,       WEFT_TEXT("hello"),
                                 WEFT_FLOAT(0.5),    WEFT_BOOL(true), WEFT_UNSIGNED(7),
                                 WEFT_BYTES("\0", 1) };
    const weft_pair pairs[] = { { WEFT_TEXT("one"), WEFT_INT(1) } };
    weft_value list{}, map{};
    char text[100];
    list.type = WEFT_IS_ARRAY;
    list.length = sizeof items / sizeof *items;
    list.items = items;
    map.type = WEFT_IS_MAP;
    map.length = 1;
    map.pairs = pairs;
    weft_value_format(&list, text, sizeof text);
    CHECK_STR(text, "[42, null, \"hello\", 0.5, true, 7, h'00']");
    CHECK_EQ(weft_value_int(weft_value_get(&map, WEFT_TEXT("one")), 0), 1);
}
