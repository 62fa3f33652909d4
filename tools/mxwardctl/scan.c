/*
 * scan.c - `mxwardctl scan`: a file of domains through the daemon, a window of them at a time.
 *
 * Called by main. Results are JSON lines, in the order they come. A question that the daemon turned
 * away as busy is asked again; a lost daemon is waited for. Ctrl-C ends with the summary; what was
 * out is not in the output and will be asked by --resume.
 *
 * Exit codes, of this run and of what it resumes: 0 all were answered; 1 some are below the class
 * required; 69 the daemon stayed away; 75 stopped, or some have no verdict yet (ask again with
 * --resume).
 */
#include "tools/mxwardctl/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_STANDARD 512
#define DRAIN_MAX       1024   /* answers taken before new questions are sent */
#define TRIES_MAX       1000   /* of one question that is turned away */
#define PATIENCE_MS     120000 /* for a daemon that went away */
#define SILENCE_MS      60000  /* no answer for that long, over the timeout: connect anew */
#define RECONNECT_MS    500
#define FLUSH_MS        1000

enum slot_state { SLOT_FREE, SLOT_TO_SEND, SLOT_SENT };

struct slot {
    enum slot_state state;
    unsigned tries;
    uint64_t id;
    int64_t not_before_ms;
    char name[NEXT_HOP_TEXT_MAX];
};

struct scan {
    const struct invocation *invocation;
    struct mxw *handle;
    struct scan_input *input;
    struct scan_counts counts;
    struct scan_resumed resumed;
    struct scan_progress progress;
    FILE *output;
    unsigned window, busy_slots; /* slots that are not free */
    struct slot *slots;
    bool input_ended, failed;
    int64_t flushed_ms, answered_ms, lost_ms; /* lost: since then no daemon; 0: it is there */
    int exit_code;
};

static atomic_int stopped; /* set by the signal handler only; relaxed, it orders nothing */

static void on_signal(int signal)
{
    (void)signal;
    atomic_store_explicit(&stopped, 1, memory_order_relaxed);
}

static bool is_stopped(void)
{
    return atomic_load_explicit(&stopped, memory_order_relaxed) != 0;
}

/* --- results --- */

static void write_result(struct scan *scan, const char *name, const struct input_line *input,
                         const struct mxw_result *result)
{
    char line[RESULT_LINE_MAX];
    size_t length = result_json(line, name, input, result);
    int code = result_exit_code(result, scan->invocation->required_class);

    if (fwrite(line, 1, length, scan->output) != length)
        scan->failed = true;
    scan->counts.not_met += code == NOT_MET;
    switch (result_kind(result)) {
    case RESULT_INVALID:
        scan->counts.invalid++;
        return;
    case RESULT_ERROR:
        scan->counts.errors++;
        return;
    case RESULT_UNDECIDED:
        scan->counts.undecided++;
        break;
    case RESULT_DECIDED:
        break;
    }
    scan->counts.classes[result->verdict.tls_class < CLASS_COUNT ? result->verdict.tls_class
                                                                 : CLASS_UNKNOWN]++;
}

static void slot_done(struct scan *scan, struct slot *slot, const struct mxw_result *result)
{
    write_result(scan, slot->name, NULL, result);
    slot->state = SLOT_FREE;
    scan->busy_slots--;
}

static void take_result(struct scan *scan, const struct mxw_result *result)
{
    int64_t now_ms = scan_now_ms();

    scan->answered_ms = now_ms;
    for (unsigned i = 0; i < scan->window; i++) {
        struct slot *slot = &scan->slots[i];

        if (slot->state != SLOT_SENT || slot->id != result->id)
            continue;
        if (result->status == MXW_BUSY && slot->tries++ < TRIES_MAX) {
            slot->state = SLOT_TO_SEND;
            slot->not_before_ms = now_ms + (result->retry_ms ? result->retry_ms : 200);
        } else {
            slot_done(scan, slot, result);
        }
        return;
    }
}

/* --- the daemon is gone --- */

static void lost(struct scan *scan)
{
    if (!scan->lost_ms)
        scan->lost_ms = scan_now_ms();
    mxw_disconnect(scan->handle);
    for (unsigned i = 0; i < scan->window; i++)
        if (scan->slots[i].state == SLOT_SENT)
            scan->slots[i].state = SLOT_TO_SEND;
}

