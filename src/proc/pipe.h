/* proc/pipe.h - what passes through a pipe, for calls that make the message themselves; and ends over sockets. */
#ifndef WEFT_PROC_PIPE_H
#define WEFT_PROC_PIPE_H

#include <weft/pipe.h>

#include "sync/shared_queue.h"

int weft__pipe_send(weft_pipe_end *end, struct weft__message *message, weft_deadline deadline);
int weft__pipe_receive(weft_pipe_end *end, struct weft__message *message, weft_deadline deadline);

/* -- pipe_socket.c. fd: that goes along, -1 none; where the one that came goes, NULL: it is closed -- */

int weft__pipe_socket_send(weft_pipe_end *end, struct weft__message *message, int fd,
                           weft_deadline deadline);
int weft__pipe_socket_receive(weft_pipe_end *end, struct weft__message *message, int *fd,
                              weft_deadline deadline);
void weft__pipe_socket_close(weft_pipe_end *end);
/* attempt: the case's own call, at once. */
struct weft_case weft__pipe_socket_case(weft_pipe_end *end, bool sends);
int weft__pipe_receive_attempt(struct weft_case *c);
int weft__pipe_send_attempt(struct weft_case *c);

#endif
