/* service/service.h - what every server of ours does around its protocol. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include <stddef.h>
#include <weft/group.h>

/* Raise the soft limit of descriptors to the hard one.
 * Returns   how many connections that leaves room for, with some to spare for files */
size_t service_raise_descriptors(void);

/* End a group at the first SIGTERM or SIGINT, and the process at the second, at once; ignore SIGPIPE.
 *   group  cancelled at the first one; it must live until weft_run returns
 * Returns   0; the error of weft_signal_init, weft_group_spawn
 */
int service_end_on_signals(weft_group *group);

#endif
