/*
 * The other end of the integrity runs, in a process of its own and fast enough to keep the kernel's
 * buffers full. The bytes of a connection are a function of its number and their offset, see
 * pattern.ts, which has the same functions.
 *
 *   peer send ADDRESS CONNECTION MESSAGES MIN MAX MODE     sends the messages, half-closes, waits
 *   peer check ADDRESS CONNECTION MODE                     receives, prints "BYTES WRONG ERRNO"
 *
 * ADDRESS is a port of 127.0.0.1, or the path of a Unix socket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PERIOD 1000003u
#define ROOM (4u << 20)
/* An urgent byte follows every so many messages. */
#define URGENT_EVERY 512

static unsigned char pattern[2 * PERIOD];
static unsigned char out[ROOM];
static uint32_t connection;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint32_t step(uint32_t x) {
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

static void make_pattern(void) {
  uint32_t x = 0x9e3779b9u;
  for (uint32_t at = 0; at < PERIOD; at += 1) {
    x = step(x);
    /* Seven bits, so that strings can carry them. Only the end of a message is a newline. */
    unsigned char byte = x >> 25;
    if (byte == '\n') byte += 1;
    pattern[at] = pattern[at + PERIOD] = byte;
  }
}

/* Each lap through the pattern starts elsewhere, so that no displacement goes unnoticed. */
static uint32_t rotation(uint64_t lap) {
  return (uint32_t)(connection * 7919u + (uint32_t)lap) * 2654435761u % PERIOD;
}

/* The bytes at `offset`: where they are, and how many are in one piece. */
static const unsigned char *bytes_at(uint64_t offset, size_t *length) {
  uint64_t lap = offset / PERIOD;
  uint32_t rest = offset % PERIOD;
  if (*length > PERIOD - rest) *length = PERIOD - rest;
  return pattern + (rest + rotation(lap)) % PERIOD;
}

static int dial(const char *address) {
  int fd;
  if (address[0] == '/') {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", address);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) fail("connect");
    return fd;
  }
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(atoi(address))};
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) fail("connect");
  return fd;
}

enum mode { BULK, BURSTS, DRIBBLE, STALLS, MIXED, URGENT };

static uint32_t dice = 88172645u;
static uint32_t below(uint32_t limit) {
  dice = step(dice);
  return dice % limit;
}

static void send_all(int fd, const unsigned char *bytes, size_t length) {
  while (length > 0) {
    ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("send");
    bytes += count;
    length -= count;
  }
}

/* Sends in the pieces and with the pauses of the mode. */
static void send_in_pieces(int fd, const unsigned char *bytes, size_t length, enum mode mode) {
  while (length > 0) {
    enum mode now = mode;
    if (mode == MIXED) {
      uint32_t draw = below(1000);
      now = draw < 500 ? BURSTS : draw < 970 ? BULK : draw < 995 ? DRIBBLE : STALLS;
    }
    size_t size = length;
    if (now == BULK || now == URGENT) size = mode == MIXED ? 1 + below(1u << 20) : length;
    if (now == BURSTS) size = 1 + below(below(4) == 0 ? 65536 : 1500);
    if (now == DRIBBLE) size = 1;
    if (now == STALLS) {
      size = 1 + below(20000);
      usleep(below(3000));
    }
    if (size > length) size = length;
    send_all(fd, bytes, size);
    bytes += size;
    length -= size;
  }
}

/* After the first urgent byte, the reader says when the stream has gone past the last one: a second
   one makes the first a part of the stream. */
static void send_urgent(int fd, int is_first) {
  char seen;
  if (!is_first && recv(fd, &seen, 1, 0) != 1) fail("recv");
  if (send(fd, "\xff", 1, MSG_OOB | MSG_NOSIGNAL) != 1) fail("send(MSG_OOB)");
}

static int run_sender(int fd, char **argv) {
  uint64_t messages = strtoull(argv[0], NULL, 10);
  uint32_t min = strtoul(argv[1], NULL, 10), max = strtoul(argv[2], NULL, 10);
  const char *names[] = {"bulk", "bursts", "dribble", "stalls", "mixed", "urgent"};
  enum mode mode = BULK;
  while (mode < URGENT && strcmp(names[mode], argv[3]) != 0) mode += 1;
  uint64_t offset = 0;
  size_t filled = 0;
  uint32_t lengths = connection * 2654435761u + 1;
  for (uint64_t message = 0; message < messages; message += 1) {
    lengths = step(lengths);
    uint32_t length = min + lengths % (max - min + 1);
    for (uint32_t left = length; left > 0;) {
      if (filled == ROOM) {
        send_in_pieces(fd, out, filled, mode);
        filled = 0;
      }
      size_t piece = left < ROOM - filled ? left : ROOM - filled;
      const unsigned char *from = bytes_at(offset, &piece);
      memcpy(out + filled, from, piece);
      filled += piece;
      offset += piece;
      left -= piece;
    }
    out[filled - 1] = '\n';
    if (mode == URGENT && message % URGENT_EVERY == URGENT_EVERY / 2) {
      size_t before = filled / 2;
      send_all(fd, out, before);
      send_urgent(fd, message < URGENT_EVERY);
      send_all(fd, out + before, filled - before);
      filled = 0;
    }
  }
  send_in_pieces(fd, out, filled, mode);
  shutdown(fd, SHUT_WR);
  while (recv(fd, out, ROOM, 0) > 0) continue;
  return 0;
}

static int run_checker(int fd, const char *mode) {
  uint64_t offset = 0, wrong = 0;
  int is_slow = strcmp(mode, "slow") == 0;
  int error = 0;
  for (;;) {
    size_t room = is_slow ? 1 + below(30000) : ROOM;
    ssize_t count = recv(fd, out, room, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    for (size_t at = 0; at < (size_t)count;) {
      size_t piece = count - at;
      const unsigned char *expected = bytes_at(offset, &piece);
      if (memcmp(out + at, expected, piece) != 0) {
        for (size_t byte = 0; byte < piece; byte += 1) wrong += out[at + byte] != expected[byte];
      }
      at += piece;
      offset += piece;
    }
    if (is_slow && below(20) == 0) usleep(below(2000));
  }
  printf("%llu %llu %d\n", (unsigned long long)offset, (unsigned long long)wrong, error);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  alarm(600);
  make_pattern();
  connection = strtoul(argv[3], NULL, 10);
  dice += connection * 40503u;
  int fd = dial(argv[2]);
  if (strcmp(argv[1], "check") == 0) return run_checker(fd, argv[4]);
  return argc < 8 ? 2 : run_sender(fd, argv + 4);
}
