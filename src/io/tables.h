/* io/tables.h - the small tables in /etc: hosts, services, protocols. */
#ifndef WEFT_IO_TABLES_H
#define WEFT_IO_TABLES_H

#include <weft/time.h>

struct weft__table {
    char *text, *at; /* at: what is left, up to a NUL */
    size_t room;
};

/* Read a whole file; only the caller waits. Errors of weft_open, weft_read; -ENOMEM; -EFBIG. */
int weft__table_read(struct weft__table *table, const char *path, weft_deadline deadline);
/* The next line that is not empty, as words; "#" begins a comment. How many words there are, of which the first
 * max are in out; 0: no more lines. */
int weft__table_next(struct weft__table *table, char *out[], int max);
void weft__table_free(struct weft__table *table);

#endif
