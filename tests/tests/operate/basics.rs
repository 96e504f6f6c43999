//! Properties of all verbs.

use std::process::{Command, Output};

use lab::gateway::binary;

/// Runs `vtep-gateway` with these arguments.
pub(crate) fn vtep_gateway(arguments: &[&str]) -> Output {
    Command::new(binary().unwrap()).args(arguments).output().unwrap()
}

#[test]
fn a_verb_that_is_none_is_refused_with_the_code_for_bad_arguments() {
    let output = vtep_gateway(&["frobnicate"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("frobnicate"));
}
