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
}

impl Flows {
    pub fn forget(&mut self) {
        self.flows.clear();
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

    /// Whether a datagram that arrives is the next one of its connection, and acknowledges what is new and was sent: what
    /// no stack answers with a challenge, and measures a round trip by.
    pub fn is_next(&mut self, datagram: &[u8]) -> bool {
        let Some(((from, to), segment)) = read(datagram) else { return false };
        let Some(flow) = self.flows.get_mut(&(to, from)) else { return false };
        let plain = segment.ack() && !segment.syn() && !segment.rst() && flow.rcv_nxt == Some(segment.seq_number());
        let number = segment.ack_number();
        if !plain || number <= flow.snd_una || number > flow.snd_nxt || (segment.segment_len() > 0 && flow.window == 0)
        {
            return false;
        }
        flow.snd_una = number;
        true
    }
}

/// The sequence number of a SYN.
pub fn opening_number(datagram: &[u8]) -> Option<u64> {
    let (_, segment) = read(datagram)?;
    segment.syn().then(|| u64::from(segment.seq_number().0.cast_unsigned()))
}

/// Read a whole datagram.
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
