/* terminal.c - pseudo-terminals: a pair of them, raw mode, window size. Nothing here waits. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <weft/terminal.h>

#include "base/sys.h"

int weft_terminal_pair(int out[2])
{
    const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
    int ours = weft__sys_openat(AT_FDCWD, "/dev/ptmx", flags, 0);
    if (ours < 0)
        return ours;
    int theirs = weft__sys_terminal_peer(ours, flags);
    if (theirs < 0) {
        weft__sys_close(ours);
        return theirs;
    }
    out[0] = ours;
    out[1] = theirs;
    return 0;
}

/* As the kernel has it; libc's is longer. */
struct settings {
    uint32_t input, output, control, local;
    uint8_t discipline, keys[19];
};

enum { FILLED = 15, MAGIC = 0x7e741a1 }; /* a word that no settings have */

_Static_assert(sizeof(struct settings) <= FILLED * sizeof(uint32_t), "settings fit");

int weft_terminal_raw(int fd, weft_terminal_settings *before)
{
    struct settings s;
    int r = weft__sys_terminal_get(fd, &s);
    if (r < 0)
        return r;
    if (before) {
        memset(before, 0, sizeof *before);
        memcpy(before, &s, sizeof s);
        before->_words[FILLED] = MAGIC;
    }
    s.input &= ~(uint32_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    s.output &= ~(uint32_t)OPOST;
    s.local &= ~(uint32_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    s.control = (s.control & ~(uint32_t)(CSIZE | PARENB)) | CS8;
    s.keys[VMIN] = 1;
    s.keys[VTIME] = 0;
    return weft__sys_terminal_set(fd, &s);
}

int weft_terminal_restore(int fd, const weft_terminal_settings *before)
{
    return before->_words[FILLED] == MAGIC ? weft__sys_terminal_set(fd, before) : -EINVAL;
}

int weft_terminal_size(int fd, int *rows, int *columns)
{
    return weft__sys_terminal_size(fd, rows, columns);
}

int weft_terminal_resize(int fd, int rows, int columns)
{
    if (rows < 0 || rows > UINT16_MAX || columns < 0 || columns > UINT16_MAX)
        return -EINVAL;
    return weft__sys_terminal_resize(fd, rows, columns);
}
