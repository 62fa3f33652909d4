/*
 * notify.h - tells the service manager how we are: one datagram to NOTIFY_SOCKET, if there is one.
 */
#ifndef MXWARD_SOCKET_NOTIFY_H
#define MXWARD_SOCKET_NOTIFY_H

/* `state` as in sd_notify(3). Errors are not worth anything to anybody and are ignored. */
void notify(const char *state);

#endif
