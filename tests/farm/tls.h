/*
 * tls.h - the farm's TLS: one SSL_CTX a row, made at start, before the processes fork.
 *
 * Certificates are DIR/NAME.pem, chain and key in one file, made by tests/lab/certificates. A file
 * that is missing ends the farm: a host that cannot do what its row says would make tests lie.
 */
#ifndef MXWARD_FARM_TLS_H
#define MXWARD_FARM_TLS_H

#include "tests/farm/behaviours.h"

#include <openssl/ssl.h>

/* Makes the contexts of all rows. 0, or -1 with a message on standard error. */
int farm_tls_load(const char *directory);
/* Before farm_tls_load: all rows give sessions that they resume, as mail hosts usually do. */
void farm_tls_keep_tickets(void);
/* From now on each session shows a leaf that nobody has seen: the row's own with another serial
 * number, with what public authorities write into one, signed by DIR/issuer.key. 0 or -1 as above.
 */
int farm_tls_new_leaves(const char *directory);
/* A server session of the row on `descriptor`; NULL: out of memory. */
SSL *farm_tls_session(unsigned number, int descriptor);

#endif
