/*
 * level.c - the words for levels, classes and signs.
 *
 * Tables only; pure, any thread. The words are part of what people script against: they only get
 * more, never others. A number that this build does not know (from a newer daemon's record) has the
 * word "?", so that nothing prints a wrong one.
 */
#include "shm/level.h"

#include <stddef.h>

static const char *const level_names[] = {
    [LEVEL_NONE] = "none",         [LEVEL_OPPORTUNISTIC] = "opportunistic",
    [LEVEL_ENCRYPT] = "encrypt",   [LEVEL_DANE_INSECURE_MX] = "dane-insecure-mx",
    [LEVEL_VERIFIED] = "verified", [LEVEL_AUTHENTICATED] = "authenticated",
};

static const struct class_row {
    const char *name;
    enum sign sign;
} class_rows[] = {
    [CLASS_NONE] = {"none", SIGN_NO_SSL},
    [CLASS_WEAK] = {"weak", SIGN_NO_SSL},
    [CLASS_UNKNOWN] = {"unknown", SIGN_UNKNOWN},
    [CLASS_FAILING] = {"failing", SIGN_NO_SSL},
    [CLASS_ENCRYPTED] = {"encrypted", SIGN_SSL_OK},
    [CLASS_VERIFIED] = {"verified", SIGN_SSL_OK},
    [CLASS_STS] = {"sts", SIGN_SSL_OK},
    [CLASS_DANE] = {"dane", SIGN_DANE_OK},
};

static const char *const sign_names[] = {
    [SIGN_NO_SSL] = "no SSL",
    [SIGN_SSL_OK] = "SSL ok",
    [SIGN_DANE_OK] = "DANE ok",
    [SIGN_UNKNOWN] = "SSL ?",
};

#define COUNT(array)     (sizeof(array) / sizeof *(array))
#define KNOWN(array, at) ((size_t)(at) < COUNT(array))

const char *level_name(enum level level)
{
    return KNOWN(level_names, level) ? level_names[level] : "?";
}

const char *class_name(enum tls_class class)
{
    return KNOWN(class_rows, class) ? class_rows[class].name : "?";
}

enum sign class_sign(enum tls_class class)
{
    return KNOWN(class_rows, class) ? class_rows[class].sign : SIGN_UNKNOWN;
}

const char *sign_name(enum sign sign)
{
    return KNOWN(sign_names, sign) ? sign_names[sign] : "?";
}
