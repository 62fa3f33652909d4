/*
 * table_instruction_test.c - the writer is killed after each of its instructions.
 *
 * A child runs one operation of the writer under ptrace, one instruction after the other, and gets
 * SIGKILL after the n-th; then all that table_crash_test asks for must hold: for who was reading,
 * for who opens the table now, and for the next writer, who also does the operation again. That
 * test ends the writer where the code says that it stores; this one knows nothing of the code, and
 * sees what the compiler made of it (stores split, joined or moved), and the system calls.
 *
 * Steps begin right before the first store, without a change of the writer's code: until then it
 * may not write to the table's pages. Growing begins at fallocate, and a successor at rename: what
 * is in table.new before that is thrown away unread at the next start. A system call is one
 * instruction.
 *
 * First the operation runs once in steps, to see which instructions change the file. A death after
 * any other leaves the same file as one before it, so that to die after each that changes it is to
 * die after all; some others are tried, too, a stride apart with a random beginning. With
 * TABLE_TORTURE=1 it dies after every single one until the last change.
 *
 * Where ptrace is not allowed this says so, and exits 77; with LAB_MUST_RUN it fails. Not under
 * sanitizers: their instructions are not the writer's.
 */
#include "shm/attach.c"
#include "shm/writer.c"

#include "tests/table_deaths.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    CHANGES_MAX = 64,   /* cache lines of the file that one operation changes */
    SAMPLES = 6,        /* between an operation's changes, in the short form */
    SAMPLES_CALLS = 20, /* of one that begins at a system call */
    INSTRUCTIONS_MAX = 1000000,
    FIRST_STORE = -1,
};

static bool torture(void)
{
    return getenv("TABLE_TORTURE") != NULL;
}

static uint64_t random_below(uint64_t end)
{
    uint64_t random;

    CLAIM(getrandom(&random, sizeof random, 0) == sizeof random);
    return random % end;
}

/* --- the child, and how far it goes --- */

static const struct killed {
    unsigned operation; /* number */
    long from;          /* system call that steps begin at; FIRST_STORE */
} all_killed[] = {
    {0, FIRST_STORE},    /* insert */
    {1, FIRST_STORE},    /* into another line */
    {2, FIRST_STORE},    /* replace */
    {5, FIRST_STORE},    /* an account */
    {7, FIRST_STORE},    /* remove */
    {8, FIRST_STORE},    /* from another line */
    {10, FIRST_STORE},   /* evict what the ledger holds */
    {11, SYS_fallocate}, /* grow */
    {13, SYS_rename},    /* make a successor */
};
#define KILLED (sizeof all_killed / sizeof *all_killed)

static const struct operation *operation_of(const struct killed *killed)
{
    return &operations[killed->operation];
}

static void first_store(int number)
{
    (void)number;
    mprotect(writer->map.base, writer->map.geometry.file_bytes, PROT_READ | PROT_WRITE);
    raise(SIGSTOP);
}

/* Stops before its first store, without a change of its code: the table cannot be written. */
_Noreturn static void child_main(const struct killed *killed)
{
    const struct operation *operation = operation_of(killed);

    if (!operation->opens)
        open_again();
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(1);
    if (killed->from == FIRST_STORE) {
        const struct sigaction action = {.sa_handler = first_store};
        sigaction(SIGSEGV, &action, NULL);
        mprotect(writer->map.base, writer->map.geometry.file_bytes, PROT_READ);
    }
    raise(SIGSTOP);
    operation->run();
    raise(SIGSTOP);
    _exit(0);
}

static int go_on(pid_t child, enum __ptrace_request how, int signal)
{
    int status;

    CLAIM(ptrace(how, child, NULL, (void *)(intptr_t)signal) == 0);
    CLAIM(waitpid(child, &status, 0) == child);
    CLAIM(WIFSTOPPED(status));
    return WSTOPSIG(status);
}

static void go_to_call(pid_t child, long number)
{
    struct __ptrace_syscall_info call = {0};

    CLAIM(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD) == 0);
    do {
        CLAIM(go_on(child, PTRACE_SYSCALL, 0) == (SIGTRAP | 0x80));
        CLAIM(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call) > 0);
    } while (call.op != PTRACE_SYSCALL_INFO_ENTRY || (long)call.entry.nr != number);
}

