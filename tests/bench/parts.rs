//! One part after another, each with its rows.

use crate::args::{Args, Part};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests::load::{
    Closed, Etcd, Fleet, Nats, Outcome, Pace, Rival as _, Row, Subscriber, Yard, closed_loop, cold_start,
    crowd, fill_log, stream, table,
};

/// Longest wait for all agents to be connected.
const CONNECT: Duration = Duration::from_secs(180);

/// The figures that are wanted.
const STORM: Duration = Duration::from_secs(5);
const RSS_KIB: u64 = 128 * 1024;
const P99: Duration = Duration::from_millis(50);
const COLD: Duration = Duration::from_secs(5);

const ETCD: &str = "etcd";
const NATS: &str = "NATS JetStream";

pub(crate) fn run(args: &Args) -> Outcome<()> {
    let program = program(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut rows = Vec::new();
    let measured = runtime.block_on(async {
        let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            measured = measure(args, &program, &mut rows) => measured,
            // The daemons and their folders go with the measurement that is dropped here.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
            _ = ended.recv() => Err("told to end".into()),
        }
    });
    // What was measured before a failure is worth as much.
    say(args, &rows);
    measured
}

async fn measure(args: &Args, program: &Path, rows: &mut Vec<Row>) -> Outcome<()> {
    let with_agents = [
        Part::Storm,
        Part::Sustained,
        Part::Burst,
        Part::Closed,
        Part::Crowd,
    ];
    if with_agents.iter().any(|part| args.wants(*part)) {
        Box::pin(live(args, program, rows)).await?;
    }
    if args.wants(Part::Cold) {
        Box::pin(cold(args, program, rows)).await?;
    }
    Ok(())
}

fn say(args: &Args, rows: &[Row]) {
    if !args.json {
        print!("{}", table(rows));
        return;
    }
    for row in rows {
        println!(
            "{}",
            serde_json::json!({
                "what": row.what, "measured": row.measured, "wanted": row.wanted, "met": row.met,
            })
        );
    }
}

fn program(args: &Args) -> Outcome<PathBuf> {
    let program = match &args.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("coordinator"),
    };
    if program.exists() {
        Ok(program)
    } else {
        let asked = program.display();
        Err(format!(
            "{asked} is missing; `cargo build --release --bin coordinator` makes it, --program names another"
        )
        .into())
    }
}

/// Everything that one daemon with all agents is asked.
async fn live(args: &Args, program: &Path, rows: &mut Vec<Row>) -> Outcome<()> {
    let mut yard = Yard::new(program, args.agents)?;
    eprintln!("bench: {} agents enrol", args.agents);
    let begun = Instant::now();
    let fleet = Fleet::start(&yard)?;
    yard.serve()?;
    fleet
        .connected(CONNECT)
        .await
        .map_err(|e| format!("{e}; {}", yard.said()))?;
    let enrolled = begun.elapsed();
    if args.wants(Part::Storm) {
        storm(&mut yard, &fleet, enrolled, rows).await?;
    }
    let time = Duration::from_secs(u64::try_from(args.seconds)?);
    for (part, rate, together) in [
        (Part::Sustained, args.rate, 1),
        (Part::Burst, args.burst, args.together),
    ] {
        if args.wants(part) {
            eprintln!("bench: {rate} events/s");
            paced(&yard, &fleet, Pace { rate, together, time }, rows).await?;
        }
    }
    if args.wants(Part::Closed) {
        closed(args, &yard, &fleet, time, rows).await?;
    }
    if args.wants(Part::Crowd) {
        crowds(args, &yard, &fleet, time, rows).await?;
    }
    let memory = yard.memory()?;
    let words = format!(
        "{} MiB, at most {} MiB",
        memory.now_kib / 1024,
        memory.peak_kib / 1024
    );
    let what = format!(
        "resident memory with {} agents, after all of the above",
        fleet.size()
    );
    rows.push(Row::judged(what, words, "128 MiB", memory.peak_kib <= RSS_KIB));
    Ok(())
}

