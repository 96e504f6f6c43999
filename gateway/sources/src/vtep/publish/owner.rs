//! Recognises the locators of this gateway.

use std::{collections::BTreeSet, net::IpAddr};

use crate::vtep::{Identity, rows::Locator};

/// Addresses of this gateway, now and before.
#[derive(Debug)]
pub(super) struct Owners {
    identity: Identity,
    /// Former addresses. Rows published with them are withdrawn.
    former: BTreeSet<IpAddr>,
}

/// Owner of a locator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The locator leads to the address that this gateway publishes.
    Current,
    /// The locator leads to this gateway, by an address that is not published, or no longer.
    Former,
    /// The locator leads elsewhere.
    Other,
}

impl Owners {
    /// Returns the addresses of the gateway `identity`.
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, former: BTreeSet::new() }
    }

    /// Returns the address that this gateway publishes.
    pub(super) fn published(&self) -> Option<IpAddr> {
        self.identity.tunnel_ip()
    }

    /// Adds former addresses. Addresses that this gateway has now are not former.
    pub(super) fn add_former(&mut self, former: impl IntoIterator<Item = IpAddr>) {
        self.former.extend(former);
        self.former.retain(|ip| !self.identity.is_own(*ip));
    }

    /// Applies a new identity.
    pub(super) fn reconfigure(&mut self, identity: Identity) {
        let before = std::mem::replace(&mut self.identity, identity);
        self.add_former(before.tunnel_ips);
    }

    /// Returns the owner of a locator. A locator that cannot be read leads elsewhere.
    pub(super) fn of(&self, locator: Option<&Locator>) -> Owner {
        match locator {
            Some(locator) if !locator.vxlan => Owner::Other,
            Some(locator) if Some(locator.address) == self.published() => Owner::Current,
            Some(Locator { address, .. }) if self.identity.is_own(*address) || self.former.contains(address) => {
                Owner::Former
            }
            _ => Owner::Other,
        }
    }
}
