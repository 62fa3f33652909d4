/*
 * behaviours.c - the rows of the farm. Read it as a list of what the real world does; each row says
 * only where it differs from a good host. Contract: behaviours.h. Pure.
 */
#include "tests/farm/behaviours.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string.h>

#define HELLO    "250-mx.farm.lab\r\n"
#define KEYWORDS "250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
#define PLAIN    SAY(HELLO KEYWORDS "250 ENHANCEDSTATUSCODES\r\n")
#define NOT_NOW  SAY("503 5.5.1 bad sequence of commands\r\n")
#define READY    "220 2.0.0 Ready to start TLS\r\n"

/* A TLS 1.2 (or SSL 3.0) ServerHello that chooses `suite`, with nothing after it but the extension
 * renegotiation_info, which OpenSSL insists on. */
#define SERVER_HELLO(version, suite)                                                             \
    "\x16\x03" version "\x00\x31\x02\x00\x00\x2d\x03" version "0123456789abcdef0123456789abcdef" \
    "\x00" suite "\x00\x00\x05\xff\x01\x00\x01\x00"
#define ALERT(level, description) "\x15\x03\x03\x00\x02" level description

static const struct behaviour rows[BEHAVIOUR_COUNT] = {
    /* --- hosts in order, some of them odd --- */
    [1] = {.label = "tls13", .what = "everything in order, TLS 1.3"},
    [2] = {.label = "tls12", .what = "TLS 1.2 only", .tls_maximum = TLS1_2_VERSION},
    [3] = {.label = "rsa2048", .what = "RSA key of 2048 bits", .certificate = "rsa2048"},
    [4] = {.label = "teaser",
           .what = "multi-line greeting with a pause in it",
           .greeting = SAY("220-mx.farm.lab\r\n" PAUSE_1S "220 mx.farm.lab ESMTP\r\n")},
    [5] = {.label = "late-greeting",
           .what = "greets after two seconds",
           .greeting = SAY(PAUSE_2S "220 mx.farm.lab ESMTP\r\n")},
    [6] = {.label = "no-esmtp",
           .what = "greeting without the word ESMTP",
           .greeting = SAY("220 laposte\r\n")},
    [7] = {.label = "starttls-last",
           .what = "STARTTLS is the last line of the EHLO reply",
           .ehlo = SAY(HELLO "250 STARTTLS\r\n")},
    [8] = {.label = "starttls-case",
           .what = "sTaRtTlS",
           .ehlo = SAY(HELLO "250-sTaRtTlS\r\n250 SIZE\r\n")},
    [9] = {.label = "starttls-params",
           .what = "STARTTLS with parameters",
           .ehlo = SAY(HELLO "250-STARTTLS if you like\r\n250 SIZE\r\n")},
    [10] = {.label = "no-quit-reply", .what = "no answer to QUIT", .quit = SAY(SILENCE)},
    [11] = {.label = "no-close-notify",
            .what = "closes without close_notify",
            .flags = FARM_NO_CLOSE_NOTIFY},
    [12] = {.label = "client-certificate",
            .what = "asks for a client certificate, does not need it",
            .flags = FARM_ASKS_CERTIFICATE},
    [13] = {.label = "name-warning",
            .what = "warning alert unrecognized_name, then goes on",
            .tls_maximum = TLS1_2_VERSION,
            .flags = FARM_NAME_WARNING},
    [14] = {.label = "requiretls",
            .what = "REQUIRETLS before and after TLS",
            .ehlo = SAY(HELLO "250-REQUIRETLS\r\n250 STARTTLS\r\n"),
            .ehlo_tls = SAY(HELLO "250-SMTPUTF8\r\n250 REQUIRETLS\r\n")},
    [15] = {.label = "requiretls-before",
            .what = "REQUIRETLS before TLS only",
            .ehlo = SAY(HELLO "250-REQUIRETLS\r\n250 STARTTLS\r\n"),
            .ehlo_tls = SAY(HELLO "250 8BITMIME\r\n")},
    [16] = {.label = "synchronization",
            .what = "Exim's check for early talk, before every reply",
            .greeting = SAY(PAUSE_300MS "220 mx.farm.lab ESMTP Exim 4.96\r\n"),
            .ehlo = SAY(PAUSE_300MS HELLO "250 STARTTLS\r\n"),
            .flags = FARM_CHECKS_EARLY_TALK},
    [17] = {.label = "bare-lf",
            .what = "every line ends with a bare LF",
            .greeting = SAY("220 mx.farm.lab ESMTP\n"),
            .ehlo = SAY("250-mx.farm.lab\n250-STARTTLS\n250 SIZE\n"),
            .starttls = SAY("220 go\n")},
    [18] = {.label = "bare-code",
            .what = "bare codes without text",
            .greeting = SAY("220\r\n"),
            .ehlo = SAY(HELLO "250-STARTTLS\r\n250\r\n"),
            .starttls = SAY("220\r\n")},
    [19] = {.label = "eight-bit",
            .what = "eight-bit bytes in greeting and EHLO reply",
            .greeting = SAY("220 mx.farm.lab gr\xfc\xdf Gott \xff\r\n"),
            .ehlo = SAY("250-h\xe9llo\r\n250 STARTTLS\r\n")},
    [20] = {.label = "nul",
            .what = "NUL bytes in the greeting",
            .greeting = SAY("220 mx.farm.lab \0ESMTP\0\r\n")},
    [21] = {.label = "long-line",
            .what = "a line of 700 bytes in the EHLO reply, more than 512, and STARTTLS after it",
            .ehlo = SAY(
                HELLO
                "250-XLONG 0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789"
                "0123456789012345678901234567890123456789012345678901234567890123456789\r\n"
                "250 STARTTLS\r\n")},
    [22] = {.label = "multiline-ready",
            .what = "multi-line reply to STARTTLS",
            .starttls = SAY("220-2.0.0 Ready\r\n220 2.0.0 to start TLS\r\n")},
    [23] = {.label = "hello-retry",
            .what = "TLS 1.3 with P-384 only: HelloRetryRequest",
            .groups = "P-384"},
    [24] = {.label = "few-ciphers",
            .what = "fails when more than 64 cipher suites are offered",
            .flags = FARM_FEW_CIPHERS},
    [25] = {.label = "tickets", .what = "sends session tickets", .flags = FARM_KEEPS_TICKETS},
    [26] = {.label = "dual", .what = "RSA and ECDSA certificates", .second = "rsa2048"},
    [27] = {.label = "pieces",
            .what = "replies in pieces, cut inside a code and a line end",
            .greeting = SAY("2" PAUSE_300MS "20 mx.farm.lab ESMTP\r" PAUSE_300MS "\n"),
            .ehlo = SAY("25" PAUSE_300MS "0-mx.farm.lab\r\n250 STARTT" PAUSE_300MS "LS\r\n")},

    [28] = {.label = "duplicate",
            .what = "every certificate twice in the chain",
            .certificate = "duplicate"},

    /* --- TLS completes, certificates differ --- */
    [30] = {.label = "expired", .what = "certificate expired", .certificate = "expired"},
    [31] = {.label = "not-yet", .what = "certificate not yet valid", .certificate = "not-yet"},
    [32] = {.label = "wrong-name",
            .what = "certificate for another name",
            .certificate = "wrong-name"},
    [33] = {.label = "self-signed",
            .what = "self-signed certificate",
            .certificate = "self-signed"},
    [34] = {.label = "incomplete",
            .what = "intermediate certificate not sent",
            .certificate = "incomplete"},
    [35] = {.label = "misordered", .what = "chain in the wrong order", .certificate = "misordered"},
    [36] = {.label = "rsa1024", .what = "RSA key of 1024 bits", .certificate = "rsa1024"},
    [37] = {.label = "cn-only", .what = "name in the common name only", .certificate = "cn-only"},
    [38] = {.label = "partial-wildcard",
            .what = "name with a partial wildcard",
            .certificate = "partial"},
    [39] = {.label = "client-purpose",
            .what = "extended key usage for clients only",
            .certificate = "client-purpose"},
    [40] = {.label = "sha1", .what = "certificate signed with SHA-1", .certificate = "sha1"},
    [41] = {.label = "ed25519", .what = "Ed25519 key", .certificate = "ed25519"},
    [42] = {.label = "huge-chain", .what = "chain of 100 KB", .certificate = "huge-chain"},
    [43] = {.label = "endless-chain", .what = "chain of 400 KB", .certificate = "endless-chain"},
    [44] = {.label = "deep-wildcard",
            .what = "wildcard that would have to match two labels",
            .certificate = "deep-wildcard"},
    [45] = {.label = "stranger",
            .what = "valid chain to an authority nobody knows",
            .certificate = "stranger"},
    [46] = {.label = "constrained",
            .what = "outside the name constraints of its issuer",
            .certificate = "constrained"},
    [47] = {.label = "rsa4096", .what = "RSA key of 4096 bits", .certificate = "rsa4096"},
    [48] = {.label = "p384", .what = "P-384 key", .certificate = "p384"},
    [49] = {.label = "domain-named",
            .what = "named like one mail domain of the lab, too",
            .certificate = "domain-named"},
    /* For DANE-TA: names and anchors chosen for the lab's zones. */
    [50] = {.label = "ta-host",
            .what = "named like the MX host, anchor sent",
            .certificate = "ta-host"},
    [51] = {.label = "ta-domain",
            .what = "named like the mail domain, anchor sent",
            .certificate = "ta-domain"},
    [52] = {.label = "ta-other",
            .what = "named unlike either, anchor sent",
            .certificate = "ta-other"},
    [53] = {.label = "ta-omitted",
            .what = "named like the MX host, root not sent",
            .certificate = "ta-omitted"},
    [54] = {.label = "ta-expired",
            .what = "expired leaf, anchor sent",
            .certificate = "ta-expired"},
    [55] = {.label = "ta-cn",
            .what = "common name like the MX host, no alternative name",
            .certificate = "ta-cn"},

    [56] = {.label = "sni",
            .what = "the right certificate only for names it knows",
            .flags = FARM_NEEDS_NAME},

    /* --- below the floor --- */
    [60] = {.label = "tls10",
            .what = "TLS 1.0 only",
            .certificate = "rsa2048",
            .tls_minimum = TLS1_VERSION,
            .tls_maximum = TLS1_VERSION},
    [61] = {.label = "tls11",
            .what = "TLS 1.0 and 1.1 only",
            .certificate = "rsa2048",
            .tls_minimum = TLS1_VERSION,
            .tls_maximum = TLS1_1_VERSION},
    [62] = {.label = "ssl3",
            .what = "answers with SSL 3.0",
            .instead = SAY(SERVER_HELLO("\x00", "\x00\x05") SILENCE),
            .flags = FARM_MAY_DROP},
    [63] = {.label = "dhe1024",
            .what = "finite-field Diffie-Hellman of 1024 bits only",
            .certificate = "rsa2048",
            .tls_maximum = TLS1_2_VERSION,
            .ciphers = "DHE-RSA-AES128-GCM-SHA256",
            .flags = FARM_MAY_DROP},
    [64] = {.label = "anonymous",
            .what = "anonymous cipher suites only",
            .tls_maximum = TLS1_2_VERSION,
            .ciphers = "aNULL",
            .flags = FARM_MAY_DROP},
    [65] = {.label = "null-cipher",
            .what = "cipher suites without encryption only",
            .certificate = "rsa2048",
            .tls_maximum = TLS1_2_VERSION,
            .ciphers = "eNULL",
            .flags = FARM_MAY_DROP},

    [66] = {.label = "static-rsa",
            .what = "key exchange without forward secrecy only",
            .certificate = "rsa2048",
            .tls_maximum = TLS1_2_VERSION,
            .ciphers = "AES128-GCM-SHA256:AES128-SHA"},
    [67] = {.label = "cbc",
            .what = "TLS 1.2 with ECDHE, AES-CBC and SHA-1 only: old, but not weak",
            .certificate = "rsa2048",
            .tls_maximum = TLS1_2_VERSION,
            .ciphers = "ECDHE-RSA-AES256-SHA"},
    [68] = {.label = "rc4",
            .what = "TLS 1.2 with RC4 only",
            .instead = SAY(SERVER_HELLO("\x03", "\x00\x05") SILENCE),
            .flags = FARM_MAY_DROP},

    [69] = {.label = "own-prime",
            .what = "Diffie-Hellman with a prime of its own, of 5,000 bits: costly to answer",
            .certificate = "rsa2048",
            .tls_maximum = TLS1_2_VERSION,
            .ciphers = "DHE-RSA-AES128-GCM-SHA256",
            .own_prime_bits = 5000,
            .flags = FARM_MAY_DROP},

    /* --- greeting --- */
    [70] = {.label = "never-greets", .what = "accepts, never greets", .greeting = SAY(SILENCE)},
    [71] = {.label = "tarpit",
            .what = "one byte a second",
            .greeting = SAY(DRIP "220-mx.farm.lab takes its time with everybody who comes from "
                                 "afar\r\n220 mx.farm.lab ESMTP\r\n")},
    [72] = {.label = "421-connections",
            .what = "421 too many connections",
            .greeting = SAY(
                "421 4.7.0 mx.farm.lab Error: too many connections from 127.0.0.1\r\n" HANG_UP)},
    [73] = {.label = "421-cisco",
            .what = "421 of a Cisco appliance",
            .greeting = SAY("421 #4.4.5 Too many connections to this listener.\r\n" HANG_UP)},
    [74] =
        {.label = "421-fastmail",
         .what = "421 with a ban of days",
         .greeting = SAY(
             "421 4.7.1 mx.farm.lab Too many timeouts. Expected removal in 3.2 days\r\n" HANG_UP)},
    [75] = {.label = "450-greeting",
            .what = "450 in the greeting",
            .greeting = SAY("450 4.3.2 Temporarily deferred, try again later\r\n" HANG_UP)},
    [76] = {.label = "554-greeting",
            .what = "554 in the greeting, then 503 to everything but QUIT",
            .greeting = SAY("554 mx.farm.lab no SMTP service here\r\n"),
            .ehlo = NOT_NOW,
            .helo = NOT_NOW,
            .starttls = NOT_NOW},
    [77] = {.label = "blocklisted",
            .what = "554 with a blocklist's text",
            .greeting =
                SAY("554 5.7.1 Service unavailable; client [127.0.0.1] blocked using "
                    "zen.spamhaus.org; https://www.spamhaus.org/query/ip/127.0.0.1\r\n" HANG_UP)},
    [78] = {.label = "closes", .what = "closes right after accepting", .greeting = SAY(HANG_UP)},
    [79] = {.label = "resets",
            .what = "resets shortly after accepting",
            .greeting = SAY(PAUSE_300MS RESET)},
    [80] = {.label = "endless-greeting",
            .what = "a multi-line greeting that never ends",
            .greeting = SAY("220-mx.farm.lab says\r\n" AGAIN),
            .flags = FARM_MAY_DROP},
    [81] = {.label = "mebibyte-line",
            .what = "a line of a mebibyte in the greeting",
            .greeting = SAY("220 " MEBIBYTE "\r\n"),
            .flags = FARM_MAY_DROP},
    [82] = {.label = "codes-differ",
            .what = "codes disagree within the greeting",
            .greeting = SAY("220-mx.farm.lab\r\n250 ESMTP\r\n"),
            .flags = FARM_MAY_DROP},
    [83] = {.label = "web-server",
            .what = "a web server answers",
            .greeting = SAY("HTTP/1.1 400 Bad Request\r\n\r\n" HANG_UP)},
    [84] = {.label = "odd-code",
            .what = "code 199 in the greeting",
            .greeting = SAY("199 mx.farm.lab ESMTP\r\n"),
            .flags = FARM_MAY_DROP},
    [85] = {.label = "greets-twice",
            .what = "a second reply behind the greeting that nobody asked for",
            .greeting = SAY("220 mx.farm.lab ESMTP\r\n250-mx.farm.lab\r\n250 SIZE\r\n"),
            .flags = FARM_MAY_DROP},
    [86] = {.label = "drops-syn", .what = "never answers a SYN", .flags = FARM_DROPS_SYN},

    [87] = {.label = "rate-limit",
            .what = "takes two connections of a client, then greets with 421",
            .flags = FARM_LIMITS_RATE},

    [88] = {.label = "spamd",
            .what = "stutters for ten seconds, one byte each, then is in order (spamd)",
            .greeting = SAY("2" PAUSE_1S "2" PAUSE_1S "0" PAUSE_1S " " PAUSE_1S "m" PAUSE_1S
                            "x" PAUSE_1S "." PAUSE_1S "f" PAUSE_1S "a" PAUSE_1S "r" PAUSE_1S
                            "m.lab ESMTP spamd IP-based SPAM blocker\r\n")},
    [89] = {.label = "greets-15s",
            .what = "greets after 15 seconds, as laposte.net does, and checks for early talk",
            .greeting = SAY(PAUSE_15S "220 mx.farm.lab ESMTP\r\n"),
            .flags = FARM_CHECKS_EARLY_TALK},

    /* --- EHLO --- */
    [90] = {.label = "no-starttls", .what = "no STARTTLS", .ehlo = PLAIN},
    [91] = {.label = "helo-only",
            .what = "500 to EHLO, HELO works",
            .ehlo = SAY("500 5.5.1 Command unrecognized\r\n"),
            .starttls = SAY("500 5.5.1 Command unrecognized\r\n")},
    [92] = {.label = "502-ehlo",
            .what = "502 to EHLO, HELO works",
            .ehlo = SAY("502 5.5.2 Command not implemented\r\n"),
            .starttls = SAY("502 5.5.2 Command not implemented\r\n")},
    [93] = {.label = "421-ehlo",
            .what = "421 to EHLO, closes",
            .ehlo = SAY("421 4.7.0 Too many connections, try again later\r\n" HANG_UP)},
    [94] = {.label = "450-ehlo",
            .what = "450 to EHLO",
            .ehlo = SAY("450 4.7.1 Rate limit exceeded\r\n"),
            .starttls = NOT_NOW},
    [95] = {.label = "550-ehlo",
            .what = "550 to EHLO and HELO: a rate limit in disguise",
            .ehlo = SAY("550 5.7.1 Too many connections from your network\r\n"),
            .helo = SAY("550 5.7.1 Too many connections from your network\r\n"),
            .starttls = NOT_NOW},
    [96] = {.label = "closes-at-ehlo", .what = "closes at EHLO", .ehlo = SAY(HANG_UP)},
    [97] = {.label = "silent-at-ehlo", .what = "no answer to EHLO", .ehlo = SAY(SILENCE)},
    [98] = {.label = "domain-word",
            .what = "STARTTLS only as the domain of the first line",
            .ehlo = SAY("250-STARTTLS\r\n250 SIZE\r\n")},
    [99] = {.label = "xstarttls",
            .what = "XSTARTTLS",
            .ehlo = SAY(HELLO "250-XSTARTTLS\r\n250 SIZE\r\n")},
    [100] = {.label = "masked",
             .what = "a Cisco ASA masks STARTTLS",
             .greeting = SAY("220 ***************************\r\n"),
             .ehlo = SAY("250-mx.farm.lab\r\n250-XXXXXXXA\r\n250 SIZE\r\n"),
             .starttls = SAY("500 #5.5.1 command not recognized\r\n")},
    [101] = {.label = "offers-first",
             .what = "STARTTLS to the first connection only",
             .flags = FARM_OFFERS_FIRST},
    [102] = {.label = "offers-second",
             .what = "STARTTLS to every second connection only",
             .flags = FARM_OFFERS_SECOND},
    [103] = {.label = "endless-ehlo",
             .what = "an EHLO reply that never ends",
             .ehlo = SAY("250-AND MORE\r\n" AGAIN),
             .flags = FARM_MAY_DROP},
    [104] = {.label = "codes-differ-ehlo",
             .what = "codes disagree within the EHLO reply",
             .ehlo = SAY("250-mx.farm.lab\r\n250-STARTTLS\r\n251 SIZE\r\n"),
             .flags = FARM_MAY_DROP},
    [105] = {.label = "ready-too-early",
             .what = "the 220 to STARTTLS comes with the EHLO reply, before the command",
             .ehlo = SAY(HELLO "250 STARTTLS\r\n220 2.0.0 Ready to start TLS\r\n"),
             .flags = FARM_MAY_DROP},
    [106] = {.label = "mebibyte-ehlo",
             .what = "a line of a mebibyte in the EHLO reply",
             .ehlo = SAY(HELLO "250-" MEBIBYTE "\r\n250 STARTTLS\r\n"),
             .flags = FARM_MAY_DROP},
    [107] = {.label = "glued-keyword",
             .what = "STARTTLS glued to another keyword",
             .ehlo = SAY(HELLO "250-SIZESTARTTLS\r\n250 STARTTLSX\r\n")},
    [108] = {.label = "greets-20s",
             .what = "greets after 20 seconds, all that while with a teaser",
             .greeting = SAY("220-mx.farm.lab\r\n" PAUSE_20S "220 mx.farm.lab ESMTP\r\n"),
             .flags = FARM_CHECKS_EARLY_TALK},
    [109] = {.label = "503-helo",
             .what = "500 to EHLO, and 503 to HELO after it",
             .ehlo = SAY("500 5.5.1 Command unrecognized\r\n"),
             .helo = SAY("503 5.5.1 Bad sequence of commands\r\n"),
             .starttls = NOT_NOW},

    /* --- the reply to STARTTLS --- */
    [110] = {.label = "454",
             .what = "454 to STARTTLS",
             .starttls = SAY("454 4.7.0 TLS not available due to local problem\r\n")},
    [111] = {.label = "501",
             .what = "501 to STARTTLS",
             .starttls = SAY("501 5.5.4 Syntax error\r\n")},
    [112] = {.label = "502",
             .what = "502 to STARTTLS",
             .starttls = SAY("502 5.5.1 Unimplemented command.\r\n")},
    [113] = {.label = "554",
             .what = "554 to STARTTLS",
             .starttls = SAY("554 5.7.3 Unable to initialize security subsystem\r\n")},
    [114] = {.label = "421-starttls",
             .what = "421 to STARTTLS, closes",
             .starttls = SAY("421 4.3.0 Try again later\r\n" HANG_UP)},
    [115] = {.label = "closes-at-starttls", .what = "closes at STARTTLS", .starttls = SAY(HANG_UP)},
    [116] = {.label = "silent-at-starttls",
             .what = "no answer to STARTTLS",
             .starttls = SAY(SILENCE)},
    [117] = {.label = "injection",
             .what = "a second reply in the segment of the 220 (CVE-2011-0411 class)",
             .starttls = SAY("220 2.0.0 Ready to start TLS\r\n250-evil\r\n250 SMTPUTF8\r\n"),
             .flags = FARM_MAY_DROP},
    [118] = {.label = "injection-partial",
             .what = "half a line in the segment of the 220",
             .starttls = SAY("220 2.0.0 Ready to start TLS\r\n250"),
             .flags = FARM_MAY_DROP},

    /* --- after 220 --- */
    [120] = {.label = "220-close", .what = "220, then closes", .starttls = SAY(READY HANG_UP)},
    [121] = {.label = "220-garbage",
             .what = "220, then garbage",
             .instead =
                 SAY("\x8f\x1b\xe2\x99\xa5\x00\x13\x37 this is no TLS record\xff\xfe" SILENCE),
             .flags = FARM_MAY_DROP},
    [122] = {.label = "220-plaintext",
             .what = "220, then goes on in clear text",
             .instead = SAY("500 5.5.2 Error: bad syntax\r\n" SILENCE),
             .flags = FARM_MAY_DROP},
    [123] = {.label = "220-silence", .what = "220, then nothing", .instead = SAY(SILENCE)},
    [124] = {.label = "220-alert",
             .what = "220, then alert handshake_failure",
             .instead = SAY(ALERT("\x02", "\x28") HANG_UP)},
    [125] = {.label = "220-half-hello",
             .what = "220, a ServerHello, then nothing",
             .instead = SAY(SERVER_HELLO("\x03", "\xc0\x2b") SILENCE)},
    [126] = {.label = "220-reset",
             .what = "220, then reset at the ClientHello",
             .instead = SAY(RESET)},
    [127] = {.label = "name-fatal",
             .what = "fatal alert unrecognized_name",
             .instead = SAY(ALERT("\x02", "\x70") HANG_UP)},
    [128] = {.label = "220-drip",
             .what = "220, a ServerHello at one byte a second",
             .instead = SAY(DRIP SERVER_HELLO("\x03", "\xc0\x2b"))},

    [129] = {.label = "version-intolerant",
             .what = "alert protocol_version to a ClientHello that knows of TLS 1.3",
             .tls_maximum = TLS1_2_VERSION,
             .flags = FARM_NO_TLS13 | FARM_MAY_DROP},

    /* --- inside TLS --- */
    [130] = {.label = "tls-ehlo-refused",
             .what = "550 to EHLO inside TLS",
             .ehlo_tls = SAY("550 5.7.1 Access denied\r\n")},
    [131] = {.label = "tls-ehlo-endless",
             .what = "an EHLO reply inside TLS that never ends",
             .ehlo_tls = SAY("250-AND MORE\r\n" AGAIN),
             .flags = FARM_MAY_DROP},
    [132] = {.label = "tls-closes", .what = "closes at EHLO inside TLS", .ehlo_tls = SAY(HANG_UP)},
    [133] = {.label = "tls-silent",
             .what = "no answer to EHLO inside TLS",
             .ehlo_tls = SAY(SILENCE)},
    [134] = {.label = "tls-starttls-again",
             .what = "offers STARTTLS again inside TLS",
             .ehlo_tls = SAY(HELLO "250 STARTTLS\r\n")},
    [135] = {.label = "tls-421",
             .what = "421 to EHLO inside TLS",
             .ehlo_tls = SAY("421 4.7.0 Too many connections\r\n" HANG_UP)},
    [136] = {.label = "needs-certificate",
             .what = "needs a client certificate, and says so after the handshake (TLS 1.3)",
             .flags = FARM_NEEDS_CERTIFICATE},
    [137] = {.label = "needs-certificate-12",
             .what = "needs a client certificate (TLS 1.2)",
             .tls_maximum = TLS1_2_VERSION,
             .flags = FARM_NEEDS_CERTIFICATE},

    /* --- what a ClientHello may be --- */
    [140] = {.label = "hello-window",
             .what = "hangs at a ClientHello of 256 to 511 bytes, as BIG-IPs did (RFC 7685)",
             .instead = SAY(SILENCE),
             .hello_from = 256,
             .hello_to = 511},
    [141] = {.label = "hello-255",
             .what = "closes at a ClientHello of more than 255 bytes",
             .instead = SAY(HANG_UP),
             .hello_from = 256,
             .hello_to = 65535},
    [142] = {.label = "hello-1000",
             .what = "closes at a ClientHello of more than 1000 bytes",
             .instead = SAY(HANG_UP),
             .hello_from = 1001,
             .hello_to = 65535},
    [143] = {.label = "extension-intolerant",
             .what = "alert unsupported_extension to an extension younger than TLS 1.2",
             .tls_maximum = TLS1_2_VERSION,
             .flags = FARM_OLD_EXTENSIONS | FARM_MAY_DROP},

    /* --- one face for probes, another for deliveries (behaviours.h) --- */
    [144] = {.label = "delivery-strips",
             .what = "in order, but no STARTTLS for deliveries",
             .to_deliveries = 90},
    [145] = {.label = "delivery-refuses",
             .what = "in order, but 454 to STARTTLS of deliveries",
             .to_deliveries = 110},
    [146] = {.label = "delivery-tls10",
             .what = "in order, but TLS 1.0 only for deliveries",
             .to_deliveries = 60},
    [147] = {.label = "delivery-clear",
             .what = "in order, but goes on in clear text after the 220 to deliveries",
             .to_deliveries = 122},
    [148] = {.label = "delivery-other-key",
             .what = "in order, but another certificate of the same authority for deliveries",
             .to_deliveries = 48},
    [149] = {.label = "delivery-stranger",
             .what = "in order, but a certificate of an authority nobody knows for deliveries",
             .to_deliveries = 45},
    [150] = {.label = "delivery-cut",
             .what = "in order, but cuts off deliveries",
             .to_deliveries = 79},
    [151] = {.label = "probe-limited",
             .what = "421 to every probe, in order for deliveries",
             .greeting = SAY("421 4.7.1 mx.farm.lab too many connections from your address today, "
                             "try again tomorrow\r\n" HANG_UP),
             .to_deliveries = 1},
    [152] = {.label = "probe-tarpit",
             .what = "one byte a second for probes, in order for deliveries",
             .greeting = SAY(DRIP "220-mx.farm.lab takes its time with everybody who comes from "
                                  "afar\r\n220 mx.farm.lab ESMTP\r\n"),
             .to_deliveries = 1},
    [153] = {.label = "delivery-refuses-for-good",
             .what = "in order, but 554 to STARTTLS of deliveries",
             .to_deliveries = 113},
    [154] = {.label = "probe-limited-strips",
             .what = "421 to every probe, no STARTTLS for deliveries",
             .greeting = SAY("421 4.7.1 mx.farm.lab too many connections from your address today, "
                             "try again tomorrow\r\n" HANG_UP),
             .to_deliveries = 90},
};

