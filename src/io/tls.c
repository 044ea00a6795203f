/* tls.c - TLS by OpenSSL, in a library of its own, libweft-tls, which sees the public headers only.
 *
 * OpenSSL never touches the carrier: our BIO reads from `in`, what has come, and appends to `out`, what is to
 * go. So an SSL call never waits, and between a call and the look at its thread's error queue, which all
 * coroutines of a worker share, nobody else runs. The carrier is read and written around those calls.
 *
 * Locks: `sending`, held over the waits of a writer, orders what goes out; `lock` is for the SSL object and
 * the ends of the buffers, and nobody waits with it. A reader never waits for a writer: two sides that write
 * much to each other would wait for ever. What a reader has to send goes with the next write if not at once.
 */
#include <weft/tls.h>

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <weft/fd.h>
#include <weft/lock.h>
#include <weft/offload.h>

enum { IN_ROOM = 16384 + 512, OUT_FULL = 65536, WORDS = 256, HOST = 256 };

struct certified {
    struct certified *next;
    SSL_CTX *ssl;
};

struct weft_tls_context {
    struct certified first; /* and those that were added */
    uint32_t users;         /* atomic: its maker and the connections */
    unsigned flags;
    unsigned char protocols[256]; /* as ALPN has them: length, text */
    unsigned protocols_size;
};

struct buffer {
    unsigned char *at;
    size_t begin, end, room;
};

struct weft_tls_state {
    SSL *ssl;
    weft_tls_context *context;
    const struct weft_carrier *carrier;
    void *on;
    weft_lock lock, sending;
    struct buffer in, out, wire; /* wire: taken from out by who sends */
    bool ended;                  /* the carrier's end was read */
    bool ready;                  /* hands were shaken */
    int failed;                  /* what ended the SSL object */
    int cut;                     /* what ended writing to the carrier */
    int verdict;                 /* on the other side's certificate, with words */
    char words[WORDS];
    char host[HOST], protocol[256], peer[128];
};

/* -- buffers and the BIO between ----------------------------------------------------------------------- */

static void empty(struct buffer *b)
{
    OPENSSL_free(b->at);
    *b = (struct buffer){ 0 };
}

static bool make_room(struct buffer *b, size_t more)
{
    size_t room = b->room ? b->room : 4096;
    while (room - b->end < more)
        room *= 2;
    unsigned char *at = room > b->room ? OPENSSL_realloc(b->at, room) : b->at;
    if (!at)
        return false;
    b->at = at;
    b->room = room;
    return true;
}

static int bio_write(BIO *bio, const char *data, int size)
{
    struct weft_tls_state *t = BIO_get_data(bio);
    if (size <= 0 || !make_room(&t->out, (size_t)size))
        return -1;
    memcpy(t->out.at + t->out.end, data, (size_t)size);
    t->out.end += (size_t)size;
    return size;
}

static int bio_read(BIO *bio, char *out, int size)
{
    struct weft_tls_state *t = BIO_get_data(bio);
    size_t n = t->in.end - t->in.begin;
    BIO_clear_retry_flags(bio);
    if (n == 0 && !t->ended)
        BIO_set_retry_read(bio);
    if (n == 0 || size <= 0)
        return t->ended ? 0 : -1;
    n = n < (size_t)size ? n : (size_t)size;
    memcpy(out, t->in.at + t->in.begin, n);
    t->in.begin += n;
    return (int)n;
}

static long bio_control(BIO *bio, int what, long number, void *pointer)
{
    struct weft_tls_state *t = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH || (what == BIO_CTRL_EOF && t->ended && t->in.begin == t->in.end);
}

/* Made once, and kept. */
static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *made; /* atomic */
    BIO_METHOD *m = __atomic_load_n(&made, __ATOMIC_ACQUIRE), *none = NULL;
    if (m || !(m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weft")))
        return m;
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_ctrl(m, bio_control);
    if (!__atomic_compare_exchange_n(&made, &none, m, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        BIO_meth_free(m);
        m = none;
    }
    return m;
}

/* -- contexts ------------------------------------------------------------------------------------------- */

/* Making one is a job for a helper thread: OpenSSL reads files its own way. Words are told by the caller. */
struct making {
    weft_tls_context *context;
    const struct weft_tls_options *options;
    SSL_CTX *ssl;
    char words[WORDS];
};

#define TELL(making, err, ...) \
    (BIO_snprintf((making)->words, sizeof(making)->words, __VA_ARGS__), (err))

static const char *reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;
    return text ? text : "unknown reason";
}

static int no_password(char *out, int size, int writing, void *ctx)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1; /* or OpenSSL asks at the terminal */
}

