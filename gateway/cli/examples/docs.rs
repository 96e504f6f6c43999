//! Writes the pages of `docs/` that are made from code; with `--check` it only lists those that are out of date. That is
//! `cargo xtask docs`.

use std::{env, fs, path::Path, process::ExitCode};

use clap::CommandFactory;
use gateway_cli::{Cli, manual};

fn main() -> ExitCode {
    let check = env::args().nth(1).as_deref() == Some("--check");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut code = ExitCode::SUCCESS;
    for (name, text) in manual::documents(Cli::command()) {
        let path = docs.join(name);
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        if check {
            eprintln!("docs/{name} is out of date; `cargo xtask docs` writes it again");
            code = ExitCode::FAILURE;
        } else if let Err(error) = fs::write(&path, text) {
            eprintln!("cannot write {}: {error}", path.display());
            code = ExitCode::FAILURE;
        } else {
            println!("docs/{name}");
        }
    }
    code
}
