/* load_names.c - gives a program a world in which names can be asked for: namespaces of its own, in them a
 * hosts file of 20 lines, dnsmasq on loopback, and no way to anybody else.
 *
 *     load_names program...
 *
 * "db7.bench" is in the hosts file, "www.bench" is known to the server. Needs root, or a kernel that
 * lets everyone make user namespaces. */
#include "bench.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    bench_check(file && fputs(text, file) >= 0 && fclose(file) == 0, path);
}

/* What the program sees at path. */
static void put_file(const char *path, const char *text)
{
    char own[] = "/tmp/weft-bench-XXXXXX";
    int fd = mkstemp(own);
    bench_check(fd >= 0, own);
    close(fd);
    write_file(own, text);
    bench_check(mount(own, path, NULL, MS_BIND, NULL) == 0, path);
    unlink(own);
}

static void own_world(void)
{
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0) {
        bench_check(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) == 0, "namespaces allowed");
        write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", uid);
        write_file("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        write_file("/proc/self/gid_map", map);
    }
    bench_check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mounts of its own");
    struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bench_check(ioctl(fd, SIOCSIFFLAGS, &up) == 0, "loopback");
    close(fd);
}

static void fill(void)
{
    char hosts[1024] = "127.0.0.1 localhost\n";
    for (int i = 1; i < 20; i++)
        snprintf(hosts + strlen(hosts), sizeof hosts - strlen(hosts), "10.0.0.%d db%d.bench db%d\n",
                 i, i, i);
    put_file("/etc/hosts", hosts);
    put_file("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    put_file("/etc/nsswitch.conf", "hosts: files dns\n");
}

static pid_t start(char *const command[])
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(command[0], command);
        _exit(127);
    }
    return pid;
}

/* It answers, or does not within a second. */
static bool is_served(void)
{
    static const char question[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3www\5bench\0\0\1\0\1";
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) };
    struct timeval patience = { .tv_usec = 10000 };
    char answer[512];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool heard = false;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bench_check(connect(fd, (struct sockaddr *)&at, sizeof at) == 0, "connect");
    for (int i = 0; i < 100 && !heard; i++) {
        send(fd, question, sizeof question - 1, MSG_NOSIGNAL);
        heard = recv(fd, answer, sizeof answer, 0) > (ssize_t)sizeof question;
        if (!heard)
            usleep(1000);
    }
    close(fd);
    return heard;
}

static char server[] =
    "exec dnsmasq --keep-in-foreground --conf-file=/dev/null --user= --group= --pid-file= "
    "--listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts "
    "--local=/bench/ --host-record=www.bench,10.0.1.1 --cache-size=0";

int main(int argc, char **argv)
{
    int status;
    if (argc < 2) {
        fprintf(stderr, "usage: load_names program...\n");
        return 2;
    }
    setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", 1);
    own_world();
    fill();
    pid_t names = start((char *[]){ "sh", "-c", server, NULL });
    bench_check(is_served(), "dnsmasq answers");
    pid_t asker = start(argv + 1);
    bench_check(waitpid(asker, &status, 0) == asker, "its end");
    kill(names, SIGTERM);
    waitpid(names, NULL, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
