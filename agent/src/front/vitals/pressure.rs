//! Where pressure stalls (PSI) are measured for this node: its own group if there is one to be seen, else the machine.

use super::milli;
use crate::paths::Paths;
use std::path::PathBuf;

/// What processes wait for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Resource {
    Cpu,
    Memory,
    Io,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Io => "io",
        }
    }
}

/// The place, found once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// A control group of the unified hierarchy that has this node's processes and no others.
    Group(PathBuf),
    /// /proc/pressure, which is of the whole machine also in a container.
    Machine(PathBuf),
    /// The kernel measures none.
    Nowhere,
}

impl Pressure {
    /// The first place that answers. `group` is where the node's init has its unified group. On a host with groups of
    /// version 1 there is none below it, so the launcher binds the node's own to another place.
    pub(super) fn find(paths: &Paths, group: PathBuf) -> Self {
        [
            Self::Group(group),
            Self::Group(paths.unified()),
            Self::Machine(paths.at("/proc/pressure")),
        ]
        .into_iter()
        .find(|place| place.milli(Resource::Cpu).is_some())
        .unwrap_or(Self::Nowhere)
    }

    /// Share of the last 10 s in which something waited, in thousandths.
    pub(super) fn milli(&self, of: Resource) -> Option<u64> {
        let file = match self {
            Self::Group(folder) => folder.join(format!("{}.pressure", of.name())),
            Self::Machine(folder) => folder.join(of.name()),
            Self::Nowhere => return None,
        };
        let text = std::fs::read_to_string(file).ok()?;
        let some = text.lines().find(|line| line.starts_with("some "))?;
        // A share in hundredths of a percent point: `avg10=1.23` is 1.23 %.
        some.split(' ')
            .find_map(|part| part.strip_prefix("avg10="))
            .map(|value| milli(value) / 100)
    }

    /// Whether others on the same machine may have part in it.
    pub(super) fn is_of_machine(&self) -> bool {
        matches!(self, Self::Machine(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn measure(folder: &Path, ending: &str, percent: &str) {
        std::fs::create_dir_all(folder).expect("made");
        for name in ["cpu", "memory", "io"] {
            let text = format!("some avg10={percent} avg60=0.00 avg300=0.00 total=1\nfull avg10=99.00\n");
            std::fs::write(folder.join(format!("{name}{ending}")), text).expect("written");
        }
    }

    #[test]
    fn the_nodes_own_group_goes_before_the_machine_wherever_it_is_mounted() {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        let group = paths.at("/sys/fs/cgroup/unified");
        let found = || Pressure::find(&paths, group.clone());
        assert_eq!(found(), Pressure::Nowhere);
        assert_eq!(found().milli(Resource::Io), None);

        measure(&paths.at("/proc/pressure"), "", "97.00");
        assert_eq!(
            (found().milli(Resource::Cpu), found().is_of_machine()),
            (Some(970), true)
        );
        measure(&paths.at("/opt/drillyard/cgroup"), ".pressure", "1.50");
        assert_eq!(
            (found().milli(Resource::Memory), found().is_of_machine()),
            (Some(15), false)
        );
        measure(&group, ".pressure", "0.30");
        assert_eq!(found(), Pressure::Group(group.clone()));
        assert_eq!(found().milli(Resource::Io), Some(3));
    }

    #[test]
    fn this_kernel_is_understood_where_it_measures() {
        let folder = PathBuf::from("/proc/pressure");
        if !folder.join("cpu").is_file() {
            eprintln!("SKIPPED: this kernel has no /proc/pressure");
            return;
        }
        let machine = Pressure::Machine(folder);
        for of in [Resource::Cpu, Resource::Memory, Resource::Io] {
            assert!(machine.milli(of).is_some_and(|share| share <= 1000), "{of:?}");
        }
    }
}
