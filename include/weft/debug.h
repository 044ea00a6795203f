/* weft/debug.h - what every task is doing.
 *
 * Nothing has to be called to hear of a deadlock: tasks that wait in a circle, for locks, ends of tasks or
 * groups, are reported as it closes, and so is the moment when everything waits and nothing can wake it.
 * WEFT_ON_DEADLOCK says what then: report (nothing more), fail (one of the waiting calls gets -EDEADLK),
 * abort. A circle in which no call can fail (weft_lock_enter) ends in abort whatever is set, but if it goes
 * through shared locks of several processes: that is told a tenth of a second late. */
#ifndef WEFT_DEBUG_H
#define WEFT_DEBUG_H

#include <weft/base.h>

WEFT_BEGIN

/* Write a line for each worker and each task: name, where it was spawned, what it waits for and since
 * when. Names and places only, never arguments or data. Under weft_run SIGQUIT does this on standard
 * error, unless the program handles SIGQUIT itself.
 *   fd  written with plain write(2)
 * Returns   0; the error of write
 * Context   anywhere, signal handlers included; takes no lock, so a racing task may show a stale line
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_dump(int fd);

WEFT_END
#endif
