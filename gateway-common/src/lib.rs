//! The ABI between the BPF programs of vtep-gateway and its agent: keys and values of the maps, events, counters,
//! limits, and the header arithmetic that both sides and the tests use. Nothing else belongs here.
//!
//! Every type of the ABI is `repr(C)`, [`bytemuck::Pod`] (so without implicit padding), and keeps integers in host byte
//! order unless a field's comment differs. Field names are those that `bpftool map dump` prints.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod binding;
pub mod budget;
pub mod capture;
pub mod counters;
pub mod event;
pub mod fdb;
pub mod flow;
pub mod headers;
pub mod limits;
pub mod logical_switch;
pub mod loss;
pub mod net;
pub mod path_mtu;
pub mod step;
pub mod tunnel;

/// Declares types as plain data that aya accepts as map keys and values.
macro_rules! map_types {
    ($($name:ty),+ $(,)?) => {
        $(
            // SAFETY: `Pod` of bytemuck, required here, guarantees any bit pattern is valid and no padding exists.
            #[cfg(feature = "user")]
            unsafe impl aya::Pod for $name where $name: bytemuck::Pod {}
        )+
    };
}
pub(crate) use map_types;
