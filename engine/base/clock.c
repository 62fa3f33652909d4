/*
 * clock.c - the kernel's clocks.
 *
 * Any thread. clock_gettime(CLOCK_BOOTTIME) is answered by the vDSO; it fails only if we pass
 * nonsense, hence the CHECK. The boot id is read from /proc once a call: callers keep it. Where
 * /proc is missing the id is all zero, which readers of shared memory must take as "not the same
 * boot" (the environment's failure, never a reason to trust an old stamp).
 */
#include "engine/base/clock.h"

#include "engine/base/check.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

static struct timespec read_clock(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return now;
}

uint64_t clock_boot_us(void)
{
    struct timespec now = read_clock(CLOCK_BOOTTIME);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_boot_ms(void)
{
    return clock_boot_us() / 1000u;
}

int64_t clock_wall_s(void)
{
    return read_clock(CLOCK_REALTIME).tv_sec;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

void clock_boot_id(uint8_t id[16])
{
    char text[64];
    memset(id, 0, 16);
    int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, text, sizeof(text));
    close(fd);
    size_t digits = 0;
    for (ssize_t i = 0; i < length && digits < 32; i++) {
        int value = hex_digit(text[i]);
        if (value < 0)
            continue; /* the hyphens of the UUID */
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | value);
        digits++;
    }
    if (digits != 32)
        memset(id, 0, 16);
}
