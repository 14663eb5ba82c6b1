//! `node`: what Terraform's modules call. User-data comes from the daemon, so that no secret passes through Terraform.

use super::client::{connect, refused};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome, chain};
use launcher::cli::{Hooks, NodeArgs};
use launcher::nspawn::STORE_IN_NODE;
use launcher::{LabHandle, LaunchError, NodeSpec, StoreSeeder};
use proto::v1::MintUserDataRequest;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(context: &Context, args: NodeArgs) -> Result<Outcome, Failure> {
    let mut user_data = |_: &LabHandle, node: &NodeSpec| -> Result<String, String> {
        let node = node.name.clone();
        block_on(async {
            let mut client = connect(context).await.ok_or_else(super::client::no_daemon)?;
            let answer = client
                .mint_user_data(MintUserDataRequest { node })
                .await
                .map_err(|s| refused(&s))?;
            Ok(answer.into_inner().user_data)
        })
        .map_err(|failure| format!("{}: {}", failure.code, failure.message))
    };
    let mut hooks = Hooks {
        user_data: &mut user_data,
        store: Some(store_seeder(context)),
    };
    launcher::cli::run(&args, &mut hooks, &mut std::io::stdout())
        .map(|()| Outcome::Done)
        .map_err(|e| launch_failure(&e))
}

/// What an operator is told of a launcher that refused or failed.
pub(super) fn launch_failure(error: &LaunchError) -> Failure {
    let outcome = match error {
        LaunchError::OtherHome { .. } => Outcome::Conflict,
        _ => Outcome::Internal,
    };
    Failure::from_error(outcome, error.code(), error, error.remedy())
}

/// Nodes share the content store that the bundle made ready. A root file system without one leaves them to import.
fn store_seeder(context: &Context) -> Arc<StoreSeeder> {
    let store = bundle::paths::store(&context.places.cache);
    Arc::new(move |node: &Path| {
        if !store.exists() {
            return Ok(());
        }
        bundle::store::seed_node(&store, node, Path::new(STORE_IN_NODE))
            .map(|_| ())
            .map_err(|error| chain(&error))
    })
}
