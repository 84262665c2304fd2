//! The same scenarios against several servers in one run, each time freshly started.

use crate::args::{Compare, Load, Scenario, Target, Which};
use crate::errors::Failure;
use crate::report::Report;
use crate::scenario;
use crate::subject::Subject;

/// Every scenario against every subject, `rounds` times; subjects alternate, so that a machine that slows down
/// slows all of them.
pub(crate) async fn compare(settings: &Compare) -> Result<Vec<Report>, Failure> {
    let mut reports = Vec::new();
    for round in 1..=settings.rounds {
        for &scenario in &settings.scenarios {
            for &which in &settings.subjects {
                eprintln!("round {round} of {}: {which:?}, {scenario:?}", settings.rounds);
                reports.push(Box::pin(measure(which, scenario, settings)).await?);
            }
        }
    }
    Ok(reports)
}

async fn measure(which: Which, scenario: Scenario, settings: &Compare) -> Result<Report, Failure> {
    let subject = Subject::start(which, settings).await?;
    let target = Target { url: subject.url.clone(), pid: Some(subject.pid), label: subject.name.to_owned() };
    let result = match scenario {
        Scenario::Idle => scenario::idle(&target, &settings.load).await,
        Scenario::Send => scenario::send(&target, &settings.load).await,
        Scenario::Flood => scenario::send(&target, &Load { rate: 0, ..settings.load.clone() }).await,
    };
    let mut report = result.map_err(|failure| subject.with_log(&failure))?;
    if let Err(failure) = subject.stop().await {
        report.errors.add("unclean stop", failure.to_string());
    }
    Ok(report)
}
