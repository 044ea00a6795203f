/* credentials.c - see proc.h. The kernel's own calls: they are about one thread, and it is the only one. */
#include <errno.h>
#include <linux/prctl.h>
#include <string.h>

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

int weft__credentials_get(struct weft__credentials *out)
{
    *out = (struct weft__credentials){ .mask = umask_get() };
    WEFT__SYS3(SYS_getresuid, &out->user[0], &out->user[1], &out->user[2]);
    WEFT__SYS3(SYS_getresgid, &out->group[0], &out->group[1], &out->group[2]);
    long n = WEFT__SYS2(SYS_getgroups, WEFT__GROUPS, out->groups);
    if (n < 0)
        return n == -EINVAL ? -E2BIG : (int)n;
    out->groups_count = (uint32_t)n;
    out->no_new_privs = weft__sys_prctl(PR_GET_NO_NEW_PRIVS, 0);
    out->seccomp = weft__sys_prctl(PR_GET_SECCOMP, 0);
    for (int i = 0; i < WEFT__LIMITS; i++) {
        long r = WEFT__SYS4(SYS_prlimit64, 0, i, NULL, &out->limits[i]);
        if (r < 0)
            return (int)r;
    }
    return 0;
}

static bool same_groups(const struct weft__credentials *a, const struct weft__credentials *b)
{
    return a->groups_count == b->groups_count &&
           memcmp(a->groups, b->groups, a->groups_count * sizeof *a->groups) == 0;
}

/* Only what differs, and the user last: then nothing more may be changed. */
int weft__credentials_put(const struct weft__credentials *to)
{
    struct weft__credentials have;
    long r = weft__credentials_get(&have);
    if (r == 0 && to->seccomp != have.seccomp)
        r = -EPERM; /* a filter cannot be handed on */
    for (int i = 0; i < WEFT__LIMITS && r == 0; i++)
        if (memcmp(&to->limits[i], &have.limits[i], sizeof have.limits[i]) != 0)
            r = WEFT__SYS4(SYS_prlimit64, 0, i, &to->limits[i], NULL);
    if (r == 0 && !same_groups(to, &have))
        r = WEFT__SYS2(SYS_setgroups, to->groups_count, to->groups);
    if (r == 0 && memcmp(to->group, have.group, sizeof have.group) != 0)
        r = WEFT__SYS3(SYS_setresgid, to->group[0], to->group[1], to->group[2]);
    if (r == 0 && memcmp(to->user, have.user, sizeof have.user) != 0)
        r = WEFT__SYS3(SYS_setresuid, to->user[0], to->user[1], to->user[2]);
    if (r == 0 && to->no_new_privs && !have.no_new_privs)
        r = weft__sys_prctl(PR_SET_NO_NEW_PRIVS, 1);
    if (r == 0 && to->mask != have.mask)
        WEFT__SYS1(SYS_umask, to->mask);
    return r < 0 ? -EPERM : 0;
}
