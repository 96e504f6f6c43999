//! Settings of a server's interfaces and traces of the gateway, to compare before and after.

use std::collections::BTreeMap;

use anyhow::Result;

use super::server::Server;

/// Script that prints everything that a gateway may leave, a fact a line.
const SCRIPT: &str = r#"
for dev in $(ls /sys/class/net); do
    case $dev in lo|ovs-system|*@*) continue;; esac
    ethtool -k $dev 2>/dev/null | sed -n "s/^\t*\([a-z].*\): \([a-z]*\).*/$dev \1=\2/p"
    echo "$dev flags=$(ip -d link show dev $dev | grep -o 'promiscuity [0-9]*')"
    echo "$dev mtu=$(cat /sys/class/net/$dev/mtu)"
    echo "$dev xdp=$(ip link show dev $dev | grep -o 'prog/xdp id [0-9]*')"
    echo "$dev qdisc=$(tc qdisc show dev $dev | grep -E 'clsact|ingress' | tr '\n' ';')"
    echo "$dev filter=$(tc filter show dev $dev ingress 2>/dev/null | tr '\n' ';')"
done
echo "pins=$(ls -A /sys/fs/bpf | tr '\n' ' ')"
echo "programs=$(bpftool -j prog 2>/dev/null | grep -o '"type":"\(xdp\|sched_cls\)"' | wc -l)"
"#;

/// Settings and traces at one moment: fact and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads those of a server.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn read(server: &mut Server) -> Result<Self> {
        Ok(Self::parse(&server.run(SCRIPT)?))
    }

    fn parse(text: &str) -> Self {
        let facts = text.lines().filter_map(|line| line.split_once('='));
        Self(facts.map(|(fact, value)| (fact.to_owned(), value.trim().to_owned())).collect())
    }

    /// Returns the facts that differ from those at an earlier moment.
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let facts: std::collections::BTreeSet<_> = self.0.keys().chain(before.0.keys()).collect();
        let value = |all: &Self, fact: &String| all.0.get(fact).cloned().unwrap_or_else(|| "absent".into());
        let differs = facts.into_iter().filter(|fact| self.0.get(*fact) != before.0.get(*fact));
        differs.map(|fact| format!("{fact}: {:?}, was {:?}", value(self, fact), value(before, fact))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_facts_that_differ_are_changes() {
        let before = Settings::parse("nic0 mtu=1600\nnic0 rx-vlan-offload=on\npins=\n");
        let after = Settings::parse("nic0 mtu=1600\nnic0 rx-vlan-offload=off\npins=\nnic1 mtu=1500\n");
        assert!(before.changed_since(&before).is_empty());
        assert_eq!(
            after.changed_since(&before),
            [r#"nic0 rx-vlan-offload: "off", was "on""#, r#"nic1 mtu: "1500", was "absent""#]
        );
    }
}
