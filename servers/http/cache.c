/* cache.c - small files in memory, one table for each OS thread.
 *
 * A table belongs to its thread alone, so it needs no lock; who waits with an entry in hand counts as a
 * user of it, and one that leaves the table lives as long as it has users. An entry is believed for
 * FRESH_MS, then the file is opened and compared again: a change is seen that soon. Sets of two need
 * no list to be kept in order; when a table holds BYTES_MAX, a hand goes round and empties sets.
 */
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

enum { SETS = 256, FRESH_MS = 100, BYTES_MAX = 4 << 20 };

struct http_cache {
    struct http_entry *sets[SETS][2];
    size_t bytes;
    unsigned hand;
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
    e->users = 1;
    e->key_size = (uint16_t)size;
    e->body = (char *)(e + 1);
    memcpy(e->body + file->version.size, key, size);
    return e;
}

void http_entry_release(struct http_entry *entry)
{
    if (--entry->users == 0)
        free(entry);
}

static void drop(struct http_cache *cache, struct http_entry **at)
{
    if (!*at)
        return;
    cache->bytes -= (*at)->file.version.size;
    http_entry_release(*at);
    *at = NULL;
}

void http_cache_put(struct http_thread *thread, struct http_entry *entry)
{
    struct http_cache *cache = thread->cache;
    if (!cache && !(cache = thread->cache = calloc(1, sizeof *cache)))
        return;
    for (; cache->bytes + entry->file.version.size > BYTES_MAX; cache->hand++)
        for (int i = 0; i < 2; i++)
            drop(cache, &cache->sets[cache->hand % SETS][i]);
    struct http_entry **set = cache->sets[entry->hash % SETS];
    if (set[0] && set[0]->hash == entry->hash) {
        drop(cache, &set[0]); /* an older version of it */
    } else {                  /* the one used last stays */
        drop(cache, &set[1]);
        set[1] = set[0];
    }
    entry->checked_ms = thread->now_ms;
    entry->users++;
    set[0] = entry;
    cache->bytes += entry->file.version.size;
}

void http_cache_free(struct http_thread *thread)
{
    for (int i = 0; thread->cache && i < 2 * SETS; i++)
        drop(thread->cache, &thread->cache->sets[i / 2][i % 2]);
    free(thread->cache);
}
