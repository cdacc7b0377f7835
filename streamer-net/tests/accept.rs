//! The accept loop over loopback: bounds, TLS with reload, drain.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use streamer_net::{AcceptOptions, AcceptStats, ClientTls, Connection, ServerTls, TlsError, bind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

struct Server {
    address: SocketAddr,
    stats: Arc<AcceptStats>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), TlsError>>,
}

/// A server that says `hi` and then keeps the connection until the peer closes it.
fn start(options: AcceptOptions) -> Server {
    start_counted(options, Arc::default())
}

fn start_counted(options: AcceptOptions, stats: Arc<AcceptStats>) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let greet = |mut connection: Connection| async move {
        connection.stream.write_all(b"hi").await.unwrap();
        let _ = connection.stream.read(&mut [0; 1]).await;
    };
    let task = tokio::spawn(serve(listener, options, Arc::clone(&stats), shutdown.clone(), greet));
    Server { address, stats, shutdown, task }
}

async fn greeted(address: SocketAddr) -> (TcpStream, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut greeting = Vec::new();
    let greeted = loop {
        let mut byte = [0; 1];
        match stream.read(&mut byte).await {
            Ok(1) => greeting.push(byte[0]),
            _ => break false,
        }
        if greeting == b"hi" {
            break true;
        }
    };
    (stream, greeted)
}

#[tokio::test]
async fn a_full_listener_refuses_and_recovers() {
    let server = start(AcceptOptions { max_connections: 2, ..AcceptOptions::default() });
    let (first, in_first) = greeted(server.address).await;
    let (_second, in_second) = greeted(server.address).await;
    assert!(in_first && in_second);
    assert!(!greeted(server.address).await.1);
    assert_eq!((server.stats.open(), server.stats.refused_full()), (2, 1));
    drop(first);
    // The place is free as soon as the server has seen the close: until then it keeps refusing.
    while !greeted(server.address).await.1 {}
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let options = AcceptOptions { max_connections_per_address: Some(1), ..AcceptOptions::default() };
    let server = start(options);
    let (_held, is_in) = greeted(server.address).await;
    assert!(is_in);
    assert!(!greeted(server.address).await.1);
    assert_eq!(server.stats.refused_address(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_holds_for_a_connection_is_bounded() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let tell_bound = move |connection: Connection| {
        let tell = tell.clone();
        async move {
            tell.send(socket2::SockRef::from(connection.stream.tcp()).tcp_notsent_lowat().unwrap())
                .await
                .unwrap();
        }
    };
    let serving =
        tokio::spawn(serve(listener, AcceptOptions::default(), Arc::default(), shutdown.clone(), tell_bound));
    let _held = TcpStream::connect(address).await.unwrap();
    assert_eq!(told.recv().await, Some(streamer_net::MAX_UNSENT_BYTES));
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_closes_the_port_and_cuts_who_stays() {
    let options = AcceptOptions { drain_timeout: Duration::from_millis(1), ..AcceptOptions::default() };
    let server = start(options);
    let (mut stays, is_in) = greeted(server.address).await;
    assert!(is_in);
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert_eq!(stays.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.stats.open(), 0);
}

#[tokio::test]
async fn a_retired_listener_takes_nobody_and_keeps_who_is_in() {
    let options = AcceptOptions { max_connections_per_address: Some(2), ..AcceptOptions::default() };
    let retire = options.retire.clone();
    let old = start(options.clone());
    let (mut stays, is_in) = greeted(old.address).await;
    assert!(is_in);
    retire.cancel();
    // Its port is closed as soon as it has seen that.
    while TcpStream::connect(old.address).await.is_ok() {}
    while old.stats.open() > 1 {
        tokio::task::yield_now().await;
    }
    let refused = old.stats.refused_address();

    // Another one that takes over its counters counts who is still there.
    let options = AcceptOptions { retire: CancellationToken::new(), ..options };
    let new = start_counted(options, Arc::clone(&old.stats));
    let (_second, is_in) = greeted(new.address).await;
    assert!(is_in && !greeted(new.address).await.1);
    assert_eq!((old.stats.open(), old.stats.refused_address()), (2, refused + 1));

    assert!(!old.task.is_finished());
    stays.write_all(b"!").await.unwrap();
    old.task.await.unwrap().unwrap();
    while new.stats.open() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(greeted(new.address).await.1, "a place is free again");
}

#[tokio::test]
async fn a_retired_listener_stops_with_the_server() {
    let options = AcceptOptions { drain_timeout: Duration::from_millis(1), ..AcceptOptions::default() };
    let retire = options.retire.clone();
    let server = start(options);
    let (mut stays, is_in) = greeted(server.address).await;
    assert!(is_in);
    retire.cancel();
    while TcpStream::connect(server.address).await.is_ok() {}
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert_eq!(stays.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

async fn tls_greeted(address: SocketAddr, roots: &Path, name: &str) -> bool {
    let tcp = TcpStream::connect(address).await.unwrap();
    let Ok(mut stream) = ClientTls::from_roots_file(roots).unwrap().connect(name, tcp).await else {
        return false;
    };
    assert!(stream.encrypted());
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await.is_ok() && &greeting == b"hi"
}

#[tokio::test]
async fn a_certificate_is_exchanged_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_path, key_path) = certificate(folder.path(), "one.test");
    let tls = ServerTls::from_files(&certificate_path, &key_path).unwrap();
    let server = start(AcceptOptions { tls: Some((tls.clone(), vec![])), ..AcceptOptions::default() });
    assert!(tls_greeted(server.address, &certificate_path, "one.test").await);

    certificate(folder.path(), "two.test");
    assert!(!tls_greeted(server.address, &certificate_path, "two.test").await, "not before the reload");
    tls.reload().unwrap();
    assert!(tls_greeted(server.address, &certificate_path, "two.test").await);

    std::fs::write(&key_path, "no key").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::File { path, .. }) if path == key_path));
    assert!(tls_greeted(server.address, &certificate_path, "two.test").await, "what was good stays");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (certificate_path, _) = certificate(one.path(), "one.test");
    let (_, key_path) = certificate(two.path(), "two.test");
    assert!(matches!(ServerTls::from_files(&certificate_path, &key_path), Err(TlsError::Certificate { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_half_open_tls_handshake_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_path, key_path) = certificate(folder.path(), "one.test");
    let tls = ServerTls::from_files(&certificate_path, &key_path).unwrap();
    let server = start(AcceptOptions { tls: Some((tls, vec![])), ..AcceptOptions::default() });
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(server.stats.failed_tls(), 1);
}
