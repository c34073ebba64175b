//! What the driver needs of smoltcp from release 0.9 to 0.11: one poll takes packets in and sends, at one time.

use smoltcp::iface::{Config, Interface};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint};

pub use smoltcp::iface::{SocketHandle, SocketSet};
pub use smoltcp::socket::tcp::{ConnectError, ListenError, RecvError, Socket, SocketBuffer, State};
pub use smoltcp::wire::IpListenEndpoint;

use crate::device::{Wire, capabilities};

/// Whether the limit on challenge ACKs can be lifted: a socket can't be shown another time than its timers.
pub const THROTTLE: &str = "settings=ack throttle=1000,text";

/// An interface and its clock, which somebody else owns.
pub struct Host(Interface);

impl Host {
    pub fn new(seed: u64, wire: &mut Wire, now: Instant) -> Self {
        let mut config = config();
        config.random_seed = seed;
        Host(interface(config, wire, now))
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

    /// Process what has arrived, and send whatever is due.
    pub fn take_in(&mut self, now: Instant, wire: &mut Wire, sockets: &mut SocketSet<'static>) {
        self.work(now, wire, sockets);
    }

    /// Work until there is nothing more to do.
    pub fn work(&mut self, now: Instant, wire: &mut Wire, sockets: &mut SocketSet<'static>) {
        while self.0.poll(now, wire, sockets) {}
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

#[cfg(not(feature = "api-0-9"))]
fn config() -> Config {
    Config::new(smoltcp::wire::HardwareAddress::Ip)
}

#[cfg(not(feature = "api-0-9"))]
fn interface(config: Config, wire: &mut Wire, now: Instant) -> Interface {
    Interface::new(config, wire, now)
}

/// A network device without a link layer needs no address of one.
#[cfg(feature = "api-0-9")]
fn config() -> Config {
    Config::new()
}

/// An interface learns the time at its first poll.
#[cfg(feature = "api-0-9")]
fn interface(config: Config, wire: &mut Wire, _now: Instant) -> Interface {
    Interface::new(config, wire)
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
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        read(&mut self.0)
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
