//! Manual page.

/// A manual page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name, without the section.
    pub name: String,
    /// Its section: 8 for commands, 5 for files.
    pub section: u8,
    /// Its text in man(7).
    pub text: String,
}
