/* main.c - the weft command: a table of verbs. */
#include <stdio.h>
#include <string.h>
#include <weft/base.h>

#include "cli.h"

static int help(int argc, char **argv);
static int version(int argc, char **argv);

static const struct command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "serve", "serve a folder over HTTP", cli_serve },
    { "help", "this list, or the help of a command", help },
    { "version", "the version of the library", version },
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static void usage(FILE *out)
{
    fprintf(out, "usage: weft COMMAND [OPTION...]\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s%s\n", commands[i].name, commands[i].help);
    fprintf(out, "\nweft help COMMAND, or weft COMMAND --help, says more.\n");
}

static int help(int argc, char **argv)
{
    const struct command *c = argc > 1 ? find(argv[1]) : NULL;
    if (c && c->run != help && c->run != version)
        return c->run(2, (char *[]){ argv[1], "--help", NULL });
    if (argc > 1 && !c) {
        fprintf(stderr, "weft: there is no command %s\n", argv[1]);
        return 2;
    }
    usage(stdout);
    return 0;
}

static int version(int argc, char **argv)
{
    unsigned v = weft_version();
    (void)argc;
    (void)argv;
    printf("weft %u.%u.%u\n", v >> 16, v >> 8 & 255, v & 255);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct command *c = find(name);
    if (c)
        return c->run(argc - 1, argv + 1);
    if (*name)
        fprintf(stderr, "weft: there is no command %s\n", name);
    usage(stderr);
    return 2;
}
