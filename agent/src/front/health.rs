//! Every five seconds: a sample of the node's facts, conditions that changed, jumps of the clock; and a sign of life.

use super::conditions::{Conditions, Look};
use super::context::{Context, Failure};
use super::vitals::Vitals;
use crate::exec::protocol::{Reply, Request};
use crate::journal::Batch;
use crate::paths::Paths;
use crate::{clock, notify};
use model::event::NodeEventKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(5);
/// A larger shift between wall and monotonic clock is a jump.
const JUMP_MS: i64 = 2000;
const KUBELET_HEALTH: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 10248);
const KUBELET_ANSWER: Duration = Duration::from_secs(2);

/// Runs for good.
pub(super) async fn watch(context: Context, paths: Paths) {
    let vitals = Vitals::new(&paths);
    let mut conditions = Conditions::default();
    let mut offset = clock_offset_ms();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        notify::alive();
        let kubelet = vitals.service_runs("kubelet.service");
        let look = Look {
            containerd: vitals.service_runs("containerd.service"),
            kubelet,
            kubelet_healthy: if kubelet {
                Some(is_kubelet_healthy().await)
            } else {
                None
            },
            disk_free: vitals.disk_free(),
            facts: vitals.sample(helper_rss(&context).await),
        };
        let mut kinds: Vec<NodeEventKind> = Vec::new();
        let shift_ms = clock_offset_ms() - offset;
        if shift_ms.abs() > JUMP_MS {
            offset += shift_ms;
            kinds.push(NodeEventKind::ClockJump { shift_ms });
        }
        let changed = conditions.update(&look, clock::now());
        kinds.extend(
            changed
                .into_iter()
                .map(|condition| NodeEventKind::ConditionChanged { condition }),
        );
        kinds.push(NodeEventKind::Health { facts: look.facts });
        let events = kinds.into_iter().map(|kind| context.draft(kind)).collect();
        match context
            .append(Batch {
                events,
                ..Batch::default()
            })
            .await
        {
            // Samples are what goes first.
            Ok(()) | Err(Failure::Full) => {}
            Err(failure) => return context.fail(failure),
        }
    }
}

fn clock_offset_ms() -> i64 {
    clock::now().0 / 1000 - i64::try_from(clock::monotonic_ms()).unwrap_or(0)
}

async fn helper_rss(context: &Context) -> u64 {
    match context.helper.ask(&Request::Observe).await {
        Ok(Reply::Observed { rss }) => rss,
        _ => 0,
    }
}

/// Asks kubelet's own health port, which is plain and local.
async fn is_kubelet_healthy() -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(SocketAddr::from(KUBELET_HEALTH)).await?;
        stream
            .write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut head = [0u8; 12];
        stream.read_exact(&mut head).await?;
        Ok::<bool, std::io::Error>(head.ends_with(b"200"))
    };
    matches!(tokio::time::timeout(KUBELET_ANSWER, ask).await, Ok(Ok(true)))
}
