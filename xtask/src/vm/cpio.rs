//! The archive format of an initramfs: cpio "newc", as the kernel's `Documentation/driver-api/early-userspace/
//! buffer-format.rst` has it.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive in the making. Paths are absolute; missing parent folders are added.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds an empty folder.
    pub(crate) fn folder(&mut self, path: &str) {
        self.parents(path);
        if self.folders.insert(path.to_owned()) {
            self.entry(path, DIRECTORY, &[], (0, 0));
        }
    }

    /// Adds a file that may be executed.
    pub(crate) fn file(&mut self, path: &str, contents: &[u8]) {
        self.parents(path);
        self.entry(path, EXECUTABLE, contents, (0, 0));
    }

    /// Adds a character device.
    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        self.entry(path, CHARACTER_DEVICE, &[], (major, minor));
    }

    /// Returns the complete archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("/TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
            self.folder(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8], device: (u32, u32)) {
        let name = path.trim_start_matches('/');
        self.entries += 1;
        let size = u32::try_from(contents.len()).expect("a file of less than 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("a path of less than 4 GiB");
        // inode, mode, uid, gid, links, mtime, size, device of the archive (two), of the node (two), name size, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    /// Pads names and contents to a multiple of four bytes.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(archive: &[u8]) -> Vec<String> {
        let field = |at: usize| usize::from_str_radix(str::from_utf8(&archive[at..at + 8]).unwrap(), 16).unwrap();
        let (mut names, mut at) = (Vec::new(), 0);
        while at < archive.len() {
            assert_eq!(&archive[at..at + 6], b"070701");
            let (size, name_size) = (field(at + 54), field(at + 94));
            names.push(String::from_utf8(archive[at + 110..at + 109 + name_size].to_vec()).unwrap());
            at = (at + 110 + name_size).next_multiple_of(4);
            at = (at + size).next_multiple_of(4);
        }
        names
    }

    #[test]
    fn a_file_comes_after_the_folders_it_is_in_and_the_trailer_ends_it() {
        let mut archive = Archive::default();
        archive.file("/lib/x/y", b"hello");
        archive.file("/lib/z", b"");
        assert_eq!(names(&archive.finish()), ["lib", "lib/x", "lib/x/y", "lib/z", "TRAILER!!!"]);
    }

    #[test]
    fn a_folder_is_made_once() {
        let mut archive = Archive::default();
        archive.folder("/sys");
        archive.folder("/sys");
        assert_eq!(names(&archive.finish()), ["sys", "TRAILER!!!"]);
    }
}
