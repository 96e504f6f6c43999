//! Messages of the agent and the doctor about an XDP program of another owner in the place of the gateway's.

/// Describes the problem.
pub fn foreign_xdp(id: u32, called: Option<&str>) -> String {
    let called = called.map(|name| format!(" {name}")).unwrap_or_default();
    format!("an XDP program that is not this gateway's is on it:{called} id {id}; packets may never reach the gateway")
}

/// Describes the remedy.
pub fn foreign_xdp_remedy(name: &str, id: u32) -> String {
    format!(
        "`bpftool prog show id {id}` and `bpftool link` say whose it is; stop what put it there (another vtep-gateway: \
         `vtep-gateway detach` with its configuration), or `ip link set {name} xdp off` where it is no link; the gateway \
         takes the place within a second. Where it is meant to be there and passes packets on, set mode = \"tc\""
    )
}
