//! IPv4 datagrams in fragments, followed as smoltcp puts them together: one at a time, for a minute.

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::Ipv4Packet;

/// smoltcp's `reassembly_timeout`.
const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(60);

/// What a packet is.
pub enum Arrival {
    /// A datagram that is not in fragments.
    Plain,
    /// The first fragment to come of a datagram.
    Begins,
    /// A further one, or one of another datagram than that under way.
    More,
    /// The fragment that makes this datagram whole.
    Whole(Vec<u8>),
}

/// The datagram that is under way.
struct Pieces {
    ident: u16,
    since: Instant,
    /// By their offsets in octets: whether it is the last one, and what it carries.
    found: BTreeMap<usize, (bool, Vec<u8>)>,
}

#[derive(Default)]
pub struct Fragments {
    pieces: Option<Pieces>,
}

impl Fragments {
    pub fn forget(&mut self) {
        self.pieces = None;
    }

    /// Take a packet that arrives.
    pub fn take(&mut self, octets: &[u8], now: Instant) -> Arrival {
        let Ok(packet) = Ipv4Packet::new_checked(octets) else { return Arrival::Plain };
        let offset = usize::from(packet.frag_offset());
        if packet.version() != 4 || (offset == 0 && !packet.more_frags()) {
            return Arrival::Plain;
        }
        self.pieces = self.pieces.take().filter(|pieces| now <= pieces.since + REASSEMBLY_TIMEOUT);
        let begins = self.pieces.is_none();
        let ident = packet.ident();
        let pieces = self.pieces.get_or_insert(Pieces { ident, since: now, found: BTreeMap::new() });
        if pieces.ident != ident {
            return Arrival::More;
        }
        pieces.found.insert(offset, (!packet.more_frags(), packet.payload().to_vec()));
        if let Some(payload) = together(&pieces.found) {
            self.pieces = None;
            let mut whole = octets[..usize::from(packet.header_len())].to_vec();
            whole[6..8].fill(0);
            whole.extend(payload);
            return Arrival::Whole(whole);
        }
        if begins { Arrival::Begins } else { Arrival::More }
    }
}

/// What all pieces carry together, if nothing is missing.
fn together(pieces: &BTreeMap<usize, (bool, Vec<u8>)>) -> Option<Vec<u8>> {
    let mut payload = vec![];
    for (offset, (last, octets)) in pieces {
        if *offset != payload.len() {
            return None;
        }
        payload.extend(octets);
        if *last {
            return Some(payload);
        }
    }
    None
}
