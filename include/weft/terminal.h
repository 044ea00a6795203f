/* weft/terminal.h - pseudo-terminals: a pair of them, raw mode, window size.
 *
 * A terminal is read and written like any descriptor, <weft/fd.h>; only its reader waits. Nothing here
 * waits. */
#ifndef WEFT_TERMINAL_H
#define WEFT_TERMINAL_H

#include <weft/base.h>

WEFT_BEGIN

/* Make a terminal for another program to live in.
 *   out  out[0] is the side of who pretends to be screen and keyboard: it reads what the program prints
 *        and writes what is typed; out[1] is the program's terminal. Both O_NONBLOCK and O_CLOEXEC, and
 *        nobody's controlling terminal; lines, echo and ctrl-C are as on any new terminal
 * Returns   0; -ENOSPC no more terminals, -ENOENT no /dev/ptmx, -EMFILE, -EACCES. When the last
 *           out[1] is closed, reading out[0] is -EIO
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_terminal_pair(int out[2]);

typedef struct weft_terminal_settings { /* private; 64 bytes */
    uint32_t _words[16];
} weft_terminal_settings;

/* Bytes as they are: no lines, no echo, no signals by keys, no change of line ends. And back.
 *   before  raw: NULL, or where the settings of now go; restore: what raw put there
 * Returns   0; -ENOTTY no terminal, -EBADF, -EIO; -EINVAL restore of what raw did not fill
 * Context   anywhere. Others who have the terminal open see it too: restore it at the end.
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_terminal_raw(int fd, weft_terminal_settings *before);
WEFT_API int weft_terminal_restore(int fd, const weft_terminal_settings *before);

/* How large the window is, as far as somebody has said so; and say so: the programs in it get SIGWINCH.
 *   rows, columns  0 is unknown; up to 65535
 * Returns   0; -ENOTTY, -EBADF, -EINVAL
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_terminal_size(int fd, int *rows, int *columns);
WEFT_API int weft_terminal_resize(int fd, int rows, int columns);

WEFT_END
#endif
