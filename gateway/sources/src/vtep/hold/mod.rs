//! Holds forwarding while the database is gone, because stale is better than empty.
//!
//! A removed network, a stopped controller and a lost database look alike to the gateway. It distinguishes them by the
//! rows that are left:
//!
//! | what happened | what is seen | what is done |
//! |---|---|---|
//! | the database cannot be reached | the connection is down | forwarding stays, for ever or for as long as is configured |
//! | `ovn-controller-vtep` has exited | no tunnel key and no remote MAC is left, all at once; bindings are | each switch keeps its VNI, MACs and flood set for a while, or until a controller gives it new ones |
//! | the database was recreated | this gateway's own rows are gone and no switch is left | each switch stays for a while, with its bindings, or until it is created and bound again |
//! | this gateway's own row was deleted | it is gone, and its ports with it; switches are left | each switch keeps its bindings for a while, or until it is bound again |
//! | an operator removes bindings or a switch | the rest stays | it takes effect at once |

mod kept;
mod machine;
mod notice;
mod standing;

pub use machine::{Hold, HoldState, HoldTimes};
pub use notice::Notice;
pub use standing::Standing;
