/*
 * limits.h - every bound of the program, with its unit. Nothing loops, queues, stores or waits
 * without one of these. Memory is the sum of what is here; the arithmetic stands beside it.
 */
#ifndef MXWARD_BASE_LIMITS_H
#define MXWARD_BASE_LIMITS_H

/* --- what a domain may have --- */
#define LIMIT_MX_RECORDS        512   /* parsed of one answer; 398 is the largest seen */
#define LIMIT_MX_HOSTS          10    /* evaluated of a domain (MX-18); the rest is never "ok" */
#define LIMIT_OWN               64    /* names and addresses of the own mail hosts (MX-15) */
#define LIMIT_ADDRESSES         8     /* evaluated of a host: four of each family (MX-03, MX-04) */
#define LIMIT_ADDRESS_RECORDS   64    /* parsed of one answer */
#define LIMIT_TLSA              32    /* evaluated of a host */
#define LIMIT_TLSA_DATA         16384 /* bytes of theirs that are kept; more: not evaluated */
#define LIMIT_TEXT_RECORDS      32    /* of one answer */
#define LIMIT_ALIASES           16    /* CNAME hops (MX-01) */
#define LIMIT_DNS_MESSAGE       65535 /* bytes */
#define LIMIT_DNS_RECORDS       8192 /* looked at in one message; 65,535 bytes hold fewer than 6,000 */
#define LIMIT_DNS_TTL_S         86400 /* of data (DNS-11) */
#define LIMIT_DNS_ABSENCE_TTL_S 10800 /* of NODATA and NXDOMAIN (DNS-10) */
#define LIMIT_DNS_PROOF_TTL_S   3600  /* of the absence of TLSA and TXT, which lower (DNS-10) */
#define LIMIT_DNS_FAILURE_TTL_S 60    /* of errors and bogus answers, by our own clock (DNS-09) */
/* bytes of one parsed answer, all included: 512 MX of 260, 15 aliases of 256 and its head; 64 KiB
 * of TXT are less */
#define LIMIT_DNS_ANSWER (136 * 1024)

/* --- a resolver --- */
/* Look-ups in libunbound that somebody waits for; 18 KB each. More make one callback long: 200 took
 * 35 ms, 2,000 took 340 ms. Those that nobody waits for any more go on, it cannot stop them. */
#define LIMIT_DNS_INSIDE      192
#define LIMIT_DNS_ABANDONED   512
#define LIMIT_DNS_FAILURES    4096 /* remembered; 0.8 KB each */
#define LIMIT_DNS_QUESTIONS   1024 /* taken from the mailbox in one turn of the loop */
#define LIMIT_DNS_STARTS      64   /* look-ups begun in one turn */
#define LIMIT_DNS_TIMERS      1024 /* timers run in one turn */
#define LIMIT_DNS_LATE_MS     250  /* a deadline noticed later than this is our own fault */
#define LIMIT_DNS_STILL_MS    1000 /* a loop that stood still so long made its own timers run out */
#define LIMIT_DNS_PATIENCE_MS 2500 /* servers that had less time than this did not time out */
/* How long libunbound itself remembers, in seconds: what it knows of a server, and a bogus answer.
 * What it learned wrongly while we stood still lasts that long, one upon the other. */
#define LIMIT_DNS_INFRA_TTL_S    60
#define LIMIT_DNS_BOGUS_TTL_S    60
#define LIMIT_DNS_STILL_GRACE_MS ((LIMIT_DNS_INFRA_TTL_S + LIMIT_DNS_BOGUS_TTL_S) * UINT64_C(1000))
#define LIMIT_DNS_UDP_SOCKETS    512 /* that a resolver's libunbound asks from at once */
#define LIMIT_DNS_TCP_SOCKETS    32

/* --- what a mail host may say --- */
#define LIMIT_SMTP_LINE       2048   /* bytes, CRLF included (TLS-02) */
#define LIMIT_SMTP_LINES      100    /* of one reply */
#define LIMIT_SMTP_REPLY      65536  /* bytes of one reply */
#define LIMIT_SMTP_DIALOGUE   98304  /* bytes read of one connection before TLS, all included */
#define LIMIT_HANDSHAKE_BYTES 262144 /* read in one TLS handshake */
/* Of a Diffie-Hellman prime that the peer made up, in TLS 1.2: the exponent is as long, so that
 * 4096 take 70 ms, and 10,000, all that OpenSSL allows, a second. */