/* A whole file in memory, BIO_free'd by the caller. secret: nobody but its owner may read it. */
static int read_file(struct making *m, const char *path, bool secret, BIO **out)
{
    struct stat st;
    char part[4096];
    ssize_t n = 0;
    int r, fd = weft_open(path, O_RDONLY, 0);
    if (fd < 0)
        return TELL(m, fd, "read %s: %s", path, weft_strerror(fd));
    if ((r = weft_fstat(fd, &st)) == 0 && secret && st.st_mode & 077)
        r = TELL(m, -EACCES, "key %s: others may read it (mode %04o; chmod 600 it)", path,
                 (unsigned)st.st_mode & 07777);
    BIO *file = r == 0 ? BIO_new(secret ? BIO_s_secmem() : BIO_s_mem()) : NULL;
    while (file && (n = weft_read(fd, part, sizeof part, weft_never())) > 0)
        if (BIO_write(file, part, (int)n) != n)
            n = -ENOMEM;
    OPENSSL_cleanse(part, sizeof part);
    weft_close(fd);
    if (r < 0)
        return r;
    if (!file || n < 0) {
        BIO_free(file);
        r = file ? (int)n : -ENOMEM;
        return TELL(m, r, "read %s: %s", path, weft_strerror(r));
    }
    *out = file;
    return 0;
}

/* The certificate, then those between it and its authority. */
static int use_certificate(struct making *m, const char *path)
{
    BIO *file;
    X509 *one;
    int r = read_file(m, path, false, &file), count = 0;
    if (r < 0)
        return r;
    while ((one = PEM_read_bio_X509_AUX(file, NULL, no_password, NULL))) {
        if (count++ == 0) {
            r = SSL_CTX_use_certificate(m->ssl, one) == 1 ? 0 : -EINVAL;
            X509_free(one);
        } else if (SSL_CTX_add0_chain_cert(m->ssl, one) != 1) {
            X509_free(one);
            r = -ENOMEM;
        }
        if (r < 0)
            break;
    }
    BIO_free(file);
    if (r == 0 && (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE))
        r = -EINVAL; /* none, or one that is damaged */
    return r < 0 ? TELL(m, r, "certificate %s: %s", path, reason()) : 0;
}

static int use_key(struct making *m, const char *path)
{
    BIO *file;
    int r = read_file(m, path, true, &file);
    if (r < 0)
        return r;
    ERR_clear_error();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_password, NULL);
    BIO_free(file);
    if (!key)
        return TELL(m, -EINVAL, "key %s: %s", path, reason());
    if (SSL_CTX_use_PrivateKey(m->ssl, key) != 1 || SSL_CTX_check_private_key(m->ssl) != 1)
        r = TELL(m, -EINVAL, "key %s: %s", path, reason());
    EVP_PKEY_free(key);
    return r;
}

static int use_authorities(struct making *m, const char *path, bool server)
{
    if (!path)
        return SSL_CTX_set_default_verify_file(m->ssl) == 1
                   ? 0
                   : TELL(m, -ENOENT, "the system's authorities: %s", reason());
    if (SSL_CTX_load_verify_file(m->ssl, path) != 1)
        return TELL(m, -EINVAL, "authorities %s: %s", path, reason());
    if (server) { /* clients are told whose certificates are wanted */
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
        if (names)
            SSL_CTX_set_client_CA_list(m->ssl, names);
    }
    return 0;
}

