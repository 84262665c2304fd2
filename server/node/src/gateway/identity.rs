//! Who is on a socket.
