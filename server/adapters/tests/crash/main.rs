//! Processes that are killed in the middle of their work, and disks that fail: nothing that was acknowledged is lost,
//! nothing is there by halves.
//!
//! The child is this very executable, running the ignored test [`child`]; what it acknowledged it writes to a pipe, which
//! survives it.

mod check;
mod ledger;
mod work;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use check::{check, check_consistent};
use ledger::Ledger;

/// Not a test by itself: works in the directory that the first line of its input names, until it is killed.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn child() {
    work::until_killed();
}

fn start(dir: &Path, round: u64, mut command: Command) -> Child {
    command.args(["child", "--exact", "--ignored", "--nocapture"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
    let mut input = child.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, format!("{round} {}\n", dir.display()).as_bytes()).expect("told");
    child
}

fn itself() -> Command {
    Command::new(std::env::current_exe().expect("the path of this test"))
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    for round in 0..10 {
        let mut child = start(dir.path(), round, itself());
        // From "hardly begun" to "well under way".
        let acks = [0, 1, 37, 400, 1_500][usize::try_from(round % 5).unwrap()] + round * 3;
        ledger.follow(&mut child, |ledger| ledger.acks_of(round) >= acks);
        check(dir.path(), &ledger).await;
    }
    assert!(ledger.acks_of(9) > 0 && ledger.stored.is_some() && ledger.committed.is_some());
    assert!(!ledger.pictures.is_empty() && !ledger.users.is_empty());
}

#[tokio::test]
async fn a_torn_write_ahead_log_costs_only_its_torn_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    let mut child = start(dir.path(), 0, itself());
    ledger.follow(&mut child, |ledger| ledger.acks_of(0) >= 300 && ledger.stored.is_some());
    for cut in 0..=20 {
        let torn = tempfile::tempdir().unwrap();
        for name in ["log", "store"] {
            let file = |suffix: &str| format!("{name}.db{suffix}");
            fs::copy(dir.path().join(file("")), torn.path().join(file(""))).unwrap();
            let mut wal = fs::read(dir.path().join(file("-wal"))).unwrap();
            assert!(wal.len() > 10_000, "there is something to tear");
            let keep = wal.len() * cut / 20;
            if cut % 2 == 0 {
                wal.truncate(keep + 13);
            } else {
                wal[keep..].iter_mut().for_each(|byte| *byte ^= 0x5a);
            }
            fs::write(torn.path().join(file("-wal")), wal).unwrap();
        }
        check_consistent(torn.path()).await;
    }
    check(dir.path(), &ledger).await;
}

/// A limit on the size of files makes every write fail from some point on, as a full disk does.
#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1200; exec \"$0\" \"$@\""]);
    limited.arg(std::env::current_exe().unwrap());
    let mut ledger = Ledger::default();
    let mut child = start(dir.path(), 0, limited);
    ledger.follow(&mut child, |ledger| ledger.readable_when_full && ledger.refused > 0);
    assert!(ledger.acks_of(0) > 0);
    check(dir.path(), &ledger).await;
    // With room again, work goes on.
    let mut child = start(dir.path(), 1, itself());
    ledger.follow(&mut child, |ledger| ledger.acks_of(1) >= 50);
    check(dir.path(), &ledger).await;
}