/* "h2,http/1.1" with lengths instead of commas. */
static int split_protocols(struct making *m, const char *list)
{
    weft_tls_context *c = m->context;
    while (list) {
        size_t n = strcspn(list, ",");
        if (n == 0 || n > 255 || c->protocols_size + n + 1 > sizeof c->protocols)
            return TELL(m, -EINVAL, "protocols: malformed");
        c->protocols[c->protocols_size++] = (unsigned char)n;
        memcpy(c->protocols + c->protocols_size, list, n);
        c->protocols_size += (unsigned)n;
        list = list[n] ? list + n + 1 : NULL;
    }
    return 0;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size,
                           const unsigned char *offered, unsigned offered_size, void *context)
{
    const weft_tls_context *c = context;
    unsigned char *chosen = NULL;
    (void)ssl;
    int r = SSL_select_next_proto(&chosen, size, c->protocols, c->protocols_size, offered,
                                  offered_size);
    *out = chosen;
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int choose_certificate(SSL *ssl, int *alert, void *context)
{
    const weft_tls_context *c = context;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    for (const struct certified *one = host ? &c->first : NULL; one; one = one->next)
        if (X509_check_host(SSL_CTX_get0_certificate(one->ssl), host, 0, 0, NULL) == 1) {
            SSL_set_SSL_CTX(ssl, one->ssl);
            break;
        }
    return SSL_TLSEXT_ERR_OK;
}

static int judge_certificate(int good, X509_STORE_CTX *store);

static int make_ssl(struct making *m)
{
    const struct weft_tls_options *o = m->options;
    weft_tls_context *c = m->context;
    bool server = c->flags & WEFT_TLS_SERVER, asks = c->flags & (WEFT_TLS_ASK | WEFT_TLS_DEMAND);
    SSL_CTX *ssl = m->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!ssl)
        return TELL(m, -ENOMEM, "TLS: %s", reason());
    SSL_CTX_set_min_proto_version(ssl,
                                  c->flags & WEFT_TLS_1_3_ONLY ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF); /* tickets need none */
    SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"weft", 4);
    if (server ? asks : !(c->flags & WEFT_TLS_ANYONE))
        SSL_CTX_set_verify(ssl,
                           SSL_VERIFY_PEER |
                               (c->flags & WEFT_TLS_DEMAND ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                           judge_certificate);
    if (server) {
        SSL_CTX_set_tlsext_servername_callback(ssl, choose_certificate);
        SSL_CTX_set_tlsext_servername_arg(ssl, c);
        if (c->protocols_size)
            SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, c);
    } else if (c->protocols_size &&
               SSL_CTX_set_alpn_protos(ssl, c->protocols, c->protocols_size) != 0) {
        return TELL(m, -ENOMEM, "protocols: %s", reason());
    }
    int r = 0;
    if (o->certificate)
        r = use_certificate(m, o->certificate);
    if (r == 0 && o->certificate)
        r = use_key(m, o->key ? o->key : o->certificate);
    if (r == 0 && (server ? asks : !(c->flags & WEFT_TLS_ANYONE)))
        r = use_authorities(m, o->authorities, server);
    return r;
}

static int make_context(void *arg)
{
    struct making *m = arg;
    /* Before any other call of OpenSSL: each one makes it clean up at exit, when tasks may still use it. */
    if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1 || !bio_method())
        return TELL(m, -ENOMEM, "TLS: %s", reason());
    ERR_clear_error();
    int r = m->context->users ? 0 : split_protocols(m, m->options->protocols);
    if (r == 0)
        r = make_ssl(m);
    ERR_clear_error();
    return r;
}

static int make(struct making *m)
{
    int r = weft_offload(make_context, m);
    if (r < 0 && !*m->words)
        BIO_snprintf(m->words, sizeof m->words, "TLS: %s", weft_strerror(r));
    if (r < 0)
        SSL_CTX_free(m->ssl);
    return r < 0 ? weft_why_set(r, "%s", m->words) : 0;
}

int weft_tls_context_new(weft_tls_context **out, const struct weft_tls_options *options)
{
    static const struct weft_tls_options client = { .size = sizeof client };
    const struct weft_tls_options *o = options ? options : &client;
    const unsigned servers = WEFT_TLS_ASK | WEFT_TLS_DEMAND;
    if (o->size != sizeof *o ||
        o->flags & ~(WEFT_TLS_SERVER | WEFT_TLS_ANYONE | servers | WEFT_TLS_1_3_ONLY) ||
        (o->flags & WEFT_TLS_SERVER ? !o->certificate || o->flags & WEFT_TLS_ANYONE
                                    : o->flags & servers) ||
        (o->flags & servers && !o->authorities))
        return weft_why_set(-EINVAL, "TLS options: they make no sense together");
    struct making m = { .options = o, .context = OPENSSL_zalloc(sizeof *m.context) };
    if (!m.context)
        return weft_why_set(-ENOMEM, "TLS: %s", weft_strerror(-ENOMEM));
    m.context->flags = o->flags;
    int r = make(&m);
    if (r < 0) {
        OPENSSL_free(m.context);
        return r;
    }
    m.context->first.ssl = m.ssl;
    m.context->users = 1;
    *out = m.context;
    return 0;
}

