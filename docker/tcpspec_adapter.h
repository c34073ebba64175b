/*
 * The adapter protocol of tcpspec (docker/ADAPTER.md), version 1, for a stack in C or C++: fill in the table, call
 * tcpspec_serve() from main(). What the stack sends it hands to tcpspec_out(), whenever that is.
 *
 * Calls return 0 or more, or minus an errno: -EAGAIN, -ECONNRESET. Sockets are numbers above 0 of the stack's own. A call
 * that the stack does not have is NULL. What the stack prints to standard output lands on standard error.
 */
#ifndef TCPSPEC_ADAPTER_H
#define TCPSPEC_ADAPTER_H
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tcpspec_stack {
  const char *hello; /* "name=my-stack version=1.0 time=virtual capabilities=states" */
  int (*address)(const char *host, int bits);
  int (*set)(const char *name, const char *value);
  int (*in)(const unsigned char *packet, size_t octets, const char *frame); /* "", "broadcast" or "multicast" */
  double (*advance)(long milliseconds); /* stops where something is sent; returns the time in milliseconds */
  int (*listen)(const char *host, int port, int backlog);
  int (*connect)(const char *host, int port, const char *peer, int peer_port);
  int (*accept)(int sock);
  int (*send)(int sock, const unsigned char *data, size_t octets);  /* how many were taken */
  int (*recv)(int sock, unsigned char *data, size_t limit);         /* how many have come; 0 at the end of the stream */
  int (*shutdown)(int sock), (*close)(int sock), (*abort)(int sock);
  int (*error)(int sock); /* the pending errno, which is cleared */
  const char *(*state)(const char *host, int port, const char *peer, int peer_port); /* "ESTABLISHED recvq=0" */
  int (*reset)(void);
  /* What came later stands here, so that a list of functions without names stays one. */
  int (*shutdown_receiving)(int sock, int both); /* NULL, or calls=shutdown in `hello` */
  int (*set_option)(int sock, const char *name, long value); /* NULL, or capabilities=keep-alive, user-timeout */
  long (*get_option)(int sock, const char *name);
};

static FILE *tcpspec_answers;
static int tcpspec_silent; /* while it forgets everything, nothing is said */

static void tcpspec_hex(const unsigned char *data, size_t octets) {
  for (size_t i = 0; i < octets; i++) fprintf(tcpspec_answers, "%02x", data[i]);
}

static inline void tcpspec_out(double milliseconds, const void *packet, size_t octets) {
  if (tcpspec_silent) return;
  fprintf(tcpspec_answers, "out %.6f ", milliseconds);
  tcpspec_hex((const unsigned char *)packet, octets);
  putc('\n', tcpspec_answers);
}

static const char *tcpspec_name(int number) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 32) && defined(_GNU_SOURCE)
  const char *name = strerrorname_np(number);
  return name ? name : "EIO";
