//! The real Prometheus reads `/metrics` over mTLS, by the very `scrape_config` that docs/telemetry.md gives.

use crate::daemon::Daemon;
use model::lab::Lab;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tests::lab::root;
use tests::patience::until;
use tests::twin::http::{escape, get};
use tests::twin::prometheus::{find_or_skip, scraper};

const PATIENCE: Duration = Duration::from_secs(60);

/// What stands in the document for the lab's name and for the operator's address.
const LAB: &str = "coordinator.LAB.drillyard";
const ADDRESS: &str = "127.0.0.1:7445";

#[test]
fn prometheus_scrapes_by_the_documents_configuration() {
    let Some(program) = find_or_skip() else { return };
    let daemon = Daemon::start(Lab::with_subnet("scraped", [192, 168, 73]), |_| ());
    let home = daemon.places().home;
    let endpoint = until("an operator's endpoint", PATIENCE, || {
        let text = std::fs::read_to_string(home.join("pki/operator/endpoint.json"));
        let endpoint: Value =
            serde_json::from_str(&text.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        Ok::<_, String>(endpoint)
    })
    .expect("served");
    // Its paths are below the home, so it has to lie there.
    let config = home.join("prometheus.yaml");
    std::fs::write(&config, configuration(&endpoint)).expect("written");
    let folder = tempfile::tempdir().expect("temp");
    let prometheus = scraper(&program, folder.path(), &config).expect("a Prometheus");

    let target = endpoint["address"].as_str().expect("an address");
    let ask = |query: &str| value(prometheus.address, query, target);
    until("a target that is up", PATIENCE, || match ask("up")?.as_str() {
        "1" => Ok(()),
        other => Err(format!("up is {other}: {}", trouble(prometheus.address))),
    })
    .expect("scraped");
    assert_eq!(ask("drillyard_epoch").as_deref(), Ok("1"));
    // A histogram's parts, and a label of a closed set, arrive as they are.
    let appended = ask("drillyard_log_append_duration_seconds_count").expect("a histogram");
    assert!(appended.parse::<u64>().is_ok_and(|count| count > 0), "{appended}");
    assert_eq!(ask("drillyard_agents{state=\"connected\"}").as_deref(), Ok("0"));

    // Whoever has no certificate of an operator gets nothing.
    let stranger = home.join("stranger.yaml");
    let without: Vec<String> = configuration(&endpoint)
        .lines()
        .filter(|line| !line.contains("cert_file") && !line.contains("key_file"))
        .map(str::to_owned)
        .collect();
    std::fs::write(&stranger, without.join("\n")).expect("written");
    let apart = tempfile::tempdir().expect("temp");
    let prometheus = scraper(&program, apart.path(), &stranger).expect("a Prometheus");
    let up = until("a first scrape", PATIENCE, || {
        value(prometheus.address, "up", target)
    });
    assert_eq!(up.as_deref(), Ok("0"));
}

/// The block of the document with its two placeholders filled in, scraped each second.
fn configuration(endpoint: &Value) -> String {
    let document = std::fs::read_to_string(root().join("docs/telemetry.md")).expect("the document");
    let begin = document.find("scrape_configs:").expect("its configuration");
    let block = document[begin..].split("```").next().expect("a block");
    for placeholder in [LAB, ADDRESS] {
        assert_eq!(block.matches(placeholder).count(), 1, "{placeholder} in {block}");
    }
    let text = |key: &str| endpoint[key].as_str().expect("an endpoint").to_owned();
    let filled = block
        .replace(LAB, &text("server_name"))
        .replace(ADDRESS, &text("address"));
    format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{filled}")
}

/// The one value of a query at that target.
fn value(prometheus: SocketAddr, query: &str, target: &str) -> Result<String, String> {
    let body = get(prometheus, &format!("/api/v1/query?query={}", escape(query)))?;
    let answer: Value = serde_json::from_str(&body).map_err(|e| e.to_string())?;
    let found = &answer["data"]["result"];
    if found[0]["metric"]["instance"] != target
        || found[0]["metric"]["job"] != "drillyard"
        || !found[1].is_null()
    {
        return Err(format!("{query}: {answer}"));
    }
    found[0]["value"][1]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("{query}: {answer}"))
}

/// What Prometheus says of its targets.
fn trouble(prometheus: SocketAddr) -> String {
    get(prometheus, "/api/v1/targets").unwrap_or_else(|error| error)
}
