/* debug/dump.h - what the tasks do, and handlers that tell. */
#ifndef WEFT_DEBUG_DUMP_H
#define WEFT_DEBUG_DUMP_H

void weft__dump(int fd);

/* SIGQUIT prints all tasks, a stack overflow is named. Only over the default action. */
void weft__handlers_install(void);

#endif
