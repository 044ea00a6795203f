/* mime.c - see mime.h. Sorted by extension; a unit test keeps it so. */
#include "http/mime.h"

#include <stdlib.h>
#include <string.h>

#define TEXT(sub) "text/" sub "; charset=utf-8"

static const struct type {
    char extension[12];
    const char *type;
} types[] = {
    { "7z", "application/x-7z-compressed" },
    { "aac", "audio/aac" },
    { "apng", "image/apng" },
    { "atom", "application/atom+xml" },
    { "avi", "video/x-msvideo" },
    { "avif", "image/avif" },
    { "bin", "application/octet-stream" },
    { "bmp", "image/bmp" },
    { "br", "application/x-brotli" },
    { "bz2", "application/x-bzip2" },
    { "c", TEXT("plain") },
    { "cbor", "application/cbor" },
    { "cc", TEXT("plain") },
    { "cjs", TEXT("javascript") },
    { "conf", TEXT("plain") },
    { "cpp", TEXT("plain") },
    { "css", TEXT("css") },
    { "csv", TEXT("csv") },
    { "cur", "image/x-icon" },
    { "deb", "application/vnd.debian.binary-package" },
    { "diff", TEXT("plain") },
    { "doc", "application/msword" },
    { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
    { "eot", "application/vnd.ms-fontobject" },
    { "epub", "application/epub+zip" },
    { "flac", "audio/flac" },
    { "geojson", "application/geo+json" },
    { "gif", "image/gif" },
    { "glb", "model/gltf-binary" },
    { "gltf", "model/gltf+json" },
    { "go", TEXT("plain") },
    { "gz", "application/gzip" },
    { "h", TEXT("plain") },
    { "heic", "image/heic" },
    { "htm", TEXT("html") },
    { "html", TEXT("html") },
    { "ico", "image/x-icon" },
    { "ics", TEXT("calendar") },
    { "ini", TEXT("plain") },
    { "iso", "application/x-iso9660-image" },
    { "jar", "application/java-archive" },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", TEXT("javascript") },
    { "json", "application/json" },
    { "jsonld", "application/ld+json" },
    { "jxl", "image/jxl" },
    { "log", TEXT("plain") },
    { "m3u8", "application/vnd.apple.mpegurl" },
    { "m4a", "audio/mp4" },
    { "m4v", "video/mp4" },
    { "map", "application/json" },
    { "md", TEXT("markdown") },
    { "mid", "audio/midi" },
    { "mjs", TEXT("javascript") },
    { "mkv", "video/x-matroska" },
    { "mov", "video/quicktime" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "mpeg", "video/mpeg" },
    { "oga", "audio/ogg" },
    { "ogg", "audio/ogg" },
    { "ogv", "video/ogg" },
    { "opus", "audio/ogg" },
    { "otf", "font/otf" },
    { "pdf", "application/pdf" },
    { "png", "image/png" },
    { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
    { "ps", "application/postscript" },
    { "py", TEXT("plain") },
    { "rs", TEXT("plain") },
    { "rss", "application/rss+xml" },
    { "rtf", "application/rtf" },
    { "sh", TEXT("plain") },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "tif", "image/tiff" },
    { "tiff", "image/tiff" },
    { "toml", "application/toml" },
    { "ts", "video/mp2t" },
    { "tsv", TEXT("tab-separated-values") },
    { "ttf", "font/ttf" },
    { "txt", TEXT("plain") },
    { "vcf", TEXT("vcard") },
    { "vtt", TEXT("vtt") },
    { "wasm", "application/wasm" },
    { "wav", "audio/wav" },
    { "weba", "audio/webm" },
    { "webm", "video/webm" },
    { "webmanifest", "application/manifest+json" },
    { "webp", "image/webp" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "xhtml", "application/xhtml+xml" },
    { "xls", "application/vnd.ms-excel" },
    { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
    { "xml", "application/xml" },
    { "xz", "application/x-xz" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "zip", "application/zip" },
    { "zst", "application/zstd" },
};

static int by_extension(const void *key, const void *type)
{
    return strncmp(key, ((const struct type *)type)->extension, sizeof types->extension);
}

const char *http_mime_of(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash + 1 : name, '.');
    char lower[sizeof types->extension + 1] = "";
    for (size_t i = 0; dot && dot[i + 1] && i < sizeof lower - 1; i++)
        lower[i] = (char)(dot[i + 1] >= 'A' && dot[i + 1] <= 'Z' ? dot[i + 1] | 0x20 : dot[i + 1]);
    const struct type *found =
        bsearch(lower, types, sizeof types / sizeof *types, sizeof *types, by_extension);
    return found ? found->type : "application/octet-stream";
}
