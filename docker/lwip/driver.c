/*
 * lwIP behind the adapter protocol of tcpspec (docker/ADAPTER.md), version 1.
 *
 * Works on the raw API of an installed liblwip: packets go in through ip_input() and come out of a netif's output
 * function; time is virtual, one tcp_tmr() per 250 ms of it. tcpip_init() is never called, so there is one thread.
 *
 *     gcc -O1 -I/usr/include/lwip driver.c -rdynamic -llwip -o lwip-adapter
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/ip6_addr.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/tcpip.h"

#define MAX_LINE (2 * 65536 + 256) /* the longest IP packet in hexadecimal, and a command in front of it */
#define MAX_NETIFS 8
#define TICK_MS TCP_TMR_INTERVAL

/* What an application holds: a listener with its queue, or a connection with what it has not read yet. */
struct sock {
  int handle;
  int listening;
  int connecting;      /* an active open under way: a reset then means "refused" */
  int shut;            /* the sending direction is closed */
  int gone;            /* lwIP has no pcb for it any more */
  int eof;
  const char *error;   /* name of the pending error, NULL for none */
  unsigned char *data; /* received, not yet read */
  size_t octets;
  struct sock *pending; /* listener: the first connection to accept; connection: the next one in the queue */
  struct sock *next;
};

static struct sock *socks;
static int last_handle;
static struct netif netifs[MAX_NETIFS];
static int netif_count;
static unsigned long now_ms, next_tick_ms = TICK_MS;
static int ack_immediately, in_timer, silent;
static int sent_count;

static FILE *answers; /* the harness reads this: lwIP's own words (of a failed assertion) go to standard error */
static int loop_pending;

#define say(...) fprintf(answers, __VA_ARGS__)
static int ok(const char *text) { return say("ok%s%s\n", *text ? " " : "", text); }
static int fail(const char *name, const char *text) { return say("err %s %s\n", name, text); }

/* --- packets ------------------------------------------------------------------------------------------------------ */

static err_t transmit(struct pbuf *p) {
  sent_count++;
  if (silent) return ERR_OK;
  say("out %lu ", now_ms);
  for (; p != NULL; p = p->next)
    for (u16_t i = 0; i < p->len; i++) say("%02x", ((u8_t *)p->payload)[i]);
  putc('\n', answers);
  return ERR_OK;
}

static err_t output4(struct netif *n, struct pbuf *p, const ip4_addr_t *to) { (void)n, (void)to; return transmit(p); }
static err_t output6(struct netif *n, struct pbuf *p, const ip6_addr_t *to) { (void)n, (void)to; return transmit(p); }

static err_t init_netif(struct netif *n) {
  n->name[0] = 't', n->name[1] = 's';
  n->output = output4;
  n->output_ip6 = output6;
  n->mtu = n->mtu6 = 1500;
  n->flags = NETIF_FLAG_LINK_UP | NETIF_FLAG_BROADCAST;
  return ERR_OK;
}

static struct netif *add_netif(const ip4_addr_t *address, const ip4_addr_t *mask) {
  ip4_addr_t gateway;
  ip4_addr_set_zero(&gateway);
  if (netif_count == MAX_NETIFS) return NULL;
  struct netif *n = netif_add(&netifs[netif_count], address, mask, &gateway, NULL, init_netif, ip_input);
  if (n == NULL) return NULL;
  netif_set_up(n);
  if (netif_count++ == 0) netif_set_default(n);
  return n;
}

