/* weft/tls.h - TLS over a descriptor or connection, by OpenSSL; only the calling task waits. It is a library of its
 * own: link with -lweft-tls (pkg-config weft-tls).
 *
 *     weft_tls_context *context;
 *     weft_tls tls = { 0 };
 *     int fd, r = weft_tls_context_new(&context, NULL);
 *     if (r == 0 && (r = fd = weft_dial("db1.example.org:8443", SOON)) >= 0)
 *         r = weft_tls_init(&tls, context, fd);
 *     if (r == 0)
 *         r = weft_tls_handshake(&tls, "db1.example.org", SOON);
 *     if (r == 0)
 *         n = weft_tls_write(&tls, "hello\n", 6, SOON);
 *     if (r < 0)
 *         puts(weft_why());   // "certificate of db1.example.org expired 2026-01-02"
 *
 * TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only; no compression, no renegotiation,
 * no early data. Memory comes from OpenSSL's allocator. */
#ifndef WEFT_TLS_H
#define WEFT_TLS_H

#include <sys/types.h>
#include <sys/uio.h>

#include <weft/base.h>
#include <weft/conn.h>
#include <weft/stream.h>
#include <weft/time.h>

WEFT_BEGIN

/* What many connections have in common: certificates, authorities, protocols. */
typedef struct weft_tls_context weft_tls_context;

enum weft_tls_flags {
    WEFT_TLS_SERVER = 1u << 0, /* the side that accepts */
    WEFT_TLS_ANYONE = 1u << 1, /* a client that takes every certificate, so talks to anyone */
    WEFT_TLS_ASK = 1u << 2,    /* a server that asks clients for a certificate */
    WEFT_TLS_DEMAND = 1u << 3, /* and refuses those without one */
    WEFT_TLS_1_3_ONLY = 1u << 4
};

struct weft_tls_options {
    size_t size; /* sizeof (struct weft_tls_options) */
    unsigned flags;
    const char *certificate; /* a file of the certificate and those between it and the authority, in PEM */
    const char *key; /* its key's file, which only its owner may read (0600); NULL: the same file */
    const char *authorities; /* a file of those that are believed. NULL: a client's are the system's */
    const char *protocols; /* "h2,http/1.1": ALPN, the best first; NULL: whatever the other side means */
};

/* Make a context.
 *   options  NULL: a client with the system's authorities. A server needs a certificate
 * Returns   0; -EACCES others may read the key, or one may not read a file; -ENOENT, -EIO no such file;
 *           -EINVAL options that make no sense, a file that is not PEM, a key that is encrypted or another's;
 *           -ECANCELED, -ENOMEM, -EAGAIN; words in weft_why()
 * Context   task or thread; reads files, and only the caller waits for their disk
 * Cancels   at entry
 * Owns      the caller frees it.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_tls_context_new(weft_tls_context **out,
                                            const struct weft_tls_options *options);

/* Give a server another certificate, for the hosts that it names. Clients that ask for one of them get it;
 * all others the context's first.
 * Returns   as weft_tls_context_new
 * Context   task or thread, before the context is used
 * Cancels   at entry.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_tls_context_add(weft_tls_context *context, const char *certificate,
                                            const char *key);

/* Free a context; connections that use it keep it until their fini. NULL is fine.
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_tls_context_free(weft_tls_context *context);

typedef struct weft_tls { /* private; 32 bytes; zeroed memory may be given to fini */
    struct weft_tls_state *_state;
    uint64_t _reserved[3];
} weft_tls;

