//! Wall time, as the lab's other parts read it.

use model::moment::Moment;

pub(crate) fn now() -> Moment {
    Moment(shell::clock::unix_micros())
}
