// A server of objects that waits before it answers: 50 ms (or as told) after a request has arrived, whatever else it does.
//
//   latency PORT MILLISECONDS [BYTES [TYPES]]
//
// Every path that ends with a number gives 4096 bytes (or as told, at most 65,536): that number in 16 digits, over and
// over. Its Content-Type is one of so many, by the number. SIGUSR1 prints how many requests came, and the most that waited
// at once, and forgets both. Ends when standard input does. One thread.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { most_connections = 4096, head_limit = 8192, most_waiting = 1 << 16, most_bytes = 1 << 16 };

struct connection {
    unsigned generation;
    int length;
    char head[head_limit];
};
struct waiting {
    uint64_t due;
    int socket;
    unsigned generation;
    long number;
};

static struct connection *connections[most_connections];
static struct waiting queue[most_waiting];
static unsigned first, last, most;
static long requests;
static int bytes = 4096, types;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void answer(const struct waiting *request) {
    struct connection *connection = connections[request->socket];
    if (!connection || connection->generation != request->generation) return;
    static char text[most_bytes + 256];
    char type[32] = "binary/octet-stream";
    if (types) snprintf(type, sizeof type, "application/x-%ld", request->number % types);
    int length = snprintf(text, 256, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", type, bytes);
    for (int i = 0; i < bytes; i += 16) {
        char digits[17];
        if (i == 0) snprintf(digits, sizeof digits, "%016ld", request->number);
        memcpy(text + length + i, i == 0 ? digits : text + length, 16);
    }
    // A small answer always fits into an empty socket buffer.
    (void)!send(request->socket, text, length + bytes, MSG_NOSIGNAL);
}

static void take(int socket, uint64_t delay) {
    struct connection *connection = connections[socket];
    char *end;
    while ((end = memmem(connection->head, connection->length, "\r\n\r\n", 4))) {
        char *line = memmem(connection->head, end - connection->head, " HTTP/1", 7);
        char *query = line ? memchr(connection->head, '?', line - connection->head) : NULL;
        char *digit = query ? query : line ? line : connection->head;
        while (digit > connection->head && digit[-1] >= '0' && digit[-1] <= '9') digit--;
        queue[last % most_waiting] = (struct waiting){now() + delay, socket, connection->generation, atol(digit)};
        last++;
        requests++;
        if (last - first > most) most = last - first;
        int used = end + 4 - connection->head;
        memmove(connection->head, end + 4, connection->length - used);
        connection->length -= used;
    }
}

int main(int count, char **words) {
    if (count > 3) bytes = atoi(words[3]) & ~15;
    if (count > 4) types = atoi(words[4]);
    if (count < 3 || count > 5 || bytes < 16 || bytes > most_bytes || types < 0) return 64;
    uint64_t delay = strtoull(words[2], NULL, 10) * 1000;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signaller = signalfd(-1, &signals, 0);
    int watched[] = {listener, signaller, 0};
    for (int i = 0; i < 3; i++)
        epoll_ctl(poller, EPOLL_CTL_ADD, watched[i], &(struct epoll_event){EPOLLIN, {.fd = watched[i]}});
    unsigned generation = 0;
    for (;;) {
        struct epoll_event events[256];
        struct timespec patience = {3600, 0};
        if (first != last) {
            uint64_t due = queue[first % most_waiting].due, time = now();
            uint64_t rest = due > time ? due - time : 0;
            patience = (struct timespec){rest / 1000000, rest % 1000000 * 1000};
        }
        int ready = epoll_pwait2(poller, events, 256, &patience, NULL);
        for (int i = 0; i < ready; i++) {
            int socket = events[i].data.fd;
            if (socket == 0) return 0;
            if (socket == signaller) {
                struct signalfd_siginfo information;
                (void)!read(signaller, &information, sizeof information);
                printf("%ld %u\n", requests, most);
                fflush(stdout);
                requests = most = 0;
            } else if (socket == listener) {
                int new;
                while ((new = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (new >= most_connections) {
                        close(new);
                        continue;
                    }
                    setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                    connections[new] = calloc(1, sizeof *connections[new]);
                    connections[new]->generation = ++generation;
                    epoll_ctl(poller, EPOLL_CTL_ADD, new, &(struct epoll_event){EPOLLIN, {.fd = new}});
                }
            } else {
                struct connection *connection = connections[socket];
                int got = read(socket, connection->head + connection->length, head_limit - connection->length);
                if (got > 0) {
                    connection->length += got;
                    take(socket, delay);
                } else if (got == 0 || errno != EAGAIN) {
                    close(socket);
                    free(connection);
                    connections[socket] = NULL;
                }
            }
        }
        while (first != last && queue[first % most_waiting].due <= now()) answer(&queue[first++ % most_waiting]);
    }
}
