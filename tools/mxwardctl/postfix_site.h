/*
 * postfix_site.h - all that postfix-check judges by: Postfix's settings, and what lies around them
 * (the resolver, sockets, files, mxward's profiles). Filled once by postfix_site_read, and only
 * read after that: the rules in postfix_findings are pure.
 *
 * Every wait is bounded: a run of postconf to ten seconds, a question to two.
 */
#ifndef MXWARDCTL_POSTFIX_SITE_H
#define MXWARDCTL_POSTFIX_SITE_H

#include "tools/mxwardctl/command.h"
#include "tools/mxwardctl/postfix_settings.h"

#define POSTFIX_RUN_MS       10000
#define POSTFIX_ASK_MS       2000
#define POSTFIX_PATH_MOST    512
#define POSTFIX_SOCKETS_MOST 16
#define POSTFIX_FILES_MOST   32
#define POSTFIX_FILE_MOST    (64 << 10) /* bytes read of one file */
#define POSTFIX_DELIMITERS   32         /* bytes with NUL; the daemon has 7 at most */
#define POSTFIX_PROFILES     16         /* that can be told apart; the daemon has no more */
#define POSTFIX_SERVERS      8          /* of resolv.conf; the C library takes three */

struct postfix_resolver {
    char path[POSTFIX_PATH_MOST];
    bool is_there;
    size_t server_count;
    char servers[POSTFIX_SERVERS][64];
};

enum postfix_validation { VALIDATION_NOT_ASKED, VALIDATES, VALIDATES_NOT, VALIDATION_SILENT };

enum postfix_socket_state {
    SOCKET_ANSWERS,
    SOCKET_ABSENT,
    SOCKET_REFUSES, /* nobody listens */
    SOCKET_SILENT,  /* no answer in time, or the connection ended */
    SOCKET_STRANGE, /* an answer that is none of mxward-gate's */
    SOCKET_CLOSED_TO_US,
    SOCKET_CLOSED_TO_POSTFIX,
};

/* One that a setting of Postfix names, for mxward's maps and policies. */
struct postfix_socket {
    char named[POSTFIX_PATH_MOST]; /* in the setting */
    char path[POSTFIX_PATH_MOST];  /* seen from outside of the chroot */
    char service[POSTFIX_NAME_MOST];
    bool chroot;
    enum postfix_socket_state state;
};

struct postfix_file {
    char path[POSTFIX_PATH_MOST];
    bool is_there;
    char *text; /* ended by NUL; NULL: not read */
};

struct postfix_profile {
    char name[32];
    bool demands; /* more than nothing */
};

struct postfix_site {
    struct postfix_settings settings;
    char *texts[5];               /* that the settings point into */
    const char *config_directory; /* as given; NULL: the standard one */
    const char *queue_directory, *mail_owner;
    struct postfix_resolver resolver, chroot_resolver;
    enum postfix_validation validation;
    size_t socket_count, file_count, profile_count;
    struct postfix_socket sockets[POSTFIX_SOCKETS_MOST];
    struct postfix_file files[POSTFIX_FILES_MOST];
    struct postfix_profile profiles[POSTFIX_PROFILES];
    bool profiles_known; /* the daemon told them, and the two below */
    /* Of mxward.conf: guarantee.recipient_delimiter and gate.split_transport; the standard values
     * if the daemon told nothing. */
    char delimiters[POSTFIX_DELIMITERS], split_transport[256];
};

/* DONE, or an exit code after having said why. */
int postfix_site_read(const struct invocation *invocation, struct postfix_site **site);
void postfix_site_free(struct postfix_site *site); /* NULL is fine */

/* NULL: not looked at. */
const struct postfix_file *postfix_site_file(const struct postfix_site *site, const char *path);
/* 127.0.0.0/8 or ::1. */
bool postfix_is_loopback(const char *address);

/* postfix_ask.c: the questions themselves. */
enum postfix_validation postfix_ask_resolver(const char *server);
enum postfix_socket_state postfix_ask_socket(const char *path);

#endif
