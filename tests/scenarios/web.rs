//! The web view in a real Chromium, against the real daemon with the recorded history of a real run.

mod flood;
mod history;

use crate::daemon::Daemon;
use history::HOSTILE;
use model::lab::Lab;
use serde_json::{Value, json};
use std::time::Duration;
use tests::browser::{self, Browser};
use tests::patience::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// The page's address, as `coordinator web` prints it.
fn url(daemon: &Daemon) -> String {
    let told = until("the page's address", PATIENCE, || {
        let output = daemon
            .command(&["--json", "web"])
            .output()
            .map_err(|e| e.to_string())?;
        serde_json::from_slice::<Value>(&output.stdout)
            .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    });
    let told = told.expect("served");
    assert_eq!(told["port"], daemon.lab.network.coordinator_port + 3);
    told["url"].as_str().expect("a URL").to_owned()
}

#[test]
fn the_page_is_live_safe_and_outlives_its_daemon() {
    if !browser::fit() {
        return;
    }
    let lab = Lab::with_subnet("page", [192, 168, 79]);
    let mut daemon = Daemon::start(lab, |home| history::record(&home.join("log.redb")));
    let url = url(&daemon);
    let mut page = Browser::start().expect("a browser");
    page.look(1280, 1600, "light").expect("a window");
    page.open(&url).expect("opened");
    shows_the_run(&mut page).expect("the run");
    stays_text(&mut page).expect("text");
    answers_keys_and_filters(&mut page).expect("keys and filters");

    let seen = page
        .eval("Number(document.body.dataset.revision)")
        .expect("a revision");
    daemon.mint("app2-worker");
    let minted = format!(
        "Number(document.body.dataset.revision) > {seen} && [...document.querySelectorAll('.event')].slice(0, 20).some(e => e.innerText.includes('token_minted'))"
    );
    page.until("what happens now", &minted).expect("live");

    daemon.kill();
    let lost = "!document.getElementById('lost').hidden && /Showing the state of \\d\\d:\\d\\d:\\d\\d/.test(document.getElementById('lost').textContent)";
    page.until("the lost connection", lost).expect("told");
    let before = page
        .eval("Number(document.body.dataset.revision)")
        .expect("a revision");
    daemon.serve_again();
    let back = format!(
        "document.getElementById('lost').hidden && Number(document.body.dataset.revision) > {before}"
    );
    page.until("the daemon's next life", &back)
        .expect("back by itself");
    // Nothing came twice: every shown record has a revision of its own.
    let unique = "(() => { const all = [...document.querySelectorAll('.event')].map(e => e.dataset.serial); return new Set(all).size === all.length })()";
    page.until("each event once", unique).expect("unique");

    for (width, scheme) in [(400, "dark"), (1280, "light")] {
        page.look(width, 1600, scheme).expect("a window");
        let fits = "document.documentElement.scrollWidth <= window.innerWidth";
        page.until("no sideways scrolling", fits).expect("fits");
    }
    let foreign: Vec<&str> = page
        .requests()
        .into_iter()
        .filter(|to| !to.starts_with(&url))
        .collect();
    assert!(
        foreign.is_empty(),
        "requests beyond the page's own address: {foreign:?}"
    );
    // The one that `stays_text` provoked.
    let all = page.complaints();
    let complaints: Vec<_> = all.iter().filter(|text| !text.contains("TrustedHTML")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn shows_the_run(page: &mut Browser) -> Result<(), String> {
    page.until("six nodes", "document.querySelectorAll('.node').length === 6")?;
    page.until(
        "six contracts",
        "document.querySelectorAll('#contracts li').length === 6",
    )?;
    let steps = history::attempts();
    assert!(steps > 40, "the recorded run has only {steps} attempts");
    let bars = format!("document.querySelectorAll('#gantt .bar.main:not([hidden])').length === {steps}");
    page.until("a bar for every attempt", &bars)?;
    let phases = "document.querySelectorAll('#gantt .axis .phase').length >= 3";
    page.until("phases on the axis", phases)?;
    // A bar is where its time was, and not only somewhere: the first begins left of the last.
    let order = "(() => { const all = [...document.querySelectorAll('#gantt .bar.main')].map(b => b.getBoundingClientRect()); return all.every(b => b.width > 2.5) && all[0].left + 100 < all.at(-1).left })()";
    page.until("bars along the time", order)
}

/// What was sent as markup is there as text and did nothing.
fn stays_text(page: &mut Browser) -> Result<(), String> {
    page.eval("document.getElementById('severity').value = '0'; document.getElementById('filter').value = 'onerror'; document.getElementById('filter').dispatchEvent(new Event('input', {bubbles: true}))")?;
    let text = format!(
        "[...document.querySelectorAll('.event .msg')].some(e => e.textContent.includes({}))",
        json!(HOSTILE)
    );
    page.until("the hostile message as text", &text)?;
    page.until(
        "no element of it",
        "window.hostile === undefined && document.querySelectorAll('#list img, #list script').length === 0",
    )?;
    // The same in the dialog that opens with the event.
    page.eval("document.querySelector('.event .msg').closest('button').click()")?;
    let dialog = "document.getElementById('detail').open && document.querySelectorAll('#detail img, #detail script').length === 0 && document.getElementById('detail-body').textContent.includes('onerror')";
    page.until("the hostile message in the dialog", dialog)?;
    page.eval("document.getElementById('close').click()")?;
    // And a script that got into the page by any way would be refused.
    let refused = "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'made' } catch (e) { return e.name } })()";
    assert_eq!(page.eval(refused)?, "TypeError", "trusted types");
    Ok(())
}

fn answers_keys_and_filters(page: &mut Browser) -> Result<(), String> {
    page.eval("document.getElementById('filter').value = 'kind:gate_reached'; document.getElementById('filter').dispatchEvent(new Event('input', {bubbles: true}))")?;
    page.until("only gates", "(() => { const kinds = [...document.querySelectorAll('.event:not(.note) .kind')].map(e => e.textContent); return kinds.length > 0 && kinds.every(k => k === 'gate_reached') })()")?;
    page.eval("document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input', {bubbles: true}))")?;
    page.eval("document.querySelector('#gantt .row[tabindex=\"0\"]').focus()")?;
    page.key("ArrowDown")?;
    page.until(
        "the second step has the focus",
        "document.activeElement === document.querySelectorAll('#gantt .row')[1]",
    )?;
    page.key("Enter")?;
    page.until("the step's attempts", "document.getElementById('detail').open && document.getElementById('detail-body').textContent.includes('attempt 1')")?;
    page.eval("document.getElementById('close').click()").map(|_| ())
}
