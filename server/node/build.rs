//! Embeds the browser client (`/socket.io/socket.io.js` …) from the published npm package, when it is there.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const FILES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed=SOCKEYE_CLIENT_BUNDLE_DIR");
    let dir = bundle_dir()?;
    // Cargo takes a path that is missing for one that has changed, at every build.
    for path in [&dir, &dir.join(FILES[0])] {
        let existing = path.ancestors().find(|path| path.exists()).unwrap_or(path);
        println!("cargo:rerun-if-changed={}", existing.display());
    }
    let found: Vec<&str> = FILES.into_iter().filter(|file| dir.join(file).is_file()).collect();
    if found.is_empty() {
        println!(
            "cargo:warning=no socket.io client in {}: /socket.io/socket.io.js will answer 404 (run `npm ci` in \
             client-js/demo, or set SOCKEYE_CLIENT_BUNDLE_DIR)",
            dir.display()
        );
    }
    let version = version(&dir).unwrap_or_else(|| "0".into());
    let files: String = found
        .iter()
        .map(|file| format!("    ({file:?}, include_bytes!({:?})),\n", dir.join(file).display().to_string()))
        .collect();
    let code = format!(
        "/// Quoted version of the npm package.\nconst ETAG: &str = {:?};\n\
         const FILES: &[(&str, &[u8])] = &[\n{files}];\n",
        format!("\"{version}\"")
    );
    fs::write(PathBuf::from(variable("OUT_DIR")?).join("client_bundle.rs"), code)
}

fn bundle_dir() -> io::Result<PathBuf> {
    if let Ok(dir) = variable("SOCKEYE_CLIENT_BUNDLE_DIR") {
        return fs::canonicalize(dir);
    }
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..");
    Ok(fs::canonicalize(root)?.join("client-js/demo/node_modules/socket.io-client/dist"))
}

/// The version in the package's `package.json`, beside or above the files.
fn version(dir: &Path) -> Option<String> {
    let manifest = [dir.join("package.json"), dir.join("../package.json")];
    let text = manifest.iter().find_map(|path| fs::read_to_string(path).ok())?;
    let (_, after) = text.split_once("\"version\"")?;
    after.split('"').nth(1).map(str::to_owned)
}

#[expect(clippy::disallowed_methods, reason = "a build script is configured by its environment")]
fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
