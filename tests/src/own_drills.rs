//! A checkout with drills of a test's own: everything else in it is a link to the real one.

use crate::lab::root;
use crate::patience::until;
use coordinator::drill::runs;
use coordinator::places::Places;
use domain::drill::phases::Run;
use model::ids::RunId;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// Name of [`CUT_SHORT`].
pub const CUT_SHORT_NAME: &str = "cut-short";

/// A few seconds on the smallest lab: a lease on a node, a lease on the host, and one probe that nothing waits for, so that the run
/// goes on whatever else a test does to the lab.
pub const CUT_SHORT: &str = "
apiVersion: drillyard/v1
kind: Drill
name: cut-short
summary: a kubelet stands still and two clusters are cut apart for some seconds
hypothesis: {statement: nothing is left of it whoever dies, contracts: [C1]}
faults:
  - {name: kubelet-stopped, inject: {fault: process_stop, targets: [{cluster: mgmt}], process: kubelet}, leaseMarginSeconds: 10}
  - {name: cut, inject: {fault: network_cut, between: [mgmt, app1]}, leaseMarginSeconds: 10}
probes:
  - {name: app1-api, cluster: app1, contract: C1, expect: observes, look: {probe: api_ready}, periodMs: 100, timeoutMs: 900}
phases: {steadySeconds: 1, observeSeconds: 3, verifySeconds: 5}
";

/// How long the end of a run may take once somebody drives it: its lease, and what undoing is tried beyond that.
const END: Duration = Duration::from_secs(120);

/// The checkout; removed when dropped.
#[derive(Debug)]
pub struct OwnDrills {
    folder: tempfile::TempDir,
}

impl OwnDrills {
    /// With these drills, by name and content, and no others.
    pub fn new(drills: &[(&str, &str)]) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("drillyard-project-").tempdir()?;
        for below in ["", "values"] {
            for entry in fs::read_dir(root().join(below))? {
                let (entry, to) = (entry?, folder.path().join(below));
                let name = entry.file_name();
                if name != "values" && name != "drills" {
                    fs::create_dir_all(&to)?;
                    symlink(entry.path(), to.join(name))?;
                }
            }
        }
        let own = folder.path().join("values/drills");
        fs::create_dir_all(&own)?;
        for (name, text) in drills {
            fs::write(own.join(format!("{name}.yaml")), text)?;
        }
        Ok(Self { folder })
    }

    /// For `DRILLYARD_PROJECT`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Runs of the lab that are on record.
pub fn begun(places: &Places) -> Result<Vec<RunId>, String> {
    runs::list(places).map_err(|e| e.to_string())
}

/// Waits until the history of every run of the lab has its end; how many runs there are. A coordinator must serve.
pub fn all_over(places: &Places) -> Result<usize, String> {
    until("the end of every run", END, || {
        let all = begun(places)?;
        for run in &all {
            let history = runs::history(places, *run).map_err(|e| e.to_string())?;
            let state = Run::fold(history.records());
            if state.finished.is_none() {
                return Err(format!(
                    "run {run} stands in {:?} with {:?}",
                    state.phase, state.faults
                ));
            }
        }
        Ok(all.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::plan::{Present, drill_plan};
    use domain::drill::scenario::Scenario;
    use model::lab::Lab;

    #[test]
    fn the_drill_of_the_tests_is_one_and_its_checkout_has_all_that_the_real_one_has() {
        let drills = OwnDrills::new(&[(CUT_SHORT_NAME, CUT_SHORT)]).expect("made");
        let file = drills.path().join("values/drills/cut-short.yaml");
        let text = fs::read_to_string(file).expect("the drill");
        let scenario = Scenario::from_yaml("cut-short.yaml", CUT_SHORT_NAME, &text).expect("valid");
        let plan = drill_plan(&scenario, &Lab::default(), &[], &Present::default()).expect("fits");
        assert_eq!(plan.impossible().count(), 0);
        for there in [
            "values/components/cilium/component.yaml",
            "terraform",
            "values/bundle",
        ] {
            assert!(drills.path().join(there).exists(), "{there}");
        }
        assert!(!drills.path().join("values/drills/mgmt-down.yaml").exists());
    }
}