#define LIMIT_DH_BITS 4096
/* Of the groups of RFC 7919 and 3526, which go with a short one: but OpenSSL 3.0 checks the peer's
 * number with one of full length, twice, so that 6144 take 110 ms and 8192 take 270. */
#define LIMIT_DH_GROUP_BITS     6144
#define LIMIT_HEAVY_MS          50  /* of handshake steps in one turn; the last may end behind it */
#define LIMIT_PROBE_LATE_MS     250 /* a deadline noticed later than this is our own fault */
#define LIMIT_TLS_OUT           65536 /* bytes of ours that wait for one connection */
#define LIMIT_CHAIN             8     /* certificates looked at; more is a finding's detail */
#define LIMIT_CERTIFICATE_BYTES 65536
#define LIMIT_CERTIFICATE_NAMES 1000 /* dNSNames kept of one certificate */
#define LIMIT_TRANSCRIPT        1536 /* bytes kept of a dialogue, for `explain` */
#define LIMIT_SESSION_BYTES \
    2048 /* of a TLS session that is kept (probe/sessions.h); usual ones: 250 to 1,300 */

/* --- jobs --- */
#define LIMIT_EVICTION_LOOKS 64 /* jobs looked at to find an idle one to forget */
#define LIMIT_TAUGHT_MS \
    10000 /* what was seen of a domain is not taught again so soon, if it is the same */

/* Kept for later requests, in the whole daemon; a kept one costs about 6 KiB (endpoint, with its
 * evidence), 2 KiB (host), 8 KiB (domain): 512 MiB at the very most, certificates not counted, nor
 * LIMIT_TLSA_DATA of each host, as much again if somebody goes to the trouble. */
#define LIMIT_KEPT_ENDPOINTS   32768u
#define LIMIT_KEPT_HOSTS       32768u
#define LIMIT_KEPT_DOMAINS     16384u
#define LIMIT_KEPT_ANSWERS     32768u  /* of the DNS; about 1 KiB each */
#define LIMIT_POLITE_ADDRESSES 131072u /* addresses and prefixes remembered */
/* TLS sessions, in the whole daemon, for some minutes each. One costs 2.4 KiB, and its proof, if
 * that is not kept anyway, 3.5 KiB: 48 MiB at the very most. */
#define LIMIT_KEPT_SESSIONS 8192u

/*
 * Certificates, in the whole daemon, whoever holds them: evidence, kept for later or of a question
 * still in work, or nobody but the store. What does not fit is refused, and its probe is ours and
 * temporary. A usual leaf takes 1 to 5 KiB; its issuers, about 9 KiB each with what OpenSSL makes
 * of them, are there once for all. The largest leaf takes 137 KiB: 64 of DER, as much again of
 * names, 8 for the places of 1,000 names, and texts. Large ones may take half of all: 470 of the
 * largest.
 *
 * From three quarters on (of all, or of what large ones may take) a chain is cut to its leaf once
 * it was judged, and what is only kept for later is forgotten, oldest first. What questions in work
 * hold cannot be: to shut out a usual certificate with that takes the largest leaves (64 MiB) of
 * 470 endpoints at once, the largest chains of usual ones (32 MiB, 128 KiB each) of 250 more, and
 * then the largest usual leaves (32 MiB) of 2,000 more.
 *
 * Not counted: one that each shard has just parsed, half a MiB with all that OpenSSL makes of it;
 * and what the allocator rounds up, a fifth at most. What a peer sent stays in OpenSSL's form with
 * its probe until that ends: 100 KiB of DER, half a MiB in all, times probe.parallel.
 */
#define LIMIT_CERTIFICATES_BYTES (128u << 20)
#define LIMIT_CERTIFICATE_USUAL  16384 /* bytes of one, all included; more is large */

/* --- one turn of a shard --- */
#define LIMIT_TURN_MESSAGES 512 /* taken before completions get their turn again */
#define LIMIT_TURN_TIMERS   512
#define LIMIT_TURN_FORGETS  32  /* jobs of each kind, while certificates are crowded */
#define LIMIT_AHEAD_MS      40  /* before its deadline a question is answered with what is known */
#define LIMIT_SLEEP_MS      200 /* a shard looks up at least this often */
#define LIMIT_LATE_MS       700 /* between two looks at the clock: then the loop was late, law 3 */
#define LIMIT_SILENT_MS     15000 /* a shard without a turn: the watchdog is not fed */
#define LIMIT_STOP_MS       15000 /* for everything asked to come home at the end */

