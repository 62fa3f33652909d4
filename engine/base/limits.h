/*
 * limits.h - every bound of the program, with its unit. Nothing loops, queues, stores or waits
 * without one of these. Memory is the sum of what is here; the arithmetic stands beside it.
 */
#ifndef MXWARD_BASE_LIMITS_H
#define MXWARD_BASE_LIMITS_H

/* --- what a domain may have --- */
#define LIMIT_MX_RECORDS        512   /* parsed of one answer; 398 is the largest seen */
#define LIMIT_MX_HOSTS          10    /* evaluated of a domain (MX-18); the rest is never "ok" */
#define LIMIT_ADDRESSES         8     /* evaluated of a host: four of each family (MX-03, MX-04) */
#define LIMIT_ADDRESS_RECORDS   64    /* parsed of one answer */
#define LIMIT_TLSA              32    /* evaluated of a host */
#define LIMIT_TEXT_RECORDS      32    /* of one answer */
#define LIMIT_ALIASES           16    /* CNAME hops (MX-01) */
#define LIMIT_DNS_MESSAGE       65535 /* bytes */
#define LIMIT_DNS_RECORDS       8192 /* looked at in one message; 65,535 bytes hold fewer than 6,000 */
#define LIMIT_DNS_TTL_S         86400 /* of data (DNS-11) */
#define LIMIT_DNS_ABSENCE_TTL_S 10800 /* of NODATA and NXDOMAIN (DNS-10) */
#define LIMIT_DNS_PROOF_TTL_S   3600  /* of the absence of TLSA and TXT, which lower (DNS-10) */
#define LIMIT_DNS_FAILURE_TTL_S 60    /* of errors and bogus answers, by our own clock (DNS-09) */
/* bytes of one parsed answer, all included: 512 MX of 260 and its head; 64 KiB of TXT are less */
#define LIMIT_DNS_ANSWER (136 * 1024)

/* --- what a mail host may say --- */
#define LIMIT_SMTP_LINE         2048   /* bytes, CRLF included (TLS-02) */
#define LIMIT_SMTP_LINES        100    /* of one reply */
#define LIMIT_SMTP_REPLY        65536  /* bytes of one reply */
#define LIMIT_SMTP_DIALOGUE     98304  /* bytes read of one connection before TLS, all included */
#define LIMIT_HANDSHAKE_BYTES   262144 /* read in one TLS handshake */
#define LIMIT_CHAIN             8      /* certificates looked at; more is a finding's detail */
#define LIMIT_CERTIFICATE_BYTES 65536
#define LIMIT_CERTIFICATE_NAMES 100  /* dNSNames kept of one certificate */
#define LIMIT_TRANSCRIPT        1536 /* bytes kept of a dialogue, for `explain` */

/* --- jobs --- */
#define LIMIT_EVICTION_LOOKS 64 /* jobs looked at to find an idle one to forget */

/* --- threads --- */
#define LIMIT_SHARDS     64
#define LIMIT_RESOLVERS  64
#define LIMIT_THREADS    160  /* of one exchange */
#define MAILBOX_CAPACITY 1024 /* messages from one thread to another before parking */

/* --- the log --- */
#define LOG_LINE                 2048 /* bytes of one line's text */
#define LOG_EVENTS               128  /* different event words with a limit of their own */
#define LOG_EVENT_WORD           48   /* bytes of an event word that count */
#define LOG_PER_EVENT_PER_SECOND 20   /* lines */

/* --- names as they come in --- */
#define LIMIT_NAME_INPUT    1024 /* bytes of a domain as people write it (UTF-8, not yet mapped) */
#define LIMIT_ADDRESS_INPUT 2048 /* bytes of a next hop or a mail address, local part included */

#endif
