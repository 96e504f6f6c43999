//! A status for people.

use serde_json::Value;

/// Writes a status, a JSON object, as indented text: each thing on a line of its own, what is empty or not there left out.
/// Keys are told as they are, so what is read here is found in the JSON as well.
pub fn text(status: &Value) -> String {
    let mut text = String::new();
    entries(status, 0, &mut text);
    text
}

fn entries(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(_, value)| !is_empty(value)) {
                let key = key.replace('_', " ");
                match plain(value) {
                    Some(value) => text.push_str(&format!("{indent}{key}: {value}\n")),
                    None => {
                        text.push_str(&format!("{indent}{key}:\n"));
                        entries(value, depth + 1, text);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                match plain(item) {
                    Some(item) => text.push_str(&format!("{indent}- {item}\n")),
                    None => {
                        let mut inner = String::new();
                        entries(item, depth + 1, &mut inner);
                        // The first line carries the dash that parts one item from the next.
                        let rest = inner.get(indent.len() + 2..).unwrap_or_default();
                        text.push_str(&format!("{indent}- {rest}"));
                    }
                }
            }
        }
        other => text.push_str(&format!("{indent}{}\n", plain(other).unwrap_or_default())),
    }
}

/// What fits on a line: neither an object nor a list of more than words.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("none".to_owned()),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        // A text with blanks is a sentence, such as a problem, and has a line of its own.
        Value::Array(items) if items.iter().all(|item| item.as_str().is_some_and(|text| !text.contains(' '))) => {
            Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_reads_well() {
        let status = json!({
            "pid": 7,
            "instances": [
                { "name": "a", "role": "active", "addresses": ["172.31.0.21", "2001:db8::21"], "problems": [] },
                { "name": "b", "role": "backup", "active": null, "problems": ["eth1 is down"] },
            ],
            "database": { "state": "following", "problems": [] },
        });
        let expected = "\
database:
  state: following
instances:
  - addresses: 172.31.0.21, 2001:db8::21
    name: a
    role: active
  - name: b
    problems:
      - eth1 is down
    role: backup
pid: 7
";
        assert_eq!(text(&status), expected);
    }

    #[test]
    fn an_empty_status_is_an_empty_text() {
        assert_eq!(text(&json!({ "database": { "problems": [] } })), "");
    }
}