/* Begin TLS on a descriptor, a connection or something else that carries bytes, which stays the caller's: it
 * is closed after fini, and nobody else reads or writes it meanwhile.
 *   carrier, on  as weft_stream_init_over's
 * Returns   0; -EINVAL; -ENOMEM
 * Context   anywhere
 * Cancels   no.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_tls_init(weft_tls *tls, weft_tls_context *context, int fd);
WEFT_API WEFT_MUST int weft_tls_init_conn(weft_tls *tls, weft_tls_context *context, weft_conn *conn);
WEFT_API WEFT_MUST int weft_tls_init_over(weft_tls *tls, weft_tls_context *context,
                                          const struct weft_carrier *carrier, void *on);

/* Agree on keys, and see who the other side is.
 *   host  a client's: the name or address that the server's certificate must have, also told to the server;
 *         NULL only with WEFT_TLS_ANYONE. A server's: NULL
 * Returns   0; -EKEYEXPIRED, -EKEYREVOKED, -EKEYREJECTED the other side's certificate is not good for this:
 *           expired, revoked, of an unknown authority, of another host; -EPROTO the other side does not
 *           speak TLS, refuses, or has no protocol in common; -ECONNRESET it closed; -ETIMEDOUT, -ECANCELED:
 *           it may be called again; errors of weft_read and weft_write; words in weft_why()
 * Context   task or thread
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_tls_handshake(weft_tls *tls, const char *host, weft_deadline deadline);

/* Read what there is, at least one byte.
 * Returns   bytes read; 0: the other side has said that it is done; -ECONNRESET it closed without a word: what
 *           came may not be all; -EPROTO; -ENOTCONN before the handshake; as weft_read; words in weft_why()
 *           for failures of TLS
 * Context   task or thread: one reader at a time, beside one writer
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_tls_read(weft_tls *tls, void *buf, size_t size,
                                         weft_deadline deadline);

/* Write everything. One span covers the whole.
 * Returns   bytes taken: size, or less when the deadline or a cancel came after some were taken; what is taken
 *           and not sent yet is sent first by the next write or shutdown. -ETIMEDOUT, -ECANCELED: nothing was
 *           taken. -EPIPE (never SIGPIPE on a socket), -ECONNRESET and what weft_write has end writing; how
 *           much has arrived is not known. -ENOTCONN before the handshake
 * Context   task or thread; several writers take turns, a call is not split
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST ssize_t weft_tls_write(weft_tls *tls, const void *buf, size_t size,
                                          weft_deadline deadline);
WEFT_API WEFT_MUST ssize_t weft_tls_writev(weft_tls *tls, const struct iovec *iov, int count,
                                           weft_deadline deadline);

/* Say that one is done, so that the other side knows it has all, and wait until it says so too; what it
 * still sends is dropped.
 * Returns   0 both are done, or the other side has closed; -ETIMEDOUT, -ECANCELED; -ENOTCONN before the
 *           handshake; errors of weft_tls_read and weft_tls_write
 * Context   task or thread, when nobody reads or writes
 * Cancels   yes.   Since 0.1
 */
WEFT_API WEFT_MUST int weft_tls_shutdown(weft_tls *tls, weft_deadline deadline);

/* End its use, and forget the keys. The carrier is not touched: without a shutdown before, the other side
 * takes it for a cut.
 * Context   anywhere, when nobody uses it
 * Cancels   no.   Since 0.1
 */
WEFT_API void weft_tls_fini(weft_tls *tls);

/* Put a stream over it: lines, exact sizes, formatted text.
 * Returns   as weft_stream_init
 * Context   as weft_stream_init
 * Cancels   no.   Since 0.1
 */
WEFT_API int weft_tls_stream(weft_stream *stream, weft_tls *tls, void *buf, size_t size);

/* What was agreed on in the handshake: the protocol by ALPN; "TLSv1.2" or "TLSv1.3"; at a server, the host
 * that the client asked for; the common name in the other side's certificate.
 * Returns   text that stays until fini; "" if there is none
 * Context   after the handshake, when nobody else shakes hands, reads or writes
 * Cancels   no.   Since 0.1
 */
WEFT_API const char *weft_tls_protocol(const weft_tls *tls);
WEFT_API const char *weft_tls_version(const weft_tls *tls);
WEFT_API const char *weft_tls_host(const weft_tls *tls);
WEFT_API const char *weft_tls_peer(const weft_tls *tls);

WEFT_END
#endif