int weft_tls_context_add(weft_tls_context *context, const char *certificate, const char *key)
{
    struct weft_tls_options o = { .size = sizeof o, .certificate = certificate, .key = key };
    struct making m = { .options = &o, .context = context };
    if (!certificate || !(context->flags & WEFT_TLS_SERVER) ||
        context->flags & (WEFT_TLS_ASK | WEFT_TLS_DEMAND))
        return weft_why_set(-EINVAL, "TLS options: they make no sense together");
    struct certified *one = OPENSSL_zalloc(sizeof *one);
    if (!one)
        return weft_why_set(-ENOMEM, "TLS: %s", weft_strerror(-ENOMEM));
    int r = make(&m);
    if (r < 0) {
        OPENSSL_free(one);
        return r;
    }
    one->ssl = m.ssl;
    one->next = context->first.next;
    context->first.next = one;
    return 0;
}

void weft_tls_context_free(weft_tls_context *context)
{
    if (!context || __atomic_sub_fetch(&context->users, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    SSL_CTX_free(context->first.ssl);
    for (struct certified *one = context->first.next, *next; one; one = next) {
        next = one->next;
        SSL_CTX_free(one->ssl);
        OPENSSL_free(one);
    }
    OPENSSL_free(context);
}

/* -- what went wrong ------------------------------------------------------------------------------------ */

static const char *other_side(const struct weft_tls_state *t)
{
    return *t->host ? t->host : t->context->flags & WEFT_TLS_SERVER ? "the client" : "the server";
}

static void common_name(X509 *certificate, char *out, size_t size)
{
    *out = 0;
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out,
                                  (int)size);
}

static void date(const ASN1_TIME *time, char out[16])
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) == 1)
        BIO_snprintf(out, 16, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    else
        memcpy(out, "at some time", 13);
}

/* Called by OpenSSL for each certificate of the chain, from the authority down; it remembers what is wrong. */
static int judge_certificate(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct weft_tls_state *t = SSL_get_app_data(ssl);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);
    char name[128], day[16], what[200];
    if (good || t->verdict)
        return good;
    common_name(certificate, name, sizeof name);
    if (X509_STORE_CTX_get_error_depth(store) == 0)
        BIO_snprintf(what, sizeof what, "certificate of %s", other_side(t));
    else
        BIO_snprintf(what, sizeof what, "authority '%s' of %s", name, other_side(t));
    t->verdict = -EKEYREJECTED;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        date(X509_get0_notAfter(certificate), day);
        BIO_snprintf(t->words, sizeof t->words, "%s expired %s", what, day);
        t->verdict = -EKEYEXPIRED;
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        date(X509_get0_notBefore(certificate), day);
        BIO_snprintf(t->words, sizeof t->words, "%s is not valid before %s", what, day);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        BIO_snprintf(t->words, sizeof t->words, "%s: host name mismatch, it is for '%s'", what,
                     name);
        break;
    case X509_V_ERR_CERT_REVOKED:
        t->verdict = -EKEYREVOKED;
        /* fallthrough */
    default:
        BIO_snprintf(t->words, sizeof t->words, "%s: %s", what,
                     X509_verify_cert_error_string(error));
    }
    return good;
}

/* How an SSL call went, right after it: 0 well, 1 the other side is done, -EAGAIN it needs more to read. Else it
 * was the last one. */
static int judge(struct weft_tls_state *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_NONE: return 0;
    case SSL_ERROR_ZERO_RETURN: return 1;
    case SSL_ERROR_WANT_READ: return -EAGAIN;
    default: break;
    }
    unsigned long e = ERR_peek_error();
    if (t->verdict) {
        t->failed = t->verdict;
    } else {
        t->failed = ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE || e == 0       ? -ENOMEM
                    : ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? -ECONNRESET
                                                                              : -EPROTO;
        BIO_snprintf(t->words, sizeof t->words, "TLS with %s: %s", other_side(t),
                     t->failed == -ECONNRESET ? "it closed without a word"
                     : e                      ? reason()
                                              : weft_strerror(t->failed));
    }
    ERR_clear_error();
    return t->failed;
}

static int tell(struct weft_tls_state *t, int r)
{
    return r < 0 && r == t->failed ? weft_why_set(r, "%s", t->words) : r;
}

