/* From paths to names: what may be read in two ways is refused, and nothing leads upwards. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "http/mime.h"
#include "http/path.h"

static const struct {
    const char *path, *name; /* NULL: 400 */
} paths[] = {
    { "/", "" },
    { "", "" },
    { "/a", "a" },
    { "/a/", "a/" },
    { "/a/b.txt", "a/b.txt" },
    { "//a///b", "a/b" },
    { "//", "" },
    { "/./a/./b/.", "a/b/" },
    { "/a/..", "" },
    { "/a/../b", "b" },
    { "/a/b/../../c", "c" },
    { "/a/b/..", "a/" },
    { "/a//..//b/", "b/" },
    { "/a%20b", "a b" },
    { "/%61", "a" },
    { "/%C3%A9%e2%82%ac", "\xc3\xa9\xe2\x82\xac" },
    { "/%F0%9F%98%80", "\xf0\x9f\x98\x80" },
    { "/a+b", "a+b" },
    { "/%252e", "%2e" },
    { "/...", "..." },
    { "/..a/a..", "..a/a.." },
    { "/%2e/a", "a" },
    { "/a/%2e%2E/b", "b" },
    { "/..", NULL },
    { "/../a", NULL },
    { "/a/../../b", NULL },
    { "/%2e%2e/a", NULL },
    { "/.%2e/a", NULL },
    { "/a%2fb", NULL },
    { "/a%2Fb", NULL },
    { "/..%2fb", NULL },
    { "/a%5cb", NULL },
    { "/%00", NULL },
    { "/a%0a", NULL },
    { "/a%7f", NULL },
    { "/a%1f", NULL },
    { "/%", NULL },
    { "/%4", NULL },
    { "/%4g", NULL },
    { "/%g4", NULL },
    { "/a%", NULL },
    { "/%c0%af", NULL },
    { "/%c0%80", NULL },
    { "/%e0%80%af", NULL },
    { "/%ed%a0%80", NULL },
    { "/%f5%80%80%80", NULL },
    { "/%f4%90%80%80", NULL },
    { "/%c3", NULL },
    { "/%c3x", NULL },
    { "/%80", NULL },
    { "a", NULL },
};

TEST(a_path_becomes_a_name_below_the_root)
{
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t size = strlen(paths[i].path);
        char out[64], *exact = malloc(size + 1);
        const char *why = NULL;
        memcpy(exact, paths[i].path, size);
        int r = http_path_decode(out, sizeof out, exact, size, &why);
        free(exact);
        if ((r >= 0) != (paths[i].name != NULL))
            FAIL("%s is %d (%s)", paths[i].path, r, why);
        if (r >= 0) {
            CHECK_STR(out, paths[i].name);
            CHECK_EQ(r, strlen(out));
        } else {
            CHECK(why != NULL);
        }
    }
}

TEST(a_name_survives_escape_and_decoding)
{
    static const char name[] = "a b/%?#&<\"'>:;=@+,\xc3\xa9~/";
    char url[3 * sizeof name + 1] = "/", back[sizeof url];
    const char *why;
    size_t n = http_path_encode(url + 1, name, sizeof name - 1);
    CHECK_EQ(http_path_decode(back, sizeof back, url, n + 1, &why), sizeof name - 1);
    CHECK_STR(back, name);
    for (size_t i = 0; i <= n; i++)
        CHECK(url[i] > ' ' && !strchr("?#<>\"", url[i]));
}

TEST(dot_files_are_hidden_but_well_known_is_not)
{
    CHECK(http_path_is_hidden(".git"));
    CHECK(http_path_is_hidden(".git/config"));
    CHECK(http_path_is_hidden("a/.htaccess"));
    CHECK(http_path_is_hidden(".well-knownx"));
    CHECK(http_path_is_hidden(".well-known/.x"));
    CHECK(http_path_is_hidden("a/.well-known"));
    CHECK(!http_path_is_hidden(".well-known/acme"));
    CHECK(!http_path_is_hidden(".well-known"));
    CHECK(!http_path_is_hidden("a.b/c."));
    CHECK(!http_path_is_hidden(""));
}

TEST(a_type_is_known_by_the_extension)
{
    CHECK_STR(http_mime_of("a/index.html"), "text/html; charset=utf-8");
    CHECK_STR(http_mime_of("A.PNG"), "image/png");
    CHECK_STR(http_mime_of("x.tar.gz"), "application/gzip");
    CHECK_STR(http_mime_of("site.webmanifest"), "application/manifest+json");
    CHECK_STR(http_mime_of("x.webmanifestx"), "application/octet-stream");
    CHECK_STR(http_mime_of("a.html/b"), "application/octet-stream");
    CHECK_STR(http_mime_of("html"), "application/octet-stream");
    CHECK_STR(http_mime_of("a."), "application/octet-stream");
    CHECK_STR(http_mime_of(""), "application/octet-stream");
    /* The table is searched by halves: one word out of order, and these would not be found. */
    static const char *const all[] = { "7z",  "c",    "css",  "gif",  "go",    "ico", "jpg",
                                       "js",  "json", "map",  "md",   "mjs",   "mp4", "pdf",
                                       "svg", "txt",  "wasm", "webp", "woff2", "xml", "yml",
                                       "zip", "zst",  "br",   "br",   "ics",   "ini", "m3u8" };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char name[16] = "x.";
        strcat(name, all[i]);
        CHECK(strcmp(http_mime_of(name), "application/octet-stream") != 0);
    }
}
