//! A Redis server of one test's own.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::nodes::{until, variable};

pub struct RedisServer {
    arguments: Vec<String>,
    port: u16,
    dir: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    pub async fn start(arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { arguments, port, dir: tempfile::tempdir().unwrap(), child: None };
        server.start_again().await;
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `kill -9`; without its data, as it keeps none.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub async fn start_again(&mut self) {
        let program = variable("SOCKEYE_TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".to_owned());
        let child = Command::new(&program)
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(&self.arguments)
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            panic!("{program} cannot be started: put redis-server on the PATH or name it in SOCKEYE_TEST_REDIS_SERVER: {error}")
        }));
        until("the server to answer", async || answers(self.port).await.is_ok()).await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn answers(port: u16) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_all(b"PING\r\n").await?;
    // `+PONG`, or that a password is needed.
    connection.read_u8().await.map(drop)
}
