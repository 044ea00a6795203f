/* I10 - pass an open file to another process, and know by the kernel's word who asks for it.
 *
 *     make example I10
 *
 * The client may not open the file, or cannot: it sees the name only. It asks its keeper, who looks at
 * the credentials that the kernel has put beside the message, opens the file and sends the descriptor
 * back. From then on the client reads by itself. Servers hand connections to their workers like this.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

#define SOON weft_after(10 * WEFT_SEC)

static int client(int keeper)
{
    char name[32], text[64];
    int file = -1;
    struct weft_message answer = { .size = sizeof answer,
                                   .parts = &(struct iovec){ name, sizeof name },
                                   .parts_count = 1,
                                   .fds = &file,
                                   .fds_count = 1 };
    if (weft_write(keeper, "diary", 5, SOON) != 5)
        return 1;
    ssize_t n = weft_recv_message(keeper, &answer, SOON);
    if (n <= 0 || (size_t)n > sizeof name || answer.fds_count != 1)
        return 1;
    printf("client: \"%.*s\" came open\n", (int)n, name);
    n = weft_pread(file, text, sizeof text, 0, SOON);
    printf("client: it says: %.*s\n", n > 0 ? (int)n : 0, text);
    weft_close(file);
    return n <= 0;
}

static int keep(int socket)
{
    char name[32];
    struct weft_credentials who;
    struct weft_message asked = { .size = sizeof asked,
                                  .parts = &(struct iovec){ name, sizeof name },
                                  .parts_count = 1,
                                  .credentials = &who };
    ssize_t n = weft_recv_message(socket, &asked, SOON);
    if (n <= 0 || (size_t)n > sizeof name || who.uid != getuid())
        return 1;
    printf("keeper: somebody of my own user asks for \"%.*s\"\n", (int)n, name);
    fflush(stdout);
    FILE *diary = tmpfile(); /* a real one would be opened by its name */
    if (!diary || fputs("dear diary", diary) < 0 || fflush(diary) != 0)
        return 1;
    int file = fileno(diary);
    struct weft_message answer = { .size = sizeof answer,
                                   .parts = &(struct iovec){ name, (size_t)n },
                                   .parts_count = 1,
                                   .fds = &file,
                                   .fds_count = 1 };
    n = weft_send_message(socket, &answer, SOON);
    fclose(diary); /* the client has a descriptor of its own */
    return n <= 0;
}

int main(void)
{
    int ends[2], status = 1;
    if (weft_socketpair_of(SOCK_SEQPACKET, ends) < 0 ||
        weft_option_set(ends[0], SOL_SOCKET, SO_PASSCRED, 1) < 0)
        return 1;
    pid_t child = fork();
    if (child == 0)
        return client(ends[1]);
    int r = child < 0 || keep(ends[0]);
    weft_close(ends[0]);
    weft_close(ends[1]);
    return child < 0 || waitpid(child, &status, 0) != child || r || status;
}
