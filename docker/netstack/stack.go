package main

import (
	"bytes"
	"math/rand"
	"net"
	"time"

	"gvisor.dev/gvisor/pkg/bufferv2"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	mtu = 1500
	nic = tcpip.NICID(1)
	// mostPackets may wait on the wire for the end of a command.
	mostPackets = 1 << 14
	// incarnation lies between two connections, whose initial sequence numbers follow the clock.
	incarnation = time.Microsecond
)

// host is the stack, and what an application of it holds. After a reset it is a new host, with a new clock: what a
// case sees does not depend on the cases before it.
type host struct {
	clock     *clock
	stack     *stack.Stack
	wire      *channel.Endpoint
	addresses []tcpip.ProtocolAddress
	throttled bool
	sockets   map[int]*socket
	last      int
	// mark is when the last advance ended. What lies between incarnations is part of the next one.
	mark time.Duration
	// passed is the time of the hosts before this one.
	passed time.Duration
}

// socket is a handle of the application.
type socket struct {
	tcpip.Endpoint
	listens bool
}

func newHost() *host {
	h := &host{throttled: true}
	h.begin()
	return h
}

func (h *host) begin() {
	h.clock = newClock()
	h.mark = h.clock.now
	h.sockets = map[int]*socket{}
	h.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			// Without duplicate address detection: addresses are there at once.
			ipv6.NewProtocolWithOptions(ipv6.Options{}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		Clock:              h.clock,
		HandleLocal:        true,
		RandSource:         rand.NewSource(1),
		SecureRNG:          rand.New(rand.NewSource(1)),
	})
	h.wire = channel.New(mostPackets, mtu, "")
	must(h.stack.CreateNIC(nic, h.wire))
	h.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	// As the container runtime has it.
	sack := tcpip.TCPSACKEnabled(true)
	must(h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack))
	h.throttle(h.throttled)
	for _, address := range h.addresses {
		must(h.stack.AddProtocolAddress(nic, address, stack.AddressProperties{}))
	}
}

// forget lets another host take this one's place, without a word to anybody.
func (h *host) forget() {
	h.passed += h.clock.now - uptime
	tcpOf(h.stack).Close()
	tcpOf(h.stack).Wait()
	h.begin()
}

func (h *host) addAddress(address net.IP, bits int) tcpip.Error {
	added := tcpip.ProtocolAddress{
		Protocol:          family(address),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.Address(address), PrefixLen: bits},
	}
	if err := h.stack.AddProtocolAddress(nic, added, stack.AddressProperties{}); err != nil {
		return err
	}
	h.addresses = append(h.addresses, added)
	return nil
}

func (h *host) throttle(on bool) {
	h.throttled = on
	limit := stack.TCPInvalidRateLimitOption(0)
	if on {
		limit = stack.TCPInvalidRateLimitOption(500 * time.Millisecond)
	}
	must(h.stack.SetOption(limit))
}

// --- packets and time ------------------------------------------------------------------------------------------------

// arrive lets a packet come in. An empty one is nothing.
func (h *host) arrive(packet []byte, frame string) {
	if len(packet) == 0 {
		return
	}
	protocol := header.IPv4ProtocolNumber
	if packet[0]>>4 == 6 {
		protocol = header.IPv6ProtocolNumber
	}
	h.clock.now += incarnation
	buffer := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: bufferv2.MakeWithData(packet)})
	defer buffer.DecRef()
	switch frame {
	case "broadcast":
		buffer.PktType = tcpip.PacketBroadcast
	case "multicast":
		buffer.PktType = tcpip.PacketMulticast
	}
	h.wire.InjectInbound(protocol, buffer)
}

// settle lets the stack work until it is idle: its processors pause when there is nothing left for them to do.
func (h *host) settle() {
	for {
		h.stack.Pause()
		h.stack.Resume()
		if !h.clock.run() {
			return
		}
	}
}

// advance lets time pass, up to the next packet.
func (h *host) advance(duration time.Duration) {
	until := h.mark + duration
	for h.settle(); h.wire.NumQueued() == 0 && h.clock.now < until; h.settle() {
		due, waits := h.clock.next()
		if !waits || due > until {
			due = until
		}
		h.clock.now = due
	}
	h.mark = h.clock.now
}

// milliseconds is the time since the first host began.
func (h *host) milliseconds() float64 {
	return float64((h.passed+h.clock.now-uptime)/time.Microsecond) / 1000
}

