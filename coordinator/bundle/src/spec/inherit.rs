//! Profiles that extend others: what the base has comes first.

use super::{Profile, Spec, SpecError};

/// Adds to every profile what the one has that it extends, which must stand before it.
pub(super) fn inherit(spec: &mut Spec) -> Result<(), SpecError> {
    let mut done: Vec<Profile> = Vec::with_capacity(spec.profiles.len());
    for mut profile in std::mem::take(&mut spec.profiles) {
        if let Some(name) = &profile.extends {
            let base = done
                .iter()
                .find(|p| p.name == *name)
                .ok_or_else(|| SpecError::Dangling {
                    field: format!("profiles.{}.extends", profile.name),
                    kind: "earlier profile",
                    name: name.clone(),
                })?;
            for (own, inherited) in [
                (&mut profile.binaries, &base.binaries),
                (&mut profile.images, &base.images),
                (&mut profile.charts, &base.charts),
                (&mut profile.crates, &base.crates),
            ] {
                let mut all = inherited.clone();
                all.extend(own.drain(..).filter(|part| !inherited.contains(part)));
                *own = all;
            }
            profile.rootfs = profile.rootfs.take().or_else(|| base.rootfs.clone());
            profile.store |= base.store;
        }
        done.push(profile);
    }
    spec.profiles = done;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Spec;
    use std::path::Path;

    fn spec(profiles: &str) -> Result<Spec, super::SpecError> {
        let text = format!(
            "{{schemaVersion: 1, name: t, versions: {{}}, host: {{packages: [], go: '1', keptMib: 1}}, epoch: 1, modules: [],\
             images: [{{name: a, reference: r/a, layers: []}}, {{name: b, reference: r/b, layers: []}}], profiles: {profiles}}}"
        );
        Spec::parse(&text, Path::new("/p/bundle.yaml"))
    }

    #[test]
    fn a_profile_has_what_its_base_has() {
        let spec =
            spec("[{name: core, through: 3, images: [a]}, {name: more, extends: core, images: [b, a]}]")
                .expect("fits");
        assert_eq!(spec.profile("more").expect("is there").images, ["a", "b"]);
        assert!(
            spec.includes("more", "core") && spec.includes("core", "core") && !spec.includes("core", "more")
        );
        let names: Vec<&str> = [1, 3, 4, 8]
            .iter()
            .map(|phase| spec.profile_for(*phase).expect("one serves it").name.as_str())
            .collect();
        assert_eq!(names, ["core", "core", "more", "more"]);
    }

    #[test]
    fn a_base_must_stand_before_it() {
        for profiles in ["[{name: a, extends: a}]", "[{name: a, extends: b}, {name: b}]"] {
            let refused = spec(profiles).expect_err("no base").to_string();
            assert!(refused.starts_with("profiles.a.extends"), "{refused}");
        }
    }
}
