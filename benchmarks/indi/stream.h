/* What the load driver and the load clients share: a clock, the pattern of BLOBs, and a look into messages that costs
 * far less than what is measured. Either kind of quote and any white space will do, since servers write XML anew. */
#ifndef STREAM_H
#define STREAM_H
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE 72 /* characters of base64 in a line, as libindi writes them */

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

/* Find a quoted word, or NULL. */
static inline const char *find_quoted(const char *at, const char *end, const char *word)
{
    size_t length = strlen(word);
    const char *found;
    while ((found = memmem(at, end - at, word, length)) != NULL) {
        at = found + length;
        if (at < end && (*at == '"' || *at == '\'') && found[-1] == *at)
            return found;
    }
    return NULL;
}

/* Read the whole number that is the text of a member; -1 if the member is not there. */
static inline long member_of(const char *at, const char *end, const char *name)
{
    const char *found = find_quoted(at, end, name);
    if (found != NULL)
        found = memchr(found, '>', end - found);
    return found != NULL ? strtol(found + 1, NULL, 10) : -1;
}

/* Make the base64 of a BLOB of pseudo-random bytes, in lines and without a last line break. */
static inline char *make_base64(size_t size, size_t *length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t whole = (size + 2) / 3 * 4;
    char *text = malloc(whole + whole / LINE + 1);
    uint64_t state = 88172645463325252u;
    size_t written = 0;
    for (size_t at = 0; at < size; at += 3) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        size_t left = size - at;
        uint32_t three = state & (left == 1 ? 0xff0000 : left == 2 ? 0xffff00 : 0xffffff);
        if (at && at / 3 * 4 % LINE == 0)
            text[written++] = '\n';
        text[written++] = digits[three >> 18];
        text[written++] = digits[three >> 12 & 63];
        text[written++] = left > 1 ? digits[three >> 6 & 63] : '=';
        text[written++] = left > 2 ? digits[three & 63] : '=';
    }
    *length = written;
    return text;
}
#endif
