//! Mode of an interface, and the frames that it accepts from XDP redirects.

use gateway_config::Mode;
use gateway_datapath::attach::{AttachError, Device};
use gateway_netdev::nic::{self, Change, Outcome, Setting};

/// Frames that an interface accepts from XDP redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transmit {
    /// Frames.
    pub frames: bool,
    /// Frames in several buffers, too.
    pub(crate) in_several_buffers: bool,
}

/// Returns the setting that makes a NIC strip VLAN tags, if it can't be turned off: XDP would see every VLAN untagged.
pub(super) fn hidden_tags(changes: &[Change]) -> Option<Setting> {
    let hides = |setting| matches!(setting, Setting::RxVlanOffload | Setting::RxVlanStagOffload);
    changes.iter().find(|change| hides(change.setting) && change.outcome != Outcome::Made).map(|change| change.setting)
}

/// Returns the mode that keeps VLANs apart. TC receives the tag that the NIC has stripped; XDP does not.
pub(super) fn possible_mode(mode: Mode, hidden: Option<Setting>, interface: &str) -> Result<Mode, AttachError> {
    match (mode, hidden) {
        (Mode::Auto, Some(setting)) => {
            tracing::warn!(
                "{interface}: the NIC takes VLAN tags off before XDP sees a frame, and its driver does not let {setting} be \
                 turned off: TC carries its traffic"
            );
            Ok(Mode::Tc)
        }
        (Mode::Xdp, Some(setting)) => Err(AttachError::TagsHidden { interface: interface.to_owned(), setting }),
        _ => Ok(mode),
    }
}

/// Returns the frames that the driver accepts from XDP redirects. A kernel before 6.3 does not report that. Then the
/// driver is assumed to accept frames, as most drivers with XDP do, and none in several buffers, as few did then.
/// Losses are counted all the same, see [`Devices::refuses`](super::Devices::refuses).
pub(super) fn transmit(device: &Device) -> Transmit {
    match nic::xdp_features(device.ifindex) {
        Ok(Some(features)) => {
            Transmit { frames: features.ndo_xmit(), in_several_buffers: features.ndo_xmit() && features.ndo_xmit_sg() }
        }
        Ok(None) => Transmit { frames: true, in_several_buffers: false },
        Err(error) => {
            tracing::warn!("{error}");
            Transmit { frames: true, in_several_buffers: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_on(setting: Setting, outcome: Outcome) -> Option<Setting> {
        hidden_tags(&[Change { setting, value: false, outcome }])
    }

    #[test]
    fn a_nic_whose_tag_stripping_is_fixed_is_used_by_tc_alone() {
        for outcome in [Outcome::Fixed, Outcome::NotFollowed] {
            for setting in [Setting::RxVlanOffload, Setting::RxVlanStagOffload] {
                let hidden = left_on(setting, outcome);
                assert_eq!(possible_mode(Mode::Auto, hidden, "eth1").unwrap(), Mode::Tc);
                assert_eq!(possible_mode(Mode::Tc, hidden, "eth1").unwrap(), Mode::Tc);
            }
        }
    }

    #[test]
    fn insisting_on_xdp_where_tags_are_hidden_is_an_error_that_names_the_remedy() {
        let error = possible_mode(Mode::Xdp, left_on(Setting::RxVlanOffload, Outcome::Fixed), "eth1").unwrap_err();
        let text = error.to_string();
        assert!(["eth1", "rx-vlan-offload", "mode = \"tc\""].iter().all(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_nic_that_shows_tags_is_used_as_it_is_configured() {
        for mode in [Mode::Auto, Mode::Xdp, Mode::Tc] {
            for hidden in [left_on(Setting::RxVlanOffload, Outcome::Made), left_on(Setting::Lro, Outcome::Fixed)] {
                assert_eq!(possible_mode(mode, hidden, "eth1").unwrap(), mode);
            }
        }
    }
}