/* lwIP has one IPv4 address per netif. Further ones get a netif with a host mask, which is never chosen for output. */
static int add_address(char *text) {
  ip_addr_t address;
  char *slash = strchr(text, '/');
  if (slash == NULL) return 0;
  *slash = 0;
  int bits = atoi(slash + 1);
  if (!ipaddr_aton(text, &address)) return 0;
  if (IP_IS_V4_VAL(address)) {
    static int fours;
    ip4_addr_t mask;
    ip4_addr_set_u32(&mask, lwip_htonl(bits > 0 && fours == 0 ? 0xffffffffUL << (32 - bits) : 0xffffffffUL));
    if (fours++ == 0 && netif_count) return netif_set_addr(&netifs[0], ip_2_ip4(&address), &mask, NULL), 1;
    return add_netif(ip_2_ip4(&address), &mask) != NULL;
  }
  s8_t index;
  struct netif *n = netif_count ? &netifs[0] : add_netif(IP4_ADDR_ANY4, IP4_ADDR_ANY4);
  if (n == NULL || netif_add_ip6_address(n, ip_2_ip6(&address), &index) != ERR_OK) return 0;
  netif_ip6_addr_set_state(n, index, IP6_ADDR_PREFERRED); /* no duplicate address detection */
  return 1;
}

static int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* Hexadecimal octets in place; the number of octets, -1 if it is none. */
static long unhex(char *text) {
  long n = 0;
  for (; text[2 * n]; n++) {
    int high = nibble(text[2 * n]), low = high < 0 ? -1 : nibble(text[2 * n + 1]);
    if (low < 0) return -1;
    text[n] = (char)(high << 4 | low);
  }
  return n;
}

/* The ordinary cases of tcpspec want every ACK at once; delayed ACKs are tested in cases of their own. */
static void flush_acks(void) {
  struct tcp_pcb *pcb, *next;
  if (!ack_immediately) return;
  for (pcb = tcp_active_pcbs; pcb != NULL; pcb = next) {
    next = pcb->next;
    if (pcb->flags & TF_ACK_DELAY) {
      tcp_ack_now(pcb);
      tcp_output(pcb);
    }
  }
}

/* A packet to the stack's own address. The library wants to hand it to its thread, of which there is none: we poll. */
err_t tcpip_try_callback(tcpip_callback_fn function, void *context) {
  (void)function, (void)context;
  loop_pending = 1;
  return ERR_OK;
}

static void deliver_to_self(void) {
  while (loop_pending) {
    loop_pending = 0;
    for (int i = 0; i < netif_count; i++) netif_poll(&netifs[i]);
  }
}

static int arrive(char *hex, const char *frame) {
  long octets = unhex(hex);
  if (octets < 0 || octets > 0xffff || netif_count == 0) return fail("EINVAL", "in HEX, after address");
  struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)octets, PBUF_RAM);
  if (p == NULL) return fail("ENOMEM", "no pbuf");
  pbuf_take(p, hex, (u16_t)octets);
  if (frame && !strcmp(frame, "broadcast")) p->flags |= PBUF_FLAG_LLBCAST;
  if (frame && !strcmp(frame, "multicast")) p->flags |= PBUF_FLAG_LLMCAST;
  if (ip_input(p, &netifs[0]) != ERR_OK) pbuf_free(p);
  deliver_to_self();
  flush_acks();
  return ok("");
}

/* Time passes, but stops where the stack says something: the answer tells how far it came. */
static int advance(unsigned long ms) {
  char text[24];
  unsigned long until = now_ms + ms;
  sent_count = 0;
  while (next_tick_ms <= until && !sent_count) {
    now_ms = next_tick_ms;
    next_tick_ms += TICK_MS;
    in_timer = 1;
    tcp_tmr();
    deliver_to_self();
    in_timer = 0;
  }
  if (!sent_count) now_ms = until;
  snprintf(text, sizeof text, "%lu", now_ms);
  return ok(text);
}

/* --- the application ---------------------------------------------------------------------------------------------- */

static struct sock *new_sock(void) {
  struct sock *s = calloc(1, sizeof *s);
  if (s == NULL) abort();
  s->handle = ++last_handle;
  s->next = socks;
  return socks = s;
}

static struct sock *find_sock(const char *handle) {
  struct sock *s = socks;
  int wanted = handle ? atoi(handle) : 0;
  while (s != NULL && s->handle != wanted) s = s->next;
  return s;
}

static void free_sock(struct sock *s) {
  struct sock **link = &socks;
  while (*link != s) link = &(*link)->next;
  *link = s->next;
  free(s->data);
  free(s);
}

