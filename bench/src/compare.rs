//! The same scenarios against several servers in one run, each time freshly started.

use crate::args::{Compare, Scenario, Which};
use crate::errors::Failure;
use crate::report::Report;
use crate::scenario;
use crate::subject::Subject;

/// Every scenario against every subject, `rounds` times; subjects alternate, so that a machine that slows down
/// slows all of them.
pub(crate) async fn compare(settings: &Compare) -> Result<Vec<Report>, Failure> {
    let mut reports = Vec::new();
    for round in 1..=settings.rounds {
        for part in parts(settings) {
            for which in settings.subjects() {
                eprintln!("round {round} of {}: {which:?}, {part:?}", settings.rounds);
                reports.push(Box::pin(measure(which, part, settings)).await?);
            }
        }
    }
    Ok(reports)
}

/// A scenario at one rate.
#[derive(Debug, Clone, Copy)]
enum Part {
    Idle,
    /// Messages per second; 0: closed loop.
    Send(u32),
}

fn parts(settings: &Compare) -> Vec<Part> {
    let of = |scenario: &Scenario| match scenario {
        Scenario::Idle => vec![Part::Idle],
        Scenario::Latency => settings.rates.iter().map(|&rate| Part::Send(rate)).collect(),
        Scenario::Pipeline => vec![Part::Send(0)],
    };
    settings.scenarios.iter().flat_map(of).collect()
}

async fn measure(which: Which, part: Part, settings: &Compare) -> Result<Report, Failure> {
    let subject = Subject::start(which, settings).await?;
    let result = match part {
        Part::Idle => scenario::idle(&subject.target, &settings.load).await,
        Part::Send(rate) => scenario::send(&subject.target, &settings.load.at(rate)).await,
    };
    if let Some(into) = &settings.logs
        && !result.as_ref().is_ok_and(Report::is_clean)
    {
        eprintln!("what the servers wrote is in {}", subject.keep_logs(into)?.display());
    }
    let mut report = result.map_err(|failure| subject.with_log(failure))?;
    if let Err(failure) = subject.stop().await {
        report.errors.add("unclean stop", failure.to_string());
    }
    Ok(report)
}
