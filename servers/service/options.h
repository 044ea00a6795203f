/* service/options.h - a command's options: one table for reading them and for the help. */
#ifndef SERVICE_OPTIONS_H
#define SERVICE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>
#include <weft/time.h>

struct service_option {
    const char *name; /* "--http" */
    const char *value; /* what its value is called in the help: "ADDRESS:PORT"; NULL: it takes none */
    const char *help;
    int (*set)(void *config, const char *value); /* < 0: the value is wrong */
};

/* Read options, "--name value" or "--name=value", among and behind the other words; "--" ends them.
 * What is wrong is said on standard error.
 *   command   in front of what is said: "weft serve"
 *   options   ends with a name of NULL
 *   argv      the words that are no options are moved to argv[1] and on
 * Returns   how many words; -EINVAL; -ECANCELED the help was asked for and is printed
 */
int service_options(const char *command, const char *usage, const struct service_option *options,
                    void *config, int argc, char **argv);

void service_help(FILE *out, const char *usage, const struct service_option *options);

/* A number from min to max; a span in seconds, "0.5" too. Return -EINVAL for anything else. */
int service_number(const char *text, long min, long max, long *out);
int service_span(const char *text, weft_span *out);

#endif