/* lwIP frees a pcb in TIME-WAIT without telling anybody, so pointers to pcbs are never kept: ask the lists. */
static struct tcp_pcb *pcb_of(const struct sock *s) {
  struct tcp_pcb *lists[] = {tcp_active_pcbs, tcp_tw_pcbs, tcp_bound_pcbs}, *pcb;
  if (s->listening) {
    for (pcb = tcp_listen_pcbs.pcbs; pcb != NULL; pcb = pcb->next)
      if (pcb->callback_arg == s) return pcb;
    return NULL;
  }
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    for (pcb = lists[i]; pcb != NULL; pcb = pcb->next)
      if (pcb->callback_arg == s) return pcb;
  return NULL;
}

static void on_error(void *arg, err_t err) {
  struct sock *s = arg;
  if (s == NULL || s->listening) return; /* a connection that nobody has accepted inherits the listener's argument */
  s->gone = 1;
  if (err == ERR_RST) s->error = s->connecting ? "ECONNREFUSED" : "ECONNRESET";
  else if (err != ERR_CLSD) s->error = in_timer ? "ETIMEDOUT" : "ECONNABORTED";
  else s->eof = 1; /* closed in LAST-ACK, in good order */
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err) {
  (void)pcb, (void)err;
  if (arg != NULL) ((struct sock *)arg)->connecting = 0;
  return ERR_OK;
}

static err_t on_data(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
  struct sock *s = arg;
  (void)pcb, (void)err;
  if (p == NULL) {
    s->eof = 1;
    return ERR_OK;
  }
  s->data = realloc(s->data, s->octets + p->tot_len);
  if (s->data == NULL) abort();
  pbuf_copy_partial(p, s->data + s->octets, p->tot_len, 0);
  s->octets += p->tot_len;
  pbuf_free(p); /* the window stays smaller until recv: tcp_recved() */
  return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
  struct sock *listener = arg, *s, **last;
  if (err != ERR_OK || pcb == NULL) return ERR_VAL;
  s = new_sock();
  tcp_arg(pcb, s);
  tcp_recv(pcb, on_data);
  tcp_err(pcb, on_error);
  for (last = &listener->pending; *last != NULL; last = &(*last)->pending) {}
  *last = s;
  return ERR_OK;
}

static const char *name_of(err_t err) {
  switch (err) {
    case ERR_MEM: case ERR_BUF: return "ENOBUFS";
    case ERR_RTE: return "EHOSTUNREACH";
    case ERR_VAL: case ERR_ARG: return "EINVAL";
    case ERR_USE: return "EADDRINUSE";
    case ERR_ISCONN: return "EISCONN";
    case ERR_CONN: case ERR_CLSD: return "ENOTCONN";
    default: return "EIO";
  }
}

static int answer_handle(const struct sock *s) { return say("ok %d\n", s->handle); }

static int open_sock(char **word, int passive) {
  ip_addr_t local, remote;
  if (!word[3] || !ipaddr_aton(word[1], &local) || (!passive && (!word[4] || !ipaddr_aton(word[3], &remote))))
    return fail("EINVAL", "listen ADDRESS PORT BACKLOG or connect ADDRESS PORT ADDRESS PORT");
  struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(&local));
  if (pcb == NULL) return fail("ENOBUFS", "no pcb");
  ip_set_option(pcb, SOF_REUSEADDR);
  struct sock *s = new_sock();
  tcp_arg(pcb, s);
  err_t err = tcp_bind(pcb, &local, (u16_t)atoi(word[2]));
  if (err == ERR_OK && passive) {
    struct tcp_pcb *listener = tcp_listen_with_backlog_and_err(pcb, (u8_t)LWIP_MIN(atoi(word[3]), 255), &err);
    if (listener != NULL) {
      s->listening = 1;
      tcp_accept(listener, on_accept);
      return answer_handle(s);
    }
  } else if (err == ERR_OK) {
    s->connecting = 1;
    tcp_recv(pcb, on_data);
    tcp_err(pcb, on_error);
    err = tcp_connect(pcb, &remote, (u16_t)atoi(word[4]), on_connected);
    if (err == ERR_OK) return answer_handle(s);
  }
  tcp_close(pcb);
  free_sock(s);
  return fail(name_of(err), "bind, listen or connect");
}

