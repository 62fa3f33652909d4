/*
 * limits.h - every bound of the gate, with its unit. Its settings are bounded in their rows
 * (engine/configuration.c).
 */
#ifndef MXWARD_GATE_LIMITS_H
#define MXWARD_GATE_LIMITS_H

#include "shm/layout.h"

#define GATE_LISTENERS          16
#define GATE_CONNECTIONS        4096 /* at once; 76 KiB each, touched when used */
#define GATE_INPUT              40960 /* bytes kept of what a connection sent: a request and a receive */
#define GATE_OUTPUT             32768 /* bytes that wait to be sent to it; a power of two */
#define GATE_RECEIVE            4096  /* bytes of one receive */
#define GATE_ANSWER             4096  /* bytes of the longest answer */
#define GATE_BATCH              64    /* requests of one connection before the next one's turn */
#define GATE_AHEAD              8 /* socketmap requests that are fetched together; at most GATE_BATCH */
#define GATE_OUTSTANDING        64    /* requests of one connection that wait for the daemon */
#define GATE_QUESTIONS          1024  /* of all connections that wait for the daemon; 8 KiB each */
#define GATE_UNFINISHED_MS      10000 /* from a request's first byte to its last */
#define GATE_STALL_MS           10000 /* a client takes nothing of what waits for it: cut off */
#define GATE_ACCEPT_AGAIN_MS    100
#define GATE_RECENT             8192 /* answers that may only become stricter; 1.3 KiB each */
#define GATE_PROFILES           32   /* whose records are watched, for answers that are kept */
#define GATE_SAMPLE             4096 /* one socketmap request in so many is logged, at level info */
#define GATE_DELIVERIES         4096 /* processes that are delivering under a guarantee */
#define GATE_DELIVERY_MS        600000           /* what a process delivers is known for so long */
#define GATE_REFRESH_MS         TABLE_REFRESH_MS /* looks for other tables */
#define GATE_LINK_OBSERVE       64  /* outstanding at the daemon: no delivery is reported beside */
#define GATE_LINK_AGAIN_MS      200 /* between two tries to reach the daemon; doubled up to … */
#define GATE_LINK_AGAIN_MOST_MS 2000
/* The daemon answers by itself so long after a question's deadline (LIMIT_QUESTION_LATE_MS). */
#define GATE_DAEMON_LATE_MS 1000
#define GATE_RELOAD_MS      5000 /* until the loop has taken new options; it turns once a second */
#define GATE_STOP_MS        2000 /* for what is being sent when the gate stops */
#define GATE_LATE_MS        250  /* over its deadline: then the loop was late, not the daemon */

#endif