/* --- the wall clock, in seconds since 1970 --- */
#define LIMIT_CLOCK_FIRST_S \
    INT64_C(1767225600) /* 2026-01-01: this was not yet written (FRESH-06) */
#define LIMIT_CLOCK_LAST_S (LIMIT_CLOCK_FIRST_S + INT64_C(30) * 31556952) /* 30 years later */

/* --- the durable store (engine/memory/store) --- */
#define LIMIT_STORE_CHANGES 4096 /* of one batch */
/* Pages that one change may dirty: a way down a tree, and a split of each page on it. A batch is
 * given so many free pages before it begins: 240 MiB of address space, not of disk. */
#define LIMIT_STORE_CHANGE_PAGES     12
#define LIMIT_STORE_EXCEPTIONS       1024   /* of one account */
#define LIMIT_STORE_AUDIT            100000 /* rows of administrators; 0.3 KB, 0.7 KB at most */
#define LIMIT_STORE_AUDIT_USERS      100000 /* rows of users' switches */
#define LIMIT_STORE_AUDIT_LEDGER     100000 /* rows of what the ledger does by itself */
#define LIMIT_STORE_REPORT           500000 /* rows; 0.1 KB each */
#define LIMIT_STORE_REPORT_DAY       10000 /* rows of one day; further domains are counted together */
#define LIMIT_STORE_REPORT_DAYS      400
#define LIMIT_STORE_TRIM             2 /* rows over a bound that go with each row that is added */
#define LIMIT_STORE_QUARANTINE       4096 /* broken values kept */
#define LIMIT_STORE_QUARANTINE_BYTES 1024 /* kept of one */
#define LIMIT_STORE_COPIES           64
#define LIMIT_STORE_BROKEN_FILES     4  /* damaged databases kept aside */
#define LIMIT_STORE_DEPTH            16 /* of a tree in the file; a million entries are 4 deep */
#define LIMIT_STORE_MAP_BYTES        (UINT64_C(16) << 30) /* address space of the database at first */
#define LIMIT_STORE_FILE_BYTES       (UINT64_C(1) << 40)

/* --- threads --- */
#define LIMIT_SHARDS    64
#define LIMIT_RESOLVERS 64
#define LIMIT_THREADS   160 /* of one exchange */

/* --- open files, beside the connections of probes, resolvers and clients --- */
#define LIMIT_THREAD_FILES  32 /* of a thread: ring, pipes, sockets on their way out */
#define LIMIT_PROCESS_FILES 64 /* tables, log, settings, the native socket */

/* --- the native socket (its frames' sizes stand in ipc/wire/frame.h) --- */
#define LIMIT_CLIENTS         4096  /* connections at once; 70 KiB each, touched when used */
#define LIMIT_CLIENT_INPUT    32768 /* bytes kept of what a connection sent */
#define LIMIT_CLIENT_OUTPUT   32768 /* bytes waiting to be sent to it; a power of two */
#define LIMIT_CLIENT_RECEIVE  4096  /* bytes of one receive */
#define LIMIT_CLIENT_REQUESTS 4096  /* outstanding of one connection */
#define LIMIT_CLIENT_BATCH    32    /* frames of one connection before the next one's turn */
#define LIMIT_CLIENT_AHEAD    8     /* of them, those that are made ready together; a divisor */
#define LIMIT_CLIENT_FRAME_MS 10000 /* from a frame's first byte to its last */
#define LIMIT_CLIENT_STALL_MS 10000 /* a client takes nothing of what waits for it: cut off */
#define LIMIT_FRONT_REQUESTS  16384 /* outstanding of all clients; 1 KiB each */
#define LIMIT_FRONT_DOCUMENTS 8     /* being sent at once; 1 MiB each, touched when used */
/* What is kept for administrators (status, config, reload), whatever others hold and however slowly
 * they read: documents; one in so many connections; one in so many of LIMIT_FRONT_REQUESTS. */
