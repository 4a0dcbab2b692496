//! Ports that stay ours while no one listens at them.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A local port that is ours until this is dropped. The kernel lets a program listen at it all the same, because both say
/// that they share the address and this one never listens.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Port {
    /// A free one.
    pub fn reserve() -> Self {
        let reserve = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let address = socket.local_addr()?;
            Ok::<_, std::io::Error>(Self { address, _socket: socket })
        };
        reserve().expect("a local port is free")
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
