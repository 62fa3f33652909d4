/*
 * postfix_ask.c - two questions of postfix-check: does the resolver validate, and does mxward-gate
 * answer at a socket? One datagram or one line each, two seconds each. What comes back is hostile.
 */
#include "tools/mxwardctl/postfix_site.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- the resolver --- */

#define DNS_PORT    53
#define ANSWER_MOST 1232

bool postfix_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;

    if (inet_pton(AF_INET, address, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* "127.0.0.1", "::1", or "[127.0.0.1]:5353" as OpenBSD writes it. 0: it is no address. */
static socklen_t server_address(const char *server, struct sockaddr_storage *storage)
{
    struct sockaddr_in *four = (struct sockaddr_in *)storage;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
    char address[64] = "";
    unsigned port = DNS_PORT;

    if (sscanf(server, "[%63[^]]]:%5u", address, &port) < 2)
        snprintf(address, sizeof address, "%s", server);
    *storage = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof *six;
    }
    return 0;
}

/* The name servers of the root, which is signed; AD in the question asks for AD in the answer (RFC
 * 6840 section 5.7). It is what Postfix itself asks, and believes. */
static enum postfix_validation exchange(int fd)
{
    unsigned char query[] = {0, 0, 0x01, 0x20, 0,    1, 0, 0, 0, 0, 0, 1, /* RD AD */
                             0, 0, 2,    0,    1,                         /* . NS IN */
                             0, 0, 41,   0x04, 0xd0, 0, 0, 0, 0, 0, 0};   /* EDNS, 1232 */
    unsigned char answer[ANSWER_MOST];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    ssize_t length;

    if (getrandom(query, 2, 0) != 2 || send(fd, query, sizeof query, 0) != (ssize_t)sizeof query ||
        poll(&poll_fd, 1, POSTFIX_ASK_MS) != 1)
        return VALIDATION_SILENT;
    length = recv(fd, answer, sizeof answer, 0);
    if (length < 12 || memcmp(answer, query, 2) != 0 || !(answer[2] & 0x80))
        return VALIDATION_SILENT;
    return (answer[3] & 0x0f) == 0 && answer[3] & 0x20 ? VALIDATES : VALIDATES_NOT;
}

enum postfix_validation postfix_ask_resolver(const char *server)
{
    enum postfix_validation result = VALIDATION_SILENT;
    struct sockaddr_storage address;
    socklen_t length = server_address(server, &address);
    int fd;

    if (length == 0)
        return VALIDATION_SILENT;
    fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return VALIDATION_SILENT;
    if (connect(fd, (const struct sockaddr *)&address, length) == 0)
        result = exchange(fd);
    close(fd);
    return result;
}

/* --- mxward-gate --- */

/* A key with a leading dot is not found at once, whatever is known. */
static const char question[] = "14:policy .mxward,";
static const char wanted[] = "9:NOTFOUND ,", also_wanted[] = "8:NOTFOUND,";

static enum postfix_socket_state talk(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char answer[sizeof wanted] = "";
    size_t used = 0;

    if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) != (ssize_t)sizeof question - 1)
        return SOCKET_SILENT;
    while (used < sizeof answer - 1 && strcmp(answer, also_wanted) != 0) {
        ssize_t length;

        if (poll(&poll_fd, 1, POSTFIX_ASK_MS) != 1)
            break;
        length = recv(fd, answer + used, sizeof answer - 1 - used, 0);
        if (length <= 0)
            break;
        used += (size_t)length;
        answer[used] = 0;
    }
    if (used == 0)
        return SOCKET_SILENT;
    return strcmp(answer, wanted) == 0 || strcmp(answer, also_wanted) == 0 ? SOCKET_ANSWERS
                                                                           : SOCKET_STRANGE;
}

enum postfix_socket_state postfix_ask_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = POSTFIX_ASK_MS / 1000};
    enum postfix_socket_state state;
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return SOCKET_ABSENT; /* nobody can bind there either */
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return SOCKET_SILENT;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        state = talk(fd);
    else if (errno == EACCES || errno == EPERM)
        state = SOCKET_CLOSED_TO_US;
    else if (errno == ENOENT || errno == ENOTDIR)
        state = SOCKET_ABSENT;
    else
        state = errno == ECONNREFUSED ? SOCKET_REFUSES : SOCKET_SILENT;
    close(fd);
    return state;
}
