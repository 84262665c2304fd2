//! `sockeye healthcheck`: for container engines, which ask by running a command.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use crate::config::{Config, Host, OPS_PORT};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Succeeds when a gateway or a worker on this machine answers `/healthz`.
pub fn run(config: &Config) -> ExitCode {
    let ports = [config.http.port, config.node.ops_port.unwrap_or(OPS_PORT)];
    let alive = ports.into_iter().flat_map(|port| addresses(&config.http.host, port)).any(lives);
    if alive { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where a process that listens on `host` can be reached from here.
fn addresses(host: &Host, port: u16) -> Vec<SocketAddr> {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let at = |address: IpAddr| SocketAddr::new(address, port);
    match host {
        Host::Any => loopback.map(at).into(),
        Host::Address(IpAddr::V4(address)) if address.is_unspecified() => vec![at(loopback[0])],
        Host::Address(IpAddr::V6(address)) if address.is_unspecified() => loopback.map(at).into(),
        Host::Address(address) => vec![at(*address)],
        // One that has no address now is not reached.
        Host::Name(name) => {
            (name.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
        }
    }
}

fn lives(address: SocketAddr) -> bool {
    ask(address).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// The first bytes of the answer.
fn ask(address: SocketAddr) -> std::io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
