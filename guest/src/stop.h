/* The machine's end. */

#ifndef STOP_H
#define STOP_H

/* The FIFO by which poweroff and reboot ask process 1; -1 with errno. */
int initctl_open(void);

/* What is asked for there, RB_POWER_OFF or RB_AUTOBOOT, or 0. */
int initctl_read(int fd);

/* Ends all processes, syncs, unmounts; `signals` is the descriptor where SIGCHLD arrives. */
void stop_machine(int signals, int how) __attribute__((noreturn));

/* At once. */
void end_machine(int how) __attribute__((noreturn));

#endif
