/* The clients of the load harness: one thread, epoll, every sequence number and every character of a BLOB is checked.
 *
 *   load_clients ready    PORT DEVICE SECONDS                          until the device has been defined
 *   load_clients sets     PORT DEVICE CLIENTS COUNT WINDOW SECONDS     WINDOW 0: all COUNT are asked for at once
 *   load_clients trips    PORT DEVICE COUNT IN_FLIGHT SECONDS
 *   load_clients commands PORT DEVICE COUNT SECONDS
 *   load_clients blobs    PORT DEVICE CLIENTS SIZE COUNT SECONDS       two of 1 MiB are on their way at a time
 *   load_clients defined  PORT - VECTORS ROUNDS SECONDS                number vectors of all devices
 *   load_clients idle     PORT DEVICE CLIENTS SECONDS                  says when all are there, waits, leaves
 *
 * One object of JSON is printed, `idle` prints another before. Nothing lasts longer than SECONDS (and 10 to connect).
 */
#include "stream.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { READ = 1 << 20, KEEP = 1 << 15, VECTORS = 4, PATIENCE = 10 };

enum place { BEFORE_BLOB, AT_BODY, IN_BODY, BEHIND_BODY };

struct client {
    int socket;
    bool open;
    long definitions, sets, next, disordered, counted, blobs, damaged;
    double first, last;
    enum place place;
    size_t compared, kept;
    char keep[KEEP];
};

static struct client *clients;
static int client_count, poller;
static const char *device;
static char *body; /* what BLOBs have to hold, where BLOBs are awaited */
static size_t body_length;
static double *sent, *taken; /* round trips: when each was sent, and how long those that are back took */
static long trips, trips_back;

static int fail(const char *what)
{
    printf("{\"error\": \"%s: %s\"}\n", what, strerror(errno));
    return 1;
}

static void leave(struct client *client)
{
    if (client->open) {
        close(client->socket);
        client->open = false;
    }
}

static bool enter(struct client *client, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client->socket, (struct sockaddr *)&address, sizeof address)) {
        close(client->socket);
        return false;
    }
    setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(poller, EPOLL_CTL_ADD, client->socket, &event);
    client->open = true;
    return true;
}

/* Sets, definitions and answers: return how many bytes were whole messages. */
static size_t take_vectors(struct client *client, const char *data, size_t length)
{
    static const char closing[] = "NumberVector>";
    const char *at = data, *end = data + length, *found;
    double now = 0;
    while ((found = memmem(at, end - at, closing, sizeof closing - 1)) != NULL) {
        if (found - at >= 5 && !memcmp(found - 5, "</", 2)) {
            if (!now)
                now = seconds_now();
            if (!client->first)
                client->first = now;
            client->last = now;
            if (!memcmp(found - 3, "def", 3)) {
                client->definitions++;
            } else {
                const char *set = memmem(at, found - at, "<setN", 5);
                set = set ? set : at;
                long number = member_of(set, found, "SEQ");
                if (number < 0) {
                    client->counted = member_of(set, found, "COUNT");
                } else if (trips) {
                    client->sets++;
                    if (number < trips && sent[number] > 0)
                        taken[trips_back++] = now - sent[number], sent[number] = 0;
                    else
                        client->disordered++;
                } else {
                    client->sets++;
                    client->disordered += number != client->next;
                    client->next = number + 1;
                }
            }
        }
        at = found + sizeof closing - 1;
    }
    return at - data;
}

