/* credentials.c - see proc.h. The kernel's own calls: they are about one thread, and it is the only one. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "proc/proc.h"

_Static_assert(sizeof((struct weft__credentials *)0)->limits[0] == 16,
               "the kernel's struct rlimit64");

/* There is no call that tells it. The other way, to set it and to set it back, shows others a wrong one. */
static uint32_t umask_get(void)
{
    char text[1024];
    const char *at = NULL;
    int fd = weft__sys_openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0) {
        ssize_t n = weft__sys_read(fd, text, sizeof text - 1);
        weft__sys_close(fd);
        text[n > 0 ? n : 0] = 0;
        at = strstr(text, "\nUmask:\t");
    }
    uint32_t mask = 0;
    if (at)
        for (at += 8; *at >= '0' && *at <= '7'; at++)
            mask = mask * 8 + (uint32_t)(*at - '0');
    else {
        mask = (uint32_t)WEFT__SYS1(SYS_umask, 077);
        WEFT__SYS1(SYS_umask, mask);
    }
    return mask;
}

int weft__groups_get(uint32_t *groups, int count)
{
    return (int)WEFT__SYS2(SYS_getgroups, groups ? count : 0, groups);
}

int weft__credentials_get(struct weft__credentials *out)
{
    *out = (struct weft__credentials){ .mask = umask_get() };
    WEFT__SYS3(SYS_getresuid, &out->user[0], &out->user[1], &out->user[2]);
    WEFT__SYS3(SYS_getresgid, &out->group[0], &out->group[1], &out->group[2]);
    struct __user_cap_header_struct v3 = { _LINUX_CAPABILITY_VERSION_3, 0 };
    long r = WEFT__SYS2(SYS_capget, &v3, out->capabilities);
    if (r < 0)
        return (int)r;
    out->nice = (int)WEFT__SYS2(SYS_getpriority, 0, 0);
    out->no_new_privs = weft__sys_prctl(PR_GET_NO_NEW_PRIVS, 0);
    int seccomp = weft__sys_prctl(PR_GET_SECCOMP, 0);
    out->seccomp = seccomp > 0 ? seccomp : 0; /* there are kernels without */
    if (out->no_new_privs < 0)
        return out->no_new_privs;
    for (int i = 0; i < WEFT__LIMITS; i++) {
        r = WEFT__SYS4(SYS_prlimit64, 0, i, NULL, &out->limits[i]);
        if (r < 0)
            return (int)r;
    }
    return 0;
}

/* What the zygote has, and so each clone at first. Nobody asks again in the clone: 24 calls. */
static struct weft__credentials have;
static uint32_t *have_groups;
static int have_groups_count;

static void limit_put(int which, uint64_t soft)
{
    __typeof__(have.limits[0]) *is = &have.limits[which], to = *is;
    to.soft = soft < is->hard ? soft : is->hard;
    if (to.soft != is->soft && WEFT__SYS4(SYS_prlimit64, 0, which, &to, NULL) == 0)
        is->soft = to.soft;
}

void weft__credentials_processes(uint64_t most)
{
    limit_put(RLIMIT_NPROC, most);
}

int weft__credentials_note(void)
{
    int r = weft__credentials_get(&have), count = weft__groups_get(NULL, 0);
    if (r == 0 && count > 0) {
        have_groups = weft__alloc((size_t)count * sizeof *have_groups, 16);
        count = have_groups ? weft__groups_get(have_groups, count) : -ENOMEM;
    }
    have_groups_count = count;
    if (r == 0) /* descriptors may have any number that a spawner's may have later */
        limit_put(RLIMIT_NOFILE, UINT64_MAX);
    return r < 0 ? r : count < 0 ? count : 0;
}

static bool has_groups(const uint32_t *groups, int count)
{
    return count == have_groups_count &&
           (count == 0 || memcmp(groups, have_groups, (size_t)count * sizeof *groups) == 0);
}

/* Only what differs, and the user late: then not much more may be changed. */
int weft__credentials_put(const struct weft__credentials *to, const uint32_t *groups,
                          int groups_count)
{
    long r = to->seccomp == have.seccomp ? 0 : -EPERM; /* a filter cannot be handed on */
    for (int i = 0; i < WEFT__LIMITS && r == 0; i++)
        if (memcmp(&to->limits[i], &have.limits[i], sizeof have.limits[i]) != 0)
            r = WEFT__SYS4(SYS_prlimit64, 0, i, &to->limits[i], NULL);
    if (r == 0 && to->nice != have.nice)
        r = WEFT__SYS3(SYS_setpriority, 0, 0, 20 - to->nice);
    if (r == 0 && !has_groups(groups, groups_count))
        r = WEFT__SYS2(SYS_setgroups, groups_count, groups);
    if (r == 0 && memcmp(to->group, have.group, sizeof have.group) != 0)
        r = WEFT__SYS3(SYS_setresgid, to->group[0], to->group[1], to->group[2]);
    bool another = memcmp(to->user, have.user, sizeof have.user) != 0;
    if (r == 0 && another)
        r = WEFT__SYS3(SYS_setresuid, to->user[0], to->user[1], to->user[2]);
    if (r == 0 &&
        (another || memcmp(to->capabilities, have.capabilities, sizeof have.capabilities) != 0)) {
        struct __user_cap_header_struct v3 = { _LINUX_CAPABILITY_VERSION_3, 0 };
        r = WEFT__SYS2(SYS_capset, &v3, to->capabilities);
    }
    if (r == 0 && to->no_new_privs && !have.no_new_privs)
        r = weft__sys_prctl(PR_SET_NO_NEW_PRIVS, 1);
    if (r == 0 && to->mask != have.mask)
        WEFT__SYS1(SYS_umask, to->mask);
    return r < 0 ? -EPERM : 0;
}
