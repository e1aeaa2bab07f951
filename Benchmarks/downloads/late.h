// The machine of the servers that wait before they answer: one thread, whatever else it does. Who includes this says what
// is read of a request (`read_target`) and what is answered (`answer`, by way of `send_all`).
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

enum { most_connections = 4096, head_limit = 8192, most_waiting = 1 << 16 };

struct connection {
    unsigned generation;
    int length;
    char head[head_limit];
    // What did not fit into the socket.
    char *rest;
    size_t sent, size;
};
struct waiting {
    uint64_t due;
    int socket;
    unsigned generation;
    // What `read_target` made of the request.
    long number;
    char *text;
};

static struct connection *connections[most_connections];
static struct waiting queue[most_waiting];
static unsigned first, last, most;
static long requests;
static int poller;

static void read_target(struct waiting *request, const char *target, size_t length);
static void answer(struct waiting *request);

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void watch(int operation, int descriptor, unsigned events) {
    epoll_ctl(poller, operation, descriptor, &(struct epoll_event){events, {.fd = descriptor}});
}

// Sends the rest of an answer, as much as fits.
static void go_on(int socket) {
    struct connection *connection = connections[socket];
    while (connection->sent < connection->size) {
        ssize_t count = send(socket, connection->rest + connection->sent, connection->size - connection->sent, MSG_NOSIGNAL);
        if (count <= 0) return;
        connection->sent += count;
    }
    free(connection->rest);
    connection->rest = NULL;
    connection->sent = connection->size = 0;
    watch(EPOLL_CTL_MOD, socket, EPOLLIN);
}

// Sends an answer; what does not fit into the socket is sent once there is room.
static void send_all(const struct waiting *request, const char *text, size_t length) {
    struct connection *connection = connections[request->socket];
    if (!connection || connection->generation != request->generation) return;
    ssize_t count = connection->rest ? 0 : send(request->socket, text, length, MSG_NOSIGNAL);
    if (count < 0) count = 0;
    if ((size_t)count == length) return;
    connection->rest = realloc(connection->rest, connection->size + length - count);
    memcpy(connection->rest + connection->size, text + count, length - count);
    connection->size += length - count;
    watch(EPOLL_CTL_MOD, request->socket, EPOLLIN | EPOLLOUT);
}

static void take(int socket, uint64_t delay) {
    struct connection *connection = connections[socket];
    char *end;
    while ((end = memmem(connection->head, connection->length, "\r\n\r\n", 4))) {
        char *target = memchr(connection->head, ' ', end - connection->head);
        char *line = memmem(connection->head, end - connection->head, " HTTP/1", 7);
        struct waiting *request = &queue[last % most_waiting];
        *request = (struct waiting){now() + delay, socket, connection->generation, 0, NULL};
        if (target && line > target) read_target(request, target + 1, line - target - 1);
        last++;
        requests++;
        if (last - first > most) most = last - first;
        int used = end + 4 - connection->head;
        memmove(connection->head, end + 4, connection->length - used);
        connection->length -= used;
    }
}

static void leave(int socket) {
    close(socket);
    free(connections[socket]->rest);
    free(connections[socket]);
    connections[socket] = NULL;
}

static void arrive(int listener) {
    static unsigned generation = 0;
    int new, yes = 1;
    while ((new = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (new >= most_connections) {
            close(new);
            continue;
        }
        setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        connections[new] = calloc(1, sizeof *connections[new]);
        connections[new]->generation = ++generation;
        watch(EPOLL_CTL_ADD, new, EPOLLIN);
    }
}

// Serves until standard input ends, or is written to. SIGUSR1 prints how many requests came, and the
// most that waited at once, and forgets both.
static int serve(int port, uint64_t delay) {
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    poller = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int signaller = signalfd(-1, &signals, 0);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    watch(EPOLL_CTL_ADD, signaller, EPOLLIN);
    watch(EPOLL_CTL_ADD, 0, EPOLLIN);
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
                arrive(listener);
            } else {
                struct connection *connection = connections[socket];
                if (events[i].events & EPOLLOUT) go_on(socket);
                if (!(events[i].events & ~EPOLLOUT)) continue;
                int got = read(socket, connection->head + connection->length, head_limit - connection->length);
                if (got > 0) {
                    connection->length += got;
                    take(socket, delay);
                } else if (got == 0 || errno != EAGAIN) {
                    leave(socket);
                }
            }
        }
        while (first != last && queue[first % most_waiting].due <= now()) answer(&queue[first++ % most_waiting]);
    }
}
