/* cache.c - small files in memory, one table for each OS thread.
 *
 * A table belongs to its thread alone, so it needs no lock; a handler copies what it needs before it
 * waits. An entry is believed for HTTP_FRESH_MS, then the file is opened and compared again, so a
 * change is seen that soon. Sets of two: no list to keep in order, and a bound on memory of
 * 2 * SETS * HTTP_CACHED_MAX = 4 MiB a thread.
 */
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

enum { SETS = 256, FRESH_MS = 100 };

struct http_cache {
    struct http_entry *sets[SETS][2];
};

static uint64_t hash_of(const char *key, size_t size)
{
    uint64_t h = size * 0x9e3779b97f4a7c15u, word;
    for (; size >= 8; size -= 8, key += 8) {
        memcpy(&word, key, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, key, size);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    return h ^ h >> 29;
}

static const char *key_of(const struct http_entry *entry)
{
    return entry->body + entry->file.version.size;
}

struct http_entry *http_cache_get(struct http_thread *thread, const char *key, size_t size,
                                  struct http_entry **stale)
{
    *stale = NULL;
    if (!thread->cache)
        return NULL;
    uint64_t hash = hash_of(key, size);
    struct http_entry **set = thread->cache->sets[hash % SETS];
    for (int i = 0; i < 2; i++) {
        struct http_entry *e = set[i];
        if (!e || e->hash != hash || e->key_size != size || memcmp(key_of(e), key, size) != 0)
            continue;
        if (i == 1) { /* the one used last is kept longer */
            set[1] = set[0];
            set[0] = e;
        }
        int64_t age = thread->now_ms - e->checked_ms;
        if (age >= 0 && age < FRESH_MS)
            return e;
        *stale = e;
        return NULL;
    }
    return NULL;
}

struct http_entry *http_entry_new(const struct http_file *file, const char *key, size_t size)
{
    struct http_entry *e = malloc(sizeof *e + file->version.size + size);
    if (!e)
        return NULL;
    e->file = *file;
    e->file.version.etag = e->file.etag;
    e->hash = hash_of(key, size);
    e->key_size = (uint16_t)size;
    e->body = (char *)(e + 1);
    memcpy(e->body + file->version.size, key, size);
    return e;
}

void http_entry_free(struct http_entry *entry)
{
    free(entry);
}

void http_cache_put(struct http_thread *thread, struct http_entry *entry)
{
    entry->checked_ms = thread->now_ms;
    if (!thread->cache && !(thread->cache = calloc(1, sizeof *thread->cache))) {
        free(entry);
        return;
    }
    struct http_entry **set = thread->cache->sets[entry->hash % SETS];
    bool second = !set[0] || set[0]->hash != entry->hash;
    if (second) { /* the older one leaves */
        free(set[1]);
        set[1] = set[0];
    } else {
        free(set[0]);
    }
    set[0] = entry;
}

void http_cache_free(struct http_thread *thread)
{
    for (int i = 0; thread->cache && i < SETS; i++) {
        free(thread->cache->sets[i][0]);
        free(thread->cache->sets[i][1]);
    }
    free(thread->cache);
}
