//! `sockeye`: runs the chat.

use std::process::ExitCode;

use sockeye::{
    app,
    config::{Config, Settings},
    logging,
};

const HELP: &str = "sockeye: a chat backend that speaks the Socket.IO wire protocol

Usage: sockeye [--help | --version]

Without arguments it runs everything in one process: gateway, worker, embedded log and store.
It is configured by environment variables and a .env file; .env.example lists them all.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["--help" | "-h"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        ["--version" | "-V"] => {
            println!("sockeye {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("sockeye: unknown arguments\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> ExitCode {
    let config = match Config::read(Settings::from_environment()) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("sockeye cannot start:");
            problems.iter().for_each(|problem| eprintln!("  {problem}"));
            return ExitCode::from(2);
        }
    };
    if let Err(problem) = logging::start(&config) {
        eprintln!("sockeye cannot start: {problem}");
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start threads");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(app::run(config)) {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(why) => {
            tracing::error!(why, "stopped");
            ExitCode::FAILURE
        }
    }
}
