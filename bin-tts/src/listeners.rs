//! The engine's listeners: all bound before anything is served, or none.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use streamer_control::config::Listeners;
use streamer_daemon::DaemonError;
use streamer_daemon::listeners::bind_each;
use tokio::net::TcpListener;

/// One listener of the configuration, bound.
#[derive(Debug)]
pub struct Bound {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its sockets, one for each address.
    pub sockets: Vec<TcpListener>,
}

/// Where the engine listens, by the names of the configuration; empty where a listener is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// RTMP.
    pub rtmp: Vec<SocketAddr>,
    /// RTMP over TLS.
    pub rtmps: Vec<SocketAddr>,
    /// HTTP streaming.
    pub http: Vec<SocketAddr>,
    /// HTTP streaming over TLS.
    pub https: Vec<SocketAddr>,
    /// The engine's own API.
    pub api: Vec<SocketAddr>,
}

/// Binds everything that is configured.
///
/// # Errors
/// [`DaemonError::Bind`] of the first that fails; nothing stays bound then.
pub fn bind_all(listeners: &Listeners) -> Result<Vec<Bound>, DaemonError> {
    let mut wanted: Vec<(&'static str, &[IpAddr], u16)> = Vec::new();
    for (name, listener) in [
        ("rtmp", &listeners.rtmp),
        ("rtmps", &listeners.rtmps),
        ("http", &listeners.http),
        ("https", &listeners.https),
    ] {
        wanted.extend(listener.as_ref().map(|listener| (name, listener.bind.as_slice(), listener.port)));
    }
    wanted.extend(listeners.api.as_ref().map(|api| ("api", api.bind.as_slice(), api.port)));
    wanted
        .into_iter()
        .map(|(name, addresses, port)| {
            let place = || format!("listeners.{name}");
            let sockets =
                bind_each(addresses, port).map_err(|source| DaemonError::Bind { place: place(), source })?;
            Ok(Bound { name, sockets })
        })
        .collect()
}

/// Where `bound` listens.
///
/// # Errors
/// [`DaemonError::System`] when the system does not tell.
pub fn addresses(bound: &[Bound]) -> Result<Addresses, DaemonError> {
    let mut addresses = Addresses::default();
    for listener in bound {
        let list = streamer_daemon::listeners::addresses(&listener.sockets)?;
        match listener.name {
            "rtmp" => addresses.rtmp = list,
            "rtmps" => addresses.rtmps = list,
            "http" => addresses.http = list,
            "https" => addresses.https = list,
            _ => addresses.api = list,
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamer_control::config::{ApiConfig, ListenerConfig};
    use streamer_net::bind;

    fn on(port: u16) -> Option<ListenerConfig> {
        Some(ListenerConfig { bind: vec![[127, 0, 0, 1].into()], port })
    }

    #[tokio::test]
    async fn free_ports_are_the_same_on_each_address_of_a_listener() {
        let api = Some(ApiConfig { port: 0, ..ApiConfig::default() });
        let listeners = Listeners { rtmp: on(0), rtmps: None, http: on(0), https: None, api };
        let addresses = addresses(&bind_all(&listeners).unwrap()).unwrap();
        assert!(addresses.rtmps.is_empty() && addresses.https.is_empty());
        assert_ne!(addresses.rtmp[0].port(), addresses.http[0].port());
        let port = addresses.api[0].port();
        assert!(port != 0 && addresses.api.iter().all(|address| address.port() == port), "{addresses:?}");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_listener() {
        let taken = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = taken.local_addr().unwrap().port();
        let listeners = Listeners { rtmp: on(0), rtmps: None, http: on(port), https: None, api: None };
        let error = bind_all(&listeners).unwrap_err().to_string();
        let expected =
            format!("listeners.http: cannot listen on 127.0.0.1:{port}: another process has this port");
        assert_eq!(error, expected);
    }
}
