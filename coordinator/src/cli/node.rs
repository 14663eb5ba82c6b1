//! `node`: what Terraform's modules call. User-data comes from the daemon, so that no secret passes through Terraform.

use super::client::{connect, refused};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use launcher::cli::NodeArgs;
use launcher::{LabHandle, NodeSpec};
use proto::v1::MintUserDataRequest;

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
    launcher::cli::run(&args, &mut user_data, &mut std::io::stdout())
        .map(|()| Outcome::Done)
        .map_err(|e| Failure::from_error(Outcome::Internal, e.code(), &e, e.remedy()))
}
