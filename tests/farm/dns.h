/*
 * dns.h - name servers that misbehave: a relay in front of the lab's honest ones.
 *
 * Each row has an address, 127.53.N.1. Queries its filter does not catch are passed on to the
 * backend and answered as they are; those it catches get the row's treatment. So a zone may be
 * signed and in order but for its TLSA records, as zones in the real world are. UDP only: who needs
 * TCP here is meant to fail.
 */
#ifndef MXWARD_FARM_DNS_H
#define MXWARD_FARM_DNS_H

#include <signal.h>
#include <stdio.h>

void dns_print(FILE *out); /* label, address, what: tab-separated */
/* Serves until *stop. `backend`: IPv4 address, port 53. 0, or -1 with a message. */
int dns_run(const char *backend, unsigned port, const volatile sig_atomic_t *stop, FILE *ready);

#endif
