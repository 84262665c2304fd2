//! What the process writes is for its own user: password hashes and messages are in the data directory.

use std::{
    fs::{self, DirEntry, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::{fs::Mode, process::umask};

/// What is taken away from everybody but our user.
const OTHERS: u32 = 0o077;
/// What is taken away from everybody but our user and group.
const NOT_IN_GROUP: u32 = 0o007;
/// A directory that its group writes to and that hands the group on (set-group-id): several processes share it on purpose, as
/// Kubernetes' `fsGroup` sets it up.
const SHARED: u32 = 0o2020;
/// Anybody may write there (`/tmp`): no directory of ours.
const STICKY: u32 = 0o1000;

/// What the adapters keep in the data directory; and what a file system of its own has.
const OURS: [&str; 6] = ["media", "jwt_secret", "log.lock", "store.lock", ".doctor", "lost+found"];
const OURS_BEGIN: [&str; 2] = ["log.db", "store.db"];

/// What was done about a data directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tightened {
    /// Files and directories that others could read, and cannot any more.
    pub count: usize,
    /// What others can still read, as a sentence.
    pub left: Option<String>,
}

/// Everything that this process makes from now on is its user's alone, whatever the umask was; in a data directory that is
/// shared with a group, the group's too. What is there already, and looser, is made so.
pub fn keep_private(data_dir: &Path) -> Tightened {
    let found = fs::metadata(data_dir).ok().filter(Metadata::is_dir);
    let taken = match &found {
        Some(dir) if dir.mode() & SHARED == SHARED => NOT_IN_GROUP,
        _ => OTHERS,
    };
    umask(Mode::from_raw_mode(taken));
    found.map(|dir| tighten(data_dir, &dir, taken)).unwrap_or_default()
}

/// Whether others can look into the directory.
pub fn is_open(dir: &Path) -> bool {
    fs::metadata(dir).is_ok_and(|found| {
        let taken = if found.mode() & SHARED == SHARED { NOT_IN_GROUP } else { OTHERS };
        found.mode() & taken != 0
    })
}

fn tighten(data_dir: &Path, dir: &Metadata, taken: u32) -> Tightened {
    let mut done = Tightened::default();
    let entries = match fs::read_dir(data_dir).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            return Tightened { left: Some(format!("SOCKEYE_DATA_DIR cannot be read: {error}")), ..done };
        }
    };
    let (ours, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_ours);
    let mut outcome = Ok(());
    if dir.mode() & STICKY != 0 || !others.is_empty() {
        if dir.mode() & taken != 0 {
            done.left = Some(
                "Other things than ours are in SOCKEYE_DATA_DIR, so it stays open to others; ours in it are not. Better \
                 give it a directory of its own"
                    .to_owned(),
            );
        }
    } else {
        outcome = take(data_dir, dir, taken, &mut done.count);
    }
    for entry in ours {
        outcome = outcome
            .and(entry.metadata().and_then(|found| below(&entry.path(), &found, taken, &mut done.count)));
    }
    if let Err(error) = outcome {
        // Somebody else's, such as a volume's root; where a group shares it, whoever set it up has seen to it.
        let told =
            format!("Others may read what is in SOCKEYE_DATA_DIR, and that cannot be changed: {error}");
        done.left = (taken == OTHERS).then_some(told);
    }
    done
}

fn is_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    OURS.contains(&&*name) || OURS_BEGIN.iter().any(|beginning| name.starts_with(beginning))
}

/// A directory that was private already hides what is in it.
fn below(path: &Path, found: &Metadata, taken: u32, count: &mut usize) -> io::Result<()> {
    let was_open = found.mode() & taken != 0;
    take(path, found, taken, count)?;
    if found.is_dir() && was_open {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            below(&entry.path(), &entry.metadata()?, taken, count)?;
        }
    }
    Ok(())
}

/// Links are left alone: what they lead to may be anything.
fn take(path: &Path, found: &Metadata, taken: u32, count: &mut usize) -> io::Result<()> {
    let mode = found.mode() & 0o7777;
    if found.is_symlink() || mode & taken == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & !taken))?;
    *count += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    /// A directory as an older version left it, mode and files' modes given.
    fn left_behind(mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("media/ab")).unwrap();
        for (name, mode) in [("media", 0o755), ("media/ab", 0o755)] {
            fs::set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
        }
        for name in ["store.db", "store.db-wal", "log.db", "jwt_secret", "media/ab/abc.png"] {
            fs::write(dir.path().join(name), b"x").unwrap();
            fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o664)).unwrap();
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        dir
    }

    fn tightened(dir: &Path, taken: u32) -> Tightened {
        tighten(dir, &fs::metadata(dir).unwrap(), taken)
    }

    #[test]
    fn what_an_older_version_left_open_is_closed() {
        let dir = left_behind(0o755);
        assert_eq!(tightened(dir.path(), OTHERS), Tightened { count: 8, left: None });
        assert_eq!(mode(dir.path()), 0o700);
        for (name, wanted) in [("store.db-wal", 0o600), ("media", 0o700), ("media/ab/abc.png", 0o600)] {
            assert_eq!(mode(&dir.path().join(name)), wanted, "{name}");
        }
        assert_eq!(tightened(dir.path(), OTHERS), Tightened::default(), "once is enough");
    }

    #[test]
    fn a_directory_that_a_group_shares_stays_the_groups() {
        let dir = left_behind(0o2775);
        tightened(dir.path(), NOT_IN_GROUP);
        assert_eq!(mode(dir.path()), 0o2770);
        assert_eq!(mode(&dir.path().join("store.db")), 0o660);
    }

    #[test]
    fn what_is_not_ours_is_left_alone_and_so_is_the_directory_it_is_in() {
        let dir = left_behind(0o755);
        fs::write(dir.path().join("thesis.txt"), b"x").unwrap();
        fs::set_permissions(dir.path().join("thesis.txt"), Permissions::from_mode(0o644)).unwrap();
        let done = tightened(dir.path(), OTHERS);
        assert!(done.left.is_some_and(|left| left.contains("SOCKEYE_DATA_DIR")));
        assert_eq!(mode(dir.path()), 0o755);
        assert_eq!(mode(&dir.path().join("thesis.txt")), 0o644);
        assert_eq!(mode(&dir.path().join("store.db")), 0o600);
    }
}
