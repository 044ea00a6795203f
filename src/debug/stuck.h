/* debug/stuck.h - circles of tasks of several processes, through shared locks. */
#ifndef WEFT_DEBUG_STUCK_H
#define WEFT_DEBUG_STUCK_H

struct weft__note;
struct weft__robust;
struct weft__task;

/* weft__waits_long, weft__waits_no_more */
int weft__stuck_begin(const struct weft__robust *lock, struct weft__task *self, const char *reason,
                      const char *place, struct weft__note **hung);
void weft__stuck_end(struct weft__note *note);

#endif
