/* check/check.h - strategies for seeded runs. */
#ifndef WEFT_CHECK_CHECK_H
#define WEFT_CHECK_CHECK_H

#include "sched/task.h"

extern const struct weft__chooser weft__random_chooser;

#endif
