/*
 * level.h - how strong a delivery is, and what people are shown. Shared by daemon, library and
 * record, so the numbers are part of the layout: only append.
 */
#ifndef MXWARD_SHM_LEVEL_H
#define MXWARD_SHM_LEVEL_H

#include <stdint.h>

/* Ordered: a greater one is stronger. What is enforced at delivery, never what was merely seen. */
enum level {
    LEVEL_NONE = 0,             /* nothing known or nothing to enforce */
    LEVEL_OPPORTUNISTIC = 1,    /* TLS if offered */
    LEVEL_ENCRYPT = 2,          /* TLS >= 1.2 or no mail; protects against listening only */
    LEVEL_DANE_INSECURE_MX = 3, /* DANE at the host, MX record unsigned (MX-13): never "DANE ok" */
    LEVEL_VERIFIED = 4,         /* PKIX, host name vouched for (TLS-21) */
    LEVEL_AUTHENTICATED = 5,    /* DANE with secure MX, MTA-STS, or pinned */
};

/* Ordered from weak to strong as a sender without a demand experiences it. */
enum tls_class {
    CLASS_NONE = 0,      /* reachable in clear text */
    CLASS_WEAK = 1,      /* only TLS below 1.2 */
    CLASS_UNKNOWN = 2,   /* not looked, or the look was inconclusive */
    CLASS_FAILING = 3,   /* a published policy that no host meets now: nothing will be delivered */
    CLASS_ENCRYPTED = 4, /* TLS, certificate not verified for the domain */
    CLASS_VERIFIED = 5,
    CLASS_STS = 6,
    CLASS_DANE = 7,
    CLASS_COUNT
};

/* What the services' users see (S12). */
enum sign { SIGN_NO_SSL, SIGN_SSL_OK, SIGN_DANE_OK, SIGN_UNKNOWN };

const char *level_name(enum level level);     /* "encrypt", … */
const char *class_name(enum tls_class class); /* "dane", … */
enum sign class_sign(enum tls_class class);
const char *sign_name(enum sign sign); /* "no SSL", "SSL ok", "DANE ok", "SSL ?" */

#endif
