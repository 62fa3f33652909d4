/*
 * mail_address.h - a mail address for what is kept by address. Pure.
 */
#ifndef MXWARD_NAMES_MAIL_ADDRESS_H
#define MXWARD_NAMES_MAIL_ADDRESS_H

#include "engine/names/name.h"

/*
 * The same address, its domain in A-labels if it was in any other letters (NAME-03); the local part
 * stays as it is. What has no domain, and what is ASCII already, is copied. Anything but NAME_OK
 * leaves "": NAME_LONG if it does not fit, otherwise what is wrong with the domain.
 */
enum name_status mail_address_to_ascii(char *ascii, size_t size, const char *address);
/* It has no domain, or one in ASCII: a copy would be the same. */
bool mail_address_is_ascii(const char *address);

#endif