async fn storm(yard: &mut Yard, fleet: &Fleet, enrolled: Duration, rows: &mut Vec<Row>) -> Outcome<()> {
    let agents = fleet.size();
    rows.push(Row::told(
        format!("{agents} tokens made, {agents} agents enrolled and connected"),
        format!("{:.1} s", enrolled.as_secs_f64()),
    ));
    eprintln!("bench: the daemon is killed, and all come back");
    yard.kill()?;
    fleet.cut_off().await;
    yard.serve()?;
    let begun = Instant::now();
    fleet
        .connected(CONNECT)
        .await
        .map_err(|e| format!("{e}; {}", yard.said()))?;
    let took = begun.elapsed();
    let memory = yard.memory()?;
    rows.push(Row::judged(
        format!("daemon killed and started: all {agents} in a session again"),
        format!("{:.2} s", took.as_secs_f64()),
        "5 s",
        took < STORM,
    ));
    let words = format!(
        "{} MiB, at most {} MiB",
        memory.now_kib / 1024,
        memory.peak_kib / 1024
    );
    let what = format!("resident memory with {agents} agents, after the storm");
    rows.push(Row::judged(what, words, "128 MiB", memory.peak_kib <= RSS_KIB));
    Ok(())
}

async fn paced(yard: &Yard, fleet: &Fleet, pace: Pace, rows: &mut Vec<Row>) -> Outcome<()> {
    let subscriber = Subscriber::start(yard, fleet).await?;
    let cpu = yard.cpu()?;
    let seen = stream(fleet, subscriber, pace).await?;
    let cpu = yard.cpu()?.saturating_sub(cpu);
    rows.push(Row::judged(
        format!(
            "{} events/s for {} s, {} at a time: append to subscriber",
            pace.rate,
            pace.time.as_secs(),
            pace.together
        ),
        format!(
            "{}; {} events, each once and in order, {:.0}/s, {:.1} s of daemon CPU",
            seen.delays.words(),
            seen.events,
            seen.rate,
            cpu.as_secs_f64()
        ),
        "p99 50 ms",
        seen.delays.permille(990) < P99,
    ));
    Ok(())
}

/// The stores that it is compared with.
struct Rivals {
    etcd: Option<Etcd>,
    nats: Option<Nats>,
}

impl Rivals {
    async fn start(args: &Args) -> Outcome<Self> {
        let etcd = match &args.etcd {
            Some(program) => Some(Etcd::start(program).await?),
            None => {
                eprintln!("bench: no --etcd, so nothing is compared with it");
                None
            }
        };
        let nats = match &args.nats {
            Some(program) => Some(Nats::start(program).await?),
            None => {
                eprintln!("bench: no --nats, so nothing is compared with it");
                None
            }
        };
        Ok(Self { etcd, nats })
    }

    /// What each does in a closed loop, by name.
    async fn closed_loop(
        &self,
        writers: usize,
        together: usize,
        time: Duration,
    ) -> Outcome<Vec<(&'static str, Closed)>> {
        let mut all = Vec::new();
        if let Some(etcd) = &self.etcd {
            all.push((ETCD, etcd.closed_loop(writers, together, time).await?));
        }
        if let Some(nats) = &self.nats {
            all.push((NATS, nats.closed_loop(writers, together, time).await?));
        }
        Ok(all)
    }

    /// What each does at a pace, by name.
    async fn paced(&self, writers: usize, pace: Pace) -> Outcome<Vec<(&'static str, Closed)>> {
        let mut all = Vec::new();
        if let Some(etcd) = &self.etcd {
            all.push((ETCD, etcd.paced(writers, pace).await?));
        }
        if let Some(nats) = &self.nats {
            all.push((NATS, nats.paced(writers, pace).await?));
        }
        Ok(all)
    }
}

async fn closed(args: &Args, yard: &Yard, fleet: &Fleet, time: Duration, rows: &mut Vec<Row>) -> Outcome<()> {
    let rivals = Rivals::start(args).await?;
    let writers = args.writers.min(fleet.size());
    for together in [1, args.together] {
        eprintln!("bench: {writers} writers, {together} events in each write");
        let subscriber = Subscriber::start(yard, fleet).await?;
        let cpu = yard.cpu()?;
        let ours = closed_loop(fleet, subscriber, writers, together, time).await?;
        let cpu = yard.cpu()?.saturating_sub(cpu);
        let what = format!("{writers} writers, {together} in each write, one write at a time");
        let theirs = rivals.closed_loop(writers, together, time).await?;
        compare(what, &ours, cpu, &theirs, rows);
    }
    let (rate, together) = (args.rate, 1);
    eprintln!("bench: {rate}/s at the others");
    for (name, theirs) in rivals.paced(writers, Pace { rate, together, time }).await? {
        rows.push(Row::told(
            format!("{name} at {rate}/s over {writers} connections: write to watcher"),
            format!("{}; {:.0}/s", theirs.delays.words(), theirs.rate),
        ));
    }
    Ok(())
}

