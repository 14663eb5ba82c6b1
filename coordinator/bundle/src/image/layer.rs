//! One layer as a tar file: sorted, one time for all, parents included, no extension headers but long names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IntoInnerError, Read};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use crate::durable;
use crate::error::{At, BuildError};

/// One file, folder or link of a layer.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) content: Content,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Content {
    Directory,
    Symlink(PathBuf),
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Node {
    /// A node that belongs to root.
    pub(crate) fn plain(mode: u32, content: Content) -> Self {
        Node {
            mode,
            uid: 0,
            gid: 0,
            content,
        }
    }
}

/// Writes a layer. Folders that only serve as parents are added with mode 0755.
pub(crate) fn write_layer(
    mut nodes: BTreeMap<PathBuf, Node>,
    epoch: u64,
    output: &Path,
) -> Result<(), BuildError> {
    let parents: Vec<PathBuf> = nodes
        .keys()
        .flat_map(|p| p.ancestors().skip(1))
        .map(Path::to_owned)
        .collect();
    for parent in parents.into_iter().filter(|p| p != Path::new("")) {
        nodes
            .entry(parent)
            .or_insert_with(|| Node::plain(0o755, Content::Directory));
    }
    let new = durable::beside(output);
    let file = File::create(&new).at("create", &new)?;
    let mut tar = tar::Builder::new(BufWriter::with_capacity(1 << 20, file));
    for (path, node) in &nodes {
        append(&mut tar, path, node, epoch)?;
    }
    let file = tar
        .into_inner()
        .and_then(|w| w.into_inner().map_err(IntoInnerError::into_error));
    file.and_then(|f| f.sync_all()).at("sync", &new)?;
    durable::publish(&new, output)
}

fn append(
    tar: &mut tar::Builder<BufWriter<File>>,
    path: &Path,
    node: &Node,
    epoch: u64,
) -> Result<(), BuildError> {
    let head = |kind| header(kind, node.mode, node.uid, node.gid, epoch);
    match &node.content {
        Content::Directory => tar.append_data(&mut head(EntryType::Directory), path, std::io::empty()),
        Content::Symlink(target) => tar.append_link(&mut head(EntryType::Symlink), path, target),
        Content::Bytes(bytes) => {
            let mut head = head(EntryType::Regular);
            head.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            tar.append_data(&mut head, path, bytes.as_slice())
        }
        Content::File(source) => {
            let file = File::open(source).at("open", source)?;
            let bytes = file.metadata().at("inspect", source)?.len();
            let mut head = head(EntryType::Regular);
            head.set_size(bytes);
            tar.append_data(&mut head, path, file.take(bytes))
        }
    }
    .at("pack", path)
}

/// A header with nothing in it that differs from build to build.
pub(super) fn header(kind: EntryType, mode: u32, uid: u64, gid: u64, epoch: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(epoch);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_have_their_parents_and_one_time() {
        let dir = tempfile::tempdir().unwrap();
        let nodes = || {
            BTreeMap::from([
                (
                    "usr/bin/x".into(),
                    Node::plain(0o755, Content::Bytes(b"x".to_vec())),
                ),
                (
                    "etc/l".into(),
                    Node::plain(0o777, Content::Symlink("../usr".into())),
                ),
                ("tmp".into(), Node::plain(0o1777, Content::Directory)),
            ])
        };
        let write = |name| {
            let path = dir.path().join(name);
            write_layer(nodes(), 7, &path).unwrap();
            std::fs::read(path).unwrap()
        };
        let bytes = write("a");
        assert_eq!(bytes, write("b"));
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 7);
            seen.push((
                entry.path().unwrap().display().to_string(),
                entry.header().mode().unwrap(),
            ));
        }
        let expected = [
            ("etc", 0o755),
            ("etc/l", 0o777),
            ("tmp", 0o1777),
            ("usr", 0o755),
            ("usr/bin", 0o755),
            ("usr/bin/x", 0o755),
        ];
        assert_eq!(seen, expected.map(|(p, m)| (p.to_owned(), m)));
    }
}
