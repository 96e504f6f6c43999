//! Options of logical switches that are not in a database: sections `[[switch_options]]`, and the same keys of
//! `[[switch]]`.

use std::collections::BTreeMap;

use super::{
    raw::RawConfig,
    report::{Quoted, Report},
    types::SwitchOptions,
    values,
};

/// Checks the options; returns them by switch name. A switch without options of its own has the defaults.
pub(super) fn check(raw: &RawConfig, report: &mut Report<'_>) -> BTreeMap<String, SwitchOptions> {
    let mut all = BTreeMap::new();
    for switch in &raw.switch {
        // An invalid name is already reported.
        let options = options(switch.control_protocols, switch.strict_sources);
        all.insert(switch.name.get_ref().clone(), options);
    }
    for section in &raw.switch_options {
        let (at, name) = (section.name.span(), Quoted(section.name.get_ref()));
        let field = format!("switch_options {name}: name");
        let Some(name) = report.check(at.clone(), &field, values::switch_name(section.name.get_ref())) else {
            continue;
        };
        if raw.database.is_none() {
            let what = "expected a switch of a [database], and there is none; [[switch]] has the same keys";
            report.add(at, field, what);
        } else if all.insert(name, options(section.control_protocols, section.strict_sources)).is_some() {
            report.add(at, field, "expected a name of its own, found it a second time");
        }
    }
    all
}

fn options(control_protocols: Option<bool>, strict_sources: Option<bool>) -> SwitchOptions {
    let default = SwitchOptions::default();
    SwitchOptions {
        control_protocols: control_protocols.unwrap_or(default.control_protocols),
        strict_sources: strict_sources.unwrap_or(default.strict_sources),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Config, ConfigError};

    const BARE: &str = "[gateway]\nvtep = ['172.31.0.21']\n[[uplink]]\nname = 'eth0'\n[[port]]\nname = 'eth1'\n";
    const DATABASE: &str = "[database]\nremote = 'unix:/run/openvswitch/db.sock'\n";

    fn parse(rest: &str) -> Result<BTreeMap<String, SwitchOptions>, ConfigError> {
        let parsed = Config::parse(&format!("{BARE}{rest}"), Path::new("gateway.toml"));
        parsed.map(|config| config.switch_options)
    }

    #[test]
    fn a_switch_of_a_database_has_the_options_under_its_name() {
        let text = format!("{DATABASE}[[switch_options]]\nname = 'red'\ncontrol_protocols = true\n");
        let expected = SwitchOptions { control_protocols: true, strict_sources: true };
        assert_eq!(parse(&text).unwrap(), [("red".to_owned(), expected)].into());
    }

    #[test]
    fn a_static_switch_has_them_in_its_own_section() {
        let options = parse("[[switch]]\nname = 'red'\nvni = 1\nstrict_sources = false\n").unwrap();
        assert_eq!(options["red"], SwitchOptions { control_protocols: false, strict_sources: false });
    }

    #[test]
    fn sections_without_a_database_and_repeated_names_are_refused() {
        let error = parse("[[switch_options]]\nname = 'red'\n").unwrap_err().to_string();
        assert!(error.contains("switch_options \"red\": name: expected a switch of a [database]"), "{error}");
        let twice = "[[switch_options]]\nname = 'red'\n".repeat(2);
        let error = parse(&format!("{DATABASE}{twice}")).unwrap_err().to_string();
        assert!(error.contains("found it a second time"), "{error}");
    }
}
