/* What it costs to write the same bytes to 1 000 connections: send(2), io_uring, and both without a copy.
 *
 * A write window's bytes of a stream of 2.5 Mbit/s go to each connection once in a window, in sixteen turns as the server
 * takes them. The writer runs on core 0, whoever reads on core 1; printed is the writer's processor time per gigabyte.
 * docs/performance.md has what came of it. Kept because its answer depends on the kernel; built by hand:
 *
 *     apt-get install liburing-dev
 *     cc -O2 -Wall -o /tmp/batched_sends bench/experiments/batched_sends.c -luring
 *     /tmp/batched_sends send 40 4           # send | uring | uring-fixed | uring-zc | zerocopy, window in ms, seconds
 */
#define _GNU_SOURCE
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, TURNS = 16, BIT_RATE = 2500000, FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL };

static struct { unsigned long bytes, incomplete; } sent;
static int connections[CONNECTIONS];
static struct io_uring ring;
static bool copy_free, fixed_files;
static char *media;
static size_t media_len;

static void must(bool done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

static double own_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void run_on(int core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    must(sched_setaffinity(0, sizeof cores, &cores) == 0, "sched_setaffinity");
}

static void read_everything(const struct sockaddr_in *address)
{
    static char buffer[1 << 20];
    int epoll = epoll_create1(0);
    run_on(1);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct epoll_event wish = {.events = EPOLLIN, .data.fd = socket(AF_INET, SOCK_STREAM, 0)};
        must(connect(wish.data.fd, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, wish.data.fd, &wish) == 0, "epoll_ctl");
    }
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++)
            if (recv(events[i].data.fd, buffer, sizeof buffer, 0) <= 0)
                exit(0);
    }
}

static void count(long written)
{
    sent.incomplete += written < (long)media_len;
    sent.bytes += written > 0 ? written : 0;
}

static void write_by_calls(int from, int to)
{
    for (int i = from; i < to; i++) {
        count(send(connections[i], media, media_len, FLAGS | (copy_free ? MSG_ZEROCOPY : 0)));
        if (copy_free) {
            char control[128];
            struct msghdr notice = {.msg_control = control, .msg_controllen = sizeof control};
            recvmsg(connections[i], &notice, MSG_ERRQUEUE | MSG_DONTWAIT);
        }
    }
}

static void write_by_ring(int from, int to)
{
    struct io_uring_cqe *done;
    for (int i = from; i < to; i++) {
        struct io_uring_sqe *write = io_uring_get_sqe(&ring);
        int file = fixed_files ? i : connections[i];
        if (copy_free)
            io_uring_prep_send_zc(write, file, media, media_len, FLAGS, 0);
        else
            io_uring_prep_send(write, file, media, media_len, FLAGS);
        write->flags |= fixed_files ? IOSQE_FIXED_FILE : 0;
    }
    must(io_uring_submit_and_wait(&ring, to - from) >= 0, "io_uring_submit_and_wait");
    for (int left = to - from; left > 0;) {
        must(io_uring_wait_cqe(&ring, &done) == 0, "io_uring_wait_cqe");
        /* Without a copy there is a second answer, when the bytes are no longer needed. */
        if (!(done->flags & IORING_CQE_F_NOTIF)) {
            count(done->res);
            left--;
        }
        io_uring_cqe_seen(&ring, done);
    }
    while (io_uring_peek_cqe(&ring, &done) == 0)
        io_uring_cqe_seen(&ring, done);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s send|uring|uring-fixed|uring-zc|zerocopy WINDOW_MS SECONDS\n", argv[0]);
        return 2;
    }
    const char *how = argv[1];
    double window_s = atoi(argv[2]) / 1000.0, seconds = atof(argv[3]);
    bool by_ring = strncmp(how, "uring", 5) == 0;
    fixed_files = strcmp(how, "uring-fixed") == 0;
    copy_free = strcmp(how, "uring-zc") == 0 || strcmp(how, "zerocopy") == 0;
    media_len = BIT_RATE / 8 * window_s;
    media = calloc(1, media_len);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(listener, CONNECTIONS) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &address_len);
    pid_t reader = fork();
    if (reader == 0)
        read_everything(&address);

    run_on(0);
    for (int i = 0; i < CONNECTIONS; i++) {
        int on = 1;
        must((connections[i] = accept(listener, NULL, NULL)) >= 0, "accept");
        setsockopt(connections[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (copy_free && !by_ring)
            must(setsockopt(connections[i], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) == 0, "SO_ZEROCOPY");
    }
    if (by_ring) {
        must(io_uring_queue_init(1024, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) == 0, "io_uring");
        must(!fixed_files || io_uring_register_files(&ring, connections, CONNECTIONS) == 0, "io_uring_register_files");
    }

    double began = now_s(), cpu_before = own_cpu_s();
    for (int turn = 0; now_s() - began < seconds; turn++) {
        double wait_s = began + turn * window_s / TURNS - now_s();
        if (wait_s > 0)
            usleep(wait_s * 1e6);
        int set = turn % TURNS;
        (by_ring ? write_by_ring : write_by_calls)(CONNECTIONS * set / TURNS, CONNECTIONS * (set + 1) / TURNS);
    }
    double took_s = now_s() - began, cpu_s = own_cpu_s() - cpu_before;
    printf("%s at %s ms: %.3f CPU s per GB, %.2f of the rate, %lu writes incomplete\n", how, argv[2], cpu_s / (sent.bytes / 1e9),
           sent.bytes / took_s / (CONNECTIONS * (BIT_RATE / 8.0)), sent.incomplete);
    kill(reader, SIGTERM);
    waitpid(reader, NULL, 0);
    return 0;
}
