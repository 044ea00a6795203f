/* http/mime.h - content types by the end of a file's name. */
#ifndef HTTP_MIME_H
#define HTTP_MIME_H

/* The type of a file by its name's extension, whatever its case; "application/octet-stream" when it is
 * not known. Text is declared as UTF-8. */
const char *http_mime_of(const char *name);

#endif
