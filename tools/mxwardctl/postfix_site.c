/*
 * postfix_site.c - looking around (see postfix_site.h): runs postconf, reads resolv.conf and the
 * files that settings name, asks the resolver, mxward-gate's sockets and the daemon.
 */
#include "tools/mxwardctl/postfix_site.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STANDARD_RESOLV_CONF "/etc/resolv.conf"
#define GROUPS_MOST          64

/* --- running postconf --- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Starts it; *out and *err are the reading ends. 0, or errno. */
static int start(const char *program, const char *const *words, pid_t *pid, int *out, int *err)
{
    posix_spawn_file_actions_t actions;
    int outs[2], errs[2], error;

    if (pipe2(outs, O_CLOEXEC) != 0)
        return errno;
    if (pipe2(errs, O_CLOEXEC) != 0) {
        error = errno;
        close(outs[0]);
        close(outs[1]);
        return error;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, outs[1], 1);
    posix_spawn_file_actions_adddup2(&actions, errs[1], 2);
    error = posix_spawnp(pid, program, &actions, NULL, (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(outs[1]);
    close(errs[1]);
    if (error != 0) {
        close(outs[0]);
        close(errs[0]);
    }
    *out = outs[0];
    *err = errs[0];
    return error;
}

struct reading {
    char *text;
    size_t size, used;
};

/* Reads what is there; false: it ended, or there is more than there is room for. */
static bool take(int fd, struct reading *reading)
{
    ssize_t length = read(fd, reading->text + reading->used, reading->size - 1 - reading->used);

    if (length <= 0)
        return length < 0 && errno == EINTR;
    reading->used += (size_t)length;
    reading->text[reading->used] = 0;
    return reading->used < reading->size - 1;
}

/* Both pipes to their ends. False: not in time, or too much. */
static bool read_both(int out, int err, struct reading *said, struct reading *complained)
{
    struct pollfd fds[] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
    const int64_t deadline = now_ms() + POSTFIX_RUN_MS;

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int64_t left = deadline - now_ms();

        if (left <= 0 || (poll(fds, 2, (int)left) < 0 && errno != EINTR))
            return false;
        if (fds[0].revents && !take(out, said))
            fds[0].fd = -1;
        if (fds[1].revents && !take(err, complained))
            fds[1].fd = -1; /* the rest of what it warns of is not wanted */
        fds[0].revents = fds[1].revents = 0;
    }
    return said->used < said->size - 1;
}

/* Says why; the last line of what it complained of, which is the fatal one. */
static int not_readable(const char *program, char *complaint)
{
    char *line;

    while ((line = strrchr(complaint, '\n')) && line[1] == 0)
        *line = 0;
    line = strrchr(complaint, '\n');
    fprintf(stderr,
            "mxwardctl: Postfix's configuration cannot be read: %s says: %s\n"
            "mxwardctl: is --config-directory the folder of main.cf and master.cf, and may this "
            "user read it?\n",
            program,
            line           ? line + 1
            : complaint[0] ? complaint
                           : "nothing, and failed");
    return CONFIGURATION;
}

/* What postconf prints with `options`, to be freed; NULL after having said why. */
static char *postconf(const struct invocation *invocation, const char *options, const char *name)
{
    const char *program = invocation->postconf ? invocation->postconf : "postconf";
    const char *words[7] = {program};
    char complaint[4096] = "";
    struct reading said = {calloc(1, POSTFIX_TEXT_MOST), POSTFIX_TEXT_MOST, 0};
    struct reading complained = {complaint, sizeof complaint, 0};
    size_t count = 1;
    int out = -1, err = -1, error, status = 0;
    bool complete;
    pid_t pid = 0;

    if (invocation->config_directory) {
        words[count++] = "-c";
        words[count++] = invocation->config_directory;
    }
    words[count++] = options;
    words[count] = name;
    error = said.text ? start(program, words, &pid, &out, &err) : ENOMEM;
    if (error != 0) {
        fprintf(stderr, "mxwardctl: cannot run %s: %s; name it with --postconf\n", program,
                strerror(error));
        free(said.text);
        return NULL;
    }
    complete = read_both(out, err, &said, &complained);
    close(out);
    close(err);
    if (!complete && pid > 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!complete || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        not_readable(program, complaint);
        free(said.text);
        return NULL;
    }
    return said.text;
}

static int unreadable_text(const char *options)
{
    fprintf(stderr, "mxwardctl: what postconf %s prints is not understood; is it Postfix's?\n",
            options);
    return CONFIGURATION;
}

static int read_settings(const struct invocation *invocation, struct postfix_site *site)
{
    static const char policy[] = "smtp_tls_dane_insecure_mx_policy";
    const struct {
        const char *options, *name;
    } runs[] = {{"-d", "mail_version"}, {"-x", NULL}, {"-M", NULL}, {"-Px", NULL}, {"-h", policy}};

    for (size_t i = 0; i < 5; i++) {
        site->texts[i] = postconf(invocation, runs[i].options, runs[i].name);
        if (!site->texts[i])
            return CONFIGURATION;
    }
    if (!postfix_read_version(&site->settings, site->texts[0]))
        return unreadable_text("mail_version");
    if (!postfix_read_parameters(&site->settings, site->texts[1]))
        return unreadable_text("-x");
    if (!postfix_read_services(&site->settings, site->texts[2]))
        return unreadable_text("-M");
    if (!postfix_read_overrides(&site->settings, site->texts[3]))
        return unreadable_text("-Px");
    site->texts[4][strcspn(site->texts[4], "\n")] = 0;
    site->settings.insecure_mx_policy = site->texts[4];
    site->queue_directory = postfix_global(&site->settings, "queue_directory");
    site->mail_owner = postfix_global(&site->settings, "mail_owner");
    return DONE;
}

/* --- files --- */

/* At most POSTFIX_FILE_MOST bytes; NULL: it cannot be read. */
static char *file_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? calloc(1, POSTFIX_FILE_MOST) : NULL;

    if (text && fread(text, 1, POSTFIX_FILE_MOST - 1, file) == 0 && ferror(file)) {
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static void look_at_file(struct postfix_site *site, const char *path, bool read)
{
    struct postfix_file *file = &site->files[site->file_count];

    if (!path[0] || site->file_count == POSTFIX_FILES_MOST || postfix_site_file(site, path))
        return;
    site->file_count++;
    snprintf(file->path, sizeof file->path, "%s", path);
    file->is_there = access(path, R_OK) == 0;
    if (read)
        file->text = file_text(path);
}

const struct postfix_file *postfix_site_file(const struct postfix_site *site, const char *path)
{
    for (size_t i = 0; i < site->file_count; i++)
        if (strcmp(site->files[i].path, path) == 0)
            return &site->files[i];
    return NULL;
}

/* Where mail goes, as far as it stands in a text. */
static void look_at_routes(struct postfix_site *site)
{
    char item[POSTFIX_ITEM_MOST];

    for (size_t i = 0; i < POSTFIX_ROUTES; i++) {
        const char *list = postfix_global(&site->settings, postfix_routes[i]);

        while (postfix_item(&list, item))
            if (postfix_table_file(item))
                look_at_file(site, postfix_table_file(item), true);
    }
}

/* Tables of patterns, which can be read as they are. */
static void look_at_patterns(struct postfix_site *site, const char *list)
{
    char item[POSTFIX_ITEM_MOST];

    while (postfix_item(&list, item))
        if (strncmp(item, "regexp:/", 8) == 0 || strncmp(item, "pcre:/", 6) == 0)
            look_at_file(site, strchr(item, ':') + 1, true);
}

static void look_at_files(struct postfix_site *site)
{
    const struct postfix_settings *settings = &site->settings;
    char path[2 * POSTFIX_PATH_MOST];

    for (size_t i = 0; i < settings->service_count; i++) {
        const struct postfix_service *service = &settings->services[i];
        const char *folder = postfix_value(settings, service, "smtp_tls_CApath");

        if (!postfix_runs(service, "smtp"))
            continue;
        look_at_file(site, postfix_value(settings, service, "smtp_tls_CAfile"), false);
        snprintf(path, sizeof path, "%s%s", service->chroot ? site->queue_directory : "", folder);
        if (folder[0])
            look_at_file(site, path, false);
        look_at_patterns(site, postfix_value(settings, service, "smtp_delivery_status_filter"));
    }
}

/* --- the resolver --- */

static void read_resolver(struct postfix_resolver *resolver, const char *path)
{
    char *text = file_text(path), *rest = NULL;

    snprintf(resolver->path, sizeof resolver->path, "%s", path);
    resolver->is_there = text != NULL;
    if (!text)
        return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (resolver->server_count < POSTFIX_SERVERS &&
            sscanf(line, " nameserver %63s", resolver->servers[resolver->server_count]) == 1)
            resolver->server_count++;
    free(text);
}

static void look_at_resolvers(const struct invocation *invocation, struct postfix_site *site)
{
    const char *path = invocation->resolv_conf ? invocation->resolv_conf : STANDARD_RESOLV_CONF;
    char chrooted[POSTFIX_PATH_MOST];

    read_resolver(&site->resolver, path);
    snprintf(chrooted, sizeof chrooted, "%s%s", site->queue_directory, STANDARD_RESOLV_CONF);
    read_resolver(&site->chroot_resolver, chrooted);
    if (site->resolver.is_there) /* without a server, the C library asks this machine */
        site->validation = postfix_ask_resolver(
            site->resolver.server_count > 0 ? site->resolver.servers[0] : "127.0.0.1");
}

/* --- sockets --- */

struct who {
    uid_t user;
    gid_t groups[GROUPS_MOST];
    int group_count;
};

static bool who_is(const char *name, struct who *who)
{
    const struct passwd *entry = getpwnam(name);

    who->group_count = GROUPS_MOST;
    if (!entry)
        return false;
    who->user = entry->pw_uid;
    return getgrouplist(name, entry->pw_gid, who->groups, &who->group_count) >= 0;
}

static bool is_allowed(const struct who *who, const struct stat *status, unsigned right)
{
    if (who->user == status->st_uid)
        return status->st_mode & right << 6;
    for (int i = 0; i < who->group_count; i++)
        if (who->groups[i] == status->st_gid)
            return status->st_mode & right << 3;
    return status->st_mode & right;
}

/* Postfix's daemons become mail_owner, with all his groups, before they connect: may he pass each
 * folder from `from` on (where they stand already, or "/"), and write to the socket? */
static bool postfix_may_connect(const char *mail_owner, const char *from, const char *path)
{
    char part[POSTFIX_PATH_MOST];
    struct stat status;
    struct who who;

    if (!who_is(mail_owner, &who))
        return true; /* Postfix does not start without him: that is not ours to say */
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + strlen(from); (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        if (stat(part, &status) == 0 && !is_allowed(&who, &status, 1))
            return false;
        *slash = '/';
    }
    return stat(path, &status) != 0 || is_allowed(&who, &status, 2);
}

static void look_at_socket(struct postfix_site *site, const struct postfix_service *service,
                           const char *named)
{
    const bool chroot = service && service->chroot, inside = chroot || named[0] != '/';
    struct postfix_socket socket = {.chroot = chroot};

    snprintf(socket.named, sizeof socket.named, "%s", named);
    snprintf(socket.service, sizeof socket.service, "%s", service ? service->key : "main.cf");
    if (snprintf(socket.path, sizeof socket.path, "%s%s%s", inside ? site->queue_directory : "",
                 inside && named[0] != '/' ? "/" : "", named) >= (int)sizeof socket.path)
        return;
    for (size_t i = 0; i < site->socket_count; i++)
        if (strcmp(site->sockets[i].path, socket.path) == 0)
            return;
    if (site->socket_count == POSTFIX_SOCKETS_MOST)
        return;
    socket.state = postfix_ask_socket(socket.path);
    if (socket.state == SOCKET_ANSWERS &&
        !postfix_may_connect(site->mail_owner, inside ? site->queue_directory : "", socket.path))
        socket.state = SOCKET_CLOSED_TO_POSTFIX;
    site->sockets[site->socket_count++] = socket;
}

static void look_at_maps(struct postfix_site *site, const struct postfix_service *service,
                         const char *list)
{
    struct postfix_socketmap map;
    char item[POSTFIX_ITEM_MOST];

    while (postfix_filter_item(&list, item))
        if (postfix_socketmap(item, &map))
            look_at_socket(site, service, map.path);
}

/* "unix:PATH" in check_policy_service, with a policy_context of ours or a path that says mxward. */
static void look_at_policies(struct postfix_site *site, const struct postfix_service *service,
                             const char *restrictions)
{
    for (const char *at = restrictions; (at = strstr(at, "check_policy_service"));) {
        char path[POSTFIX_PATH_MOST] = "";

        at += strlen("check_policy_service");
        if (sscanf(at, " { unix:%511[^ ,}]", path) == 1 ||
            sscanf(at, " unix:%511[^ ,}]", path) == 1)
            if (strstr(path, "mxward"))
                look_at_socket(site, service, path);
    }
}

static void look_at_sockets(struct postfix_site *site)
{
    static const char *const maps[] = {"smtp_tls_policy_maps", "smtp_delivery_status_filter",
                                       "smtp_requiretls_policy"};
    static const char *const lists[] = {"smtpd_recipient_restrictions", "smtpd_relay_restrictions",
                                        "smtpd_data_restrictions", "smtpd_sender_restrictions",
                                        "smtpd_end_of_data_restrictions"};
    const struct postfix_settings *settings = &site->settings;

    for (size_t i = 0; i < settings->service_count; i++) {
        const struct postfix_service *service = &settings->services[i];

        for (size_t k = 0; postfix_runs(service, "smtp") && k < sizeof maps / sizeof *maps; k++)
            look_at_maps(site, service, postfix_value(settings, service, maps[k]));
        for (size_t k = 0; postfix_runs(service, "smtpd") && k < sizeof lists / sizeof *lists; k++)
            look_at_policies(site, service, postfix_value(settings, service, lists[k]));
        if (postfix_runs(service, "trivial-rewrite"))
            look_at_maps(
                site, service,
                postfix_value(settings, service, "sender_dependent_default_transport_maps"));
    }
}

/* --- mxward's settings --- */

/* The value of `name` in this line, without its quotes. False: it is another one. */
static bool setting_read(const char *line, const char *name, char *out, size_t size)
{
    const char *value = line + strspn(line, " ");
    size_t length;

    if (strncmp(value, name, strlen(name)) != 0)
        return false;
    value += strlen(name);
    if (strncmp(value, " = ", 3) != 0)
        return false;
    value += 3;
    if (*value == '\'' || *value == '"') {
        const char quote[] = {*value++, '\n', 0};

        length = strcspn(value, quote);
    } else {
        length = strcspn(value, " \n");
    }
    snprintf(out, size, "%.*s", (int)length, value);
    return true;
}

static void take_line(struct postfix_site *site, const char *section, const char *line)
{
    if (strcmp(section, "guarantee") == 0)
        setting_read(line, "recipient_delimiter", site->delimiters, sizeof site->delimiters);
    else if (strcmp(section, "gate") == 0)
        setting_read(line, "split_transport", site->split_transport, sizeof site->split_transport);
}

/* What Postfix's must agree with: SECTION { … }. */
static void take_settings(struct postfix_site *site, const char *text)
{
    char section[32] = "";

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (line[0] == '}')
            section[0] = 0;
        else if (line[0] != ' ')
            sscanf(line, "%31[a-z] {", section);
        else
            take_line(site, section, line);
    }
}

/* As they are written in mxward.conf(5): profile "NAME" { … }. */
static void take_profiles(struct postfix_site *site, const char *text)
{
    struct postfix_profile *profile = NULL;

    for (const char *line = text; line; line = strchr(line, '\n')) {
        char name[32] = "", minimum[16] = "";

        line += *line == '\n';
        if (sscanf(line, "profile \"%31[^\"]\" {", name) == 1) {
            if (site->profile_count == POSTFIX_PROFILES)
                return;
            profile = &site->profiles[site->profile_count++];
            snprintf(profile->name, sizeof profile->name, "%s", name);
        } else if (line[0] == '}') {
            profile = NULL;
        } else if (profile && sscanf(line, " minimum = %15[a-z]", minimum) == 1) {
            profile->demands = strcmp(minimum, "none") != 0;
        }
    }
}

/* Quietly: that there is no daemon is a finding, not a failure. */
static void look_at_daemon(const struct invocation *invocation, struct postfix_site *site)
{
    struct mxw_options options = MXW_OPTIONS_INIT;
    struct mxw *handle;
    const char *text;
    size_t length;

    options.socket = ask_socket(invocation);
    options.program = "mxwardctl";
    options.tables = ""; /* what the daemon says */
    options.connect_ms = POSTFIX_ASK_MS;
    if (mxw_open(&handle, &options) != MXW_OK)
        return;
    if (mxw_connect(handle) == MXW_OK &&
        mxw_config(handle, 0, &text, &length, POSTFIX_ASK_MS) == MXW_OK) {
        take_profiles(site, text);
        take_settings(site, text);
        site->profiles_known = site->profile_count > 0;
    }
    mxw_close(handle);
}

/* --- all of it --- */

int postfix_site_read(const struct invocation *invocation, struct postfix_site **site)
{
    int code;

    *site = calloc(1, sizeof **site);
    if (!*site) {
        fputs("mxwardctl: no memory\n", stderr);
        return INTERNAL;
    }
    (*site)->config_directory = invocation->config_directory;
    code = read_settings(invocation, *site);
    if (code != DONE)
        return code;
    look_at_files(*site);
    look_at_routes(*site);
    look_at_resolvers(invocation, *site);
    look_at_sockets(*site);
    snprintf((*site)->delimiters, sizeof(*site)->delimiters, "+");
    snprintf((*site)->split_transport, sizeof(*site)->split_transport,
             "by-recipient:[127.0.0.1]:10026");
    look_at_daemon(invocation, *site);
    return DONE;
}

void postfix_site_free(struct postfix_site *site)
{
    if (!site)
        return;
    for (size_t i = 0; i < sizeof site->texts / sizeof *site->texts; i++)
        free(site->texts[i]);
    for (size_t i = 0; i < site->file_count; i++)
        free(site->files[i].text);
    free(site);
}
