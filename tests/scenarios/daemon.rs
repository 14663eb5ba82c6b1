//! A daemon with a home of its own: no node and no root is needed.

use coordinator::operator_auth::connect_operator;
use coordinator::places::Places;
use coordinator::user_data::agent_binary;
use model::lab::Lab;
use proto::v1::MintUserDataRequest;
use proto::v1::operator_client::OperatorClient;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The real program, serving; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) lab: Lab,
    pub(crate) child: Child,
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Daemon {
    /// Serves `lab` on free ports. `prepare` gets the home before the daemon does.
    pub(crate) fn start(mut lab: Lab, prepare: impl FnOnce(&Path)) -> Self {
        let program = tests::lab::program().expect("the program");
        let folder = tempfile::tempdir().expect("temp");
        lab.network.coordinator_port = tests::ports::four_free(&[Ipv4Addr::LOCALHOST]);
        std::fs::write(folder.path().join("document.yaml"), lab.to_yaml()).expect("written");
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("made");
        prepare(&home);
        let child = serve(&program, folder.path());
        Self {
            lab,
            child,
            program,
            folder,
        }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        command(&self.program, self.folder.path(), words)
    }

    pub(crate) fn places(&self) -> Places {
        let folder = self.folder.path();
        Places {
            home: folder.join("home"),
            cache: folder.join("cache"),
            project: folder.to_owned(),
            program: self.program.clone(),
        }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("serve.log")).expect("its log")
    }

    /// User-data of a node, with a new token in it.
    pub(crate) fn mint(&self, node: &str) -> String {
        let places = self.places();
        // User-data names the agent's digest; which program that is does not matter here.
        let agent = agent_binary(&places);
        std::fs::create_dir_all(agent.parent().expect("a folder")).expect("made");
        std::fs::write(&agent, "an agent").expect("written");
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let minted = runtime.block_on(async {
            let channel = connect_operator(&places.home).await;
            let mut client = OperatorClient::new(channel.expect("connected"));
            client
                .mint_user_data(MintUserDataRequest { node: node.into() })
                .await
        });
        minted.expect("minted").into_inner().user_data
    }

    /// Power loss of the daemon alone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Its next life.
    pub(crate) fn serve_again(&mut self) {
        self.child = serve(&self.program, self.folder.path());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(program: &Path, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--file")
        .arg(folder.join("document.yaml"))
        .args(words)
        .env("DRILLYARD_HOME", folder.join("home"))
        .env("DRILLYARD_CACHE", folder.join("cache"))
        .stdin(Stdio::null());
    command
}

fn serve(program: &Path, folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("serve.log")).expect("a log");
    command(program, folder, &["serve"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("started")
}