static int accept_one(struct sock *listener) {
  struct sock *s = listener->pending;
  if (s == NULL) return fail("EAGAIN", "nothing to accept");
  listener->pending = s->pending;
  s->pending = NULL;
  return answer_handle(s);
}

static int pending_error(struct sock *s) {
  const char *name = s->error;
  s->error = NULL;
  return fail(name, "pending error");
}

static int send_data(struct sock *s, char *hex) {
  long octets = hex ? unhex(hex) : -1;
  if (octets < 0) return fail("EINVAL", "send HANDLE HEX");
  if (s->error) return pending_error(s);
  if (s->listening) return fail("ENOTCONN", "a listener sends nothing"); /* its pcb has no send buffer to ask for */
  struct tcp_pcb *pcb = pcb_of(s);
  if (s->shut || pcb == NULL) return fail("EPIPE", "the sending direction is closed");
  long taken = 0;
  err_t err = ERR_OK;
  while (taken < octets) {
    long part = LWIP_MIN(LWIP_MIN(octets - taken, 0x4000), (long)tcp_sndbuf(pcb));
    if (part == 0 || (err = tcp_write(pcb, hex + taken, (u16_t)part, TCP_WRITE_FLAG_COPY)) != ERR_OK) break;
    taken += part;
  }
  if (taken < octets && taken == 0) return fail(err == ERR_OK || err == ERR_MEM ? "EAGAIN" : name_of(err), "tcp_write()");
  tcp_output(pcb);
  return say("ok %ld\n", taken);
}

static int receive(struct sock *s, size_t limit) {
  size_t octets = LWIP_MIN(limit, s->octets);
  if (octets == 0) {
    if (s->error) return pending_error(s);
    if (s->eof || s->gone) return ok("eof");
    return fail("EAGAIN", "nothing has come");
  }
  struct tcp_pcb *pcb = pcb_of(s);
  if (pcb != NULL && pcb->state != TIME_WAIT) tcp_recved(pcb, (u16_t)LWIP_MIN(octets, 0xffff)); /* may send: first */
  say("ok ");
  for (size_t i = 0; i < octets; i++) say("%02x", s->data[i]);
  putc('\n', answers);
  s->octets -= octets;
  memmove(s->data, s->data + octets, s->octets);
  return 0;
}

/* The receiving direction: raw lwIP answers text behind it with a reset, and takes both for tcp_close(). */
static int shut_receiving(struct sock *s, int both) {
  struct tcp_pcb *pcb = pcb_of(s);
  err_t err = pcb == NULL || s->listening ? ERR_CONN : tcp_shutdown(pcb, 1, both && !s->shut);
  if (err != ERR_OK) return fail(name_of(err), "tcp_shutdown()");
  s->shut |= both;
  s->eof = 1;
  s->octets = 0;
  return ok("");
}

static int shut_down(struct sock *s, const char *how) {
  struct tcp_pcb *pcb = pcb_of(s);
  if (how != NULL) return shut_receiving(s, !strcmp(how, "rdwr"));
  if (s->shut && pcb != NULL) return ok(""); /* RFC 9293 3.10.4: "ok" will do, as long as no second FIN is sent */
  err_t err = pcb == NULL || s->listening ? ERR_CONN : tcp_shutdown(pcb, 0, 1);
  if (err != ERR_OK) return fail(name_of(err), "tcp_shutdown()");
  s->shut = 1;
  return ok("");
}

