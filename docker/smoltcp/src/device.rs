//! The wire: one packet in at a time, and all that the stack sends. A network device without a link layer.

use std::mem;

use smoltcp::phy::{DeviceCapabilities, Medium};

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

    /// The packet that has arrived, for the stack.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        self.arriving.take()
    }

    /// Send a packet that `write` fills.
    pub fn send<R>(&mut self, octets: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut packet = vec![0; octets];
        let result = write(&mut packet);
        self.sent.push(packet);
        result
    }
}

pub fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = 1500;
    capabilities
}
