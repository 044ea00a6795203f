/* debug/deadlock.h - circles of waiting tasks, found by who closes them; and when nothing moves at all. */
#ifndef WEFT_DEBUG_DEADLOCK_H
#define WEFT_DEBUG_DEADLOCK_H

#include <stdbool.h>

struct weft__task;
struct weft__worker;

enum weft__deadlock_policy { WEFT__DEADLOCK_REPORT, WEFT__DEADLOCK_FAIL, WEFT__DEADLOCK_ABORT };
enum weft__deadlock_policy weft__deadlock_policy(void); /* WEFT_ON_DEADLOCK */

void weft__deadlock_look(struct weft__task *self, struct weft__task *owner); /* weft__wait_closes */
bool weft__deadlock_of_all(const struct weft__worker *mine); /* weft__nothing_moves */

#endif
