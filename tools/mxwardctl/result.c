/*
 * result.c - see result.h. Used by check and scan; owns nothing.
 */
#include "tools/mxwardctl/result.h"

#include "ipc/wire/json.h"
#include "shm/verdict.h"

#include <string.h>
#include <time.h>

enum result_kind result_kind(const struct mxw_result *result)
{
    if (result->status == MXW_INVALID)
        return RESULT_INVALID;
    if (result->status != MXW_OK)
        return RESULT_ERROR;
    if (result->verdict.conclusion == CONCLUSION_DEFINITE ||
        result->verdict.conclusion == CONCLUSION_UNDELIVERABLE)
        return RESULT_DECIDED;
    return RESULT_UNDECIDED;
}

int result_exit_code(const struct mxw_result *result, int required)
{
    switch (result_kind(result)) {
    case RESULT_INVALID:
        return USAGE;
    case RESULT_ERROR:
        return ask_exit_code(result->status);
    case RESULT_UNDECIDED:
        return UNDECIDED;
    case RESULT_DECIDED:
        break;
    }
    if (required < 0)
        return DONE;
    /* Nothing will be delivered to a domain that is `undeliverable`, securely or not. */
    return (int)result->verdict.tls_class >= required &&
                   result->verdict.conclusion == CONCLUSION_DEFINITE
               ? DONE
               : NOT_MET;
}

int exit_code_worse(int a, int b)
{
    static const int order[] = {DONE,          UNDECIDED, NOT_MET,       USAGE,
                                CONFIGURATION, INTERNAL,  NOT_PERMITTED, UNREACHABLE};
    size_t at_a = 0, at_b = 0;

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        at_a = order[i] == a ? i : at_a;
        at_b = order[i] == b ? i : at_b;
    }
    return at_a > at_b ? a : b;
}

void result_print(const struct screen *screen, const char *name, int name_columns,
                  const struct mxw_result *result)
{
    const struct mxw_verdict *v = &result->verdict;
    bool known = result->status == MXW_OK;
    const char *class_word = known                           ? v->class_name
                             : result->status == MXW_INVALID ? "invalid"
                                                             : "unknown";
    enum style style = screen_class_style(class_word);

    screen_style(screen, style);
    fprintf(screen->out, "%s ", screen_class_symbol(screen, class_word));
    screen_style(screen, STYLE_PLAIN);
    screen_column(screen, known ? v->next_hop : name, name_columns);
    fputs("  ", screen->out);
    screen_style(screen, style);
    screen_column(screen, class_word, 9);
    screen_style(screen, STYLE_PLAIN);
    fputs("  ", screen->out);
    screen_column(screen, known ? v->level_name : "-", 16);
    fputs("  ", screen->out);
    screen_column(screen, known ? v->sign : "SSL ?", 7);
    fputs("  ", screen->out);
    screen_text(screen, known ? v->sentence : result->sentence);
    if (known && v->limited)
        screen_text(screen, " (not as fresh as asked: the host is asked too often)");
    fputc('\n', screen->out);
}

static void json_time(struct json *json, const char *key, int64_t when_s)
{
    time_t when = (time_t)when_s;
    struct tm parts;
    char text[40];

    if (when_s == 0 || !gmtime_r(&when, &parts) ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        json_put_null(json, key);
    else
        json_put_text(json, key, text);
}

static void json_verdict(struct json *json, const struct mxw_verdict *v)
{
    const char *flag;
    uint32_t bit;

    json_put_text(json, "class", v->class_name);
    json_put_text(json, "level", v->level_name);
    json_put_text(json, "sign", v->sign);
    json_put_text(json, "conclusion", v->conclusion_name);
    json_put_text(json, "cause", v->cause_name);
    json_put_text(json, "host", v->host[0] ? v->host : NULL);
    json_put_text(json, "sentence", v->sentence);
    json_put_text(json, "status_code", v->status_code[0] ? v->status_code : NULL);
    json_put_text(json, "enforce", v->enforce_name);
    json_put_text(json, "match", v->match[0] ? v->match : NULL);
    json_put_text(json, "policy", v->policy[0] ? v->policy : NULL);
    json_put_text(json, "tls", v->tls_name[0] ? v->tls_name : NULL);
    json_put_unsigned(json, "smtp_code", v->smtp_code);
    json_put_unsigned(json, "hosts", v->hosts);
    json_put_unsigned(json, "hosts_good", v->hosts_good);
    json_put_array(json, "flags");
    for (unsigned i = 0; (flag = mxw_flag_name(i, &bit)); i++)
        if (v->flags & bit)
            json_put_text(json, NULL, flag);
    json_end(json);
    json_put_unsigned(json, "age_ms", v->age_ms);
    json_put_number(json, "valid_for_ms", v->valid_for_ms);
    json_time(json, "ended", v->ended_s);
    json_put_boolean(json, "limited", v->limited != 0);
    json_put_boolean(json, "from_table", v->from_table != 0);
    json_put_unsigned(json, "config_epoch", v->config_epoch);
}

/* Cut between two characters; every byte may become six ("\u0001"), and all that identifies the
 * line must fit. */
static void json_name(struct json *json, const char *name)
{
    size_t length = strlen(name);

    if (length > RESULT_NAME_MAX) {
        length = RESULT_NAME_MAX;
        for (int i = 0; i < 3 && ((uint8_t)name[length] & 0xc0) == 0x80; i++)
            length--;
    }
    json_put_bytes(json, "domain", name, length);
}

size_t result_json(char line[RESULT_LINE_MAX], const char *name, const struct input_line *input,
                   const struct mxw_result *result)
{
    bool known = result->status == MXW_OK;
    struct json json;
    size_t length;

    json_start(&json, line, RESULT_LINE_MAX - 1);
    json_name(&json, known ? result->verdict.next_hop : name);
    json_put_text(&json, "kind",
                  known                           ? "verdict"
                  : result->status == MXW_INVALID ? "invalid"
                                                  : "error");
    if (known) {
        json_verdict(&json, &result->verdict);
    } else {
        if (input) {
            json_put_unsigned(&json, "input_bytes", input->bytes);
            json_put_text(&json, "input_xxh128", input->xxh128);
        }
        json_put_text(&json, "error", mxw_status_name(result->status));
        json_put_text(&json, "sentence", result->sentence);
    }
    length = json_finish(&json);
    line[length++] = '\n';
    line[length] = 0;
    return length;
}
