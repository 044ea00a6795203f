/* C1 - a consumer that is a generator: it answers whoever sends it something.
 *
 *     make example C1
 *
 * Two functions take turns without a queue, a lock or a scheduler: the producer sends a number, the
 * consumer goes on where it stood, and its next yield is the answer. The first next takes it to its first
 * yield, since before that nobody waits for what is sent. Close ends it: its yield is -ECANCELED.
 */
#include <stdio.h>
#include <weft.h>

static int consumer(void *arg)
{
    const char *answer = "";
    int n, r;
    (void)arg;
    while ((r = weft_generator_exchange(&answer, sizeof answer, &n, sizeof n)) == 1) {
        printf("[consumer] consuming %d\n", n);
        answer = "200 OK";
    }
    return r;
}

static int produce(weft_generator *to)
{
    const char *answer;
    int r = weft_generator_next(to, &answer, sizeof answer, weft_never());
    for (int n = 1; r == 1 && n <= 5; n++) {
        printf("[producer] producing %d\n", n);
        r = weft_generator_send(to, &n, sizeof n, &answer, sizeof answer, weft_never());
        if (r == 1)
            printf("[producer] the consumer says: %s\n", answer);
    }
    return r < 0 ? r : weft_generator_close(to);
}

int main(void)
{
    weft_generator c;
    weft_generator_init(&c, consumer, NULL, sizeof(const char *));
    int r = produce(&c);
    weft_generator_fini(&c);
    return r < 0;
}
