/* options.c - see options.h. */
#include "service/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void service_help(FILE *out, const char *usage, const struct service_option *options)
{
    fputs(usage, out);
    fprintf(out, "\n");
    for (; options->name; options++) {
        int n = fprintf(out, "  %s%s%s", options->name, options->value ? " " : "",
                        options->value ? options->value : "");
        fprintf(out, "%*s%s\n", n < 28 ? 28 - n : 1, "", options->help);
    }
}

static const struct service_option *find(const struct service_option *options, const char *name,
                                         size_t size)
{
    for (; options->name; options++)
        if (strlen(options->name) == size && memcmp(options->name, name, size) == 0)
            return options;
    return NULL;
}

int service_options(const char *command, const char *usage, const struct service_option *options,
                    void *config, int argc, char **argv)
{
    int words = 0;
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (ended || argv[i][0] != '-' || !argv[i][1]) {
            argv[++words] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            ended = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            service_help(stdout, usage, options);
            return -ECANCELED;
        }
        const char *equals = strchr(argv[i], '='), *value = equals ? equals + 1 : NULL;
        size_t size = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct service_option *option = find(options, argv[i], size);
        if (!option) {
            fprintf(stderr, "%s: there is no option %s (--help lists them)\n", command, argv[i]);
            return -EINVAL;
        }
        if (option->value && !value && !(value = argv[++i])) {
            fprintf(stderr, "%s: %s needs a value: %s\n", command, option->name, option->value);
            return -EINVAL;
        }
        if (!option->value && value) {
            fprintf(stderr, "%s: %s takes no value\n", command, option->name);
            return -EINVAL;
        }
        if (option->set(config, value) < 0) {
            fprintf(stderr, "%s: %s %s: this is not %s\n", command, option->name,
                    value ? value : "", option->value ? option->value : "possible");
            return -EINVAL;
        }
    }
    return words;
}

int service_number(const char *text, long min, long max, long *out)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max)
        return -EINVAL;
    *out = n;
    return 0;
}

int service_span(const char *text, weft_span *out)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end || !isfinite(n) || n <= 0 || n > 1e9)
        return -EINVAL;
    *out = (weft_span)(n * 1e9);
    return *out > 0 ? 0 : -EINVAL;
}