/* BLOBs are compared while they come. */
static size_t take_blobs(struct client *client, const char *data, size_t length)
{
    static const char opening[] = "<oneBLOB", closing[] = "</setBLOBVector>";
    const char *at = data, *end = data + length, *found;
    while (at < end) {
        size_t left = end - at, wanted;
        switch (client->place) {
        case BEFORE_BLOB:
            found = memmem(at, left, opening, sizeof opening - 1);
            if (found == NULL)
                return (left < sizeof opening ? at : end - sizeof opening) - data;
            at = found;
            found = memchr(at, '>', end - at);
            if (found == NULL)
                return at - data;
            at = found + 1;
            client->place = AT_BODY;
            client->compared = 0;
            break;
        case AT_BODY:
            while (at < end && strchr(" \t\r\n", *at))
                at++;
            if (at < end)
                client->place = IN_BODY;
            break;
        case IN_BODY:
            wanted = body_length - client->compared;
            left = left < wanted ? left : wanted;
            if (memcmp(at, body + client->compared, left)) {
                client->damaged++;
                left = 0;
                client->compared = body_length;
            }
            client->compared += left;
            at += left;
            if (client->compared == body_length)
                client->place = BEHIND_BODY;
            break;
        case BEHIND_BODY:
            found = memmem(at, left, closing, sizeof closing - 1);
            if (found == NULL)
                return (left < sizeof closing ? at : end - sizeof closing) - data;
            at = found + sizeof closing - 1;
            client->place = BEFORE_BLOB;
            client->blobs++;
            client->last = seconds_now();
        }
    }
    return at - data;
}

static bool compares; /* BLOBs are awaited now, not definitions */

static void take(struct client *client)
{
    static char data[KEEP + READ];
    memcpy(data, client->keep, client->kept);
    ssize_t got = recv(client->socket, data + client->kept, READ, MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            leave(client);
        return;
    }
    size_t have = client->kept + got;
    size_t done = compares ? take_blobs(client, data, have) : take_vectors(client, data, have);
    if (have - done > KEEP)
        done = have - KEEP;
    client->kept = have - done;
    memcpy(client->keep, data + done, client->kept);
}

static void wait_for_some(int milliseconds)
{
    struct epoll_event events[64];
    int ready = epoll_wait(poller, events, 64, milliseconds);
    for (int each = 0; each < ready; each++)
        take(events[each].data.ptr);
}

static void wait_until_silent(double seconds)
{
    for (double end = seconds_now() + seconds; seconds_now() < end;)
        wait_for_some(20);
}

/* Whoever sends has to read as well, or both sides wait for each other. */
static void say(struct client *client, const char *data, size_t length)
{
    while (length && client->open) {
        ssize_t written = send(client->socket, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written > 0)
            data += written, length -= written;
        else if (errno == EAGAIN)
            wait_for_some(1);
        else if (errno != EINTR)
            leave(client);
    }
}

static void ask_for_definitions(struct client *client)
{
    static const char question[] = "<getProperties version=\"1.7\"/>\n";
    client->definitions = 0;
    say(client, question, sizeof question - 1);
}

static int write_command(char *to, const char *name, const char *first, long value, const char *second, long other)
{
    return sprintf(to,
                   "<newNumberVector device=\"%s\" name=\"%s\">\n  <oneNumber name=\"%s\">%ld</oneNumber>\n"
                   "  <oneNumber name=\"%s\">%ld</oneNumber>\n</newNumberVector>\n",
                   device, name, first, value, second, other);
}

static void order(const char *what, long count, const char *member, long value)
{
    char text[512];
    say(&clients[0], text, write_command(text, what, "COUNT", count, member, value));
}

static bool await_definitions(struct client *client, long wanted, double until)
{
    while (client->open && client->definitions < wanted && seconds_now() < until)
        wait_for_some(10);
    return client->definitions >= wanted;
}

/* Connect all and see their definitions; return how many the server has taken. */
static int enter_all(int port, int count, bool blobs)
{
    clients = calloc(count, sizeof *clients);
    poller = epoll_create1(0);
    client_count = count;
    double until = seconds_now() + PATIENCE;
    for (int each = 0; each < count; each++) {
        struct client *client = &clients[each];
        if (!enter(client, port))
            return each;
        ask_for_definitions(client);
        if (!await_definitions(client, VECTORS, until))
            return each;
        if (blobs) {
            char text[256];
            say(client, text, sprintf(text, "<enableBLOB device=\"%s\">Also</enableBLOB>\n", device));
            /* Answered behind it, so that it is known to hold. */
            ask_for_definitions(client);
            if (!await_definitions(client, VECTORS, until))
                return each;
        }
    }
    wait_until_silent(0.3);
    for (int each = 0; each < count; each++) {
        struct client *client = &clients[each];
        client->sets = client->next = client->disordered = 0;
        client->first = client->last = 0;
        client->kept = 0;
    }
    return count;
}

