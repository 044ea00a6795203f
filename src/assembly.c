/* assembly.c - the one file that knows all rooms: it fills the tables that lower rooms declare. */
#include "base/report.h"
#include "check/check.h"
#include "debug/deadlock.h"
#include "debug/dump.h"
#include "debug/log.h"
#include "debug/stuck.h"
#include "io/io.h"
#include "proc/proc.h"
#include "sched/task.h"
#include "shared/arena.h"
#include "sync/hold.h"
#include "sync/shared.h"
#include "sync/shared_queue.h"

const char weft__assembled;

__attribute__((constructor)) static void assemble(void)
{
    weft__fork_watch();
    weft__background_init();
    weft__log_init();
    weft__chooser = &weft__random_chooser;
    weft__bug_dump = weft__dump;
    weft__event_lost = weft__conn_lost;
    weft__wait_closes = weft__deadlock_look;
    weft__nothing_moves = weft__deadlock_of_all;
    weft__waits_long = weft__stuck_begin;
    weft__waits_no_more = weft__stuck_end;
    weft__holds_abandon = weft__abandon_holds;
    weft__holds_lose = weft__lose_holds;
    weft__block_is_lent = weft__shared_queue_has;
    weft__run_entered = weft__handlers_install;
    weft__kinds[WEFT_PROCESS] = &weft__process_kind;
    weft__proc_init();
}
