//! Programs of a capture, in place of the ones that forward.

use aya::Ebpf;
use gateway_datapath::{attach::AttachError, capture_programs::Pinned};

use super::Devices;

impl Devices {
    /// Installs the programs of a capture on all interfaces in use, in place of the ones that forward.
    ///
    /// # Errors
    /// The first interface that does not accept them. [`Devices::remove_capture`] then restores all.
    pub(crate) fn install_capture(&mut self, capture: &mut Pinned) -> Result<(), AttachError> {
        let Self { in_use, attacher, .. } = self;
        in_use.values().try_for_each(|used| attacher.put_on(capture, &used.device, used.xdp))
    }

    /// Removes the programs of a capture and installs the ones that forward again.
    ///
    /// # Errors
    /// The first interface that does not accept them. The others have them all the same.
    pub(crate) fn remove_capture(&mut self, ebpf: &mut Ebpf) -> Result<(), AttachError> {
        let Self { in_use, attacher, .. } = self;
        let mut first = Ok(());
        for used in in_use.values() {
            let done = attacher.attach_tc(ebpf, &used.device);
            let done = done.and_then(|()| match used.xdp {
                true => attacher.attach_xdp(ebpf, &used.device),
                false => Ok(()),
            });
            first = first.and(done);
        }
        first
    }
}