fn compare(what: String, ours: &Closed, cpu: Duration, theirs: &[(&str, Closed)], rows: &mut Vec<Row>) {
    let words = |closed: &Closed| format!("{:.0}/s, {}", closed.rate, closed.delays.words());
    let p99 = |closed: &Closed| closed.delays.permille(990);
    let mut measured = format!("{}, {:.1} s of daemon CPU", words(ours), cpu.as_secs_f64());
    for (name, theirs) in theirs {
        let ratio = ours.rate / theirs.rate;
        measured.push_str(&format!("; {name} {}; ratio {ratio:.1}", words(theirs)));
    }
    rows.push(match theirs.iter().find(|(name, _)| *name == ETCD) {
        Some((_, etcd)) => Row::judged(
            what,
            measured,
            "twice etcd's throughput, p99 no worse",
            ours.rate >= 2.0 * etcd.rate && p99(ours) <= p99(etcd),
        ),
        None => Row::told(what, measured),
    });
}

async fn crowds(args: &Args, yard: &Yard, fleet: &Fleet, time: Duration, rows: &mut Vec<Row>) -> Outcome<()> {
    let (all, rate) = (args.subscribers, args.crowd_rate);
    let pace = Pace {
        rate,
        together: 1,
        time,
    };
    let mut calm = None;
    for stalled in [0, args.stalled.min(all.saturating_sub(1))] {
        eprintln!("bench: {all} subscribers, {stalled} of them stall");
        let seen = crowd(yard, fleet, all, stalled, pace).await?;
        let p99 = seen.delays.permille(990);
        let words = format!(
            "{}; {} deliveries, daemon {} MiB",
            seen.delays.words(),
            seen.delays.count(),
            seen.memory.now_kib / 1024
        );
        let what = format!("{all} subscribers at {rate} events/s, {stalled} of them stall");
        rows.push(match calm {
            None => Row::told(what, words),
            // Two runs without any that stall differ by as much.
            Some(calm) => Row::judged(
                what,
                words,
                "p99 as without",
                p99 <= calm + calm / 4 + Duration::from_millis(2),
            ),
        });
        calm = Some(p99);
    }
    Ok(())
}

async fn cold(args: &Args, program: &Path, rows: &mut Vec<Row>) -> Outcome<()> {
    let mut yard = Yard::new(program, 1)?;
    let fleet = Fleet::start(&yard)?;
    let bytes = u64::try_from(args.log_mib)? * 1024 * 1024;
    eprintln!("bench: a log of {} MiB is written", args.log_mib);
    let (begun, home) = (Instant::now(), yard.home());
    let entries = tokio::task::spawn_blocking(move || fill_log(&home, bytes)).await??;
    eprintln!(
        "bench: {entries} entries in {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    for (how, forgotten) in [
        ("the first start, file not in the cache", true),
        ("after SIGKILL", false),
    ] {
        let cold = cold_start(&mut yard, &fleet, forgotten).await?;
        rows.push(Row::judged(
            format!(
                "first session on a log of {} MiB, {entries} entries: {how}",
                args.log_mib
            ),
            format!(
                "{:.2} s, {} MiB resident at most; file of {} MiB",
                cold.took.as_secs_f64(),
                yard.memory()?.peak_kib / 1024,
                cold.file / 1024 / 1024
            ),
            "5 s",
            cold.took < COLD,
        ));
        yard.kill()?;
        fleet.cut_off().await;
    }
    yard.serve()?;
    fleet.connected(CONNECT).await?;
    yard.stop()?;
    fleet.cut_off().await;
    let cold = cold_start(&mut yard, &fleet, true).await?;
    rows.push(Row::judged(
        "the same after a stop in order, file not in the cache",
        format!("{:.2} s", cold.took.as_secs_f64()),
        "5 s",
        cold.took < COLD,
    ));
    Ok(())
}
