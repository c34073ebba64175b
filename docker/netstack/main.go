// gVisor's netstack behind the adapter protocol of tcpspec (docker/ADAPTER.md), version 1: commands on standard input,
// answers on standard output, virtual time.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// longest is more than two lines of the longest IP packet in hexadecimal.
const longest = 1 << 19

// capabilities of what is optional. Of RFC 5961 netstack has the challenge of SYNs, and neither the exact match for
// resets nor the check of old acknowledgments.
const capabilities = "states,ipv6,rfc5961-syn,timestamps,window-scale,sack,time-wait-reuse,icmp,keep-alive,user-timeout"
const lacks = "rfc5961-rst,rfc5961-ack"

// release is that of the stack, told by the build.
var release = "0"

// refusal is the name of an errno and a word of explanation.
type refusal struct{ name, text string }

// words are those of a command behind its name.
type words []string

type command func(*host, words) (string, *refusal)

// commands by name, each with the number of words that it needs.
var commands = map[string]struct {
	needs int
	call  command
}{
	"hello":    {2, hello},
	"address":  {1, address},
	"set":      {2, set},
	"in":       {1, in},
	"advance":  {1, advance},
	"reset":    {0, func(h *host, _ words) (string, *refusal) { h.forget(); return "", nil }},
	"listen":   {3, listen},
	"connect":  {4, connect},
	"state":    {4, state},
	"accept":   {1, onSocket(accept)},
	"send":     {2, onSocket(send)},
	"recv":     {2, onSocket(recv)},
	"shutdown": {1, onSocket(shutdown)},
	"option":   {2, onSocket(option)},
	"error":    {1, onSocket(pending)},
	"close":    {1, onSocket(func(h *host, _ *socket, w words) (string, *refusal) { return end(h, w, false) })},
	"abort":    {1, onSocket(func(h *host, _ *socket, w words) (string, *refusal) { return end(h, w, true) })},
}

func main() {
	runtime.GOMAXPROCS(1) // as many processors has a stack, and one that pauses has nothing from another
	h := newHost()
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, longest)
	output := bufio.NewWriter(os.Stdout)
	for input.Scan() {
		answer, refused := do(h, strings.Fields(input.Text()))
		h.settle()
		for _, packet := range h.sent() {
			fmt.Fprintf(output, "out %s %x\n", milliseconds(h), packet)
		}
		switch {
		case refused != nil:
			fmt.Fprintf(output, "err %s %s\n", refused.name, refused.text)
		case answer == "":
			fmt.Fprintln(output, "ok")
		default:
			fmt.Fprintln(output, "ok", answer)
		}
		output.Flush()
	}
}

func do(h *host, line []string) (string, *refusal) {
	if len(line) == 0 {
		return "", &refusal{"ENOSYS", "an empty line"}
	}
	known, there := commands[line[0]]
	if !there {
		return "", &refusal{"ENOSYS", "no such command"}
	}
	if len(line)-1 < known.needs {
		return "", &refusal{"EINVAL", fmt.Sprintf("%s needs %d words", line[0], known.needs)}
	}
	return known.call(h, line[1:])
}

// --- commands of the machine -----------------------------------------------------------------------------------------

func hello(_ *host, w words) (string, *refusal) {
	if w[0] != "tcpspec-adapter" || w[1] != "1" {
		return "", &refusal{"EPROTONOSUPPORT", "this adapter speaks tcpspec-adapter 1"}
	}
	return fmt.Sprintf(
		"tcpspec-adapter 1 name=netstack version=%s time=virtual settings=throttle calls=shutdown capabilities=%s lacks=%s go=%s",
		release, capabilities, lacks, runtime.Version()), nil
}

func address(h *host, w words) (string, *refusal) {
	ip, network, err := net.ParseCIDR(w[0])
	if err != nil {
		return "", &refusal{"EINVAL", "address ADDRESS/BITS"}
	}
	bits, _ := network.Mask.Size()
	return "", refusedBy(h.addAddress(shortest(ip), bits))
}