#define LIMIT_FRONT_DOCUMENTS_ADMIN 2
#define LIMIT_ADMIN_CONNECTIONS     16
#define LIMIT_ADMIN_QUESTIONS       64
#define LIMIT_FRONT_ORDERS          8    /* at the keeper at once */
#define LIMIT_FRONT_DELIVERIES      256  /* reported by mail programs, at the shards at once */
#define LIMIT_FRONT_DELIVERY_LOOKS  64   /* of them, those that are looked at because of it */
#define LIMIT_FRONT_REPORTS         1024 /* lines on their way to the report; others are not in it */
#define LIMIT_FRONT_KEYS            1024 /* recipients whose keys are looked up at once; 1 KiB each */
#define LIMIT_KEY_LOOK_UP_MS        2000 /* an answer waits no longer for them */
#define LIMIT_FRONT_KEPT            8192 /* answers of each kind given again, about; 272 bytes each */
#define LIMIT_FRONT_MESSAGES        1024  /* answers of the engine taken in one turn */
#define LIMIT_QUESTION_MS           60000 /* a question without a deadline of its own */
#define LIMIT_QUESTION_MOST_MS      300000
#define LIMIT_QUESTION_LATE_MS      1000 /* over its deadline, before the front answers by itself */
#define LIMIT_RIGHTS                256  /* users and groups named for one right */
#define LIMIT_PEER_GROUPS           1024 /* supplementary groups of a client that are looked at */
#define LIMIT_SERVE_STOP_MS         3000 /* for what is still at the engine when the daemon stops */

/* --- demands and memory --- */
#define LIMIT_PROFILES       64
#define LIMIT_ALIAS_PATTERNS 1024
#define LIMIT_TRUSTED_HOPS   256
#define LIMIT_QUEUE_LIFE_S   604800 /* longer than a mail server keeps a message in its queue */
#define LIMIT_EXCEPTIONS     32     /* of one account: recipient domains for which it is off */

#define LIMIT_PROFILES_NAMED   3     /* of those that are missing; the others are counted */
#define LIMIT_ALARMS           32    /* kept for `status` */
#define LIMIT_ALARM_COMMAND_MS 60000 /* a command that takes longer is killed */
#define LIMIT_COPY_APART_S     86400 /* between two copies of the memory */
#define LIMIT_NOTES            1024  /* of one shard, on their way to the keeper; 4 KiB each */
/* changes of one commit; the last message of it brings at most 256 more */
#define LIMIT_KEEPER_BATCH    3840
#define LIMIT_KEEPER_BATCH_MS 2 /* a batch is open so long at most */
/* Raised floors that the table had at the start and the disk did not take: 0.3 KiB each. */
#define LIMIT_KEEPER_RAISES   (16 * LIMIT_KEEPER_BATCH)
#define LIMIT_KEEPER_EFFECTS  16384 /* floors on their way to the table; 0.4 KiB each */
#define LIMIT_KEEPER_PAUSE_MS 1000  /* the store is left alone after an error */
#define LIMIT_KEEPER_EVENTS   8     /* of one entry, from one observation */
#define LIMIT_EVICT_LOOKS     64    /* entries looked at for one that makes room */
#define LIMIT_SWEEP_APART_S   86400 /* between two sweeps for what ran out or grew old */
#define LIMIT_SWEEP_LOOKS     4096  /* entries a second */
#define LIMIT_SWEEP_CHANGES   64    /* of these, changed */
#define LIMIT_SWEEP_CLOCK_S   3600  /* a clock that was set by more since the start: no sweep */

/* --- the log --- */
#define LOG_LINE                 2048 /* bytes of one line's text */
#define LOG_EVENTS               128  /* different event words with a limit of their own */
#define LOG_EVENT_WORD           48   /* bytes of an event word that count */
#define LOG_PER_EVENT_PER_SECOND 20   /* lines */

/* --- configuration files --- */
#define LIMIT_CONFIGURATION_BYTES 1048576 /* of all files together */
#define LIMIT_CONFIGURATION_FILES 256     /* read through include() */
#define LIMIT_CONFIGURATION_DEPTH 8       /* include() inside of included files; braces in braces */
#define LIMIT_OPTION_NAME         64      /* bytes of a section's or option's name */
#define LIMIT_RUN_DIRECTORY       80 /* bytes of its path: a socket's path must fit behind it */

/* --- names as they come in --- */
#define LIMIT_NAME_INPUT    1024 /* bytes of a domain as people write it (UTF-8, not yet mapped) */
#define LIMIT_ADDRESS_INPUT 2048 /* bytes of a next hop or a mail address, local part included */

#endif
