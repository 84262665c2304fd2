use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::Child,
};

/// What children said they had acknowledged.
#[derive(Default)]
pub struct Ledger {
    /// Offset by message number.
    pub acks: BTreeMap<u64, u64>,
    pub stored: Option<u64>,
    pub committed: Option<u64>,
    pub users: Vec<u64>,
    pub pictures: Vec<u64>,
    pub refused: u64,
    pub readable_when_full: bool,
}

impl Ledger {
    /// Listens to a child until `enough`, kills it (SIGKILL), and takes down what it had said by then.
    pub fn follow(&mut self, child: &mut Child, enough: impl Fn(&Self) -> bool) {
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut alive = true;
        for line in lines.lines() {
            self.note(&line.expect("text"));
            if alive && enough(self) {
                child.kill().expect("kill");
                alive = false;
            }
        }
        assert!(!alive, "the child ended by itself");
        child.wait().expect("its end");
    }

    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |nth: usize| words[nth].parse::<u64>().expect("a number");
        match words[0] {
            "ack" => {
                let before = self.acks.insert(number(1), number(2));
                assert!(before.is_none(), "acknowledged twice: {line}");
            }
            "stored" => self.stored = self.stored.max(Some(number(1))),
            "committed" => self.committed = self.committed.max(Some(number(1))),
            "user" => self.users.push(number(1)),
            "picture" => self.pictures.push(number(1)),
            "refused" => self.refused += 1,
            "readable" => self.readable_when_full = true,
            _ => {} // the test harness's own words
        }
    }

    pub fn acks_of(&self, round: u64) -> u64 {
        let of_round = super::work::number(round, 0, 0)..super::work::number(round + 1, 0, 0);
        self.acks.range(of_round).count() as u64
    }
}
