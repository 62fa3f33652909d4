/*
 * handle.h - a handle from inside: what the library's files share. All in the handle's thread.
 *
 *   mxward.c     the connection, and questions on it
 *   tables.c     what the tables answer, and what is done when the daemon cannot
 *   pending.c    messages that were sent without waiting, until they are answered
 *   many.c       many questions, or the recipients of a message, in one call
 *   documents.c  documents, orders, observations
 *   message.c    from the caller's structs to the wire's
 *
 * Times named until_ms are on CLOCK_MONOTONIC (handle_now_ms); those of tables on CLOCK_BOOTTIME.
 */
#ifndef MXWARD_CLIENT_HANDLE_H
#define MXWARD_CLIENT_HANDLE_H

#include "ipc/client/local.h"
#include "ipc/client/mxward.h"
#include "ipc/wire/frame.h"

#include <stdatomic.h>
#include <sys/types.h>
#include <sys/un.h>

#define INPUT_BYTES        (2 * FRAME_ANSWER_MAX)
#define OUTPUT_BYTES       40960 /* some requests; each fits, of all kinds that are sent here */
#define READY_BYTES        32768 /* answers of the table that wait to be received */
#define FLUSH_BYTES        4096  /* queued requests are sent at once from here on */
#define CONNECT_MS         5000
#define DAEMON_DEADLINE_MS 60000 /* of a question that sets none: LIMIT_QUESTION_MS */
#define TABLES_REFRESH_MS  1000  /* tables that came, or came anew, are found by the next call */
#define SILENCE_MS         1000  /* a daemon that did not answer is left in peace, see mxw_decide */
#define RESTART_MS         3000  /* a daemon that is away is waited for, in all, see mxw_decide */
#define RESTART_PAUSE_MS   20    /* between two tries */

struct mxw {
    char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    char program[FRAME_WORD_MAX];
    int connect_ms;
    int fd;             /* -1: not connected */
    atomic_bool inside; /* a call is in it: handle_enter */
    pid_t process;      /* whose connection it is */
    dev_t fd_device;    /* of the socket: after a fork the number may be another file's */
    ino_t fd_inode;     /* the same */
    bool greeting;      /* the daemon's welcome is still to come */
    bool patient;       /* false: after mxw_start, nothing waits for room */
    int64_t silent_ms;  /* until then a daemon that did not answer is not waited for */
    int64_t away_ms;    /* since when nobody answers; 0: somebody did, the last time */
    uint64_t next_id, expect_from;
    unsigned outstanding; /* those that are ready included */
    uint16_t place;       /* of the last answer: which recipient's, from 1; 0: there is only one */
    uint8_t fault;        /* the same: enum frame_error */
    bool alone;           /* this daemon knows no questions about many recipients */
    struct pending **pending; /* see pending.c; NULL: none yet */
    struct mxw_daemon about;
    struct local *local; /* NULL: without tables */
    uint64_t looked_ms;  /* boot clock: when tables were looked for */
    char reason[FRAME_SENTENCE_MAX];
    char *text; /* FRAME_DOCUMENT_MAX + 1 bytes, or NULL */
    size_t text_size;
    unsigned ready_count;
    uint32_t in_start, in_end, out_start, out_end, ready_start, ready_end;
    uint8_t input[INPUT_BYTES], output[OUTPUT_BYTES], ready[READY_BYTES];
};

/* At the top of every function of mxward.h that changes the handle. A call from another thread, or
 * from a callback, amid a call finds it taken, and does nothing: two callers in one handle would
 * mix up whose answer it is. After a fork amid a call it stays taken in the child. */
static inline struct mxw *handle_enter(struct mxw *m)
{
    /* Acquire: with the release of who left it, also in another thread. */
    return atomic_exchange_explicit(&m->inside, true, memory_order_acquire) ? NULL : m;
}

static inline void handle_leave(struct mxw **entered)
{
    if (*entered != NULL) /* release: partner is handle_enter */
        atomic_store_explicit(&(*entered)->inside, false, memory_order_release);
}

#define HANDLE_ENTER(m, otherwise)                                                       \
    __attribute__((cleanup(handle_leave))) struct mxw *handle_entered = handle_enter(m); \
    if (handle_entered == NULL)                                                          \
    return otherwise

/* --- mxward.c --- */
int64_t handle_now_ms(void);
/* Sets the reason; returns `status`. */
__attribute__((format(printf, 3, 4))) int handle_fail(struct mxw *m, int status, const char *format,
                                                      ...);
/* Before anything is done with the connection. After a fork it is the other process's: this one has
 * none, and nothing outstanding. */
