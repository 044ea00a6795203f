/* C2 - switching by hand: between two, then round three.
 *
 *     make example C2
 *
 * A fiber is what Python calls a greenlet: it runs when it is switched to, until it switches away. Nothing is
 * scheduled, so the order is in the program: 12 56 34 78. When a fiber's function returns, its parent goes
 * on, here main's own stack (NULL); the one that was left standing is ended by its fini.
 *
 * A switch also carries a value: the three pass a number on that each of them counts up.
 */
#include <stdio.h>
#include <weft.h>

static weft_fiber one, two;

static void *first(void *value)
{
    printf("12\n");
    if (weft_fiber_switch(&two, NULL, NULL) == 0)
        printf("34\n");
    (void)!weft_fiber_switch(&two, NULL, NULL);
    return value;
}

static void *second(void *value)
{
    printf("56\n");
    if (weft_fiber_switch(&one, NULL, NULL) == 0)
        printf("78\n");
    return value;
}

static weft_fiber ring[3];

static void *pass_on(void *value)
{
    long me = weft_fiber_current() - ring;
    for (;;) {
        long n = (long)value;
        if (n > 6)
            return value; /* to main */
        printf("fiber %ld: %ld\n", me, n);
        if (weft_fiber_switch(&ring[(me + 1) % 3], (void *)(n + 1), &value) < 0)
            return NULL;
    }
}

int main(void)
{
    void *end = NULL;
    weft_fiber_init(&one, first, NULL);
    weft_fiber_init(&two, second, NULL);
    int r = weft_fiber_switch(&one, NULL, NULL);
    weft_fiber_fini(&one);
    weft_fiber_fini(&two);

    for (int i = 0; i < 3; i++)
        weft_fiber_init(&ring[i], pass_on, NULL);
    if (r == 0)
        r = weft_fiber_switch(&ring[0], (void *)1, &end);
    printf("it ended at %ld\n", (long)end);
    for (int i = 0; i < 3; i++)
        weft_fiber_fini(&ring[i]);
    return r < 0;
}
