/* http/date.h - HTTP's dates (RFC 9110 5.6.7). */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_DATE_SIZE = 29 };

/* "Sun, 06 Nov 1994 08:49:37 GMT".
 *   out    room for HTTP_DATE_SIZE bytes and a zero
 *   seconds  since 1970, from year 1 to 9999; others are written as the nearest of these
 */
void http_date_format(char *out, int64_t seconds);

/* Any of the three forms.
 * Returns   seconds since 1970; INT64_MIN: not a date
 */
int64_t http_date_parse(const char *text, size_t size);

/* Days since 1970 of a date of the Gregorian calendar, and back. */
int64_t http_days_of(int64_t year, int month, int day);
void http_date_of(int64_t days, int64_t *year, int *month, int *day);

#endif
