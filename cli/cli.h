/* cli.h - the verbs of the weft command. */
#ifndef CLI_H
#define CLI_H

/* Each gets its own name as argv[0] and returns the exit status. */
int cli_serve(int argc, char **argv);

#endif