func set(h *host, w words) (string, *refusal) {
	if w[0] != "throttle" || w[1] != "on" && w[1] != "off" {
		return "", &refusal{"EINVAL", "the setting is throttle on|off"}
	}
	h.throttle(w[1] == "on")
	return "", nil
}

func in(h *host, w words) (string, *refusal) {
	packet, err := hex.DecodeString(w[0])
	if err != nil {
		return "", &refusal{"EINVAL", "not hexadecimal"}
	}
	h.arrive(packet, append(w, "")[1])
	return "", nil
}

func advance(h *host, w words) (string, *refusal) {
	duration, err := strconv.ParseUint(w[0], 10, 40)
	if err != nil {
		return "", &refusal{"EINVAL", "not a number"}
	}
	h.advance(time.Duration(duration) * time.Millisecond)
	return milliseconds(h), nil
}

func state(h *host, w words) (string, *refusal) {
	local, protocol, refused := full(w[0], w[1])
	remote, _, alsoRefused := full(w[2], w[3])
	if refused != nil || alsoRefused != nil {
		return "", &refusal{"EINVAL", "not an address"}
	}
	id := stack.TransportEndpointID{
		LocalAddress: local.Addr, LocalPort: local.Port, RemoteAddress: remote.Addr, RemotePort: remote.Port,
	}
	found, unread := h.state(id, protocol)
	return fmt.Sprintf("%s recvq=%d", stateName(found), unread), nil
}

// --- commands of the application -------------------------------------------------------------------------------------

func listen(h *host, w words) (string, *refusal) {
	local, protocol, refused := full(w[0], w[1])
	backlog, err := strconv.ParseUint(w[2], 10, 16)
	if refused != nil || err != nil {
		return "", &refusal{"EINVAL", "listen ADDRESS PORT BACKLOG"}
	}
	return handle(h.listen(local, protocol, int(backlog)))
}

func connect(h *host, w words) (string, *refusal) {
	local, protocol, refused := full(w[0], w[1])
	remote, _, alsoRefused := full(w[2], w[3])
	if refused != nil || alsoRefused != nil {
		return "", &refusal{"EINVAL", "connect ADDRESS PORT ADDRESS PORT"}
	}
	return handle(h.connect(local, remote, protocol))
}

func accept(h *host, s *socket, _ words) (string, *refusal) { return handle(h.accept(s)) }

func send(_ *host, s *socket, w words) (string, *refusal) {
	data, err := hex.DecodeString(w[1])
	if err != nil {
		return "", &refusal{"EINVAL", "not hexadecimal"}
	}
	taken, refused := s.send(data)
	s.told(refused)
	return strconv.FormatInt(taken, 10), refusedBy(refused)
}

func recv(_ *host, s *socket, w words) (string, *refusal) {
	limit, err := strconv.ParseUint(w[1], 10, 31)
	if err != nil {
		return "", &refusal{"EINVAL", "not a number"}
	}
	if s.listens {
		return "", &refusal{"ENOTCONN", "a listener"}
	}
	if tcp.EndpointState(s.State()) == tcp.StateSynRecv {
		return "", &refusal{"EAGAIN", "not connected yet"}
	}
	data, refused := s.recv(int(limit))
	s.told(refused)
	if _, ended := refused.(*tcpip.ErrClosedForReceive); ended {
		return "eof", nil
	}
	return hex.EncodeToString(data), refusedBy(refused)
}

func shutdown(_ *host, s *socket, w words) (string, *refusal) {
	how := tcpip.ShutdownWrite
	if len(w) > 1 {
		how = tcpip.ShutdownRead
		if w[1] == "rdwr" {
			how |= tcpip.ShutdownWrite
		}
	}
	return "", refusedBy(s.Shutdown(how))
}

