//! smoltcp as an application of it would use it: an interface, sockets, and time that somebody else owns.
//!
//! smoltcp has neither a backlog nor a list of connections: a listening socket *becomes* the connection whose SYN it
//! takes. A [`Listener`] therefore keeps one socket in LISTEN, and puts a fresh one in its place when it has become a
//! connection, as long as the backlog allows. Without a socket in LISTEN smoltcp resets who comes.
//!
//! smoltcp asks its sockets one after the other who accepts a segment, and one in LISTEN accepts every SYN for its
//! port. So that a SYN on a connection reaches the connection, listening sockets stand behind all others: a slot of the
//! socket set is never used twice, except by a connection that a reset has sent back from SYN-RECEIVED to LISTEN, and
//! an active open puts a fresh one in place of each that listens.

use std::collections::BTreeMap;
use std::mem;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpCidr, IpEndpoint};

use crate::api::{
    self, ConnectError, Host, IpListenEndpoint, ListenError, RecvError, Socket, SocketBuffer, SocketHandle, SocketSet,
    State,
};
use crate::device::Wire;
use crate::flows::{self, Flows};
use crate::fragments::{Arrival, Fragments};

/// The largest receive buffer that needs no window scaling, and as much for sending.
const BUFFER: usize = 65535;
/// The host has been up for a while: smoltcp takes 0 for "long ago".
const START: Instant = Instant::from_micros_const(3_600_000_000);
/// smoltcp's `challenge_ack_reply()`.
const CHALLENGE_ACK_INTERVAL: Duration = Duration::from_secs(1);

/// The name of an errno and a word of explanation.
pub type Refusal = (&'static str, &'static str);

/// A connection that the application holds, or that waits to be accepted.
struct Connection {
    socket: SocketHandle,
    /// The state when we last looked, to tell why a socket is closed: smoltcp doesn't say.
    last: State,
    error: Option<&'static str>,
    /// The end of the stream, or the error that ended it, has been told: RECEIVE gives no more.
    ended: bool,
    /// How long to be silent before a keep-alive, which smoltcp takes together with switching them on.
    idle: Option<Duration>,
}

impl Connection {
    fn new(socket: SocketHandle, last: State) -> Self {
        Connection { socket, last, error: None, ended: false, idle: None }
    }

    /// Derive the error that a socket API would report. `by_timer`: time has passed, and no segment has come.
    fn look(&mut self, state: State, by_timer: bool) {
        if state == State::Closed && state != self.last {
            self.error = match self.last {
                State::TimeWait | State::Listen => None,
                _ if by_timer => Some("ETIMEDOUT"),
                State::Closing | State::LastAck => None,
                State::SynSent | State::SynReceived => Some("ECONNREFUSED"),
                _ => Some("ECONNRESET"),
            };
        }
        self.last = state;
    }

    /// The pending error, which is told once.
    fn tell(&mut self) -> Option<&'static str> {
        self.ended |= self.error.is_some();
        self.error.take()
    }
}

struct Listener {
    endpoint: IpListenEndpoint,
    backlog: usize,
    /// The socket in LISTEN, none while the backlog is full.
    armed: Option<SocketHandle>,
    /// Those that nobody has accepted yet, in the order in which they were established; behind them those in
    /// SYN-RECEIVED.
    pending: Vec<Connection>,
}

enum Entry {
    Listener(Listener),
    Connection(Connection),
}

/// What `state` tells of a connection.
pub struct Status {
    pub state: State,
    pub unread: usize,
    pub unacknowledged: usize,
}

pub struct Stack {
    wire: Wire,
    host: Host,
    sockets: SocketSet<'static>,
    entries: BTreeMap<u32, Entry>,
    last_handle: u32,
    /// How often each pair of ports was opened actively since everything was forgotten: each begins at another number.
    opened: BTreeMap<(u16, u16), u64>,
    fragments: Fragments,
    ack_delay: Option<Duration>,
    throttled: bool,
    /// When a segment was last answered on the spot, by the clock that it was shown: see [`Stack::throttle`].
    answered: Option<Instant>,
    flows: Flows,
    now: Instant,
}

