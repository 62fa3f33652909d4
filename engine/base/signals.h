/*
 * signals.h - what a service is told by signals: SIGHUP to reload, SIGTERM and SIGINT to stop.
 *
 * Main thread, before any other starts: they inherit the mask, so that only the main thread takes
 * them, by the descriptor.
 */
#ifndef MXWARD_BASE_SIGNALS_H
#define MXWARD_BASE_SIGNALS_H

/* Blocks them, and ignores SIGPIPE. A signalfd that stays open to the end, or -1. */
int signals_open(void);

#endif