#else
  static const struct { int number; const char *name; } names[] = {
      {EAGAIN, "EAGAIN"}, {EINVAL, "EINVAL"}, {EBADF, "EBADF"}, {EPIPE, "EPIPE"}, {ENOSYS, "ENOSYS"},
      {ENOTCONN, "ENOTCONN"}, {EISCONN, "EISCONN"}, {EADDRINUSE, "EADDRINUSE"}, {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
      {ECONNRESET, "ECONNRESET"}, {ECONNREFUSED, "ECONNREFUSED"}, {ETIMEDOUT, "ETIMEDOUT"}, {ENOBUFS, "ENOBUFS"},
      {ECONNABORTED, "ECONNABORTED"}, {EHOSTUNREACH, "EHOSTUNREACH"}, {ENETUNREACH, "ENETUNREACH"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) if (names[i].number == number) return names[i].name;
  return "EIO";
#endif
}

/* Hexadecimal octets in place; how many, -1 if it is none. */
static long tcpspec_unhex(char *text) {
  static const char digits[] = "0123456789abcdef";
  long octets = 0;
  for (; text[2 * octets]; octets++) {
    const char *high = strchr(digits, text[2 * octets] | 32), *low = strchr(digits, text[2 * octets + 1] | 32);
    if (!high || !low || !*high || !*low) return -1;
    text[octets] = (char)((high - digits) << 4 | (low - digits));
  }
  return octets;
}

#define TCPSPEC_IS(verb, count) (!strcmp(w[0], verb) && n >= (count))
#define TCPSPEC_CALL(name, ...) (stack->name ? stack->name(__VA_ARGS__) : -ENOSYS)

static void tcpspec_answer(const struct tcpspec_stack *stack, char **w, int n) {
  int got = 0, sock = n > 1 ? atoi(w[1]) : 0;
  long octets = 0;
  if (TCPSPEC_IS("hello", 1)) {
    if (n == 3 && !strcmp(w[1], "tcpspec-adapter") && !strcmp(w[2], "1")) {
      fprintf(tcpspec_answers, "ok tcpspec-adapter 1 %s\n", stack->hello);
      return;
    }
    got = -EPROTO;
  } else if (TCPSPEC_IS("address", 2)) {
    char *slash = strchr(w[1], '/');
    if (slash) *slash = 0;
    got = TCPSPEC_CALL(address, w[1], slash ? atoi(slash + 1) : 0);
  } else if (TCPSPEC_IS("set", 3)) got = TCPSPEC_CALL(set, w[1], w[2]);
  else if (TCPSPEC_IS("in", 2)) {
    octets = tcpspec_unhex(w[1]);
    got = octets < 0 ? -EINVAL : TCPSPEC_CALL(in, (unsigned char *)w[1], (size_t)octets, n > 2 ? w[2] : "");
  } else if (TCPSPEC_IS("advance", 2) && stack->advance) {
    double now = stack->advance(atol(w[1]));
    fprintf(tcpspec_answers, "ok %.6f\n", now);
    return;
  } else if (TCPSPEC_IS("state", 5)) {
    const char *text = stack->state ? stack->state(w[1], atoi(w[2]), w[3], atoi(w[4])) : NULL;
    fprintf(tcpspec_answers, text ? "ok %s\n" : "err ENOSYS no states\n", text);
    return;
  } else if (TCPSPEC_IS("reset", 1)) {
    tcpspec_silent = 1;
    got = TCPSPEC_CALL(reset);
    tcpspec_silent = 0;
  } else if (TCPSPEC_IS("recv", 3)) {
    size_t limit = strtoul(w[2], NULL, 10);
    unsigned char *data = (unsigned char *)malloc(limit + 1);
    got = data ? TCPSPEC_CALL(recv, sock, data, limit) : -ENOMEM;
    if (got >= 0) {
      fputs(got ? "ok " : "ok eof", tcpspec_answers);
      tcpspec_hex(data, (size_t)got);
      putc('\n', tcpspec_answers);
    }
    free(data);
    if (got >= 0) return;
  } else if (TCPSPEC_IS("error", 2)) {
    got = TCPSPEC_CALL(error, sock);
    if (got >= 0) fprintf(tcpspec_answers, "ok %s\n", got ? tcpspec_name(got) : "0");
    if (got >= 0) return;
  } else if (TCPSPEC_IS("option", 4)) got = TCPSPEC_CALL(set_option, sock, w[2], atol(w[3]));
  else if (TCPSPEC_IS("option", 3)) {
    long value = TCPSPEC_CALL(get_option, sock, w[2]);
    if (value >= 0) fprintf(tcpspec_answers, "ok %ld\n", value);
    if (value >= 0) return;
    got = (int)value;
  } else if (TCPSPEC_IS("shutdown", 2)) got = TCPSPEC_CALL(shutdown, sock);
  else if (TCPSPEC_IS("shutdown", 3)) got = TCPSPEC_CALL(shutdown_receiving, sock, !strcmp(w[2], "rdwr"));
  else if (TCPSPEC_IS("close", 2)) got = TCPSPEC_CALL(close, sock);
  else if (TCPSPEC_IS("abort", 2)) got = TCPSPEC_CALL(abort, sock);
  else {
    if (TCPSPEC_IS("listen", 4)) got = TCPSPEC_CALL(listen, w[1], atoi(w[2]), atoi(w[3]));
    else if (TCPSPEC_IS("connect", 5)) got = TCPSPEC_CALL(connect, w[1], atoi(w[2]), w[3], atoi(w[4]));
    else if (TCPSPEC_IS("accept", 2)) got = TCPSPEC_CALL(accept, sock);
    else if (TCPSPEC_IS("send", 3) && (octets = tcpspec_unhex(w[2])) >= 0)
      got = TCPSPEC_CALL(send, sock, (unsigned char *)w[2], (size_t)octets);
    else got = TCPSPEC_IS("advance", 2) ? -ENOSYS : -EINVAL;
    if (got >= 0) fprintf(tcpspec_answers, "ok %d\n", got);
    if (got >= 0) return;
  }
  if (got < 0) fprintf(tcpspec_answers, "err %s %s\n", tcpspec_name(-got), strerror(-got));
  else fputs("ok\n", tcpspec_answers);
}

static void tcpspec_serve(const struct tcpspec_stack *stack) {
  char *line = NULL, *w[6];
  size_t room = 0;
  tcpspec_answers = fdopen(dup(1), "w");
  dup2(2, 1);
  while (getline(&line, &room, stdin) > 0) {
    int n = 0;
    for (char *word = strtok(line, " \r\n"); word && n < 6; word = strtok(NULL, " \r\n")) w[n++] = word;
    if (n == 0) w[n++] = (char *)"";
    tcpspec_answer(stack, w, n);
    fflush(tcpspec_answers);
  }
  free(line);
}
#endif
