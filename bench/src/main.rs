//! A load tool for chat servers of contract `direct-v1`. It knows only the wire: REST, and raw Engine.IO 4 /
//! Socket.IO 5 text frames over WebSocket. See README.md for what is measured and how to read it.

mod accounts;
mod args;
mod cast;
mod compare;
mod connection;
mod crew;
mod errors;
mod gauge;
mod latency;
mod ledger;
mod machine;
mod pacing;
mod process;
mod report;
mod scenario;
mod session;
mod stage;
mod stamp;
mod stored;
mod subject;
mod tables;
mod target;
mod usage;
mod wire;
mod words;

use std::fs;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::errors::Failure;
use crate::report::Report;
use crate::target::Target;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Built beside the server, the HTTP client has TLS and asks for one. The only error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Box::pin(run(args.command)).await {
        Ok(reports) if reports.iter().all(Report::is_clean) => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("FAILED: see the errors above");
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<Vec<Report>, Failure> {
    let (reports, output, machine) = match command {
        Command::Idle(one) => {
            let machine = machine::describe(None)?;
            (vec![scenario::idle(&Target::of(&one.target)?, &one.load()).await?], one.output, machine)
        }
        Command::Send(one) => {
            let machine = machine::describe(None)?;
            (vec![scenario::send(&Target::of(&one.target)?, &one.load()).await?], one.output, machine)
        }
        Command::Compare(many) => {
            let machine = machine::describe(Some(&many.scratch_dir))?;
            (compare::compare(&many).await?, many.output, machine)
        }
    };
    print!("{}", words::human(&machine, &reports));
    if let Some(path) = output.json {
        report::write_json(&path, &machine, &reports)?;
    }
    if let Some(path) = output.markdown {
        fs::write(&path, tables::page(&machine, &reports))
            .map_err(Failure::io(format!("writing {}", path.display())))?;
    }
    Ok(reports)
}