// durations are the options that are a time, each with its unit.
var durations = map[string]struct {
	unit time.Duration
	set  func(time.Duration) tcpip.SettableSocketOption
	get  func(*socket) (time.Duration, tcpip.Error)
}{
	"keep-idle": {time.Second,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.KeepaliveIdleOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.KeepaliveIdleOption
			err := s.GetSockOpt(&v)
			return time.Duration(v), err
		}},
	"keep-interval": {time.Second,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.KeepaliveIntervalOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.KeepaliveIntervalOption
			err := s.GetSockOpt(&v)
			return time.Duration(v), err
		}},
	"user-timeout": {time.Millisecond,
		func(d time.Duration) tcpip.SettableSocketOption { v := tcpip.TCPUserTimeoutOption(d); return &v },
		func(s *socket) (time.Duration, tcpip.Error) {
			var v tcpip.TCPUserTimeoutOption
			err := s.GetSockOpt(&v)
			return time.Duration(v), err
		}},
}

// option sets an option of a socket, or tells it where there is no third word.
func option(_ *host, s *socket, w words) (string, *refusal) {
	value, err := strconv.ParseInt(append(w, "0")[2], 10, 31)
	if err != nil {
		return "", &refusal{"EINVAL", "not a number"}
	}
	telling := len(w) < 3
	of, timed := durations[w[1]]
	switch {
	case timed && telling:
		found, refused := of.get(s)
		return strconv.FormatInt(int64(found/of.unit), 10), refusedBy(refused)
	case timed:
		return "", refusedBy(s.SetSockOpt(of.set(time.Duration(value) * of.unit)))
	case w[1] == "keep-alive" && telling:
		if s.SocketOptions().GetKeepAlive() {
			return "1", nil
		}
		return "0", nil
	case w[1] == "keep-alive":
		s.SocketOptions().SetKeepAlive(value != 0)
		return "", nil
	case w[1] == "keep-count" && telling:
		found, refused := s.GetSockOptInt(tcpip.KeepaliveCountOption)
		return strconv.Itoa(found), refusedBy(refused)
	case w[1] == "keep-count":
		return "", refusedBy(s.SetSockOptInt(tcpip.KeepaliveCountOption, int(value)))
	}
	return "", &refusal{"ENOSYS", "no such option"}
}

func pending(_ *host, s *socket, _ words) (string, *refusal) {
	err := s.LastError()
	s.told(err)
	if err == nil {
		return "0", nil
	}
	return errno(err), nil
}

func end(h *host, w words, abort bool) (string, *refusal) {
	number, _ := strconv.Atoi(w[0])
	h.end(number, abort)
	return "", nil
}

// --- words -----------------------------------------------------------------------------------------------------------

// onSocket makes a command of a call on the socket that its first word names.
func onSocket(call func(*host, *socket, words) (string, *refusal)) command {
	return func(h *host, w words) (string, *refusal) {
		number, err := strconv.Atoi(w[0])
		found := h.sockets[number]
		if err != nil || found == nil {
			return "", &refusal{"EBADF", "no such handle"}
		}
		return call(h, found, w)
	}
}

func handle(number int, err tcpip.Error) (string, *refusal) {
	return strconv.Itoa(number), refusedBy(err)
}

func refusedBy(err tcpip.Error) *refusal {
	if err == nil {
		return nil
	}
	return &refusal{errno(err), err.String()}
}

// full reads an address and a port; the unspecified address is the stack's empty one.
func full(address, port string) (tcpip.FullAddress, tcpip.NetworkProtocolNumber, *refusal) {
	ip := net.ParseIP(address)
	number, err := strconv.ParseUint(port, 10, 16)
	if ip == nil || err != nil {
		return tcpip.FullAddress{}, 0, &refusal{"EINVAL", "not an address and a port"}
	}
	ip = shortest(ip)
	read := tcpip.FullAddress{Addr: tcpip.Address(ip), Port: uint16(number)}
	if ip.IsUnspecified() {
		read.Addr = ""
	}
	if len(ip) == net.IPv4len {
		return read, header.IPv4ProtocolNumber, nil
	}
	return read, header.IPv6ProtocolNumber, nil
}

// shortest is an address of IPv4 in four octets.
func shortest(ip net.IP) net.IP {
	if four := ip.To4(); four != nil {
		return four
	}
	return ip
}

func milliseconds(h *host) string { return strconv.FormatFloat(h.milliseconds(), 'f', -1, 64) }
