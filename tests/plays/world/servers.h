/*
 * servers.h - the mail hosts of plays: what they say, and with which certificates.
 *
 * servers_make gives the world its TLS servers, by the name behind "TLS":
 *
 *     (none)      TLS 1.3, a certificate of a trusted root for mx.example, *.mail.example and
 *                 signed.example
 *     1.2         the same, at most TLS 1.2
 *     old         the same, only TLS 1.0
 *     demanding   wants a certificate of the client
 *     huge        sends a chain of 120 KiB
 *     stranger    a certificate that nobody vouches for
 *
 * and the blobs for TLSA records (names.h): "leaf" is the SHA-256 of its key (3 1 1), "root" that
 * of the root's certificate (2 0 1), "other" matches nothing.
 */
#ifndef MXWARD_TESTS_PLAYS_WORLD_SERVERS_H
#define MXWARD_TESTS_PLAYS_WORLD_SERVERS_H

#include "engine/certificate/certificate.h"

#define GREETS    "S: 220 mx.example ESMTP\n"
#define EHLO      "C: EHLO probe.example\n"
#define OFFERS    EHLO "S: 250-mx.example\nS: 250-STARTTLS\nS: 250 SIZE 10000\n"
#define STARTS    "C: STARTTLS\nS: 220 go ahead\n"
#define UNTIL_TLS GREETS OFFERS STARTS
#define BYE       "C: QUIT\nS: 221 bye\n"
#define INSIDE    EHLO "S: 250-mx.example\nS: 250-REQUIRETLS\nS: 250 SIZE 10000\n"
#define WHOLE     UNTIL_TLS "TLS\n" INSIDE BYE "goodbye\nclose\n"
#define PLAIN     GREETS EHLO "S: 250-mx.example\nS: 250 SIZE 1\n" BYE
#define ALERT     "S! \\x15\\x03\\x03\\x00\\x02\\x02\\x28\n" /* handshake_failure */
#define HUNDRED_BYTES                                                                              \
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901" \
    "23456789"

void servers_make(void);
/* The store trusts the root of the servers. */
void servers_trust(struct certificate_store *certificates);

#endif
