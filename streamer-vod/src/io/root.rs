//! A folder that no path leaves: every file in it is opened beneath its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use tracing::warn;

use crate::proto::name::AssetPath;

/// Folders made for uploads: the operator's umask has the last word.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

/// A folder below which files are looked for. Links inside it that stay inside are followed; what leads out of it is
/// refused by the kernel (`openat2`, `RESOLVE_BENEATH`) and told in the log.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    folder: OwnedFd,
}

impl Root {
    /// Opens the folder `path`.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let folder = rustix::fs::openat(CWD, path, folder_flags(), Mode::empty())?;
        Ok(Self { path: path.to_path_buf(), folder })
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] for what is not there, is no regular file, or lies outside; others as they are.
    pub(crate) fn open_file(&self, path: &AssetPath) -> io::Result<(File, Stat)> {
        // A pipe would wait for its writer, and a terminal become ours.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = self.open_beneath(path.as_str(), flags)?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((File::from(file), stat))
    }

    /// Opens a folder.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file).
    pub(crate) fn open_folder(&self, path: &AssetPath) -> io::Result<OwnedFd> {
        self.open_beneath(if path.is_root() { "." } else { path.as_str() }, folder_flags())
    }

    /// What is at `path`, links within the root followed.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file).
    pub(crate) fn stat(&self, path: &AssetPath) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(self.open_beneath(path.as_str(), OFlags::PATH | OFlags::CLOEXEC)?)?)
    }

    /// Opens the folder `path`, with those above it, and makes what is missing.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn make_folder(&self, path: &AssetPath) -> io::Result<OwnedFd> {
        let mut folder = self.open_folder(&AssetPath::root())?;
        let mut so_far = AssetPath::root();
        for name in path.components() {
            match rustix::fs::mkdirat(&folder, name, FOLDER_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            so_far = so_far.join(name).map_err(|_| io::ErrorKind::InvalidInput)?;
            folder = self.open_folder(&so_far)?;
        }
        Ok(folder)
    }

    /// Opens the folder `name` right below the root, which may be hidden, and makes it where it is missing.
    ///
    /// # Errors
    /// Those of the file system; a link in its place is one.
    pub(crate) fn make_own_folder(&self, name: &str) -> io::Result<OwnedFd> {
        match rustix::fs::mkdirat(&self.folder, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(rustix::fs::openat(&self.folder, name, folder_flags() | OFlags::NOFOLLOW, Mode::empty())?)
    }

    fn open_beneath(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let opened = open_beneath(self.folder.as_fd(), path, flags);
        opened.map_err(|error| match error {
            Errno::XDEV | Errno::LOOP => {
                warn!(root = %self.path.display(), path, "refused: the path leads out of its root");
                io::ErrorKind::NotFound.into()
            }
            Errno::NOTDIR | Errno::NXIO | Errno::NAMETOOLONG => io::ErrorKind::NotFound.into(),
            error => error.into(),
        })
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn open_beneath(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve) {
        // Kernels before 5.6 do not know the call, and some sandboxes hide it.
        Err(Errno::NOSYS | Errno::PERM) => open_by_components(folder, path, flags),
        // A path that changed meanwhile.
        Err(Errno::AGAIN) => rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve),
        opened => opened,
    }
}

/// Opens component by component, no link followed.
fn open_by_components(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    let between = folder_flags() | OFlags::NOFOLLOW;
    let mut held: Option<OwnedFd> = None;
    for component in above.split('/').filter(|component| !component.is_empty()) {
        let at = held.as_ref().map_or(folder, AsFd::as_fd);
        held = Some(rustix::fs::openat(at, component, between, Mode::empty())?);
    }
    let at = held.as_ref().map_or(folder, AsFd::as_fd);
    let opened = rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    // With `O_PATH` a link itself is opened.
    let stat = rustix::fs::statat(&opened, "", AtFlags::EMPTY_PATH)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink { Err(Errno::LOOP) } else { Ok(opened) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Open = fn(BorrowedFd<'_>, &str, OFlags) -> Result<OwnedFd, Errno>;

    /// A root with files and links in it, beside a file that is none of its own.
    fn root() -> (tempfile::TempDir, Root) {
        let outside = tempfile::tempdir().unwrap();
        let inside = outside.path().join("root");
        fs::create_dir_all(inside.join("folder")).unwrap();
        fs::write(outside.path().join("secret.mp4"), "secret").unwrap();
        fs::write(inside.join("folder/a.mp4"), "media").unwrap();
        symlink("folder/a.mp4", inside.join("within.mp4")).unwrap();
        symlink("../secret.mp4", inside.join("up.mp4")).unwrap();
        symlink(outside.path().join("secret.mp4"), inside.join("absolute.mp4")).unwrap();
        symlink("..", inside.join("parent")).unwrap();
        symlink("loop", inside.join("loop")).unwrap();
        symlink("/proc/self/root", inside.join("magic")).unwrap();
        let root = Root::open(&inside).unwrap();
        (outside, root)
    }

    #[test]
    fn links_that_lead_out_are_refused_however_files_are_opened() {
        let (_held, root) = root();
        for open in [open_beneath as Open, open_by_components] {
            let open = |path| open(root.folder.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC);
            assert!(open("folder/a.mp4").is_ok());
            for path in
                ["up.mp4", "absolute.mp4", "parent/secret.mp4", "loop", "magic/etc/passwd", "../secret.mp4"]
            {
                let outside = open(path);
                // The walk by components sees no `..`: names that hold it never come so far.
                assert!(outside.is_err() || path.starts_with(".."), "{path}");
            }
        }
        assert!(open_beneath(root.folder.as_fd(), "../secret.mp4", OFlags::RDONLY).is_err());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let (_held, root) = root();
        let open = |path| root.open_file(&AssetPath::new(path).unwrap());
        assert!(open("folder/a.mp4").is_ok() && open("within.mp4").is_ok());
        rustix::fs::mkfifoat(&root.folder, "pipe.mp4", Mode::from_raw_mode(0o600)).unwrap();
        for path in ["folder", "pipe.mp4", "missing.mp4", "up.mp4", "folder/a.mp4/x"] {
            assert_eq!(open(path).map(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound, "{path}");
        }
    }

    #[test]
    fn folders_are_made_below_the_root_alone() {
        let (held, root) = root();
        root.make_folder(&AssetPath::new("x/y/z").unwrap()).unwrap();
        assert!(root.path().join("x/y/z").is_dir());
        assert!(root.make_folder(&AssetPath::new("parent/made").unwrap()).is_err());
        assert!(!held.path().join("made").exists());
    }
}
