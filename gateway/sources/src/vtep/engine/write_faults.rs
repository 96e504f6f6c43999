//! Texts of the faults that prevent this gateway from writing.

use crate::vtep::{LockState, Own};

/// Returns the fault that another client has the lock `lock`, by the state of the lock.
pub(super) fn kept_out(name: &str, lock: &str, state: LockState) -> String {
    match state {
        LockState::Stolen { .. } => format!(
            "another gateway has begun to write to the database as {name:?} (it took the lock {lock}), so this one \
             does not: do the nodes hear each other's VRRP? Otherwise give each gateway a database.switch of its own"
        ),
        _ => format!(
            "another gateway writes to the database as {name:?} (it holds the lock {lock}), so this one does not: \
             give each gateway a database.switch of its own, or both the same [[vrrp]] if one stands in for the other"
        ),
    }
}

/// Returns the fault that another writer keeps changing this gateway's own rows. `rival` is the wrong value of a
/// column.
pub(super) fn own_rows_in_conflict(name: &str, own: Own, rival: &str) -> String {
    let what = match own {
        Own::Row => "deletes the row".to_owned(),
        Own::Ports => "takes ports out of the row".to_owned(),
        Own::Column(column) => format!("sets {column} to {rival:?} in the row"),
    };
    format!(
        "another program {what} of {name:?} in Physical_Switch again and again; this gateway has stopped putting it \
         right. Is there another gateway of that name? Give each a database.switch of its own, then reload"
    )
}

/// Returns the fault that another writer keeps undoing what this gateway publishes.
pub(super) fn published_in_conflict(name: &str) -> String {
    format!(
        "another program undoes what this gateway publishes as {name:?} in Ucast_Macs_Local or Mcast_Macs_Local \
         again and again; it is tried every five minutes. Is there another gateway with this one's tunnel address?"
    )
}
