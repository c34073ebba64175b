//! smoltcp behind the adapter protocol of tcpspec (docker/ADAPTER.md), version 1: commands on standard input, answers
//! on standard output, virtual time.

#[cfg_attr(feature = "api-0-8", path = "api_0_8.rs")]
#[cfg_attr(any(feature = "api-0-9", feature = "api-0-10"), path = "api_0_9.rs")]
#[cfg_attr(not(any(feature = "api-0-8", feature = "api-0-9", feature = "api-0-10")), path = "api_0_12.rs")]
mod api;
mod device;
mod flows;
mod fragments;
mod stack;

use std::io::{self, BufRead, Write};

use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint};

use api::{IpListenEndpoint, THROTTLE};
use stack::{Refusal, Stack};

/// The package has the number of the release that it drives.
const SMOLTCP: &str = env!("CARGO_PKG_VERSION");
/// Of what is optional. Of RFC 5961 smoltcp has the answer to an ACK of what was never sent, and neither the exact match
/// for resets nor the challenge of SYNs; timestamps can only be echoed.
const CAPABILITIES: &str = "states,ipv6,window-scale,sack,keep-alive,user-timeout";
const LACKS: &str = "rfc5961,time-wait-reuse";

/// The words behind `ok`.
type Answer = Result<String, Refusal>;

const DONE: Answer = Ok(String::new());

fn main() -> io::Result<()> {
    let mut stack = Stack::new();
    let mut output = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = command(&mut stack, &words);
        let now = stack.time();
        for packet in stack.sent() {
            writeln!(output, "out {now} {}", hex(&packet))?;
        }
        match answer {
            Ok(text) if text.is_empty() => writeln!(output, "ok")?,
            Ok(text) => writeln!(output, "ok {text}")?,
            Err((name, text)) => writeln!(output, "err {name} {text}")?,
        }
        output.flush()?;
    }
    Ok(())
}

fn command(stack: &mut Stack, words: &[&str]) -> Answer {
    match *words {
        ["hello", "tcpspec-adapter", "1"] => Ok(format!(
            "tcpspec-adapter 1 name=smoltcp version={SMOLTCP} time=virtual {THROTTLE} \
             capabilities={CAPABILITIES} lacks={LACKS}"
        )),
        ["hello", ..] => Err(("EPROTONOSUPPORT", "this adapter speaks tcpspec-adapter 1")),
        ["address", text] => {
            let cidr = text.parse::<IpCidr>().map_err(|()| ("EINVAL", "address ADDRESS/BITS"))?;
            stack.add_address(cidr).and(DONE)
        }
        ["set", "ack", how @ ("immediate" | "delayed")] => {
            stack.delay_acks(how == "delayed");
            DONE
        }
        ["set", "throttle", how @ ("on" | "off")] => {
            stack.throttle(how == "on");
            DONE
        }
        ["set", ..] => Err(("EINVAL", "settings are ack immediate|delayed and throttle on|off")),
        // Without a link layer nobody can tell whether the frame was for several hosts.
        ["in", packet, ..] => {
            stack.arrive(unhex(packet)?);
            DONE
        }
        ["advance", text] => {
            stack.advance(Duration::from_millis(number(text)?));
            Ok(stack.time().to_string())
        }
        ["reset"] => {
            stack.forget();
            DONE
        }
        ["listen", address, port, backlog] => Ok(stack.listen(local(address, port)?, number(backlog)?)?.to_string()),
        ["connect", address, port, peer_address, peer_port] => {
            let remote = endpoint(peer_address, peer_port)?;
            Ok(stack.connect(local(address, port)?, remote)?.to_string())
        }
        ["state", address, port, peer_address, peer_port] => {
            let status = stack.status(endpoint(address, port)?, endpoint(peer_address, peer_port)?);
            Ok(format!("{} recvq={} sendq={}", status.state, status.unread, status.unacknowledged))
        }
        ["accept", handle] => Ok(stack.accept(number(handle)?)?.to_string()),
        ["send", handle, data] => Ok(stack.send(number(handle)?, &unhex(data)?)?.to_string()),
        ["recv", handle, limit] => {
            let received = stack.recv(number(handle)?, number(limit)?)?;
            Ok(received.map_or("eof".to_string(), |data| hex(&data)))
        }
        ["shutdown", handle] => stack.shutdown(number(handle)?).and(DONE),
        ["option", handle, name] => Ok(stack.option(number(handle)?, name)?.to_string()),
        ["option", handle, name, value] => stack.set_option(number(handle)?, name, number(value)?).and(DONE),
        ["close", handle] => stack.end(number(handle)?, false).and(DONE),
        ["abort", handle] => stack.end(number(handle)?, true).and(DONE),
        ["error", handle] => Ok(stack.error(number(handle)?)?.unwrap_or("0").to_string()),
        _ => Err(("ENOSYS", "no such command")),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, Refusal> {
    text.parse().map_err(|_| ("EINVAL", "not a number"))
}

fn endpoint(address: &str, port: &str) -> Result<IpEndpoint, Refusal> {
    let address: IpAddress = address.parse().map_err(|()| ("EINVAL", "not an address"))?;
    Ok(IpEndpoint::new(address, number(port)?))
}

/// The application's own end; the unspecified address leaves the choice to the stack.
fn local(address: &str, port: &str) -> Result<IpListenEndpoint, Refusal> {
    let IpEndpoint { addr, port } = endpoint(address, port)?;
    Ok(IpListenEndpoint { addr: (!addr.is_unspecified()).then_some(addr), port })
}

fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    octets
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, Refusal> {
    let digit = |character: u8| char::from(character).to_digit(16);
    let octet = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    };
    text.as_bytes().chunks(2).map(octet).collect::<Option<_>>().ok_or(("EINVAL", "not hexadecimal"))
}
