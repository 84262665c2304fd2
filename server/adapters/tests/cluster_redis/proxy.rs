//! The network between a node and Redis, which can be cut without anybody being told.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

pub struct Proxy {
    port: u16,
    /// Counts cuts and repairs: odd while it is cut.
    cuts: watch::Sender<u64>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    pub async fn start(to_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = watch::Sender::new(0);
        let task = AbortOnDropHandle::new(tokio::spawn(serve(listener, to_port, cuts.subscribe())));
        Self { port, cuts, _task: task }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on nothing passes, and no connection ends.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// New connections work. The old ones stay silent, as when a router on the way forgot them.
    pub fn mend(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn serve(listener: TcpListener, to_port: u16, cuts: watch::Receiver<u64>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let cuts = cuts.clone();
        connections.spawn(async move {
            let born = *cuts.borrow();
            if born % 2 == 1 {
                silence::<()>().await;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", to_port)).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::select! {
                () = copy(near_in, far_out, cuts.clone(), born) => {}
                () = copy(far_in, near_out, cuts, born) => {}
            }
        });
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cuts: watch::Receiver<u64>, born: u64) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let len = tokio::select! {
            biased;
            _ = async { cuts.wait_for(|&cuts| cuts != born).await.is_ok() } => silence().await,
            len = from.read(&mut bytes) => len,
        };
        let Ok(len @ 1..) = len else { return };
        if to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
}

async fn silence<T>() -> T {
    std::future::pending().await
}
