//! What the driver needs of smoltcp of release 0.8, whose interface owns device and sockets: it is put together for each
//! poll, and taken apart again. Names are those of later releases.

use std::ops::{Deref, DerefMut};

use smoltcp::iface::{Interface, InterfaceBuilder};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::socket::TcpSocket;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint};
use smoltcp::{Error, Result};

pub use smoltcp::socket::{TcpSocketBuffer as SocketBuffer, TcpState as State};

use crate::device::{Wire, capabilities};

/// Whether the limit on challenge ACKs can be lifted: a socket can't be shown another time than its timers.
pub const THROTTLE: &str = "settings=ack throttle=1000,text";

pub enum ConnectError {
    InvalidState,
    Unaddressable,
}

pub struct ListenError;

pub enum RecvError {
    InvalidState,
    Finished,
}

/// A local end whose address may be left open.
#[derive(Clone, Copy)]
pub struct IpListenEndpoint {
    pub addr: Option<IpAddress>,
    pub port: u16,
}

impl From<IpListenEndpoint> for IpEndpoint {
    fn from(end: IpListenEndpoint) -> Self {
        IpEndpoint { addr: end.addr.unwrap_or(IpAddress::Unspecified), port: end.port }
    }
}

/// A socket; what is not here is smoltcp's own.
pub struct Socket<'a>(TcpSocket<'a>);

impl<'a> Socket<'a> {
    pub fn new(receiving: SocketBuffer<'a>, sending: SocketBuffer<'a>) -> Self {
        Socket(TcpSocket::new(receiving, sending))
    }

    pub fn listen(&mut self, end: IpListenEndpoint) -> std::result::Result<(), ListenError> {
        self.0.listen(end).map_err(|_| ListenError)
    }

    pub fn recv_slice(&mut self, data: &mut [u8]) -> std::result::Result<usize, RecvError> {
        self.0.recv_slice(data).map_err(|error| match error {
            Error::Finished => RecvError::Finished,
            _ => RecvError::InvalidState,
        })
    }

    pub fn local_endpoint(&self) -> Option<IpEndpoint> {
        self.0.remote_endpoint().is_specified().then(|| self.0.local_endpoint())
    }

    pub fn remote_endpoint(&self) -> Option<IpEndpoint> {
        Some(self.0.remote_endpoint()).filter(IpEndpoint::is_specified)
    }
}

impl<'a> Deref for Socket<'a> {
    type Target = TcpSocket<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Socket<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

#[derive(Clone, Copy)]
pub struct SocketHandle(usize);

/// Sockets while no interface has them; a slot is empty while one has.
pub struct SocketSet<'a>(Vec<Option<Socket<'a>>>);

impl<'a> SocketSet<'a> {
    pub fn new(sockets: Vec<Socket<'a>>) -> Self {
        SocketSet(sockets.into_iter().map(Some).collect())
    }

    pub fn add(&mut self, socket: Socket<'a>) -> SocketHandle {
        self.0.push(Some(socket));
        SocketHandle(self.0.len() - 1)
    }

    pub fn get<S>(&self, handle: SocketHandle) -> &Socket<'a> {
        self.0[handle.0].as_ref().expect("no interface has it")
    }

    pub fn get_mut<S>(&mut self, handle: SocketHandle) -> &mut Socket<'a> {
        self.0[handle.0].as_mut().expect("no interface has it")
    }
}

pub fn all<'a>(sockets: &'a SocketSet<'static>) -> impl Iterator<Item = &'a Socket<'static>> {
    sockets.0.iter().flatten()
}

/// What an interface is made from.
pub struct Host {
    seed: u64,
    addresses: Vec<IpCidr>,
}

impl Host {
    pub fn new(seed: u64, _wire: &mut Wire, _now: Instant) -> Self {
        Host { seed, addresses: vec![] }
    }

    pub fn addresses(&self) -> &[IpCidr] {
        &self.addresses
    }

    /// Own another address; there is always room.
    pub fn own(&mut self, address: IpCidr) -> bool {
        self.addresses.push(address);
        true
    }

