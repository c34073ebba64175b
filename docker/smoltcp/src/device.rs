//! The wire: one packet in at a time, and all that the stack sends.

use std::mem;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

pub const MTU: usize = 1500;

/// A network device without a link layer.
#[derive(Default)]
pub struct Wire {
    arriving: Option<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Wire {
    /// Let a packet arrive at the next poll.
    pub fn put(&mut self, packet: Vec<u8>) {
        self.arriving = Some(packet);
    }

    /// What the stack has sent since the last call.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        mem::take(&mut self.sent)
    }

    pub fn is_quiet(&self) -> bool {
        self.sent.is_empty()
    }
}

pub struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub struct TxToken<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, octets: usize, write: F) -> R {
        let mut packet = vec![0; octets];
        let result = write(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken, TxToken<'_>)> {
        let packet = self.arriving.take()?;
        Some((RxToken(packet), TxToken(&mut self.sent)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}
