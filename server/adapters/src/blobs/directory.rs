use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sockeye_core::{
    media::{Image, MediaId},
    ports::{BlobError, Blobs, Part},
};

use crate::{sqlite::OpenError, workers::Workers};

const THREADS: usize = 4;

/// Calls waiting for a thread; one more is refused. Each `put` holds its picture meanwhile.
const QUEUE_LEN_MAX: usize = 256;

/// No picture is this large; a file that is was not put there by us and is not read into memory.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Most pictures are one part; a reader that is slow keeps no more than this in memory.
const PART_BYTES: u64 = 256 * 1024;

/// [`Blobs`] as files, `<data dir>/media/<first two digits>/<name>`. Written under another name, synced and renamed: a
/// file with its own name is whole. Several processes may share the directory.
pub struct DirectoryBlobs {
    root: Arc<PathBuf>,
    workers: Workers<()>,
    put_count: AtomicU64,
}

impl DirectoryBlobs {
    /// Uses or creates `<dir>/media`. Blocks; meant for the start of the process.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let root = dir.join("media");
        let io = |source| OpenError::Io { path: root.clone(), source };
        fs::create_dir_all(unfinished(&root)).map_err(io)?;
        sweep(&unfinished(&root)).map_err(io)?;
        sync_dir(dir).and_then(|()| sync_dir(&root)).map_err(io)?;
        let workers = Workers::start("media", vec![(); THREADS], QUEUE_LEN_MAX, |()| ()).map_err(io)?;
        Ok(Self { root: Arc::new(root), workers, put_count: AtomicU64::new(0) })
    }
}

#[async_trait]
impl Blobs for DirectoryBlobs {
    async fn put(&self, id: &MediaId, image: &Image) -> Result<(), BlobError> {
        let (root, name, bytes) = (Arc::clone(&self.root), id.to_string(), image.bytes.clone());
        let nth = self.put_count.fetch_add(1, Ordering::Relaxed);
        let done = self.workers.run(move |()| put(&root, &name, nth, &bytes)).await;
        done.map_err(failed)?.map_err(failed)
    }

    async fn get(&self, id: &MediaId) -> Result<Option<Vec<u8>>, BlobError> {
        let (root, name) = (Arc::clone(&self.root), id.to_string());
        let done = self.workers.run(move |()| get(&root, &name)).await;
        done.map_err(failed)?.map_err(failed)
    }

    async fn part(&self, id: &MediaId, offset: u64) -> Result<Option<Part>, BlobError> {
        let (root, name) = (Arc::clone(&self.root), id.to_string());
        let done = self.workers.run(move |()| part(&root, &name, offset)).await;
        done.map_err(failed)?.map_err(failed)
    }

    async fn delete(&self, id: &MediaId) -> Result<(), BlobError> {
        let (root, name) = (Arc::clone(&self.root), id.to_string());
        let done = self.workers.run(move |()| delete(&root, &name)).await;
        done.map_err(failed)?.map_err(failed)
    }
}

/// What a process did not finish long ago is of no use; what is younger, another one may be at. By the file system's clock,
/// which all who share it agree on.
fn sweep(unfinished: &Path) -> io::Result<()> {
    const ABANDONED_AFTER: Duration = Duration::from_secs(3600);
    let probe = unfinished.join("probe");
    fs::write(&probe, b"now")?;
    // Whoever starts at the same time has taken it away, just as late.
    let Ok(now) = fs::metadata(&probe).and_then(|file| file.modified()) else { return Ok(()) };
    let _ = fs::remove_file(&probe);
    for entry in fs::read_dir(unfinished)? {
        let entry = entry?;
        let age = entry.metadata().and_then(|file| file.modified()).map(|at| now.duration_since(at));
        if age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED_AFTER)) {
            // Another process may have been quicker.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn put(root: &Path, name: &str, nth: u64, bytes: &[u8]) -> io::Result<()> {
    let shelf = shelf(root, name);
    // Names are random: another process writes another picture.
    let (unfinished, finished) = (unfinished(root).join(format!("{name}.{nth}")), shelf.join(name));
    if !finished.exists() {
        fs::create_dir_all(&shelf)?;
        sync_dir(root)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&unfinished, &finished)) {
            // The first error says what is wrong; what is left over goes at the next start at the latest.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
    }
    // Also when the file was there already: whoever put it may have been stopped before this.
    sync_dir(&shelf)
}

fn get(root: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(root, name)? else { return Ok(None) };
    let mut bytes = vec![];
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any picture"));
    }
    Ok(Some(bytes))
}

fn part(root: &Path, name: &str, offset: u64) -> io::Result<Option<Part>> {
    let Some(mut file) = open(root, name)? else { return Ok(None) };
    let whole_len = file.metadata()?.len();
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![];
    file.take(PART_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(Part { bytes, whole_len }))
}

/// `None` when there is none.
fn open(root: &Path, name: &str) -> io::Result<Option<File>> {
    match File::open(shelf(root, name).join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

fn delete(root: &Path, name: &str) -> io::Result<()> {
    let shelf = shelf(root, name);
    match fs::remove_file(shelf.join(name)) {
        // Whoever removed it may have been stopped before it was durable; without a shelf there never was one.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !shelf.exists() => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_dir(&shelf),
    }
}

/// Where a picture belongs: directories of many thousands of files are slow on some file systems.
fn shelf(root: &Path, name: &str) -> PathBuf {
    root.join(name.get(..2).unwrap_or("00"))
}

fn unfinished(root: &Path) -> PathBuf {
    root.join("unfinished")
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> BlobError {
    BlobError(Box::new(error))
}

impl fmt::Debug for DirectoryBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryBlobs").field("root", &self.root).finish_non_exhaustive()
    }
}
