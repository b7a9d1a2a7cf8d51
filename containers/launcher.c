/* /opt/w2z/bin/w2z: runs w2z with the Python beside it.
 *
 * The LD_* variables of an image are meant for the image's own libraries, and would put some of
 * them into w2z. They are handed on as W2Z_LD_*; w2z gives them back to the kernel it starts.
 * Statically linked, so that they do nothing to this program either.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOME "/opt/w2z"

extern char **environ;

int main(int argc, char **argv)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        if (strncmp(*variable, "LD_", 3) != 0)
            continue;
        char *renamed = malloc(strlen("W2Z_") + strlen(*variable) + 1);
        if (renamed == NULL)
            return 1;
        strcpy(renamed, "W2Z_");
        strcat(renamed, *variable);
        *variable = renamed;
    }

    /* I: no PYTHON* variables; S: nothing of site-packages outside. */
    char *command[argc + 3];
    command[0] = HOME "/libexec/python3";
    command[1] = "-ISXutf8";
    command[2] = HOME "/libexec/w2z";
    memcpy(&command[3], &argv[1], argc * sizeof *argv); /* with the NULL at the end */
    execv(command[0], command);
    perror(command[0]);
    return 1;
}
