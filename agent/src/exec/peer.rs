//! Who is at the other end of the socket, by the kernel's word.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Group, User};
use std::os::unix::net::UnixStream;

/// Number of the user, if there is one of that name.
pub(super) fn uid_of(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// Number of the group, if there is one of that name.
pub(super) fn gid_of(name: &str) -> Option<u32> {
    Group::from_name(name)
        .ok()
        .flatten()
        .map(|group| group.gid.as_raw())
}

/// Whether the peer is the front's user or root.
pub(super) fn is_allowed(stream: &UnixStream, uid: u32) -> bool {
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == uid || peer.uid() == 0)
}
