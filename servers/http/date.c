/* date.c - see date.h. Calendar arithmetic on years that begin in March; no locale, no time zone. */
#include "http/date.h"

#include <stdbool.h>
#include <string.h>

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const weekdays[7] = { "Thursday", "Friday",  "Saturday", "Sunday",
                                         "Monday",   "Tuesday", "Wednesday" }; /* 1970 began so */

int64_t http_days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void http_date_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

static char *two(char *at, int64_t n)
{
    at[0] = (char)('0' + n / 10);
    at[1] = (char)('0' + n % 10);
    return at + 2;
}

void http_date_format(char *out, int64_t seconds)
{
    const int64_t first = -62135596800, last = 253402300799;
    int64_t year;
    int month, day;
    seconds = seconds < first ? first : seconds > last ? last : seconds;
    int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400, left = seconds - days * 86400;
    http_date_of(days, &year, &month, &day);
    memcpy(out, weekdays[((days % 7) + 7) % 7], 3);
    memcpy(out + 3, ", ", 2);
    two(out + 5, day);
    out[7] = ' ';
    memcpy(out + 8, months[month - 1], 3);
    out[11] = ' ';
    two(out + 12, year / 100);
    two(out + 14, year % 100);
    out[16] = ' ';
    two(out + 17, left / 3600);
    out[19] = ':';
    two(out + 20, left / 60 % 60);
    out[22] = ':';
    two(out + 23, left % 60);
    memcpy(out + 25, " GMT", 5);
}

/* -- reading ------------------------------------------------------------------------------------------ */

struct cursor {
    const char *at, *end;
    bool failed;
};

static void literal(struct cursor *c, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0)
        c->failed = true;
    else
        c->at += n;
}

/* Exactly so many digits; a blank stands for the first one when asctime() wrote it. */
static int number(struct cursor *c, int digits, bool blank)
{
    int n = 0;
    for (int i = 0; i < digits; i++, c->at++) {
        if (c->at == c->end) {
            c->failed = true;
            return 0;
        }
        if (blank && i == 0 && *c->at == ' ')
            continue;
        if (*c->at < '0' || *c->at > '9') {
            c->failed = true;
            return 0;
        }
        n = n * 10 + (*c->at - '0');
    }
    return n;
}

static int month(struct cursor *c)
{
    for (int i = 0; i < 12 && c->end - c->at >= 3; i++) {
        if (memcmp(c->at, months[i], 3) == 0) {
            c->at += 3;
            return i + 1;
        }
    }
    c->failed = true;
    return 1;
}

/* The weekday is read, not believed. Returns whether it was the whole name. */
static bool weekday(struct cursor *c)
{
    for (int i = 0; i < 7; i++) {
        size_t n = strlen(weekdays[i]), have = (size_t)(c->end - c->at);
        if (have >= n && memcmp(c->at, weekdays[i], n) == 0) {
            c->at += n;
            return true;
        }
        if (have >= 3 && memcmp(c->at, weekdays[i], 3) == 0) {
            c->at += 3;
            return false;
        }
    }
    c->failed = true;
    return false;
}

static int64_t clock_time(struct cursor *c)
{
    int hour = number(c, 2, false);
    literal(c, ":");
    int minute = number(c, 2, false);
    literal(c, ":");
    int second = number(c, 2, false);
    if (hour > 23 || minute > 59 || second > 60)
        c->failed = true;
    return hour * 3600 + minute * 60 + second;
}

int64_t http_date_parse(const char *text, size_t size)
{
    struct cursor c = { text, text + size, false };
    int64_t year, time;
    int m, day;
    bool whole = weekday(&c);
    if (whole) { /* Sunday, 06-Nov-94 08:49:37 GMT */
        literal(&c, ", ");
        day = number(&c, 2, false);
        literal(&c, "-");
        m = month(&c);
        literal(&c, "-");
        year = number(&c, 2, false);
        year += year < 70 ? 2000 : 1900;
        literal(&c, " ");
        time = clock_time(&c);
        literal(&c, " GMT");
    } else if (c.at < c.end && *c.at == ',') { /* Sun, 06 Nov 1994 08:49:37 GMT */
        literal(&c, ", ");
        day = number(&c, 2, false);
        literal(&c, " ");
        m = month(&c);
        literal(&c, " ");
        year = number(&c, 4, false);
        literal(&c, " ");
        time = clock_time(&c);
        literal(&c, " GMT");
    } else { /* Sun Nov  6 08:49:37 1994 */
        literal(&c, " ");
        m = month(&c);
        literal(&c, " ");
        day = number(&c, 2, true);
        literal(&c, " ");
        time = clock_time(&c);
        literal(&c, " ");
        year = number(&c, 4, false);
    }
    if (c.failed || c.at != c.end || day < 1 || day > 31)
        return INT64_MIN;
    return http_days_of(year, m, day) * 86400 + time;
}
