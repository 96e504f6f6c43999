//! Counters of the maps, summed over all CPUs.

use std::collections::BTreeMap;

use aya::maps::PerCpuValues;
use gateway_common::{
    binding::Traffic,
    counters::{Drops, Paths},
    loss::Loss,
};

use super::{
    Maps,
    error::{MapsError, Named},
};

impl Maps {
    /// Returns the drop counters, summed over all CPUs.
    pub fn drops(&self) -> Result<Drops, MapsError> {
        let mut sum = Drops::default();
        self.drops.get(&0, 0).of("drops")?.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
    }

    /// Returns the path counters, summed over all CPUs.
    pub fn paths(&self) -> Result<Paths, MapsError> {
        let mut sum = Paths::default();
        self.paths.get(&0, 0).of("paths")?.iter().for_each(|cpu| sum.add(cpu));
        Ok(sum)
    }

    /// Returns the packets lost after a redirect, by interface, summed over all CPUs.
    pub fn losses(&self) -> Result<BTreeMap<u32, Loss>, MapsError> {
        let mut all = BTreeMap::new();
        for row in self.losses.iter() {
            let (ifindex, cpus) = row.of("losses")?;
            let mut sum = Loss::default();
            cpus.iter().for_each(|cpu| sum.add(cpu));
            all.insert(ifindex, sum);
        }
        Ok(all)
    }

    /// Returns the number of tunnel packets that arrived while lease number `lease` did not run here, summed over all
    /// CPUs.
    pub fn strays(&self, lease: u32) -> Result<u64, MapsError> {
        Ok(self.strays.get(&lease, 0).of("strays")?.iter().sum())
    }

    /// Returns the traffic of binding number `id`, summed over all CPUs.
    pub fn binding_traffic(&self, id: u32) -> Result<Traffic, MapsError> {
        Ok(sum(&self.binding_stats.get(&id, 0).of("binding_stats")?))
    }

    /// Returns the traffic of tunnel number `id`, summed over all CPUs.
    pub fn tunnel_traffic(&self, id: u32) -> Result<Traffic, MapsError> {
        Ok(sum(&self.tunnel_stats.get(&id, 0).of("tunnel_stats")?))
    }
}

fn sum(cpus: &PerCpuValues<Traffic>) -> Traffic {
    cpus.iter().fold(Traffic::default(), |mut sum, cpu| {
        sum.rx_packets += cpu.rx_packets;
        sum.rx_bytes += cpu.rx_bytes;
        sum.tx_packets += cpu.tx_packets;
        sum.tx_bytes += cpu.tx_bytes;
        sum
    })
}