static int refused(int there, int wanted)
{
    printf("{\"error\": \"%d of %d clients\", \"connected\": %d}\n", there, wanted, there);
    return 1;
}

/* Tell how many sets or BLOBs came to all in how long. */
static void tell(double began, long wanted, bool blobs, size_t size)
{
    long came = 0, wrong = 0, gone = 0;
    double last = began;
    for (int each = 0; each < client_count; each++) {
        struct client *client = &clients[each];
        came += blobs ? client->blobs : client->sets;
        wrong += client->disordered + client->damaged;
        gone += !client->open;
        last = client->last > last ? client->last : last;
    }
    double rate = last > began ? came / (last - began) : 0;
    printf("{\"came\": %ld, \"wanted\": %ld, \"wrong\": %ld, \"gone\": %ld, \"rate\": %.3f}\n", came,
           wanted * client_count, wrong, gone, blobs ? rate * size / 1e6 : rate);
}

/* The fewest that a client which is still there has; -1 if none is. */
static long fewest(bool blobs)
{
    long least = -1;
    for (int each = 0; each < client_count; each++) {
        long has = blobs ? clients[each].blobs : clients[each].sets;
        if (clients[each].open && (least < 0 || has < least))
            least = has;
    }
    return least;
}

static int run_sets(int port, char **words)
{
    int count = atoi(words[0]);
    long wanted = atol(words[1]), window = atol(words[2]), asked = 0, least;
    double limit = atof(words[3]);
    int there = enter_all(port, count, false);
    if (there < count)
        return refused(there, count);
    double began = seconds_now();
    while ((least = fewest(false)) >= 0 && least < wanted && seconds_now() - began < limit) {
        /* Three windows are on their way at most. */
        while (asked < wanted && (!window || asked - least <= 2 * window)) {
            long now = window && wanted - asked > window ? window : wanted - asked;
            order("SETS", now, "START", asked);
            asked += now;
        }
        wait_for_some(100);
    }
    tell(began, wanted, false, 0);
    return 0;
}

