//! Who may know whom (design: contracts → gateway → core ← adapters; worker → core; `app.rs` names them all, nothing imports
//! it). Reads every source file and fails on a wrong arrow.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files under `place` (except `except`) must not name any of `words`.
struct Wall {
    place: &'static str,
    except: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        place: "server/core",
        except: &[],
        words: &[
            "tokio",
            "axum",
            "rusqlite",
            "socketioxide",
            "hyper",
            "sockeye_adapters",
            "std::fs",
            "std::net",
        ],
        why: "the core has no runtime, driver, web framework or file",
    },
    Wall {
        place: "server/adapters/src",
        except: &[],
        words: &["axum", "socketioxide", "sockeye::"],
        why: "adapters know the core only",
    },
    Wall {
        place: "server/node/src",
        except: &["server/node/src/app", "server/node/src/testing.rs"],
        words: &["sockeye_adapters"],
        why: "app.rs and its folder are the only ones that name an adapter (testing.rs wires route tests)",
    },
    Wall {
        place: "server/node/src",
        except: &["server/node/src/gateway/wire"],
        words: &["socketioxide", "engineioxide"],
        why: "the Socket.IO server is known only to gateway/wire",
    },
    Wall {
        place: "server/node/src",
        except: &["server/node/src/main.rs", "server/node/src/app"],
        words: &["crate::app", "super::app", "sockeye::app"],
        why: "nothing imports app.rs but main",
    },
    Wall {
        place: "server/node/src/contracts",
        except: &[],
        words: &["gateway::wire", "gateway::hub", "gateway::connection", "crate::worker", "crate::config"],
        why: "contracts know the gateway's seam, not its machinery",
    },
    Wall {
        place: "server/node/src/contracts/direct",
        except: &[],
        words: &["direct_v1"],
        why: "contracts do not know each other",
    },
    Wall {
        place: "server/node/src/contracts/direct_v1",
        except: &[],
        words: &["contracts::direct::", "super::super::direct"],
        why: "contracts do not know each other",
    },
    Wall {
        place: "server/node/src/gateway",
        except: &[],
        words: &["crate::contracts", "crate::worker"],
        why: "the gateway serves any contract",
    },
    Wall {
        place: "server/node/src/gateway/wire",
        except: &[],
        words: &["sockeye_core", "crate::config", "crate::audit", "gateway::http"],
        why: "the wire carries events and knows nothing of chat",
    },
    Wall {
        place: "server/node/src/worker",
        except: &[],
        words: &["crate::gateway", "crate::contracts", "crate::config"],
        why: "the worker knows the core only",
    },
    Wall {
        place: "server/node/src",
        except: &["server/node/src/ops", "server/node/src/app.rs"],
        words: &["crate::ops", "super::ops"],
        why: "parts count with `metrics`; only app.rs knows where it goes",
    },
    Wall {
        place: "bench",
        except: &[],
        words: &["sockeye_core", "sockeye_adapters"],
        why: "bench knows only the wire",
    },
];

#[test]
fn no_arrow_points_the_wrong_way() {
    let mut wrong = vec![];
    for wall in WALLS {
        let files = rust_files(wall.place);
        assert!(!files.is_empty(), "{} has no sources: the wall guards nothing", wall.place);
        for file in files {
            let shown = file.strip_prefix(root()).unwrap().display().to_string();
            if wall.except.iter().any(|except| shown.starts_with(except)) {
                continue;
            }
            let source = fs::read_to_string(&file).unwrap();
            for (number, line) in source.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in wall.words.iter().filter(|word| code.contains(**word)) {
                    wrong.push(format!("{shown}:{}: {word}: {}", number + 1, wall.why));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_core_depends_on_no_runtime() {
    let manifest = fs::read_to_string(root().join("server/core/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names: Vec<&str> =
        dependencies.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).collect();
    let allowed = ["async-trait", "base64", "serde", "serde_json", "sha2", "thiserror", ""];
    assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn rust_files(place: &str) -> Vec<PathBuf> {
    let mut waiting = vec![root().join(place)];
    let mut files = vec![];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
