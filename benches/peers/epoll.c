/* The floor: a bare epoll echo server, level-triggered, on one thread. Prints its port. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EVENTS = 1024, CHUNK = 65536 };

/* What a peer that does not read has left over, by descriptor. */
struct rest { char *bytes; size_t from, to; };

static struct rest *rests;
static int epoll;

static void watch(int fd, int operation, unsigned events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	epoll_ctl(epoll, operation, fd, &event);
}

static void drop(int fd)
{
	free(rests[fd].bytes);
	rests[fd].bytes = NULL;
	close(fd);
}

static void accept_all(int listener)
{
	int fd, on = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		watch(fd, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void flush(int fd)
{
	struct rest *rest = &rests[fd];
	ssize_t count = send(fd, rest->bytes + rest->from, rest->to - rest->from, MSG_NOSIGNAL);
	if (count < 0 && errno != EAGAIN) { drop(fd); return; }
	if (count > 0) rest->from += count;
	if (rest->from < rest->to) return;
	free(rest->bytes);
	rest->bytes = NULL;
	watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void echo(int fd)
{
	static char chunk[CHUNK];
	ssize_t count = recv(fd, chunk, sizeof chunk, 0);
	if (count < 0 && errno == EAGAIN) return;
	if (count <= 0) { drop(fd); return; }
	ssize_t sent = send(fd, chunk, count, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN) { drop(fd); return; }
	if (sent < 0) sent = 0;
	if (sent == count) return;
	rests[fd] = (struct rest){ malloc(count - sent), 0, count - sent };
	memcpy(rests[fd].bytes, chunk + sent, count - sent);
	watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

int main(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	rests = calloc(limit.rlim_cur, sizeof *rests);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	if (bind(listener, (void *)&address, length) || listen(listener, 4096)) return 1;
	getsockname(listener, (void *)&address, &length);
	printf("{\"port\": %d}\n", ntohs(address.sin_port));
	fflush(stdout);
	watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(epoll, events, EVENTS, -1);
		for (int at = 0; at < count; at += 1) {
			int fd = events[at].data.fd;
			if (fd == listener) accept_all(fd);
			else if (rests[fd].bytes) flush(fd);
			else echo(fd);
		}
	}
}
