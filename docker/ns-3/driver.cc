/*
 * ns-3's TCP behind the adapter protocol of tcpspec (docker/ADAPTER.md), version 1.
 *
 * One node with one device, which needs no link layer: packets go in by VirtualNetDevice::Receive() and come out of its
 * send callback. Time is the simulator's. The stack sends what it is told a step of the simulator (a nanosecond) later:
 * so many steps pass behind each command, and are not counted.
 *
 *     g++ -O0 -I.. driver.cc -lns3-internet -lns3-virtual-net-device -lns3-network -lns3-core -o ns-3-adapter
 */
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/version-defines.h"
#include "ns3/virtual-net-device.h"
#include "tcpspec_adapter.h"

using namespace ns3;

namespace {

#define TEXT(number) #number
#define RELEASED(major, minor) TEXT(major) "." TEXT(minor)
#define RELEASE RELEASED(NS3_VERSION_MAJOR, NS3_VERSION_MINOR)

const int64_t STEPS = 10; /* nanoseconds that may pass behind a command */
const uint16_t IPV4 = 0x0800, IPV6 = 0x86dd;
const int TCP = 6;
const char *const STATES[] = {"CLOSED",     "LISTEN",   "SYN-SENT",  "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT",
                              "LAST-ACK",   "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING",     "TIME-WAIT"};

/* What the stack keeps to itself. */
struct Inside : public TcpSocketBase {
  static int state(const TcpSocketBase *socket) { return int((socket->*(&Inside::m_state)).Get()); }
  static const Ipv4EndPoint *end4(const TcpSocketBase *socket) { return socket->*(&Inside::m_endPoint); }
  static const Ipv6EndPoint *end6(const TcpSocketBase *socket) { return socket->*(&Inside::m_endPoint6); }
};

struct Sock {
  Ptr<TcpSocketBase> inner;
  bool listening = false, connecting = false, shut = false, ended = false;
  int error = 0;
  std::deque<int> pending; /* a listener's connections that nobody has accepted */
};

std::map<int, Sock> socks;
int last_handle;
Ptr<Node> node;
Ptr<VirtualNetDevice> device;
std::vector<std::pair<std::string, int>> addresses;
int64_t told_ns; /* the time that the harness knows */
int64_t begun_ns;
bool advancing, in_timer, has_sent, acks_at_once;

int64_t simulated() { return Simulator::Now().GetNanoSeconds(); }

double now_ms() { return double(told_ns + (advancing ? simulated() - begun_ns : 0)) / 1e6; }

/* --- packets ------------------------------------------------------------------------------------------------------ */

bool transmit(Ptr<Packet> packet, const Address &, const Address &, uint16_t protocol) {
  std::vector<uint8_t> octets(packet->GetSize());
  packet->CopyData(octets.data(), uint32_t(octets.size()));
  int next = octets.size() < 40 ? 0 : octets[protocol == IPV4 ? 9 : 6];
  if (next != TCP) return true;
  has_sent = true;
  tcpspec_out(now_ms(), octets.data(), octets.size());
  if (advancing) Simulator::Stop();
  return true;
}

/* Do what is due now, and what that brings. */
void settle() {
  for (uint64_t done = 2; done > 1;) {
    uint64_t before = Simulator::GetEventCount();
    Simulator::Stop(NanoSeconds(STEPS));
    Simulator::Run();
    done = Simulator::GetEventCount() - before;
  }
}

void begin() {
  node = CreateObject<Node>();
  device = CreateObject<VirtualNetDevice>();
  device->SetAddress(Mac48Address("02:00:00:00:00:01"));
  device->SetNeedsArp(false);
  device->SetIsPointToPoint(false);
  device->SetMtu(1500);
  device->SetSendCallback(MakeCallback(&transmit));
  node->AddDevice(device);
  InternetStackHelper().Install(node);
  Ptr<Ipv4> ip4 = node->GetObject<Ipv4>();
  Ptr<Ipv6> ip6 = node->GetObject<Ipv6>();
  uint32_t four = ip4->AddInterface(device), six = ip6->AddInterface(device);
  for (const auto &each : addresses) {
    const char *host = each.first.c_str();
    if (each.first.find(':') == std::string::npos) {
      ip4->AddAddress(four, Ipv4InterfaceAddress(host, Ipv4Mask(uint32_t(~0ull << (32 - each.second)))));
    } else {
      ip6->AddAddress(six, Ipv6InterfaceAddress(Ipv6Address(host), Ipv6Prefix(uint8_t(each.second))));
    }
  }
  ip4->SetUp(four);
  ip6->SetUp(six);
  settle();
}

int add_address(const char *host, int bits) {
  addresses.emplace_back(host, bits);
  Simulator::Destroy();
  begin();
  return 0;
}

int set(const char *name, const char *value) {
  if (strcmp(name, "ack")) return -EINVAL;
  acks_at_once = !strcmp(value, "immediate");
  Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(acks_at_once ? 1 : 2));
  return 0;
}

