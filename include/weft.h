/* weft.h - the table of contents: one line a noun, nothing else.
 *
 * Include this, or only the nouns a file uses. Every call's contract stands in its header; weft(7)
 * has the ideas in order.
 */
#ifndef WEFT_H
#define WEFT_H

#include <weft/arena.h>      /* memory that processes share */
#include <weft/barrier.h>    /* a place where tasks meet */
#include <weft/base.h>       /* version, errors and their words, memory, reports */
#include <weft/cond.h>       /* condition variable */
#include <weft/conn.h>       /* connections, and serving them */
#include <weft/debug.h>      /* what every task is doing */
#include <weft/event.h>      /* a flag to wait for */
#include <weft/fd.h>         /* files, sockets: read, write, listen, dial */
#include <weft/fiber.h>      /* stacks that one switches between by name */
#include <weft/generator.h>  /* functions that give one value after the other */
#include <weft/group.h>      /* start tasks, wait for them; parallel map */
#include <weft/local.h>      /* task-local storage */
#include <weft/lock.h>       /* mutual exclusion */
#include <weft/log.h>        /* lines that say what a program does */
#include <weft/name.h>       /* names of hosts, services and protocols */
#include <weft/offload.h>    /* blocking calls while only the caller waits */
#include <weft/once.h>       /* something done exactly once */
#include <weft/operation.h>  /* calls that go on while their caller does something else */
#include <weft/pipe.h>       /* messages there and back, between processes too */
#include <weft/process.h>    /* tasks that are processes; fork */
#include <weft/queue.h>      /* values from task to task */
#include <weft/ring.h>       /* messages between processes that do not trust each other */
#include <weft/rlock.h>      /* a lock that its owner may take again */
#include <weft/runtime.h>    /* run and stop the runtime, workers */
#include <weft/rwlock.h>     /* many readers or one writer */
#include <weft/segment.h>    /* memory with a name, for programs that did not start each other */
#include <weft/select.h>     /* wait for the first of several */
#include <weft/selector.h>   /* many descriptors, one wait */
#include <weft/semaphore.h>  /* a counter to wait for */
#include <weft/signal.h>     /* wait for a signal */
#include <weft/socket.h>     /* datagrams, passed descriptors, options, multicast */
#include <weft/stream.h>     /* lines, exact sizes and formatted text over a descriptor */
#include <weft/subprocess.h> /* other programs: start, feed, read, end them */
#include <weft/task.h>       /* a unit of work: kinds, join, cancel, names */
#include <weft/terminal.h>   /* pseudo-terminals, raw mode, window size */
#include <weft/time.h>       /* spans, deadlines, sleep, tickers, timers */
#include <weft/tls.h>        /* encrypted connections; in libweft-tls */
#include <weft/value.h>      /* numbers, text, arrays and maps as messages */

#endif
