/* tables.c - the small tables in /etc, a line an entry, words and comments: hosts, services, protocols. */
#include "io/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <weft/fd.h>

#include "base/alloc.h"

enum { FIRST_ROOM = 16 << 10, MOST_ROOM = 64 << 20 };

static int grow(struct weft__table *table, size_t size)
{
    if (table->room >= MOST_ROOM)
        return -EFBIG;
    size_t room = table->room ? 2 * table->room : FIRST_ROOM;
    char *text = weft__alloc(room, 16);
    if (!text)
        return -ENOMEM;
    if (size > 0)
        memcpy(text, table->text, size);
    weft__release(table->text, table->room);
    table->text = text;
    table->room = room;
    return 0;
}

int weft__table_read(struct weft__table *table, const char *path, weft_deadline deadline)
{
    size_t size = 0;
    ssize_t r = 1;
    *table = (struct weft__table){ 0 };
    int fd = weft_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    while (r > 0) {
        if (size + 1 >= table->room && (r = grow(table, size)) < 0)
            break;
        r = weft_read(fd, table->text + size, table->room - size - 1, deadline);
        size += r > 0 ? (size_t)r : 0;
    }
    weft_close(fd);
    if (r < 0) {
        weft__table_free(table);
        return (int)r;
    }
    table->text[size] = 0;
    table->at = table->text;
    return 0;
}

int weft__table_next(struct weft__table *table, char *out[], int max)
{
    static const char blanks[] = " \t\r\v\f";
    int count = 0;
    while (count == 0 && *table->at) {
        char *line = table->at, *end = strchrnul(line, '\n');
        table->at = *end ? end + 1 : end;
        *end = 0;
        *strchrnul(line, '#') = 0;
        for (line += strspn(line, blanks); *line; line += strspn(line, blanks)) {
            if (count < max)
                out[count] = line;
            count++;
            line += strcspn(line, blanks);
            if (*line)
                *line++ = 0;
        }
    }
    return count;
}

void weft__table_free(struct weft__table *table)
{
    weft__release(table->text, table->room);
    *table = (struct weft__table){ 0 };
}
