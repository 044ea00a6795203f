/* debug/dump.h - what the tasks do, and handlers that tell. */
#ifndef WEFT_DEBUG_DUMP_H
#define WEFT_DEBUG_DUMP_H

#include <stdbool.h>
#include <stddef.h>

struct weft__task;

void weft__dump(int fd);

/* One task in words: kind, name, what it waits for and since when, where it was spawned.
 *   holds  also what it holds, with bare addresses of the places */
void weft__describe(struct weft__task *task, bool holds, char *out, size_t room);

/* SIGQUIT prints all tasks, a stack overflow is named. Only over the default action. */
void weft__handlers_install(void);

#endif
