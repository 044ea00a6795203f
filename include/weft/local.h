/* weft/local.h - storage that each task has for itself, as __thread is for a thread. */
#ifndef WEFT_LOCAL_H
#define WEFT_LOCAL_H

#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_local { /* private; static WEFT_LOCAL_INIT works too */
    uint32_t key;
    uint32_t _reserved;
    void (*destroy)(void *value);
} weft_local;

/* clang-format off */
#define WEFT_LOCAL_INIT(destroy) { 0, 0, destroy }
/* clang-format on */

/* The calling task's value. A child does not inherit its parent's.
 * Returns   the value last set by this task; NULL if none
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API void *weft_local_get(const weft_local *local);

/* Set the calling task's value.
 *   local  static or otherwise lives as long as any task that used it
 *   value  when the task ends, after its defers, local->destroy(value) runs in it if neither is NULL,
 *          and may wait; in a thread that weft did not start it runs at the thread's end;
 *          the value a set replaces is not destroyed
 * Returns   0; -ENOMEM; -ENOSPC after 1,024 different keys
 * Context   task or thread
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_local_set(weft_local *local, void *value);

WEFT_END
#endif
