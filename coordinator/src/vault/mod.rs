//! Keeps the Vault that a component describes: opened once, unsealed whenever it is sealed, set up for every cluster.
//!
//! One task looks every few seconds and puts right what is not. It knows Vault's state from Vault alone, so a restart of
//! Vault, of its node or of the coordinator needs no other path. Nobody else ever has the keys.

mod canary;
mod client;
mod issuing;
mod jwks;
mod keys;
mod openings;
mod setup;

use crate::components::Loaded;
use crate::exit::chain;
use crate::host_steps::component_secrets::SecretError;
use crate::places::Places;
pub(crate) use canary::CanarySource;
use client::{Client, ClientError};
use domain::component::{Keeper, VaultKeeper};
use keys::{KeyStore, KeysError};
use model::lab::{Cluster, Lab};
pub(crate) use openings::Openings;
use setup::Setup;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks. A sealed Vault stays sealed at most so long, plus the time it takes to answer.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why a Vault could not be kept; the next look tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// It does not answer, or not as it should.
    #[error("Vault")]
    Client(#[from] ClientError),
    /// Its keys cannot be read or written.
    #[error("the keys of Vault")]
    Keys(#[from] KeysError),
    /// The authority of its certificate cannot be read.
    #[error("the authority of Vault's certificate")]
    Authority(#[from] SecretError),
    /// A cluster's keys for tokens cannot be had.
    #[error("the token keys of cluster {cluster}")]
    TokenKeys {
        /// Cluster.
        cluster: String,
        /// First cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is sealed and no key for it is here.
    #[error(
        "it was opened and no keys for it are on this host: nobody can unseal it; empty its data folder on the node and \
         delete its pod, and it is opened anew"
    )]
    NoKeys,
}

/// What was found at a look, told when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Absent,
    Kept,
}

/// Keeps every Vault among `components` until everything stops.
pub(crate) async fn keep(lab: Arc<Lab>, places: Arc<Places>, components: Vec<Loaded>, openings: Openings) {
    let mut tended: Vec<Tended> = components
        .iter()
        .flat_map(|loaded| {
            let homes = lab.clusters.iter().filter(|c| loaded.component.runs_in(&c.name));
            let keeper = loaded.component.keeper.as_ref();
            homes.filter_map(move |home| keeper.map(|keeper| (home, keeper)))
        })
        .map(|(home, Keeper::Vault(keeper))| Tended::new(&places, home, keeper, &openings))
        .collect();
    if tended.is_empty() {
        return;
    }
    loop {
        for vault in &mut tended {
            vault.look(&lab, &places).await;
        }
        tokio::select! {
            () = openings.stop().cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    for vault in &mut tended {
        vault.part();
    }
}

/// The way to a Vault, as nobody; None where its cluster has no nodes.
fn client_of(home: &Cluster, keeper: &VaultKeeper, places: &Places) -> Result<Option<Client>, VaultError> {
    // The last node first: it is a worker where the cluster has one, and every node answers at the port.
    let Some(node) = home.nodes.last() else {
        return Ok(None);
    };
    let address = SocketAddr::from((node.address, keeper.node_port));
    let authority =
        crate::host_steps::component_secrets::authority_pem(&places.secrets(), &keeper.authority)?;
    Ok(Some(Client::new(address, &authority)?))
}

/// One Vault.
struct Tended {
    home: Cluster,
    keeper: VaultKeeper,
    keys: KeyStore,
    setup: Setup,
    openings: Openings,
    /// What was told last: a state, or the words of a failure.
    told: String,
}

impl Tended {
    fn new(places: &Places, home: &Cluster, keeper: &VaultKeeper, openings: &Openings) -> Self {
        Self {
            home: home.clone(),
            keeper: keeper.clone(),
            keys: KeyStore::new(&places.home, home.name.as_str()),
            setup: Setup::default(),
            openings: openings.clone(),
            told: String::new(),
        }
    }

    /// Looks once, puts right what can be put right, and tells what changed.
    async fn look(&mut self, lab: &Lab, places: &Places) {
        let cluster = self.home.name.to_string();
        // Before the first kubeconfig there is no cluster, hence no Vault.
        if !places.kubeconfig(&cluster).exists() {
            return;
        }
        let said = match self.tend(lab, places).await {
            Ok(Found::Absent) => "does not answer".to_owned(),
            Ok(Found::Kept) => "is unsealed and set up".to_owned(),
            Err(error) => chain(&error),
        };
        if said != self.told {
            tracing::info!(cluster, "Vault: {said}");
            self.told = said;
        }
    }

    async fn tend(&mut self, lab: &Lab, places: &Places) -> Result<Found, VaultError> {
        self.keys.write_down()?;
        let Some(client) = client_of(&self.home, &self.keeper, places)? else {
            return Ok(Found::Absent);
        };
        let state = match client.seal_status().await {
            Ok(state) => state,
            Err(ClientError::Unreachable(_)) => {
                self.setup.forget();
                return Ok(Found::Absent);
            }
            Err(error) => return Err(error.into()),
        };
        if !state.initialized {
            let Some(_opening) = self.openings.begin().await else {
                return Ok(Found::Absent);
            };
            self.open(&client).await?;
        }
        let keys = self.keys.load()?.ok_or(VaultError::NoKeys)?;
        if state.sealed || !state.initialized {
            client.unseal(keys.unseal()).await?;
            self.setup.forget();
            // It elects itself before it answers; the next look goes on.
            if !client.is_active().await? {
                return Ok(Found::Absent);
            }
        }
        self.setup
            .converge(
                &client.with_token(keys.root()),
                &self.keeper,
                (self.home.name.as_str(), lab),
                places,
            )
            .await?;
        Ok(Found::Kept)
    }

    /// Opens it for the first time. It holds nothing yet: keys of a Vault that is gone are put aside, not deleted.
    async fn open(&mut self, client: &Client) -> Result<(), VaultError> {
        // First: the keys are told once, and then must not find a full disk.
        self.keys.prepare()?;
        self.keys.put_aside()?;
        self.keys.keep(client.initialize().await?)?;
        self.setup.forget();
        tracing::info!(cluster = %self.home.name, "Vault was opened for the first time; its keys are on this host only");
        Ok(())
    }

    /// The last try to write down what nobody else has.
    fn part(&mut self) {
        if let Err(error) = self.keys.write_down() {
            tracing::error!(cluster = %self.home.name, "the keys of Vault are lost: {}", chain(&error));
        }
    }
}
