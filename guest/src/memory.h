/* Programs that were killed since the machine's memory is full. */

#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

enum { MEMORY_NAME = 32 };

/* A descriptor that becomes readable when the kernel says something, from now on; -1 where there is none. */
int memory_open(void);

/* Whether one was killed; `name` is the last one's then, without blanks or controls. */
int memory_read(int fd, char name[MEMORY_NAME]);

/* How large the memory is, as " (512M)", or nothing where that is not known. */
void memory_size(char *text, size_t room);

#endif