static int ascending(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static int run_trips(int port, char **words)
{
    long wanted = atol(words[0]), in_flight = atol(words[1]), next = 0;
    double limit = atof(words[2]);
    if (enter_all(port, 1, false) < 1)
        return refused(0, 1);
    struct client *client = &clients[0];
    trips = wanted;
    sent = calloc(wanted, sizeof *sent), taken = calloc(wanted, sizeof *taken);
    char *text = malloc(in_flight * 512);
    double began = seconds_now();
    while (trips_back < wanted && client->open && seconds_now() - began < limit) {
        size_t length = 0;
        double now = seconds_now();
        for (; next < wanted && next - trips_back < in_flight; next++) {
            length += write_command(text + length, "NUM", "SEQ", next, "VAL", 1);
            sent[next] = now;
        }
        say(client, text, length);
        wait_for_some(100);
    }
    qsort(taken, trips_back, sizeof *taken, ascending);
    printf("{\"came\": %ld, \"wanted\": %ld, \"wrong\": %ld, \"gone\": %d, \"rate\": %.1f, \"p50_us\": %.2f}\n", trips_back,
           wanted, client->disordered, !client->open, trips_back / (client->last - began),
           trips_back ? taken[trips_back / 2] * 1e6 : 0);
    return 0;
}

static int run_commands(int port, char **words)
{
    enum { TOGETHER = 64 };
    long wanted = atol(words[0]);
    double limit = atof(words[1]);
    if (enter_all(port, 1, false) < 1)
        return refused(0, 1);
    struct client *client = &clients[0];
    static char text[TOGETHER * 512];
    double began = seconds_now();
    for (long next = 0; next < wanted && client->open && seconds_now() - began < limit;) {
        size_t length = 0;
        for (int each = 0; each < TOGETHER && next < wanted; each++, next++)
            length += write_command(text + length, "RX", "SEQ", next, "LAST", wanted - 1);
        say(client, text, length);
    }
    while (!client->counted && client->open && seconds_now() - began < limit)
        wait_for_some(100);
    double lasted = client->last - began;
    printf("{\"came\": %ld, \"wanted\": %ld, \"wrong\": 0, \"gone\": %d, \"rate\": %.1f}\n", client->counted, wanted,
           !client->open, client->counted && lasted > 0 ? client->counted / lasted : 0);
    return 0;
}

static int run_blobs(int port, char **words)
{
    int count = atoi(words[0]);
    long size = atol(words[1]), wanted = atol(words[2]), asked = 0, least, ahead = size > 4 << 20 ? 1 : 2;
    double limit = atof(words[3]);
    body = make_base64(size, &body_length);
    int there = enter_all(port, count, true);
    if (there < count)
        return refused(there, count);
    compares = true;
    double began = seconds_now();
    while ((least = fewest(true)) >= 0 && least < wanted && seconds_now() - began < limit) {
        for (; asked < wanted && asked - least < ahead; asked++)
            order("BLOBS", 1, "SIZE", size);
        wait_for_some(100);
    }
    tell(began, wanted, true, size);
    return 0;
}

static int run_defined(int port, char **words)
{
    long wanted = atol(words[0]), most = 0;
    int rounds = atoi(words[1]), done = 0;
    double until = seconds_now() + atof(words[2]), *lasted = calloc(rounds, sizeof *lasted);
    /* The first time that all are there is not counted: drivers start meanwhile, and what they say as they start may come
     * besides what was asked for. */
    for (bool complete = false; done < rounds && seconds_now() < until;) {
        bool counts = complete;
        struct client client = {0};
        poller = epoll_create1(0);
        double began = seconds_now();
        if (enter(&client, port)) {
            ask_for_definitions(&client);
            if (await_definitions(&client, wanted, seconds_now() + 3)) {
                if (complete)
                    lasted[done++] = client.last - began;
                complete = true;
            }
            long came = counts || client.definitions < wanted ? client.definitions : wanted;
            most = came > most ? came : most;
            wait_until_silent(0.1);
            leave(&client);
        }
        close(poller);
        usleep(50000);
    }
    qsort(lasted, done, sizeof *lasted, ascending);
    printf("{\"came\": %ld, \"wanted\": %ld, \"wrong\": 0, \"gone\": 0, \"ms\": %.3f}\n", most, wanted,
           done ? lasted[done / 2] * 1e3 : 0);
    return 0;
}

static int run_idle(int port, char **words)
{
    int count = atoi(words[0]), there = enter_all(port, count, false);
    printf("{\"connected\": %d}\n", there);
    fflush(stdout);
    wait_until_silent(atof(words[1]));
    return there < count;
}

static int run_ready(int port, char **words)
{
    double until = seconds_now() + atof(words[0]), asked = 0;
    struct client client = {0};
    poller = epoll_create1(0);
    while (!client.open && seconds_now() < until)
        if (!enter(&client, port))
            usleep(2000);
    while (client.open && client.definitions < VECTORS && seconds_now() < until) {
        if (seconds_now() > asked) {
            ask_for_definitions(&client);
            asked = seconds_now() + 0.5;
        }
        wait_for_some(10);
    }
    printf("{\"ready\": %d}\n", client.definitions >= VECTORS);
    return 0;
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        int words;
        int (*run)(int, char **);
    } work[] = {{"ready", 1, run_ready}, {"sets", 4, run_sets},       {"trips", 3, run_trips}, {"commands", 2, run_commands},
                {"blobs", 4, run_blobs}, {"defined", 3, run_defined}, {"idle", 2, run_idle}};
    for (size_t each = 0; count > 1 && each < sizeof work / sizeof *work; each++)
        if (!strcmp(words[1], work[each].name) && count == work[each].words + 4) {
            device = words[3];
            return work[each].run(atoi(words[2]), words + 4);
        }
    errno = EINVAL;
    return fail("load_clients");
}
