//! The database, and how far it is followed.

use super::{Family, gauge};
use crate::metrics::measured::DatabaseState;

const INSTANCE: &[&str] = &["name"];

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "vtep_gateway_database_state",
        &["name", "state"],
        "1 for the state that holds: waiting (not seen yet), following, gone (forwarding is as it was), kept (it was emptied, \
         forwarding is as it was), expired (it was gone for too long, nothing is forwarded).",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| {
                to.one_hot(
                    &[&one.instance],
                    DatabaseState::ALL.iter().map(|(state, name)| (*state == one.state, *name)),
                )
            })
        },
    ),
    gauge(
        "vtep_gateway_database_connected",
        INSTANCE,
        "1 while there is a connection to a server of the database; always 1 where the configuration file is the database.",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| to.put(&[&one.instance], one.connected))
        },
    ),
    gauge(
        "vtep_gateway_database_last_contact_timestamp_seconds",
        INSTANCE,
        "When something last came from a server of the database, in Unix time. While nothing changes, that is once in each \
         inactivity_probe.",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| to.maybe(&[&one.instance], one.heard))
        },
    ),
    gauge(
        "vtep_gateway_database_hold_left_seconds",
        INSTANCE,
        "While forwarding is held as it was: how much longer. Missing while it follows the database.",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| to.maybe(&[&one.instance], one.hold_left))
        },
    ),
    gauge(
        "vtep_gateway_database_unreadable_rows",
        INSTANCE,
        "Rows that are skipped because they do not hold what they should.",
        |scrape, to| {
            let mut databases = scrape.measured.databases.iter();
            databases.try_for_each(|one| to.put(&[&one.instance], one.unreadable))
        },
    ),
];