/* -- bytes ----------------------------------------------------------------------------------------------- */

static weft_deadline fixed(weft_deadline deadline)
{
    return deadline.ns < 0 ? weft_at((weft_time){ weft_now().ns - deadline.ns }) : deadline;
}

/* With `sending` held: all that is to go. */
static int send_out(struct weft_tls_state *t, weft_deadline deadline)
{
    for (;;) {
        struct buffer *w = &t->wire;
        if (w->begin == w->end) {
            empty(w);
            weft_lock_enter(&t->lock);
            *w = t->out;
            t->out = (struct buffer){ 0 };
            weft_lock_leave(&t->lock);
        }
        if (w->begin == w->end || t->cut)
            return t->cut;
        struct iovec part = { w->at + w->begin, w->end - w->begin };
        ssize_t n = t->carrier->writev(t->on, &part, 1, deadline);
        if (n == 0)
            n = -EPIPE;
        if (n == -ETIMEDOUT || n == -ECANCELED)
            return (int)n;
        if (n < 0)
            t->cut = (int)n;
        else
            w->begin += (size_t)n;
    }
}

static int flush(struct weft_tls_state *t, weft_deadline deadline)
{
    int r = weft_lock_acquire(&t->sending, deadline);
    if (r < 0)
        return r;
    r = send_out(t, deadline);
    weft_lock_release(&t->sending);
    return r;
}

/* More to read for OpenSSL, which has taken all there was. */
static int fill(struct weft_tls_state *t, weft_deadline deadline)
{
    if (!t->in.at && !make_room(&t->in, IN_ROOM))
        return -ENOMEM;
    ssize_t n = t->carrier->read(t->on, t->in.at, t->in.room, deadline);
    weft_lock_enter(&t->lock);
    t->ended = n == 0;
    t->in.begin = 0;
    t->in.end = n > 0 ? (size_t)n : 0;
    if (n <= 0)
        empty(&t->in); /* it may be long until there is something */
    weft_lock_leave(&t->lock);
    return n < 0 ? (int)n : 0;
}

/* -- connections ----------------------------------------------------------------------------------------- */

static ssize_t fd_read(void *on, void *buf, size_t size, weft_deadline deadline)
{
    return weft_read((int)(intptr_t)on, buf, size, deadline);
}

static ssize_t fd_writev(void *on, const struct iovec *iov, int count, weft_deadline deadline)
{
    return weft_writev((int)(intptr_t)on, iov, count, deadline);
}

static ssize_t conn_read(void *on, void *buf, size_t size, weft_deadline deadline)
{
    return weft_conn_read(on, buf, size, deadline);
}

static ssize_t conn_writev(void *on, const struct iovec *iov, int count, weft_deadline deadline)
{
    return weft_conn_writev(on, iov, count, deadline);
}

int weft_tls_init_over(weft_tls *tls, weft_tls_context *context, const struct weft_carrier *carrier,
                       void *on)
{
    if (!tls || !context || !carrier)
        return -EINVAL;
    struct weft_tls_state *t = OPENSSL_zalloc(sizeof *t);
    ERR_clear_error();
    SSL *ssl = t ? SSL_new(context->first.ssl) : NULL;
    BIO *bio = ssl ? BIO_new(bio_method()) : NULL;
    ERR_clear_error();
    if (!bio) {
        SSL_free(ssl);
        OPENSSL_free(t);
        return -ENOMEM;
    }
    t->ssl = ssl;
    t->context = context;
    t->carrier = carrier;
    t->on = on;
    __atomic_fetch_add(&context->users, 1, __ATOMIC_RELAXED);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, t);
    if (context->flags & WEFT_TLS_SERVER)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    *tls = (weft_tls){ ._state = t };
    return 0;
}

int weft_tls_init(weft_tls *tls, weft_tls_context *context, int fd)
{
    static const struct weft_carrier carrier = { fd_read, fd_writev };
    return fd < 0 ? -EINVAL : weft_tls_init_over(tls, context, &carrier, (void *)(intptr_t)fd);
}

int weft_tls_init_conn(weft_tls *tls, weft_tls_context *context, weft_conn *conn)
{
    static const struct weft_carrier carrier = { conn_read, conn_writev };
    return !conn ? -EINVAL : weft_tls_init_over(tls, context, &carrier, conn);
}

