//! How many events of one session wait for their owners: what its transport asks before it reads on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// Counts the waiting events of all sockets of one session. A transport that finds it full stops reading, so a
/// client that is faster than its owner is slowed down by its own connection.
#[derive(Debug)]
pub(crate) struct Backlog {
    len: AtomicUsize,
    len_max: usize,
    websocket: AtomicWaker,
    post: Notify,
}

impl Backlog {
    pub(crate) fn new(len_max: usize) -> Arc<Self> {
        let len_max = len_max.max(1);
        Arc::new(Self {
            len: AtomicUsize::new(0),
            len_max,
            websocket: AtomicWaker::new(),
            post: Notify::new(),
        })
    }

    /// Counts one more event, until the place is dropped. Never refuses: who reads has asked before.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        self.len.fetch_add(1, Ordering::AcqRel);
        Place(self.clone())
    }

    /// How many events may be read.
    pub(crate) fn room(&self) -> usize {
        self.len_max.saturating_sub(self.len.load(Ordering::Acquire))
    }

    /// For the session's one WebSocket: ready if there is room.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.room() > 0 {
            return Poll::Ready(());
        }
        self.websocket.register(cx.waker());
        if self.room() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// For the session's POST: waits for room and says how much there is.
    pub(crate) async fn wait_for_room(&self) -> usize {
        loop {
            let freed = self.post.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.room() {
                0 => freed.await,
                room => return room,
            }
        }
    }
}

/// One event's place in a [`Backlog`].
#[derive(Debug)]
pub(crate) struct Place(Arc<Backlog>);

impl Drop for Place {
    fn drop(&mut self) {
        let backlog = &self.0;
        if backlog.len.fetch_sub(1, Ordering::AcqRel) <= backlog.len_max {
            backlog.websocket.wake();
            backlog.post.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_comes_back_with_every_place() {
        let backlog = Backlog::new(2);
        let places = [backlog.place(), backlog.place(), backlog.place()];
        assert_eq!(backlog.room(), 0);
        let waiting = tokio::spawn({
            let backlog = backlog.clone();
            async move { backlog.wait_for_room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(places);
        assert_eq!(waiting.await.expect("room"), 2);
    }
}
