/*
 * watch.h - readers of the verdict table that never stop, for the lab's storms: the daemon is
 * killed, stopped and restarted under them.
 *
 * Every record read is judged by itself: the names dNNN.storm.lab have hosts hNNN.storm.lab, so a
 * record that is torn, or another name's, cannot pass.
 */
#ifndef MXWARD_FARM_WATCH_H
#define MXWARD_FARM_WATCH_H

#include <signal.h>

/* Reads the records of dFIRST.storm.lab … without a pause until *stop, waiting for a table first.
 * Prints counts as "NAME VALUE" lines. 0: no record was wrong; 1: some were, they are shown on
 * standard error. */
int watch_table(const char *directory, unsigned names, const volatile sig_atomic_t *stop);

#endif