/* Tries to find the daemon again. False: give up. */
static bool find_again(struct scan *scan)
{
    int status;

    scan_progress_tick(&scan->progress, &scan->counts, scan->input, 0, "waiting for the daemon");
    poll(NULL, 0, RECONNECT_MS);
    status = mxw_connect(scan->handle);
    if (status == MXW_OK) {
        scan->lost_ms = 0;
        scan->answered_ms = scan_now_ms();
        return true;
    }
    if ((status == MXW_UNREACHABLE || status == MXW_BUSY || status == MXW_TIMEOUT) &&
        scan_now_ms() - scan->lost_ms < PATIENCE_MS)
        return true;
    scan_progress_end(&scan->progress);
    scan->exit_code = ask_failed(scan->handle, status);
    return false;
}

/* --- questions --- */

/* False: no more for now. */
static bool slot_fill(struct scan *scan, struct slot *slot)
{
    struct mxw_result result = {.status = MXW_INVALID};
    struct scan_found found;

    switch (scan_input_next(scan->input, &scan->counts, &found)) {
    case SCAN_NAME:
        snprintf(slot->name, sizeof slot->name, "%s", found.name);
        slot->state = SLOT_TO_SEND;
        slot->tries = 0;
        slot->not_before_ms = 0;
        scan->busy_slots++;
        return true;
    case SCAN_INVALID:
        snprintf(result.sentence, sizeof result.sentence, "%s", found.why);
        write_result(scan, found.name, &found.line, &result);
        return true;
    case SCAN_NOTHING:
        return false;
    case SCAN_END:
        scan->input_ended = true;
        return false;
    case SCAN_FAILED:
        break;
    }
    const int error = errno;
    scan_progress_end(&scan->progress);
    fprintf(stderr, "mxwardctl: cannot read on: %s\n", strerror(error));
    scan->exit_code = error == ENOMEM ? UNDECIDED : INTERNAL;
    scan->input_ended = true;
    return false;
}

/* Returns a mxw_status; MXW_FULL and MXW_OK alike mean: go on. */
static int slot_send(struct scan *scan, struct slot *slot)
{
    struct mxw_question question;
    struct mxw_result result = {.status = MXW_INVALID};
    int status;

    ask_fill(scan->invocation, &question, slot->name);
    question.scan = 1;
    status = mxw_send(scan->handle, &question, &slot->id);
    if (status == MXW_OK)
        slot->state = SLOT_SENT;
    if (status != MXW_INVALID)
        return status;
    snprintf(result.sentence, sizeof result.sentence, "%s", mxw_reason(scan->handle));
    slot_done(scan, slot, &result);
    return MXW_OK;
}

static int send_all(struct scan *scan)
{
    int64_t now_ms = scan_now_ms();
    bool more = !scan->input_ended;

    for (unsigned i = 0; i < scan->window; i++) {
        struct slot *slot = &scan->slots[i];
        int status = MXW_OK;

        while (slot->state == SLOT_FREE && more)
            more = slot_fill(scan, slot);
        if (slot->state == SLOT_TO_SEND && slot->not_before_ms <= now_ms)
            status = slot_send(scan, slot);
        if (status == MXW_FULL)
            return MXW_OK;
        if (status != MXW_OK)
            return status;
    }
    return MXW_OK;
}

static int receive_some(struct scan *scan)
{
    struct mxw_result result = {.size = sizeof result};
    int status = MXW_OK;

    if (mxw_outstanding(scan->handle) == 0) {
        poll(NULL, 0, 20); /* for a pipe, or until a busy daemon may be asked again */
        scan->answered_ms = scan_now_ms();
        return MXW_OK;
    }
    for (int taken = 0; taken < DRAIN_MAX && mxw_outstanding(scan->handle) > 0; taken++) {
        status = mxw_receive(scan->handle, &result, taken ? 0 : 100);
        if (status != MXW_OK)
            break;
        take_result(scan, &result);
    }
    if (status == MXW_TIMEOUT &&
        scan_now_ms() - scan->answered_ms > scan->invocation->wait_ms + SILENCE_MS)
        return MXW_UNREACHABLE;
    return status == MXW_TIMEOUT ? MXW_OK : status;
}

static void flush(struct scan *scan, bool now)
{
    if (!now && scan_now_ms() - scan->flushed_ms < FLUSH_MS)
        return;
    scan->flushed_ms = scan_now_ms();
    if (fflush(scan->output) != 0)
        scan->failed = true;
}

