/* chat - a room: what one says, all others read.
 *
 *     make example chat                                opens it; what you type here, all read
 *     make example chat ARGS="join 127.0.0.1:5555"     enters it; so does: nc 127.0.0.1 5555
 *     make example chat ARGS="room 127.0.0.1:5555 thread"   threads instead of coroutines
 *
 * A task a member reads what they say and writes it to all. It waits for nobody: the kernel keeps what
 * a slow reader has not read yet, and whoever leaves too much unread is shown out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

enum { NAME = 32, TEXT = 400 };
#define SAY(english, chinese) (in_chinese ? (chinese) : (english))

struct member {
    int fd;
    char name[NAME];
    struct member *next;
};

static unsigned kind = WEFT_COROUTINE;
static bool in_chinese;
static weft_lock door = WEFT_LOCK_INIT; /* whoever holds it may use the list */
static struct member *members;

/* To all but one, and to the room's own screen. */
static void tell(const struct member *but, const char *format, const char *name, const char *text)
{
    char line[NAME + TEXT + 64];
    int size = snprintf(line, sizeof line, format, name, text);
    fputs(line, stdout);
    weft_lock_enter(&door); /* so all read the same order */
    for (struct member *m = members; m; m = m->next)
        if (m != but && weft_write(m->fd, line, (size_t)size, weft_at_once()) != size)
            weft_shutdown(m->fd, SHUT_RDWR); /* their read ends, so they leave */
    weft_lock_leave(&door);
}

static bool read_line(weft_stream *in, char *text, size_t max)
{
    bool read = weft_stream_read_line(in, text, max, weft_never()) >= 0;
    for (char *c = text; read && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?'; /* a control character would play tricks on other people's screens */
    return read;
}

/* Where the member of that name hangs in the list, or where its end is. */
static struct member **find(const char *name)
{
    struct member **at = &members;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static int visit(void *arg)
{
    struct member me = { .fd = *(int *)arg };
    const char *ask = SAY("Your name: ", "请输入姓名：");
    char buf[2 * (TEXT + 2)], text[TEXT];
    bool entered = false;
    weft_stream in;
    weft_stream_init(&in, me.fd, buf, sizeof buf);
    while (!entered && weft_write(me.fd, ask, strlen(ask), weft_after(10 * WEFT_SEC)) > 0 &&
           read_line(&in, me.name, NAME)) {
        weft_lock_enter(&door);
        struct member **at = find(me.name);
        if ((entered = me.name[0] && !*at))
            *at = &me;
        weft_lock_leave(&door);
        ask = SAY("That name is taken. Another one: ", "这个名字已经有人用了，请换一个：");
    }
    if (entered) {
        tell(&me, SAY("%s has entered the room%s\n", "%s 进入了聊天室%s\n"), me.name, "");
        while (read_line(&in, text, sizeof text))
            tell(&me, SAY("%s: %s\n", "%s：%s\n"), me.name, text);
        weft_lock_enter(&door); /* they hung up, vanished, or said more than a line holds */
        *find(me.name) = me.next;
        weft_lock_leave(&door);
        tell(&me, SAY("%s has left the room%s\n", "%s退出了聊天室%s\n"), me.name, "");
    }
    return weft_close(me.fd);
}

static int administer(void *unused)
{
    char buf[2 * (TEXT + 2)], text[TEXT];
    weft_stream keyboard;
    (void)unused;
    weft_stream_init(&keyboard, STDIN_FILENO, buf, sizeof buf);
    while (read_line(&keyboard, text, sizeof text))
        tell(NULL, SAY("The administrator%s: %s\n", "管理员消息%s：%s\n"), "", text);
    return 0;
}

static int open_room(void *where)
{
    char address[128];
    weft_group room;
    int fd, listener = weft_listen(where, 0);
    if (listener < 0)
        return listener;
    weft_local_address(listener, address, sizeof address);
    printf(SAY("The room is at %s\n", "聊天室地址：%s\n"), address);
    weft_group_init(&room, WEFT_KEEP_GOING);
    weft_group_spawn(&room, kind, administer, NULL);
    while ((fd = weft_accept(listener, NULL, weft_never())) >= 0)
        if (weft_group_spawn_copy(&room, kind, visit, &fd) < 0)
            weft_close(fd);
    return fd;
}

/* What comes from one descriptor goes to the other; Ctrl-D ends what is said, not what is heard. */
static int carry(void *arg)
{
    int *way = arg;
    char buf[TEXT];
    ssize_t n;
    while ((n = weft_read(way[0], buf, sizeof buf, weft_never())) > 0 &&
           (n = weft_write(way[1], buf, (size_t)n, weft_never())) > 0)
        ;
    return n == 0 && way[0] == STDIN_FILENO ? weft_shutdown(way[1], SHUT_WR) : (int)n;
}

/* A task sends while this one receives; it is a daemon, so that the room's end ends the program. */
static int join_room(void *where)
{
    int fd = weft_dial(where, weft_after(10 * WEFT_SEC));
    if (fd < 0)
        return fd;
    weft_group_spawn_copy(weft_background(), kind | WEFT_DAEMON, carry,
                          &((int[]){ STDIN_FILENO, fd }));
    return carry((int[]){ fd, STDOUT_FILENO });
}

int main(int argc, char **argv)
{
    const char *language = getenv("LC_ALL") ? getenv("LC_ALL") : getenv("LANG");
    char *where = argc > 2 ? argv[2] : "127.0.0.1:5555";
    in_chinese = language && strncmp(language, "zh", 2) == 0;
    kind = argc > 3 && strcmp(argv[3], "thread") == 0 ? WEFT_THREAD : WEFT_COROUTINE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int r = weft_run(argc > 1 && strcmp(argv[1], "join") == 0 ? join_room : open_room, where);
    return r < 0 ? fprintf(stderr, "chat: %s: %s\n", where, weft_strerror(r)), 1 : 0;
}
