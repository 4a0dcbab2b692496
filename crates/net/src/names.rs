//! From names to addresses, through the guard.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolving};

use crate::Guard;

/// Turns a host's name into its addresses.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of `name`, in the order in which they should be tried.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// What the operating system knows: its hosts file and its name servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// No address of a name may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no address of this name may be connected to")]
pub(crate) struct Refused;

/// Gives a connection the addresses that it may use, and no others.
///
/// The connection is made to one of exactly these, so a name server that answers otherwise later gains nothing.
#[derive(Debug)]
pub(crate) struct GuardedNames {
    pub(crate) resolver: Arc<dyn Resolve>,
    /// Judges the addresses; without it all are good.
    pub(crate) guard: Option<Arc<Guard>>,
}

impl reqwest::dns::Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.resolver.resolve(name.as_str());
        let guard = self.guard.clone();
        Box::pin(async move {
            let mut addresses = answer.await?;
            let known = !addresses.is_empty();
            if let Some(guard) = guard {
                addresses.retain(|address| guard.permits(*address));
            }
            if known && addresses.is_empty() {
                return Err(Refused.into());
            }
            // Port 0 stands for the one that the address of the call has.
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
