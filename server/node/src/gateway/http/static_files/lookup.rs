//! Which file an address means, if any.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use http::HeaderValue;
use percent_encoding::percent_decode_str;

/// What an address means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A file in the directory; a real path, without links.
    File(PathBuf),
    /// A directory with a page of its own, whose address ends with a slash.
    Directory { with_slash: HeaderValue },
    /// No file.
    Nothing,
    /// Something that is not for visitors, whether it exists or not: a name with a leading dot, a link that leads out, a
    /// step out of the directory.
    Hidden,
}

/// Looks for the file of an address. The directory is resolved each time: a deployment may swap the link to it.
pub(super) async fn look_up(dir: PathBuf, path: &str) -> Found {
    let Some(relative) = relative_path(path) else { return Found::Hidden };
    let asked = path.to_owned();
    #[expect(
        clippy::disallowed_methods,
        reason = "a few calls to the file system, in one hop; the requests under way bound their number"
    )]
    let found = tokio::task::spawn_blocking(move || find(&dir, &relative, &asked)).await;
    // It ends early only when the runtime does.
    found.unwrap_or(Found::Nothing)
}

/// The names in an address; `None` when one of them is hidden or no name.
fn relative_path(path: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = percent_decode_str(segment).decode_utf8().ok()?;
        let is_name = matches!(
            Path::new(&*name).components().collect::<Vec<_>>()[..],
            [Component::Normal(whole)] if whole == &*name
        );
        if !is_name || name.contains('\0') {
            return None;
        }
        relative.push(&*name);
    }
    (!is_hidden(&relative)).then_some(relative)
}

/// Whether a name begins with a dot: settings, version control, what editors leave behind. `/.well-known` is for everybody.
fn is_hidden(relative: &Path) -> bool {
    relative.components().enumerate().any(|(depth, component)| {
        let name = component.as_os_str();
        name.as_encoded_bytes().starts_with(b".") && !(depth == 0 && name == ".well-known")
    })
}

fn find(dir: &Path, relative: &Path, asked: &str) -> Found {
    let Ok(root) = dir.canonicalize() else { return Found::Nothing };
    let path = match inside(&root, &root.join(relative)) {
        Ok(Some(path)) => path,
        Ok(None) => return Found::Hidden,
        Err(_) => return Found::Nothing,
    };
    let kind = fs::metadata(&path);
    if kind.as_ref().is_ok_and(fs::Metadata::is_file) {
        return Found::File(path);
    }
    if !kind.is_ok_and(|kind| kind.is_dir()) {
        return Found::Nothing;
    }
    match inside(&root, &path.join("index.html")) {
        Ok(Some(page)) if asked.ends_with('/') => Found::File(page),
        Ok(Some(_)) => with_slash(asked),
        Ok(None) => Found::Hidden,
        Err(_) => Found::Nothing,
    }
}

/// The real path of something below `root`; `None` when links lead elsewhere, or to what is hidden.
fn inside(root: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let real = path.canonicalize()?;
    let seen = real.strip_prefix(root).is_ok_and(|relative| !is_hidden(relative));
    Ok(seen.then_some(real))
}

/// Of this site: two slashes at the beginning would be the address of another one.
fn with_slash(asked: &str) -> Found {
    let address = format!("/{}/", asked.trim_matches('/'));
    HeaderValue::from_str(&address).map_or(Found::Nothing, |with_slash| Found::Directory { with_slash })
}
