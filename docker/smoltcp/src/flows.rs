//! What has been said on each connection, read off the wire: which packets are the next ones in order.

use std::collections::BTreeMap;

use smoltcp::wire::{IPV6_HEADER_LEN, TcpPacket, TcpSeqNumber};

/// The addresses and ports of a packet's sender and receiver, as octets.
type Ends = (Vec<u8>, Vec<u8>);

/// Of one connection, as its last packets have told.
struct Flow {
    rcv_nxt: Option<TcpSeqNumber>,
    window: u16,
    /// The number behind all that was sent, and the last one that was acknowledged in order.
    snd_nxt: TcpSeqNumber,
    snd_una: TcpSeqNumber,
}

#[derive(Default)]
pub struct Flows {
    flows: BTreeMap<Ends, Flow>,
    /// The identification of the datagram that comes in fragments, and these by their offsets: the last one or not.
    ident: [u8; 2],
    fragments: BTreeMap<usize, (bool, Vec<u8>)>,
}

impl Flows {
    pub fn forget(&mut self) {
        self.flows.clear();
        self.fragments.clear();
    }

    /// Note a packet of the stack's.
    pub fn sent(&mut self, packet: &[u8]) {
        let Some((ends, segment)) = read(packet) else { return };
        if segment.rst() {
            return;
        }
        let (begin, end) = (segment.seq_number(), segment.seq_number() + segment.segment_len());
        let flow = self.flows.entry(ends).or_insert(Flow { rcv_nxt: None, window: 0, snd_nxt: end, snd_una: begin });
        if segment.syn() {
            (flow.snd_nxt, flow.snd_una) = (end, begin);
        }
        if end > flow.snd_nxt {
            flow.snd_nxt = end;
        }
        flow.window = segment.window_len();
        flow.rcv_nxt = segment.ack().then(|| segment.ack_number());
    }

    /// Whether a packet that arrives is the next one of its connection, and acknowledges what is new and was sent: what
    /// no stack answers with a challenge, and measures a round trip by.
    pub fn is_next(&mut self, packet: &[u8]) -> bool {
        let whole = self.whole(packet);
        let Some(((from, to), segment)) = whole.as_deref().and_then(read) else { return false };
        let Some(flow) = self.flows.get_mut(&(to, from)) else { return false };
        let plain = segment.ack() && !segment.syn() && !segment.rst() && flow.rcv_nxt == Some(segment.seq_number());
        let number = segment.ack_number();
        if !plain || number <= flow.snd_una || number > flow.snd_nxt || (segment.segment_len() > 0 && flow.window == 0) {
            return false;
        }
        flow.snd_una = number;
        true
    }

    /// The datagram that is whole with this packet.
    fn whole(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let more = packet.get(6)? & 0x20 != 0;
        let offset = usize::from(u16::from_be_bytes([packet[6] & 0x1f, *packet.get(7)?])) * 8;
        if packet[0] >> 4 != 4 || (!more && offset == 0) {
            return Some(packet.to_vec());
        }
        if self.ident != packet[4..6] {
            self.ident.copy_from_slice(&packet[4..6]);
            self.fragments.clear();
        }
        let header = usize::from(packet[0] & 15) * 4;
        self.fragments.insert(offset, (!more, packet.get(header..)?.to_vec()));
        let mut found = packet[..header].to_vec();
        found[6..8].fill(0);
        for (at, (last, octets)) in &self.fragments {
            if found.len() - header != *at {
                return None;
            }
            found.extend(octets);
            if *last {
                return Some(found);
            }
        }
        None
    }
}

/// Read a whole packet.
fn read(packet: &[u8]) -> Option<(Ends, TcpPacket<&[u8]>)> {
    let (addresses, header) = match packet.first()? >> 4 {
        4 => (packet.get(12..20)?, usize::from(packet[0] & 15) * 4),
        _ => (packet.get(8..IPV6_HEADER_LEN)?, IPV6_HEADER_LEN),
    };
    let segment = TcpPacket::new_checked(packet.get(header..)?).ok()?;
    let (from, to) = addresses.split_at(addresses.len() / 2);
    let end = |address: &[u8], port: u16| [address, &port.to_be_bytes()].concat();
    Some(((end(from, segment.src_port()), end(to, segment.dst_port())), segment))
}
