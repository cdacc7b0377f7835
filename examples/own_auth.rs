//! Your own rule of who may do what: publishers need a ticket, and only this machine may watch.
//!
//! `cargo run -p examples --bin own_auth [RTMP-ADDRESS]`, then push to `rtmp://127.0.0.1/live/test?ticket=42`

use std::collections::HashSet;
use std::env::args;
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use streamer_core::{AccessRequest, Action, Authorizer, Denied, DeniedKind, Gateway, Registry};
use streamer_rtmp::RtmpOptions;
use tokio_util::sync::CancellationToken;

struct Tickets(HashSet<String>);

#[async_trait]
impl Authorizer for Tickets {
    async fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), Denied> {
        let allowed = match request.action {
            Action::Publish => request.parameter("ticket").is_some_and(|ticket| self.0.contains(ticket)),
            Action::Play => request.peer.is_some_and(|peer| peer.ip().is_loopback()),
        };
        println!(
            "{} {}: {}",
            request.action.as_str(),
            request.key,
            if allowed { "granted" } else { "refused" }
        );
        if allowed { Ok(()) } else { Err(Denied::new(DeniedKind::NotAllowed, "no ticket, no show")) }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = streamer_net::bind(args().nth(1).as_deref().unwrap_or("[::]:1935").parse()?)?;
    println!("push to  rtmp://{}/live/test?ticket=42", listener.local_addr()?);
    let tickets = Tickets(HashSet::from(["42".to_owned()]));
    let gateway = Gateway::guarded(Registry::default(), Arc::new(tickets));
    let stop = CancellationToken::new();
    let server = streamer_rtmp::run(listener, RtmpOptions::default(), gateway, stop.clone());
    tokio::select! {
        ended = server => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
