//! Opens the sockets to listen on.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::Host;

/// Connections the system completes before they are accepted.
const BACKLOG: u32 = 1024;

/// Opens a socket for every address that `host` stands for. A port of 0 is any free one, the same for all.
///
/// # Errors
/// A sentence that says what cannot be listened on and why.
pub async fn bind(host: &Host, port: u16) -> Result<Vec<TcpListener>, String> {
    let cannot = |what: &dyn std::fmt::Display, error| format!("cannot listen on {what}: {error}");
    let name = match host {
        Host::Any => {
            let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
            let socket = match open(both) {
                Err(error) if is_no_address_here(&error) => {
                    let old = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
                    open(old).map_err(|error| cannot(&old, error))
                }
                socket => socket.map_err(|error| cannot(&both, error)),
            };
            return Ok(vec![socket?]);
        }
        Host::Address(address) => {
            let address = SocketAddr::new(*address, port);
            return Ok(vec![open(address).map_err(|error| cannot(&address, error))?]);
        }
        Host::Name(name) => name,
    };
    let found = lookup_host((name.as_str(), port)).await.map_err(|error| cannot(name, error))?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.dedup();
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in addresses {
        let first = sockets.first().and_then(|socket| socket.local_addr().ok());
        let address = SocketAddr::new(address, first.map_or(port, |first| first.port()));
        match open(address) {
            Ok(socket) => sockets.push(socket),
            // Names are often of both kinds of address where a machine has one.
            Err(error) if is_no_address_here(&error) => missing = Some(cannot(&address, error)),
            Err(error) => return Err(cannot(&address, error)),
        }
    }
    match missing {
        Some(missing) if sockets.is_empty() => Err(missing),
        _ if sockets.is_empty() => Err(format!("cannot listen on {name}: it has no address")),
        _ => Ok(sockets),
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            // Whatever the system's default is: `::` is both.
            rustix::net::sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
            socket
        }
    };
    // A port whose last connections are not forgotten yet can be taken again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The machine does not have this kind of address, or not this one.
fn is_no_address_here(error: &io::Error) -> bool {
    let no_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(no_family)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    async fn reaches(socket: &TcpListener, from: IpAddr) -> bool {
        let port = socket.local_addr().expect("bound").port();
        TcpStream::connect((from, port)).await.is_ok()
    }

    fn has_ipv6() -> bool {
        open(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0)).is_ok()
    }

    #[tokio::test]
    async fn any_is_both_kinds_of_address_where_there_are_both() {
        let sockets = bind(&Host::Any, 0).await.expect("bound");
        assert_eq!(sockets.len(), 1);
        assert!(reaches(&sockets[0], Ipv4Addr::LOCALHOST.into()).await);
        assert_eq!(reaches(&sockets[0], Ipv6Addr::LOCALHOST.into()).await, has_ipv6());
    }

    #[tokio::test]
    async fn a_name_is_every_address_it_has_here_on_one_port() {
        let sockets = bind(&Host::Name("localhost".to_owned()), 0).await.expect("bound");
        let addresses: Vec<SocketAddr> =
            sockets.iter().map(|socket| socket.local_addr().expect("bound")).collect();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()), "{addresses:?}");
        assert!(addresses.iter().all(|address| address.port() == addresses[0].port()), "{addresses:?}");
        assert!(reaches(&sockets[0], addresses[0].ip()).await);
    }

    #[tokio::test]
    async fn what_cannot_be_listened_on_is_said() {
        let taken = bind(&Host::Address(Ipv4Addr::LOCALHOST.into()), 0).await.expect("bound");
        let port = taken[0].local_addr().expect("bound").port();
        let refused = bind(&Host::Address(Ipv4Addr::LOCALHOST.into()), port).await.expect_err("taken");
        assert!(refused.contains(&port.to_string()), "{refused}");
        let refused = bind(&Host::Name("no.such.host.invalid".to_owned()), 0).await.expect_err("no address");
        assert!(refused.contains("no.such.host.invalid"), "{refused}");
    }
}