/* A child that stands where its steps begin. */
static pid_t start(const struct killed *killed)
{
    const pid_t child = fork();
    int status;

    CLAIM(child >= 0);
    if (child == 0)
        child_main(killed);
    CLAIM(waitpid(child, &status, 0) == child);
    CLAIM(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    if (killed->from != FIRST_STORE) {
        go_to_call(child, killed->from);
        return child;
    }
    CLAIM(go_on(child, PTRACE_CONT, 0) == SIGSEGV);
    CLAIM(go_on(child, PTRACE_CONT, SIGSEGV) == SIGSTOP);
    return child;
}

/* One instruction; false: the operation is over. */
static bool step(pid_t child)
{
    const int signal = go_on(child, PTRACE_SINGLESTEP, 0);

    CLAIM(signal == SIGTRAP || signal == SIGSTOP);
    return signal == SIGTRAP;
}

static void end(pid_t child)
{
    int status;

    CLAIM(kill(child, SIGKILL) == 0);
    CLAIM(waitpid(child, &status, 0) == child);
    CLAIM(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* --- where an operation changes the file --- */

struct window {
    unsigned long instructions, changes, changed_at[CHANGES_MAX * 4];
};

static const char *map_file(const char *path, size_t *size)
{
    struct stat status;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    CLAIM(descriptor >= 0 && fstat(descriptor, &status) == 0);
    const char *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
    CLAIM(bytes != MAP_FAILED);
    close(descriptor);
    *size = (size_t)status.st_size;
    return bytes;
}

/* The lines that differ when it is over; for all of these operations those are all it touches. */
static unsigned find_changes(const struct killed *killed, const char *bytes, size_t size,
                             size_t changes[CHANGES_MAX])
{
    char *before = malloc(size);
    unsigned count = 0;
    const pid_t child = start(killed);

    CLAIM(before != NULL);
    memcpy(before, bytes, size);
    CLAIM(go_on(child, PTRACE_CONT, 0) == SIGSTOP);
    for (size_t at = 0; at < size; at += 64) {
        if (memcmp(before + at, bytes + at, 64) == 0)
            continue;
        CLAIM(count < CHANGES_MAX);
        changes[count++] = at;
    }
    end(child);
    free(before);
    return count;
}

static bool bytes_changed(const char *bytes, const size_t *changes, unsigned count, char *last)
{
    bool changed = false;

    for (unsigned i = 0; i < count; i++) {
        if (memcmp(last + 64ul * i, bytes + changes[i], 64) == 0)
            continue;
        memcpy(last + 64ul * i, bytes + changes[i], 64);
        changed = true;
    }
    return changed;
}

static struct window measure(const struct killed *killed, const struct scratch *original)
{
    size_t size, changes[CHANGES_MAX];
    char path[128], last[CHANGES_MAX * 64];
    struct window window = {0};

    snprintf(path, sizeof path, "%s/table.1", scratch.directory);
    restore(original);
    const char *bytes = map_file(path, &size);
    const unsigned count = find_changes(killed, bytes, size, changes);
    munmap((void *)bytes, size);
    restore(original);
    bytes = map_file(path, &size);
    const pid_t child = start(killed);
    bytes_changed(bytes, changes, count, last);
    while (step(child)) {
        CLAIM(++window.instructions < INSTRUCTIONS_MAX);
        if (!bytes_changed(bytes, changes, count, last))
            continue;
        CLAIM(window.changes < sizeof window.changed_at / sizeof *window.changed_at);
        window.changed_at[window.changes++] = window.instructions;
    }
    end(child);
    munmap((void *)bytes, size);
    return window;
}

/* --- killing --- */

static void kill_after(const struct killed *killed, const struct scratch *original, unsigned long n)
{
    struct table_reader *early = before_death(original);
    const pid_t child = start(killed);

    for (unsigned long done = 0; done < n && step(child); done++)
        ;
    end(child);
    after_death(operation_of(killed), early);
}

START_TEST(a_writer_may_die_after_any_instruction)
{
    const struct killed *killed = &all_killed[_i];
    struct scratch original = prepared();
    const struct window window = measure(killed, &original);
    const bool calls = killed->from != FIRST_STORE;
    const unsigned long first = calls ? 0 : window.changed_at[0] - 1;
    const unsigned long last = calls ? window.instructions : window.changed_at[window.changes - 1];
    const unsigned long stride =
        torture() ? 1 : (last - first) / (calls ? SAMPLES_CALLS : SAMPLES) + 1;
    unsigned long kills = 0;

    CLAIM(window.changes > 0);
    for (unsigned long n = first + random_below(stride); n <= last; n += stride, kills++)
        kill_after(killed, &original, n);
    for (unsigned long i = 0; i < window.changes; i++, kills++)
        kill_after(killed, &original, window.changed_at[i]);
    printf("%-32s %6lu instructions, the file changes %2lu times from %lu to %lu: %lu kills\n",
           operation_of(killed)->name, window.instructions, window.changes, first, last, kills);
    fflush(stdout);
    scratch_remove(&original);
}
END_TEST

/* --- may we? --- */

static bool tracing_is_allowed(void)
{
    const pid_t child = fork();
    int status;

    CLAIM(child >= 0);
    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0 ? 0 : 1);
    CLAIM(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status))
        return false;
    const bool steps = ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return steps;
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    fputs("table_instruction_test: not under a sanitizer\n", stderr);
    return 77;
#endif
    if (!tracing_is_allowed()) {
        fputs("table_instruction_test: ptrace is not allowed here\n", stderr);
        return getenv("LAB_MUST_RUN") != NULL ? EXIT_FAILURE : 77;
    }
    Suite *suite = suite_create("table, instruction by instruction");
    TCase *cases = tcase_create("instructions");

    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, torture() ? 7200 : 240);
    tcase_add_loop_test(cases, a_writer_may_die_after_any_instruction, 0, KILLED);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