/* Keep-alives: on and off and the time of silence; the other two where lwIP is built with LWIP_TCP_KEEPALIVE. */
static int keep_alive(struct sock *s, const char *name, const char *value) {
  struct tcp_pcb *pcb = pcb_of(s);
  unsigned long number = value ? strtoul(value, NULL, 10) : 0;
  if (pcb == NULL || s->listening || pcb->state == TIME_WAIT) return fail("ENOTCONN", "no connection");
  if (!strcmp(name, "keep-alive")) {
    if (value == NULL) return say("ok %d\n", ip_get_option(pcb, SOF_KEEPALIVE) != 0);
    if (number) ip_set_option(pcb, SOF_KEEPALIVE);
    else ip_reset_option(pcb, SOF_KEEPALIVE);
  } else if (!strcmp(name, "keep-idle")) {
    if (value == NULL) return say("ok %lu\n", (unsigned long)pcb->keep_idle / 1000);
    pcb->keep_idle = (u32_t)(number * 1000);
#if LWIP_TCP_KEEPALIVE
  } else if (!strcmp(name, "keep-interval")) {
    if (value == NULL) return say("ok %lu\n", (unsigned long)pcb->keep_intvl / 1000);
    pcb->keep_intvl = (u32_t)(number * 1000);
  } else if (!strcmp(name, "keep-count")) {
    if (value == NULL) return say("ok %lu\n", (unsigned long)pcb->keep_cnt);
    pcb->keep_cnt = (u32_t)number;
#endif
  } else return fail("ENOSYS", "lwIP as it is built has no such option");
  return ok("");
}

static void end_sock(struct sock *s, int abortive) {
  struct tcp_pcb *pcb = pcb_of(s), *half_open;
  if (s->listening) /* its half-open connections, which outlive it, have inherited an argument that is freed here */
    for (half_open = tcp_active_pcbs; half_open != NULL; half_open = half_open->next)
      if (half_open->callback_arg == s) tcp_arg(half_open, NULL);
  while (s->pending != NULL) { /* whom nobody will accept any more */
    struct sock *orphan = s->pending;
    s->pending = orphan->pending;
    orphan->pending = NULL; /* the rest of the queue is the listener's */
    end_sock(orphan, 1);
  }
  if (pcb != NULL) {
    tcp_arg(pcb, NULL);
    if (!s->listening) {
      tcp_recv(pcb, NULL);
      tcp_err(pcb, NULL);
    }
    if (abortive && !s->listening) tcp_abort(pcb);
    else tcp_close(pcb);
  }
  free_sock(s);
}

static int forget_everything(void) {
  silent = 1;
  for (struct sock *s = socks; s != NULL; s = s->next) s->pending = NULL;
  while (socks != NULL) end_sock(socks, 1);
  while (tcp_active_pcbs != NULL) tcp_abort(tcp_active_pcbs);
  while (tcp_tw_pcbs != NULL) tcp_abort(tcp_tw_pcbs);
  while (tcp_listen_pcbs.pcbs != NULL) tcp_close(tcp_listen_pcbs.pcbs);
  silent = 0;
  return ok("");
}

/* --- what can be seen --------------------------------------------------------------------------------------------- */