static void scan_loop(struct scan *scan)
{
    while (!is_stopped() && !scan->failed && (!scan->input_ended || scan->busy_slots > 0)) {
        int status = MXW_OK;

        if (scan->lost_ms) {
            if (!find_again(scan))
                return;
            continue;
        }
        status = send_all(scan);
        if (status == MXW_OK)
            status = receive_some(scan);
        if (status == MXW_UNREACHABLE) {
            lost(scan);
        } else if (status != MXW_OK) {
            scan_progress_end(&scan->progress);
            scan->exit_code = ask_failed(scan->handle, status);
            return;
        }
        flush(scan, false);
        scan_progress_tick(&scan->progress, &scan->counts, scan->input,
                           mxw_outstanding(scan->handle), NULL);
    }
}

static int scan_exit_code(const struct scan *scan)
{
    const struct invocation *invocation = scan->invocation;

    if (scan->failed) {
        fprintf(stderr, "mxwardctl: cannot write the results: %s\n", strerror(errno));
        return INTERNAL;
    }
    if (is_stopped() && invocation->output)
        fprintf(stderr, "stopped; go on with: mxwardctl scan --resume --output %s %s\n",
                invocation->output, invocation->words[0]);
    else if (is_stopped())
        fputs("stopped; with --output FILE a scan can be resumed\n", stderr);
    if (scan->exit_code != DONE)
        return scan->exit_code;
    if (is_stopped())
        return UNDECIDED;
    if (invocation->required_class >= 0 && scan->counts.invalid + scan->resumed.invalid > 0)
        return USAGE; /* as `check` says it: a class was asked of what is no name */
    if (invocation->required_class >= 0 && scan->counts.undecided)
        return UNDECIDED; /* whoever asks for a class is not told "all have it" by silence */
    if (scan->counts.not_met + scan->resumed.not_met > 0)
        return NOT_MET;
    return scan->counts.errors ? UNDECIDED : DONE;
}

static int run(struct scan *scan)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    unsigned takes = mxw_about(scan->handle)->requests;
    int code;

    scan->window = scan->invocation->window ? scan->invocation->window : WINDOW_STANDARD;
    if (takes && takes < scan->window)
        scan->window = takes;
    scan->slots = calloc(scan->window, sizeof *scan->slots);
    if (!scan->slots)
        return INTERNAL;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    scan_progress_begin(&scan->progress, scan->invocation);
    scan->answered_ms = scan->flushed_ms = scan_now_ms();
    scan_loop(scan);
    flush(scan, true);
    scan_summary(&scan->progress, &scan->counts);
    code = scan_exit_code(scan);
    free(scan->slots);
    return code;
}

/* Opens what is needed, and runs. */
static int open_and_run(struct scan *scan)
{
    const struct invocation *invocation = scan->invocation;
    int error = scan_input_open(scan->input, invocation->words[0]), code;

    if (error) {
        fprintf(stderr, "mxwardctl: cannot read %s: %s\n", invocation->words[0], strerror(-error));
        return USAGE;
    }
    scan->output = scan_output_open(invocation, scan->input->seen, &scan->resumed);
    if (!scan->output)
        return USAGE;
    if (invocation->resume)
        fprintf(stderr, "resuming behind %" PRIu64 " results\n", scan->resumed.count);
    if (scan->resumed.not_met)
        fprintf(stderr, "%" PRIu64 " of them are below the class required\n",
                scan->resumed.not_met);
    code = run(scan);
    if (scan->output != stdout && fclose(scan->output) != 0) {
        fprintf(stderr, "mxwardctl: %s: %s\n", invocation->output, strerror(errno));
        code = INTERNAL;
    }
    return code;
}

int scan_run(const struct invocation *invocation)
{
    struct scan scan = {.invocation = invocation, .exit_code = DONE};
    int code;

    if (invocation->resume && !invocation->output) {
        fputs("mxwardctl scan: --resume needs the --output FILE to go on with\n", stderr);
        return USAGE;
    }
    scan.input = calloc(1, sizeof *scan.input);
    if (!scan.input)
        return INTERNAL;
    scan.input->fd = -1;
    code = ask_open(invocation, &scan.handle);
    if (code == DONE) {
        code = open_and_run(&scan);
        mxw_close(scan.handle);
    }
    scan_input_close(scan.input);
    free(scan.input);
    return code;
}
