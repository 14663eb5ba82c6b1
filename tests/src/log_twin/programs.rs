//! The two programs as child processes, killed when dropped.

use crate::lab;
use crate::ports::one_free;
use crate::running::Running;
use crate::twin::http::get;
use coordinator::host_steps::values::{HostFacts, render};
use model::ids::ComponentName;
use model::lab::Lab;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    store: PathBuf,
    shipper: PathBuf,
}

/// `DRILLYARD_VICTORIA_LOGS` and `DRILLYARD_OTEL_COLLECTOR`, else the bundle's; None when one of them is not there.
pub fn find() -> Option<Programs> {
    let place = |variable: &str, name: &str| {
        let named = std::env::var_os(variable).map(PathBuf::from);
        let path = named.unwrap_or_else(|| lab::cache().join("bundle/bin").join(name));
        path.is_file().then_some(path)
    };
    Some(Programs {
        store: place("DRILLYARD_VICTORIA_LOGS", "victoria-logs")?,
        shipper: place("DRILLYARD_OTEL_COLLECTOR", "otel-collector")?,
    })
}

/// One twin's place: its folder and its ports, the same over restarts.
#[derive(Debug)]
pub struct Place {
    programs: Programs,
    folder: PathBuf,
    /// The store's.
    pub store: SocketAddr,
    shipper: SocketAddr,
}

impl Place {
    /// In `folder`, with the shipper's configuration as the component has it, but for places and pauses.
    pub fn new(programs: &Programs, folder: &Path) -> Result<Self, String> {
        let text = |e: std::io::Error| format!("{}: {e}", folder.display());
        let place = Self {
            programs: programs.clone(),
            folder: folder.to_owned(),
            store: one_free(),
            shipper: one_free(),
        };
        for part in ["pods", "state", "data"] {
            std::fs::create_dir_all(folder.join(part)).map_err(text)?;
        }
        std::fs::write(folder.join("config.yaml"), place.configuration()?).map_err(text)?;
        Ok(place)
    }

    /// The folder that stands for `/var/log/pods`.
    pub fn pods(&self) -> PathBuf {
        self.folder.join("pods")
    }

    fn configuration(&self) -> Result<String, String> {
        let template = lab::root().join("values/components/log-shipper/shipper.yaml.j2");
        let template =
            std::fs::read_to_string(&template).map_err(|e| format!("{}: {e}", template.display()))?;
        let mut lab = Lab::default();
        let pauses = BTreeMap::from([("max_retry_interval".to_owned(), "500ms".to_owned())]);
        let component = ComponentName::new("log-shipper").map_err(|e| e.to_string())?;
        lab.settings.insert(component, pauses);
        let facts = HostFacts { sys_resource: false };
        let cluster = &lab.clusters[1];
        let manifest = render(
            "log-shipper",
            "shipper",
            &template,
            &lab,
            cluster,
            facts,
            &BTreeMap::new(),
        )
        .map_err(|e| format!("{e:?}"))?;
        let (_, rest) = manifest.split_once("config.yaml: |\n").ok_or("no config.yaml")?;
        let (config, _) = rest.split_once("\n---").ok_or("no end of config.yaml")?;
        let receiver = lab.clusters[0].nodes.last().ok_or("no node")?.address;
        let in_folder = |name: &str| self.folder.join(name).display().to_string();
        let swaps = [
            (format!("{receiver}:30428"), self.store.to_string()),
            ("/var/log/pods".to_owned(), in_folder("pods")),
            (
                "directory: /state".to_owned(),
                format!("directory: {}", in_folder("state")),
            ),
            (
                "host: 0.0.0.0, port: 8888".to_owned(),
                format!("host: 127.0.0.1, port: {}", self.shipper.port()),
            ),
        ];
        let mut config: String = config
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
            .collect();
        for (shipped, here) in swaps {
            if !config.contains(&shipped) {
                return Err(format!("the component's configuration has no {shipped:?}"));
            }
            config = config.replace(&shipped, &here);
        }
        Ok(config)
    }

    /// Starts the store on its data.
    pub fn start_store(&self) -> Result<Running, String> {
        let arguments = [
            format!("-storageDataPath={}", self.folder.join("data").display()),
            format!("-httpListenAddr={}", self.store),
            "-inmemoryDataFlushInterval=1s".to_owned(),
        ];
        let running = self.start(&self.programs.store, &arguments)?;
        running.until_it_answers("the store answers", || get(self.store, "/health"))?;
        Ok(running)
    }

    /// Starts the shipper on its state.
    pub fn start_shipper(&self) -> Result<Running, String> {
        let arguments = [
            format!("--config={}", self.folder.join("config.yaml").display()),
            "--feature-gates=stanza.synchronousLogEmitter".to_owned(),
        ];
        let running = self.start(&self.programs.shipper, &arguments)?;
        running.until_it_answers("the shipper answers", || get(self.shipper, "/metrics"))?;
        Ok(running)
    }

    fn start(&self, program: &Path, arguments: &[String]) -> Result<Running, String> {
        let name = Path::new(program.file_name().unwrap_or_default());
        let log = self.folder.join(name.with_extension("log"));
        Running::start(Command::new(program).args(arguments).env("GOMAXPROCS", "1"), log)
    }
}
