/*
 * tls_hello_fuzz.c - hostile answers to the hello that names weak peers.
 *
 * The first byte chooses how the rest is cut. Properties: the answer does not depend on the cut;
 * nothing is read beyond what was given; an answer that names something names a version 3.x.
 */
#include "engine/base/check.h"
#include "engine/probe/tls_hello.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum tls_answer play(struct tls_hello *hello, const uint8_t *bytes, size_t size,
                            size_t piece)
{
    enum tls_answer answer = TLS_ANSWER_MORE;
    memset(hello, 0, sizeof *hello);
    for (size_t at = 0; at < size && answer == TLS_ANSWER_MORE; at += piece) {
        size_t give = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(give); /* so that a read beyond it is caught */
        CHECK(copy != NULL);
        memcpy(copy, bytes + at, give);
        answer = tls_hello_read(hello, copy, give);
        free(copy);
    }
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tls_hello whole, cut;
    if (size < 2)
        return 0;
    enum tls_answer first = play(&whole, bytes + 1, size - 1, size);
    enum tls_answer second = play(&cut, bytes + 1, size - 1, (size_t)bytes[0] % 23 + 1);
    CHECK(first == second);
    CHECK(whole.version == cut.version && whole.suite == cut.suite && whole.alert == cut.alert);
    CHECK(first != TLS_ANSWER_HELLO || whole.version >> 8 == 3);
    (void)tls_suite_name(whole.suite);
    (void)tls_suite_is_weak(whole.suite);
    return 0;
}
