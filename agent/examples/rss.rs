//! scratch
use agent::journal::*; use model::ids::*; use model::moment::Moment; use model::event::NodeEventKind;
fn rss(what:&str){ let s=std::fs::read_to_string("/proc/self/status").unwrap(); let a=s.lines().find(|l|l.starts_with("RssAnon")).unwrap(); println!("{what}: {a}"); }
fn main(){
 rss("start");
 let d=std::path::PathBuf::from("/tmp/agent-rss"); let _=std::fs::remove_dir_all(&d);
 let stamp=Draft{time:Moment(0),monotonic_ms:0,boot:BootId([0;16]),kind:NodeEventKind::AgentStarted{version:"1".into()}};
 let mut j=SledJournal::open(&d,&stamp).unwrap(); rss("open"); for l in std::fs::read_to_string("/proc/self/smaps").unwrap().split("\n").collect::<Vec<_>>().windows(12) { if l[0].contains("-") && l[0].contains("p ") { let r=l.iter().find(|x|x.starts_with("Rss")).unwrap_or(&""); let k:u64=r.split_whitespace().nth(1).unwrap_or("0").parse().unwrap_or(0); if k>500 {println!("{} {}",l[0],r);} } }
 for _ in 0..20 { j.append(&Batch{events:vec![stamp.clone()],..Default::default()}).unwrap(); }
 rss("20"); let p=j.position().last; j.ack(p).unwrap(); rss("acked");
 std::thread::sleep(std::time::Duration::from_secs(2)); rss("2s");
 drop(j); rss("dropped"); let j=SledJournal::open(&d,&stamp).unwrap(); rss("reopened"); drop(j);
}