void weft_tls_fini(weft_tls *tls)
{
    struct weft_tls_state *t = tls->_state;
    if (!t)
        return;
    SSL_free(t->ssl);
    weft_tls_context_free(t->context);
    empty(&t->in);
    empty(&t->out);
    empty(&t->wire);
    weft_lock_fini(&t->lock);
    weft_lock_fini(&t->sending);
    OPENSSL_free(t);
    *tls = (weft_tls){ 0 };
}

/* Whom a client wants to talk to: told to the server, and what its certificate must have. */
static int set_host(struct weft_tls_state *t, const char *host)
{
    bool server = t->context->flags & WEFT_TLS_SERVER, anyone = t->context->flags & WEFT_TLS_ANYONE;
    if (server ? host != NULL : !host && !anyone)
        return weft_why_set(-EINVAL, "TLS: a client's handshake needs a host, a server's none");
    if (!host || *t->host)
        return 0;
    size_t size = strlen(host);
    if (size == 0 || size >= sizeof t->host)
        return weft_why_set(-EINVAL, "TLS: no host is called '%.80s'", host);
    int r = 1;
    X509_VERIFY_PARAM *wanted = SSL_get0_param(t->ssl);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ERR_clear_error();
    if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host) != 1)
        r = SSL_set1_host(t->ssl, host) == 1 && SSL_set_tlsext_host_name(t->ssl, host) == 1;
    ERR_clear_error();
    if (!r)
        return weft_why_set(-ENOMEM, "TLS: %s", weft_strerror(-ENOMEM));
    memcpy(t->host, host, size + 1);
    return 0;
}

/* With the lock held, once: texts for those who ask later, perhaps beside a reader. */
static void note_agreement(struct weft_tls_state *t)
{
    const unsigned char *protocol;
    unsigned size;
    SSL_get0_alpn_selected(t->ssl, &protocol, &size);
    if (size < sizeof t->protocol)
        memcpy(t->protocol, protocol ? protocol : (const unsigned char *)"", size);
    const char *host = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    if (t->context->flags & WEFT_TLS_SERVER && host)
        BIO_snprintf(t->host, sizeof t->host, "%s", host);
    common_name(SSL_get0_peer_certificate(t->ssl), t->peer, sizeof t->peer);
    t->ready = true;
}

int weft_tls_handshake(weft_tls *tls, const char *host, weft_deadline deadline)
{
    struct weft_tls_state *t = tls->_state;
    int r, sent;
    if (!t)
        return -EINVAL;
    if (weft_task_is_cancelled())
        return -ECANCELED;
    if (t->failed)
        return tell(t, t->failed);
    if (!t->ready && (r = set_host(t, host)) < 0)
        return r;
    deadline = fixed(deadline);
    for (;;) {
        weft_lock_enter(&t->lock);
        ERR_clear_error();
        r = judge(t, SSL_do_handshake(t->ssl));
        if (r == 0 && !t->ready)
            note_agreement(t);
        weft_lock_leave(&t->lock);
        sent = flush(t, deadline); /* a refusal too */
        if (r == 0 && (sent == -ETIMEDOUT || sent == -ECANCELED))
            r = sent;
        if (r == -EAGAIN)
            r = sent < 0 ? sent : fill(t, deadline);
        else
            break; /* done: whom writing was cut off from may still have sent something */
        if (r < 0)
            break;
    }
    if (r == 0 || r == t->failed)
        return tell(t, r);
    return weft_why_set(r, "TLS with %s: %s", other_side(t), weft_strerror(r));
}

ssize_t weft_tls_read(weft_tls *tls, void *buf, size_t size, weft_deadline deadline)
{
    struct weft_tls_state *t = tls->_state;
    size_t n = 0;
    int r;
    if (!t || !t->ready)
        return -ENOTCONN;
    if (weft_task_is_cancelled())
        return -ECANCELED;
    if (size == 0)
        return 0;
    for (;;) {
        weft_lock_enter(&t->lock);
        ERR_clear_error();
        r = t->failed ? t->failed : judge(t, SSL_read_ex(t->ssl, buf, size, &n));
        bool answers = t->out.end > 0;
        weft_lock_leave(&t->lock);
        if (answers && r != 0)
            (void)!flush(t, weft_at_once());
        if (r != -EAGAIN)
            break;
        if ((r = fill(t, deadline = fixed(deadline))) < 0)
            return r;
    }
    return r == 0 ? (ssize_t)n : r > 0 ? 0 : tell(t, r);
}