impl Stack {
    pub fn new() -> Self {
        let now = START;
        let mut wire = Wire::default();
        Stack {
            host: Host::new(0, &mut wire, now),
            wire,
            sockets: SocketSet::new(vec![]),
            entries: BTreeMap::new(),
            last_handle: 0,
            opened: BTreeMap::new(),
            fragments: Fragments::default(),
            ack_delay: Socket::new(SocketBuffer::new(vec![]), SocketBuffer::new(vec![])).ack_delay(),
            throttled: true,
            answered: None,
            flows: Flows::default(),
            now,
        }
    }

    pub fn add_address(&mut self, address: IpCidr) -> Result<(), Refusal> {
        if self.host.own(address) { Ok(()) } else { Err(("ENOBUFS", "too many addresses")) }
    }

    /// Start the generator of initial sequence numbers anew, from something that belongs to the connection: it must not
    /// matter which connections there were before, so that a case is the same in every run.
    fn seed(&mut self, seed: u64) {
        let addresses = self.host.addresses().to_vec();
        self.host = Host::new(seed, &mut self.wire, self.now);
        for address in addresses {
            self.host.own(address);
        }
    }

    /// For the sockets that are opened from now on; None acknowledges at once.
    pub fn delay_acks(&mut self, delayed: bool) {
        self.ack_delay = delayed.then_some(Duration::from_millis(10));
    }

    /// Whether a socket sends one challenge ACK per second at most, as smoltcp always does. There is no switch for it,
    /// so without the throttle a segment arrives a second at least after the last one that was answered on the spot, as a
    /// challenge ACK answers, by the clock that the socket is shown at that moment. Timers are set on that occasion too:
    /// they are late then, never early. What is in order draws no challenge, and is shown the true clock: by it round
    /// trips are measured.
    pub fn throttle(&mut self, throttled: bool) {
        self.throttled = throttled;
    }

    // --- packets and time -------------------------------------------------------------------------------------------

    /// Let a packet arrive. The generator of numbers begins anew with a SYN, and where a datagram begins that comes in
    /// fragments, from a sum of the first that came; behind that not until it is whole: with the generator smoltcp forgets
    /// what it has of a datagram.
    pub fn arrive(&mut self, packet: Vec<u8>) {
        let in_order = match self.fragments.take(&packet, self.now) {
            Arrival::Plain => {
                if let Some(number) = flows::opening_number(&packet) {
                    self.fragments.forget();
                    self.seed(number);
                }
                self.flows.is_next(&packet)
            }
            Arrival::Begins => {
                self.seed(sum(&packet));
                false
            }
            Arrival::More => false,
            Arrival::Whole(datagram) => self.flows.is_next(&datagram),
        };
        self.wire.put(packet);
        if self.tcp().all(|socket| matches!(socket.state(), State::Closed | State::Listen)) {
            self.answered = None; // each socket counts for itself
        }
        let earliest = self.answered.filter(|_| !self.throttled && !in_order).map(|at| at + CHALLENGE_ACK_INTERVAL);
        let shown = earliest.map_or(self.now, |at| at.max(self.now));
        self.host.take_in(shown, &mut self.wire, &mut self.sockets);
        if !self.wire.is_quiet() && !in_order {
            self.answered = Some(shown);
        }
        self.poll(false);
    }

