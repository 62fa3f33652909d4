/*
 * limits.h - every bound of the program, with its unit. Nothing loops, queues, stores or waits
 * without one of these. Memory is the sum of what is here; the arithmetic stands beside it.
 */
#ifndef MXWARD_BASE_LIMITS_H
#define MXWARD_BASE_LIMITS_H

/* --- what a domain may have --- */
#define LIMIT_MX_RECORDS   512   /* parsed of one answer; 398 is the largest seen */
#define LIMIT_MX_HOSTS     10    /* evaluated of a domain (MX-18); the rest is never "ok" */
#define LIMIT_ADDRESSES    8     /* evaluated of a host: four of each family (MX-03, MX-04) */
#define LIMIT_TLSA         32    /* evaluated of a host */
#define LIMIT_TEXT_RECORDS 32    /* of one answer */
#define LIMIT_ALIASES      16    /* CNAME hops (MX-01) */
#define LIMIT_DNS_MESSAGE  65535 /* bytes */
#define LIMIT_DNS_ANSWER   65536 /* bytes of one parsed answer, all included */

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

/* --- threads --- */
#define LIMIT_SHARDS     64
#define LIMIT_RESOLVERS  64
#define LIMIT_THREADS    160  /* of one exchange */
#define MAILBOX_CAPACITY 1024 /* messages from one thread to another before parking */

#endif
