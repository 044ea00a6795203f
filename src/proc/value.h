/* proc/value.h - between values and what they look like on their way. */
#ifndef WEFT_PROC_VALUE_H
#define WEFT_PROC_VALUE_H

#include <weft/value.h>

/* Memory that weft_value_fini gives back, by the value that points to its beginning and _owns it. */
void *weft__value_memory(size_t size);
void weft__value_release(void *memory);

int weft__value_can_travel(void); /* 0; -ENOTSUP: there is no msgpack-c */

#endif
