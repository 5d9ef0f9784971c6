/* The floor of a proxy: joins each two connections by splice(2) through pipes, edge-triggered. Prints
 * its port. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, PIPE = 256 * 1024, BUDGET = 512 * 1024 };

/* One direction: what is in its pipe, and whether its source has ended. */
struct way { int from, to, in, out; size_t held; int ended; };
struct joined { struct way ways[2]; };

/* Moves until it would block, or the budget is spent: 1 if there is more. */
static int move(struct way *way)
{
	for (size_t moved = 0; moved < BUDGET;) {
		if (way->held == 0) {
			if (way->ended) return 0;
			ssize_t got = splice(way->from, NULL, way->in, NULL, PIPE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
			if (got < 0) return 0;
			if (got == 0) { way->ended = 1; shutdown(way->to, SHUT_WR); return 0; }
			way->held = (size_t)got;
		}
		ssize_t sent = splice(way->out, NULL, way->to, NULL, way->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (sent <= 0) return 0;
		way->held -= (size_t)sent;
		moved += (size_t)sent;
	}
	return 1;
}

static void direct(struct way *way, int from, int to)
{
	int ends[2];
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) { perror("pipe2"); exit(1); }
	fcntl(ends[1], F_SETPIPE_SZ, PIPE);
	*way = (struct way){ .from = from, .to = to, .in = ends[1], .out = ends[0] };
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 64) < 0) { perror("listen"); return 1; }
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		struct joined pair;
		int near = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		int far = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		direct(&pair.ways[0], near, far);
		direct(&pair.ways[1], far, near);
		int epoll = epoll_create1(EPOLL_CLOEXEC);
		for (int side = 0; side < 2; side += 1) {
			struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
			epoll_ctl(epoll, EPOLL_CTL_ADD, side == 0 ? near : far, &event);
		}
		for (int more = 0; !pair.ways[0].ended || !pair.ways[1].ended;) {
			struct epoll_event events[EVENTS];
			epoll_wait(epoll, events, EVENTS, more ? 0 : -1);
			more = move(&pair.ways[0]);
			more |= move(&pair.ways[1]);
		}
		for (int way = 0; way < 2; way += 1) { close(pair.ways[way].in); close(pair.ways[way].out); }
		close(near);
		close(far);
		close(epoll);
	}
}