void handle_own(struct mxw *m);
int handle_connect(struct mxw *m, int64_t until_ms);
void handle_disconnect(struct mxw *m);
/* Nobody was reached, and nothing else can tell: a daemon that is being restarted comes back soon.
 * Pauses, and says whether to try once more. One that stays away costs RESTART_MS in all, and not
 * each time. */
bool handle_await(struct mxw *m, int64_t until_ms);
/* A question, sent with others. */
int handle_send(struct mxw *m, uint8_t kind, const void *wire, uint64_t *id, int64_t until_ms);
/* One request that is none of those outstanding: a document's, an order's. */
int handle_put(struct mxw *m, uint8_t kind, uint64_t id, const void *wire, int64_t until_ms);
/* The next answer. After mxw_start the welcome comes first. */
int handle_next(struct mxw *m, struct frame *frame, int64_t until_ms);
int handle_receive(struct mxw *m, struct mxw_result *result, int64_t until_ms);
/* What is still outstanding belongs to nobody: its answers are dropped when they come. */
void handle_give_up(struct mxw *m);
/* One question, and waits; again, once, if the daemon was restarted meanwhile. */
int handle_ask(struct mxw *m, uint8_t kind, const void *wire, struct mxw_result *result,
               int64_t until_ms);
/* Something that went wrong on the way to the daemon, or there: temporary, and asking the table
 * instead is of use. */
bool handle_is_trouble(int status);
int status_of_fault(uint8_t code);

/* --- pending.c --- */
/* What was asked by `id`, so that trouble can be made good. No memory: it cannot be. */
void pending_keep(struct mxw *m, uint64_t id, const struct frame_decide *asked,
                  uint64_t arrived_ms);
/* An answer came: if it is trouble, and the tables can tell, it is theirs. */
void pending_settle(struct mxw *m, struct mxw_result *result);
void pending_forget(struct mxw *m); /* all */

/* --- message.c --- */
#define LAYOUT_UNKNOWN \
    "the struct's size is not set, or it asks for what this libmxward does not know"
/* Copies what a caller gives, of this or another version of the header, into `ours`, which holds
 * the defaults. False: its size cannot be, or it asks for what this library does not know. */
bool layout_take(void *ours, size_t size, size_t least, const void *given);
/* What the caller's struct says of itself: in arrays the next one stands behind that. 0: it cannot
 * be, and nothing behind it is looked at. */
size_t layout_size(const void *given);
bool text_put(char *out, size_t size, const char *text);
/* MXW_OK, or what is wrong with it; what the daemon would refuse is refused here. */
int question_encode(struct mxw *m, struct frame_question *wire, struct next_hop *next_hop,
                    const struct mxw_question *given);
int message_encode(struct mxw *m, struct frame_decide *wire, const struct mxw_message *given);
void verdict_read(struct mxw_verdict *out, const struct frame_verdict *in);
/* Nobody can tell: not now. */
void decision_temporary(struct mxw_decision *out, const char *why);

/* --- tables.c --- */
/* mxw_send, amid another call. */
int check_send(struct mxw *m, const struct mxw_question *question, uint64_t *id);
uint64_t tables_now_ms(void);
/* False: there are none. The question came at `arrived_ms` (tables_now_ms). */
bool tables_look(struct mxw *m, struct local_outcome *out, const struct frame_decide *asked,
                 uint64_t arrived_ms);
/* The same of several, in two steps: see local.h. */
void tables_look_ahead(struct mxw *m, struct local_outcome *outs, const struct frame_decide *asked,
                       unsigned count);
bool tables_look_on(const struct mxw *m, struct local_outcome *out,
                    const struct frame_decide *asked, uint64_t arrived_ms);
/* Nobody who could tell more is there: the table's answer stands. */
bool tables_stand(const struct local_outcome *out);
/* The daemon did not answer just now, and is not waited for where the table's answer stands. */
bool tables_silent(const struct mxw *m, int64_t now_ms);
/* Fills the decision: by the table's answer. MXW_OK, or MXW_INVALID. */
int tables_give(struct mxw *m, const struct local_outcome *out, struct mxw_decision *decision);
/* The same in the end, after the daemon was asked and gave `status`: by what the table knows now.
 * `why`: for the sender of the mail. MXW_OK, MXW_INVALID, or `status`. */
int tables_instead(struct mxw *m, struct mxw_decision *decision, const struct frame_decide *asked,
                   uint64_t arrived_ms, int status, const char *why);
/* So that the daemon answers in time by itself, with what it knows by then. */
void tables_deadline(struct frame_decide *asked, int64_t left_ms);

#endif
