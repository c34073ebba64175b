/* A host on which nothing listens: it answers every segment with a reset, as RFC 9293 3.10.7.1 has it. */
#include "tcpspec_adapter.h"

static double now_ms;
static unsigned char own[8][4];
static int owned;

static unsigned word(const unsigned char *at) { return (unsigned)at[0] << 8 | at[1]; }
static unsigned sum(const unsigned char *at, size_t octets, unsigned total) {
  for (; octets > 1; octets -= 2, at += 2) total += word(at);
  return octets ? total + ((unsigned)*at << 8) : total;
}
static unsigned fold(unsigned total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return total;
}
static void put(unsigned char *at, unsigned value) { at[0] = (unsigned char)(value >> 8), at[1] = (unsigned char)value; }

static int address(const char *host, int bits) {
  unsigned o[4];
  (void)bits;
  if (owned == 8 || sscanf(host, "%u.%u.%u.%u", o, o + 1, o + 2, o + 3) != 4) return -EINVAL;
  for (int i = 0; i < 4; i++) own[owned][i] = (unsigned char)o[i];
  return owned++, 0;
}

static int is_own(const unsigned char *to) {
  for (int i = 0; i < owned; i++) if (!memcmp(own[i], to, 4)) return 1;
  return 0;
}

static int in(const unsigned char *p, size_t octets, const char *frame) {
  unsigned char out[40] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6}, *tcp = out + 20;
  size_t header = octets ? 4u * (p[0] & 15) : 0, total = octets > 3 ? word(p + 2) : 0;
  if (*frame || octets < header + 20 || p[0] >> 4 != 4 || p[9] != 6 || total > octets || !is_own(p + 16)) return 0;
  const unsigned char *in_tcp = p + header;
  size_t length = total - header;
  unsigned flags = in_tcp[13], text = (unsigned)length - 4u * (in_tcp[12] >> 4);
  if (flags & 4 || p[12] >= 224 || p[12] == 127 || p[12] == 0) return 0;
  if (fold(sum(in_tcp, length, sum(p + 12, 8, 6 + (unsigned)length))) != 0xffff) return 0;
  memcpy(out + 12, p + 16, 4), memcpy(out + 16, p + 12, 4);
  memcpy(tcp, in_tcp + 2, 2), memcpy(tcp + 2, in_tcp, 2);
  tcp[12] = 0x50, tcp[13] = 4;
  if (flags & 16) memcpy(tcp + 4, in_tcp + 8, 4);
  else {
    unsigned ack = word(in_tcp + 4) << 16 | word(in_tcp + 6);
    ack += text + (flags >> 1 & 1) + (flags & 1);
    put(tcp + 8, ack >> 16), put(tcp + 10, ack & 0xffff);
    tcp[13] |= 16;
  }
  put(out + 10, ~fold(sum(out, 20, 0)));
  put(tcp + 16, ~fold(sum(tcp, 20, sum(out + 12, 8, 6 + 20))));
  tcpspec_out(now_ms, out, sizeof out);
  return 0;
}

static double advance(long milliseconds) { return now_ms += (double)milliseconds; }
static const char *state(const char *host, int port, const char *peer, int peer_port) {
  (void)host, (void)port, (void)peer, (void)peer_port;
  return "CLOSED";
}
static int reset(void) { return 0; }

/* One option, of no connection: what the lines make of it is tried. */
static long idle_s = 7200;
static int set_option(int sock, const char *name, long value) {
  (void)sock;
  if (strcmp(name, "keep-idle")) return -ENOSYS;
  return idle_s = value, 0;
}
static long get_option(int sock, const char *name) { return (void)sock, strcmp(name, "keep-idle") ? -ENOSYS : idle_s; }

int main(void) {
  static struct tcpspec_stack stack;
  stack.hello = "name=Closed version=1.0 time=virtual capabilities=states";
  stack.address = address, stack.in = in, stack.advance = advance, stack.state = state, stack.reset = reset;
  stack.set_option = set_option, stack.get_option = get_option;
  tcpspec_serve(&stack);
  return 0;
}
