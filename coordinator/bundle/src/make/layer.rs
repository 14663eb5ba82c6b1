//! Image layers: entries gathered under their final paths, then written as one deterministic tar file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Site, go};
use crate::error::{At, BuildError};
use crate::graph::Kind;
use crate::image::{Content, Node, write_layer};
use crate::spec::{Entry, Layer};

/// Writes one layer.
pub(super) fn build(site: &Site<'_>, layer: &Layer, output: &Path) -> Result<(), BuildError> {
    let mut nodes = BTreeMap::new();
    for entry in &layer.entries {
        add(site, &mut nodes, entry)?;
    }
    write_layer(nodes, site.spec.epoch, output)
}

fn add(site: &Site<'_>, nodes: &mut BTreeMap<PathBuf, Node>, entry: &Entry) -> Result<(), BuildError> {
    match entry {
        Entry::Directory { path, mode, uid, gid } => {
            let node = Node {
                mode: octal(mode.as_deref(), 0o755),
                uid: *uid,
                gid: *gid,
                content: Content::Directory,
            };
            nodes.insert(path.into(), node);
        }
        Entry::Text { path, text } => {
            nodes.insert(
                path.into(),
                Node::plain(0o644, Content::Bytes(text.clone().into_bytes())),
            );
        }
        Entry::Symlink { path, target } => {
            nodes.insert(path.into(), Node::plain(0o777, Content::Symlink(target.into())));
        }
        Entry::Program { name, path } => {
            let file = Content::File(site.output(Kind::Program, name));
            nodes.insert(path.into(), Node::plain(0o755, file));
        }
        Entry::Tree { name } => {
            let root = site.output(Kind::Tree, name);
            walk(&root, &[], |inner, node| nodes.insert(inner.to_owned(), node))?;
        }
        Entry::Module {
            module,
            of,
            source,
            path,
            mode,
            exclude,
        } => {
            let from = go::sources(site, module, of)?.join(source);
            let at = Path::new(path);
            if from.is_file() {
                nodes.insert(
                    at.into(),
                    Node::plain(octal(mode.as_deref(), 0o644), Content::File(from)),
                );
            } else {
                // The module cache is read-only and belongs to whoever builds: modes and owners are ours.
                walk(&from, exclude, |inner, mut node| {
                    node = Node::plain(
                        if matches!(node.content, Content::Directory) {
                            0o755
                        } else {
                            0o644
                        },
                        node.content,
                    );
                    nodes.insert(at.join(inner), node)
                })?;
            }
        }
    }
    Ok(())
}

/// Gathers a folder's content, without what only a running system has (device nodes, sockets).
fn walk(
    root: &Path,
    exclude: &[String],
    mut put: impl FnMut(&Path, Node) -> Option<Node>,
) -> Result<(), BuildError> {
    let left_out =
        |e: &walkdir::DirEntry| e.depth() == 1 && exclude.iter().any(|x| e.file_name() == x.as_str());
    for entry in walkdir::WalkDir::new(root)
        .min_depth(1)
        .into_iter()
        .filter_entry(|e| !left_out(e))
    {
        let entry = entry.map_err(io::Error::from).at("walk", root)?;
        let path = entry.path();
        let meta = path.symlink_metadata().at("inspect", path)?;
        let kind = meta.file_type();
        let content = if kind.is_dir() {
            Content::Directory
        } else if kind.is_symlink() {
            Content::Symlink(fs::read_link(path).at("read", path)?)
        } else if kind.is_file() {
            Content::File(path.to_owned())
        } else {
            continue;
        };
        let node = Node {
            mode: meta.mode() & 0o7777,
            uid: meta.uid().into(),
            gid: meta.gid().into(),
            content,
        };
        put(path.strip_prefix(root).unwrap_or(path), node);
    }
    Ok(())
}

/// The description's check has refused what is not octal.
fn octal(text: Option<&str>, default: u32) -> u32 {
    text.and_then(|t| u32::from_str_radix(t, 8).ok())
        .unwrap_or(default)
}
