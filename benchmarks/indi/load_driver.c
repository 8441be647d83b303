/* An INDI driver on stdin and stdout that does nothing but load a server. Links to it under other names are other
 * devices: a device is named as the program is. What it defines, and drivers in other languages do for the same rows:
 *
 *   SETS   numbers COUNT START         a new one asks for COUNT sets of NUM, with SEQ from START on
 *   BLOBS  numbers COUNT SIZE          a new one asks for COUNT BLOBs of SIZE bytes in IMG
 *   NUM    numbers SEQ VAL             a new one is answered by a set with the same SEQ
 *   RX     numbers SEQ LAST COUNT      new ones are counted; the one with SEQ = LAST is answered with the COUNT
 *   IMG    BLOB
 *   P000.. as many more as LOAD_EXTRA says
 */
#include "stream.h"

#define STAMP "2026-01-01T00:00:00.000"
#define DIGITS 9

static char device[128];

static void put(const char *data, size_t length)
{
    while (length) {
        ssize_t written = write(STDOUT_FILENO, data, length);
        if (written < 0 && errno != EINTR)
            _exit(1);
        if (written > 0)
            data += written, length -= written;
    }
}

static int write_set(char *to, const char *name, const char *member, long value)
{
    return sprintf(to,
                   "<setNumberVector device=\"%s\" name=\"%s\" state=\"Ok\" timeout=\"60\" timestamp=\"" STAMP "\""
                   " message=\"load harness update, no real reading\">\n"
                   "  <oneNumber name=\"%s\">\n      %0*ld\n  </oneNumber>\n"
                   "  <oneNumber name=\"VAL\">\n      -123.456789012345678\n  </oneNumber>\n"
                   "</setNumberVector>\n",
                   device, name, member, DIGITS, value);
}

/* Messages are prepared once and only their numbers written anew, 256 of them a write. */
static void send_sets(long count, long start)
{
    enum { TOGETHER = 256 };
    static char prepared[TOGETHER][512];
    static char out[TOGETHER * 512];
    static size_t length, digits_at;
    if (!length) {
        length = write_set(prepared[0], "NUM", "SEQ", 0);
        digits_at = strstr(prepared[0], "000000000\n") - prepared[0];
        for (int each = 0; each < TOGETHER; each++)
            memcpy(out + each * length, prepared[0], length);
    }
    while (count > 0) {
        long now = count < TOGETHER ? count : TOGETHER;
        for (long each = 0; each < now; each++) {
            char *digit = out + each * length + digits_at + DIGITS;
            long value = start + each;
            for (int place = 0; place < DIGITS; place++, value /= 10)
                *--digit = '0' + value % 10;
        }
        put(out, now * length);
        count -= now, start += now;
    }
}

static void send_blobs(long count, size_t size)
{
    static char *message;
    static size_t length, made_for;
    if (!message || made_for != size) {
        size_t body_length;
        char *body = make_base64(size, &body_length);
        free(message);
        message = malloc(body_length + 1024);
        length = sprintf(message,
                         "<setBLOBVector device=\"%s\" name=\"IMG\" state=\"Ok\" timeout=\"60\" timestamp=\"" STAMP
                         "\">\n  <oneBLOB name=\"IMG\" size=\"%zu\" enclen=\"%zu\" format=\".bin\">\n",
                         device, size, (size + 2) / 3 * 4);
        memcpy(message + length, body, body_length);
        length += body_length;
        length += sprintf(message + length, "\n  </oneBLOB>\n</setBLOBVector>\n");
        made_for = size;
        free(body);
    }
    while (count-- > 0)
        put(message, length);
}

static int write_definition(char *to, const char *name, const char *const *member)
{
    int length = sprintf(to,
                         "<defNumberVector device=\"%s\" name=\"%s\" label=\"%s\" group=\"Main\" state=\"Idle\" "
                         "perm=\"rw\" timeout=\"60\" timestamp=\"" STAMP "\">\n",
                         device, name, name);
    for (; *member; member++)
        length += sprintf(to + length,
                          "  <defNumber name=\"%s\" label=\"%s\" format=\"%%g\" min=\"0\" max=\"0\" step=\"0\">\n"
                          "0\n  </defNumber>\n",
                          *member, *member);
    return length + sprintf(to + length, "</defNumberVector>\n");
}

