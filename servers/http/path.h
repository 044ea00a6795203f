/* http/path.h - from a request's path to a file's name below the root, and back. No I/O. */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Decode a path once and normalise it: no leading "/", no empty, "." or ".." segment; a "/" at its end
 * stays. A name that could be read in two ways is refused: an escaped slash or backslash, a control
 * byte, text that is not UTF-8.
 *   out, room  at least size bytes, for the name and its final zero
 * Returns   the name's length, 0 for the root; -400, words in why
 */
int http_path_decode(char *out, size_t room, const char *path, size_t size, const char **why);

/* Has a name a segment that begins with a dot, other than a leading ".well-known"? */
bool http_path_is_hidden(const char *name);

/* Escape a name for a URL.
 *   out  3 * size bytes are always enough
 * Returns   the bytes written; no zero is added
 */
size_t http_path_encode(char *out, const char *name, size_t size);

/* Is this UTF-8: shortest forms only, no surrogates? */
bool http_is_utf8(const char *text, size_t size);

#endif
