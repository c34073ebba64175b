//! What the driver needs of smoltcp from release 0.12 on: a packet can be taken in before anything goes out.

use smoltcp::iface::{Config, Interface, PollResult};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint};

pub use smoltcp::iface::{SocketHandle, SocketSet};
pub use smoltcp::socket::tcp::{ConnectError, ListenError, RecvError, Socket, SocketBuffer, State};
pub use smoltcp::wire::IpListenEndpoint;

use crate::device::{Wire, capabilities};

/// Whether the limit on challenge ACKs can be lifted.
pub const THROTTLE: &str = "settings=ack,throttle";

/// An interface and its clock, which somebody else owns.
pub struct Host(Interface);

impl Host {
    pub fn new(seed: u64, wire: &mut Wire, now: Instant) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        Host(Interface::new(config, wire, now))
    }

    pub fn addresses(&self) -> &[IpCidr] {
        self.0.ip_addrs()
    }

    /// Own another address; false if there is no room for it.
    pub fn own(&mut self, address: IpCidr) -> bool {
        let mut room = true;
        self.0.update_ip_addrs(|addresses| room = addresses.push(address).is_ok());
        room
    }

    pub fn owns(&self, address: IpAddress) -> bool {
        self.0.has_ip_addr(address)
    }

    /// Process what has arrived, and send what answers it on the spot.
    pub fn take_in(&mut self, now: Instant, wire: &mut Wire, sockets: &mut SocketSet<'static>) {
        self.0.poll_ingress_single(now, wire, sockets);
    }

    /// Work until there is nothing more to do.
    pub fn work(&mut self, now: Instant, wire: &mut Wire, sockets: &mut SocketSet<'static>) {
        // Before 0.13 a poll sends one packet of each socket, and no more.
        while self.0.poll(now, wire, sockets) == PollResult::SocketStateChanged {}
    }

    /// When there will be something to do again.
    pub fn due(&mut self, now: Instant, sockets: &mut SocketSet<'static>) -> Option<Instant> {
        self.0.poll_at(now, sockets)
    }

    pub fn connect(
        &mut self,
        socket: &mut Socket<'static>,
        remote: IpEndpoint,
        local: IpListenEndpoint,
    ) -> Result<(), ConnectError> {
        socket.connect(self.0.context(), remote, local)
    }
}

/// The TCP sockets of a set, which has no others.
pub fn all<'a>(sockets: &'a SocketSet<'static>) -> impl Iterator<Item = &'a Socket<'static>> {
    sockets.iter().map(|(_, socket)| {
        let smoltcp::socket::Socket::Tcp(socket) = socket;
        socket
    })
}

pub struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub struct TxToken<'a>(&'a mut Wire);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, octets: usize, write: F) -> R {
        self.0.send(octets, write)
    }
}

impl Device for Wire {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken, TxToken<'_>)> {
        let packet = self.next()?;
        Some((RxToken(packet), TxToken(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}