    pub fn owns(&self, address: IpAddress) -> bool {
        self.addresses.iter().any(|own| own.address() == address)
    }

    /// Process what has arrived, and send whatever is due.
    pub fn take_in(&mut self, now: Instant, wire: &mut Wire, sockets: &mut SocketSet<'static>) {
        self.work(now, wire, sockets);
    }

    /// Work until there is nothing more to do, or until an error, which the next call goes on behind.
    pub fn work(&mut self, now: Instant, wire: &mut Wire, sockets: &mut SocketSet<'static>) {
        self.with(wire, sockets, |interface| while interface.poll(now) == Ok(true) {});
    }

    /// When there will be something to do again.
    pub fn due(&mut self, now: Instant, sockets: &mut SocketSet<'static>) -> Option<Instant> {
        self.with(&mut Wire::default(), sockets, |interface| interface.poll_at(now))
    }

    pub fn connect(
        &mut self,
        socket: &mut Socket<'static>,
        remote: IpEndpoint,
        local: IpListenEndpoint,
    ) -> std::result::Result<(), ConnectError> {
        // A local address that is left open is the first of the remote one's family, as in IpRepr::lower(): but smoltcp
        // would not tell it until the peer has answered.
        let own = || {
            self.addresses.iter().map(IpCidr::address).find(|own| own.as_bytes().len() == remote.addr.as_bytes().len())
        };
        let local = IpListenEndpoint { addr: local.addr.or_else(own), ..local };
        let (mut wire, mut none) = (Wire::default(), SocketSet::new(vec![]));
        self.with(&mut wire, &mut none, |interface| {
            let fresh = Socket::new(SocketBuffer::new(vec![]), SocketBuffer::new(vec![]));
            let handle = interface.add_socket(std::mem::replace(&mut socket.0, fresh.0));
            let (inner, context) = interface.get_socket_and_context::<TcpSocket>(handle);
            let result = inner.connect(context, remote, local).map_err(|error| match error {
                Error::Unaddressable => ConnectError::Unaddressable,
                _ => ConnectError::InvalidState,
            });
            let smoltcp::socket::Socket::Tcp(back) = interface.remove_socket(handle);
            socket.0 = back;
            result
        })
    }

    fn with<'w, R>(
        &self,
        wire: &'w mut Wire,
        sockets: &mut SocketSet<'static>,
        act: impl FnOnce(&mut Interface<'static, Line<'w>>) -> R,
    ) -> R {
        let builder = InterfaceBuilder::new(Line(wire), vec![]).random_seed(self.seed);
        let mut interface = builder.ip_addrs(self.addresses.clone()).finalize();
        // A socket that is closed, and has nobody to tell, does nothing any more.
        let alive = |socket: &mut Socket| socket.state() != State::Closed || socket.remote_endpoint().is_some();
        let mut lent = vec![];
        for slot in &mut sockets.0 {
            if let Some(socket) = slot.take_if(alive) {
                lent.push((interface.add_socket(socket.0), slot));
            }
        }
        let result = act(&mut interface);
        for (handle, slot) in lent {
            let smoltcp::socket::Socket::Tcp(socket) = interface.remove_socket(handle);
            *slot = Some(Socket(socket));
        }
        result
    }
}

pub struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> Result<R>>(mut self, _now: Instant, read: F) -> Result<R> {
        read(&mut self.0)
    }
}

pub struct TxToken<'a>(&'a mut Wire);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> Result<R>>(self, _now: Instant, octets: usize, write: F) -> Result<R> {
        self.0.send(octets, write)
    }
}

/// The wire as an interface's own.
pub struct Line<'w>(&'w mut Wire);

impl<'a> Device<'a> for Line<'_> {
    type RxToken = RxToken;
    type TxToken = TxToken<'a>;

    fn receive(&'a mut self) -> Option<(RxToken, TxToken<'a>)> {
        let packet = self.0.next()?;
        Some((RxToken(packet), TxToken(self.0)))
    }

    fn transmit(&'a mut self) -> Option<TxToken<'a>> {
        Some(TxToken(self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}
