/* T6 - an event: two workers wait until the server is ready.
 *
 *     make example T6
 *
 * Both wait, main checks for three seconds and sets the event, both go on. The second round waits two
 * seconds at a time and says so each time: at 0 and at 2.
 *
 * Everything is said through the log: each record has its level and the name of its task. The sink here prints
 * what it wants of them; without one they go to standard error, with date, file and line. WEFT_LOG=info in the
 * environment would let them pass, too.
 *
 * The test runs it seeded: in virtual time, which begins in 1970.
 */
#include <stdio.h>
#include <weft.h>

static weft_event ready = WEFT_EVENT_INIT;

static void print(void *ctx, const struct weft_log_record *record)
{
    (void)ctx;
    printf("%d s %-6s [%s] %.*s\n", (int)(record->time_ns / WEFT_SEC),
           weft_log_level_name(record->level), record->task_name, (int)record->length, record->text);
}

static int worker(void *reminder)
{
    int r;
    do
        weft_log_info("waits for the server");
    while ((r = weft_event_wait(&ready, *(weft_deadline *)reminder)) == -ETIMEDOUT);
    if (r == 0)
        weft_log_info("the server is ready: connects");
    return r;
}

static int check_server(void *arg)
{
    (void)arg;
    weft_log_notice("checks the server");
    int r = weft_sleep(weft_after(3 * WEFT_SEC));
    if (r == 0)
        weft_event_set(&ready);
    return r;
}

static int round_of(weft_deadline reminder)
{
    weft_group g;
    struct weft_spawn more = { .size = sizeof more };
    weft_event_clear(&ready);
    weft_group_init(&g, WEFT_ONE_WORKER); /* so they start in this order */
    more.name = "worker-1";
    weft_group_spawn_with(&g, WEFT_COROUTINE, worker, &reminder, &more);
    more.name = "worker-2";
    weft_group_spawn_with(&g, WEFT_COROUTINE, worker, &reminder, &more);
    more.name = "main";
    weft_group_spawn_with(&g, WEFT_COROUTINE, check_server, NULL, &more);
    return weft_group_wait(&g, weft_never());
}

int main(void)
{
    weft_log_set(print, NULL);
    weft_log_level_set(WEFT_LOG_INFO);
    int r = round_of(weft_never());
    if (r == 0)
        r = round_of(weft_after(2 * WEFT_SEC));
    return r < 0;
}
