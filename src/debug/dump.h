/* debug/dump.h - what the tasks do, and handlers that tell. */
#ifndef WEFT_DEBUG_DUMP_H
#define WEFT_DEBUG_DUMP_H

#include <stddef.h>

struct weft__task;

void weft__dump(int fd);

/* One task in words: kind, name, what it waits for and since when, what it holds, where it was spawned. */
void weft__describe(struct weft__task *task, char *out, size_t room);

/* SIGQUIT prints all tasks, a stack overflow is named. Only over the default action. */
void weft__handlers_install(void);

#endif
