/*
 * capture.c - see capture.h. One thread, one packet socket on the loopback interface, which carries
 * the whole lab. The kernel gives every packet of it twice, going out and coming in: only the
 * latter counts. It loses and reorders nothing there; what it could not queue for us it counts.
 */
#include "tests/farm/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_BYTES (1 << 17)  /* more than a segment on loopback has, offload included */
#define QUEUE_BYTES  (16 << 20) /* in the kernel, for the time we are not looking */
#define LOOK_MS      100        /* for *stop */

struct segment {
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    unsigned from_port, to_port;
    const unsigned char *payload;
    size_t size;
    bool first; /* of its direction: a file is made even if nothing is said */
};

static bool read_ports(struct segment *segment, const unsigned char *bytes, size_t size)
{
    struct tcphdr head;
    if (size < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (head.doff < 5 || size < (size_t)head.doff * 4)
        return false;
    segment->from_port = ntohs(head.source);
    segment->to_port = ntohs(head.dest);
    segment->first = head.syn;
    segment->payload = bytes + (size_t)head.doff * 4;
    segment->size = size - (size_t)head.doff * 4;
    return true;
}

static bool read_v4(struct segment *segment, const unsigned char *bytes, size_t size)
{
    struct iphdr head;
    if (size < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    size_t total = ntohs(head.tot_len), own = (size_t)head.ihl * 4;
    if (total == 0 || total > size) /* 0: larger than the field can say */
        total = size;
    if (head.protocol != IPPROTO_TCP || own < sizeof head || own > total)
        return false;
    inet_ntop(AF_INET, &head.saddr, segment->from, sizeof segment->from);
    inet_ntop(AF_INET, &head.daddr, segment->to, sizeof segment->to);
    return read_ports(segment, bytes + own, total - own);
}

/* Nothing in the lab sends extension headers. */
static bool read_v6(struct segment *segment, const unsigned char *bytes, size_t size)
{
    struct ip6_hdr head;
    if (size < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (head.ip6_nxt != IPPROTO_TCP)
        return false;
    inet_ntop(AF_INET6, &head.ip6_src, segment->from, sizeof segment->from);
    inet_ntop(AF_INET6, &head.ip6_dst, segment->to, sizeof segment->to);
    return read_ports(segment, bytes + sizeof head, size - sizeof head);
}

static bool append(int directory, const struct segment *segment)
{
    char name[2 * INET6_ADDRSTRLEN + 16];
    snprintf(name, sizeof name, "%s:%u-%s:%u", segment->from, segment->from_port, segment->to,
             segment->to_port);
    int file = openat(directory, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool written =
        file >= 0 && write(file, segment->payload, segment->size) == (ssize_t)segment->size;
    if (!written)
        fprintf(stderr, "capture: %s: %s\n", name, strerror(errno));
    if (file >= 0)
        close(file);
    return written;
}

/* False: something was not written down. */
static bool take_packet(int packets, int directory)
{
    static unsigned char bytes[PACKET_BYTES];
    struct sockaddr_ll origin = {0};
    socklen_t length = sizeof origin;
    struct segment segment;
    /* MSG_TRUNC: the packet's own size, also if it is larger than `bytes`. */
    ssize_t n = recvfrom(packets, bytes, sizeof bytes, MSG_TRUNC | MSG_DONTWAIT,
                         (struct sockaddr *)&origin, &length);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (origin.sll_pkttype == PACKET_OUTGOING)
        return true;
    if ((size_t)n > sizeof bytes) {
        fprintf(stderr, "capture: a packet of %zd bytes\n", n);
        return false;
    }
    bool is_tcp = (origin.sll_protocol == htons(ETH_P_IP) && read_v4(&segment, bytes, (size_t)n)) ||
                  (origin.sll_protocol == htons(ETH_P_IPV6) && read_v6(&segment, bytes, (size_t)n));
    return !is_tcp || (segment.size == 0 && !segment.first) || append(directory, &segment);
}

static bool none_was_dropped(int packets)
{
    struct tpacket_stats counts = {0};
    socklen_t size = sizeof counts;
    if (getsockopt(packets, SOL_PACKET, PACKET_STATISTICS, &counts, &size) != 0 ||
        counts.tp_drops > 0) {
        fprintf(stderr, "capture: %u packets were dropped\n", counts.tp_drops);
        return false;
    }
    return true;
}

static int open_packets(void)
{
    struct sockaddr_ll loopback = {.sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = (int)if_nametoindex("lo")};
    int queue = QUEUE_BYTES;
    int packets = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* 0: nothing before bind */
    if (packets < 0)
        return -1;
    if (setsockopt(packets, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue) != 0)
        setsockopt(packets, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
    if (bind(packets, (struct sockaddr *)&loopback, sizeof loopback) != 0) {
        close(packets);
        return -1;
    }
    return packets;
}

int capture_run(const char *directory, const volatile sig_atomic_t *stop)
{
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int packets = folder < 0 ? -1 : open_packets();
    bool complete = packets >= 0;
    if (!complete)
        fprintf(stderr, "capture: %s: %s\n", folder < 0 ? directory : "lo", strerror(errno));
    if (complete && printf("ready\n") > 0)
        fflush(stdout);
    for (bool more = complete; more;) {
        struct pollfd waiting = {.fd = packets, .events = POLLIN};
        int ready = poll(&waiting, 1, *stop ? 0 : LOOK_MS);
        if (ready > 0)
            complete &= take_packet(packets, folder);
        more = ready > 0 || !*stop; /* what was sent before the end is in the queue, and taken */
    }
    complete = complete && none_was_dropped(packets);
    if (packets >= 0)
        close(packets);
    if (folder >= 0)
        close(folder);
    return complete ? 0 : 1;
}