const struct behaviour *behaviour_row(unsigned number)
{
    return number < BEHAVIOUR_COUNT && rows[number].label ? &rows[number] : NULL;
}

unsigned behaviour_of_address(const struct sockaddr_storage *local, unsigned *variant)
{
    unsigned number = 0;
    *variant = 0;
    if (local->ss_family == AF_INET) {
        const unsigned char *b =
            (const unsigned char *)&((const struct sockaddr_in *)local)->sin_addr;
        *variant = b[3];
        number = b[0] == 127 && b[1] == 64 ? b[2] : 0;
    } else {
        const unsigned char *b = ((const struct sockaddr_in6 *)local)->sin6_addr.s6_addr;
        *variant = b[15];
        number = b[0] == 0xfd && b[3] == 0x64 ? (unsigned)(b[4] << 8 | b[5]) : 0;
    }
    return behaviour_row(number) ? number : 1;
}

unsigned behaviour_toward(unsigned number, const struct sockaddr_storage *client)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)client;
    const struct behaviour *row = behaviour_row(number);
    bool delivers = client->ss_family == AF_INET &&
                    (ntohl(v4->sin_addr.s_addr) & 0xffff0000) == FARM_DELIVERS_FROM;
    return delivers && row && row->to_deliveries ? row->to_deliveries : number;
}

const char *behaviour_address(unsigned number, unsigned variant, bool ipv6, char text[64])
{
    if (ipv6)
        snprintf(text, 64, "fd00:64:%x::%x", number, variant);
    else
        snprintf(text, 64, "127.64.%u.%u", number, variant);
    return text;
}

void behaviours_print(FILE *out)
{
    for (unsigned n = 1; n < BEHAVIOUR_COUNT; n++) {
        const struct behaviour *row = behaviour_row(n);
        if (row)
            fprintf(out, "%s\t%u\t%s\t%s\n", row->label, n,
                    row->certificate ? row->certificate : "good", row->what);
    }
}
