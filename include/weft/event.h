/* weft/event.h - a flag that tasks wait for; set stays set until cleared. Shared ones are for all processes. */
#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

#include <weft/base.h>
#include <weft/time.h>

WEFT_BEGIN

typedef struct weft_event { /* private; 64 bytes; zeroed memory is a valid private event, not set */
    uint32_t _word, _flags;
    void *_first, *_last;
    uint64_t _reserved[5];
} weft_event;

/* clang-format off */
#define WEFT_EVENT_INIT { 0, 0, 0, 0, { 0, 0, 0, 0, 0 } }
/* clang-format on */

/* Prepare an event, not set; flags as weft_lock_init's.
 * Returns   as weft_lock_init
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_event_init(weft_event *event, unsigned flags);

/* Set it and wake all who wait; clear it; look at it. What was written before a set is seen by those
 * whom it wakes and by those who see it set.
 * Returns   is_set: true or false
 * Context   task or thread; set may be the last touch of an event's memory by its setter only if those
 *           it wakes do not tear it down before set has returned
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_event_set(weft_event *event);
WEFT_API void weft_event_clear(weft_event *event);
WEFT_API bool weft_event_is_set(const weft_event *event);

/* Wait until it is set.
 * Returns   0 it was set, if only for a moment; -ETIMEDOUT, -ECANCELED; shared, also -ENOMEM: no thread to
 *           wait with
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_event_wait(weft_event *event, weft_deadline deadline);

/* End its use. A waiter (of a private one) is a bug: reported, then abort. Zeroed memory is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_event_fini(weft_event *event);

WEFT_END
#endif
