//! Removes virtual addresses that an agent has left: it was killed, or kept its role for a restart that never came. The
//! functions block.

use std::io;

use gateway_config::InstanceConfig;
use gateway_netdev::{
    addresses::{Configurator, Placement},
    links::{self, Links},
    macvlan, netlink,
    sysctl::Sysctls,
};

use super::{HaError, virtual_router::placement_of};

/// Removes the virtual addresses of these instances and the macvlans that exist for them alone, and restores the
/// related settings. Reports through `say` what was removed. The addresses of an owner (priority 255) are kept.
///
/// # Errors
/// Netlink is not available, or the kernel refuses.
pub fn withdraw(instances: &[InstanceConfig], mut say: impl FnMut(String)) -> Result<(), HaError> {
    let sites: Vec<Placement> =
        instances.iter().filter_map(placement_of).filter(|placement| !placement.owner).collect();
    if sites.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| HaError::Addresses { source })?;
    runtime.block_on(take_off(&sites, &mut say)).map_err(|source| HaError::Addresses { source })
}

async fn take_off(sites: &[Placement], say: &mut impl FnMut(String)) -> io::Result<()> {
    let netlink = netlink::connect()?;
    let links = links::list(&netlink).await?;
    let sysctls = Sysctls::default();
    for placement in sites {
        Configurator::new(netlink.clone(), sysctls.clone()).bring(placement, false).await?;
        removed(placement, &links).for_each(&mut *say);
    }
    Ok(())
}

/// Describes what was there of a virtual router.
fn removed<'a>(placement: &'a Placement, before: &'a Links) -> impl Iterator<Item = String> + 'a {
    let macvlan = macvlan::name(placement.vrid, macvlan::is_ipv6(&placement.addresses));
    [placement.interface.clone(), macvlan].into_iter().filter_map(move |name| {
        let link = before.get(&name)?;
        let had = placement.addresses.iter().filter(|address| link.addresses.contains(address));
        let had: Vec<String> = had.map(ToString::to_string).collect();
        (!had.is_empty()).then(|| format!("took {} off {name}", had.join(" and ")))
    })
}
