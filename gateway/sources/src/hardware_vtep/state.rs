//! State of the database, as operators and programs see it.

use gateway_api::view::{self, DatabaseLock, DatabaseState};

use crate::vtep::{HoldState, LockState, Status};

/// Returns false until the database was seen, or the wait for it has timed out.
pub(super) fn is_known(status: &Status) -> bool {
    !matches!(status.hold, HoldState::Waiting { .. })
}

/// Returns the view of the status.
pub(super) fn view(status: &Status) -> view::Database {
    let (state, remaining) = match status.hold {
        HoldState::Waiting { remaining } => (DatabaseState::Waiting, remaining),
        HoldState::Following => (DatabaseState::Following, None),
        HoldState::Gone { remaining } => (DatabaseState::Gone, remaining),
        HoldState::Kept { remaining, .. } => (DatabaseState::Kept, Some(remaining)),
        HoldState::Expired => (DatabaseState::Expired, None),
    };
    view::Database::HardwareVtep(view::Following {
        reached: status.remote.is_some(),
        state,
        state_seconds: None,
        hold_seconds_left: remaining.map(|left| left.as_secs()),
        remote: status.remote.clone(),
        schema_version: status.schema_version.clone(),
        unreadable_rows: status.unreadable as u64,
        problems: status.problems.iter().cloned().collect(),
        faults: status.faults.iter().cloned().collect(),
        lock: match status.lock {
            LockState::None => DatabaseLock::None,
            LockState::Asked => DatabaseLock::Asked,
            LockState::Held => DatabaseLock::Held,
            LockState::Waiting { .. } => DatabaseLock::Waiting,
            LockState::Stolen { .. } => DatabaseLock::Stolen,
            LockState::Unsupported => DatabaseLock::Unsupported,
        },
        unreachable: status.unreachable.as_ref().map(|(remote, reason, cause)| view::Unreachable {
            remote: remote.clone(),
            reason: reason.clone(),
            cause: cause.name().to_owned(),
        }),
    })
}
