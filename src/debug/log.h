/* debug/log.h - where records from elsewhere come in. */
#ifndef WEFT_DEBUG_LOG_H
#define WEFT_DEBUG_LOG_H

#include <weft/log.h>

void weft__log_init(void);                                 /* the threshold from the environment */
void weft__log_pass(const struct weft_log_record *record); /* to the sink */
bool weft__log_has_sink(void);

#endif