static void send_definitions(void)
{
    static const char *const sets[] = {"COUNT", "START", NULL}, *const blobs[] = {"COUNT", "SIZE", NULL},
                             *const num[] = {"SEQ", "VAL", NULL}, *const rx[] = {"SEQ", "LAST", "COUNT", NULL};
    static char *text;
    static size_t length;
    if (!text) {
        int extra = getenv("LOAD_EXTRA") ? atoi(getenv("LOAD_EXTRA")) : 0;
        text = malloc(8192 + extra * 1024);
        length += write_definition(text + length, "SETS", sets);
        length += write_definition(text + length, "BLOBS", blobs);
        length += write_definition(text + length, "NUM", num);
        length += write_definition(text + length, "RX", rx);
        for (int each = 0; each < extra; each++) {
            char name[16];
            snprintf(name, sizeof name, "P%03d", each);
            length += write_definition(text + length, name, num);
        }
        length += sprintf(text + length,
                          "<defBLOBVector device=\"%s\" name=\"IMG\" label=\"IMG\" group=\"Main\" state=\"Idle\" "
                          "perm=\"ro\" timeout=\"60\" timestamp=\"" STAMP "\">\n"
                          "  <defBLOB name=\"IMG\" label=\"IMG\"/>\n</defBLOBVector>\n",
                          device);
    }
    put(text, length);
}

/* Answers to all that one read has brought leave in one write, as with a good driver. */
static char answers[1 << 20];
static size_t answered;

static void flush(void)
{
    put(answers, answered);
    answered = 0;
}

static void take_command(const char *at, const char *end)
{
    static long counted;
    const char *tag_end = memchr(at, '>', end - at);
    if (tag_end == NULL || !find_quoted(at, tag_end, device))
        return;
    if (answered > sizeof answers - 1024)
        flush();
    if (find_quoted(at, tag_end, "NUM")) {
        answered += write_set(answers + answered, "NUM", "SEQ", member_of(tag_end, end, "SEQ"));
    } else if (find_quoted(at, tag_end, "RX")) {
        counted++;
        if (member_of(tag_end, end, "SEQ") == member_of(tag_end, end, "LAST")) {
            answered += write_set(answers + answered, "RX", "COUNT", counted);
            counted = 0;
        }
    } else if (find_quoted(at, tag_end, "SETS")) {
        flush();
        send_sets(member_of(tag_end, end, "COUNT"), member_of(tag_end, end, "START"));
    } else if (find_quoted(at, tag_end, "BLOBS")) {
        flush();
        send_blobs(member_of(tag_end, end, "COUNT"), member_of(tag_end, end, "SIZE"));
    }
}

/* Take whole elements; return how many bytes they were. */
static size_t take(const char *data, size_t length)
{
    static const char open[] = "<newNumberVector", closing[] = "</newNumberVector>";
    const char *at = data, *end = data + length, *found;
    while ((found = memchr(at, '<', end - at)) != NULL) {
        at = found;
        if ((size_t)(end - at) < sizeof closing)
            break;
        bool command = !memcmp(at, open, sizeof open - 1);
        found = command ? memmem(at, end - at, closing, sizeof closing - 1) : memchr(at, '>', end - at);
        if (found == NULL)
            break;
        if (command)
            take_command(at, found);
        else if (!memcmp(at, "<getProperties", 14)) {
            flush();
            send_definitions();
        }
        at = found + (command ? sizeof closing - 1 : 1);
    }
    flush();
    return (found == NULL && memchr(at, '<', end - at) == NULL ? end : at) - data;
}

int main(int count, char **arguments)
{
    static char data[1 << 17];
    size_t have = 0;
    (void)count;
    const char *slash = strrchr(arguments[0], '/');
    snprintf(device, sizeof device, "%s", slash ? slash + 1 : arguments[0]);
    for (;;) {
        if (have == sizeof data)
            have = 0; /* one message longer than this is none of ours */
        ssize_t got = read(STDIN_FILENO, data + have, sizeof data - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        have += got;
        size_t taken = take(data, have);
        have -= taken;
        memmove(data, data + taken, have);
    }
}
