/*
 * behaviours.h - what each address of the farm does. One row is one way a mail host behaves; the
 * address a client connects to chooses the row.
 *
 *   127.64.N.V        row N, any V: by convention V = 1 for hosts of the signed zone without TLSA,
 *   fd00:64:N::V      2 for hosts with TLSA, 3 for hosts of the unsigned zone, 4 for the rest (N in
 * hexadecimal) any other address row 1, a host in order (--wildcard: thousands of good hosts)
 *
 * A row may have two faces: whoever delivers, that is, comes from FARM_DELIVERS_FROM, meets another
 * row. So an attacker is played who lets a probe see a host in order and attacks the delivery
 * alone, and a host that turns away probes and takes mail.
 *
 * A reply is a literal with stage directions in it (PAUSE_1S, DRIP, HANG_UP …, below), so that a
 * row says everything the host says, and when. What a row leaves out is what a good host does. The
 * rows are in behaviours.c; sources of the real texts: population.md section 4.
 */
#ifndef MXWARD_FARM_BEHAVIOURS_H
#define MXWARD_FARM_BEHAVIOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

struct reply {
    const char *bytes; /* may contain NUL and anything else */
    size_t size;       /* 0: the good host's reply */
};
#define SAY(literal)                   \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

/*
 * Stage directions: bytes that occur in nothing the rows say. The byte after DIRECTION_PAUSE is
 * tenths of a second, the byte after DIRECTION_FILL what a mebibyte is filled with.
 */
enum {
    DIRECTION_FIRST = 0xb1,
    DIRECTION_PAUSE = DIRECTION_FIRST,
    DIRECTION_DRIP, /* from here on one byte a second */
    DIRECTION_HANG_UP,
    DIRECTION_RESET,
    DIRECTION_AGAIN, /* from the beginning, for ever */
    DIRECTION_FILL,
    DIRECTION_SILENCE, /* nothing more, but the connection stays */
    DIRECTION_LAST = DIRECTION_SILENCE
};
#define PAUSE_300MS "\xb1\003"
#define PAUSE_1S    "\xb1\012"
#define PAUSE_2S    "\xb1\024"
#define PAUSE_15S   "\xb1\226"
#define PAUSE_20S   "\xb1\310"
#define DRIP        "\xb2"
#define HANG_UP     "\xb3"
#define RESET       "\xb4"
#define AGAIN       "\xb5"
#define MEBIBYTE \
    "\xb6"       \
    "x"
#define SILENCE "\xb7"

enum {
    FARM_CHECKS_EARLY_TALK = 1 << 0, /* who talks before the reply is out gets 554 and is cut off */
    FARM_OFFERS_FIRST = 1 << 1,      /* STARTTLS only to the first connection of an address */
    FARM_OFFERS_SECOND = 1 << 2,     /* STARTTLS only to every second connection */
    FARM_ASKS_CERTIFICATE = 1 << 3,
    FARM_NAME_WARNING = 1 << 4, /* warning alert unrecognized_name, then goes on */
    FARM_NO_CLOSE_NOTIFY = 1 << 5,
    FARM_DROPS_SYN = 1 << 6, /* the accept queue is full: a SYN is never answered */
    FARM_FEW_CIPHERS =
        1 << 7,             /* reads the first 64 cipher suites only, and fails if there are more */
    FARM_MAY_DROP = 1 << 8, /* whoever leaves without QUIT is excused: no dialogue was possible */
    FARM_KEEPS_TICKETS = 1 << 9, /* sends session tickets */
    FARM_NEEDS_NAME = 1 << 10,   /* a wrong certificate unless SNI begins with "sni." */
    FARM_LIMITS_RATE = 1 << 11,  /* from the third connection to an address on: 421 */
    FARM_NO_TLS13 = 1 << 12,     /* does not understand a ClientHello that knows of TLS 1.3 */
    FARM_NEEDS_CERTIFICATE = 1 << 13,
    FARM_OLD_EXTENSIONS = 1 << 14, /* fails at an extension that is younger than TLS 1.2 */
};

struct behaviour {
    const char *label; /* the host's name in the lab's zones */
    const char *what;  /* for people */
    struct reply greeting, ehlo, helo, starttls;
    struct reply instead;             /* raw bytes in answer to the ClientHello, instead of TLS */
    unsigned hello_from, hello_to;    /* … if its record has so many bytes; 0, 0: always */
    struct reply ehlo_tls, quit;      /* inside TLS; QUIT also before it */
    const char *certificate, *second; /* file names without .pem in --certificates; NULL: "good" */
    int tls_minimum, tls_maximum;     /* 0: 1.2 and 1.3 */
    const char *ciphers, *groups;     /* NULL: OpenSSL's */
    int own_prime_bits;               /* of finite-field Diffie-Hellman; 0: a known group */
    unsigned flags;
    unsigned to_deliveries; /* the row that deliveries meet instead; 0: this one */
};

#define BEHAVIOUR_COUNT 160 /* rows; a number without a label does not exist */

#define FARM_DELIVERS_FROM 0x7f1c0000 /* 127.28.0.0/16 */

const struct behaviour *behaviour_row(unsigned number); /* NULL: there is none */
/* The row and the variant (last byte or group) of a local address. Never fails: see above. */
unsigned behaviour_of_address(const struct sockaddr_storage *local, unsigned *variant);
/* The row that a client from this address meets at row `number`. */
unsigned behaviour_toward(unsigned number, const struct sockaddr_storage *client);
/* The address of a row and variant, as text. */
const char *behaviour_address(unsigned number, unsigned variant, bool ipv6, char text[64]);
void behaviours_print(FILE *out); /* label, number, certificate, what: tab-separated */

#endif
