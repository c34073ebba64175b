/*
 * An application over this system's BSD sockets that is told by lines what to call (app=lines, harness/targets/wired):
 * on standard input and output, or on the line that its argument names. A board's port replaces the socket calls by its
 * stack's own; what remains is in tcpspec_adapter.h.
 *
 *     gcc -O2 -o lines lines.c && ./lines [/dev/ttyS0]
 */
#define _GNU_SOURCE
#include "tcpspec_adapter.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* The sockets by their handles, of which none is used twice: handle N stands in place N % MOST. */
#define MOST 1024
static struct { int handle, descriptor; } sockets[MOST];
static int last;

/* An address and a port; its length, 0 if it is none. */
static socklen_t ends(const char *host, int port, struct sockaddr_storage *found) {
  struct sockaddr_in *four = (struct sockaddr_in *)found;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)found;
  memset(found, 0, sizeof *found);
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET, four->sin_port = htons((unsigned short)port);
    return sizeof *four;
  }
  six->sin6_family = AF_INET6, six->sin6_port = htons((unsigned short)port);
  return inet_pton(AF_INET6, host, &six->sin6_addr) == 1 ? sizeof *six : 0;
}

static int result(long got) { return got < 0 ? -errno : (int)got; }

static int kept(int descriptor) {
  if (descriptor < 0) return -errno;
  for (int tries = 0; tries < MOST; tries++) {
    int at = ++last % MOST;
    if (sockets[at].handle) continue;
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    sockets[at].descriptor = descriptor;
    return sockets[at].handle = last;
  }
  close(descriptor);
  return -ENOBUFS;
}

/* The descriptor behind a handle; -1, of which every call says EBADF. */
static int of(int handle) {
  int at = handle > 0 ? handle % MOST : 0;
  return handle > 0 && sockets[at].handle == handle ? sockets[at].descriptor : -1;
}

static int closes(int handle) {
  int descriptor = of(handle);
  if (descriptor >= 0) sockets[handle % MOST].handle = 0;
  return result(close(descriptor));
}

static int failed(int handle, int number) {
  closes(handle);
  return -number;
}

/* A socket of this end's, by its handle; minus an errno. */
static int bound(const char *host, int port) {
  struct sockaddr_storage own;
  socklen_t length = ends(host, port, &own);
  int one = 1, handle = length ? kept(socket(own.ss_family, SOCK_STREAM, 0)) : -EINVAL;
  if (handle < 0) return handle;
  setsockopt(of(handle), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  return bind(of(handle), (struct sockaddr *)&own, length) ? failed(handle, errno) : handle;
}

static int listens(const char *host, int port, int backlog) {
  int handle = bound(host, port);
  return handle > 0 && listen(of(handle), backlog) ? failed(handle, errno) : handle;
}

static int connects(const char *host, int port, const char *peer, int peer_port) {
  struct sockaddr_storage there;
  socklen_t length = ends(peer, peer_port, &there);
  int handle = length ? bound(host, port) : -EINVAL;
  if (handle < 0 || !connect(of(handle), (struct sockaddr *)&there, length) || errno == EINPROGRESS) return handle;
  return failed(handle, errno);
}

static int accepts(int handle) { return kept(accept(of(handle), NULL, NULL)); }
static int sends(int handle, const unsigned char *data, size_t octets) {
  return result(send(of(handle), data, octets, MSG_NOSIGNAL));
}
static int receives(int handle, unsigned char *data, size_t limit) { return result(recv(of(handle), data, limit, 0)); }
static int shuts(int handle) { return result(shutdown(of(handle), SHUT_WR)); }

static int aborts(int handle) {
  struct linger at_once = {1, 0};
  setsockopt(of(handle), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return closes(handle);
}

static int pending(int handle) {
  int number = 0;
  socklen_t length = sizeof number;
  return getsockopt(of(handle), SOL_SOCKET, SO_ERROR, &number, &length) ? -errno : number;
}

/* The options of the protocol; a board's stack may have fewer. */
static const struct { const char *name; int level, number; } options[] = {
    {"keep-alive", SOL_SOCKET, SO_KEEPALIVE}, {"keep-idle", IPPROTO_TCP, TCP_KEEPIDLE},
    {"keep-interval", IPPROTO_TCP, TCP_KEEPINTVL}, {"keep-count", IPPROTO_TCP, TCP_KEEPCNT},
    {"user-timeout", IPPROTO_TCP, TCP_USER_TIMEOUT}};

static long option(int handle, const char *name, const int *wanted) {
  int value = 0;
  socklen_t length = sizeof value;
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    if (strcmp(options[i].name, name)) continue;
    if (wanted) return result(setsockopt(of(handle), options[i].level, options[i].number, wanted, sizeof *wanted));
    return getsockopt(of(handle), options[i].level, options[i].number, &value, &length) ? -errno : value;
  }
  return -ENOSYS;
}

static int sets_option(int handle, const char *name, long value) {
  int number = (int)value;
  return (int)option(handle, name, &number);
}
static long tells_option(int handle, const char *name) { return option(handle, name, NULL); }

static int forgets(void) {
  for (int at = 0; at < MOST; at++) if (sockets[at].handle) aborts(sockets[at].handle);
  return 0;
}

int main(int count, char **arguments) {
  static const struct tcpspec_stack stack = {
      .hello = "name=lines.c version=1 time=real capabilities=rfc5961,window-scale,sack,timestamps,time-wait-reuse,"
               "keep-alive,user-timeout",
      .listen = listens, .connect = connects, .accept = accepts, .send = sends, .recv = receives,
      .shutdown = shuts, .close = closes, .abort = aborts, .error = pending, .reset = forgets,
      .set_option = sets_option, .get_option = tells_option};
  if (count > 1) { /* a serial line, or a port of virtio's: `stty raw` before */
    int line = open(arguments[1], O_RDWR | O_NOCTTY);
    if (line < 0 || dup2(line, 0) < 0 || dup2(line, 1) < 0) return perror(arguments[1]), 1;
  }
  tcpspec_serve(&stack);
  return forgets();
}
