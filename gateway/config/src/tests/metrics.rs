//! Section `[metrics]`.

use super::{GOOD, parse};
use crate::ConfigError;

fn listen(addresses: &str) -> Result<Vec<String>, ConfigError> {
    let config = parse(&format!("{GOOD}[metrics]\nlisten = [{addresses}]\n"))?;
    Ok(config.metrics.listen.iter().map(ToString::to_string).collect())
}

#[test]
fn metrics_are_off_without_an_address() {
    assert!(parse(GOOD).unwrap().metrics.listen.is_empty());
    assert!(listen("").unwrap().is_empty());
    assert!(parse(&format!("{GOOD}[metrics]\n")).unwrap().metrics.listen.is_empty());
}

#[test]
fn addresses_of_both_families_are_taken() {
    let all = listen("'127.0.0.1:9959', '[::1]:9959', '0.0.0.0:80', '[fe80::1%2]:9959'").unwrap();
    assert_eq!(all, ["0.0.0.0:80", "127.0.0.1:9959", "[::1]:9959", "[fe80::1%2]:9959"]);
}

#[test]
fn an_address_that_cannot_be_listened_on_is_refused() {
    for bad in ["127.0.0.1", ":9959", "localhost:9959", "127.0.0.1:0", "224.0.0.1:80", "255.255.255.255:80", "::1:9959"]
    {
        let error = listen(&format!("'{bad}'")).unwrap_err().to_string();
        let wanted = "g.toml:21:11: metrics.listen[0]: expected an address of this machine and a port, \
                      like \"127.0.0.1:9959\" or \"[::1]:9959\", found ";
        assert_eq!(error, format!("{wanted}{bad:?}"));
    }
}

#[test]
fn an_address_is_named_once_and_there_are_few() {
    let twice = listen("'127.0.0.1:9959', '127.0.0.1:9959'").unwrap_err().to_string();
    assert_eq!(
        twice,
        "g.toml:21:29: metrics.listen[1]: expected each address once, found 127.0.0.1:9959 a second time"
    );
    let many: String = (0..20).map(|port| format!("'127.0.0.1:{}',", 9000 + port)).collect();
    let many = listen(&many).unwrap_err().to_string();
    assert_eq!(many.lines().count(), 1);
    assert!(many.ends_with("metrics.listen[8]: expected at most 8 addresses, found more"), "{many}");
}