    /// Let time pass, up to the next packet.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.poll(true);
        while self.wire.is_quiet() && self.now < until {
            let due = self.host.due(self.now, &mut self.sockets).unwrap_or(until);
            // What is due already has just been asked for: a socket that can't do it must not stop the clock.
            self.now = due.max(self.now + Duration::from_millis(1)).min(until);
            self.poll(true);
        }
    }

    /// The time in milliseconds, counted from 0.
    pub fn time(&self) -> u64 {
        (self.now - START).total_millis()
    }

    /// The packets sent since the last call, all of them now.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let sent = self.wire.take();
        sent.iter().for_each(|packet| self.flows.sent(packet));
        sent
    }

    /// Let smoltcp work until it is idle, and see what has become of the sockets.
    fn poll(&mut self, by_timer: bool) {
        self.host.work(self.now, &mut self.wire, &mut self.sockets);
        for entry in self.entries.values_mut() {
            match entry {
                Entry::Connection(connection) => {
                    let state = self.sockets.get::<Socket>(connection.socket).state();
                    connection.look(state, by_timer);
                }
                Entry::Listener(listener) => rearm(listener, &mut self.sockets, self.ack_delay, by_timer),
            }
        }
    }

    // --- the application ------------------------------------------------------------------------------------------

    pub fn listen(&mut self, endpoint: IpListenEndpoint, backlog: usize) -> Result<u32, Refusal> {
        if endpoint.addr.is_some_and(|address| !self.host.owns(address)) {
            return Err(("EADDRNOTAVAIL", "not an address of this host"));
        }
        let taken = self.entries.values().any(|entry| match entry {
            Entry::Listener(other) => {
                let same_address = other.endpoint.addr == endpoint.addr;
                other.endpoint.port == endpoint.port
                    && (same_address || other.endpoint.addr.is_none() || endpoint.addr.is_none())
            }
            Entry::Connection(_) => false,
        });
        if taken {
            return Err(("EADDRINUSE", "somebody listens there"));
        }
        let socket = listening(&mut self.sockets, endpoint, self.ack_delay).map_err(|_| ("EINVAL", "listen()"))?;
        let pending = Vec::new();
        Ok(self.enter(Entry::Listener(Listener { endpoint, backlog, armed: Some(socket), pending })))
    }

    pub fn connect(&mut self, local: IpListenEndpoint, remote: IpEndpoint) -> Result<u32, Refusal> {
        if local.addr.is_some_and(|address| !self.host.owns(address)) {
            return Err(("EADDRNOTAVAIL", "not an address of this host"));
        }
        let taken = self.tcp().any(|socket| {
            let ends = socket.local_endpoint().zip(socket.remote_endpoint());
            ends.is_some_and(|(here, there)| {
                here.port == local.port && local.addr.is_none_or(|address| address == here.addr) && there == remote
            })
        });
        if taken {
            return Err(("EADDRINUSE", "there is such a connection"));
        }
        let before = self.opened.entry((local.port, remote.port)).or_default();
        let seed = *before << 32 | u64::from(local.port) << 16 | u64::from(remote.port);
        *before += 1;
        self.seed(seed);
        let mut socket = fresh_socket();
        self.host.connect(&mut socket, remote, local).map_err(|error| match error {
            ConnectError::InvalidState => ("EISCONN", "connect()"),
            ConnectError::Unaddressable => ("EADDRNOTAVAIL", "connect()"),
        })?;
        socket.set_ack_delay(self.ack_delay);
        let socket = self.sockets.add(socket);
        for entry in self.entries.values_mut() {
            if let Entry::Listener(listener) = entry
                && let Some(before) = listener.armed.take()
            {
                self.sockets.get_mut::<Socket>(before).abort();
                rearm(listener, &mut self.sockets, self.ack_delay, false);
            }
        }
        let handle = self.enter(Entry::Connection(Connection::new(socket, State::SynSent)));
        self.poll(false);
        Ok(handle)
    }

    pub fn accept(&mut self, handle: u32) -> Result<u32, Refusal> {
        let Some(Entry::Listener(listener)) = self.entries.get_mut(&handle) else {
            return Err(("EINVAL", "not a listener"));
        };
        let ready = listener.pending.iter().position(|connection| connection.last != State::SynReceived);
        let connection = listener.pending.remove(ready.ok_or(("EAGAIN", "nothing to accept"))?);
        let accepted = self.enter(Entry::Connection(connection));
        self.poll(false);
        Ok(accepted)
    }

    pub fn send(&mut self, handle: u32, data: &[u8]) -> Result<usize, Refusal> {
        let (connection, socket) = self.connection(handle)?;
        if let Some(error) = connection.tell() {
            return Err((error, "pending error"));
        }
        let taken = match (socket.send_slice(data), socket.state()) {
            (Ok(0), _) if !data.is_empty() => Err(("EAGAIN", "the buffer is full")),
            (Ok(taken), _) => Ok(taken),
            (Err(_), State::SynSent | State::SynReceived) => Err(("EAGAIN", "not connected yet")),
            (Err(_), _) => Err(("EPIPE", "the sending direction is closed")),
        };
        self.poll(false);
        taken
    }

    /// What has been received; None at the end of the stream.
    pub fn recv(&mut self, handle: u32, limit: usize) -> Result<Option<Vec<u8>>, Refusal> {
        let (connection, socket) = self.connection(handle)?;
        let mut data = vec![0; limit.min(socket.recv_queue())];
        let received = match (socket.recv_slice(&mut data), socket.state()) {
            (Ok(0), _) => Err(("EAGAIN", "nothing has come")),
            (Ok(_), _) => Ok(Some(data)),
            (Err(RecvError::InvalidState), State::SynSent | State::SynReceived) => Err(("EAGAIN", "not connected yet")),
            (Err(error), _) => {
                let told = connection.ended;
                let pending = connection.tell();
                connection.ended = true;
                match (pending, error) {
                    (Some(name), _) => Err((name, "pending error")),
                    (None, RecvError::InvalidState) if !told => Err(("ENOTCONN", "smoltcp has let go of it")),
                    (None, _) => Ok(None),
                }
            }
        };
        self.poll(false); // there may be a window to open
        received
    }

    pub fn shutdown(&mut self, handle: u32) -> Result<(), Refusal> {
        let (connection, socket) = self.connection(handle)?;
        if socket.state() == State::Closed {
            return Err(("ENOTCONN", "not connected"));
        }
        socket.close();
        connection.last = socket.state(); // in SYN-SENT that is the end, and no error
        self.poll(false);
        Ok(())
    }

    /// Set an option: how long is tried to deliver, in milliseconds; keep-alives, off or on, after seconds of silence.
    /// smoltcp repeats them in the same time, and ends a connection by the first option only.
    pub fn set_option(&mut self, handle: u32, name: &str, value: u64) -> Result<(), Refusal> {
        let (connection, socket) = self.connection(handle)?;
        match name {
            "user-timeout" => socket.set_timeout((value > 0).then(|| Duration::from_millis(value))),
            "keep-idle" => {
                connection.idle = Some(Duration::from_secs(value));
                if socket.keep_alive().is_some() {
                    socket.set_keep_alive(connection.idle);
                }
            }
            "keep-alive" if value == 0 => socket.set_keep_alive(None),
            "keep-alive" => socket.set_keep_alive(Some(connection.idle.ok_or(NO_IDLE_TIME)?)),
            _ => return Err(NO_OPTION),
        }
        self.poll(true); // a user timeout may be over already
        Ok(())
    }

    pub fn option(&mut self, handle: u32, name: &str) -> Result<u64, Refusal> {
        let (connection, socket) = self.connection(handle)?;
        match name {
            "user-timeout" => Ok(socket.timeout().map_or(0, |timeout| timeout.total_millis())),
            "keep-idle" => Ok(connection.idle.ok_or(NO_IDLE_TIME)?.secs()),
            "keep-alive" => Ok(u64::from(socket.keep_alive().is_some())),
            _ => Err(NO_OPTION),
        }
    }

    /// CLOSE, or with `abort` ABORT. smoltcp's close() ends the sending direction; that nobody will read any more it
    /// can't be told. Connections that nobody has accepted are aborted.
    pub fn end(&mut self, handle: u32, abort: bool) -> Result<(), Refusal> {
        match self.entries.remove(&handle).ok_or(("EBADF", "no such handle"))? {
            Entry::Connection(connection) => {
                let socket = self.sockets.get_mut::<Socket>(connection.socket);
                if abort { socket.abort() } else { socket.close() }
            }
            Entry::Listener(listener) => {
                let unaccepted = listener.pending.iter().map(|connection| connection.socket);
                for socket in unaccepted.chain(listener.armed) {
                    self.sockets.get_mut::<Socket>(socket).abort();
                }
            }
        }
        self.poll(false);
        Ok(())
    }

    /// The pending error, which is cleared.
    pub fn error(&mut self, handle: u32) -> Result<Option<&'static str>, Refusal> {
        match self.entries.get_mut(&handle) {
            Some(Entry::Connection(connection)) => Ok(connection.tell()),
            Some(Entry::Listener(_)) => Ok(None),
            None => Err(("EBADF", "no such handle")),
        }
    }

    /// Forget every socket without a word to anybody.
    pub fn forget(&mut self) {
        self.sockets = SocketSet::new(vec![]);
        self.entries.clear();
        self.answered = None;
        self.opened.clear();
        self.flows.forget();
        self.fragments.forget();
        self.seed(0);
    }

    // --- what can be seen -------------------------------------------------------------------------------------------

    /// The state of a connection: of the last socket that has its addresses and ports, or of who listens there.
    pub fn status(&self, local: IpEndpoint, remote: IpEndpoint) -> Status {
        let connections = self
            .tcp()
            .filter(|socket| socket.local_endpoint() == Some(local) && socket.remote_endpoint() == Some(remote));
        let listener = self.entries.values().find_map(|entry| match entry {
            Entry::Listener(Listener { endpoint, armed: Some(socket), .. })
                if endpoint.port == local.port && endpoint.addr.is_none_or(|address| address == local.addr) =>
            {
                Some(self.sockets.get::<Socket>(*socket))
            }
            _ => None,
        });
        match connections.chain(listener).next() {
            Some(socket) => {
                Status { state: socket.state(), unread: socket.recv_queue(), unacknowledged: socket.send_queue() }
            }
            None => Status { state: State::Closed, unread: 0, unacknowledged: 0 },
        }
    }

    fn tcp(&self) -> impl Iterator<Item = &Socket<'static>> {
        api::all(&self.sockets)
    }

    fn connection(&mut self, handle: u32) -> Result<(&mut Connection, &mut Socket<'static>), Refusal> {
        match self.entries.get_mut(&handle) {
            Some(Entry::Connection(connection)) => {
                let socket = self.sockets.get_mut::<Socket>(connection.socket);
                Ok((connection, socket))
            }
            Some(Entry::Listener(_)) => Err(("ENOTCONN", "a listener")),
            None => Err(("EBADF", "no such handle")),
        }
    }

    fn enter(&mut self, entry: Entry) -> u32 {
        self.last_handle += 1;
        self.entries.insert(self.last_handle, entry);
        self.last_handle
    }
}

