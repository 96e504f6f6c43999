//! `cargo xtask docs`: the pages of `docs/` that are generated from code.

use std::{path::Path, process::Command, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    cargo, child,
    setup::{self, Purpose},
};

/// Writes the pages, or with `check` fails if one is out of date.
pub(crate) fn run(root: &Path, check: bool) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Bpf])?;
    let build = ["build", "--example", "docs", "--bin", "machine"].into_iter().chain(cargo::HOST_PACKAGES);
    let mut built = cargo::executables(root, build)?;
    let docs = built.remove("docs").context("cargo built no example `docs`")?;
    let machine = built.remove("machine").context("cargo built no binary `machine`")?;
    let check = check.then_some("--check");
    let of_code = child::run(Command::new(docs).args(check));
    let of_scenarios =
        child::run(Command::new(machine).args(["--page", "docs/SUPPORT.md"]).args(check).current_dir(root));
    of_code.and(of_scenarios)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    /// Returns the pages of the top directory, of `docs/` and of `docs/adr/`.
    fn pages() -> Vec<PathBuf> {
        let root = crate::root();
        let folders = ["", "docs", "docs/adr"].map(|folder| root.join(folder));
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
    }

    /// Returns the anchors that a forge gives to the headings of a page.
    fn anchors(page: &str) -> BTreeSet<String> {
        let headings = page
            .lines()
            .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
        headings
            .map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
            .collect()
    }

    /// Returns the targets of a page's links, without those on other sites.
    fn links(page: &str) -> impl Iterator<Item = &str> {
        let targets = page.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        targets.filter(|target| !target.contains("://"))
    }

    #[test]
    fn links_of_a_page_lead_to_files_and_headings_that_exist() {
        let mut dead = Vec::new();
        for path in pages() {
            let text = fs::read_to_string(&path).unwrap();
            for link in links(&text) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
                let found = target.exists()
                    && (anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor));
                if !found {
                    dead.push(format!("{}: {link}", path.display()));
                }
            }
        }
        assert!(dead.is_empty(), "{dead:#?}");
    }

    #[test]
    fn the_index_of_documents_lists_every_page() {
        let index = fs::read_to_string(crate::root().join("docs/README.md")).unwrap();
        let listed: BTreeSet<&str> = links(&index).collect();
        for path in pages().iter().filter(|path| path.parent().is_some_and(|folder| folder.ends_with("docs"))) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name == "README.md" || listed.contains(name), "docs/README.md does not list {name}");
        }
    }

    /// Excludes the change log and the decision records, which may name files of the past.
    #[test]
    fn files_that_pages_name_exist() {
        let root = crate::root();
        let folders = ["docs/", "gateway/", "gateway-common/", "gateway-ebpf/", "packaging/", "tests/", "xtask/"];
        let mut gone = Vec::new();
        for page in
            pages().iter().filter(|page| !page.ends_with("CHANGELOG.md") && !page.starts_with(root.join("docs/adr")))
        {
            let text = fs::read_to_string(page).unwrap();
            // Words in capitals are placeholders.
            let paths = text.split('`').skip(1).step_by(2).filter(|piece| {
                folders.iter().any(|folder| piece.starts_with(folder))
                    && !piece.contains([' ', '\n'])
                    && !piece.contains("/TARGET/")
            });
            let missing = paths.filter(|path| !root.join(path).exists());
            gone.extend(missing.map(|path| format!("{}: {path}", page.display())));
        }
        assert!(gone.is_empty(), "{gone:#?}");
    }
}
