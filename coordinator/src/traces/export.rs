//! From the log to the collector, off everybody's way: a collector that is away costs the newest few thousand spans of
//! memory and nothing else.

use super::fold::{Fold, Span};
use super::otlp::request;
use crate::journal::{JournalError, JournalReader};
use crate::otlp::Endpoint;
use crate::places::Places;
use crate::plan_store;
use model::ids::Revision;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Entries read at once.
const BATCH: usize = 512;

/// Spans that wait for a collector; older ones are dropped first.
const WAITING: usize = 4096;

/// Spans in one request, far below the usual limit of 4 MiB.
const REQUEST: usize = 512;

/// Pause after a failed request.
const PAUSE: Duration = Duration::from_secs(5);

/// Exports what ends from now on, until the log ends. Runs that began before are read first, so that their spans have parents.
pub async fn export(mut log: JournalReader, places: Arc<Places>, lab: String, endpoint: Endpoint) {
    let mut fold = Fold::new(Box::new(move |digest| plan_store::load(&places, digest)));
    let mut client = TraceServiceClient::new(endpoint.connect());
    let mut waiting: VecDeque<Span> = VecDeque::new();
    let told = log.head();
    let mut cursor = Revision(log.oldest().0.saturating_sub(1));
    let mut is_reachable = true;
    loop {
        let (source, after) = (log.clone(), cursor);
        match tokio::task::spawn_blocking(move || source.read(after, BATCH)).await {
            Ok(Ok(entries)) => {
                for (revision, entry) in entries {
                    let spans = fold.take(&entry);
                    if revision > told {
                        waiting.extend(spans);
                    }
                    cursor = revision;
                }
            }
            Ok(Err(JournalError::Compacted { oldest })) => cursor = Revision(oldest.0.saturating_sub(1)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "traces do not follow the log any more");
                return;
            }
            Err(_) => return,
        }
        let excess = waiting.len().saturating_sub(WAITING);
        if excess > 0 {
            waiting.drain(..excess);
            tracing::warn!(dropped = excess, "spans are dropped: the collector is away");
        }
        while !waiting.is_empty() {
            let spans: Vec<Span> = waiting.iter().take(REQUEST).cloned().collect();
            match client.export(request(&lab, &spans)).await {
                Ok(_) => {
                    waiting.drain(..spans.len());
                    is_reachable = true;
                }
                Err(status) => {
                    if std::mem::replace(&mut is_reachable, false) {
                        tracing::warn!(code = ?status.code(), "the collector does not take traces; trying again");
                    }
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            }
        }
        if waiting.is_empty() && !log.wait_beyond(cursor).await {
            return;
        }
    }
}
