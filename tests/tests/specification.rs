//! Holds docs/SPECIFICATION.md to the tests: each promise names those that enforce it, and they are there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A promise: its number, and the tests under it as (file, function).
struct Promise<'a> {
    number: &'a str,
    tests: Vec<(&'a str, &'a str)>,
}

/// Reads `### NUMBER. Promise` headings and the lines ``- `FILE`: `TEST`, `TEST` `` under them.
fn promises(text: &str) -> Vec<Promise<'_>> {
    let mut promises: Vec<Promise> = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let number = heading.split_once(". ").map_or(heading, |(number, _)| number);
            promises.push(Promise { number, tests: Vec::new() });
        } else if let (Some(list), Some(promise)) = (line.strip_prefix("- `"), promises.last_mut())
            && let Some((file, names)) = list.split_once("`: ")
        {
            promise.tests.extend(names.split('`').skip(1).step_by(2).map(|name| (file, name)));
        }
    }
    promises
}

/// True if `source` has the function `name`, marked as a test that runs unasked.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let starts = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
        let attributes: Vec<_> = attributes.collect();
        starts.iter().any(|start| line.starts_with(start.as_str()))
            && attributes
                .iter()
                .any(|line| matches!(**line, "#[test]" | "#[tokio::test]") || line.starts_with("#[tokio::test("))
            && !attributes.iter().any(|line| line.starts_with("#[ignore"))
    }) || properties(&lines).contains(name)
}

/// Names of functions inside `proptest! { ... }`.
fn properties<'a>(lines: &[&'a str]) -> BTreeSet<&'a str> {
    let inside = lines.iter().skip_while(|line| !line.starts_with("proptest!")).skip(1);
    inside.filter_map(|line| line.strip_prefix("fn ")?.split('(').next()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

#[test]
fn each_promise_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/SPECIFICATION.md")).unwrap();
    let mut wrong = Vec::new();
    for Promise { number, tests } in promises(&text) {
        if tests.is_empty() {
            wrong.push(format!("{number}: no test enforces it"));
        }
        for (file, name) in tests {
            match fs::read_to_string(root().join(file)) {
                Ok(source) if has_test(&source, name) => {}
                Ok(_) => wrong.push(format!("{number}: {file} has no test `{name}`")),
                Err(error) => wrong.push(format!("{number}: {file}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "docs/SPECIFICATION.md:\n{}", wrong.join("\n"));
}

#[test]
fn promises_are_numbered_without_a_gap() {
    let text = fs::read_to_string(root().join("docs/SPECIFICATION.md")).unwrap();
    let numbers: Vec<_> = promises(&text).iter().map(|promise| promise.number.to_owned()).collect();
    let expected: Vec<_> = (1..=numbers.len()).map(|number| number.to_string()).collect();
    assert!(numbers.len() >= 20, "a specification with {} promises", numbers.len());
    assert_eq!(numbers, expected);
}

#[test]
fn a_test_that_is_gone_ignored_or_no_test_is_noticed() {
    let source = "#[test]\nfn there() {}\nfn helper() {}\n#[test]\n#[ignore]\nfn off() {}\n// #[test]\nfn said() {}\n";
    assert!(has_test(source, "there"));
    for name in ["helper", "off", "said", "gone", "the"] {
        assert!(!has_test(source, name), "{name}");
    }
    let text = "### 1. All is well\n\nWords.\n\n- `a.rs`: `there`, `gone`\n\n### 2. Nothing\n";
    let read: Vec<_> = promises(text).into_iter().map(|promise| (promise.number, promise.tests)).collect();
    assert_eq!(read, [("1", vec![("a.rs", "there"), ("a.rs", "gone")]), ("2", vec![])]);
}
