//! `sockeye`: runs the chat.

use std::process::ExitCode;

use sockeye::{
    app,
    config::{Config, Role, Settings},
    logging, private,
};

const HELP: &str = "sockeye: a chat backend that speaks the Socket.IO wire protocol

Usage: sockeye [COMMAND]

Commands:
  (none)       run everything in one process: gateway and worker
  serve        run a gateway of a cluster: serves clients
  work         run a worker of a cluster: stores messages
  migrate      create the indexes and topics that are missing, and end
  sessions end USER
               end every session of a user (id or e-mail address), with its connections
  doctor       say what is configured, reachable and wrong, and what to do about it
  healthcheck  succeed when the process on this machine lives (for container engines)

Options: --help, --version

It is configured by environment variables and a .env file; .env.example lists them all. Without any, it runs with an
embedded log and store; with KAFKA_BROKERS, MONGODB_URI and REDIS_URL it is part of a cluster.
";

fn main() -> ExitCode {
    // What is not UTF-8 is no command of ours, whatever stands in for it.
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(Role::All),
        ["serve"] => run(Role::Gateway),
        ["work"] => run(Role::Worker),
        ["migrate"] => migrate(),
        ["sessions", "end", who] => end_sessions(who),
        ["doctor"] => doctor(),
        ["healthcheck"] => read(&[]).map_or_else(|code| code, |config| app::healthcheck::run(&config)),
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

fn run(role: Role) -> ExitCode {
    let started = configured(&[role]).and_then(|config| Ok((logged(&config)?, config)));
    let config = match started {
        Ok(((), config)) => config,
        Err(code) => return code,
    };
    let tightened = private::keep_private(&config.storage.data_dir);
    if tightened.count > 0 {
        tracing::info!(
            files = tightened.count,
            "others could read what is in SOCKEYE_DATA_DIR; now they cannot"
        );
    }
    if let Some(left) = tightened.left {
        tracing::warn!("{left}");
    }
    in_runtime(async {
        match app::run(config, role).await {
            Ok(()) => {
                tracing::info!("stopped");
                ExitCode::SUCCESS
            }
            Err(why) => {
                tracing::error!(why, "stopped");
                ExitCode::FAILURE
            }
        }
    })
}

fn migrate() -> ExitCode {
    let config = match configured(&[]) {
        Ok(config) => config,
        Err(code) => return code,
    };
    in_runtime(async {
        match app::migrate(&config).await {
            Ok(done) if done.is_empty() => {
                println!("Nothing was missing.");
                ExitCode::SUCCESS
            }
            Ok(done) => {
                done.iter().for_each(|sentence| println!("{sentence}"));
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("sockeye migrate: {why}");
                ExitCode::FAILURE
            }
        }
    })
}

fn end_sessions(who: &str) -> ExitCode {
    let config = match configured(&[]) {
        Ok(config) => config,
        Err(code) => return code,
    };
    in_runtime(async {
        match app::sessions::end(&config, who).await {
            Ok(done) => {
                println!("{done}");
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("sockeye sessions end: {why}");
                ExitCode::FAILURE
            }
        }
    })
}

fn doctor() -> ExitCode {
    match configured(&[]) {
        Ok(config) => in_runtime(app::doctor::run(config)),
        Err(code) => code,
    }
}

/// The configuration, fit for the roles. What is wrong is said.
fn read(roles: &[Role]) -> Result<Config, ExitCode> {
    let config = Config::read(Settings::from_environment()).map_err(|problems| refused(&problems))?;
    let unfit: Vec<String> = roles.iter().flat_map(|&role| config.unfit_for(role)).collect();
    if unfit.is_empty() { Ok(config) } else { Err(refused(&unfit)) }
}

/// The same, with usable files and directories.
fn configured(roles: &[Role]) -> Result<Config, ExitCode> {
    let config = read(roles)?;
    let unusable = config.unusable_files();
    if unusable.is_empty() { Ok(config) } else { Err(refused(&unusable)) }
}

fn refused(problems: &[String]) -> ExitCode {
    eprintln!("sockeye cannot start:");
    problems.iter().for_each(|problem| eprintln!("  {problem}"));
    ExitCode::from(2)
}

fn logged(config: &Config) -> Result<(), ExitCode> {
    logging::start(config).map_err(|problem| {
        eprintln!("sockeye cannot start: {problem}");
        ExitCode::from(2)
    })
}

fn in_runtime(task: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(task),
        Err(error) => {
            eprintln!("sockeye: cannot start threads: {error}");
            ExitCode::FAILURE
        }
    }
}