void receive(Ptr<Packet> packet, uint16_t protocol, NetDevice::PacketType type) {
  Address from = Mac48Address("02:00:00:00:00:02");
  Address to = type == NetDevice::PACKET_HOST ? device->GetAddress() : device->GetBroadcast();
  device->Receive(packet, protocol, from, to, type);
}

int arrive(const unsigned char *octets, size_t count, const char *frame) {
  if (!device || !count) return -EINVAL;
  auto type = !strcmp(frame, "broadcast")   ? NetDevice::PACKET_BROADCAST
              : !strcmp(frame, "multicast") ? NetDevice::PACKET_MULTICAST
                                            : NetDevice::PACKET_HOST;
  Ptr<Packet> packet = Create<Packet>(octets, uint32_t(count));
  Simulator::ScheduleWithContext(node->GetId(), Time(0), &receive, packet, octets[0] >> 4 == 4 ? IPV4 : IPV6, type);
  settle();
  return 0;
}

double advance(long milliseconds) {
  begun_ns = simulated();
  has_sent = false;
  EventId end = Simulator::Schedule(MilliSeconds(milliseconds), static_cast<void (*)()>(&Simulator::Stop));
  advancing = in_timer = true;
  Simulator::Run();
  told_ns += simulated() - begun_ns;
  advancing = false;
  end.Cancel();
  settle();
  in_timer = false;
  return now_ms();
}

/* --- the application ---------------------------------------------------------------------------------------------- */

void on_normal_close(int, Ptr<Socket>) {} /* the peer's FIN, or the end of it all: the state tells them apart */

void on_error_close(int handle, Ptr<Socket>) {
  Sock &sock = socks[handle];
  sock.error = in_timer ? ETIMEDOUT : sock.connecting ? ECONNREFUSED : ECONNRESET;
  sock.ended = true;
}

void on_connected(int handle, Ptr<Socket>) { socks[handle].connecting = false; }

int enter(Ptr<Socket> inner) {
  int handle = ++last_handle;
  socks[handle].inner = DynamicCast<TcpSocketBase>(inner);
  inner->SetCloseCallbacks(MakeBoundCallback(&on_normal_close, handle), MakeBoundCallback(&on_error_close, handle));
  return handle;
}

bool on_request(Ptr<Socket>, const Address &) { return true; }

void drop(int handle);

/* What is established when its listener is gone belongs to nobody, and is closed: there is no ABORT. */
void on_accepted(int listener, Ptr<Socket> made, const Address &) {
  int handle = enter(made);
  if (socks.count(listener)) {
    socks[listener].pending.push_back(handle);
  } else {
    Simulator::ScheduleNow(&drop, handle);
  }
}

Address end_of(const char *host, int port) {
  if (strchr(host, ':')) return Inet6SocketAddress(Ipv6Address(host), uint16_t(port));
  return InetSocketAddress(Ipv4Address(host), uint16_t(port));
}

