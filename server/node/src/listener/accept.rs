//! Takes connections in.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Bounds, connection::Connection, instruments::Instruments, pulse::Pulse, reserve::Reserve, seats::Seats,
    socket::Socket,
};
use crate::audit::{self, Act, Outcome, Subject};

/// After a failure that the next try would meet as well, such as no free descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// One router, served over HTTP/1 on any number of sockets.
pub struct Server {
    router: Router,
    bounds: Bounds,
    instruments: Arc<Instruments>,
    seats: Arc<Seats>,
    reserve: Reserve,
    connections: TaskTracker,
}

impl Server {
    /// The router finds each peer's address in its requests' `ConnectInfo<SocketAddr>`, IPv4 ones as such. `port` is what
    /// metrics call this server.
    pub fn new(port: &'static str, router: Router, bounds: Bounds) -> Self {
        let instruments = Arc::new(Instruments::new(port));
        let seats = Seats::new(bounds.clone(), instruments.clone());
        let connections = TaskTracker::new();
        Self { router, bounds, instruments, seats, reserve: Reserve::default(), connections }
    }

    /// Serves until `stop`, then finishes the requests under way. WebSockets are not waited for: whoever upgraded them
    /// closes them.
    ///
    /// # Errors
    /// None: what cannot be accepted is counted, and tried again.
    pub async fn run(self, sockets: Vec<TcpListener>, stop: CancellationToken) -> Result<(), Infallible> {
        let server = Arc::new(self);
        let mut loops = JoinSet::new();
        for socket in sockets {
            loops.spawn(server.clone().accept(socket, stop.clone()));
        }
        while loops.join_next().await.is_some() {}
        server.connections.close();
        server.connections.wait().await;
        Ok(())
    }

    async fn accept(self: Arc<Self>, socket: TcpListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => self.take(tcp, peer, &stop),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.instruments.accept_failed(&error);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr, stop: &CancellationToken) {
        let peer = match welcome(&tcp, peer) {
            Ok(peer) => peer,
            Err(error) => return tracing::trace!(%error, "a connection was gone at once"),
        };
        let seat = match self.seats.take(peer.ip()) {
            Ok(seat) => seat,
            Err(refusal) => {
                self.instruments.refused(refusal, self.bounds.connections_max);
                let subject = Subject { address: Some(peer.ip()), ..Subject::default() };
                audit::record(Act::Limit, Outcome::Refused, "connections", subject);
                return self.reserve.hear(tcp, peer, self.router.clone());
            }
        };
        let pulse = Arc::new(Pulse::new());
        let socket = Socket::new(tcp, pulse.clone(), self.instruments.clone(), &self.bounds, seat);
        // A token of its own: one that all share would have them wait for each other.
        let (server, stop) = (self.clone(), stop.child_token());
        self.connections.spawn(async move {
            let connection = Connection { socket, pulse, peer };
            connection.serve(server.router.clone(), &server.bounds, &server.instruments, stop).await;
        });
    }
}

/// Prepares a socket; gives its peer's address, an IPv4 one as such.
fn welcome(tcp: &TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
    // Answers and pushes are written whole: one that waits for the last one's acknowledgement only comes late.
    tcp.set_nodelay(true)?;
    Ok(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

/// The peer went before it was accepted; the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn nothing_written_waits_for_an_acknowledgement_and_an_ipv4_peer_is_one() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = socket.local_addr().expect("a bound listener");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), socket.accept());
        let (client, (tcp, peer)) = (client.expect("connected"), accepted.expect("accepted"));
        assert!(!tcp.nodelay().expect("an option"), "it is the default that is changed");
        let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), peer.port());
        assert_eq!(welcome(&tcp, mapped).expect("prepared"), client.local_addr().expect("bound"));
        assert!(tcp.nodelay().expect("an option"));
    }
}
