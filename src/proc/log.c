/* log.c - see log.h. A record is a message, whole or not there. */
#include "proc/log.h"

#include <string.h>

#include "base/sys.h"
#include "debug/log.h"
#include "proc/proc.h"

enum { TEXT = 1200, FILE_NAME = 96 };

struct message {
    int64_t time_ns;
    int level, line;
    uint32_t length;
    char task[WEFT__NAME], file[FILE_NAME];
    char text[TEXT];
};

void weft__log_forward(void *ctx, const struct weft_log_record *record)
{
    (void)ctx;
    struct message m = { .time_ns = record->time_ns, .level = record->level, .line = record->line };
    const char *slash = strrchr(record->file, '/');
    weft__sys_copy_text(m.task, sizeof m.task, record->task_name);
    weft__sys_copy_text(m.file, sizeof m.file, slash ? slash + 1 : record->file);
    m.length = (uint32_t)(record->length < TEXT ? record->length : TEXT);
    memcpy(m.text, record->text, m.length);
    while (weft__sys_send(weft__proc_ways.log, &m, offsetof(struct message, text) + m.length,
                          MSG_NOSIGNAL) == -EINTR)
        ;
}

void weft__log_take(int fd)
{
    struct message m;
    ssize_t n;
    while ((n = weft__sys_recv(fd, &m, sizeof m, MSG_DONTWAIT)) > 0) {
        if ((size_t)n < offsetof(struct message, text) ||
            (size_t)n != offsetof(struct message, text) + m.length)
            continue;
        m.task[sizeof m.task - 1] = m.file[sizeof m.file - 1] = 0;
        weft__log_pass(&(struct weft_log_record){ .size = sizeof(struct weft_log_record),
                                                  .time_ns = m.time_ns,
                                                  .task_name = m.task,
                                                  .file = m.file,
                                                  .text = m.text,
                                                  .length = m.length,
                                                  .level = m.level,
                                                  .line = m.line });
    }
}
