//! Memory and CPU of all processes at the turning points of a scenario.

use crate::errors::{Failure, Tally};
use crate::process::Process;
use crate::target::{Role, Target};
use crate::usage::{ProcessUsage, Usage, Usages};

/// Reads every known process at each turning point; reads nothing when none is known.
#[derive(Debug)]
pub(crate) struct Gauge {
    meters: Vec<Meter>,
    lost: Option<Failure>,
}

#[derive(Debug)]
struct Meter {
    process: Process,
    so_far: ProcessUsage,
    cpu_mark: f64,
}

impl Gauge {
    pub(crate) fn new(target: &Target) -> Self {
        let meter = |watched: &crate::target::Watched| Meter {
            process: watched.process.clone(),
            so_far: ProcessUsage { name: watched.name.clone(), role: watched.role, usage: Usage::default() },
            cpu_mark: 0.0,
        };
        Self { meters: target.processes.iter().map(meter).collect(), lost: None }
    }

    pub(crate) fn starts(&mut self) {
        self.read(|process, usage, _| {
            usage.rss_start_kib = process.rss_kib()?;
            Ok(())
        });
    }

    pub(crate) fn connecting_starts(&mut self) {
        self.read(|process, usage, cpu_mark| {
            usage.rss_before_kib = process.rss_kib()?;
            *cpu_mark = process.cpu_seconds()?;
            Ok(())
        });
    }

    /// Everybody is: so many at each gateway, in the order of their addresses.
    pub(crate) fn connected(&mut self, connections: &[u64]) {
        let gateways = self.meters.iter_mut().filter(|meter| meter.so_far.role == Role::Gateway);
        for (meter, &connections) in gateways.zip(connections) {
            meter.so_far.usage.connections = connections;
        }
        self.read(|process, usage, cpu_mark| {
            usage.connecting_cpu_seconds = process.cpu_seconds()? - *cpu_mark;
            usage.rss_connected_kib = process.rss_kib()?;
            Ok(())
        });
    }

    pub(crate) fn load_starts(&mut self) {
        self.read(|process, _, cpu_mark| {
            *cpu_mark = process.cpu_seconds()?;
            Ok(())
        });
    }

    pub(crate) fn load_ends(&mut self) {
        self.read(|process, usage, cpu_mark| {
            usage.load_cpu_seconds = process.cpu_seconds()? - *cpu_mark;
            usage.rss_loaded_kib = process.rss_kib()?;
            Ok(())
        });
    }

    pub(crate) fn disconnected(&mut self) {
        self.read(|process, usage, _| {
            usage.rss_after_kib = process.rss_kib()?;
            usage.rss_peak_kib = process.rss_peak_kib()?;
            Ok(())
        });
    }

    /// `None` when no process was to be measured, or when one was gone at some point, which is an error.
    /// `messages`: how many the load acknowledged, if it had any.
    pub(crate) fn usages(&self, messages: Option<u64>, errors: &mut Tally) -> Option<Usages> {
        if let Some(lost) = &self.lost {
            errors.add("server process gone", lost.to_string());
            return None;
        }
        let processes: Vec<_> = self.meters.iter().map(|meter| meter.so_far.clone()).collect();
        (!processes.is_empty()).then(|| Usages::new(processes, messages))
    }

    fn read(&mut self, read: impl Fn(&Process, &mut Usage, &mut f64) -> Result<(), Failure>) {
        for Meter { process, so_far, cpu_mark } in &mut self.meters {
            if self.lost.is_none() {
                self.lost = read(process, &mut so_far.usage, cpu_mark).err();
            }
        }
    }
}
