/* proc/pipe.h - what passes through a pipe, for calls that make the message themselves. */
#ifndef WEFT_PROC_PIPE_H
#define WEFT_PROC_PIPE_H

#include <weft/pipe.h>

#include "sync/shared_queue.h"

int weft__pipe_send(weft_pipe_end *end, struct weft__message *message, weft_deadline deadline);
int weft__pipe_receive(weft_pipe_end *end, struct weft__message *message, weft_deadline deadline);

#endif
