/*
 * name_fuzz.c - any bytes as a name, a wire name, an address, a destination.
 *
 * Properties: what is accepted is canonical (lower-case letters, digits, hyphens, underscores,
 * within the limits) and stays what it is when it is parsed again, also in capitals, with a
 * trailing dot, and over the wire; what is refused leaves nothing behind (NAME-02, NAME-05, PIT-22,
 * PIT-23).
 */
#include "engine/base/check.h"
#include "engine/names/nexthop.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_spelling(const struct name *name, const char *text, size_t length)
{
    struct name again;
    CHECK(name_parse(&again, text, length) == NAME_OK);
    CHECK(name_equal(name, &again));
    CHECK(name_hash(name) == name_hash(&again));
}

static void check_spellings(const struct name *name)
{
    char text[NAME_BYTES_MAX + 2];
    memcpy(text, name->text, name->length);
    check_spelling(name, text, name->length);
    for (size_t i = 0; i < name->length; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (char)(text[i] - 32);
    check_spelling(name, text, name->length);
    text[name->length] = '.';
    check_spelling(name, text, name->length + 1u);
}

static void check_canonical(const struct name *name)
{
    CHECK(name->length <= NAME_BYTES_MAX);
    CHECK(name->text[name->length] == '\0');
    CHECK(strlen(name->text) == name->length);
    size_t label = 0;
    for (size_t i = 0; i <= name->length; i++) {
        char c = name->text[i];
        if (c == '.' || c == '\0') {
            CHECK((label > 0 && label <= 63) || name->length == 0);
            label = 0;
            continue;
        }
        CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_');
        label++;
    }
}

static void check_wire(const struct name *name)
{
    uint8_t wire[255];
    struct name back;
    size_t size = name_to_wire(name, wire, sizeof(wire));
    CHECK(size > 0);
    CHECK(name_from_wire(&back, wire, size) == NAME_OK);
    CHECK(name_equal(name, &back));
    struct name last = name_registrable(name);
    CHECK(name_is_within(name, &last));
}

static void fuzz_text(const char *text, size_t size)
{
    struct name name;
    enum name_status status = name_parse(&name, text, size);
    check_canonical(&name);
    CHECK((status == NAME_OK) == (name.length > 0));
    CHECK(name_status_text(status) != NULL);
    if (status != NAME_OK)
        return;
    check_spellings(&name);
    check_wire(&name);
}

static void fuzz_wire(const uint8_t *wire, size_t size)
{
    struct name name;
    enum name_status status = name_from_wire(&name, wire, size);
    check_canonical(&name);
    CHECK(status == NAME_OK || name.length == 0);
    if (status == NAME_OK)
        check_wire(&name);
}

static void fuzz_address(const char *text, size_t size)
{
    struct address address, again;
    char out[ADDRESS_TEXT_MAX];
    if (!address_parse(&address, text, size)) {
        CHECK(address.family == 0);
        return;
    }
    address_text(&address, out);
    CHECK(address_parse(&again, out, strlen(out)));
    CHECK(address_equal(&address, &again));
    struct address prefix = address_prefix(&address), same = address_prefix(&prefix);
    CHECK(address_equal(&prefix, &same));
    (void)address_is_reserved(&address);
}

static bool same(const struct next_hop *a, const struct next_hop *b)
{
    return a->kind == b->kind && a->port == b->port && name_equal(&a->name, &b->name) &&
           address_equal(&a->address, &b->address);
}

static void fuzz_next_hop(const char *text, size_t size)
{
    static const struct next_hop nothing;
    struct next_hop next_hop, again;
    char key[NEXT_HOP_TEXT_MAX];
    if (next_hop_parse(&next_hop, text, size) != NAME_OK) {
        CHECK(same(&next_hop, &nothing));
        return;
    }
    CHECK(next_hop.port != 0);
    check_canonical(&next_hop.name);
    size_t length = next_hop_text(&next_hop, key);
    CHECK(length < sizeof(key) && strlen(key) == length);
    CHECK(next_hop_parse(&again, key, length) == NAME_OK);
    CHECK(same(&next_hop, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)bytes + 1;
    switch (bytes[0] % 4) {
    case 0:
        fuzz_text(text, size - 1);
        break;
    case 1:
        fuzz_wire(bytes + 1, size - 1);
        break;
    case 2:
        fuzz_address(text, size - 1);
        break;
    default:
        fuzz_next_hop(text, size - 1);
    }
    return 0;
}
