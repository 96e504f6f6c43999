//! The BPF map `leases`: for each virtual router the time until which the data plane may forward.

use std::{
    fmt, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use aya::maps::{Array, Map, MapData, MapError};
use gateway_datapath::pins::PinDir;
use gateway_vrrp::{Time, Vrid};

/// The map of leases could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LeasesError {
    /// It is pinned, but can't be opened.
    #[error("opening the map of leases, {path}: {source}; `vtep-gateway detach` takes a damaged data plane away")]
    Open {
        /// Path of the pin.
        path: PathBuf,
        /// The kernel's reason.
        source: MapError,
    },
    /// It is another kind of map.
    #[error("the map of leases is of another kind than this version's: {0}")]
    Kind(MapError),
    /// One lease can't be read.
    #[error("reading lease {vrid}: {source}")]
    Read {
        /// The virtual router.
        vrid: Vrid,
        /// The kernel's reason.
        source: MapError,
    },
    /// One lease can't be written.
    #[error("writing lease {vrid}: {source}")]
    Write {
        /// The virtual router.
        vrid: Vrid,
        /// The kernel's reason.
        source: MapError,
    },
}

/// Map of leases. The entry with the number VRID holds the time until which to forward, in nanoseconds of
/// CLOCK_MONOTONIC. The programs compare it with the coarse clock, which lags by up to one of its ticks, or with the
/// value of that clock one tick before.
pub struct Leases(Array<MapData, u64>);

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").finish_non_exhaustive()
    }
}

impl Leases {
    /// Opens the map of an existing data plane. Returns `None` if there is none.
    ///
    /// # Errors
    /// [`LeasesError::Open`] if the map is there and can't be opened.
    pub fn open(pins: &PinDir) -> Result<Option<Self>, LeasesError> {
        Self::open_pinned(&pins.maps().join("leases"))
    }

    /// Opens a map that is pinned at `path`. Returns `None` if there is none.
    ///
    /// # Errors
    /// As [`Leases::open`].
    pub fn open_pinned(path: &Path) -> Result<Option<Self>, LeasesError> {
        let failed = |source| LeasesError::Open { path: path.to_owned(), source };
        match MapData::from_pin(path) {
            Ok(data) => Map::from_map_data(data).and_then(TryInto::try_into).map(|map| Some(Self(map))).map_err(failed),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    /// Wraps a map that is already open.
    ///
    /// # Errors
    /// [`LeasesError::Kind`] if it is not an array of times.
    pub fn from_fd(map: OwnedFd) -> Result<Self, LeasesError> {
        let map = MapData::from_fd(map).and_then(Map::from_map_data).map_err(LeasesError::Kind)?;
        Self::from_map(map)
    }

    /// Wraps the map of programs that are being loaded.
    ///
    /// # Errors
    /// [`LeasesError::Kind`] if it is not an array of times.
    pub fn from_map(map: Map) -> Result<Self, LeasesError> {
        map.try_into().map(Self).map_err(LeasesError::Kind)
    }

    /// Returns the time until which the programs forward; [`Time::ZERO`]: not at all.
    ///
    /// # Errors
    /// [`LeasesError::Read`] if the map has no such entry.
    pub fn read(&self, vrid: Vrid) -> Result<Time, LeasesError> {
        let until = self.0.get(&u32::from(vrid.get()), 0).map_err(|source| LeasesError::Read { vrid, source })?;
        Ok(Time::from_nanos(until))
    }

    /// Sets the time until which the programs forward.
    ///
    /// # Errors
    /// [`LeasesError::Write`] if the map has no such entry.
    pub fn write(&mut self, vrid: Vrid, until: Time) -> Result<(), LeasesError> {
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.0.set(u32::from(vrid.get()), until, 0).map_err(|source| LeasesError::Write { vrid, source })
    }
}

/// A map of leases, or its replacement in tests.
pub(crate) trait LeaseMap {
    fn lease(&self, vrid: Vrid) -> Result<Time, LeasesError>;
    fn set_lease(&mut self, vrid: Vrid, until: Time) -> Result<(), LeasesError>;
}

impl LeaseMap for Leases {
    fn lease(&self, vrid: Vrid) -> Result<Time, LeasesError> {
        self.read(vrid)
    }

    fn set_lease(&mut self, vrid: Vrid, until: Time) -> Result<(), LeasesError> {
        self.write(vrid, until)
    }
}

/// The maps in use. While programs are replaced, some forward under the leases of the old map and some under those of
/// the new one.
#[derive(Debug)]
pub(crate) struct LeaseMaps<M = Leases> {
    current: Option<M>,
    former: Option<M>,
}

impl<M: LeaseMap> LeaseMaps<M> {
    /// Starts with the map of an earlier run, if there is one.
    pub(crate) const fn new(current: Option<M>) -> Self {
        Self { current, former: None }
    }

    /// Makes another map the current one. The previous map is still written until the next replacement.
    pub(crate) fn replace(&mut self, new: M) {
        self.former = self.current.replace(new);
    }

    /// Returns the lease that was found, or `None` if there is no map.
    pub(crate) fn read(&self, vrid: Vrid) -> Result<Option<Time>, LeasesError> {
        self.current.as_ref().map(|leases| leases.lease(vrid)).transpose()
    }

    /// Writes a lease to all maps.
    pub(crate) fn write(&mut self, vrid: Vrid, until: Time) -> Result<(), LeasesError> {
        // A failure of one map is no reason to leave the other as it is.
        let mut written = Ok(());
        for leases in [&mut self.former, &mut self.current].into_iter().flatten() {
            written = leases.set_lease(vrid, until).and(written);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// A map that can refuse to be written.
    #[derive(Clone, Default)]
    struct Paper(Rc<RefCell<Vec<Time>>>, bool);

    impl LeaseMap for Paper {
        fn lease(&self, _: Vrid) -> Result<Time, LeasesError> {
            Ok(self.0.borrow().last().copied().unwrap_or_default())
        }

        fn set_lease(&mut self, vrid: Vrid, until: Time) -> Result<(), LeasesError> {
            if self.1 {
                return Err(LeasesError::Write { vrid, source: MapError::OutOfBounds { index: 0, max_entries: 0 } });
            }
            self.0.borrow_mut().push(until);
            Ok(())
        }
    }

    const VRID: Vrid = Vrid::new(51).unwrap();

    #[test]
    fn programs_that_are_being_replaced_get_each_lease_too() {
        let (old, new) = (Paper::default(), Paper::default());
        let mut maps = LeaseMaps::new(Some(old.clone()));
        maps.replace(new.clone());
        maps.write(VRID, Time::from_secs(3)).unwrap();
        maps.write(VRID, Time::ZERO).unwrap();
        assert_eq!(*old.0.borrow(), [Time::from_secs(3), Time::ZERO]);
        assert_eq!(*new.0.borrow(), *old.0.borrow());
    }

    #[test]
    fn a_map_that_refuses_a_lease_does_not_keep_it_from_the_other_one() {
        for refuses in [true, false] {
            let (old, new) = (Paper(Rc::default(), refuses), Paper(Rc::default(), !refuses));
            let mut maps = LeaseMaps::new(Some(old.clone()));
            maps.replace(new.clone());
            assert!(maps.write(VRID, Time::ZERO).is_err());
            assert_eq!(old.0.borrow().len() + new.0.borrow().len(), 1);
        }
    }
}