// sent are the packets since the last call.
func (h *host) sent() [][]byte {
	var packets [][]byte
	for packet := h.wire.Read(); !packet.IsNil(); packet = h.wire.Read() {
		packets = append(packets, packet.ToView().AsSlice())
		packet.DecRef()
	}
	return packets
}

// --- the application -------------------------------------------------------------------------------------------------

// open returns an endpoint that is bound.
func (h *host) open(local tcpip.FullAddress, protocol tcpip.NetworkProtocolNumber) (tcpip.Endpoint, tcpip.Error) {
	endpoint, err := h.stack.NewEndpoint(tcp.ProtocolNumber, protocol, &waiter.Queue{})
	if err != nil {
		return nil, err
	}
	endpoint.SocketOptions().SetReuseAddress(true) // a listener may stand beside connections
	endpoint.SocketOptions().SetV6Only(protocol == header.IPv6ProtocolNumber)
	if err := endpoint.Bind(local); err != nil {
		endpoint.Close()
		return nil, err
	}
	return endpoint, nil
}

func (h *host) listen(local tcpip.FullAddress, protocol tcpip.NetworkProtocolNumber, backlog int) (int, tcpip.Error) {
	endpoint, err := h.open(local, protocol)
	if err != nil {
		return 0, err
	}
	// It wants one more than a backlog, as the system call of the runtime gives it.
	if err := endpoint.Listen(backlog + 1); err != nil {
		endpoint.Close()
		return 0, err
	}
	return h.enter(&socket{Endpoint: endpoint, listens: true}), nil
}

func (h *host) connect(local, remote tcpip.FullAddress, protocol tcpip.NetworkProtocolNumber) (int, tcpip.Error) {
	h.clock.now += incarnation
	endpoint, err := h.open(local, protocol)
	if err != nil {
		return 0, err
	}
	err = endpoint.Connect(remote)
	if _, started := err.(*tcpip.ErrConnectStarted); !started && err != nil {
		endpoint.Close()
		return 0, err
	}
	return h.enter(&socket{Endpoint: endpoint}), nil
}

func (h *host) accept(listener *socket) (int, tcpip.Error) {
	endpoint, _, err := listener.Accept(nil)
	if err != nil {
		return 0, err
	}
	return h.enter(&socket{Endpoint: endpoint}), nil
}

func (h *host) enter(added *socket) int {
	h.last++
	h.sockets[h.last] = added
	return h.last
}

// end is CLOSE, or with abort ABORT.
func (h *host) end(handle int, abort bool) {
	ended := h.sockets[handle]
	delete(h.sockets, handle)
	if abort {
		ended.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true})
	}
	ended.Close()
}

func (s *socket) send(data []byte) (int64, tcpip.Error) {
	return s.Write(bytes.NewReader(data), tcpip.WriteOptions{})
}

// recv returns what has come, up to `limit` octets.
func (s *socket) recv(limit int) ([]byte, tcpip.Error) {
	var received bytes.Buffer
	_, err := s.Read(&tcpip.LimitedWriter{W: &received, N: int64(limit)}, tcpip.ReadOptions{})
	return received.Bytes(), err
}

// told makes an error that ended the connection be told once: the stack keeps it twice, for calls and for the option.
func (s *socket) told(err tcpip.Error) {
	if err != nil && tcp.EndpointState(s.State()) == tcp.StateError {
		s.LastError()
	}
}

// state tells of the endpoint that a segment between these two ends would reach.
func (h *host) state(id stack.TransportEndpointID, protocol tcpip.NetworkProtocolNumber) (tcp.EndpointState, int) {
	found, known := h.stack.FindTransportEndpoint(protocol, tcp.ProtocolNumber, id, nic).(tcpip.Endpoint)
	if !known {
		return tcp.StateClose, 0
	}
	unread, err := found.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		unread = 0
	}
	return tcp.EndpointState(found.State()), unread
}

func tcpOf(s *stack.Stack) stack.TransportProtocol {
	return s.TransportProtocolInstance(tcp.ProtocolNumber)
}

func family(address net.IP) tcpip.NetworkProtocolNumber {
	if len(address) == net.IPv4len {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

// must ends the adapter where the stack refuses what it can't refuse.
func must(err tcpip.Error) {
	if err != nil {
		panic(err.String())
	}
}