const NO_OPTION: Refusal = ("ENOSYS", "smoltcp has no such option");
const NO_IDLE_TIME: Refusal = ("ENOSYS", "smoltcp has no time of silence of its own");

/// Fowler, Noll and Vo's hash, as FNV-1a.
fn sum(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |sum, octet| (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}

fn fresh_socket() -> Socket<'static> {
    Socket::new(SocketBuffer::new(vec![0; BUFFER]), SocketBuffer::new(vec![0; BUFFER]))
}

fn listening(
    sockets: &mut SocketSet<'static>,
    endpoint: IpListenEndpoint,
    ack_delay: Option<Duration>,
) -> Result<SocketHandle, ListenError> {
    let mut socket = fresh_socket();
    socket.listen(endpoint)?;
    socket.set_ack_delay(ack_delay); // 0.8 forgets it when a socket is opened
    Ok(sockets.add(socket))
}

/// Keep one socket in LISTEN, and the connections that have come of others in the queue.
fn rearm(listener: &mut Listener, sockets: &mut SocketSet<'static>, ack_delay: Option<Duration>, by_timer: bool) {
    if let Some(socket) = listener.armed {
        let state = sockets.get::<Socket>(socket).state();
        if state != State::Listen {
            listener.pending.push(Connection::new(socket, state));
            listener.armed = None;
        }
    }
    for mut connection in mem::take(&mut listener.pending) {
        let state = sockets.get::<Socket>(connection.socket).state();
        connection.look(state, by_timer);
        if state != State::Listen {
            listener.pending.push(connection);
        } else if let Some(newer) = listener.armed.replace(connection.socket) {
            // A reset in SYN-RECEIVED: the socket listens again, and it comes before the one that stood in for it.
            sockets.get_mut::<Socket>(newer).abort();
        }
    }
    listener.pending.sort_by_key(|connection| connection.last == State::SynReceived);
    if listener.armed.is_none() && listener.pending.len() < listener.backlog.max(1) {
        listener.armed = listening(sockets, listener.endpoint, ack_delay).ok();
    }
}
