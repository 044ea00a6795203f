/* proc/log.h - log records of process tasks come to the sink of the program. */
#ifndef WEFT_PROC_LOG_H
#define WEFT_PROC_LOG_H

#include <weft/log.h>

void weft__log_forward(void *ctx, const struct weft_log_record *record); /* a sink: to the reaper */
void weft__log_take(int fd);                                             /* by it: all there are */

#endif
