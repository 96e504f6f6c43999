//! Metrics of the database and of the connection to it.

use std::fmt;

use gateway_api::view::{DatabaseLock, DatabaseState};
use gateway_ovsdb::Cause;

use super::family::{Family, gauge};
use crate::metrics::{
    measured::Database,
    scrape::Scrape,
    sink::{Number, Sink},
};

const NAME: &[&str] = &["name"];

const STATES: [DatabaseState; 5] = [
    DatabaseState::Waiting,
    DatabaseState::Following,
    DatabaseState::Gone,
    DatabaseState::Kept,
    DatabaseState::Expired,
];

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "vtep_gateway_database_state",
        &["name", "state"],
        "1 for the state that holds: waiting (not seen yet), following, gone (forwarding is as it was), kept (it was emptied, \
         forwarding is as it was), expired (it was gone for too long, nothing is forwarded).",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| {
                let now = one.following.as_ref().map_or(DatabaseState::Following, |following| following.state);
                to.one_hot(&[&one.name], STATES.iter().map(|state| (*state == now, state.name())))
            })
        },
    ),
    gauge(
        "vtep_gateway_database_connected",
        NAME,
        "1 while there is a connection to a server of the database; always 1 where the configuration file is the database.",
        |scrape, to| each(scrape, to, |one| Some(one.following.as_ref().is_none_or(|following| following.reached))),
    ),
    gauge(
        "vtep_gateway_database_lock",
        &["name", "state"],
        "1 for how it stands with the lock that says which gateway of this name writes to the database: none (not wanted: no \
         connection, or a standby of a shared database), asked, held, waiting (another one has it), stolen (another one took \
         it), unsupported.",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| match &one.following {
                Some(following) => to
                    .one_hot(&[&one.name], DatabaseLock::ALL.iter().map(|lock| (*lock == following.lock, lock.name()))),
                None => Ok(()),
            })
        },
    ),
    gauge(
        "vtep_gateway_database_failure",
        &["name", "cause"],
        "1 for why there is no connection: unreachable (refused, no answer, no such host), tls, wrong_server (it lacks the \
         database, or does not lead its cluster), schema, protocol (what it says is not understood), silent, closed. 0 while \
         there is one. The reason in words is in status.",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| match &one.following {
                Some(following) => {
                    let cause = following.unreachable.as_ref().map(|why| why.cause.as_str());
                    to.one_hot(&[&one.name], Cause::ALL.iter().map(|one| (cause == Some(one.name()), one.name())))
                }
                None => Ok(()),
            })
        },
    ),
    gauge(
        "vtep_gateway_database_write_faults",
        NAME,
        "What keeps this gateway from writing to the database as it should: another gateway of its name, or another program \
         that undoes it. The sentences are in status.",
        |scrape, to| each(scrape, to, |one| one.following.as_ref().map(|following| following.faults.len() as u64)),
    ),
    gauge(
        "vtep_gateway_database_last_contact_timestamp_seconds",
        NAME,
        "When something last came from a server of the database, in Unix time. While nothing changes, that is once in each \
         inactivity_probe.",
        |scrape, to| each(scrape, to, |one| one.last_received),
    ),
    gauge(
        "vtep_gateway_database_hold_left_seconds",
        NAME,
        "While forwarding is held as it was for a time: how much longer. Missing while it follows the database, and where it is \
         held for ever.",
        |scrape, to| each(scrape, to, |one| one.following.as_ref()?.hold_seconds_left),
    ),
    gauge(
        "vtep_gateway_database_unreadable_rows",
        NAME,
        "Rows that are skipped because they do not hold what they should.",
        |scrape, to| each(scrape, to, |one| one.following.as_ref().map(|following| following.unreadable_rows)),
    ),
];

fn each<N: Into<Number>>(scrape: &Scrape, to: &mut Sink<'_>, value: fn(&Database) -> Option<N>) -> fmt::Result {
    scrape.measured.databases.iter().try_for_each(|one| to.maybe(&[&one.name], value(one)))
}
