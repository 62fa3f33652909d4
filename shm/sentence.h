/*
 * sentence.h - a verdict in words: names for machines, sentences and status codes for people. Pure;
 * any thread.
 *
 * Where Postfix has words for a cause, they are used (CODE-01..07), because mail programs, filters
 * and people already know them. Only texts of ours and canonical names go in; never what a peer
 * said (CODE-12).
 */
#ifndef MXWARD_SHM_SENTENCE_H
#define MXWARD_SHM_SENTENCE_H

#include "shm/verdict.h"

#include <stddef.h>

/* One sentence for people: host, cause. At most 511 bytes, printable ASCII, no remote text. Returns
 * its length. */
size_t verdict_sentence(const struct verdict *verdict, char *text, size_t size);
/* The host that decided: "mx.example[192.0.2.1]"; with the port where Postfix says that (CODE-05).
 */
void verdict_host_words(const struct verdict *verdict, char *text, size_t size);
/* Enhanced status code that goes with it when mail is held or stopped: "4.7.4", "5.1.10", … */
const char *verdict_status_code(const struct verdict *verdict);
/* Which rule decided about the domain: for `explain`. Returns the length. */
size_t verdict_explain(const struct verdict *verdict, char *text, size_t size);
const char *cause_name(enum cause cause);
const char *enforce_name(enum enforce enforce);

#endif
