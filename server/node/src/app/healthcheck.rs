//! `sockeye healthcheck`: for container engines, which ask by running a command.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use crate::config::Config;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Succeeds when a gateway or a worker on this machine answers `/healthz`.
pub fn run(config: &Config) -> ExitCode {
    let host = if config.http.host.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { config.http.host };
    let alive = [config.http.port, config.node.ops_port].into_iter().any(|port| lives((host, port).into()));
    if alive { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