int refusal(const Ptr<Socket> &socket) {
  switch (socket->GetErrno()) {
    case Socket::ERROR_ADDRINUSE: case Socket::ERROR_ADDRNOTAVAIL: return -EADDRINUSE;
    case Socket::ERROR_NOROUTETOHOST: return -EHOSTUNREACH;
    case Socket::ERROR_NOTCONN: return -ENOTCONN;
    case Socket::ERROR_SHUTDOWN: return -EPIPE;
    case Socket::ERROR_MSGSIZE: return -EAGAIN;
    case Socket::ERROR_AFNOSUPPORT: return -EAFNOSUPPORT;
    default: return -EINVAL;
  }
}

int open_passive(const char *host, int port, int) {
  Ptr<Socket> made = Socket::CreateSocket(node, TcpSocketFactory::GetTypeId());
  if (made->Bind(end_of(host, port)) || made->Listen()) return refusal(made);
  int handle = enter(made);
  socks[handle].listening = true;
  made->SetAcceptCallback(MakeCallback(&on_request), MakeBoundCallback(&on_accepted, handle));
  return handle;
}

int open_active(const char *host, int port, const char *peer, int peer_port) {
  Ptr<Socket> made = Socket::CreateSocket(node, TcpSocketFactory::GetTypeId());
  if (made->Bind(end_of(host, port))) return refusal(made);
  int handle = enter(made);
  socks[handle].connecting = true;
  made->SetConnectCallback(MakeBoundCallback(&on_connected, handle), MakeBoundCallback(&on_error_close, handle));
  if (made->Connect(end_of(peer, peer_port))) {
    int refused = refusal(made);
    socks.erase(handle);
    return refused;
  }
  settle();
  return handle;
}

int accept_one(int listener) {
  if (!socks.count(listener)) return -EBADF;
  auto &pending = socks[listener].pending;
  if (pending.empty()) return -EAGAIN;
  int handle = pending.front();
  pending.pop_front();
  return handle;
}

bool is_closed(const Sock &sock) { return sock.ended || Inside::state(PeekPointer(sock.inner)) == TcpSocket::CLOSED; }

int take_error(Sock &sock) {
  int error = sock.error;
  sock.error = 0;
  return error;
}

int send_data(int handle, const unsigned char *data, size_t octets) {
  if (!socks.count(handle)) return -EBADF;
  Sock &sock = socks[handle];
  if (sock.listening) return -ENOTCONN;
  if (sock.error) return -take_error(sock);
  if (sock.shut || is_closed(sock)) return -EPIPE;
  uint32_t room = sock.inner->GetTxAvailable(), taken = uint32_t(octets) < room ? uint32_t(octets) : room;
  if (taken == 0) return -EAGAIN;
  int sent = sock.inner->Send(Create<Packet>(data, taken), 0);
  settle();
  return sent < 0 ? refusal(sock.inner) : sent;
}

int receive_data(int handle, unsigned char *data, size_t limit) {
  if (!socks.count(handle)) return -EBADF;
  Sock &sock = socks[handle];
  if (sock.listening) return -ENOTCONN;
  size_t got = 0;
  while (got < limit && sock.inner->GetRxAvailable()) {
    Ptr<Packet> packet = sock.inner->Recv(uint32_t(limit - got), 0);
    if (!packet || !packet->GetSize()) break;
    got += packet->CopyData(data + got, packet->GetSize());
    settle();
  }
  if (got) return int(got);
  if (sock.error) return -take_error(sock);
  int state = Inside::state(PeekPointer(sock.inner));
  bool read_to_end = state == TcpSocket::CLOSE_WAIT || state == TcpSocket::CLOSING || state == TcpSocket::LAST_ACK ||
                     state == TcpSocket::TIME_WAIT || state == TcpSocket::CLOSED;
  return sock.ended || read_to_end ? 0 : -EAGAIN;
}