static const char *const STATES[] = {"CLOSED",     "LISTEN",     "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                                     "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",  "LAST-ACK",     "TIME-WAIT"};

static int show(const struct tcp_pcb *pcb) {
  const struct sock *s = pcb->callback_arg;
  size_t unread = s && !s->listening ? s->octets : 0;
  return say("ok %s recvq=%zu sendq=%lu snd_una=%lu snd_nxt=%lu snd_wnd=%lu rcv_nxt=%lu rcv_wnd=%lu cwnd=%lu rto_ms=%ld\n",
                STATES[pcb->state], unread, (unsigned long)(TCP_SND_BUF - pcb->snd_buf), (unsigned long)pcb->lastack,
                (unsigned long)pcb->snd_nxt, (unsigned long)pcb->snd_wnd, (unsigned long)pcb->rcv_nxt,
                (unsigned long)pcb->rcv_wnd, (unsigned long)pcb->cwnd, (long)pcb->rto * TCP_SLOW_INTERVAL);
}

static int state(char **word) {
  ip_addr_t local, remote;
  if (!word[4] || !ipaddr_aton(word[1], &local) || !ipaddr_aton(word[3], &remote))
    return fail("EINVAL", "state ADDRESS PORT ADDRESS PORT");
  struct tcp_pcb *lists[] = {tcp_active_pcbs, tcp_tw_pcbs}, *pcb;
  for (int i = 0; i < 2; i++)
    for (pcb = lists[i]; pcb != NULL; pcb = pcb->next)
      if (pcb->local_port == atoi(word[2]) && pcb->remote_port == atoi(word[4]) &&
          ip_addr_cmp(&pcb->local_ip, &local) && ip_addr_cmp(&pcb->remote_ip, &remote))
        return show(pcb);
  for (pcb = tcp_listen_pcbs.pcbs; pcb != NULL; pcb = pcb->next)
    if (pcb->local_port == atoi(word[2]) && (ip_addr_isany_val(pcb->local_ip) || ip_addr_cmp(&pcb->local_ip, &local)))
      return ok("LISTEN");
  return ok("CLOSED");
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static int hello(char **word) {
  if (!word[2] || strcmp(word[1], "tcpspec-adapter") || strcmp(word[2], "1"))
    return fail("EPROTONOSUPPORT", "this adapter speaks tcpspec-adapter 1");
  return ok("tcpspec-adapter 1 name=lwIP version=" LWIP_VERSION_STRING " time=virtual settings=ack "
            "capabilities=states,ipv6,rfc5961,window-scale,icmp,keep-alive lacks=time-wait-reuse"
            " calls=shutdown tcp-timer-interval=250ms api=raw");
}

static int set(char **word) {
  if (!word[2] || strcmp(word[1], "ack")) return fail("EINVAL", "the only setting is ack");
  ack_immediately = !strcmp(word[2], "immediate");
  return ok("");
}

static int on_sock(char **word) {
  struct sock *s = find_sock(word[1]);
  const char *verb = word[0];
  if (s == NULL) return fail("EBADF", "no such handle");
  if (!strcmp(verb, "accept")) return accept_one(s);
  if (!strcmp(verb, "send")) return send_data(s, word[2]);
  if (!strcmp(verb, "recv")) return receive(s, word[2] ? strtoul(word[2], NULL, 10) : 0);
  if (!strcmp(verb, "shutdown")) return shut_down(s, word[2]);
  if (!strcmp(verb, "option") && word[2]) return keep_alive(s, word[2], word[3]);
  if (!strcmp(verb, "error")) {
    ok(s->error ? s->error : "0");
    s->error = NULL;
    return 0;
  }
  if (strcmp(verb, "close") && strcmp(verb, "abort")) return fail("ENOSYS", "no such command");
  end_sock(s, verb[0] == 'a');
  return ok("");
}

static int command(char **word) {
  const char *verb = word[0];
  if (!strcmp(verb, "hello")) return hello(word);
  if (!strcmp(verb, "address")) return word[1] && add_address(word[1]) ? ok("") : fail("EINVAL", "address ADDRESS/BITS");
  if (!strcmp(verb, "set")) return set(word);
  if (!strcmp(verb, "in") && word[1]) return arrive(word[1], word[2]);
  if (!strcmp(verb, "advance") && word[1]) return advance(strtoul(word[1], NULL, 10));
  if (!strcmp(verb, "state")) return state(word);
  if (!strcmp(verb, "listen")) return open_sock(word, 1);
  if (!strcmp(verb, "connect")) return open_sock(word, 0);
  if (!strcmp(verb, "reset")) return forget_everything();
  return on_sock(word);
}

int main(void) {
  static char line[MAX_LINE];
  static char buffer[1 << 16];
  answers = fdopen(dup(STDOUT_FILENO), "w");
  if (answers == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 1;
  setvbuf(answers, buffer, _IOFBF, sizeof buffer);
  lwip_init();
  while (fgets(line, sizeof line, stdin)) {
    char *word[8] = {0};
    int n = 0;
    for (char *at = strtok(line, " \r\n"); at != NULL && n < 7; at = strtok(NULL, " \r\n")) word[n++] = at;
    if (n == 0) fail("ENOSYS", "an empty line");
    else command(word);
    fflush(answers);
  }
  return 0;
}
