/* Libraries that use weft inside a program that does not, and knows nothing of it. */
#include "until.h"

#include <dlfcn.h>
#include <pthread.h>

typedef int work_fn(void);
typedef int start_fn(weft_group *g, int *count);
typedef int wait_fn(weft_group *g);

/* The modules lie beside this program. */
static void *load(const char *name, int flags)
{
    char path[400];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);
    CHECK_GT(n, 0);
    path[n] = 0;
    strcpy(strrchr(path, '/') + 1, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | flags);
    if (!library && !flags)
        FAIL("%s", dlerror());
    return library;
}

static void need_a_quiet_linker(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload && strstr(preload, "vgpreload"))
        SKIP("valgrind complains of the dynamic linker's own strncmp");
}

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        FAIL("%s", dlerror());
    return found;
}

static void *work(void *fn)
{
    return (void *)(intptr_t)((work_fn *)fn)();
}

/* No trace of the library is left, though weft stays. */
static void unload(void *library, const char *name)
{
    CHECK_EQ(dlclose(library), 0);
    if (!t_slow_build()) /* a sanitizer may hold it */
        CHECK(!load(name, RTLD_NOLOAD));
}

static void load_again_and_again(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        void *one = load("lib_one.so", 0);
        CHECK_EQ(((work_fn *)symbol(one, "one_work"))(), 21);
        unload(one, "lib_one.so");
    }
}

TEST_REAL(a_library_that_uses_weft_is_loaded_again_and_again, "processes")
{
    char said[2000];
    need_a_quiet_linker();
    int status = in_child(load_again_and_again, NULL, said, sizeof said);
    CHECK_STR(said, "");
    CHECK_EQ(status, 0);
}

static void use_both(void *arg)
{
    void *one = load("lib_one.so", 0), *two = load("lib_two.so", 0);
    weft_group first, second;
    int ones = 0, twos = 0;
    pthread_t thread;
    void *result;

    /* the groups of both at once, and one of them used from another thread */
    CHECK_EQ(((start_fn *)symbol(one, "one_start"))(&first, &ones), 0);
    CHECK_EQ(((start_fn *)symbol(two, "two_start"))(&second, &twos), 0);
    CHECK_EQ(pthread_create(&thread, NULL, work, symbol(two, "two_work")), 0);
    CHECK_EQ(((wait_fn *)symbol(one, "one_wait"))(&first), 0);
    CHECK_EQ(((wait_fn *)symbol(two, "two_wait"))(&second), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK_EQ((intptr_t)result, 64);
    CHECK_EQ(ones, 20);
    CHECK_EQ(twos, 30);

    /* when one has gone the other works */
    unload(one, "lib_one.so");
    CHECK_EQ(((work_fn *)symbol(two, "two_work"))(), 64);
    one = load("lib_one.so", 0);
    CHECK_EQ(((work_fn *)symbol(one, "one_work"))(), 21);
    if (arg)
        unload(one, "lib_one.so");
    if (arg)
        unload(two, "lib_two.so");
}

TEST_REAL(two_libraries_use_weft_in_one_process, "processes")
{
    char said[2000];
    need_a_quiet_linker();
    for (int unloaded = 0; unloaded < 2; unloaded++) {
        int status = in_child(use_both, unloaded ? said : NULL, said, sizeof said);
        CHECK_STR(said, "");
        CHECK_EQ(status, 0);
    }
}
