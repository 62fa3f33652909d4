/*
 * capture.h - what an eavesdropper on the wire gets: the bytes of every TCP connection of the lab.
 *
 * Each direction of each connection is a file, DIRECTORY/FROM:PORT-TO:PORT, with its payload in the
 * order it was sent, so that a word is found even where it was cut into two packets. Needs
 * CAP_NET_RAW, and sees the network namespace it runs in.
 */
#ifndef MXWARD_FARM_CAPTURE_H
#define MXWARD_FARM_CAPTURE_H

#include <signal.h>

/* Prints "ready" once nothing escapes it, and ends with *stop. 0: everything was written down; 1:
 * it was not, said on standard error; then what is not found in the files proves nothing. */
int capture_run(const char *directory, const volatile sig_atomic_t *stop);

#endif