/* With `sending` held: into records, some of them at a time. */
static int encrypt(struct weft_tls_state *t, const void *data, size_t size, size_t *taken,
                   bool *full)
{
    size_t n = 0;
    weft_lock_enter(&t->lock);
    ERR_clear_error();
    int r = t->failed ? t->failed : judge(t, SSL_write_ex(t->ssl, data, size, &n));
    *full = t->out.end >= OUT_FULL;
    weft_lock_leave(&t->lock);
    *taken += n;
    return r > 0 ? -EPIPE : r == -EAGAIN ? -EPROTO : r;
}

ssize_t weft_tls_writev(weft_tls *tls, const struct iovec *iov, int count, weft_deadline deadline)
{
    struct weft_tls_state *t = tls->_state;
    size_t done = 0;
    bool full;
    if (!t || !t->ready)
        return -ENOTCONN;
    if (count < 0)
        return -EINVAL;
    deadline = fixed(deadline);
    int r = weft_lock_acquire(&t->sending, deadline);
    if (r < 0)
        return r;
    r = send_out(t, deadline); /* what an earlier one left */
    for (int i = 0; r == 0 && i < count; i++)
        for (size_t at = 0; r == 0 && at < iov[i].iov_len;) {
            size_t part = iov[i].iov_len - at < OUT_FULL ? iov[i].iov_len - at : OUT_FULL;
            r = encrypt(t, (const char *)iov[i].iov_base + at, part, &done, &full);
            at += part;
            if (r == 0 && full)
                r = send_out(t, deadline);
        }
    if (r == 0)
        r = send_out(t, deadline);
    weft_lock_release(&t->sending);
    bool kept = r == 0 || r == -ETIMEDOUT || r == -ECANCELED; /* what was taken goes yet */
    return done && kept ? (ssize_t)done : tell(t, r);
}

ssize_t weft_tls_write(weft_tls *tls, const void *buf, size_t size, weft_deadline deadline)
{
    return weft_tls_writev(tls, &(struct iovec){ (void *)(uintptr_t)buf, size }, 1, deadline);
}

int weft_tls_shutdown(weft_tls *tls, weft_deadline deadline)
{
    struct weft_tls_state *t = tls->_state;
    char rest[1024];
    size_t n;
    int r = 0;
    if (!t || !t->ready)
        return -ENOTCONN;
    deadline = fixed(deadline);
    if (t->failed)
        return tell(t, t->failed);
    weft_lock_enter(&t->lock);
    ERR_clear_error();
    if (!(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(t->ssl);
    ERR_clear_error();
    weft_lock_leave(&t->lock);
    if ((r = flush(t, deadline)) < 0)
        return r;
    while (r == 0) {
        weft_lock_enter(&t->lock);
        ERR_clear_error();
        r = judge(t, SSL_read_ex(t->ssl, rest, sizeof rest, &n));
        weft_lock_leave(&t->lock);
        if (r == -EAGAIN)
            r = fill(t, deadline);
    }
    return r > 0 || r == -ECONNRESET
               ? 0
               : tell(t, r); /* ours was said: whoever closes then has heard enough */
}

/* -- and more ----------------------------------------------------------------------------------------- */

static ssize_t carrier_read(void *on, void *buf, size_t size, weft_deadline deadline)
{
    return weft_tls_read(on, buf, size, deadline);
}

static ssize_t carrier_writev(void *on, const struct iovec *iov, int count, weft_deadline deadline)
{
    return weft_tls_writev(on, iov, count, deadline);
}

int weft_tls_stream(weft_stream *stream, weft_tls *tls, void *buf, size_t size)
{
    static const struct weft_carrier carrier = { carrier_read, carrier_writev };
    return weft_stream_init_over(stream, &carrier, tls, buf, size);
}

const char *weft_tls_protocol(const weft_tls *tls)
{
    return tls->_state ? tls->_state->protocol : "";
}

const char *weft_tls_version(const weft_tls *tls)
{
    return tls->_state && tls->_state->ready ? SSL_get_version(tls->_state->ssl) : "";
}

const char *weft_tls_host(const weft_tls *tls)
{
    return tls->_state ? tls->_state->host : "";
}

const char *weft_tls_peer(const weft_tls *tls)
{
    return tls->_state ? tls->_state->peer : "";
}