int shut_down(int handle) {
  if (!socks.count(handle)) return -EBADF;
  Sock &sock = socks[handle];
  if (sock.listening || is_closed(sock)) return -ENOTCONN;
  if (!sock.shut) sock.inner->ShutdownSend();
  sock.shut = true;
  settle();
  return 0;
}

void drop(int handle) {
  Sock sock = socks[handle];
  socks.erase(handle);
  for (int each : sock.pending) drop(each);
  sock.inner->SetCloseCallbacks(MakeNullCallback<void, Ptr<Socket>>(), MakeNullCallback<void, Ptr<Socket>>());
  sock.inner->SetConnectCallback(MakeNullCallback<void, Ptr<Socket>>(), MakeNullCallback<void, Ptr<Socket>>());
  sock.inner->Close();
}

int end(int handle) {
  if (!socks.count(handle)) return -EBADF;
  drop(handle);
  settle();
  return 0;
}

int pending_error(int handle) { return socks.count(handle) ? take_error(socks[handle]) : -EBADF; }

/* --- what can be seen --------------------------------------------------------------------------------------------- */

bool is_of(const TcpSocketBase *socket, const Address &local, const Address &remote) {
  if (const Ipv4EndPoint *end = Inside::end4(socket)) {
    auto *it = const_cast<Ipv4EndPoint *>(end);
    return local == InetSocketAddress(it->GetLocalAddress(), it->GetLocalPort()) &&
           remote == InetSocketAddress(it->GetPeerAddress(), it->GetPeerPort());
  }
  if (const Ipv6EndPoint *end = Inside::end6(socket)) {
    auto *it = const_cast<Ipv6EndPoint *>(end);
    return local == Inet6SocketAddress(it->GetLocalAddress(), it->GetLocalPort()) &&
           remote == Inet6SocketAddress(it->GetPeerAddress(), it->GetPeerPort());
  }
  return false;
}

const char *state(const char *host, int port, const char *peer, int peer_port) {
  static char text[80];
  Address local = end_of(host, port), remote = end_of(peer, peer_port);
  Address any = strchr(host, ':') ? end_of("::", port) : end_of("0.0.0.0", port);
  ObjectVectorValue all;
  node->GetObject<TcpL4Protocol>()->GetAttribute("SocketList", all);
  const char *found = "CLOSED";
  for (auto each = all.Begin(); each != all.End(); ++each) {
    Ptr<TcpSocketBase> socket = DynamicCast<TcpSocketBase>(each->second);
    if (!socket) continue;
    int number = Inside::state(PeekPointer(socket));
    if (number == TcpSocket::LISTEN) {
      Address bound;
      socket->GetSockName(bound);
      if (bound == local || bound == any) found = "LISTEN";
    } else if (number != TcpSocket::CLOSED && is_of(PeekPointer(socket), local, remote)) {
      snprintf(text, sizeof text, "%s recvq=%u sendq=%u", STATES[number], socket->GetRxAvailable(),
               socket->GetTxBuffer()->Size());
      return text;
    }
  }
  return found;
}

/* The node, and all that it has, goes with its simulator; another one begins, and the time goes on. */
int forget_everything() {
  socks.clear();
  node = nullptr;
  device = nullptr;
  Simulator::Destroy();
  begin();
  return 0;
}

} // namespace

int main() {
  GlobalValue::Bind("ChecksumEnabled", BooleanValue(true));
  Config::SetDefault("ns3::Icmpv6L4Protocol::DAD", BooleanValue(false));
  const tcpspec_stack stack = {
      "name=ns-3 version=" RELEASE " time=virtual settings=ack throttle=0"
      " capabilities=states,ipv6,timestamps,window-scale,sack lacks=rfc5961,time-wait-reuse device=VirtualNetDevice",
      add_address, set, arrive, advance, open_passive, open_active, accept_one, send_data, receive_data,
      shut_down, end, nullptr, pending_error, state, forget_everything};
  tcpspec_serve(&stack);
  return 0;
}
