/*
 * One line an attempt. "held NAME": refused with the error that the wall gives. "open NAME": it succeeded. "odd NAME
 * ERROR": it failed otherwise, so perhaps it was never made. The test accepts "held" alone.
 */
#pragma once

void verdict(const char *name, long result, int expected);
#define TRY(name, call, expected) verdict(name, (long)(call), expected)

/* Write or read a file of one line; like the calls themselves, -1 and errno. */
long put(const char *path, const char *text);
long get(const char *path);

/* Attempts, by subject. */
void namespaces(void);
void mounts(void);
void devices(void);
void facilities(void);
void host_files(void);
void file_system_calls(void);
void proc(void);
void home(unsigned int owner);
void space(void);
void tap(void);
void others(void);
void core(void);
void sweep(char *allowed);

/* Roles, which never return. */
void hold(const char *trap);
void noise(void);
void hog(const char *where);
